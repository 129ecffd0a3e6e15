--- kernel: the arguments of kernel functions and raw tracepoints, by the kernel's BTF.

local core <const> = require "crumb.core"
local abi <const> = require "crumb.arguments.abi"
local named <const> = require "crumb.arguments.named"
local registers <const> = require "crumb.arguments.registers"

local kernel = {}

local btf, refused

--- The kernel's types, opened once.
--- Errors: nil, message: the kernel has none.
---@return crumb.Btf?
---@return string? message
function kernel.btf()
	if not btf and not refused then btf, refused = core.btf() end
	return btf, refused
end

local prototypes <const> = {}

-- The prototype of the first of these names that has one.
local function prototype(...)
	local source <const>, message <const> = kernel.btf()
	if not source then return nil, message end
	for _, name in ipairs { ... } do
		if prototypes[name] == nil then prototypes[name] = source:prototype(name) or false end
		if prototypes[name] then return prototypes[name] end
	end
	return nil
end

local function no_prototype(name, message)
	if message then return ("%s: arg0 … arg5 work"):format(message) end
	local original <const> = name:match "^([^.]+)%."
	if original then
		return ("the compiler changed the arguments of '%s' when it made '%s' of it: arg0 … arg5 work, as they are there")
			:format(original, name)
	end
	return ("the kernel's BTF does not describe '%s' (it may be in a module or be assembly): arg0 … arg5 work"):format(name)
end

-- Of a kprobe or its return: in the registers of C's convention.
local function of_function(name)
	local found <const>, message <const> = prototype(name)
	if not found then return { missing = no_prototype(name, message), registers = registers.FUNCTION } end
	local places <const> = abi.places(btf, found, "c")
	local args <const> = named.arguments(btf, found.parameters, places, function(word) return registers.word("c", word) end)
	return { args = args, registers = registers.FUNCTION, retval_type = named.result(btf, found) }
end

local function of_word(word) return { context = word * 8, width = 8 } end

-- Of fentry and fexit: a word each in the context, and after them what is returned.
local function of_trampoline(name)
	local found <const>, message <const> = prototype(name)
	if not found then
		return { missing = no_prototype(name, message), registers = registers.of_words(registers.ARGUMENTS) }
	end
	local places <const> = abi.places(btf, found, "c", math.maxinteger)
	local args <const> = named.arguments(btf, found.parameters, places, of_word)
	return {
		args = args, retval_type = named.result(btf, found),
		registers = registers.of_words(places.total or registers.ARGUMENTS, places.total),
	}
end

-- The first parameter, the tracepoint's own data, is not passed on.
local function of_raw_tracepoint(name)
	local found <const>, message <const> = prototype("__traceiter_" .. name, "__bpf_trace_" .. name, "btf_trace_" .. name)
	if not found then
		return {
			missing = ("%s: arg0 … arg5 work"):format(message or
				("the kernel's BTF does not describe the tracepoint '%s'"):format(name)),
			registers = registers.of_words(registers.ARGUMENTS),
		}
	end
	local parameters <const>, places <const> = table.move(found.parameters, 2, #found.parameters, 1, {}), {}
	for i in ipairs(parameters) do places[i] = { word = i - 1 } end
	local args <const> = named.arguments(btf, parameters, places, of_word)
	local missing <const> = #args == 0 and #parameters > 0
		and ("the kernel's BTF does not name the arguments of '%s': arg0 … arg%d work"):format(name, #parameters - 1) or nil
	return { args = not missing and args or nil, missing = missing, registers = registers.of_words(#parameters) }
end

local MAKERS <const> = {
	kprobe = of_function, kretprobe = of_function, fentry = of_trampoline, fexit = of_trampoline,
	rawtracepoint = of_raw_tracepoint, tp_btf = of_raw_tracepoint,
}
local known <const> = {}

--- What there is at a function's entry and return, or at a raw tracepoint.
--- Shape: { args = list or nil, missing = why there is none, registers = …, retval_type = TYPE? }, kept for the next site
--- Source: BTF of the running kernel
---@param site crumb.Site
---@return table
function kernel.of(site)
	local make <const> = MAKERS[site.kind]
	local key <const> = site.kind .. ":" .. site.symbol
	known[key] = known[key] or make(site.symbol)
	return known[key]
end

return kernel
