--- findings: what `crumb doctor` looks at: whether tracing needs it, what was found, and what helps.

local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"
local rights <const> = require "crumb.bpf.rights"
local tracepoint <const> = require "crumb.names.tracepoint"

local findings = {}

local OLDEST <const> = { 5, 15 }
local DESCRIPTORS <const> = 4096 -- for as many sites, where each takes one

---@class crumb.Finding
---@field name string
---@field ok boolean
---@field needed boolean? without it nothing can be traced
---@field hook boolean?
---@field available boolean? of a hook
---@field cookie boolean? of a hook
---@field found string
---@field remedy string? what helps, and of what it is the reason

local function contents(path)
	local file <close> = io.open(path)
	return file and file:read "a"
end

local function kernel(has)
	local major <const>, minor <const> = has.kernel:match "^(%d+)%.(%d+)"
	local number <const>, oldest <const> = major * 1000 + minor, OLDEST[1] * 1000 + OLDEST[2]
	return { name = "kernel", needed = true, ok = number >= oldest, found = ("%s, %s"):format(has.kernel, has.machine),
		remedy = "cookies came with kernel 5.15, and 6.1 is the oldest that crumb is tested on" }
end

local function own_rights()
	local held <const> = {}
	for _, name in ipairs { "CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON" } do
		if rights.has(name) then held[#held + 1] = name end
	end
	return { name = "rights", needed = true, ok = not rights.lacks(), found = held[1] and table.concat(held, ", ") or "none",
		remedy = rights.refusal() }
end

local function lockdown()
	local found <const> = rights.lockdown() or #(core.directory "/sys/kernel/security" or {}) > 0 and "none"
	if not found then
		return { name = "lockdown", ok = false, found = "not known",
			remedy = "mount -t securityfs securityfs /sys/kernel/security tells" }
	end
	return { name = "lockdown", needed = true, ok = not rights.sealed(), found = found, remedy = rights.sealed() }
end

local function btf(has)
	return { name = "BTF", ok = has.btf, found = has.btf and "/sys/kernel/btf/vmlinux" or "none",
		remedy = "names of kernel functions' arguments, task and fentry need a kernel with CONFIG_DEBUG_INFO_BTF" }
end

local function ring(has)
	local known <const> = not rights.lacks()
	return { name = "ring buffer", needed = known, ok = has.ring and true or false,
		found = has.ring and "yes" or known and "no" or "not known without rights",
		remedy = "events travel in it: a kernel since 5.8 has it" }
end

local function tracefs()
	local path <const>, why <const> = tracepoint.reader():events()
	if path then return { name = "tracefs", ok = true, found = path:match "^(.*)/" } end
	return { name = "tracefs", ok = false, found = why:find "may not be read" and "not readable" or "none",
		remedy = "tracepoints and system calls need it: " .. why }
end

local function events()
	local reason <const> = rights.without_events()
	return { name = "perf events", ok = not reason, found = reason and "not permitted" or "permitted", remedy = reason }
end

-- Names in the kernel's stacks. The first symbols of some kernels have no address.
local function kallsyms()
	local file <close>, shown = io.open "/proc/kallsyms", false
	for line in file and file:lines() or function() end do
		local address <const> = line:match "^(%x+) [tT]"
		if address then
			shown = address:find "[1-9a-f]" ~= nil
			break
		end
	end
	return { name = "kernel symbols", ok = shown, found = shown and "/proc/kallsyms" or "their addresses are hidden",
		remedy = "names in the kernel's stacks need them: sysctl kernel.kptr_restrict=1, and root or CAP_SYSLOG" }
end

local function jit()
	local enabled <const> = contents "/proc/sys/net/core/bpf_jit_enable"
	if not enabled then return nil end
	local is_on <const> = enabled:find "^[12]" ~= nil
	return { name = "JIT", ok = is_on, found = is_on and "on" or "off",
		remedy = "without it a hit costs several times as much: sysctl net.core.bpf_jit_enable=1" }
end

local function descriptors(has)
	local soft <const> = contents "/proc/self/limits":match "Max open files%s+(%S+)"
	local enough <const> = soft == "unlimited" or tonumber(soft) >= DESCRIPTORS or has.hooks["uprobe.multi"].available
	return { name = "descriptors", ok = enough, found = soft,
		remedy = "without .multi hooks each site takes one: ulimit -n 65536" }
end

local function bpffs()
	local mounted <const> = (contents "/proc/mounts" or ""):find "%S+ /sys/fs/bpf bpf " ~= nil
	return { name = "bpffs", ok = mounted, found = mounted and "/sys/fs/bpf" or "not mounted",
		remedy = "only links and maps that are pinned need it: mount -t bpf bpffs /sys/fs/bpf" }
end

-- Those that a perf event carries; the kernel wants more for uprobes.
local SINGLE <const> = { uprobe = true, uretprobe = true, usdt = true }
local EVENTS <const> = {
	hardware = true, kprobe = true, kretprobe = true, profile = true, software = true, tracepoint = true,
}

local function hook_finding(name, hook, has)
	local one <const> = { name = name, hook = true, ok = hook.available and hook.cookie, available = hook.available,
		cookie = hook.cookie, remedy = hook.why }
	one.found = hook.cookie and "with cookies" or hook.available and "without cookies" or "no"
	if rights.lacks() then
		one.ok, one.found, one.remedy = false, "not known without rights", rights.refusal()
	elseif SINGLE[name] and not has.hooks["uprobe.multi"].available and not rights.has "CAP_SYS_ADMIN" then
		one.ok, one.found, one.remedy = false, "not permitted", "without uprobe.multi it needs root, or CAP_SYS_ADMIN"
	elseif EVENTS[name] and hook.available and rights.without_events() then
		one.ok, one.found, one.remedy = false, "not permitted", rights.without_events()
	end
	return one
end

local function hooks(has, list)
	local names <const> = {}
	-- The tracer attaches a system call as its tracepoint.
	for name in pairs(has.hooks) do
		if name ~= "syscall" then names[#names + 1] = name end
	end
	table.sort(names)
	for _, name in ipairs(names) do list[#list + 1] = hook_finding(name, has.hooks[name], has) end
end

--- All of them, in the order in which people look.
--- Source: tried on the running kernel, as far as this process may.
---@return crumb.Finding[]
function findings.all()
	local has <const> = bpf.features()
	local list <const> = { kernel(has), own_rights(), lockdown(), { name = "libbpf", ok = true, found = (core.versions()) } }
	for _, look in ipairs { btf, ring, events, tracefs, kallsyms, jit, descriptors, bpffs } do list[#list + 1] = look(has) end
	hooks(has, list)
	return list
end

return findings
