-- The cache of the dynamic linker.
local library <const> = require "crumb.names.library"

return function(bytes)
	for _, entry in ipairs(library.parse_cache(bytes, "x86_64") or {}) do
		assert(#entry.soname <= 4096 and #entry.path <= 4096)
	end
end
