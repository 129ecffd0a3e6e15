--- compile: BPF C to an object file's bytes, by clang where there is one.

local core <const> = require "crumb.core"
local options <const> = require "crumb.options"

local ENOENT <const>, EINVAL <const> = 2, 22
local ARCH <const> = { x86_64 = "x86", aarch64 = "arm64" }

local function has_text(source)
	return source:find "[\n{;]" ~= nil
end

local function command(given)
	local _ <const>, _ <const>, machine <const> = core.versions()
	local argv <const> = {
		given.clang or "clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall",
		"-D__TARGET_ARCH_" .. (ARCH[machine] or machine),
		-- Where Debian keeps asm/: clang looks for the target's own folder, and BPF has none.
		"-I/usr/include/" .. machine .. "-linux-gnu",
	}
	for i, folder in ipairs(given.include or {}) do
		if type(folder) ~= "string" then error(("bpf.compile: include[%d]: expected a folder"):format(i), 3) end
		argv[#argv + 1] = "-I" .. folder
	end
	for name, value in pairs(given.define or {}) do
		if type(name) ~= "string" then error("bpf.compile: define: expected a table name -> value", 3) end
		argv[#argv + 1] = ("-D%s=%s"):format(name, value)
	end
	return argv
end

local compile = {}

--- Compiles BPF C.
--- Errors: nil, message (clang's own words behind it), errno; raises for wrong options.
---@param source string C text, or the path of a file (no newline, brace or semicolon in it)
---@param given { clang: string?, include: string[]?, define: table<string, string|integer>? }?
---@return string? bytes an object file, for `bpf.open { bytes = … }`
---@return string? message
---@return integer? errno
function compile.compile(source, given)
	if type(source) ~= "string" then error("bpf.compile: expected C text or a path, got " .. type(source), 2) end
	given = options.check("bpf.compile", given, { clang = "string", include = "table", define = "table" })
	local argv <const>, text, name = command(given), source, "the given text"
	if not has_text(source) then
		local message, errno
		name = source
		text, message, errno = core.read(source)
		if not text then return nil, "compile: " .. message, errno end
		argv[#argv + 1] = "-I" .. (source:match "^(.*)/[^/]*$" or ".")
	end
	for _, word in ipairs { "-x", "c", "-c", "-", "-o", "-" } do argv[#argv + 1] = word end
	local status <const>, output <const>, errors <const> = core.execute(argv, text)
	if not status then
		if errors ~= ENOENT then return nil, output, errors end
		return nil, ("compile %s: no %s on this machine; install it, or ship the .bpf.o"):format(name, argv[1]), ENOENT
	end
	if status == 0 and output == "" then
		return nil, ("compile %s: %s wrote no object file"):format(name, argv[1]), EINVAL
	end
	if status ~= 0 then
		return nil, ("compile %s: clang ended with status %d\n%s"):format(name, status, errors), EINVAL
	end
	return output
end

return compile
