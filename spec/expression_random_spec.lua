-- crumb.expression: random rules, run as plans, against arithmetic that knows nothing of the compiler. SEED and RULES
-- choose others, and how many.
local expression = require "crumb.expression"
local machine = require "support.machine"
local rules = require "support.rules"
local scope = require "support.scope"

describe("random rules", function()
	it("are what their words say", function()
		math.randomseed(tonumber(os.getenv "SEED") or 7)
		local too_large, count = 0, tonumber(os.getenv "RULES") or 3000
		for _ = 1, count do
			local bytes = {}
			for i = 1, 16 do bytes[i] = string.char(math.random(0, 255)) end
			local world = { registers = {}, memory = { [0x1000] = table.concat(bytes) } }
			for i = 0, 5 do
				world.registers["ARG" .. i] = rules.register(0x1000, 16)
			end
			local where, truth = rules.condition(world, 3, false)
			local first, x = rules.number(world, 3)
			local second, y = rules.number(world, 3)
			local plan, message = expression.compile({ where = where, capture = { x = first, y = second } }, scope.uprobe())
			if plan then
				local one = machine.new(world)
				assert.equal(truth, one:run(plan, plan.start), where)
				if truth then assert.same({ x = x or false, y = y or false }, one:event(plan), first .. " and " .. second) end
			else
				assert.truthy(message:find "too large", message)
				too_large = too_large + 1
			end
		end
		assert.truthy(too_large * 10 < count, too_large)
	end)
end)
