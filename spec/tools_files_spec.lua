-- Tools of files and system calls, each run on a load of its own, as people run it.
local cli = require "support.cli"

-- A tool on a command: its lines, with the first words as given.
local function run(command, ...)
	local text <const>, status <const>, errors <const> = cli.run("-c", command, ...)
	assert.same({ "", 0 }, { errors, status })
	local lines <const> = {}
	for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
	return lines
end

local function matches(lines, pattern)
	local count = 0
	for _, line in ipairs(lines) do
		if line:find(pattern) then count = count + 1 end
	end
	return count
end

describe("syscount", function()
	it("counts system calls by name", function()
		local lines <const> = run("dd if=/dev/zero of=/dev/null bs=1 count=23 status=none", "--csv", "syscount", "--by",
			"comm", "--top", "100")
		assert.equal("comm,call,count", lines[1])
		assert.equal(1, matches(lines, "^dd,write,23$"))
		assert.equal(1, matches(lines, "^%l+,execve,1$"))
		assert.equal(1, matches(lines, "^dd,exit_group,1$"))
	end)

	it("counts what failed, and by what", function()
		local lines <const> = run("sh -c 'exec 2>/dev/null; kill -0 99999999; kill -0 99999999; kill -0 $$'", "--csv", "syscount",
			"--failed", "--by", "errno(args.ret)", "--top", "100")
		assert.equal(1, matches(lines, "^ESRCH,kill,2$"))
	end)

	it("tells how long they took", function()
		local lines <const> = run("sleep 0.1", "--csv", "syscount", "-L", "--top", "1")
		assert.equal("call,count,total,longest", lines[1])
		local total <const>, longest <const> = lines[2]:match "^clock_nanosleep,1,(%d+),(%d+)$"
		assert.equal(total, longest)
		assert.is_true(tonumber(total) >= 100000000)
		assert.equal(2, #lines)
	end)
end)
