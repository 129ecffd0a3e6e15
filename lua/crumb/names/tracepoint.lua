--- tracepoint: which of the kernel's tracepoints a category and a name mean.
--
-- They are tracefs' folders events/CATEGORY/NAME. Names come from crumb.target, which refuses what
-- would leave the folder, and are checked here again, since a path is made of them.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.lazy" "crumb.names.glob"

local tracepoint = {}

local Reader <const> = {}
Reader.__index = Reader

local ENOENT <const>, EACCES <const>, EINVAL <const>, ENODEV <const> = 2, 13, 22, 19

---@class crumb.TracepointSite
---@field symbol string CATEGORY:NAME
---@field category string
---@field name string
---@field id integer its number for perf_event_open
---@field path string its folder in tracefs

--- A reader of tracefs at the first of these folders that holds it.
---@param roots string[]?
function tracepoint.reader(roots)
	return setmetatable({
		roots = roots or { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" },
	}, Reader)
end

-- The events folder and its categories, or why there is none.
function Reader:events()
	local denied, empty
	for _, root in ipairs(self.roots) do
		local path <const> = root .. "/events"
		local categories <const>, _, err <const> = core.directory(path)
		if categories then return path, categories end
		denied = denied or err == EACCES and root
		empty = empty or core.directory(root) and root
	end
	if denied then
		return nil, ("%s may not be read by this user: run it as root, or with CAP_DAC_READ_SEARCH"):format(denied), EACCES
	end
	if empty then
		return nil, ("tracefs is not mounted: mount -t tracefs tracefs %s"):format(self.roots[1]), ENODEV
	end
	return nil, ("this kernel has no tracefs (there is no %s)"):format(self.roots[1]), ENODEV
end

local function is_word(text)
	return type(text) == "string" and text ~= "" and not text:find("[/%z%s]") and not text:find("..", 1, true)
		and text ~= "."
end

local function read_site(path, category, name)
	local file <close>, message <const>, err <const> = io.open(path .. "/id", "r")
	if not file then return nil, message, err end
	local id <const> = file:read("n")
	if math.type(id) ~= "integer" then return nil, path .. "/id holds no number", EINVAL end
	return { symbol = category .. ":" .. name, category = category, name = name, id = id, path = path }
end

-- The tracepoint of exactly these names: no folder needs to be listed.
function Reader:named(category, name)
	for _, root in ipairs(self.roots) do
		local site <const> = read_site(("%s/events/%s/%s"):format(root, category, name), category, name)
		if site then return site end
	end
end

local function nearest(name, list)
	return (select(2, core.nearest(name, list)))
end

-- What of the list the word means: itself, or what it matches.
local function choose(word, list)
	for _, entry in ipairs(list) do
		if entry == word then return { word } end
	end
	local chosen <const> = {}
	if glob.is(word) then
		local test <const> = glob.compile(word)
		for _, entry in ipairs(list) do
			if test(entry) then chosen[#chosen + 1] = entry end
		end
		table.sort(chosen)
	end
	return chosen
end

-- The events of a category: folders, beside the files "enable" and "filter".
local function names_in(events, category)
	local names <const> = {}
	for _, name in ipairs(core.directory(events .. "/" .. category) or {}) do
		if name ~= "enable" and name ~= "filter" then names[#names + 1] = name end
	end
	return names
end

-- In which other categories a name is.
local function elsewhere(events, categories, name)
	local found <const> = {}
	for _, category in ipairs(categories) do
		for _, other in ipairs(names_in(events, category)) do
			if other == name then found[#found + 1] = category .. ":" .. name end
		end
	end
	table.sort(found)
	return #found > 0 and (" (it is %s)"):format(table.concat(found, ", ")) or nil
end

-- A system call's name is in two.
local function of_syscall(category, name, names)
	for _, other in ipairs(category == "syscalls" and names or {}) do
		if other == "sys_enter_" .. name then
			return (" (there are sys_enter_%s and sys_exit_%s, or syscall:%s)"):format(name, name, name)
		end
	end
end

--- The tracepoints of that category and name; both may be globs.
--- Errors: nil, message, errno: ENOENT unknown, ENODEV tracefs is not mounted, EACCES no rights, EINVAL not a name.
--- Source: tracefs, events/CATEGORY/NAME/id
---@param category string
---@param name string
---@return { sites: crumb.TracepointSite[] }?
---@return string? message
---@return integer? errno
function Reader:resolve(category, name)
	local what <const> = ("tracepoint:%s:%s: "):format(category, name)
	if not is_word(category) then return nil, what .. "the category is not a name", EINVAL end
	if not is_word(name) then return nil, what .. "the name is not a name", EINVAL end
	local named <const> = self:named(category, name)
	if named then return { sites = { named } } end
	local events <const>, categories <const>, err <const> = self:events()
	if not events then return nil, what .. categories, err end
	local chosen <const> = choose(category, categories)
	if #chosen == 0 then
		local hint <const> = elsewhere(events, categories, name) or nearest(category, categories)
		return nil, ("%sno category '%s'%s"):format(what, category, hint), ENOENT
	end
	local sites <const> = {}
	for _, each in ipairs(chosen) do
		for _, one in ipairs(choose(name, names_in(events, each))) do
			local site <const>, message <const>, failed <const> = read_site(("%s/%s/%s"):format(events, each, one), each, one)
			if site then
				sites[#sites + 1] = site
			elseif not (glob.is(name) or glob.is(category)) then
				return nil, what .. message, failed
			end
		end
	end
	if #sites == 0 then
		local hint <const> = elsewhere(events, categories, name) or of_syscall(category, name, names_in(events, chosen[1]))
			or nearest(name, names_in(events, chosen[1]))
		return nil, ("%sno tracepoint '%s' in %s%s"):format(what, name, category, hint), ENOENT
	end
	return { sites = sites }
end

local running <const> = tracepoint.reader()

--- `Reader:resolve` for the running kernel.
---@param category string
---@param name string
---@return { sites: crumb.TracepointSite[] }?
---@return string? message
---@return integer? errno
function tracepoint.resolve(category, name)
	return running:resolve(category, name)
end

return tracepoint
