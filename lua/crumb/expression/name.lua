--- name: what the names of an expression stand for, at the kind of hook that the scope is of.

local core <const> = require "crumb.core"
local habits <const> = require "crumb.lazy" "crumb.expression.habits"
local path <const> = require "crumb.expression.path"
local types <const> = require "crumb.expression.types"

local name = {}

local function builtin(word, more)
	return function(c)
		local value <const> = { kind = "integer", node = c.graph:builtin(word) }
		for key, field in pairs(more or {}) do value[key] = field end
		return value
	end
end

local function kind(word) return function() return { kind = word } end end

local function hook_of(c) return c.scope.hook == "perf" and "perf event" or c.scope.hook end

local RETURNS <const> = { kretprobe = true, uretprobe = true, fexit = true }
local ENTRIES <const> = { kprobe = true, uprobe = true, fentry = true }

-- A tracepoint that has a return value is a system call's.
local function has_return(scope)
	return ENTRIES[scope.hook] or not RETURNS[scope.hook] and scope.registers ~= nil and scope.registers.retval ~= nil
end

-- What a tracepoint has instead: the end of a system call its value, its beginning a call.
local function instead_of_retval(scope)
	for _, argument in ipairs(scope.args or {}) do
		if argument.name == "ret" then return ": write args.ret" end
	end
	local site <const> = scope.site or {}
	local call <const> = site.category == "syscalls" and site.name:match "^sys_enter_(.+)$"
	return call and (": write syscall:%s with returns = true"):format(call) or ""
end

-- The correction where only the end of a pair would do.
local function only_at_return(c, ast, what)
	local pair <const> = c.scope.pair
	if c.entry then c:refuse(ast, "%s is not known at the beginning of a call", what) end
	if pair == "from" then c:refuse(ast, "%s is not known at the beginning of a span: say it in `to`", what) end
	if not pair and has_return(c.scope) then c:refuse(ast, "%s is only known at the return: add returns = true", what) end
	if what == "latency" then
		c:refuse(ast, RETURNS[c.scope.hook] and "latency is only known of whole calls: write %s with returns = true"
			or "latency needs a beginning and an end: returns = true on a function or syscall, or trace:span",
			c.scope.hook == "uretprobe" and "uprobe:…" or c.scope.hook == "fexit" and "fentry:…" or "kprobe:…")
	end
	c:refuse(ast, "a %s has no retval%s", hook_of(c), instead_of_retval(c.scope))
end

local KNOWN_LATER <const> = "%s is known when the key has found the beginning: a key is of what is known here"

local function latency(c, ast)
	local pair <const> = c.scope.pair
	if pair == "to" and c.finds then c:refuse(ast, KNOWN_LATER, "latency") end
	if c.entry or pair ~= "call" and pair ~= "to" then only_at_return(c, ast, "latency") end
	return { kind = "integer", node = c.graph:builtin "LATENCY", time = true }
end

local function retval(c, ast)
	local scope <const> = c.scope
	local load <const> = scope.registers and scope.registers.retval
	if c.entry or not load or scope.pair ~= "call" and not RETURNS[scope.hook] then only_at_return(c, ast, "retval") end
	local type <const> = load.type or scope.retval_type
	if not type or type.kind == "unknown" then return path.untyped(c, load) end
	return path.loaded(c, load, type, ast)
end

-- "filename: const char *"
local function described(argument)
	return argument.declared and ("%s: %s"):format(argument.name, argument.declared) or argument.name
end

-- Arguments with their types.
local function listed(arguments)
	local list <const> = {}
	for i, argument in ipairs(arguments) do list[i] = described(argument) end
	return table.concat(list, ", ")
end

-- Those of these names.
local function named(arguments, names)
	local list <const> = {}
	for _, word in ipairs(names) do
		for _, argument in ipairs(arguments) do
			if argument.name == word then list[#list + 1] = argument end
		end
	end
	return list
end

local function missing_register(c, ast, what)
	local names <const> = {}
	for known in pairs(c.scope.registers or {}) do names[#names + 1] = known end
	if #names == 0 and c.scope.registers_missing then
		local list <const> = listed(c.scope.args or {})
		c:refuse(ast, "no %s here: %s%s", what, c.scope.registers_missing, list ~= "" and (" (there are %s)"):format(list) or "")
	end
	local _ <const>, near <const> = core.nearest(what, names)
	c:refuse(ast, "a %s has no %s%s", hook_of(c), what, near ~= "" and near or c.scope.args and ": write args.NAME" or "")
end

-- Of a call's end, `argN` is its beginning's; sp and ip are not.
local function register(word, of_beginning)
	return function(c, ast)
		local scope <const> = c.scope
		local load <const> = scope.registers and scope.registers[word]
		if not load then missing_register(c, ast, word) end
		if of_beginning and load.register and RETURNS[scope.hook] and scope.pair ~= "call" then
			c:refuse(ast, "%s is only known at the entry: write %s:… with returns = true", word,
				scope.hook == "uretprobe" and "uprobe" or "kprobe")
		end
		local value <const> = path.untyped(c, load)
		if of_beginning then value.node = c:of_beginning(value.node) end
		return value
	end
end

local function elapsed(c)
	local now <const> = c.graph:builtin "TIME"
	return {
		kind = "integer", time = true,
		node = c.graph:calculate("SUB", now, c.graph:constant(c.rule.epoch or 0)),
	}
end

local function task(c, ast)
	local source, why
	if c.scope.kernel then source, why = c.scope.kernel() end
	if not source then c:refuse(ast, "nothing is known of the kernel's types%s", why and ": " .. why or "") end
	local type <const> = { kind = "pointer", target = function() return types.of(source, "struct task_struct") end }
	return { kind = "integer", node = c.graph:builtin "TASK", type = type, unsigned = true }
end

local VALUES <const> = {
	pid = builtin "PID", tid = builtin "TID", uid = builtin "UID", gid = builtin "GID", cpu = builtin "CPU",
	cgroup = builtin("CGROUP", { cgroup = true }),
	time = builtin("TIME", { clock = true }), nsecs = builtin("TIME", { clock = true }),
	cookie = builtin("COOKIE", { shown = "cookie" }),
	elapsed = elapsed, latency = latency, retval = retval, task = task,
	comm = kind "comm", symbol = kind "symbol", kstack = kind "kstack", ustack = kind "ustack",
	sp = register "sp", ip = register "ip",
}
for number = 0, 5 do VALUES["arg" .. number] = register("arg" .. number, true) end

local BOOLEANS <const> = { ["true"] = 1, ["false"] = 0 }

--- The names and functions that may stand alone.
name.FUNCTIONS = {
	"str", "bytes", "entry", "ksym", "usym", "ntop", "bswap", "errno", "signal", "syscall", "disk",
	"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64",
}

local function unknown(c, ast)
	local word <const> = ast.name
	if word == "args" then c:refuse(ast, "args has no value of its own: write args.NAME") end
	if word == "reg" then c:refuse(ast, "reg has no value of its own: write reg.NAME") end
	local habit <const> = habits.NAMES[word] or habits.FUNCTIONS[word]
	if habit then c:refuse(ast, "no name '%s': %s", word, habit) end
	if BOOLEANS[word] then c:refuse(ast, "%s is compared with what is a bool by its type: write 1 or 0", word) end
	if c.scope.from and c.scope.from.captures[word] then
		c:refuse(ast, KNOWN_LATER, word)
	end
	for _, known in ipairs(name.FUNCTIONS) do
		if known == word then c:refuse(ast, "%s is a function: write %s(x)", word, word) end
	end
	for _, argument in ipairs(c.scope.args or {}) do
		if argument.name == word then c:refuse(ast, "no name '%s': write args.%s", word, word) end
	end
	local lower <const> = word:lower()
	if VALUES[lower] then c:refuse(ast, "no name '%s': write %s", word, lower) end
	local near <const> = select(2, core.nearest(word, name.list(c.scope, c.kept)))
	c:refuse(ast, "no name '%s'%s", word, near)
end

--- What a name stands for.
function name.value(c, ast)
	local kept <const> = c.kept[ast.name]
	if kept then return kept end
	local known <const> = VALUES[ast.name]
	if not known then unknown(c, ast) end
	return known(c, ast)
end

-- The value of that name in an enumeration, or a bool; nil: it is none of it.
local function of_type(type, word)
	if not type then return nil end
	if type.kind == "enum" then return type.values[word] end
	return type.kind == "bool" and BOOLEANS[word] or nil
end

--- What a name stands for beside a value that it is compared with: one of its enumeration's, or what it is by itself.
---@param other table the value
function name.beside(c, ast, other)
	local known <const> = of_type(other.type, ast.name)
	if known then return { kind = "integer", node = c.graph:constant(known) } end
	if not c.kept[ast.name] and not VALUES[ast.name] then
		if other.kind == "comm" or other.kind == "string" then
			c:refuse(ast, "a text stands in quotes: \"%s\"", ast.name)
		elseif other.type and other.type.kind == "enum" then
			local names <const> = {}
			for word in pairs(other.type.values) do names[#names + 1] = word end
			table.sort(names)
			local near <const> = select(2, core.nearest(ast.name, names))
			c:refuse(ast, "no value '%s' in this enumeration%s", ast.name, near ~= "" and near
				or (" (there are %s)"):format(table.concat(names, ", ", 1, math.min(#names, 8))))
		end
	end
	return name.value(c, ast)
end

--- args.NAME
function name.argument(c, ast)
	local list <const> = c.scope.args
	if not list then
		c:refuse(ast, "args.%s is not known%s", ast.name,
			c.scope.args_missing and ": " .. c.scope.args_missing or (": a %s has no named arguments"):format(hook_of(c)))
	end
	local names <const> = {}
	for i, argument in ipairs(list) do
		if argument.name == ast.name then return path.loaded(c, argument.load, argument.type, ast, true) end
		names[i] = argument.name
	end
	local near <const> = core.nearest(ast.name, names)
	c:refuse(c:last(ast), "no argument '%s'%s", ast.name, #near > 0 and (" (nearest: %s)"):format(listed(named(list, near)))
		or #names > 0 and (" (there are %s)"):format(listed(list)) or ": there are none")
end

--- reg.NAME
function name.register(c, ast)
	local load <const> = c.scope.registers and c.scope.registers["reg." .. ast.name]
	if not load then missing_register(c, ast, "reg." .. ast.name) end
	return path.untyped(c, load)
end

-- Whether a value is there at such a hook.
local function is_known(scope, word)
	if word == "latency" then return scope.pair == "call" or scope.pair == "to" end
	if word == "retval" and scope.pair ~= "call" and not RETURNS[scope.hook] then return false end
	local of_frame <const> = word:find "^arg%d$" or word == "sp" or word == "ip" or word == "retval"
	return not of_frame or scope.registers ~= nil and scope.registers[word] ~= nil
end

--- Every name that may stand in an expression of that scope.
---@param scope table
---@param kept table<string, table>? what the beginning of a span captured
---@return string[]
function name.list(scope, kept)
	local list <const> = {}
	for word in pairs(VALUES) do
		if is_known(scope, word) then list[#list + 1] = word end
	end
	for _, argument in ipairs(scope.args or {}) do list[#list + 1] = "args." .. argument.name end
	for word in pairs(scope.registers or {}) do
		if word:find "^reg%." then list[#list + 1] = word end
	end
	for word in pairs(kept or {}) do list[#list + 1] = word end
	table.sort(list)
	return list
end

return name
