-- crumb.Ring: every record once, however it is read, whatever the handlers do.
local core = require "crumb.core"
local lab = require "support.lab"

local EVENT <const>, SHORT <const>, DISCARDED <const>, HUGE <const>, LONG <const>, SECOND <const>, BULK <const>
	= 0, 1, 2, 3, 4, 5, 6
local NO_WAKEUP <const> = 1

local object, before

before_each(function()
	before = lab.descriptors()
	object = lab.load("rings", { target_tgid = lab.pid() })
	assert(object.programs.crumb_rename:attach {})
end)

after_each(function()
	object:close()
	object = nil
	assert.equal(before, lab.descriptors())
end)

-- Makes the program emit so many records of one shape.
local function emit(burst, shape, flags)
	local globals <const> = object.globals
	globals.burst, globals.shape, globals.flags = burst, shape or EVENT, flags or 0
	lab.rename()
end

local function ring_of(type_name, handler) return assert(object:ring("events", type_name, handler)) end

local function numbers(iterator, ...)
	local list <const> = {}
	for number in iterator, ... do list[#list + 1] = number end
	return list
end

-- A limit that is not kept is never met; one that is kept may be late on a loaded machine.
local LATE <const> = 20

local function seconds_of(work)
	local start <const> = core.now()
	work()
	return (core.now() - start) / 1e9
end

describe("events", function()
	it("are tables as BTF says", function()
		local ring <const> = ring_of "struct event"
		emit(2)
		local list <const> = {}
		for event, map in ring:events { idle = 0 } do
			assert.equal(object.maps.events, map)
			list[#list + 1] = event
		end
		assert.same({
			{ number = 1, tgid = lab.pid(), low = -2, byte = 255, ids = { uid = 1, gid = 1000 },
				shape = "EVENT", text = "crumb", tail = {} },
			{ number = 2, tgid = lab.pid(), low = -2, byte = 255, ids = { uid = 2, gid = 1000 },
				shape = "EVENT", text = "crumb", tail = {} },
		}, list)
	end)

	it("are positional values, of nested fields too", function()
		local ring <const> = ring_of "struct event"
		emit(3)
		local seen = 0
		for number, uid, text, shape, byte, low in ring:each("number", "ids.uid", "text", "shape", "byte", "low",
			{ idle = 0 }) do
			seen = seen + 1
			assert.same({ seen, seen, "crumb", "EVENT", 255, -2 }, { number, uid, text, shape, byte, low })
		end
		assert.equal(3, seen)
	end)

	it("are bytes without a type", function()
		local ring <const> = ring_of()
		emit(2)
		local sizes <const> = {}
		for bytes in ring:events { idle = 0 } do
			sizes[#sizes + 1] = #bytes
			assert.equal(#sizes, (string.unpack("<I8", bytes)))
		end
		assert.same({ 40, 40 }, sizes)
	end)

	it("end flexibly", function()
		local ring <const> = ring_of "struct event"
		emit(1, LONG)
		emit(1, EVENT)
		local tails <const> = {}
		for event in ring:events { idle = 0 } do tails[#tails + 1] = event.tail end
		assert.same({ { 10, 20, 30 }, {} }, tails)
	end)

	it("are false where a record ends before the field", function()
		local ring <const> = ring_of "struct event"
		emit(1, LONG)
		emit(1, EVENT)
		local seen <const> = {}
		for number, third in ring:each("number", "tail[3]", { idle = 0 }) do seen[number] = third end
		assert.same({ 30, false }, seen)
	end)

	it("may be larger than what is copied on the stack", function()
		local ring <const> = ring_of "struct bulk"
		emit(5, BULK)
		local got = 0
		for event in ring:events { idle = 0 } do
			got = got + 1
			assert.equal(got, event.number)
			assert.equal("b", event.bytes)
		end
		assert.equal(5, got)
		local raw <const> = assert(object:ring "seconds")
		assert.same({}, numbers(raw:events { idle = 0 }))
	end)

	it("come from several maps, each with its type and its map", function()
		local ring <const> = ring_of "struct event"
		assert.equal(ring, ring:add(object.maps.seconds, "struct second"))
		emit(3, EVENT)
		emit(4, SECOND)
		local from <const> = { events = 0, seconds = 0 }
		for event, map in ring:events { idle = 0 } do
			from[map.name] = from[map.name] + 1
			if map.name == "seconds" then assert.equal(2 * event.number, event.twice) end
		end
		assert.same({ events = 3, seconds = 4 }, from)
		emit(1, EVENT)
		emit(1, SECOND)
		assert.same({ 8, 9 }, numbers(ring:each("number", { idle = 0 })))
	end)
end)

describe("a ring", function()
	it("refuses what it cannot read, and names it", function()
		local ring <const> = ring_of "struct event"
		assert.error_matches(function() ring:each "nmuber" end, "no field 'nmuber'")
		assert.error_matches(function() ring:each() end, "name the fields")
		assert.error_matches(function() ring:events { idel = 1 } end, "no option 'idel' %(nearest: idle%)")
		assert.error_matches(function() ring:events { idle = -1 } end, "seconds")
		assert.error_matches(function() object:ring("events", "struct evnet") end, "no type 'struct evnet'.*nearest: event")
		assert.error_matches(function() object:ring "evnets" end, "no map 'evnets' %(nearest: events%)")
		assert.error_matches(function() object:ring "rings.bss" end, "not a ring buffer")
		assert.error_matches(function() ring:add(object.maps.events) end, "has this map already")
		assert.error_matches(function() ring_of():each "number" end, "raw bytes")
		assert.error_matches(function() ring:poll() end, "no handler")
		assert.error_matches(function() object:ring("events", nil, 12) end, "function as handler")
	end)

	it("has the size that libbpf rounds up to", function()
		assert.equal(8192, object.maps.seconds.max_entries)
	end)

	it("gives a record once, also to two rings on one map", function()
		local one <const>, two <const> = ring_of "struct event", ring_of "struct event"
		emit(3)
		local first <const> = one:each "number"
		assert.equal(1, first())
		assert.same({ 2, 3 }, numbers(two:each("number", { idle = 0 })))
		emit(2)
		assert.same({ 4, 5 }, numbers(one:each("number", { idle = 0 })))
		assert.same({}, numbers(two:each("number", { idle = 0 })))
	end)

	it("is waited for by its descriptor", function()
		local ring <const> = ring_of "struct event"
		local pollable <const> = ring:pollable()
		assert.equal(ring:fd(), pollable.pollfd)
		assert.equal("r", pollable.events)
		assert.is_true(pollable.timeout() > 0)
		emit(1)
		assert.equal(0, pollable.timeout())
		assert.same({ 1 }, numbers(ring:each("number", { idle = 0 })))
		ring:close()
		assert.is_true(pollable.timeout() > 0)
	end)
end)

describe("the account", function()
	it("counts records that are shorter than their type", function()
		local ring <const> = ring_of "struct event"
		emit(2, SHORT)
		emit(1, EVENT)
		emit(1, SHORT)
		assert.same({ 3 }, numbers(ring:each("number", { idle = 0 })))
		assert.same({ delivered = 1, malformed = 3, discarded = 0, pending = 0 }, ring:stats())
	end)

	it("counts discarded records", function()
		local ring <const> = ring_of "struct event"
		emit(3, DISCARDED)
		emit(2, EVENT)
		assert.same({ 4, 5 }, numbers(ring:each("number", { idle = 0 })))
		assert.same({ delivered = 2, malformed = 0, discarded = 3, pending = 0 }, ring:stats())
	end)

	it("adds up under a flood larger than the ring", function()
		local ring <const> = ring_of "struct event"
		emit(100000)
		local delivered = 0
		for _ in ring:each("number", { idle = 0 }) do delivered = delivered + 1 end
		assert.equal(100000, object.globals.sent + object.globals.lost)
		assert.equal(object.globals.sent, delivered)
		assert.equal((65536 - 1) // 48, delivered)
		assert.equal(delivered, ring:stats().delivered)
		emit(10)
		assert.equal(10, #numbers(ring:each("number", { idle = 0 })))
	end)

	it("counts what can never fit as lost", function()
		local ring <const> = assert(object:ring("seconds", "struct second"))
		emit(1, HUGE)
		emit(1, SECOND)
		assert.equal(1, object.globals.lost)
		assert.same({ 2 }, numbers(ring:each("number", { idle = 0 })))
	end)
end)

describe("the end of a loop", function()
	it("comes after an idle time", function()
		local ring <const> = ring_of "struct event"
		local took <const> = seconds_of(function() numbers(ring:each("number", { idle = 0.2 })) end)
		assert.is_true(took >= 0.2 and took < LATE, took)
	end)

	it("comes after a duration, with records and without", function()
		local ring <const> = ring_of "struct event"
		emit(3)
		local took <const> = seconds_of(function()
			assert.same({ 1, 2, 3 }, numbers(ring:each("number", { duration = 0.2 })))
		end)
		assert.is_true(took >= 0.2 and took < LATE, took)
	end)

	it("comes in time under a flood, and with slow handlers", function()
		local ring <const> = ring_of "struct event"
		local flood <close> = lab.start [[while true do os.rename("/crumb/nowhere", "/crumb/nowhere") end]]
		local globals <const> = object.globals
		globals.burst, globals.target_tgid = 300, flood.pid
		local took = seconds_of(function() numbers(ring:each("number", { duration = 0.3 })) end)
		assert.is_true(took >= 0.29 and took < LATE, took)
		took = seconds_of(function()
			for _ in ring:events { duration = 0.3 } do
				local wait <const> = core.now() + 10000000
				while core.now() < wait do end
			end
		end)
		assert.is_true(took >= 0.29 and took < LATE, took)
		globals.shape = DISCARDED
		numbers(ring:each("number", { idle = 0.01 }))
		took = seconds_of(function() assert.same({}, numbers(ring:each("number", { duration = 0.3 }))) end)
		assert.is_true(took >= 0.29 and took < LATE, took)
		took = seconds_of(function() assert.same({}, numbers(ring:each("number", { idle = 0.3 }))) end)
		assert.is_true(took >= 0.29 and took < LATE, took)
	end)

	it("comes when the ring is closed within the loop", function()
		for _, what in ipairs { "ring", "object" } do
			local ring <const> = ring_of "struct event"
			emit(3)
			local seen = 0
			for _ in ring:events() do
				seen = seen + 1
				if what == "ring" then ring:close() else object:close() end
			end
			assert.equal(1, seen)
			assert.is_nil(ring:poll(1))
			assert.error_matches(function() ring:events() end, "closed")
		end
	end)

	it("may be left early: the next loop goes on", function()
		local ring <const> = ring_of "struct event"
		emit(5)
		for number in ring:each "number" do
			if number == 2 then break end
		end
		assert.same({ 3, 4, 5 }, numbers(ring:each("number", { idle = 0 })))
	end)

	it("does not miss programs that wake nobody", function()
		local ring <const> = ring_of "struct event"
		local child <close> = lab.start [[
			os.execute "sleep 0.1" for _ = 1, 5 do os.rename("/crumb/nowhere", "/crumb/nowhere") end]]
		object.globals.flags, object.globals.target_tgid = NO_WAKEUP, child.pid
		local seen = 0
		assert.is_true(seconds_of(function()
			for number in ring:each("number", { idle = 10 }) do
				seen = seen + 1
				assert.equal(seen, number)
				if seen == 5 then break end
			end
		end) < 5)
		assert.equal(5, seen)
	end)

	it("comes with nothing attached", function()
		object:close()
		object = lab.load "rings"
		local ring <const> = ring_of("struct event", function() end)
		assert.equal(0, ring:poll())
		assert.equal(0, ring:poll(0))
		assert.equal(0, ring:poll(0.001))
		assert.same({}, numbers(ring:events { idle = 0.001 }))
		assert.same({}, numbers(ring:events { duration = 0.001 }))
	end)
end)

describe("poll", function()
	local seen, ring

	local function handle(work)
		seen = {}
		ring = ring_of("struct event", function(event, map)
			if map ~= object.maps.events then error "another map" end
			seen[#seen + 1] = event.number
			if work then work(event) end
		end)
	end

	it("delivers what is there", function()
		handle()
		emit(4)
		assert.equal(4, ring:poll(0))
		assert.equal(0, ring:poll(0))
		assert.same({ 1, 2, 3, 4 }, seen)
	end)

	it("delivers what comes within its time, and is back in time", function()
		handle()
		local child <close> = lab.start [[
			for _ = 1, 3 do os.execute "sleep 0.05" os.rename("/crumb/nowhere", "/crumb/nowhere") end
			os.execute "sleep 10"]]
		object.globals.target_tgid = child.pid
		local count
		local took <const> = seconds_of(function() count = ring:poll(4) end)
		assert.equal(3, count)
		assert.is_true(took >= 4 and took < LATE, took)
	end)

	it("is back in time under a flood", function()
		handle()
		local flood <close> = lab.start [[while true do os.rename("/crumb/nowhere", "/crumb/nowhere") end]]
		object.globals.burst, object.globals.target_tgid = 300, flood.pid
		local took = seconds_of(function() ring:poll(0.1) end)
		assert.is_true(took >= 0.09 and took < LATE, took)
		took = seconds_of(function() ring:poll(0) end)
		assert.is_true(took < LATE, took)
		flood:stop()
		ring:poll(0)
		assert.equal(object.globals.sent, #seen)
	end)

	it("gives each map's records to its own handler", function()
		handle()
		local twice <const> = {}
		ring:add(object.maps.seconds, "struct second", function(event) twice[#twice + 1] = event.twice end)
		emit(2, EVENT)
		emit(2, SECOND)
		assert.equal(4, ring:poll())
		assert.same({ 1, 2 }, seen)
		assert.same({ 6, 8 }, twice)
	end)

	it("neither repeats nor loses a record when a handler raises", function()
		for bad = 1, 5 do
			handle(function(event)
				if #seen == bad then error("at " .. event.number, 0) end
			end)
			local first <const> = object.globals.number
			emit(5)
			assert.has_error(function() ring:poll(0) end, "at " .. first + bad)
			assert.equal(5 - bad, ring:poll(0))
			for i = 1, 5 do assert.equal(first + i, seen[i]) end
			assert.equal(5, #seen)
			ring:close()
		end
	end)

	it("lets a handler yield", function()
		handle(function(event) coroutine.yield(event.number) end)
		emit(3)
		local polling <const> = coroutine.wrap(function() return "done", ring:poll(0) end)
		assert.equal(1, polling())
		assert.equal(2, polling())
		collectgarbage()
		assert.equal(3, polling())
		assert.same({ "done", 3 }, { polling() })
	end)

	it("forgets a coroutine that never came back", function()
		handle(function(event) coroutine.yield(event.number) end)
		emit(3)
		assert.equal(1, coroutine.wrap(function() ring:poll(0) end)())
		collectgarbage()
		collectgarbage()
		assert.same({ 2, 3 }, numbers(ring:each("number", { idle = 0 })))
	end)

	it("lets a handler close the ring, and the object", function()
		for _, what in ipairs { "ring", "object" } do
			handle(function()
				if what == "ring" then ring:close() else object:close() end
			end)
			emit(3)
			assert.equal(1, ring:poll(0))
			assert.is_nil(ring:poll(0))
			assert.equal(1, #seen)
		end
	end)

	it("lets a handler poll again", function()
		local asked, inner
		handle(function()
			if asked then return end
			asked = true
			inner = ring:poll(0)
		end)
		emit(5)
		assert.equal(1, ring:poll(0))
		assert.equal(4, inner)
		assert.same({ 1, 2, 3, 4, 5 }, seen)
	end)

	it("lets a handler add a map", function()
		local added
		handle(function()
			added = added or assert(ring:add(object.maps.seconds, "struct second", function() end))
		end)
		emit(3)
		emit(2, SECOND)
		assert.equal(3, ring:poll(0))
		assert.equal(2, ring:poll(0))
	end)
end)

-- Any allocation may run a finalizer, and that may do anything.
describe("a finalizer in the middle of decoding", function()
	local SHAPES <const> = {
		{ LONG, "events", "struct event" }, -- copied
		{ BULK, "events", "struct bulk" }, -- copied to memory of its own
		{ SECOND, "seconds", "struct second" }, -- read where it lies
		{ LONG, "events" }, -- bytes
	}

	local function number_of(event)
		return type(event) == "string" and string.unpack("<I8", event) or event and event.number
	end

	-- Collects at every allocation, so that what is dropped is finalized very soon.
	before_each(function()
		collectgarbage("incremental", 1, 1000, 1)
		collectgarbage()
	end)

	local function trap(work) setmetatable({}, { __gc = work }) end

	after_each(function() collectgarbage("incremental", 200, 100, 13) end)

	it("may close the object", function()
		for _, shape in ipairs(SHAPES) do
			for round = 1, lab.times(20) do
				local other <close> = lab.load("rings", { target_tgid = lab.pid(), shape = shape[1], burst = 22 })
				assert(other.programs.crumb_rename:attach {})
				local ring <const> = assert(other:ring(shape[2], shape[3]))
				local iterator <const> = ring:events { idle = 0 }
				lab.rename()
				local seen = 0
				trap(function() if seen >= round then other:close() end end)
				for event in iterator do
					seen = seen + 1
					assert(number_of(event) == seen)
					if seen >= round then trap(function() other:close() end) end
				end
				assert.is_true(seen >= 1 and seen <= 22)
			end
		end
	end)

	it("may take the next record", function()
		for _, shape in ipairs(SHAPES) do
			local ring <const> = assert(object:ring(shape[2], shape[3]))
			local first <const> = object.globals.number
			emit(21, shape[1])
			local got <const>, total, nested = {}, 0, 0
			local function take(iterator)
				local number <const> = number_of(iterator())
				if not number then return false end
				assert(not got[number], "twice")
				got[number] = true
				total = total + 1
				return true
			end
			local inner <const>, outer <const> = ring:events { idle = 0 }, ring:events { idle = 0 }
			repeat
				trap(function() if take(inner) then nested = nested + 1 end end)
			until not take(outer)
			assert.equal(21, total)
			assert.is_true(nested > 0, ("none nested: %d %s"):format(shape[1], shape[3]))
			assert.is_true(got[first + 1] and got[first + 21])
			ring:close()
		end
	end)
end)

describe("a stopped consumer", function()
	it("goes on where it was", function()
		local child <close> = lab.start(([[
			package.path, package.cpath = %q, %q
			local lab = require "support.lab"
			local object = lab.load("rings", { target_tgid = lab.pid(), burst = 100 })
			assert(object.programs.crumb_rename:attach {})
			local ring = object:ring("events", "struct event")
			lab.rename()
			print "ready"
			io.stdout:flush()
			local count = 0
			for number in ring:each("number", { idle = 0.5 }) do
				count = count + 1
				assert(number == count)
				if count %% 100 == 0 and count < 10000 then lab.rename() end
			end
			print(count, object.globals.lost)
		]]):format(package.path, package.cpath))
		assert.equal("ready", child:line())
		for _ = 1, 5 do
			child:signal "STOP"
			os.execute "sleep 0.02"
			child:signal "CONT"
		end
		local _, output <const> = child:wait()
		local count <const>, lost <const> = output:match "(%d+)%s+(%d+)"
		assert.is_truthy(count, output)
		assert.equal(0, math.tointeger(tonumber(lost)))
		assert.is_true(tonumber(count) >= 10000)
	end)
end)
