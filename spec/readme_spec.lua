-- The README: its example is run as it stands there, and its table is held against the running kernel.

local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"

local function readme()
	local file <close> = assert(io.open "README.md")
	return file:read "a"
end

-- Shape: a list of rows, each { hook =, since =, ["with a cookie since"] =, ["6.1"] =, … }
local function table_of_hooks()
	local names, rows <const> = nil, {}
	for line in readme():gmatch "[^\n]+" do
		local cells <const> = {}
		for cell in line:gmatch "|%s*([^|]-)%s*%f[|]" do cells[#cells + 1] = cell end
		if cells[1] == "hook" then
			names = cells
		elseif names and cells[1] and cells[1]:find "^`" then
			local row <const> = {}
			for i, name in ipairs(names) do row[name] = cells[i]:gsub("`", "") end
			rows[#rows + 1] = row
		end
	end
	return rows
end

describe("the README", function()
	it("shows an example that runs as it stands", function()
		if not core.execute { "clang", "--version" } then pending "no clang on this machine" return end
		local lines <const> = {}
		local sandbox <const> = setmetatable({ print = function(...)
			lines[#lines + 1] = table.concat({ ... }, "\t")
		end }, { __index = _G })
		local example <const> = assert(readme():match "```lua\n(.-)```", "README.md shows no Lua")
		assert(load(example, "=README.md", "t", sandbox))()
		local asked <const> = {}
		for _, line in ipairs(lines) do
			local comm <const>, what <const> = line:match "^(.-)\tasks for the (%a+)$"
			assert.is_truthy(comm, line)
			if comm == "ls" then asked[what] = (asked[what] or 0) + 1 end
		end
		assert.is_true(asked.environment > 0)
		assert.is_true(asked.locale > 0)
	end)

	it("gives each hook, with the versions that bpf.features tells", function()
		local hooks <const>, seen = bpf.features().hooks, 0
		for _, row in ipairs(table_of_hooks()) do
			local hook <const> = assert(hooks[row.hook], row.hook)
			assert.equal(hook.since, row.since)
			assert.equal(hook.cookie_since, row["with a cookie since"])
			seen = seen + 1
		end
		local known = 0
		for _ in pairs(hooks) do known = known + 1 end
		assert.equal(known, seen)
	end)

	it("is right about the running kernel", function()
		local found <const> = bpf.features()
		local column <const> = found.kernel:match "^%d+%.%d+"
		if not (found.kernel:find "cloud" and table_of_hooks()[1][column]) then
			pending "the README has no column for this kernel"
			return
		end
		for _, row in ipairs(table_of_hooks()) do
			local hook <const> = found.hooks[row.hook]
			assert.equal(hook.cookie and "cookie" or hook.available and "no cookie" or "–", row[column], row.hook)
		end
	end)
end)
