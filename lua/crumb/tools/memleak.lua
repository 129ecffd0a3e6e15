--- memleak: what a program has taken from the heap and not given back, by the stack that took it.

local crumb <const> = require "crumb"

local PENDING <const> = 1 << 17 -- blocks that are watched at once

-- How each function says what it was asked for, and where the block lies.
local TAKES <const> = {
	{ "malloc", "valloc", "pvalloc", size = "arg0" },
	{ "realloc", "aligned_alloc", "memalign", size = "arg1" },
	{ "calloc", size = "arg0 * arg1" },
	{ "reallocarray", size = "arg1 * arg2" },
	{ "posix_memalign", size = "arg2", block = "u64[arg0]", where = "retval == 0" },
}

local function targets(library, names)
	local list <const> = {}
	for i, name in ipairs(names) do list[i] = ("uprobe:%s:%s"):format(library, name) end
	return list
end

local function beginnings(library)
	local list <const> = {}
	for i, one in ipairs(TAKES) do
		local from <const> = targets(library, one)
		from.returns, from.missing, from.key = true, "skip", { "pid", one.block or "retval" }
		from.where = one.where or "retval ~= 0"
		from.capture = { bytes = one.size, ustack = "ustack" }
		list[i] = from
	end
	return list
end

-- What is there still, summed by stack.
local function rows_of(heap, older)
	local by_stack <const>, rows <const> = {}, {}
	for _, block in ipairs(heap:pending()) do
		if block.age >= older then
			local row = by_stack[block.ustack]
			if not row then
				row = { bytes = 0, blocks = 0, ustack = block.ustack }
				by_stack[block.ustack], rows[#rows + 1] = row, row
			end
			row.bytes, row.blocks = row.bytes + (block.bytes or 0), row.blocks + 1
		end
	end
	table.sort(rows, function(a, b) return a.bytes > b.bytes end)
	return rows
end

return {
	summary = "Shows what a program has taken from the heap and not given back, by stack.",
	example = "crumb memleak -p 4711 --older 10 --interval 30",
	options = function(parser, read)
		parser:option "--older":argname "TIME":convert(read.nanoseconds):default "0":description "Only what was taken so long ago."
		parser:option "--top":argname "N":convert(read.count):default "10":description "Only the most bytes."
		parser:option "--library":argname "PATH":default "libc":description "What has malloc and free: libjemalloc, exe, …"
		parser:option "--svg":argname "FILE":description "Write a flame graph."
	end,
	run = function(session, given)
		session:trace { pending = PENDING }
		local pid <const>, interval <const> = session:pid(), session.settings.interval
		if not pid then session:misuse "whose memory? Say -p PID or -c COMMAND" end
		local ends <const> = targets(given.library, { "free", "realloc", "reallocarray" })
		ends.key, ends.missing, ends.pid = { "pid", "arg0" }, "skip", not session.settings.follow and pid or nil
		local heap <const> = session:span { from = beginnings(given.library), to = ends, count = true, by = {} }
		local function rows() return rows_of(heap, given.older) end
		local function show() session:show(table.move(rows(), 1, math.min(given.top, PENDING), 1, {})) end
		if given.svg then
			session:flame(given.svg, function() return crumb.folded(rows(), "bytes") end, { title = "Memory", unit = "bytes" })
		else
			session.settings.interval = nil
			if interval then session:every(interval, show) end
			session:run()
			show()
		end
	end,
}
