-- crumb.show.text: what a traced process wrote does no harm on a terminal.
local text = require "crumb.show.text"

describe("text.escape", function()
	local function becomes(given, expected) assert.equal(expected, text.escape(given)) end

	-- What the documented forms stand for: the other way round.
	local function unescape(escaped)
		local bytes, at = {}, 1
		local named = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ['"'] = '"' }
		while at <= #escaped do
			local rest = escaped:sub(at)
			local hex = rest:match "^\\x(%x%x)"
			local code = rest:match "^\\u{(%x+)}"
			local letter = rest:match '^\\([nrt\\"])'
			if hex then
				bytes[#bytes + 1], at = string.char(tonumber(hex, 16)), at + 4
			elseif code then
				bytes[#bytes + 1], at = utf8.char(tonumber(code, 16)), at + 4 + #code
			elseif letter then
				bytes[#bytes + 1], at = named[letter], at + 2
			else
				bytes[#bytes + 1], at = rest:sub(1, 1), at + 1
			end
		end
		return table.concat(bytes)
	end

	it("leaves printable text as it is", function()
		for _, plain in ipairs { "", "ls", "a b!~", "/usr/bin/ls", "grüße", "日本語", "🦔", "Ω≈ç", "e\u{301}" } do
			becomes(plain, plain)
		end
	end)

	it("shows every control character", function()
		becomes("\27[31mred", "\\x1b[31mred")
		becomes("\27]0;title\7", "\\x1b]0;title\\x07")
		becomes("a\rb\nc\td\8", "a\\rb\\nc\\td\\x08")
		becomes("\0\127", "\\x00\\x7f")
		for byte = 0, 31 do assert.falsy(text.escape(string.char(byte)):find "%c") end
	end)

	it("shows the C1 characters, as UTF-8 and as bytes", function()
		becomes("\u{9b}31m", "\\u{9b}31m")
		becomes("\x9b31m", "\\x9b31m")
		becomes("\u{80}\u{9f}", "\\u{80}\\u{9f}")
	end)

	it("shows what turns the line around", function()
		for _, code in ipairs { 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0x200e, 0x200f, 0x61c } do
			becomes("a" .. utf8.char(code) .. "b", ("a\\u{%x}b"):format(code))
		end
	end)

	it("shows what is invisible or blank", function()
		for _, code in ipairs { 0xa0, 0xad, 0x200b, 0x200d, 0x2028, 0x2029, 0x2060, 0x3000, 0x3164, 0xfe0f, 0xfeff, 0xe0041 } do
			becomes(utf8.char(code), ("\\u{%x}"):format(code))
		end
	end)

	it("shows broken UTF-8 byte by byte, and goes on after it", function()
		becomes("\xc3", "\\xc3")
		becomes("\xc3(ü", "\\xc3(ü")
		becomes("a\xff\xfeb", "a\\xff\\xfeb")
		becomes("\xe2\x82", "\\xe2\\x82")
		becomes("\xc0\x80", "\\xc0\\x80") -- too long a form of NUL
		becomes("\xed\xa0\x80", "\\xed\\xa0\\x80") -- half of a surrogate pair
		becomes("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80") -- above the last character
		becomes("\x80ü\x80", "\\x80ü\\x80")
	end)

	it("doubles a backslash only where it would be read as more", function()
		becomes([[C:\dir\a]], [[C:\dir\a]])
		becomes([[\x1b]], [[\\x1b]])
		becomes([[\u{202e}]], [[\\u{202e}]])
		becomes([[a\nb]], [[a\\nb]])
		becomes([[a\]], [[a\\]])
		becomes([[a\\b]], [[a\\\b]])
		becomes("\\\27", [[\\\x1b]])
	end)

	it("loses nothing: what is shown can be read back", function()
		local pieces = { "\\", "x", "u{41}", "n", "1b", '"', "\n", "\27", "ü", "\xff", "\u{202e}", "\\\\", " " }
		for i = 1, #pieces do
			for j = 1, #pieces do
				for k = 1, #pieces do
					local bytes = pieces[i] .. pieces[j] .. pieces[k]
					assert.equal(bytes, unescape(text.escape(bytes)))
					assert.equal(bytes, unescape(text.quote(bytes):sub(2, -2)))
				end
			end
		end
	end)

	it("takes time in proportion to the text", function()
		becomes(("\xff"):rep(100000), ("\\xff"):rep(100000))
	end)
end)

describe("text.lines", function()
	it("leaves what makes lines, and what is escaped already", function()
		assert.equal("a\n\tb \\x1b \\\\ ü", text.lines "a\n\tb \\x1b \\\\ ü")
	end)

	it("shows all else that a terminal obeys", function()
		assert.equal("\\x1b[31m\\r\\x08\\x07\\x00\\x0b\\x0c\\x7f\\u{9b}\\xff\\u{202e}\n",
			text.lines "\27[31m\r\8\7\0\11\12\127\u{9b}\xff\u{202e}\n")
	end)
end)

describe("text.word", function()
	it("quotes what would not read as one word", function()
		for given, shown in pairs {
			["ls"] = "ls", [""] = '""', ["a b"] = '"a b"', ['a"b'] = [["a\"b"]], ["a=b"] = '"a=b"', ["?"] = '"?"',
			["true"] = '"true"', ["\n"] = "\\n", ["a \27"] = '"a \\x1b"', ['\\"'] = [["\\\""]], ["/tmp/ü"] = "/tmp/ü",
		} do
			assert.equal(shown, text.word(given))
		end
	end)
end)

describe("text.width", function()
	it("counts columns", function()
		for shown, width in pairs { [""] = 0, ["abc"] = 3, ["ü"] = 1, ["日本"] = 4, ["🦔"] = 2, ["e\u{301}"] = 1 } do
			assert.equal(width, text.width(shown))
		end
	end)

	it("is what text.pad goes by", function()
		assert.equal("日本  |", text.pad("日本", 6) .. "|")
		assert.equal("   ü", text.pad("ü", 4, true))
		assert.equal("abcdef", text.pad("abcdef", 4))
	end)
end)
