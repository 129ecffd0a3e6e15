--- complete: what Tab offers, anywhere in what is being typed. It knows no terminal.

local context <const> = require "crumb.prompt.complete.context"
local expression <const> = require "crumb.prompt.complete.expression"
local files <const> = require "crumb.prompt.complete.files"
local names <const> = require "crumb.prompt.complete.names"
local place <const> = require "crumb.prompt.complete.place"
local target <const> = require "crumb.prompt.complete.target"
local text_of <const> = require "crumb.show.text"

local MOST <const> = 200

---@class crumb.Completion
---@field text string what takes the word's place, as Lua has it
---@field label string what a list shows
---@field more boolean? something is to follow
---@field close string? what ends the string that it completes

-- The bytes that a string's text stands for; nil: it is in the midst of an escape.
local function decoded(quote, text)
	if quote == "[" or not text:find("\\", 1, true) then return text end
	local read <const> = load(("return %s%s%s"):format(quote, text, quote), "=", "t", {})
	return read and read()
end

-- Bytes as they are written between such quotes; nil: they cannot be.
local function encoded(quote, bytes)
	if not bytes:find "[^%w_.:/-]" then return bytes end
	if quote == "[" then
		return text_of.escape(bytes) == bytes and not bytes:find("]", 1, true) and bytes or nil
	end
	local marked <const> = bytes:gsub("[\\" .. quote .. "]", "\\%0")
	local escaped <const> = marked:gsub("%c", function(char) return ("\\x%02x"):format(char:byte()) end)
	return (utf8.len(escaped) and text_of.escape(escaped:gsub("\\", "")) == escaped:gsub("\\", "")) and escaped
		or (escaped:gsub("[\128-\255]", function(char) return ("\\x%02x"):format(char:byte()) end))
end

-- How many bytes of a string's text stand for the first `count` of what it means.
local function written(quote, text, whole, count)
	if #text == #whole then return count end
	for length = count, #text do
		if decoded(quote, text:sub(1, length)) == whole:sub(1, count) then return length end
	end
	return #text
end

local function file_items(typed) return files.items(typed) end

local COMPLETERS <const> = {
	target = function(typed, _, session) return target.items(typed, session.settings.pid) end,
	file = file_items, command = file_items,
	expression = function(typed, rule, session)
		local probe <const> = rule.object and names.value(session, rule.object)
		return expression.items(typed, rule, probe, session.settings.pid)
	end,
}

-- What is the whole of a string.
local WHOLE <const> = { target = true, file = true }

local function in_string(found, after, session)
	local open <const> = found.string
	local wanted = place.of_string(found.frame)
	local typed <const> = decoded(open.quote, open.text)
	if not wanted and typed and typed:find "^%l+:" then wanted = { wants = "target" } end
	if not wanted or not typed then return open.from + #open.text, {} end
	local items <const>, at <const> = COMPLETERS[wanted.wants](typed, wanted.rule, session)
	local ends <const> = WHOLE[wanted.wants] and after:sub(1, #open.close) ~= open.close
	local kept <const> = {}
	for _, item in ipairs(items) do
		item.close = ends and not item.more and open.close or nil
		item.text = encoded(open.quote, item.text)
		if item.text then kept[#kept + 1] = item end
	end
	return open.from + written(open.quote, open.text, typed, at), kept
end

local function in_code(before, found, session)
	local word <const> = before:match "[%w_]*$"
	local known <const> = place.options(found.frame, word ~= "")
	if known and not before:find "[%.:][%w_]*$" then return #before - #word, names.options(known, word) end
	local items <const>, at <const> = names.items(session, before)
	return at, items
end

-- What all of them begin with.
local function common(items)
	local shared = items[1].text
	for _, item in ipairs(items) do
		while item.text:sub(1, #shared) ~= shared do shared = shared:sub(1, -2) end
	end
	return shared
end

-- Each text once, in order.
local function once(items)
	table.sort(items, function(a, b) return a.text < b.text end)
	local kept <const> = {}
	for _, item in ipairs(items) do
		if #kept == 0 or kept[#kept].text ~= item.text then kept[#kept + 1] = item end
	end
	return kept
end

local function presented(items)
	local all <const>, shown <const> = once(items), {}
	for i, item in ipairs(all) do
		if i > MOST then break end
		shown[i] = { text = item.text, label = text_of.escape(item.label), more = item.more or nil, close = item.close }
	end
	if #all > MOST then
		shown[MOST] = { text = common(all), label = ("… and %d more"):format(#all - MOST + 1), more = true }
	end
	return shown
end

local function complete(before, after, session)
	local found <const> = context.read(before)
	if found.comment then return #before, {} end
	if found.string then return in_string(found, after, session) end
	return in_code(before, found, session)
end

--- What the word before the cursor may become. It raises nothing.
---@param text string all that is being typed
---@param point integer bytes before the cursor
---@param session crumb.Session
---@return integer from bytes before the word that is replaced
---@return crumb.Completion[] items sorted, 200 at most; of more the last one tells how many
return function(text, point, session)
	local before <const> = text:sub(1, point)
	local done <const>, from <const>, items <const> = pcall(complete, before, text:sub(point + 1), session)
	if not done then return #before, {} end
	return from, presented(items)
end
