-- The Lua in a page of the documentation: what stands between ```lua and ```.
local lab <const> = require "support.lab"

local blocks = {}

local MARK <const> = "<!%-%- spec/[%w_]+%.lua runs this %-%->\n$"

--- All of a page's blocks.
--- Shape: a list of { text =, name = "=PAGE:LINE", marked = whether a comment before it says that a spec runs it }
function blocks.of(page)
	local list <const>, whole <const>, at = {}, lab.read(page), 1
	while true do
		local first <const>, last <const>, text <const> = whole:find("```lua\n(.-)```", at)
		if not first then return list end
		local before <const> = whole:sub(1, first - 1)
		local _ <const>, line <const> = before:gsub("\n", "")
		list[#list + 1] = { text = text, name = ("=%s:%d"):format(page, line + 2), marked = before:find(MARK) ~= nil }
		at = last + 1
	end
end

--- Those that are marked.
function blocks.marked(page)
	local list <const> = {}
	for _, block in ipairs(blocks.of(page)) do
		if block.marked then list[#list + 1] = block end
	end
	return list
end

--- Runs a block: the lines that it prints, each as one text. `given`: globals that it may have besides Lua's.
function blocks.run(block, given)
	local lines <const>, sandbox <const> = {}, {}
	for name, value in pairs(given or {}) do sandbox[name] = value end
	function sandbox.print(...)
		local words <const> = table.pack(...)
		for i = 1, words.n do words[i] = tostring(words[i]) end
		lines[#lines + 1] = table.concat(words, "\t")
	end
	assert(load(block.text, block.name, "t", setmetatable(sandbox, { __index = _G })))()
	return lines
end

return blocks
