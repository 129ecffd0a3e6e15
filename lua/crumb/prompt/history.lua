--- history: what was typed in the sessions before, in a file of one's own: an entry a line, the newest last.

local core <const> = require "crumb.core"

local FILE <const> = "crumb/history"
local MOST <const> = 1000 -- entries that are kept

---@class crumb.History
---@field entries string[]
---@field file file*? nil: nothing is kept
---@field why string? nothing is kept
local History = {}
History.__index = History

local function packed(entry) return (entry:gsub("\\", "\\\\"):gsub("\n", "\\n")) end
local function unpacked(line) return (line:gsub("\\(.)", { n = "\n", ["\\"] = "\\" })) end

-- The folder that must be ours, and the file's path below it.
local function place()
	local state <const>, home <const> = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
	if state and state:sub(1, 1) == "/" then return state, FILE end
	if home and home:sub(1, 1) == "/" then return home, ".local/state/" .. FILE end
end

local function read(base, path)
	local file <close>, why <const> = core.private(base, path, "r")
	if not file then return nil, why end
	local entries <const> = {}
	for line in file:lines() do entries[#entries + 1] = unpacked(line) end
	return entries
end

-- Of too many the oldest are forgotten.
local function shorten(base, path, entries)
	if #entries <= 2 * MOST then return end
	table.move(entries, #entries - MOST + 1, #entries, 1)
	for i = #entries, MOST + 1, -1 do entries[i] = nil end
	local file <close> = core.private(base, path, "w")
	for _, entry in ipairs(file and entries or {}) do file:write(packed(entry), "\n") end
end

--- What was typed, oldest first, and where more is kept.
---@return crumb.History
local function open()
	local self <const> = setmetatable({ entries = {} }, History)
	local base <const>, path <const> = place()
	if not base then
		self.why = "there is neither XDG_STATE_HOME nor HOME"
		return self
	end
	local entries <const>, why <const> = read(base, path)
	if not entries then
		self.why = why
		return self
	end
	shorten(base, path, entries)
	self.entries = entries
	self.file, self.why = core.private(base, path, "a")
	return self
end

--- Keeps what was typed, unless it is what was typed before.
---@param entry string
---@return boolean kept
function History:add(entry)
	if entry == self.entries[#self.entries] then return false end
	self.entries[#self.entries + 1] = entry
	if self.file then
		self.file:write(packed(entry), "\n")
		self.file:flush()
	end
	return true
end

return { open = open }
