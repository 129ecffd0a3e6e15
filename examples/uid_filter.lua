-- Filter by uid: the cookie is the uid itself, and the kernel compares it. What other users do costs a
-- comparison and never becomes an event. For each uid the same program is attached once more.
--
--     build/crumb examples/uid_filter.lua libc getenv 1000 33 --duration 10
--
-- Right for members of every group: the program compares the uid alone. Ctrl-C ends.
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local USAGE <const> = "BINARY SYMBOL UID... [--pid N] [--duration S]"
local words <const>, options <const> = support.arguments(USAGE, 3, { pid = true, duration = true })
local target <const> = ("uprobe:%s:%s"):format(words[1], words[2])

local object <close> = support.open "uid_filter"
try(object:load())
local ring <close> = try(object:ring("events", "struct event"))
for i = 3, #words do
	local uid <const> = support.integer(words[i]) or support.usage(USAGE)
	try(object.programs.on_hit:attach { target, cookie = uid, pid = options.pid })
end
say("attached to %s for %d users", escape(target), #words - 2)

for event in ring:events { duration = options.duration } do
	say("%s[%d] uid %d gid %d", escape(event.comm), event.pid, event.uid, event.gid)
end
if object.globals.lost > 0 then say("%d events were lost: the ring was full", object.globals.lost) end
