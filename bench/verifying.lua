--- verifying: how much the kernel's verifier follows in each of the engine's programs, and how long loading takes.

local core <const> = require "crumb.core"
local members <const> = require "crumb.bpf.object"

local OWN <const> = { [".rodata.copy"] = true, serving = true }
local ALL <const> = 0xffffffff -- of enum feature
local PROGRAMS <const> = {
	"serve_probe", "serve_kprobe_multi", "serve_uprobe_multi", "serve_tracepoint", "serve_raw_tp", "serve_fentry", "serve_fexit",
	"serve_perf_event",
}
local FUNCTION <const> = "do_nanosleep" -- for the two that are loaded for one

local function open(name)
	local object <const> = members(assert(core.object(core.engine(), "crumb", "the engine")))
	for other, program in pairs(object.programs) do program:set_autoload(other == name) end
	return object
end

local function load(first, name)
	local object <close> = open(name)
	local program <const> = object.programs[name]
	if name == "serve_fentry" or name == "serve_fexit" then
		local done <const>, why <const> = program:set_attach_target(FUNCTION)
		if not done then return nil, why end
	end
	object.globals.features = ALL
	for map_name, map in pairs(object.maps) do
		if not OWN[map_name] then assert(map:share(first.maps[map_name])) end
	end
	local start <const> = core.now()
	local done <const>, why <const> = object:load()
	if not done then return nil, why:match "^[^\n]*" end
	return program:info().verified_instructions, (core.now() - start) / 1e6
end

--- Prints a line a program.
return function()
	local first <close> = open()
	assert(first:load())
	for _, name in ipairs(PROGRAMS) do
		local steps <const>, time <const> = load(first, name)
		print(steps and ("%-29s %6d verifier steps (<= 20000: %s), %.1f ms to load"):format(name, steps,
			steps <= 20000 and "ok" or "over", time) or ("%-29s not here: %s"):format(name, time))
	end
end
