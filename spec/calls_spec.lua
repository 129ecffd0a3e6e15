-- How deep calls nest, and the order of events, of made-up events.
local calls = require "crumb.calls"
local order = require "crumb.order"

-- The depths of events { symbol, frame, latency = }, of one thread.
local function depths(events)
	local nested <const>, list <const> = calls.new "uprobe:/x:*", {}
	for i, event in ipairs(events) do
		list[i] = nested:depth { thread = event.thread or 1, symbol = event[1], frame = event[2], latency = event.latency }
	end
	return list
end

describe("calls", function()
	it("nest by their frames", function()
		assert.same({ 0, 1, 2, 2, 1, 1, 1, 0 }, depths {
			{ "main", 1000 }, { "f", 900 }, { "f", 800 }, { "f", 800, latency = 1 }, { "f", 900, latency = 1 },
			{ "g", 900 }, { "g", 900, latency = 1 }, { "main", 1000, latency = 1 },
		})
	end)

	it("are left when something begins above them", function()
		assert.same({ 0, 1, 2, 1, 0 }, depths { { "main", 1000 }, { "f", 900 }, { "g", 800 }, { "h", 850 + 80 }, { "i", 1000 + 8 } })
	end)

	it("are left when something begins in their place, but for a tail call", function()
		assert.same({ 0, 1, 2, 2, 1 }, depths {
			{ "main", 1000 }, { "f", 900 }, { "g", 900 }, { "g", 900, latency = 1 }, { "f", 900, latency = 1 },
		})
		assert.same({ 0, 1, 2, 1 }, depths { { "main", 1000 }, { "f", 900 }, { "g", 800 }, { "h", 900 } })
		assert.same({ 0, 1, 1, 1 }, depths { { "main", 1000 }, { "f", 900 }, { "f", 900 }, { "f", 900 } })
	end)

	it("are not compared across stacks", function()
		local far <const>, kernel <const> = 1 << 40, -1 << 40
		assert.same({ 0, 1, 1, 1 }, depths { { "main", 1000 }, { "handler", far }, { "handler", far, latency = 1 }, { "f", 900 } })
		assert.same({ 0, 1, 1, 0 }, depths {
			{ "read", kernel }, { "irq", kernel + 0x10000 }, { "irq", kernel + 0x10000, latency = 1 }, { "read", kernel, latency = 1 },
		})
	end)

	it("take a return that was not seen to begin for one of where they are", function()
		assert.same({ 0, 1, 0 }, depths { { "main", 1000 }, { "f", 900, latency = 1 }, { "main", 1000, latency = 1 } })
	end)

	it("keep threads apart", function()
		assert.same({ 0, 0, 1, 1 }, depths {
			{ "main", 1000 }, { "main", 2000, thread = 2 }, { "f", 900 }, { "f", 1900, thread = 2 },
		})
	end)

	it("say what is to be captured", function()
		local nested <const> = calls.new "kprobe:vfs_read"
		assert.same({ thread = "tid", frame = "sp" }, nested.entry)
		assert.same({ thread = "tid", frame = "entry(sp)" }, nested.exit)
	end)
end)

describe("order", function()
	local function shown_by(use)
		local list <const> = {}
		use(order.new(function(event) list[#list + 1] = event.name end))
		return table.concat(list, " ")
	end

	it("is that of time, and of coming at one time", function()
		assert.equal("a b c d", shown_by(function(events)
			for name, time in ("c5 a1 b3 d5"):gmatch "(%l)(%d)" do events:add { name = name, time = tonumber(time) } end
			events:finish()
		end))
	end)

	it("waits for what is late", function()
		assert.equal("a b |", shown_by(function(events)
			events:add { name = "b", time = 5 }
			events:step()
			events:add { name = "a", time = 4 }
			events:add { name = "c", time = 6 }
			events:step()
			events.show { name = "|" }
		end))
	end)
end)
