--- words: what the braces and globs in a path stand for.
--
-- Folders may hold anything: they are listed in bounds, and nothing in them is opened here.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"

local words = {}

local ENOENT <const>, E2BIG <const>, EACCES <const>, ENOTDIR <const> = 2, 7, 13, 20

local WORDS_MAX <const> = 1024
local PATHS_MAX <const> = 4096 -- of files, and of folders that are looked into
local LENGTH_MAX <const> = 4096

-- Where the pair of braces that begins at `from` ends, and where its commas are; nil: it does not end.
local function pair_at(text, from)
	local depth, commas <const>, at = 0, {}, from
	while at do
		local char <const> = text:sub(at, at)
		if char == "{" then
			depth = depth + 1
		elseif char == "}" then
			depth = depth - 1
			if depth == 0 then return at, commas end
		elseif char == "," and depth == 1 then
			commas[#commas + 1] = at
		end
		at = text:find("[{},]", at + 1)
	end
end

local expand

-- The words of what stands between the braces: of each of several, or the pair itself around what is in it.
local function inside(text, from, to, commas)
	local list <const> = {}
	if #commas == 0 then
		for i, word in ipairs(expand(text:sub(from + 1, to - 1))) do list[i] = "{" .. word .. "}" end
		return list
	end
	commas[#commas + 1] = to
	for _, comma in ipairs(commas) do
		for _, word in ipairs(expand(text:sub(from + 1, comma - 1))) do list[#list + 1] = word end
		from = comma
	end
	return list
end

-- All words, or more than WORDS_MAX of them.
function expand(text)
	local from, to, commas = text:find("{", 1, true), nil, nil
	while from do
		to, commas = pair_at(text, from)
		if to then break end
		from = text:find("{", from + 1, true)
	end
	if not from then return { text } end
	local before <const>, list <const> = text:sub(1, from - 1), {}
	local middles <const>, ends <const> = inside(text, from, to, commas), expand(text:sub(to + 1))
	for _, middle in ipairs(middles) do
		for _, last in ipairs(ends) do
			if #list > WORDS_MAX then return list end
			list[#list + 1] = before .. middle .. last
		end
	end
	return list
end

--- The words that braces stand for, as a shell has them; a pair without a comma is itself.
--- Errors: nil, reason, errno: E2BIG more than 1024 words, or longer than a path may be.
---@param text string such as "/usr/bin/{a,b{1,2}}"
---@return string[]?
---@return string? reason
---@return integer? errno
function words.braces(text)
	if #text > LENGTH_MAX then return nil, "the path is too long", E2BIG end
	local list <const> = expand(text)
	if #list > WORDS_MAX then return nil, ("'%s' stands for more than %d words"):format(text, WORDS_MAX), E2BIG end
	return list
end

-- The paths in a folder whose names a part of a pattern matches. What is hidden is so from a star.
local function matching(folder, part)
	local test <const> = core.glob(part)
	local names <const>, message <const>, err <const> = core.directory(folder == "" and "." or folder, test)
	if not names then return nil, message, err end
	table.sort(names)
	local list <const> = {}
	for _, name in ipairs(names) do
		if name:sub(1, 1) ~= "." or part:sub(1, 1) == "." then list[#list + 1] = folder .. name end
	end
	return list
end

-- What the paths so far become with the next part of the pattern; `refused` collects why a folder is not listed.
local function step(paths, part, refused)
	local list <const> = {}
	for _, path in ipairs(paths) do
		if glob.is(part) then
			local found <const>, message <const>, err <const> = matching(path, part)
			if not found and err ~= ENOENT and err ~= ENOTDIR then refused[#refused + 1] = { message, err } end
			for _, one in ipairs(found or {}) do list[#list + 1] = one end
		else
			list[#list + 1] = path .. part
		end
		if #list > PATHS_MAX then return nil end
	end
	return list
end

--- The paths that a glob matches, in their order; a star takes no "/" and no "." at a name's beginning.
--- Errors: nil, reason, errno: ENOENT nothing matches, E2BIG too much does, EACCES a folder may not be listed.
---@param pattern string with a "/"
---@return string[]?
---@return string? reason
---@return integer? errno
function words.paths(pattern)
	local paths, refused <const> = { "" }, {}
	for part, slashes in pattern:gmatch "([^/]*)(/*)" do
		paths = step(paths, part, refused)
		if not paths then return nil, ("more than %d files match '%s'"):format(PATHS_MAX, pattern), E2BIG end
		for i, path in ipairs(paths) do paths[i] = path .. slashes end
	end
	if #paths > 0 then return paths end
	local first <const> = refused[1]
	if first then return nil, ("no file matches '%s': %s"):format(pattern, first[1]), first[2] or EACCES end
	return nil, ("no file matches '%s'"):format(pattern), ENOENT
end

return words
