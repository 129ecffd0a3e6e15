--- evaluate: what is typed, from text to values: an expression or statements, whole or not yet; and what is wrong with it.

local lazy <const> = require "crumb.lazy"
local explain <const> = lazy "crumb.command.explain"
local position <const> = lazy "crumb.position"
local text <const> = require "crumb.show.text"

local NAME <const> = "=(prompt)"
local INCOMPLETE <const> = "near '?<eof>'?$"

local evaluate = {}

--- What positions in what is typed begin with.
evaluate.OWN = "(prompt):"

---@class crumb.Problem
---@field message string
---@field said string in Lua's words
---@field line string? the line that the place is in
---@field from integer? its first byte in it
---@field to integer? its last one

-- Reads text byte by byte: the message, and the last byte of the word that Lua stopped at.
local function refused(source)
	local at = 0
	local _ <const>, message <const> = load(function()
		at = at + 1
		return at <= #source and source:sub(at, at) or nil
	end, NAME, "t")
	-- One byte is read behind each word.
	return message, math.min(at - 1, #source)
end

-- The place of a word that ends at a byte.
local function place(source, message, last)
	local first = 1
	for following in source:sub(1, math.max(last - 1, 0)):gmatch "\n()" do first = following end
	local word <const> = message:match "near '(.*)'$"
	local line <const> = source:match("[^\n]*", first)
	local to <const> = last - first + 1
	return { line = line, from = math.max(1, to - (word and #word or 1) + 1), to = math.max(1, to) }
end

-- What is wrong: of the two ways to read it, the one that comes farther.
local function problem(source)
	local message, last = refused(source)
	local other <const>, further = refused("return " .. source)
	further = further - #"return "
	if further > last then message, last = other, further end
	local found <const> = place(source, message, last)
	found.said = message
	found.message = message:gsub("^%(prompt%):%d+: ", ""):gsub(" near '.*'$", "")
	return found
end

-- Statements, with a last one that keeps their locals: at a prompt they would be gone with their line.
local function statements(source, env)
	if source:find "%f[%w_]local%f[^%w_]" then
		local kept <const> = load(source .. "\n;(...)()", NAME, "t", env)
		if kept then return kept end
	end
	return load(source, NAME, "t", env)
end

-- Makes the locals of the function that calls this global.
local function keep_locals(env)
	return function()
		for i = 1, math.maxinteger do
			local name <const>, value <const> = debug.getlocal(2, i)
			if not name then return end
			if name:find "^[%a_]" then env[name] = value end
		end
	end
end

--- What text means.
---@param source string
---@param env table
---@return function? chunk
---@return "incomplete"|crumb.Problem|nil why there is none
function evaluate.compile(source, env)
	local chunk <const>, as_value <const> = load("return " .. source, NAME, "t", env)
	if chunk then return chunk end
	local made <const>, message <const> = statements(source, env)
	if made then return function() return made(keep_locals(env)) end end
	if message:find(INCOMPLETE) or as_value:find(INCOMPLETE) then return nil, "incomplete" end
	return nil, problem(source)
end

--- Several lines that are no chunk together, as those who paste them would have typed them: each as far as it is whole.
---@param source string
---@param env table
---@return function[]? chunks nil: something in it is wrong
function evaluate.parts(source, env)
	local chunks <const>, pending = {}, nil
	for line in source:gmatch "[^\n]+" do
		pending = pending and pending .. "\n" .. line or line
		local chunk <const>, why <const> = evaluate.compile(pending, env)
		if not chunk and why ~= "incomplete" then return nil end
		if chunk then chunks[#chunks + 1], pending = chunk, nil end
	end
	return not pending and chunks or nil
end

--- What is wrong with text, as lines: the line, a mark below the place, and the reason.
---@param found crumb.Problem
---@return string
function evaluate.explain(found)
	local before <const> = text.escape(found.line:sub(1, found.from - 1))
	local word <const> = text.escape(found.line:sub(found.from, found.to))
	return ("  %s\n  %s%s %s"):format(text.escape(found.line), (" "):rep(text.width(before)),
		("^"):rep(math.max(1, text.width(word))), text.escape(found.message))
end

--- What is said of an error that was raised: no position where there is but one line, and no stack.
---@param message any
---@param source string what was typed
---@param env table
---@return string
function evaluate.failure(message, source, env)
	if type(message) ~= "string" then return require("crumb.show").text(message) end
	if message:find "interrupted!$" then return "interrupted" end
	-- A call in the end of a chunk leaves no frame of its own.
	message = position.cut(message)
	message = source:find "\n" and message:gsub("^%(prompt%):(%d+): ", "line %1: ") or message:gsub("^%(prompt%):%d+: ", "")
	return (explain.raised(message, env):gsub("[\0-\8\11-\31\127]", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

return evaluate
