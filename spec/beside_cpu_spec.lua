-- The tools for the processor and memory beside other tracers' of their names.
local beside = require "support.beside"
local child = require "support.child"
local cli = require "support.cli"
local features = require "crumb.bpf.features"
local lab = require "support.lab"

local BUSY <const> = "build/fixtures/busy"

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

-- A bar of libbpf-tools' histograms.
local BUCKET <const> = "^ +%d+ %-> %d+ +: (%d+) "

-- The captures of a pattern, which are counts, summed over the lines.
local function sum_of(lines, pattern)
	local sum = 0
	for _, line in ipairs(lines) do sum = sum + (math.tointeger(tonumber(line:match(pattern))) or 0) end
	return sum
end

describe("profile", function()
	it("finds as much in a program as bpftrace does", function()
		local lines <const>, text <const> = on_one_process("bpftrace -q -e 'profile:hz:99 /pid == %d/ { @ = count(); }'",
			"profile --kernel --top 1000", "hot=1000")
		if not lines then pending "bpftrace does not run here" return end
		local counted <const>, ours = sum_of(lines, "^@: (%d+)$"), 0
		for count in text:gmatch "\nbusy,[^\n]*,(%d+)" do ours = ours + math.tointeger(tonumber(count)) end
		assert.is_true(counted > 40, counted .. " samples")
		-- Both take 99 samples a second, but not at the same moments: of a processor that others use too, at random.
		assert.is_true(math.abs(ours - counted) <= counted // 2, ("%d and %d"):format(ours, counted))
	end)
end)

describe("runqlat", function()
	it("counts each wait that libbpf-tools' does", function()
		local hook <const> = features.hook "rawtracepoint"
		if not hook.cookie then pending(hook.why or "no raw tracepoints") return end
		local lines <const>, text <const> = on_one_process("runqlat -p %d", "runqlat",
			("nap=1 "):rep(30) .. "hot=100")
		if not lines then pending "libbpf-tools' runqlat does not run here" return end
		local theirs <const> = sum_of(lines, BUCKET)
		local ours = 0
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
		local theirs <const> = sum_of(lines, "^%s+(%d+)$")
		local ours = 0
		for us in text:gmatch "busy,[^\n]*,(%d+)%f[\n\0]" do ours = ours + math.tointeger(tonumber(us)) end
		-- Each takes the time where it comes to run: an emulated processor takes milliseconds from the timer's start to there.
		assert.is_true(theirs >= (lab.slow and 250000 or 300000), theirs .. " us")
		assert.is_true(math.abs(ours - theirs) <= theirs // (lab.slow and 5 or 50), ("%d and %d"):format(ours, theirs))
	end)
end)

describe("funclatency counts the calls that libbpf-tools' does", function()
	local function check(theirs, ours, load, count)
		local lines <const>, text <const> = on_one_process("funclatency -p %d " .. theirs, "funclatency " .. ours, load)
		if not lines then return false end
		assert.equal(count, sum_of(lines, BUCKET))
		assert.equal(count, sum_of(cli.lines(text), "^latency,%d*,%d*,(%d+)$"))
		return true
	end

	it("of a program's function", function()
		if not check(":keep", ("uprobe:%s:keep"):format(BUSY), "leak=50 free=20 leak=7", 57) then
			pending "libbpf-tools' funclatency does not run here"
		end
	end)

	it("of a kernel's", function()
		if not check("hrtimer_nanosleep", "kprobe:hrtimer_nanosleep", ("nap=1 "):rep(30), 30) then
			pending "libbpf-tools' funclatency does not run here for functions of the kernel"
		end
	end)
end)
