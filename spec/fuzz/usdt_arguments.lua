-- The arguments in a USDT note.
local usdt <const> = require "crumb.arguments.usdt"

return function(bytes)
	for _, machine in ipairs { "x86_64", "aarch64" } do
		local args <const> = usdt.parse(bytes, machine)
		assert(#args <= 12)
		for _, arg in ipairs(args) do assert(arg.load and arg.type.kind) end
	end
end
