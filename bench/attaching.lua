--- attaching: what it takes to attach and detach so many symbols, each with its own cookie: by names, beside the system
--- call to which offsets are given.

local attach <const> = require "attach"
local bpf <const> = require "crumb.bpf"
local binaries <const> = require "crumb.binaries"
local core <const> = require "crumb.core"
local crumb <const> = require "crumb"
local start <const> = require "start"

local ROUNDS <const> = 11
local VICTIM <const> = "build/fixtures/many"
local FIRST <const>, STRIDE <const> = "many_100000", 16
local LISTED <const> = 20000

-- How many symbols a pattern means.
local SIZES <const> = {
	{ 1, "many_100000" }, { 100, "many_1000??" }, { 1000, "many_100???" }, { 10000, "many_10????", 2 },
}

-- Milliseconds that each of the two takes.
local function times(open, close)
	collectgarbage()
	local begin <const> = core.now()
	local opened <const> = open()
	local between <const> = core.now()
	close(opened)
	return (between - begin) / 1e6, (core.now() - between) / 1e6
end

local function close(one) assert(one:close()) end

-- Each takes a pattern and how many symbols it means, and returns how long they are attached and detached.
local function ways(object, trace)
	local program <const> = object.programs.nothing
	local elf <close> = assert(binaries.elf(VICTIM))
	local first <const> = elf:find(FIRST)[1].offset
	local cookie <const> = function(_, i) return i end
	return {
		plain = function(_, count)
			local attached <const>, detached <const> = attach(program:fd(), VICTIM, first, STRIDE, count)
			return attached / 1e6, detached / 1e6
		end,
		["program:attach"] = function(pattern, count)
			return times(function()
				local link <const> = assert(program:attach { ("uprobe:%s:%s"):format(VICTIM, pattern), cookie = cookie, max = count })
				assert(#link.cookies == count)
				return link
			end, close)
		end,
		["trace:probe"] = function(pattern, count)
			return times(function()
				local probe <const> = assert(trace:probe { ("uprobe:%s:%s"):format(VICTIM, pattern), count = true, max = count })
				assert(#probe.cookies == count)
				return probe
			end, close)
		end,
	}
end

local function row_of(what, unit, more)
	local row <const> = { what = what, unit = unit, crumb = {}, plain = {} }
	for name, value in pairs(more or {}) do row[name] = value end
	return row
end

local function sum(a, b)
	local sums <const> = {}
	for i, value in ipairs(a) do sums[i] = value + b[i] end
	return sums
end

-- Rows of a way and a size: what was done in turn stands side by side.
local function attaching(rows)
	local object <close> = assert(bpf.open "build/bench/attaching.bpf.o")
	assert(object:load())
	local trace <close> = assert(crumb.trace())
	local way <const> = ways(object, trace)
	for _, size in ipairs(SIZES) do
		local count <const>, pattern <const>, goal <const> = size[1], size[2], size[3]
		for _, name in ipairs { "program:attach", "trace:probe" } do
			local on <const>, off <const> = row_of(("%s, %d"):format(name, count), "ms"), row_of("  detach", "ms")
			for round = 0, ROUNDS do -- the first is overwritten
				local at <const> = math.max(round, 1)
				on.plain[at], off.plain[at] = way.plain(pattern, count)
				on.crumb[at], off.crumb[at] = way[name](pattern, count)
			end
			rows[#rows + 1], rows[#rows + 2] = on, off
			if goal then
				rows[#rows + 1] = row_of("  both", "ms", {
					goal = goal, crumb = sum(on.crumb, off.crumb), plain = sum(on.plain, off.plain),
				})
			end
		end
	end
end

-- What a process that holds 10,000 sites has had in memory at most.
local function memory()
	local row <const> = row_of("memory with 10000", "MiB", { limit = 30 })
	local _ <const>, kilobytes <const> = start.piped(os.getenv "LUA" or "lua5.4", "bench/many.lua",
		("uprobe:%s:%s"):format(VICTIM, SIZES[#SIZES][2]), tostring(SIZES[#SIZES][1]))
	row.crumb[1] = kilobytes / 1024
	return row
end

local function listing()
	local row <const> = row_of("crumb.list of 20000", "ms", { limit = 60 })
	for round = 0, ROUNDS do
		collectgarbage()
		local begin <const>, count = core.now(), 0
		for _ in assert(crumb.list(("uprobe:%s:many_*"):format(VICTIM))) do count = count + 1 end
		assert(count == LISTED)
		row.crumb[math.max(round, 1)] = (core.now() - begin) / 1e6
	end
	return row
end

--- Rows as those of reading.lua; what plain C does not do has no ratio.
return function()
	local rows <const> = {}
	attaching(rows)
	rows[#rows + 1], rows[#rows + 2] = memory(), listing()
	return rows
end
