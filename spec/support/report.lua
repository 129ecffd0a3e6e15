-- busted's output handler for spec/run: prints what failed, for people, and writes to the file named
-- by CRUMB_REPORT one line an event, which spec/run sums. Every line is written at once: after a
-- crash the last one tells which test it was.
local base = require "busted.outputHandlers.base"

return function()
	local busted = require "busted"
	local handler = base()
	local report = assert(io.open(os.getenv "CRUMB_REPORT" or "/dev/null", "a"))
	local in_test, reason = false, nil
	report:setvbuf "line"

	local function note(...)
		report:write((table.concat({ ... }, " "):gsub("%s+", " ")), "\n")
	end

	-- busted puts "file:line: " in front of every message.
	local function split(message)
		local where, text = message:match "^([^\n]-:%d+): (.*)$"
		return where, text or message
	end

	local function indent(text)
		return "    " .. text:gsub("%s+$", ""):gsub("\n", "\n    ")
	end

	-- The frames that lie in the tree, without those of busted and luassert.
	local function frames(trace)
		local kept = {}
		for frame in (trace and trace.traceback or ""):gmatch "[^\n]+" do
			if frame:match "^%s+[%.%w]*/?[%w_]+/" and not frame:match "%[C%]" and not frame:match "^%s+/" then
				kept[#kept + 1] = frame:match "^%s*(.*)$"
			end
		end
		return table.concat(kept, "\n")
	end

	local function failed(element, _, message, trace)
		local where, text = split(tostring(message))
		io.write("FAILED ", where or element.name or "", ": ", handler.getFullName(element), "\n", indent(text), "\n")
		local stack = frames(trace)
		if stack:find "\n" then
			io.write(indent("at " .. stack:gsub("\n", "\nat ")), "\n")
		end
		io.write "\n"
		io.flush()
		-- A test's own failures are counted once, when it ends.
		if not in_test then note "failed" end
		return nil, true
	end

	busted.subscribe({ "test", "start" }, function(element)
		in_test, reason = true, nil
		note("at", handler.getFullName(element))
		return nil, true
	end)
	busted.subscribe({ "pending" }, function(_, _, message)
		reason = message ~= nil and select(2, split(tostring(message))) or nil
		return nil, true
	end)
	busted.subscribe({ "failure" }, failed)
	busted.subscribe({ "error" }, failed)
	busted.subscribe({ "test", "end" }, function(element, _, status)
		in_test = false
		if status == "success" then
			note "passed"
		elseif status == "pending" then
			note("skipped", reason or handler.getFullName(element))
		else
			note "failed"
		end
		return nil, true
	end)
	busted.subscribe({ "suite", "end" }, function()
		note "done"
		return nil, true
	end)

	return handler
end
