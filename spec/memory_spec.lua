-- Memory runs out at the n-th allocation, for every n: an error, no crash, nothing left behind.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local lab = require "support.lab"

local memory <const> = assert(package.loadlib(lab.fixtures .. "memory.so", "luaopen_memory"))()

local before

before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

-- Runs the work with memory for 0, 1, 2, … allocations, until that is enough; how often it failed.
local function step(work)
	for n = 0, 1000 do
		collectgarbage()
		local done <const>, message <const> = memory.limited(n, work)
		if done then return n end
		if message ~= "not enough memory" then error(message, 0) end
	end
	error "memory never was enough"
end

local function collected()
	collectgarbage()
	collectgarbage()
end

local function mappings()
	collected()
	return select(2, lab.read "/proc/self/maps":gsub("bpf%-map", ""))
end

it("for a window", function()
	local object <close> = assert(assert(bpf.open(lab.fixtures .. "runtime.bpf.o")):load())
	local cells <const>, held <const> = object.maps.cells, mappings()
	assert.is_true(step(function() core.window(cells) end) > 0)
	assert.equal(held, mappings())
end)

it("for an inner map", function()
	local object <close> = assert(assert(bpf.open(lab.fixtures .. "runtime.bpf.o")):load())
	local outer <const>, options <const>, descriptors <const> = object.maps.outer, { max_entries = 9 }, lab.descriptors()
	assert.is_true(step(function() outer:create_inner(options) end) > 0)
	assert.equal(descriptors, lab.descriptors())
end)

it("for sharing a map", function()
	local first <close> = assert(assert(bpf.open(lab.fixtures .. "runtime.bpf.o")):load())
	local second <const> = assert(bpf.open(lab.fixtures .. "runtime.bpf.o"))
	local map <const>, other <const> = second.maps.sums, first.maps.sums
	step(function() map:share(other) end)
	assert(other:update(1, 5))
	assert.equal(5, map:lookup(1))
	assert(second:load())
	second:close()
end)

it("for the engine", function()
	assert.is_true(step(function() core.object(core.engine(), "engine", "engine") end) > 100)
	collected()
end)

it("for a process, started or not", function()
	local words <const> = { "true" }
	local started
	assert.is_true(step(function()
		local process <const> = core.spawn(words)
		process:start()
		process:wait()
		started = process.pid
	end) > 0)
	collected()
	assert.is_nil(io.open(("/proc/%d/stat"):format(started)))
	local children <const> = lab.read(("/proc/%d/task/%d/children"):format(lab.pid(), lab.pid()))
	assert.equal("", children)
end)

it("for a trail: a record that costs too much is counted, and the next one comes", function()
	local object <const> = lab.load("records", { target_tgid = lab.pid() })
	assert(object.programs.crumb_records:attach {})
	local ring <const> = assert(object:ring "first")
	local HEADER <const> = 56
	for _, length in ipairs { 100, 3000 } do -- copied to the stack, and to memory of its own
		local bytes <const> = ("<I8I4I4I4I4I4I4c16I4I4I8I8"):pack(1, 1, 1, 2, 3, 4, 5, "comm", 0, 0, 6,
			HEADER + 16 | length << 16 | 1 << 32) .. ("x"):rep(length)
		assert(object.maps.inputs:update(0, { bytes = bytes .. ("\0"):rep(8192 - #bytes), length = #bytes, times = 20 }))
		for _, fields in ipairs { false, { "n", "text", "comm", "symbol" } } do
			local layout <const> = core.layout { { name = "n", kind = "integer" }, { name = "text", kind = "string" } }
			local options <const> = { layouts = { layout }, sites = { { __index = { symbol = "s" } } },
				pause = function() return false end, fields = fields or nil }
			local was <const> = ring:stats()
			local iterator
			step(function() iterator = ring:trail(options) end)
			lab.rename()
			local got, failed = 0, 0
			for n = 0, 200 do
				collectgarbage()
				local done <const>, first <const>, text <const> = memory.limited(n // 2, iterator)
				if not done then
					failed = failed + 1
					assert.equal("not enough memory", first)
				elseif first ~= nil then
					got = got + 1
					assert.equal(length, #(text or first.text))
				else
					break
				end
			end
			local is <const> = ring:stats()
			assert.is_true(got > 0 and failed > 0)
			assert.same({ 20, 0 }, { is.delivered - was.delivered + is.malformed - was.malformed, is.pending })
			assert.equal(got, is.delivered - was.delivered)
		end
	end
	object:close()
end)

it("for a layout", function()
	local cells <const> = { { name = "n", kind = "integer" }, { name = "text", kind = "string", convert = print } }
	assert.is_true(step(function() core.layout(cells) end) > 0)
end)
