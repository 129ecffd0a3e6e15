--- link: what a crumb.Link tells, and how it outlives its script.

local core <const> = require "crumb.core"

local Link <const> = core.methods "crumb.Link"

--- What the kernel says of the link.
--- Shape: { type, id, program, cookie | cookies, … }; a cookie that this kernel does not report is left out.
--- Errors: nil, message, errno: EOPNOTSUPP of USDT, which libbpf makes several kernel links of.
---@param part integer? which of the `#link` kernel links; 1
---@return table?, string?, integer?
function Link:info(part) return self:raw_info(part) end

local function remove_all(paths)
	local message, errno
	for _, path in ipairs(paths) do
		local done <const>, why <const>, number <const> = os.remove(path)
		if not done and not message then message, errno = why, number end
	end
	return message, errno
end

--- Keeps the attachment alive in bpffs after the script; several kernel links get PATH_1, PATH_2, …
--- Errors: nil, message, errno, and then nothing is pinned.
---@param path string in a mounted bpffs
---@return true?, string?, integer?
function Link:pin(path)
	if type(path) ~= "string" then error("link:pin: expected a path in a bpffs, got " .. type(path), 2) end
	local pins <const> = {}
	for part = 1, #self do
		local name <const> = #self == 1 and path or ("%s_%d"):format(path, part)
		local done <const>, message <const>, errno <const> = self:pin_part(part, name)
		if not done then
			remove_all(pins)
			return nil, message, errno
		end
		pins[part] = name
	end
	core.set_field(self, "pins", table.move(pins, 1, #pins, #(self.pins or {}) + 1, self.pins or {}))
	return true
end

--- Removes the pins this link made, or was opened from.
---@return true?, string?, integer?
function Link:unpin()
	local message <const>, errno <const> = remove_all(self.pins or {})
	core.set_field(self, "pins", nil)
	if message then return nil, "unpin link: " .. message, errno end
	return true
end

--- Detaches now, pins or not.
---@return true?, string?, integer?
function Link:detach()
	local done <const>, message <const>, errno <const> = self:unpin()
	local closed <const>, why <const>, number <const> = self:close()
	if not closed then return nil, why, number end
	return done, message, errno
end

return Link
