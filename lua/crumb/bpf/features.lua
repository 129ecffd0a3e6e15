--- features: which hooks and cookies there are, and since when: the one place for such gates.
--
-- What this kernel can do is found by trying (csrc/probe.c); the versions are for people.

local core <const> = require "crumb.core"

local features = {}

local EINVAL <const>, E2BIG <const>, EOPNOTSUPP <const> = 22, 7, 95

---@class crumb.Hook
---@field since string the first kernel that has the hook
---@field cookie string? the first kernel that gives it a cookie; nil: none does
---@field probe string? the question that tells (core.probe)
---@field cookie_probe string? the same for its cookie

-- Kernel versions of the commits that brought each; see the table in README.md.
---@type table<string, crumb.Hook>
local HOOKS <const> = {
	kprobe = { since = "4.1", cookie = "5.15", pmu = "kprobe", cookie_probe = "perf_link" },
	kretprobe = { since = "4.1", cookie = "5.15", pmu = "kprobe", cookie_probe = "perf_link" },
	["kprobe.multi"] = { since = "5.18", cookie = "5.18", probe = "kprobe.multi" },
	uprobe = { since = "4.3", cookie = "5.15", pmu = "uprobe", cookie_probe = "perf_link" },
	uretprobe = { since = "4.3", cookie = "5.15", pmu = "uprobe", cookie_probe = "perf_link" },
	["uprobe.multi"] = { since = "6.6", cookie = "6.6", probe = "uprobe.multi" },
	usdt = { since = "4.20", cookie = "5.15", pmu = "uprobe", cookie_probe = "perf_link" },
	tracepoint = { since = "4.7", cookie = "5.15", probe = "perf_link", cookie_probe = "perf_link" },
	syscall = { since = "4.17", cookie = "5.15", pmu = "kprobe", cookie_probe = "perf_link" },
	rawtracepoint = { since = "4.17", cookie = "6.10", probe = "rawtracepoint",
		cookie_probe = "rawtracepoint cookie" },
	tp_btf = { since = "5.5", cookie = "6.10", probe = "fentry", cookie_probe = "rawtracepoint cookie" },
	fentry = { since = "5.5", cookie = "5.19", probe = "fentry", cookie_probe = "fentry cookie" },
	fexit = { since = "5.5", cookie = "5.19", probe = "fentry", cookie_probe = "fentry cookie" },
	profile = { since = "4.9", cookie = "5.15", probe = "perf_link", cookie_probe = "perf_link" },
	software = { since = "4.9", cookie = "5.15", probe = "perf_link", cookie_probe = "perf_link" },
	hardware = { since = "4.9", cookie = "5.15", pmu = "cpu", cookie_probe = "perf_link" },
}

local answers <const> = {} -- question -> { true } or { false, why }

local function ask(question)
	local answer = answers[question]
	if not answer then
		answer = table.pack(core.probe(question))
		answers[question] = answer
	end
	return answer[1], answer[2]
end

local function exists(path)
	local file <close> = io.open(path)
	return file ~= nil
end

local function available(hook)
	if hook.pmu and not exists("/sys/bus/event_source/devices/" .. hook.pmu) then
		return false, ("this kernel has no %s events"):format(hook.pmu)
	end
	if hook.probe then return ask(hook.probe) end
	return true
end

--- Whether a hook is there, and whether it takes a cookie.
--- Source: tried on the running kernel.
---@param name string such as "kprobe.multi"
---@return { available: boolean, cookie: boolean, since: string, cookie_since: string?, why: string? }
function features.hook(name)
	local hook <const> = HOOKS[name]
	if not hook then error("features.hook: no hook '" .. tostring(name) .. "'", 2) end
	local there, why = available(hook)
	local cookie = there
	if there and hook.cookie_probe then cookie, why = ask(hook.cookie_probe) end
	return { available = there or false, cookie = cookie or false, since = hook.since,
		cookie_since = hook.cookie, why = why }
end

--- Why an attachment with a cookie failed, where the cookie is the reason.
---@param name string the hook
---@param bits integer the cookie
---@param errno integer
---@return string?
function features.cookie_refused(name, bits, errno)
	local hook <const> = HOOKS[name]
	if bits == 0 or not (errno == EINVAL or errno == E2BIG or errno == EOPNOTSUPP) then return nil end
	if not hook.cookie then return ("a %s takes no cookie on any kernel"):format(name) end
	if not hook.cookie_probe or ask(hook.cookie_probe) then return nil end
	local _ <const>, release <const> = core.versions()
	return ("this kernel (%s) gives no cookie to a %s; kernels from %s on do"):format(release, name, hook.cookie)
end

--- What this machine has: versions, BTF, file systems, and each hook.
--- Source: tried on the running kernel.
---@return table { kernel =, machine =, libbpf =, btf =, ring =, tracefs =, bpffs =, lockdown =, hooks = { name = … } }
function features.all()
	local libbpf <const>, release <const>, machine <const> = core.versions()
	local hooks <const> = {}
	for name in pairs(HOOKS) do hooks[name] = features.hook(name) end
	local lockdown
	do
		local file <close> = io.open "/sys/kernel/security/lockdown"
		lockdown = file and file:read("a"):match "%[(.-)%]"
	end
	return {
		kernel = release, machine = machine, libbpf = libbpf, hooks = hooks,
		btf = exists "/sys/kernel/btf/vmlinux",
		ring = ask "ring" or false,
		tracefs = exists "/sys/kernel/tracing/events" or exists "/sys/kernel/debug/tracing/events",
		lockdown = lockdown,
	}
end

return features
