-- Text of others on a terminal: whatever it is, what is shown is printable, and can be told apart.
local text <const> = require "crumb.show.text"

return function(bytes)
	local shown <const> = text.escape(bytes)
	assert(not shown:find "[\0-\31\127]", "a control character is left")
	assert(utf8.len(shown), "it is no UTF-8")
	for _, code in utf8.codes(shown) do assert(code < 0x80 or code > 0x9f, "a C1 control character is left") end
	text.word(bytes)
	assert(text.width(shown) <= 2 * #shown)
end
