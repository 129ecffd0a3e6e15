--- target: the probes of a program in the words of crumb's targets.

local target <const> = require "crumb.target"

local targets = {}

---@class crumb.BpftraceTarget
---@field kind string one of crumb's, or "BEGIN", "END", "interval", "watchpoint", "iter"
---@field rest string what follows it

-- bpftrace's kinds where crumb has other ones.
local KINDS <const> = {
	U = "usdt", f = "fentry", fr = "fexit", kfunc = "fentry", kretfunc = "fexit", s = "software", h = "hardware", i = "interval",
	BEGIN = "BEGIN", END = "END", interval = "interval", watchpoint = "watchpoint", asyncwatchpoint = "watchpoint", iter = "iter",
	raw_tracepoint = "rawtracepoint",
}

local ENTRIES <const> = { kretprobe = "kprobe", uretprobe = "uprobe", fexit = "fentry" }

-- Samples a second, of "ms:10" or "hz:99".
local function per_second(rest)
	local unit <const>, number <const> = rest:match "^(%a+):(%d+)$"
	local units <const> = { hz = 0, s = 1, ms = 1000, us = 1000000 }
	local size <const>, count <const> = units[unit], tonumber(number)
	if not size or count == 0 then return nil end
	return size == 0 and count or math.max(1, size // count)
end

local DEFAULTS <const> = { ["cpu-clock"] = 1000000, cpu = 1000000, ["page-faults"] = 100, faults = 100 }

-- What follows the kind, as crumb has it.
local RESTS <const> = {
	profile = function(rest) return "hz:" .. (per_second(rest) or 99) end,
	fentry = function(rest) return rest:match "[^:]*$" end,
	fexit = function(rest) return rest:match "[^:]*$" end,
	usdt = function(rest) return rest:match "^[^:]*:[^:]*:" and rest or rest:gsub(":", ":*:") end,
	software = function(rest)
		return rest:find ":%d+$" and rest or ("%s:%d"):format(rest:gsub(":$", ""), DEFAULTS[rest:gsub(":$", "")] or 1)
	end,
	hardware = function(rest) return rest:find ":%d+$" and rest or ("%s:1000000"):format((rest:gsub(":$", ""))) end,
}

--- What a probe of bpftrace's is; nil: it is none.
---@param text string such as "t:syscalls:sys_enter_openat"
---@return crumb.BpftraceTarget?
function targets.read(text)
	local word <const> = text:match "^[%w_]+" or ""
	local kind <const> = KINDS[word] or target.SHORT[word] or target.FORMS[word] and word
	if not kind then return nil end
	local rest = text:sub(#word + 2):gsub('"', "")
	local of_syscall <const> = kind == "tracepoint" and rest:match "^syscalls:sys_enter_(.+)$"
	if of_syscall then return { kind = "syscall", rest = of_syscall } end
	rest = RESTS[kind] and RESTS[kind](rest) or rest
	return { kind = kind, rest = rest }
end

--- A target's words.
---@param one crumb.BpftraceTarget
---@return string
function targets.words(one) return one.rest == "" and one.kind or one.kind .. ":" .. one.rest end

--- How often a second an interval comes, or how long it is.
---@param rest string such as "s:5"
---@return number seconds
function targets.seconds(rest)
	local unit <const>, number <const> = rest:match "^(%a+):(%d+)$"
	local sizes <const> = { s = 1, ms = 0.001, us = 0.000001 }
	if unit == "hz" and number ~= "0" then return 1 / number end
	return sizes[unit] and number * sizes[unit] or 1
end

-- The entry whose return it is; nil: it is no return.
local function entry_of(to)
	local entry <const> = ENTRIES[to.kind]
	if entry then return { kind = entry, rest = to.rest } end
	local exit <const> = to.kind == "tracepoint" and to.rest:match "^syscalls:sys_exit_(.+)$"
	return exit and { kind = "syscall", rest = exit } or nil
end

local function is_among(one, list)
	for _, other in ipairs(list) do
		if other.kind == one.kind and other.rest == one.rest then return true end
	end
	return false
end

--- The whole calls that end at these targets; nil: not all of them are returns, or, of those that are given, none begins so.
---@param to crumb.BpftraceTarget[]
---@param from crumb.BpftraceTarget[]?
---@return crumb.BpftraceTarget[]?
function targets.calls(to, from)
	local list <const> = {}
	for i, one in ipairs(to) do
		local entry <const> = entry_of(one)
		if not entry or from and not is_among(entry, from) then return nil end
		list[i] = entry
	end
	return list
end

--- Whether they may be several places.
---@param list crumb.BpftraceTarget[]
---@return boolean
function targets.are_many(list) return #list > 1 or list[1].rest:find "[*?%[]" ~= nil end

return targets
