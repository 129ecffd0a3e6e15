--- endpoint: a network address with a port as people write it: "127.0.0.1:80", "[::1]:80".

--- Shape: an IPv4 address that is written as one of IPv6 (::ffff:127.0.0.1) stands as what it is.
---@param address string|false as ntop gives it
---@param port integer|false
---@return string
return function(address, port)
	if not address then return ("?:%s"):format(port or "?") end
	local plain <const> = address:match "^::ffff:(%d+%.%d+%.%d+%.%d+)$" or address
	return (plain:find(":", 1, true) and "[%s]:%s" or "%s:%s"):format(plain, port or "?")
end
