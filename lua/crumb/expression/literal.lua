--- literal: the numbers and texts that stand in an expression.

local literal = {}

local UNITS <const> = {
	k = 1 << 10, M = 1 << 20, G = 1 << 30,
	ns = 1, us = 1000, ms = 1000000, s = 1000000000,
}
local HABITS <const> = { K = "k", kb = "k", kB = "k", KB = "k", m = "M", MB = "M", g = "G", GB = "G", sec = "s" }

local function with_unit(digits, unit)
	local factor <const> = UNITS[unit]
	if not factor then
		local near <const> = HABITS[unit]
		return nil, ("no unit '%s'%s: sizes are 4k 1M 1G, durations 10us 5ms 2s"):format(unit,
			near and (" (write %s%s)"):format(digits, near) or "")
	end
	local value <const> = math.tointeger(tonumber(digits))
	if not value or value > math.maxinteger // factor then return nil, "the number does not fit into 64 bits" end
	return value * factor
end

--- The integer that is written so.
---@param text string digits and what follows them
---@return integer?
---@return string? reason
function literal.number(text)
	local hex <const> = text:match "^0[xX](%x+)$"
	if hex then
		if #hex:gsub("^0+", "") > 16 then return nil, "the number does not fit into 64 bits" end
		return math.tointeger(tonumber(text))
	end
	if text:find "^%d+$" then
		local value <const> = math.tointeger(tonumber(text))
		if value then return value end
		local written <const> = #text <= 20 and tonumber(text) < 0x1p64
		return nil, "the number does not fit into signed 64 bits" .. (written and ": write it in hexadecimal" or "")
	end
	if text:find "%." then return nil, "only whole numbers: for 1.5 ms write 1500us" end
	local digits <const>, unit <const> = text:match "^(%d+)(%a+)$"
	if digits and not text:find "^0[xX]" then return with_unit(digits, unit) end
	return nil, ("'%s' is no number"):format(text)
end

local ESCAPES <const> = {
	a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\", ['"'] = '"', ["'"] = "'",
}

--- The bytes that are written so between quotes, with Lua's escapes.
---@param text string
---@return string?
---@return string? reason
function literal.text(text)
	local wrong
	text = text:gsub("\\(.)(%x?%x?)", function(char, digits)
		if char == "x" then
			if #digits == 2 then return string.char(tonumber(digits, 16)) end
		elseif char:find "%d" then
			local code <const>, rest <const> = (char .. digits):match "^(%d+)(.*)$"
			if tonumber(code) < 256 then return string.char(tonumber(code)) .. rest end
		elseif ESCAPES[char] then
			return ESCAPES[char] .. digits
		end
		wrong = wrong or ("no escape '\\%s'"):format(char:find "%w" and char .. digits or char:gsub("%c", "?"))
		return ""
	end)
	if wrong then return nil, wrong end
	if text:find("\0", 1, true) then return nil, "a NUL ends a text, and cannot stand in it" end
	return text
end

return literal
