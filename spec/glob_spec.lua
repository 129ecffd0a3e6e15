-- crumb.names.glob: which names a pattern means, against the plain definition.
local core = require "crumb.core"
local glob = require "crumb.names.glob"
local lab = require "support.lab"

-- The bytes that a set takes, by what stands between its brackets.
local function members(text)
	local negated <const> = text:find "^[!^]" ~= nil
	local set <const>, at = {}, negated and 2 or 1
	while at <= #text do
		local last = at
		if text:sub(at + 1, at + 1) == "-" and at + 2 <= #text then last = at + 2 end
		for byte = text:byte(at), text:byte(last) do set[byte] = true end
		at = last + 1
	end
	return function(byte) return byte ~= nil and (set[byte] == true) ~= negated end
end

-- Whether the pattern from p on takes the name from n on: every way is tried.
local function reference(pattern, name, p, n)
	p, n = p or 1, n or 1
	local char <const> = pattern:sub(p, p)
	if char == "" then return n == #name + 1 end
	if char == "*" then
		for from = n, #name + 1 do
			if reference(pattern, name, p + 1, from) then return true end
		end
		return false
	end
	if char == "[" then
		local first <const> = pattern:find("^[!^]", p + 1) and p + 2 or p + 1
		local close <const> = pattern:find("]", first + 1, true)
		if close then
			return members(pattern:sub(p + 1, close - 1))(name:byte(n)) and reference(pattern, name, close + 1, n + 1)
		end
	end
	if n > #name or char ~= "?" and char ~= name:sub(n, n) then return false end
	return reference(pattern, name, p + 1, n + 1)
end

local function random(alphabet, longest)
	local text <const> = {}
	for i = 1, math.random(0, longest) do
		local at <const> = math.random(#alphabet)
		text[i] = alphabet:sub(at, at)
	end
	return table.concat(text)
end

describe("glob", function()
	it("agrees with the plain definition on random patterns and names", function()
		local matched = 0
		for round = 1, lab.times(20000) do
			local pattern <const> = random("aab*?[]!^-\0", 9)
			local test <const> = glob.compile(pattern)
			for _ = 1, 5 do
				local name <const> = random("ab]-\0", 7)
				local wanted <const> = reference(pattern, name)
				matched = matched + (wanted and 1 or 0)
				if test(name) ~= wanted then
					error(("round %d: %q on %q: expected %s"):format(round, pattern, name, wanted))
				end
			end
		end
		assert.is_true(matched > lab.times(2000))
	end)

	it("takes every byte, in patterns, sets and names", function()
		for byte = 0, 255 do
			local char <const> = string.char(byte)
			local patterns <const> = { "x" .. char .. "y", "x?y", "x[\0-\255]y", "*" .. char .. "*" }
			if not char:find "[!^]" then patterns[5] = "x[" .. char .. "]y" end
			for _, pattern in ipairs(patterns) do
				assert.is_true(core.glob(pattern):match("x" .. char .. "y"), ("%q"):format(pattern))
			end
			assert.is_false(core.glob("x[!" .. char .. "]y"):match("x" .. char .. "y"))
		end
	end)

	it("matches the whole name: a NUL ends nothing", function()
		assert.is_false(core.glob "a":match "a\0b")
		assert.is_true(core.glob "a*b":match "a\0b")
		assert.is_false(core.glob "a\0c":match "a\0b")
	end)

	it("takes the time of pattern times name, whatever they are", function()
		local name <const> = ("a"):rep(20000)
		for _, pattern in ipairs { ("*a?"):rep(40) .. "b", ("*aaaaaaaaaa"):rep(40) .. "*b*", ("*?[a-c]"):rep(40) .. "b" } do
			assert.is_false(core.glob(pattern):match(name))
		end
		local long <const> = ("[a-c]*"):rep(20000)
		assert.is_true(core.glob(long):match(name))
		assert.is_false(core.glob(long):match(name:sub(2)))
	end)

	it("is a handle, and takes strings", function()
		local closed <const> = core.glob "a"
		closed:close()
		assert.has_error(function() closed:match "a" end)
		assert.has_error(function() core.glob {} end)
		assert.has_error(function() core.glob "a":match(nil) end)
	end)
end)

describe("names.glob", function()
	local function matches(pattern, yes, no)
		local test = glob.compile(pattern)
		for name in yes:gmatch "%S+" do assert.is_true(test(name), pattern .. " should match " .. name) end
		for name in no:gmatch "%S+" do assert.is_false(test(name), pattern .. " should not match " .. name) end
	end

	it("takes stars", function()
		matches("*", "a main.x", "")
		matches("a*", "a ab abc", "b ba")
		matches("*a", "a ba aa", "ab")
		matches("a*a", "aa aba abaa", "a ab ba")
		matches("*ab*ab*", "abab xabyabz", "ab aab abba")
		matches("a*b*c", "abc aXbYc abbcc abcc", "acb ab abcd")
		matches("**", "a", "")
		matches("ab*ba", "abba abxba", "aba")
	end)

	it("takes question marks and sets", function()
		matches("a?c", "abc a.c", "ac abbc")
		matches("[abc]x", "ax bx cx", "dx abx x")
		matches("[a-c]x", "ax bx cx", "dx -x")
		matches("[!a-c]x", "dx -x ^x", "ax")
		matches("[^a-c]x", "dx", "ax")
		matches("f[0-9]*[!_]", "f1a f0_b", "f1_ fa f0")
		matches("[]]x", "]x", "[x")
		matches("[!]]x", "ax", "]x")
		matches("[a-]x", "ax -x", "bx")
		matches("[%]x", "%x", "ax")
		matches("[a-%]x", "", "ax %x bx")
		matches("[z-a]x", "", "ax zx mx")
		matches("[.]x", ".x", "ax")
		matches("[[]x", "[x", "]x")
		matches("[!!]x", "ax", "!x")
	end)

	it("takes everything else as it is", function()
		matches("main.(T).f*", "main.(T).f main.(T).fg", "mainx(T).f")
		matches("a%d*", "a%d a%dx", "a1")
		matches("a[", "a[", "a")
		matches("a[b", "a[b", "ab")
		matches("x^$*", "x^$ x^$y", "x")
	end)

	it("says which names are globs", function()
		for _, name in ipairs { "a*", "*", "a?", "[ab]" } do assert.is_true(glob.is(name)) end
		for _, name in ipairs { "a", "a::b(int)", "operator+", "a]", "" } do assert.is_false(glob.is(name)) end
	end)

	it("takes no longer for many stars", function()
		local test, name = glob.compile(("*a"):rep(40) .. "b"), ("a"):rep(4000)
		for _ = 1, lab.times(20) do assert.is_false(test(name)) end
	end)
end)
