-- The records that the engine sends: their head, their cells, the pieces behind them; and the bell.
local core = require "crumb.core"
local Engine = require "support.engine"
local lab = require "support.lab"
local Victim = require "support.victim"

local SITE <const>, BODY <const> = 1, 1
local HEAD <const>, RECORD_BYTES <const>, PIECE_BYTES <const> = 56, 8192, 4096
local NOWHERE <const> = 8
local TEXT <const> = ("0123456789abcdef"):rep(1024)

local engine, victim, memory, finish

setup(function()
	engine, victim, finish = Engine.with_victim(SITE)
	memory = victim:call("memory", 0)
end)

teardown(function() finish() end)

before_each(function()
	engine:site(SITE, BODY)
	engine:forget(SITE)
	victim:call("arg0", memory)
	victim:call("rename", 1)
end)

-- Slot 0 is arg0, 1 is arg1, 2 an address where nothing lies, 3 what lies there.
local STEPS <const> = {
	{ op = "REGISTER", to = 0, a = "ARG0" }, { op = "REGISTER", to = 1, a = "ARG1" },
	{ op = "CONSTANT", to = 2, value = NOWHERE }, { op = "LOAD", to = 3, a = 2 },
}

-- The record of one hit with these outputs.
local function record(outputs, more)
	local body <const> = { event = true, steps = STEPS, outputs = outputs }
	for key, value in pairs(more or {}) do body[key] = value end
	engine:body(BODY, body)
	victim:call("call", 1)
	local records <const> = engine:records(#outputs)
	assert.equal(1, #records)
	return records[1]
end

local function holds(text, at) victim:poke(memory + (at or 0), text .. "\0") end

describe("a record", function()
	it("tells who, where and when", function()
		local from <const> = core.now()
		local one <const> = record({}, { generation = 0x80000001 })
		assert.is_true(from <= one.time and one.time <= core.now())
		assert.same({ 0x80000001, SITE, victim.pid, victim.pid, 0, 0, "victim" .. ("\0"):rep(10), 0, HEAD },
			{ one.generation, one.site, one.pid, one.tid, one.uid, one.gid, one.comm, one.failed, #one.bytes })
		assert.is_true(one.cpu < 1024)
	end)

	it("has nothing of a longer name that was there before", function()
		local other <close> = Victim.start()
		local function names(who)
			who:call("call", 1)
			return engine:records()[1].comm
		end
		engine:body(BODY, { event = true })
		for _ = 1, 4 do -- each processor's slot
			other:call("longname", 1)
			assert.equal("a longer name 1" .. "\0", names(other))
			assert.equal("victim" .. ("\0"):rep(10), names(victim))
		end
	end)

	it("has up to 24 cells, each of which may be unreadable", function()
		local outputs <const>, wanted <const>, got <const> = {}, {}, {}
		victim:call("arg1", -5)
		for i = 1, 24 do
			outputs[i] = { "SLOT", i % 2 == 0 and 3 or 1 }
			wanted[i] = i % 2 == 1 and -5
		end
		local one <const> = record(outputs)
		for i = 1, 24 do got[i] = one[i - 1] end
		assert.same(wanted, got)
		assert.equal(HEAD + 24 * 8, #one.bytes)
		assert.equal(0xaaaaaa, one.failed)
	end)
end)

describe("a string", function()
	local function of(length, size)
		holds(TEXT:sub(1, length))
		local one <const> = record { { "STRING", 0, size = size } }
		local text <const>, cut <const> = one:piece(0)
		assert.equal(HEAD + 8 + #text, #one.bytes)
		return text, cut
	end

	it("is whole, or cut, and says so", function()
		for _, size in ipairs { 1, 2, 16, 255, 256, 4094, 4095, PIECE_BYTES } do
			for _, more in ipairs { -1, 0, 1, 2, 100 } do
				local length <const> = size + more
				local text <const>, cut <const> = of(length, size)
				assert.same({ size, length, TEXT:sub(1, math.min(length, size)), length > size }, { size, length, text, cut })
			end
		end
	end)

	it("is cut after 4096 bytes at most", function()
		local text <const>, cut <const> = of(5000, 1 << 20)
		assert.same({ PIECE_BYTES, true }, { #text, cut })
	end)

	it("that cannot be read is no string", function()
		local one <const> = record { { "STRING", 2, size = 10 }, { "STRING", 3, size = 10 }, { "STRING", 0, size = 0 } }
		assert.same({ false, false, 3, HEAD + 24 }, { one[0], one[1], one.failed, #one.bytes })
	end)

	it("lies behind another", function()
		holds "first"
		holds("second one", 100)
		victim:call("arg1", memory + 100)
		local one <const> = record { { "STRING", 0, size = 64 }, { "SLOT", 0 }, { "STRING", 1, size = 6 }, { "STRING", 0, size = 2 } }
		assert.same({ "first", false }, { one:piece(0) })
		assert.same({ "second", true }, { one:piece(2) })
		assert.same({ "fi", true }, { one:piece(3) })
		assert.equal(memory, one[1])
		assert.equal(HEAD + 4 * 8 + 5 + 6 + 2, #one.bytes)
	end)
end)

describe("bytes", function()
	local function of(length, size)
		victim:call("arg1", length)
		local one <const> = record { { "BYTES", 0, length = 1, size = size } }
		return one:piece(0)
	end

	it("are as many as there are, and not more than are wanted", function()
		holds(TEXT:sub(1, 8000))
		for _, length in ipairs { 0, 1, 63, 64, 65, 4095, 4096, 4097, 1 << 40 } do
			for _, size in ipairs { 1, 64, PIECE_BYTES, 5000 } do
				local most <const> = math.min(size, PIECE_BYTES)
				assert.same({ TEXT:sub(1, math.min(length, most)), length > most }, { of(length, size) })
			end
		end
	end)

	it("of a negative length are none, and whole", function()
		assert.same({ "", false }, { of(-1, 64) })
		assert.same({ "", false }, { of(math.mininteger, 64) })
	end)

	it("may be zeros", function()
		victim:poke(memory, "a\0b\0\0")
		assert.same({ "a\0b\0\0", false }, { of(5, 64) })
	end)

	it("that cannot be read, or whose length cannot, are none", function()
		local one <const> = record {
			{ "BYTES", 2, length = 0, size = 8 }, { "BYTES", 3, length = 0, size = 8 }, { "BYTES", 0, length = 3, size = 8 },
		}
		assert.same({ 7, HEAD + 24 }, { one.failed, #one.bytes })
	end)
end)

describe("a record of 8 KiB", function()
	-- Strings of these lengths: which are there.
	local function pieces(lengths, size)
		local outputs <const> = {}
		holds(TEXT:sub(1, 10000))
		victim:call("arg1", lengths.last or 0)
		for i, length in ipairs(lengths) do outputs[i] = { "STRING", 0, size = length } end
		if lengths.last then outputs[#outputs + 1] = { "BYTES", 0, length = 1, size = size or 4096 } end
		local one <const> = record(outputs)
		local there <const> = {}
		for i = 1, #outputs do
			there[i] = one[i - 1] and #one:piece(i - 1) or false
			if one[i - 1] then assert.equal(TEXT:sub(1, there[i]), (one:piece(i - 1))) end
		end
		return there, #one.bytes
	end

	it("is full to the last byte", function()
		local rest <const> = RECORD_BYTES - HEAD - 2 * 8 - 4096
		local there <const>, size <const> = pieces { 4096, rest }
		assert.same({ { 4096, rest }, RECORD_BYTES }, { there, size })
		local bytes <const>, all <const> = pieces { 4096, last = rest }
		assert.same({ { 4096, rest }, RECORD_BYTES }, { bytes, all })
	end)

	it("drops what does not fit, and keeps what comes after it", function()
		local rest <const> = RECORD_BYTES - HEAD - 3 * 8 - 4096
		local there <const>, size <const> = pieces { 4096, rest + 1, 100 }
		assert.same({ { 4096, false, 100 }, HEAD + 24 + 4196 }, { there, size })
		local bytes <const>, all <const> = pieces { 4096, rest - 4, last = 5 }
		assert.same({ { 4096, rest - 4, false }, RECORD_BYTES - 4 }, { bytes, all })
	end)

	it("has room for a short string of which more might have come", function()
		holds(TEXT:sub(1, 4000))
		victim:poke(memory + 4096, "short\0")
		victim:call("arg1", memory + 4096)
		local one <const> = record { { "STRING", 0, size = 4096 }, { "STRING", 0, size = 3500 }, { "STRING", 1, size = 4096 } }
		assert.same({ "short", false }, { one:piece(2) })
	end)
end)

describe("a stack", function()
	it("is the addresses of the calls, of which the kernel has none at a place of user space", function()
		local one <const> = record({ { "USTACK" }, { "KSTACK" }, { "SLOT", 0 } },
			{ ustack = true, kstack = true, steps = { { op = "CONTEXT", to = 0, value = Engine.offset "ip" } } })
		assert.equal(one[2], one:frames(0)[1])
		assert.same({}, one:frames(1))
	end)
end)

describe("a ring", function()
	local function sent_and_lost(calls)
		engine:forget(SITE)
		victim:call("call", calls)
		local account <const> = engine:account(SITE)
		return account.sent or 0, account.lost or 0
	end

	it("that is full loses what is counted", function()
		holds(TEXT:sub(1, 4096))
		engine:body(BODY, { event = true, steps = STEPS, outputs = { { "STRING", 0, size = 4000 } } })
		local sent <const>, lost <const> = sent_and_lost(40)
		assert.equal(40, sent + lost)
		assert.equal((65536 - 1) // (HEAD + 8 + 4000 + 8), sent)
		assert.equal(sent, #engine:records(1))
		assert.equal(10, (sent_and_lost(10)))
		engine:records(1)
	end)

	it("that is not there loses all", function()
		engine:body(BODY, { event = true, ring = 1 })
		assert.same({ 0, 3 }, { sent_and_lost(3) })
	end)
end)

describe("the bell", function()
	local CELLS <const>, RING <const> = 1, 65536
	local BYTES <const> = HEAD + 8 * CELLS + 8
	local FITS <const> = (RING - 1) // BYTES
	local SHORT <const>, LONG <const> = 20000000, 20000000000

	-- Whether a reader who sleeps is woken; who is not sleeps on, however much there is to read.
	local function woken()
		local from <const> = core.now()
		engine.ring:wait(LONG, true)
		return core.now() - from < LONG
	end

	local function sleeps()
		local from <const> = core.now()
		engine.ring:wait(SHORT, true)
		return core.now() - from >= SHORT
	end

	local function arm(how) engine.object.globals.bell = engine.number["BELL_" .. how] end
	local function armed(how) return engine.object.globals.bell == engine.number["BELL_" .. how] end

	before_each(function()
		arm "OFF"
		engine:records(CELLS)
		engine:body(BODY, { event = true, steps = STEPS, outputs = { { "SLOT", 0 } } })
		engine.ring:wait(0, true) -- the descriptor forgets what it knew of the ring
	end)

	it("rings when it is armed, once", function()
		local discarded <const> = engine.ring:stats().discarded
		arm "NOW"
		victim:call("call", 5)
		assert.is_true(woken())
		assert.is_true(armed "OFF")
		assert.equal(5, #engine:records(CELLS))
		assert.equal(discarded + 1, engine.ring:stats().discarded)
		engine.ring:wait(0, true)
		victim:call("call", 5)
		assert.is_true(sleeps())
		assert.equal(5, #engine:records(CELLS))
	end)

	it("does not ring when it is not armed", function()
		victim:call("call", FITS)
		assert.is_true(sleeps())
	end)

	it("does not ring when nothing is sent", function()
		engine:body(BODY, { event = true, start = 255 })
		arm "NOW"
		victim:call("call", 5)
		assert.is_true(sleeps())
		assert.is_true(armed "NOW")
	end)

	it("rings when a ring is three quarters full", function()
		local quarters <const> = (RING * 3 // 4 + BYTES - 1) // BYTES
		arm "NEARLY_FULL"
		victim:call("call", quarters - 1)
		assert.is_true(sleeps())
		assert.is_true(armed "NEARLY_FULL")
		victim:call("call", 1)
		assert.is_true(woken())
		assert.is_true(armed "OFF")
	end)

	it("stays armed when the ring has no room to wake anybody", function()
		assert.is_true(RING - 1 - FITS * BYTES < 16)
		victim:call("call", FITS)
		arm "NOW"
		victim:call("call", 1)
		assert.equal(1, engine:account(SITE).lost)
		assert.is_true(armed "NOW")
		assert.equal(FITS, #engine:records(CELLS))
		engine.ring:wait(0, true)
		victim:call("call", 1)
		assert.is_true(woken())
	end)

	it("is rung by one of several", function()
		local other <close> = Victim.start()
		other:call("arg0", memory)
		local calls <const> = lab.times(400)
		for _ = 1, lab.times(40) do
			local discarded <const> = engine.ring:stats().discarded
			arm "NOW"
			victim:ask("call", calls)
			other:ask("call", calls)
			victim:answer "call"
			other:answer "call"
			assert.is_true(woken())
			assert.equal(2 * calls, #engine:records(CELLS))
			assert.is_true(armed "OFF")
			-- Who comes second finds that another has rung it.
			local rung <const> = engine.ring:stats().discarded - discarded
			assert.is_true(rung == 1 or rung == 2)
		end
	end)
end)
