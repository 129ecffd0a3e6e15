--- files: the files that a target's path means, each opened once, whatever it is called.

local binaries <const> = require "crumb.lazy" "crumb.binaries"
local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"
local lazy <const> = require "crumb.lazy"

local library <const> = lazy "crumb.names.library"
local words <const> = lazy "crumb.names.words"

local files = {}

local ENOENT <const>, EACCES <const>, ENOTDIR <const>, ENFILE <const>, EMFILE <const> = 2, 13, 20, 23, 24

---@class crumb.File
---@field elf userdata crumb.Elf; open until the sites in it are attached
---@field path string how people are told of it
---@field identity string another one when the file is another
---@field go boolean whether it is a Go program

-- What was opened under each word, beside the files themselves.
local known <const> = setmetatable({}, { __mode = "k" })

-- What stands in its folder that has nearly its name.
local function near(path)
	local folder <const>, name <const> = path:match "^(.*/)([^/]+)$"
	local names <const> = folder and #name > 2 and core.directory(folder)
	return names and (select(2, core.nearest(name, names))) or ""
end

-- Opens a file, or takes it from those that are open.
local function open(opened, path, shown)
	local elf <const>, message <const>, err <const> = binaries.elf(path)
	if not elf and (err == EMFILE or err == ENFILE) then
		return nil, message .. ": each file takes a descriptor until it is attached to: raise the limit (ulimit -n)", err
	elseif not elf and err == EACCES and path:find "^/proc/%d+/" then
		return nil, message .. ": run it as root, or with CAP_SYS_PTRACE", err
	elseif not elf then
		return nil, err == ENOENT and message .. near(shown) or message, err
	end
	local identity <const> = elf:identity()
	local before <const> = opened[identity]
	if before then
		elf:close()
		return before
	end
	opened[identity] = { elf = elf, path = shown, identity = identity, go = elf:is_go() }
	return opened[identity]
end

-- The words that a path stands for. A file that is there is meant itself, whatever its name.
local function spelt(path)
	if not path:find("{", 1, true) then return { path } end
	local itself <close> = path:find("/", 1, true) and binaries.elf(path) or nil
	if itself then return { path } end
	return words.braces(path)
end

-- What a word stands for: { path =, open = } each, and whether it is a glob.
local function candidates(word, pid)
	if not word:find("/", 1, true) then
		local list <const>, reason <const>, err <const> = library.files(word, pid)
		return list, list and glob.is(word) or reason, err
	end
	local list <const> = { { path = word } }
	if not glob.is(word) then return list, false end
	local itself <close>, _, err <const> = binaries.elf(word)
	if itself or err ~= ENOENT then return list, false end
	local paths <const>, reason <const>, failed <const> = words.paths(word)
	if not paths then return nil, reason, failed end
	for i, path in ipairs(paths) do list[i] = { path = path } end
	return list, true
end

-- Adds the files of a word to a list; of a glob those that are ELF files, and why others are not.
local function add(list, skipped, opened, word, pid)
	local found <const>, globs <const>, err <const> = candidates(word, pid)
	if not found then return nil, globs, err end
	list.globs = list.globs or globs
	for _, one in ipairs(found) do
		local file <const>, message <const>, failed <const> = open(opened, one.open or one.path, one.path)
		if file and not list[file.identity] then
			list[file.identity] = true
			list[#list + 1] = file
		elseif not file and (not globs or failed == EMFILE or failed == ENFILE) then
			return nil, message, failed
		elseif not file and failed ~= ENOENT and failed ~= ENOTDIR then
			skipped[#skipped + 1] = { symbol = one.path, file = one.path, reason = message, errno = failed }
		end
	end
	return true
end

local function open_all(opened, path, pid)
	local list <const>, skipped <const> = { globs = false }, {}
	local all <const>, reason <const>, err <const> = spelt(path)
	if not all then return nil, reason, err end
	for _, word in ipairs(all) do
		local done <const>, message <const>, failed <const> = add(list, skipped, opened, word, pid)
		if not done then return nil, message, failed end
	end
	list.several = #all > 1 or list.globs
	if #list > 0 then return list, skipped end
	local first <const> = skipped[1]
	if not first then return nil, ("no file matches '%s'"):format(path), ENOENT end
	return nil, ("no file that matches '%s' can be taken (%s)"):format(path, first.reason), first.errno
end

--- Opens the files that a target's path means: a path, a library's name, `exe`; braces and globs of these.
--- Shape: a list with the fields `globs` (there is a glob) and `several` (it may mean more than one)
--- Errors: nil, message, errno: ENOENT no such file, ENOEXEC no ELF file for this machine, ENOTUNIQ a name of several.
---@param opened table<string, crumb.File> collects the files, by identity; each is opened once
---@param target crumb.Target
---@param pid integer? the process whose libraries and `exe` are meant
---@return crumb.File[]?
---@return { symbol: string, file: string, reason: string }[]|string|nil skipped what a glob matches and is no ELF file; said
--- once; or the message
---@return integer? errno
function files.open(opened, target, pid)
	known[opened] = known[opened] or {}
	local key <const> = ("%s %s"):format(pid, target.path)
	local before <const> = known[opened][key]
	if before then return before end
	local list <const>, skipped <const>, err <const> = open_all(opened, target.path, pid)
	if not list then return nil, ("%s: %s"):format(target.text, skipped), err end
	known[opened][key] = list
	return list, skipped
end

--- A target in the words of one of its files.
---@param target crumb.Target
---@param list crumb.File[] its files
---@param file crumb.File one of them
---@return crumb.Target
function files.target(target, list, file)
	if not list.several then return target end
	local before <const>, after <const> = target.text:find(target.path, 1, true)
	local text <const> = target.text:sub(1, before - 1) .. file.path .. target.text:sub(after + 1)
	return setmetatable({ path = file.path, text = text }, { __index = target })
end

return files
