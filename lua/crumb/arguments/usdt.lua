--- usdt: the arguments of a USDT place, by the words that the assembler left in its note.
--
-- "-4@%edi 8@-8(%rbp) 4@$7": size and sign, and an operand in the assembler's own words, which
-- are another's file: what is not understood is unknown, with its words as the reason.

local core <const> = require "crumb.core"
local registers <const> = require "crumb.arguments.registers"

local usdt = {}

local _ <const>, _ <const>, MACHINE <const> = core.versions()

local MOST <const> = 12 -- STAP_PROBE12 is the longest
local TEXT_MOST <const> = 4096

-- "eax", "al", "r8d", "r10b" -> the register's name in pt_regs, and bytes and first bit of the part.
local X86 <const> = {}
for _, name in ipairs { "ax", "bx", "cx", "dx" } do
	local letter <const> = name:sub(1, 1)
	X86["r" .. name], X86["e" .. name], X86[name] = { name, 8 }, { name, 4 }, { name, 2 }
	X86[letter .. "l"], X86[letter .. "h"] = { name, 1 }, { name, 1, 1 }
end
for _, name in ipairs { "si", "di", "bp", "sp" } do
	X86["r" .. name], X86["e" .. name], X86[name], X86[name .. "l"] = { name, 8 }, { name, 4 }, { name, 2 }, { name, 1 }
end
for number = 8, 15 do
	local name <const> = "r" .. number
	X86[name], X86[name .. "d"], X86[name .. "w"], X86[name .. "b"] = { name, 8 }, { name, 4 }, { name, 2 }, { name, 1 }
end
X86.rip = { "ip", 8 }

local function integer(text)
	local sign, digits = text:match "^([-+]?)(0x%x+)$"
	if not digits then sign, digits = text:match "^([-+]?)(%d+)$" end
	if not digits or #digits > 20 then return nil end
	local value <const> = math.tointeger(tonumber(digits))
	if not value then return nil end
	return sign == "-" and -value or value
end

-- The whole register, to compute an address from.
local function whole(offset) return { context = offset, width = 8, signed = false } end

-- The low bytes of a register, as wide as the argument, or as the part that the operand names.
local function part(offset, width, size, signed)
	return { context = offset, width = math.min(width, size), signed = signed }
end

local function x86_register(name)
	local found <const> = X86[name]
	if not found then return nil end
	return registers.offset(found[1], "x86_64"), found[2], found[3] or 0
end

local SCALES <const> = { [""] = 1, ["1"] = 1, ["2"] = 2, ["4"] = 4, ["8"] = 8 }

-- A whole register to compute an address from.
local function x86_whole(name)
	local place <const>, width <const> = x86_register(name)
	return place and width == 8 and name ~= "rip" and whole(place) or nil
end

-- "-8(%rbp)", "(%rax,%rbx,8)".
local function x86_memory(operand, size, signed)
	local displacement <const>, inside <const> = operand:match "^([^()]*)%(([^()]*)%)$"
	if not inside then return nil end
	local offset <const> = displacement == "" and 0 or integer(displacement)
	if not offset then return nil, "its address is relative to a symbol" end
	local name <const>, rest <const> = inside:match "^%s*%%(%w+)%s*(.*)$"
	local base <const> = name and x86_whole(name)
	if not base then return nil end
	local load <const> = { memory = base, offset = offset, width = size, signed = signed }
	if rest == "" then return load end
	local second <const>, scale <const> = rest:match "^,%s*%%(%w+)%s*,?%s*(%d*)%s*$"
	load.index, load.scale = second and x86_whole(second), SCALES[scale]
	return load.index and load.scale and load or nil
end

local function of_x86(operand, size, signed)
	local number <const> = operand:match "^%$(.+)$"
	if number then return integer(number) and { constant = integer(number) } end
	local name <const> = operand:match "^%%(%w+)$"
	if not name then return x86_memory(operand, size, signed) end
	local place <const>, width <const>, byte <const> = x86_register(name)
	if not place then return nil, name:find "^[xyz]mm" and "BPF does not see floating-point registers" or nil end
	return part(place + byte, width, size, signed)
end

-- "x0", "w3", "sp" and "[sp, 12]", "[x29,-4]", "[x1]", "[x1, x2]", and numbers, with # or without.
local function arm_register(name)
	local letter <const>, number <const> = name:match "^([xw])(%d%d?)$"
	if letter and tonumber(number) <= 30 then
		return registers.offset("x" .. tonumber(number), "aarch64"), letter == "x" and 8 or 4
	end
	if name == "sp" then return registers.offset("sp", "aarch64"), 8 end
	return nil
end

local function of_arm(operand, size, signed)
	local number <const> = integer((operand:gsub("^#", "")))
	if number then return { constant = number } end
	local inside <const> = operand:match "^%[%s*(.-)%s*%]$"
	if inside then
		local base <const>, offset = inside:match "^(%w+)%s*,%s*#?(.+)$"
		local place <const>, width <const> = arm_register(base or inside)
		if not place or width ~= 8 then return nil end
		offset = integer(offset or "0")
		if not offset then return nil, "its address is computed from two registers" end
		return { memory = whole(place), offset = offset, width = size, signed = signed }
	end
	local place <const>, width <const> = arm_register(operand)
	if not place then return nil, operand:find "^[vdsq]%d" and "BPF does not see floating-point registers" or nil end
	return part(place, width, size, signed)
end

local OPERANDS <const> = { x86_64 = of_x86, aarch64 = of_arm }

local function argument(size, sign, float, operand, machine)
	if float or (size ~= 1 and size ~= 2 and size ~= 4 and size ~= 8) then
		return { constant = 0 }, {
			kind = "unknown", why = float and "it is a floating-point number" or ("it has %d bytes"):format(size),
		}
	end
	local of_operand <const> = OPERANDS[machine]
	local load, why
	if of_operand then load, why = of_operand(operand, size, sign == "-") end
	if not load then
		return { constant = 0 }, { kind = "unknown", why = ("it lies at '%s'%s"):format(operand, why and ": " .. why or "") }
	end
	return load, { kind = "int", size = size, signed = sign == "-" }
end

-- The next of "4@%eax", "-8@16(%rsp)", "4@[sp, 12]", "8f@%xmm0"; nil at the end, or where it is no such thing.
local function next_argument(text, at)
	local sign <const>, size <const>, float <const>, rest <const> = text:match("^%s*(%-?)(%d+)([fF]?)@()", at)
	if not size or #size > 3 then return nil end
	local operand = text:match("^%b[]", rest) or text:match("^[^%s(]*%b()", rest) or text:match("^%S+", rest)
	if not operand then return nil end
	return rest + #operand, tonumber(size), sign, float ~= "", operand
end

--- The arguments of a note's text.
--- Shape: args = { { name = "arg0", load = LOAD, type = TYPE }, ... }
---@param text string such as "-4@%edi 8@-8(%rbp)"
---@param machine string? this one's, as core.versions says it
---@return { name: string, load: table, type: table }[]
function usdt.parse(text, machine)
	local args <const> = {}
	local at = 1
	if #text > TEXT_MOST then return args end
	while #args < MOST do
		local after <const>, size <const>, sign <const>, float <const>, operand <const> = next_argument(text, at)
		if not after then break end
		local load <const>, type <const> = argument(size, sign, float, operand, machine or MACHINE)
		args[#args + 1] = { name = "arg" .. #args, load = load, type = type }
		at = after
	end
	return args
end

local known <const> = setmetatable({}, { __mode = "v" })

-- What a function's registers are, with the note's arguments for argN.
local function registers_of(args)
	local loads <const> = {}
	for name, load in pairs(registers.FUNCTION) do
		if not name:find "^arg%d$" and name ~= "retval" then loads[name] = load end
	end
	for _, one in ipairs(args) do
		if one.type.kind ~= "unknown" then loads[one.name] = one.load end
	end
	return loads
end

--- What there is at a place of a usdt probe.
--- Shape: { args = list, registers = … }
--- Source: the file's .note.stapsdt
---@param site crumb.Site one of a usdt site's `places`
---@return table
function usdt.of(site)
	local text <const> = site.arguments or site.places and site.places[1] and site.places[1].arguments or ""
	local found = known[text]
	if not found then
		local args <const> = usdt.parse(text)
		found = { args = args, registers = registers_of(args) }
		known[text] = found
	end
	return found
end

return usdt
