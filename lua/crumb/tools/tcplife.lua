--- tcplife: TCP connections that have ended: whose they were, how long they lasted, and how much went through.

local crumb <const> = require "crumb"

local CHANGE <const> = "tracepoint:sock:inet_sock_set_state"
local SOCKET <const> = "((struct tcp_sock *)args.skaddr)"
local STATES <const> = { established = 1, syn_sent = 2, syn_recv = 3, fin_wait1 = 4, close = 7, close_wait = 8, last_ack = 9 }

-- States that a program brings a connection to; packets bring the others, while any task runs.
local BY_PROGRAM <const> = [[(args.newstate in {$syn_sent, $fin_wait1, $last_ack}
	or args.newstate == $close and args.oldstate in {$established, $close_wait})]]

return {
	summary = "Shows TCP connections when they have ended: whose, from where to where, how long, and their bytes.",
	example = "crumb tcplife --port 443",
	options = function(parser, read)
		parser:option "--port":argname "N":convert(read.port):description "Only those of this port, on either side."
	end,
	run = function(session, given)
		local owners <const>, born <const>, params <const> = {}, {}, { tcp = 6 }
		for name, number in pairs(STATES) do params[name] = number end
		session:probe {
			CHANGE, where = "args.protocol == $tcp and " .. BY_PROGRAM, params = params,
			capture = { socket = "args.skaddr", state = "args.newstate" },
			handler = function(event)
				if event.state == STATES.syn_sent or not owners[event.socket] then owners[event.socket] = event end
			end,
		}
		session:probe {
			CHANGE, pid = false, where = "args.protocol == $tcp and args.newstate in {$syn_sent, $syn_recv, $close}", params = params,
			capture = {
				socket = "args.skaddr", state = "args.newstate", from = "ntop(args.saddr_v6)", to = "ntop(args.daddr_v6)",
				from_port = "args.sport", to_port = "args.dport", sent = SOCKET .. ".bytes_sent - " .. SOCKET .. ".bytes_retrans",
				-- The peer's end (SOCK_DONE) is counted as a byte.
				received = SOCKET .. ".bytes_received - (((struct sock *)args.skaddr).__sk_common.skc_flags >> 1 & 1)",
				lasted = "elapsed", -- a time, which is set below
			},
			handler = function(event)
				local socket <const> = event.socket
				if event.state ~= STATES.close then
					born[socket] = event.time
					return
				end
				local owner <const>, start <const> = owners[socket], born[socket]
				owners[socket], born[socket] = nil, nil
				if not owner or not start then return end
				if given.port and event.from_port ~= given.port and event.to_port ~= given.port then return end
				for _, name in ipairs { "pid", "tid", "uid", "gid", "comm" } do event[name] = owner[name] end
				event.from, event.to = crumb.endpoint(event.from, event.from_port), crumb.endpoint(event.to, event.to_port)
				event.symbol, event.lasted = "closed", event.time - start
				for _, name in ipairs { "socket", "state", "from_port", "to_port" } do event[name] = nil end
				session:show(event)
			end,
		}
	end,
}
