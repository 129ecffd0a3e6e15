--- problem: what is wrong with a rule, told at the word.
--
-- Problems travel as raised tables inside crumb.expression, whose entry turns them into nil, message.

local problem = {}

local Problem <const> = {}

-- What is shown of a text that may hold anything: one character for each one, none that moves the cursor.
local function shown(text)
	return (text:gsub("[%c\128-\255]", function(char)
		return char:byte() < 128 and " " or utf8.len(text) and char or "?"
	end))
end

local function width(text)
	return utf8.len(text) or #text
end

-- The line that holds the byte `at`, and where it begins.
local function line_of(text, at)
	local first = 1
	for stop in text:gmatch "()\n" do
		if stop >= at then return text:sub(first, stop - 1), first end
		first = stop + 1
	end
	return text:sub(first), first
end

--- Raises a problem.
---@param source { option: string, text: string? }
---@param reason string
---@param from integer? the first byte of the word that is wrong
---@param to integer? its last byte
function problem.raise(source, reason, from, to)
	local message = ("%s: %s"):format(source.option, reason)
	if source.text and from then
		local line <const>, first <const> = line_of(source.text, from)
		local last <const> = math.max(from, math.min(to or from, first + #line - 1))
		message = ("%s\n    %s\n    %s%s"):format(message, shown(line),
			(" "):rep(width(line:sub(1, from - first))),
			("^"):rep(math.max(1, width(line:sub(from - first + 1, last - first + 1)))))
	end
	error(setmetatable({ message = message }, Problem), 0)
end

--- Calls a function: what it returns, or nil and the message of the problem it raised.
--- Errors: raises all other errors as they are.
function problem.catch(call, ...)
	local fine <const>, result <const> = pcall(call, ...)
	if fine then return result end
	if getmetatable(result) == Problem then return nil, result.message end
	error(result, 0)
end

return problem
