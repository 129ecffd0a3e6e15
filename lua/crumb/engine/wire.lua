--- wire: the numbers and offsets of bpf/wire.h, by name, as the engine's BTF has them.

local core <const> = require "crumb.core"

local wire = {}

local PREFIX <const> = {
	limit = "", role = "ROLE_", op = "OP_", flag = "FLAG_", builtin = "BUILTIN_", reg = "REG_", output_kind = "OUTPUT_",
	key_kind = "KEY_", verdict = "", aggregate_op = "AGGREGATE_", body_flag = "BODY_", bell = "BELL_", family_key = "",
	seen = "SEEN_", feature = "FEATURE_",
}
local STRUCTS <const> = { "site", "account" }

---@class crumb.Wire
---@field op table<string, integer> CONSTANT, REGISTER, …; so each enum of bpf/wire.h, without its prefix
---@field at table<string, table<string, integer>> struct -> member -> offset
---@field outcomes string[] the members of struct account

--- Reads them.
--- Errors: nil, message, errno.
---@param bytes string the engine's object
---@return crumb.Wire?, string?, integer?
function wire.read(bytes)
	local btf <close>, message <const>, errno <const> = core.btf { bytes = bytes }
	if not btf then return nil, message, errno end
	local read <const> = { at = {}, outcomes = {} }
	for name, prefix in pairs(PREFIX) do
		local values <const> = {}
		for _, value in ipairs(assert(btf:type("enum " .. name)).values) do
			values[value.name:sub(#prefix + 1)] = value.value
		end
		read[name] = values
	end
	for _, name in ipairs(STRUCTS) do
		local offsets <const> = {}
		for _, member in ipairs(assert(btf:type("struct " .. name)).members) do
			offsets[member.name] = member.offset
			if name == "account" then read.outcomes[#read.outcomes + 1] = member.name end
		end
		read.at[name] = offsets
	end
	return read
end

return wire
