---@meta crumb.line
-- The C module crumb.line, as editors see it; csrc/line.c is what it is. It is there where GNU readline was.

local line = {}

--- From now on a line is typed, behind this prompt.
---@param prompt string
function line.start(prompt) end

--- The terminal is as it was before; what was typed is forgotten.
function line.stop() end

--- Takes one key, which is there. "tab": it is the caller's to complete; "end": Ctrl-D on an empty line.
---@return "line"|"tab"|"end"|nil event
---@return string? typed of "line"
function line.read() end

--- Draws the line again, if the terminal has got another size or the process was stopped.
function line.refresh() end

--- Takes the line off the screen, so that something can be written where it was.
function line.hide() end

--- Draws it again, where the cursor is, which begins a line.
function line.show() end

--- Puts the cursor behind what is typed.
function line.leave() end

---@return string typed
---@return integer point bytes of it before the cursor
function line.text() end

--- Puts text where the bytes from that one to the cursor are.
---@param from integer bytes before it
---@param text string
function line.replace(from, text) end

--- What the arrow keys bring back first from now on.
---@param text string
function line.remember(text) end

return line
