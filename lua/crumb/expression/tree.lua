--- tree: the text of an expression -> its tree, as crumb.expression.grammar describes it.
--
-- Most expressions are a name, or names with dots between: these are read without the grammar, which takes longer to make
-- than all of a rule.

local grammar <const> = require "crumb.lazy" "crumb.expression.grammar"
local limits <const> = require "crumb.expression.limits"

local tree = {}

--- The words that are no names.
tree.KEYWORDS = { ["and"] = true, ["or"] = true, ["not"] = true, ["in"] = true, ["like"] = true }

-- The tree of names with dots between; nil: it is more than that.
local function names(text)
	local word, at = text:match "^([%a_][%w_]*)()"
	if not word or tree.KEYWORDS[word] then return nil end
	local made = { tag = "name", name = word, pos = 1, stop = at - 1 }
	while at <= #text do
		word, at = text:match("^%.([%a_][%w_]*)()", at)
		if not word then return nil end
		made = { tag = "field", object = made, name = word, pos = 1, stop = at - 1 }
	end
	return made
end

local function read(text)
	if #text > limits.EXPRESSION_BYTES then
		return nil, ("it is too long: %d bytes of at most %d"):format(#text, limits.EXPRESSION_BYTES)
	end
	local made <const> = names(text)
	if made then return made end
	return grammar.parse(text)
end

local KEPT <const> = 1000
local kept, count = {}, 0

--- The tree of an expression, which is shared and never changed.
--- Errors: nil, reason, and the first and the last byte of what is wrong.
---@param text string
---@return table? tree
---@return string? reason
---@return integer? from
---@return integer? to
function tree.of(text)
	local known <const> = kept[text]
	if known then return known end
	local made <const>, reason <const>, from <const>, to <const> = read(text)
	if not made then return nil, reason, from, to end
	if count == KEPT then kept, count = {}, 0 end
	kept[text], count = made, count + 1
	return made
end

return tree
