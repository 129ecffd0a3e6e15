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
	end)

	it("refuse what only a shell can do", function()
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
		assert.equal(42, words.pid "42")
		for _, wrong in ipairs { "", "0", "-1", "1.5", "x", "99999999999999999999" } do assert.is_nil(words.pid(wrong)) end
	end)
end)

describe("JSON", function()
	it("has strings in ASCII, and what is no UTF-8 as its bytes", function()
		assert.equal([["a\"b\\c\n\u0000\u001b\u007f"]], json.value 'a"b\\c\n\0\27\127')
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
		assert.equal("null", json.value(0 / 0))
	end)

	it("has null for what could not be read, lists and objects", function()
		assert.equal("null", json.value(false))
		assert.equal("false", json.value(false, "bool"))
		assert.equal("[]", json.value {})
		assert.equal('[{"low":null,"high":-1,"count":2},{"low":9,"high":null,"count":1}]', json.value {
			{ low = math.mininteger, high = -1, count = 2 }, { low = 9, high = math.maxinteger, count = 1 } })
		assert.equal('[{"address":1,"name":"f"}]', json.value { { name = "f", address = 1 } })
		assert.equal('{"b":1,"a":null}', json.object({ "b", "a", "c" }, { a = false, b = 1 }, {}))
		assert.equal([["\\xff"]], json.name "\255")
	end)

	it("has no table that holds itself", function()
		local deep, cyclic <const> = {}, { name = "x" }
		for _ = 1, 90 do deep = { deep } end
		assert.equal(("["):rep(91) .. ("]"):rep(91), json.value(deep))
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
	end)
end)
