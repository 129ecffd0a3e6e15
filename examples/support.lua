--- support: what the examples share and none is about: arguments, their BPF object, text for a terminal.

local bpf <const> = require "crumb.bpf"

local support = {}

local here <const> = arg[0]:match "^.*/" or "./"
local ENOENT <const> = 2

io.stdout:setvbuf "line"

-- An error that is no string is shown as it is, without a traceback: it was the world's, not the script's.
local Refusal <const> = { __tostring = function(refusal) return refusal.message end }

--- Passes on what a call of crumb returned, or ends the script with its message.
function support.try(value, message, ...)
	if not value then error(setmetatable({ message = message }, Refusal), 0) end
	return value, message, ...
end

--- Prints a line, or ends the script when nobody reads any more (and SIGPIPE, which does so, is ignored).
function support.say(text, ...) support.try(io.write(text:format(...), "\n")) end

--- Ends the script with its usage.
function support.usage(text)
	io.stderr:write("usage: build/crumb ", arg[0], " ", text, "\n")
	os.exit(2, true)
end

--- The script's arguments: a list of at least so many words, and the values of --options, which are numbers.
function support.arguments(usage, least, known)
	local words <const>, options <const> = {}, {}
	local i = 1
	while arg[i] do
		local name <const> = arg[i]:match "^%-%-(.+)"
		if name then
			i = i + 1
			options[name] = known[name] and tonumber(arg[i] or "") or support.usage(usage)
		else
			words[#words + 1] = arg[i]
		end
		i = i + 1
	end
	if #words < least then support.usage(usage) end
	return words, options
end

--- An integer of 64 bits: decimal or 0x…; nil for any other text.
function support.integer(text) return math.tointeger(tonumber(text)) end

--- Opens NAME.bpf.o as make leaves it, or compiles NAME.bpf.c; load it then.
function support.open(name)
	local object <const>, message <const>, errno <const> = bpf.open(here .. "../build/examples/" .. name .. ".bpf.o")
	if object or errno ~= ENOENT then return support.try(object, message) end
	local bytes <const> = support.try(bpf.compile(here .. name .. ".bpf.c", { include = { here .. "../bpf" } }))
	return support.try(bpf.open { bytes = bytes, name = name })
end

--- Text of a traced process: what a terminal could take for a command is shown as \xNN.
function support.escape(text)
	return (text:gsub("[%c\\\128-\255]", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

--- Bytes as lines of address, 16 bytes in hex, and text.
function support.hexdump(bytes, address)
	local lines <const> = {}
	for at = 1, #bytes, 16 do
		local row <const> = bytes:sub(at, at + 15)
		lines[#lines + 1] = ("  %012x %-48s%s"):format(address + at - 1,
			row:gsub(".", function(byte) return ("%02x "):format(byte:byte()) end), (row:gsub("[^ -~]", ".")))
	end
	return table.concat(lines, "\n")
end

return support
