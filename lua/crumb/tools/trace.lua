--- trace: each hit as a line, with the values that are asked for.

return {
	summary = "Prints a line for each hit, with all named arguments, or the values given.",
	example = "crumb trace 'uprobe:libc:getenv' 'name=str(arg0)'",
	options = function(parser)
		parser:argument "target":description "Where."
		parser:argument "value":args "*":description "Expressions, or NAME=EXPRESSION."
		parser:option "--where":argname "EXPRESSION":description "Which hits count."
		parser:flag "--returns":description "At the return, with retval and latency."
		parser:flag "--ustack":description "With the program's stack."
		parser:flag "--kstack":description "With the kernel's stack."
	end,
	run = function(session, given)
		local capture <const> = {}
		for _, value in ipairs(given.value) do
			local name <const>, expression <const> = value:match "^([%a_][%w_]*)=([^=].*)$"
			capture[name or #capture + 1] = expression or value
		end
		for _, stack in ipairs { "ustack", "kstack" } do
			if given[stack] then capture[#capture + 1] = stack end
		end
		session:probe {
			given.target, where = given.where, returns = given.returns, capture = next(capture) and capture or nil,
		}
	end,
}
