--- run: prints crumb's costs beside plain C's, and its tools' beside those of others, measured in turn in this one run.
--
-- Figures are of this machine, now; ratios are what to compare. Nothing here fails by a time.

package.path = "bench/?.lua;spec/?.lua;" .. package.path
package.cpath = "build/bench/?.so;" .. package.cpath

local LINE <const> = "%-29s %12s %12s  %-26s %-12s %s"

local function median(list)
	local sorted <const> = table.move(list, 1, #list, 1, {})
	table.sort(sorted)
	return sorted[(#sorted + 1) // 2]
end

-- Of the pairs: what stood next to each other in time is compared.
local function ratios(row)
	local all <const> = {}
	for i, value in ipairs(row.crumb) do all[i] = value / row.plain[i] end
	return median(all), math.min(table.unpack(all)), math.max(table.unpack(all))
end

local function verdict(row, ratio)
	if row.goal then return ("<= %g x"):format(row.goal), ratio <= row.goal and "ok" or "over" end
	if row.more then
		return ("<= %g %s more"):format(row.more, row.unit),
			median(row.crumb) - median(row.plain) <= row.more and "ok" or "over"
	end
	if row.limit then
		return ("<= %g %s"):format(row.limit, row.unit), median(row.crumb) <= row.limit and "ok" or "over"
	end
	return "", ""
end

-- Of what plain C does not do there is no ratio.
local function print_row(row)
	local plain, spread, ratio = "", "", nil
	if row.plain[1] then
		local least, most
		ratio, least, most = ratios(row)
		plain, spread = ("%.1f %s"):format(median(row.plain), row.unit), ("%.1f x (%.1f-%.1f)"):format(ratio, least, most)
	end
	local text <const> = LINE:format(row.what, ("%.1f %s"):format(median(row.crumb), row.unit), plain, spread,
		verdict(row, ratio))
	print((text:gsub("%s+$", "")))
end

local function print_header(other)
	print((LINE:format("medians", "crumb", other, "ratio (min-max)", "goal", ""):gsub("%s+$", "")))
end

print_header "plain C"
for _, name in ipairs { "reading", "events", "deciding", "starting", "command", "attaching" } do
	for _, row in ipairs(require(name)()) do print_row(row) end
end
local beside <const> = require "tools"()
if beside[1] then print_header "the other" end
for _, row in ipairs(beside) do print_row(row) end
for _, name in ipairs { "verifying", "flooding" } do require(name)() end
