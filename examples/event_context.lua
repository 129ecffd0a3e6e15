-- Event context: ONE BPF program is attached to many functions, each with its own cookie, and the cookie
-- says which of them an event came from. With it come the process and the first 50 bytes of its stack.
--
--     build/crumb examples/event_context.lua /usr/bin/app main.foobar=1 main.bazbuz=2 --duration 10
--
-- A cookie is any 64-bit integer; without one a symbol gets its place in the list. Ctrl-C ends.
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local USAGE <const> = "BINARY SYMBOL[=COOKIE]... [--pid N] [--duration S]"
local words <const>, options <const> = support.arguments(USAGE, 2, { pid = true, duration = true })

local symbols <const>, cookies <const>, names <const> = {}, {}, {}
for i = 2, #words do
	local symbol <const>, cookie <const> = words[i]:match "^(.+)=(.*)$"
	symbols[i - 1] = symbol or words[i]
	cookies[i - 1] = symbol and (support.integer(cookie) or support.usage(USAGE)) or i - 1
	names[cookies[i - 1]] = symbols[i - 1]
end

local object <close> = support.open "event_context"
try(object:load())
local ring <close> = try(object:ring("events", "struct event"))
try(object.programs.on_hit:attach {
	"uprobe:" .. words[1], symbols = symbols, cookie = cookies, pid = options.pid,
})
say("attached to %d functions of %s", #symbols, escape(words[1]))

for event in ring:events { duration = options.duration } do
	say("%s cookie %#x %s[%d]", escape(names[event.cookie]), event.cookie, escape(event.comm), event.pid)
	say("%s", support.hexdump(event.stack:sub(1, event.stack_length), event.sp))
end
if object.globals.lost > 0 then say("%d events were lost: the ring was full", object.globals.lost) end
