--- list: `crumb list TARGET`: what a target stands for, each as a target of its own.

local crumb <const> = require "crumb"
local options <const> = require "crumb.command.options"
local output <const> = require "crumb.command.output"
local target <const> = require "crumb.target"
local text <const> = require "crumb.show.text"

local FIELDS <const> = {
	"target", "name", "demangled", "names", "file", "offset", "address", "size", "probeable", "reason", "module", "args",
}
local KINDS <const> = { address = "unsigned", probeable = "bool" }
local FEW <const> = 5 -- sites whose arguments are listed at the prompt
local EXAMPLE <const> = "crumb list -v 'uprobe:/bin/bash:*read*'"

-- "uprobe:/bin/bash:readline": what may be given as a target again.
local function full_name(kind, row)
	local words <const> = { kind }
	if row.file then words[2] = row.file end
	words[#words + 1] = row.name or ("0x%x"):format(row.offset or row.address or 0)
	return table.concat(words, ":")
end

-- "filename: char *", or, of USDT, where it lies; what cannot be read says why.
local function argument_line(one)
	local type <const> = one.words or one.type
	local line <const> = ("    %s%s"):format(text.escape(one.name or "?"), type and ": " .. text.escape(tostring(type)) or "")
	return one.reason and ("%s (%s)"):format(line, text.escape(one.reason)) or line
end

-- What people read of a row.
local function lines_of(row, verbose)
	local lines <const> = { text.escape(row.target) }
	if row.demangled then lines[1] = ("%s  %s"):format(lines[1], text.escape(row.demangled)) end
	if not row.probeable then lines[1] = ("%s  (%s)"):format(lines[1], text.escape(row.reason or "cannot be probed")) end
	if not verbose then return lines[1] end
	if row.offset then lines[1] = ("%s  +0x%x, %d bytes"):format(lines[1], row.offset, row.size or 0) end
	for _, alias in ipairs(row.names or {}) do
		if alias ~= row.name then lines[#lines + 1] = "    also " .. text.escape(alias) end
	end
	for _, one in ipairs(row.args or {}) do lines[#lines + 1] = argument_line(one) end
	return table.concat(lines, "\n")
end

-- The kind of what a target means, and its rows.
local function found(one, settings)
	local done <const>, kind, rows, message = pcall(function()
		return target.parse(one).kind, crumb.list(one, { pid = settings.pid })
	end)
	if not done then require("crumb.command").misuse("%s", (kind:gsub("^[^\n:]*%.lua:%d+: ", ""):gsub("^crumb%.list: ", ""))) end
	if not rows then error(message, 0) end
	return kind, rows
end

-- `crumb list TARGET...`
local function command(settings, argv)
	local parser <const> = options.common(options.parser("list", "Shows what a target stands for.", EXAMPLE))
	parser:argument "target":args "+":description "Such as 'syscall:open*'; crumb help targets."
	local given <const> = options.read(parser, argv)
	settings = options.settings(given, settings)
	local out <const> = output.new { settings = settings }
	for _, one in ipairs(given.target) do
		local kind <const>, rows <const> = found(one, settings)
		for row in rows do
			row.target = full_name(kind, row)
			output.written(out:record(row, FIELDS, KINDS, lines_of(row, settings.verbose)))
		end
	end
	return 0
end

local list <const> = {}

--- What a target stands for, as lines: with few sites, their arguments too.
---@param one string the target
---@param rows fun(): table? of crumb.list
---@return string
function list.lines(one, rows)
	local all <const>, lines <const> = {}, {}
	for row in rows do all[#all + 1] = row end
	for i, row in ipairs(all) do
		row.target = full_name(target.parse(one).kind, row)
		lines[i] = lines_of(row, #all <= FEW)
	end
	return table.concat(lines, "\n")
end

return setmetatable(list, { __call = function(_, ...) return command(...) end })
