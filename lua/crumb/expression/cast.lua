--- cast: an address is given the type of a pointer to a struct: ((struct tcp_sock *)args.sk).bytes_acked

local path <const> = require "crumb.expression.path"
local types <const> = require "crumb.expression.types"

local cast = {}

local IN_FILES <const> = { uprobe = true, uretprobe = true }

-- Where the structs of that place are described: in the program's file, or in the kernel.
local function source_of(c, ast)
	local scope <const> = c.scope
	if scope.hook == "usdt" then
		c:refuse(ast.word, "the structs of a program are known at its functions, and not at its probes: write u64[x + 8]")
	end
	if IN_FILES[scope.hook] then
		local file <const> = scope.file or {}
		if file.dwarf then return file.dwarf end
		c:refuse(ast.word, "nothing is known of the program's structs%s", file.missing and ": " .. file.missing or "")
	end
	local source, why
	if scope.kernel then source, why = scope.kernel() end
	if not source then c:refuse(ast.word, "nothing is known of the kernel's structs%s", why and ": " .. why or "") end
	return source
end

local function pointer(to) return { kind = "pointer", target = function() return to end } end

--- What an address is as a pointer of that type; of a struct or an array it is where that lies.
function cast.value(c, ast)
	local source <const> = source_of(c, ast)
	local shape <const>, why <const> = source:type(ast.type)
	if not shape then c:refuse(ast.word, "%s", why) end
	local type = types.of(source, ast.type)
	for _ = 1, ast.stars do type = pointer(type) end
	local address <const> = path.address(c, c:value(ast.operand), ast.operand)
	return { kind = "integer", node = address, type = type, unsigned = true }
end

return cast
