--- tcpaccept: which TCP connections are accepted, and by whom.

local crumb <const> = require "crumb"

local INET <const>, INET6 <const>, STREAM <const> = 2, 10, 1

-- What accept gives is a file of the task's, and behind that is the socket.
local SOCKET <const> = "((struct socket *)task.files.fdt.fd[retval].private_data)"
local END <const> = SOCKET .. ".sk.__sk_common."

return {
	summary = "Shows TCP connections as programs accept them: from where, and to which port.",
	example = "crumb tcpaccept --port 22",
	options = function(parser, read)
		parser:option "--port":argname "N":convert(read.port):description "Only to this port."
	end,
	run = function(session, given)
		local where = ("retval >= 0 and %s.type == $stream and %sskc_family in {$inet, $inet6}"):format(SOCKET, END)
		if given.port then where = ("%s and %sskc_num == $port"):format(where, END) end
		session:probe {
			"syscall:accept", "syscall:accept4", missing = "skip", returns = true, where = where,
			params = { stream = STREAM, inet = INET, inet6 = INET6, port = given.port },
			capture = {
				family = END .. "skc_family", from = ("ntop(%sskc_daddr)"):format(END), from6 = ("ntop(%sskc_v6_daddr)"):format(END),
				from_port = ("bswap(%sskc_dport)"):format(END), to = ("ntop(%sskc_rcv_saddr)"):format(END),
				to6 = ("ntop(%sskc_v6_rcv_saddr)"):format(END), to_port = END .. "skc_num",
			},
			handler = function(event)
				local is_v6 <const> = event.family == INET6
				event.from = crumb.endpoint(is_v6 and event.from6 or event.from, event.from_port)
				event.to = crumb.endpoint(is_v6 and event.to6 or event.to, event.to_port)
				for _, name in ipairs { "family", "from6", "to6", "from_port", "to_port" } do event[name] = nil end
				session:show(event)
			end,
		}
	end,
}
