-- crumb.Btf: types for scripts, of files, of bytes and of the kernel.
local by_hand = require "support.by_hand"
local core = require "crumb.core"
local lab = require "support.lab"

local FIXTURE <const> = "build/fixtures/types.bpf.o"

describe("crumb.Btf", function()
	it("opens a file, its bytes and raw BTF alike", function()
		local bytes = lab.read(FIXTURE)
		for _, source in ipairs { FIXTURE, { bytes = bytes }, { bytes = bytes, name = "x" } } do
			local btf <close> = assert(core.btf(source))
			assert.are.equal(8, btf:size "struct ids")
		end
		local raw <close> = by_hand.open { by_hand.int("int", 4) }
		assert.are.equal(4, raw:size "int")
	end)

	it("opens raw BTF from a file", function()
		local path = os.tmpname()
		local file = assert(io.open(path, "wb"))
		file:write(by_hand.bytes { by_hand.int("int", 4) }):close()
		local btf <close> = assert(core.btf(path))
		os.remove(path)
		assert.are.equal(4, btf:size "int")
	end)

	it("opens the kernel's types", function()
		local file = io.open "/sys/kernel/btf/vmlinux"
		if not file then return pending "this kernel has no BTF" end
		file:close()
		local btf <close> = assert(core.btf())
		assert.is_true(btf:size "struct task_struct" > 1000)
		local value = btf:decode("struct task_struct", ("\0"):rep(btf:size "struct task_struct"))
		assert.are.equal("", value.comm)
		assert.are.equal(0, value.pid)
	end)

	it("says what is wrong with a file", function()
		local function refused(source, message, errno)
			local btf, why, number = core.btf(source)
			assert.is_nil(btf)
			assert.are.equal(message, why)
			assert.are.equal(errno, number)
		end
		refused("/nonexistent", "read the BTF of /nonexistent: No such file or directory", 2)
		refused("/tmp", "read the BTF of /tmp: it is a directory", 21)
		refused("/dev/null", "read the BTF of /dev/null: it is a device, not a file", 22)
		refused("/etc/passwd", "read the BTF of /etc/passwd: it is no ELF file and no BTF", 8)
		refused({ bytes = "" }, "read the BTF of the bytes: it is no ELF file and no BTF", 8)
		refused({ bytes = lab.read "/bin/true", name = "true" },
			"read the BTF of true: it has no section .BTF; compile it with -g", 61)
		local _, why = core.btf { bytes = by_hand.bytes { { "pointer", nil, 99 } } }
		assert.truthy(why:find("read the BTF of the bytes: ", 1, true))
		assert.truthy(why:find("(", 1, true), "libbpf's own words are missing: " .. why)
	end)

	it("refuses a big-endian machine's types", function()
		local body = string.pack(">I4I4I4I4", 1, by_hand.KIND.int << 24, 4, 32)
		local btf, why = core.btf {
			bytes = string.pack(">I2BBI4I4I4I4I4", 0xeb9f, 1, 0, 24, 0, #body, #body, 5) .. body .. "\0int\0",
		}
		assert.is_nil(btf)
		assert.are.equal("read the BTF of the bytes: it is for a big-endian machine", why)
	end)

	it("does not wait for a FIFO", function()
		local path = os.tmpname()
		os.remove(path)
		assert(os.execute("mkfifo " .. path))
		local btf, why = core.btf(path)
		os.remove(path)
		assert.is_nil(btf)
		assert.truthy(why:find("it is a FIFO, not a file", 1, true), why)
	end)

	it("survives an object that is cut anywhere", function()
		local bytes = lab.read(FIXTURE)
		for length = 0, #bytes - 1, 7 do
			local btf <close> = core.btf { bytes = bytes:sub(1, length) }
			if btf then pcall(btf.decode, btf, "struct arrays", ("x"):rep(80)) end
		end
	end)

	it("raises on wrong use", function()
		assert.has_error(function() core.btf(nil) end)
		assert.has_error(function() core.btf(5) end)
		assert.has_error(function() core.btf {} end)
		assert.has_error(function() core.btf { bytes = 5 } end)
		assert.has_error(function() core.btf { byte = "" } end)
		assert.has_error(function() core.btf "a\0b" end)
		local btf <close> = assert(core.btf(FIXTURE))
		for _, type in ipairs { 0, -1, 100000, 1.5, {}, true } do
			assert.has_error(function() btf:size(type) end)
		end
		assert.has_error(function() btf:encode("struct ids", {}, -1) end)
		assert.has_error(function() btf:encode("struct ids", {}, 1 << 40) end)
		assert.has_error(function() btf:encode("struct ids", {}, 7) end,
			"value: 7 bytes are too few for struct ids")
		assert.has_error(function() btf:encode("struct ids") end)
		assert.has_error(function() btf:decode "struct ids" end)
		btf:close()
		assert.is_true(btf:closed())
		assert.has_error(function() btf:size "struct ids" end)
	end)

	it("keeps the types when a finalizer closes it in the middle", function()
		local bytes = lab.read(FIXTURE)
		finally(function() collectgarbage "generational" collectgarbage "incremental" end)
		local value = { before = 1, inner = 2, low = 3, high = 4, ids = { uid = 5, gid = 6 } }
		for method, arguments in pairs {
			type = { "struct deep" }, size = { "struct deep" }, encode = { "struct deep", value },
			decode = { "struct deep", ("\1"):rep(40) },
		} do
			local expected = (function()
				local btf <close> = assert(core.btf { bytes = bytes })
				return btf[method](btf, table.unpack(arguments))
			end)()
			local closed = 0
			for n = 1, 100 do
				local btf = assert(core.btf { bytes = bytes })
				collectgarbage()
				setmetatable({}, { __gc = function() btf:close() end })
				collectgarbage("incremental", 100, 100 + n, 2)
				for _ = 1, 50 do
					if btf:closed() then break end
					local done, result = pcall(btf[method], btf, table.unpack(arguments))
					if done then
						assert.are.same(expected, result)
					else
						assert.matches("this crumb.Btf is closed", result)
					end
				end
				if btf:closed() then closed = closed + 1 end
			end
			assert.is_true(closed > 0, method)
		end
	end)

	it("names the nearest type", function()
		local btf <close> = assert(core.btf(FIXTURE))
		for _, method in ipairs { "size", "type", "encode", "decode" } do
			local none, why, errno = btf[method](btf, "struct idz", "12345678")
			assert.is_nil(none)
			assert.are.equal("no type 'struct idz' (nearest: ids)", why)
			assert.are.equal(2, errno)
		end
		assert.are.equal("no type 'union ids'", select(2, btf:size "union ids"))
	end)

	it("finds types with and without the keyword", function()
		local btf <close> = assert(core.btf(FIXTURE))
		for name, size in pairs { ["struct ids"] = 8, ids = 8, ["struct  ids"] = 8, ["unsigned int"] = 4,
			["enum state"] = 4, state = 4, twice_t = 4, __u64 = 8, double = 8 } do
			assert.are.equal(size, btf:size(name))
		end
		for _, name in ipairs { "", "struct", "struct ", "enum ids", "structids" } do
			assert.is_nil((btf:size(name)))
		end
	end)

	it("prefers C's plain names to tags", function()
		local btf <close> = by_hand.open { { "enum", "x", 1, values = {} }, { "struct", "x", 2, members = {} },
			by_hand.int("int", 4), { "typedef", "x", 3 }, { "union", "x", 8, members = {} }, { "forward", "x", 0 } }
		assert.are.equal(4, btf:size "x")
		assert.are.equal(2, btf:size "struct x")
		assert.are.equal(8, btf:size "union x")
		assert.are.equal(1, btf:size "enum x")
	end)

	it("describes a struct, its anonymous members as its own", function()
		local btf <close> = assert(core.btf(FIXTURE))
		local deep = btf:type "struct deep"
		assert.are.equal("struct deep", deep.name)
		assert.are.equal("struct", deep.kind)
		assert.are.equal(40, deep.size)
		local rows = {}
		for i, member in ipairs(deep.members) do
			rows[i] = ("%s %s@%d"):format(member.type, member.name, member.offset)
			assert.are.equal(member.type, btf:type(member.id).name)
		end
		assert.are.same({ "__u32 before@0", "__u32 inner@8", "__u64 whole@16", "__u32 low@16",
			"__u32 high@20", "struct ids ids@24", "union (anonymous) named@32" }, rows)
	end)

	it("describes bitfields, arrays, pointers, enums and plain types", function()
		local btf <close> = assert(core.btf(FIXTURE))
		local flag = btf:type("struct bits").members[5]
		assert.are.same({ name = "flag", type = "_Bool", id = flag.id, offset = 15, bits = 1,
			bit_offset = 4 }, flag)
		local members = btf:type("struct arrays").members
		assert.are.equal("__u16[2][3]", members[2].type)
		local grid = btf:type(members[2].id)
		assert.are.same({ "array", 2, "__u16[3]", 12 }, { grid.kind, grid.count, grid.element.name, grid.size })
		members = btf:type("struct others").members
		assert.are.equal("struct others *", members[6].type)
		assert.are.equal("const const char *", members[10].type)
		local next_one = btf:type(members[6].id)
		assert.are.same({ "pointer", "struct others", 8 }, { next_one.kind, next_one.element.name,
			next_one.size })
		local state = btf:type "enum state"
		assert.are.same({ { name = "IDLE", value = 0 }, { name = "BUSY", value = 1 },
			{ name = "DONE", value = 7 }, { name = "FAIL", value = 1000 } }, state.values)
		assert.is_true(btf:type("__s32").signed)
		assert.are.same({ "int", false }, { btf:type("__u32").kind, btf:type("__u32").signed })
		assert.are.same({ "bool", "float", "raw" }, { btf:type("_Bool").kind, btf:type("float").kind,
			btf:type("__int128").kind })
	end)
end)
