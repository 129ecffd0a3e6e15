--- stackcount: which paths lead to a function.

return {
	summary = "Counts the stacks that lead to functions, or to whatever targets mean.",
	example = "crumb stackcount 'uprobe:libc:malloc' -c 'ls -l' --top 3",
	options = function(parser, read)
		parser:argument "target":args "+":description "Where."
		parser:option "--where":argname "EXPRESSION":description "Which hits count."
		parser:option "--top":argname "N":convert(read.count):description "Only the most frequent."
		parser:flag "--kernel":description "The kernel's stacks instead of the programs'."
		parser:mutex(
			parser:flag "--folded":description "A stack a line, for flame graphs.",
			parser:option "--svg":argname "FILE":description "Write a flame graph."
		)
	end,
	run = function(session, given)
		session.sort, session.top = "-count", given.top
		local stacks <const> = session:probe {
			count = true, by = { "comm", given.kernel and "kstack" or "ustack" }, where = given.where, missing = "skip",
			table.unpack(given.target),
		}
		if given.svg then
			session:flame(given.svg, stacks, { title = table.concat(given.target, " "), unit = "hits" })
		elseif given.folded then
			session:folded(stacks)
		end
	end,
}
