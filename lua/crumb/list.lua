--- list: what a target stands for, and what of it can be probed.

local choice <const> = require "crumb.bpf.choice"
local opening <const> = require "crumb.trace.opening"
local lazy <const> = require "crumb.lazy"
local options <const> = require "crumb.options"

local usdt <const> = lazy "crumb.arguments.usdt"

local list = {}

local ENOTUNIQ <const>, EOPNOTSUPP <const> = 76, 95

local function found(text, given)
	local files <close> = choice.files()
	local wanted <const> = { text, pid = given.pid, missing = "skip" }
	local sites <const>, message <const>, errno <const> = opening.resolve(wanted, false, files, true)
	if sites then return sites end
	-- A target of which nothing can be probed is listed with the reason; one that means nothing is an error.
	if errno == ENOTUNIQ or errno == EOPNOTSUPP then return { skipped = { { symbol = text, reason = message } } } end
	return nil, message, errno
end

-- Of a USDT place: what its note says of each argument, and why one cannot be read.
local function arguments_of(site)
	local rows <const> = {}
	for i, one in ipairs(usdt.of(site).args) do
		rows[i] = {
			name = one.name, words = one.words, size = one.type.size, signed = one.type.signed, reason = one.type.why,
		}
	end
	return rows
end

local function row_of(site, probeable)
	return {
		name = site.symbol, demangled = site.demangled, names = site.names,
		offset = site.offset, address = site.address, size = site.size,
		file = site.file, probeable = probeable, reason = not probeable and site.reason or nil,
		arguments = site.arguments and arguments_of(site) or nil,
	}
end

--- Iterates over what a target stands for.
---
--- `for site in assert(crumb.list "uprobe:libc:str*") do print(site.name, site.probeable, site.reason) end`.
--- Shape: { name, demangled, names = its aliases, offset, address, size, file, probeable = BOOLEAN, reason = why not,
--- arguments = of USDT: { { name = "arg0", words = "-4@%edi", size =, signed =, reason = why it cannot be read }, … } }
--- Errors: nil, message, errno when there is no such thing; raises for wrong words.
---@param text string a target
---@param given { pid: integer? }? the process whose libraries and `exe` are meant
---@return nil|fun(): table?
---@return string?, integer?
function list.of(text, given)
	given = options.check("crumb.list", given, { pid = "integer" })
	local sites <const>, message <const>, errno <const> = options.call("crumb.list", found, text, given)
	if not sites then return nil, message, errno end
	local at, of_skipped = 0, 0
	return function()
		at = at + 1
		if sites[at] then return row_of(sites[at], true) end
		of_skipped = of_skipped + 1
		local skipped <const> = sites.skipped[of_skipped]
		return skipped and row_of(skipped, false)
	end
end

return list
