-- callgraph, on calls that recurse, jump and run in two threads, and on Go's.
local cli = require "support.cli"
local features = require "crumb.bpf.features"
local lab = require "support.lab"

local VICTIM <const> = "build/fixtures/calls_victim"

local function targets(...)
	local list <const> = {}
	for i, name in ipairs { ... } do list[i] = ("uprobe:%s:%s"):format(VICTIM, name) end
	return table.unpack(list)
end

-- The lines of a run without whose they are and how long they took.
local function run(command, ...)
	local text <const>, status <const>, errors <const> = cli.run("-q", "-c", command, "callgraph", ...)
	assert.same({ "", 0 }, { errors, status })
	local lines <const> = {}
	for line in text:gmatch "[^\n]+" do
		local call <const> = line:match "^[%w_]+%[%d[%d/]*%] +[%d.%lu]* | (.*)$"
		lines[#lines + 1] = call and call:gsub("0x%x+", "…")
	end
	return lines
end

describe("callgraph", function()
	setup(function()
		local hook <const> = features.hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("nests calls, with arguments and what they return", function()
		assert.same({
			"main argc=2 argv=… {", "  fib n=3 {", "    fib n=2 {", "      fib n=1 retval=1", "      fib n=0 retval=0",
			"    } fib retval=1", "    fib n=1 retval=1", "  } fib retval=2", "} main retval=0",
		}, run(VICTIM .. " fib", targets("main", "fib")))
	end)

	it("takes all of a program, and leaves alone where it begins", function()
		local lines <const> = run(VICTIM .. " fib", targets "*")
		local text <const> = table.concat(lines, "\n")
		assert.matches("main argc=2 [^\n]*\n  fib n=3 {\n", text)
		assert.not_matches("_start", text)
		for _, target in ipairs { "{ 'uprobe:%s:_start', returns = true }", "'uretprobe:%s:_start'" } do
			local _, status <const>, errors <const> = cli.run("-e", ("probe %s"):format(target:format(VICTIM)))
			assert.equal(1, status)
			assert.matches("the program begins there, and its arguments lie where a return address would\n$", errors)
		end
		local code <const> = "for _, one in ipairs(probe('uretprobe:%s:*').skipped) do print(one.symbol) end os.exit()"
		assert.equal("_start\n", (cli.run("-q", "-e", code:format(VICTIM))))
	end)

	it("goes only so deep", function()
		assert.same({ "main argc=2 argv=… {", "  fib n=3 retval=2", "} main retval=0" },
			run(VICTIM .. " fib", "--depth", "2", targets("main", "fib")))
	end)

	it("knows a tail call from what was left by a longjmp", function()
		local expected <const> = {
			"main argc=3 argv=… {", "  tail n=7 {", "    leaf n=7 retval=8", "  } tail retval=8", "  jumps times=3 {",
		}
		for i = 0, 2 do
			for _, line in ipairs { "    left n=%d {", "      leave n=%d {", "    leaf n=%d retval=%d" } do
				expected[#expected + 1] = line:format(i, i + 1)
			end
		end
		expected[#expected + 1] = "  } jumps retval=3"
		expected[#expected + 1] = "} main retval=0"
		assert.same(expected, run(VICTIM .. " tail jumps", targets("main", "tail", "leaf", "jumps", "left", "leave")))
	end)

	it("keeps threads apart, in the order of time", function()
		local text <const>, status <const> = cli.run("-q", "--json", "-c", VICTIM .. " threads", "callgraph", targets("thread", "fib"))
		assert.equal(0, status)
		local last, threads <const>, depths <const> = 0, {}, {}
		for line in text:gmatch "[^\n]+" do
			local time <const>, tid <const> = tonumber(line:match '"time":(%d+)'), line:match '"tid":(%d+)'
			local depth <const>, latency <const> = tonumber(line:match '"depth":(%d+)'), line:find '"latency"'
			assert.is_true(time >= last)
			last = time
			-- Of each thread entries go one deeper, and a return is as deep as its entry.
			local open <const> = threads[tid] or 0
			assert.equal(latency and open - 1 or open, depth)
			threads[tid] = latency and depth or depth + 1
			if not latency then depths[depth] = (depths[depth] or 0) + 1 end
		end
		local count = 0
		for _, open in pairs(threads) do count = count + 1 assert.equal(0, open) end
		assert.equal(2, count)
		assert.same({ [0] = 2, 100, 200, 200 }, depths)
	end)

	it("follows goroutines, whose stacks move", function()
		if not lab.exists "build/fixtures/go_plain" then pending "no Go compiler" return end
		local lines <const> = run("build/fixtures/go_plain 1 1 2 0", "uprobe:build/fixtures/go_plain:main.deep")
		assert.same({
			"main.deep n=2 {", "  main.deep n=1 {", "    main.deep n=0 retval=0", "  } main.deep retval=1", "} main.deep retval=2",
		}, lines)
	end)

	it("shows the kernel's functions", function()
		local hook <const> = features.hook "kprobe"
		if not hook.cookie then pending(hook.why or "no kprobes") return end
		local text <const>, status <const> = cli.run("-q", "-c", "cat /proc/self/stat", "callgraph",
			"kprobe:vfs_read", "kprobe:seq_read_iter")
		assert.equal(0, status)
		assert.matches("| vfs_read [^\n]* {\n[^\n]*|   seq_read_iter [^\n]* retval=%d+\n[^\n]* | } vfs_read retval=%d+\n", text)
	end)
end)
