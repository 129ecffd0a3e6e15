--- loader: does with crumb what loader.c does with libbpf: arguments OBJECT CATEGORY NAME.

local bpf <const> = require "crumb.bpf"

local object <close> = assert(bpf.open(arg[1]))
assert(object:load())
assert(object.programs.count:attach { ("tracepoint:%s:%s"):format(arg[2], arg[3]), cookie = 1 })
io.write "\0"
io.flush()
io.read()
