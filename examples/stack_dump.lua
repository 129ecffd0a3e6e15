-- Stack dump: what lies on the user's stack when a function is entered. The cookie is the number of bytes
-- that are copied: 50, unless the symbol says otherwise (256 at most).
--
--     build/crumb examples/stack_dump.lua /usr/bin/app main.foobar main.bazbuz=16 --duration 10
--
-- At the entry the first eight bytes are the return address. Works on Go programs too. Ctrl-C ends.
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local USAGE <const> = "BINARY SYMBOL[=BYTES]... [--pid N] [--duration S]"
local words <const>, options <const> = support.arguments(USAGE, 2, { pid = true, duration = true })

local symbols <const>, lengths <const> = {}, {}
for i = 2, #words do
	local symbol <const>, length <const> = words[i]:match "^(.+)=(.*)$"
	symbols[i - 1] = symbol or words[i]
	lengths[i - 1] = symbol and (support.integer(length) or support.usage(USAGE)) or 50
end

local object <close> = support.open "stack_dump"
try(object:load())
local ring <close> = try(object:ring("events", "struct event"))
try(object.programs.on_hit:attach {
	"uprobe:" .. words[1], symbols = symbols, cookie = lengths, pid = options.pid,
})
say("attached to %d functions of %s", #symbols, escape(words[1]))

for event in ring:events { duration = options.duration } do
	say("%s[%d] at %#x, %d bytes of stack", escape(event.comm), event.pid, event.ip, event.length)
	say("%s", support.hexdump(event.stack:sub(1, event.length), event.sp))
end
if object.globals.lost > 0 then say("%d events were lost: the ring was full", object.globals.lost) end
