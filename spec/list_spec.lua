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
		assert.equal(3, #all "usdt:build/fixtures/victim:crumb:guarded")
		assert.equal("getsid", all "syscall:getsid"[1].name)
		local rows <const> = all "tracepoint:sched:sched_switc*"
		assert.equal("sched:sched_switch", rows[1].name)
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
