-- A trace, its timer and sockets in one loop of luv's: who connects gets each call as a line, and each line that he sends is
-- the rule from then on, for everybody.
--
--     build/crumb examples/luv_loop.lua libc getenv --port 7070
--     nc localhost 7070
--     comm like 'ba*'
local uv <const> = require "luv"
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const> = support.try, support.say

local WAITING <const> = 1 << 20 -- bytes that one client may leave unread; he misses what is more

local words <const>, options <const> = support.arguments("BINARY SYMBOL [--pid N] [--port N]", 2, { pid = true, port = true })

local clients <const>, calls = {}, 0

local function tell(client, line)
	if client:get_write_queue_size() < WAITING then client:write(line .. "\n") end
end

local trace <close> = try(crumb.trace { pid = options.pid })
local probe <const> = try(trace:probe {
	("uprobe:%s:%s"):format(words[1], words[2]), capture = { first = "arg0" },
	handler = function(event)
		calls = calls + 1
		for client in pairs(clients) do tell(client, tostring(event)) end
	end,
})

local function change(client, line)
	local done <const>, message <const> = probe:set { where = line }
	tell(client, done and "now " .. line or message)
end

local function leave(client)
	clients[client] = nil
	client:close()
end

local server <const> = uv.new_tcp()
try(server:bind("127.0.0.1", options.port or 0))
try(server:listen(16, function()
	local client <const>, rest = uv.new_tcp(), ""
	try(server:accept(client))
	clients[client] = true
	client:read_start(function(failed, bytes)
		if failed or not bytes then return leave(client) end
		rest = (rest .. bytes):gsub("([^\n]*)\n", function(line) change(client, line) return "" end)
	end)
end))

-- The descriptor is readable when events are to be delivered, and when the trace's timer is due.
local poll <const> = uv.new_poll(trace:fd())
poll:start("r", function() trace:poll() end)

local told = 0
trace:every(1, function()
	if calls > told then say("%d calls", calls) end
	told = calls
end)

for _, name in ipairs { "sigint", "sigterm" } do
	uv.new_signal():start(name, function() uv.stop() end)
end
say("attached to %s, listening on port %d", words[2], server:getsockname().port)
uv.run()
poll:close() -- before the trace closes its descriptor; once more round, since luv is through with it only then
uv.run "nowait"
say("%d calls in all", calls)
