--- code: what the instructions of a function tell: where one begins, and where a Go function begins and ends.

local code = {}

local ENOENT <const> = 2
local LONGEST <const> = 16 -- bytes of an instruction, and more

-- The C module, when it is wanted.
local function decoder()
	local done <const>, found <const> = pcall(require, "crumb.instructions")
	if done then return found end
	return nil, "the decoder of instructions cannot be loaded: " .. tostring(found):match "^[^\n]*"
end

--- The instruction that lies `delta` bytes into a function, and the next one.
---@param elf userdata crumb.Elf
---@param offset integer of the function in the file
---@param size integer of the function; 0: unknown
---@param delta integer
---@return integer? first counted from the function; nil: it cannot be told
---@return integer|string following or why
function code.instruction(elf, offset, size, delta)
	local instructions <const>, missing <const> = decoder()
	if not instructions then return nil, missing end
	local enough <const> = delta + LONGEST
	local bytes <const>, message <const> = elf:code(offset, size > 0 and size < enough and size or enough)
	if not bytes then return nil, message end
	return instructions.around(bytes, delta)
end

local ABI0 <const> = "it is called by the convention of Go's assembly, which keeps no goroutine at hand"
local FIRST <const> = 128 -- bytes in which the check of the stack lies

-- What Go's own table says of the function that begins there; nil, and why its end cannot be found.
local function go_function(elf, site)
	local found <const>, message <const>, errno <const> = elf:go_function(site.offset)
	if not found and errno ~= ENOENT then return nil, message end
	if not found or found.offset ~= site.offset then return nil, "in a Go program it is no function of Go's" end
	if found.version < "1.18" or found.version == "1.2" then
		return nil, "a program of Go before 1.18 keeps its goroutine elsewhere"
	end
	if found.assembly or (site.symbol or ""):find "%.abi0$" then return nil, ABI0 end
	return found
end

--- Where a call of a Go function is seen to begin once: behind the check of its stack, which begins it anew when it fails.
---@param elf userdata crumb.Elf
---@param site { offset: integer, symbol: string? }
---@return integer? offset in the file; nil: at the site itself
function code.go_entry(elf, site)
	local found <const>, instructions <const> = go_function(elf, site), decoder()
	local bytes <const> = found and instructions and elf:code(found.offset, math.min(found.size, FIRST))
	local check <const> = bytes and instructions.check(bytes) or 0
	if check == 0 or elf:refused(found.offset + check) then return nil end
	return found.offset + check
end

--- Why the return from a place cannot be awaited, in whatever language: the kernel would write over what lies in the place
--- of the return address.
---@param elf userdata crumb.Elf
---@param offset integer in the file
---@return string? why
function code.no_return(elf, offset)
	if offset == elf:start() then return "the program begins there, and its arguments lie where a return address would" end
	return nil
end

--- Where a call of a Go function is seen to begin and to end.
---@param elf userdata crumb.Elf
---@param site { offset: integer, symbol: string? } of a function's beginning
---@return { entry: integer, returns: integer[] }? call offsets in the file
---@return string? why there is none
function code.go_call(elf, site)
	local found <const>, why <const> = go_function(elf, site)
	if not found then return nil, why end
	local instructions <const>, missing <const> = decoder()
	if not instructions then return nil, missing end
	local bytes <const>, message <const> = elf:code(found.offset, found.size)
	if not bytes then return nil, message end
	local scanned <const>, unclear <const> = instructions.scan(bytes)
	if not scanned then return nil, unclear end
	if scanned.leaves then return nil, "it goes on in another function by a jump, and ends there" end
	local returns <const> = scanned.returns
	if #returns == 0 then return nil, "it never returns" end
	if returns[1] == scanned.check then return nil, "it returns with its first instruction" end
	local refused <const> = elf:refused(found.offset + scanned.check)
	if refused then return nil, refused end
	for i, at in ipairs(returns) do returns[i] = found.offset + at end
	return { entry = found.offset + scanned.check, returns = returns }
end

return code
