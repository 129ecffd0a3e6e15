--- rights: what this process may do, and what it lacks for tracing: the one place that knows capabilities' numbers.

local rights = {}

local NUMBERS <const> = { CAP_DAC_READ_SEARCH = 2, CAP_SYS_PTRACE = 19, CAP_SYS_ADMIN = 21, CAP_PERFMON = 38, CAP_BPF = 39 }
local LOCKDOWN <const> = "/sys/kernel/security/lockdown"
-- Of a user namespace that holds all users, as the first one does.
local ALL_USERS <const> = "^%s*0%s+0%s+4294967295%s*$"

local function contents(path)
	local file <close> = io.open(path)
	return file and file:read "a" or ""
end

--- Whether this process has a capability now.
--- Source: /proc/self/status
---@param name string such as "CAP_BPF"
---@return boolean
function rights.has(name)
	local effective <const> = math.tointeger(tonumber(contents "/proc/self/status":match "CapEff:%s*(%x+)" or "0", 16))
	return effective & 1 << NUMBERS[name] ~= 0
end

--- Whether its capabilities are good for the machine, and not only in a user namespace of its own.
---@return boolean
function rights.are_real()
	local map <const> = contents "/proc/self/uid_map"
	return map == "" or map:find(ALL_USERS) ~= nil
end

--- What it lacks for programs to be loaded and attached; nil: nothing that is known.
---@return string? such as "CAP_PERFMON", for people
function rights.lacks()
	if not rights.are_real() then return "CAP_BPF and CAP_PERFMON outside of its user namespace" end
	if rights.has "CAP_SYS_ADMIN" then return nil end
	local missing <const> = {}
	for _, name in ipairs { "CAP_BPF", "CAP_PERFMON" } do
		if not rights.has(name) then missing[#missing + 1] = name end
	end
	return missing[1] and table.concat(missing, " and ") or nil
end

--- The same as a reason, and what helps.
---@return string?
function rights.refusal()
	local lacking <const> = rights.lacks()
	return lacking and ("this process lacks %s: run it as root, or with CAP_BPF and CAP_PERFMON"):format(lacking)
end

--- Why this process may have no perf events, which carry tracepoints, single kprobes and uprobes, and profiles.
--- Source: the patch of Debian's and Ubuntu's kernels that gives kernel.perf_event_paranoid a third level
---@return string? nil: nothing is known against it
function rights.without_events()
	local level <const> = tonumber(contents "/proc/sys/kernel/perf_event_paranoid")
	if not level or level < 3 or rights.has "CAP_SYS_ADMIN" then return nil end
	return "this kernel keeps perf events from all but root: run it as root, or sysctl kernel.perf_event_paranoid=2"
end

--- How the kernel is locked down.
---@return string? "none", "integrity", "confidentiality"; nil: it does not say
function rights.lockdown() return contents(LOCKDOWN):match "%[(.-)%]" end

--- Why nobody may read the kernel's memory; nil: nothing is known against it.
---@return string?
function rights.sealed()
	if rights.lockdown() ~= "confidentiality" then return nil end
	return "this kernel is locked down (confidentiality): root may not trace it either; boot it without lockdown=confidentiality"
end

return rights
