--- choice: what a person's table of targets and options means: targets, then the sites that this machine has.

local core <const> = require "crumb.core"
local links <const> = require "crumb.bpf.links"
local sites <const> = require "crumb.bpf.sites"
local target <const> = require "crumb.target"

local choice = {}

local ENOENT <const>, ESRCH <const>, E2BIG <const> = 2, 3, 7
local MAX <const> = 2000 -- more sites are attached only when it is said

--- The options that choose.
choice.OPTIONS = {
	cookie = "integer|table|function|number|string|boolean", pid = "integer", missing = "string",
	symbols = "table", offsets = "table", either = "table", only = "function", max = "integer", progress = "function",
}

local function misuse(format, ...) error(format:format(...), 0) end

local function parse(text)
	local done <const>, result <const> = pcall(target.parse, text)
	if not done then misuse("%s", result) end
	return result
end

-- "uprobe:/bin/app" with symbols = { "a", "b" }; names that are taken as they are.
local function named_targets(text, given)
	local list <const> = {}
	for i, name in ipairs(given.symbols or given.offsets) do
		local fits, why = type(name) == "string", "expected a name"
		if given.offsets then fits, why = core.integer(name) end
		if not fits then misuse("%s[%d]: %s, got %s", given.symbols and "symbols" or "offsets", i, why, tostring(name)) end
		local one <const> = parse(("%s:%s"):format(text, given.symbols and "x" or ("%#x"):format(name)))
		if given.symbols then one.symbol, one.exact, one.text = name, true, text .. ":" .. name end
		list[i] = one
	end
	return list
end

-- A variable that is nil leaves a hole, at which ipairs would stop in silence.
local function check_holes(list, what)
	for i in pairs(list) do
		if math.type(i) == "integer" and i > 1 and list[i - 1] == nil then misuse("%s %d is nil", what, i - 1) end
	end
end

local function check_options(given)
	if given.pid and given.pid < 1 then misuse("pid %d: expected a process, 1 or more", given.pid) end
	if given.missing and given.missing ~= "skip" and given.missing ~= "error" then
		misuse("missing = '%s': expected skip or error", given.missing)
	end
	if type(given.max) == "number" and given.max < 1 then misuse("max: expected 1 or more, got %d", given.max) end
	if given.missing == "skip" and type(given.cookie) == "table" and given.cookie[1] ~= nil then
		misuse "a list of cookies would shift where a symbol is missing: use a table symbol -> integer with missing = 'skip'"
	end
end

--- The targets that are given, in their order; without any, those of `default`.
--- Errors: raises (level 0) for wrong words.
---@param given table
---@param default fun(): crumb.Target[]
---@return crumb.Target[]
function choice.targets(given, default)
	check_holes(given, "target")
	for _, name in ipairs { "either", "symbols", "offsets" } do check_holes(given[name] or {}, name) end
	if (given.symbols or given.offsets) and #(given.symbols or given.offsets) == 0 then
		misuse("an empty list of %s", given.symbols and "symbols" or "offsets")
	elseif (given.symbols or given.offsets) and not given[1] then
		misuse "symbols and offsets follow a target, such as \"uprobe:/bin/app\" or \"kprobe\""
	elseif given.symbols and given.offsets then
		misuse "symbols or offsets, not both"
	elseif given.either and given[1] then
		misuse "targets, or either = { … }, not both"
	end
	check_options(given)
	if not given[1] and not given.either then return default() end
	local parsed <const> = {}
	for _, text in ipairs(given.either or given) do
		local list <const> = (given.symbols or given.offsets) and named_targets(text, given) or { parse(text) }
		table.move(list, 1, #list, #parsed + 1, parsed)
	end
	if #parsed == 0 then misuse "an empty list of targets" end
	return parsed
end

--- What the script's own functions raise is theirs, with its position: it travels in a box, { raised = … }.
---@generic F
---@param f F
---@return F
function choice.guard(f)
	if type(f) ~= "function" then return f end
	return function(...)
		local done <const>, result <const> = pcall(f, ...)
		if not done then error({ raised = result }, 0) end
		return result
	end
end

--- Closes files, and forgets them.
---@param opened table from choice.files()
function choice.close(opened)
	for identity, file in pairs(opened) do
		file.elf:close()
		opened[identity] = nil
	end
end

local CLOSING <const> = { __close = choice.close }

--- The files that sites lie in, to be held (`<close>`) until the sites are attached.
function choice.files() return setmetatable({}, CLOSING) end

--- The files, which stay open until what is returned is closed, whoever held them before.
function choice.keep(files)
	local kept <const> = choice.files()
	for name, file in pairs(files) do kept[name], files[name] = file, nil end
	return kept
end

-- The first of `either` that this machine has.
local function first_of(targets, given, files)
	local reasons <const> = {}
	for i, one in ipairs(targets) do
		local found <const>, message <const> = sites.resolve({ one }, given, files)
		if found then return found end
		reasons[i] = message
	end
	return nil, "none of these is there: " .. table.concat(reasons, "; "), ENOENT
end

-- A glob may mean far more than was thought of; what is named one by one was.
local function check_count(found, targets, max)
	max = max or math.max(MAX, #targets)
	if #found <= max then return found end
	local more <const> = #targets > 1 and " and " .. links.count(#targets - 1, "more target") or ""
	return nil, ("%s%s: %s match, and at most %s are attached: say max = %d (--max-sites %d), or choose with only"):format(
		targets[1].text, more, links.count(#found, "function"), links.count(max), #found, #found), E2BIG
end

--- The sites of the targets; of `either`, of the first that is there.
--- Errors: nil, message, errno; raises (level 0) when `only` leaves none.
---@param targets crumb.Target[]
---@param given table
---@param files table from choice.files()
---@param unlimited boolean? however many there are
---@return crumb.Site[]? sites with the field `skipped`
---@return string? message
---@return integer? errno
function choice.sites(targets, given, files, unlimited)
	if given.pid and not core.directory(("/proc/%d"):format(given.pid)) then
		return nil, ("%s to pid %d: no such process"):format(targets[1].text, given.pid), ESRCH
	end
	local options <const> = { pid = given.pid, missing = given.missing, only = choice.guard(given.only), listed = given.listed }
	local resolve <const> = given.either and first_of or sites.resolve
	local found <const>, message <const>, errno <const> = resolve(targets, options, files)
	if not found then return nil, message, errno end
	if #found == 0 then misuse "only took none of the sites, so nothing would be attached" end
	if unlimited then return found end
	local most = given.most -- of the tracer, where `max` may be an aggregate
	if most == nil then most = given.max end
	return check_count(found, targets, most)
end

return choice
