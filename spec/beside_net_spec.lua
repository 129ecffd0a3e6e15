-- The tools of the network and of block devices beside bpftrace's and libbpf-tools' of the same name, at once on the same
-- load: the same answer.
local beside = require "support.beside"
local cli = require "support.cli"
local core = require "crumb.core"
local disk = require "support.disk"
local Folder = require "support.folder"
local lab = require "support.lab"

local function found_as(...) return table.concat({ ... }, " ") end

-- What `write` makes of the captures of each line that matches, sorted; without it they stand in a line.
local function found(lines, pattern, write)
	local list <const> = {}
	for _, line in ipairs(lines) do
		local values <const> = table.pack(line:match(pattern))
		if values[1] then list[#list + 1] = (write or found_as)(table.unpack(values)) end
	end
	table.sort(list)
	return list
end

-- What both print of a load, and what the load says; nil: theirs does not run here.
local function both(theirs_, ours_, load)
	local theirs <close> = beside.start(theirs_)
	if not theirs then return nil end
	local ours <close> = assert(beside.start(ours_))
	local said <const>, status <const> = cli.shell(load)
	assert.equal(0, status)
	return theirs:finish(), ours:finish(), said
end

local function needs_types()
	if not core.btf() then pending "this kernel has no BTF" return true end
end

describe("beside libbpf-tools'", function()
	it("tcplife tells the same connections", function()
		if needs_types() then return end
		-- Theirs takes whoever runs for the owner, unless it closed last: so the client closes first.
		local theirs <const>, ours <const>, said <const> =
			both("tcplife", "build/crumb tcplife", "build/fixtures/tcp_victim 4 3 100000 200000")
		if not theirs then pending "libbpf-tools' tcplife does not run here" return end
		local port <const> = said:match "port=(%d+)"
		local expected <const> = found(theirs, "^(%d+) +(%S+) +(%S+) +(%d+) +(%S+) +(%d+) +(%S+) +(%S+) ",
			function(pid, comm, from, from_port, to, to_port, sent, received)
				if from_port ~= port and to_port ~= port then return nil end
				-- On 6.1 a socket more closes now and then, which nobody used.
				if sent == "0.00" and received == "0.00" then return nil end
				return ("%s %s %s:%s %s:%s %s %s"):format(pid, comm, from, from_port, to, to_port, sent, received)
			end)
		assert.equal(6, #expected)
		assert.same(expected, found(ours, "(%S+)%[(%d+)%] closed from=(%S+) lasted=%S+ received=(%d+) sent=(%d+) to=(%S+)",
			function(comm, pid, from, received, sent, to)
				if not (from .. " " .. to .. " "):find((":%s "):format(port)) then return nil end
				return ("%s %s %s %s %.2f %.2f"):format(pid, comm, from, to, sent / 1024, received / 1024)
			end))
	end)

	it("tcpconnect tells the same connections", function()
		if needs_types() then return end
		local theirs <const>, ours <const>, said <const> =
			both("tcpconnect", "build/crumb tcpconnect", "build/fixtures/tcp_victim 4 3 10 20")
		if not theirs then pending "libbpf-tools' tcpconnect does not run here" return end
		local pid <const> = said:match "client=(%d+)"
		local expected <const> = found(theirs, "^(" .. pid .. ") +(%S+) +4 +(%S+) +(%S+) +(%d+)", function(...)
			return ("%s %s %s %s:%s"):format(...)
		end)
		assert.equal(4, #expected) -- and the refused one
		assert.same(expected, found(ours, "(%S+)%[(" .. pid .. ")%] connect .*from=(%S+):%d+ to=(%S+)",
			function(comm, number, from, to) return ("%s %s %s %s"):format(number, comm, from, to) end))
	end)

	it("gethostlatency tells the same lookups", function()
		local theirs <const>, ours <const> =
			both("gethostlatency", "build/crumb gethostlatency", "build/fixtures/host_victim 127.0.0.7 1x.7 =127.0.0.8")
		if not theirs then pending "libbpf-tools' gethostlatency does not run here" return end
		local expected <const> = found(theirs, "^%S+ +(%d+) +(host_victim) +%S+ +(%S+)$")
		assert.equal(3, #expected)
		assert.same(expected, found(ours, "(%S+)%[(%d+)%] get%S+ .*host=(%S+) ",
			function(comm, pid, host) return ("%s %s %s"):format(pid, comm, host) end))
	end)

	it("biosnoop tells the same requests", function()
		if needs_types() then return end
		local runs, pid
		local there <const> = disk.with(function(device, name)
			local theirs <const>, ours <const>, said <const> = both("biosnoop", "build/crumb biosnoop --disk " .. name,
				("sh -c \"echo \\$\\$; exec build/fixtures/disk_victim %s 3 2\""):format(device))
			if not theirs then return end
			runs, pid = true, said:match "%d+"
			local expected <const> = found(theirs, "^%S+ +(disk_victim) +(" .. pid .. ") +(%S+) +([RW])%u* +(%d+) +(%d+) ")
			assert.equal(5, #expected)
			assert.same(expected, found(ours, "(%S+)%[(" .. pid .. ")%] %l+ bytes=(%d+) disk=(%S+) flags=([RW]).* sector=(%d+)",
				function(comm, number, bytes, on, flag, sector)
					return ("%s %s %s %s %s %s"):format(comm, number, on, flag, sector, bytes)
				end))
		end)
		if not there then pending "no block device that specs may write to: loop devices are missing" return end
		if not runs then pending "libbpf-tools' biosnoop does not run here" end
	end)

	it("biolatency counts the same requests", function()
		local runs
		local there <const> = disk.with(function(device, name)
			-- It takes disks of /proc/partitions only; where that lacks ours, there is no other.
			local of_disk <const> = lab.read "/proc/partitions":find((" %s\n"):format(name), 1, true) and " -d " .. name or ""
			local theirs <const>, ours <const> = both("biolatency" .. of_disk, "build/crumb --csv biolatency --disk " .. name,
				("build/fixtures/disk_victim %s 30 20"):format(device))
			if not theirs then return end
			runs = true
			local function sum(lines, pattern)
				local count = 0
				for _, line in ipairs(lines) do count = count + tonumber(line:match(pattern) or 0) end
				return count
			end
			assert.equal(51, sum(ours, "^latency,%d*,%d*,(%d+)$"))
			assert.equal(51, sum(theirs, "^ +%d+ %-> %d+ +: (%d+) "))
		end)
		if not there then pending "no block device that specs may write to: loop devices are missing" return end
		if not runs then pending "libbpf-tools' biolatency does not run here" end
	end)
end)

describe("beside bpftrace's", function()
	it("gethostlatency tells the same lookups", function()
		local theirs <const>, ours <const> =
			both("gethostlatency.bt", "build/crumb gethostlatency", "build/fixtures/host_victim 127.0.0.7 1x.7 =127.0.0.8")
		if not theirs then pending "bpftrace's gethostlatency does not run here" return end
		local expected <const> = found(theirs, "^%S+ +(%d+) +(host_victim) +%d+ +(%S+)$")
		assert.equal(3, #expected)
		assert.same(expected, found(ours, "(%S+)%[(%d+)%] get%S+ .*host=(%S+) ",
			function(comm, pid, host) return ("%s %s %s"):format(pid, comm, host) end))
	end)

	it("tcpaccept tells the same connections", function()
		if needs_types() then return end
		local folder <close> = Folder.make()
		local theirs <const>, ours <const>, said <const> = both(beside.bpftrace("tcpaccept.bt", folder.path),
			"build/crumb tcpaccept", "build/fixtures/tcp_victim 4 3 10 20; build/fixtures/tcp_victim 6 2 10 20")
		if not theirs then pending "bpftrace's tcpaccept does not run here" return end
		local ports <const> = {}
		for port in said:gmatch " port=(%d+)" do ports[port] = true end
		local expected <const> = found(theirs, "^[%d:]+ +(%d+) +(tcp_victim) +(%S+) +(%d+) +(%S+) +(%d+) ",
			function(pid, comm, from, from_port, to, port)
				assert.is_true(ports[port])
				return ("%s %s %s:%s %s:%s"):format(pid, comm, from, from_port, to, port)
			end)
		assert.equal(5, #expected)
		assert.same(expected, found(ours, " (tcp_victim)%[(%d+)%] accept from=(%S+) retval=%d+ to=(%S+)",
			function(comm, pid, from, to) return (("%s %s %s %s"):format(pid, comm, from, to):gsub("[%[%]]", "")) end))
	end)
end)
