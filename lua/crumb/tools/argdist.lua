--- argdist: which values an argument has, or what is returned.

return {
	summary = "Shows the distribution of a value: a histogram, or with --count how often each occurs.",
	example = "crumb argdist --count 'uprobe:libc:getenv' 'str(arg0)'",
	options = function(parser)
		parser:argument "target":description "Where."
		parser:argument "expression":description "The value, such as arg0, args.count or retval."
		parser:option "--where":argname "EXPRESSION":description "Which hits count."
		parser:flag "--count":description "Count each value."
		parser:flag "--returns":description "At the return, where retval and latency are known."
	end,
	run = function(session, given)
		local value <const> = { [given.expression] = given.expression }
		session.sort = given.count and "-count" or nil
		session:probe {
			given.target, where = given.where, returns = given.returns, count = given.count,
			by = given.count and value or {}, hist = not given.count and value or nil,
		}
	end,
}
