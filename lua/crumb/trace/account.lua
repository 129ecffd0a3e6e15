--- account: what became of every hit, added up.

local account = {}

local SUMMED <const> = {
	"filtered", "sampled_out", "limited", "repeated", "aggregated", "sent", "lost", "opened", "closed", "abandoned", "refused",
	"unmatched", "rows_lost",
}

--- The sum of what the engine counted at some sites.
---@param list table<string, integer>[] struct account of each
---@return table<string, integer>
function account.sum(list)
	local sum <const> = {}
	for _, name in ipairs(SUMMED) do
		sum[name] = 0
		for _, one in ipairs(list) do sum[name] = sum[name] + one[name] end
	end
	return sum
end

--- What it means for people: hits = filtered + sampled_out + limited + repeated + aggregated + sent + lost + pending +
--- unreturned.
---@param sum table<string, integer>
---@return table<string, integer>
function account.explain(sum)
	local pending <const> = sum.opened - sum.closed - sum.abandoned
	local unreturned <const> = sum.abandoned + sum.refused
	return {
		hits = sum.filtered + sum.sampled_out + sum.limited + sum.repeated + sum.aggregated + sum.sent + sum.lost + pending
			+ unreturned,
		filtered = sum.filtered, sampled_out = sum.sampled_out, limited = sum.limited, repeated = sum.repeated,
		aggregated = sum.aggregated, sent = sum.sent, lost = sum.lost, pending = pending, unreturned = unreturned,
		unmatched = sum.unmatched, rows_lost = sum.rows_lost,
	}
end

return account
