-- The README: its example is run as it stands there, and its table is held against the running kernel.

local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"
local blocks <const> = require "support.blocks"
local features <const> = require "crumb.bpf.features"
local lab <const> = require "support.lab"
local pty <const> = require "support.pty"

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

-- What is typed at the prompt, and the line that follows.
-- Shape: a list of { typed =, answer = }
local function prompt_lines()
	local block <const> = assert(readme():match "readme_spec.lua types this %-%->\n```\n# crumb\n(.-)```")
	local list <const> = {}
	for line in block:gmatch "[^\n]+" do
		local typed <const> = line:match "^crumb> (.+)"
		local last <const> = list[#list]
		if typed then
			list[#list + 1] = { typed = typed }
		elseif last and not last.answer then
			last.answer = line
		end
	end
	return list
end

-- A line of which only the numbers differ.
local function form(line) return (line:gsub("%d[%d,]*", "#"):gsub(", # filtered", "")) end

local function without_marks(text) return (text:gsub("\27%[[%d;?]*%a", ""):gsub("\r", "")) end

describe("the README", function()
	it("shows the prompt as it answers", function()
		if not features.hook "uprobe.multi".cookie then pending "this kernel has no uprobe.multi" return end
		local prompt <close> = pty.start("env HOME=/nowhere build/crumb", { rows = 60, columns = 130 })
		prompt:prompt()
		local lines <const> = prompt_lines()
		assert.equal(8, #lines)
		for _, line in ipairs(lines) do
			local before <const> = #prompt.all
			prompt:enter(line.typed)
			prompt:wait "\n"
			prompt:prompt()
			local answer <const> = line.answer or "…"
			if answer:find "filtered/s" then -- said a second later
				prompt:wait "filtered/s"
				prompt:prompt()
			elseif answer ~= "…" and not answer:find "^crumb>" then
				local said <const> = form(without_marks(prompt.all:sub(before + 1)))
				assert.truthy(said:find("\n" .. form(answer) .. "\n", 1, true), said .. "\nlacks: " .. form(answer))
			end
		end
		prompt:type "\4"
		assert.same({ "\n2 probes closed\n", 0 }, { prompt:finish() })
	end)

	it("names each tool", function()
		local named <const> = {}
		for line in readme():match "\n| for | tools |\n.-\n\n":gmatch "[^\n]+" do
			for name in line:gmatch "`([%l]+)`" do named[name] = true end
		end
		for _, file in ipairs(assert(core.directory "lua/crumb/tools")) do
			local name <const> = file:match "^(.*)%.lua$"
			assert.is_true(named[name], name .. " is not in README.md")
		end
	end)

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
