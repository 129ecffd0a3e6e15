---@meta crumb.instructions
-- The C module crumb.instructions, as editors see it; csrc/instructions.c is what it is.

local instructions = {}

--- Goes through the code of a function.
--- Shape: { returns = { offsets of what returns }, check = where a Go function's check of its stack ends (0: it has none),
--- leaves = the offset of the last jump out of the code, if there is one }
--- Errors: nil, message where something in it is no instruction.
---@param code string
---@param machine "x86_64"|"aarch64"|nil this one
---@return { returns: integer[], check: integer, leaves: integer? }?
---@return string? message
function instructions.scan(code, machine) end

--- Where a Go function's check of its stack ends; 0: it has none. A function whose check fails is begun anew.
---@param code string its first 128 bytes are enough
---@param machine "x86_64"|"aarch64"|nil this one
---@return integer
function instructions.check(code, machine) end

--- The instruction that an offset lies in: its beginning and the next one's.
--- Errors: nil, message where something before is no instruction; raises for an offset outside.
---@param code string that begins with an instruction
---@param offset integer
---@param machine "x86_64"|"aarch64"|nil this one
---@return integer? first
---@return integer|string following or message
function instructions.around(code, offset, machine) end

return instructions
