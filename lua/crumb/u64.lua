--- u64: the unsigned view of Lua's integers. A u64 travels as an integer with the same bits.

local core <const> = require "crumb.core"

local u64 = {}

local function integer(what, n)
	local bits <const>, why <const> = core.integer(n)
	if not bits then error(what .. ": " .. why, 3) end
	return bits
end

--- Divides unsigned.
--- Errors: raises when b is 0, or one is no integer.
---@param a integer
---@param b integer
---@return integer quotient
---@return integer remainder
function u64.divide(a, b)
	a, b = integer("u64.divide", a), integer("u64.divide", b)
	if b == 0 then error("u64.divide: the divisor is 0", 2) end
	if b < 0 then
		if math.ult(a, b) then return 0, a end
		return 1, a - b
	end
	if a >= 0 then return a // b, a % b end
	-- Half of it is a positive number; what the halving lost may be worth one more.
	local quotient = (a >> 1) // b << 1
	local remainder = a - quotient * b
	if not math.ult(remainder, b) then quotient, remainder = quotient + 1, remainder - b end
	return quotient, remainder
end

--- In decimal: `u64.format(-1)` is "18446744073709551615".
---@param n integer
---@return string
function u64.format(n)
	local bits <const> = integer("u64.format", n)
	if bits >= 0 then return ("%d"):format(bits) end
	return ("%d%d"):format(u64.divide(bits, 10))
end

--- Reads decimal digits up to 18446744073709551615, or hexadecimal ones behind 0x.
--- Errors: nil and the reason; raises for what is no string.
---@param digits string
---@return integer? n
---@return string? reason
function u64.parse(digits)
	if type(digits) ~= "string" then error(("u64.parse: expected a string, got %s"):format(type(digits)), 2) end
	local hex <const> = digits:match "^0[xX]0*(%x*)$"
	if hex and digits:find "%x$" then
		if #hex > 16 then return nil, digits .. " does not fit in 64 bits" end
		return tonumber("0x0" .. hex)
	end
	local decimal <const> = digits:match "^%d+$"
	if not decimal then return nil, ("%q is not a number"):format(digits) end
	local short <const> = decimal:gsub("^0+", "")
	if #short > 20 or #short == 20 and short > "18446744073709551615" then
		return nil, digits .. " does not fit in 64 bits"
	end
	local n = 0
	for digit in short:gmatch "%d" do n = n * 10 + tonumber(digit) end
	return n
end

--- a < b, both unsigned.
--- Errors: raises for what is no integer.
---@param a integer
---@param b integer
---@return boolean
function u64.lt(a, b) return math.ult(integer("u64.lt", a), integer("u64.lt", b)) end

--- a <= b, both unsigned.
--- Errors: raises for what is no integer.
---@param a integer
---@param b integer
---@return boolean
function u64.le(a, b) return not math.ult(integer("u64.le", b), integer("u64.le", a)) end

return u64
