-- crumb.show and crumb.show.draw: what people look at, to the letter.
local aggregate = require "crumb.aggregate"
local core = require "crumb.core"
local date = require "crumb.date"
local draw = require "crumb.show.draw"
local show = require "crumb.show"
local table_ = require "support.table"

local COUNT = { name = "count", op = "COUNT" }
local COMM = { name = "comm", kind = "comm" }
local LATENCY = { name = "latency", op = "HIST", aggregate = 0, time = true }

-- Lua's long strings begin after their first newline; the drawings have none at their end.
local function is(expected, drawn) assert.equal((expected:gsub("\n$", "")), drawn) end

local STACK = {
	{ name = "malloc", offset = 16, address = 0x7f10, module = "libc.so.6" },
	{ address = 0x401000, offset = 0x1000, module = "/bin/app" },
	{ name = "main", offset = 0, address = 0x402000, file = "m.c", line = 7 },
}

describe("show.rows", function()
	it("aligns a table: keys left, numbers right", function()
		local columns = {
			keys = { { name = "symbol", kind = "symbol" }, COMM },
			values = { COUNT, { name = "bytes", op = "SUM", cell = 0 }, { name = "latency", op = "AVG", cell = 1, time = true } },
		}
		is([[
symbol  comm    count  bytes  latency (ns)
malloc  ls         12  40960        1234.5
calloc  my app      3      0             -
?       日本        1     -7           2.0
]], show.rows({
			{ symbol = "malloc", comm = "ls", count = 12, bytes = 40960, latency = 1234.5 },
			{ symbol = "calloc", comm = "my app", count = 3, bytes = 0 },
			{ symbol = false, comm = "日本", count = 1, bytes = -7, latency = 2.0 },
		}, columns))
	end)

	it("shows numbers as what they are, and text without its commands", function()
		local columns = {
			keys = {
				{ name = "p", kind = "pointer" }, { name = "u", kind = "unsigned" }, { name = "b", kind = "bool" },
				{ name = "c", kind = "cookie" }, { name = "e", kind = "enum" }, COMM,
			},
			values = { { name = "max", op = "MAX", cell = 0, kind = "unsigned" } },
		}
		is([[
p                   u                     b      c                     e    comm                        max
0xffffffffffffffff  18446744073709551615  false  18446744073709551615  -1   ""         18446744073709551615
0x10                16                    true   1                     RED  \x1b[31m/                     1
]], show.rows({
			{ p = -1, u = -1, b = false, c = -1, e = -1, comm = "", max = -1 },
			{ p = 16, u = 16, b = true, c = 1, e = "RED", comm = "\27[31m/", max = 1 },
		}, columns))
	end)

	it("draws a histogram for each key", function()
		local columns = { keys = { COMM }, values = { LATENCY } }
		is([[
comm=ls
latency (ns)
[256, 512)             1 |@@@@@                                               |
[512, 1K)             10 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[1K, 2K)               0 |                                                    |
[2K, 4K)               5 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |

comm="my app"
latency (ns)
(..., 0)               1 |@@@@@@@@@@@@@@@@@                                   |
[0]                    2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@                  |
[1]                    3 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[2, 4)                 3 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
]], show.rows({
			{ comm = "ls", latency = {
				{ low = 256, high = 511, count = 1 }, { low = 512, high = 1023, count = 10 },
				{ low = 1024, high = 2047, count = 0 }, { low = 2048, high = 4095, count = 5 },
			} },
			{ comm = "my app", latency = {
				{ low = math.mininteger, high = -1, count = 1 }, { low = 0, high = 0, count = 2 },
				{ low = 1, high = 1, count = 3 }, { low = 2, high = 3, count = 3 },
			} },
		}, columns))
	end)

	it("labels every bucket of the engine's", function()
		local columns = { keys = {}, values = { { name = "x", op = "HIST", aggregate = 0 } } }
		local keys, values = {}, {}
		for bucket = 1, 65 do keys[bucket], values[bucket] = table_.key({}, { bucket = bucket }), table_.row(1) end
		local labels = {}
		local drawn = show.rows(aggregate.rows(columns, keys, values))
		for label in drawn:gmatch "\n([%[(].-[%])]) +1 |" do labels[#labels + 1] = label end
		assert.equal(65, #labels)
		assert.equal("(..., 0) [0] [1] [2, 4) [4, 8)", table.concat(labels, " ", 1, 5))
		assert.equal("[512, 1K) [1K, 2K) [2K, 4K)", table.concat(labels, " ", 12, 14))
		assert.equal("[512K, 1M) [1M, 2M)", table.concat(labels, " ", 22, 23))
		assert.equal("[512P, 1E) [1E, 2E) [2E, 4E) [4E, ...)", table.concat(labels, " ", 62, 65))
	end)

	it("has the largest of numbers without a sign last", function()
		local columns = { keys = {}, values = { { name = "x", op = "HIST", aggregate = 0, kind = "unsigned" } } }
		local keys, values = {}, {}
		for i, bucket in ipairs { 1, 64, 65 } do keys[i], values[i] = table_.key({}, { bucket = bucket }), table_.row(1) end
		assert.equal("[2E, 4E) [4E, 8E) [8E, ...)",
			show.rows(aggregate.rows(columns, keys, values)):gsub("%s+1 |.-|\n?", " "):gsub("^x\n", ""):gsub(" $", ""))
	end)

	it("draws linear histograms, scalars beside them, and counts of any length", function()
		local size = { name = "size", op = "LHIST", aggregate = 1, min = 0, max = 3000, step = 1000 }
		local columns = { keys = {}, values = { COUNT, size } }
		is([[
count=1234567892
size
(..., 0)                 1 |                                                    |
[0, 1000)       1234567890 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[1000, 2000)             0 |                                                    |
[2000, 3000)             0 |                                                    |
[3000, ...)              1 |                                                    |
]], show.rows({ { count = 1234567892, size = {
			{ low = math.mininteger, high = -1, count = 1 }, { low = 0, high = 999, count = 1234567890 },
			{ low = 1000, high = 1999, count = 0 }, { low = 2000, high = 2999, count = 0 },
			{ low = 3000, high = math.maxinteger, count = 1 },
		} } }, columns))
	end)

	it("uses suffixes for all bounds of a histogram, or for none", function()
		local function labels(...)
			local buckets = {}
			for i, low in ipairs { ... } do buckets[i] = { low = low, high = low + 99, count = 0 } end
			local lines = {}
			draw.histogram(lines, buckets)
			for i, line in ipairs(lines) do lines[i] = line:match "^%[([^,]*)" end
			return table.concat(lines, " ")
		end
		assert.equal("512 1K 3K -2M", labels(512, 1024, 3072, -2097152))
		assert.equal("1024 2000 2048", labels(1024, 2000, 2048))
		assert.equal("1024 1025", labels(1024, 1025))
	end)

	it("draws stacks, a line a frame", function()
		local columns = { keys = { { name = "ustack", kind = "ustack" }, COMM }, values = { COUNT } }
		is([[
comm=ls count=3
ustack
    malloc+0x10 (libc.so.6)
    0x401000 (/bin/app+0x1000)
    main+0x0 at m.c:7

comm=sh count=1
ustack
    ?
]], show.rows({ { ustack = STACK, comm = "ls", count = 3 }, { ustack = false, comm = "sh", count = 1 } }, columns))
	end)

	it("takes the rows' own columns, and finds out those of others", function()
		local rows = aggregate.rows({ keys = { COMM }, values = { COUNT } }, { table_.key { { "ls", 2 } } }, { table_.row(3) })
		is("comm  count\nls        3", show.rows(rows))
		assert.equal(show.rows(rows), tostring(rows))
		is("a  z     n\nx  true  1\ny  ?     2", show.rows { { a = "x", n = 1, z = true }, { a = "y", n = 2, z = false } })
		is("a=1\nh\n[0]                    1 |" .. ("@"):rep(52) .. "|\n\na=2\nh",
			show.rows { { a = 1, h = { { low = 0, high = 0, count = 1 } } }, { a = 2, h = {} } })
	end)

	it("says when there are none", function()
		is("(no rows)", show.rows({}, { keys = { COMM }, values = { COUNT } }))
	end)
end)

describe("show.event", function()
	local TIME = core.now()

	local function event_of(fields)
		local event = setmetatable({ time = TIME, pid = 4711, tid = 4711, uid = 0, gid = 0, cpu = 1, comm = "ls" },
			{ __index = { symbol = "malloc", target = "uprobe:libc:malloc", cookie = 7 } })
		for name, value in pairs(fields) do event[name] = value end
		return event
	end

	local function is_line(expected, fields, cells)
		is(date(TIME):sub(12) .. " " .. expected, show.event(event_of(fields), cells))
	end

	it("is a line: when, who, where, what", function()
		is_line('ls[4711] malloc path=/etc/passwd n=-3 p=0x1000 u=18446744073709551615 text="a b" raw=0001ff bad=? latency=12.3us',
			{ path = "/etc/passwd", n = -3, p = 4096, u = -1, text = "a b", raw = "\0\1\255", bad = false, latency = 12345 }, {
				{ name = "latency", time = true }, { name = "path", kind = "string" }, { name = "n", kind = "integer" },
				{ name = "p", kind = "pointer" }, { name = "u", kind = "unsigned" }, { name = "text", kind = "string" },
				{ name = "raw", kind = "bytes" }, { name = "bad", kind = "string" },
			})
	end)

	it("has what no type is known of as an address where it looks so", function()
		local function shown(value)
			return show.event(event_of { v = value }, { { name = "v", kind = "untyped" } }):match "v=(.*)$"
		end
		for _, address in ipairs {
			0x55d0c0de1000, 0x7ffffffff000, 0xaaaac0de1000, 0xffffffffffff, 0xffff888000001000,
			0xffffffff81000000, 0xffffffffa0000000,
		} do
			assert.equal(("0x%x"):format(address), shown(address))
		end
		for _, number in ipairs { 0, 1, -1, -4095, 0x400000, 1 << 32, 1700000000000000000, math.maxinteger, math.mininteger } do
			assert.equal(("%d"):format(number), shown(number))
		end
	end)

	it("names the thread where it is another one", function()
		is_line("ls[4711/4712] malloc", { tid = 4712 }, {})
	end)

	it("lets nothing through to the terminal", function()
		is_line('\\x1b[2J[4711] evil\\u{202e}name path="\\n \\x9b"',
			{ comm = "\27[2J", symbol = "evil\u{202e}name", path = "\n \x9b" }, { { name = "path", kind = "string" } })
	end)

	it("sorts captures that it knows nothing about", function()
		is_line("ls[4711] malloc a=1 b=x latency=5ns", { b = "x", a = 1, latency = 5 })
	end)

	it("shows what a handler has left or added as the rule has it, if it is the rule's", function()
		is_line("ls[4711] malloc a=1 error=ENOENT wait=1.50ms", { wait = 1500000, error = "ENOENT", a = 1 },
			{ { name = "gone" }, { name = "wait", time = true }, { name = "a" } })
	end)

	it("shows times with their unit, and stacks below", function()
		is_line("ls[4711] malloc wait=1.50ms\n    st\n"
			.. "        malloc+0x10 (libc.so.6)\n        0x401000 (/bin/app+0x1000)\n        main+0x0 at m.c:7",
			{ wait = 1500000, st = STACK }, { { name = "st", kind = "ustack" }, { name = "wait", time = true } })
	end)

	it("cuts long bytes, and says so", function()
		is_line("ls[4711] malloc raw=" .. ("78"):rep(64) .. "... (65 bytes)", { raw = ("x"):rep(65) },
			{ { name = "raw", kind = "bytes" } })
	end)
end)

describe("draw.duration", function()
	it("has three digits and a unit", function()
		for ns, shown in pairs {
			[0] = "0ns", [999] = "999ns", [1000] = "1.00us", [9994] = "9.99us", [9999] = "10.0us", [12345] = "12.3us",
			[99990] = "100us", [123456] = "123us", [999499] = "999us", [999500] = "1.00ms", [1500000000] = "1.50s",
			[3600000000000] = "3600s", [-5] = "-5ns", [-12345] = "-12.3us",
		} do
			assert.equal(shown, draw.duration(ns))
		end
	end)
end)

describe("show.folded", function()
	local columns = {
		keys = { { name = "kstack", kind = "kstack" }, COMM, { name = "ustack", kind = "ustack" } },
		values = { COUNT, { name = "bytes", op = "SUM", cell = 0 } },
	}
	local KERNEL = { { name = "do_sys_open", offset = 3 }, { name = "entry", offset = 1 } }
	local rows = {
		{ kstack = KERNEL, comm = "ls", ustack = STACK, count = 3, bytes = 30 },
		{ kstack = { { name = "do_sys_open", offset = 4 }, KERNEL[2] }, comm = "ls", ustack = STACK, count = 4, bytes = 50 },
		{ kstack = false, comm = "a;b", ustack = { { name = "<[u8; 4]>::f" } }, count = 1, bytes = 0 },
	}

	it("is a line a stack, outermost first, the kernel's innermost", function()
		is("a_b;<[u8_ 4]>::f 1\nls;main;[app];malloc;entry;do_sys_open 7", show.folded(rows, columns))
	end)

	it("counts by another column on request", function()
		is("a_b;<[u8_ 4]>::f 0\nls;main;[app];malloc;entry;do_sys_open 80", show.folded(rows, columns, "bytes"))
	end)

	it("counts what a histogram holds", function()
		is("main 5", show.folded({ { s = { STACK[3] }, h = { { low = 0, high = 0, count = 2 }, { low = 1, high = 1, count = 3 } } } },
			{ keys = { { name = "s", kind = "ustack" } }, values = { { name = "h", op = "HIST" } } }))
	end)

	it("lets a name end no line", function()
		is("a_b\\u{202e} 1", show.folded({ { s = { { name = "a\nb\u{202e}" } }, count = 1 } }, {
			keys = { { name = "s", kind = "ustack" } }, values = { COUNT },
		}))
	end)

	it("says what is missing", function()
		assert.error_matches(function() show.folded(rows, { keys = { COMM }, values = { COUNT } }) end,
			'^folded: no stack is among the keys: give the rule by = "ustack" or "kstack"$')
		assert.error_matches(function() show.folded(rows, columns, "bites") end, "^folded: no column 'bites'$")
		assert.error_matches(function() show.folded(rows, { keys = columns.keys, values = {} }) end,
			"^folded: nothing is counted: give the rule a count or sum$")
	end)
end)

describe("show", function()
	it("says what any value is", function()
		is("12", show.text(12))
		is("nil", show.text(nil))
		is("a\\x1bb c", show.text "a\27b c")
		is('{ 1, "x", a = { b = "\\n" }, ["c d"] = 1.5, [false] = true }',
			show.text { 1, "x", a = { b = "\n" }, ["c d"] = 1.5, [false] = true })
		is("{}", show.text {})
		is("probe 7", show.text(setmetatable({}, { __tostring = function() return "probe 7" end })))
		is("a\n1", show.text { { a = 1 } })
		local loop = {}
		loop.loop = loop
		is("{ loop = { loop = { loop = { loop = { ... } } } } }", show.text(loop))
		local list = {}
		list[1] = list
		is("{ { { { { ... } } } } }", show.text(list))
	end)

	it("writes to a file, and says when it cannot", function()
		local file <close> = assert(io.tmpfile())
		assert.equal(file, show("a\27", file))
		file:seek "set"
		assert.equal("a\\x1b\n", file:read "a")
		local full <close> = assert(io.open("/dev/full", "w"))
		full:setvbuf "no"
		local done, message, errno = show("x", full)
		assert.same({ nil, "No space left on device", 28 }, { done, message, errno })
	end)
end)
