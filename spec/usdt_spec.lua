-- USDT probes: every site under a name, semaphores, cookies, and how they are attached.
local core = require "crumb.core"
local crumb = require "crumb"
local features = require "crumb.bpf.features"
local lab = require "support.lab"
local tracer = require "support.tracer"
local Victim = require "support.victim"

local it_traces <const> = tracer.it
local X86 <const> = select(3, core.versions()) == "x86_64"
local GUARDED <const> = "usdt:build/fixtures/victim:crumb:guarded"
local ONCE <const> = "usdt:build/fixtures/victim:crumb:once"

describe("a hostile note", function()
	it("sends nothing to the terminal but what can be read", function()
		local bytes = lab.read "build/fixtures/victim"
		bytes = bytes:gsub("crumb%z(on)ce%z", "crumb\0\27]2\7\0")
		local path <const> = os.tmpname()
		do
			local file <close> = assert(io.open(path, "wb"))
			file:write(bytes)
		end
		local listed <const>, message <const> = crumb.list(("usdt:%s:x:y"):format(path))
		os.remove(path)
		assert.is_nil(listed)
		assert.matches("there are .*crumb:", message)
		assert.is_nil(message:find "%c")
	end)
end)

describe("the semaphore of a USDT probe", function()
	it_traces("counts its sites up and down", function(trace, victim)
		assert.equal(0, victim:call("semaphore", 1))
		local probe <const> = assert(trace:probe { GUARDED, count = true, pid = victim.pid })
		assert.equal(3, victim:call("semaphore", 1))
		victim:call("usdt", 5)
		assert.equal(15, probe:stats().aggregated)
		assert(probe:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)

	it_traces("stays up as long as one of two probes is there", function(trace, victim)
		local one <const> = assert(trace:probe { GUARDED, count = true, pid = victim.pid })
		local two <const> = assert(trace:probe { GUARDED, count = true, pid = victim.pid })
		assert(one:close())
		assert.equal(3, victim:call("semaphore", 1))
		victim:call("usdt", 2)
		assert.same({ 0, 6 }, { one:stats().hits, two:stats().aggregated })
		assert(two:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)

	it_traces("is counted in a process that starts later, and in each of two", function(trace, victim)
		local probe <const> = assert(trace:probe { GUARDED, capture = { number = "arg0" } })
		local late <close> = Victim.start()
		assert.same({ 3, 3 }, { victim:call("semaphore", 1), late:call("semaphore", 1) })
		late:call("usdt", 1)
		assert.same({ { late.pid, 1 }, { late.pid, 2 }, { late.pid, 3 } },
			tracer.pick(tracer.all(probe:events { idle = 0 }), "pid", "number"))
		assert(probe:close())
		assert.same({ 0, 0 }, { victim:call("semaphore", 1), late:call("semaphore", 1) })
	end)

	it_traces("is right in who stays when another one is killed", function(trace, victim)
		local probe <const> = assert(trace:probe { GUARDED, count = true })
		do
			local killed <close> = Victim.start()
			killed:call("usdt", 1)
			assert(os.execute("kill -9 " .. killed.pid))
			assert.is_nil(killed.output:read "l")
		end
		assert.equal(3, victim:call("semaphore", 1))
		victim:call("usdt", 1)
		assert.equal(6, probe:stats().aggregated)
		assert(probe:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)
end)

describe("a USDT probe", function()
	it_traces("has a cookie for each place, in one rule", function(trace, victim)
		local probe <const> = assert(trace:probe { GUARDED, ONCE, pid = victim.pid, capture = { number = "cookie + 1" },
			cookie = function(site, i) return site.symbol == "crumb:once" and -1 or 10 * i end })
		assert.same({ 10, 20, 30, -1 }, probe.cookies)
		victim:call("usdt", 1)
		victim:call("once", 2)
		local places <const> = {}
		for i, event in ipairs(tracer.all(probe:events { idle = 0 })) do
			places[i] = { event.cookie, event.number, event.symbol }
		end
		table.sort(places, function(a, b) return a[1] < b[1] end)
		assert.same({
			{ -1, 0, "crumb:once" }, { -1, 0, "crumb:once" },
			{ 10, 11, "crumb:guarded" }, { 20, 21, "crumb:guarded" }, { 30, 31, "crumb:guarded" },
		}, places)
	end)

	it_traces("may be a glob, with a cookie and a row for each place or name", function(trace, victim)
		local probe <const> = assert(trace:probe { "usdt:build/fixtures/victim:crumb:[go]*", pid = victim.pid, count = true })
		assert.same({ 1, 2, 3, 4 }, probe.cookies)
		victim:call("usdt", 2)
		victim:call("once", 7)
		victim:call("indexed", 5)
		local rows <const> = {}
		for _, row in ipairs(assert(probe:read())) do rows[row.symbol] = row.count end
		assert.same({ ["crumb:guarded"] = 6, ["crumb:once"] = 7 }, rows)
		assert.same({ 3, 0 }, { victim:call("semaphore", 1), #probe.skipped })
		local none <const>, message <const>, errno <const> = trace:probe { "usdt:build/fixtures/victim:crumb:x*" }
		assert.same({ nil, 2 }, { none, errno })
		assert.matches("no USDT probe 'crumb:x%*'", message)
	end)

	it_traces("whose note has an empty name, or lies, is left out of a glob and told", function(trace)
		local probe <close> = assert(trace:probe { "usdt:build/fixtures/usdt_victim:*:*", count = true })
		for _, site in ipairs(probe.sites) do assert.matches("^forms:", site.symbol) end
		local bytes = lab.read "build/fixtures/victim"
		local at <const> = assert(bytes:find("crumb\0once\0", 1, true)) - 24
		bytes = bytes:sub(1, at - 1) .. ("<I8"):pack(0x7fffffff0000) .. bytes:sub(at + 8)
		local path <const> = os.tmpname()
		do
			local file <close> = assert(io.open(path, "wb"))
			file:write(bytes)
		end
		local lying <close> = assert(trace:probe { ("usdt:%s:crumb:*"):format(path), count = true })
		os.remove(path)
		assert.same({ 4, "crumb:once", "the file's notes place the probe where there can be none" },
			{ #lying.sites, lying.skipped[1].symbol, lying.skipped[1].reason })
	end)

	it_traces("is attached by as few kernel links as others, semaphores and all", function(trace, victim)
		if not features.hook "uprobe.multi".available then pending "this kernel has no uprobe.multi" end
		local probe <const> = assert(trace:probe { GUARDED, ONCE, "usdt:build/fixtures/victim:crumb:indexed",
			pid = victim.pid, count = true })
		assert.equal("uprobe.multi: 5 sites, 1 kernel link", probe.mechanism)
		assert.equal(3, victim:call("semaphore", 1))
	end)
end)
-- What a probe's arguments are at its one hit; `false`: unknown.
local function values_of(trace, path, name, last, first)
	local victim <close> = Victim.start(path)
	local capture <const> = {}
	for i = first or 0, last do capture["a" .. i] = "args.arg" .. i end
	local probe <close> = assert(trace:probe { ("usdt:build/fixtures/%s:forms:%s"):format(path, name), pid = victim.pid,
		capture = capture })
	victim:call(name == "compiled" and name or "written", 1)
	local event <const>, values <const> = tracer.all(probe:events { idle = 0 })[1], {}
	for i = first or 0, last do values[#values + 1] = event["a" .. i] end
	return values
end

describe("the arguments of a USDT probe", function()
	for _, path in ipairs { "usdt_victim", "usdt_clang" } do
		it_traces("are read where the compiler put them: " .. path, function(trace)
			assert.same({ -5, -1, 0, 200, 0 }, values_of(trace, path, "compiled", 4))
		end)

		it_traces("are read in each form: " .. path, function(trace)
			if not X86 then pending "the victim's notes are of another machine" end
			local first <const> = 0x1122334455667788
			assert.same({ first, -3, 1, 254, -2, -32767, 32769, 0x55667788, 1, 7, -120, 2 },
				values_of(trace, path, "registers", 11))
			assert.same({ 5, -1, 255, -1, -1, 0x7fff, math.mininteger, -32768, 12 }, values_of(trace, path, "constants", 8))
			assert.same({ first, -77, -77, 78, first, -77, 0x77, 0x7788, first, -77 }, values_of(trace, path, "memory", 9))
			assert.same({ first, -77, 78, -77, -77 }, values_of(trace, path, "relative", 4))
		end)
	end

	it_traces("that cannot be read are refused one by one, with the reason", function(trace, victim)
		if not X86 then pending "the victim's notes are of another machine" end
		local target <const> = "usdt:build/fixtures/usdt_victim:forms:unknown"
		for argument, why in pairs {
			[0] = "it is a floating-point number", "it is relative to a segment", "it has 16 bytes",
			"the file does not tell where 'nowhere' is", "its address is in a table of the linker's", "it is a variable's address",
			"it lies at 'rubbish'", "it lies at '8(%rsi,%rdi,3)'", "it has 0 bytes", "BPF does not see floating-point registers",
		} do
			local probe <const>, message <const>, errno <const> =
				trace:probe { target, pid = victim.pid, capture = { x = "args.arg" .. argument } }
			assert.same({ nil, 22 }, { probe, errno })
			if not message:find(why, 1, true) then error(message) end
		end
		assert.same({ 7 }, values_of(trace, "usdt_victim", "unknown", 10, 10))
	end)
end)
