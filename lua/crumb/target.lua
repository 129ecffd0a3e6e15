--- target: the words that say where to attach, as a table.
--
-- It knows the words and their form, and nothing of the machine: whether a function or a file is
-- there is asked in crumb.names. No file is opened here.

local core <const> = require "crumb.core"
local habits <const> = require "crumb.lazy" "crumb.habits"

local target = {}

---@class crumb.Target
---@field kind string a key of FORMS
---@field text string what was given
---@field path string? of uprobe, uretprobe and usdt: a path with a `/`, a library's bare name, or `exe`
---@field symbol string? of functions: a name, a glob, or `name@VERSION`; nil when a number stands there
---@field offset integer? bytes after the symbol; of a uprobe without symbol, the offset in the file
---@field address integer? kprobe and kretprobe without symbol: the kernel address
---@field provider string? of usdt: a name or a glob, as is its `name`
---@field name string? of usdt, tracepoint, syscall, rawtracepoint and tp_btf
---@field category string? of tracepoint
---@field frequency integer? of profile: samples a second on each CPU
---@field event string? of software and hardware: the event's name as `perf list` has it
---@field config integer? of software and hardware: the event's number in perf_event_attr
---@field period integer? of software and hardware: one sample in so many events
---@field returns boolean? of syscall, from SEC("kretsyscall/NAME")
---@field exact boolean? the symbol is a name and no glob, whatever is in it

--- How the words of each kind are written.
target.FORMS = {
	kprobe = "kprobe:FUNCTION[+OFFSET]",
	kretprobe = "kretprobe:FUNCTION",
	uprobe = "uprobe:PATH:SYMBOL[+OFFSET]",
	uretprobe = "uretprobe:PATH:SYMBOL",
	usdt = "usdt:PATH:PROVIDER:NAME",
	tracepoint = "tracepoint:CATEGORY:NAME",
	syscall = "syscall:NAME",
	rawtracepoint = "rawtracepoint:NAME",
	tp_btf = "tp_btf:NAME",
	fentry = "fentry:FUNCTION",
	fexit = "fexit:FUNCTION",
	profile = "profile:hz:FREQUENCY",
	software = "software:EVENT:PERIOD",
	hardware = "hardware:EVENT:PERIOD",
}

--- What the short kinds stand for.
target.SHORT = {
	k = "kprobe", kr = "kretprobe", u = "uprobe", ur = "uretprobe",
	t = "tracepoint", rt = "rawtracepoint", p = "profile",
}

-- Numbers and names of include/uapi/linux/perf_event.h, with the short names that perf takes.
target.EVENTS = {
	software = {
		["cpu-clock"] = 0, ["task-clock"] = 1, ["page-faults"] = 2, ["context-switches"] = 3,
		["cpu-migrations"] = 4, ["minor-faults"] = 5, ["major-faults"] = 6, ["alignment-faults"] = 7,
		["emulation-faults"] = 8, ["dummy"] = 9, ["bpf-output"] = 10, ["cgroup-switches"] = 11,
	},
	hardware = {
		["cpu-cycles"] = 0, ["instructions"] = 1, ["cache-references"] = 2, ["cache-misses"] = 3,
		["branch-instructions"] = 4, ["branch-misses"] = 5, ["bus-cycles"] = 6,
		["stalled-cycles-frontend"] = 7, ["stalled-cycles-backend"] = 8, ["ref-cycles"] = 9,
	},
}

local EVENT_SHORT <const> = {
	software = { cpu = "cpu-clock", faults = "page-faults", cs = "context-switches", migrations = "cpu-migrations" },
	hardware = {
		cycles = "cpu-cycles", branches = "branch-instructions",
		["frontend-stalls"] = "stalled-cycles-frontend", ["backend-stalls"] = "stalled-cycles-backend",
	},
}

local function sorted_keys(t)
	local keys <const> = {}
	for key in pairs(t) do keys[#keys + 1] = key end
	table.sort(keys)
	return keys
end

local FORMS <const>, SHORT <const>, EVENTS <const> = target.FORMS, target.SHORT, target.EVENTS
local KINDS <const> = sorted_keys(FORMS)

local function nearest(name, list)
	return (select(2, core.nearest(name, list)))
end

-- What is shown of a text that may hold anything.
local function quote(text)
	return "'" .. text:gsub("%c", function(c) return ("\\x%02x"):format(c:byte()) end) .. "'"
end

-- Decimal or hexadecimal; nil when it is no number, false when it does not fit.
local function number(text, unsigned)
	local hex <const> = text:match("^0[xX](%x+)$")
	if hex then
		local digits <const> = hex:gsub("^0+", "")
		if #digits > 16 then return false end
		local value <const> = math.tointeger(tonumber(text))
		if value < 0 and not unsigned then return false end
		return value
	end
	if not text:find("^%d+$") then return nil end
	return math.tointeger(tonumber(text)) or false
end

-- The symbol and its offset; "operator+" has none, since no number follows.
local function split_offset(text)
	local symbol <const>, digits <const> = text:match("^(.+)%+(%w+)$")
	local value <const> = digits and number(digits)
	if value == nil then return text, 0 end
	if value == false then return nil, "the offset +" .. digits .. " is too large" end
	return symbol, value
end

local function required_number(text, what, unsigned)
	local value <const> = number(text, unsigned)
	if value == nil then return nil, ("the %s %s is not a number"):format(what, quote(text)) end
	if value == false then return nil, ("the %s %s is too large"):format(what, text) end
	return value
end

-- A name of the kernel's: one word, since it becomes part of a path or of a kernel's command.
local function check_name(text, what)
	if text == "" then return nil, ("the %s is empty"):format(what) end
	if text:find("[/%s:]") or text == "." or text:find("..", 1, true) then
		return nil, ("the %s %s is not a name"):format(what, quote(text))
	end
	return text
end

local function kernel_function(result, rest, takes_offset)
	if number(rest, true) ~= nil and takes_offset ~= nil then
		local address <const>, why <const> = required_number(rest, "address", true)
		result.address = address
		return address and result, why
	end
	local symbol <const>, offset <const> = split_offset(rest)
	if not symbol then return nil, offset end
	if offset ~= 0 and not takes_offset then return nil, "it takes no offset: only a kprobe does" end
	local name <const>, why <const> = check_name(symbol, "function")
	if not name then return nil, why end
	result.symbol, result.offset = name, takes_offset and offset or nil
	return result
end

-- tracepoint:syscalls:sys_enter_openat is syscall:openat.
local function system_call(result, rest)
	local name <const> = rest:match "^sys_enter_(.+)$" or rest:match "^sys_exit_(.+)$" or rest:match "^sys_(.+)$"
	if name then return nil, "a system call is named alone: syscall:" .. name end
	result.name = check_name(rest, "name")
	if not result.name then return nil, select(2, check_name(rest, "name")) end
	return result
end

local function named(result, rest)
	local why
	result.name, why = check_name(rest, "name")
	return result.name and result, why
end

local function user_function(result, rest)
	local path <const>, symbol <const> = rest:match("^([^:]*):(.*)$")
	if not path then
		local is_file <const> = rest:find "/" or rest:find "^lib"
		return nil, "it names no symbol", is_file and ("crumb list '%s:%s:*' shows what there is"):format(result.kind, rest)
			or rest ~= "" and ("such as %s:libc:%s"):format(result.kind, rest) or nil
	end
	if path == "" then return nil, "the path is empty" end
	if symbol == "" then return nil, "the symbol is empty" end
	result.path = path
	local digits <const> = symbol:match("^%+?(%w+)$")
	if digits and number(digits) ~= nil then
		local why
		result.offset, why = required_number(digits, "offset")
		return result.offset and result, why
	end
	result.symbol, result.offset = split_offset(symbol)
	if not result.symbol then return nil, result.offset end
	if result.offset ~= 0 and result.kind == "uretprobe" then
		return nil, "a uretprobe takes no offset: a function returns as a whole"
	end
	return result
end

local function periodic(result, rest)
	local event <const>, count <const> = rest:match("^([^:]*):([^:]*)$")
	if not event then return nil, "it names no period" end
	local names <const> = EVENTS[result.kind]
	result.event = EVENT_SHORT[result.kind][event] or event
	result.config = names[result.event]
	if not result.config then
		return nil, ("no %s event %s%s; there are %s"):format(result.kind, quote(event),
			nearest(event, sorted_keys(names)), table.concat(sorted_keys(names), ", "))
	end
	local period <const>, why <const> = required_number(count, "period")
	if not period then return nil, why end
	if period < 1 then return nil, "the period must be at least 1" end
	result.period = period
	return result
end

-- Each takes the table to fill and what follows "kind:", and returns it, or nil and why not.
local PARSERS <const> = {
	kprobe = function(result, rest) return kernel_function(result, rest, true) end,
	kretprobe = function(result, rest) return kernel_function(result, rest, false) end,
	fentry = kernel_function,
	fexit = kernel_function,
	uprobe = user_function,
	uretprobe = user_function,
	syscall = system_call,
	rawtracepoint = named,
	tp_btf = named,
	software = periodic,
	hardware = periodic,
}

function PARSERS.usdt(result, rest)
	local path <const>, provider <const>, name <const> = rest:match("^([^:]*):([^:]*):([^:]*)$")
	if not path then
		local file <const>, probe <const> = rest:match "^([^:]+):([^:]+)$"
		return nil, "it needs a path, a provider and a name", file and ("such as usdt:%s:*:%s"):format(file, probe) or nil
	end
	if path == "" then return nil, "the path is empty" end
	if provider == "" then return nil, "the provider is empty" end
	if name == "" then return nil, "the name is empty" end
	result.path, result.provider, result.name = path, provider, name
	return result
end

function PARSERS.tracepoint(result, rest)
	local category <const>, name <const> = rest:match("^([^:]*):(.*)$")
	if not category then
		local call <const> = rest:match "^sys_%a+_(.+)$"
		return nil, "it names no category", call and ("write tracepoint:syscalls:%s, or syscall:%s"):format(rest, call)
			or rest ~= "" and ("crumb list 'tracepoint:*:*%s*' looks for it"):format(rest) or nil
	end
	local why
	result.category, why = check_name(category, "category")
	if not result.category then return nil, why end
	return named(result, name)
end

function PARSERS.profile(result, rest)
	local unit <const>, count <const> = rest:match("^([^:]*):([^:]*)$")
	if not unit then return nil, "it names no unit", rest:find "^%d+$" and "write profile:hz:" .. rest or nil end
	if unit ~= "hz" then return nil, ("the unit %s is not hz"):format(quote(unit)) end
	local frequency <const>, why <const> = required_number(count, "frequency")
	if not frequency then return nil, why end
	if frequency < 1 then return nil, "the frequency must be at least 1" end
	result.frequency = frequency
	return result
end

local function parse_as(kind, rest, text)
	if text:find("\0", 1, true) then return nil, "it holds a NUL" end
	return PARSERS[kind]({ kind = kind, text = text }, rest)
end

-- What a text was meant to be whose kind is none; nil: nobody knows.
local function meant(word, rest)
	local call <const> = (rest or word):match "^sys_enter_(.+)$" or (rest or word):match "^sys_exit_(.+)$"
	if call then return "write syscall:" .. call end
	if not rest then return nil end
	if habits.KINDS[word] then return ("write %s:%s"):format(habits.KINDS[word], rest) end
	if word:find "/" or word:find "^lib" then return ("write uprobe:%s:%s"):format(word, rest) end
	if rest:sub(1, #word + 1) == word .. "_" then return ("write tracepoint:%s:%s"):format(word, rest) end
end

local function no_colon(text)
	local kind <const> = SHORT[text] or text
	if FORMS[kind] then return ("it has no ':'; the form is %s"):format(FORMS[kind]) end
	local known <const> = meant(text)
	if known then return "it has no kind: " .. known end
	local near <const> = nearest(text, KINDS)
	if near ~= "" or not text:find "^[%w_]+$" then
		return ("it has no ':'%s; the form is KIND:..., such as %s"):format(near, FORMS.uprobe)
	end
	return ("it has no ':'; the form is KIND:..., such as syscall:%s, kprobe:%s or uprobe:PATH:%s"):format(text, text, text)
end

local function no_kind(word, rest)
	local known <const> = meant(word, rest)
	if known then return ("no kind %s: %s"):format(quote(word), known) end
	return ("no kind %s%s; there are %s"):format(quote(word), nearest(word, KINDS), table.concat(KINDS, ", "))
end

--- Parses a target's words, such as `uprobe:/usr/bin/app:main.foobar+0x10`.
--- Errors: raises, with the form that would be right, when the words are wrong.
---@param text string
---@return crumb.Target
function target.parse(text)
	if type(text) ~= "string" then
		error(("target: expected a string such as '%s', got %s"):format(FORMS.uprobe, type(text)), 2)
	end
	local word <const>, rest <const> = text:match("^([^:]*):(.*)$")
	if not word then error(("target %s: %s"):format(quote(text), no_colon(text)), 2) end
	local kind <const> = SHORT[word] or word
	if not FORMS[kind] then error(("target %s: %s"):format(quote(text), no_kind(word, rest)), 2) end
	local result <const>, why <const>, instead <const> = parse_as(kind, rest, text)
	if not result then
		error(("target %s: %s; the form is %s%s"):format(quote(text), why, FORMS[kind], instead and "; " .. instead or ""), 2)
	end
	return result
end

-- libbpf's section words, and our kinds.
local SECTIONS <const> = {
	kprobe = "kprobe", kretprobe = "kretprobe",
	["kprobe.multi"] = "kprobe", ["kretprobe.multi"] = "kretprobe", ["kprobe.session"] = "kprobe",
	uprobe = "uprobe", uretprobe = "uretprobe", ["uprobe.s"] = "uprobe", ["uretprobe.s"] = "uretprobe",
	["uprobe.multi"] = "uprobe", ["uretprobe.multi"] = "uretprobe",
	["uprobe.multi.s"] = "uprobe", ["uretprobe.multi.s"] = "uretprobe",
	["uprobe.session"] = "uprobe", ["uprobe.session.s"] = "uprobe",
	usdt = "usdt", ["usdt.s"] = "usdt",
	ksyscall = "syscall", kretsyscall = "syscall",
	tp = "tracepoint", tracepoint = "tracepoint",
	raw_tp = "rawtracepoint", raw_tracepoint = "rawtracepoint",
	["raw_tp.w"] = "rawtracepoint", ["raw_tracepoint.w"] = "rawtracepoint",
	tp_btf = "tp_btf",
	fentry = "fentry", ["fentry.s"] = "fentry", fexit = "fexit", ["fexit.s"] = "fexit",
}

--- The target that a libbpf section name holds, such as `SEC("kprobe/do_unlinkat")`.
--- Errors: nil alone when the section names no target; nil and why when it names a wrong one.
---@param section string
---@return crumb.Target? target
---@return string? reason
function target.from_section(section)
	local word <const>, rest = section:match("^%??([^/]*)/(.+)$")
	local kind <const> = word and SECTIONS[word]
	if not kind then return nil end
	if kind == "tracepoint" then rest = rest:gsub("/", ":", 1) end
	local text <const> = kind .. ":" .. rest
	-- A uprobe's section may name only the binary, its function being given when it is attached.
	if (kind == "uprobe" or kind == "uretprobe") and not rest:find(":", 1, true) then return nil end
	local result <const>, why <const> = parse_as(kind, rest, text)
	if not result then return nil, ("section %s: %s; the form is %s"):format(quote(section), why, FORMS[kind]) end
	if word == "kretsyscall" then result.returns = true end
	return result
end

return target
