--- numbers: those that have names everywhere, as members of an enumeration.

local numbers <const> = {}

-- By the function that shows them: the names of a number, the largest there is, and what it is in the kernel.
local KNOWN <const> = {
	errno = { "crumb.errno", 4095, -1 },
	signal = { "crumb.signal", 64, 1 },
	syscall = { "crumb.syscall", 4095, 1 },
}

local types <const> = {}

local function values_of(word)
	local module <const>, last <const>, sign <const> = table.unpack(KNOWN[word])
	local name_of <const>, values <const> = require(module), {}
	for number = 0, last do
		local name <const> = name_of(number)
		if name then values[name] = sign * number end
	end
	return values
end

local function enumeration(values) return { kind = "enum", size = 8, signed = true, values = values } end

--- The enumeration that a function of the language stands for.
---@param word "errno"|"signal"|"syscall"|"disk"
---@return table type
function numbers.type(word)
	if word == "disk" then return enumeration(require "crumb.disk".all()) end -- they come and go
	types[word] = types[word] or enumeration(values_of(word))
	return types[word]
end

return numbers
