--- attach: program:attach { … }: targets to sites, cookies to sites, sites to kernel links.

local cookie <const> = require "crumb.cookie"
local core <const> = require "crumb.core"
local hooks <const> = require "crumb.bpf.hooks"
local lazy <const> = require "crumb.lazy"
local options <const> = require "crumb.options"
local sites <const> = require "crumb.bpf.sites"
local target <const> = require "crumb.target"

local features <const> = lazy "crumb.bpf.features"

local Program <const>, PROGRAM <const> = core.methods "crumb.Program"

local ENOENT <const>, ESRCH <const>, EINVAL <const>, EILSEQ <const>, EOPNOTSUPP <const> = 2, 3, 22, 84, 95

local OPTIONS <const> = {
	cookie = "integer|table|function|number|string|boolean", pid = "integer", missing = "string",
	symbols = "table", offsets = "table", either = "table", only = "function",
}

local function misuse(format, ...) error("program:attach: " .. format:format(...), 0) end

local TRACED <const> = { trace_raw_tp = "tp_btf", trace_fentry = "fentry", trace_fexit = "fexit" }

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
	return hooks.single[site.kind].attach(link, site, group.bits[1], pid)
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
	local hook <const> = multi and multi.name or group.sites[1].kind
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

-- The target that a tracing program was loaded for.
local function loaded_for(program)
	local kind <const> = TRACED[program.attach_type]
	if kind and program.attach_target then return target.parse(("%s:%s"):format(kind, program.attach_target)) end
	return target.from_section(program.section)
end

local function parse(text)
	local done <const>, result <const> = pcall(target.parse, text)
	if not done then misuse("%s", result) end
	return result
end

-- "uprobe:/bin/app" with symbols = { "a", "b" }; names that are taken as they are.
local function named_targets(text, given)
	local list <const> = {}
	for i, name in ipairs(given.symbols or given.offsets) do
		local fits, why = type(name) == "string", "expected a name"
		if given.offsets then fits, why = core.integer(name) end
		if not fits then misuse("%s[%d]: %s, got %s", given.symbols and "symbols" or "offsets", i, why, tostring(name)) end
		local one <const> = parse(("%s:%s"):format(text, given.symbols and "x" or ("%#x"):format(name)))
		if given.symbols then one.symbol, one.exact, one.text = name, true, text .. ":" .. name end
		list[i] = one
	end
	return list
end

-- A variable that is nil leaves a hole, at which ipairs would stop in silence.
local function check_holes(list, what)
	for i in pairs(list) do
		if math.type(i) == "integer" and i > 1 and list[i - 1] == nil then misuse("%s %d is nil", what, i - 1) end
	end
end

local function targets_of(program, given)
	check_holes(given, "target")
	for _, name in ipairs { "either", "symbols", "offsets" } do check_holes(given[name] or {}, name) end
	local parsed <const> = {}
	if (given.symbols or given.offsets) and #(given.symbols or given.offsets) == 0 then
		misuse("an empty list of %s", given.symbols and "symbols" or "offsets")
	elseif (given.symbols or given.offsets) and not given[1] then
		misuse "symbols and offsets follow a target, such as \"uprobe:/bin/app\" or \"kprobe\""
	elseif given.symbols and given.offsets then
		misuse "symbols or offsets, not both"
	elseif given.either and given[1] then
		misuse "targets, or either = { … }, not both"
	elseif not given[1] and not given.either then
		local own <const>, why <const> = loaded_for(program)
		if not own then
			misuse("section '%s' of program %s names no target%s; pass one", program.section, program.name,
				why and " (" .. why .. ")" or "")
		end
		return { own }
	end
	for _, text in ipairs(given.either or given) do
		local list <const> = (given.symbols or given.offsets) and named_targets(text, given) or { parse(text) }
		table.move(list, 1, #list, #parsed + 1, parsed)
	end
	if #parsed == 0 then misuse "an empty list of targets" end
	return parsed
end

local function check_traced(program, one)
	local own <const>, wanted <const> = loaded_for(program), one.symbol or one.name
	local loaded <const> = own and (own.symbol or own.name)
	if loaded == wanted then return end
	misuse("program %s was loaded for %s, not for '%s': a %s program has one target, chosen by "
		.. "program:set_attach_target \"%s\" before object:load(); for several, load several copies of the object",
		program.name, loaded and "'" .. loaded .. "'" or "nothing", wanted, one.kind, wanted)
end

local function check_one(program, one, given)
	local multi <const>, hook <const> = hooks.multi[program.attach_type], hooks.single[one.kind]
	local fits
	if multi then
		fits = multi.kinds[one.kind]
	else
		fits = program.type == hook.type and program.attach_type == hook.attach_type
	end
	if not fits then
		misuse("program %s (section '%s') cannot be attached to '%s', which takes a program of section %s",
			program.name, program.section, one.text, hook.sections)
	end
	if hook.attach_type then check_traced(program, one) end
	if multi and (one.offset or 0) ~= 0 and one.kind == "kprobe" then
		misuse("'%s': a kprobe.multi takes no offset; a program of section kprobe does", one.text)
	end
	if given.pid and not hook.pid then
		misuse("a %s takes no pid: compare bpf_get_current_pid_tgid() in the program", one.kind)
	end
end

local function check(program, targets, given)
	for _, one in ipairs(targets) do check_one(program, one, given) end
	if given.pid and given.pid < 1 then misuse("pid %d: expected a process, 1 or more", given.pid) end
	if given.missing and given.missing ~= "skip" and given.missing ~= "error" then
		misuse("missing = '%s': expected skip or error", given.missing)
	end
	if given.missing == "skip" and type(given.cookie) == "table" and given.cookie[1] ~= nil then
		misuse "a list of cookies would shift where a symbol is missing: use a table symbol -> integer with missing = 'skip'"
	end
end

-- What the script's own functions raise is theirs, with its position: it travels in a box.
local function guard(f)
	if type(f) ~= "function" then return f end
	return function(...)
		local done <const>, result <const> = pcall(f, ...)
		if not done then error({ raised = result }, 0) end
		return result
	end
end

-- The first of `either` that this machine has.
local function resolve(targets, given, opened)
	if not given.either then return sites.resolve(targets, given, opened) end
	local reasons <const> = {}
	for i, one in ipairs(targets) do
		local found <const>, message <const> = sites.resolve({ one }, given, opened)
		if found then return found end
		reasons[i] = message
	end
	return nil, "none of these is there: " .. table.concat(reasons, "; "), ENOENT
end

local function plural(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

local function describe(link, multi, chosen, bits, skipped)
	local attached <const>, cookies <const> = {}, {}
	for i, site in ipairs(chosen) do
		if not site.reason then attached[#attached + 1], cookies[#cookies + 1] = site, bits[i] end
	end
	core.set_field(link, "sites", attached)
	core.set_field(link, "skipped", skipped)
	core.set_field(link, "cookies", cookies)
	core.set_field(link, "cookie", cookies[1])
	core.set_field(link, "mechanism", ("%s: %s, %s"):format(multi and multi.name or chosen[1].kind,
		plural(#attached, "site"), plural(#link, "kernel link")))
	return link
end

local CLOSING <const> = { __close = function(opened)
	for _, file in pairs(opened) do file.elf:close() end
end }

local function attach(link, program, given)
	local targets <const> = targets_of(program, given)
	check(program, targets, given)
	if given.pid and not core.directory(("/proc/%d"):format(given.pid)) then
		return nil, ("attach %s to pid %d: no such process"):format(targets[1].text, given.pid), ESRCH
	end
	local opened <close> = setmetatable({}, CLOSING)
	local found <const>, message <const>, errno <const> =
		resolve(targets, setmetatable({ only = guard(given.only) }, { __index = given }), opened)
	if not found then return nil, "attach " .. message, errno end
	if #found == 0 then misuse "only took none of the sites, so nothing would be attached" end
	local chosen <const>, bits <const>, skipped <const> = cookie.assign(guard(given.cookie), found)
	if #chosen == 0 then misuse "no site has a cookie, so nothing would be attached" end
	table.move(found.skipped, 1, #found.skipped, #skipped + 1, skipped)
	local multi <const> = hooks.multi[program.attach_type]
	for _, group in ipairs(groups_of(chosen, bits, multi)) do
		local done <const>, why <const>, number <const> =
			attach_group(link, program, multi, group, given.pid, given.missing == "skip" and skipped)
		if not done then return nil, why, number end
	end
	if #link == 0 then return nil, skipped[#skipped].reason, skipped[#skipped].errno end
	return describe(link, multi, chosen, bits, skipped)
end

--- Attaches the program, each site with its own cookie.
---
--- `program:attach { "uprobe:/bin/app:main.*", cookie = { ["main.foobar"] = 1 } }`; without a target, the section's own.
--- Options: `cookie` (an integer, a list, a table symbol -> integer, or function(site, i)), `pid`, `symbols` (exact names
--- behind a target such as "uprobe:/bin/app" or "kprobe"), `offsets`, `either` (targets, the first that is there), `only`,
--- `missing` ("skip": go on without what is not there or the kernel refuses, and list it in `link.skipped`).
--- Errors: nil, message, errno when the kernel, the files or the names refuse, and then nothing is attached; raises
--- for wrong use.
---@param given table?
---@return crumb.Link?, string?, integer?
function Program:attach(given)
	if getmetatable(self) ~= PROGRAM then error("program:attach: call it with a colon", 2) end
	given = options.check("program:attach", given, OPTIONS)
	if self:closed() then error("program:attach: the program's object is closed", 2) end
	local ready <const>, link <const> = pcall(self.link, self)
	if not ready then error("program:attach: " .. link, 2) end
	local result <const> = table.pack(pcall(attach, link, self, given))
	if result[1] and result[2] then return link end
	link:close()
	if result[1] then return table.unpack(result, 2, result.n) end
	local raised <const> = result[2]
	if type(raised) == "table" then error(raised.raised, 0) end
	error(raised, 2)
end

local set_attach_target <const> = Program.set_attach_target

--- Chooses, before the object is loaded, what a fentry, fexit or tp_btf program is for.
--- Errors: nil, message, errno when the kernel has no such function; raises when it is loaded.
---@param name string
---@return crumb.Program?, string?, integer?
function Program:set_attach_target(name)
	if self.type ~= "tracing" and self.type ~= "lsm" and self.type ~= "ext" then
		error(("program:set_attach_target: program %s (section '%s') is attached by a target of program:attach"):format(
			self.name, self.section), 2)
	end
	local done <const>, message <const>, errno <const> = set_attach_target(self, name)
	if done then core.set_field(self, "attach_target", name) end
	return done, message, errno
end

return Program
