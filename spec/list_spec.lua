-- crumb.list: what a target stands for, and what of it can be probed.
local crumb = require "crumb"
local lab = require "support.lab"

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
			local one <const> = place.args[1]
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
		assert.same({ name = "arg0", words = "8f@%xmm0", reason = "it is a floating-point number" }, unknown[1].args[1])
		assert.same({ name = "arg10", type = "u32", words = "4@%r9d", size = 4, signed = false }, unknown[1].args[11])
	end)

	-- "name: type, …" of a row.
	local function declared(row)
		local list <const> = {}
		for i, one in ipairs(row.args) do list[i] = ("%s: %s"):format(one.name, one.type) end
		return table.concat(list, ", ")
	end

	it("lists system calls, tracepoints and raw tracepoints by name and by glob, with their arguments", function()
		assert.equal("dfd: int, filename: const char *, flags: int, mode: umode_t", declared(all "syscall:openat"[1]))
		local calls <const> = {}
		for _, row in ipairs(all "syscall:*at") do calls[row.name] = row end
		assert.truthy(calls.openat and calls.mkdirat and not calls.open)
		assert.matches("prev_comm: char%[.*%], prev_pid: pid_t", declared(all "tracepoint:sched:sched_switch"[1]))
		local raw <const> = {}
		for _, row in ipairs(all "rawtracepoint:sched_*") do raw[row.name] = row end
		assert.matches("preempt: bool, prev: struct task_struct %*", declared(raw.sched_switch))
		assert.truthy(raw.sched_process_exec)
		local none <const>, message <const>, errno <const> = crumb.list "rawtracepoint:sched_swich"
		assert.same({ nil, "rawtracepoint:sched_swich: no tracepoint 'sched_swich' (nearest: sched_switch)", 2 },
			{ none, message, errno })
		assert.same({ nil, "rawtracepoint:nobody_*: no tracepoint matches 'nobody_*'", 2 },
			{ crumb.list "rawtracepoint:nobody_*" })
		assert.same({ nil, 2 }, { (crumb.list "syscall:no_such"), select(3, crumb.list "syscall:no_such*") })
	end)

	it("lists kernel functions by name and by glob, with their arguments, sizes and modules", function()
		local function check(kind)
			local one <const> = all(kind .. ":vfs_read")
			assert.equal("file: struct file *, buf: char *, count: size_t, pos: loff_t *", declared(one[1]))
			assert.is_true(one[1].size > 16 and one[1].address ~= 0)
			local names <const> = {}
			for _, row in ipairs(all(kind .. ":vfs_*")) do names[row.name] = row.probeable end
			assert.is_true(names.vfs_read and names.vfs_write)
			local none <const>, message <const> = crumb.list(kind .. ":vfs_raed")
			assert.is_nil(none)
			assert.matches("nearest: vfs_read", message)
		end
		check "fentry"
		local rows <const> = all "kprobe:vfs_read"
		if rows[1].probeable then check "kprobe" else assert.matches("this kernel has no kprobes", rows[1].reason) end
	end)

	it("looks for arguments while it lasts, and only when they are asked for", function()
		local rows <const> = all "uprobe:build/fixtures/typed_victim:take_u*"
		assert.is_nil(rawget(rows[1], "args"))
		assert.same({ nil, "the list has ended, and the file is closed" }, { rows[1].args, rows[1].args_missing })
		local seen = 0
		for row in crumb.list "uprobe:build/fixtures/typed_victim:take_u*" do
			seen = seen + 1
			assert.equal(1, #row.args)
			assert.equal(row.args, row.args)
		end
		assert.equal(#rows, seen)
		for row in crumb.list "uprobe:libc:malloc" do
			if not row.args then assert.matches("no debug information", row.args_missing) end
		end
		for row in crumb.list "uprobe:libc:strlen" do assert.same({ nil, row.reason }, { row.args, row.args_missing }) end
	end)

	it("closes the files when the loop ends, however it does", function()
		local before <const> = lab.descriptors()
		for row in crumb.list "uprobe:build/fixtures/victim:hit_*" do
			if row.probeable then break end
		end
		pcall(function()
			for _ in crumb.list "uprobe:build/fixtures/victim:hit_*" do error "x" end
		end)
		assert.is_nil((crumb.list "uprobe:build/fixtures/victim:none"))
		assert.equal(before, lab.descriptors())
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
