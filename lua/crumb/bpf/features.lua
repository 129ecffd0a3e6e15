--- features: which hooks and cookies there are, and since when: the one place for such gates.
--
-- What this kernel can do is found by trying (csrc/probe.c); the versions are for people.

local core <const> = require "crumb.core"
local rights <const> = require "crumb.bpf.rights"

local features = {}

local EPERM <const>, EACCES <const> = 1, 13

---@class crumb.Hook
---@field since string the first kernel that has the hook
---@field cookie string the first kernel that gives it a cookie
---@field needs string what the kernel or the machine must have besides
---@field pmu string? the event source that must be there
---@field probe string? the question that tells (core.probe)
---@field cookie_probe string? the same for its cookie
---@field silent boolean? a kernel without its cookie may attach all the same, and drop it

local KPROBES <const>, UPROBES <const> = "CONFIG_KPROBE_EVENTS", "CONFIG_UPROBE_EVENTS"
local TRAMPOLINES <const> = "BTF, CONFIG_DYNAMIC_FTRACE and BPF trampolines"

-- Kernel versions of the commits that brought each; see the table in README.md.
---@type table<string, crumb.Hook>
local HOOKS <const> = {
	kprobe = { since = "4.1", cookie = "5.15", needs = KPROBES, pmu = "kprobe", cookie_probe = "perf_link" },
	kretprobe = { since = "4.1", cookie = "5.15", needs = KPROBES, pmu = "kprobe", cookie_probe = "perf_link" },
	["kprobe.multi"] = { since = "5.18", cookie = "5.18", needs = "CONFIG_FPROBE", probe = "kprobe.multi" },
	uprobe = { since = "4.3", cookie = "5.15", needs = UPROBES, pmu = "uprobe", cookie_probe = "perf_link" },
	uretprobe = { since = "4.3", cookie = "5.15", needs = UPROBES, pmu = "uprobe", cookie_probe = "perf_link" },
	["uprobe.multi"] = { since = "6.6", cookie = "6.6", needs = UPROBES, probe = "uprobe.multi" },
	usdt = { since = "4.20", cookie = "5.15", needs = UPROBES, pmu = "uprobe", cookie_probe = "perf_link" },
	tracepoint = { since = "4.7", cookie = "5.15", needs = "CONFIG_BPF_EVENTS", pmu = "tracepoint",
		cookie_probe = "perf_link" },
	syscall = { since = "4.17", cookie = "5.15", needs = KPROBES, pmu = "kprobe", cookie_probe = "perf_link" },
	rawtracepoint = { since = "4.17", cookie = "6.10", needs = "CONFIG_BPF_EVENTS", probe = "rawtracepoint",
		cookie_probe = "rawtracepoint cookie" },
	tp_btf = { since = "5.5", cookie = "6.10", needs = "BTF", probe = "tp_btf", cookie_probe = "tp_btf cookie",
		silent = true },
	fentry = { since = "5.5", cookie = "5.19", needs = TRAMPOLINES, probe = "fentry",
		cookie_probe = "fentry cookie", silent = true },
	fexit = { since = "5.5", cookie = "5.19", needs = TRAMPOLINES, probe = "fentry",
		cookie_probe = "fentry cookie", silent = true },
	profile = { since = "4.9", cookie = "5.15", needs = "CONFIG_PERF_EVENTS", pmu = "software",
		cookie_probe = "perf_link" },
	software = { since = "4.9", cookie = "5.15", needs = "CONFIG_PERF_EVENTS", pmu = "software",
		cookie_probe = "perf_link" },
	hardware = { since = "4.9", cookie = "5.15", needs = "a processor whose counters are shown to it", probe = "hardware",
		cookie_probe = "perf_link" },
}

local answers <const> = {} -- question -> { true } or { nil, message, errno }

local function ask(question)
	local answer = answers[question]
	if not answer then
		answer = table.pack(core.probe(question))
		answers[question] = answer
	end
	return answer[1], answer[3]
end

local function exists(path)
	local file <close> = io.open(path)
	return file ~= nil
end

-- What a question without the rights to ask it tells: nothing of the kernel. nil: another reason.
local function forbidden(name, errno)
	if errno ~= EPERM and errno ~= EACCES then return nil end
	local reason <const> = rights.refusal()
	if reason then return ("whether there is %s cannot be told: %s"):format(name, reason) end
	return ("this kernel refuses %s even to root"):format(name)
end

local function available(name, hook)
	local there, errno = true, nil
	if hook.pmu then there = exists("/sys/bus/event_source/devices/" .. hook.pmu) end
	if there and hook.probe then there, errno = ask(hook.probe) end
	if there then return true end
	local not_permitted <const> = forbidden(name, errno)
	if not_permitted then return false, not_permitted end
	return false, ("this kernel has no %s: it came with %s, and needs %s"):format(name, hook.since, hook.needs)
end

local function takes_cookie(name, hook)
	local takes, errno = true, nil
	if hook.cookie_probe then takes, errno = ask(hook.cookie_probe) end
	if takes then return true end
	local not_permitted <const> = forbidden(name, errno)
	if not_permitted then return false, not_permitted end
	local _ <const>, release <const> = core.versions()
	return false, ("this kernel (%s) gives no cookie to a %s; kernels from %s on do"):format(release, name, hook.cookie)
end

--- Whether a hook is there, and whether it takes a cookie.
--- Source: tried on the running kernel.
---@param name string such as "kprobe.multi"
---@return { available: boolean, cookie: boolean, since: string, cookie_since: string, why: string? }
function features.hook(name)
	local hook <const> = HOOKS[name]
	if not hook then error("features.hook: no hook '" .. tostring(name) .. "'", 2) end
	local there <const>, no_hook <const> = available(name, hook)
	local cookie, no_cookie = false, nil
	if there then cookie, no_cookie = takes_cookie(name, hook) end
	return { available = there, cookie = cookie, since = hook.since, cookie_since = hook.cookie,
		why = no_hook or no_cookie }
end

--- Why an attachment failed, where the reason is that this kernel has no such hook, or no cookie for it.
---@param name string the hook
---@param bits integer the cookie
---@return string?
function features.refused(name, bits)
	local hook <const> = HOOKS[name]
	if not hook then return nil end
	local found <const> = features.hook(name)
	if not found.available or (bits ~= 0 and not found.cookie) then return found.why end
end

--- Why a cookie must not be tried, since this kernel would attach without it and say nothing.
---@param name string the hook
---@param bits integer the cookie
---@return string?
function features.drops_cookie(name, bits)
	local hook <const> = HOOKS[name]
	if not hook or not hook.silent or bits == 0 then return nil end
	return select(2, takes_cookie(name, hook))
end

--- What this machine has: versions, BTF, file systems, and each hook.
--- Source: tried on the running kernel.
---@return table { kernel =, machine =, libbpf =, btf =, ring =, tracefs =, bpffs =, lockdown =, hooks = { name = … } }
function features.all()
	local libbpf <const>, release <const>, machine <const> = core.versions()
	local hooks <const> = {}
	for name in pairs(HOOKS) do hooks[name] = features.hook(name) end
	return {
		kernel = release, machine = machine, libbpf = libbpf, hooks = hooks,
		btf = exists "/sys/kernel/btf/vmlinux",
		ring = ask "ring" or false,
		tracefs = exists "/sys/kernel/tracing/events" or exists "/sys/kernel/debug/tracing/events",
		lockdown = rights.lockdown(),
	}
end

return features
