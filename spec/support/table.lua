--- table: raw keys and values as the engine's tables have them (bpf/wire.h), made by hand.

local table_ = {}

local SMALL <const> = 4

-- A key's parts: integers are words, strings are texts of so many words as `words` says.
local function packed(parts)
	local bytes <const> = {}
	for i, part in ipairs(parts) do
		bytes[i] = type(part) == "table" and part[1] .. ("\0"):rep(part[2] * 8 - #part[1]) or ("=i8"):pack(part)
	end
	return table.concat(bytes)
end

--- A key of 4 words, or of 36 where that is too few.
---@param parts (integer|{ [1]: string, [2]: integer })[]
---@param bucket { aggregate: integer?, bucket: integer?, failed: integer? }?
---@return string
function table_.key(parts, bucket)
	bucket = bucket or {}
	local row_word <const> = (bucket.failed or 0) << 32 | (bucket.aggregate or 0) << 16 | (bucket.bucket or 0)
	local bytes <const> = packed(parts) .. ("=i8"):pack(row_word)
	return bytes .. ("\0"):rep((#bytes <= SMALL * 8 and SMALL or 36) * 8 - #bytes)
end

--- A row: its count, then its cells.
---@param count integer
---@return string
function table_.row(count, ...)
	local words <const> = { count, ... }
	for i = #words + 1, 8 do words[i] = 0 end
	return ("=i8i8i8i8i8i8i8i8"):pack(table.unpack(words))
end

--- The bucket of a value in a power-of-two histogram, as the engine numbers them.
---@param value integer
---@return integer
function table_.log2_bucket(value)
	if value < 0 then return 1 end
	local bucket = 2
	while value > 0 do bucket, value = bucket + 1, value >> 1 end
	return bucket
end

return table_
