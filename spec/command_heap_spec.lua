-- `crumb -c` counts exactly what a program calls: a library within it (spec/fixtures/count_heap.c) counts too.
local cli = require "support.cli"
local core = require "crumb.core"

local LIBRARY <const> = "build/fixtures/count_heap.so"
local FUNCTIONS <const> = { "malloc", "calloc", "realloc", "free" }
local PROCESSES <const> = 65536

-- What the library counted: { [pid] = { malloc = n, … } }, of processes that called anything.
local function own_counts(path)
	local bytes <const>, counts <const> = assert(core.read(path)), {}
	local at = 1
	while true do
		at = bytes:find("[^\0]", at)
		if not at then return counts end
		local process <const> = (at - 1) // 32
		local of <const> = { ("<i8i8i8i8"):unpack(bytes, process * 32 + 1) }
		counts[process] = {}
		for i, name in ipairs(FUNCTIONS) do counts[process][name] = of[i] > 0 and of[i] or nil end
		at = (process + 1) * 32 + 1
	end
end

-- What crumb counts of a command, by process; and what the command counts itself, of the same processes. Third, how many
-- processes counted themselves: crumb is one, and the readlink of its launcher another where it is not in its place.
local function both_counts(command, ...)
	local path <const> = os.tmpname()
	os.remove(path)
	local given <const> = { cli.quoted "--csv", cli.quoted "-c", cli.quoted(command) }
	for _, word in ipairs { ... } do given[#given + 1] = cli.quoted(word) end
	local text <const>, status <const>, errors <const> = cli.shell(
		("COUNT_HEAP=%s LD_PRELOAD=$PWD/%s build/crumb %s funccount --by pid uprobe:libc:%s"):format(path, LIBRARY,
			table.concat(given, " "), table.concat(FUNCTIONS, " uprobe:libc:")))
	assert.same({ 0, "" }, { status, errors })
	local counted <const>, all <const>, own <const> = {}, own_counts(path), {}
	os.remove(path)
	for name, pid, count in text:gmatch "\n(%l+),(%d+),(%d+)%f[\n]" do
		local process <const> = tonumber(pid) % PROCESSES
		counted[process] = counted[process] or {}
		counted[process][name] = math.tointeger(count)
		own[process] = all[process] or {}
	end
	local processes = 0
	for _ in pairs(all) do processes = processes + 1 end
	return counted, own, processes
end

local function only(counts)
	local process <const>, one <const> = next(counts)
	assert.is_nil(next(counts, process))
	return one
end

describe("crumb -c", function()
	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("counts each call of ls, as a counter within it does", function()
		local counted <const>, own <const> = both_counts "ls -l /"
		assert.same(own, counted)
		assert.is_true(only(counted).malloc > 50)
	end)

	it("counts nothing of the command's children", function()
		local counted <const>, own <const> = both_counts "lua5.4 -e \"print(io.popen('ls -l /'):read 'a')\""
		assert.same(own, counted)
		assert.is_true(only(counted).free > 50)
	end)

	it("counts each call of all of them with --follow", function()
		local counted <const>, own <const>, processes <const> = both_counts(
			"lua5.4 -e \"for _ = 1, 3 do io.popen('ls -l /; ls /dev'):read 'a' end os.execute 'ls /; exec ls /proc'\"", "--follow")
		assert.same(own, counted)
		local seen = 0
		for _ in pairs(counted) do seen = seen + 1 end
		assert.is_true(processes - seen == 1 or processes - seen == 2)
		assert.is_true(seen >= 6)
	end)
end)
