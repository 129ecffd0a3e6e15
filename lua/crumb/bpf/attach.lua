--- attach: program:attach { … }: targets to sites, cookies to sites, sites to kernel links.

local cookie <const> = require "crumb.cookie"
local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local options <const> = require "crumb.options"
local sites <const> = require "crumb.bpf.sites"
local target <const> = require "crumb.target"

local features <const> = lazy "crumb.bpf.features"

local Program <const> = core.methods "crumb.Program"

local ENOENT <const>, ESRCH <const> = 2, 3
local PERF_TYPE <const> = { hardware = 0, software = 1, profile = 1 }
local SOFTWARE_CPU_CLOCK <const> = 0

local OPTIONS <const> = {
	cookie = "integer|table|function|number|string|boolean", pid = "integer",
	symbols = "table", offsets = "table", either = "table", only = "function",
}

-- The CPUs that are online, from a list such as "0-3,8".
local function online_cpus()
	local file <close> = assert(io.open "/sys/devices/system/cpu/online")
	local cpus <const> = {}
	for first, last in file:read("a"):gmatch "(%d+)%-?(%d*)" do
		for cpu = math.tointeger(first), math.tointeger(last) or math.tointeger(first) do cpus[#cpus + 1] = cpu end
	end
	return cpus
end

-- A perf event is opened on each CPU; each takes a kernel link with the same cookie.
local function perf_event(link, site, bits, given)
	local event <const> = site.event
	for _, cpu in ipairs(online_cpus()) do
		local done <const>, why <const>, errno <const> = link:attach_perf_event(PERF_TYPE[site.kind],
			event.config or SOFTWARE_CPU_CLOCK, event.period or event.frequency, event.frequency ~= nil,
			cpu, bits, given.pid)
		if not done then return nil, why, errno end
	end
	return true
end

local function kprobe(link, site, bits)
	return link:attach_kprobe(site.symbol, site.offset, bits, site.returns)
end

local function uprobe(link, site, bits, given)
	return link:attach_uprobe(site.path, site.offset, bits, site.returns, given.pid)
end

local function trace(link, _, bits) return link:attach_trace(bits) end

-- Each hook: the type of program it takes, and how one site is attached.
local HOOKS <const> = {
	kprobe = { "kprobe", kprobe },
	kretprobe = { "kprobe", kprobe },
	uprobe = { "kprobe", uprobe },
	uretprobe = { "kprobe", uprobe },
	usdt = { "kprobe", function(link, site, bits, given)
		return link:attach_usdt(site.path, site.provider, site.name, bits, given.pid)
	end },
	syscall = { "kprobe", function(link, site, bits)
		return link:attach_ksyscall(site.name, bits, site.returns)
	end },
	tracepoint = { "tracepoint", function(link, site, bits)
		return link:attach_tracepoint(site.category, site.name, bits)
	end },
	rawtracepoint = { "raw_tracepoint", function(link, site, bits)
		return link:attach_raw_tracepoint(site.name, bits)
	end },
	tp_btf = { "tracing", trace },
	fentry = { "tracing", trace },
	fexit = { "tracing", trace },
	profile = { "perf_event", perf_event },
	software = { "perf_event", perf_event },
	hardware = { "perf_event", perf_event },
}

local TAKES_PID <const> = {
	uprobe = true, uretprobe = true, usdt = true, profile = true, software = true, hardware = true,
}

-- Each multi hook: the attach type its programs are loaded for, the kinds it serves, how all sites are attached.
local MULTI <const> = {
	trace_kprobe_multi = { "kprobe.multi", { kprobe = true, kretprobe = true },
		function(link, group, bits)
			local names <const> = {}
			for i, site in ipairs(group) do names[i] = site.symbol end
			return link:attach_kprobe_multi(names, bits, group[1].returns)
		end },
	trace_uprobe_multi = { "uprobe.multi", { uprobe = true, uretprobe = true },
		function(link, group, bits, given)
			local offsets <const> = {}
			for i, site in ipairs(group) do offsets[i] = site.offset end
			return link:attach_uprobe_multi(group[1].path, offsets, bits, group[1].returns, given.pid)
		end },
}

-- Sites that one multi link can hold: one binary, one direction, and every place once: the
-- kernel gives all hits of a place listed twice to one of its cookies.
local function groups_of(chosen, bits)
	local groups <const>, times <const>, by_key <const> = {}, {}, {}
	for i, site in ipairs(chosen) do
		local place <const> = site.key .. (site.returns and "<" or ">")
		times[place] = (times[place] or 0) + 1
		local key <const> = ("%s%s%d"):format(site.file or "", site.returns and "<" or ">", times[place])
		local group = by_key[key]
		if not group then
			group = { sites = {}, bits = {} }
			by_key[key] = group
			groups[#groups + 1] = group
		end
		group.sites[#group.sites + 1] = site
		group.bits[#group.bits + 1] = bits[i]
	end
	return groups
end

local function failure(hook, where, bits, why, errno)
	local refused <const> = features.cookie_refused(hook, bits, errno)
	return nil, ("attach %s: %s"):format(where, refused or why), errno
end

local function attach_multi(link, multi, chosen, bits, given)
	local hook <const>, _, add <const> = table.unpack(multi)
	for _, group in ipairs(groups_of(chosen, bits)) do
		local done <const>, why <const>, errno <const> = add(link, group.sites, group.bits, given)
		if not done then
			local first <const> = group.sites[1]
			local where <const> = #group.sites == 1 and first.target
				or ("%s and %d more"):format(first.target, #group.sites - 1)
			return failure(hook, where, group.bits[1], why, errno)
		end
	end
	return true
end

local function attach_each(link, chosen, bits, given)
	for i, site in ipairs(chosen) do
		local done <const>, why <const>, errno <const> = HOOKS[site.kind][2](link, site, bits[i], given)
		if not done then return failure(site.kind, site.target, bits[i], why, errno) end
	end
	return true
end

local function targets_of(program, given)
	local texts <const> = { table.unpack(given) }
	local parsed <const> = {}
	if #texts == 0 and not given.either then
		local own <const>, why <const> = target.from_section(program.section)
		if not own then
			error(("program:attach: section '%s' of program %s names no target%s; pass one")
				:format(program.section, program.name, why and " (" .. why .. ")" or ""), 0)
		end
		return { own }
	end
	local names <const> = given.symbols or given.offsets
	for _, text in ipairs(texts) do
		for _, name in ipairs(names or { false }) do
			local one <const> = target.parse(name and ("%s:%s"):format(text, given.symbols and "x" or name) or text)
			if given.symbols then one.symbol, one.exact, one.text = name, true, text .. ":" .. name end
			parsed[#parsed + 1] = one
		end
	end
	return parsed
end

local function check_program(program, targets, given)
	local multi <const> = MULTI[program.attach_type]
	for _, one in ipairs(targets) do
		local wanted <const> = HOOKS[one.kind][1]
		local fits = program.type == wanted
		if multi then fits = multi[2][one.kind] end
		if not fits then
			error(("program:attach: program %s (section %s, type %s) cannot be attached to %s: that takes a program of type %s")
				:format(program.name, program.section, program.type, one.text, wanted), 0)
		end
		if given.pid and not TAKES_PID[one.kind] then
			error(("program:attach: a %s takes no pid: compare bpf_get_current_pid_tgid() in the program"):format(one.kind), 0)
		end
	end
end

local function check_pid(pid)
	if not pid then return true end
	if pid < 1 then error(("program:attach: pid %d: expected a process, 1 or more"):format(pid), 0) end
	local process <close> = io.open(("/proc/%d/stat"):format(pid))
	if not process then return nil, ("attach to pid %d: no such process"):format(pid), ESRCH end
	return true
end

-- The first of `either` that this machine has.
local function resolve(targets, given, opened)
	if not given.either then return sites.resolve(targets, given, opened) end
	local reasons <const> = {}
	for _, text in ipairs(given.either) do
		local found <const>, message <const> = sites.resolve({ target.parse(text) }, given, opened)
		if found then return found end
		reasons[#reasons + 1] = message
	end
	return nil, "none of these is there: " .. table.concat(reasons, "; "), ENOENT
end

local function describe(link, program, chosen, bits, skipped)
	local multi <const> = MULTI[program.attach_type]
	core.set_field(link, "sites", chosen)
	core.set_field(link, "skipped", skipped)
	core.set_field(link, "cookies", bits)
	core.set_field(link, "cookie", bits[1])
	core.set_field(link, "mechanism", ("%s, %d sites, %d kernel links")
		:format(multi and multi[1] or chosen[1].kind, #chosen, #link))
end

local function attach(program, given)
	local alive <const>, gone <const>, esrch <const> = check_pid(given.pid)
	if not alive then return nil, gone, esrch end
	local targets <const> = targets_of(program, given)
	check_program(program, targets, given)
	local opened <const> = {}
	local found <const>, message <const>, errno <const> = resolve(targets, given, opened)
	local link, why, number
	if not found then
		why, number = "attach " .. message, errno
	else
		local chosen <const>, bits <const>, skipped <const> = cookie.assign(given.cookie, found)
		if #chosen == 0 then error("program:attach: no site has a cookie, so nothing would be attached", 0) end
		link = program:link()
		local multi <const> = MULTI[program.attach_type]
		local done
		if multi then
			done, why, number = attach_multi(link, multi, chosen, bits, given)
		else
			done, why, number = attach_each(link, chosen, bits, given)
		end
		if done then
			describe(link, program, chosen, bits, skipped)
		else
			link:close()
			link = nil
		end
	end
	for _, file in pairs(opened) do file.elf:close() end
	return link, why, number
end

--- Attaches the program, each site with its own cookie.
---
--- `program:attach { "uprobe:/bin/app:main.*", cookie = { ["main.foobar"] = 1 } }`; without a target, the section's own.
--- Options: `cookie` (an integer, a list, a table symbol -> integer, or function(site, i)), `pid`, `symbols` (exact names
--- behind a target such as "uprobe:/bin/app" or "kprobe"), `offsets`, `either` (targets, the first that is there), `only`.
--- Errors: nil, message, errno when the kernel, the files or the names refuse, and then nothing is attached; raises for wrong use.
---@param given table?
---@return crumb.Link?, string?, integer?
function Program:attach(given)
	given = options.check("program:attach", given, OPTIONS)
	local result <const> = table.pack(pcall(attach, self, given))
	if not result[1] then error(result[2], 2) end
	return table.unpack(result, 2, result.n)
end

return Program
