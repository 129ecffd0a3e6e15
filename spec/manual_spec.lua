-- The manual's Lua: all of it is Lua, and what is marked runs as it stands there.
local blocks <const> = require "support.blocks"
local core <const> = require "crumb.core"
local crumb <const> = require "crumb"

local PAGES <const> = { "doc/crumb.md", "doc/expressions.md", "doc/bpf.md" }

-- What the marked blocks of doc/crumb.md print, in their order: patterns, each of which some line matches.
local PRINTED <const> = {
	{ "^ls\t/etc/ld%.so%.cache\t%d+$", "^0$" },
	{ "^getenv\tnil\t%d+\t%d+\ttrue\tnil$", "^openat\tfilename\tconst char %*$" },
	{ "^symbol +count\ngetenv +%d+$" },
	{ "^ls\t[%u_]+\t%d+$" },
	{ "^ls\t%d+\t%d+\t%d+$" },
	{ "^getenv\tnil$", "^getenv\t%d+$" },
	{ "^waker=%d+\nlatency %(ns%)\n%[" },
	{ ";schedule.* %d+$" },
}

-- Lua, or some fields of a table; what stands for more is left out.
local function is_lua(block)
	local text <const> = block.text:gsub("…", "")
	return load(text, block.name) or load("return {" .. text .. "}", block.name)
end

local function some_matches(lines, pattern)
	for _, line in ipairs(lines) do
		if line:find(pattern) then return true end
	end
	return false
end

describe("the manual", function()
	it("has Lua in its blocks", function()
		for _, page in ipairs(PAGES) do
			for _, block in ipairs(blocks.of(page)) do assert.truthy(is_lua(block), block.name) end
		end
	end)

	local marked <const> = blocks.marked "doc/crumb.md"

	it("says of each block that it marks what comes of it", function() assert.equal(#PRINTED, #marked) end)

	for i, block in ipairs(marked) do
		it("runs as it stands at " .. block.name:sub(2), function()
			if not core.execute { "ls", "--version" } then pending "ls does not use this libc" return end
			local trace <close> = assert(crumb.trace())
			local lines <const> = blocks.run(block, { crumb = crumb, trace = trace })
			for _, pattern in ipairs(PRINTED[i]) do
				assert.truthy(some_matches(lines, pattern), pattern .. " in:\n" .. table.concat(lines, "\n"))
			end
		end)
	end
end)
