-- Fails when the type stubs, lua/crumb/meta/, and the functions that C registers differ, or a
-- public function of lua/crumb has no docstring.

local function read(path)
	local file <close> = assert(io.open(path))
	return file:read "a"
end

local function files(pattern)
	local listing <close> = assert(io.popen("git ls-files -- '" .. pattern .. "'"))
	local paths <const> = {}
	for path in listing:lines() do paths[#paths + 1] = path end
	return paths
end

local missing = 0

local function report(...)
	missing = missing + 1
	print(string.format(...))
end

local stub = ""
for _, path in ipairs(files "lua/crumb/meta/*.lua") do stub = stub .. read(path) end
local registered <const> = { close = true, closed = true } -- csrc/handle.c gives every class these
for _, path in ipairs(files "csrc/*.c") do
	for name in read(path):gmatch '{%s*"([%w_]+)",%s*l_[%w_]+%s*}' do
		registered[name] = true
		if not stub:find("[.:]" .. name .. "%(") then report("%s: '%s' is not in the type stub", path, name) end
	end
end

for name in stub:gmatch "\nfunction [%w_]+[.:]([%w_]+)%(" do
	if not registered[name] then report("the type stub has '%s', which C does not register", name) end
end

-- Public are the functions of a module's table, and the methods that Lua gives to a class of C's.
local function public(name)
	return name:find "^%l" or name:find "^Map:" or name:find "^Ring:" or name:find "^Link:"
		or name:find "^Object:" or name:find "^Program:"
end

for _, path in ipairs(files "lua/crumb/*.lua") do
	if path:find "/meta/" then goto next end
	local before = ""
	for line in read(path):gmatch "[^\n]*" do
		local name <const> = line:match "^function ([%w_.:]+)%("
		if name and public(name) and not before:find "^%-%-" then report("%s: %s has no docstring", path, name) end
		before = line
	end
	::next::
end

os.exit(missing == 0)
