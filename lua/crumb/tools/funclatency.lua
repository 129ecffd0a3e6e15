--- funclatency: how long functions take.

return {
	summary = "Shows how long functions or system calls take, as a histogram.",
	example = "crumb funclatency syscall:read --by comm --duration 5",
	options = function(parser)
		parser:argument "target":args "+":description "Functions or system calls."
		parser:option "--where":argname "EXPRESSION":description "Which calls count."
		parser:option "--by":argname "EXPRESSION":description "A histogram for each of these, such as comm."
	end,
	run = function(session, given)
		session:probe {
			returns = true, hist = { latency = "latency" }, where = given.where, by = given.by, missing = "skip",
			table.unpack(given.target),
		}
	end,
}
