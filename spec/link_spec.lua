-- crumb.Link: what the kernel says of it, how it is kept, and how it ends.
local bpf = require "crumb.bpf"
local cookies = require "support.cookies"
local core = require "crumb.core"
local lab = require "support.lab"
local Victim = require "support.victim"

local SYSCALL <const> = cookies.SYSCALL
local VICTIM <const> = "build/fixtures/victim"
local PINS <const> = "/sys/fs/bpf/"
local ENOENT <const>, EEXIST <const>, EINVAL <const>, EOPNOTSUPP <const> = 2, 17, 22, 95
local LARGE <const> = 0x8000000000000001

local major <const>, minor <const> = bpf.features().kernel:match "^(%d+)%.(%d+)"
local VERSION <const> = math.tointeger(major) * 100 + math.tointeger(minor)

local victim, before

setup(function() victim = Victim.start() end)
teardown(function() victim:stop() end)
before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

local function need(...)
	local reason <const> = cookies.missing(...)
	if reason then pending(reason) end
end

-- The victim's object with one program, and that program.
local function load(name, traced)
	local object <const> = cookies.load(victim, name)
	if traced then assert(object.programs[name]:set_attach_target(traced)) end
	return assert(object:load()), object.programs[name]
end

local FUNCTION <const> = SYSCALL .. "getsid"

describe("link:info", function()
	-- Each hook: program, target, the kernel from which on the cookie is told, and what else is.
	for hook, row in pairs {
		kprobe = { "on_kprobe", "kprobe:" .. FUNCTION, 609, { type = "perf_event" } },
		uprobe = { "on_uprobe", "uprobe:" .. VICTIM .. ":hit_a", 609, { type = "perf_event" } },
		tracepoint = { "on_tracepoint", "tracepoint:task:task_rename", 609, { type = "perf_event" } },
		software = { "on_fault", "software:page-faults:1", 609, { type = "perf_event" } },
		rawtracepoint = { "on_raw_tracepoint", "rawtracepoint:task_rename", 617, { type = "raw_tracepoint", name = "task_rename" } },
		tp_btf = { "on_tp_btf", "tp_btf:task_rename", 617, { type = "raw_tracepoint", name = "task_rename" } },
		fentry = { "on_fentry", "fentry:" .. FUNCTION, 617, { type = "tracing" }, FUNCTION },
	} do
		it("of a " .. hook .. " tells its cookie from its kernel on", function()
			need(hook, "cookie")
			local object <close>, program <const> = load(row[1], row[5])
			for _, sent in ipairs { 0, LARGE } do
				local link <close> = assert(program:attach { row[2], cookie = sent })
				for part = 1, #link do
					local info <const> = assert(link:info(part))
					assert.equal(VERSION >= row[3] and sent or nil, info.cookie)
					for key, value in pairs(row[4]) do assert.equal(value, info[key]) end
					assert.equal(program:info().id, info.program)
					assert.is_true(info.id > 0)
				end
			end
			assert.is_false(object:closed())
		end)
	end

	it("of a uprobe.multi tells offsets and cookies, each with its own", function()
		need("uprobe.multi", "cookie")
		local _ <close>, program <const> = load "on_uprobe_multi"
		local link <const> = assert(program:attach {
			"uprobe:" .. VICTIM, symbols = { "hit_d", "hit_a", "hit_c" }, cookie = { LARGE, 0, 7 },
		})
		local info <const> = assert(link:info())
		assert.equal("uprobe_multi", info.type)
		if VERSION < 608 then return assert.is_nil(info.cookies) end
		assert.equal(3, info.count)
		assert.matches("/victim$", info.path)
		for i, offset in ipairs(info.offsets) do
			assert.equal(link.sites[i].offset, offset)
			assert.equal(link.cookies[i], info.cookies[i])
		end
	end)

	it("of a kprobe.multi tells addresses and cookies, each with its own", function()
		need("kprobe.multi", "cookie")
		local _ <close>, program <const> = load "on_kprobe_multi"
		local link <const> = assert(program:attach { "kprobe:vfs_*", cookie = function(_, i) return -i end })
		local info <const>, by_address <const> = assert(link:info()), {}
		for i, site in ipairs(link.sites) do by_address[site.address] = -i end
		assert.is_true(#link.sites > 20)
		if VERSION < 609 then return assert.is_nil(info.cookies) end
		assert.equal(#link.sites, info.count)
		for i, address in ipairs(info.addresses) do
			-- The kernel may name the place in the function where its call is patched in.
			local start = address
			while not by_address[start] and address - start < 32 do start = start - 1 end
			assert.equal(by_address[start], info.cookies[i])
		end
	end)

	it("of USDT has nothing to tell, and says so", function()
		local _ <close>, program <const> = load "on_usdt"
		local link <const> = assert(program:attach { "usdt:" .. VICTIM .. ":crumb:once", cookie = 5 })
		for name, work in pairs {
			info = function() return link:info() end, fd = function() return link:fd() end,
			pin = function() return link:pin(PINS .. "crumb_usdt") end,
		} do
			local done <const>, message <const>, errno <const> = work()
			assert.is_nil(done, name)
			assert.matches("of a USDT attachment libbpf makes several kernel links", message)
			assert.equal(EOPNOTSUPP, errno)
		end
	end)

	it("has a part for each kernel link, and no more", function()
		local _ <close>, program <const> = load "on_uprobe"
		local link <const> = assert(program:attach { "uprobe:" .. VICTIM, symbols = { "hit_a", "hit_b" } })
		assert.equal(2, #link)
		assert.not_equal(assert(link:info(1)).id, assert(link:info(2)).id)
		assert.error_matches(function() link:info(3) end, "the link has no such part")
		assert.error_matches(function() link:info(0) end, "the link has no such part")
	end)
end)

describe("a pin", function()
	-- What stays under bpffs would keep counting for the specs that follow.
	after_each(function() os.execute("rm -f " .. PINS .. "crumb_spec*") end)

	local function pinned(count)
		local object <const>, program <const> = load "on_uprobe"
		local symbols <const> = { "hit_a", "hit_b" }
		return object, assert(program:attach {
			"uprobe:" .. VICTIM, symbols = { table.unpack(symbols, 1, count) }, cookie = LARGE,
		})
	end

	-- What is pinned cannot be opened as a file.
	local function exists(path)
		for _, name in ipairs(assert(core.directory(PINS))) do
			if PINS .. name == path then return true end
		end
		return false
	end

	it("keeps the attachment when the link is closed, until it is opened again and detached", function()
		local object <close>, link <const> = pinned(1)
		assert(link:pin(PINS .. "crumb_spec"))
		assert.is_true(exists(PINS .. "crumb_spec"))
		local id <const> = link:info().id
		assert(link:close())
		victim:call("hit_a", 3)
		assert.same({ [LARGE] = 3 }, cookies.taken(object))
		local again <const> = assert(bpf.pinned_link(PINS .. "crumb_spec"))
		assert.equal(id, again:info().id)
		assert.equal(VERSION >= 609 and LARGE or nil, again:info().cookie)
		assert.equal(1, #again)
		assert(again:detach())
		assert.is_true(again:closed())
		assert.is_false(exists(PINS .. "crumb_spec"))
		victim:call("hit_a", 3)
		assert.same({}, cookies.taken(object))
	end)

	it("is removed by unpin, and the attachment stays", function()
		local object <close>, link <const> = pinned(1)
		assert(link:pin(PINS .. "crumb_spec"))
		assert(link:pin(PINS .. "crumb_spec_too"))
		assert(link:unpin())
		assert.is_false(exists(PINS .. "crumb_spec"))
		assert.is_false(exists(PINS .. "crumb_spec_too"))
		victim:call("hit_a", 3)
		assert.same({ [LARGE] = 3 }, cookies.taken(object))
		assert(link:pin(PINS .. "crumb_spec"))
		assert(link:detach())
		assert.is_false(exists(PINS .. "crumb_spec"))
		victim:call("hit_a", 3)
		assert.same({}, cookies.taken(object))
	end)

	it("of several kernel links is several, or none", function()
		local _ <close>, link <const> = pinned(2)
		assert(link:pin(PINS .. "crumb_spec"))
		assert.is_true(exists(PINS .. "crumb_spec_1"))
		assert.is_true(exists(PINS .. "crumb_spec_2"))
		assert(link:unpin())
		local _ <close>, other <const> = pinned(1)
		assert(other:pin(PINS .. "crumb_spec_2"))
		local done <const>, message <const>, errno <const> = link:pin(PINS .. "crumb_spec")
		assert.is_nil(done)
		assert.equal(EEXIST, errno)
		assert.matches("^pin link at /sys/fs/bpf/crumb_spec_2: File exists$", message)
		assert.is_false(exists(PINS .. "crumb_spec_1"))
		assert.is_true(exists(PINS .. "crumb_spec_2"))
	end)

	it("elsewhere than in a bpffs is refused", function()
		local _ <close>, link <const> = pinned(1)
		local done, message, errno = link:pin "/tmp/crumb_spec"
		assert.is_nil(done)
		assert.equal(EINVAL, errno)
		assert.equal("pin link at /tmp/crumb_spec: a link is pinned in a bpffs only, such as /sys/fs/bpf (mount -t bpf bpffs "
			.. "/sys/fs/bpf): Invalid argument", message)
		done, message, errno = link:pin(PINS .. "nowhere/crumb_spec")
		assert.is_nil(done)
		assert.equal(ENOENT, errno)
		assert.matches("^pin link at /sys/fs/bpf/nowhere/crumb_spec: No such file", message)
	end)

	it("that is none is not opened", function()
		local link <const>, message <const>, errno <const> = bpf.pinned_link(PINS .. "crumb_spec_nowhere")
		assert.is_nil(link)
		assert.equal(ENOENT, errno)
		assert.matches("^open pinned link /sys/fs/bpf/crumb_spec_nowhere: No such file", message)
	end)

	it("takes no more attachments", function()
		local _ <close>, link <const> = pinned(1)
		assert(link:pin(PINS .. "crumb_spec"))
		local again <close> = assert(bpf.pinned_link(PINS .. "crumb_spec"))
		assert.error_matches(function() again:attach_trace(1) end, "a pinned link takes no more attachments")
	end)
end)

describe("the end of a link", function()
	it("is close, which may come twice, and everything after it raises", function()
		local _ <close>, program <const> = load "on_uprobe"
		local link <const> = assert(program:attach { "uprobe:" .. VICTIM .. ":hit_a", cookie = 5 })
		assert.is_true(link:close())
		assert.is_true(link:close())
		assert.is_true(link:closed())
		for _, work in ipairs {
			function() link:info() end, function() link:fd() end, function() link:pin(PINS .. "x") end, function() return #link end,
			function() link:attach_trace(1) end,
		} do
			assert.error_matches(work, "crumb.Link is closed")
		end
		assert.equal(5, link.cookie)
	end)

	it("is not that its name is gone, nor its object's", function()
		local function hits_of_a_forgotten_link()
			local object <const>, program <const> = load "on_uprobe"
			assert(program:attach { "uprobe:" .. VICTIM .. ":hit_a", cookie = 5 })
			return object.maps.hits
		end
		local hits = hits_of_a_forgotten_link()
		collectgarbage()
		collectgarbage()
		victim:call("hit_a", 3)
		assert.equal(3, hits:lookup(5))
		hits = nil
		collectgarbage()
		collectgarbage()
		assert.is_nil(hits)
	end)

	it("is the object's", function()
		local object <const>, program <const> = load "on_usdt"
		local link <const> = assert(program:attach { "usdt:" .. VICTIM .. ":crumb:guarded", cookie = 5 })
		object:close()
		assert.is_true(link:closed())
		assert.equal(0, victim:call("semaphore", 0))
	end)

	it("leaves nothing, however often", function()
		local name <const> = cookies.missing("rawtracepoint", "cookie") and "without_raw_tracepoint" or "on_raw_tracepoint"
		local _ <close>, program <const> = load(name)
		assert(program:attach { "rawtracepoint:task_rename" }):close()
		collectgarbage()
		local open <const>, memory <const> = lab.descriptors(), collectgarbage "count"
		for _ = 1, lab.times(1000) do assert(program:attach { "rawtracepoint:task_rename" }):close() end
		for _ = 1, 20 do assert.is_nil(program:attach { "rawtracepoint:none_of_that_name" } or nil) end
		assert.equal(open, lab.descriptors())
		collectgarbage()
		assert.is_true(collectgarbage "count" - memory < 64)
	end)
end)
