--- links: sites, each with its cookie, to kernel links.

local hooks <const> = require "crumb.bpf.hooks"
local lazy <const> = require "crumb.lazy"

local features <const> = lazy "crumb.bpf.features"

local links = {}

local ENOENT <const>, EINVAL <const>, EILSEQ <const>, EOPNOTSUPP <const> = 2, 22, 84, 95

-- nil, message, errno: the reason's first line, what to do, then libbpf's log.
local function failure(hook, group, why, errno)
	local first <const>, more <const> = group.sites[1], #group.sites - 1
	local reason <const>, log <const> = why:match "^([^\n]*)(.*)$"
	local hint <const> = hooks.hint(hook, first, errno)
	local refused <const> = features.refused(hook, group.bits[1])
	local which = more > 0 and (" and %d more"):format(more) or ""
	if more == 0 and not first.target:find(first.symbol, 1, true) then which = (" (%s)"):format(first.symbol) end
	return nil, ("attach %s%s: %s%s"):format(first.target, which,
		refused or reason .. (hint and ": " .. hint or ""), refused and "" or log), errno
end

-- Sites that one kernel link can hold: of a multi link those of one binary and one direction, and every place once:
-- the kernel gives all hits of a place listed twice to one of its cookies.
local function groups_of(chosen, bits, multi)
	local groups <const>, times <const>, by_key <const> = {}, {}, {}
	for i, site in ipairs(chosen) do
		local way <const> = (site.file or "") .. (site.returns and "<" or ">")
		local place <const> = site.key .. way
		times[place] = (times[place] or 0) + 1
		local key <const> = multi and way .. times[place] or i
		local group = by_key[key]
		if not group then
			group = { sites = {}, bits = {} }
			by_key[key] = group
			groups[#groups + 1] = group
		end
		group.sites[#group.sites + 1], group.bits[#group.bits + 1] = site, bits[i]
	end
	return groups
end

local function add(link, multi, group, pid)
	if multi then return multi.attach(link, group, pid) end
	local site <const> = group.sites[1]
	return hooks.single[site.hook or site.kind].attach(link, site, group.bits[1], pid)
end

-- What may be wrong with one site and no other.
local OF_A_SITE <const> = { [ENOENT] = true, [EINVAL] = true, [EILSEQ] = true, [EOPNOTSUPP] = true }

local function first_of(group, count)
	return { sites = table.move(group.sites, 1, count, 1, {}), bits = table.move(group.bits, 1, count, 1, {}) }
end

-- The place in a group of the first site that the kernel refuses, which it does not tell: fewer are tried.
local function culprit(program, multi, group, pid)
	local low, high = 1, #group.sites
	while low < high do
		local middle <const> = (low + high) // 2
		local trial <close> = program:link()
		if add(trial, multi, first_of(group, middle), pid) then low = middle + 1 else high = middle end
	end
	return low
end

-- Attaches a group; with `skipped` it goes on without the sites that the kernel refuses, which it collects there.
local function attach_group(link, program, multi, group, pid, skipped)
	local hook <const> = multi and multi.name or group.sites[1].hook or group.sites[1].kind
	local dropped <const> = features.drops_cookie(hook, group.bits[1])
	if dropped then return nil, ("attach %s: %s"):format(group.sites[1].target, dropped), EINVAL end
	while group.sites[1] do
		local done <const>, why <const>, errno <const> = add(link, multi, group, pid)
		if done then return true end
		if not OF_A_SITE[errno] or features.refused(hook, group.bits[1]) then return failure(hook, group, why, errno) end
		local at <const> = culprit(program, multi, group, pid)
		local site <const>, bits <const> = table.remove(group.sites, at), table.remove(group.bits, at)
		local _ <const>, message <const> = failure(hook, { sites = { site }, bits = { bits } }, why, errno)
		if not skipped then return nil, message, errno end
		site.reason, site.errno = message, errno
		skipped[#skipped + 1] = site
	end
	return true
end

--- Adds to a link what attaches the program to each site with its cookie: few kernel links where the program is a
--- multi one, else one a site. A site's `hook` says how it is attached where that is not its kind's own way.
--- Errors: nil, message, errno; what was attached before is in the link.
---@param link crumb.Link
---@param program crumb.Program
---@param chosen crumb.Site[]
---@param bits integer[] their cookies
---@param pid integer?
---@param skipped crumb.Site[]? collects, with a `reason` each, the sites that the kernel refuses; nil: the first is an error
---@return true?, string?, integer?
function links.attach(link, program, chosen, bits, pid, skipped)
	local multi <const> = hooks.multi[program.attach_type]
	for _, group in ipairs(groups_of(chosen, bits, multi)) do
		local done <const>, why <const>, errno <const> = attach_group(link, program, multi, group, pid, skipped)
		if not done then return nil, why, errno end
	end
	return true
end

return links
