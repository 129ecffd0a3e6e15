-- crumb.Dwarf: the functions and types of debug information, and the arguments that come of it.
local arguments = require "crumb.arguments"
local choice = require "crumb.bpf.choice"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local lab = require "support.lab"
local sites = require "crumb.bpf.sites"
local target = require "crumb.target"

local COMPILERS <const> = { "gcc", "gcc4", "clang", "packed" }
local ENODATA <const>, ENOENT <const> = 61, 2
local _, _, MACHINE = core.versions()

local function fixture(name) return "build/fixtures/dwarf_" .. name end

local function offset_of(path, name)
	local elf <close> = assert(binaries.elf(path))
	return assert(elf:find(name)[1], name).offset
end

-- The files stay open until the scope is made: what is read is what was resolved.
local function scope_of(path, name, kind)
	local files <close> = choice.files()
	local found, message = sites.resolve({ target.parse(("%s:%s:%s"):format(kind or "uprobe", path, name)) }, {}, files)
	return arguments.scope(assert(found, message)[1])
end

-- "ARG0" and so on, or why there is no such place.
local function places(scope)
	local list = {}
	for i, one in ipairs(scope.args) do
		list[i] = ("%s %s"):format(one.name, one.type.kind == "unknown" and one.type.why or one.load.register)
	end
	return list
end

local function argument(scope, name)
	for _, one in ipairs(scope.args) do
		if one.name == name then return one end
	end
	error("no args." .. name, 2)
end

local function member(dwarf, shape, name)
	for _, one in ipairs(shape.members) do
		if one.name == name then return one, dwarf:type(one.id) end
	end
end

describe("debug information", function()
	it("of every compiler tells a function's parameters and result", function()
		for _, compiler in ipairs(COMPILERS) do
			local path = fixture(compiler)
			local dwarf <close> = assert(binaries.dwarf(path))
			local found = assert(dwarf:prototype(offset_of(path, "scalars")), compiler)
			local list = {}
			-- Compilers call short and bool by several names.
			for i, one in ipairs(found.parameters) do
				list[i] = (i == 2 or i == 4) and one.name or ("%s: %s"):format(one.name, one.type)
			end
			assert.are.same({ "c: char", "s", "i: int", "b", "count: fixed_t", "color: enum color" }, list)
			assert.are.equal("int", found.returns.type)
			assert.are.equal("c", found.convention)
			assert.are.equal("const char *", dwarf:prototype(offset_of(path, "pointers")).returns.type)
			assert.are.same({ "argument" }, { dwarf:prototype(offset_of(path, "often")).parameters[1].name })
		end
	end)

	it("of every compiler tells types as BTF does", function()
		for _, compiler in ipairs(COMPILERS) do
			local dwarf <close> = assert(binaries.dwarf(fixture(compiler)))
			local outer = assert(dwarf:type "struct outer")
			assert.are.equal("struct outer", outer.name)
			assert.are.equal("struct", outer.kind)
			assert.are.equal(88, outer.size)
			local offsets = {}
			for i, one in ipairs(outer.members) do offsets[i] = one.name .. " " .. one.offset end
			assert.are.same({ "name 0", "inner 16", "low 24", "high 24", "number 32", "text 32", "matrix 40", "next 64",
				"color 72", "ratio 80", "rest 88" }, offsets)
			local high = member(dwarf, outer, "high")
			assert.are.same({ 5, 3 }, { high.bits, high.bit_offset })
			local _, name = member(dwarf, outer, "name")
			assert.are.same({ "array", 16, "char" }, { name.kind, name.count, name.element.name })
			local _, matrix = member(dwarf, outer, "matrix")
			assert.are.same({ "array", 6, 24, "int" }, { matrix.kind, matrix.count, matrix.size, matrix.element.name })
			local _, rest = member(dwarf, outer, "rest")
			assert.are.same({ "array", 0 }, { rest.kind, rest.count })
			local _, color = member(dwarf, outer, "color")
			assert.are.same({
				{ name = "RED", value = 0 }, { name = "GREEN", value = 7 }, { name = "BLUE", value = 8 },
			}, color.values)
			assert.is_false(color.signed)
			local _, ratio = member(dwarf, outer, "ratio")
			assert.are.same({ "float", 8 }, { ratio.kind, ratio.size })
			local below = dwarf:type "enum below"
			assert.are.same({ true, -3 }, { below.signed, below.values[1].value })
		end
	end)

	it("follows what one unit only declares to the one that defines it", function()
		for _, compiler in ipairs(COMPILERS) do
			local hidden = argument(scope_of(fixture(compiler), "pointers"), "hidden").type.target()
			assert.are.equal("struct", hidden.kind)
			assert.are.equal(0, hidden.member "secret".offset)
		end
	end)

	it("is missing with the reason, and what works", function()
		local dwarf, message, errno = binaries.dwarf(fixture "none")
		assert.is_nil(dwarf)
		assert.are.equal("read the debug information of build/fixtures/dwarf_none: "
			.. "the file has no debug information (no .debug_info)", message)
		assert.are.equal(ENODATA, errno)
		local scope = scope_of(fixture "none", "scalars")
		assert.is_nil(scope.args)
		assert.are.equal("the file has no debug information (no .debug_info): arg0 … arg5 work", scope.args_missing)
		local inside = scope_of(fixture "gcc", "scalars+1")
		assert.are.equal("the file's debug information tells of no function there: arg0 … arg5 work", inside.args_missing)
	end)

	it("refuses questions that make no sense", function()
		local dwarf <close> = assert(binaries.dwarf(fixture "gcc"))
		local found, message, errno = dwarf:prototype(0)
		assert.is_nil(found)
		assert.matches("^the offset lies in no executable segment", message)
		assert.are.equal(ENOENT, errno)
		assert.is_nil((dwarf:type "struct nothing"))
		for _, id in ipairs { 0, -1, math.maxinteger, math.mininteger, 1 << 40 } do
			assert.has_error(function() dwarf:type(id) end)
		end
		dwarf:close()
		assert.has_error(function() dwarf:type(1) end)
	end)
end)

describe("the arguments of a function with debug information", function()
	if MACHINE ~= "x86_64" then return end

	it("lie where C's convention has them", function()
		for _, compiler in ipairs(COMPILERS) do
			local path = fixture(compiler)
			assert.are.same({ "c ARG0", "s ARG1", "i ARG2", "b ARG3", "count ARG4", "color ARG5" },
				places(scope_of(path, "scalars")))
			local float = " it is a floating-point number, whose registers BPF does not see"
			assert.are.same({ "first ARG0", "ratio" .. float, "less" .. float, "second ARG1" }, places(scope_of(path, "floats")))
			local struct = " it is a struct passed by value, "
			assert.are.same({ "small" .. struct .. "in arg0", "mixed" .. struct .. "in arg1", "large" .. struct .. "on the stack",
				"last ARG2" }, places(scope_of(path, "structs")))
			-- The first register holds the address of what is returned.
			assert.are.same({ "first ARG1" }, places(scope_of(path, "returns_large")))
			local many = places(scope_of(path, "many"))
			assert.are.same({ "f ARG5", "g it lies on the stack: 6 registers hold arguments" }, { many[6], many[7] })
			assert.are.same({ "value ARG0" }, places(scope_of(path, "below")))
		end
	end)

	it("are of their types, and so is the result", function()
		local scope = scope_of(fixture "gcc", "scalars", "uretprobe")
		assert.are.equal("uretprobe", scope.hook)
		assert.are.same({ 1, true }, { argument(scope, "c").type.size, argument(scope, "c").type.signed })
		assert.are.same({ 2, false }, { argument(scope, "s").type.size, argument(scope, "s").type.signed })
		assert.are.equal("bool", argument(scope, "b").type.kind)
		assert.are.equal(8, argument(scope, "color").type.values.BLUE)
		assert.are.same({ 4, true }, { scope.retval_type.size, scope.retval_type.signed })
		assert.is_nil(scope_of(fixture "gcc", "floats").retval_type)
		local outer = argument(scope_of(fixture "gcc", "pointers"), "outer").type.target()
		assert.are.equal(20, outer.member "inner".offset + outer.member "inner".type.member "y".offset)
		assert.is_nil(argument(scope_of(fixture "gcc", "pointers"), "any").type.target())
	end)

	it("of C++ are this, references, and addresses of objects that are not copied", function()
		local path = fixture "cxx"
		local elf <close> = binaries.elf(path)
		if not elf then pending "there is no C++ compiler" end
		local function of(name)
			return scope_of(path, "_ZN5outer5inner" .. name)
		end
		assert.are.same({ "this ARG0", "by ARG1", "other ARG2" }, places(of "5Thing3addEiRKS1_"))
		assert.are.same({ "number ARG0" }, places(of "5Thing5twiceEl"))
		assert.are.same({ "owned ARG0", "last ARG1" }, places(of "5takesENS0_5OwnedEi"))
		assert.are.equal(0, argument(of "5takesENS0_5OwnedEi", "owned").type.target().member "a".offset)
		assert.are.same({ "first ARG1" }, places(of "5makesEi"))
		assert.are.same({ "a ARG0", "b ARG1" }, places(of "6largerIlEET_S2_S2_"))
		local kind = of "4kindENS0_4KindEMNS0_5ThingElRb"
		assert.are.same({ "kind ARG0", "member ARG1", "flag ARG2" }, places(kind))
		assert.are.equal(200, argument(kind, "kind").type.values.large)
		-- A base class's members are the class's; static ones are not in the object.
		local thing = argument(of "5Thing3addEiRKS1_", "this").type.target()
		assert.are.equal(0, thing.member "base".offset)
		assert.are.equal(8, thing.member "value".offset)
		assert.is_nil(thing.member "shared")
	end)

	it("of Go lie in Go's registers", function()
		local path = "build/fixtures/example_go"
		local elf <close> = binaries.elf(path)
		if not elf then pending "there is no Go compiler" end
		local scope = scope_of(path, "runtime.memequal0")
		assert.are.same({ context = 80, width = 8 }, scope.registers.arg0)
		assert.are.same({ context = 40, width = 8 }, scope.registers.arg1)
		assert.are.same({ context = 80, width = 8 }, scope.registers.retval) -- at the end of a call, where results lie
		local grow = scope_of(path, "runtime.growslice")
		assert.are.same({ "et 80", "cap 104" }, (function()
			local list = {}
			for _, one in ipairs(grow.args) do
				if one.load.context then list[#list + 1] = one.name .. " " .. one.load.context end
			end
			return list
		end)())
	end)

	it("are read once a function, and given back", function()
		local first = scope_of(fixture "gcc", "scalars")
		assert.are.equal(first.args, scope_of(fixture "gcc", "scalars").args)
		first = nil
		local before = lab.descriptors()
		for _ = 1, 3 do
			local scope = scope_of(fixture "clang", "pointers")
			assert.is_table(scope.args)
		end
		assert.is_nil(first)
		assert.is_true(lab.descriptors() <= before)
	end)
end)

describe("debug information that lies", function()
	-- Asks all that can be asked of what was opened; every answer is a table, or nil with a reason.
	local function ask(dwarf, offsets)
		for _, offset in ipairs(offsets) do
			local found, message = dwarf:prototype(offset)
			for _, one in ipairs(found and found.parameters or {}) do
				local pending_types, seen, left = { one.id }, {}, 200
				while #pending_types > 0 and left > 0 do
					left = left - 1
					local id = table.remove(pending_types)
					local shape = id ~= 0 and not seen[id] and select(2, pcall(dwarf.type, dwarf, id))
					seen[id] = true
					if type(shape) == "table" then
						if shape.element then pending_types[#pending_types + 1] = shape.element.id end
						for _, each in ipairs(shape.members or {}) do pending_types[#pending_types + 1] = each.id end
					end
				end
			end
			assert.is_true(type(found) == "table" or type(message) == "string")
		end
	end

	it("gives answers or reasons, and nothing worse", function()
		local path, copy = fixture "gcc", os.tmpname()
		local bytes = lab.read(path)
		local offsets = {}
		for i, name in ipairs { "scalars", "pointers", "structs", "often" } do offsets[i] = offset_of(path, name) end
		-- The sections lie behind what is loaded; their headers come last.
		local from = bytes:find("GCC: ", 1, true)
		local seed = 88172645463325252
		local function random(limit)
			seed = seed ~ (seed << 13)
			seed = seed ~ (seed >> 7)
			seed = seed ~ (seed << 17)
			return (seed >> 1) % limit
		end
		local asked = 0
		for _ = 1, lab.times(600) do
			local changed = bytes
			for _ = 1, 1 + random(8) do
				local at = from + random(#bytes - from - 8)
				local length = 1 + random(4)
				local what = ("<I4"):pack(random(3) == 0 and 0xffffffff or random(1 << 32)):sub(1, length)
				changed = changed:sub(1, at) .. what .. changed:sub(at + length + 1)
			end
			local file = assert(io.open(copy, "wb"))
			file:write(changed)
			file:close()
			local dwarf = binaries.dwarf(copy)
			if dwarf then
				asked = asked + 1
				ask(dwarf, offsets)
				dwarf:close()
			end
		end
		os.remove(copy)
		assert.is_true(asked > 0)
	end)

	it("may end anywhere", function()
		local path, copy = fixture "gcc4", os.tmpname()
		local bytes = lab.read(path)
		local offset = offset_of(path, "pointers")
		for length = #bytes - 1, 64, lab.slow and -4001 or -401 do
			local file = assert(io.open(copy, "wb"))
			file:write(bytes:sub(1, length))
			file:close()
			local dwarf, message = binaries.dwarf(copy)
			if dwarf then
				ask(dwarf, { offset })
				dwarf:close()
			else
				assert.is_string(message)
			end
		end
		os.remove(copy)
	end)
end)
