--- values: lists of expressions as Lua's tables have them, with names.

local values = {}

--- A text as Lua has it.
---@param text string
---@return string
function values.quoted(text) return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n"):gsub("\t", "\\t") .. '"' end

--- Whether an expression is a path of names.
---@param words string
---@return boolean
function values.are_plain(words) return words:find "^[%a_][%w_.]*$" ~= nil end

--- What an event has of itself, which no capture may be called.
values.OWN = {
	pid = true, tid = true, uid = true, gid = true, comm = true, cpu = true, time = true, symbol = true, cookie = true,
	latency = true, retval = true, target = true, probe = true, truncated = true,
}

-- A name for a value: the last one in it.
local function name_for(words, taken, own)
	if own and values.are_plain(words) and not words:find "%." and not values.OWN[words] then return words end
	local last, before
	for word in words:gmatch "%f[%w_][%a_][%w_]*" do last, before = word, last end
	local name = last or "value"
	if own and values.OWN[name] then
		name = name == "retval" and "returned" or before and words:find(before .. "." .. name, 1, true) and before .. "_" .. name
			or name .. "_value"
	end
	local free, number = name, 1
	while taken[free] do
		number = number + 1
		free = name .. number
	end
	return free
end

--- Expressions as a table: those that are their own names first.
---@param list string[]
---@param own boolean? of an event's captures, which may not be called as its own fields are
---@return string
function values.table(list, own)
	local plain <const>, named <const>, taken <const>, seen <const> = {}, {}, {}, {}
	for _, words in ipairs(list) do
		local name <const> = not seen[words] and name_for(words, taken, own)
		seen[words] = true
		if name then
			taken[name] = true
			if name == words then
				plain[#plain + 1] = values.quoted(words)
			else
				named[#named + 1] = ("%s = %s"):format(name, values.quoted(words))
			end
		end
	end
	if not own and #plain == 1 and #named == 0 then return plain[1] end
	table.move(named, 1, #named, #plain + 1, plain)
	return #plain > 0 and ("{ %s }"):format(table.concat(plain, ", ")) or "{}"
end

return values
