-- Code of both machines.
local instructions <const> = require "crumb.instructions"

return function(bytes)
	for _, machine in ipairs { "x86_64", "aarch64" } do
		local found <const> = instructions.scan(bytes, machine)
		for _, at in ipairs(found and found.returns or {}) do
			local first <const>, after <const> = instructions.around(bytes, at, machine)
			assert(first == at and after > at and after <= #bytes)
		end
		assert(instructions.check(bytes, machine) <= #bytes)
		if #bytes > 0 then
			local offset <const> = bytes:byte() % #bytes
			local first <const>, after <const> = instructions.around(bytes, offset, machine)
			assert(not first or first <= offset and offset < after)
		end
	end
end
