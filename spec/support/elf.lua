-- ELF files as bytes, to look into and to break.
local elf = {}

--- A file's bytes, or nil.
function elf.slurp(path)
	local file <close> = io.open(path, "rb")
	return file and file:read "a"
end

--- Makes a file of bytes; its path.
function elf.spill(path, bytes)
	local file <close> = assert(io.open(path, "wb"))
	file:write(bytes)
	return path
end

--- The bytes with others in their place from an offset on.
function elf.patch(bytes, at, what)
	return bytes:sub(1, at) .. what .. bytes:sub(at + #what + 1)
end

--- Where the section of that name lies: its offset, address and size, and where its name stands.
function elf.section(bytes, name)
	local headers = ("<I8"):unpack(bytes, 41)
	local count, names = ("<I2I2"):unpack(bytes, 61)
	local strings = ("<I8"):unpack(bytes, headers + 64 * names + 24 + 1)
	for i = 1, count - 1 do
		local at = headers + 64 * i
		local name_at = strings + ("<I4"):unpack(bytes, at + 1)
		if ("z"):unpack(bytes, name_at + 1) == name then
			local address, offset, size = ("<I8I8I8"):unpack(bytes, at + 16 + 1)
			return offset, address, size, name_at
		end
	end
	error("no section " .. name)
end

return elf
