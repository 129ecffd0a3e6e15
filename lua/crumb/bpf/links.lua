--- links: sites, each with its cookie, to kernel links.

local core <const> = require "crumb.core"
local hooks <const> = require "crumb.bpf.hooks"
local lazy <const> = require "crumb.lazy"

local culprits <const> = lazy "crumb.bpf.culprits"
local features <const> = lazy "crumb.bpf.features"

local links = {}

local E2BIG <const>, ENOMEM <const>, EINVAL <const>, EMFILE <const> = 7, 12, 22, 24
local NOW_AND_THEN <const> = 100000000 -- ns

-- nil, message, errno: why, and what to do; where nothing is known of that, libbpf's log.
local function failure(hook, group, why, errno)
	local first <const>, more <const> = group.sites[1], #group.sites - 1
	local reason <const>, log <const> = why:match "^([^\n]*)(.*)$"
	local hint <const> = hooks.hint(hook, first, errno)
	local refused <const> = features.refused(hook, group.bits[1])
	local which = more > 0 and (" and %d more"):format(more) or ""
	if more == 0 and not first.target:find(first.symbol, 1, true) then which = (" (%s)"):format(first.symbol) end
	local known <const> = refused or hint and reason .. ": " .. hint
	return nil, ("attach %s%s: %s"):format(first.target, which, known or reason .. log), errno
end

-- Whether a group has no site of this key yet. Sites mostly come in the order of their offsets, which tells it at once.
local function is_fresh(group, key)
	if not group.seen then
		if math.type(key) == "integer" and key > group.last then
			group.last = key
			return true
		end
		group.seen = {}
		for _, site in ipairs(group.sites) do group.seen[site.key or site.offset] = true end
	end
	if group.seen[key] then return false end
	group.seen[key] = true
	return true
end

-- The first of a space's groups that has not such a site yet.
local function group_for(layer, key, groups)
	for _, group in ipairs(layer) do
		if is_fresh(group, key) then return group end
	end
	local group <const> = { sites = {}, bits = {}, last = math.mininteger }
	layer[#layer + 1], groups[#groups + 1] = group, group
	is_fresh(group, key)
	return group
end

-- Sites that one kernel link can hold: those of one binary and one direction, and every place once: the kernel gives all
-- hits of a place listed twice to one of its cookies.
local function groups_of(chosen, bits)
	local groups <const>, layers <const> = {}, {}
	for i, site in ipairs(chosen) do
		local space <const> = site.space
		local layer <const> = layers[space] or {}
		layers[space] = layer
		local group <const> = group_for(layer, site.key or site.offset, groups)
		local at <const> = #group.sites + 1
		group.sites[at], group.bits[at] = site, bits[i]
	end
	return groups
end

local function part_of(group, first, last)
	return { sites = table.move(group.sites, first, last, 1, {}), bits = table.move(group.bits, first, last, 1, {}) }
end

-- Attaches all of a group: in two chunks, each of which may come to be two, where the kernel takes only fewer at once.
local function attach_chunks(link, multi, group, pid)
	local done <const>, why <const>, errno <const> = multi.attach(link, group, pid)
	local count <const> = #group.sites
	if done or count == 1 or errno ~= E2BIG and errno ~= ENOMEM then return done, why, errno end
	for _, half in ipairs { part_of(group, 1, count // 2), part_of(group, count // 2 + 1, count) } do
		local taken <const>, reason <const>, number <const> = attach_chunks(link, multi, half, pid)
		if not taken then return nil, reason, number end
	end
	return true
end

local function skip(skipped, site, message, errno)
	site.reason, site.errno = message, errno
	skipped[#skipped + 1] = site
end

-- Attaches a group; with `skipped` it goes on without the sites that the kernel refuses, which it collects there.
local function attach_group(link, program, multi, group, given)
	local hook <const> = multi.name
	while group.sites[1] do
		local done <const>, why <const>, errno <const> = attach_chunks(link, multi, group, given.pid)
		if done then return true end
		if not culprits.possible(errno) or features.refused(hook, group.bits[1]) then
			return failure(hook, group, why, errno)
		end
		group.why, group.errno = why, errno
		local refused <const>, rest <const> = culprits.find(program, multi, group, given.pid, not given.skipped)
		for _, one in ipairs(refused) do
			local _ <const>, message <const>, number <const> =
				failure(hook, { sites = { one.site }, bits = { one.bits } }, one.why, one.errno)
			if not given.skipped then return nil, message, number end
			skip(given.skipped, one.site, message, number)
		end
		group.sites, group.bits = rest.sites, rest.bits
	end
	return true
end

local function attach_multi(link, program, multi, chosen, bits, given)
	local all <const> = { sites = {}, bits = {} }
	for _, group in ipairs(groups_of(chosen, bits)) do
		local done <const>, why <const>, errno <const> = attach_group(link, program, multi, group, given)
		if not done then return nil, why, errno end
		table.move(group.sites, 1, #group.sites, #all.sites + 1, all.sites)
		table.move(group.bits, 1, #group.bits, #all.bits + 1, all.bits)
	end
	return all
end

local function attach_one(link, site, bits, pid)
	local hook <const> = site.hook or site.kind
	local dropped <const> = features.drops_cookie(hook, bits)
	if dropped then return nil, ("attach %s: %s"):format(site.target, dropped), EINVAL end
	local done <const>, why <const>, errno <const> = hooks.single[hook].attach(link, site, bits, pid)
	if done then return true end
	local refused <const> = culprits.possible(errno) and not features.refused(hook, bits)
	local _ <const>, message <const> = failure(hook, { sites = { site }, bits = { bits } }, why, errno)
	return nil, message, errno, refused
end

-- Descriptors that the process may still open.
local function descriptors_left()
	local file <close> = io.open "/proc/self/limits"
	local limit <const> = file and file:read("a"):match "Max open files%s+(%d+)"
	local opened <const> = core.directory "/proc/self/fd"
	if not limit or not opened then return math.maxinteger end
	return math.tointeger(limit) - #opened
end

-- Why so many links cannot be made; nil: they can.
local function short_of_descriptors(chosen)
	local needed = 0
	for _, site in ipairs(chosen) do needed = needed + hooks.descriptors(site) end
	local left <const> = descriptors_left()
	if needed <= left then return nil end
	local first <const> = chosen[1]
	return ("attach %s: %s take %s, a link each, and %s are left to this process: raise the limit (ulimit -n)"):format(
		first.target, links.count(#chosen, "site"), links.count(needed, "file descriptor"), links.count(left))
end

-- A link a site.
local function attach_singly(link, chosen, bits, given)
	local short <const> = #chosen > 1 and short_of_descriptors(chosen)
	if short then return nil, short, EMFILE end
	local all <const>, progress <const> = { sites = {}, bits = {} }, given.progress
	local told = core.now()
	for i, site in ipairs(chosen) do
		local done <const>, message <const>, errno <const>, of_site <const> = attach_one(link, site, bits[i], given.pid)
		if done then
			all.sites[#all.sites + 1], all.bits[#all.bits + 1] = site, bits[i]
		elseif of_site and given.skipped then
			skip(given.skipped, site, message, errno)
		else
			return nil, message, errno
		end
		if progress and (i == #chosen or core.now() - told > NOW_AND_THEN) then
			progress(i, #chosen)
			told = core.now()
		end
	end
	return all
end

--- Adds to a link what attaches the program to each site with its cookie: few kernel links where the program is a
--- multi one, else one a site. A site's `hook` says how it is attached where that is not its kind's own way.
--- `skipped` collects, with a `reason` each, the sites that the kernel refuses; without it the first is an error.
--- `progress(done, total)` is called now and then where there is a link for each site.
--- Errors: nil, message, errno; what was attached before is in the link.
---@param link crumb.Link
---@param program crumb.Program
---@param chosen crumb.Site[]
---@param bits integer[] their cookies
---@param given { pid: integer?, skipped: crumb.Site[]?, progress: nil|fun(done: integer, total: integer) }?
---@return { sites: crumb.Site[], bits: integer[] }? attached
---@return string?, integer?
function links.attach(link, program, chosen, bits, given)
	local multi <const> = hooks.multi[program.attach_type]
	if multi then return attach_multi(link, program, multi, chosen, bits, given or {}) end
	return attach_singly(link, chosen, bits, given or {})
end

--- A number and what it is of: "1,000 sites".
---@param number integer
---@param what string? in the singular
---@return string
function links.count(number, what)
	local digits <const> = tostring(number):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
	return what and ("%s %s%s"):format(digits, what, number == 1 and "" or "s") or digits
end

--- How something is attached: "uprobe.multi: 3 sites, 1 kernel link", and why it is not a better way.
---@param mechanism string
---@param site_count integer
---@param link_count integer
---@param why string?
---@return string
function links.describe(mechanism, site_count, link_count, why)
	return ("%s: %s, %s%s"):format(mechanism, links.count(site_count, "site"), links.count(link_count, "kernel link"),
		why and (" (%s)"):format(why) or "")
end

return links
