-- Random rules in the kernel, against plain arithmetic that knows nothing of the compiler nor of the engine. SEED and
-- RULES choose others, and how many.
local cookies = require "support.cookies"
local crumb = require "crumb"
local lab = require "support.lab"
local rules = require "support.rules"
local Typed = require "support.typed"

local PAGE <const>, SIZE <const> = 0x10000000, 4096

-- The victim's page, with nothing around it.
local function page()
	local bytes <const> = {}
	for i = 0, SIZE - 1 do bytes[i + 1] = string.char(i * 167 + 13 & 0xff) end
	return table.concat(bytes)
end

describe("random rules", function()
	for _, returns in ipairs { false, true } do
		it("are in the kernel what their words say, at a uprobe" .. (returns and " with returns" or ""), function()
			if cookies.missing(returns and "uretprobe" or "uprobe") then
				return pending(cookies.missing(returns and "uretprobe" or "uprobe"))
			end
			math.randomseed(tonumber(os.getenv "SEED") or 11)
			local victim <close> = Typed.start()
			local trace <close> = assert(crumb.trace { pid = victim.pid })
			local probe <close> = assert(trace:probe { "uprobe:" .. Typed.PATH .. ":take_six", returns = returns })
			local bytes <const>, count <const> = page(), tonumber(os.getenv "RULES") or lab.times(1500)
			local hits, held = 0, 0
			for _ = 1, count do
				local world <const> = { registers = {}, memory = { [PAGE] = bytes } }
				local passed <const> = {}
				for i = 0, 5 do
					passed[i + 1] = rules.register(PAGE, SIZE)
					world.registers["ARG" .. i] = passed[i + 1]
				end
				local where <const>, truth <const> = rules.condition(world, 3, false)
				local first <const>, x <const> = rules.number(world, 3)
				local second <const>, y <const> = rules.number(world, 3)
				local done <const>, message <const> = probe:set { where = where, capture = { x = first, y = second } }
				if done and not world.kernel then
					victim:call("six", "any", 0, 0, table.unpack(passed))
					hits, held = hits + 1, held + (truth and 1 or 0)
					local seen <const> = {}
					for event in probe:events { idle = 0 } do seen[#seen + 1] = { x = event.x, y = event.y } end
					local told <const> = ("%s; %s; %s; of %s"):format(where, first, second, table.concat(passed, " "))
					assert.equal(truth and 1 or 0, #seen, told)
					if truth then assert.same({ x = x or false, y = y or false }, seen[1], told) end
				elseif not done then
					assert.truthy(message:find "too large", message)
				end
			end
			local stats <const> = probe:stats()
			assert.equal(hits, stats.hits)
			assert.equal(held, stats.sent)
			assert.equal(hits - held, stats.filtered)
		end)
	end
end)
