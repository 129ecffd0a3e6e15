-- crumb.command.words, json and csv: what command lines say, and the two exact forms.
local csv = require "crumb.command.csv"
local json = require "crumb.command.json"
local words = require "crumb.command.words"

describe("the words of a command", function()
	local function of(text) return (assert(words.of_command(text))) end

	it("are parted as a shell parts them", function()
		assert.same({ "ls", "-l", "/" }, of "ls -l /")
		assert.same({ "a b", "c d", "e f" }, of [['a b' "c d" e\ f]])
		assert.same({ "ab'c", 'd"e', "f\\g", "" }, of [[a"b'"c d\"e "f\\g" '']])
		assert.same({ "a\\b $", "x`" }, of [["a\b \$" 'x`']])
		assert.same({ "a|b", ";", "~", "*" }, of [['a|b' \; "~" '*']])
		assert.same({ "\27\255" }, of "\27\255")
		assert.same({ "ls", "-l" }, of "\tls \t-l\t")
		assert.same({ [[a\\b"c$d`e\f]] }, of [["a\\\\b\"c\$d\`e\f"]])
	end)

	it("refuse what only a shell can do", function()
		for c in ("|&;<>()$`*?[#~{"):gmatch "." do
			assert.matches("'" .. c .. "' is the shell's: for a shell write", tostring(select(2, words.of_command("a " .. c))), 1, true)
		end
		for text, why in pairs {
			["a | b"] = "'|' is the shell's", ["a $HOME"] = "'$' is the shell's", ['a "$HOME"'] = "'$' is the shell's",
			["a *.c"] = "'*' is the shell's", ["a\nb"] = "'\\n' is the shell's", ["a 'b"] = "a ' is not closed",
			['a "b'] = 'a " is not closed', ["a\\"] = "there is nothing after the last \\", ["a `b`"] = "'`' is the shell's",
		} do
			assert.same({ nil, why .. ": for a shell write -c \"sh -c '…'\"" }, { words.of_command(text) }, text)
		end
		assert.same({ nil, "no command" }, { words.of_command "  " })
	end)

	it("say times and processes", function()
		assert.same({ 10, 0.5, 0.1, 5, 120, 3600, 0 }, { words.duration "10", words.duration ".5", words.duration "100ms",
			words.duration "5s", words.duration "2m", words.duration "1h", (words.duration "0") })
		for _, wrong in ipairs { "", ".", "s", "1d", "-1", "1e3", "0x10", "1 s", "nan" } do assert.is_nil(words.duration(wrong)) end
		assert.same({ nil, "'999999h' is more than a century" }, { words.duration "999999h" })
		assert.same({ nil, "'x' is no time: write 10, 0.5, 100ms, 5s or 2m" }, { words.nanoseconds "x" })
		assert.same({ 300000, 10000, 3000000000 }, { (words.nanoseconds "0.3ms"), (words.nanoseconds "10us"), (words.nanoseconds "3") })
		assert.same({ 0, 1.5, 0.25 }, { words.number "0", words.number "1.5", (words.number ".25") })
		for _, wrong in ipairs { "", ".", "1.2.3", "-1", "1e3", "0x10", " 1", "nan", "inf" } do assert.is_nil(words.number(wrong)) end
		assert.equal(42, words.pid "42")
		for _, wrong in ipairs { "", "0", "-1", "1.5", "x", "99999999999999999999" } do assert.is_nil(words.pid(wrong)) end
	end)
end)

describe("JSON", function()
	it("has strings in ASCII, and what is no UTF-8 as its bytes", function()
		assert.equal([["a\"b\\c\n\r\t\u0000\u001b\u007f"]], json.value 'a"b\\c\n\r\t\0\27\127')
		assert.equal([["\u00e4\u202e\ud83d\ude00"]], json.value "ä\u{202e}😀")
		assert.equal('{"hex":"61ff"}', json.value "a\255")
		assert.equal('{"hex":"eda080"}', json.value "\xed\xa0\x80") -- a surrogate is no character
		assert.equal('{"hex":"6162"}', json.value("ab", "bytes"))
	end)

	it("has numbers with all digits", function()
		assert.equal("-1", json.value(-1))
		assert.equal("18446744073709551615", json.value(-1, "unsigned"))
		assert.equal("18446744073709551615", json.value(-1, "pointer"))
		assert.equal("-9223372036854775808", json.value(math.mininteger))
		assert.equal("0.10000000000000001", json.value(0.1))
		for _, none in ipairs { 0 / 0, math.huge, -math.huge } do assert.equal("null", json.value(none)) end
		assert.equal("0.30000000000000004", json.value(0.1 + 0.2))
	end)

	it("has null for what could not be read, lists and objects", function()
		assert.equal("null", json.value(false))
		assert.equal("false", json.value(false, "bool"))
		assert.equal("[]", json.value {})
		assert.equal('[{"low":null,"high":-1,"count":2},{"low":9,"high":null,"count":1}]', json.value {
			{ low = math.mininteger, high = -1, count = 2 }, { low = 9, high = math.maxinteger, count = 1 } })
		assert.equal('[{"low":9223372036854775808,"high":18446744073709551615,"count":3}]', json.value(
			{ { low = math.mininteger, high = -1, count = 3 } }, "unsigned"))
		assert.equal('"' .. tostring(print):gsub("0x.*", "") , (json.value(print):gsub("0x.*", "")))
		assert.equal('[{"address":1,"name":"f"}]', json.value { { name = "f", address = 1 } })
		assert.equal('{"b":1,"a":null}', json.object({ "b", "a", "c" }, { a = false, b = 1 }, {}))
		assert.equal([["\\xff"]], json.name "\255")
	end)

	it("has no table that holds itself", function()
		local deep, cyclic <const> = {}, { name = "x" }
		for _ = 1, 99 do deep = { deep } end
		assert.equal(("["):rep(100) .. ("]"):rep(100), json.value(deep))
		assert.error(function() json.value { deep } end, "JSON: a table holds itself, or tables are too deep in one another")
		cyclic.self = { cyclic }
		assert.error(function() json.value(cyclic) end, "JSON: a table holds itself, or tables are too deep in one another")
	end)
end)

describe("CSV", function()
	it("has a record a line, with text as on a terminal", function()
		assert.equal([[1,-,"a,b","c""d",e\nf\xff,,]], csv.line({ "a", "b", "c", "d", "e", "f", "g" },
			{ a = 1, b = "-", c = "a,b", d = 'c"d', e = "e\nf\255", f = false }, {}))
		assert.equal("18446744073709551615,0xff,true", csv.line({ "a", "b", "c" }, { a = -1, b = 255, c = true },
			{ a = "unsigned", b = "pointer", c = "bool" }))
		assert.equal("main;f", csv.value { { name = "f", address = 1 }, { name = "main", address = 2 } })
		assert.equal("f\\xff", csv.value { { name = "f\255", address = 1 } })
		assert.equal("0.30000000000000004", csv.value(0.1 + 0.2))
		assert.equal('plain,"a ""b""","x,y"', csv.header { "plain", 'a "b"', "x,y" })
	end)

	it("has a record for each bucket, whose open ends are empty", function()
		local columns <const> = { keys = {}, values = { { name = "h", op = "HIST" } } }
		local row <const> = { h = {
			{ low = math.mininteger, high = -1, count = 2 }, { low = 0, high = 1, count = 3 },
			{ low = 9, high = math.maxinteger, count = 1 },
		} }
		assert.same({ { "histogram", "low", "high", "bucket" }, { "h,,-1,2", "h,0,1,3", "h,9,,1" } }, { csv.rows({ row }, columns) })
		columns.values[1].kind = "unsigned"
		row.h = { { low = math.mininteger, high = -1, count = 2 } }
		assert.same({ "h,9223372036854775808,18446744073709551615,2" }, (select(2, csv.rows({ row }, columns))))
	end)
end)
