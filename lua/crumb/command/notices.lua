--- notices: what is lost, missed or cut is said on standard error, once.

local core <const> = require "crumb.core"

local text <const> = require "crumb.show.text"

local notices = {}

local BETWEEN <const> = 100 -- times what a look takes, at least, until the next

local function target_of(probe)
	local site <const> = probe.sites[1]
	return site and text.escape(site.target) or "?"
end

local function once(self, probe, what, format, ...)
	self.told = self.told or {}
	local key <const> = self.names[probe] .. what
	if self.told[key] then return end
	self.told[key] = true
	self:say("%s (%s): " .. format, self.names[probe], target_of(probe), ...)
end

local WHY <const> = {
	{ "lost", "%d of %d hits are lost: there was no room; take fewer (where, sample, limit), or more ring_size or rows" },
	{ "dropped", "%d of %d events were never read" },
	{ "rows_lost", "%d of %d hits found no room in the table: give it more rows" },
	{ "refused", "%d of %d that began found no room: too many were pending" },
	{ "unreturned", "%d of %d calls never returned, or there was no room for them" },
	{ "missed", "the kernel missed %d hits, besides %d that were seen" },
}

local function look_at(self, probe)
	local account <const> = probe:stats()
	for _, one in ipairs(WHY) do
		local count <const> = account[one[1]]
		-- Who closes a probe wants no more of its events; that what a span is of begins anew is nothing strange.
		local wanted <const> = (one[1] ~= "dropped" or not probe:closed()) and (one[1] ~= "unreturned" or probe.pairs == "call")
		if wanted and count and count > 0 then once(self, probe, one[1], one[2], count, account.hits) end
	end
end

--- How a probe was attached, and what it left out.
---@param self crumb.Session
---@param probe crumb.Probe
---@param took integer ns
function notices.attached(self, probe, took)
	local skipped <const> = probe.skipped[1]
	self:say("%s: %s; %.0f ms", self.names[probe], probe.mechanism, took / 1e6)
	if not skipped then return end
	self:say("%s: %d not probed, such as %s: %s", self.names[probe], #probe.skipped,
		text.escape(skipped.symbol or skipped.name or "?"), text.escape(skipped.reason or "it has no cookie"))
end

--- Looks at all accounts, now and then; `final`: now.
---@param self crumb.Session
---@param final boolean?
function notices.look(self, final)
	local before <const> = core.now()
	if not final and before < (self.next_look or 0) then return end
	for _, probe in ipairs(self.probes) do look_at(self, probe) end
	self.next_look = before + BETWEEN * (core.now() - before)
end

--- An event has captures that were cut.
---@param self crumb.Session
---@param event crumb.Event
function notices.truncated(self, event)
	for name in pairs(event.truncated) do
		once(self, event.probe, "cut " .. name, "'%s' is cut where it is longer: str(x, n) takes up to n bytes", name)
	end
end

return notices
