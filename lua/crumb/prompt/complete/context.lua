--- context: where in a piece of Lua that is being typed the cursor stands: in which string, in which tables and calls.

local context = {}

---@class crumb.LuaToken
---@field kind "name"|"string"|"number"|"sign"|"group"
---@field text string of a string what stands between its quotes; of a group its first byte
---@field inside crumb.LuaFrame? of a group

---@class crumb.LuaFrame what stands between two brackets, so far
---@field open string "(", "{" or "["; "" of the whole
---@field tokens crumb.LuaToken[]
---@field parent crumb.LuaFrame?

---@class crumb.LuaContext
---@field frame crumb.LuaFrame the innermost
---@field string { quote: string, from: integer, text: string, close: string }? the string that the cursor is in; `from`: bytes
--- before its text; `close`: what ends it
---@field comment boolean

local CLOSES <const> = { [")"] = "(", ["}"] = "{", ["]"] = "[" }
local SIGNS <const> = { "^%.%.%.?", "^[=~<>]=", "^//", "^::", "^<<", "^>>", "^%p", "^." }

local function push(frame, kind, text)
	local token <const> = { kind = kind, text = text }
	frame.tokens[#frame.tokens + 1] = token
	return token
end

-- The first byte behind a quoted string's text; nil: it is not closed on its line.
local function quote_end(text, quote, at)
	while true do
		local char <const>, here <const> = text:match("([\"'\\\n])()", at)
		if not char or char == "\n" then return nil end
		if char == quote then return here - 1 end
		at = char == "\\" and here + 1 or here
	end
end

-- A string or comment in long brackets that begins at `at`: its text, what follows, and what ends it; nil: it begins none.
local function long_text(text, at)
	local level <const>, from <const> = text:match("^%[(=*)%[\n?()", at)
	if not level then return nil end
	local close <const> = "]" .. level .. "]"
	local to <const>, stop <const> = text:find(close, from, true)
	return from, to, stop and stop + 1, close
end

-- Each reads a token at `at` in a frame: what follows it, and the frame that holds then; or nil and what it is in.
local function read_comment(text, at, frame)
	local from <const>, to <const>, after <const> = long_text(text, at + 2)
	if from then return to and after, frame, not to and { comment = true } end
	local line <const> = text:find("\n", at, true)
	return line, frame, not line and { comment = true }
end

local function read_long(text, at, frame)
	local from <const>, to <const>, after <const>, close <const> = long_text(text, at)
	if not to then return nil, frame, { string = { quote = "[", from = from - 1, text = text:sub(from), close = close } } end
	push(frame, "string", text:sub(from, to - 1))
	return after, frame
end

local function read_quoted(text, at, frame)
	local quote <const> = text:sub(at, at)
	local stop <const> = quote_end(text, quote, at + 1)
	if stop then
		push(frame, "string", text:sub(at + 1, stop - 1))
		return stop + 1, frame
	end
	local line <const> = text:find("\n", at, true)
	if line then return line, frame end -- a mistake that ends with its line
	return nil, frame, { string = { quote = quote, from = at, text = text:sub(at + 1), close = quote } }
end

local function read_open(text, at, frame)
	local char <const> = text:sub(at, at)
	local inside <const> = { open = char, tokens = {}, parent = frame }
	push(frame, "group", char).inside = inside
	return at + 1, inside
end

local function read_close(text, at, frame)
	local char <const> = text:sub(at, at)
	return at + 1, frame.open == CLOSES[char] and frame.parent or frame
end

local function read_sign(text, at, frame)
	for _, pattern in ipairs(SIGNS) do
		local found <const> = text:match(pattern, at)
		if found then
			push(frame, "sign", found)
			return at + #found, frame
		end
	end
end

local function worded(kind, pattern)
	return function(text, at, frame)
		local found <const> = text:match(pattern, at)
		push(frame, kind, found)
		return at + #found, frame
	end
end

local read_name <const>, read_number <const> = worded("name", "^[%a_][%w_]*"), worded("number", "^%d[%w%.]*")

local function reader_at(text, at)
	if text:find("^%-%-", at) then return read_comment end
	if text:find("^%[=*%[", at) then return read_long end
	local char <const> = text:sub(at, at)
	if char == '"' or char == "'" then return read_quoted end
	if char:find "[%(%[{]" then return read_open end
	if CLOSES[char] then return read_close end
	return char:find "[%a_]" and read_name or char:find "%d" and read_number or read_sign
end

--- Reads the bytes before the cursor.
---@param text string
---@return crumb.LuaContext
function context.read(text)
	local frame, at = { open = "", tokens = {} }, text:match "^%s*()"
	while at and at <= #text do
		local following <const>, into <const>, within <const> = reader_at(text, at)(text, at, frame)
		if within then
			within.frame = frame
			return within
		end
		frame = into
		at = text:match("^%s*()", following)
	end
	return { frame = frame }
end

local function is_separator(token) return token.kind == "sign" and (token.text == "," or token.text == ";") end

--- What stands in a table: its strings without a key, and the tokens of each value by key.
---@param frame crumb.LuaFrame
---@return string[] strings
---@return table<string, crumb.LuaToken[]> fields
function context.content(frame)
	local strings <const>, fields <const>, item = {}, {}, {}
	local function finish()
		if #item == 1 and item[1].kind == "string" then strings[#strings + 1] = item[1].text end
		if item[2] and item[2].text == "=" and item[1].kind == "name" then
			fields[item[1].text] = table.move(item, 3, #item, 1, {})
		end
		item = {}
	end
	for _, token in ipairs(frame.tokens) do
		if is_separator(token) then finish() else item[#item + 1] = token end
	end
	finish()
	return strings, fields
end

--- The tokens of a frame since its last separator, without those of `until_`, where that is one of them.
---@param frame crumb.LuaFrame
---@param inside crumb.LuaFrame? a frame in it that the cursor is in
---@return crumb.LuaToken[]
function context.item(frame, inside)
	local item = {}
	for _, token in ipairs(frame.tokens) do
		if token.inside and token.inside == inside then break end
		if frame.open ~= "" and is_separator(token) then item = {} else item[#item + 1] = token end
	end
	return item
end

--- The key that a value of a table is to have; nil: it has none.
---@param frame crumb.LuaFrame
---@param inside crumb.LuaFrame?
---@return string?
function context.key(frame, inside)
	local item <const> = context.item(frame, inside)
	if frame.open == "{" and #item == 2 and item[1].kind == "name" and item[2].text == "=" then return item[1].text end
end

-- "p1", "where" of `… p1.where`, from the end of a list of tokens; the separators between them too.
local function chain_before(tokens, last)
	local words <const> = {}
	while last >= 1 and tokens[last].kind == "name" do
		table.insert(words, 1, tokens[last].text)
		local sign <const> = tokens[last - 1]
		if not sign or sign.text ~= "." and sign.text ~= ":" then break end
		last = last - 2
	end
	return words
end

--- The words of the function that is called with what the cursor is in: { "trace", "probe" }; empty: none is.
---@param frame crumb.LuaFrame the frame that holds the argument
---@param inside crumb.LuaFrame? the argument, where that is a table
---@return string[]
function context.called(frame, inside)
	local item <const> = context.item(frame, inside)
	local words <const> = chain_before(item, #item)
	if #words > 0 then return words end
	if #item == 0 and frame.open == "(" then
		local outer <const> = context.item(frame.parent, frame)
		return chain_before(outer, #outer)
	end
	return {}
end

--- The words of what is assigned to: { "p1", "where" } of `p1.where = `; empty: nothing is.
---@param frame crumb.LuaFrame
---@param inside crumb.LuaFrame?
---@return string[]
function context.assigned(frame, inside)
	local item <const> = context.item(frame, inside)
	local last <const> = item[#item]
	if not last or last.text ~= "=" or frame.open == "{" then return {} end
	return chain_before(item, #item - 1)
end

return context
