--- thinning: of the sites that report once, those that have are detached, while the others stay.
--
-- A multi link is replaced by one of those that are left when a quarter of its sites have reported: all that is attached
-- in the end is a few times what was attached in the beginning. Fewer are worth it only now and then, since those
-- may be the ones that are called most. Links of one site are closed one by one, a few at each look.

local choice <const> = require "crumb.bpf.choice"
local core <const> = require "crumb.core"

local thinning = {}

local PERIOD <const> = 0.1 -- s between two looks
local QUARTER <const> = 4
local PATIENCE <const> = 1000000000 -- ns, at first, until less than a quarter is enough
local SHARE <const> = 50 -- then one in so many parts of the time goes into it
local BUDGET <const> = 50000000 -- ns for links of one site, at each look
local NUMBER <const> = 0xffffffff -- the site's, in what the engine gets

-- Whether any site of a part has reported, or is about to: all that is asked again and again.
local function any(engine, part)
	if not part.numbers then
		part.numbers = {}
		for i, word in ipairs(part.bits) do part.numbers[i] = word & NUMBER end
	end
	return engine:any_seen(part.numbers)
end

-- The sites of a part that have not reported.
local function left_of(engine, part)
	local sites <const>, bits <const> = {}, {}
	for i, word in ipairs(part.bits) do
		if not engine:has_reported(word & NUMBER) then sites[#sites + 1], bits[#bits + 1] = part.sites[i], word end
	end
	return sites, bits
end

-- Whether the part was changed; nil, message: it could not be.
local function thin_multi(attachment, part)
	local began <const>, count <const> = core.now(), #part.sites
	local sites <const>, bits <const> = left_of(attachment.engine, part)
	local reported <const> = count - #sites
	part.due = part.due or began + PATIENCE
	local many <const> = reported * QUARTER >= count and not part.failed
	if reported == 0 or not many and began < part.due then return false end
	local done <const>, message <const> = attachment:keep(part, sites, bits)
	part.numbers, part.failed = nil, done == nil
	local ended <const> = core.now()
	part.due = ended + math.max(PATIENCE, SHARE * (ended - began))
	return done, message
end

local function thin_singles(attachment, part, deadline)
	local each <const>, changed = #part.link // #part.sites, false
	for i = #part.sites, 1, -1 do
		if attachment.engine:has_reported(part.bits[i] & NUMBER) then
			for _ = 1, each do part.link:drop((i - 1) * each + 1) end
			table.remove(part.sites, i)
			table.remove(part.bits, i)
			changed, part.numbers = true, nil
			if core.now() >= deadline then break end
		end
	end
	if #part.sites == 0 then attachment:drop(part) end
	return changed
end

local function describe(probe)
	local text <const> = #probe.attachment.parts > 0 and probe.attachment:mechanism() or "detached: all sites have reported"
	local failed <const> = probe.thinning_failed
	rawset(probe, "mechanism", failed and ("%s; what has reported stays: %s"):format(text, failed) or text)
end

local function thin(probe, deadline)
	local attachment <const>, changed = probe.attachment, false
	for i = #attachment.parts, 1, -1 do
		local part <const> = attachment.parts[i]
		local done, message = false, nil
		if not any(attachment.engine, part) then
			done = false
		elseif part.copy.program.attach_type then
			done, message = thin_multi(attachment, part)
		elseif core.now() < deadline then
			done = thin_singles(attachment, part, deadline)
		end
		if done == nil then rawset(probe, "thinning_failed", message) end
		changed = changed or done ~= false
	end
	if changed then describe(probe) end
end

local function look(trace)
	local deadline <const>, goes_on = core.now() + BUDGET, false
	for probe in pairs(trace.probes) do
		if probe.once and #probe.attachment.parts > 0 then
			thin(probe, deadline)
			if #probe.attachment.parts > 0 then goes_on = true else thinning.leave(probe) end
		end
	end
	if goes_on then return end
	trace.thinner:close()
	trace.thinner = nil
end

--- Begins to thin a probe that is the trace's.
---@param trace crumb.Trace
---@param probe crumb.Probe
---@param files table of crumb.bpf.choice, in which its sites lie: a part of them is attached again
function thinning.begin(trace, probe, files)
	rawset(probe, "files", choice.keep(files))
	trace.thinner = trace.thinner or trace:every(PERIOD, function() look(trace) end)
end

--- Nothing of a probe is attached again.
---@param probe crumb.Probe
function thinning.leave(probe)
	if probe.files then choice.close(probe.files) end
	rawset(probe, "files", nil)
end

return thinning
