--- list: `crumb list TARGET`: what a target stands for, each as a target of its own.

local crumb <const> = require "crumb"
local json <const> = require "crumb.lazy" "crumb.command.json"
local options <const> = require "crumb.command.options"
local target <const> = require "crumb.target"
local text <const> = require "crumb.show.text"

local FIELDS <const> = {
	"target", "name", "demangled", "names", "file", "offset", "address", "size", "probeable", "reason", "module", "args",
}
local KINDS <const> = { address = "unsigned", probeable = "bool" }
local EXAMPLE <const> = "crumb list -v 'uprobe:/bin/bash:*read*'"

-- "uprobe:/bin/bash:readline": what may be given as a target again.
local function full_name(kind, row)
	local words <const> = { kind }
	if row.file then words[2] = row.file end
	words[#words + 1] = row.name or ("0x%x"):format(row.offset or row.address or 0)
	return text.escape(table.concat(words, ":"))
end

-- "filename: char *", or, of USDT, where it lies; what cannot be read says why.
local function argument_line(one)
	local type <const> = one.words or one.type
	local line <const> = ("    %s%s"):format(text.escape(one.name or "?"), type and ": " .. text.escape(tostring(type)) or "")
	return one.reason and ("%s (%s)"):format(line, text.escape(one.reason)) or line
end

local function print_row(name, row, verbose)
	local line = name
	if row.demangled then line = ("%s  %s"):format(line, text.escape(row.demangled)) end
	if not row.probeable then line = ("%s  (%s)"):format(line, text.escape(row.reason or "cannot be probed")) end
	if verbose and row.offset then line = ("%s  +0x%x, %d bytes"):format(line, row.offset, row.size or 0) end
	io.write(line, "\n")
	if not verbose then return end
	for _, alias in ipairs(row.names or {}) do
		if alias ~= row.name then io.write("    also ", text.escape(alias), "\n") end
	end
	for _, one in ipairs(row.args or {}) do io.write(argument_line(one), "\n") end
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

return function(settings, argv)
	local parser <const> = options.common(options.parser("list", "Shows what a target stands for.", EXAMPLE))
	parser:argument "target":args "+":description "Such as 'syscall:open*'; crumb help targets."
	local given <const> = options.read(parser, argv)
	settings = options.settings(given, settings)
	for _, one in ipairs(given.target) do
		local kind <const>, rows <const> = found(one, settings)
		for row in rows do
			local name <const> = full_name(kind, row)
			if settings.format == "json" then
				row.target = name
				io.write(json.object(FIELDS, row, KINDS), "\n")
			else
				print_row(name, row, settings.verbose)
			end
		end
	end
	return 0
end
