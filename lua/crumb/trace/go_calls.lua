--- go_calls: where the calls of Go's functions begin and end, whose stacks move while they run.
--
-- A return address on such a stack cannot be replaced, so an end is a uprobe at each of the function's RET instructions,
-- and the engine knows a call by its goroutine.

local code <const> = require "crumb.names.code"
local glob <const> = require "crumb.names.glob"

local go_calls = {}

local EOPNOTSUPP <const> = 95

-- A function that was named is missed, one that a glob took is not.
local function is_named(site, targets)
	for _, one in ipairs(targets) do
		if one.text == site.target then return one.exact or not one.symbol or not glob.is(one.symbol) or one.symbol == site.symbol end
	end
	return true
end

-- The files of Go's, by the path that sites have.
local function of_go(files)
	local by_path <const> = {}
	for _, file in pairs(files) do by_path[file.path] = file.elf:is_go() and file.elf or nil end
	return by_path
end

--- Tells the sites in Go programs where a call begins: `site.go`, { entry = what is different there from the site itself }.
---@param found crumb.Site[]
---@param files table from choice.files()
---@return crumb.Site[] found
function go_calls.begin(found, files)
	local elves <const> = of_go(files)
	if not next(elves) then return found end
	for _, site in ipairs(found) do
		local elf <const> = site.kind == "uprobe" and elves[site.file]
		local entry <const> = elf and code.go_entry(elf, site)
		if entry then site.go = { entry = { offset = entry } } end
	end
	return found
end

--- Tells the sites in Go programs where their calls begin, as `begin`, and end: `site.go.ends`, a list. Those that have
--- no end that can be seen are skipped, in other programs too.
--- Errors: nil, message, errno EOPNOTSUPP where one of these was named, or no site is left.
---@param found crumb.Site[] with the fields `skipped` and `targets`
---@param files table from choice.files()
---@param missing string? "skip": what was named is skipped too
---@return crumb.Site[]?, string?, integer?
function go_calls.find(found, files, missing)
	local elves <const>, others <const> = of_go(files), {}
	for _, file in pairs(files) do others[file.path] = not file.elf:is_go() and file.elf or nil end
	local kept <const> = { skipped = found.skipped }
	local refused
	for _, site in ipairs(found) do
		local elf <const>, other <const> = elves[site.file], others[site.file]
		local call, why = nil, nil
		if elf then
			call, why = code.go_call(elf, site)
		elseif other then
			why = code.no_return(other, site.offset)
		end
		if why then
			local reason <const> = ("%s: the return of '%s' cannot be awaited: %s"):format(site.target, site.symbol, why)
			if missing ~= "skip" and is_named(site, found.targets) then return nil, reason, EOPNOTSUPP end
			site.reason, site.errno, refused = reason, EOPNOTSUPP, refused or reason
			kept.skipped[#kept.skipped + 1] = site
		else
			if call then
				site.go = { entry = { offset = call.entry }, ends = {} }
				for i, offset in ipairs(call.returns) do site.go.ends[i] = { offset = offset } end
			end
			kept[#kept + 1] = site
		end
	end
	if #kept == 0 then return nil, refused, EOPNOTSUPP end
	return kept
end

return go_calls
