--- cookie: which site gets which cookie.

local core <const> = require "crumb.core"

local cookie = {}

local function integer(value, what)
	local bits <const>, why <const> = core.integer(value)
	if not bits then error(("cookie%s: %s (got %s)"):format(what, why, tostring(value)), 0) end
	return bits
end

local function from_list(list, sites)
	local bits <const> = {}
	for i = 1, math.max(#list, #sites) do
		if i > #list or i > #sites then
			error(("cookie: %d cookies were given for %d sites"):format(#list, #sites), 0)
		end
		bits[i] = integer(list[i], ("[%d]"):format(i))
	end
	return bits
end

-- A site is known by any of its names; `used` collects the names that were found.
local function named(by_name, site, used)
	for _, name in ipairs(site.names or { site.symbol }) do
		if by_name[name] ~= nil then
			used[name] = true
			return by_name[name]
		end
	end
end

local function check_all_used(by_name, used, sites)
	local names <const> = {}
	for _, site in ipairs(sites) do names[#names + 1] = site.symbol end
	for name in pairs(by_name) do
		if not used[name] then
			local near <const> = core.nearest(tostring(name), names)
			error(("cookie: no site is named '%s'%s"):format(name,
				near[1] and (" (nearest: %s)"):format(table.concat(near, ", ")) or ""), 0)
		end
	end
end

--- Gives each site its cookie.
--- Shape: a list of integers as long as the chosen sites.
--- Errors: raises (level 0) for a cookie that is no integer, a list of another length, and a name without a site.
---@param wanted integer|integer[]|table<string, integer>|fun(site: table, i: integer): integer? the `cookie` option; nil: 0 for all
---@param sites table[] each with `symbol`, and `names` where it has several
---@return table[] chosen the sites that have a cookie
---@return integer[] bits
---@return table[] skipped the sites that have none
function cookie.assign(wanted, sites)
	if wanted == nil then wanted = 0 end
	local chosen <const>, bits <const>, skipped <const> = {}, {}, {}
	local kind <const> = type(wanted)
	if kind == "table" and (#wanted > 0 or next(wanted) == nil) then
		return sites, from_list(wanted, sites), skipped
	end
	local used <const> = {}
	for i, site in ipairs(sites) do
		local value = wanted
		if kind == "table" then
			value = named(wanted, site, used)
		elseif kind == "function" then
			value = wanted(site, i)
		end
		if value == nil then
			skipped[#skipped + 1] = site
		else
			chosen[#chosen + 1] = site
			bits[#bits + 1] = integer(value, kind == "number" and "" or (" of %s"):format(site.symbol))
		end
	end
	if kind == "table" then check_all_used(wanted, used, sites) end
	return chosen, bits, skipped
end

return cookie
