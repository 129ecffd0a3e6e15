--- tracer: does with the tracer what loader.c does with libbpf: arguments OBJECT (not used) CATEGORY NAME.

local crumb <const> = require "crumb"

local trace <close> = assert(crumb.trace())
assert(trace:probe { ("tracepoint:%s:%s"):format(arg[2], arg[3]), where = "uid == 12345", capture = { cpu_number = "cpu" } })
io.write "\0"
io.flush()
io.read()
