-- What the tracer's runtime asks of the C module: the engine carried in it, maps that copies of an object
-- share, inner maps of any size.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local lab = require "support.lab"

local EINVAL <const> = 22

local before

before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

-- The fixture with these of its programs, not loaded yet.
local function open(...)
	local object <const> = assert(bpf.open(lab.fixtures .. "runtime.bpf.o"))
	local wanted <const> = {}
	for _, name in ipairs { ... } do wanted[name] = true end
	for name, program in pairs(object.programs) do program:set_autoload(wanted[name] or false) end
	return object
end

describe("the engine", function()
	it("is carried in the module, whole", function()
		local object <close> = assert(core.object(core.engine(), "engine", "the engine"))
		assert.equal("engine", object.name)
		assert.equal(core.engine(), core.engine())
	end)

	it("has the same maps with few features", function()
		local function shape(few)
			local object <close> = assert(core.object(core.engine(few), "engine", "the engine"))
			local maps <const> = {}
			for name, map in pairs(object.maps) do maps[name] = { map.type, map.key_size, map.value_size, map.max_entries } end
			return maps
		end
		assert.same(shape(), shape(true))
		assert.is_true(#core.engine(true) < #core.engine())
	end)

	it("has the types that Lua writes and C reads", function()
		local btf <close> = assert(core.btf { bytes = core.engine() })
		local sizes <const> = {}
		for _, name in ipairs { "site", "account", "step", "output", "record", "pattern", "small_key", "large_key", "row" } do
			sizes[name] = assert(btf:size("struct " .. name))
		end
		assert.same({ site = 16, account = 128, step = 16, output = 8, record = 56, pattern = 2064, small_key = 32,
			large_key = 288, row = 64 }, sizes)
	end)
end)

describe("sharing", function()
	it("makes a copy's maps those of the first", function()
		local first <close> = open "crumb_first"
		local second <close> = open "crumb_second"
		first.globals.target_tgid, first.globals.step = lab.pid(), 5
		assert(first:load())
		for name, map in pairs(second.maps) do assert.equal(map, map:share(first.maps[name])) end
		assert(second:load())
		assert(first.programs.crumb_first:attach {})
		assert(second.programs.crumb_second:attach {})
		lab.rename()
		assert.same({ 0, 5, 5, 0 }, { first.maps.sums:lookup(0), first.maps.sums:lookup(1), second.maps.sums:lookup(2),
			second.maps.sums:lookup(3) })
		assert.same({ 2, 110 }, { first.globals.calls, first.globals.total })
		assert.same({ 2, 110, 5 }, { second.globals.calls, second.globals.total, second.globals.step })
		second.globals.total = 1
		lab.rename()
		assert.equal(11, first.globals.total)
		first:close()
		lab.rename()
		assert.same({ 5, 16 }, { second.globals.calls, second.globals.total })
	end)

	it("works from the moment on, before the load", function()
		local first <close> = assert(open():load())
		local second <close> = open()
		assert(second.maps.sums:share(first.maps.sums))
		assert(first.maps.sums:update(3, 33))
		assert.equal(33, second.maps.sums:lookup(3))
		for name, map in pairs(second.maps) do
			if name:find "data" or name:find "bss" then assert(map:share(first.maps[name])) end
		end
		second.globals.total = 7
		assert.equal(7, first.globals.total)
		assert.error_matches(function() second.globals.step = 2 end, "constant")
	end)

	it("of a map takes its number of elements too", function()
		local first <close> = open()
		local second <close> = open()
		first.maps.cells:set_max_entries(7)
		assert(first:load())
		assert(second.maps.cells:share(first.maps.cells))
		assert.equal(7, second.maps.cells.max_entries)
		assert.error_matches(function() second.maps.cells:set_max_entries(8) end, "exists already")
		assert(second:load())
		local _ <const>, message <const> = second.maps.cells:update(7, {})
		assert.matches("it has 7 elements", message)
	end)

	it("is refused where it cannot be", function()
		local first <close> = open()
		local second <close> = open()
		assert.error_matches(function() second.maps.cells:share(first.maps.cells) end, "not there yet")
		assert(first:load())
		assert.error_matches(function() second.maps.cells:share(first.maps.sums) end, "cannot be map sums")
		assert.error_matches(function() second.maps.plain:share(first.maps.sums) end, "flags differ")
		assert.error_matches(function() first.maps.sums:share(first.maps.sums) end, "exists already")
		assert.error_matches(function() second.maps.sums:share(7) end, "crumb.Map expected")
		assert(second.maps.sums:share(first.maps.sums))
		assert.error_matches(function() second.maps.sums:share(first.maps.sums) end, "exists already")
	end)
end)

describe("an object without programs", function()
	it("is loaded for its maps", function()
		local object <close> = assert(open():load())
		assert(object.maps.sums:update(2, 9))
		assert.equal(9, object.maps.sums:lookup(2))
		assert.equal(100, object.globals.total)
		assert.error_matches(function() object.programs.crumb_first:fd() end, "crumb_first")
	end)
end)

describe("an inner map", function()
	it("may be larger than the declared one, or smaller", function()
		local object <const> = open "crumb_first"
		object.globals.target_tgid = lab.pid()
		local _ <close> = assert(object:load())
		local table <close> = assert(object.maps.outer:create_inner { max_entries = 3 })
		local ring <close> = assert(object.maps.rings:create_inner { max_entries = 5000 })
		assert.same({ 3, 8192 }, { table.max_entries, ring.max_entries })
		assert.is_true(object.maps.outer:update(0, table))
		assert.is_true(object.maps.rings:update(0, ring))
		assert(object.programs.crumb_first:attach {})
		for _ = 1, 5 do lab.rename() end
		local keys <const> = {}
		for key, value in pairs(table) do keys[key] = value end
		assert.same({ 1, 1, 1 }, keys)
		local reader <close> = assert(object:ring(ring))
		local count = 0
		for bytes in reader:events { idle = 0 } do
			count = count + 1
			assert.equal(1, (string.unpack("<I8", bytes)))
		end
		assert.equal(5, count)
	end)

	it("is as declared without a word", function()
		local object <close> = assert(open():load())
		local table <close> = assert(object.maps.outer:create_inner())
		local same <close> = assert(object.maps.outer:create_inner {})
		assert.same({ 1, 1 }, { table.max_entries, same.max_entries })
	end)

	it("has no other option", function()
		local object <close> = assert(open():load())
		local outer <const> = object.maps.outer
		assert.error_matches(function() outer:create_inner { entries = 1 } end, "options are max_entries and raw")
		assert.error_matches(function() outer:create_inner { 1 } end, "options are max_entries and raw")
		assert.error_matches(function() outer:create_inner { max_entries = 1 << 32 } end, "max_entries: expected")
		assert.error_matches(function() outer:create_inner(3) end, "table expected")
		local done <const>, message <const>, errno <const> = outer:create_inner { max_entries = 0 }
		assert.is_nil(done)
		assert.matches("create map inner", message)
		assert.equal(EINVAL, errno)
	end)
end)

describe("a grace period", function()
	it("passes", function()
		assert.is_true(core.grace())
	end)
end)
