-- The demo, run as a person runs it, and what remains of it: nothing. Its figures depend on the machine,
-- so its one program is also attached to a victim that counts its own calls.
local bpf = require "crumb.bpf"
local child = require "support.child"
local lab = require "support.lab"

local VICTIM = "build/fixtures/example_victim"
local SYMBOLS = 12

-- The demo and all of its children have this in their environment.
local MARK = "CRUMB_DEMO_SPEC=" .. lab.pid()

local function start() return child.start("env %s build/crumb examples/demo.lua", MARK) end

-- Whether a process of the demo is there.
local function lives()
	return child.run("grep -sl %s /proc/[0-9]*/environ", MARK) ~= ""
end

local function assert_gone()
	assert.truthy(lab.eventually(function() return not lives() end), "a process of the demo is left")
	if lab.programs "on_hit" then
		assert.truthy(lab.eventually(function() return lab.programs "on_hit" + lab.programs "on_hit_multi" == 0 end),
			"a program of the demo is left")
	end
end

local function multi() return bpf.features().hooks["uprobe.multi"].available end

describe("the demo", function()
	setup(function()
		local hook = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
		local found, message = require "crumb.names.library".files "libc"
		if not found then pending(message) end
	end)

	before_each(child.setup)
	after_each(child.teardown)

	it("shows cookies, events and a live filter, and leaves nothing", function()
		local text, status = start():finish()
		assert.equal(0, status, text)
		assert.falsy(text:find "\27", text)
		local hits = {}
		for symbol, cookie, count in text:gmatch "\n  (%l+) +(%d+) +(%d+) +%d+  " do
			hits[math.tointeger(cookie)] = math.tointeger(count)
			assert.truthy(symbol)
		end
		assert.equal(SYMBOLS, #hits, text)
		for cookie = 1, SYMBOLS do assert.truthy(hits[cookie] > 0, text) end
		local called = 0
		for _ in text:gmatch "\n%l+ %(cookie %d+%) called by [^\n]+%[%d+%]\n  %x+ %x%x " do called = called + 1 end
		assert.equal(4, called, text)
		local rates = {}
		for rate in text:gmatch "\n  malloc by [^:]+: +(%d+) hits/s" do rates[#rates + 1] = tonumber(rate) end
		assert.equal(3, #rates, text)
		assert.truthy(3 * rates[2] < math.min(rates[1], rates[3]), text)
		assert_gone()
	end)

	it("ends at Ctrl-C", function()
		if child.ignores "INT" then pending "SIGINT is ignored by whoever runs the specs" end
		local demo = start()
		demo:lines "^1%. "
		local text, status = demo:finish "INT"
		assert.equal(1, status)
		assert.truthy(text:find "interrupted; nothing is attached any more\n$", text)
		assert.falsy(text:find "traceback", text)
		assert_gone()
	end)

	it("leaves nothing when it is killed, or nobody reads on", function()
		local demo = start()
		demo:lines "^1%. "
		assert.truthy(lab.eventually(lives))
		demo:finish "KILL"
		assert_gone()
		local text = child.run("sh -c %s", child.quoted(
			("{ env %s build/crumb examples/demo.lua 2>&3 | head -n 2; } 3>&1 >/dev/null"):format(MARK)))
		assert.equal(child.ignores "PIPE" and "crumb: Broken pipe\n" or "", text)
		assert_gone()
	end)

	it("counts what the filter of a cookie lets through", function()
		local object <close> = assert(bpf.open "build/examples/demo.bpf.o")
		local name = multi() and "on_hit_multi" or "on_hit"
		object.programs.on_hit_multi:set_autoload(name == "on_hit_multi")
		assert(object:load())
		local rules, hits = object.maps.rules, object.maps.hits
		for cookie = 1, 2 do
			assert(rules:update(cookie, { comm = cookie == 1 and "sort" or "", events = 0 }))
			assert(hits:update(cookie, 0))
		end
		assert(object.programs[name]:attach {
			"uprobe:" .. VICTIM, symbols = { "foobar", "bazbuz" }, cookie = { foobar = 1, bazbuz = 2 },
		})
		-- The kernel keeps what followed a shorter name.
		child.run("%s foobar=3 bazbuz=2 name=longer-than-it foobar=4 name=sort foobar=23 bazbuz=5 name=sorts foobar=6", VICTIM)
		assert.equal(23, hits:lookup(1))
		assert.equal(7, hits:lookup(2))
		local ring <close> = assert(object:ring("events", "struct event"))
		assert(rules:update(1, { comm = "", events = 3 }))
		local text = child.run("%s foobar=23", VICTIM)
		local events = {}
		for event in ring:events { idle = 0 } do events[#events + 1] = event end
		assert.equal(3, #events)
		assert.equal(1, events[3].cookie)
		assert.equal(text:match "pid (%d+)", tostring(events[3].pid))
		assert.equal("example_victim", events[3].comm)
		assert.equal(46, hits:lookup(1))
	end)
end)
