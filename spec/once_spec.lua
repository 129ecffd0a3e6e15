-- A probe that reports once a site: which of these functions run at all, at a cost that falls to nothing.
local cookies = require "support.cookies"
local core = require "crumb.core"
local features = require "crumb.bpf.features"
local tracer = require "support.tracer"
local Victim = require "support.victim"

local MULTI <const> = features.hook "uprobe.multi".available
-- Where each site has a link of its own, to detach it takes the kernel 0.1 s.
local COUNT <const> = MULTI and 5000 or 30
local ALL <const> = "uprobe:build/fixtures/once_victim:" .. (MULTI and "many_10[0-4]???" or "many_1000[0-2]?")
local SOME <const> = "uprobe:build/fixtures/once_victim:many_1000[01]?" -- the first 20
local DEADLINE <const> = 60 -- seconds

local function it_thins(name, use, given)
	tracer.it(name, function(trace)
		local victim <close> = Victim.start "once_victim"
		use(trace, victim)
	end, given)
end

-- How often each symbol was reported.
local function counter()
	local counts <const> = {}
	return counts, function(event) counts[event.symbol] = (counts[event.symbol] or 0) + 1 end
end

local function check_each_once(counts, from, to)
	local total = 0
	for symbol, count in pairs(counts) do
		local number <const> = math.tointeger(tonumber(symbol:match "^many_10(%d+)$"))
		assert(count == 1, ("%s was reported %d times"):format(symbol, count))
		assert(number >= from and number < to, symbol)
		total = total + 1
	end
	assert.equal(to - from, total)
end

local function attached(probe)
	local sites = 0
	for _, part in ipairs(probe.attachment.parts) do sites = sites + #part.sites end
	return sites
end

-- Delivers until it holds.
local function until_(trace, holds)
	local deadline <const> = core.now() + DEADLINE * 1000000000
	while not holds() do
		assert(core.now() < deadline, "it did not come to be")
		assert(trace:poll(0.05))
	end
	trace:poll(0) -- what was reported before it held
end

describe("a probe with once", function()
	it_thins("reports each site that runs, once, and no other", function(trace, victim)
		local counts <const>, handler <const> = counter()
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, handler = handler })
		for _ = 1, 23 do victim:call("first", 15) end
		trace:poll(0)
		check_each_once(counts, 0, 15)
		local stats <const> = probe:stats()
		assert.same({ 15, 15, 22 * 15 }, { stats.sent, stats.delivered, stats.repeated })
		tracer.adds_up(stats, 23 * 15)
		local ran <const>, never <const> = probe:seen()
		assert.same({ 15, 5 }, { #ran, #never })
		assert.same({ "many_100000", "many_100014", "many_100015" }, { ran[1].symbol, ran[15].symbol, never[1].symbol })
	end)

	it_thins("has a row of one for each", function(trace, victim)
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, count = true })
		victim:call("first", 7)
		victim:call("first", 7)
		local rows <const> = assert(probe:read { sort = "symbol" })
		assert.equal(7, #rows)
		for i, row in ipairs(rows) do assert.same({ symbol = ("many_10%04d"):format(i - 1), count = 1 }, row) end
		assert.same({ 7, 7 }, { probe:stats().aggregated, probe:stats().repeated })
	end)

	it_thins("detaches those that have reported, which cost nothing any more", function(trace, victim)
		local counts <const>, handler <const> = counter()
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, handler = handler })
		victim:call("first", 10)
		until_(trace, function() return attached(probe) == 10 end)
		assert.matches(MULTI and "^uprobe.multi: 10 sites, 1 kernel link$" or "^uprobe: 10 sites, 10 kernel links ", probe.mechanism)
		local before <const> = probe:stats()
		victim:call("hot", 1000)
		victim:call("first", 10)
		assert.equal(before.hits, probe:stats().hits)
		victim:call("first", 20)
		until_(trace, function() return attached(probe) == 0 end)
		assert.equal("detached: all sites have reported", probe.mechanism)
		check_each_once(counts, 0, 20)
		local rests <const> = probe:stats()
		victim:call("first", 20)
		trace:poll(0.2)
		assert.equal(rests.hits, probe:stats().hits)
		assert.is_nil(trace.thinner)
		assert.same({ 20, 0 }, { #probe:seen(), #select(2, probe:seen()) })
		assert.equal(20, #probe.sites)
	end)

	it_thins("detaches a few that are called again and again, in the end", function(trace, victim)
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, count = true })
		victim:call("hot", 1)
		until_(trace, function() return attached(probe) == 19 end)
		local before <const> = probe:stats()
		victim:call("hot", 1000)
		assert.equal(before.hits, probe:stats().hits)
	end)

	it_thins("reports once when two threads are at it", function(trace, victim)
		local counts <const>, handler <const> = counter()
		local probe <const> = assert(trace:probe { ALL, max = COUNT, once = true, pid = victim.pid, handler = handler, rows = 1 << 14 })
		victim:call("twice", COUNT)
		trace:poll(0)
		check_each_once(counts, 0, COUNT)
		local stats <const> = probe:stats()
		assert.same({ COUNT, 0 }, { stats.sent, stats.lost })
		tracer.adds_up(stats, 2 * 3 * COUNT)
	end, { ring_size = 1 << 20 })

	-- All that runs is detached and the rest attached anew meanwhile, some times over.
	local function thins_under(word, trace, victim)
		local counts <const>, handler <const> = counter()
		local probe <const> = assert(trace:probe { ALL, once = true, pid = victim.pid, handler = handler, max = COUNT })
		local ways <const>, steps = {}, 0
		victim:ask(word, COUNT)
		until_(trace, function()
			if not ways[probe.mechanism] then steps = steps + 1 end
			ways[probe.mechanism] = true
			return attached(probe) == 0
		end)
		victim:answer(word)
		check_each_once(counts, 0, COUNT)
		local stats <const> = probe:stats()
		assert.same({ COUNT, 0 }, { stats.sent, stats.lost })
		tracer.adds_up(stats, stats.hits)
		assert.is_true(steps >= 3, "it was attached anew too seldom to tell")
	end

	it_thins("loses none while those that are left are attached anew under fire", function(trace, victim)
		thins_under("storm", trace, victim)
	end)

	it_thins("loses none of what runs only once", function(trace, victim) thins_under("slowly", trace, victim) end)

	it_thins("is not seen where the report was lost, and makes it at the next hit", function(trace, victim)
		local LARGE <const> = 512 -- bytes of each event: a few fill the ring
		local counts <const>, handler <const> = counter()
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, handler = handler,
			capture = { piece = ("bytes(sp, %d)"):format(LARGE) }, ring_size = 4096 })
		victim:call("first", 20)
		local first <const> = probe:stats()
		assert.is_true(first.lost > 0 and first.sent > 0)
		assert.equal(20, first.lost + first.sent)
		assert.equal(first.sent, #probe:seen())
		until_(trace, function()
			victim:call("first", 20)
			return #probe:seen() == 20
		end)
		trace:poll(0)
		check_each_once(counts, 0, 20)
		tracer.adds_up(probe:stats(), probe:stats().hits)
	end)

	it_thins("reports a call at its end", function(trace, victim)
		local counts <const>, handler <const> = counter()
		local probe <const> = assert(trace:probe { SOME, once = true, returns = true, pid = victim.pid,
			handler = function(event)
				assert.is_true(event.latency > 0)
				handler(event)
			end })
		victim:call("first", 12)
		victim:call("first", 12)
		until_(trace, function() return attached(probe) == 16 end) -- entries and returns
		check_each_once(counts, 0, 12)
		local stats <const> = probe:stats()
		assert.same({ 12, 12, 0, 0 }, { stats.sent, stats.repeated, stats.pending, stats.unreturned })
		victim:call("first", 20)
		trace:poll(0)
		check_each_once(counts, 0, 20)
	end)

	it_thins("means the first hit that its rule accepts, which can be changed", function(trace, victim)
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, count = true,
			where = "cookie <= $last", params = { last = 5 } })
		victim:call("first", 20)
		assert.same({ 5, 15 }, { probe:stats().aggregated, probe:stats().filtered })
		probe.params.last = 8
		victim:call("first", 20)
		assert.same({ 8, 15 + 12, 5 }, { probe:stats().aggregated, probe:stats().filtered, probe:stats().repeated })
		probe:rule(20).where = "cookie == 20"
		victim:call("first", 20)
		assert.same({ 9, "many_100019" }, { #probe:seen(), assert(probe:read { sort = "symbol" })[9].symbol })
	end)

	it_thins("goes on when the file is gone by its name", function(trace)
		assert(os.execute "cp build/fixtures/once_victim build/once_copy")
		local copy <close> = Victim.start "build/once_copy"
		local probe <const> = assert(trace:probe { "uprobe:build/once_copy:many_1000[01]?", once = true, pid = copy.pid, count = true })
		assert(os.remove "build/once_copy")
		copy:call("first", 10)
		until_(trace, function() return attached(probe) == 10 end)
		copy:call("first", 20)
		assert.equal(20, probe:stats().aggregated)
	end)

	it_thins("stays as it is when it cannot be attached anew, and says so", function(trace, victim)
		if not MULTI then pending "here each site has a link of its own" end
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, count = true })
		function probe.attachment.keep() return nil, "no more of them" end
		victim:call("first", 10)
		until_(trace, function() return probe.thinning_failed end)
		assert.equal("uprobe.multi: 20 sites, 1 kernel link; what has reported stays: no more of them", probe.mechanism)
		victim:call("first", 20)
		assert.same({ 20, 10 }, { probe:stats().aggregated, probe:stats().repeated })
	end)

	it_thins("tells what ran when it is closed, too", function(trace, victim)
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid, count = true })
		victim:call("first", 3)
		assert(probe:close())
		assert.same({ 3, 17 }, { #probe:seen(), #select(2, probe:seen()) })
		assert.equal(3, probe:stats().aggregated)
		trace:poll(0.2) -- nothing is left to thin
		assert.is_nil(trace.thinner)
	end)

	it_thins("is so from the beginning to the end", function(trace, victim)
		local probe <const> = assert(trace:probe { SOME, once = true, pid = victim.pid })
		assert.is_true(probe.once)
		assert.has_error(function() probe.once = false end)
		local other <const> = assert(trace:probe { SOME, pid = victim.pid })
		assert.is_false(other.once)
		assert.has_error(function() other:seen() end, "probe:seen: it goes with once = true")
		assert.has_error(function() trace:probe { SOME, once = 1 } end)
	end)

	-- Each hook, with two calls of the victim's, of which one is made.
	for _, row in ipairs {
		{ "kprobe", "kprobe:" .. cookies.SYSCALL .. "get%s" },
		{ "kprobe", "kprobe:" .. cookies.SYSCALL .. "get%s", returns = true },
		{ "fentry", "fentry:" .. cookies.SYSCALL .. "get%s" },
		{ "tracepoint", "syscall:get%s" },
		{ "tracepoint", "syscall:get%s", returns = true },
	} do
		tracer.it("may be at " .. row[2] .. (row.returns and ", with returns" or ""), function(trace, victim)
			local missing <const> = cookies.missing(row[1])
			if missing then pending(missing) end
			local probe <const> = assert(trace:probe { row[2]:format "sid", row[2]:format "pgid", once = true, pid = victim.pid,
				returns = row.returns, count = true })
			local all <const> = attached(probe)
			victim:call("getsid", 23)
			until_(trace, function() return attached(probe) == all // 2 end)
			local stats <const> = probe:stats()
			assert.same({ 1, 22, 0 }, { stats.aggregated, stats.repeated, stats.pending })
			victim:call("getsid", 5)
			victim:call("getpgid", 5)
			until_(trace, function() return attached(probe) == 0 end)
			assert.same({ 2, 0 }, { probe:stats().aggregated, #select(2, probe:seen()) })
			assert.equal(stats.hits + 5, probe:stats().hits)
		end)
	end
end)
