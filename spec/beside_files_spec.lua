-- The tools beside bpftrace's and libbpf-tools' of the same name, at once on the same load: the same answer.
local beside = require "support.beside"
local child = require "support.child"

-- What `write` makes of the captures of each line that matches, sorted; without it they stand in a line.
local function found(lines, pattern, write)
	local list <const> = {}
	for _, line in ipairs(lines) do
		local values <const> = table.pack(line:match(pattern))
		if values[1] then
			list[#list + 1] = write and write(table.unpack(values)) or table.concat(values, " ")
		end
	end
	table.sort(list)
	return list
end

-- A shell that runs what it is told.
local function shell()
	local one <const> = child.start "sh"
	return function(format, ...)
		one:say(format:format(...) .. "; echo done")
		one:lines "^done$"
	end
end

local function check_opensnoop(name)
	local theirs <close> = beside.start(name)
	if not theirs then return false end
	local ours <close> = assert(beside.start "build/crumb opensnoop")
	shell()("cat %s/file_no; : >%s/file_new; cat %s/file_new", child.folder, child.folder, child.folder)
	local path <const> = "(" .. child.folder .. "/file_%l+)"
	local expected <const> = found(theirs:finish(), "^(%d+) +(%S+) +(%-?%d+) +(%d+) " .. path)
	assert.equal(3, #expected)
	assert.same(expected, found(ours:finish(), "(%S+)%[(%d+)%] openat .*path=" .. path .. " retval=(%-?%d+)",
		function(comm, pid, file, result)
			local retval <const> = tonumber(result)
			return ("%s %s %d %d %s"):format(pid, comm, math.max(retval, -1), math.max(-retval, 0), file)
		end))
	return true
end

describe("opensnoop shows the same files", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("as bpftrace's", function()
		if not check_opensnoop "opensnoop.bt" then pending "bpftrace's opensnoop does not run here" end
	end)

	it("as libbpf-tools'", function()
		if not check_opensnoop "opensnoop" then pending "libbpf-tools' opensnoop does not run here" end
	end)
end)
