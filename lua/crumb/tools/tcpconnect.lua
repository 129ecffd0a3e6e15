--- tcpconnect: which TCP connections are made, by whom, and what comes of it.

local crumb <const> = require "crumb"

local CHANGE <const> = "tracepoint:sock:inet_sock_set_state"
local TCP <const>, ESTABLISHED <const>, SYN_SENT <const> = 6, 1, 2

return {
	summary = "Shows TCP connections as programs make them: from where to where, how long it took, or why not.",
	example = "crumb tcpconnect --port 443 --duration 10",
	options = function(parser, read)
		parser:option "--port":argname "N":convert(read.port):description "Only to this port."
		parser:flag "-x --failed":description "Only what failed."
	end,
	run = function(session, given)
		local where = "args.oldstate == $sent"
		if given.port then where = where .. " and args.dport == $port" end
		if given.failed then where = where .. " and args.newstate ~= $established" end
		-- What ends a connection attempt is a packet, that comes while any task runs: who wants it is known at the beginning.
		session:span {
			params = { tcp = TCP, sent = SYN_SENT, established = ESTABLISHED, port = given.port },
			from = { CHANGE, key = "args.skaddr", where = "args.newstate == $sent and args.protocol == $tcp", who = true },
			to = { CHANGE, key = "args.skaddr", where = where },
			capture = {
				from = "ntop(args.saddr_v6)", to = "ntop(args.daddr_v6)", from_port = "args.sport",
				to_port = "args.dport", state = "args.newstate", error = "((struct sock *)args.skaddr).sk_err",
			},
			handler = function(event)
				event.symbol = "connect"
				event.from = crumb.endpoint(event.from, event.from_port)
				event.to = crumb.endpoint(event.to, event.to_port)
				event.error = event.state ~= ESTABLISHED and (event.error == 0 and "closed" or crumb.errno(event.error)) or nil
				event.from_port, event.to_port, event.state = nil, nil, nil
				session:show(event)
			end,
		}
	end,
}
