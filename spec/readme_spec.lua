-- The README: its example is run as it stands there, and its table is held against the running kernel.

local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"
local blocks <const> = require "support.blocks"
local lab <const> = require "support.lab"

local function readme() return lab.read "README.md" end

-- What the block of that number prints.
local function printed_by(number) return blocks.run(blocks.marked "README.md"[number]) end

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
	it("shows the tracer as it stands, and what it prints", function()
		local library <close> = io.open "/usr/lib/x86_64-linux-gnu/libc.so.6"
		if not (library and core.execute { "ls", "--version" }) then pending "ls does not use this libc" return end
		local busy <close> = lab.start [[while os.execute "ls -l /usr/share >/dev/null" do end]]
		local lines <const> = printed_by(1)
		local drawn <const> = table.remove(lines)
		assert.truthy(drawn:find "^comm=ls\nhist %(ns%)\n%[.*|@+ *|", drawn)
		assert.truthy(readme():find("\n```\n7\tls\t/.*\ncomm=ls\nhist %(ns%)\n%["))
		local opened = 0
		for _, line in ipairs(lines) do
			if assert(line:match "^7\t(.-)\t", line) == "ls" then opened = opened + 1 end
		end
		assert.is_true(opened > 0)
		busy:stop()
	end)

	it("shows BPF of one's own as it stands", function()
		if not core.execute { "clang", "--version" } then pending "no clang on this machine" return end
		local asked <const> = {}
		for _, line in ipairs(printed_by(2)) do
			local comm <const>, what <const> = line:match "^(.-)\tasks for the (%a+)$"
			assert.is_truthy(comm, line)
			if comm == "ls" then asked[what] = (asked[what] or 0) + 1 end
		end
		assert.is_true(asked.environment > 0)
		assert.is_true(asked.locale > 0)
	end)

	it("names each example", function()
		local named <const> = {}
		for line in readme():gmatch "\n| (`[^|]+`) |[^\n]*" do
			for name in line:gmatch "`([%l_]+)`" do named[name] = true end
		end
		for _, file in ipairs(assert(core.directory "examples")) do
			local name <const> = file:match "^(.*)%.lua$"
			if name and name ~= "support" and name ~= "demo" then
				assert.is_true(named[name], name .. " is not in README.md")
			end
		end
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
