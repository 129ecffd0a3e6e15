--- by_hand: raw BTF, for what no compiler would write.

local core <const> = require "crumb.core"

local by_hand <const> = {}

--- The numbers of types' kinds.
by_hand.KIND = {
	int = 1, pointer = 2, array = 3, struct = 4, union = 5, enum = 6, forward = 7, typedef = 8,
	const = 10, func = 12, proto = 13, var = 14, float = 16, type_tag = 18, enum64 = 19,
}

--- The bytes of BTF with these types.
--- Shape: each is { kind, name, size or type, kflag =, tail = bytes, members = | values = }
function by_hand.bytes(types)
	local strings, used = { "\0" }, 1
	local function intern(text)
		if not text or text == "" then return 0 end
		strings[#strings + 1] = text .. "\0"
		used = used + #text + 1
		return used - #text - 1
	end
	local bodies = {}
	for i, type in ipairs(types) do
		local tail = type.tail or ""
		if type.members then
			local parts = {}
			for j, member in ipairs(type.members) do
				parts[j] = string.pack("<I4I4I4", intern(member[1]), member[2], member[3])
			end
			tail = table.concat(parts)
		elseif type.values then
			local parts = {}
			for j, value in ipairs(type.values) do
				local name = intern(value[1])
				parts[j] = type[1] == "enum" and string.pack("<I4I4", name, value[2] & 0xffffffff)
					or string.pack("<I4I4I4", name, value[2] & 0xffffffff, value[2] >> 32)
			end
			tail = table.concat(parts)
		end
		local count = type.members and #type.members or type.values and #type.values or 0
		local info = count | by_hand.KIND[type[1]] << 24 | (type.kflag and 1 << 31 or 0)
		bodies[i] = string.pack("<I4I4I4", intern(type[2]), info, type[3]) .. tail
	end
	local body, text = table.concat(bodies), table.concat(strings)
	return string.pack("<I2BBI4I4I4I4I4", 0xeb9f, 1, 0, 24, 0, #body, #body, #text) .. body .. text
end

--- An integer type.
function by_hand.int(name, size, encoding, bits, offset)
	return { "int", name, size,
		tail = string.pack("<I4", (encoding or 0) << 24 | (offset or 0) << 16 | (bits or size * 8)) }
end

--- An array type.
function by_hand.array(element, count)
	return { "array", nil, 0, tail = string.pack("<I4I4I4", element, 1, count) }
end

--- Opens them.
function by_hand.open(types)
	return assert(core.btf { bytes = by_hand.bytes(types), name = "by hand" })
end

return by_hand
