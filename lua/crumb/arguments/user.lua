--- user: the arguments of functions of programs and libraries, by the file's debug information.

local core <const> = require "crumb.core"
local abi <const> = require "crumb.arguments.abi"
local named <const> = require "crumb.arguments.named"
local registers <const> = require "crumb.arguments.registers"

local user = {}

-- By the file's identity: what a scope's types still need stays open, and no longer.
local files <const> = setmetatable({}, { __mode = "v" })

-- The file's debug information, or a table with the reason why there is none.
local function open(site)
	local key <const> = site.identity or site.path
	local file = files[key]
	if not file then
		local dwarf <const>, message <const> = core.dwarf(site.path)
		local elf <close> = core.elf(site.path)
		file = {
			dwarf = dwarf, missing = message and message:match "^.-: (.*)$" or message,
			go = elf and elf:is_go() or false, functions = {},
		}
		files[key] = file
	end
	return file
end

local function missing(file, why)
	return {
		missing = ("%s: arg0 … arg5 work"):format(why), registers = file.go and registers.GO or registers.FUNCTION, file = file,
	}
end

local function describe(file, site)
	if not file.dwarf then return missing(file, file.missing) end
	local found <const>, why <const> = file.dwarf:prototype(site.offset)
	if not found then return missing(file, why) end
	local changed <const> = found.changed or site.symbol:find "%.isra" or site.symbol:find "%.constprop"
		or site.symbol:find "%.part"
	if changed then return missing(file, "the compiler changed the function's arguments") end
	local convention <const> = found.convention
	if not convention then return missing(file, "the convention by which the function is called is not known") end
	local places <const> = abi.places(file.dwarf, found, convention)
	return {
		args = named.arguments(file.dwarf, found.parameters, places, function(word)
			return registers.word(convention, word)
		end),
		registers = convention == "go" and registers.GO or registers.FUNCTION,
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
