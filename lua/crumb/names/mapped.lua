--- mapped: the programs and libraries that a process has mapped.
--
-- They are opened through /proc/PID/map_files, which gives the very files, in whatever container the process is and
-- whether they still have a name; where that is not allowed, by their names as the process sees them.

local binaries <const> = require "crumb.lazy" "crumb.binaries"

local mapped = {}

local EPERM <const>, ENOENT <const>, ESRCH <const>, EACCES <const> = 1, 2, 3, 13

---@class crumb.Mapped
---@field soname string its name without folders
---@field path string how people are told of it: /proc/PID/root and the path
---@field open string what to open

local function may_open(path)
	local _ <close>, _, err <const> = binaries.elf(path)
	return err ~= EPERM and err ~= EACCES
end

--- Each file that a process has mapped executable, once.
--- Errors: nil, reason, errno: ESRCH no such process, EACCES its maps may not be read.
--- Source: /proc/PID/maps, /proc/PID/map_files
---@param pid integer
---@return crumb.Mapped[]?
---@return string? reason
---@return integer? errno
function mapped.files(pid)
	local maps <close>, _, err <const> = io.open(("/proc/%d/maps"):format(pid), "r")
	if not maps then
		if err == ENOENT or err == ESRCH then return nil, ("there is no process %d"):format(pid), ESRCH end
		return nil, ("the files of process %d may not be seen: run it as root, or with CAP_SYS_PTRACE"):format(pid), err
	end
	local list <const>, seen <const> = {}, {}
	for line in maps:lines() do
		local from <const>, to <const>, device <const>, inode <const>, text <const> =
			line:match "^(%x+)%-(%x+) ..x. %x+ (%x+:%x+) (%d+)%s+(/.*)$"
		local key <const> = text and device .. ":" .. inode
		if text and not seen[key] then
			seen[key] = true
			local path <const> = text:gsub("\\012", "\n") -- the kernel's way to keep it one line
			list[#list + 1] = {
				soname = path:gsub(" %(deleted%)$", ""):match "[^/]*$", path = ("/proc/%d/root%s"):format(pid, path),
				open = ("/proc/%d/map_files/%x-%x"):format(pid, tonumber(from, 16), tonumber(to, 16)),
			}
		end
	end
	if list[1] and not may_open(list[1].open) then
		for _, file in ipairs(list) do file.open = file.path end
	end
	return list
end

return mapped
