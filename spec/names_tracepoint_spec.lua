-- crumb.names.tracepoint: which tracepoints of a kernel a target means.
local Folder = require "support.folder"
local lab = require "support.lab"
local tracepoint = require "crumb.names.tracepoint"

local scratch, folder

local function spill(name, bytes) return scratch:write(name, bytes) end

setup(function()
	scratch = Folder.make()
	folder = scratch.path
end)

teardown(function() scratch:remove() end)

describe("names.tracepoint", function()
	local before, root

	before_each(function()
		before = lab.descriptors()
		root = folder .. "/tracefs"
		for _, path in ipairs { "sched/sched_switch", "sched/sched_wakeup", "irq/irq_handler_entry", "block/alike",
			"broken/nothing" } do
			os.execute(("mkdir -p %s/events/%s"):format(root, path))
		end
		for path, id in pairs { ["sched/sched_switch"] = 316, ["sched/sched_wakeup"] = 318,
			["irq/irq_handler_entry"] = 99, ["block/alike"] = 5 } do
			spill("tracefs/events/" .. path .. "/id", id .. "\n")
		end
		spill("tracefs/events/sched/enable", "0\n")
		spill("tracefs/events/sched/filter", "none\n")
		spill("tracefs/events/header_page", "\n")
	end)

	after_each(function()
		os.execute("rm -r " .. root)
		assert.equal(before, lab.descriptors())
	end)

	local function resolve(category, name)
		return tracepoint.reader({ folder .. "/none", root }):resolve(category, name)
	end

	local function fails(category, name, message, errno)
		local result, why, number = resolve(category, name)
		assert.is_nil(result)
		assert.equal(("tracepoint:%s:%s: %s"):format(category, name, message), why)
		assert.equal(errno, number)
	end

	it("finds one", function()
		assert.same({ sites = { {
			symbol = "sched:sched_switch", category = "sched", name = "sched_switch", id = 316,
			path = root .. "/events/sched/sched_switch",
		} } }, resolve("sched", "sched_switch"))
	end)

	it("takes globs", function()
		local names = {}
		for _, site in ipairs(assert(resolve("*", "*")).sites) do names[#names + 1] = site.symbol end
		assert.same({ "block:alike", "irq:irq_handler_entry", "sched:sched_switch", "sched:sched_wakeup" }, names)
		assert.equal(2, #assert(resolve("sched", "sched_*")).sites)
		fails("sched", "x*", "no tracepoint 'x*' in sched", 2)
		fails("x*", "y", "no category 'x*'", 2)
	end)

	it("names the nearest, or where it is", function()
		fails("sched", "sched_swich", "no tracepoint 'sched_swich' in sched (nearest: sched_switch)", 2)
		fails("shed", "x", "no category 'shed' (nearest: sched)", 2)
		fails("irq", "sched_switch", "no tracepoint 'sched_switch' in irq (it is sched:sched_switch)", 2)
		fails("task", "sched_switch", "no category 'task' (it is sched:sched_switch)", 2)
		fails("sched", "enable", "no tracepoint 'enable' in sched", 2)
	end)

	it("refuses what would leave its folder, without looking", function()
		for _, word in ipairs { "..", ".", "", "../sched", "a/b", "a\0b", "a b", "a\n" } do
			fails(word, "x", "the category is not a name", 22)
			fails("sched", word, "the name is not a name", 22)
		end
	end)

	it("says when an event has no number", function()
		local result, why, errno = resolve("broken", "nothing")
		assert.is_nil(result)
		assert.truthy(why:find("tracepoint:broken:nothing: " .. root, 1, true), why)
		assert.equal(2, errno)
		spill("tracefs/events/broken/nothing/id", "x\n")
		fails("broken", "nothing", root .. "/events/broken/nothing/id holds no number", 22)
	end)

	it("names the command that mounts tracefs", function()
		os.execute(("rm -r %s; mkdir %s"):format(root, root))
		local _, why, errno = tracepoint.reader({ root }):resolve("sched", "sched_switch")
		assert.equal(("tracepoint:sched:sched_switch: tracefs is not mounted: mount -t tracefs tracefs %s"):format(root), why)
		assert.equal(19, errno)
		_, why, errno = tracepoint.reader({ folder .. "/none" }):resolve("sched", "sched_switch")
		assert.equal(("tracepoint:sched:sched_switch: this kernel has no tracefs (there is no %s/none)"):format(folder), why)
		assert.equal(19, errno)
	end)

	it("reads the running kernel's", function()
		local result, why = tracepoint.resolve("sched", "sched_switch")
		if not result then pending(why) end
		assert.equal("sched:sched_switch", result.sites[1].symbol)
		assert.is_true(result.sites[1].id > 0)
	end)
end)
