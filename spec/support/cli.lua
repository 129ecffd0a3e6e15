--- cli: the command as people run it: standard output, standard error and status, each for itself.
local lab <const> = require "support.lab"

local cli = {}

local DEADLINE <const> = 60

--- What specs trace: `foobar=3` calls it so often.
cli.VICTIM = "build/fixtures/example_victim"

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

--- Runs the command on another one, which goes well and says nothing else: what is written.
---@param command string
---@param ... string
---@return string output
function cli.on(command, ...)
	local text <const>, status <const>, errors <const> = cli.run("-c", command, ...)
	if status ~= 0 or errors ~= "" then error(("status %d, and said: %s"):format(status, errors), 2) end
	return text
end

--- The lines without what the victim itself prints, which are "NAME NUMBER" and "stack …".
---@param text string
---@return string[]
function cli.without_victim(text)
	local kept <const> = {}
	for _, line in ipairs(cli.lines(text)) do
		if not line:find "^%l+ %x+$" then kept[#kept + 1] = line end
	end
	return kept
end

--- Runs code on a victim that makes these calls; further words are options.
---@param code string
---@param calls string
---@param ... string
---@return string[] lines
---@return integer status
---@return string errors
function cli.of_victim(code, calls, ...)
	local words <const> = { ... }
	for _, word in ipairs { "-c", cli.VICTIM .. " " .. calls, "-e", code } do words[#words + 1] = word end
	local text <const>, status <const>, errors <const> = cli.run(table.unpack(words))
	return cli.without_victim(text), status, errors
end

--- The lines of a text.
---@param text string
---@return string[]
function cli.lines(text)
	local lines <const> = {}
	for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
	return lines
end

--- How many lines match.
---@param lines string[]
---@param pattern string
---@return integer
function cli.matches(lines, pattern)
	local count = 0
	for _, line in ipairs(lines) do
		if line:find(pattern) then count = count + 1 end
	end
	return count
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
