-- What a terminal would obey comes by every road: names, paths, strings, symbols, words. It is harmless where people read,
-- and exact where programs do.
local cli = require "support.cli"
local core = require "crumb.core"
local forms = require "support.forms"
local text = require "crumb.show.text"

local PROGRAM <const> = "build/fixtures/hostile"
-- The function's name, too: spec/fixtures/fixtures.mk.
local EVIL <const> = "evil\27[31m\r\8\u{9b}\u{202e}\255"
-- More than a name has room for.
local LONG <const> = "\27]0;title\7" .. EVIL .. "\\\"'\u{2066}\n日本🦔"
local TARGET <const> = ("uprobe:%s:%s"):format(PROGRAM, EVIL)

local quoted <const> = cli.quoted

local function command(more) return ("-c %s"):format(quoted(("%s %s %s"):format(PROGRAM, quoted(LONG), more or "3"))) end

-- All that a terminal would get of a shell command: nothing in it is obeyed, and what was to be shown is there.
local function harmless(shell, shown)
	local out <const>, _, errors <const> = cli.shell(shell)
	local all <const> = out .. errors
	assert.is_nil(all:find "[\0-\8\11-\31\127]", all)
	assert.is_truthy(utf8.len(all), all)
	for _, code in utf8.codes(all) do
		assert.is_false(code >= 0x80 and code <= 0x9f or code >= 0x202a and code <= 0x202e or code >= 0x2066 and code <= 0x2069,
			all)
	end
	assert.is_truthy(all:find(shown or [[evil\x1b[31m\r\x08\u{9b}\u{202e}\xff]], 1, true), all)
	return all
end

local function lua(code) return "-e " .. quoted(code:gsub("TARGET", function() return ("%q"):format(TARGET) end)) end

-- As the kernel keeps it.
local COMM <const> = [[\x1b]0;title\x07evil]]

describe("a hostile name on a terminal", function()
	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("is harmless in events", function()
		local probe <const> = [[probe { TARGET, capture = { "str(arg0)", memory = "bytes(arg0, 40)" } }]]
		harmless(("build/crumb %s %s"):format(command(), lua(probe)))
		harmless(("build/crumb %s %s"):format(command(), lua(probe)), COMM)
		harmless(("build/crumb --json %s %s"):format(command(), lua(probe)), '"probe":"p1"')
	end)

	it("is harmless in arguments of tracepoints", function()
		if not core.read "/sys/kernel/tracing/events/task/task_rename/format" then pending "no tracefs here" return end
		harmless(("build/crumb %s %s"):format(command(), lua 'probe "tracepoint:task:task_rename"'), "newcomm=" .. COMM)
	end)

	it("is harmless in rows, histograms and stacks", function()
		local by_symbol <const> = lua 'probe { TARGET, count = true, by = { "symbol", t = "str(arg0)" } }'
		local by_name <const> = lua 'probe { TARGET, count = true, hist = "17", by = { "comm", "ustack" } }'
		for _, form in ipairs { "", "--csv" } do
			harmless(("build/crumb %s %s %s"):format(form, command(), by_symbol))
			harmless(("build/crumb %s %s %s"):format(form, command(), by_name), COMM)
		end
	end)

	it("is harmless in frames of stacks, folded too", function()
		local run <const> = [[
			local p
			p = probe { TARGET, capture = { "ustack" }, count = true, by = "ustack", handler = function(event)
				show(event)
				print(p:folded())
				trace:close()
			end }]]
		local said <const> = harmless(("build/crumb %s %s"):format(command "1 stay", lua(run)), [[;evil_[31m__]])
		assert.is_truthy(said:find([[    evil\x1b[31m]], 1, true), said)
	end)

	it("is harmless in lists", function()
		for _, form in ipairs { "", "-v", "--csv" } do
			harmless(("build/crumb list %s %s"):format(form, quoted(("uprobe:%s:evil*"):format(PROGRAM))))
		end
	end)

	it("is harmless in top", function()
		harmless(("build/crumb %s top %s"):format(command(), quoted(TARGET)))
	end)

	it("is harmless in what tools say", function()
		local target <const> = quoted(TARGET)
		harmless(("build/crumb %s funccount --by 'str(arg0)' %s"):format(command(), target))
		harmless(("build/crumb %s trace %s 'str(arg0)'"):format(command(), target))
		harmless(("build/crumb %s argdist --count %s 'str(arg0)'"):format(command(), target))
		harmless(("build/crumb %s stackcount --folded %s"):format(command(), target), (COMM:gsub(";", "_")))
		harmless(("build/crumb %s opensnoop"):format(command()))
		if core.read "/sys/kernel/btf/vmlinux" then harmless(("build/crumb %s execsnoop"):format(command())) end
	end)

	it("is harmless in notices", function()
		harmless(("build/crumb %s %s"):format(command "3000", lua 'probe { TARGET, count = true, rows = 1, by = "nsecs" }'))
		harmless(("build/crumb -v %s %s"):format(command(),
			lua(("probe { TARGET, 'uprobe:%s:main', cookie = { main = 1 } }"):format(PROGRAM))))
		harmless(("build/crumb %s %s"):format(command(), lua [[probe { TARGET, capture = { t = "str(arg0, 8)" } }]]), [[t=\x1b]0;tit]])
	end)

	it("is harmless in refusals", function()
		for _, words in ipairs {
			EVIL, "--" .. EVIL, "-d " .. quoted(EVIL), "-p " .. quoted(EVIL), "./" .. EVIL, "help " .. quoted(EVIL),
			"list " .. quoted(EVIL), "list " .. quoted("uprobe:libc:" .. EVIL), "list " .. quoted("uprobe:/" .. EVIL .. ":f"),
			"list " .. quoted("syscall:" .. EVIL), "list " .. quoted("tracepoint:sched:" .. EVIL), "funccount " .. quoted(EVIL),
			"list " .. quoted(("uprobe:%s:%sx"):format(PROGRAM, EVIL)), "-c " .. quoted(quoted("/no/" .. EVIL)),
			"execsnoop " .. quoted("--" .. EVIL), "execsnoop -- " .. quoted(EVIL), "trace syscall:close " .. quoted(EVIL),
			"funccount syscall:close --where " .. quoted("comm == " .. EVIL), "-e " .. quoted(("error %q"):format(EVIL)),
			"-e " .. quoted("x = '" .. EVIL), "-v -e " .. quoted(("error %q"):format(EVIL)), "-e " .. quoted(("probe %q"):format(EVIL)),
			"-e " .. quoted(("probe { 'syscall:close', [%q] = 1 }"):format(EVIL)), "doctor " .. quoted("--" .. EVIL),
		} do
			if words == EVIL or words:find "^%-%-" or words:find "^%./" then words = quoted(words) end
			local out <const>, status <const>, errors <const> = cli.shell("build/crumb " .. words)
			assert.is_true(status == 1 or status == 2, words)
			assert.equal("", out)
			assert.is_nil(errors:find "[\0-\8\11-\31\127]", errors)
			assert.is_truthy(utf8.len(errors), errors)
			assert.is_nil(errors:find("\u{202e}", 1, true), errors)
			assert.matches("^crumb: ", errors)
		end
	end)

	it("is harmless where a script prints it", function()
		if core.execute { "script", "--version" } ~= 0 then pending "no script on this machine" return end
		local words <const> = "build/crumb " .. lua(("print(%q, 1)"):format(EVIL))
		local shown <const> = cli.shell(("script -qec %s /dev/null"):format(quoted(words)))
		assert.equal("evil\\x1b[31m\\r\\x08\\u{9b}\\u{202e}\\xff\t1\r\n", shown)
		assert.equal(EVIL .. "\n", (cli.shell("build/crumb " .. lua(("print(%q)"):format(EVIL)))))
	end)
end)

describe("a hostile name in JSON", function()
	-- What of it the kernel keeps, and what a reader of JSON makes of it: bytes.
	local function bytes(value)
		if type(value) == "string" then return value end
		return (value.hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
	end

	local function objects(name, words)
		local out <const>, status <const> = cli.shell(("build/crumb --json -c %s %s"):format(
			quoted(("%s %s 1"):format(PROGRAM, quoted(name))), words))
		assert.equal(0, status)
		return forms.json(out)
	end

	it("comes back to the byte", function()
		if not forms.has_json then pending "no dkjson on this machine" return end
		for _, name in ipairs { EVIL, LONG, "\27[2J\u{202e}\u{1f994}\\\"/\127", "\u{7ff}\u{800}\u{ffff}\u{10ffff}", "\xed\xa0\x80" } do
			local event <const>, row <const> = table.unpack(objects(name, lua [[
				probe { TARGET, capture = { t = "str(arg0, 64)", b = "bytes(arg0, 4)" } }
				probe { TARGET, count = true, by = { "comm", t = "str(arg0, 64)" } }]]))
			assert.equal(name, bytes(event.t))
			assert.equal((name .. "\0"):sub(1, 4), bytes(event.b))
			assert.equal(name:sub(1, 15), bytes(event.comm))
			assert.equal(EVIL, bytes(event.symbol))
			assert.same({ name, name:sub(1, 15), 1 }, { bytes(row.t), bytes(row.comm), row.count })
		end
		local opened <const> = objects(LONG, "opensnoop")
		assert.equal(LONG, bytes(opened[#opened].path))
	end)

	it("is what another reader reads", function()
		if core.execute { "python3", "-c", "" } ~= 0 then pending "no python3 on this machine" return end
		local out <const> = cli.shell(("build/crumb --json -c %s %s | python3 -c %s"):format(
			quoted(("%s %s 1"):format(PROGRAM, quoted "\27\u{9b}\u{202e}日🦔\"\\\n")),
			lua [[probe { TARGET, cookie = -1, capture = { t = "str(arg0)", least = "0 - 9223372036854775807 - 1" } }]],
			quoted [[import json, sys
for line in sys.stdin:
	event = json.loads(line)
	print(event["t"].encode().hex(), event["cookie"], event["least"], bytes.fromhex(event["symbol"]["hex"]).hex())]]))
		local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
		assert.equal(("%s 18446744073709551615 -9223372036854775808 %s\n"):format(hex "\27\u{9b}\u{202e}日🦔\"\\\n", hex(EVIL)), out)
	end)

	it("of lists names what may be given again", function()
		if not forms.has_json then pending "no dkjson on this machine" return end
		local out <const> = cli.shell(("build/crumb list --json %s"):format(quoted(("uprobe:%s:evil*"):format(PROGRAM))))
		assert.equal(TARGET, bytes(forms.json(out)[1].target))
	end)
end)

describe("a hostile name in CSV", function()
	it("comes back when escapes are undone", function()
		for _, name in ipairs { EVIL, LONG, 'a,"b",\n\r' } do
			local out <const>, status <const> = cli.shell(("build/crumb --csv -c %s %s"):format(
				quoted(("%s %s 2"):format(PROGRAM, quoted(name))), lua [[probe { TARGET, capture = { t = "str(arg0, 64)" } }]]))
			assert.equal(0, status)
			local records <const> = forms.csv(out)[1]
			assert.equal(2, #records)
			assert.equal(text.escape(name), records[1].t)
			assert.equal(text.escape(EVIL), records[1].symbol)
		end
	end)
end)

describe("an output that takes no more", function()
	local FOREVER <const> = "sh -c 'while :; do ls / >/dev/null; done'"
	local ENDLESS <const> = {
		events = "-d 30 -e " .. quoted 'probe "software:cpu-clock:100000"',
		rows = "-d 30 -i 10ms -e " .. quoted 'probe { "software:cpu-clock:100000", count = true }',
		json = "--json -d 30 -i 10ms -e " .. quoted 'probe { "software:cpu-clock:100000", hist = "cpu" }',
		opensnoop = ("-d 30 --follow -c %s opensnoop"):format(quoted(FOREVER)),
		top = ("-d 30 -i 10ms --follow -c %s top uprobe:libc:malloc"):format(quoted(FOREVER)),
		prints = "-e " .. quoted "while true do print 'x' end",
	}
	local SHORT <const> = {
		list = "list 'syscall:*'", ["list --json"] = "list --json 'syscall:*'", help = "help", tools = "tools", doctor = "doctor",
	}

	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("ends a trace when nobody reads, with status 141 and no word", function()
		for what, words in pairs(ENDLESS) do
			local out <const>, _, errors <const> = cli.shell(("{ build/crumb -q %s; echo $? >&2; } | head -n 1 | wc -l"):format(words))
			assert.same({ "1\n", "141\n" }, { out, errors }, what)
		end
	end)

	it("ends lists and tables when nobody reads", function()
		for what, words in pairs(SHORT) do
			-- A pipe whose reader is gone.
			local _, status <const>, errors <const> = cli.shell(
				("f=$(mktemp -u); mkfifo $f; exec 3<>$f 4>$f 3<&-; rm $f; build/crumb %s >&4"):format(words))
			assert.same({ 141, "" }, { status, errors }, what)
		end
	end)

	it("is said when it is a full disk, with status 1", function()
		for what, words in pairs(ENDLESS) do
			assert.same({ "", 1, "crumb: write to standard output: No space left on device\n" },
				{ cli.shell(("build/crumb -q %s >/dev/full"):format(words)) }, what)
		end
		for what, words in pairs(SHORT) do
			assert.same({ "", 1, "crumb: write to standard output: No space left on device\n" },
				{ cli.shell(("build/crumb %s >/dev/full"):format(words)) }, what)
		end
	end)

	it("is said when it is closed; and a closed standard error or input harms nothing", function()
		assert.same({ "", 1, "crumb: write to standard output: Bad file descriptor\n" },
			{ cli.shell("build/crumb -e 'print(1)' >&-") })
		assert.same({ "1\n", 0, "" }, { cli.shell "build/crumb -e 'print(1)' 2>&-" })
		assert.same({ "", 1, "" }, { cli.shell "build/crumb -e 'error(1)' 2>&-" })
		assert.same({ "", 2, "" }, { cli.shell "build/crumb --nonono 2>&-" })
		assert.same({ "1\n", 0, "" }, { cli.shell "build/crumb -e 'print(1)' <&-" })
		assert.same({ "", 1, "crumb: -: Bad file descriptor\n" }, { cli.shell "build/crumb - <&-" })
		assert.same({ "", 1, "" }, { cli.shell "build/crumb -e 'print(1)' >&- 2>&- <&-" })
	end)
end)

describe("a script that is wrong", function()
	it("is told with its file and line, and status 1", function()
		local folder <const> = os.tmpname()
		os.remove(folder)
		assert(os.execute("mkdir " .. folder))
		local path <const> = ("%s/%s.lua"):format(folder, EVIL)
		local file <const> = assert(io.open(path, "w"))
		file:write "\n\nx = = 1\n"
		file:close()
		local out <const>, status <const>, errors <const> = cli.shell("build/crumb " .. quoted(path))
		os.execute("rm -r " .. folder)
		assert.same({ "", 1 }, { out, status })
		assert.equal(("crumb: %s/%s.lua:3: unexpected symbol near '='\n"):format(folder, text.escape(EVIL)), errors)
		local _, code <const>, said <const> = cli.shell "printf 'x = 1\\nx = = 1\\n' | build/crumb -"
		assert.same({ 1, "crumb: stdin:2: unexpected symbol near '='\n" }, { code, said })
	end)
end)
