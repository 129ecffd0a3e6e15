--- culprits: which sites of a multi link the kernel refuses, since it says only that it refused.
--
-- A refusal in the midst of many costs a grace period of the kernel's for those before it; that of a single site costs
-- nothing. So sites whose instruction looks like one that is refused are tried alone, and only when that does not tell
-- are the others halved, again and again. The kernel decides; a look at the file only says where to begin.

local core <const> = require "crumb.core"

local culprits = {}

local ENOENT <const>, EINVAL <const>, EILSEQ <const>, EOPNOTSUPP <const> = 2, 22, 84, 95

-- What may be wrong with one site and no other.
local OF_A_SITE <const> = { [ENOENT] = true, [EINVAL] = true, [EILSEQ] = true, [EOPNOTSUPP] = true }

--- Whether an error may be one site's.
---@param errno integer
---@return boolean
function culprits.possible(errno) return OF_A_SITE[errno] or false end

-- First bytes of the instructions that x86 takes no uprobe on: prefixes, traps, and what only the kernel may do.
-- Source: arch/x86/kernel/uprobes.c of the kernel
local REFUSED <const> = {}
for _, byte in ipairs {
	0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x26, 0x27, 0x2e, 0x2f, 0x36, 0x37, 0x3e, 0x3f, 0x60, 0x61, 0x62, 0x6c, 0x6d,
	0x6e, 0x6f, 0x82, 0x9a, 0xcc, 0xce, 0xd4, 0xd5, 0xd6, 0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
	0xf4, 0xfa, 0xfb,
} do REFUSED[byte] = true end

-- Which of the sites lie on such an instruction.
local function suspects_of(sites)
	local suspects <const> = {}
	local _ <const>, _ <const>, machine <const> = core.versions()
	local file <close> = machine == "x86_64" and sites[1].path and io.open(sites[1].path, "rb") or nil
	if not file then return suspects end
	for i, site in ipairs(sites) do
		if file:seek("set", site.offset) then
			local byte <const> = file:read(1)
			suspects[i] = byte and REFUSED[byte:byte()] or nil
		end
	end
	return suspects
end

local function single(group, i) return { sites = { group.sites[i] }, bits = { group.bits[i] } } end

-- The refusal of a site that is tried alone, or nil.
local function refusal(program, multi, group, i, pid)
	local trial <close> = program:link()
	local done <const>, why <const>, errno <const> = multi.attach(trial, single(group, i), pid)
	if not done then return { site = group.sites[i], bits = group.bits[i], why = why, errno = errno } end
end

-- The first of a group that is refused: fewer are tried.
local function halve(program, multi, group, pid)
	local low, high = 1, #group.sites
	while low < high do
		local middle <const> = (low + high) // 2
		local trial <close> = program:link()
		local half <const> = {
			sites = table.move(group.sites, low, middle, 1, {}), bits = table.move(group.bits, low, middle, 1, {}),
		}
		if multi.attach(trial, half, pid) then low = middle + 1 else high = middle end
	end
	return low
end

-- A group without the members at these places.
local function without(group, places)
	local rest <const> = { sites = {}, bits = {} }
	for i, site in ipairs(group.sites) do
		if not places[i] then rest.sites[#rest.sites + 1], rest.bits[#rest.bits + 1] = site, group.bits[i] end
	end
	return rest
end

--- The sites of a refused group that are at fault, or some of them: one at least, and the group without them.
---@param program crumb.Program
---@param multi table of crumb.bpf.hooks
---@param group { sites: crumb.Site[], bits: integer[], why: string, errno: integer }
---@param pid integer?
---@param only_one boolean one is enough
---@return { site: crumb.Site, bits: integer, why: string, errno: integer }[]
---@return { sites: crumb.Site[], bits: integer[] } rest
function culprits.find(program, multi, group, pid, only_one)
	local found <const>, places <const>, suspects <const> = {}, {}, suspects_of(group.sites)
	for i = 1, #group.sites do
		local one <const> = suspects[i] and refusal(program, multi, group, i, pid)
		if one then found[#found + 1], places[i] = one, true end
		if one and only_one then break end
	end
	if #found == 0 then
		local at <const> = halve(program, multi, group, pid)
		found[1], places[at] = refusal(program, multi, group, at, pid)
			or { site = group.sites[at], bits = group.bits[at], why = group.why, errno = group.errno }, true
	end
	return found, without(group, places)
end

return culprits
