--- many: attaches the tracer to many sites: arguments TARGET and how many it means.

local crumb <const> = require "crumb"

local count <const> = math.tointeger(arg[2])
local trace <close> = assert(crumb.trace())
local probe <const> = assert(trace:probe { arg[1], count = true, max = count })
assert(#probe.sites == count)
io.write "\0"
io.flush()
io.read()
