-- The tools for the processor and memory beside other tracers' of their names.
local beside = require "support.beside"
local child = require "support.child"
local cli = require "support.cli"

local BUSY <const> = "build/fixtures/busy"

describe("profile", function()
	it("finds as much in a program as bpftrace does", function()
		local theirs <close> = beside.start "bpftrace -q -e 'profile:hz:99 /comm == \"busy\"/ { @[comm] = count(); }'"
		if not theirs then pending "bpftrace does not run here" return end
		local text <const> = cli.run("-c", BUSY .. " hot=1000", "--csv", "profile", "--kernel", "--top", "1000")
		local counted <const>, ours = math.tointeger(tonumber(table.concat(theirs:finish()):match "@%[busy%]: (%d+)")), 0
		for count in text:gmatch "\nbusy,[^\n]*,(%d+)" do ours = ours + math.tointeger(tonumber(count)) end
		assert.is_true(counted > 80)
		-- Both take 99 samples a second, but not at the same moments.
		assert.is_true(math.abs(ours - counted) <= 5 + counted // 10, ("%d and %d"):format(ours, counted))
	end)
end)

-- Both on one process, which begins when both trace; `theirs`: a format for its pid. Their lines, and our output.
local function on_one_process(theirs, ours, load)
	child.setup()
	local busy <const> = child.start("%s pid wait %s", BUSY, load)
	busy:lines "^waiting$"
	local other <close> = beside.start(theirs:format(busy.pid))
	if not other then
		child.teardown()
		return nil
	end
	local traced <close> = assert(beside.start(("build/crumb -q --csv -p %d %s"):format(busy.pid, ours)))
	busy:say ""
	busy:finish()
	local lines <const>, text <const> = other:finish(), table.concat((traced:finish()), "\n")
	child.teardown()
	return lines, text
end

describe("runqlat", function()
	it("counts each wait that libbpf-tools' does", function()
		local lines <const>, text <const> = on_one_process("runqlat -p %d", "runqlat",
			("nap=1 "):rep(30) .. "hot=100")
		if not lines then pending "libbpf-tools' runqlat does not run here" return end
		local theirs, ours = 0, 0
		for _, line in ipairs(lines) do theirs = theirs + (math.tointeger(line:match "%d+ %-> %d+ +: (%d+)") or 0) end
		for count in text:gmatch ",(%d+)%f[\n\0]" do ours = ours + math.tointeger(tonumber(count)) end
		assert.is_true(theirs >= 25, theirs .. " waits")
		assert.is_true(math.abs(ours - theirs) <= 2, ("%d and %d"):format(ours, theirs))
	end)
end)

describe("offcputime", function()
	it("sums as much as libbpf-tools' does", function()
		local lines <const>, text <const> =
			on_one_process("offcputime -p %d", "offcputime --kernel --top 1000", "nap=100 nap=200 hot=50")
		if not lines then pending "libbpf-tools' offcputime does not run here" return end
		local theirs, ours = 0, 0
		for _, line in ipairs(lines) do theirs = theirs + (math.tointeger(line:match "^%s+(%d+)$") or 0) end
		for us in text:gmatch "busy,[^\n]*,(%d+)%f[\n\0]" do ours = ours + math.tointeger(tonumber(us)) end
		assert.is_true(theirs >= 300000, theirs .. " us")
		assert.is_true(math.abs(ours - theirs) <= theirs // 50, ("%d and %d"):format(ours, theirs))
	end)
end)

describe("memleak", function()
	it("finds what BCC's does", function()
		local lines <const>, text <const> =
			on_one_process("memleak-bpfcc -p %d 1", "memleak", "leak=50 free=20 nap=3000 pid")
		if not lines then pending "BCC's memleak does not run here" return end
		local theirs <const>, ours <const> = table.concat(lines, "\n"), text:match "\n(%d+),(%d+)," or text
		assert.matches("3000 bytes in 30 allocations", theirs, 1, true)
		assert.matches("30,3000", text .. ours, 1, true)
	end)
end)
