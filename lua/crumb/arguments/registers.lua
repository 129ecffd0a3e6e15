--- registers: where argN, retval, sp, ip and reg.NAME are at each kind of hook.

local core <const> = require "crumb.core"

local registers = {}

local _ <const>, _ <const>, MACHINE <const> = core.versions()

--- How many arguments the frame holds.
registers.ARGUMENTS = 6

-- Offsets in struct pt_regs; and what other names the processor's manual has.
local PT_REGS <const> = {
	x86_64 = {
		r15 = 0, r14 = 8, r13 = 16, r12 = 24, bp = 32, bx = 40, r11 = 48, r10 = 56, r9 = 64, r8 = 72,
		ax = 80, cx = 88, dx = 96, si = 104, di = 112, orig_ax = 120, ip = 128, cs = 136, flags = 144,
		sp = 152, ss = 160,
		rbp = 32, rbx = 40, rax = 80, rcx = 88, rdx = 96, rsi = 104, rdi = 112, rip = 128, rsp = 152,
		eflags = 144, rflags = 144,
	},
	aarch64 = { sp = 248, pc = 256, pstate = 264, ip = 256, fp = 232, lr = 240 },
}
for number = 0, 30 do PT_REGS.aarch64["x" .. number] = number * 8 end

--- The offset of a register in struct pt_regs, by its name on this machine, or on `machine`.
---@param name string
---@param machine string?
---@return integer? offset
function registers.offset(name, machine)
	return (PT_REGS[machine or MACHINE] or {})[name]
end

-- What a function returns lies in it.
local RETVAL <const> = { x86_64 = "ax", aarch64 = "x0" }

-- Of a hook whose context is pt_regs; the frame keeps the arguments, for the end of a pair.
local function of_function()
	local loads <const> = {}
	for name, register in pairs { sp = "sp", ip = "ip", retval = RETVAL[MACHINE] } do
		loads[name] = { context = registers.offset(register), width = 8 }
	end
	for number = 0, registers.ARGUMENTS - 1 do
		loads["arg" .. number] = { register = "ARG" .. number }
	end
	for name, offset in pairs(PT_REGS[MACHINE] or {}) do
		loads["reg." .. name] = { context = offset, width = 8 }
	end
	return loads
end

-- The context's first word is the address of pt_regs.
local function of_perf_event()
	local loads <const> = {}
	for name, offset in pairs(PT_REGS[MACHINE] or {}) do
		local load <const> = { memory = { context = 0, width = 8 }, offset = offset, width = 8 }
		loads["reg." .. name] = load
		if name == "sp" or name == "ip" then loads[name] = load end
	end
	return loads
end

--- Of a kprobe, a uprobe, their returns, and of usdt.
registers.FUNCTION = of_function()

-- The registers of Go's own convention, in their order.
local GO <const> = {
	x86_64 = { "ax", "bx", "cx", "di", "si", "r8", "r9", "r10", "r11" },
	aarch64 = { "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15" },
}

-- The words of C's convention that the frame does not hold lie in these.
local C_MORE <const> = { aarch64 = { [6] = "x6", [7] = "x7" } }

--- The place of the word number N, from 0, that a function is passed by a convention.
---@param convention string c, rust or go
---@param word integer
---@return table? LOAD
function registers.word(convention, word)
	if convention == "go" then
		local name <const> = (GO[MACHINE] or {})[word + 1]
		return name and { context = registers.offset(name), width = 8 }
	end
	if word < registers.ARGUMENTS then return { register = "ARG" .. word } end
	local name <const> = (C_MORE[MACHINE] or {})[word]
	return name and { context = registers.offset(name), width = 8 }
end

-- The registers that DWARF's numbers mean, from 0 on.
local DWARF <const> = {
	x86_64 = {
		"ax", "dx", "cx", "bx", "si", "di", "bp", "sp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	},
	aarch64 = {},
}
for number = 0, 30 do DWARF.aarch64[number + 1] = "x" .. number end

-- Those of them that the frame holds; what it holds is kept for the return.
local FRAME <const> = {
	x86_64 = { di = "ARG0", si = "ARG1", dx = "ARG2", cx = "ARG3", r8 = "ARG4", r9 = "ARG5" },
	aarch64 = { x0 = "ARG0", x1 = "ARG1", x2 = "ARG2", x3 = "ARG3", x4 = "ARG4", x5 = "ARG5" },
}

--- Whether two LOADs are of one register.
---@param a table
---@param b table
---@return boolean
function registers.same(a, b)
	local function place(load)
		for name, kept in pairs(FRAME[MACHINE] or {}) do
			if kept == load.register then return registers.offset(name) end
		end
		return load.context
	end
	return place(a) == place(b)
end

--- The register that DWARF calls by that number.
---@param number integer
---@return table? LOAD
function registers.numbered(number)
	local name <const> = (DWARF[MACHINE] or {})[number + 1]
	if not name then return nil end
	local kept <const> = FRAME[MACHINE][name]
	return kept and { register = kept } or { context = registers.offset(name), width = 8 }
end

-- Of Go's functions, whose results lie in the registers of its arguments: the first one where C's does.
local function of_go()
	local loads <const> = {}
	for name, load in pairs(registers.FUNCTION) do loads[name] = load end
	for number in ipairs(GO[MACHINE] or {}) do
		loads["arg" .. number - 1] = registers.word("go", number - 1)
	end
	return loads
end
registers.GO = of_go()

--- Of profile, software and hardware.
registers.PERF_EVENT = of_perf_event()

--- Of a hook whose context is an array of so many words.
---@param count integer
---@param retval integer? the word that holds what the function returned
---@return table<string, table>
function registers.of_words(count, retval)
	local loads <const> = {}
	for number = 0, count - 1 do
		loads["arg" .. number] = { context = number * 8, width = 8 }
	end
	if retval then loads.retval = { context = retval * 8, width = 8 } end
	return loads
end

return registers
