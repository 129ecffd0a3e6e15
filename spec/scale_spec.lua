-- Thousands of sites, each with its own cookie: every count right, nothing left, and what is said where it is too much.
local cookies = require "support.cookies"
local core = require "crumb.core"
local crumb = require "crumb"
local lab = require "support.lab"
local Victim = require "support.victim"

local MANY <const> = "uprobe:build/fixtures/many:"
local FIRST <const> = 100000 -- the number in the first function's name
local NO_MULTI <const> = cookies.missing "uprobe.multi"
local COUNT <const> = NO_MULTI and 1000 or 10000
local GLOB <const> = NO_MULTI and "many_100???" or "many_10????"
local _ <const>, _ <const>, MACHINE <const> = core.versions()

local victim, before

setup(function() victim = Victim.start "many" end)
teardown(function() victim:stop() end)
before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

local function index_of(symbol) return math.tointeger(symbol:match "^many_(%d+)$") - FIRST end

local function calls_of(i) return i % 3 + 1 end

-- A cookie that nothing but the symbol tells.
local function cookie_of(i) return (i * 0x9e3779b97f4a7c15) | 1 end

local function by_symbol(site) return cookie_of(index_of(site.symbol)) end

-- The program that this kernel has for many uprobes.
local function load()
	local name <const> = NO_MULTI and "on_uprobe" or "on_uprobe_multi"
	local object <const> = cookies.load(victim, name)
	assert(object:load())
	return object, object.programs[name]
end

describe("a trace", function()
	it("changes nothing of a program all of whose C library is probed", function()
		if NO_MULTI then return pending(NO_MULTI) end
		local path <const> = os.tmpname()
		local script <const> = ("io.output %q\n"):format(path) .. [[
			for i = 1, 3 do io.write(i, ":", i / 7, ("a=b"):gsub("a=", "c"), (" %5d %q\n"):format(i * 7, "word")) end
			io.write(os.date("!%c", 0), tostring(tonumber "1e3"), tostring(io.open "/nowhere"), os.getenv "PATH")]]
		local function run(probed)
			local trace <close> = assert(crumb.trace())
			local job <close> = assert(trace:spawn { "lua5.4", "-e", script })
			local probe <const> = probed and assert(trace:probe {
				"uprobe:libc:*", pid = job.pid, count = true, max = 10000, missing = "skip",
			})
			job:start()
			trace:run { process = job, duration = 60 }
			local file <close> = assert(io.open(path))
			return file:read "a", probe and probe:stats().hits
		end
		local plain <const> = run(false)
		assert.matches('2:0.28571428571429cb    14 "word"\n.*1970', plain)
		local output <const>, hits <const> = run(true)
		os.remove(path)
		assert.equal(plain, output)
		assert.is_true(hits > 1000)
	end)

	it("counts ten thousand functions, each by its own cookie", function()
		local trace <close> = assert(crumb.trace())
		local probe <const> = assert(trace:probe {
			MANY .. GLOB, cookie = by_symbol, count = true, by = { "symbol", "cookie" }, max = COUNT,
		})
		assert.equal(COUNT, #probe.sites)
		assert.equal(NO_MULTI and "uprobe: 1,000 sites, 1,000 kernel links (this kernel has no uprobe.multi: it came with 6.6, and "
			.. "needs CONFIG_UPROBE_EVENTS)" or "uprobe.multi: 10,000 sites, 1 kernel link", probe.mechanism)
		victim:call("call", COUNT)
		local rows <const>, seen <const> = assert(probe:read()), {}
		for _, row in ipairs(rows) do
			local i <const> = index_of(row.symbol)
			assert.is_nil(seen[i])
			seen[i] = true
			assert.equal(cookie_of(i), row.cookie)
			assert.equal(calls_of(i), row.count)
		end
		assert.equal(COUNT, #rows)
		local all = 0
		for i = 0, COUNT - 1 do all = all + calls_of(i) end
		assert.equal(all, probe:stats().hits)
		assert.equal(all, probe:stats().aggregated)
		for _, i in ipairs { 0, 1, 2, COUNT // 2, COUNT - 1 } do
			assert.equal(calls_of(i), probe:stats(cookie_of(i)).hits)
		end
		assert(probe:close())
		assert.equal(all, probe:stats().hits)
		assert.equal(calls_of(COUNT - 1), probe:stats(cookie_of(COUNT - 1)).hits)
	end)

	it("tells the cookie, the symbol and the probe with each event of some hundred", function()
		local trace <close> = assert(crumb.trace { ring_size = 1 << 20 })
		local probe <const> = assert(trace:probe { MANY .. "many_1000??", cookie = by_symbol })
		victim:call("call", 100)
		local times <const> = {}
		for event in trace:events { idle = 0 } do
			local i <const> = index_of(event.symbol)
			assert.equal(cookie_of(i), event.cookie)
			assert.equal(probe, event.probe)
			times[i] = (times[i] or 0) + 1
		end
		for i = 0, 99 do assert.equal(calls_of(i), times[i]) end
		assert.is_nil(times[100])
	end)

	it("uses the numbers of its sites again", function()
		local trace <close> = assert(crumb.trace { sites = 150 })
		for _ = 1, 5 do
			local probe <close> = assert(trace:probe { MANY .. "many_1000??", count = true })
			assert.equal(100, #probe.sites)
		end
		local kept <close> = assert(trace:probe { MANY .. "many_1000??", count = true })
		assert.same({
			nil, "of the trace's 150 sites 50 are free, and 100 are needed: crumb.trace { sites = n } makes more", 28,
		}, { trace:probe { MANY .. "many_1000??", count = true } })
		victim:call("call", 100)
		assert.equal(199, kept:stats().hits)
	end)
end)

describe("many sites", function()
	it("have the cookies of a list in any order of their names", function()
		local object <close>, program <const> = load()
		local names <const>, list <const>, expected <const> = {}, {}, {}
		local count <const> = NO_MULTI and 50 or 1000
		for i = 1, count do
			local number <const> = i * 389 % count -- each once
			names[i], list[i] = ("many_%d"):format(FIRST + number), 5000 + number
			expected[5000 + number] = calls_of(number)
		end
		assert(program:attach { MANY:sub(1, -2), symbols = names, cookie = list })
		victim:call("call", count)
		assert.same(expected, cookies.taken(object))
	end)

	it("that come twice are one with one cookie, and two with two", function()
		local object <close>, program <const> = load()
		local link <const> = assert(program:attach {
			MANY .. "many_10000?", MANY .. "many_10000?", MANY .. "many_10001?", cookie = by_symbol,
		})
		assert.equal(20, #link.cookies)
		assert.equal(NO_MULTI and 20 or 1, #link)
		link:close()
		local doubled <const> = assert(program:attach {
			MANY .. "many_10000?", MANY .. "many_10000?", cookie = function(_, i) return i end,
		})
		assert.equal(20, #doubled.cookies)
		assert.equal(NO_MULTI and 20 or 2, #doubled)
		victim:call("call", 10)
		local expected <const> = {}
		for i = 0, 9 do expected[i + 1], expected[i + 11] = calls_of(i), calls_of(i) end
		assert.same(expected, cookies.taken(object))
	end)

	it("are not attached with a list of another length", function()
		local object <close>, program <const> = load()
		for _, length in ipairs { 999, 1001 } do
			local list <const> = {}
			for i = 1, length do list[i] = i end
			assert.error_matches(function() program:attach { MANY .. "many_100???", cookie = list } end,
				("program:attach: cookie: %d cookies were given for 1000 sites"):format(length), 1, true)
		end
		assert.is_false(object:closed())
	end)

	it("leave nothing behind, however often they come and go", function()
		if NO_MULTI then pending(NO_MULTI) end
		local trace <close> = assert(crumb.trace())
		local function once()
			local probe <close> = assert(trace:probe { MANY .. GLOB, count = true, max = COUNT })
			assert.equal(COUNT, #probe.cookies)
		end
		local function kilobytes()
			collectgarbage()
			collectgarbage()
			return collectgarbage "count", math.tointeger(lab.read "/proc/self/status":match "VmRSS:%s*(%d+)")
		end
		for _ = 1, 3 do once() end
		local held <const>, resident <const> = kilobytes()
		local open <const> = lab.descriptors()
		for _ = 1, 5 do once() end
		local held_after <const>, resident_after <const> = kilobytes()
		assert.equal(open, lab.descriptors())
		assert.is_true(held_after < held + 100, ("%.0f KiB, then %.0f"):format(held, held_after))
		assert.is_true(resident_after < resident + 4096, ("%d KiB, then %d"):format(resident, resident_after))
	end)
end)

describe("more than 2,000 matches", function()
	local REFUSED <const> = MANY .. "many_1?????: 20,000 functions match, and at most %s are attached: say max = 20000 "
		.. "(--max-sites 20000), or choose with only"

	it("are refused until they are meant", function()
		local object <close>, program <const> = load()
		local trace <close> = assert(crumb.trace())
		assert.same({ nil, "attach " .. REFUSED:format "2,000", 7 }, { program:attach { MANY .. "many_1?????" } })
		assert.same({ nil, REFUSED:format "2,000", 7 }, { trace:probe { MANY .. "many_1?????", count = true } })
		assert.same({ nil, REFUSED:format "19,999", 7 }, { trace:probe { MANY .. "many_1?????", count = true, max = 19999 } })
		assert.is_false(object:closed())
	end)

	it("are those that `only` leaves", function()
		local object <close>, program <const> = load()
		local link <const> = assert(program:attach { MANY .. "many_1?????", only = function(site)
			return index_of(site.symbol) < 3
		end, max = 3 })
		assert.equal(3, #link.cookies)
		assert.is_false(object:closed())
	end)

	it("can be allowed for a whole trace, where max may be an aggregate too", function()
		local trace <close> = assert(crumb.trace { max = 5 })
		assert.same({
			nil, MANY .. "many_10000?: 10 functions match, and at most 5 are attached: say max = 10 "
				.. "(--max-sites 10), or choose with only", 7,
		}, { trace:probe { MANY .. "many_10000?", max = "cookie" } })
		local probe <close> = assert(trace:probe { MANY .. "many_10000?", max = 10, count = true })
		assert.equal(10, #probe.sites)
		local wide <close> = assert(crumb.trace { max = 10 })
		local most <const> = assert(wide:probe { MANY .. "many_10000?", max = "cookie", by = {} })
		victim:call("call", 10)
		assert.equal(10, most:read()[1].max)
	end)

	it("are taken when each was named", function()
		if NO_MULTI then pending(NO_MULTI) end
		local object <close>, program <const> = load()
		local names <const> = {}
		for i = 0, 2000 do names[#names + 1] = ("many_%d"):format(FIRST + i) end
		assert.equal(2001, #assert(program:attach { MANY:sub(1, -2), symbols = names }).cookies)
		assert.is_false(object:closed())
	end)

	it("are all listed", function()
		local count = 0
		for _ in assert(crumb.list(MANY .. "many_1?????")) do count = count + 1 end
		assert.equal(20000, count)
	end)

	it("are asked for by a number of 1 or more", function()
		local object <close>, program <const> = load()
		local trace <close> = assert(crumb.trace())
		for _, wrong in ipairs { 0, -1 } do
			local message <const> = ("max: expected 1 or more, got %d"):format(wrong)
			assert.error_matches(function() program:attach { MANY .. "many_100000", max = wrong } end, message, 1, true)
			assert.error_matches(function() trace:probe { MANY .. "many_100000", max = wrong } end, message, 1, true)
			assert.error_matches(function() crumb.trace { max = wrong } end, message, 1, true)
		end
		assert.error_matches(function() program:attach { MANY .. "many_100000", max = 1.5 } end, "option 'max': expected integer")
		assert.error_matches(function() program:attach { MANY .. "many_100000", max = "9" } end, "option 'max': expected integer")
		assert.error_matches(function() trace:probe { MANY .. "many_100000", max = 1.5 } end, "option 'max': expected integer")
		assert.is_false(object:closed())
	end)
end)

describe("a link for each site", function()
	local function single()
		local object <const> = cookies.load(victim, "on_uprobe")
		assert(object:load())
		return object, object.programs.on_uprobe
	end

	it("tells how far it is", function()
		local object <close>, program <const> = single()
		local told <const> = {}
		local link <const> = assert(program:attach {
			MANY .. "many_10000[012]", cookie = by_symbol, progress = function(done, total) told[#told + 1] = { done, total } end,
		})
		assert.equal("uprobe: 3 sites, 3 kernel links", link.mechanism)
		assert.same({ 3, 3 }, told[#told])
		for i = 2, #told do assert.is_true(told[i - 1][1] < told[i][1]) end
		assert.is_false(object:closed())
	end)

	it("is undone when the script's function for that raises", function()
		local object <close>, program <const> = single()
		local held <const>, raised <const> = lab.descriptors(), { "mine" }
		local done <const>, message <const> = pcall(program.attach, program, {
			MANY .. "many_10000[01]", progress = function() error(raised) end,
		})
		assert.is_false(done)
		assert.equal(raised, message)
		assert.equal(held, lab.descriptors())
		victim:call("call", 3)
		assert.same({}, cookies.taken(object))
	end)

	it("is undone in a trace too", function()
		local trace <close> = assert(crumb.trace { sites = 2 })
		local raised <const> = { "mine" }
		for _ = 1, 3 do
			local done <const>, message <const> = pcall(trace.probe, trace, {
				"tracepoint:syscalls:sys_enter_getpg*", progress = function() error(raised) end, count = true,
			})
			assert.is_false(done)
			assert.equal(raised, message)
		end
	end)

	it("is not begun when there are not the descriptors for it", function()
		local status <const>, output <const> = lab.run(([[
			package.path, package.cpath = %q, %q
			local lab = require "support.lab"
			local cookies = require "support.cookies"
			local object = cookies.load(nil, "on_uprobe")
			assert(object:load())
			local held = lab.descriptors()
			local link, message, errno = object.programs.on_uprobe:attach { "uprobe:build/fixtures/many:many_1000??" }
			assert(lab.descriptors() == held)
			print(errno, message)
		]]):format(package.path, package.cpath), "ulimit -n 100; ")
		assert.equal(0, status)
		local left <const> = output:match("^24\tattach uprobe:build/fixtures/many:many_1000%?%?: 100 sites take 200 file descriptors, "
			.. "a link each, and (%d+) are left to this process: raise the limit %(ulimit %-n%)\n$")
		assert.is_truthy(left, output)
		assert.is_true(math.tointeger(left) > 50 and math.tointeger(left) < 100, output)
	end)
end)

describe("what the kernel refuses among many", function()
	local SORTS <const> = { "refused_lock", "refused_behind_a_prefix" }

	local function each(use)
		if NO_MULTI then pending(NO_MULTI) end
		if MACHINE ~= "x86_64" then pending "what is refused differs by machine" end
		local object <close>, program <const> = load()
		for _, name in ipairs(SORTS) do use(program, name, object) end
	end

	it("is named", function()
		each(function(program, name)
			local held <const> = lab.descriptors()
			local link <const>, message <const>, errno <const> = program:attach { MANY .. "many_100???", MANY .. name }
			assert.is_nil(link)
			assert.equal(("attach %s%s: Operation not supported: the kernel takes no uprobe on the instruction there"):format(MANY, name),
				message:match "^[^\n]*")
			assert.equal(95, errno)
			assert.equal(held, lab.descriptors())
		end)
	end)

	it("is left out with missing = 'skip', and said", function()
		each(function(program, name, object)
			local link <close> = assert(program:attach {
				MANY .. "many_1000??", MANY .. name, MANY .. "many_1001??", missing = "skip", cookie = function(_, i) return i end,
			})
			assert.same({ 200, 1, 1 }, { #link.cookies, #link.skipped, #link })
			assert.equal(name, link.skipped[1].symbol)
			assert.matches("the kernel takes no uprobe", link.skipped[1].reason, 1, true)
			victim:call("call", 200)
			local expected <const> = {}
			for i = 0, 199 do expected[i < 100 and i + 1 or i + 2] = calls_of(i) end
			assert.same(expected, cookies.taken(object))
		end)
	end)

	it("are all found when they are several", function()
		if NO_MULTI then pending(NO_MULTI) end
		if MACHINE ~= "x86_64" then pending "what is refused differs by machine" end
		local trace <close> = assert(crumb.trace())
		local probe <const> = assert(trace:probe { MANY .. "refused_*", MANY .. "many_10000?", missing = "skip", count = true })
		local names <const> = {}
		for i, site in ipairs(probe.skipped) do names[i] = site.symbol end
		table.sort(names)
		assert.same({ "refused_behind_a_prefix", "refused_lock" }, names)
		assert.equal("uprobe.multi: 10 sites, 1 kernel link", probe.mechanism)
		assert.equal(10, #probe.sites)
		victim:call("call", 10)
		assert.equal(19, probe:stats().hits)
	end)
end)

describe("a missing name of a thousand kernel functions", function()
	local MISSING <const> = "crumb_no_such_function"

	-- Those of a name that no other function has.
	local function names()
		if cookies.missing "kprobe.multi" then pending(cookies.missing "kprobe.multi") end
		local list <const>, times <const> = {}, {}
		for line in io.lines "/proc/kallsyms" do
			local name <const> = line:match "^%x+ %a (%S+)"
			times[name] = (times[name] or 0) + 1
		end
		for line in io.lines "/sys/kernel/tracing/available_filter_functions" do
			local name <const> = line:match "^([%w_]+)$"
			if #list < 999 and times[name] == 1 and (name:find "^vfs_" or name:find "^proc_" or name:find "^ext4_") then
				list[#list + 1] = name
			end
		end
		table.insert(list, #list // 2, MISSING)
		return list
	end

	it("is named, or left out", function()
		local list <const> = names()
		local trace <close> = assert(crumb.trace())
		local probe, message <const>, errno <const> = trace:probe { "kprobe", symbols = list, count = true }
		assert.is_nil(probe)
		assert.matches("kprobe:" .. MISSING .. ": no kernel function '" .. MISSING .. "'", message, 1, true)
		assert.equal(2, errno)
		probe = assert(trace:probe { "kprobe", symbols = list, missing = "skip", count = true, enabled = false })
		assert.equal(#list - 1, #probe.sites + #probe.skipped - 1)
		local skipped = false
		for _, site in ipairs(probe.skipped) do skipped = skipped or site.symbol == MISSING end
		assert.is_true(skipped)
	end)
end)

describe("only and cookie", function()
	it("see all there is to know of a site", function()
		local object <close>, program <const> = load()
		local seen <const> = {}
		local link <const> = assert(program:attach {
			MANY .. "many_10000[05]",
			only = function(site)
				seen[#seen + 1] = {
					site.symbol, site.size, site.file, site.kind, site.target, site.offset - site.address, site.returns,
				}
				return site.symbol == "many_100005"
			end,
			cookie = function(site, i) return site.size * 1000 + i end,
		})
		local function of(name) return { name, 2, "build/fixtures/many", "uprobe", MANY .. "many_10000[05]", 0, false } end
		assert.same({ of "many_100000", of "many_100005" }, seen)
		assert.equal(2001, link.cookie)
		assert.is_false(object:closed())
	end)
end)
