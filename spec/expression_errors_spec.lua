-- crumb.expression: what it answers to what is wrong: the option, the reason, the word, and the spelling that works.
local expression = require "crumb.expression"
local scope = require "support.scope"

local PARAMS = {
	set = { 1, 2 }, long = ("x"):rep(70) .. "*", longtext = ("x"):rep(65), bad = true, frac = 1.5, mixed = { 1, "a" },
}

-- The answer to each of { expression, word, reason, where the word begins }, in the option that `rule_of` puts it in.
local function answers(cases, at, option, rule_of)
	for _, case in ipairs(cases) do
		local text, word, reason, from = table.unpack(case)
		from = from or text:find(word, 1, true)
		local rule = rule_of and rule_of(text) or { where = text }
		rule.params = PARAMS
		local plan, message = expression.compile(rule, at())
		assert.is_nil(plan, text)
		assert.equal(("%s: %s\n    %s\n    %s%s"):format(option or "where", reason, text, (" "):rep(from - 1), ("^"):rep(#word)),
			message)
	end
end

-- The answer to each rule where no word is at fault.
local function refuses(cases, at)
	for _, case in ipairs(cases) do
		local plan, message = expression.compile(case[1], at or scope.uprobe())
		assert.is_nil(plan, case[2])
		assert.equal(case[2], message)
	end
end

describe("the form", function()
	it("is told where it is wrong", function()
		answers({
			{ "pid ==", "=", "it ends where a value should stand", 6 },
			{ "pid == ", " ", "it ends where a value should stand", 7 },
			{ "== 5", "==", "an expression should stand where '==' is" },
			{ "pid == (5", "(", "this ( is not closed" },
			{ "pid == 5)", ")", "an operator should stand where ')' is" },
			{ "pid in {1, 2", "{", "this { is not closed" },
			{ "pid in {1 2}", "2", "an operator should stand where '2' is" },
			{ "pid == 1 and", "d", "it ends where a value should stand", 12 },
			{ "pid in", "n", "it ends where a value should stand" },
			{ "not", "t", "it ends where a value should stand" },
			{ "pid 5", "5", "an operator should stand where '5' is" },
			{ "pid == 1 an uid == 2", "an", "an operator should stand where 'an' is" },
			{ "like 'x'", "like", "an expression should stand where 'like' is" },
			{ "pid == 0x", "0x", "'0x' is no number" },
			{ "pid == 5x", "5x", "no unit 'x': sizes are 4k 1M 1G, durations 10us 5ms 2s" },
			{ "pid > 5kb", "5kb", "no unit 'kb' (write 5k): sizes are 4k 1M 1G, durations 10us 5ms 2s" },
			{ "pid == 5m", "5m", "no unit 'm' (write 5M): sizes are 4k 1M 1G, durations 10us 5ms 2s" },
			{ "pid == 1.5", "1.5", "only whole numbers: for 1.5 ms write 1500us" },
			{ "pid == 1e3", "1e3", "'1e3' is no number" },
			{ "pid == 0x10000000000000000", "0x10000000000000000", "the number does not fit into 64 bits" },
			{ "pid == 9223372036854775808", "9223372036854775808",
				"the number does not fit into signed 64 bits: write it in hexadecimal" },
			{ "pid == 99999999999999999999999", "99999999999999999999999", "the number does not fit into signed 64 bits" },
			{ "pid > 10000000000G", "10000000000G", "the number does not fit into 64 bits" },
			{ "pid == 'x", "'x", "the text is not closed" },
			{ 'comm == "x', '"x', "the text is not closed" },
			{ "comm == 'a\\q'", "'a\\q'", "no escape '\\q'" },
			{ "comm == 'a\\0b'", "'a\\0b'", "a NUL ends a text, and cannot stand in it" },
			{ "comm == '\\300'", "'\\300'", "no escape '\\300'" },
			{ "comm == '\\xZZ'", "'\\xZZ'", "no escape '\\x'" },
		}, scope.uprobe)
	end)

	it("shows the line that is wrong, and nothing that moves a cursor", function()
		for where, shown in pairs {
			["pid == 1 and\n\tfoo == 1"] = "no name 'foo'\n     foo == 1\n     ^^^",
			["comm == 'é' and \27[2J"] = "an expression should stand where '?' is\n    comm == 'é' and  [2J\n                    ^",
			["comm == 'é' and foo == 1"] = "no name 'foo'\n    comm == 'é' and foo == 1\n                    ^^^",
			["pid == \xff"] = "an expression should stand where '?' is\n    pid == ?\n           ^",
		} do
			assert.equal("where: " .. shown, (select(2, expression.compile({ where = where }, scope.uprobe()))))
		end
	end)

	it("is bounded", function()
		refuses {
			{ { where = "" }, "where: it is empty" }, { { where = " \n" }, "where: it is empty" },
			{ { where = ("("):rep(1000) .. "1" }, "where: it is nested too deeply" },
			{ { where = ("not "):rep(1000) .. "1" }, "where: it is nested too deeply" },
			{ { where = ("x"):rep(4097) }, "where: it is too long: 4097 bytes of at most 4096" },
		}
	end)
end)

describe("habits of other languages", function()
	it("are answered with crumb's words", function()
		answers({
			{ "pid = 1", "=", "nothing is assigned here: equality is written ==" },
			{ "pid === 5", "===", "write ==" },
			{ "pid <> 5", "<>", "write ~=" },
			{ "pid =~ 5", "=~", 'write like, with a glob: comm like "ngin*"' },
			{ "pid not 5", "not", "after a value not stands before in and like; unequal is written ~=" },
			{ "pid ! 5", "!", "unequal is written ~=" },
			{ "pid ^ 2 == 1", "^", "exclusive or is written ~, as in Lua" },
			{ "pid // 2 == 1", "//", "division is of integers: write /" },
			{ "comm .. 'x' == 'y'", "..", "texts cannot be put together here: capture them one by one" },
			{ "#comm == 2", "#", "there is no length operator" },
			{ "pid ++ 1", "++", "nothing is changed here" },
			{ "*arg0 == 5", "*", "memory is read with its width: write u64[x], or args.NAME[0]" },
			{ "&arg0 == 5", "&", "there is no address of: write str(args.NAME), or sp + 8" },
			{ "pid == 1 ? 2 : 3", "?", "there is no ? and :; write the condition in `where`" },
			{ "pid == 1; uid == 2", ";", "there are no statements: one expression stands here" },
			{ "@[pid] = count()", "@",
				'there are no maps: an aggregate is an option, such as count = true, by = { "comm" }, or sum = "arg0"' },
			{ "@x[pid]", "@x",
				'there are no maps: an aggregate is an option, such as count = true, by = { "comm" }, or sum = "arg0"' },
			{ "/pid == 1/", "/pid == 1/", "a condition stands without slashes" },
			{ "/pid == 1/ { print(1) }", "/pid == 1/", "a condition stands without slashes" },
			{ "printf('%d', pid)", "printf",
				"no function 'printf': nothing is printed in the kernel: capture values, and print them in the handler" },
			{ "((struct file)arg0).f == 1", "(struct file)", "a cast is to a pointer: write (struct NAME *)x" },
			{ "(struct file *) == 1", "==", "an expression should stand where '==' is" },
			{ "(struct *)arg0 == 1", ")", "an expression should stand where ')' is" },
			{ "(char *)arg0 == 'x'", "(char *)", "the text at an address is str(x)" },
			{ "(int)arg0 == 1", "(int)", "numbers are converted by functions: write s32(x) or u32(x)" },
			{ "(int32)arg0 == 1", "(int32)", "numbers are converted by functions: write s32(x) or u32(x)" },
			{ "(uint64_t)arg0 == 1", "(uint64_t)", "numbers are converted by functions: write s32(x) or u32(x)" },
			{ "$1 == 2", "$1", "parameters have names: write $name, and params = { name = value }" },
			{ "$ == 2", "$", "a parameter has a name: write $name" },
			{ "if (pid == 1)", "if", "no function 'if': there are no statements: what decides stands in `where`" },
			{ "count()", "count", "no function 'count': an aggregate is an option: count = true" },
			{ "hist(arg0)", "hist", [[no function 'hist': an aggregate is an option: hist = "x"]] },
			{ "buf(arg0, 4) == 'x'", "buf", "no function 'buf': write bytes(x, n)" },
			{ "kstr(arg0) == 'x'", "kstr", "no function 'kstr': write str(x): the address tells whose memory it is" },
			{ "strncmp(str(arg0), 'x', 1) == 0", "strncmp",
				[[no function 'strncmp': write str(x) == "text", or str(x) like "text*"]] },
			{ "int32(arg0) == 1", "int32", "no function 'int32': write s32(x)" },
			{ "pid() == 1", "pid", "no function 'pid': write pid without parentheses" },
			{ "uid() == 1", "uid()", "uid is a value, and no function: write uid" },
			{ "curtask == 1", "curtask", "no name 'curtask': write task" },
			{ "nil == 1", "nil", "no name 'nil': write 0" },
			{ "arg6 == 1", "arg6",
				"no name 'arg6': only arg0 to arg5 are in registers: write u64[sp + 8] for what lies on the stack" },
			{ "func == 'x'", "func", "no name 'func': write symbol" },
			{ "PID == 1", "PID", "no name 'PID': write pid" },
			{ "pid == 1 AND uid == 0", "AND", "write and" },
			{ "pid == 1 OR uid == 0", "OR", "write or" },
			{ "NOT pid == 1", "pid", "an operator should stand where 'pid' is" },
			{ "pid in (1, 2)", "(1, 2)", "a list stands in braces: in {1, 2}" },
			{ "pid in 1..5", "1..5", "write x >= 1 and x <= 5" },
			{ "arg0 > 4,096", "4,096", "a number has no commas" },
			{ "elapsed > 1 ms", "1 ms", "a unit stands at its number, without a blank: 1ms" },
			{ "size: arg0", "size:", 'a name stands outside of the quotes: capture = { name = "arg0" }' },
			{ "arg0 as size", "as", 'a name stands outside of the quotes: capture = { name = "arg0" }' },
			{ "arg0 > '4096'", "'4096'", "a number stands without quotes: 4096" },
			{ "process == 'x'", "process", "no name 'process': write comm for its name, pid for its number" },
			{ "name == 'x'", "name", "no name 'name': write comm for the process, symbol for the function" },
			{ "user == 0", "user", "no name 'user': write uid" },
			{ "ts > 5", "ts", "no name 'ts': write time" },
			{ "str(arg0) == /etc/passwd", "/etc/passwd", "a text stands in quotes" },
			{ "comm contains 'x'", "contains", 'write like, with stars: comm like "*gin*"' },
			{ "comm startswith 'x'", "startswith", 'write like, with a star: comm like "ngin*"' },
			{ "comm matches 'x'", "matches", 'write like, with a glob: comm like "ngin*"' },
			{ "pid is 5", "is", "write ==" },
			{ "comm equals 'x'", "equals", "write ==" },
			{ "str(arg0) ~ 'x*'", "str(arg0) ~ 'x*'", "a pattern stands behind like: write str(arg0) like 'x*'" },
			{ "uid == 'root'", "uid", "'uid' is a number, and no text: write uid == 0" },
		}, scope.uprobe)
	end)

	it("are no habits inside of a text", function()
		for _, text in ipairs { "a;b", "@x", "a?b", "printf(", "$1", "a..b", "//", "^", "(int)", "=" } do
			assert.truthy(expression.compile({ where = ("str(arg0) == '%s'"):format(text) }, scope.uprobe()), text)
			local _, message = expression.compile({ where = ("str(arg0) == '%s' 5"):format(text) }, scope.uprobe())
			assert.truthy(message:find("an operator should stand where '5' is", 1, true), message)
		end
	end)
end)

describe("values", function()
	it("are told where they are wrong", function()
		answers({
			{ "pidd == 1", "pidd", "no name 'pidd' (nearest: pid)" },
			{ "pid", "pid", "'pid' is no condition, which is a comparison: write pid ~= 0" },
			{ "comm", "comm", [['comm' is no condition, which is a comparison: write comm ~= ""]] },
			{ "str(arg0)", "str(arg0)", [['str(arg0)' is no condition, which is a comparison: write str(arg0) ~= ""]] },
			{ "kstack", "kstack", "'kstack' is no condition, which is a comparison" },
			{ "arg0 and arg1 == 1", "arg0", "'arg0' is no condition, which is a comparison: write arg0 ~= 0" },
			{ "not arg0", "arg0", "'arg0' is no condition, which is a comparison: write arg0 == 0" },
			{ "!arg0", "arg0", "'arg0' is no condition, which is a comparison: write arg0 == 0" },
			{ "pid & 4", "pid & 4", "'pid & 4' is no condition, which is a comparison: write pid & 4 ~= 0" },
			{ "{1}", "{1}", "'{1}' is no condition, which is a comparison" },
			{ "'a' == 'b' and 1", "1", "'1' is no condition, which is a comparison: write 1 ~= 0" },
			{ "kstack == 1", "kstack", "'kstack' is a stack, and no number" },
			{ "pid == comm", "comm", "'comm' is a text, and is compared with one in quotes" },
			{ "comm == 5", "comm", "'comm' is a text, and is compared with one in quotes" },
			{ "comm < 'a'", "comm < 'a'", "texts are compared by ==, ~=, like and in" },
			{ "comm == nginx", "nginx", 'a text stands in quotes: "nginx"' },
			{ "comm in {nginx}", "nginx", 'a text stands in quotes: "nginx"' },
			{ "comm == 'a*'", "'a*'", 'comm is compared with the text itself: for a pattern write comm like "a*"' },
			{ "comm in {'a*','b'}", "{'a*','b'}", 'comm is compared with the text itself: for a pattern write comm like "a*"' },
			{ "comm == 'abcdefghijklmnop'", "'abcdefghijklmnop'", 'comm holds 15 bytes, and this has 16: write "abcdefghijklmno"' },
			{ "comm in {'abcdefghijklmnop', 'b'}", "{'abcdefghijklmnop', 'b'}",
				'comm holds 15 bytes, and this has 16: write "abcdefghijklmno"' },
			{ "comm like 'abcdefghijklmnop*'", "'abcdefghijklmnop*'",
				'comm holds 15 bytes, and this asks for 16: write "abcdefghijklmno*"' },
			{ "comm in {1,2}", "{1,2}", "'comm' is a text, and this is a list of numbers" },
			{ "pid in {'a'}", "pid", "'pid' is a number, and no text: write pid == 0" },
			{ "pid in {1,'a'}", "'a'", "a list holds numbers or texts, of one kind" },
			{ "pid in {arg0}", "arg0", "a list holds constants: numbers, texts and $parameters" },
			{ "pid in 1", "1", "in takes a list: {1, 2}, or a $parameter that is one" },
			{ "pid == {1}", "{1}", "a list is compared by in: pid in {1}" },
			{ "pid == $set", "$set", "a list is compared by in: pid in $set" },
			{ "comm like 5", "5", 'like takes a pattern in quotes: like "ngin*"' },
			{ "pid like 'a'", "pid", "'pid' is a number, and no text: write pid == 0" },
			{ "arg0 == 'x'", "arg0", "'arg0' is a number, and no text: write str(arg0)" },
			{ "str(arg0) like $long", "$long", "too large: a pattern of 70 characters, at most 63" },
			{ "str(arg0) == $longtext", "$longtext", "too large: a text of 65 bytes, and at most 64 are compared" },
			{ "str(arg0) in {$longtext}", "{$longtext}", "too large: a text of 65 bytes, and at most 64 are compared" },
			{ "str(arg0) == str(arg1)", "str(arg0)", "'str(arg0)' is a text, and is compared with one in quotes" },
			{ "str(arg0, 100) == 'x'", "str(arg0, 100)", "too large: 100 bytes, at most 64 are compared" },
			{ "str(arg0, 4) == '/etc/'", "'/etc/'", "too large: a text of 5 bytes, and only 4 are compared" },
			{ "str(comm) == 'x'", "str(comm)", "comm is a text already: write comm" },
			{ "str(str(arg0)) == 'x'", "str(str(arg0))", "'str(arg0)' is a text already" },
			{ "str(arg0, 0) == 'x'", "0", "the size is 1 to 4096 bytes, not 0", 11 },
			{ "str(arg0, arg1) == 'x'", "arg1", "the size is a number or a $parameter: bytes(x, n) takes any expression for n" },
			{ "str() == 'x'", "str()", "str takes 1 or 2 arguments: write str(x), or str(x, n)" },
			{ "bytes(arg0, 5) == 'x'", "bytes(arg0, 5)", "'bytes(arg0, 5)' is a piece of memory, and no text" },
			{ "ksym(ip) == 'x'", "ksym(ip)", "'ksym(ip)' is for output only, and no text" },
			{ "symbol == 'x'", "symbol", "the kernel does not know symbol: give the site a cookie of its own, and compare cookie" },
			{ "symbol == 1", "symbol", "the kernel does not know symbol: give the site a cookie of its own, and compare cookie" },
			{ "bswap(arg0) == 1", "arg0", "how many bytes 'arg0' has is not known: write bswap(u16(arg0)), or u32" },
			{ "ntohs(arg0) == 1", "ntohs", "no function 'ntohs': write bswap(u16(x))" },
			{ "ntop(arg0) == 'x'", "ntop(arg0)", "an address has 4 or 16 bytes: write ntop(x, 4) or ntop(x, 16)" },
			{ "args == 1", "args", "args has no value of its own: write args.NAME" },
			{ "args.file == 1", "args.file", "args.file is not known: user functions have no named arguments: arg0 … arg5 work" },
			{ "reg == 1", "reg", "reg has no value of its own: write reg.NAME" },
			{ "reg.foo == 1", "reg.foo", "a uprobe has no reg.foo" },
			{ "str == 1", "str", "str is a function: write str(x)" },
			{ "true == 1", "true", "true is compared with what is a bool by its type: write 1 or 0" },
			{ "foo(1) == 1", "foo", "no function 'foo'" },
			{ "strr(arg0) == 'x'", "strr", "no function 'strr' (nearest: str)" },
			{ "u32() == 1", "u32()", "u32 takes 1 argument: write u32(x)" },
			{ "u32(comm) == 1", "comm", "'comm' is a text, and no number" },
			{ "u32[comm] == 1", "comm", "'comm' is no address" },
			{ "pid / 0 == 1", "0", "division by zero" },
			{ "pid / arg0 == 1", "arg0", "the kernel divides by a constant only: a number, or a $parameter" },
			{ "pid % arg0 == 1", "arg0", "the kernel divides by a constant only: a number, or a $parameter" },
			{ "pid << 64 == 1", "64", "a shift is by 0 to 63 bits" },
			{ "pid >> -1 == 1", "-1", "a shift is by 0 to 63 bits" },
			{ "(pid == 1) + 1 == 2", "pid == 1", "a condition is no value: it decides in `where`" },
			{ "u8(pid == 1) == 1", "pid == 1", "a condition is no value: it decides in `where`" },
			{ "pid == (uid == 1)", "uid == 1", "a condition is no value: it decides in `where`" },
			{ "pid == 1 == 2", "pid == 1 == 2", "two are compared at a time: write pid == 1 and 1 == 2" },
			{ "1 < pid <= 5", "1 < pid <= 5", "two are compared at a time: write 1 < pid and pid <= 5" },
			{ "not pid == 1", "not pid == 1", "not takes what stands next to it alone: write not (pid == 1)" },
			{ "! pid in {1}", "! pid in {1}", "not takes what stands next to it alone: write not (pid in {1})" },
			{ "$foo == 1", "$foo", "no parameter 'foo': give params = { foo = value }" },
			{ "$sett == 1", "$sett", "no parameter 'sett' (nearest: set)" },
			{ "$bad == 1", "$bad", "the parameter bad is a boolean: integers, texts and lists can be" },
			{ "$frac == 1", "$frac", "the parameter frac: not an integer (it is 1.5)" },
			{ "pid in $mixed", "$mixed", "$mixed[2] is a string: a list holds integers or texts, of one kind" },
			{ "arg0[1] == 1", "arg0", "'arg0' is no array and no pointer that is known: memory is read as u64[arg0]" },
			{ "arg0.x == 1", "arg0", "'arg0' is no struct, so it has no fields" },
			{ "task.pid == 1", "task", "nothing is known of the kernel's types" },
			{ "((struct file *)arg0).x == 1", "struct file", "nothing is known of the program's structs" },
		}, scope.uprobe)
		answers({
			{ "((struct file *)arg0).x == 1", "struct file", "nothing is known of the program's structs: it has no debug information" },
		}, function() return scope.uprobe { file = { missing = "it has no debug information" } } end)
		answers({
			{ "((struct file *)arg0).x == 1", "struct file",
				"the structs of a program are known at its functions, and not at its probes: write u64[x + 8]" },
		}, function() return scope.uprobe { hook = "usdt" } end)
		answers({
			{ "((struct file *)args.delta).x == 1", "struct file", "nothing is known of the kernel's structs" },
		}, scope.tracepoint)
	end)

	it("are told by their types", function()
		answers({
			{ "args.fil == 1", "fil", "no argument 'fil' (nearest: file)" },
			{ "args.zzzzzz == 1", "zzzzzz", "no argument 'zzzzzz' (there are file, fd, size, mode, state, count, seventh, ratio)" },
			{ "args.file.inod.ino == 1", "inod", "no member 'inod' in struct file (nearest: inode)" },
			{ "args.file.own == 1", "args.file.own", "'args.file.own' is struct inode, and no number: write args.file.own.address" },
			{ "args.file.numbers == 1", "args.file.numbers",
				"'args.file.numbers' is an array, and no number: write args.file.numbers[0]" },
			{ "args.file.numbers[4] == 1", "4", "'args.file.numbers' has elements 0 to 3" },
			{ "args.file.numbers[-1] == 1", "-1", "'args.file.numbers' has elements 0 to 3" },
			{ "args.fd.x == 1", "args.fd", "'args.fd' is no struct, so it has no fields" },
			{ "args.fd[0] == 1", "args.fd", "'args.fd' is no array and no pointer that is known: memory is read as u64[args.fd]" },
			{ "args.file.data.x == 1", "args.file.data",
				"nothing is known of what 'args.file.data' points to: write u64[args.file.data + 8]" },
			{ "args.file.data[0] == 1", "args.file.data[0]", "nothing is known of what 'args.file.data[0]' is" },
			{ "args.file.next.inode == 1", "args.file.next",
				"'args.file.next' points to a pointer, which has no fields: write args.file.next[0]" },
			{ "args.file.path.x == 1", "args.file.path", "'args.file.path' points to a number, which has no fields" },
			{ "args.file.ratio == 1", "args.file.ratio", "'args.file.ratio' cannot be read: it is a floating-point number" },
			{ "args.ratio == 1", "args.ratio", "'args.ratio' cannot be read: it is a floating-point number" },
			{ "args.state == DED", "DED", "no value 'DED' in this enumeration (nearest: DEAD)" },
			{ "args.state == zzzzzzz", "zzzzzzz", "no value 'zzzzzzz' in this enumeration (there are DEAD, RUNNING, SLEEPING)" },
			{ "signal(arg0) == SIGKIL", "SIGKIL", "no value 'SIGKIL' in this enumeration (nearest: SIGKILL, SIGILL, SIGIO)" },
			{ "args.state in {DED}", "DED", "no value 'DED' in this enumeration (nearest: DEAD)" },
			{ "DED == args.state", "DED", "no value 'DED' in this enumeration (nearest: DEAD)" },
			{ "args.file.own.name < 'a'", "args.file.own.name < 'a'", "texts are compared by ==, ~=, like and in" },
			{ "args.file.own.name == 'abcdefghi'", "'abcdefghi'", "too large: a text of 9 bytes, and only 8 are compared" },
			{ "args.file == 'x'", "args.file", "'args.file' is a number, and no text: write str(args.file)" },
			{ "fd == 1", "fd", "no name 'fd': write args.fd" },
			{ "task.nope == 1", "nope", "no member 'nope' in struct task_struct" },
			{ "((struct tusk *)arg0).pid == 1", "struct tusk", "no such type" },
			{ "(const union tusk**)arg0 == 1", "union tusk", "no such type" },
			{ "((struct task_struct *)arg0).nope == 1", "nope", "no member 'nope' in struct task_struct" },
			{ "((struct task_struct **)arg0).pid == 1", "((struct task_struct **)arg0)",
				"'((struct task_struct **)arg0)' points to a pointer, which has no fields: write ((struct task_struct **)arg0)[0]" },
			{ "((struct task_struct *)comm).pid == 1", "comm", "'comm' is no address" },
			{ "(struct task_struct *)arg0.pid == 1", "arg0", "'arg0' is no struct, so it has no fields" },
		}, scope.kprobe)
	end)
end)

describe("hooks", function()
	it("have what they have", function()
		for text, case in pairs {
			["arg0 == 1"] = {
				{ scope.tracepoint(), "no arg0 here: a tracepoint has no registers: args.NAME works "
					.. "(there are prev_comm, prev_pid, address, filename, flags, delta)" },
				{ scope.uprobe { hook = "uretprobe" }, "arg0 is only known at the entry: write uprobe:… with returns = true" },
				{ scope.kprobe { hook = "kretprobe" }, "arg0 is only known at the entry: write kprobe:… with returns = true" },
				{ { hook = "perf" }, "a perf event has no arg0" },
			},
			["arg3 == 1"] = { { scope.syscall(), "a tracepoint has no arg3 (nearest: arg0)" } },
			["retval == 1"] = {
				{ scope.uprobe(), "retval is only known at the return: add returns = true" },
				{ scope.syscall(), "retval is only known at the return: add returns = true" },
				{ scope.tracepoint(), "a tracepoint has no retval" }, { { hook = "perf" }, "a perf event has no retval" },
				{ scope.uprobe { pair = "from" }, "retval is not known at the beginning of a span: say it in `to`" },
			},
			["latency == 1"] = {
				{ scope.kprobe(), "latency is only known at the return: add returns = true" },
				{ scope.syscall(), "latency is only known at the return: add returns = true" },
				{ scope.tracepoint(),
					"latency needs a beginning and an end: returns = true on a function or syscall, or trace:span" },
				{ scope.uprobe { hook = "uretprobe" }, "latency is only known of whole calls: write uprobe:… with returns = true" },
				{ scope.kprobe { hook = "fexit" }, "latency is only known of whole calls: write fentry:… with returns = true" },
				{ scope.uprobe { pair = "from" }, "latency is not known at the beginning of a span: say it in `to`" },
			},
			["args.x == 1"] = { { { hook = "perf" }, "args.x is not known: a perf event has no named arguments" } },
			["task.pid == 1"] = {
				{ { hook = "perf", kernel = function() return nil, "no BTF" end }, "nothing is known of the kernel's types: no BTF" },
			},
			["entry(arg0) == 1"] = {
				{ scope.uprobe(), "there is no entry to look back to: write x alone, or add returns = true" },
				{ scope.uprobe { pair = "from" }, "there is no entry to look back to: write x alone" },
			},
		} do
			for _, one in ipairs(case) do
				local _, message = expression.compile({ where = text, key = "pid" }, one[1])
				assert.equal("where: " .. one[2], message:match "^[^\n]*")
			end
		end
	end)

	it("give the return value where they return", function()
		assert.truthy(expression.compile({ where = "retval == 1" }, scope.uprobe { hook = "uretprobe" }))
		assert.truthy(expression.compile({ where = "retval == 1" }, scope.syscall { hook = "fexit" }))
	end)
end)

describe("calls", function()
	it("keep what can be kept", function()
		answers({
			{ "entry(retval) == 1", "retval", "retval is not known at the beginning of a call" },
			{ "entry(latency) == 1", "latency", "latency is not known at the beginning of a call" },
			{ "entry(entry(arg0)) == 1", "entry(arg0)", "this is of the entry already" },
			{ "entry(comm) == 'x'", "comm",
				"only numbers and str(x) are kept from the entry: an event has comm, which is the thread's" },
			{ "entry(str(arg0)) == 'x' or retval == 1", "entry(str(arg0))",
				"a text of the entry is compared at the entry: not in one `or` with what is known at the return" },
			{ "entry(pid == 1)", "pid == 1", "a condition is no value: it decides in `where`" },
			{ "entry(kstack) == 1", "kstack", "only numbers and str(x) are kept from the entry" },
		}, function() return scope.uprobe { pair = "call" } end)
		local many = {}
		for i = 1, 9 do many["c" .. i] = ("entry(u64[arg0 + %d])"):format(i) end
		refuses({
			{ { capture = many }, "entry: too large: 9 values are kept from the beginning, at most 8" },
			{ { capture = { a = "entry(str(arg0, 200))", b = "entry(str(arg1, 55))" } },
				"entry: too large: the texts that are kept from the beginning have 255 bytes, all together at most 254" },
			{ { capture = { "retval" } }, "capture[1]: every event has 'retval' of its own: leave it out" },
			{ { capture = { latency = "arg0" } },
				"capture.latency: every event has 'latency' of its own: give the capture another name" },
		}, scope.uprobe { pair = "call" })
	end)
end)

describe("spans", function()
	it("have keys, and names for what they keep", function()
		refuses({
			{ {}, "key: a span has a key of one or two expressions, not 0" },
			{ { key = { "pid", "tid", "uid" } }, "key: a span has a key of one or two expressions, not 3" },
			{ { key = 5 }, "key: expected a table of expressions, got number" },
			{ { key = { "pid", "comm" } }, "key[2]: 'comm' is a text, and no number\n    comm\n    ^^^^" },
			{ { key = "pid", count = true }, "count: the table is of the span: say it beside from and to" },
			{ { key = "pid", capture = { "arg0 + 1" } },
				'capture[1]: it needs a name, by which `to` speaks of it: capture = { name = "arg0 + 1" }' },
			{ { key = "pid", capture = { k = "bytes(arg0, 4)" } },
				"capture.k: 'bytes(arg0, 4)' is a piece of memory, and no number\n    bytes(arg0, 4)\n    ^^^^^^^^^^^^^^" },
		}, scope.uprobe { pair = "from" })
	end)

	it("give texts back, to be shown", function()
		local from = expression.compile({ key = "arg0", capture = { size = "arg1", name = "str(arg2)" } },
			scope.uprobe { pair = "from" })
		answers({
			{ "name == 'x'", "name", "a text that was kept is captured or a key, and not compared: compare it in `from`" },
			{ "siz == 1", "siz", "no name 'siz' (nearest: size)" },
			{ "entry(arg0) == 1", "entry(arg0)", "entry(x) is of calls: let `from` capture x, and write its name here" },
			{ "str(name) == 'x'", "str(name)", "'name' is a text already" },
		}, function() return scope.uprobe { pair = "to", from = from } end, nil,
			function(text) return { key = "arg0", where = text } end)
		refuses({
			{ { key = "size" },
				"key: size is known when the key has found the beginning: a key is of what is known here\n    size\n    ^^^^" },
			{ { key = "latency" },
				"key: latency is known when the key has found the beginning: a key is of what is known here\n    latency\n    ^^^^^^^" },
		}, scope.uprobe { pair = "to", from = from })
	end)
end)

describe("options", function()
	it("capture what differs", function()
		answers({
			{ "comm", "comm", "every event has comm already: leave it out" },
			{ "symbol", "symbol", "every event has symbol already: leave it out" },
			{ "'x'", "'x'", "it is the same in every event: leave it out" },
			{ "$set", "$set", "it is the same in every event: leave it out" },
			{ "pid == 1", "pid == 1", "a condition is no value: it decides in `where`" },
			{ "ntop(arg0, 5)", "5", "an address has 4 or 16 bytes, not 5: write ntop(x, 4) or ntop(x, 16)" },
			{ "str(arg0, 5000)", "5000", "the size is 1 to 4096 bytes, not 5000" },
			{ "bytes(arg0)", "bytes(arg0)", "bytes takes 2 or 3 arguments: write bytes(x, n), or bytes(x, n, max)" },
			{ "bytes(arg0, arg1, arg2)", "arg2", "the size is a number or a $parameter" },
		}, scope.uprobe, "capture.x", function(text) return { capture = { x = text } } end)
		answers({
			{ "args.file.own", "args.file.own",
				"'args.file.own' is struct inode: write args.file.own.address, or bytes(args.file.own, 36)" },
			{ "args.file.numbers", "args.file.numbers",
				"'args.file.numbers' is an array: write args.file.numbers[0], or bytes(args.file.numbers, 8)" },
			{ "ntop(args.file.own.name)", "ntop(args.file.own.name)",
				"an address has 4 or 16 bytes, not 8: write ntop(x, 4) or ntop(x, 16)" },
		}, scope.kprobe, "capture.x", function(text) return { capture = { x = text } } end)
	end)

	it("have the form that is theirs", function()
		local lhist = 'lhist: expected { "expression", min, max, step }'
		refuses {
			{ { where = 5 }, "where: expected an expression, a string, got number" },
			{ { capture = { "pid" } }, "capture[1]: every event has 'pid' of its own: leave it out" },
			{ { capture = { pid = "arg0" } }, "capture.pid: every event has 'pid' of its own: give the capture another name" },
			{ { capture = { "arg0", "arg0" } }, "capture[2]: there are two of this name" },
			{ { capture = { 5 } }, "capture[1]: expected an expression, a string, got number" },
			{ { capture = { x = 5 } }, "capture.x: expected an expression, a string, got number" },
			{ { capture = 5 }, "capture: expected a table of expressions, got number" },
			{ { capture = { [3] = "arg0" } }, "capture: there is [3] in it: a list, or names" },
			{ { by = "comm" }, "by: it groups an aggregate, and there is none: add count = true" },
			{ { count = true, by = 5 }, "by: expected a table of expressions, got number" },
			{ { count = true, by = { "pid", "pid" } }, "by: two columns are called 'pid': give one another name" },
			{ { sum = { symbol = "arg0" }, by = { "symbol" } }, "sum: two columns are called 'symbol': give one another name" },
			{ { count = 5 }, "count: expected true, got number" }, { { sum = 5 }, "sum: expected a table of expressions, got number" },
			{ { sum = { "arg0" } }, 'sum: several of them have names: sum = { name = "expression" }' },
			{ { sum = { x = "comm" } }, "sum.x: 'comm' is a text, and no number\n    comm\n    ^^^^" },
			{ { lhist = "arg0" }, lhist .. ", or names with such lists" },
			{ { lhist = { "arg0" } }, lhist .. ", or names with such lists" },
			{ { lhist = { "arg0", 1, 2 } }, lhist .. "; [4] is missing" },
			{ { lhist = { "arg0", 1, "2", 1 } }, lhist .. "; [3] is a string" },
			{ { lhist = { "arg0", 1.5, 2, 1 } }, lhist .. "; [2] is 1.5, and no integer" },
			{ { lhist = { "arg0", 5, 1, 1 } }, "lhist: min 5, max 1, step 1: max is larger than min, and step at least 1" },
			{ { lhist = { "arg0", 1, 5, 0 } }, "lhist: min 1, max 5, step 0: max is larger than min, and step at least 1" },
			{ { lhist = { x = "arg0" } }, 'lhist.x: expected { "expression", min, max, step }, got string' },
			{ { sample = -1 }, "sample: expected an integer of 0 or more, got -1" },
			{ { limit = 1.5 }, "limit: expected an integer of 0 or more, got 1.5" },
		}
	end)

	it("group by what can be a key", function()
		answers({
			{ "bytes(arg0, 4)", "bytes(arg0, 4)", "bytes are no key: write str(x), or u64[x]" },
			{ "ksym(ip)", "ksym(ip)", "'ksym(ip)' is for output only, and no number" },
			{ "str(arg0, 8)", "str(arg0, 8)", "a text that is a key is cut after 64 bytes: write str(x)" },
			{ "'a'", "'a'", "it is the same in every row: leave it out" }, { "nope", "nope", "no name 'nope'" },
		}, scope.uprobe, "by[1]", function(text) return { count = true, by = { text } } end)
	end)
end)

describe("what is too large", function()
	local function many(count, form, between)
		local list = {}
		for i = 1, count do list[i] = form:format(i) end
		return between and table.concat(list, between) or list
	end

	it("is told with its limit", function()
		local sums, big = {}, {}
		for i = 1, 8 do sums["s" .. i] = "arg0 + " .. i end
		for i = 1, 10001 do big[i] = i end
		refuses {
			{ { where = many(64, "u8[arg0 + %d] ~= arg1", " and ") }, "rule: too large: it takes 132 steps, at most 128" },
			{ { where = "str(arg0) == $text", params = { text = "a\0b" } },
				"where: a text that is read ends before its first NUL, and this one has a NUL in it\n"
					.. "    str(arg0) == $text\n                 ^^^^^" },
			{ { where = "comm like $text", params = { text = "a\0*" } },
				"where: a text that is read ends before its first NUL, and this one has a NUL in it\n"
					.. "    comm like $text\n              ^^^^^" },
			{ { where = "pid in $big", params = { big = big } },
				"where: too large: 10001 values, of at most 10000\n    pid in $big\n           ^^^^" },
			{ { capture = many(25, "arg0 + %d") }, "capture: too large: an event has 25 values, at most 24" },
			{ { capture = many(21, "arg0 + %d") }, "rule: too large: 21 values are needed at once, at most 20" },
			{ { capture = { a = "str(arg0, 4096)", b = "str(arg1, 4096)" } },
				"capture: too large: an event may have 8264 bytes, at most 8190: say str(x, n) or bytes(x, n) with a smaller n" },
			{ { count = true, by = { "pid", "tid", "uid", "gid", "cpu" } }, "by[5]: too large: a table has at most 4 keys" },
			{ { sum = sums }, "sum.s8: too large: a row has 8 sums, at most 7, and 8 with histograms, at most 8" },
			{ { lhist = { "arg0", 0, 1 << 40, 1 } }, "lhist: too large: 0 to 1099511627776 by 1 has more than 65533 buckets" },
		}
	end)
end)
