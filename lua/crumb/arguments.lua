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
---@field args { name: string, load: table, type: table, declared: string? }[]? `declared`: its type as C writes it
---@field args_missing string? why there are none, and what works
---@field registers table<string, table> arg0 …, sp, ip, retval, and reg.NAME as "reg.NAME"
---@field registers_missing string? why there are none, and what works
---@field retval_type table? TYPE of what is returned, where that is known; its bits above are nobody's
---@field asked boolean? whether something was asked for that is the site's own
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

-- What differs from place to place, and is asked for only when an expression speaks of it.
local OWN <const> = {
	args = true, args_missing = true, registers = true, registers_missing = true, retval_type = true, file = true,
}

local KINDS_OF_GO <const> = { uprobe = "uprobe of Go", uretprobe = "uretprobe of Go", usdt = "usdt of Go" }

-- Of C's functions the registers are known without a look at them.
local IN_KERNEL <const>, IN_FILES <const> = { kprobe = true, kretprobe = true }, { uprobe = true, uretprobe = true }

local function shared_registers(site)
	if IN_KERNEL[site.kind] or IN_FILES[site.kind] and site.is_go == false then return registers.FUNCTION end
end

local function ask(scope)
	local site <const> = scope.site
	local found <const> = SOURCES[site.kind](site)
	scope.asked = true
	scope.args, scope.args_missing, scope.registers = found.args, found.missing, found.registers
	scope.registers_missing, scope.retval_type, scope.file = found.registers_missing, found.retval_type, found.file
	if site.kind == "kprobe" and (site.offset or 0) ~= 0 then
		scope.args, scope.args_missing = nil, INSIDE:format(site.offset)
	end
end

local Scope <const> = { __index = function(scope, name)
	if not OWN[name] or rawget(scope, "asked") then return nil end
	ask(scope)
	return rawget(scope, name)
end }

local function kernel_types() return kernel.btf() end

--- What an expression may speak of at a site. `asked` is set when it spoke of what may be another at another site.
---@param site crumb.Site
---@return crumb.Scope
function arguments.scope(site)
	return setmetatable({
		site = site, hook = HOOKS[site.kind] or site.kind, registers = shared_registers(site),
		goroutine = site.go and site.go.ends ~= nil, kernel = kernel_types,
	}, Scope)
end

--- The same for sites whose scopes are the same as long as nothing is asked for.
---@param site crumb.Site
---@return string
function arguments.kind(site)
	if not site.is_go then return site.kind end
	return site.go and site.go.ends and "call of Go" or KINDS_OF_GO[site.kind]
end

--- The same for scopes that are the same.
---@param scope crumb.Scope
---@return string
function arguments.class(scope)
	if not scope.asked then ask(scope) end
	local structs <const> = scope.file and scope.file.dwarf
	return ("%s %p %p %p %p"):format(scope.hook, scope.args, scope.registers, scope.retval_type, structs)
end

return arguments
