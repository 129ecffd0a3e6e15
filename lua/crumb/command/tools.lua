--- tools: those of crumb/tools: who they are, and how one is run.

local core <const> = require "crumb.core"
local options <const> = require "crumb.command.options"
local output <const> = require "crumb.command.output"
local session <const> = require "crumb.command.session"
local words <const> = require "crumb.command.words"

local tools = {}

---@class crumb.Tool
---@field summary string a line
---@field example string what one may type
---@field options fun(parser: table, read: table)? adds its own; `read`: what converts texts,
--- crumb.command.words
---@field run fun(session: crumb.Session, given: table) attaches; the session runs then, and prints the rows

--- Their names, in order.
---@return string[]
function tools.names()
	local here <const> = assert(package.searchpath("crumb.command", package.path)):match "^(.*)/"
	local names <const> = {}
	for _, file in ipairs(core.directory(here .. "/tools") or {}) do
		local name <const> = file:match "^(%l[%w_]*)%.lua$"
		if name then names[#names + 1] = name end
	end
	table.sort(names)
	return names
end

--- The tool of that name.
---@param word string
---@return crumb.Tool?
function tools.find(word)
	for _, name in ipairs(tools.names()) do
		if name == word then
			local tool <const> = require("crumb.tools." .. name)
			tool.name = name
			return tool
		end
	end
	return nil
end

local function parser_of(tool)
	local parser <const> = options.parser(tool.name, tool.summary, tool.example)
	if tool.options then tool.options(parser, words) end
	return options.common(parser)
end

--- What `crumb TOOL --help` says.
---@param tool crumb.Tool
---@return string
function tools.help(tool) return parser_of(tool):get_help() end

--- Runs one with its words.
---@param tool crumb.Tool
---@param settings crumb.Settings what was said before its name
---@param argv string[]
---@return integer status
function tools.run(tool, settings, argv)
	local given <const> = options.read(parser_of(tool), argv)
	local live <close> = session.new(options.settings(given, settings))
	tool.run(live, given)
	return live:finish()
end

-- `crumb tools`: a line for each.
return setmetatable(tools, { __call = function(_, settings, argv)
	local given <const> = options.read(options.forms(options.parser("tools", "Lists the tools.")), argv)
	local out <const> = output.new { settings = options.settings(given, settings) }
	for _, name in ipairs(tools.names()) do
		local summary <const> = tools.find(name).summary
		output.written(out:record({ name = name, summary = summary }, { "name", "summary" }, nil,
			("%-14s %s"):format(name, summary)))
	end
	return 0
end })
