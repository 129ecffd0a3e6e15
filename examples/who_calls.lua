-- Who calls a function: its stacks, counted in the kernel, as lines for a flame graph, "program;main;f;malloc 12". Stacks
-- are followed by frame pointers: of what was built without them there are few callers, or wrong ones.
--
--     build/crumb examples/who_calls.lua libc malloc --duration 10 >folded.txt
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const> = support.try

local words <const>, options <const> = support.arguments("BINARY SYMBOL [--pid N] [--duration S]", 2,
	{ pid = true, duration = true })

local trace <close> = try(crumb.trace { pid = options.pid })
local calls <const> = try(trace:probe {
	"uprobe:" .. words[1], symbols = { words[2] }, count = true, by = { "comm", "ustack" },
})
io.stderr:write("attached to ", words[2], "\n")
trace:run { duration = options.duration }
support.say("%s", calls:folded())
