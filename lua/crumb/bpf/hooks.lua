--- hooks: what each hook takes, how a site is attached to it, and what its errors mean.

local rights <const> = require "crumb.bpf.rights"
local sites <const> = require "crumb.bpf.sites"

local hooks = {}

local EPERM <const>, ENOENT <const>, ESRCH <const>, E2BIG <const>, EACCES <const>, EBUSY <const> = 1, 2, 3, 7, 13, 16
local EEXIST <const>, EINVAL <const>, EMFILE <const>, EOPNOTSUPP <const> = 17, 22, 24, 95

local PERF_TYPE <const> = { hardware = 0, software = 1, profile = 1 }
local SOFTWARE_CPU_CLOCK <const> = 0

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
local function perf_event(link, site, bits, pid)
	local event <const> = site.event
	for _, cpu in ipairs(online_cpus()) do
		local done <const>, why <const>, errno <const> = link:attach_perf_event(PERF_TYPE[site.kind],
			event.config or SOFTWARE_CPU_CLOCK, event.period or event.frequency, event.frequency ~= nil, cpu, bits, pid)
		if not done then return nil, why, errno end
	end
	return true
end

local function kprobe(link, site, bits)
	if site.by_address then return link:attach_kprobe(nil, site.address + site.offset, bits, site.returns) end
	return link:attach_kprobe(site.symbol, site.offset, bits, site.returns)
end

local function uprobe(link, site, bits, pid)
	return link:attach_uprobe(site.path, site.offset, bits, site.returns, pid, site.semaphore)
end

local function trace(link, _, bits) return link:attach_trace(bits) end

-- Each hook: the type of program it takes (of tracing programs the attach type too), that program's sections,
-- and how one site is attached.
hooks.single = {
	kprobe = { type = "kprobe", sections = "kprobe, or kprobe.multi", attach = kprobe },
	kretprobe = { type = "kprobe", sections = "kretprobe, or kretprobe.multi", attach = kprobe },
	uprobe = { type = "kprobe", sections = "uprobe, or uprobe.multi", attach = uprobe, pid = true },
	uretprobe = { type = "kprobe", sections = "uretprobe, or uretprobe.multi", attach = uprobe, pid = true },
	usdt = { type = "kprobe", sections = "usdt", pid = true, attach = function(link, site, bits, pid)
		return link:attach_usdt(site.path, site.provider, site.name, bits, pid)
	end },
	syscall = { type = "kprobe", sections = "ksyscall", attach = function(link, site, bits)
		return link:attach_ksyscall(site.name, bits, site.returns)
	end },
	tracepoint = { type = "tracepoint", sections = "tracepoint", attach = function(link, site, bits)
		return link:attach_tracepoint(site.category, site.name, bits)
	end },
	rawtracepoint = { type = "raw_tracepoint", sections = "raw_tracepoint", attach = function(link, site, bits)
		return link:attach_raw_tracepoint(site.name, bits)
	end },
	tp_btf = { type = "tracing", attach_type = "trace_raw_tp", sections = "tp_btf/NAME", attach = trace },
	fentry = { type = "tracing", attach_type = "trace_fentry", sections = "fentry/FUNCTION", attach = trace },
	fexit = { type = "tracing", attach_type = "trace_fexit", sections = "fexit/FUNCTION", attach = trace },
	profile = { type = "perf_event", sections = "perf_event", attach = perf_event, pid = true },
	software = { type = "perf_event", sections = "perf_event", attach = perf_event, pid = true },
	hardware = { type = "perf_event", sections = "perf_event", attach = perf_event, pid = true },
}

local PERF_EVENTS <const> = { kprobe = 1, kretprobe = 1, uprobe = 1, uretprobe = 1, syscall = 1, tracepoint = 1 }

--- Descriptors that a site takes which is attached alone: of a perf event its own and its link's.
---@param site crumb.Site
---@return integer
function hooks.descriptors(site)
	local hook <const> = site.hook or site.kind
	if PERF_TYPE[hook] then return 2 * #online_cpus() end
	if hook == "usdt" then return 2 * #site.places end
	return PERF_EVENTS[hook] and 2 or 1
end

-- Names that may stand for several functions would be looked up by the kernel; addresses are exact.
local function kprobe_multi(link, group)
	local names <const>, addresses <const> = {}, {}
	for i, site in ipairs(group.sites) do names[i], addresses[#addresses + 1] = site.symbol, site.address end
	return link:attach_kprobe_multi(#addresses == #names and addresses or names, group.bits, group.sites[1].returns)
end

local function uprobe_multi(link, group, pid)
	local offsets <const>, first <const>, semaphores = {}, group.sites[1], nil
	for i, site in ipairs(group.sites) do
		offsets[i] = site.offset
		if site.semaphore then
			semaphores = semaphores or {}
			semaphores[i] = site.semaphore
		end
	end
	if semaphores then
		for i = 1, #offsets do semaphores[i] = semaphores[i] or 0 end
	end
	return link:attach_uprobe_multi(first.path, offsets, group.bits, first.returns, pid, semaphores)
end

-- Each multi hook, by the attach type its programs are loaded for.
hooks.multi = {
	trace_kprobe_multi = { name = "kprobe.multi", kinds = { kprobe = true, kretprobe = true }, attach = kprobe_multi },
	trace_uprobe_multi = { name = "uprobe.multi", kinds = { uprobe = true, uretprobe = true }, attach = uprobe_multi },
}

local SINGLE_UPROBE <const> = "a uprobe that is not uprobe.multi needs root, or CAP_SYS_ADMIN"

-- What to do about an errno; under "any" for every hook.
local HINTS <const> = {
	any = {
		[EPERM] = "attaching needs root, or CAP_BPF and CAP_PERFMON (a uprobe that is not uprobe.multi: CAP_SYS_ADMIN)",
		[EMFILE] = "each site takes a descriptor: raise the limit (ulimit -n), or use a .multi program where there is one",
	},
	tracepoint = {
		[E2BIG] = "the kernel takes 64 programs at one tracepoint: let a probe do what several do there",
		[EEXIST] = "this program is attached there already, and a tracepoint takes a program once; load another copy of its "
			.. "object, or use a rawtracepoint, which takes it as often as you like",
		[EACCES] = "the program reads past the end of this tracepoint's record: see its format in tracefs",
	},
	fentry = { [EBUSY] = "this program is attached there already, and a function takes it once: load another copy of its object" },
	uprobe = { [EOPNOTSUPP] = "the kernel takes no uprobe on the instruction there", [EACCES] = SINGLE_UPROBE },
	usdt = { [EACCES] = SINGLE_UPROBE, [ESRCH] = "the program's object has no map for USDT: it must #include <bpf/usdt.bpf.h>" },
	profile = { [EINVAL] = "the frequency may be more than /proc/sys/kernel/perf_event_max_sample_rate" },
}
HINTS.uretprobe, HINTS["uprobe.multi"] = HINTS.uprobe, HINTS.uprobe
HINTS.fexit = HINTS.fentry
HINTS.tp_btf = HINTS.fentry

--- What to do about an errno that attaching gave.
---@param hook string
---@param site crumb.Site
---@param errno integer
---@return string?
function hooks.hint(hook, site, errno)
	if hook == "rawtracepoint" and errno == ENOENT then
		return ("no tracepoint '%s'%s"):format(site.name, sites.near_tracepoint(site.name))
	end
	local own <const> = HINTS[hook] and HINTS[hook][errno]
	return errno == EACCES and own ~= SINGLE_UPROBE and rights.without_events() or own or HINTS.any[errno]
end

return hooks
