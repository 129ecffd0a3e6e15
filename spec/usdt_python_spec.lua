-- USDT on a program as a distribution ships it: CPython with its probes, whose counts a script of ours knows.
local binaries = require "crumb.binaries"
local crumb = require "crumb"
local tracer = require "support.tracer"

local PYTHON <const> = "/usr/bin/python3" -- a name in PATH may be a script that chooses one

local function probes()
	local elf <close> = binaries.elf(PYTHON)
	return elf and elf:usdt()[1] ~= nil
end

-- It collects only when it says so, and ends without the collections of an orderly end.
local SCRIPT <const> = [[
import gc, os, sys
gc.disable()
def crumb_called(n):
    return n + 1
def crumb_raises(n):
    raise ValueError(n)
for i in range(23):
    crumb_called(i)
for i in range(3):
    try:
        crumb_raises(i)
    except ValueError:
        pass
for i in range(5):
    gc.collect()
for i in range(7):
    sys.audit("crumb.event", i)
os._exit(0)
]]

local function it_counts(name, use)
	tracer.it(name, function(trace)
		if not probes() then pending "no /usr/bin/python3 with USDT probes here" end
		local job <const> = assert(trace:spawn { PYTHON, "-I", "-S", "-c", SCRIPT })
		use(trace, job.pid, function()
			assert(job:start())
			assert.same({ true, "exit" }, { trace:run { process = job } })
		end)
	end)
end

local function of(name) return ("usdt:%s:python:%s"):format(PYTHON, name) end

describe("Debian's Python", function()
	it_counts("collects when it is told to", function(trace, pid, run)
		local starts <const> = assert(trace:probe { of "gc__start", pid = pid, where = "arg0 == 2", count = true })
		local dones <const> = assert(trace:probe { of "gc__done", pid = pid, count = true })
		run()
		assert.equal(5, starts:stats().aggregated)
		assert.equal(starts:stats().hits, dones:stats().hits)
	end)

	it_counts("calls a function by its name, and comes back", function(trace, pid, run)
		-- CPython 3.11 looks at the probes of functions only while somebody listens to those of lines.
		assert(trace:probe { of "line", pid = pid, enabled = false })
		local entries <const> = assert(trace:probe { of "function__entry", pid = pid,
			where = 'str(arg1) in { "crumb_called", "crumb_raises" } and str(arg0) == "<string>"',
			count = true, by = { name = "str(arg1)", line = "arg2" } })
		local returns <const> = assert(trace:probe { of "function__return", pid = pid,
			where = 'str(arg1) == "crumb_called"', count = true, by = {} })
		run()
		assert.same({ { name = "crumb_called", line = 3, count = 23 }, { name = "crumb_raises", line = 5, count = 3 } },
			assert(entries:read { sort = "line" }))
		assert.same({ { count = 23 } }, assert(returns:read()))
	end)

	it_counts("tells of its audit events, as events", function(trace, pid, run)
		local events <const> = {}
		assert(trace:probe { of "audit", pid = pid, where = 'str(arg0) == "crumb.event"', capture = { name = "str(arg0)" },
			handler = function(event) events[#events + 1] = event.name end })
		run()
		assert.same({ "crumb.event", "crumb.event", "crumb.event", "crumb.event", "crumb.event", "crumb.event", "crumb.event" },
			events)
	end)

	it_counts("is probed at all places by a glob, with a row for each name", function(trace, pid, run)
		local probe <const> = assert(trace:probe { of "*", pid = pid, count = true })
		local names <const> = {}
		for site in assert(crumb.list(of "*")) do names[site.name] = true end
		run()
		local sum = 0
		for _, row in ipairs(assert(probe:read())) do
			assert.is_true(names[row.symbol])
			sum = sum + row.count
		end
		local stats <const> = probe:stats()
		assert.same({ sum, 0 }, { stats.aggregated, stats.lost })
		assert.is_true(sum > 100)
	end)
end)
