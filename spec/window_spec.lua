-- crumb.Window: an array as memory: what the map's elements are, and nothing beside them.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local lab = require "support.lab"

local object, before

before_each(function()
	before = lab.descriptors()
	object = assert(bpf.open(lab.fixtures .. "runtime.bpf.o"))
	object.globals.target_tgid = lab.pid()
	assert(object:load())
end)

after_each(function()
	object:close()
	object = nil
	assert.equal(before, lab.descriptors())
end)

local function window_of(name) return assert(core.window(object.maps[name])) end

it("shows the map's elements, and changes them", function()
	local window <close> = window_of "cells"
	local cells <const> = object.maps.cells
	assert.same({ 1000, 12 }, { window.count, window.size })
	assert(cells:update(999, { word = 0xfffffffe, other = 7, bytes = "\1\2\3\255" }))
	assert.same({ 0xfffffffe, 7, 1, 255, 0xff03 },
		{ window:get(999, 0, 4), window:get(999, 4, 4), window:get(999, 8, 1), window:get(999, 11, 1), window:get(999, 10, 2) })
	assert.equal(0x7fffffffe, window:get(999, 0, 8))
	window:set(998, 4, 4, -1)
	window:set(0, 0, 8, -2)
	assert.same({ word = 0, other = 0xffffffff, bytes = "\0\0\0\0" }, cells:lookup(998))
	assert.same({ word = 0xfffffffe, other = 0xffffffff, bytes = "\0\0\0\0" }, cells:lookup(0))
	assert.equal(-2, window:get(0, 0, 8))
	assert.same({ word = 0xfffffffe, other = 7, bytes = "\1\2\3\255" }, cells:lookup(999))
end)

it("is what programs see", function()
	local cells <close> = window_of "cells"
	local sums <close> = window_of "sums"
	assert(object.programs.crumb_first:attach {})
	cells:set(1, 0, 4, 41)
	sums:set(1, 0, 8, 10)
	lab.rename()
	assert.same({ 42, 11 }, { cells:get(1, 4, 4), sums:get(1, 0, 8) })
end)

it("stores one value in many elements, or one in each", function()
	local window <close> = window_of "cells"
	window:store({ 3, 5, 4 }, 4, 4, 9)
	window:store({ 7, 8 }, 0, 8, { -1, 2 })
	window:store({}, 0, 4, 1)
	window:store({}, 0, 4, {})
	local seen <const> = {}
	for i = 0, 999 do
		local value <const> = window:get(i, 0, 8)
		if value ~= 0 then seen[i] = value end
	end
	assert.same({ [3] = 9 << 32, [4] = 9 << 32, [5] = 9 << 32, [7] = -1, [8] = 2 }, seen)
	for _, values in ipairs { {}, { 1 }, { 1, 2, 3 } } do
		assert.error_matches(function() window:store({ 1, 2 }, 0, 4, values) end, "not one value for each element")
	end
	assert.error_matches(function() window:store({ 1, 2 }, 0, 4, { 1, "2" }) end, "expected an integer")
	assert.error_matches(function() window:store(1, 0, 4, 1) end, "table expected")
end)

it("sums what is in many elements", function()
	local window <close> = window_of "sums"
	window:store({ 1, 2, 3 }, 0, 8, { 5, -7, 11 })
	assert.equal(9, window:sum({ 1, 2, 3 }, 0))
	assert.equal(16, window:sum({ 3, 1 }, 0))
	assert.equal(10, window:sum({ 1, 1 }, 0))
	assert.equal(0, window:sum({}, 0))
end)

it("gives the bytes of many elements, as they were", function()
	local window <close> = window_of "cells"
	window:store({ 1, 2, 999 }, 0, 4, { 1, 2, 3 })
	window:set(999, 4, 4, 4)
	local bytes <const> = window:bytes { 999, 1 }
	window:set(1, 0, 4, 0)
	assert.equal(("<I4I4I4I4I4I4"):pack(3, 4, 0, 1, 0, 0), bytes)
	assert.equal("", window:bytes {})
	assert.error_matches(function() window:bytes { 1000 } end, "no element 1000")
end)

it("adds, and wraps as 64 bits do", function()
	local window <close> = window_of "sums"
	window:add(3, 0, 5)
	window:add(3, 0, -7)
	assert.equal(-2, window:get(3, 0, 8))
	window:set(3, 0, 8, math.maxinteger)
	window:add(3, 0, 1)
	assert.equal(math.mininteger, window:get(3, 0, 8))
end)

it("has nothing outside its elements", function()
	local window <close> = window_of "cells"
	for _, work in ipairs {
		function() window:get(1000, 0, 4) end, function() window:get(-1, 0, 4) end,
		function() window:set(1000, 0, 4, 0) end, function() window:set(math.mininteger, 0, 4, 0) end,
		function() window:add(1000, 0, 1) end, function() window:store({ 999, 1000 }, 0, 4, 0) end,
		function() window:sum({ 1, -1 }, 0) end, function() window:get(math.maxinteger, 0, 8) end,
	} do
		assert.error_matches(work, "no element %-?%d+: there are 1000, from 0")
	end
	for _, work in ipairs {
		function() window:get(0, 12, 1) end, function() window:get(0, -1, 1) end, function() window:get(0, 8, 8) end,
		function() window:set(0, 8, 8, 0) end, function() window:add(0, 8, 0) end, function() window:store({ 0 }, 12, 4, 0) end,
		function() window:sum({ 0 }, 8) end,
		function() window:get(0, math.mininteger, 8) end, function() window:get(0, math.maxinteger, 1) end,
	} do
		assert.error_matches(work, "outside an element of 12")
	end
	for _, work in ipairs {
		function() window:get(0, 1, 2) end, function() window:set(0, 2, 4, 0) end, function() window:add(0, 4, 0) end,
		function() window:store({ 0 }, 4, 8, 0) end, function() window:sum({ 0 }, 4) end,
	} do
		assert.error_matches(work, "not aligned")
	end
end)

it("takes only what fits", function()
	local window <close> = window_of "cells"
	for _, width in ipairs { 0, 3, 5, 16, -4 } do
		assert.error_matches(function() window:get(0, 0, width) end, "a width is 1, 2, 4 or 8")
		assert.error_matches(function() window:set(0, 0, width, 0) end, "a width is 4 or 8")
	end
	for _, value in ipairs { 1 << 32, -1 << 32, math.mininteger } do
		assert.error_matches(function() window:set(0, 0, 4, value) end, "does not fit 4 bytes")
	end
	assert.error_matches(function() window:set(0, 0, 4, "1") end, "expected an integer")
	assert.error_matches(function() window:set(0, 0, 8, 0.5) end, "not an integer")
	assert.error_matches(function() window:add(0, 0, 0.5) end, "not an integer")
	assert.equal(0, window:get(0, 0, 8))
end)

it("is of a mmapable array that is there", function()
	assert.error_matches(function() core.window(object.maps.outer) end, "not an array")
	assert.error_matches(function() core.window(object.maps.plain) end, "not mmapable")
	assert.error_matches(function() core.window(object) end, "crumb.Map expected")
	local other <close> = assert(bpf.open(lab.fixtures .. "runtime.bpf.o"))
	assert.error_matches(function() core.window(other.maps.cells) end, "not there yet")
end)

it("outlives its map, and ends with its close", function()
	local window <const> = window_of "sums"
	window:set(2, 0, 8, 5)
	object:close()
	assert.equal(5, window:get(2, 0, 8))
	window:set(2, 0, 8, 6)
	assert.equal(6, window:get(2, 0, 8))
	assert.is_true(window:close())
	assert.is_true(window:close())
	assert.error_matches(function() window:get(2, 0, 8) end, "closed")
	assert.error_matches(function() window:set(2, 0, 8, 0) end, "closed")
	assert.error_matches(function() window:store({ 0 }, 0, 8, 0) end, "closed")
	assert.error_matches(function() window:sum({ 0 }, 0) end, "closed")
	assert.error_matches(function() window:add(2, 0, 0) end, "closed")
end)

it("is collected", function()
	local function mappings()
		local _ <const>, count <const> = lab.read "/proc/self/maps":gsub("bpf%-map", "")
		return count
	end
	local held <const> = mappings()
	for _ = 1, 100 do window_of "cells" end
	assert.is_true(mappings() > held)
	collectgarbage()
	collectgarbage()
	assert.equal(held, mappings())
end)
