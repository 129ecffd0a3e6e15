-- crumb.target: the words that say where to attach.
local target = require "crumb.target"

describe("target.parse", function()
	local function means(text, expected)
		expected.text = text
		assert.same(expected, target.parse(text))
	end

	local function raises(text, message)
		local ok, raised = pcall(target.parse, text)
		assert.is_false(ok)
		assert.truthy(raised:find(message, 1, true), raised)
	end

	it("takes every kind", function()
		means("kprobe:do_unlinkat", { kind = "kprobe", symbol = "do_unlinkat", offset = 0 })
		means("kretprobe:do_unlinkat", { kind = "kretprobe", symbol = "do_unlinkat" })
		means("fentry:vfs_read", { kind = "fentry", symbol = "vfs_read" })
		means("fexit:vfs_read", { kind = "fexit", symbol = "vfs_read" })
		means("uprobe:/bin/x:main", { kind = "uprobe", path = "/bin/x", symbol = "main", offset = 0 })
		means("uretprobe:libc:malloc", { kind = "uretprobe", path = "libc", symbol = "malloc", offset = 0 })
		means("usdt:/bin/x:provider:name", { kind = "usdt", path = "/bin/x", provider = "provider", name = "name" })
		means("tracepoint:sched:sched_switch", { kind = "tracepoint", category = "sched", name = "sched_switch" })
		means("syscall:openat", { kind = "syscall", name = "openat" })
		means("rawtracepoint:sched_switch", { kind = "rawtracepoint", name = "sched_switch" })
		means("tp_btf:sched_switch", { kind = "tp_btf", name = "sched_switch" })
		means("profile:hz:99", { kind = "profile", frequency = 99 })
		means("software:page-faults:100", { kind = "software", event = "page-faults", config = 2, period = 100 })
		means("hardware:cache-misses:1000000", {
			kind = "hardware", event = "cache-misses", config = 3, period = 1000000,
		})
	end)

	it("takes the short forms", function()
		for short, kind in pairs {
			["k:f"] = "kprobe", ["kr:f"] = "kretprobe", ["u:/x:f"] = "uprobe", ["ur:/x:f"] = "uretprobe",
			["t:a:b"] = "tracepoint", ["rt:a"] = "rawtracepoint", ["p:hz:1"] = "profile",
		} do
			local parsed = target.parse(short)
			assert.equal(kind, parsed.kind)
			assert.equal(short, parsed.text)
		end
	end)

	it("ends the path at its first colon, and leaves the symbol whatever it is", function()
		for _, symbol in ipairs {
			"a::b(int)", "std::vector<int, std::allocator<int> >::push_back(int&&)", "main.(*S).f",
			"example.com/pkg.F[go.shape.int, string]", "main.*", "operator+", "operator++", "operator+=", "f+g",
			"_ZN3foo3barEv", "memcpy@GLIBC_2.2.5", "memcpy@@GLIBC_2.14", "123abc", "deadbeef", "0x", "+", "<T as U>::f",
			"f+0xzz", "a+0x10b+", "f+-1", "f+1.5",
		} do
			means("uprobe:/bin/x:" .. symbol, { kind = "uprobe", path = "/bin/x", symbol = symbol, offset = 0 })
		end
	end)

	it("takes an offset at the end, if it is a number", function()
		means("uprobe:/x:f+0x1F", { kind = "uprobe", path = "/x", symbol = "f", offset = 31 })
		means("uprobe:/x:f+16", { kind = "uprobe", path = "/x", symbol = "f", offset = 16 })
		means("uprobe:/x:operator++8", { kind = "uprobe", path = "/x", symbol = "operator+", offset = 8 })
		means("uprobe:/x:a+1+2", { kind = "uprobe", path = "/x", symbol = "a+1", offset = 2 })
		means("kprobe:f+0x10", { kind = "kprobe", symbol = "f", offset = 16 })
		means("kprobe:f.isra.0", { kind = "kprobe", symbol = "f.isra.0", offset = 0 })
		means("kretprobe:f+0", { kind = "kretprobe", symbol = "f" })
	end)

	it("takes a number alone as an offset in the file, or as an address", function()
		means("uprobe:/x:0x1234", { kind = "uprobe", path = "/x", offset = 0x1234 })
		means("uprobe:/x:+0x1234", { kind = "uprobe", path = "/x", offset = 0x1234 })
		means("uprobe:/x:4096", { kind = "uprobe", path = "/x", offset = 4096 })
		means("uretprobe:/x:0x1234", { kind = "uretprobe", path = "/x", offset = 0x1234 })
		means("uprobe:/x:0x0000000000000000000001", { kind = "uprobe", path = "/x", offset = 1 })
		means("uprobe:/x:0x7fffffffffffffff", { kind = "uprobe", path = "/x", offset = math.maxinteger })
		means("kprobe:0xffffffff81000000", { kind = "kprobe", address = 0xffffffff81000000 })
		means("kretprobe:0xffffffff81000000", { kind = "kretprobe", address = 0xffffffff81000000 })
	end)

	it("refuses numbers that do not fit", function()
		raises("uprobe:/x:0x8000000000000000", "the offset 0x8000000000000000 is too large")
		raises("uprobe:/x:0x10000000000000000", "the offset 0x10000000000000000 is too large")
		raises("uprobe:/x:9223372036854775808", "the offset 9223372036854775808 is too large")
		raises("uprobe:/x:f+0xffffffffffffffff", "the offset +0xffffffffffffffff is too large")
		raises("kprobe:0x1ffffffffffffffff", "the address 0x1ffffffffffffffff is too large")
		raises("profile:hz:99999999999999999999", "the frequency 99999999999999999999 is too large")
	end)

	it("knows perf's names of events", function()
		assert.equal("context-switches", target.parse("software:cs:1").event)
		assert.equal(3, target.parse("software:cs:1").config)
		assert.equal("page-faults", target.parse("software:faults:1").event)
		assert.equal("cpu-cycles", target.parse("hardware:cycles:1").event)
		assert.equal(0, target.parse("hardware:cycles:1").config)
		raises("software:cpu-clok:1", "no software event 'cpu-clok' (nearest: cpu-clock); there are alignment-faults, ")
		raises("hardware:page-faults:1", "no hardware event 'page-faults'")
	end)

	it("names the nearest kind and the right form", function()
		raises("kprob:f", "target 'kprob:f': no kind 'kprob' (nearest: kprobe")
		raises("xyzzy:f", "target 'xyzzy:f': no kind 'xyzzy'; there are fentry, fexit, hardware, kprobe, ")
		raises(":f", "no kind ''")
		raises("", "target '': it has no ':'")
		raises("uprobe", "target 'uprobe': it has no ':'; the form is uprobe:PATH:SYMBOL[+OFFSET]")
		raises("kr", "the form is kretprobe:FUNCTION")
		raises("uprob", "it has no ':' (nearest: uprobe")
		raises("Kprobe:f", "no kind 'Kprobe' (nearest: kprobe")
	end)

	it("refuses empty and missing parts", function()
		for text, reason in pairs {
			["uprobe:/x"] = "it names no symbol; the form is uprobe:PATH:SYMBOL[+OFFSET]",
			["uprobe:/x:"] = "the symbol is empty",
			["uprobe::f"] = "the path is empty",
			["uprobe:"] = "it names no symbol",
			["kprobe:"] = "the function is empty",
			["fentry:"] = "the function is empty",
			["usdt:/x:p"] = "it needs a path, a provider and a name; the form is usdt:PATH:PROVIDER:NAME",
			["usdt:/x:p:n:m"] = "it needs a path, a provider and a name",
			["usdt::p:n"] = "the path is empty",
			["usdt:/x::n"] = "the provider is empty",
			["usdt:/x:p:"] = "the name is empty",
			["tracepoint:sched"] = "it names no category; the form is tracepoint:CATEGORY:NAME",
			["tracepoint::x"] = "the category is empty",
			["tracepoint:x:"] = "the name is empty",
			["syscall:"] = "the name is empty",
			["rawtracepoint:"] = "the name is empty",
			["profile:99"] = "it names no unit; the form is profile:hz:FREQUENCY",
			["profile:hz:"] = "the frequency '' is not a number",
			["profile:hz:0"] = "the frequency must be at least 1",
			["profile:hz:-1"] = "the frequency '-1' is not a number",
			["profile:hz:1.5"] = "the frequency '1.5' is not a number",
			["profile:s:1"] = "the unit 's' is not hz",
			["software:cs"] = "it names no period; the form is software:EVENT:PERIOD",
			["software:cs:0"] = "the period must be at least 1",
			["hardware::1"] = "no hardware event ''",
		} do
			raises(text, reason)
		end
	end)

	it("refuses names that would leave their folder, and what is no name", function()
		for text, reason in pairs {
			["tracepoint:../sched:x"] = "the category '../sched' is not a name",
			["tracepoint:..:x"] = "the category '..' is not a name",
			["tracepoint:.:x"] = "the category '.' is not a name",
			["tracepoint:sched:../x"] = "the name '../x' is not a name",
			["tracepoint:sched:.."] = "the name '..' is not a name",
			["tracepoint:sched:a/b"] = "the name 'a/b' is not a name",
			["tracepoint:sched:a:b"] = "the name 'a:b' is not a name",
			["tracepoint:sched:a b"] = "the name 'a b' is not a name",
			["tracepoint:sched:a\nb"] = "the name 'a\\x0ab' is not a name",
			["syscall:a/b"] = "the name 'a/b' is not a name",
			["kprobe:a b"] = "the function 'a b' is not a name",
			["kprobe:ext4:f"] = "the function 'ext4:f' is not a name",
			["tp_btf:../x"] = "the name '../x' is not a name",
		} do
			raises(text, reason)
		end
	end)

	it("refuses a NUL anywhere", function()
		for _, text in ipairs {
			"uprobe:/x\0y:f", "uprobe:/x:f\0", "kprobe:f\0g", "tracepoint:a\0:b", "usdt:/x:p:n\0", "syscall:\0",
			"profile:hz:1\0", "software:cs:1\0",
		} do
			raises(text, "it holds a NUL")
		end
	end)

	it("shows control characters of what it refuses as numbers", function()
		raises("kprobe:a\27[2Jb c", "target 'kprobe:a\\x1b[2Jb c'")
	end)

	it("refuses offsets where a hook takes none", function()
		raises("kretprobe:f+1", "it takes no offset: only a kprobe does")
		raises("fentry:f+1", "it takes no offset")
		raises("uretprobe:/x:f+1", "a uretprobe takes no offset")
	end)

	it("refuses what is no string", function()
		for _, value in ipairs { 1, true, {}, print } do
			raises(value, "target: expected a string such as 'uprobe:PATH:SYMBOL[+OFFSET]', got " .. type(value))
		end
		raises(nil, "got nil")
	end)

	it("blames its caller", function()
		local _, raised = pcall(function() target.parse "x" end)
		assert.truthy(raised:find "^[^:]*target_spec.lua:%d+: target 'x'", raised)
	end)
end)

describe("target.from_section", function()
	local function means(section, expected)
		local parsed, reason = target.from_section(section)
		assert.is_nil(reason)
		assert.is_table(parsed, section)
		parsed.text = nil
		assert.same(expected, parsed)
	end

	it("takes libbpf's words", function()
		means("kprobe/do_unlinkat", { kind = "kprobe", symbol = "do_unlinkat", offset = 0 })
		means("kprobe/f+0x10", { kind = "kprobe", symbol = "f", offset = 16 })
		means("?kprobe/f", { kind = "kprobe", symbol = "f", offset = 0 })
		means("kretprobe/f", { kind = "kretprobe", symbol = "f" })
		means("kprobe.multi/vfs_*", { kind = "kprobe", symbol = "vfs_*", offset = 0 })
		means("kretprobe.multi/f", { kind = "kretprobe", symbol = "f" })
		means("kprobe.session/f", { kind = "kprobe", symbol = "f", offset = 0 })
		means("uprobe//usr/bin/x:sym", { kind = "uprobe", path = "/usr/bin/x", symbol = "sym", offset = 0 })
		means("uprobe/libc:malloc", { kind = "uprobe", path = "libc", symbol = "malloc", offset = 0 })
		means("uprobe.s//x:a::b+4", { kind = "uprobe", path = "/x", symbol = "a::b", offset = 4 })
		means("uretprobe//x:f", { kind = "uretprobe", path = "/x", symbol = "f", offset = 0 })
		means("uprobe.multi//x:f*", { kind = "uprobe", path = "/x", symbol = "f*", offset = 0 })
		means("uretprobe.multi.s//x:f", { kind = "uretprobe", path = "/x", symbol = "f", offset = 0 })
		means("uprobe.session//x:f", { kind = "uprobe", path = "/x", symbol = "f", offset = 0 })
		means("usdt//x:p:n", { kind = "usdt", path = "/x", provider = "p", name = "n" })
		means("tp/sched/sched_switch", { kind = "tracepoint", category = "sched", name = "sched_switch" })
		means("tracepoint/sched/sched_switch", { kind = "tracepoint", category = "sched", name = "sched_switch" })
		means("raw_tp/sched_switch", { kind = "rawtracepoint", name = "sched_switch" })
		means("raw_tracepoint/sched_switch", { kind = "rawtracepoint", name = "sched_switch" })
		means("raw_tp.w/x", { kind = "rawtracepoint", name = "x" })
		means("tp_btf/sched_switch", { kind = "tp_btf", name = "sched_switch" })
		means("fentry/vfs_read", { kind = "fentry", symbol = "vfs_read" })
		means("fexit.s/vfs_read", { kind = "fexit", symbol = "vfs_read" })
		means("ksyscall/openat", { kind = "syscall", name = "openat" })
		means("kretsyscall/openat", { kind = "syscall", name = "openat", returns = true })
	end)

	it("gives a text that parses to the same", function()
		for _, section in ipairs { "kprobe/f+0x10", "uprobe//usr/bin/x:a::b", "tp/a/b", "raw_tp/x", "usdt//x:p:n" } do
			local parsed = target.from_section(section)
			assert.same(parsed, target.parse(parsed.text))
		end
	end)

	it("gives nil where the section names no target", function()
		for _, section in ipairs {
			"kprobe", "kprobe/", "uprobe", "uprobe//usr/bin/x", "tp", "raw_tp", "fentry", "perf_event", "syscall",
			"tracepoint", "usdt", "lsm/file_open", "iter/task", "xdp", "socket", "", "/", "kprobe.x/f", ".text",
		} do
			local parsed, reason = target.from_section(section)
			assert.is_nil(parsed, section)
			assert.is_nil(reason, section)
		end
	end)

	it("gives nil and why where it names a wrong one", function()
		for section, why in pairs {
			["tp/sched"] = "section 'tp/sched': it names no category; the form is tracepoint:CATEGORY:NAME",
			["tp/../x/y"] = "the category '..' is not a name",
			["fentry/f+1"] = "it takes no offset",
			["usdt//x:n"] = "it needs a path, a provider and a name",
			["kprobe/a b"] = "the function 'a b' is not a name",
		} do
			local parsed, reason = target.from_section(section)
			assert.is_nil(parsed)
			assert.truthy(reason:find(why, 1, true), reason)
		end
	end)
end)
