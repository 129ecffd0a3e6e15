-- How the engine compares texts: strings in memory and the name of the task, by equality, patterns and sets.
local Engine = require "support.engine"
local lab = require "support.lab"
local pattern = require "crumb.engine.pattern"
local Victim = require "support.victim"

local SITE <const>, BODY <const>, NUMBER <const> = 1, 1, 7
local LETTERS <const> = ("abcdefghijklmnopqrstuvwxyz0123456789"):rep(3)

local engine, victim, memory, set, before

setup(function()
	before = lab.descriptors()
	victim = Victim.start()
	engine = Engine.open()
	engine:attach("uprobe:build/fixtures/victim:called", SITE)
	engine:site(SITE, BODY)
	memory = victim:call("memory", 0)
	victim:call("arg0", memory)
	set = engine:put("text_sets", NUMBER, 16)
end)

teardown(function()
	engine:close()
	victim:stop()
	engine, victim, set = nil, nil, nil
	assert.equal(before, lab.descriptors())
end)

-- Whether a step accepts.
local function accepts(step, texts)
	engine:forget(SITE)
	engine:body(BODY, { steps = { { op = "REGISTER", to = 0, a = "ARG0" }, step }, texts = texts })
	victim:call("call", 1)
	local outcome <const> = engine:account(SITE)
	return outcome.aggregated == 1, assert(outcome.aggregated or outcome.filtered)
end

local function holds(text) victim:poke(memory, text .. "\0" .. ("x"):rep(80)) end

local function equal(text, options)
	options = options or {}
	options.op, options.a, options.value = "TEXT_EQ", 0, 7
	return (accepts(options, { "", "", "", "", "", "", "", text }))
end

local function like(glob, options)
	options = options or {}
	options.op, options.a, options.value = "TEXT_LIKE", 0, NUMBER
	assert(engine.maps.patterns:update(NUMBER, assert(pattern.compile(glob))))
	return (accepts(options))
end

local function is_in(options)
	options = options or {}
	options.op, options.a, options.value = "TEXT_IN", 0, NUMBER
	return (accepts(options))
end

local LENGTHS <const> = { 0, 1, 7, 8, 9, 15, 16, 62, 63, 64 }

describe("a text is equal", function()
	it("to itself, of every length", function()
		for _, length in ipairs(LENGTHS) do
			holds(LETTERS:sub(1, length))
			assert.is_true(equal(LETTERS:sub(1, length)), length)
			assert.is_false(equal(LETTERS:sub(1, length), { negated = true }), length)
		end
	end)

	it("to nothing shorter, longer or other", function()
		for _, length in ipairs(LENGTHS) do
			holds(LETTERS:sub(1, length))
			if length > 0 then assert.is_false(equal(LETTERS:sub(1, length - 1)), length) end
			if length < 64 then assert.is_false(equal(LETTERS:sub(1, length + 1)), length) end
			if length > 0 then assert.is_false(equal(LETTERS:sub(1, length - 1) .. "!"), length) end
		end
	end)

	it("to nothing when it is longer than 64 bytes", function()
		for _, length in ipairs { 65, 66, 100 } do
			holds(LETTERS:sub(1, length))
			assert.is_false(equal(LETTERS:sub(1, 64)), length)
			assert.is_true(equal(LETTERS:sub(1, 64), { negated = true }), length)
		end
	end)

	it("by its first bytes, when so many are asked for", function()
		for _, most in ipairs { 1, 5, 8, 63, 64 } do
			for _, length in ipairs { most, most + 1, most + 2, 100 } do
				holds(LETTERS:sub(1, length))
				assert.is_true(equal(LETTERS:sub(1, most), { b = most }), length)
				assert.is_false(equal(LETTERS:sub(1, most - 1), { b = most }), length)
			end
		end
	end)

	it("bytes above 127 too", function()
		holds "\xff\x80gr\xc3\xbc\xc3\x9fe"
		assert.is_true(equal "\xff\x80gr\xc3\xbc\xc3\x9fe")
		assert.is_true(like "\xff?gr*e")
	end)

	it("to the name of the task", function()
		victim:call("rename", 1)
		assert.is_true(equal("victim", { comm = true }))
		assert.is_false(equal("victi", { comm = true }))
		assert.is_false(equal("victims", { comm = true }))
		assert.is_true(like("v*m", { comm = true }))
		assert(set:update({ bytes = "victim" }, 1))
		assert.is_true(is_in { comm = true })
		assert(set:delete { bytes = "victim" })
		assert.is_false(is_in { comm = true })
	end)

	it("to no text that the body has not", function()
		holds ""
		assert.is_false((accepts { op = "TEXT_EQ", a = 0, value = 8 }))
	end)
end)

describe("a text at the end of what can be read", function()
	it("is read to its end", function()
		-- The memory's last page is followed by one that cannot be read, or by zeros: both end a text.
		local page <const> = memory + 5 * 4096
		victim:poke(page - 4, "end\0")
		victim:call("arg0", page - 4)
		assert.is_true(equal "end")
		victim:call("arg0", memory)
	end)
end)

describe("a text is like a pattern", function()
	local CASES <const> = {
		{ "", "", true }, { "a", "", false }, { "", "*", true }, { "", "?", false }, { "a", "?", true }, { "ab", "?", false },
		{ "abc", "abc", true }, { "abc", "ab", false }, { "abc", "abcd", false }, { "abc", "a*", true }, { "abc", "*c", true },
		{ "abc", "a*c", true }, { "abc", "a*b", false }, { "abc", "a?c", true }, { "abc", "[a-c]b[!x]", true },
		{ "abc", "[b-z]*", false },
		{ "abcabcabc", "*abc", true }, { "abcabcabd", "*abc", false }, { "aaaaaaab", "*aab", true }, { "aaaaaaaa", "*a*a*a*", true },
		{ "mississippi", "m*si*", true }, { "mississippi", "m*i*s*s*ip*i", true }, { "12345678", "1234567?", true },
		{ "123456789", "*8?", true },
	}

	for _, case in ipairs(CASES) do
		local text <const>, glob <const>, wanted <const> = table.unpack(case)
		it(("'%s' and '%s': %s"):format(text, glob, wanted), function()
			holds(text)
			assert.equal(wanted, like(glob))
			assert.equal(not wanted, like(glob, { negated = true }))
		end)
	end

	it("of 63 parts", function()
		holds(LETTERS:sub(1, 63))
		assert.is_true(like(LETTERS:sub(1, 63)))
		assert.is_true(like(("?"):rep(63)))
		assert.is_false(like(("?"):rep(62)))
		assert.is_true(like(("?"):rep(62) .. "*"))
		holds(LETTERS:sub(1, 64))
		assert.is_false(like(("?"):rep(63)))
		assert.is_true(like(("?"):rep(63) .. "*"))
	end)

	it("of up to 64 bytes", function()
		holds(LETTERS:sub(1, 64))
		assert.is_true(like("*" .. LETTERS:sub(60, 64)))
	end)

	it("with a star behind, when it is longer than 64 bytes", function()
		for _, length in ipairs { 65, 66, 100 } do
			holds(LETTERS:sub(1, length))
			assert.is_true(like "abc*", length)
			assert.is_true(like "*0123*", length)
			assert.is_false(like "b*", length)
			-- Whether it ends so is not known.
			assert.is_false(like("*" .. LETTERS:sub(60, 64)), length)
			assert.is_true(like("*" .. LETTERS:sub(60, 64), { b = 64 }), length)
		end
	end)

	it("by its first bytes", function()
		holds "abcdef"
		assert.is_true(like("*c", { b = 3 }))
		assert.is_false(like("*d", { b = 3 }))
		assert.is_true(like("*f", { b = 6 }))
	end)

	it("not when there is no such pattern", function()
		holds "abc"
		assert.is_false((accepts { op = "TEXT_LIKE", a = 0, value = 1 << 20 }))
	end)
end)

describe("a text is in a set", function()
	it("with its whole length", function()
		for _, length in ipairs(LENGTHS) do
			local text <const> = LETTERS:sub(1, length)
			assert(set:update({ bytes = text }, 1))
			holds(text)
			assert.is_true(is_in(), length)
			assert.is_false(is_in { negated = true }, length)
			if length < 64 then
				holds(text .. "!")
				assert.is_false(is_in(), length)
			end
			assert(set:delete { bytes = text })
			holds(text)
			assert.is_false(is_in(), length)
		end
	end)

	it("not by the beginning of a longer one", function()
		assert(set:update({ bytes = LETTERS:sub(1, 64) }, 1))
		for _, length in ipairs { 65, 66, 100 } do
			holds(LETTERS:sub(1, length))
			assert.is_false(is_in(), length)
			assert.is_true(is_in { negated = true }, length)
			assert.is_true(is_in { b = 64 }, length)
		end
		assert(set:delete { bytes = LETTERS:sub(1, 64) })
	end)
end)
