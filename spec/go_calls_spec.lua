-- Calls of Go's functions: their ends are seen wherever they end, while stacks move and goroutines change threads.
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local Engine = require "support.engine"
local features = require "crumb.bpf.features"
local tracer = require "support.tracer"

local PATH = "build/fixtures/"
local EOPNOTSUPP = 95

local output

local function target(name, layout) return ("uprobe:%s%s:main.%s"):format(PATH, layout or "go_plain", name) end

local function has(layout)
	local file = io.open(PATH .. layout)
	if not file then pending("there is no " .. layout .. " (built by make where there is Go)") end
	file:close()
end

-- A victim that waits to be started: GOROUTINES ROUNDS DEPTH PAUSE_US.
local function spawn(trace, layout, ...)
	return assert(trace:spawn { "/bin/sh", "-c", ('exec "$0" "$@" >%s 2>&1'):format(output), PATH .. layout, ... })
end

-- Kills a victim that would not end, at the latest at the end of its spec.
local function killed(job)
	return setmetatable({}, { __close = function() job:kill(9) end })
end

local function name_of(pid)
	local file <close> = io.open(("/proc/%d/comm"):format(pid))
	return file and file:read "l"
end

-- Runs one to its end, which has to be the right one.
local function run(trace, layout, goroutines, rounds, depth, pause)
	local job <close> = spawn(trace, layout, tostring(goroutines), tostring(rounds), tostring(depth), tostring(pause))
	job:start()
	assert.same({ true, "exit" }, { trace:run { process = job, duration = 60 } })
	assert.same({ exit = 0 }, job:wait())
	local file <close> = io.open(output)
	assert.equal(("done %d\n"):format(goroutines * rounds), file:read "a")
end

local function probe(trace, given)
	given.returns = true
	return assert(trace:probe(given))
end

-- Every call has begun and ended.
local function whole(one, calls)
	local stats = one:stats()
	tracer.adds_up(stats, calls)
	assert.same({ 0, 0, 0, 0 }, { stats.pending, stats.unreturned, stats.unmatched, stats.lost })
	return stats
end

local function traces(name, use, given)
	it(name, function()
		has "go_plain"
		tracer.with(use, given)
	end)
end

local RING = { ring_size = 1 << 22 }

describe("a call in Go", function()
	setup(function()
		output = os.tmpname()
		local hook = features.hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)
	teardown(function() os.remove(output) end)

	traces("ends in another thread than it began in", function(trace)
		local moved = 0
		local one = probe(trace, {
			target "wander", capture = { n = "arg0", result = "retval", took = "latency", before = "entry(tid)" },
			handler = function(event)
				assert.equal(3 * event.n + 1, event.result)
				assert.is_true(event.took >= 50000)
				if event.before ~= event.tid then moved = moved + 1 end
			end,
		})
		run(trace, "go_plain", 200, 20, 10, 50)
		assert.equal(4000, whole(one, 4000).delivered)
		assert.is_true(moved > 0)
	end, RING)

	traces("is told from those within it, while the stack grows below them", function(trace)
		local one = probe(trace, {
			target "deep", capture = { n = "arg0", result = "retval" },
			handler = function(event) assert.equal(event.n, event.result) end,
		})
		local sum = probe(trace, { target "deep", sum = "retval", hist = "latency", by = {} })
		run(trace, "go_plain", 40, 1, 100, 0) -- both together half of the pairs that there may be
		whole(one, 40 * 101)
		whole(sum, 40 * 101)
		local row = sum:read()[1]
		assert.equal(40 * 100 * 101 // 2, row.sum)
		local counted = 0
		for _, bucket in ipairs(row.hist) do counted = counted + bucket.count end
		assert.equal(40 * 101, counted)
	end, RING)

	traces("has an end wherever it returns, and results in several registers", function(trace)
		local one = probe(trace, {
			target "either", capture = { n = "args.n", first = "retval", second = "reg.bx" }, handler = function(event)
				assert.same(event.n % 2 == 0 and { event.n, -1 } or { -2, event.n }, { event.first, event.second })
			end,
		})
		run(trace, "go_plain", 20, 50, 10, 0)
		whole(one, 1000)
	end, RING)

	traces("that panics does not return, and who recovers does", function(trace)
		local breaks, mended = probe(trace, { target "breaks", count = true }), probe(trace, { target "mended", count = true })
		run(trace, "go_plain", 20, 10, 10, 0)
		whole(mended, 200)
		local stats = breaks:stats()
		tracer.adds_up(stats, 200)
		assert.same({ 0, 200, 0 }, { stats.pending, stats.unreturned, stats.unmatched })
	end)

	traces("is decided at its beginning where that can be", function(trace)
		local one = probe(trace, { target "wander", where = "arg0 < 10 and retval > 10", count = true })
		run(trace, "go_plain", 10, 10, 10, 0)
		local stats = one:stats()
		tracer.adds_up(stats, 100)
		assert.same({ 94, 6 }, { stats.filtered, stats.aggregated })
	end)

	traces("is another one in another process", function(trace)
		local one = probe(trace, { target "wander", capture = { n = "arg0", result = "retval" }, handler = function(event)
			assert.equal(3 * event.n + 1, event.result)
		end })
		local jobs = {}
		for i = 1, 4 do
			jobs[i] = spawn(trace, "go_plain", "20", "20", "10", "200")
			jobs[i]:start()
		end
		for _, job in ipairs(jobs) do
			assert.same({ true, "exit" }, { trace:run { process = job, duration = 60 } })
			assert.same({ exit = 0 }, job:wait())
			job:close()
		end
		whole(one, 1600)
	end, RING)

	traces("stays begun while its process lives, and is given up with it", function(trace)
		local one = probe(trace, { target "wander", count = true })
		local job <close> = spawn(trace, "go_plain", "30", "1", "10", "60000000")
		local _ <close> = killed(job)
		job:start()
		local deadline = core.now() + 20000000000
		while one:stats().pending < 30 and core.now() < deadline do trace:poll(0.01) end
		assert.equal(30, one:stats().pending) -- each look sweeps
		job:kill(9)
		job:wait()
		local stats = one:stats()
		tracer.adds_up(stats, 30)
		assert.same({ 0, 30 }, { stats.pending, stats.unreturned })
	end)

	traces("is not lost when a probe comes and goes in the midst of it", function(trace)
		local job <close> = spawn(trace, "go_plain", "20", "0", "100", "50")
		local _ <close> = killed(job)
		job:start()
		local deadline = core.now() + 10000000000
		repeat until name_of(job.pid) == "go_plain" or core.now() > deadline -- the shell has become it
		for _ = 1, 5 do
			local one <close> = probe(trace, {
				"uprobe:exe:main.wander", "uprobe:exe:main.deep", "uprobe:exe:main.either", pid = job.pid,
				where = "retval ~= 7", capture = { n = "arg0", result = "retval" }, handler = function(event)
					if event.symbol == "main.wander" then assert.equal(3 * event.n + 1, event.result) end
				end,
			})
			deadline = core.now() + 10000000000
			while one:stats().sent < 50 and core.now() < deadline do trace:poll(0.005) end
			assert.is_true(one:stats().sent >= 50)
		end
		job:kill()
		assert.same({ exit = 0 }, job:wait(20))
		local file <close> = io.open(output)
		assert.equal("done 0\n", file:read "a")
	end, RING)

	traces("of a running service is found by its pid alone", function(trace)
		has "go_stripped"
		local job <close> = spawn(trace, "go_stripped", "20", "0", "100", "1000")
		local _ <close> = killed(job)
		job:start()
		local deadline = core.now() + 10000000000
		repeat until name_of(job.pid) == "go_stripped" or core.now() > deadline
		local one = probe(trace, { "uprobe:exe:main.*", pid = job.pid, hist = "latency" })
		local rows = {}
		local function seen() return rows["main.wander"] and rows["main.(*Server).Serve"] and rows["main.Map[...]"] end
		while not seen() and core.now() < deadline do
			trace:poll(0.005)
			for _, row in ipairs(one:read()) do rows[row.symbol] = row end
		end
		assert.is_truthy(seen())
		for _, bucket in ipairs(rows["main.wander"].latency or rows["main.wander"].hist) do
			assert.is_true(bucket.count == 0 or bucket.high >= 1000000)
		end
		job:kill()
		assert.same({ exit = 0 }, job:wait(20))
	end)

	it("are one site however many targets mean it", function()
		has "go_plain"
		tracer.with(function(trace)
			assert.equal(1, #probe(trace, { target "wander", target "wande?", count = true }).sites)
		end)
	end)

	for _, layout in ipairs { "go_stripped", "go_pie", "go_pie_stripped", "go_linked", "go_linked_pie" } do
		it("ends in " .. layout, function()
			has(layout)
			tracer.with(function(trace)
				local one = probe(trace, {
					target("wander", layout), capture = { n = "arg0", result = "retval" },
					handler = function(event) assert.equal(3 * event.n + 1, event.result) end,
				})
				local glob = probe(trace, {
					target("(*Server).*", layout), target("Map*", layout), capture = { n = "arg1", result = "retval" },
					handler = function(event) assert.equal(event.n + (event.symbol:find "Serve" and 7 or 1), event.result) end,
				})
				run(trace, layout, 20, 20, 10, 50)
				whole(one, 400)
				whole(glob, 800)
			end, RING)
		end)
	end

	traces("of one process only", function(trace)
		local job <close> = spawn(trace, "go_plain", "20", "20", "10", "50")
		local other <close> = spawn(trace, "go_plain", "20", "20", "10", "50")
		local one = probe(trace, { target "wander", pid = job.pid, count = true })
		other:start()
		job:start()
		assert.same({ true, "exit" }, { trace:run { process = job, duration = 60 } })
		assert.same({ true, "exit" }, { trace:run { process = other, duration = 60 } })
		assert.equal(400, whole(one, one:stats().hits).aggregated)
	end)

	traces("is seen by a link for each of its ends, where the kernel has no uprobe.multi", function(trace)
		local hook = features.hook
		finally(function() features.hook = hook end)
		features.hook = function(name)
			if name == "uprobe.multi" then return { available = false, why = "not here" } end
			return hook(name)
		end
		local one = probe(trace, { target "either", count = true })
		assert.equal("uprobe: 3 sites, 3 kernel links (not here)", one.mechanism)
		run(trace, "go_plain", 20, 20, 10, 0)
		whole(one, 400)
	end)
end)

describe("the entry of a Go function", function()
	traces("is passed once a call, though what finds its stack too small begins anew", function(trace)
		local one = assert(trace:probe { target "deep", count = true, by = {} })
		local span = assert(trace:span {
			from = { target "mended", key = "arg0" }, to = { target "breaks", key = "arg0" }, count = true, by = {},
		})
		run(trace, "go_plain", 40, 5, 200, 50)
		tracer.adds_up(one:stats(), 40 * 201)
		assert.equal(200, span:read()[1].count)
		tracer.adds_up(span:stats(), 200)
	end)

	traces("is where it is asked for with an offset", function(trace)
		local elf <close> = assert(binaries.elf(PATH .. "go_plain"))
		local size = elf:find("main.wander")[1].size
		local one, message = trace:probe { target "wander+1", count = true }
		assert.is_nil(one)
		assert.matches("+0x1 lies within an instruction of 'main.wander'", message, 1, true)
		local behind = assert(trace:probe { target "wander+6", count = true, by = {} })
		run(trace, "go_plain", 5, 5, 10, 0)
		assert.is_true(size > 6)
		tracer.adds_up(behind:stats(), 25)
	end)
end)

describe("a call whose goroutine cannot be told", function()
	it("is refused, and its end is without a beginning", function()
		has "go_plain"
		local engine <const>, OPENS <const>, ENDS <const>, BODY <const> = Engine.open(), 11, 12, 1
		finally(function() engine:close() end)
		engine:body(BODY, { call = true, partner = BODY, open_start = 254, event = true })
		for site, role in pairs { [OPENS] = "OPEN", [ENDS] = "RETURN" } do
			engine:site(site, BODY)
			-- Where the register of the goroutine holds 0.
			assert(engine.program:attach {
				target "lost.abi0+6", cookie = site | (engine.number["ROLE_" .. role] | engine.number.ROLE_GOROUTINE) << 32,
			})
		end
		tracer.with(function(trace) run(trace, "go_plain", 5, 5, 10, 0) end)
		assert.same({ refused = 25 }, engine:account(OPENS))
		assert.same({ unmatched = 25 }, engine:account(ENDS))
		assert.equal(0, engine:references(BODY))
	end)
end)

describe("the return of a Go function that has none to be seen", function()
	local function refused(trace, name, why)
		local one, message, errno = trace:probe { target(name), returns = true, count = true }
		assert.is_nil(one)
		assert.equal(("%s: the return of 'main.%s' cannot be awaited: %s"):format(target(name), name, why), message)
		assert.equal(EOPNOTSUPP, errno)
	end

	traces("is refused with the reason", function(trace)
		refused(trace, "never", "it never returns")
		refused(trace, "empty", "it returns with its first instruction")
		refused(trace, "byHand.abi0", "it is called by the convention of Go's assembly, which keeps no goroutine at hand")
		local one, message, errno = trace:probe { "uretprobe:" .. PATH .. "go_plain:main.wander", count = true }
		assert.is_nil(one)
		assert.matches("a uretprobe breaks Go programs: their stacks move", message, 1, true)
		assert.equal(EOPNOTSUPP, errno)
		assert.is_nil(next(trace.probes))
	end)

	traces("is skipped in a glob, or where it may be", function(trace)
		local one = assert(trace:probe { target "*", returns = true, count = true, only = function(site)
			return not site.symbol:find "main%.main"
		end })
		local reasons = {}
		for _, site in ipairs(one.skipped) do reasons[site.symbol] = site.reason:match "awaited: (.*)$" end
		assert.equal("it never returns", reasons["main.never"])
		assert.equal("it returns with its first instruction", reasons["main.empty"])
		run(trace, "go_plain", 10, 10, 10, 0)
		local rows = {}
		for _, row in ipairs(one:read()) do rows[row.symbol] = row.count end
		assert.same({ 100, 100, 100, 110 }, { rows["main.wander"], rows["main.either"], rows["main.mended"], rows["main.deep"] })
		local some = assert(trace:probe { target "never", target "wander", returns = true, count = true, missing = "skip" })
		assert.same({ 1, 1, "main.never" }, { #some.sites, #some.skipped, some.skipped[1].symbol })
	end)
end)
