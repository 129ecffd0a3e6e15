--- arguments: what args.NAME, argN, retval and reg.NAME are at a site.
--
-- Each source of names has a file of its own in crumb/arguments/. What is found is kept by function,
-- so that a thousand sites are cheap; scopes share it, and it is not to be changed.

local lazy <const> = require "crumb.lazy"

local format <const> = lazy "crumb.arguments.format"
local kernel <const> = lazy "crumb.arguments.kernel"
local registers <const> = lazy "crumb.arguments.registers"
local usdt <const> = lazy "crumb.arguments.usdt"
local user <const> = lazy "crumb.arguments.user"

local arguments = {}

---@class crumb.Scope doc/design/0002-tracer.md says what LOAD and TYPE are
---@field hook string kprobe, kretprobe, uprobe, uretprobe, usdt, tracepoint, rawtracepoint, fentry, fexit or perf
---@field args { name: string, load: table, type: table }[]?
---@field args_missing string? why there are none, and what works
---@field registers table<string, table> arg0 …, sp, ip, retval, and reg.NAME as "reg.NAME"
---@field registers_missing string? why there are none, and what works
---@field retval_type table? TYPE of what is returned, where that is known; its bits above are nobody's
---@field file table? what keeps the types of a user function open
---@field goroutine boolean? its calls go on in other threads
---@field kernel fun(): crumb.Btf?, string? the kernel's types

local HOOKS <const> = {
	syscall = "tracepoint", tp_btf = "rawtracepoint", profile = "perf", software = "perf", hardware = "perf",
}


local function of_perf_event()
	return {
		missing = "a sample has no arguments: ip, sp and reg.NAME work", registers = registers.PERF_EVENT,
	}
end

local SOURCES <const> = {
	kprobe = function(site) return kernel.of(site) end,
	kretprobe = function(site) return kernel.of(site) end,
	fentry = function(site) return kernel.of(site) end,
	fexit = function(site) return kernel.of(site) end,
	rawtracepoint = function(site) return kernel.of(site) end,
	tp_btf = function(site) return kernel.of(site) end,
	tracepoint = function(site) return format.of(site) end,
	syscall = function(site) return format.of(site) end,
	usdt = function(site) return usdt.of(site) end,
	uprobe = function(site) return user.of(site) end,
	uretprobe = function(site) return user.of(site) end,
	profile = of_perf_event, software = of_perf_event, hardware = of_perf_event,
}

local INSIDE <const> = "within a function its arguments may lie anywhere: registers work, as they are at +0x%x"

--- What an expression may speak of at a site.
---@param site crumb.Site
---@return crumb.Scope
function arguments.scope(site)
	local found <const> = SOURCES[site.kind](site)
	local scope <const> = {
		hook = HOOKS[site.kind] or site.kind,
		args = found.args, args_missing = found.missing,
		registers = found.registers, registers_missing = found.registers_missing,
		retval_type = found.retval_type, file = found.file, kernel = function() return kernel.btf() end,
		goroutine = site.go and site.go.ends ~= nil,
	}
	if site.kind == "kprobe" and (site.offset or 0) ~= 0 then
		scope.args, scope.args_missing = nil, INSIDE:format(site.offset)
	end
	return scope
end

return arguments
