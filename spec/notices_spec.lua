-- crumb.command.notices: what is said of accounts, how things are attached, and what was cut, each once.
local notices = require "crumb.command.notices"

-- A session that keeps what it says, and a probe with this account.
local function a_session(account, more)
	local said <const> = {}
	account.hits = account.hits or 1000
	local probe <const> = setmetatable(more or {}, { __index = {
		stats = function() return account end, closed = function() return false end, pairs = "call", skipped = {},
		sites = { { target = "uprobe:x:f\27" } }, mechanism = "uprobe: 1 site",
	} })
	return {
		names = { [probe] = "p1" }, probes = { probe }, settings = {},
		say = function(_, format, ...) said[#said + 1] = format:format(...) end,
	}, said, probe
end

describe("what is said of an account", function()
	local function told(account, more)
		local session <const>, said <const> = a_session(account, more)
		notices.look(session, true)
		return said
	end

	it("is nothing where all is well", function()
		assert.same({}, told { lost = 0, dropped = 0, rows_lost = 0, refused = 0, unreturned = 0, missed = 0 })
	end)

	it("is each thing that went wrong, and of how many", function()
		for what, words in pairs {
			lost = "7 of 1000 hits are lost: there was no room; take fewer (where, sample, limit), or more ring_size or rows",
			dropped = "7 of 1000 events were never read", rows_lost = "7 of 1000 hits found no room in the table: give it more rows",
			refused = "7 of 1000 that began found no room: too many were pending",
			unreturned = "7 of 1000 calls never returned, or there was no room for them",
			missed = "the kernel missed 7 hits, besides 1000 that were seen",
		} do
			assert.same({ "p1 (uprobe:x:f\\x1b): " .. words }, told { [what] = 7 })
		end
		assert.equal(2, #told { lost = 1, missed = 1 })
	end)

	it("is not what was to be expected", function()
		assert.same({}, told({ dropped = 7 }, { closed = function() return true end }))
		assert.equal(1, #told({ lost = 7 }, { closed = function() return true end }))
		assert.same({}, told({ unreturned = 7 }, { pairs = "span" }))
	end)

	it("is said once, and at the end however near that is to the last look", function()
		local account <const> = {}
		local session <const>, said <const> = a_session(account)
		notices.look(session)
		session.next_look = math.maxinteger
		account.lost = 1
		notices.look(session)
		assert.same({}, said)
		for _ = 1, 2 do notices.look(session, true) end
		assert.equal(1, #said)
		account.missed = 1
		notices.look(session, true)
		assert.equal(2, #said)
	end)
end)

it("what is cut is said once for each capture", function()
	local session <const>, said <const>, probe <const> = a_session {}
	for _, cut in ipairs { { a = true }, { a = true }, { b = true } } do
		notices.truncated(session, { probe = probe, truncated = cut })
	end
	local words <const> = "p1 (uprobe:x:f\\x1b): '%s' is cut where it is longer: str(x, n) takes up to n bytes"
	assert.same({ words:format "a", words:format "b" }, said)
end)

it("how a probe is attached is said with an example of what is not", function()
	local session <const>, said <const>, probe <const> = a_session {}
	notices.attached(session, probe, 12600000)
	probe.skipped = { { symbol = "g\27", reason = "it is cold" }, {} }
	notices.attached(session, probe, 400000)
	probe.skipped = { { name = "h" } }
	notices.attached(session, probe, 0)
	assert.same({
		"p1: uprobe: 1 site; 13 ms", "p1: uprobe: 1 site; 0 ms", "p1: 2 not probed, such as g\\x1b: it is cold",
		"p1: uprobe: 1 site; 0 ms", "p1: 1 not probed, such as h: it has no cookie",
	}, said)
end)
