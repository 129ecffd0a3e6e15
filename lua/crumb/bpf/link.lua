--- link: what a crumb.Link tells, and how it outlives its script.

local core <const> = require "crumb.core"

local Link <const> = core.methods "crumb.Link"

--- What the kernel says of the link.
--- Shape: { type, id, program, cookie | cookies, … }; a cookie that this kernel does not report is left out.
---@param part integer? which of the `#link` kernel links; 1
---@return table?, string?, integer?
function Link:info(part)
	local info <const>, message <const>, errno <const> = self:raw_info(part)
	if not info then return nil, message, errno end
	-- A kernel that reports none leaves 0 there, as a cookie of 0 would.
	local own <const> = self.cookies and self.cookies[part or 1]
	if info.cookie == 0 and own ~= 0 then info.cookie = nil end
	if info.cookies and own then
		local reported = false
		for i, bits in ipairs(info.cookies) do
			reported = reported or bits ~= 0 or self.cookies[i] == 0
		end
		if not reported then info.cookies = nil end
	end
	return info
end

local function pin_path(link, path, part)
	return #link == 1 and path or ("%s_%d"):format(path, part)
end

--- Keeps the attachment alive in bpffs after the script; several kernel links get PATH_1, PATH_2, …
---@param path string in a mounted bpffs
---@return true?, string?, integer?
function Link:pin(path)
	local pinned <const> = {}
	for part = 1, #self do
		local done <const>, message <const>, errno <const> = self:pin_part(part, pin_path(self, path, part))
		if not done then
			for _, made in ipairs(pinned) do os.remove(made) end
			return nil, message, errno
		end
		pinned[part] = pin_path(self, path, part)
	end
	core.set_field(self, "pins", pinned)
	return true
end

--- Removes the pins this link made.
---@return true?, string?, integer?
function Link:unpin()
	for _, path in ipairs(self.pins or {}) do
		local done <const>, message <const>, errno <const> = os.remove(path)
		if not done then return nil, "unpin link: " .. message, errno end
	end
	core.set_field(self, "pins", nil)
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
