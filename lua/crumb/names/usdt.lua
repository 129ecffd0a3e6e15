--- usdt: which USDT probes a target means, where they lie, and what their arguments are relative to.
--
-- All of it is another's: the notes, their names, and the words for their arguments.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"
local lazy <const> = require "crumb.lazy"

local show_text <const> = lazy "crumb.show.text"

local usdt = {}

local ENOENT <const>, EINVAL <const> = 2, 22
local LISTED <const> = 8
local WRONG <const> = "the file's notes place the probe where there can be none"

local WORDS_MOST <const>, SYMBOLS_MOST <const> = 4096, 256 -- of the arguments of a place; of all places

-- How the names of variables stand in the assembler's words.
local _ <const>, _ <const>, MACHINE <const> = core.versions()
local VARIABLE <const> = MACHINE == "aarch64" and ":lo12:([%w_.$]+)" or "%f[%w_.$%%]([%a_.][%w_.$]*)"

local function fail(target, err, format, ...)
	return nil, target.text .. ": " .. format:format(...), err
end

local function unknown(target, probes)
	local wanted <const> = target.provider .. ":" .. target.name
	if #probes == 0 then return fail(target, ENOENT, "the file has no USDT probes") end
	local _ <const>, near <const> = core.nearest(wanted, probes)
	if near ~= "" then return fail(target, ENOENT, "no USDT probe '%s'%s", wanted, near) end
	return fail(target, ENOENT, "no USDT probe '%s'; there are %s%s", wanted,
		show_text.escape(table.concat(probes, ", ", 1, math.min(#probes, LISTED))),
		#probes > LISTED and (" and %d more"):format(#probes - LISTED) or "")
end

-- "provider:name" -> whether it is meant. An exact name wins before globs are tried.
local function meant(target, probes)
	local wanted <const> = target.provider .. ":" .. target.name
	for _, probe in ipairs(probes) do
		if probe == wanted then return function(probe_name) return probe_name == wanted end end
	end
	if target.exact or not (glob.is(target.provider) or glob.is(target.name)) then return nil end
	local test <const> = glob.compile(wanted)
	for _, probe in ipairs(probes) do
		if test(probe) then return test end
	end
end

-- The variables that the arguments of places are relative to, where there are some: name -> address, false or true.
local function symbols_of(elf, places)
	local names <const>, seen <const> = {}, {}
	for _, place in ipairs(places) do
		local words <const> = #place.arguments <= WORDS_MOST and place.arguments or ""
		for name in words:gmatch(VARIABLE) do
			if not seen[name] and #names < SYMBOLS_MOST then names[#names + 1] = name end
			seen[name] = true
		end
	end
	return names[1] and elf:variables(names) or {}
end

-- The places by "provider:name", each once, by offset; and the names in the file's order.
local function places_by_name(probes)
	local by_name <const>, names <const> = {}, {}
	table.sort(probes, function(a, b) return a.offset < b.offset end)
	for _, probe in ipairs(probes) do
		local name <const> = probe.provider .. ":" .. probe.name
		local places <const> = by_name[name] or {}
		if not by_name[name] then
			by_name[name] = places
			names[#names + 1] = name
		end
		local last <const> = places[#places]
		if not last or last.offset ~= probe.offset then places[#places + 1] = probe end
	end
	return by_name, names
end

--- Whether a file has a probe that a usdt target names; libbpf finds its places itself.
---@param target crumb.Target
---@param elf userdata crumb.Elf
---@return true|nil|fun(name: string): boolean meant
---@return string[]|string names all, or the message
---@return integer? errno ENOENT no such probe
function usdt.meant(target, elf)
	local names <const>, message <const>, err <const> = elf:usdt()
	if not names then return fail(target, err, "%s", message) end
	local test <const> = meant(target, names)
	if not test then return unknown(target, names) end
	return test, names
end

--- The probes that a usdt target means, with their places, by offset, which are attached like uprobes.
--- Shape: { { provider, name, places = { { offset, address, semaphore?, arguments, symbols }, ... } }, ... }, and
--- { { symbol, reason }, ... } of what a glob means and cannot be probed
---@param target crumb.Target
---@param elf userdata crumb.Elf
---@return table[]? probes
---@return table[]|string skipped or the message
---@return integer? errno ENOENT no such probe, EINVAL its notes are wrong
function usdt.probes(target, elf)
	local test <const>, names <const>, number <const> = usdt.meant(target, elf)
	if not test then return nil, names, number end
	local all <const>, message <const>, err <const> = elf:usdt_probes()
	if not all then return fail(target, err, "%s", message) end
	local chosen <const> = {}
	for _, place in ipairs(all) do
		if test(place.provider .. ":" .. place.name) and not elf:refused(place.offset) then chosen[#chosen + 1] = place end
	end
	local symbols <const> = symbols_of(elf, chosen)
	local by_name <const>, order <const> = places_by_name(chosen)
	local found <const>, skipped <const> = {}, {}
	for i, name in ipairs(order) do
		local places <const> = by_name[name]
		for _, place in ipairs(places) do place.symbols = symbols end
		found[i] = { provider = places[1].provider, name = places[1].name, places = places }
	end
	for _, name in ipairs(names) do
		if not by_name[name] and test(name) then skipped[#skipped + 1] = { symbol = name, reason = WRONG } end
	end
	if #found == 0 then return fail(target, EINVAL, "%s", WRONG) end
	return found, skipped
end

return usdt
