-- crumb.arguments: what args.NAME, argN, retval and reg.NAME are at the sites of each kind of hook.
local arguments = require "crumb.arguments"
local core = require "crumb.core"
local abi = require "crumb.arguments.abi"
local format = require "crumb.arguments.format"

local _, _, MACHINE = core.versions()

-- A type in a few characters: "i4" and "u4" integers, "*" pointers, "[n]" arrays.
local function words(type, depth)
	depth = depth or 0
	if not type then return "void" end
	if type.kind == "pointer" then return "*" .. (depth < 2 and words(type.target(), depth + 1) or "") end
	if type.kind == "array" then return ("[%d]"):format(type.count) .. words(type.element(), depth + 1) end
	if type.kind == "struct" then return type.name end
	if type.kind == "int" then return (type.signed and "i" or "u") .. type.size end
	return type.kind .. (type.size or "")
end

local function argument(scope, name)
	for _, one in ipairs(scope.args or {}) do
		if one.name == name then return one end
	end
	error(("no args.%s (%s)"):format(name, scope.args_missing or "there are others"), 2)
end

-- Checks an argument's place and type.
local function check(scope, name, load, type)
	local found = argument(scope, name)
	assert.are.same(load, found.load)
	assert.are.equal(type, words(found.type))
end

local function names(scope)
	local list = {}
	for i, one in ipairs(scope.args) do list[i] = one.name end
	return list
end

local function scope_of(kind, name, more)
	local site = more or {}
	site.kind, site.symbol, site.name = kind, site.symbol or name, name
	return arguments.scope(site)
end

local function with_btf()
	if not core.btf() then pending "this kernel has no BTF" end
end

describe("the arguments of kernel functions", function()
	before_each(with_btf)

	it("lie in registers, by the prototype", function()
		for _, kind in ipairs { "kprobe", "kretprobe" } do
			local scope = scope_of(kind, "vfs_read")
			assert.are.equal(kind, scope.hook)
			assert.are.same({ "file", "buf", "count", "pos" }, names(scope))
			check(scope, "file", { register = "ARG0" }, "*struct file")
			check(scope, "count", { register = "ARG2" }, "u8")
			check(scope, "pos", { register = "ARG3" }, "*i8")
			assert.are.equal("i8", words(scope.retval_type))
			assert.are.same(scope.registers["reg.ax"] or scope.registers["reg.x0"], scope.registers.retval)
			assert.are.same({ register = "ARG5" }, scope.registers.arg5)
			assert.is_nil(scope.args_missing)
		end
	end)

	it("lie in the context of fentry and fexit, as wide as they are declared", function()
		local scope = scope_of("fexit", "do_sys_openat2")
		check(scope, "dfd", { context = 0, width = 4, signed = true }, "i4")
		check(scope, "how", { context = 16, width = 8 }, "*struct open_how")
		assert.are.same({
			arg0 = { context = 0, width = 8 }, arg1 = { context = 8, width = 8 }, arg2 = { context = 16, width = 8 },
			retval = { context = 24, width = 8 },
		}, scope.registers)
	end)

	it("have members by name", function()
		local file = argument(scope_of("kprobe", "vfs_read"), "file").type.target()
		local flags = file.member "f_flags"
		assert.are.equal("u4", words(flags.type))
		assert.is_true(flags.offset > 0)
		assert.is_nil(file.member "f_nothing")
	end)

	it("have no names within a function, in variants of the compiler's, and where BTF is silent", function()
		local inside = scope_of("kprobe", "vfs_read", { offset = 4 })
		assert.is_nil(inside.args)
		assert.are.equal("within a function its arguments may lie anywhere: registers work, as they are at +0x4",
			inside.args_missing)
		assert.are.same({ register = "ARG0" }, inside.registers.arg0)
		local variant = scope_of("kprobe", "crumb_none.isra.0")
		assert.is_nil(variant.args)
		assert.are.equal("the compiler changed the arguments of 'crumb_none' when it made 'crumb_none.isra.0' of it: "
			.. "arg0 … arg5 work, as they are there", variant.args_missing)
		assert.are.equal("the kernel's BTF does not describe 'crumb_none' (it may be in a module or be assembly): "
			.. "arg0 … arg5 work", scope_of("kprobe", "crumb_none").args_missing)
	end)

	it("are shared by the sites of one function", function()
		assert.are.equal(scope_of("kprobe", "vfs_read").args, scope_of("kprobe", "vfs_read").args)
	end)

	it("of raw tracepoints are words of the context", function()
		for _, kind in ipairs { "rawtracepoint", "tp_btf" } do
			local scope = scope_of(kind, "sys_enter")
			assert.are.equal("rawtracepoint", scope.hook)
			assert.are.same({ arg0 = { context = 0, width = 8 }, arg1 = { context = 8, width = 8 } }, scope.registers)
			check(scope, "regs", { context = 0, width = 8 }, "*struct pt_regs")
			check(scope, "id", { context = 8, width = 8, signed = true }, "i8")
		end
		assert.are.equal("the kernel's BTF does not describe the tracepoint 'crumb_none': arg0 … arg5 work",
			scope_of("rawtracepoint", "crumb_none").args_missing)
	end)
end)

describe("the arguments of tracepoints", function()
	it("are the fields of the format", function()
		local scope = scope_of("tracepoint", "sched_switch", { category = "sched" })
		assert.are.equal("tracepoint", scope.hook)
		assert.are.same({ "prev_comm", "prev_pid", "prev_prio", "prev_state", "next_comm", "next_pid", "next_prio" },
			names(scope))
		check(scope, "prev_pid", { context = 24, width = 4, signed = true }, "i4")
		assert.are.same({ context = 8, width = 16 }, argument(scope, "prev_comm").load)
		assert.are.equal(16, argument(scope, "prev_comm").type.count)
		assert.are.same({}, scope.registers)
		assert.are.equal("a tracepoint has no registers: args.NAME works", scope.registers_missing)
	end)

	it("may be told by where they lie in the record", function()
		local scope = scope_of("tracepoint", "sched_process_exec", { category = "sched" })
		assert.are.same({ data_location = 8 }, argument(scope, "filename").load)
		assert.are.equal("pointer", argument(scope, "filename").type.kind)
		assert.are.equal(1, argument(scope, "filename").type.target().size)
	end)

	it("are a system call's, with the words as argN", function()
		local scope = scope_of("syscall", "openat")
		assert.are.equal("tracepoint", scope.hook)
		assert.are.same({ "dfd", "filename", "flags", "mode" }, names(scope))
		check(scope, "dfd", { context = 16, width = 4, signed = true }, "i4")
		assert.are.same({ context = 24, width = 8, signed = false }, argument(scope, "filename").load)
		assert.are.same({ context = 40, width = 8 }, scope.registers.arg3)
		assert.is_nil(scope.registers.arg4)
		assert.are.same({ context = 16, width = 8, signed = true }, scope.registers.retval)
	end)

	it("are missing with the reason where there is no such tracepoint", function()
		local scope = scope_of("tracepoint", "crumb_none", { category = "sched" })
		assert.is_nil(scope.args)
		assert.matches("no tracepoint 'crumb_none' in sched", scope.args_missing, 1, true)
	end)

	it("are read from lines of a format", function()
		local function field(line) return format.field("\tfield:" .. line) end
		assert.are.same({ name = "a", declaration = "const char *", offset = 8, size = 8, signed = false, array = false,
			brackets = "" },
			field "const char * a;\toffset:8;\tsize:8;\tsigned:0;")
		assert.are.same({ name = "args", declaration = "unsigned long", offset = 16, size = 48, signed = false, array = true,
			brackets = "[6]" },
			field "unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;")
		assert.are.same({ name = "x", declaration = "char", offset = 8, size = 4, signed = true, array = true,
			brackets = "[]", located = "rel" }, field "__rel_loc char[] x;\toffset:8;\tsize:4;\tsigned:1;")
		assert.is_nil(field "int a;\toffset:100000;\tsize:4;\tsigned:1;")
		assert.is_nil(field "int;\toffset:8;\tsize:4;\tsigned:1;")
		assert.is_nil(format.field "print fmt: \"field:%d\"")
	end)

	it("says which fields are network addresses", function()
		local function addresses(line)
			local list = {}
			for name in pairs(format.addresses(line)) do list[#list + 1] = name end
			table.sort(list)
			return table.concat(list, " ")
		end
		assert.equal("daddr_v6 saddr", addresses([[print fmt: "family=%s at %5.2llu%% %pS saddr=%pI4 v6=%pI6c", ]]
			.. [[__print_symbolic(REC->family, { 2, "A,\"F" }, { 10, "B" }), (REC->a, REC->b), REC->ip, (REC->saddr), &REC->daddr_v6]]))
		assert.equal("", addresses [[print fmt: "%pI4 %pI6 %pISpc", f(REC->saddr), REC->a + 1, REC->peer]])
		assert.equal("", addresses [[print fmt: "%pI4"]])
		assert.equal("", addresses [[print fmt: "%pI4 %d, "x, (((]])
		assert.equal("", addresses "")
	end)
end)

describe("the registers of samples", function()
	it("lie where the context points", function()
		for _, kind in ipairs { "profile", "software", "hardware" } do
			local scope = arguments.scope { kind = kind, symbol = "hz:99" }
			assert.are.equal("perf", scope.hook)
			local offset = MACHINE == "aarch64" and 248 or 152
			assert.are.same({ memory = { context = 0, width = 8 }, offset = offset, width = 8 }, scope.registers.sp)
			assert.is_nil(scope.args)
			assert.are.equal("a sample has no arguments: ip, sp and reg.NAME work", scope.args_missing)
		end
	end)

	it("are pt_regs' at functions", function()
		local name, offset = "reg.r10", 56
		if MACHINE == "aarch64" then name, offset = "reg.x10", 80 end
		assert.are.same({ context = offset, width = 8 }, arguments.scope { kind = "kprobe", symbol = "x" }.registers[name])
	end)
end)

describe("C's convention", function()
	if MACHINE ~= "x86_64" then return end
	local INT, FLOAT, PAIR, MIXED, FLOATS, LARGE, WIDE = 1, 2, 3, 4, 5, 6, 7
	local shapes = {
		[INT] = { kind = "int", size = 4 }, [FLOAT] = { kind = "float", size = 8 },
		[PAIR] = { kind = "struct", size = 16, members = { { id = INT, offset = 0 }, { id = INT, offset = 8 } } },
		[MIXED] = { kind = "struct", size = 16, members = { { id = FLOAT, offset = 0 }, { id = INT, offset = 8 } } },
		[FLOATS] = { kind = "struct", size = 16, members = { { id = FLOAT, offset = 0 }, { id = FLOAT, offset = 8 } } },
		[LARGE] = { kind = "struct", size = 24, members = {} }, [WIDE] = { kind = "raw", size = 16 },
	}
	local source = { type = function(_, id) return shapes[id] end }

	-- Where the integers lie among what is passed: a number, or "-".
	local function placed(...)
		local parameters, out = {}, {}
		for i, id in ipairs { ... } do parameters[i] = { id = id } end
		local places = abi.places(source, { parameters = parameters, returns = { id = 0 } }, "c")
		for i, place in ipairs(places) do out[i] = place.word or "-" end
		return out, places
	end

	it("passes integers in order, and floating point elsewhere", function()
		assert.are.same({ 0, "-", 1 }, (placed(INT, FLOAT, INT)))
		assert.are.same({ 0, 1, 2, 3, 4, 5, "-" }, (placed(INT, INT, INT, INT, INT, INT, INT)))
	end)

	it("gives small structs the registers that their words need, if all are free", function()
		assert.are.same({ "-", 2 }, (placed(PAIR, INT)))
		assert.are.same({ "-", 1 }, (placed(MIXED, INT)))
		assert.are.same({ "-", 0 }, (placed(FLOATS, INT)))
		assert.are.same({ "-", 0 }, (placed(LARGE, INT)))
		assert.are.same({ "-", 2 }, (placed(WIDE, INT)))
		assert.are.same({ 0, 1, 2, 3, 4, "-", 5 }, (placed(INT, INT, INT, INT, INT, PAIR, INT)))
	end)

	it("says what is lost behind a type that is not known", function()
		local _, places = placed(INT, 99, INT)
		assert.are.same({ word = 0 }, places[1])
		assert.are.same({ why = "its type cannot be read" }, places[2])
		assert.are.same({ why = "its register is not known: '?' comes before it, and its type cannot be read" }, places[3])
		assert.is_nil(places.total)
	end)
end)
