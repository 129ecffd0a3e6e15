--- funccount: which functions are called most.

return {
	summary = "Counts calls of functions, or of whatever targets mean.",
	example = "crumb funccount 'uprobe:libc:str*' --duration 5",
	options = function(parser, read)
		parser:argument "target":args "+":description "Such as 'uprobe:libc:str*'; crumb help targets."
		parser:option "--where":argname "EXPRESSION":description "Which calls count."
		parser:option "--by":argname "EXPRESSION":description "Count for each of these, such as comm."
		parser:option "--top":argname "N":convert(read.count):description "Only the most frequent."
	end,
	run = function(session, given)
		session.sort, session.top = "-count", given.top
		session:probe {
			count = true, where = given.where, by = { "symbol", given.by }, missing = "skip", table.unpack(given.target),
		}
	end,
}
