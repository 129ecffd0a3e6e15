-- crumb.names.kernel: which functions of a kernel a target means, and why others cannot be probed.
local Folder = require "support.folder"
local kernel = require "crumb.names.kernel"
local lab = require "support.lab"
local target = require "crumb.target"

local scratch, folder

local function spill(name, bytes) return scratch:write(name, bytes) end

setup(function()
	scratch = Folder.make()
	folder = scratch.path
end)

teardown(function() scratch:remove() end)

describe("names.kernel", function()
	local KALLSYMS <const> = [[
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 T vfs_read
ffffffff81000140 t vfs_helper
ffffffff81000140 t vfs_helper_alias
ffffffff81000180 W weak_one
ffffffff810001c0 t twin
ffffffff81000200 t twin
ffffffff81000240 t only_isra.isra.0
ffffffff81000250 t only_isra.isra.0.cold
ffffffff81000260 t only_cold.cold
ffffffff81000270 t noreach
ffffffff81000280 t refused
ffffffff81000300 d vfs_data
ffffffff81000400 T vfs_write
ffffffffc0001000 t mod_one	[mod]
ffffffffc0001000 t vfs_read_mod	[mod]
ffffffffc0002000 t in_both	[one]
ffffffffc0003000 t in_both	[two]
]]
	local REACHABLE <const> = table.concat({
		"_stext", "vfs_read", "vfs_helper", "vfs_helper_alias", "weak_one", "twin", "only_isra.isra.0", "refused",
		"vfs_write", "mod_one [mod]", "vfs_read_mod [mod]", "in_both [one]", "in_both [two]", "",
	}, "\n")

	local before, reader

	before_each(function()
		before = lab.descriptors()
		os.execute(("mkdir -p %s/pmus/kprobe %s/tracing"):format(folder, folder))
		spill("pmus/kprobe/type", "8\n")
		spill("tracing/available_filter_functions", REACHABLE)
		reader = kernel.reader {
			kallsyms = spill("kallsyms", KALLSYMS),
			tracefs = { folder .. "/none", folder .. "/tracing" },
			blacklist = spill("blacklist", "0xffffffff81000280-0xffffffff81000290\trefused\n"),
			pmus = folder .. "/pmus",
		}
	end)

	after_each(function()
		os.execute(("rm -r %s/pmus %s/tracing"):format(folder, folder))
		assert.equal(before, lab.descriptors())
	end)

	local function site(text)
		local result = assert(reader:resolve(target.parse(text)))
		assert.equal(1, #result.sites)
		return result.sites[1]
	end

	local function fails(text, message, errno)
		local result, why, number = reader:resolve(target.parse(text))
		assert.is_nil(result)
		assert.equal(text .. ": " .. message, why)
		assert.equal(errno, number)
	end

	it("finds functions of every kind", function()
		assert.same({ symbol = "vfs_read", address = 0xffffffff81000100, size = 0x40, offset = 0 }, site "kprobe:vfs_read")
		assert.equal(0xffffffff81000180, site("kretprobe:weak_one").address)
		assert.equal(0xffffffff81000140, site("fentry:vfs_helper").address)
		assert.same({ symbol = "mod_one", address = 0xffffffffc0001000, size = 0x1000, module = "mod", offset = 0 },
			site "fexit:mod_one")
		assert.equal(0x10, site("kprobe:vfs_read+0x10").offset)
		assert.equal("only_isra.isra.0", site("kprobe:only_isra.isra.0").symbol)
	end)

	it("finds the last line, with and without its end", function()
		spill("kallsyms", "ffffffff81000100 T vfs_read\nffffffff81000200 T vfs_write")
		assert.equal(0xffffffff81000100, site("kprobe:vfs_read").address)
		assert.equal(0xffffffff81000200, site("kprobe:vfs_write").address)
	end)

	it("names the nearest", function()
		fails("kprobe:vfs_raed", "no kernel function 'vfs_raed' (nearest: vfs_read); it may be inlined or in a "
			.. "module that is not loaded", 2)
		fails("kprobe:vfs_data", "no kernel function 'vfs_data'; it may be inlined or in a module that is not loaded", 2)
	end)

	it("lists the functions of a name held twice, of which an address takes one", function()
		fails("kprobe:twin", "2 functions are called 'twin': at 0xffffffff810001c0, 0xffffffff81000200; "
			.. "kprobe:0xffffffff810001c0 takes the first", 76)
		fails("fentry:in_both",
			"2 functions are called 'in_both': at 0xffffffffc0002000 [one], 0xffffffffc0003000 [two]", 76)
		assert.same({ symbol = "twin", address = 0xffffffff81000200, size = 0x40, offset = 0, by_address = true },
			site "kprobe:0xffffffff81000200")
		fails("kprobe:0xffffffff81000201", "no function begins at 0xffffffff81000201", 2)
		fails("kprobe:0xffffffff81000300", "no function begins at 0xffffffff81000300", 2)
	end)

	it("knows what the compiler made of a function", function()
		fails("kprobe:only_isra", "'only_isra' exists only as only_isra.isra.0, only_isra.isra.0.cold, since the "
			.. "compiler changed its arguments; kprobe:only_isra.isra.0 takes it", 2)
		fails("kprobe:only_cold", "'only_cold' exists, but cannot be probed: it is inlined (only only_cold.cold is left)",
			95)
	end)

	it("tells what exists and cannot be probed from what does not exist", function()
		fails("kprobe:noreach",
			"'noreach' exists, but cannot be probed: it is notrace, or assembly: ftrace does not reach it", 95)
		fails("kprobe:refused", "'refused' exists, but cannot be probed: the kernel keeps kprobes off it", 95)
		fails("kprobe:0xffffffff81000280", "'refused' exists, but cannot be probed: the kernel keeps kprobes off it", 95)
		assert.equal("refused", site("fentry:refused").symbol)
	end)

	it("goes on where tracefs cannot be read", function()
		os.remove(folder .. "/tracing/available_filter_functions")
		os.remove(folder .. "/blacklist")
		assert.equal("noreach", site("kprobe:noreach").symbol)
		assert.equal("refused", site("kprobe:refused").symbol)
		fails("kprobe:only_c*",
			"of 1 functions that match 'only_c*' none can be probed (only_cold.cold: it is a part that is jumped to)", 95)
	end)

	it("refuses an offset past the function's end", function()
		assert.equal(0x3f, site("kprobe:vfs_helper+0x3f").offset)
		fails("kprobe:vfs_helper+0x40", "+0x40 lies past the end of 'vfs_helper', which has 64 bytes", 22)
	end)

	it("says first when the kernel has no kprobes, which fentry does not need", function()
		os.execute(("rm -r %s/pmus/kprobe; mkdir %s/pmus/uprobe"):format(folder, folder))
		fails("kprobe:no_such_function", "this kernel has no kprobes: it was built without CONFIG_KPROBE_EVENTS; "
			.. "tracepoints, system calls and uprobes are there", 95)
		assert.equal("vfs_read", site("fentry:vfs_read").symbol)
		os.execute(("rm -r %s/pmus/uprobe"):format(folder))
		assert.equal("vfs_read", site("kprobe:vfs_read").symbol) -- nothing is listed, or
		os.execute(("rm -r %s/pmus"):format(folder))
		assert.equal("vfs_read", site("kprobe:vfs_read").symbol) -- no sysfs: nobody knows
		os.execute(("mkdir %s/pmus"):format(folder))
	end)

	it("takes a glob, each function once, without what cannot be probed", function()
		local result = assert(reader:resolve(target.parse "kprobe:vfs_*"))
		local names = {}
		for _, each in ipairs(result.sites) do names[#names + 1] = each.symbol end
		assert.same({ "vfs_read", "vfs_helper", "vfs_helper_alias", "vfs_write", "vfs_read_mod" }, names)
		assert.same({}, result.skipped)
		result = assert(reader:resolve(target.parse "kprobe:*[ed]"))
		assert.same({ symbol = "refused", address = 0xffffffff81000280, size = 0x80, offset = 0,
			reason = "the kernel keeps kprobes off it" }, result.skipped[#result.skipped])
		result = assert(reader:resolve(target.parse "kprobe:twi?"))
		assert.same({ 0xffffffff810001c0, 0xffffffff81000200 }, { result.sites[1].address, result.sites[2].address })
		assert.is_true(result.sites[1].by_address and result.sites[2].by_address)
		fails("fentry:twi?", "of 2 functions that match 'twi?' none can be probed (twin: 2 functions are called so)", 95)
		fails("kprobe:zz*", "no kernel function matches 'zz*'", 2)
		fails("kprobe:only_c*", "of 1 functions that match 'only_c*' none can be probed (only_cold.cold: it is notrace, "
			.. "or assembly: ftrace does not reach it)", 95)
	end)

	it("takes no glob for what is to be an exact name", function()
		for _, text in ipairs { "kprobe:vfs_*", "fentry:vfs_rea?", "kprobe:only_?sra" } do
			local parsed = target.parse(text)
			parsed.exact = true
			local result, why, errno = reader:resolve(parsed)
			assert.is_nil(result)
			assert.truthy(why:find(("no kernel function '%s'"):format(parsed.symbol), 1, true), why)
			assert.equal(2, errno)
		end
	end)

	it("works where addresses are hidden", function()
		spill("kallsyms", (KALLSYMS:gsub("ffffffff%x+", ("0"):rep(16))))
		assert.same({ symbol = "vfs_read", offset = 0 }, site "kprobe:vfs_read")
		fails("kprobe:twin", "2 functions are called 'twin': at an address that is hidden, an address that is hidden", 76)
		fails("kprobe:0xffffffff81000200", "addresses are hidden from this user: root sees them", 13)
		assert.equal(0x1000, site("kprobe:vfs_read+0x1000").offset)
	end)

	it("does not hold hidden addresses against ftrace's", function()
		spill("kallsyms", (KALLSYMS:gsub("ffffffff%x+", ("0"):rep(16))))
		spill("tracing/available_filter_functions_addrs", "ffffffff81000100 vfs_read\n")
		assert.equal("vfs_write", site("kprobe:vfs_write").symbol)
		fails("kprobe:twi?", "of 2 functions that match 'twi?' none can be probed (twin: 2 functions are called so)", 95)
	end)

	it("leaves out what the kernel's BTF does not describe, of its own functions, and only for fentry and fexit", function()
		reader.types = function() return { prototype = function(_, symbol) return symbol == "vfs_read" end } end
		local function names_of(text)
			local result <const>, names <const> = assert(reader:resolve(target.parse(text))), {}
			for _, each in ipairs(result.sites) do names[#names + 1] = each.symbol end
			for _, each in ipairs(result.skipped) do assert.equal("the kernel's BTF does not describe it", each.reason) end
			return names, #result.skipped
		end
		assert.same({ { "vfs_read", "vfs_read_mod" }, 3 }, { names_of "fentry:vfs_*" })
		assert.same({ { "vfs_read", "vfs_helper", "vfs_helper_alias", "vfs_write", "vfs_read_mod" }, 0 }, { names_of "kprobe:vfs_*" })
	end)

	it("lists raw tracepoints in order, each once", function()
		spill("kallsyms", KALLSYMS .. "ffffffffc0009000 t __traceiter_b_two\t[late]\nffffffffc000a000 t __traceiter_b_one\t[late]\n"
			.. "ffffffffc000b000 t __traceiter_b_two\t[other]\nffffffffc000c000 t __traceiter_c\t[other]\n")
		assert.same({ "b_one", "b_two" }, reader:raw_tracepoints(target.parse "rawtracepoint:b_*"))
		assert.same({ "c" }, reader:raw_tracepoints(target.parse "rawtracepoint:c"))
		assert.same({ nil, "rawtracepoint:d: no tracepoint 'd' (nearest: c)", 2 },
			{ reader:raw_tracepoints(target.parse "rawtracepoint:d") })
	end)

	it("reads the symbols again when a name is missing, a second later", function()
		assert.equal("vfs_read", site("kprobe:vfs_read").symbol)
		spill("kallsyms", KALLSYMS .. "ffffffffc0009000 t late\t[late]\n")
		fails("kprobe:late", "no kernel function 'late'; it may be inlined or in a module that is not loaded", 2)
		os.remove(folder .. "/tracing/available_filter_functions")
		assert.truthy(lab.eventually(function() return reader:resolve(target.parse "kprobe:late") end))
		assert.equal("late", site("kprobe:late").module)
	end)

	it("says when the symbols cannot be read", function()
		os.remove(folder .. "/kallsyms")
		fails("kprobe:x", ("the kernel's symbols cannot be read: read %s/kallsyms: No such file or directory"):format(folder), 2)
	end)

	it("reads the running kernel's", function()
		if not lab.exists "/proc/kallsyms" then pending "there is no /proc/kallsyms" end
		local result = assert(kernel.resolve(target.parse "fentry:vfs_read"))
		assert.equal("vfs_read", result.sites[1].symbol)
		local none, why, errno = kernel.resolve(target.parse "fentry:vfs_reed")
		assert.is_nil(none)
		assert.truthy(why:find("fentry:vfs_reed: no kernel function 'vfs_reed' (nearest: vfs_read", 1, true), why)
		assert.equal(2, errno)
	end)
end)
