--- words: the options that people write in the tables of traces, probes and spans, and the types they take.

local choice <const> = require "crumb.bpf.choice"
local rule <const> = require "crumb.rule"

local words = {}

local function merged(...)
	local all <const> = {}
	for _, one in ipairs { ... } do
		for name, value in pairs(one) do all[name] = value end
	end
	return all
end

--- What a trace says for all its probes.
words.SHARED = {
	pid = "integer", tid = "integer", follow = "boolean", ring_size = "integer", max_delay = "number", rows = "integer",
	max = "integer",
}

words.TRACE = merged(words.SHARED, { sites = "integer", pending = "integer" })

words.PROBE = merged(words.SHARED, choice.OPTIONS, rule.OPTIONS, {
	handler = "function|table", returns = "boolean", once = "boolean", max = "integer|string|table|boolean",
	pid = "integer|boolean",
})

words.SPAN = merged(words.SHARED, rule.OPTIONS, {
	from = "table", to = "table", handler = "function|table", cookie = "integer", pid = "integer|boolean", progress = "function",
})

local KEY <const> = { key = "string|table", where = "string" }

--- The ends of a span.
words.FROM = merged(choice.OPTIONS, KEY, { capture = "table", who = "boolean", returns = "boolean" })
words.TO = merged(choice.OPTIONS, KEY)

--- What can be changed while a probe is attached.
words.SETTABLE = merged(rule.OPTIONS, { handler = "function|table|boolean" })

return words
