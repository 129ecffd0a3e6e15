--- gethostlatency: how long the lookup of host names takes.

local BY_NAME <const> = { gethostbyname = true, gethostbyname2 = true }

-- What getaddrinfo says, as <netdb.h> numbers it.
local ERRORS <const> = {
	[-1] = "EAI_BADFLAGS", [-2] = "EAI_NONAME", [-3] = "EAI_AGAIN", [-4] = "EAI_FAIL", [-5] = "EAI_NODATA",
	[-6] = "EAI_FAMILY", [-7] = "EAI_SOCKTYPE", [-8] = "EAI_SERVICE", [-9] = "EAI_ADDRFAMILY", [-10] = "EAI_MEMORY",
	[-11] = "EAI_SYSTEM", [-12] = "EAI_OVERFLOW",
}

return {
	summary = "Shows lookups of host names: who asks for which, and how long it takes.",
	example = "crumb gethostlatency --failed",
	options = function(parser)
		parser:flag "-x --failed":description "Only what failed."
	end,
	run = function(session, given)
		session.fields = { "error" }
		session:probe {
			"uprobe:libc:getaddrinfo", "uprobe:libc:gethostbyname", "uprobe:libc:gethostbyname2", missing = "skip", returns = true,
			capture = { host = "str(arg0)", result = "s32(retval)" },
			handler = function(event)
				if BY_NAME[event.symbol] then
					event.error = event.retval == 0 and "not found" or nil
				else
					event.error = event.result ~= 0 and (ERRORS[event.result] or event.result) or nil
				end
				event.result, event.retval = nil, nil
				if event.error or not given.failed then session:show(event) end
			end,
		}
	end,
}
