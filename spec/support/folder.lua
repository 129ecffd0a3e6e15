-- A folder of a spec's own, for files that are made up.
local Folder = {}
Folder.__index = Folder

function Folder.make()
	local path <const> = os.tmpname()
	os.remove(path)
	assert(os.execute("mkdir " .. path))
	return setmetatable({ path = path }, Folder)
end

--- Writes a file; its path.
function Folder:write(name, bytes)
	local file <close> = assert(io.open(self.path .. "/" .. name, "wb"))
	file:write(bytes)
	return self.path .. "/" .. name
end

function Folder:remove() os.execute("rm -r " .. self.path) end

Folder.__close = Folder.remove

return Folder
