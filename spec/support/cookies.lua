-- What the specs of attaching share: the fixture's programs, and what they counted.
local bpf = require "crumb.bpf"
local core = require "crumb.core"

local cookies = {}

local hooks <const> = bpf.features().hooks
local _ <const>, _ <const>, MACHINE <const> = core.versions()

--- What the kernel calls the function behind a system call.
cookies.SYSCALL = MACHINE == "aarch64" and "__arm64_sys_" or "__x64_sys_"

-- Constant texts, so that the runner can sum them up.
local MISSING <const> = {
	kprobe = "this kernel has no kprobes", kretprobe = "this kernel has no kprobes", syscall = "this kernel has no kprobes",
	["kprobe.multi"] = "this kernel has no fprobe, so no kprobe.multi",
	["uprobe.multi"] = "this kernel has no uprobe.multi", fentry = "this kernel permits no fentry",
	fexit = "this kernel permits no fexit", tp_btf = "this kernel permits no tp_btf",
	hardware = "this machine has no hardware counters",
}

--- Why this kernel has no such hook, or, with "cookie", no cookie for it; nil when it has.
function cookies.missing(hook, what)
	if not hooks[hook].available then return MISSING[hook] or "this kernel has no " .. hook end
	if what == "cookie" and not hooks[hook].cookie then return "this kernel gives no cookie to a " .. hook end
end

--- The object with these programs of its own loaded, for the victim only.
function cookies.load(victim, ...)
	local object <const> = assert(bpf.open "build/fixtures/cookies.bpf.o")
	local wanted <const> = {}
	for _, name in ipairs { ... } do wanted[name] = true end
	for name, program in pairs(object.programs) do program:set_autoload(wanted[name] or false) end
	object.globals.target_tgid = victim and victim.pid or 0
	return object
end

--- Cookie -> hits since the last question.
function cookies.taken(object)
	local taken <const>, hits <const> = {}, object.maps.hits
	for cookie, count in pairs(hits) do taken[cookie] = count end
	for cookie in pairs(taken) do hits:delete(cookie) end
	return taken
end

return cookies
