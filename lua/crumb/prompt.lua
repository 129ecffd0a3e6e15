--- prompt: `crumb` alone: Lua line by line in one session, whose probes live on between the lines.

local core <const> = require "crumb.core"
local coroutines <const> = require "crumb.prompt.coroutines"
local editor <const> = require "crumb.prompt.editor"
local evaluate <const> = require "crumb.prompt.evaluate"
local feed <const> = require "crumb.prompt.feed"
local history <const> = require "crumb.prompt.history"
local lazy <const> = require "crumb.lazy"
local output <const> = require "crumb.command.output"
local session <const> = require "crumb.command.session"

local answers <const> = lazy "crumb.prompt.answers"
local bpftrace <const> = lazy "crumb.command.bpftrace"
local explain <const> = lazy "crumb.command.explain"
local help <const> = lazy "crumb.command.help"
local values <const> = lazy "crumb.prompt.values"

local FIRST <const>, NEXT <const> = "crumb> ", "   ... "

-- A word that is called or only typed.
local function word(call, text)
	return setmetatable({}, { __call = call, __tostring = text })
end

-- As what a value is at hand; "": as nothing.
local function name_of(env, value)
	for name, one in pairs(env) do
		if one == value then return name end
	end
	return ""
end

-- What a prompt has that scripts have not.
local function equip(self)
	local env <const>, live <const> = self.live.env, self.live
	env.list = function(...) return values.listing(live, ...) end
	env.probes = function() return values.probes(live) end
	env.help = word(function(_, topic)
		local text <const> = help.text(topic == nil and "prompt" or type(topic) == "string" and topic or name_of(env, topic))
		if text then return live:print((text:gsub("\n$", ""))) end
		error(("help: no topic '%s' (there are %s)"):format(topic, table.concat(help.topics(), ", ")), 2)
	end, function() return (help.text "prompt":gsub("\n$", "")) end)
	env.io = setmetatable({ write = function(...)
		live.output:flush()
		return io.write(...)
	end }, { __index = io })
	env.coroutine = coroutines(self.guard)
	local function leave() self.left = true end
	env.exit = word(leave, leave)
	env.quit = env.exit
end

-- What the prompt says of itself is for people, whatever form the rest has.
local function tell(self, line)
	if self.live.output.format == "text" then return self.live:print(line) end
	io.stderr:write(line, "\n")
end

local function is_among(x, list, first)
	for i = first, #list do
		if rawequal(x, list[i]) then return true end
	end
	return false
end

-- New probes answer with a line; other values are shown.
local function show_values(self, known, results)
	local live <const> = self.live
	for i = known + 1, #live.probes do tell(self, answers.probe(live, live.probes[i])) end
	-- What returns a value or nil, message, errno is nothing but its value.
	while results.n > 1 and results[results.n] == nil do results.n = results.n - 1 end
	for i = 1, results.n do
		local x <const> = results[i]
		if rawequal(x, live.env.exit) then
			self.left = true
		elseif not is_among(x, live.probes, known + 1) then
			values.show(live, x)
		end
	end
end

-- Some of another tracer's language reads as Lua: a method of a name that is nothing.
local function foreign(message, source)
	return type(message) == "string" and message:find "nil value %(global '%l+'%)" and bpftrace.answer(source) or nil
end

-- Runs a chunk: whether it went well.
local function run(self, chunk, source)
	local known <const> = #self.live.probes
	local function all()
		self.watch:before()
		local results <const> = table.pack(chunk())
		show_values(self, known, results)
		self.watch:after(function(line) tell(self, line) end)
	end
	local results <const> = table.pack(self.guard:call(all))
	if results[1] then return true end
	if output.is_unwritable(results[2]) then error(results[2], 0) end
	io.stdout:flush()
	local why <const> = foreign(results[2], source) or evaluate.failure(results[2], source, self.live.env)
	-- The terminal has shown ^C.
	io.stderr:write(why == "interrupted" and "\n" or "", why, "\n")
	return false
end

-- Says where text is no Lua, why, and what it was meant to be.
local function refuse(source, why)
	local meant <const> = explain.source(source, why.said)
	io.stderr:write(evaluate.explain(why), "\n", meant and meant .. "\n" or "")
end

-- Evaluates what is whole, or says what is wrong with it.
local function take(self, source, chunk, why)
	if chunk then return run(self, chunk, source) end
	local parts <const> = source:find "\n" and evaluate.parts(source, self.live.env)
	if not parts then return refuse(source, why) end
	for _, part in ipairs(parts) do
		if not run(self, part, source) then return end
	end
end

-- One input, of as many lines as it takes: the text, and what it means; nil: there is none, for that reason.
local function read(self)
	local source, chunk, why
	repeat
		local typed <const>, none <const> = self.editor:read(source and NEXT or FIRST, source and source .. "\n" or "")
		if not typed then return nil, source and "interrupted" or none end
		source = source and source .. "\n" .. typed or typed
		chunk, why = evaluate.compile(source, self.live.env)
	until why ~= "incomplete"
	return source, chunk, why
end

-- Whether there may be more.
local function go_on(self)
	local source <const>, chunk <const>, why <const> = read(self)
	if not source then return chunk ~= "end" end
	if not source:find "%S" then return true end
	if self.history:add(source) then self.editor:remember(source) end
	take(self, source, chunk, why)
	return not self.left
end

local function begin(self)
	io.stderr:write "crumb: Lua with probe, list, run, show …; help() shows how, Ctrl-D leaves\n"
	if self.history.why then self.live:say("the history is not kept: %s", self.history.why) end
	for _, entry in ipairs(self.history.entries) do self.editor:remember(entry) end
end

local function still_open(live)
	local count = 0
	for _, probe in ipairs(live.probes) do count = count + (probe:closed() and 0 or 1) end
	return count
end

local function finish(live)
	local count <const> = still_open(live)
	live:leave()
	local status <const> = live:finish()
	io.stderr:write(("%d probe%s closed\n"):format(count, count == 1 and "" or "s"))
	return status
end

--- Reads, evaluates and prints until Ctrl-D.
---@param settings crumb.Settings
---@return integer status
return function(settings)
	local live <close> = session.new(settings, evaluate.OWN)
	live.interactive = true
	local self <const> = { live = live, history = history.open() }
	local guard <close> = assert(core.guard())
	self.guard, self.watch = guard, answers.watch(live)
	self.editor = editor.new(feed.new(live, guard, function(message) return evaluate.failure(message, "", live.env) end),
		function(typed, point)
			local done <const>, from <const>, items <const> = pcall(function()
				return require "crumb.prompt.complete"(typed, point, live)
			end)
			return done and from or point, done and items or {}
		end)
	live.output.before = function() self.editor:clear() end
	equip(self)
	begin(self)
	while go_on(self) do end
	return finish(live)
end
