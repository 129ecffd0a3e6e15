--- account: what became of every hit, in people's words.

local account = {}

--- What it means for people: hits = filtered + sampled_out + limited + repeated + aggregated + sent + lost + pending +
--- unreturned.
---@param sum table<string, integer> struct account of some sites
---@return table<string, integer>
function account.explain(sum)
	local pending <const> = sum.opened - sum.closed - sum.abandoned
	local unreturned <const> = sum.abandoned + sum.refused
	return {
		hits = sum.filtered + sum.sampled_out + sum.limited + sum.repeated + sum.aggregated + sum.sent + sum.lost + pending
			+ unreturned,
		filtered = sum.filtered, sampled_out = sum.sampled_out, limited = sum.limited, repeated = sum.repeated,
		aggregated = sum.aggregated, sent = sum.sent, lost = sum.lost, pending = pending, unreturned = unreturned,
		refused = sum.refused,
		unmatched = sum.unmatched, rows_lost = sum.rows_lost,
	}
end

return account
