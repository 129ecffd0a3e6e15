-- crumb.list: what a target stands for, and what of it can be probed.
local crumb = require "crumb"

local function all(...)
	local rows <const> = {}
	for row in assert(crumb.list(...)) do rows[#rows + 1] = row end
	return rows
end

describe("crumb.list", function()
	it("lists the functions of a glob, with aliases and sizes", function()
		local rows <const> = all "uprobe:build/fixtures/victim:hit_*"
		assert.equal(4, #rows)
		assert.same({ "hit_a", true }, { rows[1].name, rows[1].probeable })
		assert.same({ "hit_a", "hit_alias" }, (function(names)
			table.sort(names)
			return names
		end)(rows[1].names))
		assert.truthy(rows[1].size > 0 and rows[1].offset > 0)
	end)

	it("lists each place of a USDT probe, system calls and tracepoints", function()
		local places <const> = all "usdt:build/fixtures/victim:crumb:guarded"
		assert.equal(3, #places)
		for _, place in ipairs(places) do
			local one <const> = place.arguments[1]
			assert.same({ "arg0", 4, true, nil }, { one.name, one.size, one.signed, one.reason })
			assert.matches("^%-4@", one.words)
		end
		assert.equal("getsid", all "syscall:getsid"[1].name)
		local rows <const> = all "tracepoint:sched:sched_switc*"
		assert.equal("sched:sched_switch", rows[1].name)
	end)

	it("lists the USDT probes that globs mean, with what their arguments are", function()
		local names <const> = {}
		for _, place in ipairs(all "usdt:build/fixtures/victim:cr*:*") do names[#names + 1] = place.name end
		table.sort(names)
		assert.same({ "crumb:guarded", "crumb:guarded", "crumb:guarded", "crumb:indexed", "crumb:once" }, names)
		local unknown <const> = all "usdt:build/fixtures/usdt_victim:form?:unknown"
		if not unknown[1] then pending "the victim's notes are of another machine" end
		assert.same({ name = "arg0", words = "8f@%xmm0", reason = "it is a floating-point number" }, unknown[1].arguments[1])
		assert.same({ name = "arg10", words = "4@%r9d", size = 4, signed = false }, unknown[1].arguments[11])
	end)

	it("says why something cannot be probed", function()
		local rows <const> = all "uprobe:libc:strlen"
		assert.is_false(rows[1].probeable)
		assert.matches("IFUNC", rows[1].reason)
	end)

	it("refuses what is not there, or no target", function()
		local rows <const>, message <const>, errno <const> = crumb.list "uprobe:build/fixtures/victim:hit_e"
		assert.same({ nil, 2 }, { rows, errno })
		assert.matches("no symbol 'hit_e'", message)
		assert.has_error(function() crumb.list "nonsense" end)
		assert.has_error(function() crumb.list("uprobe:x:y", { pd = 1 }) end)
	end)
end)
