-- A rule that you change while it is attached, for each function its own. Each has a cookie, and what you type holds for
-- that cookie only, from its next call on:
--
--     build/crumb examples/live_rule.lua libc getenv setlocale
--     getenv uid == 0 and comm like 'ba*'     from now on only calls of root's bash are shown
--     setlocale off                           and none of setlocale
--     getenv                                  all again
--
-- After each line it shows what happens for --watch seconds (3); the end of the input ends it.
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local words <const>, options <const> = support.arguments("BINARY SYMBOL... [--pid N] [--watch S]", 2,
	{ pid = true, watch = true })
local symbols <const>, cookies <const> = table.move(words, 2, #words, 1, {}), {}
for i, symbol in ipairs(symbols) do cookies[symbol] = i end

local trace <close> = try(crumb.trace { pid = options.pid })
local probe <const> = try(trace:probe {
	"uprobe:" .. words[1], symbols = symbols, cookie = cookies,
	capture = { first = "arg0" },
})
say("attached to %d functions; SYMBOL CONDITION, SYMBOL off or SYMBOL changes a rule", #symbols)

local function watch(seconds)
	for event in probe:events { idle = seconds, duration = seconds } do say("%s", event) end
end

local function change(rule, condition)
	if condition == "" then return rule:clear() end
	if condition == "off" then return rule:set { enabled = false } end
	return rule:set { where = condition, enabled = true }
end

watch(options.watch or 3)
for line in io.lines() do
	local symbol <const>, condition <const> = line:match "^%s*(%S+)%s*(.-)%s*$"
	if cookies[symbol] then
		local done <const>, message <const> = change(probe:rule(cookies[symbol]), condition)
		say("%s: %s", escape(symbol), done and "now " .. (condition == "" and "all" or escape(condition)) or message)
	else
		say "SYMBOL CONDITION, SYMBOL off or SYMBOL changes a rule"
	end
	watch(options.watch or 3)
end
watch(0) -- what came since
