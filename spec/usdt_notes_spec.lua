-- USDT notes: where a probe's places and semaphores lie, and what its arguments are.
local arguments = require "crumb.arguments"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local Elf = require "support.elf"
local lab = require "support.lab"
local sites = require "crumb.bpf.sites"
local target = require "crumb.target"
local usdt = require "crumb.arguments.usdt"

local VICTIM <const> = "build/fixtures/victim"
local _, _, MACHINE = core.versions()

-- Where the three addresses of each note lie, and the probe's name.
local function notes(bytes)
	local at, _, size = Elf.section(bytes, ".note.stapsdt")
	local list, place = {}, at
	while place < at + size do
		local name, length = ("<I4I4"):unpack(bytes, place + 1)
		local text = place + 12 + ((name + 3) & ~3)
		local _, after = ("z"):unpack(bytes, text + 25)
		list[#list + 1] = { at = text, name = ("z"):unpack(bytes, after) }
		place = text + ((length + 3) & ~3)
	end
	return list
end

local function note_of(bytes, name)
	for _, note in ipairs(notes(bytes)) do
		if note.name == name then return note.at end
	end
end

local function patched(changes)
	local bytes = lab.read(VICTIM)
	for _, change in ipairs(changes(bytes)) do
		bytes = Elf.patch(bytes, change[1], change[2])
	end
	local path = os.tmpname()
	local file = assert(io.open(path, "wb"))
	file:write(bytes)
	file:close()
	local elf = assert(binaries.elf(path))
	os.remove(path)
	return elf
end

describe("the places of a USDT probe", function()
	it("are told with semaphore and arguments", function()
		local elf <close> = assert(binaries.elf(VICTIM))
		local places, wrong = elf:usdt_probes("crumb", "guarded")
		assert.are.equal(3, #places)
		assert.are.equal(0, wrong)
		local first = places[1].semaphore
		local data, _, size = Elf.section(lab.read(VICTIM), ".probes")
		assert.is_true(first >= data and first < data + size)
		for _, place in ipairs(places) do
			assert.are.equal(first, place.semaphore)
			assert.is_true(elf:executable(place.offset))
		end
		local once = elf:usdt_probes("crumb", "once")
		assert.are.equal(1, #once)
		assert.are.equal("", once[1].arguments)
		assert.are_not.equal(first, once[1].semaphore)
		assert.are.same({}, (elf:usdt_probes("crumb", "nothing")))
		assert.are.same({}, (elf:usdt_probes("crum", "guarded")))
	end)

	it("follow a file that was moved after its notes were written", function()
		local elf <close> = assert(binaries.elf(VICTIM))
		local plain = elf:usdt_probes("crumb", "guarded")
		-- The base is where it was, and the notes say it was 64 bytes before.
		local moved <close> = patched(function(bytes)
			local changes = {}
			for i, note in ipairs(notes(bytes)) do
				local location, base, semaphore = ("<I8I8I8"):unpack(bytes, note.at + 1)
				changes[i] = { note.at, ("<I8I8I8"):pack(location - 64, base - 64, semaphore - 64) }
			end
			return changes
		end)
		assert.are.same(plain, (moved:usdt_probes("crumb", "guarded")))
	end)

	it("are left out where the notes are wrong", function()
		local elf <close> = patched(function(bytes)
			-- A location, and another probe's semaphore.
			return {
				{ note_of(bytes, "once"), ("<I8"):pack(0x7fffffffffff) }, { note_of(bytes, "guarded") + 16, ("<I8"):pack(8) },
			}
		end)
		local once, wrong = elf:usdt_probes("crumb", "once")
		assert.are.same({ 0, 1 }, { #once, wrong })
		local guarded, others = elf:usdt_probes("crumb", "guarded")
		assert.are.same({ 2, 1 }, { #guarded, others })
		local found, message = require "crumb.names.usdt".probes(target.parse(("usdt:%s:crumb:once"):format(VICTIM)), elf)
		assert.is_nil(found)
		assert.are.equal("usdt:build/fixtures/victim:crumb:once: the file's notes place the probe where there can be none",
			message)
	end)

	it("never read past a file that lies", function()
		local bytes = lab.read(VICTIM)
		local at, _, size = Elf.section(bytes, ".note.stapsdt")
		for place = at, at + size - 4, lab.slow and 64 or 4 do
			for _, word in ipairs { 0, 0xffffffff, 0x7fffffff } do
				local elf <close> = patched(function() return { { place, ("<I4"):pack(word) } } end)
				assert.is_table(elf:usdt_probes("crumb", "guarded"))
				assert.is_table(elf:usdt())
			end
		end
	end)

	it("are a site's `places`, each a site of its own", function()
		local opened = {}
		local found = assert(sites.resolve({ target.parse(("usdt:%s:crumb:guarded"):format(VICTIM)) }, {}, opened))
		assert.are.equal(1, #found)
		local places = found[1].places
		assert.are.equal(3, #places)
		assert.are.equal("crumb:guarded", found[1].symbol)
		for i, place in ipairs(places) do
			assert.are.equal("usdt", place.kind)
			assert.are.equal("crumb:guarded", place.symbol)
			assert.are.equal(found[1].path, place.path)
			assert.are.equal(VICTIM, place.file)
			assert.is_nil(place.key)
			assert.is_true(i == 1 or places[i - 1].offset < place.offset)
		end
		if MACHINE ~= "x86_64" then return end
		local loads = {}
		for i, place in ipairs(places) do
			local scope = arguments.scope(place)
			assert.are.equal("usdt", scope.hook)
			assert.are.equal("arg0", scope.args[1].name)
			assert.are.same({ kind = "int", size = 4, signed = true }, scope.args[1].type)
			assert.are.equal(scope.args[1].load, scope.registers.arg0)
			assert.is_nil(scope.registers.arg1)
			assert.is_nil(scope.registers.retval)
			loads[i] = scope.args[1].load
		end
		table.sort(loads, function(a, b) return (a.constant or 0) < (b.constant or 0) end)
		assert.are.same({ { context = 112, width = 4, signed = true }, { constant = 1 }, { constant = 3 } }, loads)
	end)
end)

describe("the words of a USDT argument", function()
	local function loads(text, machine, place)
		local list = {}
		for i, one in ipairs(usdt.parse(text, machine, place)) do
			list[i] = one.type.kind == "unknown" and one.type.why or one.load
		end
		return list
	end

	local function memory(offset, displacement, width, signed)
		return {
			memory = { context = offset, width = 8, signed = false }, offset = displacement, width = width, signed = signed,
		}
	end

	it("are read on x86-64", function()
		assert.are.same({
			{ context = 112, width = 4, signed = true }, memory(32, -8, 8, false), { constant = 7 }, { constant = -1 },
		}, loads("-4@%edi 8@-8(%rbp) 4@$7 -4@$-1", "x86_64"))
		assert.are.same({
			{ context = 80, width = 8, signed = false }, { context = 81, width = 1, signed = false },
			{ context = 72, width = 4, signed = false }, { context = 56, width = 2, signed = true },
			{ context = 104, width = 1, signed = false }, { context = 152, width = 8, signed = false },
		}, loads("8@%rax 1@%ah 4@%r8d -2@%r10w 1@%sil 8@%rsp", "x86_64"))
		assert.are.same({ memory(96, 0, 4, true), memory(152, 16, 8, false), memory(80, 4096, 1, false) },
			loads("-4@(%rdx) 8@16(%rsp) 1@0x1000(%rax)", "x86_64"))
		local indexed = memory(80, 8, 4, true)
		indexed.index, indexed.scale = { context = 40, width = 8, signed = false }, 4
		local plain = memory(80, 0, 8, false)
		plain.index, plain.scale = { context = 96, width = 8, signed = false }, 1
		assert.are.same({ indexed, plain }, loads("-4@8(%rax,%rbx,4) 8@(%rax,%rdx)", "x86_64"))
		-- The part that the operand names is narrower, or wider, than the argument.
		assert.are.same({ { context = 80, width = 1, signed = true }, { context = 80, width = 4, signed = true } },
			loads("-4@%al -4@%rax", "x86_64"))
	end)

	it("that cannot be followed are unknown, with the reason", function()
		assert.are.same({
			"it lies at 'counter(%rip)': the file does not tell where 'counter' is",
			"it lies at '8(%rax,%ebx,4)'", "it lies at '8(%rax,%rbx,3)'",
			"it is a floating-point number",
			"it lies at '%xmm0': BPF does not see floating-point registers",
			"it has 16 bytes", "it lies at '%nope'", "it lies at '$main': it is a variable's address",
		}, loads("8@counter(%rip) 4@8(%rax,%ebx,4) 4@8(%rax,%rbx,3) 8f@%xmm0 8@%xmm0 16@%rax 8@%nope 8@$main", "x86_64"))
		assert.are.same({ "it lies at 'a0'" }, loads("8@a0", "riscv64"))
	end)

	it("are relative to a variable where the file tells where that is", function()
		local place = { address = 0x1000, symbols = { counter = 0x4010, twice = false, nowhere = true } }
		local function loads_at(text, machine)
			return loads(text, machine, place)
		end
		local scaled = memory(128, 0x3010, 4, false)
		scaled.index, scaled.scale = { context = 80, width = 8, signed = false }, 4
		local based = memory(128, 0x3018, 4, false)
		based.index, based.scale = { context = 40, width = 8, signed = false }, 1
		assert.are.same({
			memory(128, 0x3010, 4, true), memory(128, 0x3014, 4, true), memory(128, 0x300c, 1, false),
			memory(128, 0x3010, 8, false),
			scaled, based,
			"it lies at 'twice(%rip)': several variables of the file are called 'twice'",
			"it lies at 'nowhere(%rip)': the file does not tell where 'nowhere' is",
			"it lies at 'counter@GOTPCREL(%rip)': its address is in a table of the linker's",
			"it lies at 'counter(%rax,%rbx)': its address is computed from a variable's and two registers",
			"it lies at '%fs:counter': it is relative to a segment, whose address BPF does not see",
			"it lies at '8(%rip)'",
		}, loads_at("-4@counter(%rip) -4@4+counter(%rip) 1@counter-4(%rip) 8@counter 4@counter(,%rax,4) 4@counter+8(%rbx)"
			.. " 8@twice(%rip) 8@nowhere(%rip) 8@counter@GOTPCREL(%rip) 8@counter(%rax,%rbx) 8@%fs:counter 8@8(%rip)", "x86_64"))
		assert.are.same({
			memory(8, 0x18, 4, true), "it lies at '[x1, #:lo12:nowhere]': the file does not tell where 'nowhere' is",
		},
			loads_at("-4@[x1, #:lo12:counter+8] 8@[x1, #:lo12:nowhere]", "aarch64"))
	end)

	it("are numbers as the argument's type holds them", function()
		local numbers = {}
		for i, load in ipairs(loads("1@$-1 -1@$255 2@$65537 8@$18446744073709551615 -8@$-9223372036854775808 $12 8@$0xffffffffffffffff",
			"x86_64")) do numbers[i] = load.constant end
		assert.are.same({ 255, -1, 1, -1, math.mininteger, 12, -1 }, numbers)
		assert.are.same({
			"it lies at '$18446744073709551616': it is a variable's address",
			"it lies at '$0x1ffffffffffffffff': it is a variable's address",
		}, loads("8@$18446744073709551616 8@$0x1ffffffffffffffff", "x86_64"))
	end)

	it("are read on arm64", function()
		local function indexed(register, width, signed, scale)
			local load = memory(0, 0, 8, false)
			load.index, load.scale = { context = register, width = width, signed = signed }, scale
			return load
		end
		assert.are.same({
			{ context = 0, width = 8, signed = false }, memory(248, 12, 4, false), memory(232, -4, 4, true),
			{ constant = 5 }, { constant = -3 }, memory(8, 0, 8, false), { context = 24, width = 4, signed = true },
			{ constant = 0 }, memory(248, -8, 8, false), memory(152, 16, 8, false),
		}, loads("8@x0 4@[sp, 12] -4@[x29,-4] 4@5 -4@-3 8@[x1] -4@w3 4@wzr 8@[sp, #-8] 8@[x19,#16]", "aarch64"))
		assert.are.same({
			indexed(8, 8, false, 1), indexed(160, 8, false, 1), indexed(8, 8, false, 8), indexed(8, 4, true, 8),
			indexed(8, 4, false, 1), indexed(8, 8, false, 4),
		}, loads("8@[x0, x1] 8@[x0,x20] 8@[x0, x1, lsl 3] 8@[x0, w1, sxtw 3] 8@[x0, w1, uxtw] 8@[x0, x1, lsl #2]", "aarch64"))
		assert.are.same({
			"it lies at 'd0': BPF does not see floating-point registers", "it is a floating-point number",
			"it lies at '[w0]'", "it lies at '[x0, w1]'", "it lies at '[x0, x1, sxtw 3]'", "it lies at '[x0, x1, lsl 9]'",
			"it lies at 'x31'", "it lies at '[x0'",
		}, loads("8@d0 8f@d1 8@[w0] 8@[x0, w1] 8@[x0, x1, sxtw 3] 8@[x0, x1, lsl 9] 8@x31 8@[x0", "aarch64"))
	end)

	it("that are no words of an argument take a number all the same", function()
		assert.are.same({}, loads("", "x86_64"))
		assert.are.same({}, loads("  ", "x86_64"))
		local register = { context = 80, width = 8, signed = false }
		assert.are.same({
			"it lies at 'nonsense': the file does not tell where 'nonsense' is", register, "it has 9999999999 bytes",
			"it lies at '?\\x1b[31m'", "it lies at '\"a b\"(%rip)'", register,
		}, loads("nonsense 8@%rax 9999999999@%rax 4@?\27[31m 8@\"a b\"(%rip) %rax", "x86_64"))
		assert.are.equal(12, #loads(("8@%rax "):rep(40), "x86_64"))
		assert.are.same({}, loads(("8@%rax "):rep(4000), "x86_64"))
		assert.is_true(#loads(("("):rep(4096), "x86_64")[1] < 300)
	end)

	it("are names from arg0 on", function()
		local args = usdt.parse("8@%rax -4@$1", "x86_64")
		assert.are.same({ "arg0", "arg1" }, { args[1].name, args[2].name })
		assert.are.same({ kind = "int", size = 4, signed = true }, args[2].type)
	end)
end)
