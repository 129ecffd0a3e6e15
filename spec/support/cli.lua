--- cli: the command as people run it: standard output, standard error and status, each for itself.
local lab <const> = require "support.lab"

local cli = {}

local DEADLINE <const> = 60

--- Runs a shell command to its end.
---@param command string
---@return string output
---@return integer status
---@return string errors
function cli.shell(command)
	local errors <const> = os.tmpname()
	local script <const> = ("{ %s\n} 2>%s"):format(command, errors)
	local pipe <const> = assert(io.popen(("exec timeout %d sh -c '%s'"):format(DEADLINE, script:gsub("'", "'\\''"))))
	local text <const> = pipe:read "a"
	local _, how, status = pipe:close()
	local said <const> = lab.read(errors)
	os.remove(errors)
	return text, how == "exit" and status or 128 + status, said
end

--- Runs the command with these words, each in its quotes.
---@param ... string
---@return string output
---@return integer status
---@return string errors
function cli.run(...)
	local words <const> = { "build/crumb" }
	for _, word in ipairs { ... } do words[#words + 1] = cli.quoted(word) end
	return cli.shell(table.concat(words, " "))
end

--- A word for the shell.
---@param word string
---@return string
function cli.quoted(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- A file with this text, which is gone after `use` has had its path.
---@param text string
---@param use fun(path: string)
function cli.with_file(text, use)
	local path <const> = os.tmpname() .. ".lua"
	local file <const> = assert(io.open(path, "w"))
	file:write(text)
	file:close()
	local done <const>, message <const> = pcall(use, path)
	os.remove(path)
	os.remove(path:sub(1, -5))
	if not done then error(message, 0) end
end

return cli
