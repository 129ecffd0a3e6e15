--- doctor: `crumb doctor`: whether this machine can be traced, what it lacks, and what helps.

local findings <const> = require "crumb.command.findings"
local options <const> = require "crumb.command.options"
local output <const> = require "crumb.command.output"
local terminal <const> = require "crumb.command.terminal"

-- Whether what is needed is there, and a hook at least.
local function is_well(list)
	local any_hook = false
	for _, one in ipairs(list) do
		if one.needed and not one.ok then return false end
		any_hook = any_hook or one.hook and one.available
	end
	return any_hook
end

-- What people read of a finding; a remedy is `said` once.
local function line_of(one, colours, said)
	local mark = one.ok and "ok" or one.needed and "NO" or "no"
	if colours then mark = ("\27[%dm%s\27[0m"):format(one.ok and 32 or one.needed and 31 or 33, mark) end
	local line <const> = ("%s  %-14s %s"):format(mark, one.name, one.found)
	if not one.remedy or said[one.remedy] then return line end
	said[one.remedy] = true
	return ("%s\n    %s"):format(line, one.remedy)
end

local FIELDS <const> = { "name", "ok", "needed", "available", "cookie", "found", "remedy" }
local BOOLEANS <const> = { ok = "bool", needed = "bool", available = "bool", cookie = "bool" }

return function(settings, argv)
	local parser <const> = options.parser("doctor", "Says what this machine can trace, what not, and why.", "crumb doctor --json")
	local given <const> = options.read(options.forms(parser), argv)
	local list <const>, colours <const>, said <const> = findings.all(), terminal.colours(), {}
	local out <const> = output.new { settings = options.settings(given, settings) }
	for _, one in ipairs(list) do
		if one.ok then one.remedy = nil end
		output.written(out:record(one, FIELDS, BOOLEANS, line_of(one, colours, said)))
	end
	local well <const> = is_well(list)
	if not well then io.stderr:write "crumb: this machine cannot be traced as things are: see NO above\n" end
	return well and 0 or 1
end
