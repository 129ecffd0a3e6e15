--- list: what a target stands for, what of it can be probed, and what its arguments are.

local choice <const> = require "crumb.bpf.choice"
local opening <const> = require "crumb.trace.opening"
local lazy <const> = require "crumb.lazy"
local options <const> = require "crumb.options"

local arguments <const> = lazy "crumb.arguments"

local list = {}

local ENOTUNIQ <const>, EOPNOTSUPP <const> = 76, 95

-- Whose arguments are read from the file, which has to be open.
local OF_FILES <const> = { uprobe = true, uretprobe = true }

local function found(text, given, files)
	local wanted <const> = { text, pid = given.pid, missing = "skip", listed = true }
	local sites <const>, message <const>, errno <const> = opening.resolve(wanted, false, files, true)
	if sites then return sites end
	-- A target of which nothing can be probed is listed with the reason; one that means nothing is an error.
	if errno == ENOTUNIQ or errno == EOPNOTSUPP then
		local reason <const> = message:sub(1, #text + 2) == text .. ": " and message:sub(#text + 3) or message
		return { skipped = { { symbol = text:match "^[^:]*:(.*)$", reason = reason } } }
	end
	return nil, message, errno
end

-- What is said of an argument; of USDT, whose notes know no types, what they do say.
local function argument_of(one)
	local type <const> = one.type
	local said <const> = one.declared or type.size and (type.signed and "s" or "u") .. type.size * 8 or nil
	return {
		name = one.name, type = said, reason = type.why,
		words = one.words, size = one.words and type.size, signed = one.words and type.signed,
	}
end

-- The arguments of a row's site, or why there are none; they are looked for when they are asked for.
local function arguments_of(site, files)
	if not site.kind then return nil, site.reason end
	if OF_FILES[site.kind] and not next(files) then return nil, "the list has ended, and the file is closed" end
	local scope <const> = arguments.scope(site)
	if not scope.args then return nil, scope.args_missing or "it has no arguments with names" end
	local rows <const> = {}
	for i, one in ipairs(scope.args) do rows[i] = argument_of(one) end
	return rows
end

-- What makes rows: all but their arguments is there at once.
local function maker(files)
	local sites <const> = setmetatable({}, { __mode = "k" })
	local late <const> = { __index = function(row, key)
		if key ~= "args" and key ~= "args_missing" then return nil end
		local args <const>, missing <const> = arguments_of(sites[row], files)
		rawset(row, "args", args)
		if key == "args" then return args end
		return missing
	end }
	return function(site, probeable)
		local row <const> = setmetatable({
			name = site.symbol, demangled = site.demangled, names = site.names,
			offset = site.offset, address = site.address, size = site.size, module = site.module,
			file = site.file, probeable = probeable, reason = not probeable and site.reason or nil,
		}, late)
		sites[row] = site
		return row
	end
end

--- Iterates over what a target stands for: `for site in crumb.list "uprobe:libc:str*" do print(site.name, site.reason) end`.
--- Shape: { name, demangled, names = its aliases, offset, address, size, module, file, probeable = BOOLEAN, reason = why not,
--- args, args_missing = why there are none }, where
--- args = { { name = "filename", type = "const char *", reason = why it cannot be read, words = of USDT: "-4@%edi" }, … } is
--- looked for when it is asked for, as long as the loop lasts
--- Errors: nil, message, errno when there is no such thing; raises for wrong words.
---@param text string a target
---@param given { pid: integer? }? the process whose libraries and `exe` are meant
---@return nil|fun(): table?
---@return string?
---@return integer?
---@return table? closing the files, for the loop to close
function list.of(text, given)
	given = options.check("crumb.list", given, { pid = "integer" })
	local files <const> = choice.files()
	local sites <const>, message <const>, errno <const> = options.call("crumb.list", found, text, given, files)
	if not sites then
		choice.close(files)
		return nil, message, errno
	end
	local row_of <const> = maker(files)
	local at, of_skipped = 0, 0
	return function()
		at = at + 1
		if sites[at] then return row_of(sites[at], true) end
		of_skipped = of_skipped + 1
		local skipped <const> = sites.skipped[of_skipped]
		return skipped and row_of(skipped, false)
	end, nil, nil, files
end

return list
