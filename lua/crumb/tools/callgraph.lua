--- callgraph: who calls whom: entries and returns by time, indented by depth, each thread for itself.

local crumb <const> = require "crumb"

-- Of an event's line: whose it is, what it tells, how long that took.
local function parts_of(event)
	local line <const>, thread <const> = tostring(event):match "^%S+ (.*)", event.tid ~= event.pid and "/" .. event.tid or ""
	local _, stop <const> = line:find(("[%d%s] "):format(event.pid, thread), 1, true)
	local what <const>, took <const> = line:match("^(.-) ?latency=(%S+)$", stop + 1)
	return line:sub(1, stop - 1), what or line:sub(stop + 1), took or ""
end

-- Draws calls as ftrace's function_graph does: one in which nothing is seen is a line, so an entry waits for what comes next.
local function drawer(session)
	local waiting <const> = {}
	local function draw(event, depth, form, entry)
		local whose <const>, what, took <const> = parts_of(event)
		if entry then what = select(2, parts_of(entry)) .. (what:match " retval=.*" or "") end
		session:print(("%-26s %8s | %s%s"):format(whose, took, ("  "):rep(depth), form:format(what)))
	end
	local function open(thread)
		local entry <const> = waiting[thread]
		if entry then draw(entry.event, entry.depth, "%s {") end
		waiting[thread] = nil
	end
	return function(event, depth, call)
		local entry <const> = waiting[call.thread]
		if entry and event.latency and entry.frame == call.frame and entry.event.symbol == event.symbol then
			waiting[call.thread] = nil
			return draw(event, depth, "%s", entry.event)
		end
		open(call.thread)
		if event.latency then return draw(event, depth, "} %s") end
		waiting[call.thread] = { event = event, depth = depth, frame = call.frame }
	end, function()
		for thread in pairs(waiting) do open(thread) end
	end
end

return {
	summary = "Shows calls and returns as they nest, with arguments, results and times.",
	example = "crumb callgraph 'uprobe:exe:*' -c '/usr/bin/app' --depth 3",
	options = function(parser, read)
		parser:argument "target":args "+":description "Functions, such as 'uprobe:/usr/bin/app:*' or 'kprobe:vfs_*'."
		parser:option "--depth":argname "N":convert(read.count):description "Only so deep; 1: the outermost calls."
	end,
	run = function(session, given)
		session.fields = { "depth", "latency", "retval" }
		local calls <const>, draw <const>, rest <const> = crumb.calls(given.target[1], { pid = session:pid() }), drawer(session)
		local order <const> = crumb.order(function(event)
			local depth <const>, call <const> = calls:depth(event), { thread = event.thread, frame = event.frame }
			event.thread, event.frame = nil, nil
			if depth >= (given.depth or math.huge) then return end
			if session.settings.format == "text" then return draw(event, depth, call) end
			event.depth = depth
			session:show(event)
		end)
		local function add(event) order:add(event) end
		local function probe(capture, returns, only)
			return session:probe {
				capture = capture, returns = returns, only = only, missing = "skip", handler = add, table.unpack(given.target),
			}
		end
		local captures <const>, named <const> = {}, { "args", thread = calls.entry.thread, frame = calls.entry.frame }
		for _, site in ipairs(probe(calls.exit, true).sites) do captures[site.symbol] = calls.entry end
		for _, target in ipairs(given.target) do
			for row in session:list(target) do
				if captures[row.name] and row.args and row.args[1] then captures[row.name] = named end
			end
		end
		for _, capture in ipairs { named, calls.entry } do
			pcall(probe, capture, false, function(site) return captures[site.symbol] == capture end)
		end
		session:every(0.1, function() order:step() end) -- longer than an event of another processor is late
		session:run()
		order:finish()
		rest()
	end,
}
