-- crumb.prompt.answers: the line of a probe, and what a change of its rule did, a second later.
local answers = require "crumb.prompt.answers"
local lab = require "support.lab"
local new_session = require("crumb.command.session").new
local tracer = require "support.tracer"
local Victim = require "support.victim"

local UPROBE <const> = tracer.UPROBE

-- A session and a victim for each; `took` is the prompt's to fill.
local function it_answers(name, use)
	it(name, function()
		local session <close> = new_session { format = "text" }
		local victim <close> = Victim.start()
		session.took = session.took or {}
		use(session, victim, session.env.probe)
	end)
end

describe("the line of a probe", function()
	it_answers("tells its sites, how it is attached, its hits and its losses", function(session, victim, probe)
		local p <const> = probe { UPROBE .. "say", pid = victim.pid, count = true }
		session.took[p] = 4400000
		local mechanism <const> = p.mechanism:match "^[%w.]+"
		assert.equal(("p1: 1 site, %s, 4 ms; 0 hits, 0 lost"):format(mechanism), answers.probe(session, p))
		victim:call("say", 1)
		session.took[p] = 450000
		assert.equal(("p1: 1 site, %s, 0.5 ms; 1 hit, 0 lost"):format(mechanism), answers.probe(session, p))
		victim:call("say", 122)
		assert.equal(("p1: 1 site, %s, 0.5 ms; 123 hits, 0 lost"):format(mechanism), answers.probe(session, p))
		victim:call("say", 1111)
		session.took[p] = 1230000000
		assert.equal(("p1: 1 site, %s, 1.2 s; 1,234 hits, 0 lost"):format(mechanism), answers.probe(session, p))
	end)

	it_answers("tells each way that it is attached", function(session, victim, probe)
		local p <const> = probe { UPROBE .. "say", "tracepoint:sched:sched_switch", pid = victim.pid, count = true, where = "0 == 1" }
		session.took[p] = nil
		local first <const>, second <const> = p.mechanism:match "^([%w.]+)[^;]*; ([%w.]+)[^;]*$"
		assert.equal(("p1: 2 sites, %s, %s; "):format(first, second), answers.probe(session, p):match "^.-; ")
	end)

	it_answers("tells what is skipped, filtered, off and closed", function(session, victim, probe)
		local p <const> = probe {
			UPROBE .. "say", UPROBE .. "nowhere", missing = "skip", pid = victim.pid, where = "arg1 >= 5", count = true,
		}
		session.took[p] = nil
		local mechanism <const> = p.mechanism:match "^[%w.]+"
		victim:call("say", 7)
		assert.equal(("p1: 1 site, %s, 1 skipped; 7 hits, 5 filtered, 0 lost"):format(mechanism), answers.probe(session, p))
		p.enabled = false
		assert.equal(("p1: 1 site, %s, 1 skipped, off; 7 hits, 5 filtered, 0 lost"):format(mechanism), answers.probe(session, p))
		p:close()
		assert.equal(("p1: 1 site, %s, 1 skipped, closed; 7 hits, 5 filtered, 0 lost"):format(mechanism),
			answers.probe(session, p))
	end)
end)

describe("a change of a rule", function()
	-- What is said of inputs, and what polls until there are so many lines.
	local function watched(session)
		local watch <const>, lines = answers.watch(session), {}
		local function input(call)
			watch:before()
			if call then call() end
			watch:after(function(line) lines[#lines + 1] = line end)
		end
		local function said(count)
			lab.eventually(function()
				session.opened:poll(0.05)
				return #lines >= count
			end)
			return lines
		end
		return input, said, watch
	end

	it_answers("is told with what is hit and filtered in a second, before and after", function(session, victim, probe)
		local p <const> = probe { UPROBE .. "say", pid = victim.pid, count = true }
		local input <const>, said <const>, watch <const> = watched(session)
		input()
		victim:call("say", 3000)
		assert.is_truthy(lab.eventually(function()
			session.opened:poll(0.05)
			return watch.moments[p].older
		end))
		input(function() p.where = "arg1 < 0" end)
		victim:call("say", 2000)
		local line <const> = said(1)[1]
		local before <const>, hits <const>, filtered <const> = line:match(
			"^p1: where arg1 < 0: ([%d,.]+) hits/s, 0 filtered/s before; ([%d,.]+) hits/s, ([%d,.]+) filtered/s after$")
		assert.truthy(before, line)
		assert.equal(hits, filtered)
		assert.truthy((tonumber((before:gsub(",", "")))) > 0 and tonumber((hits:gsub(",", ""))) > 0)
	end)

	it_answers("is told in words", function(session, victim, probe)
		local p <const> = probe { UPROBE .. "say", pid = victim.pid, count = true, where = "arg1 > $n", params = { n = 1 } }
		local input <const>, said <const> = watched(session)
		input()
		local changes <const> = {
			{ "where arg1 < 3", function() p.where = "arg1 < 3" end },
			{ "no where", function() p.where = nil end },
			{ "sample 10, where arg1 == $n", function() p:set { sample = 10, where = "arg1 == $n" } end },
			{ "$n = 7", function() p.params.n = 7 end },
			{ "$n, where arg1 in $n", function() p:set { where = "arg1 in $n", params = { n = { 1, 2 } } } end },
			{ "off", function() p.enabled = false end },
			{ "on", function() p:set { enabled = true } end },
			{ "for one cookie", function() p:rule(p.cookies[1]).where = "pid == 1" end },
			{ "by", function() p.by = { "comm" } end },
			{ "where str(arg0) == 'é\\u{202e}'", function() p.where = "str(arg0) == 'é\u{202e}'" end },
		}
		for i, change in ipairs(changes) do
			-- A change is told a second later: here as soon as it can be.
			input(change[2])
			for timer in pairs(session.opened.delivery.timers) do timer.due = math.min(timer.due, 0) end
			assert.equal(("p1: %s: "):format(change[1]), said(i)[i]:match "^p1: .-: ")
		end
	end)

	it_answers("is told where it is the last one, and its probe is there", function(session, victim, probe)
		local p <const> = probe { UPROBE .. "say", pid = victim.pid, count = true }
		local q <const> = probe { UPROBE .. "hit_a", pid = victim.pid, count = true }
		local input <const>, said <const> = watched(session)
		input()
		input(function() p.where = "arg1 == 1" end)
		input(function() q.where = "pid == 1" end)
		input(function() p.where = "arg1 == 2" end)
		input(function() q:close() end)
		for timer in pairs(session.opened.delivery.timers) do timer.due = math.min(timer.due, 0) end
		assert.matches("^p1: where arg1 == 2: ", said(1)[1])
		session.opened:poll(0)
		assert.equal(1, #said(1))
	end)

	it_answers("is told of no other one", function(session, victim, probe)
		local p <const> = probe { UPROBE .. "say", pid = victim.pid, count = true }
		local watch <const>, lines = answers.watch(session), {}
		for _, call in ipairs {
			function() end, function() return p.where end, function() p.handler = print end,
			function() pcall(p.set, p, { where = "x" }) end,
			function() probe { UPROBE .. "say", pid = victim.pid } end,
			function()
				p.where = "arg1 == 1"
				p:close()
			end,
		} do
			watch:before()
			call()
			watch:after(function(line) lines[#lines + 1] = line end)
		end
		assert.same({}, watch.waiting)
		assert.same({}, lines)
	end)

	it("is told of nothing before there is a trace, or when it is closed", function()
		local session <close> = new_session { format = "text" }
		local watch <const> = answers.watch(session)
		watch:before()
		watch:after(print)
		session:trace():close()
		watch:before()
		watch:after(print)
		assert.is_nil(watch.timer)
	end)
end)
