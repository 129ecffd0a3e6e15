-- Compiles a Lua file, with its line numbers, so that starting does not begin with reading source:
-- lua5.4 scripts/bytecode.lua SOURCE TARGET
local source <const>, target <const> = table.unpack(arg)
local file <close> = assert(io.open(target, "wb"))
assert(file:write(string.dump(assert(loadfile(source)))))
