-- Handles: closed once, in the right order, by whoever comes first; and nothing is left behind.
local bpf = require "crumb.bpf"
local lab = require "support.lab"

local before

before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

local PRELUDE <const> = ([[
	package.path, package.cpath = %q, %q
	io.stdout:setvbuf "line"
	local lab = require "support.lab"
	local bpf = require "crumb.bpf"
	local object = lab.load("rings", { target_tgid = lab.pid() })
	local link = assert(object.programs.crumb_rename:attach {})
	local ring = assert(object:ring("events", "struct event"))
	lab.rename()
]]):format(package.path, package.cpath)

-- Nobody else loads a program of this name.
local function none_left()
	if not lab.programs "crumb_rename" then pending "bpf_jit_kallsyms is off: programs cannot be seen" end
	return lab.eventually(function() return lab.programs "crumb_rename" == 0 end)
end

describe("close", function()
	it("may come twice, and everything after it is an error", function()
		local object <const> = lab.load("rings", { target_tgid = lab.pid() })
		local program <const>, map <const> = object.programs.crumb_rename, object.maps.events
		local link <const> = assert(program:attach {})
		local ring <const> = assert(object:ring("events", "struct event"))
		for _, handle in ipairs { link, ring, object } do
			assert.is_true(handle:close())
			assert.is_true(handle:close())
			assert.is_true(handle:closed())
			assert.matches("%(closed%)$", tostring(handle))
		end
		assert.is_true(program:closed())
		assert.is_true(map:closed())
		for _, work in ipairs {
			function() program:fd() end, function() program:attach {} end, function() program:info() end,
			function() map:lookup(1) end, function() map:fd() end, function() map:each() end,
			function() ring:events() end, function() ring:wait(0) end, function() ring:stats() end,
			function() ring:fd() end, function() ring:add(map) end, function() ring:pollable() end,
			function() object:load() end, function() object:ring "events" end, function() object:loaded() end,
			function() return object.globals.sent end, function() link:info() end, function() link:fd() end,
		} do
			assert.error_matches(work, "closed")
		end
	end)

	it("of the object closes what it owns", function()
		local object <const> = lab.load("rings", { target_tgid = lab.pid() })
		local link <const> = assert(object.programs.crumb_rename:attach {})
		local ring <const> = assert(object:ring "events")
		local hits <const> = function() return object.globals.hits end
		lab.rename()
		assert.equal(1, hits())
		object:close()
		assert.is_true(link:closed())
		assert.is_true(ring:closed())
		assert.is_true(none_left())
	end)

	it("of a link detaches; dropping it does not", function()
		local object <close> = lab.load("rings", { target_tgid = lab.pid() })
		assert(object.programs.crumb_rename:attach {})
		lab.rename()
		collectgarbage()
		collectgarbage()
		lab.rename()
		assert.equal(2, object.globals.hits)
		local other <close> = lab.load("rings", { target_tgid = lab.pid() })
		local link <const> = assert(other.programs.crumb_rename:attach {})
		lab.rename()
		assert.equal(1, other.globals.hits)
		link:close()
		lab.rename()
		assert.equal(1, other.globals.hits)
		assert.equal(4, object.globals.hits)
	end)

	it("comes at the end of a scope, also by an error", function()
		for _, how in ipairs { "end", "error" } do
			local handles
			pcall(function()
				local object <close> = lab.load("rings", { target_tgid = lab.pid() })
				local link <close> = assert(object.programs.crumb_rename:attach {})
				local ring <close> = assert(object:ring "events")
				handles = { object, link, ring }
				if how == "error" then error "out" end
			end)
			for _, handle in ipairs(handles) do assert.is_true(handle:closed()) end
		end
	end)
end)

describe("the collector", function()
	-- Each of the handles may be the last that is known.
	local function all(keep)
		local object <const> = lab.load("rings", { target_tgid = lab.pid() })
		local handles <const> = {
			object = object, program = object.programs.crumb_rename, map = object.maps.events,
			link = assert(object.programs.crumb_rename:attach {}), ring = assert(object:ring("events", "struct event")),
			globals = object.globals,
		}
		lab.rename()
		handles.iterator = handles.ring:each("number", { idle = 0 })
		return handles[keep]
	end

	local USES <const> = {
		object = function(object) return object:loaded() end,
		program = function(program) return program:fd() > 0 end,
		map = function(map) return map:fd() > 0 end,
		link = function(link) return link:fd() > 0 end,
		ring = function(ring) return ring:events { idle = 0 }().number == 1 end,
		iterator = function(iterator) return iterator() == 1 end,
	}

	for _, mode in ipairs { "generational", "incremental" } do
		it("takes handles in any order, " .. mode, function()
			collectgarbage(mode)
			for _ = 1, lab.times(5) do
				for keep, use in pairs(USES) do
					do
						local handle <const> = all(keep)
						collectgarbage "step"
						collectgarbage()
						assert.is_true(use(handle), keep)
					end
					collectgarbage()
				end
			end
			collectgarbage "incremental"
			assert.is_true(none_left())
		end)

		it("may come at any moment, " .. mode, function()
			collectgarbage(mode)
			local pause <const> = collectgarbage("setpause", 0)
			for round = 1, lab.times(40) do
				local object <const> = lab.load("rings", { target_tgid = lab.pid() })
				if round % 3 > 0 then assert(object.programs.crumb_rename:attach {}) end
				for _ = 1, round % 5 do
					assert(object:ring("events", "struct event"))
				end
				lab.rename()
				for _, event in ipairs { object:ring("events", "struct event"):events { idle = 0 }() } do
					assert.is_truthy(event)
				end
			end
			collectgarbage("setpause", pause)
			collectgarbage "incremental"
			collectgarbage()
			assert.is_true(none_left())
		end)
	end

	it("keeps the types of an inner map", function()
		local inner
		do
			local object <close> = lab.load "maps"
			inner = assert(object.maps.outer:create_inner())
		end
		collectgarbage()
		collectgarbage()
		assert(inner:update(1, { uid = 2 }))
		assert.same({ uid = 2, gid = 0 }, inner:lookup(1))
		inner:close()
	end)

	it("lets a ring go on with another object's map", function()
		local object <close> = lab.load "rings"
		local ring <const> = assert(object:ring("events", "struct event"))
		do
			local other <close> = lab.load("rings", { target_tgid = lab.pid() })
			assert(other.programs.crumb_rename:attach {})
			assert(ring:add(other.maps.seconds, "struct second"))
			other.globals.shape = 5
			lab.rename()
		end
		collectgarbage()
		collectgarbage()
		local event <const> = ring:events { idle = 0 }()
		assert.same({ number = 1, twice = 2 }, event)
	end)
end)

describe("a process that ends", function()
	for how, text in pairs {
		["without closing"] = "",
		["by os.exit"] = "os.exit(0)",
		["by os.exit, closing"] = "os.exit(0, true)",
		["by closing in the wrong order"] = "object:close() ring:close() link:close()",
		["in a loop"] = "for event in ring:events() do os.exit(0, true) end",
		["in a coroutine"] = [[coroutine.wrap(function()
			for event in ring:events() do coroutine.yield() end end)()]],
	} do
		it(how .. " leaves nothing", function()
			local status <const>, output <const> = lab.run(PRELUDE .. text)
			assert.same({ 0, "" }, { status, output })
			assert.is_true(none_left())
		end)
	end

	it("by an error leaves nothing", function()
		local status <const> = lab.run(PRELUDE .. "error 'out'")
		assert.equal(1, status)
		assert.is_true(none_left())
	end)

	it("by kill -9 leaves nothing", function()
		local child <close> = lab.start(PRELUDE .. "print 'ready' for _ in ring:events() do end while true do end")
		assert.equal("ready", child:line())
		if not lab.programs "crumb_rename" then pending "bpf_jit_kallsyms is off: programs cannot be seen" end
		assert.equal(1, lab.programs "crumb_rename")
		child:signal "KILL"
		child:wait()
		assert.is_true(none_left())
	end)
end)

describe("a thousand times", function()
	local function memory()
		return math.tointeger(lab.read "/proc/self/statm":match "^%d+ (%d+)") * 4
	end

	-- The first rounds fill caches.
	local function flat(times, work)
		times = lab.times(times)
		for _ = 1, math.max(20, times // 4) do work() end
		collectgarbage()
		collectgarbage()
		local descriptors <const>, resident <const> = lab.descriptors(), memory()
		for _ = 1, times do work() end
		collectgarbage()
		collectgarbage()
		assert.equal(descriptors, lab.descriptors())
		assert.is_true(memory() - resident < 1024, memory() - resident .. " KiB more")
	end

	it("attaching and detaching is flat", function()
		local object <close> = lab.load("rings", { target_tgid = lab.pid() })
		flat(1000, function() assert(object.programs.crumb_rename:attach {}):close() end)
		assert.equal(1, lab.programs "crumb_rename" or 1)
		assert(object.programs.crumb_rename:attach {})
		lab.rename()
		assert.equal(1, object.globals.hits)
	end)

	it("opening a ring is flat", function()
		local object <close> = lab.load "rings"
		flat(1000, function() assert(object:ring("events", "struct event")):close() end)
	end)

	it("opening, loading and closing is flat", function()
		flat(200, function()
			lab.load "rings":close()
		end)
		assert.is_true(none_left())
	end)

	it("failing is flat", function()
		flat(200, function()
			local object <close> = assert(bpf.open(lab.fixtures .. "objects_refused.bpf.o"))
			assert.is_nil((object:load()))
			assert.is_nil((bpf.open "/nowhere"))
			assert.is_nil((bpf.open "spec/run"))
			assert.is_nil((bpf.map { type = "hash", max_entries = 0 }))
			assert.is_nil((bpf.pinned_map "/nowhere"))
			assert.is_false((pcall(object.ring, object, "nothing")))
		end)
	end)
end)

describe("require", function()
	it("may come again, and after package.loaded was cleared", function()
		local status <const>, output <const> = lab.run(PRELUDE .. [[
			local old = bpf
			assert(require "crumb.bpf" == old)
			for name in pairs(package.loaded) do
				if name:find "^crumb" then package.loaded[name] = nil end
			end
			local new = require "crumb.bpf"
			assert(new ~= old)
			local second = assert(new.open "build/fixtures/rings.bpf.o")
			assert(second:load())
			assert(second.programs.crumb_rename:attach {})
			second.globals.target_tgid = lab.pid()
			local polled = {}
			local both = assert(second:ring("events", "struct event", function(event) polled[1] = event.number end))
			lab.rename()
			assert(ring:events { idle = 0 }().number == 1)
			assert(both:poll() == 1 and polled[1] == 1)
			object:close()
			second:close()
		]])
		assert.same({ 0, "" }, { status, output })
	end)
end)
