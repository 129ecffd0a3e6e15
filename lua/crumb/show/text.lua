--- text: text of traced processes, made harmless for a terminal.
--
-- A process chooses its name, its paths and its strings: what a terminal could take for a command, what
-- hides, and what turns the line around is shown as an escape of Lua's. Nothing is printed here.

local text = {}

-- First and last of ranges in rising order: what is invisible, blank, or turns the direction of writing.
local HIDDEN <const> = {
	0x80, 0xa0, 0xad, 0xad, 0x34f, 0x34f, 0x61c, 0x61c, 0x115f, 0x1160, 0x1680, 0x1680, 0x17b4, 0x17b5, 0x180b, 0x180f,
	0x2000, 0x200f, 0x2028, 0x202f, 0x205f, 0x206f, 0x2800, 0x2800, 0x3000, 0x3000, 0x3164, 0x3164,
	0xfdd0, 0xfdef, 0xfe00, 0xfe0f, 0xfeff, 0xfeff, 0xffa0, 0xffa0, 0xfff0, 0xfffb, 0xfffe, 0xffff,
	0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0x10ffff,
}

-- What stands above or below the character before it.
local COMBINING <const> = {
	0x300, 0x36f, 0x483, 0x489, 0x591, 0x5bd, 0x610, 0x61a, 0x64b, 0x65f, 0x6d6, 0x6dc, 0x93c, 0x93c, 0x941, 0x948,
	0xe31, 0xe31, 0xe34, 0xe3a, 0xe47, 0xe4e, 0x1ab0, 0x1aff, 0x1dc0, 0x1dff, 0x20d0, 0x20ff, 0x302a, 0x302d,
	0x3099, 0x309a, 0xfe20, 0xfe2f,
}

-- Approximately what Unicode calls wide: two columns.
local WIDE <const> = {
	0x1100, 0x115f, 0x231a, 0x231b, 0x23e9, 0x23ec, 0x25fd, 0x25fe, 0x2614, 0x2615, 0x2648, 0x2653, 0x26a1, 0x26a1,
	0x2705, 0x2705, 0x270a, 0x270b, 0x2728, 0x2728, 0x274c, 0x274c, 0x2753, 0x2755, 0x2e80, 0x303e, 0x3041, 0xa4cf,
	0xa960, 0xa97f, 0xac00, 0xd7a3, 0xf900, 0xfaff, 0xfe30, 0xfe6f, 0xff01, 0xff60, 0xffe0, 0xffe6,
	0x1f300, 0x1f64f, 0x1f680, 0x1f6ff, 0x1f900, 0x1f9ff, 0x1fa70, 0x1faff, 0x20000, 0x3fffd,
}

local NAMED <const> = { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r" }
local SPECIAL <const> = "[\0-\31\127-\255\\]"
local CHARACTER <const> = "[\xc2-\xf4][\x80-\xbf]+"
-- What after a backslash would read as an escape, or may become one. The end, too: something follows it on the line.
local AFTER_BACKSLASH <const> = '^[xunrt\\"\0-\31\127-\255]'

local function within(ranges, code)
	for i = 1, #ranges, 2 do
		if code < ranges[i] then return false end
		if code <= ranges[i + 1] then return true end
	end
	return false
end

-- What else has control characters than lines and columns.
local UNSAFE <const> = "[\0-\8\11-\31\127]"

local function byte_escape(byte)
	return NAMED[byte] or ("\\x%02x"):format(byte:byte())
end

local function character_escape(character)
	local code <const> = utf8.codepoint(character)
	return within(HIDDEN, code) and ("\\u{%x}"):format(code) or nil
end

-- Escapes the characters of a set, and what is hidden or broken.
local function visible(bytes, set)
	local parts <const>, at = {}, 1
	while at <= #bytes do
		local _ <const>, broken <const> = utf8.len(bytes, at)
		local sound <const> = bytes:sub(at, broken and broken - 1)
		parts[#parts + 1] = sound:gsub(set, byte_escape):gsub(CHARACTER, character_escape)
		if not broken then break end
		parts[#parts + 1] = byte_escape(bytes:sub(broken, broken))
		at = broken + 1
	end
	return table.concat(parts)
end

--- Text for a terminal: control characters, what is invisible or broken in UTF-8 and marks of direction become `\n`,
--- `\r`, `\t`, `\xNN` (a byte) or `\u{N}` (a character); printable UTF-8 stays. A backslash is doubled only where the
--- text would be ambiguous otherwise: before one of `x u n r t " \`, before what is escaped or not ASCII, and at the end.
---@param bytes string
---@return string
function text.escape(bytes)
	if not bytes:find(SPECIAL) then return bytes end
	local length <const> = #bytes
	local doubled <const> = bytes:gsub("\\()", function(after)
		return (after > length or bytes:find(AFTER_BACKSLASH, after)) and "\\\\" or nil
	end)
	return visible(doubled, "[\0-\31\127]")
end

--- Text that is lines already, such as a message in which another's words may stand: line ends, tabs and backslashes stay.
---@param lines string
---@return string
function text.lines(lines)
	if not lines:find(SPECIAL) then return lines end
	return visible(lines, UNSAFE)
end

--- The same between quotes; a quote in it gets a backslash.
---@param bytes string
---@return string
function text.quote(bytes)
	return '"' .. text.escape(bytes):gsub('"', '\\"') .. '"'
end

-- What would read as something else than a string, or as more than one word.
local WORDS <const> = { [""] = true, ["true"] = true, ["false"] = true, ["nil"] = true, ["?"] = true, ["-"] = true }

--- A string as one word of a line: in quotes only if it is empty, has blanks or quotes, or reads like `?` or `true`.
---@param bytes string
---@return string
function text.word(bytes)
	if WORDS[bytes] or bytes:find('[ "=]') then return text.quote(bytes) end
	return text.escape(bytes)
end

--- How many columns escaped text takes on a terminal; of wide characters an approximation.
---@param escaped string
---@return integer
function text.width(escaped)
	if not escaped:find "[\128-\255]" then return #escaped end
	local width = 0
	for _, code in utf8.codes(escaped) do
		if code < 0x300 then
			width = width + 1
		elseif not within(COMBINING, code) then
			width = width + (within(WIDE, code) and 2 or 1)
		end
	end
	return width
end

--- Fills escaped text with blanks to a width.
---@param escaped string
---@param width integer columns
---@param right boolean? blanks before it
---@return string
function text.pad(escaped, width, right)
	local blanks <const> = (" "):rep(width - text.width(escaped))
	return right and blanks .. escaped or escaped .. blanks
end

return text
