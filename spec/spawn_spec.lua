-- crumb.Process: a child that is known before it runs, and leaves nothing behind.
local core = require "crumb.core"
local lab = require "support.lab"

local ENOENT <const>, ESRCH <const>, EACCES <const>, ECHILD <const> = 2, 3, 13, 10
local SIGINT <const>, SIGKILL <const>, SIGTERM <const>, SIGSTOP <const> = 2, 9, 15, 19

local before, path

before_each(function()
	before = lab.descriptors()
	path = os.tmpname()
end)

after_each(function()
	os.remove(path)
	assert.equal(before, lab.descriptors())
end)

local function shell(text, ...) return assert(core.spawn { "sh", "-c", text, "sh", ... }) end

local function started(text)
	local process <const> = shell(text)
	assert(process:start())
	return process
end

-- What the kernel says of a process; nil when there is none.
local function state_of(pid)
	local file <close> = io.open(("/proc/%d/stat"):format(pid))
	return file and (file:read "a" or ""):match "%) (%a)"
end

-- A line of /proc/PID/status.
local function status_of(pid, name)
	return lab.read(("/proc/%d/status"):format(pid)):match("\n" .. name .. ":%s*([^\n]*)")
end

-- What Lua text prints in a process of its own, which a line for the shell starts.
local function run_under(line, text)
	local script <const> = os.tmpname()
	local file <const> = assert(io.open(script, "w"))
	file:write(("package.path, package.cpath = %q, %q\nlocal core = require 'crumb.core'\n")
		:format(package.path, package.cpath), text)
	file:close()
	local pipe <close> = assert(io.popen(line:format(script)))
	local output <const> = pipe:read "a"
	os.remove(script)
	return output
end

describe("a process", function()
	it("has its pid before it runs, and keeps it", function()
		local process <close> = shell("echo $$ >" .. path)
		assert.equal("sh", process.name)
		assert.is_false(process:running())
		assert.is_truthy(state_of(process.pid))
		assert.equal("", lab.read(path))
		assert.is_false(process:started())
		assert.is_true(process:start())
		assert.is_true(process:started())
		assert.same({ exit = 0 }, process:wait())
		assert.equal(process.pid .. "\n", lab.read(path))
		assert.is_false(process:running())
		assert.same({ exit = 0 }, process:wait(0))
		assert.is_nil(state_of(process.pid))
	end)

	it("tells how it ended", function()
		for status = 0, 255, 51 do
			local process <close> = started("exit " .. status)
			assert.same({ exit = status }, process:wait())
		end
		local process <close> = started "kill -KILL $$"
		assert.same({ signal = SIGKILL }, process:wait())
	end)

	it("gets its words as they are", function()
		local process <close> = shell(("printf '%%s|' \"$@\" >%s"):format(path), "a b", "", "$HOME", "'\"\n", "*")
		assert(process:start())
		process:wait()
		assert.equal("a b||$HOME|'\"\n|*|", lab.read(path))
	end)

	it("is found by its path, or in PATH", function()
		for _, name in ipairs { "true", "/bin/true" } do
			local process <close> = assert(core.spawn { name })
			assert(process:start())
			assert.same({ exit = 0 }, process:wait())
		end
	end)

	it("is waited for no longer than asked", function()
		local process <close> = started "exec sleep 100"
		assert.is_nil((process:wait(0)))
		assert.equal(1, select("#", process:wait(0.01)))
		assert.is_true(process:running())
		assert.is_true(process:kill())
		assert.same({ signal = SIGTERM }, process:wait())
		local done <const>, message <const>, errno <const> = process:kill()
		assert.is_nil(done)
		assert.equal(ESRCH, errno)
		assert.matches("send signal 15 to process %d+: No such process", message)
	end)

	it("is signalled with what is asked for", function()
		local process <close> = started "exec sleep 100"
		assert.is_true(process:kill(0))
		assert.is_true(process:kill(SIGSTOP))
		assert.is_truthy(lab.eventually(function() return state_of(process.pid) == "T" end))
		assert.is_true(process:running())
		assert.is_true(process:kill(SIGKILL))
		assert.same({ signal = SIGKILL }, process:wait())
		assert.error_matches(function() process:kill(65) end, "no such signal")
		assert.error_matches(function() process:kill(-9) end, "no such signal")
	end)
end)

describe("what cannot be run", function()
	local function refused(errno, part, ...)
		local process <close> = assert(core.spawn { ... })
		local done <const>, message <const>, number <const> = process:start()
		assert.is_nil(done)
		assert.equal(errno, number)
		assert.is_truthy(message:find(part, 1, true), message)
		assert.is_false(process:running())
		assert.same({ exit = 127 }, process:wait())
		assert.is_nil(state_of(process.pid))
	end

	it("is told when it is started", function()
		refused(ENOENT, "start no-such-program: No such file", "no-such-program")
		refused(ENOENT, "start /no/such: No such file", "/no/such", "x")
		refused(EACCES, "start /etc: Permission denied", "/etc")
		refused(EACCES, ("start %s: Permission denied"):format(path), path)
		refused(ENOENT, "start : No such file", "")
	end)

	it("is refused as wrong words", function()
		assert.error_matches(function() core.spawn {} end, "no program")
		assert.error_matches(function() core.spawn "true" end, "table expected")
		assert.error_matches(function() core.spawn { "true", 5 } end, "not a list of strings")
		assert.error_matches(function() core.spawn { "tr\0ue" } end, "NUL")
	end)

	it("is refused twice", function()
		local process <close> = started "true"
		assert.error_matches(function() process:start() end, "was started already")
		local other <close> = shell "true"
		assert.error_matches(function() other:wait() end, "was not started")
		assert.error_matches(function() other:wait(-1) end, "not negative")
		assert.error_matches(function() other:wait(0 / 0) end, "not negative")
	end)
end)

describe("a process that waits", function()
	it("holds nothing of ours", function()
		local files <const> = {}
		for i = 1, 5 do files[i] = assert(io.open(path)) end
		for i = 1, 4 do files[i]:close() end
		local process <close> = shell "true" -- its end of the socket is below the fifth
		local count
		lab.eventually(function()
			count = #assert(core.directory(("/proc/%d/fd"):format(process.pid)))
			return count == 4
		end)
		assert.equal(4, count)
		files[5]:close()
	end)

	it("ends with us", function()
		local status <const>, output <const> = lab.run(([[
			package.path, package.cpath = %q, %q
			local core = require "crumb.core"
			local process = core.spawn { "sleep", "100" }
			print(process.pid)
			io.stdout:flush()
			os.execute "kill -KILL $PPID"
		]]):format(package.path, package.cpath))
		assert.not_equal(0, status)
		local pid <const> = output:match "^%d+"
		assert.is_true(lab.eventually(function()
			local state <const> = state_of(pid)
			return not state or state == "Z"
		end))
	end)

	it("is killed by a close, and by the collector", function()
		local process <const> = shell "true"
		assert.is_true(process:close())
		assert.is_true(process:close())
		assert.is_nil(state_of(process.pid))
		for _, method in ipairs { "start", "wait", "kill", "running" } do
			assert.error_matches(function() process[method](process) end, "closed")
		end
		local pid <const> = shell("true").pid
		assert.is_truthy(state_of(pid))
		collectgarbage()
		collectgarbage()
		assert.is_nil(state_of(pid))
	end)

	it("may be killed, and then cannot be started", function()
		local process <close> = shell "true"
		assert.is_true(process:kill())
		assert.is_truthy(lab.eventually(function() return state_of(process.pid) == "Z" end))
		local done <const>, message <const>, errno <const> = process:start()
		assert.is_nil(done)
		assert.equal(ESRCH, errno)
		assert.matches("start sh: No such process", message)
		assert.same({ signal = SIGTERM }, process:wait())
	end)
end)

describe("a started process", function()
	it("has the default dispositions and an empty mask, and no descriptor of ours", function()
		local output <const> = run_under("trap '' HUP USR1; exec lua5.4 %s", [[
			local file = io.open "/dev/null"
			local process = core.spawn { "cat", "/proc/self/status" }
			process:start()
			process:wait()
			process = core.spawn { "ls", "/proc/self/fd" }
			process:start()
			process:wait()
		]])
		for _, name in ipairs { "Blk", "Ign", "Cgt" } do
			local set <const> = tonumber(output:match("Sig" .. name .. ":%s*(%x+)"), 16)
			assert.equal(0, set & ~(3 << 31), name) -- 32 and 33 are the C library's own
		end
		assert.equal("0\n1\n2\n3\n", output:match "\n([%d\n]*)$") -- 3: the folder that ls reads
	end)

	it("has an end that nobody knows where SIGCHLD is ignored", function()
		if not os.execute "env --ignore-signal=CHLD true 2>/dev/null" then pending "this env cannot ignore signals" end
		local line <const> = run_under("exec env --ignore-signal=CHLD lua5.4 %s", [[
			local process = core.spawn { "true" }
			assert(process:start())
			print(process:wait())
		]])
		assert.matches("^nil\twait for process %d+: No child processes\t" .. ECHILD .. "\n$", line)
	end)

	it("has our input, or none when it is silent", function()
		assert.equal("none\n[]\nours\n[typed]\n", run_under("echo typed | exec lua5.4 %s", [[
			io.stdout:setvbuf "no"
			for _, silent in ipairs { true, false } do
				print(silent and "none" or "ours")
				local process = assert(core.spawn({ "sh", "-c", "echo [$(cat)]" }, false, silent))
				assert(process:start())
				process:wait()
			end
		]]))
		assert.equal("/dev/null\n", run_under("exec lua5.4 %s <&-", [[
			local process = assert(core.spawn({ "readlink", "/proc/self/fd/0" }, false, true))
			assert(process:start())
			process:wait()
		]]))
	end)

	it("is no longer under our Ctrl-C", function()
		local interrupt <close> = assert(core.interrupt())
		local process <close> = started "exec sleep 100"
		assert.is_truthy(interrupt)
		-- The shell has handlers until it becomes the program.
		assert.is_truthy(lab.eventually(function() return tonumber(status_of(process.pid, "SigCgt"), 16) == 0 end))
		process:kill(SIGINT)
		assert.same({ signal = SIGINT }, process:wait())
		assert.is_false(core.interrupted())
	end)

	it("is left alone by a close, and no zombie once another is spawned", function()
		local process <const> = started "exec sleep 100"
		local pid <const> = process.pid
		assert.is_true(process:close())
		assert.is_truthy(state_of(pid))
		os.execute("kill " .. pid)
		assert.is_truthy(lab.eventually(function() return state_of(pid) == "Z" end))
		local other <close> = shell "true"
		assert.is_nil(state_of(pid))
		assert.is_truthy(other)
	end)

	it("that has ended is no zombie after a close", function()
		local process <const> = started "true"
		assert.is_truthy(lab.eventually(function() return state_of(process.pid) == "Z" end))
		process:close()
		assert.is_nil(state_of(process.pid))
	end)

	it("may be one of many, closed in any order", function()
		local processes <const> = {}
		for i = 1, 50 do processes[i] = shell("exit " .. i) end
		for i = 50, 1, -1 do assert(processes[i]:start()) end
		for i = 1, 50, 2 do assert.same({ exit = i }, processes[i]:wait()) end
		local pids <const> = {}
		for i = 1, 50 do pids[i] = processes[i].pid end
		for i = 1, 50, 3 do processes[i]:close() end
		for i in pairs(processes) do processes[i] = nil end
		collectgarbage()
		collectgarbage()
		assert.is_true(lab.eventually(function()
			local last <close> = shell "true"
			for _, pid in ipairs(pids) do
				if state_of(pid) then return false end
			end
			return last ~= nil
		end))
	end)
end)
