-- The tools for the processor and memory beside other tracers' of their names.
local beside = require "support.beside"
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
