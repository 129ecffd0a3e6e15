--- pattern: a glob as the automaton that the engine runs, one state a bit.
--
-- State n is "the first n parts matched". A byte takes a state to the next one where the part there
-- takes the byte; a star lets its state stay, whatever comes.

local glob <const> = require "crumb.names.glob"

local pattern = {}

local PARTS <const> = 63

-- The parts of a glob, each "*" or the Lua pattern of one character.
local function parts_of(text)
	local parts <const>, at = {}, 1
	while at <= #text do
		parts[#parts + 1], at = glob.part(text, at)
	end
	return parts
end

--- Compiles a glob.
--- Errors: nil and why when it has too many parts.
---@param text string `*` any characters, `?` one, `[a-z]` one of these, `[!a-z]` none of these
---@return { next: integer[], stay: integer, accept: integer }? automaton as `struct pattern` is
---@return string? reason
function pattern.compile(text)
	local follow <const>, stay, state = {}, 0, 0
	for byte = 0, 255 do follow[byte + 1] = 0 end -- the NUL ends a text
	for _, part in ipairs(parts_of(text)) do
		if part == "*" then
			stay = stay | 1 << state
		else
			state = state + 1
			if state > PARTS then
				return nil, ("the pattern '%s' has more than %d parts"):format(text, PARTS)
			end
			for byte = 1, 255 do
				if string.char(byte):find(part) then follow[byte + 1] = follow[byte + 1] | 1 << state end
			end
		end
	end
	return { next = follow, stay = stay, accept = 1 << state }
end

return pattern
