-- The examples in which a trace, a timer and sockets live in one loop of another library's.
local child = require "support.child"
local core = require "crumb.core"

-- What it says goes there, what comes from there is its output; it ends with either.
local CLIENT <const> = [[bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; cat <&3 & reader=$!; cat <&0 >&3 & writer=$!
	trap "kill $reader $writer" EXIT; trap exit TERM; wait -n']]
local VICTIM <const> = "build/fixtures/example_victim"

local function victim(words)
	local text, status = child.run("%s %s", VICTIM, words)
	assert.equal(0, status, text)
end

-- Processor time of a process, in ticks.
local function spent(pid)
	local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
	local own <const>, kernels <const> = file:read "a":match("%) %a" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
	return own + kernels
end

for _, library in ipairs { "cqueues", "luv" } do
	describe("the loop of " .. library, function()
		before_each(child.setup)
		after_each(child.teardown)

		local function start(words)
			if not pcall(require, library) then pending("no " .. library .. " here") end
			if not core.execute { "bash", "--version" } then pending "no bash to be a client" end
			local loop <const> = child.start("build/crumb examples/%s_loop.lua %s foobar%s", library, VICTIM, words or "")
			return loop, loop:lines "listening on port"[1]:match "port (%d+)$"
		end

		local function connect(port)
			local client <const> = child.start(CLIENT, port)
			-- Who has got an answer is one of those who get events.
			client:say "uid >= 0"
			client:lines "^now uid >= 0$"
			return client
		end

		local function see(client, calls)
			for _ = 1, calls do
				assert.matches("^%S+ example_victim%[%d+%] foobar first=", client:lines ""[1])
			end
		end

		it("gives each call to all who have connected, and takes rules from them", function()
			local loop <const>, port <const> = start()
			local one <const>, other <const> = connect(port), connect(port)
			victim "foobar=23"
			see(one, 23)
			see(other, 23)
			one:say 'comm == "nobody"'
			assert.same({ 'now comm == "nobody"' }, one:lines "")
			victim "foobar=5"
			one:say "uid ="
			assert.same({ "where: nothing is assigned here: equality is written ==", "    uid =", "        ^" }, one:lines "%^")
			one:say "uid >= 0"
			one:lines "^now"
			victim "foobar=2"
			see(one, 2)
			see(other, 2)
			assert.matches("25 calls in all\n$", (loop:finish "INT"))
		end)

		it("is quiet when nothing happens, and tells by its timer what did", function()
			local loop <const> = start()
			victim "foobar=7"
			loop:lines "^7 calls$"
			local before <const> = spent(loop.pid)
			victim "foobar=4"
			loop:lines "^11 calls$" -- a second later
			assert.is_true(spent(loop.pid) - before < 20) -- hundredths of that second
			assert.matches("^11 calls in all\n$", (loop:finish "TERM"))
		end)

		it("goes on when a client goes", function()
			local _, port <const> = start()
			local one <const>, other <const> = connect(port), connect(port)
			other:finish() -- the first one's input is open in it
			victim "foobar=3"
			see(one, 3)
		end)
	end)
end
