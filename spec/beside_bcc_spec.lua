-- The tools that only BCC has by the same name, beside it: each on a load of its own, one like the other.
--
-- BCC's library reads an argument more than its Python gives, a semaphore's place: where it has uprobes the kernel refuses all
-- others, until a moment after the last probe is gone. So they take turns.
local beside = require "support.beside"
local child = require "support.child"
local cli = require "support.cli"
local core = require "crumb.core"
local lab = require "support.lab"

local BUSY <const> = cli.shell "pwd":match "[^\n]*" .. "/build/fixtures/busy"
local LOAD <const> = "leak=50 free=20 leak=7"
local MOMENT <const> = 50000000 -- ns

before_each(child.setup)
after_each(child.teardown)

local function start(command)
	local tracer, errors
	lab.eventually(function()
		tracer, errors = beside.start(command)
		return tracer or not errors:find("Invalid argument", 1, true)
	end)
	return tracer
end

-- What a tracer of a process prints of the load, which begins when it traces and is not ended before `last` is printed.
local function printed(command, last)
	local busy <const> = child.start("%s pid wait %s wait", BUSY, LOAD)
	busy:lines "^waiting$"
	local tracer <close> = start((command:gsub("PID", busy.pid)))
	if not tracer then return nil end
	busy:say ""
	busy:lines "^waiting$"
	local function is_there() return core.await(MOMENT) or table.concat(tracer:lines(), "\n"):find(last) end
	if last then assert.is_truthy(lab.eventually(is_there)) end
	local lines <const> = tracer:finish()
	busy:finish()
	return lines
end

-- What the pattern captures of the lines, sorted.
local function found(lines, pattern)
	local list <const> = {}
	for _, line in ipairs(lines) do list[#list + 1] = line:match(pattern) end
	table.sort(list)
	return list
end

local function unique(list)
	local once <const> = {}
	for _, one in ipairs(list) do once[#once + 1] = once[#once] ~= one and one or nil end
	return once
end

-- Theirs with `last` prints the same each second.
local function it_finds(expected, name, theirs, ours)
	it(name .. " finds the same", function()
		local lines <const> = printed(("env PYTHONUNBUFFERED=1 %s-bpfcc %s"):format(name, theirs.words), theirs.last)
		if not lines then pending(("BCC's %s does not run here"):format(name)) return end
		local others <const> = found(lines, theirs.pattern)
		assert.same(expected, theirs.last and unique(others) or others)
		assert.same(expected, found(printed(("build/crumb -q --csv -p PID %s %s"):format(name, ours.words)), ours.pattern))
	end)
end

local KEEP <const>, LEAK <const> = BUSY .. ":keep", BUSY .. ":leak"

describe("beside BCC's", function()
	it_finds({ "37" }, "memleak",
		{ words = "-p PID 1", pattern = "^%s+3700 bytes in (%d+) allocations", last = "3700 bytes in 37" },
		{ words = "", pattern = ",(%d+),3700$" })
	it_finds({ "57" }, "funccount",
		{ words = "-p PID " .. KEEP, pattern = "^keep +(%d+)$" },
		{ words = "uprobe:" .. KEEP, pattern = "^keep,(%d+)$" })
	it_finds({ "57" }, "stackcount",
		{ words = "-p PID " .. KEEP, pattern = "^    (%d+)$" },
		{ words = "uprobe:" .. KEEP, pattern = ";main;keep,(%d+)$" })
	it_finds({ "50", "7" }, "argdist",
		{ words = ("-c -i 1 -p PID -C 'p:%s(long n):long:n'"):format(LEAK), pattern = "^%s+1 +n = (%d+)$", last = "n = 7" },
		{ words = ("--count uprobe:%s arg0"):format(LEAK), pattern = "^(%d+),1$" })
	it_finds({ "50", "7" }, "trace",
		{ words = ("-p PID '%s \"%%d\", arg1'"):format(LEAK), pattern = "^%d+ +%d+ +busy +leak +(%d+)$" },
		{ words = ("uprobe:%s arg0"):format(LEAK), pattern = ",leak,.*,busy,%d+,(%d+)$" })
end)
