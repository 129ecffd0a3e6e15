--- syscount: which system calls are made most, and by whom.

-- The kernel tells numbers; the names are in C's headers, where these are.
local HEADERS <const> = {
	"/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h",
}

local function names()
	local found <const> = {}
	for _, path in ipairs(HEADERS) do
		local file <close> = io.open(path)
		for line in file and file:lines() or function() end do
			local name <const>, number <const> = line:match "^#define%s+__NR_([%w_]+)%s+(%d+)"
			if name then found[math.tointeger(number)] = name end
		end
		if next(found) then break end
	end
	return found
end

return {
	summary = "Counts system calls by name, or by process.",
	example = "crumb syscount --by comm --top 10 --duration 5",
	options = function(parser)
		parser:option "--by":argname "EXPRESSION":description "Count for each of these too, such as comm."
		parser:option "--top":argname "N":convert(math.tointeger):default "20":description "Only the most frequent."
	end,
	run = function(session, given)
		local calls <const> = session:probe {
			"tracepoint:raw_syscalls:sys_enter", count = true, by = { call = "args.id", given.by },
		}
		session:run()
		local rows <const>, known <const> = calls:read { sort = "-count", top = given.top }, names()
		for _, row in ipairs(rows) do row.call = known[row.call] or row.call end
		session:show(rows)
	end,
}
