--- list: what a target stands for, and what of it can be probed.

local choice <const> = require "crumb.bpf.choice"
local opening <const> = require "crumb.trace.opening"
local options <const> = require "crumb.options"

local list = {}

local SKIPPED <const> = { ENOENT = 2 }

local function found(text, given)
	local files <close> = choice.files()
	local wanted <const> = { text, pid = given.pid, missing = "skip" }
	local sites <const>, message <const>, errno <const> = opening.resolve(wanted, false, files)
	if sites then return sites end
	-- A target of which nothing can be probed is listed with the reason; one that means nothing is an error.
	if errno == SKIPPED.ENOENT or not errno then return nil, message, errno end
	return { skipped = { { symbol = text, reason = message } } }
end

local function row_of(site, probeable)
	return {
		name = site.symbol, names = site.names, offset = site.offset, address = site.address, size = site.size,
		file = site.file, probeable = probeable, reason = not probeable and site.reason or nil,
	}
end

--- Iterates over what a target stands for.
---
--- `for site in assert(crumb.list "uprobe:libc:str*") do print(site.name, site.probeable, site.reason) end`.
--- Shape: { name, names = its aliases, offset, address, size, file, probeable = BOOLEAN, reason = why it cannot be probed }
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
