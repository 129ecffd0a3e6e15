-- The README's example, run as it stands there.

local core <const> = require "crumb.core"

local function example()
	local file <close> = assert(io.open "README.md")
	return assert(file:read("a"):match "```lua\n(.-)```", "README.md shows no Lua")
end

describe("the README", function()
	it("shows an example that runs as it stands", function()
		if not core.execute { "clang", "--version" } then pending "no clang on this machine" return end
		local lines <const> = {}
		local sandbox <const> = setmetatable({ print = function(...)
			lines[#lines + 1] = table.concat({ ... }, "\t")
		end }, { __index = _G })
		assert(load(example(), "=README.md", "t", sandbox))()
		local asked <const> = {}
		for _, line in ipairs(lines) do
			local comm <const>, what <const> = line:match "^(.-)\tasks for the (%a+)$"
			assert.is_truthy(comm, line)
			if comm == "ls" then asked[what] = (asked[what] or 0) + 1 end
		end
		assert.is_true(asked.environment > 0)
		assert.is_true(asked.locale > 0)
	end)
end)
