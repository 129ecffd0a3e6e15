--- command: from the words of a command line to what is to run, and the status that it ends with.
--
-- 0; 1: a trace or a script that failed; 2: wrong use; with -c the command's own, 128 + n for a signal, also for one that
-- ended a trace.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local explain <const> = lazy "crumb.command.explain"
local options <const> = lazy "crumb.command.options"
local output <const> = lazy "crumb.command.output"
local position <const> = lazy "crumb.position"
local session <const> = lazy "crumb.command.session"

local FAILED <const>, MISUSED <const>, INTERRUPTED <const>, UNREAD <const> = 1, 2, 130, 141
local SIGNALLED <const> = 128

local COMMANDS <const> = { "doctor", "help", "list", "tools", "top" }

local command = {}

-- An error of the command's own user, not of a script.
local Misuse <const> = {}

--- Ends the command with status 2.
---@param format string
function command.misuse(format, ...) error(setmetatable({ message = format:format(...) }, Misuse), 0) end

local function complain(message)
	io.stderr:write("crumb: ", require("crumb.show.text").lines(message), "\n")
end

-- What an error leaves to say, and the status.
local function failed(message, traceback)
	if getmetatable(message) == Misuse then
		complain(message.message)
		io.stderr:write "Try 'crumb --help'.\n"
		return MISUSED
	end
	if type(message) == "string" and message:find "interrupted!$" then return INTERRUPTED end
	if message == nil then message = "error without a message" end
	if output.is_broken_pipe(message) then return UNREAD end
	-- A tool's line says nothing to who runs it.
	if type(message) == "string" then message = position.cut(message) end
	complain(type(message) == "string" and message or require("crumb.show").text(message))
	if traceback then io.stderr:write(require("crumb.show.text").lines(traceback), "\n") end
	return FAILED
end

-- Messages about one line of -e need no position.
local function without_position(message, own)
	if type(message) ~= "string" or own ~= "(-e):" then return message end
	return message:gsub("^%(%-e%):1: ", ""):gsub("^%(%-e%):(%d+): ", "line %1: ")
end

-- Runs a script in a session: its status.
local function run_script(settings, load_, own, ...)
	local live <close> = session.new(settings, own)
	local traceback
	local function handler(message)
		if settings.verbose and type(message) == "string" then traceback = debug.traceback(nil, 2) end
		return message
	end
	local arguments <const> = table.pack(...)
	local done <const>, result = xpcall(function()
		local chunk <const>, why <const> = load_(live.env)
		if not chunk then error(why, 0) end
		chunk(table.unpack(arguments, 1, arguments.n))
		return live:finish()
	end, handler)
	if done then return result end
	live:close()
	if type(result) == "string" then result = explain.raised(result, live.env) end
	return failed(without_position(result, own), traceback)
end

-- What is said of a script that is no Lua: where, why, and what it was meant to be.
local function with_answer(why, source)
	local answer <const> = source and explain.source(source, why)
	return answer and why .. "\n" .. answer or why
end

local function run_code(settings, code, given)
	_G.arg = { [0] = "-e", table.unpack(given) }
	return run_script(settings, function(env)
		local chunk <const>, why <const> = load(code, "=(-e)", "t", env)
		return chunk, why and with_answer(why, code)
	end, "(-e):", table.unpack(given))
end

local function run_file(settings, path, given)
	local name <const> = path ~= "-" and path or nil
	if name then
		local file <const>, message <const> = io.open(name, "rb")
		if not file then command.misuse("cannot open %s", message) end
		file:close()
	end
	_G.arg = { [0] = path, table.unpack(given) }
	return run_script(settings, function(env)
		if not name then
			local source <const>, message <const> = io.read "a"
			if not source then return nil, "-: " .. message end
			local chunk <const>, why <const> = load((source:gsub("^#[^\n]*", "")), "=stdin", "t", env)
			return chunk, why and with_answer(why, source)
		end
		local chunk <const>, why <const> = loadfile(name, "t", env)
		return chunk, why and with_answer(why:gsub("^cannot read [^\n]*: ", path .. ": "), (core.read(name)))
	end, (name or "stdin") .. ":", table.unpack(given))
end

local function known_words()
	local tools <const> = require("crumb.command.tools").names()
	return table.move(COMMANDS, 1, #COMMANDS, #tools + 1, tools)
end

local function is_command(word)
	for _, name in ipairs(COMMANDS) do
		if name == word then return true end
	end
	return false
end

local function run_word(settings, word, given)
	if is_command(word) then return require("crumb.command." .. word)(settings, given) end
	local tool <const> = require("crumb.command.tools").find(word)
	if tool then return require("crumb.command.tools").run(tool, settings, given) end
	local _ <const>, near <const> = core.nearest(word, known_words())
	command.misuse("no command or tool '%s'%s; a script is ./%s", require("crumb.show.text").escape(word), near,
		require("crumb.show.text").escape(word))
end

-- What was asked for.
local function run(argv)
	local given <const>, rest <const> = options.parse(argv)
	local settings <const> = options.settings(given)
	if given.code then return run_code(settings, given.code, rest) end
	local word = table.remove(rest, 1)
	if not word then
		if core.terminal(0) then return require "crumb.prompt"(settings) end
		if settings.command then return run_code(settings, "", {}) end
		word = "-"
	end
	if word == "-" or word:find "[/.]" then return run_file(settings, word, rest) end
	return run_word(settings, word, rest)
end

--- Runs a command line to its end.
---@param argv string[]
---@return integer status
function command.main(argv)
	core.standard()
	io.stdout:setvbuf(core.terminal(1) and "line" or "full")
	local done <const>, result <const> = xpcall(run, function(message) return message end, argv)
	local status <const> = done and (result or 0) or failed(result)
	local signal <const> = core.terminated()
	return signal and SIGNALLED + signal or status
end

return setmetatable(command, { __call = function(_, argv) return command.main(argv) end })
