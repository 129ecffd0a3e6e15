-- A trace, a timer and sockets in one loop of cqueues': who connects gets each call as a line, and each line that he sends
-- is the rule from then on, for everybody.
--
--     build/crumb examples/cqueues_loop.lua libc getenv --port 7070
--     nc localhost 7070
--     comm like 'ba*'
local cqueues <const> = require "cqueues"
local condition <const> = require "cqueues.condition"
local signal <const> = require "cqueues.signal"
local socket <const> = require "cqueues.socket"
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const> = support.try, support.say

local WAITING <const> = 1000 -- lines that one client may leave unread; he misses what is more

local words <const>, options <const> = support.arguments("BINARY SYMBOL [--pid N] [--port N]", 2, { pid = true, port = true })

local clients <const>, calls = {}, 0

local function tell(client, line)
	if #client.lines == WAITING then return end
	client.lines[#client.lines + 1] = line .. "\n"
	client.more:signal()
end

local trace <close> = try(crumb.trace { pid = options.pid })
local probe <const> = try(trace:probe {
	("uprobe:%s:%s"):format(words[1], words[2]), capture = { first = "arg0" },
	handler = function(event)
		calls = calls + 1
		for client in pairs(clients) do tell(client, tostring(event)) end
	end,
})

local function write_lines(client)
	while clients[client] do
		local lines <const> = client.lines
		client.lines = {}
		if lines[1] then client.peer:write(table.concat(lines)) else client.more:wait() end
	end
	client.peer:close()
end

local function read_lines(client)
	for line in client.peer:lines() do
		local done <const>, message <const> = probe:set { where = line }
		tell(client, done and "now " .. line or message)
	end
	clients[client] = nil
	client.more:signal()
end

local server <const> = try(socket.listen("127.0.0.1", options.port or 0))
try(server:listen())
local loop <const>, pollable <const> = cqueues.new(), trace:pollable()

loop:wrap(function()
	for peer in server:clients() do
		peer:setmode("tn", "bn") -- what is written goes out at once
		peer:onerror(function(_, _, why) return why end)
		local client <const> = { peer = peer, lines = {}, more = condition.new() }
		clients[client] = true
		loop:wrap(write_lines, client)
		loop:wrap(read_lines, client)
	end
end)
loop:wrap(function()
	while true do
		cqueues.poll(pollable)
		trace:poll()
	end
end)
loop:wrap(function()
	while true do
		local before <const> = calls
		cqueues.sleep(1)
		if calls > before then say("%d calls", calls) end
	end
end)

local ended = false
signal.block(signal.SIGINT, signal.SIGTERM)
loop:wrap(function()
	signal.listen(signal.SIGINT, signal.SIGTERM):wait()
	ended = true
end)

local _, _, port <const> = server:localname()
say("attached to %s, listening on port %d", words[2], port)
repeat assert(loop:step()) until ended
say("%d calls in all", calls)
