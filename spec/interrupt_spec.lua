-- Ctrl-C: ends a loop, goes to whoever had it before, and never costs a record.
local core = require "crumb.core"
local lab = require "support.lab"

local PRELUDE <const> = ([[
	package.path, package.cpath = %q, %q
	io.stdout:setvbuf "line"
	local core = require "crumb.core"
	local lab = require "support.lab"
	local object = lab.load("rings", { target_tgid = lab.pid() })
	assert(object.programs.crumb_rename:attach {})
	local ring = assert(object:ring("events", "struct event", function() end))
]]):format(package.path, package.cpath)

-- Starts a script, sends it SIGINT whenever it says "now", and returns its status and its other lines.
local function interrupted(text)
	local child <close> = lab.start(PRELUDE .. text)
	local lines <const> = {}
	for line in function() return child:line() end do
		if line == "now" then
			os.execute "sleep 0.05"
			child:signal "INT"
		else
			lines[#lines + 1] = line
		end
	end
	return child:wait(), lines
end

describe("Ctrl-C", function()
	it("ends a loop that waits", function()
		local status <const>, lines <const> = interrupted [[
			print "now"
			for _ in ring:events() do end
			print "ended"
			print(core.interrupted())
		]]
		assert.same({ "ended", "false" }, lines)
		assert.equal(0, status)
	end)

	it("ends a loop in the midst of records, without losing one", function()
		local status <const>, lines <const> = interrupted [[
			object.globals.burst = 500
			lab.rename()
			print "now"
			local last = 0
			for number in ring:each "number" do
				last = number
				local wait = core.now() + 1000000
				while core.now() < wait do end
			end
			print(last > 0 and last < 500)
			for number in ring:each("number", { idle = 0 }) do
				assert(number == last + 1)
				last = number
			end
			print(last)
		]]
		assert.same({ "true", "500" }, lines)
		assert.equal(0, status)
	end)

	it("interrupts Lua when it comes twice", function()
		local status <const>, lines <const> = interrupted [[
			lab.rename()
			print(pcall(function()
				for _ in ring:events() do
					print "now"
					print "now"
					while true do end
				end
			end))
		]]
		assert.equal(1, #lines)
		assert.matches("^false.*interrupted!", lines[1])
		assert.equal(0, status)
	end)

	it("goes to Lua again after the loop, and in poll", function()
		local status <const>, lines <const> = interrupted [[
			for _ in ring:events { idle = 0 } do end
			print "now"
			print(pcall(function() while true do end end))
		]]
		assert.matches("^false.*interrupted!", lines[1])
		assert.equal(0, status)
		local polled <const>, said <const> = interrupted [[
			print "now"
			print(pcall(function() ring:poll(5) end))
		]]
		assert.matches("^false.*interrupted!", said[1])
		assert.equal(0, polled)
	end)

	it("ends the outer loop with the inner one", function()
		local _, lines <const> = interrupted [[
			object.globals.burst = 3
			lab.rename()
			print "now"
			local rounds = 0
			for _ in ring:events() do
				rounds = rounds + 1
				for _ in ring:events() do end
			end
			print(rounds)
		]]
		assert.same({ "1" }, lines)
	end)

	it("stays ignored where it was ignored", function()
		local child <close> = lab.start(([[
			local pipe <close> = io.popen("trap '' INT; exec lua5.4 - <<'EOF'\n" .. %q .. "\nEOF")
			for line in pipe:lines() do print(line) end
		]]):format(PRELUDE .. [[
			os.execute "kill -INT $PPID"
			for _ in ring:events { idle = 0.1 } do end
			print "still here"
		]]))
		local _, output <const> = child:wait()
		assert.matches("still here", output)
	end)

	it("is given back when the loop is left by break, error or a dropped coroutine", function()
		assert.is_false(core.interrupted())
		local _, lines <const> = interrupted [[
			object.globals.burst = 10
			lab.rename()
			for _ in ring:events() do break end
			pcall(function() for _ in ring:events() do error "out" end end)
			local wrapped = coroutine.wrap(function() for _ in ring:events() do coroutine.yield() end end)
			wrapped()
			wrapped = nil
			collectgarbage()
			collectgarbage()
			print "now"
			print(pcall(function() while true do end end))
		]]
		assert.matches("^false.*interrupted!", lines[1])
	end)
end)
