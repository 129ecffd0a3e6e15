-- One program on many places, each with a cookie of its own.
local cookies = require "support.cookies"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local lab = require "support.lab"
local Victim = require "support.victim"

local SYSCALL <const> = cookies.SYSCALL
local VICTIM <const> = "build/fixtures/victim"

local victim, before

setup(function() victim = Victim.start() end)
teardown(function() victim:stop() end)
before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

-- Of each family: its hook, its program, what its symbols follow, four of them (unsorted), the victim's words for
-- them, and whether one kernel link holds them all.
local FAMILIES <const> = {
	{
		hook = "uprobe", program = "on_uprobe", base = "uprobe:" .. VICTIM, returns = "uretprobe:" .. VICTIM,
		symbols = { "hit_d", "hit_a", "hit_c", "hit_b" }, words = { "hit_d", "hit_a", "hit_c", "hit_b" },
	},
	{
		hook = "kprobe", program = "on_kprobe", base = "kprobe", returns = "kretprobe",
		symbols = { SYSCALL .. "getsid", SYSCALL .. "getpgid", SYSCALL .. "getpriority", SYSCALL .. "getitimer" },
		words = { "getsid", "getpgid", "getpriority", "getitimer" },
	},
}

local function with_multi(families)
	for i = 1, #families do
		local multi <const> = setmetatable({ multi = true }, { __index = families[i] })
		multi.hook, multi.program = families[i].hook .. ".multi", families[i].program .. "_multi"
		families[#families + 1] = multi
	end
	return families
end

for _, family in ipairs(with_multi(FAMILIES)) do
	local symbols <const>, words <const> = family.symbols, family.words
	local first <const>, second <const>, third <const>, fourth <const> = table.unpack(symbols)

	describe(family.hook, function()
		local object, program

		local function with_object(name, body)
			it(name, function()
				local reason <const> = cookies.missing(family.hook, "cookie")
				if reason then pending(reason) end
				local loaded <close> = assert(cookies.load(victim, family.program):load())
				object, program = loaded, loaded.programs[family.program]
				body()
			end)
		end

		-- Each word so often: 3, 5, 7, 9; then what was counted.
		local function fire()
			for i, word in ipairs(words) do victim:call(word, 1 + 2 * i) end
			return cookies.taken(object)
		end

		local function attach(given)
			return assert(program:attach(given))
		end

		with_object("gives each symbol of a list its cookie, in the list's order", function()
			local link <close> = attach { family.base, symbols = symbols, cookie = { -1, 40, 1 << 63, 3 } }
			assert.same({ [-1] = 3, [40] = 5, [1 << 63] = 7, [3] = 9 }, fire())
			assert.equal(family.multi and 1 or 4, #link)
			assert.equal(("%s: 4 sites, %s"):format(family.hook, family.multi and "1 kernel link" or "4 kernel links"),
				link.mechanism)
			assert.same({ -1, 40, 1 << 63, 3 }, link.cookies)
			assert.same({}, link.skipped)
		end)

		with_object("gives a symbol that is listed twice both cookies", function()
			local link <close> = attach { family.base, symbols = { first, second, first }, cookie = { 1, 2, 3 } }
			assert.same({ [1] = 3, [3] = 3, [2] = 5 }, fire())
			assert.equal(family.multi and 2 or 3, #link)
		end)

		with_object("counts a symbol once that is listed twice with one cookie", function()
			local link <close> = attach { family.base, symbols = { first, second, first }, cookie = 8 }
			assert.same({ [8] = 8 }, fire())
			assert.equal(2, #link.sites)
		end)

		with_object("takes a table of symbols, and tells what has no cookie", function()
			local link <close> = attach { family.base, symbols = symbols, cookie = { [third] = 5, [first] = 6 } }
			assert.same({ [6] = 3, [5] = 7 }, fire())
			assert.equal(2, #link.skipped)
			assert.equal(second, link.skipped[1].symbol)
			assert.equal(fourth, link.skipped[2].symbol)
			assert.equal("it has no cookie", link.skipped[2].reason)
		end)

		with_object("takes a function, and leaves out what it gives nil", function()
			local link <close> = attach { family.base, symbols = symbols, cookie = function(site, i)
				if site.symbol ~= second then return i << 40 end
			end }
			assert.same({ [1 << 40] = 3, [3 << 40] = 7, [4 << 40] = 9 }, fire())
			assert.equal(second, link.skipped[1].symbol)
		end)

		with_object("takes what `only` takes", function()
			local link <close> = attach { family.base, symbols = symbols, cookie = 2, only = function(site)
				return site.symbol == fourth
			end }
			assert.same({ [2] = 9 }, fire())
			assert.equal(1, #link.sites)
		end)

		with_object("keeps two links on one symbol apart, and takes a third", function()
			local one <const> = attach { family.base, symbols = { first }, cookie = 1 }
			local two <const> = attach { family.base, symbols = { first }, cookie = 2 }
			assert.same({ [1] = 3, [2] = 3 }, fire())
			assert(one:close())
			assert.same({ [2] = 3 }, fire())
			local three <const> = attach { family.base, symbols = { second, first }, cookie = { 4, 3 } }
			assert.same({ [2] = 3, [3] = 3, [4] = 5 }, fire())
			assert(two:close())
			assert.same({ [3] = 3, [4] = 5 }, fire())
			assert(three:close())
			assert.same({}, fire())
		end)

		with_object("takes entry and return of one symbol", function()
			local link <close> = attach {
				family.base .. ":" .. first, family.returns .. ":" .. first, cookie = { 1, 2 },
			}
			assert.same({ [1] = 3, [2] = 3 }, fire())
			assert.equal(2, #link)
		end)

		with_object("names the symbol that is missing, and then attaches none", function()
			local link <const>, message <const>, errno <const> = program:attach {
				family.base, symbols = { first, second .. "x", third }, cookie = 1,
			}
			assert.is_nil(link)
			assert.equal(2, errno)
			assert.is_truthy(message:find("attach " .. family.base .. ":" .. second .. "x: ", 1, true), message)
			assert.is_truthy(message:find("(nearest: " .. second, 1, true), message)
			assert.same({}, fire())
		end)

		with_object("goes on without it where it is told to, and tells", function()
			local link <close> = attach {
				family.base, symbols = { first, second .. "x", third }, cookie = { [first] = 1, [third] = 3 }, missing = "skip",
			}
			assert.same({ [1] = 3, [3] = 7 }, fire())
			assert.equal(1, #link.skipped)
			assert.equal(second .. "x", link.skipped[1].symbol)
			assert.matches("nearest", link.skipped[1].reason)
			local none <const>, message <const>, errno <const> =
				program:attach { family.base, symbols = { second .. "x" }, missing = "skip" }
			assert.is_nil(none)
			assert.equal(2, errno)
			assert.matches("nearest", message)
		end)

		with_object("takes the first of `either` that is there", function()
			local _ <close> = attach {
				either = { family.base .. ":nobody_wrote_this", family.base .. ":" .. second }, cookie = 9,
			}
			assert.same({ [9] = 5 }, fire())
			local none <const>, message <const>, errno <const> =
				program:attach { either = { family.base .. ":nobody_wrote_this", family.base .. ":nor_this" } }
			assert.is_nil(none)
			assert.equal(2, errno)
			assert.matches("none of these is there: .*nobody_wrote_this.*nor_this", message)
		end)

		with_object("is attached and detached many times, and leaves nothing", function()
			local open <const> = lab.descriptors()
			for i = 1, 10 do
				local _ <close> = attach { family.base, symbols = { first, second }, cookie = { i, -i } }
				assert.same({ [i] = 3, [-i] = 5 }, fire())
			end
			assert.equal(open, lab.descriptors())
			assert.same({}, fire())
		end)
	end)
end

for _, multi in ipairs { false, true } do
	local hook <const> = multi and "uprobe.multi" or "uprobe"
	describe("a binary's aliases, by " .. hook, function()
		local function with(given, counts, links)
			local reason <const> = cookies.missing(hook, "cookie")
			if reason then pending(reason) end
			local name <const> = multi and "on_uprobe_multi" or "on_uprobe"
			local object <close> = assert(cookies.load(victim, name):load())
			local link <const> = assert(object.programs[name]:attach(given))
			victim:call("hit_a", 23)
			victim:call("hit_b", 5)
			assert.same(counts, cookies.taken(object))
			assert.equal(links, #link)
		end

		it("are one place with several names", function()
			with({ "uprobe:" .. VICTIM .. ":hit_*", cookie = { hit_alias = 7 } }, { [7] = 23 }, 1)
			with({ "uprobe:" .. VICTIM .. ":hit_*", cookie = { hit_a = 7 } }, { [7] = 23 }, 1)
			with({ "uprobe:" .. VICTIM .. ":hit_a*", cookie = 7 }, { [7] = 23 }, 1)
			with({ "uprobe:" .. VICTIM, symbols = { "hit_a", "hit_alias" }, cookie = 7 }, { [7] = 23 }, 1)
		end)

		it("with two cookies are two links", function()
			with({ "uprobe:" .. VICTIM .. ":hit_*", cookie = { hit_alias = 7, hit_a = 8, hit_b = 9 } },
				{ [7] = 23, [8] = 23, [9] = 5 }, multi and 2 or 3)
			with({ "uprobe:" .. VICTIM, symbols = { "hit_a", "hit_alias" }, cookie = { 8, 7 } }, { [7] = 23, [8] = 23 }, 2)
		end)

		it("are reached by an offset too", function()
			local elf <close> = assert(binaries.elf(VICTIM))
			local offset <const> = elf:find "hit_b"[1].offset
			with({ ("uprobe:%s:%#x"):format(VICTIM, offset), cookie = 3 }, { [3] = 5 }, 1)
			with({ "uprobe:" .. VICTIM, offsets = { offset, elf:find "hit_a"[1].offset }, cookie = { 1, 2 } },
				{ [1] = 5, [2] = 23 }, multi and 1 or 2)
		end)

		it("are read from a file that is closed at once", function()
			local reason <const> = cookies.missing(hook, "cookie")
			if reason then pending(reason) end
			local name <const> = multi and "on_uprobe_multi" or "on_uprobe"
			local object <close> = assert(cookies.load(victim, name):load())
			collectgarbage "stop"
			local open <const> = #core.directory "/proc/self/fd"
			local link <const> = object.programs[name]:attach { "uprobe:" .. VICTIM .. ":hit_a" }
			if link then link:close() end
			local left <const> = #core.directory "/proc/self/fd"
			collectgarbage "restart"
			assert.is_truthy(link)
			assert.equal(open, left)
		end)
	end)
end

describe("a place that the kernel refuses", function()
	for _, hook in ipairs { "uprobe", "uprobe.multi" } do
		it("is named among others, or left out, by " .. hook, function()
			local reason <const> = cookies.missing(hook, "cookie")
			if reason then pending(reason) end
			if cookies.SYSCALL ~= "__x64_sys_" then pending "which instructions take no uprobe is known of x86 only" end
			local name <const> = hook == "uprobe" and "on_uprobe" or "on_uprobe_multi"
			local object <close> = assert(cookies.load(victim, name):load())
			local program <const> = object.programs[name]
			local given <const> = {
				"uprobe:" .. VICTIM, symbols = { "hit_a", "hit_b", "locked", "hit_c", "hit_d" }, cookie = function(_, i) return i end,
			}
			local link <const>, message <const> = program:attach(given)
			assert.is_nil(link)
			assert.matches("^attach uprobe:" .. VICTIM .. ":locked: [^\n]*: the kernel takes no uprobe on the instruction there",
				message)
			local _ <const>, of_glob <const> = program:attach { "uprobe:" .. VICTIM .. ":*", only = function(site)
				return site.symbol == "locked" or site.symbol == "hit_a"
			end }
			assert.matches("^attach uprobe:" .. VICTIM .. ":%* %(locked%): [^\n]*: the kernel takes no uprobe", of_glob)
			victim:call("hit_a", 3)
			assert.same({}, cookies.taken(object))
			given.missing = "skip"
			local without <const> = assert(program:attach(given))
			for i, word in ipairs { "hit_a", "hit_b", "locked", "hit_c", "hit_d" } do victim:call(word, i) end
			assert.same({ 1, 2, [4] = 4, [5] = 5 }, cookies.taken(object))
			assert.same({ 1, 2, 4, 5 }, without.cookies)
			assert.equal(4, #without.sites)
			assert.equal("locked", without.skipped[1].symbol)
			assert.matches("takes no uprobe", without.skipped[1].reason)
			given.symbols = { "locked" }
			assert.is_nil((program:attach(given)))
		end)
	end
end)

describe("a process", function()
	for _, hook in ipairs { "uprobe", "uprobe.multi", "usdt" } do
		it("is the only one, by " .. hook, function()
			local reason <const> = cookies.missing(hook, "cookie")
			if reason then pending(reason) end
			local program <const> = "on_" .. hook:gsub("%.", "_")
			local object <close> = assert(cookies.load(nil, program):load())
			local other <close> = Victim.start()
			local target <const> = hook == "usdt" and "usdt:" .. VICTIM .. ":crumb:once" or "uprobe:exe:hit_a"
			local word <const> = hook == "usdt" and "once" or "hit_a"
			local link <const> = assert(object.programs[program]:attach { target, pid = victim.pid, cookie = 6 })
			other:call(word, 100)
			victim:call(word, 23)
			assert.same({ [6] = 23 }, cookies.taken(object))
			if hook ~= "usdt" then
				victim:call("thread", 5)
				victim:call("child", 7)
				assert.same({ [6] = 5 }, cookies.taken(object))
			end
			assert(link:close())
		end)
	end
end)

describe("a kernel function by its address", function()
	for _, hook in ipairs { "kprobe", "kprobe.multi" } do
		it("is probed by " .. hook, function()
			local reason <const> = cookies.missing(hook, "cookie")
			if reason then pending(reason) end
			local program <const> = "on_" .. hook:gsub("%.", "_")
			local object <close> = assert(cookies.load(victim, program):load())
			local address <const> = lab.read "/proc/kallsyms":match("(%x+) T " .. SYSCALL .. "getsid\n")
			local link <const> = assert(object.programs[program]:attach { "kprobe:0x" .. address, cookie = 4 })
			victim:call("getsid", 23)
			victim:call("getpgid", 23)
			assert.same({ [4] = 23 }, cookies.taken(object))
			assert.equal(SYSCALL .. "getsid", link.sites[1].symbol)
		end)
	end
end)
