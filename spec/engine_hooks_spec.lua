-- Each program of the engine at its hook: hits, what the context holds, stacks, and calls.
local cookies = require "support.cookies"
local core = require "crumb.core"
local Engine = require "support.engine"
local lab = require "support.lab"
local Victim = require "support.victim"

local SITE <const>, BODY <const> = 1, 1
local PAIRS <const> = 64
local GETPGID <const> = cookies.SYSCALL .. "getpgid"

local before, victim, group

before_each(function()
	before = lab.descriptors()
	victim = Victim.start()
	group = math.tointeger(lab.read(("/proc/%d/stat"):format(victim.pid)):match "%) %S %d+ (%d+)")
end)

after_each(function()
	victim:stop()
	victim = nil
	assert.equal(before, lab.descriptors())
end)

local function need(...)
	local reason <const> = cookies.missing(...)
	if reason then pending(reason) end
end

-- The steps that accept the victim only, before others.
local function of_victim(...)
	local steps <const> = { { op = "EQ", a = "PID", value = victim.pid }, ... }
	return steps
end

local function open(program, target)
	local engine <const> = Engine.open { program = program, target = target, pairs = PAIRS }
	engine:site(SITE, BODY, 5)
	return engine
end

describe("a hit", function()
	local HOOKS <const> = {
		{ "kprobe", "serve_probe", "kprobe:" .. GETPGID, "getpgid" },
		{ "kretprobe", "serve_probe", "kretprobe:" .. GETPGID, "getpgid" },
		{ "kprobe.multi", "serve_kprobe_multi", "kprobe:" .. GETPGID, "getpgid" },
		{ "uprobe", "serve_probe", "uprobe:build/fixtures/victim:hit_a", "hit_a" },
		{ "uprobe.multi", "serve_uprobe_multi", "uprobe:build/fixtures/victim:hit_a", "hit_a" },
		{ "tracepoint", "serve_tracepoint", "tracepoint:syscalls:sys_enter_getpgid", "getpgid" },
		{ "rawtracepoint", "serve_raw_tp", "rawtracepoint:task_rename", "rename" },
		{ "fentry", "serve_fentry", "fentry:" .. GETPGID, "getpgid", GETPGID },
		{ "fexit", "serve_fexit", "fexit:" .. GETPGID, "getpgid", GETPGID },
		{ "software", "serve_perf_event", "software:page-faults:1", "fault" },
	}

	for _, row in ipairs(HOOKS) do
		local hook <const>, program <const>, target <const>, call <const>, traced <const> = table.unpack(row, 1, 5)
		it("is exact by " .. hook .. ", " .. target, function()
			need(hook, "cookie")
			local engine <close> = open(program, traced)
			engine:body(BODY, {
				event = true, outputs = { { "SLOT", 0 }, { "SLOT", 1 } },
				steps = of_victim({ op = "BUILTIN", to = 0, a = "COOKIE" }, { op = "BUILTIN", to = 1, a = "TID" }),
			})
			engine:attach(target, SITE)
			victim:call(call, 31)
			local records <const> = engine:records(2)
			local account <const> = engine:account(SITE)
			assert.equal(#records, account.sent)
			-- Other pages fault as well.
			assert.is_true(account.sent == 31 or call == "fault" and account.sent > 31)
			for _, record in ipairs(records) do
				assert.same({ SITE, victim.pid, victim.pid, 5, victim.pid },
					{ record.site, record.pid, record.tid, record[0], record[1] })
			end
		end)
	end
end)

describe("the context", function()
	it("of a tracepoint is its record", function()
		need("tracepoint", "cookie")
		local engine <close> = open "serve_tracepoint"
		engine:body(BODY, {
			event = true, outputs = { { "SLOT", 0 } },
			steps = of_victim { op = "CONTEXT", to = 0, value = 16, width = 8, signed = true },
		})
		engine:attach("tracepoint:syscalls:sys_exit_getpgid", SITE)
		victim:call("getpgid", 1)
		assert.equal(group, engine:records(1)[1][0])
	end)

	it("has the stack of the kernel, which may be a key", function()
		need("tracepoint", "cookie")
		local engine <close> = open "serve_tracepoint"
		engine:body(BODY, {
			event = true, kstack = true, ustack = true, outputs = { { "KSTACK" }, { "USTACK" } },
			row = true, small = true, stack_keys = true, by = { { "KSTACK" }, { "USTACK" } }, steps = of_victim(),
			identity = { 0, 0, 0, 0, 0, 0, 0, 0 },
		})
		engine:attach("tracepoint:task:task_rename", SITE)
		victim:call("rename", 4)
		local records <const>, rows <const> = engine:records(2), engine:rows()
		assert.same({ 4, 1, 4 }, { #records, #rows, rows[1].count })
		for cell, is_kernel in pairs { [0] = true, [1] = false } do
			local frames <const> = records[1]:frames(cell)
			assert.is_true(#frames >= 1)
			for _, address in ipairs(frames) do assert.equal(is_kernel, address < 0) end
			local stack <const> = assert(engine.inner.stacks:lookup(rows[1].words[cell + 1]))
			assert.same({ is_kernel and 0 or victim.pid, 8 * #frames }, { stack.pid, stack.bytes })
			for i = 1, #frames do assert.equal(frames[i], stack.frames[i]) end
		end
	end)
end)

describe("a call of the kernel", function()
	local CALL <const> = { call = true, event = true, partner = BODY, outputs = { { "SLOT", 0 }, { "SLOT", 1 }, { "SLOT", 2 } } }

	-- Its return value, its first argument, how long it took; and its account.
	local function pairs_up(engine, retval)
		CALL.open_start = 0
		CALL.steps = of_victim(retval, { op = "REGISTER", to = 1, a = "ARG0" }, { op = "BUILTIN", to = 2, a = "LATENCY" })
		engine:body(BODY, CALL)
		victim:call("getpgid", 23)
		local records <const> = engine:records(3)
		assert.same({ opened = 23, closed = 23, sent = 23 }, engine:account(SITE))
		engine:check_pairs { SITE }
		for _, record in ipairs(records) do
			assert.equal(group, record[0])
			assert.is_true(record[2] > 0 and record[2] < 1000000000)
		end
		return records[1]
	end

	local RETVAL <const> = { op = "CONTEXT", to = 0, value = Engine.offset "retval" }

	for hook, program in pairs { kprobe = "serve_probe", ["kprobe.multi"] = "serve_kprobe_multi" } do
		it("is paired by " .. hook, function()
			need(hook, "cookie")
			local engine <close> = open(program)
			engine:attach("kprobe:" .. GETPGID, SITE, "OPEN")
			engine:attach("kretprobe:" .. GETPGID, SITE, "RETURN")
			assert.is_true(pairs_up(engine, RETVAL)[1] < 0) -- a pt_regs
		end)
	end

	it("is paired by fentry and fexit", function()
		need("fentry", "cookie")
		local engine <close> = open("serve_fentry", GETPGID)
		local exit <const> = engine:add("serve_fexit", GETPGID)
		engine:attach("fentry:" .. GETPGID, SITE, "OPEN")
		engine:attach("fexit:" .. GETPGID, SITE, "RETURN", nil, exit)
		pairs_up(engine, { op = "CONTEXT", to = 0, value = 8 })
	end)
end)

describe("a copy with few features", function()
	local function ending(features, body)
		local engine <close> = Engine.open { features = features }
		engine:site(SITE, BODY)
		engine:body(BODY, body)
		engine:attach("uprobe:build/fixtures/victim:hit_a", SITE)
		victim:call("hit_a", 9)
		return engine:account(SITE)
	end
	local ROW <const> = { row = true, small = true, identity = { 0, 0, 0, 0, 0, 0, 0, 0 } }

	it("does what it has them for", function()
		assert.same({ aggregated = 9 }, ending({ "TABLES" }, ROW))
		assert.same({ sent = 9 }, ending({ "EVENTS" }, { event = true }))
		assert.same({ aggregated = 9 }, ending({}, {}))
	end)

	it("accepts no hit by steps that it cannot take", function()
		local by_steps <const> = { steps = { { op = "EQ", a = "PID", value = victim.pid } } }
		assert.same({ filtered = 9 }, ending({ "TABLES" }, by_steps))
		assert.same({ aggregated = 9 }, ending({ "STEPS", "COMPARISONS" }, by_steps))
	end)

	it("is smaller for the verifier", function()
		local major <const>, minor <const> = select(2, core.versions()):match "^(%d+)%.(%d+)"
		if tonumber(major) * 100 + tonumber(minor) < 608 then pending "this kernel verifies all global functions" end
		local few <close> = Engine.open { features = {} }
		local all <close> = Engine.open()
		assert.is_true(2 * few.program:info().verified_instructions < all.program:info().verified_instructions)
	end)
end)
