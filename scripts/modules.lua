-- Puts compiled modules into one file, without lines and the names of locals, which are a third of what is read, and writes
-- where each is in it, by name, for csrc/modules.c:
-- lua5.4 scripts/modules.lua FOLDER TARGET FILE...
local folder <const>, target <const> = table.unpack(arg)
local modules <const> = {}
for i = 3, #arg do
	local name <const> = arg[i]:sub(#folder + 2):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
	modules[#modules + 1] = { name = name, path = arg[i] }
end
table.sort(modules, function(a, b) return a.name < b.name end)

local code <close> = assert(io.open(target, "wb"))
local index <close> = assert(io.open(target .. ".h", "w"))
for _, module in ipairs(modules) do
	local file <close> = assert(io.open(module.path, "rb"))
	local text <const> = string.dump(load(file:read "a"), true)
	assert(index:write(('{ "%s", %d, %d },\n'):format(module.name, code:seek(), #text)))
	assert(code:write(text))
end
