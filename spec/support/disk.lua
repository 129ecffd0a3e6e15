--- disk: a block device that specs may write to: the virtual machine's own, or a file in memory.
local cli <const> = require "support.cli"
local core <const> = require "crumb.core"

local disk <const> = {}

--- Whether this is a virtual machine that spec/vm/run made: another machine's disks are somebody's.
---@return boolean
function disk.is_virtual() return (core.read "/sys/class/nvme/nvme0/serial" or ""):find "^crumb%s*$" ~= nil end

--- Calls `use` with the device's file, and the name of the disk that its requests go to.
---@param use fun(device: string, name: string)
---@return boolean there whether there is one
function disk.with(use)
	if disk.is_virtual() then
		use("/dev/nvme0n1", core.read "/sys/class/block/nvme0c0n1/size" and "nvme0c0n1" or "nvme0n1")
		return true
	end
	local device <const> = cli.shell [[
		file=/dev/shm/crumb.$$; truncate -s 1M $file && losetup -f --show $file; rm $file
	]]:match "^(/dev/loop%d+)\n$"
	if not device then return false end
	local done <const>, message <const> = pcall(use, device, device:match "[^/]+$")
	assert(os.execute("losetup -d " .. device))
	if not done then error(message, 0) end
	return true
end

return disk
