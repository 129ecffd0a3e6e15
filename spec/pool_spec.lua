-- What the tracer's engine is made of, without a kernel: numbers, shared things, patterns.
local new_pool = require "crumb.engine.pool"
local new_share = require "crumb.engine.share"
local glob = require "crumb.names.glob"
local pattern = require "crumb.engine.pattern"

describe("a pool", function()
	it("gives each number once, and again when it comes back", function()
		local pool <const> = new_pool(1, 3)
		assert.equal(3, pool:left())
		assert.same({ 1, 2, 3 }, { pool:take(), pool:take(), pool:take() })
		assert.is_nil(pool:take())
		pool:give(2)
		assert.equal(1, pool:left())
		assert.equal(2, pool:take())
		assert.is_nil(pool:take())
		assert.equal(3, pool:size())
	end)
end)

describe("a share", function()
	it("makes a thing once, and unmakes it with its last user", function()
		local made, unmade = 0, {}
		local share <const> = new_share(function(number) unmade[#unmade + 1] = number end)
		local function make()
			made = made + 1
			return made
		end
		local first <const>, second <const> = share:take("a", make), share:take("a", make)
		assert.equal(first, second)
		assert.equal(2, share:take("b", make).number)
		share:drop(first)
		assert.same({}, unmade)
		share:drop(second)
		assert.same({ 1 }, unmade)
		assert.equal(3, share:take("a", make).number)
	end)

	it("keeps nothing that could not be made", function()
		local share <const> = new_share(error)
		assert.same({ nil, "why", 5 }, { share:take("a", function() return nil, "why", 5 end) })
		assert.equal(7, share:take("a", function() return 7 end).number)
	end)
end)

-- The automaton as the engine runs it (bpf/text.h).
local function matches(automaton, text)
	local states = 1
	for at = 1, math.min(#text, 64) do
		states = (states << 1 & automaton.next[text:byte(at) + 1]) | (states & automaton.stay)
	end
	return states & automaton.accept ~= 0
end

describe("a pattern", function()
	local TEXTS <const> = {
		"", "a", "b", "ab", "aab", "ngin", "nginx", "engine", "x.y", "a*b", "a-b", "[", "a[b", "a]b", "z9", "\xff", "aaaaab",
		("a"):rep(63), ("a"):rep(64),
	}

	it("means what the glob of a target means", function()
		for _, text in ipairs {
			"", "*", "**", "a", "a*", "*b", "a*b", "*a*b*", "?", "??", "ngin*", "*gin*", "[ab]", "[a-c]*", "[!a]*", "[^a]?",
			"x.y", "%a", "[", "a[b", "[]]", "a[]-]b", "z[0-9]", "*\xff", ("a"):rep(63), "[z-a]", "a*a*a*b",
		} do
			local automaton <const>, test <const> = assert(pattern.compile(text)), glob.compile(text)
			for _, name in ipairs(TEXTS) do
				assert.equal(test(name), matches(automaton, name), ("'%s' of '%s'"):format(name, text))
			end
		end
	end)

	it("has at most 63 parts", function()
		assert.same({ nil, ("the pattern '%s' has more than 63 parts"):format(("?"):rep(64)) },
			{ pattern.compile(("?"):rep(64)) })
		assert.truthy(pattern.compile("*" .. ("?"):rep(63) .. "*"))
	end)
end)
