--- cookie: which site gets which cookie.

local core <const> = require "crumb.core"

local cookie = {}

-- `what`, with `which` in it, is said of a wrong one.
local function integer(value, what, which)
	local bits <const>, why <const> = core.integer(value)
	if not bits then
		local shown <const> = type(value) == "string" and ("%q"):format(value) or tostring(value)
		error(("cookie%s: %s (got %s)"):format(what:format(which), why, shown), 0)
	end
	return bits
end

-- A list may have holes, whose length Lua may take for either end.
local function length_of(list)
	local length = #list
	for key in pairs(list) do
		local index <const> = math.tointeger(key)
		if not index or index < 1 then
			error(("cookie: a list, or a table symbol -> integer, not both: there is [%s] in it"):format(tostring(key)), 0)
		end
		length = math.max(length, index)
	end
	return length
end

-- Each of these returns sites and the cookie of each; false: it has none.

local function from_list(list, sites)
	local length <const>, bits <const> = length_of(list), {}
	for i = 1, length do bits[i] = integer(list[i], "[%d]", i) end
	if length ~= #sites then
		error(("cookie: %d cookies were given for %d sites"):format(length, #sites), 0)
	end
	return sites, bits
end

local function with_name(site, name)
	if site.symbol == name then return site end
	local copy <const> = {}
	for key, value in pairs(site) do copy[key] = value end
	copy.symbol = name
	return setmetatable(copy, getmetatable(site))
end

local function check_all_used(by_name, used, sites)
	local names <const> = {}
	for _, site in ipairs(sites) do
		for _, name in ipairs(site.names or { site.symbol }) do names[#names + 1] = name end
	end
	for name in pairs(by_name) do
		if not used[name] then
			local _ <const>, near <const> = core.nearest(tostring(name), names)
			error(("cookie: no site is named '%s'%s"):format(name, near), 0)
		end
	end
end

-- A site is known by any of its names, and by several of them it may have several cookies.
local function from_names(by_name, sites)
	local chosen <const>, bits <const>, used <const> = {}, {}, {}
	local function add(site, value) chosen[#chosen + 1], bits[#bits + 1] = site, value end
	for _, site in ipairs(sites) do
		local named = false
		for _, name in ipairs(site.names or { site.symbol }) do
			local value <const> = by_name[name]
			if value ~= nil then
				named, used[name] = true, true
				add(with_name(site, name), integer(value, " of %s", name))
			end
		end
		if not named then add(site, false) end
	end
	check_all_used(by_name, used, sites)
	return chosen, bits
end

local function from_function(wanted, sites)
	local bits <const> = {}
	for i, site in ipairs(sites) do
		local value <const> = wanted(site, i)
		bits[i] = value ~= nil and integer(value, " of %s", site.symbol)
	end
	return sites, bits
end

local function for_all(value, sites)
	local bits <const>, one <const> = {}, integer(value, "")
	for i = 1, #sites do bits[i] = one end
	return sites, bits
end

local function assigned(wanted, sites)
	if type(wanted) == "function" then return from_function(wanted, sites) end
	if type(wanted) ~= "table" then return for_all(wanted, sites) end
	local first <const> = next(wanted)
	if first == nil or math.tointeger(first) or wanted[1] ~= nil then return from_list(wanted, sites) end
	return from_names(wanted, sites)
end

-- Whether a place comes with this cookie for the first time. Most have one cookie only.
local function is_fresh(seen, site, value)
	local places = seen[site.space]
	if not places then
		places = {}
		seen[site.space] = places
	end
	local key <const> = site.key or site.offset
	local known <const> = places[key]
	if known == nil then
		places[key] = value
	elseif known == value or type(known) == "table" and known[value] then
		return false
	elseif type(known) == "table" then
		known[value] = true
	else
		places[key] = { [known] = true, [value] = true }
	end
	return true
end

--- Gives each site its cookie. A place that comes twice with one cookie is one site; with two cookies it is two.
--- Errors: raises (level 0) for a cookie that is no integer, a list of another length, and a name without a site.
---@param wanted integer|integer[]|table<string, integer>|nil|fun(site: crumb.Site, i: integer): integer? nil: 0 for all
---@param sites crumb.Site[]
---@return crumb.Site[] chosen the sites that have a cookie
---@return integer[] bits their cookies
---@return crumb.Site[] skipped the sites that have none; each has a `reason`
function cookie.assign(wanted, sites)
	local chosen <const>, bits <const>, skipped <const>, seen <const> = {}, {}, {}, {}
	if wanted == nil then wanted = 0 end
	local list <const>, values <const> = assigned(wanted, sites)
	local count = 0
	for i, site in ipairs(list) do
		local value <const> = values[i]
		if not value then
			site.reason = "it has no cookie"
			skipped[#skipped + 1] = site
		elseif is_fresh(seen, site, value) then
			count = count + 1
			chosen[count], bits[count] = site, value
		end
	end
	return chosen, bits, skipped
end

return cookie
