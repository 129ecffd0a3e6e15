--- glob: which names a pattern with `*`, `?` and `[...]` means. C matches (csrc/glob.c); here are the parts that
-- the engine's patterns are made of, which mean the same.

local core <const> = require "crumb.core"

local glob = {}

--- Whether a name has a character that globs give a meaning.
---@param name string
---@return boolean
function glob.is(name)
	return name:find("[*?%[]") ~= nil
end

--- The pattern that only this name matches.
---@param name string
---@return string
function glob.escape(name)
	return (name:gsub("[*?%[]", "[%0]"))
end

local function escape(text)
	return (text:gsub("%W", "%%%0"))
end

-- The Lua set for what stands between "[" and "]". Ranges are written out, since Lua gives no
-- meaning to a range whose end is escaped.
local function set(text)
	local negated <const>, members <const> = text:match("^([!^]?)(.+)$")
	local spelt <const> = members:gsub("(.)%-(.)", function(from, to)
		local all <const> = {}
		for byte = from:byte(), to:byte() do all[#all + 1] = string.char(byte) end
		return table.concat(all)
	end)
	-- An empty range such as "z-a" leaves nothing, and nothing is what it matches.
	if spelt == "" then return negated ~= "" and "." or "[^%z\1-\255]" end
	return (negated ~= "" and "[^" or "[") .. escape(spelt) .. "]"
end

--- The part of a glob at a place: the Lua pattern of the one character it takes, or "*"; an unclosed "[" is itself.
---@param text string
---@param at integer
---@return string part
---@return integer after where the next one begins
function glob.part(text, at)
	local char <const> = text:sub(at, at)
	local close <const> = char == "[" and text:find("]", text:find("^[!^]", at + 1) and at + 3 or at + 2, true)
	if close then return set(text:sub(at + 1, close - 1)), close + 1 end
	if char == "*" then return char, at + 1 end
	return char == "?" and "." or escape(char), at + 1
end

--- Makes the test for a pattern.
---@param pattern string `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` none of these
---@return fun(name: string): boolean
function glob.compile(pattern)
	local compiled <const> = core.glob(pattern)
	return function(name) return compiled:match(name) end
end

return glob
