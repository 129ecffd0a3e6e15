-- The tools of the network and of block devices, each on a load of its own, as people run them.
local beside = require "support.beside"
local cli = require "support.cli"
local core = require "crumb.core"
local disk_of = require "support.disk"
local features = require "crumb.bpf.features"

local NO_DISK <const> = "no block device that specs may write to: loop devices are missing"
local VICTIM <const> = "build/fixtures/tcp_victim"

-- What a tool prints of a command, and what the command says by itself: its ports and pids.
local function run(command, ...)
	local lines <const>, told <const> = {}, {}
	for _, line in ipairs(cli.lines(cli.on(command, ...))) do
		if line:find "^server=" then
			for name, number in line:gmatch "(%l+)=(%d+)" do told[name] = number end
		elseif line:find "^%d%d:%d%d:%d%d%." then
			lines[#lines + 1] = line
		end
	end
	return lines, told
end

-- How many lines have these captures: { ["the captures in a line"] = count }.
local function counted(lines, pattern)
	local counts <const> = {}
	for _, line in ipairs(lines) do
		local values <const> = table.pack(line:match(pattern))
		assert.is_truthy(values[1], line)
		local key <const> = table.concat(values, " ")
		counts[key] = (counts[key] or 0) + 1
	end
	return counts
end

local HOSTS <const> = { ["4"] = "127.0.0.1", ["6"] = "[::1]" }

local function needs_types()
	if not core.btf() then pending "this kernel has no BTF" return true end
end

describe("the tool", function()
	for family, host in pairs(HOSTS) do
		it("tcpconnect shows who connects, and what comes of it, over IPv" .. family, function()
			if needs_types() then return end
			local lines <const>, told <const> = run(("%s %s 3 10 20"):format(VICTIM, family), "--follow", "tcpconnect")
			local pattern <const> = "^%S+ tcp_client%[(%d+)%] connect (.*)from=(%S+):%d+ to=(%S+):(%d+) latency=[%d.]+%ls$"
			assert.same({
				[("%s  %s %s %s"):format(told.client, host, host, told.port)] = 3,
				[("%s error=ECONNREFUSED  %s %s %s"):format(told.client, host, host, told.closed)] = 1,
			}, counted(lines, pattern))
			-- The parent, which is traced alone here, connects to nobody.
			assert.same({}, (run(("%s %s 3 10 20"):format(VICTIM, family), "tcpconnect")))
			assert.equal(1, #run(("%s %s 3 10 20"):format(VICTIM, family), "--follow", "tcpconnect", "--failed"))
		end)

		it("tcpaccept shows who accepts, over IPv" .. family, function()
			if needs_types() then return end
			local lines <const>, told <const> = run(("%s %s 4 10 20"):format(VICTIM, family), "tcpaccept")
			assert.same({ [("%s %s %s %s"):format(told.server, host, host, told.port)] = 4 },
				counted(lines, "^%S+ tcp_victim%[(%d+)%] accept from=(%S+):%d+ retval=%d to=(%S+):(%d+) latency=[%d.]+%ls$"))
			assert.same({}, (run(("%s %s 4 10 20"):format(VICTIM, family), "tcpaccept", "--port", "1")))
		end)

		for count = 2, 3 do
			it(("tcplife shows whose connections carried what, over IPv%s, when the %s closes first"):format(family,
				count % 2 == 1 and "client" or "server"), function()
				if needs_types() then return end
				local pattern <const> = "^%S+ (%S+)%[(%d+)%] closed from=(%S+):%d+ lasted=[%d.]+%ls received=(%d+) sent=(%d+) to=(%S+):%d+$"
				local lines <const>, told <const> = run(("%s %s %d 100000 70000"):format(VICTIM, family, count), "--follow", "tcplife")
				local server <const> = ("tcp_victim %s %s 100000 70000 %s"):format(told.server, host, host)
				assert.same({
					[server] = count,
					[("tcp_client %s %s 70000 100000 %s"):format(told.client, host, host)] = count,
					[("tcp_client %s %s 0 0 %s"):format(told.client, host, host)] = 1,
				}, counted(lines, pattern))
				local own <const>, own_told <const> = run(("%s %s %d 100000 70000"):format(VICTIM, family, count), "tcplife")
				assert.same({ [(server:gsub(told.server, own_told.server, 1))] = count }, counted(own, pattern))
			end)
		end
	end

	it("tcpconnect knows who wanted what the kernel connected later, at whatever time", function()
		if needs_types() then return end
		local lines <const>, told <const> = run(VICTIM .. " 4 1 0 0 late", "--follow", "tcpconnect")
		local late
		for _, line in ipairs(lines) do
			if line:find((" tcp_client[%d] connect from="):format(told.client), 1, true)
				and line:find((":%d latency="):format(told.crowded), 1, true) then late = line end
		end
		assert.is_truthy(late)
		assert.matches(" latency=[%d.]+s$", late)
	end)

	it("tcpconnect and tcplife show only what a port has to do with", function()
		if needs_types() then return end
		for _, tool in ipairs { "tcpconnect", "tcplife" } do
			assert.same({}, (run(VICTIM .. " 4 3 1 1", "--follow", tool, "--port", "1")))
		end
	end)

	it("gethostlatency shows who looks up which names", function()
		local hook <const> = features.hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
		local lines = run("build/fixtures/host_victim 127.0.0.1 1x.2 =127.0.0.2", "gethostlatency")
		assert.same({ ["getaddrinfo host=127.0.0.1"] = 1, ["getaddrinfo error=EAI_NONAME host=1x.2"] = 1,
			["gethostbyname host=127.0.0.2"] = 1 }, counted(lines, "^%S+ host_victim%[%d+%] (.*) latency=[%d.]+%ls$"))
		lines = run("build/fixtures/host_victim 127.0.0.1 1x.2 =127.0.0.2", "gethostlatency", "-x")
		assert.same({ ["EAI_NONAME host=1x.2"] = 1 }, counted(lines, "error=(.*) latency="))
	end)

	it("biosnoop shows each request, and whose it is", function()
		if needs_types() then return end
		local there <const> = disk_of.with(function(device, disk)
			local lines <const> = run(("build/fixtures/disk_victim %s 2 1"):format(device), "biosnoop", "--disk", disk)
			local pattern <const> = "^%S+ disk_victim%[%d+%] (%l+) bytes=(%d+) disk=(%S+) flags=%u+ queued=[%d.]+%ls sector=(%d+)"
				.. " latency=[%d.]+%ls$"
			assert.same({
				[("read 4096 %s 0"):format(disk)] = 1, [("read 4096 %s 8"):format(disk)] = 1,
				[("write 4096 %s 16"):format(disk)] = 1, [("flush 0 %s 0"):format(disk)] = 1,
			}, counted(lines, pattern))
		end)
		if not there then pending(NO_DISK) end
	end)

	-- The requests that rows of CSV tell of, by their keys.
	local function totals(lines, pattern)
		local sums <const> = {}
		for _, line in ipairs(lines) do
			local key <const>, count <const> = line:match(pattern)
			if key then sums[key] = (sums[key] or 0) + tonumber(count) end
		end
		return sums
	end

	it("biolatency counts the requests of a disk, and of a process", function()
		local there <const> = disk_of.with(function(device, disk)
			local load <const> = ("build/fixtures/disk_victim %s 5 3"):format(device)
			local tool <close> = assert(beside.start(("build/crumb --csv biolatency --by-flags --disk %s"):format(disk)))
			assert(os.execute(load))
			assert.same({ RS = 5, WS = 3, FF = 1 }, totals(tool:finish(), "^(%u+),latency,%d*,%d*,(%d+)$"))
			local text <const> = cli.run("-c", load, "--csv", "biolatency", "--queued", "--by-disk")
			local lines <const> = {}
			for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
			assert.same({ [disk] = 9 }, totals(lines, "^(%w+),latency,%d*,%d*,(%d+)$"))
		end)
		if not there then pending(NO_DISK) end
	end)
end)
