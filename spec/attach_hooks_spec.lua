-- Every hook with a cookie: the same 64 bits come back, as often as the victim made the call.
local bpf = require "crumb.bpf"
local cookies = require "support.cookies"
local lab = require "support.lab"
local Victim = require "support.victim"

local hooks <const> = bpf.features().hooks
local SYSCALL <const> = cookies.SYSCALL
local VICTIM <const> = "build/fixtures/victim"
local SENT <const> = { 0, 1, 0x7fffffffffffffff, -1 }

local victim

local function need(...)
	local reason <const> = cookies.missing(...)
	if reason then pending(reason) end
end

setup(function() victim = Victim.start() end)
teardown(function() victim:stop() end)

-- Each hook: its program, its target, what the victim does, the hits of one such call, what a tracing program is for.
local HOOKS <const> = {
	{ "kprobe", "on_kprobe", "kprobe:" .. SYSCALL .. "getpgid", "getpgid" },
	{ "kretprobe", "on_kprobe", "kretprobe:" .. SYSCALL .. "getpgid", "getpgid" },
	{ "syscall", "on_syscall", "syscall:getpgid", "getpgid" },
	{ "kprobe.multi", "on_kprobe_multi", "kprobe:" .. SYSCALL .. "getpgid", "getpgid" },
	{ "kprobe.multi", "on_kprobe_multi", "kretprobe:" .. SYSCALL .. "getpgid", "getpgid" },
	{ "uprobe", "on_uprobe", "uprobe:" .. VICTIM .. ":hit_a", "hit_a" },
	{ "uretprobe", "on_uprobe", "uretprobe:" .. VICTIM .. ":hit_a", "hit_a" },
	{ "uprobe.multi", "on_uprobe_multi", "uprobe:" .. VICTIM .. ":hit_a", "hit_a" },
	{ "uprobe.multi", "on_uprobe_multi", "uretprobe:" .. VICTIM .. ":hit_a", "hit_a" },
	{ "usdt", "on_usdt", "usdt:" .. VICTIM .. ":crumb:once", "once" },
	{ "usdt", "on_usdt", "usdt:" .. VICTIM .. ":crumb:guarded", "usdt", 3 },
	{ "tracepoint", "on_tracepoint", "tracepoint:task:task_rename", "rename" },
	{ "tracepoint", "on_tracepoint", "tracepoint:syscalls:sys_enter_getpgid", "getpgid" },
	{ "rawtracepoint", "on_raw_tracepoint", "rawtracepoint:task_rename", "rename" },
	{ "tp_btf", "on_tp_btf", "tp_btf:task_rename", "rename" },
	{ "fentry", "on_fentry", "fentry:" .. SYSCALL .. "getpgid", "getpgid", 1, SYSCALL .. "getpgid" },
	{ "fexit", "on_fexit", "fexit:" .. SYSCALL .. "getpgid", "getpgid", 1, SYSCALL .. "getpgid" },
	{ "software", "on_fault", "software:page-faults:1", "fault" },
}

local function loaded(program, traced)
	local object <const> = cookies.load(victim, program)
	if traced then assert(object.programs[program]:set_attach_target(traced)) end
	return assert(object:load())
end

local function kernel_says(link, sent)
	for part = 1, #link do
		local info <const> = assert(link:info(part))
		if info.cookie then assert.equal(sent, info.cookie) end
		if info.cookies then assert.same({ sent }, info.cookies) end
	end
end

describe("a cookie comes back", function()
	for _, row in ipairs(HOOKS) do
		local hook <const>, program <const>, target <const>, call <const>, hits <const>, traced <const> =
			table.unpack(row, 1, 6)
		it(("by %s, at %s"):format(hook, target), function()
			need(hook, "cookie")
			local before <const> = lab.descriptors()
			do
				local object <close> = loaded(program, traced)
				for i, sent in ipairs(SENT) do
					local calls <const> = 19 + 4 * i
					local link <close> = assert(object.programs[program]:attach { target, cookie = sent })
					assert.equal(sent, link.cookie)
					assert.equal(calls, victim:call(call, calls))
					assert.same({ [sent] = calls * (hits or 1) }, cookies.taken(object))
					if hook ~= "usdt" then kernel_says(link, sent) end
					assert(link:close())
					victim:call(call, 3)
					assert.same({}, cookies.taken(object))
				end
			end
			assert.equal(before, lab.descriptors())
		end)
	end
end)

describe("what fires by the clock", function()
	local function fires(hook, target)
		need(hook, "cookie")
		local object <close> = loaded "on_perf_event"
		for _, sent in ipairs(SENT) do
			cookies.taken(object) -- what the last link still counted before it was closed
			local link <close> = assert(object.programs.on_perf_event:attach { target, cookie = sent, pid = victim.pid })
			local taken
			for _ = 1, 50 do -- an emulated processor may be slow to fire
				victim:call("spin", 20)
				taken = cookies.taken(object)
				if next(taken) then break end
			end
			local cookie <const>, hits <const> = next(taken)
			assert.equal(sent, cookie)
			assert.is_true(hits >= 1)
			assert.is_nil(next(taken, cookie))
			kernel_says(link, sent)
		end
	end

	it("has its cookie: profile", function() fires("profile", "profile:hz:99") end)
	it("has its cookie: software", function() fires("software", "software:cpu-clock:1000000") end)
	it("has its cookie: hardware", function() fires("hardware", "hardware:cpu-cycles:1000000") end)
end)

describe("a kernel without a cookie for the hook", function()
	for _, row in ipairs {
		{ "rawtracepoint", "without_raw_tracepoint", "rawtracepoint:task_rename" },
		{ "tp_btf", "without_tp_btf", "tp_btf:task_rename" },
	} do
		local hook <const>, program <const>, target <const> = table.unpack(row)
		it("refuses it, and takes 0: " .. hook, function()
			need(hook)
			if hooks[hook].cookie then pending("this kernel gives a cookie to a " .. hook) end
			local object <close> = loaded(program)
			local before <const> = lab.descriptors()
			local link, message <const>, errno <const> = object.programs[program]:attach { target, cookie = 1 }
			assert.is_nil(link)
			assert.equal(22, errno)
			assert.matches(("^attach %s: this kernel %%(6%%.1%%..-%%) gives no cookie to a %s; kernels from 6%%.10 on do$")
				:format(target, hook), message)
			assert.equal(before, lab.descriptors())
			link = assert(object.programs[program]:attach { target })
			victim:call("rename", 23)
			assert.same({ [0] = 23 }, cookies.taken(object))
			assert(link:close())
		end)
	end
end)

describe("a glob of USDT probes", function()
	it("has a cookie for each name", function()
		local object <close> = loaded "on_usdt"
		local link <const> = assert(object.programs.on_usdt:attach {
			"usdt:" .. VICTIM .. ":crumb:[go]*", cookie = { ["crumb:guarded"] = 7, ["crumb:once"] = 8 }, pid = victim.pid,
		})
		for i, site in ipairs(link.sites) do assert.equal(site.name == "once" and 8 or 7, link.cookies[i]) end
		victim:call("usdt", 2)
		victim:call("once", 5)
		assert.same({ [7] = 6, [8] = 5 }, cookies.taken(object))
		assert(link:close())
	end)
end)

describe("a USDT probe with a semaphore", function()
	it("is counted up while it is attached", function()
		local object <close> = loaded "on_usdt"
		assert.equal(0, victim:call("semaphore", 0))
		local link <const> = assert(object.programs.on_usdt:attach {
			"usdt:" .. VICTIM .. ":crumb:guarded", cookie = 5, pid = victim.pid,
		})
		assert.is_true(victim:call("semaphore", 0) > 0)
		assert(link:close())
		assert.equal(0, victim:call("semaphore", 0))
	end)
end)
