-- crumb.cookie: which site gets which cookie.
local cookie = require "crumb.cookie"

local function sites(...)
	local list <const> = {}
	for i, names in ipairs { ... } do
		local all <const> = {}
		for name in names:gmatch "%S+" do all[#all + 1] = name end
		list[i] = { symbol = all[1], names = all, key = all[1], space = ">" }
	end
	return list
end

-- "a=1 b=2" of what is chosen, "c" of what is skipped.
local function assign(wanted, ...)
	local chosen <const>, bits <const>, skipped <const> = cookie.assign(wanted, sites(...))
	local words <const>, left <const> = {}, {}
	for i, site in ipairs(chosen) do words[i] = ("%s=%d"):format(site.symbol, bits[i]) end
	for i, site in ipairs(skipped) do left[i] = site.symbol end
	return table.concat(words, " "), table.concat(left, " ")
end

local function refused(message, wanted, ...)
	local list <const> = sites(...)
	local done <const>, why <const> = pcall(cookie.assign, wanted, list)
	assert.is_false(done)
	assert.equal(message, why)
end

describe("cookies", function()
	it("are 0 for all where none is given", function()
		assert.equal("a=0 b=0", (assign(nil, "a", "b")))
	end)

	it("are one integer for all", function()
		assert.equal("a=7 b=7", (assign(7, "a", "b")))
		assert.equal("a=1000", (assign(1e3, "a")))
		assert.equal("a=-1", (assign(0xffffffffffffffff, "a")))
		assert.equal("a=9223372036854775807", (assign(math.maxinteger, "a")))
		assert.equal("a=" .. math.mininteger, (assign(1 << 63, "a")))
	end)

	it("are a list in the sites' order", function()
		assert.equal("c=3 a=1 b=2", (assign({ 3, 1, 2 }, "c", "a", "b")))
	end)

	it("are a table by symbol, and what is not in it is skipped, with the reason", function()
		local chosen <const>, left <const> = assign({ b = 2, c = 0 }, "a", "b", "c", "d")
		assert.equal("b=2 c=0", chosen)
		assert.equal("a d", left)
		local _ <const>, _ <const>, skipped <const> = cookie.assign({ a = 1 }, sites("a", "b"))
		assert.equal("it has no cookie", skipped[1].reason)
	end)

	it("are a function's, which may leave a site out", function()
		local chosen <const>, left <const> = assign(function(site, i)
			if site.symbol ~= "b" then return i * 10 end
		end, "a", "b", "c")
		assert.equal("a=10 c=30", chosen)
		assert.equal("b", left)
	end)

	it("know a place by each of its names", function()
		assert.equal("two=2", (assign({ two = 2 }, "one two", "three")))
	end)

	it("are several for one place, under its names or one name twice", function()
		assert.equal("one=1 two=2", (assign({ one = 1, two = 2 }, "one two")))
		assert.equal("a=1 a=2", (assign({ 1, 2 }, "a", "a")))
	end)

	it("count a place once that comes twice with the same", function()
		assert.equal("a=5 b=5", (assign(5, "a", "b", "a")))
		assert.equal("a=1", (assign({ 1, 1 }, "a", "a")))
		assert.equal("one=3", (assign({ one = 3, two = 3 }, "one two")))
	end)
end)

describe("a cookie that is refused", function()
	local FLOAT <const> = "cookie: a float this large may have lost bits; write it in hexadecimal (got %s)"

	it("is no integer", function()
		refused('cookie: expected an integer (got "12")', "12", "a")
		refused("cookie: expected an integer (got true)", true, "a")
		refused("cookie: not an integer (got 1.5)", 1.5, "a")
		refused("cookie: not an integer (got " .. tostring(0 / 0) .. ")", 0 / 0, "a")
		refused("cookie: not an integer (got inf)", math.huge, "a")
		refused(FLOAT:format "9.007199254741e+15", 2.0 ^ 53 + 1, "a")
		refused(FLOAT:format "1.844674407371e+19", 18446744073709551615, "a")
	end)

	it("is named by its place", function()
		refused('cookie[2]: expected an integer (got "x")', { 1, "x" }, "a", "b")
		refused("cookie[2]: expected an integer (got nil)", { 1, nil, 3 }, "a", "b", "c")
		refused("cookie[1]: expected an integer (got nil)", { nil, 2 }, "a", "b")
		refused("cookie of b: not an integer (got 2.5)", { a = 1, b = 2.5 }, "a", "b")
		refused("cookie of a: expected an integer (got false)", function() return false end, "a")
	end)

	it("is one of too many or too few", function()
		refused("cookie: 1 cookies were given for 2 sites", { 1 }, "a", "b")
		refused("cookie: 3 cookies were given for 2 sites", { 1, 2, 3 }, "a", "b")
		refused("cookie: 0 cookies were given for 1 sites", {}, "a")
	end)

	it("is for a name that is not there", function()
		refused("cookie: no site is named 'main.fobar' (nearest: main.foobar)", { ["main.fobar"] = 1 }, "main.foobar", "x")
	end)

	it("is in a table that is half a list", function()
		refused("cookie: a list, or a table symbol -> integer, not both: there is [b] in it", { 1, b = 2 }, "a", "b")
	end)
end)
