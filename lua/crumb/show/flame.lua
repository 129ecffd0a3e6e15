--- flame: folded stacks as a flame graph, an SVG that a browser lets one search and zoom.
--
-- Names are whatever a traced program has chosen. They stand in the picture as text only, escaped for XML; the script
-- (flame_page.lua) is always the same and takes them from there as text.

local page <const> = require "crumb.show.flame_page"
local text <const> = require "crumb.show.text"

local flame = {}

local WIDTH <const> = 1200 -- pixels for which it is drawn; the script draws it for what there is
local NARROWEST <const> = 0.1 -- pixels of a frame
local ROW <const> = 17
local ABOVE <const>, BELOW <const> = 48, 30
local CHARACTER <const> = 7.2 -- pixels of one, in a monospaced font of 12
local MARGIN <const> = 1 -- percent, on either side

local XML <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function xml(string) return (string:gsub("[&<>\"']", XML)) end

-- Folded text is escaped already: its backslashes stay as they are.
local function printable(name) return (name:gsub("[^\\]+", text.escape)) end

local function grouped(count)
	local digits <const> = ("%d"):format(count):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
	return digits
end

local function new_node(name) return { name = name, count = 0, children = {}, list = {} } end

-- The child of that name, made when it is not there.
local function child_of(node, name)
	local child = node.children[name]
	if not child then
		child = new_node(name)
		node.children[name] = child
		node.list[#node.list + 1] = child
	end
	return child
end

-- The tree of the stacks: each node counts what is above it, too.
local function tree_of(folded)
	local root <const>, number = new_node "all", 0
	for line in folded:gmatch "[^\n]+" do
		number = number + 1
		local path <const>, digits <const> = line:match "^(.*) (%d+)%s*$"
		local count <const> = math.tointeger(tonumber(digits))
		if not count then error(("flame: line %d is no folded stack, such as \"main;malloc 12\": %s"):format(number,
			text.escape(line:sub(1, 60))), 0) end
		local node = root
		node.count = node.count + count
		for name in path:gmatch "[^;]+" do
			node = child_of(node, name)
			node.count = node.count + count
		end
	end
	return root
end

-- Walks the tree, the parents first, and says how many frames are too narrow.
local function lay_out(root)
	local frames <const>, least <const>, hidden, deepest = {}, root.count * NARROWEST / WIDTH, 0, 0
	local waiting <const> = { root }
	root.at, root.depth = 0, 0
	while #waiting > 0 do
		local node <const> = table.remove(waiting)
		if node ~= root and (node.count < least or node.count == 0) then
			hidden = hidden + 1
		else
			frames[#frames + 1], deepest = node, math.max(deepest, node.depth)
		end
		table.sort(node.list, function(a, b) return a.name < b.name end)
		local at = node.at
		for _, child in ipairs(node.list) do
			child.at, child.depth = at, node.depth + 1
			at = at + child.count
		end
		for i = #node.list, 1, -1 do waiting[#waiting + 1] = node.list[i] end
	end
	return frames, hidden, deepest
end

-- A warm colour, the same one for a name in every graph.
local function colour(name)
	local hash = 0x811c9dc5
	for i = 1, #name do hash = ((hash ~ name:byte(i)) * 0x01000193) & 0xffffffff end
	return ("#%02x%02x%02x"):format(215 + hash % 40, 95 + (hash >> 8) % 120, 45 + (hash >> 16) % 50)
end

local function label(name, pixels)
	local room <const>, length <const> = (pixels - 6) // CHARACTER, utf8.len(name)
	if length <= room then return name end
	return room < 3 and "" or name:sub(1, utf8.offset(name, math.tointeger(room) - 1) - 1) .. ".."
end

local function percent(share) return (("%.4f"):format(100 * share):gsub("%.?0+$", "")) end

local function frame(node, total, deepest, unit)
	local name <const>, share <const> = printable(node.name), total > 0 and node.count / total or 1
	local x <const>, y <const> = percent(total > 0 and node.at / total or 0), (deepest - node.depth) * ROW
	return ('<g data-at="%d" data-n="%d"><title>%s\n%s %s, %.2f%%</title><rect x="%s%%" y="%d" width="%s%%" height="%d" fill="%s"/>'
		.. '<text x="%s%%" dx="3" y="%d">%s</text></g>'):format(node.at, node.count, xml(name), grouped(node.count), unit,
		100 * share, x, y, percent(share), ROW - 1, colour(node.name), x, y + 12,
		xml(label(name, share * WIDTH * (100 - 2 * MARGIN) / 100)))
end

--- Folded stacks as an SVG flame graph, for a file of its own.
--- Errors: raises (level 0) for text that is no folded stacks.
---@param folded string "main;malloc 12", a line a stack, as probe:folded() has it
---@param given { title: string?, unit: string? }? `unit`: what is counted: "samples"
---@return string svg
function flame.svg(folded, given)
	local title <const> = xml(printable(given and given.title or "Flame graph"))
	local unit <const> = xml(printable(given and given.unit or "samples"))
	local root <const> = tree_of(folded)
	local frames <const>, hidden <const>, deepest <const> = lay_out(root)
	local height <const> = (deepest + 1) * ROW
	local parts <const> = {}
	for i, node in ipairs(frames) do parts[i] = frame(node, root.count, deepest, unit) end
	return page.around {
		title = title, height = ABOVE + height + BELOW, above = ABOVE, margin = MARGIN, frames_height = height,
		frames = table.concat(parts, "\n"),
		hidden = hidden > 0 and ("%s narrower than %g px left out"):format(grouped(hidden), NARROWEST)
			or "",
	}
end

return flame
