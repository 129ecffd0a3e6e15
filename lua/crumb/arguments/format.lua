--- format: the arguments of tracepoints and system calls, by tracefs' `format` files.

local kernel <const> = require "crumb.lazy" "crumb.arguments.kernel"
local tracepoint <const> = require "crumb.names.tracepoint"
local types <const> = require "crumb.expression.types"

local format = {}

-- C's own words; "unsigned" comes first where it stands at all.
local WORDS <const> = {
	["char"] = { 1, true }, ["signed char"] = { 1, true }, ["unsigned char"] = { 1, false },
	["short"] = { 2, true }, ["unsigned short"] = { 2, false }, ["int"] = { 4, true }, ["unsigned"] = { 4, false },
	["unsigned int"] = { 4, false }, ["long"] = { 8, true }, ["unsigned long"] = { 8, false },
	["long long"] = { 8, true }, ["unsigned long long"] = { 8, false },
	["__u8"] = { 1, false }, ["u8"] = { 1, false }, ["__u16"] = { 2, false }, ["u16"] = { 2, false },
	["__u32"] = { 4, false }, ["u32"] = { 4, false }, ["__u64"] = { 8, false }, ["u64"] = { 8, false },
	["size_t"] = { 8, false }, ["pid_t"] = { 4, true },
}
local QUALIFIERS <const> = { const = true, volatile = true, __user = true, __rcu = true, __iomem = true, restrict = true }

-- The words as a source of types has them, so that they are made like all others.
local words_source <const> = {
	type = function(_, word)
		return { name = word, kind = "int", size = WORDS[word][1], signed = WORDS[word][2] }
	end,
}

-- The type that words such as "struct file" name; nil: nobody knows it.
local function base_type(words)
	if WORDS[words] then return types.of(words_source, words) end
	local btf <const> = kernel.btf()
	local shape <const> = btf and btf:type(words)
	if not shape or shape.kind == "none" then return nil end
	return types.of(btf, shape.id)
end

-- "const char *" -> its base, "char", and how many stars.
local function split(text)
	local words <const> = {}
	for word in text:gmatch "[%w_]+" do
		if not QUALIFIERS[word] then words[#words + 1] = word end
	end
	local _, stars <const> = text:gsub("%*", "")
	return table.concat(words, " "), stars
end

local function pointer_to(target) return { kind = "pointer", target = target } end

-- The type of a declaration without name and brackets; nil: not known.
local function declared(text)
	local base <const>, stars <const> = split(text)
	if text:find "[()]" then return stars > 0 and pointer_to(function() return nil end) or nil end
	local made = stars == 0 and base_type(base) or nil
	for level = 1, stars do
		local inner <const> = made
		made = pointer_to(level == 1 and function() return base_type(base) end or function() return inner end)
	end
	return made
end

local function width_of(type) return type.kind == "pointer" and 8 or type.size end

local function is_word(size) return size == 1 or size == 2 or size == 4 or size == 8 end

-- A field as its declaration says, when that fits; else as the format's numbers say.
local function scalar(field)
	local type <const> = declared(field.declaration)
	local size <const> = type and width_of(type)
	if size and type.kind == "struct" and size == field.size then
		return { context = field.offset, width = size }, type
	end
	if size and type.kind ~= "struct" and size <= field.size and is_word(size) then
		return { context = field.offset, width = size, signed = type.signed or false }, type
	end
	if is_word(field.size) then
		return { context = field.offset, width = field.size, signed = field.signed },
			{ kind = "int", size = field.size, signed = field.signed }
	end
	return { constant = 0 }, { kind = "unknown", why = ("'%s' has %d bytes"):format(field.declaration, field.size) }
end

-- The type of an array's elements: bytes, where it is not known.
local function element_of(field)
	local type <const> = declared(field.declaration)
	local size <const> = type and width_of(type)
	if size and size > 0 and (field.located or field.size % size == 0) then return type, size end
	return types.of(words_source, "u8"), 1
end

local function array(field)
	local element <const>, size <const> = element_of(field)
	return { context = field.offset, width = field.size },
		{ kind = "array", count = field.size // size, element = function() return element end, address = field.address }
end

-- A word that tells where in the record the bytes lie.
local function located(field)
	if field.located ~= "data" then
		return { constant = 0 }, { kind = "unknown", why = "its place is told in a way that BPF programs cannot follow" }
	end
	local element <const> = element_of(field)
	return { data_location = field.offset }, pointer_to(function() return element end)
end

-- "	field:__data_loc char[] filename;	offset:8;	size:4;	signed:0;"
local LINE <const> = "^%s*field:([^;]+);%s*offset:(%d+);%s*size:(%d+);%s*signed:([01]);"

--- A field of one line of a format; nil: it holds none that can be read.
--- Shape: { name, declaration, brackets, offset, size, signed, array, located = "data"|"rel_data"?, address }; `address`: it is
--- one of the network, which the format's last line tells
---@param line string
---@return table?
function format.field(line)
	local text, offset <const>, size <const>, signed <const> = line:match(LINE)
	if not text or #offset > 5 or #size > 5 then return nil end
	local brackets <const> = text:match "%b[]" or ""
	text = text:gsub("%b[]", "")
	local how <const>, rest <const> = text:match "^%s*__(%w[%w_]*)_loc%s+(.*)$"
	local declaration <const>, name <const> = (rest or text):match "^(.-)%s*([%a_][%w_]*)%s*$"
	if not name or declaration == "" then return nil end
	return {
		name = name, declaration = declaration, offset = tonumber(offset), size = tonumber(size),
		signed = signed == "1", array = brackets ~= "", brackets = brackets, located = how,
	}
end

-- What stands between the commas of a call, brackets and texts left whole.
local function operands_of(text)
	local list <const>, depth, from, at = {}, 0, 1, 1
	while at <= #text do
		local char <const> = text:sub(at, at)
		if char == '"' then
			at = text:match('^"[^"\\]*()', at)
			while text:find("^\\", at) do at = text:match('^[^"\\]*()', at + 2) end
		elseif char:find "[%(%[{]" then
			depth = depth + 1
		elseif char:find "[%)%]}]" then
			depth = depth - 1
		elseif char == "," and depth == 0 then
			list[#list + 1], from = text:sub(from, at - 1), at + 1
		end
		at = at + 1
	end
	list[#list + 1] = text:sub(from)
	return list
end

--- The names of the fields that a format's last line prints as network addresses.
---@param line string
---@return table<string, true>
function format.addresses(line)
	local words <const>, rest <const> = line:match '^print fmt: "([^"]*)"(.*)$'
	local found <const> = {}
	if not words or not words:find("%pI", 1, true) then return found end
	local operands <const>, number = operands_of(rest), 1 -- the first is what stands before the first comma
	for conversion in words:gsub("%%%%", ""):gmatch "%%[^%a]*[hlzjtL]*%a[%w]*" do
		number = number + 1
		local name <const> = conversion:find "^%%pI[46]" and (operands[number] or ""):match "^[%s%(&]*REC%->([%w_]+)[%s%)]*$"
		if name then found[name] = true end
	end
	return found
end

-- The fields of a tracepoint's own, without what all have in common.
local function fields_of(path)
	local file <close>, message <const> = io.open(path .. "/format", "r")
	if not file then return nil, message end
	local list <const>, last = {}, ""
	for line in file:lines() do
		local field <const> = format.field(line)
		if field and not field.name:find "^common_" then list[#list + 1] = field end
		last = line
	end
	local addresses <const> = format.addresses(last)
	for _, field in ipairs(list) do field.address = addresses[field.name] end
	return list
end

local function argument(field)
	local load <const>, type <const> = (field.located and located or field.array and array or scalar)(field)
	return { name = field.name, load = load, type = type, declared = field.declaration .. field.brackets }
end

-- Where the words of a system call's record lie that a BPF program sees.
local SYSCALL_ARGS <const>, SYSCALL_WORDS <const> = 16, 6

local function syscall_registers(count)
	local loads <const> = { retval = { context = SYSCALL_ARGS, width = 8, signed = true } }
	for number = 0, math.min(count, SYSCALL_WORDS) - 1 do
		loads["arg" .. number] = { context = SYSCALL_ARGS + number * 8, width = 8 }
	end
	return loads
end

local NONE <const> = {}
local NO_REGISTERS <const> = "a tracepoint has no registers: args.NAME works"

local function of_tracepoint(category, name)
	local found <const>, message <const> = tracepoint.resolve(category, name)
	if not found then return { missing = message, registers = NONE, registers_missing = NO_REGISTERS } end
	local fields <const>, why <const> = fields_of(found.sites[1].path)
	if not fields then return { missing = why, registers = NONE, registers_missing = NO_REGISTERS } end
	local args <const> = {}
	for _, field in ipairs(fields) do
		-- The program sees a system call's number and arguments; what the event's record has more (copies of the strings,
		-- in the newest kernels), it does not.
		local shown <const> = not field.located and field.offset < SYSCALL_ARGS + 8 * SYSCALL_WORDS
		if category ~= "syscalls" or shown then args[#args + 1] = argument(field) end
	end
	return { args = args, registers = NONE, registers_missing = NO_REGISTERS }
end

local function of_syscall(name)
	local what <const> = of_tracepoint("syscalls", "sys_enter_" .. name)
	local count = 0
	for i = #(what.args or {}), 1, -1 do
		if what.args[i].name == "__syscall_nr" then table.remove(what.args, i) else count = count + 1 end
	end
	what.registers = syscall_registers(what.args and count or SYSCALL_WORDS)
	what.registers_missing = nil
	what.retval_type = types.of(words_source, "long")
	return what
end

local known <const> = {}

--- What there is at a tracepoint, or at a system call.
--- Shape: { args = list or nil, missing = why there is none, registers = …, registers_missing = why?, retval_type = TYPE? }
--- Source: tracefs, events/CATEGORY/NAME/format
---@param site crumb.Site
---@return table
function format.of(site)
	local key <const> = site.kind == "syscall" and site.name or site.category .. ":" .. site.name
	if known[key] then return known[key] end
	local found <const> = site.kind == "syscall" and of_syscall(site.name) or of_tracepoint(site.category, site.name)
	-- What is missing may be there later: tracefs is mounted.
	if found.args then known[key] = found end
	return found
end

return format
