--- usdt: the arguments of a USDT place, by the words that the assembler left in its note.
--
-- "-4@%edi 8@-8(%rbp) 4@$7": size and sign, and an operand in the assembler's own words, which
-- are another's file: what is not understood is unknown, with its words as the reason.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local registers <const> = require "crumb.arguments.registers"

local show_text <const> = lazy "crumb.show.text"

local usdt = {}

local _ <const>, _ <const>, MACHINE <const> = core.versions()

local MOST <const> = 12 -- STAP_PROBE12 is the longest
local TEXT_MOST <const> = 4096
local SHOWN_MOST <const> = 64

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

-- Decimal or hexadecimal, of at most 64 bits.
local function integer(text)
	local sign <const>, digits <const> = text:match "^([-+]?)(%w+)$"
	local value
	if digits and digits:find "^0[xX]%x+$" then
		value = #digits <= 18 and math.tointeger(tonumber(digits))
	elseif digits and digits:find "^%d+$" then
		value = math.tointeger(tonumber(digits))
		-- What has no place in a signed integer: the lower digits fit, and the sum is taken modulo 2^64.
		if not value and (#digits == 19 or #digits == 20 and digits <= "18446744073709551615") then
			value = tonumber(digits:sub(1, -11)) * 10000000000 + tonumber(digits:sub(-10))
		end
	end
	return value and (sign == "-" and -value or value) or nil
end

-- A number as the argument's type holds it: "1@$-1" is 255.
local function constant(value, size, signed)
	if size == 8 then return { constant = value } end
	local bits <const> = 8 * size
	value = value & (1 << bits) - 1
	return { constant = signed and value >= 1 << bits - 1 and value - (1 << bits) or value }
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
local FLOATING <const> = "BPF does not see floating-point registers"

-- A whole register to compute an address from.
local function x86_whole(name)
	local place <const>, width <const> = x86_register(name)
	return place and width == 8 and name ~= "rip" and whole(place) or nil
end

-- "8", "counter", "counter+8", "-4+counter": the number, and the variable's name.
local function displaced(text)
	local sum, name, rest = 0, nil, 0
	for sign, term in text:gmatch "([-+]?)([^-+]+)" do
		local number <const> = integer(sign .. term)
		rest = rest + #sign + #term
		if number then
			sum = sum + number
		elseif name or sign == "-" or not term:find "^[%a_.$][%w_.$@]*$" then
			return nil
		else
			name = term
		end
	end
	if rest ~= #text then return nil end
	return sum, name
end

-- How far from the probe's own instruction a variable lies, which is the same in every process; nil: why.
local function distance(name, place)
	if name:find("@", 1, true) then return nil, "its address is in a table of the linker's" end
	local address <const> = (place.symbols or {})[name]
	name = #name > SHOWN_MOST and name:sub(1, SHOWN_MOST) .. "…" or name
	if math.type(address) == "integer" and place.address then return address - place.address end
	if address == false then return nil, ("several variables of the file are called '%s'"):format(name) end
	return nil, ("the file does not tell where '%s' is"):format(name)
end

-- The registers in "(%rax,%rbx,8)": base, index and scale.
local function x86_inside(text)
	local base <const>, rest <const> = text:match "^%s*(%%?%w*)%s*(.*)$"
	if rest == "" then return base, nil, 1 end
	local second <const>, scale <const> = rest:match "^,%s*(%%%w+)%s*,?%s*(%d*)%s*$"
	if not second or not SCALES[scale] then return nil end
	return base, second, SCALES[scale]
end

-- "-8(%rbp)", "(%rax,%rbx,8)", "(,%rbx,8)", "counter(%rip)", "counter+8".
local function x86_memory(operand, size, signed, place)
	if operand:find "^%%[c-gs]s:" then return nil, "it is relative to a segment, whose address BPF does not see" end
	local front <const>, inside <const> = operand:match "^([^()]*)%(([^()]*)%)$"
	local sum <const>, name <const> = displaced(front or operand)
	local base, index, scale = "", nil, 1
	if inside then base, index, scale = x86_inside(inside) end
	if not sum or not base then return nil end
	local load <const> = { memory = { constant = 0 }, offset = sum, width = size, signed = signed, scale = scale }
	if index then
		load.index = x86_whole(index:sub(2))
		if not load.index then return nil end
	end
	if base ~= "" and base ~= "%rip" then
		load.memory = x86_whole(base:sub(2))
		if not load.memory then return nil end
	end
	if not load.index then load.scale = nil end
	if not name then return base ~= "%rip" and load or nil end
	-- The probe's instruction takes a place: of base and index one is left.
	local away <const>, why <const> = distance(name, place)
	if not away then return nil, why end
	if base ~= "" and base ~= "%rip" then
		if load.index then return nil, "its address is computed from a variable's and two registers" end
		load.index, load.scale = load.memory, 1
	end
	load.memory, load.offset = whole(registers.offset("ip", "x86_64")), away + sum
	return load
end

local function of_x86(operand, size, signed, place)
	local number <const> = operand:match "^%$(.+)$"
	if number then
		local value <const> = integer(number)
		return value and constant(value, size, signed) or nil, not value and "it is a variable's address" or nil
	end
	if operand:find "^%%[xyz]mm%d" or operand:find "^%%k?mm?%d" or operand:find "^%%st" then return nil, FLOATING end
	local name <const> = operand:match "^%%(%w+)$"
	if not name then return x86_memory(operand, size, signed, place) end
	local register <const>, width <const>, byte <const> = x86_register(name)
	return register and part(register + byte, width, size, signed) or nil
end

-- "x0", "w3", "sp"; and what is always zero.
local function arm_register(name)
	local letter <const>, number <const> = name:match "^([xw])(%d%d?)$"
	if letter and tonumber(number) <= 30 then
		return registers.offset("x" .. tonumber(number), "aarch64"), letter == "x" and 8 or 4
	end
	if name == "sp" then return registers.offset("sp", "aarch64"), 8 end
	return nil
end

-- How a second register is taken in an address: whether it is of 4 bytes, and signed.
local EXTENSIONS <const> = {
	lsl = { 8 }, sxtx = { 8 }, uxtx = { 8 }, sxtw = { 4, true }, uxtw = { 4, false },
}

-- "[x0, x1]", "[x0, x1, lsl 3]", "[x0, w1, sxtw #2]".
local function arm_indexed(load, second, rest)
	local index <const>, width <const> = arm_register(second)
	local how, shift = rest:match "^%s*,%s*(%a+)%s*#?(%d*)$"
	if rest == "" then how, shift = "lsl", "" end
	local extension <const> = how and EXTENSIONS[how:lower()]
	shift = shift == "" and 0 or tonumber(shift)
	if not index or not extension or extension[1] ~= width or not shift or shift > 4 then return nil end
	load.index = { context = index, width = width, signed = extension[2] or false }
	load.scale = 1 << shift
	return load
end

-- "[sp, 12]", "[x29,-4]", "[x1]", "[x1, x2, lsl 3]", "[x0, #:lo12:counter]".
local function arm_memory(inside, size, signed, place)
	local base <const>, rest <const> = inside:match "^(%w+)%s*,?%s*(.-)$"
	local register <const>, width <const> = arm_register(base or "")
	if not register or width ~= 8 then return nil end
	local load <const> = { memory = whole(register), offset = 0, width = size, signed = signed }
	if rest == "" then return load end
	local low <const> = rest:match "^#?:lo12:(.+)$"
	if low then
		local sum <const>, name <const> = displaced(low)
		local away, why
		if name then away, why = distance(name, place) end
		if not away then return nil, why end
		-- The register has the page, and programs move by whole pages.
		load.offset = away + place.address + sum & 0xfff
		return load
	end
	local second <const>, more <const> = rest:match "^([xw]%d+)%s*(.*)$"
	if second then return arm_indexed(load, second, more) end
	load.offset = integer((rest:gsub("^#", "")))
	return load.offset and load or nil
end

local function of_arm(operand, size, signed, place)
	local number <const> = integer((operand:gsub("^#", "")))
	if number then return constant(number, size, signed) end
	local inside <const> = operand:match "^%[%s*(.-)%s*%]$"
	if inside then return arm_memory(inside, size, signed, place) end
	if operand == "xzr" or operand == "wzr" then return { constant = 0 } end
	local register <const>, width <const> = arm_register(operand)
	if not register then return nil, operand:find "^[vbhsdq]%d" and FLOATING or nil end
	return part(register, width, size, signed)
end

local OPERANDS <const> = { x86_64 = of_x86, aarch64 = of_arm }

-- What is shown of another's words, which may be any bytes.
local function shown(words)
	return show_text.escape(words:sub(1, SHOWN_MOST)) .. (#words > SHOWN_MOST and "…" or "")
end

local function unknown(why, ...) return { constant = 0 }, { kind = "unknown", why = why:format(...) } end

local SIZES <const> = { [1] = true, [2] = true, [4] = true, [8] = true }

-- LOAD and TYPE of "4@%eax"; a size that is missing is that of a word.
local function argument(words, machine, place)
	local sign, size, float, operand = words:match "^(%-?)(%d+)([fF]?)@(.+)$"
	if not operand then sign, size, float, operand = "", "8", "", words end
	local bytes <const>, signed <const> = #size <= 3 and tonumber(size), sign == "-"
	if float ~= "" then return unknown "it is a floating-point number" end
	if not SIZES[bytes] then return unknown("it has %s bytes", shown(size)) end
	local load, why
	if OPERANDS[machine] then load, why = OPERANDS[machine](operand, bytes, signed, place) end
	if not load then return unknown("it lies at '%s'%s", shown(operand), why and ": " .. why or "") end
	return load, { kind = "int", size = bytes, signed = signed }
end

-- Where the argument ends that begins at a place: at a blank that is in no brackets and no quotes.
local function end_of(text, at)
	while true do
		local after <const> = text:match("^%b()()", at) or text:match("^%b[]()", at) or text:match('^"[^"]*"()', at)
			or text:match("^[^%s(%[\"]+()", at)
		if not after then break end
		at = after
	end
	return text:match("^%S*()", at)
end

--- The arguments of a note's text. One that is not understood is unknown, and those after it keep their numbers.
--- Shape: args = { { name = "arg0", words = "-4@%edi", load = LOAD, type = TYPE }, ... }
---@param text string such as "-4@%edi 8@-8(%rbp)"
---@param machine string? this one's, as core.versions says it
---@param place { address: integer?, symbols: table<string, integer|boolean>? }? where the probe and the variables lie,
--- that arguments may be relative to
---@return { name: string, words: string, load: table, type: table }[]
function usdt.parse(text, machine, place)
	local args <const> = {}
	local at = text:match "^%s*()"
	if #text > TEXT_MOST then return args end
	while #args < MOST and at <= #text do
		local after <const> = end_of(text, at)
		local words <const> = text:sub(at, after - 1)
		local load <const>, type <const> = argument(words, machine or MACHINE, place or {})
		args[#args + 1] = { name = "arg" .. #args, words = words, load = load, type = type }
		at = text:match("^%s*()", after)
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
	local place <const> = site.places and site.places[1] or site
	local text <const> = place.arguments or ""
	-- What is relative to a variable is so from each place in another way.
	local key <const> = next(place.symbols or {}) and ("%s %s %d"):format(text, place.identity, place.address) or text
	local found = known[key]
	if not found then
		local args <const> = usdt.parse(text, nil, place)
		found = { args = args, registers = registers_of(args) }
		known[key] = found
	end
	return found
end

return usdt
