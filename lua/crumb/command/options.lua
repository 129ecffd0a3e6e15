--- options: the command line's, by argparse: those of the command itself, which tools and commands take too.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local output <const> = lazy "crumb.command.output"
local words <const> = lazy "crumb.command.words"

local options = {}

local MARGIN <const> = 25 -- columns of an option's names
local MOST_SITES <const> = 1 << 20 -- of a trace

local USAGE <const> = [[
crumb [OPTIONS] SCRIPT.lua [ARGUMENT...]   a script; - is the standard input
       crumb [OPTIONS] -e CODE [ARGUMENT...]
       crumb [OPTIONS] TOOL ...                  crumb tools: what there is
       crumb list TARGET | doctor | top TARGET | tools | help [TOPIC] ]]

-- What an option has asked for instead of a run. A parser makes strings of what its actions raise.
local asked

local function answer(text)
	asked = text
	error(text, 0)
end

local function new_parser(...)
	local parser <const> = require "argparse"(...)
	parser:help_description_margin(MARGIN)
	parser:add_help { action = function() answer(parser:get_help() .. "\n") end }
	return parser
end

--- Adds those that choose the form of what is printed.
---@param parser table
function options.forms(parser)
	parser:mutex(
		parser:flag "--json":description "One JSON object a line.",
		parser:flag "--csv":description "Comma-separated values, with a header."
	)
	return parser
end

--- Adds the options that hold wherever something is traced.
---@param parser table
function options.common(parser)
	parser:option "--duration":hidden_name "-d":argname "TIME":convert(words.duration)
		:description "End after 10, 500ms, 5s, 2m (-d)."
	parser:option "--interval":hidden_name "-i":argname "TIME":convert(words.duration)
		:description "Print aggregates so often, each time those of that time (-i)."
	parser:option "--pid":hidden_name "-p":argname "PID":convert(words.pid)
		:description "Trace only this process, end with it (-p)."
	parser:option "--command":hidden_name "-c":argname "COMMAND":convert(words.of_command)
		:description "Start a command, trace only it, end with it and its status (-c)."
	parser:flag "--follow":description "With -p or -c: its children too."
	parser:option "--max-sites":argname "N":convert(words.between(1, MOST_SITES))
		:description "Attach a probe to so many places at most: 2,000 otherwise."
	options.forms(parser)
	parser:flag "-q --quiet":description "Say nothing of losses."
	parser:flag "-v --verbose":description "Say how probes are attached; show where errors come from."
	return parser
end

-- Those that take a value.
local VALUED <const> = {
	["-d"] = true, ["-i"] = true, ["-p"] = true, ["-c"] = true, ["-e"] = true, ["--duration"] = true, ["--interval"] = true,
	["--pid"] = true, ["--command"] = true, ["--max-sites"] = true,
}

-- Whether the next word belongs to this one.
local function wants_value(word, valued)
	if word:find "^%-%-" then return valued[word] or false end
	for at = 2, word:find "^%-" and #word or 1 do
		if valued["-" .. word:sub(at, at)] then return at == #word end
	end
	return false
end

-- How many of the words are the command's own: what follows the first one that is no option is for others.
local function own_count(argv)
	local at = 1
	while argv[at] and argv[at]:find "^%-." do
		if argv[at] == "--" then return at - 1, at + 1 end
		at = at + (wants_value(argv[at], VALUED) and 2 or 1)
	end
	return math.min(at - 1, #argv), at
end

-- Has what a converter refuses name its option.
local function name_refusals(parser)
	for _, option in ipairs(parser._options) do
		local convert <const> = option._convert
		if convert then
			option:convert(function(text)
				local value <const>, why <const> = convert(text)
				if value == nil then return nil, ("%s: %s"):format(option._name, why) end
				return value
			end)
		end
	end
end

local function valued_of(parser)
	local names <const> = {}
	for _, option in ipairs(parser._options) do
		for _, name in ipairs(option._aliases) do names[name] = option._maxargs > 0 end
	end
	return names
end

-- A number below zero stands in one word with its option, since argparse takes -1 for an option, too.
local function with_negatives(argv, valued)
	local joined <const> = {}
	for i, word in ipairs(argv) do
		if word:find "^%-%.?%d" and i > 1 and wants_value(argv[i - 1], valued) then
			joined[#joined] = argv[i - 1] .. (argv[i - 1]:find "^%-%-" and "=" or "") .. word
		else
			joined[#joined + 1] = word
		end
	end
	return joined
end

--- Parses words; what is wrong ends the command with status 2.
---@param parser table
---@param argv string[]
---@return table
function options.read(parser, argv)
	name_refusals(parser)
	asked = nil
	local called <const>, done <const>, result <const> = pcall(parser.pparse, parser, with_negatives(argv, valued_of(parser)))
	if asked then
		output.put(asked)
		os.exit(0, true)
	end
	if not called then error(done, 0) end
	if not done then require("crumb.command").misuse("%s", result) end
	return result
end

--- A parser of the words that follow a command or tool.
---@param name string
---@param summary string
---@param example string? shown under the options
---@return table
function options.parser(name, summary, example)
	local parser <const> = new_parser("crumb " .. name, summary)
	return example and parser:epilog("Example:\n   " .. example) or parser
end

local function show_version()
	local libbpf <const> = core.versions()
	answer(("crumb %s (libbpf %s, %s)\n"):format(require "crumb.version", libbpf, _VERSION))
end

-- The command's own parser.
local function own_parser()
	local parser <const> = options.common(new_parser("crumb", "Traces Linux by questions in Lua."):usage("Usage: " .. USAGE))
	parser:option "-e":target "code":argname "CODE":description "Run this Lua."
	parser:flag "--version":action(show_version):description "Show the version."
	return parser
end

--- What `crumb --help` says.
---@return string
function options.help() return own_parser():get_help() end

--- Parses the command's own options.
---@param argv string[]
---@return table given
---@return string[] rest the words that follow
function options.parse(argv)
	local count <const>, following <const> = own_count(argv)
	local rest <const> = table.move(argv, following, #argv, 1, {})
	-- What is usual needs no parser, which takes longer to read than all else.
	if count == 0 then return {}, rest end
	if count == 2 and argv[1] == "-e" and not argv[2]:find "^%-" then return { code = argv[2] }, rest end
	return options.read(own_parser(), table.move(argv, 1, count, 1, {})), rest
end

--- What is said for all probes; `before`: what was said already.
---@param given table
---@param before crumb.Settings?
---@return crumb.Settings
function options.settings(given, before)
	local settings <const> = { format = given.json and "json" or given.csv and "csv" or before and before.format or "text" }
	for _, name in ipairs { "duration", "interval", "pid", "command", "follow", "max_sites", "quiet", "verbose" } do
		settings[name] = given[name]
		if settings[name] == nil and before then settings[name] = before[name] end
	end
	-- The modules that core.so carries know no lines, which the files do.
	if settings.verbose and package.searchers[2] == core.module then table.remove(package.searchers, 2) end
	local misuse <const> = require("crumb.command").misuse
	if settings.pid and settings.command then misuse "-p and -c do not go together: whose calls?" end
	if settings.follow and not (settings.pid or settings.command) then misuse "--follow goes with -p or -c: whose children?" end
	if settings.interval == 0 then misuse "--interval 0: an interval has a length" end
	return settings
end

return options
