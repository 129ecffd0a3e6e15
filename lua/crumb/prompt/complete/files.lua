--- files: the names in folders, as far as they are typed.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"

local files = {}

-- It opens nothing but folders: a pipe that nobody writes to would wait.
local function is_folder(path)
	local file <close> = io.open(path .. "/.", "r")
	return file ~= nil
end

--- The files and folders whose paths begin so. What is hidden is shown when its dot is typed.
---@param typed string
---@param after string? what follows a file's name, such as ":"
---@return { text: string, label: string, more: boolean }[]
---@return integer at bytes of `typed` before the word
function files.items(typed, after)
	local folder <const>, word <const> = typed:match "^(.-)([^/]*)$"
	local test <const> = core.glob(glob.escape(word) .. "*")
	local items <const> = {}
	for _, name in ipairs(core.directory(folder == "" and "." or folder, test) or {}) do
		if name:sub(1, 1) ~= "." or word:sub(1, 1) == "." then
			local is_one <const> = is_folder(folder .. name)
			items[#items + 1] = {
				text = name .. (is_one and "/" or after or ""), label = name .. (is_one and "/" or ""), more = is_one or after ~= nil,
			}
		end
	end
	return items, #folder
end

return files
