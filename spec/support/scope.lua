-- Scopes for specs of expressions: what arguments would say of made-up hooks.
local scope = {}

local function int(size, signed, char) return { kind = "int", size = size, signed = signed, char = char or false } end

local TYPES = {
	u8 = int(1, false), u16 = int(2, false), u32 = int(4, false), u64 = int(8, false),
	s8 = int(1, true), s16 = int(2, true), s32 = int(4, true), s64 = int(8, true),
	char = int(1, true, true), bool = { kind = "bool", size = 1 },
	state = { kind = "enum", size = 4, signed = false, values = { RUNNING = 0, SLEEPING = 1, DEAD = 64 } },
	float = { kind = "unknown", why = "it is a floating-point number" },
	wide = int(16, true),
}
scope.TYPES = TYPES

local function pointer(to) return { kind = "pointer", target = function() return to end } end
local function array(count, of) return { kind = "array", count = count, element = function() return of end } end

local function struct(name, size, members)
	local names = {}
	for member in pairs(members) do names[#names + 1] = member end
	table.sort(names)
	return {
		kind = "struct", name = name, size = size, member = function(member) return members[member] end,
		names = function() return names end,
	}
end

-- struct inode { u64 ino; char name[8]; u32 mode:4, kind:3, :1, depth:20 (signed); struct in6 { u8 bytes[16] } }
TYPES.inode = struct("struct inode", 36, {
	ino = { offset = 0, type = TYPES.u64 },
	name = { offset = 8, type = array(8, TYPES.char) },
	mode = { offset = 16, type = TYPES.u32, bit_offset = 0, bits = 4 },
	kind = { offset = 16, type = TYPES.u32, bit_offset = 4, bits = 3 },
	depth = { offset = 17, type = TYPES.s32, bit_offset = 0, bits = 20 },
	address = { offset = 20, type = struct("struct in6", 16, { bytes = { offset = 0, type = array(16, TYPES.u8) } }) },
})
-- struct file { struct inode *inode; struct inode own; s16 numbers[4]; char *path; void *data; state; bool }
TYPES.file = struct("struct file", 80, {
	inode = { offset = 0, type = pointer(TYPES.inode) },
	own = { offset = 8, type = TYPES.inode },
	numbers = { offset = 44, type = array(4, TYPES.s16) },
	path = { offset = 56, type = pointer(TYPES.char) },
	data = { offset = 64, type = pointer(nil) },
	state = { offset = 72, type = TYPES.state },
	ratio = { offset = 72, type = TYPES.float },
	is_open = { offset = 76, type = TYPES.bool },
	next = { offset = 0, type = pointer(pointer(TYPES.file)) },
})

local function registers()
	local loads = { sp = { register = "SP" }, ip = { register = "IP" }, retval = { register = "RETVAL" } }
	for number = 0, 5 do loads["arg" .. number] = { register = "ARG" .. number } end
	loads["reg.ax"] = { context = 80, width = 8 }
	return loads
end

-- Each with the changes that a spec wants.
local function with(base, more)
	for key, value in pairs(more or {}) do base[key] = value end
	return base
end

--- A user function without debug information.
function scope.uprobe(more)
	return with({
		hook = "uprobe", registers = registers(), site_count = 1,
		args_missing = "user functions have no named arguments: arg0 … arg5 work",
	}, more)
end

--- A kernel function with typed arguments in registers.
function scope.kprobe(more)
	return with({
		hook = "kprobe", registers = registers(), site_count = 1,
		args = {
			{ name = "file", load = { register = "ARG0" }, type = pointer(TYPES.file) },
			{ name = "fd", load = { register = "ARG1" }, type = TYPES.s32 },
			{ name = "size", load = { register = "ARG2" }, type = TYPES.u64 },
			{ name = "mode", load = { register = "ARG3" }, type = TYPES.u16 },
			{ name = "state", load = { register = "ARG4" }, type = TYPES.state },
			{ name = "count", load = { register = "ARG5" }, type = TYPES.u32 },
			{ name = "seventh", load = { memory = { register = "SP" }, offset = 8, width = 8, signed = true }, type = TYPES.s64 },
			{ name = "ratio", load = { constant = 0 }, type = TYPES.float },
		},
		kernel = function() return scope.source end,
	}, more)
end

--- A tracepoint: fields in its record.
function scope.tracepoint(more)
	return with({
		hook = "tracepoint", registers = {}, registers_missing = "a tracepoint has no registers: args.NAME works",
		site_count = 1,
		args = {
			{ name = "prev_comm", load = { context = 8, width = 16 }, type = array(16, TYPES.char) },
			{ name = "prev_pid", load = { context = 24, width = 4 }, type = TYPES.s32 },
			{ name = "address", load = { context = 28, width = 4 }, type = array(4, TYPES.u8) },
			{ name = "filename", load = { data_location = 32 }, type = pointer(TYPES.char) },
			{ name = "flags", load = { context = 40, width = 8 }, type = TYPES.s32 },
			{ name = "delta", load = { context = 48, width = 8 }, type = TYPES.u64 },
		},
	}, more)
end

--- A system call's two tracepoints.
function scope.syscall(more)
	return with({
		hook = "tracepoint", site_count = 1, registers = {
			retval = { context = 16, width = 8, signed = true }, arg0 = { context = 16, width = 8 },
		},
		retval_type = TYPES.s64,
		args = {
			{ name = "fd", load = { context = 16, width = 4, signed = true }, type = TYPES.s32 },
			{ name = "buf", load = { context = 24, width = 8 }, type = pointer(TYPES.char) },
		},
	}, more)
end

-- struct task_struct { s32 pid; char comm[16]; struct task_struct *parent }, as crumb.Btf has it
local SHAPES = {
	["struct task_struct"] = {
		id = 1, name = "struct task_struct", kind = "struct", size = 32,
		members = {
			{ name = "pid", type = "int", id = 2, offset = 0 }, { name = "comm", type = "char[16]", id = 3, offset = 4 },
			{ name = "parent", type = "struct task_struct *", id = 5, offset = 24 },
		},
	},
	{},
	{ id = 2, name = "int", kind = "int", size = 4, signed = true },
	{ id = 3, name = "char[16]", kind = "array", size = 16, count = 16, element = { name = "char", id = 4 } },
	{ id = 4, name = "char", kind = "int", size = 1, signed = true },
	{ id = 5, name = "struct task_struct *", kind = "pointer", size = 8, element = { name = "struct task_struct", id = 1 } },
}
SHAPES[1] = SHAPES["struct task_struct"]

scope.source = { type = function(_, id) return SHAPES[id], "no such type", 2 end }

return scope
