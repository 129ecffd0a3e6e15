-- Tail calls: the cookie is the slot of a program array, and the program in that slot is what happens at
-- this function. Put another one there, and the function's next hit does something else; the probe
-- stays attached all the while. The actions here are count, emit and none:
--
--     build/crumb examples/tail_calls.lua libc getenv malloc
--     getenv emit         from now on each getenv is an event
--
-- After each line it shows what happens for --watch seconds (3); the end of the input ends it.
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local USAGE <const> = "BINARY SYMBOL... [--pid N] [--watch S]"
local words <const>, options <const> = support.arguments(USAGE, 2, { pid = true, watch = true })
local MARK <const> = 0xc0ffee00 << 32 -- any upper half: an action reads all 64 bits after the tail call

local object <close> = support.open "tail_calls"
try(object:load())
local actions <const>, counts <const> = object.maps.actions, object.maps.counts
local ring <close> = try(object:ring("events", "struct event"))

local cookies <const>, names <const> = {}, {}
for slot = 0, #words - 2 do
	local symbol <const> = words[slot + 2]
	cookies[symbol], names[MARK | slot] = MARK | slot, symbol
	try(counts:update(MARK | slot, 0))
	try(actions:update(slot, object.programs.count))
end
try(object.programs.on_hit:attach {
	"uprobe:" .. words[1], symbols = { table.unpack(words, 2) }, cookie = cookies, pid = options.pid,
})
say("attached to %d functions of %s; SYMBOL count|emit|none changes what they do", #words - 1, escape(words[1]))

local function watch(seconds)
	for event in ring:events { idle = seconds, duration = seconds } do
		say("%s cookie %#x %s[%d]", escape(names[event.cookie]), event.cookie, escape(event.comm), event.pid)
	end
	for cookie, hits in pairs(counts) do say("%s counted %d", escape(names[cookie]), hits) end
	say("nothing to do at %d hits", object.globals.idle)
end

watch(options.watch or 3)
for line in io.lines() do
	local symbol <const>, action <const> = line:match "^%s*(%S+)%s+(%S+)%s*$"
	if cookies[symbol] and (action == "count" or action == "emit") then
		try(actions:update(cookies[symbol] & 0xffffffff, object.programs[action]))
		say("%s: now %s", escape(symbol), action)
	elseif cookies[symbol] and action == "none" then
		try(actions:delete(cookies[symbol] & 0xffffffff))
		say("%s: now none", escape(symbol))
	else
		say "SYMBOL count|emit|none changes what a function does"
	end
	watch(options.watch or 3)
end
watch(0) -- what came since
