--- expression: what an expression may go on with: values, functions, arguments and their fields, with their types.

local arguments <const> = require "crumb.arguments"
local choice <const> = require "crumb.bpf.choice"
local compilation <const> = require "crumb.expression.compilation"
local context <const> = require "crumb.prompt.complete.context"
local expression <const> = require "crumb.expression"
local opening <const> = require "crumb.trace.opening"
local path <const> = require "crumb.expression.path"
local problem <const> = require "crumb.expression.problem"

local completion = {}

local SITES <const> = 8 -- of a target that are asked what their arguments are
local OPERATORS <const> = { "and", "or", "not", "in", "like" }

-- A type as C writes it, about.
local function name_of(type)
	if not type or type.kind == "unknown" then return "?" end
	if type.kind == "pointer" then
		local target <const> = type.target()
		return (target and name_of(target) or "void"):gsub("([^*])$", "%1 ") .. "*"
	elseif type.kind == "array" then
		return ("%s[%s]"):format(name_of(type.element()), type.count or "")
	elseif type.kind == "int" then
		return path.is_char(type) and "char" or (type.signed and "s" or "u") .. type.size * 8
	end
	return type.name or type.kind
end

local function add(items, seen, text, label, more)
	if seen[text] then return end
	seen[text] = true
	items[#items + 1] = { text = text, label = label or text, more = more }
end

-- Whether something may follow a value of that type after a dot.
local function has_fields(type)
	local inner = type
	if inner and inner.kind == "pointer" then inner = inner.target() end
	return inner ~= nil and inner.kind == "struct"
end

local function typed_item(items, seen, name, type, declared)
	if not name:find "^[%a_][%w_]*$" or not type or type.kind == "unknown" then return end
	add(items, seen, name, ("%s: %s"):format(name, declared or name_of(type)), has_fields(type))
end

-- The path that an unfinished one goes on from: "args.file->f_inode" of "uid == 0 and args.file->f_inode.".
local function base_of(text)
	local first = #text + 1
	while true do
		local before <const> = text:sub(1, first - 1)
		local at = before:match "()%b[]$" or before:match "()%b()$"
		local name <const> = text:sub(1, (at or first) - 1):match "()[%a_][%w_]*$"
		at = name or at
		if not at then return text:sub(first) end
		first = at
		local dot <const> = text:sub(1, first - 1):match "()%.$" or text:sub(1, first - 1):match "()%->$"
		if not dot then return text:sub(first) end
		first = dot
	end
end

-- The struct that a path is or points to, at such a hook.
local function struct_at(scope, base, params)
	local value <const> = problem.catch(function()
		local c <const> = compilation.begin({ params = params }, scope)
		return c:value(c:parse("where", base))
	end)
	local type = value and value.type
	if value and value.kind == "integer" and type and type.kind == "pointer" then type = type.target() end
	return type and type.kind == "struct" and type or nil
end

local function fields(items, seen, scope, base, params)
	if base == "args" then
		for _, one in ipairs(scope.args or {}) do typed_item(items, seen, one.name, one.type, one.declared) end
	elseif base == "reg" then
		for name in pairs(scope.registers or {}) do
			local register <const> = name:match "^reg%.(.*)$"
			if register then add(items, seen, register) end
		end
	else
		local struct <const> = struct_at(scope, base, params)
		for _, name in ipairs(struct and struct.names() or {}) do
			local member <const> = struct.member(name)
			typed_item(items, seen, name, member and member.type)
		end
	end
end

local ENTRIES <const> = { uprobe = true, kprobe = true, fentry = true }

-- Where there is a value at the return, for which returns = true is still to be written.
local function of_return(items, seen, scope)
	if scope.pair or not ENTRIES[scope.hook] and not (scope.registers and scope.registers.retval) then return end
	for _, name in ipairs { "retval", "latency" } do add(items, seen, name, name .. ": with returns = true") end
end

local PATHS <const> = { task = "task: struct task_struct *" }

local function names(items, seen, scope)
	for _, name in ipairs(expression.names(scope)) do
		local root <const> = name:match "^(.-)%."
		if root or PATHS[name] then
			add(items, seen, (root or name) .. ".", PATHS[name] or root .. ".", true)
		else
			add(items, seen, name, name:gsub("%($", "()"), name:sub(-1) == "(")
		end
	end
end

-- The tokens of a value as that value, where it is plain.
local function plain(tokens)
	local first <const> = tokens and #tokens == 1 and tokens[1]
	if not first then return nil end
	if first.kind == "name" then return first.text == "true" end
	return first.kind == "number" and math.tointeger(tonumber(first.text)) or nil
end

local function targets_of(frame)
	local strings <const>, given <const> = context.content(frame)
	local either <const> = given.either and given.either[1]
	if either and either.inside then return context.content(either.inside), given end
	return strings, given
end

local function end_of_span(span, name)
	local _ <const>, given <const> = context.content(span.frame)
	local group <const> = given[name] and given[name][1]
	return group and group.inside
end

local function captured_at(frame)
	local _ <const>, given <const> = context.content(frame)
	local group <const> = given.capture and given.capture[1]
	local captures <const> = {}
	local _ <const>, named <const> = context.content(group and group.inside or { tokens = {} })
	for name in pairs(named) do captures[name] = { kind = "integer" } end
	return captures
end

-- The scopes of the places that a table's targets mean. `files` holds what they are read from.
local function of_table(rule, files, pid)
	local frame = rule.frame
	local pair <const> = rule.ending or rule.known.from and "to" or nil
	if rule.known.from then frame = end_of_span(rule, "to") end
	if not frame then return {} end
	local from <const> = pair == "to" and end_of_span(rule.span or rule, "from")
	local targets <const>, given <const> = targets_of(frame)
	local scopes <const> = {}
	for _, text in ipairs(targets) do
		local found <const> = opening.resolve({ text, pid = plain(given.pid) or pid, missing = "skip", listed = true }, false,
			files, true)
		for i = 1, math.min(SITES, found and #found or 0) do
			local scope <const> = arguments.scope(found[i])
			scope.pair = pair or plain(given.returns) and "call" or nil
			scope.from = from and { captures = captured_at(from) } or nil
			scopes[#scopes + 1] = scope
		end
	end
	return scopes
end

-- The scopes of a probe that is attached.
local function of_probe(probe)
	local scopes <const> = {}
	for i = 1, math.min(SITES, #probe.live.places) do
		local place <const> = probe.live.places[i]
		scopes[i] = arguments.scope(place.site)
		scopes[i].pair = place.kin.pair
		if scopes[i].pair == "to" then scopes[i].from = { captures = {} } end
	end
	return scopes
end

-- What stands between quotes in an expression is a text.
local function in_text(text)
	local plain_text <const> = text:gsub("\\.", ""):gsub("([\"']).-%1", "")
	return plain_text:find "[\"']" ~= nil
end

local function parameters(rule, probe)
	if probe then return probe.params end
	local _ <const>, given <const> = context.content(rule.frame or { tokens = {} })
	local group <const> = given.params and given.params[1]
	local _ <const>, named <const> = context.content(group and group.inside or { tokens = {} })
	return named
end

local function without_others(items, typed)
	local kept <const> = {}
	for _, item in ipairs(items) do
		if item.text:sub(1, #typed) == typed then kept[#kept + 1] = item end
	end
	return kept
end

local function candidates(before, partial, rule, probe, pid)
	local items <const>, seen <const>, files <close> = {}, {}, choice.files()
	if before:find "%$$" then
		for name in pairs(parameters(rule, probe)) do add(items, seen, name) end
		return items
	end
	local scopes <const> = probe and of_probe(probe) or rule.frame and of_table(rule, files, pid) or {}
	if #scopes == 0 then scopes[1] = { hook = "uprobe" } end
	local path_before <const> = before:match "^(.*[^.])%.$" or before:match "^(.*)%->$"
	for _, scope in ipairs(scopes) do
		if path_before then
			fields(items, seen, scope, base_of(path_before), probe and probe.params or nil)
		else
			names(items, seen, scope)
			of_return(items, seen, scope)
		end
	end
	for _, word in ipairs(partial ~= "" and not path_before and OPERATORS or {}) do add(items, seen, word, word, true) end
	return items
end

--- What an expression may go on with.
---@param typed string
---@param rule crumb.TypedRule what it is an expression of
---@param probe crumb.Probe? the probe, where it is there already
---@param pid integer? of the session
---@return { text: string, label: string, more: boolean? }[]
---@return integer at bytes of `typed` before the word that is completed
function completion.items(typed, rule, probe, pid)
	local partial <const> = typed:match "[%a_][%w_]*$" or ""
	local before <const> = typed:sub(1, #typed - #partial)
	if in_text(typed) or before:find "%w$" then return {}, #typed end
	return without_others(candidates(before, partial, rule, probe, pid), partial), #before
end

return completion
