--- user: the arguments of functions of programs and libraries, by the file's debug information.

local binaries <const> = require "crumb.lazy" "crumb.binaries"
local abi <const> = require "crumb.arguments.abi"
local named <const> = require "crumb.arguments.named"
local registers <const> = require "crumb.arguments.registers"

local user = {}

-- By the file's identity: what a scope's types still need stays open, and no longer.
local files <const> = setmetatable({}, { __mode = "v" })

-- The file that was attached to: by its descriptor as long as that is open, later by its name.
local function reopen(site)
	for _, path in ipairs { site.path, site.file } do
		local elf <const> = binaries.elf(path)
		if elf and (not site.identity or elf:identity() == site.identity) then return elf end
		if elf then elf:close() end
	end
end

-- The file's debug information, or a table with the reason why there is none.
local function read(site)
	local elf <close> = reopen(site)
	if not elf then return { missing = "the file that is probed is no longer there", functions = {} } end
	local dwarf <const>, message <const> = binaries.dwarf(elf:path())
	return {
		dwarf = dwarf, missing = message and message:match "^.-: (.*)$" or message, go = elf:is_go(), functions = {},
	}
end

local function open(site)
	local key <const> = site.identity or site.path
	local file <const> = files[key] or read(site)
	files[key] = file
	return file
end

local function missing(file, why)
	return {
		missing = ("%s: arg0 … arg5 work"):format(why), registers = file.go and registers.GO or registers.FUNCTION, file = file,
	}
end

local CHANGED <const> = "the compiler changed the function's arguments"

-- Why no convention says where the arguments lie; nil: one does.
local function unconventional(found, symbol)
	if found.changed or symbol:find "%.isra" or symbol:find "%.constprop" or symbol:find "%.part" then return CHANGED end
	return not found.convention and "the convention by which the function is called is not known" or nil
end

-- Places of the parameters that are integers or pointers, in the registers that the debug information tells of.
local function told(source, found, why)
	local places <const>, any = {}, false
	for i, parameter in ipairs(found.parameters) do
		local load <const> = parameter.register and registers.numbered(parameter.register)
		local is_word <const> = load and abi.is_word(source, parameter.id)
		places[i] = is_word and { word = load } or { why = why }
		any = any or is_word
	end
	return places, any
end

-- By the convention, and by what the debug information tells of the entry, if it does; where the two differ, the
-- compiler has taken arguments away, and the convention says nothing.
local function places_of(source, found, why)
	if why then return told(source, found, why) end
	local places <const>, others <const> = abi.places(source, found, found.convention), told(source, found)
	for i, place in ipairs(places) do
		local load <const> = place.word and registers.word(found.convention, place.word)
		if load and others[i].word and not registers.same(load, others[i].word) then return told(source, found, CHANGED) end
		places[i] = not load and others[i].word and others[i] or load and { word = load, indirect = place.indirect } or place
	end
	return places, true
end

local function describe(file, site)
	if not file.dwarf then return missing(file, file.missing) end
	local found <const>, message <const> = file.dwarf:prototype(site.offset)
	if not found then return missing(file, message) end
	local why <const> = unconventional(found, site.symbol)
	local places <const>, any <const> = places_of(file.dwarf, found, why)
	if not any then return missing(file, why) end
	return {
		args = named.arguments(file.dwarf, found.parameters, places, function(load) return load end),
		registers = found.convention == "go" and registers.GO or registers.FUNCTION,
		retval_type = named.result(file.dwarf, found), file = file,
	}
end

--- What there is at a function's entry and return.
--- Shape: { args = list or nil, missing = why there is none, registers = …, retval_type = TYPE? }, kept for the next site
--- Source: DWARF of the file, when it is there in the file itself
---@param site crumb.Site
---@return table
function user.of(site)
	local file <const> = open(site)
	local key <const> = ("%d %s"):format(site.offset or 0, site.symbol)
	file.functions[key] = file.functions[key] or describe(file, site)
	return file.functions[key]
end

return user
