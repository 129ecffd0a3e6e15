--- doctor: `crumb doctor`: whether this machine can be traced, what it lacks, and what helps.

local bpf <const> = require "crumb.bpf"
local options <const> = require "crumb.command.options"
local output <const> = require "crumb.command.output"
local terminal <const> = require "crumb.command.terminal"

local OLDEST <const> = { 5, 15 }
local CAPABILITIES <const> = { { "CAP_SYS_ADMIN", 21 }, { "CAP_PERFMON", 38 }, { "CAP_BPF", 39 } }

---@class crumb.Finding
---@field name string
---@field ok boolean
---@field needed boolean? without it nothing can be traced
---@field found string
---@field remedy string?

local function contents(path)
	local file <close> = io.open(path)
	return file and file:read "a" or ""
end

local function kernel(found)
	local major <const>, minor <const> = found.kernel:match "^(%d+)%.(%d+)"
	local number <const>, oldest <const> = major * 1000 + minor, OLDEST[1] * 1000 + OLDEST[2]
	return { name = "kernel", needed = true, ok = number >= oldest, found = ("%s, %s"):format(found.kernel, found.machine),
		remedy = "cookies came with kernel 5.15, and 6.1 is the oldest that crumb is tested on" }
end

local function rights()
	local bits <const> = tonumber(contents "/proc/self/status":match "CapEff:%s*(%x+)" or "0", 16)
	local held <const> = {}
	for _, one in ipairs(CAPABILITIES) do
		if bits & 1 << one[2] ~= 0 then held[one[1]] = true held[#held + 1] = one[1] end
	end
	local enough <const> = held.CAP_SYS_ADMIN or held.CAP_BPF and held.CAP_PERFMON
	return { name = "rights", needed = true, ok = enough or false, found = held[1] and table.concat(held, ", ") or "none",
		remedy = "run it as root (sudo crumb …), or with CAP_BPF and CAP_PERFMON" }
end

local function lockdown(found)
	local mode <const> = found.lockdown
	return { name = "lockdown", ok = not mode or mode ~= "confidentiality", found = mode or "none",
		remedy = "in confidentiality mode the kernel lets nobody read its memory: boot without lockdown=confidentiality" }
end

local function simple(found)
	return {
		{ name = "libbpf", ok = true, found = found.libbpf },
		{ name = "BTF", ok = found.btf, found = found.btf and "/sys/kernel/btf/vmlinux" or "none",
			remedy = "names of kernel functions' arguments need a kernel with CONFIG_DEBUG_INFO_BTF" },
		{ name = "ring buffer", needed = true, ok = found.ring and true or false, found = found.ring and "yes" or "no",
			remedy = "events travel in it: a kernel since 5.8, and the rights above" },
		{ name = "tracefs", ok = found.tracefs, found = found.tracefs and "mounted" or "not mounted, or not readable",
			remedy = "tracepoints and system calls need it: mount -t tracefs tracefs /sys/kernel/tracing" },
	}
end

local function hooks(found)
	local list <const>, names <const> = {}, {}
	-- The tracer attaches a system call as its tracepoint.
	for name in pairs(found.hooks) do
		if name ~= "syscall" then names[#names + 1] = name end
	end
	table.sort(names)
	for i, name in ipairs(names) do
		local hook <const> = found.hooks[name]
		list[i] = { name = name, hook = true, ok = hook.available and hook.cookie, available = hook.available, cookie = hook.cookie,
			found = hook.cookie and "with cookies" or hook.available and "without cookies" or "no", remedy = hook.why }
	end
	return list
end

local function findings()
	local found <const> = bpf.features()
	local list <const> = { kernel(found), rights() }
	for _, one in ipairs(simple(found)) do list[#list + 1] = one end
	list[#list + 1] = lockdown(found)
	for _, one in ipairs(hooks(found)) do list[#list + 1] = one end
	return list
end

-- Whether what is needed is there, and a hook at least.
local function is_well(list)
	local any_hook = false
	for _, one in ipairs(list) do
		if one.needed and not one.ok then return false end
		any_hook = any_hook or one.hook and one.available
	end
	return any_hook
end

-- What people read of a finding.
local function line_of(one, colours)
	local mark = one.ok and "ok" or one.needed and "NO" or "no"
	if colours then mark = ("\27[%dm%s\27[0m"):format(one.ok and 32 or one.needed and 31 or 33, mark) end
	local line <const> = ("%s  %-14s %s"):format(mark, one.name, one.found)
	return one.remedy and ("%s\n    %s"):format(line, one.remedy) or line
end

local FIELDS <const> = { "name", "ok", "needed", "available", "cookie", "found", "remedy" }
local BOOLEANS <const> = { ok = "bool", needed = "bool", available = "bool", cookie = "bool" }

return function(settings, argv)
	local parser <const> = options.parser("doctor", "Says what this machine can trace, what not, and why.", "crumb doctor --json")
	local given <const> = options.read(options.forms(parser), argv)
	local list <const>, colours <const> = findings(), terminal.colours()
	local out <const> = output.new { settings = options.settings(given, settings) }
	for _, one in ipairs(list) do
		if one.ok then one.remedy = nil end
		output.written(out:record(one, FIELDS, BOOLEANS, line_of(one, colours)))
	end
	local well <const> = is_well(list)
	if not well then io.stderr:write "crumb: this machine cannot be traced as things are: see NO above\n" end
	return well and 0 or 1
end
