--- syscall: the names of system calls, and their numbers, which each type of machine has for itself.

local core <const> = require "crumb.core"

local names <const>, numbers <const> = core.syscalls(), {}
for number, name in pairs(names) do numbers[name] = number end

--- The name of a system call by its number, or its number by its name: 257 and "openat" on x86-64.
---@param which integer|string
---@return string|integer|nil other nil: there is no such system call, or it is newer than the headers
return function(which)
	if type(which) == "string" then return numbers[which] end
	local number <const>, why <const> = core.integer(which)
	if not number then error(("syscall: %s, or a name"):format(why), 2) end
	return names[number]
end
