--- profile: which code the processors are busy with, by samples of their stacks.

return {
	summary = "Samples stacks: which code the processors are busy with.",
	example = "crumb profile --svg profile.svg --duration 10",
	options = function(parser, read)
		parser:option "--hz":argname "N":convert(read.count):default "99":description "Samples a second on each processor."
		parser:option "--where":argname "EXPRESSION":description "Which samples count."
		parser:option "--top":argname "N":convert(read.count):default "10":description "Only the hottest stacks."
		parser:mutex(
			parser:flag "--user":description "The programs' stacks only.",
			parser:flag "--kernel":description "The kernel's stacks only."
		)
		parser:flag "--idle":description "With the samples of idle processors."
		parser:mutex(
			parser:flag "--folded":description "All stacks, one a line, for flame graphs.",
			parser:option "--svg":argname "FILE":description "Write a flame graph."
		)
	end,
	run = function(session, given)
		local keys <const> = { "comm" }
		if not given.kernel then keys[#keys + 1] = "ustack" end
		if not given.user then keys[#keys + 1] = "kstack" end
		local where = given.where
		if not given.idle then where = where and ("pid ~= 0 and (%s)"):format(where) or "pid ~= 0" end
		session.sort, session.top = "-count", given.top
		local samples <const> = session:probe { ("profile:hz:%d"):format(given.hz), count = true, by = keys, where = where }
		if given.svg then
			session:flame(given.svg, samples, { title = ("%d Hz"):format(given.hz), unit = "samples" })
		elseif given.folded then
			session:folded(samples)
		end
	end,
}
