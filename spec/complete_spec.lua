-- crumb.prompt.complete: what Tab offers, in Lua, in targets and in expressions.
local complete = require "crumb.prompt.complete"
local core = require "crumb.core"
local crumb = require "crumb"
local lab = require "support.lab"
local new_session = require("crumb.command.session").new

local DWARF <const> = "build/fixtures/dwarf_gcc"
local CXX <const> = "build/fixtures/elf_cxx"

local session

-- Of what is typed up to "|", or all of it: the items, and the bytes before the word.
local function items_of(typed)
	local point <const> = typed:find("|", 1, true) or #typed + 1
	local text <const> = typed:gsub("|", "", 1)
	local from, items = complete(text, point - 1, session)
	return items, from, text
end

local function fields(items, name)
	local list = {}
	for i, item in ipairs(items) do list[i] = item[name] end
	return list
end

-- The line with each of the items in its place.
local function becomes(typed)
	local items, from, text = items_of(typed)
	local point <const> = typed:find("|", 1, true) or #typed + 1
	local lines = {}
	for i, item in ipairs(items) do lines[i] = text:sub(1, from) .. item.text .. text:sub(point) end
	return lines
end

local function labels(typed) return fields(items_of(typed), "label") end

local function has(wanted, typed)
	for _, item in ipairs((items_of(typed))) do
		if item.text == wanted then return item end
	end
	error(("%s is not offered after %s"):format(wanted, typed), 2)
end

local function needs(path)
	if not lab.exists(path) then pending("there is no such fixture (built by make)") end
end

before_each(function() session = new_session { format = "text" } end)
after_each(function() session:close() end)

describe("in Lua", function()
	it("globals, of the session and Lua's own, are offered", function()
		assert.same({ "probe" }, becomes "pro")
		assert.same({ "print(probe|" }, { becomes "print(pro" [1] .. "|" })
		assert.same({ "stats", "string" }, { becomes "sta" [1], becomes "stri" [1] })
		assert.same({ "repeat", "require" }, { becomes "repe" [1], becomes "req" [1] })
		session.env.mine = 5
		assert.same({ "x = mine" }, becomes "x = mi")
		assert.same({ "x = mine y" }, becomes "x = mi| y")
		assert.is_nil(rawget(session, "opened"))
	end)

	it("fields stand behind a dot, methods behind a colon", function()
		session.env.box = setmetatable({ width = 3, open = 5, ["no name"] = 1 }, { __index = { opens = function() end } })
		assert.same({ "box.open", "box:opens(" }, becomes "box.o")
		assert.same({ "box:opens(" }, becomes "box:o")
		assert.same({ "open", "opens()" }, labels "box.o")
		assert.same({ "string.format" }, becomes "string.fo")
		session.env.text = "x"
		assert.same({ "text:format(" }, becomes "text.form")
		assert.same({}, becomes "nothing.a")
		assert.same({}, becomes '("x"):form')
		assert.same({}, becomes "box.width.x")
	end)

	it("of many fields the last one tells how many more, and each is offered once", function()
		local fields_ <const>, more <const> = {}, {}
		for i = 1, 250 do fields_[("f%03d"):format(i)], more[("f%03d"):format(i)] = i, i end
		session.env.box = setmetatable(fields_, { __index = more })
		local items <const> = items_of "box."
		assert.same({ 200, "f199", "… and 51 more" }, { #items, items[199].label, items[200].label })
	end)

	it("modules that are read at their first use are looked into", function()
		session.env.crumb = crumb
		assert.same({ "crumb.list" }, becomes "crumb.li")
		assert.same({ "crumb.u64.format" }, becomes "crumb.u64.fo")
	end)

	it("nothing is called, and what raises is left alone", function()
		session.env.trap = setmetatable({}, {
			__index = function() error "called" end, __pairs = function() error "called" end, __name = 7,
		})
		assert.same({}, becomes "trap.")
		assert.same({}, becomes "trap.a.b")
		assert.same({ 3, {} }, { complete("x =", 3, setmetatable({}, { __index = error })) })
	end)

	it("options are offered in the tables that take them", function()
		assert.same({ 'probe { "syscall:openat", where = ' }, becomes 'probe { "syscall:openat", wh')
		assert.same({ "assert(trace:probe { where = " }, becomes "assert(trace:probe { wh")
		assert.same({ "probe({ where = " }, becomes "probe({ wh")
		assert.same({ "span { from = " }, becomes "span { fr")
		assert.same({ 'span { from = { "k:x", key = ' }, becomes 'span { from = { "k:x", ke')
		assert.same({ "p1:set { sample = " }, becomes "p1:set { sam")
		assert.same({ "run { duration = " }, becomes "run { du")
		assert.same({ "where: string or boolean" }, labels "probe { wh")
		assert.same({ "probe { handler = print" }, becomes "probe { handler = pri")
		assert.same({ "x = { probe" }, becomes "x = { pro")
	end)

	it("comments are nobody's, and neither are texts", function()
		for _, typed in ipairs { "-- pro", "--[[ pro", "x = 'pro", 'print("pro', "--[==[ ]] pro" } do
			assert.same({}, becomes(typed), typed)
		end
		assert.same({ "-- a\nprobe" }, becomes "-- a\npro")
		assert.same({ "--[[ a ]] probe" }, becomes "--[[ a ]] pro")
		assert.same({ "x = 'it\\'s' .. probe" }, becomes "x = 'it\\'s' .. pro")
		assert.same({ "x = [=[ ]] ]=] probe" }, becomes "x = [=[ ]] ]=] pro")
	end)
end)

describe("in a target", function()
	it("a string that begins as one does is one, wherever it stands", function()
		assert.same({ "x = 'syscall:openat2" }, becomes "x = 'syscall:openat2")
	end)

	it("kinds are offered with their forms, and the short one that was typed", function()
		assert.same({ 'probe "uprobe:' }, becomes 'probe "upr')
		assert.same({ "uprobe:PATH:SYMBOL[+OFFSET]" }, labels 'probe "upr')
		assert.same({ "t:CATEGORY:NAME", "tp_btf:NAME", "tracepoint:CATEGORY:NAME" }, labels 'probe "t')
		assert.is_true(has("uprobe:", 'probe "u').more)
		for _, before in ipairs {
			"probe '", "probe(\"", "list [[", 'probe { "k:f", "', "trace:probe { either = { '", "x = probe\n'",
		} do
			assert.same({ before .. "syscall:" }, becomes(before .. "sysc"))
		end
	end)

	it("files and folders are offered", function()
		needs(DWARF)
		assert.same({ 'probe "uprobe:build/fixtures/' }, becomes 'probe "uprobe:build/fixtu')
		assert.same({ 'probe "uprobe:build/fixtures/dwarf_gcc4:', 'probe "uprobe:build/fixtures/dwarf_gcc:' },
			becomes 'probe "uprobe:build/fixtures/dwarf_gcc')
		assert.is_true(has("fixtures/", 'probe "uprobe:build/fixtu').more)
		assert.same({ 'dofile "spec/complete_spec.lua' }, becomes 'dofile "spec/complete_sp')
		assert.is_nil(has("complete_spec.lua", 'dofile "spec/complete_sp').more)
	end)

	it("libraries are offered by their short names", function()
		assert.is_true(has("libc:", 'probe "uprobe:lib').more)
		assert.same("libc", has("libc:", 'probe "usdt:libc').label)
	end)

	it("functions are offered, by any of their names", function()
		needs(CXX)
		assert.same({ 'probe "u:build/fixtures/dwarf_gcc:structs' }, becomes 'probe "u:build/fixtures/dwarf_gcc:stru')
		assert.is_nil(has("structs", 'probe "u:build/fixtures/dwarf_gcc:stru').more)
		assert.same({ "shape::area(double)", "shape::area(int)" }, labels('probe "ur:' .. CXX .. ":shape::ar"))
		assert.same({ ('probe "ur:%s:_ZN5shape4areaEi'):format(CXX) }, becomes('probe "ur:' .. CXX .. ":_ZN5shape4areaEi"))
		assert.same({}, becomes 'probe "uprobe:/no/such/file:a')
		assert.same({}, becomes 'probe "uprobe:spec/complete_spec.lua:a')
	end)

	it("that is whole ends its string, unless that is closed", function()
		local function closed(typed)
			local items <const> = items_of(typed)
			assert.equal(1, #items, typed)
			return items[1].close
		end
		assert.equal('"', closed 'probe "tracepoint:sched:sched_process_fo')
		assert.equal("'", closed "probe { 'tracepoint:sched:sched_process_fo")
		assert.equal("]]", closed "list [[tracepoint:sched:sched_process_fo")
		assert.equal("]=]", closed "list [=[tracepoint:sched:sched_process_fo")
		assert.equal('"', closed 'dofile "spec/complete_sp')
		assert.is_nil(closed 'probe "tracepoint:sched:sched_process_fo|"')
		assert.is_nil(closed "list [[tracepoint:sched:sched_process_fo|]]")
		assert.is_nil(closed 'probe "t:raw_sys') -- a name follows
		assert.is_nil(closed 'spawn "spec/complete_sp') -- words may follow
		assert.is_nil(closed 'probe { "syscall:openat", where = "args.flag') -- so may the rest of an expression
		assert.is_nil(closed "string.forma")
	end)

	it("of many the last one tells how many more, and holds what all begin with", function()
		local items <const> = items_of 'probe "uprobe:libc:get'
		assert.truthy(#items < 200)
		local all <const> = items_of 'probe "uprobe:libc:'
		assert.equal(200, #all)
		assert.equal("", all[200].text)
		assert.truthy(all[200].label:find "^… and %d+ more$")
		assert.same(fields(all, "text"), (function()
			local sorted = fields(all, "text")
			table.sort(sorted, function(a, b) return a ~= "" and (b == "" or a < b) end)
			return sorted
		end)())
	end)

	it("tracepoints, system calls and perf's events are offered", function()
		if not core.directory "/sys/kernel/tracing/events/sched" then pending "tracefs is not mounted" end
		assert.is_true(has("sched:", 'probe "t:sch').more)
		assert.is_nil(has("sched_switch", 'probe "tracepoint:sched:sched_sw').more)
		assert.same({ 'probe "tracepoint:sched:sched_switch' }, becomes 'probe "tracepoint:sched:sched_swit')
		has("openat", 'probe "syscall:op')
		assert.same({ 'probe "p:hz:' }, becomes 'probe "p:')
		assert.same({ 'probe "profile:hz:99', 'probe "profile:hz:997' }, becomes 'probe "profile:hz:9' )
		assert.same({ 'probe "software:page-faults:' }, becomes 'probe "software:page')
	end)

	it("functions of the kernel are offered where it has kprobes", function()
		local sources <const> = core.directory "/sys/bus/event_source/devices" or {}
		if not table.concat(sources, " "):find "kprobe" then pending "this kernel has no kprobes" end
		has("vfs_read", 'probe "kprobe:vfs_re')
		has("vfs_read", 'probe "kr:vfs_re')
	end)
end)

describe("in an expression", function()
	local function at(typed)
		return ('probe { "uprobe:%s:pointers", %s'):format(DWARF, typed)
	end

	before_each(function() needs(DWARF) end)

	it("arguments are offered with their types", function()
		assert.same({ "any: void *", "call: (anonymous) *", "hidden: hidden_t *", "list: struct inner **",
			"outer: const struct outer *" }, labels(at 'where = "args.'))
		assert.same({ at 'where = "args.hidden' }, becomes(at 'where = "args.hi'))
		assert.same({ at 'where = "uid == 0 and args->hidden' }, becomes(at 'where = "uid == 0 and args->hi'))
		assert.same({ "argc: int", "argv: char **" }, labels(('probe { "u:%s:main", where = "args.'):format(DWARF)))
	end)

	it("what cannot be read is not offered", function()
		assert.same({ "first: int", "second: int" }, labels(('probe { "u:%s:floats", where = "args.'):format(DWARF)))
	end)

	it("of several places the arguments of all are", function()
		assert.same({ "argc: int", "argv: char **", "first: int" },
			labels(('probe { "u:%s:main", "u:%s:returns_large", where = "args.'):format(DWARF, DWARF)))
		assert.same({ "argc: int", "argv: char **" },
			labels(('probe { either = { "u:%s:main" }, where = "args.'):format(DWARF)))
	end)

	it("fields are, through pointers, structs and elements", function()
		local of_outer <const> = labels(at 'where = "args.outer.')
		assert.truthy(#of_outer > 2)
		assert.same(of_outer, labels(at 'where = "args.outer->'))
		assert.same(of_outer, labels(at 'where = "args.list[0].x == 1 or args.outer[0].'))
		assert.same({}, labels(at 'where = "args.any.'))
		assert.is_true(has("outer", at 'where = "args.ou').more)
		assert.is_nil(has("any", at 'where = "args.an').more)
	end)

	it("values and functions are, and in every option that takes them", function()
		assert.same({ at 'where = "uid' }, becomes(at 'where = "ui'))
		assert.same({ at 'where = "args.' }, becomes(at 'where = "args'))
		assert.same({ at 'capture = { name = "str(' }, becomes(at 'capture = { name = "st'))
		assert.is_true(has("str(", at 'capture = { "s').more)
		for _, before in ipairs {
			'by = "', 'by = { "', 'by = { who = "', 'sum = "', 'hist = { size = "', 'lhist = { "', 'lhist = { x = { "',
		} do
			assert.same({ at(before .. "cgroup") }, becomes(at(before .. "cgr")))
		end
		assert.same({}, becomes(at 'missing = "cgr'))
		assert.same({ at 'where = "uid == 0 and' }, becomes(at 'where = "uid == 0 an'))
	end)

	it("what is known at the return is there with returns = true", function()
		assert.same({ "retval: with returns = true" }, labels(at 'where = "retv'))
		assert.same({ "latency: with returns = true" }, labels 'probe { "syscall:openat", hist = "late')
		assert.same({}, becomes 'probe { "profile:hz:99", where = "retv')
		assert.same({ "retval" }, labels(at 'returns = true, where = "retv'))
		assert.same({ at 'returns = true, where = "retval' }, becomes(at 'returns = true, where = "retv'))
		assert.same({ at 'returns = true, hist = "latency' }, becomes(at 'returns = true, hist = "late'))
	end)

	it("parameters are those of the table", function()
		assert.same({ at 'params = { big = 3, who = 1 }, where = "arg0 > $big' },
			becomes(at 'params = { big = 3, who = 1 }, where = "arg0 > $b'))
	end)

	it("a text in it is no expression", function()
		assert.same({}, becomes(at [[where = "comm == 'ui]]))
		assert.same({ at [[where = "comm == 'ui' and uid]] }, becomes(at [[where = "comm == 'ui' and ui]]))
		assert.same({}, becomes(at 'where = "uid == 5ui'))
	end)

	it("of a span both ends are known", function()
		local span <const> = ('span { from = { "u:%s:main", key = "tid", capture = { count = "args.argc" } }, '
			.. 'to = { "u:%s:pointers", key = "tid" }, '):format(DWARF, DWARF)
		assert.same({ span .. 'sum = "count' }, becomes(span .. 'sum = "cou'))
		assert.same({ span .. 'by = "args.hidden' }, becomes(span .. 'by = "args.hi'))
		assert.same({ span .. 'hist = "latency' }, becomes(span .. 'hist = "lat'))
		assert.same({ "argc: int", "argv: char **" }, labels(('span { from = { "u:%s:main", key = "args.'):format(DWARF)))
		assert.same({ "argc: int", "argv: char **" },
			labels(('span { from = { { "u:%s:often", key = "tid" }, { "u:%s:main", key = "args.'):format(DWARF, DWARF)))
		assert.same({ 'span { from = { { "u:x:y", key = ' }, becomes 'span { from = { { "u:x:y", ke')
	end)

	it("without a target that is known there are the values that all have", function()
		assert.same({ 'probe { where = "uid' }, becomes 'probe { where = "ui')
		assert.same({}, becomes 'probe { "u:/no/file:f", where = "args.')
	end)
end)

describe("of a probe", function()
	local it_traces <const> = require("support.tracer").it

	it_traces("there are its options, methods and fields, and its arguments in a condition", function()
		needs(DWARF)
		session.env.probe { ("uprobe:%s:pointers"):format(DWARF), where = "pid > $big", params = { big = 3 } }
		assert.same({ "p1.where" }, becomes "p1.wh")
		assert.same({ "p1.capture", "p1.count", "p1:clear(", "p1:close(", "p1:closed(" }, becomes "p1.c")
		assert.same({ "p1:read(", "p1:rule(" }, becomes "p1:r")
		assert.same({ "p1.params.big" }, becomes "p1.params.b")
		assert.same({ 'p1.where = "args.hidden' }, becomes 'p1.where = "args.hi')
		assert.same({ 'p1.where = "$big' }, becomes 'p1.where = "$b')
		assert.same({ 'p1:set { where = "args.hidden' }, becomes 'p1:set { where = "args.hi')
		assert.same({ 'p1.capture = { "args.hidden' }, becomes 'p1.capture = { "args.hi')
		assert.same({ "p1: probe" }, labels "p1")
		assert.same({ "trace:every(", "trace:events(" }, { becomes "trace:ever" [1], becomes "trace:event" [1] })
		session:close()
	end)
end)

describe("hostile names", function()
	it("are escaped where they are shown, and as Lua has it where they are inserted", function()
		local folder <const> = os.tmpname()
		os.remove(folder)
		assert(os.execute("mkdir " .. folder))
		local names <const> = { "a\27[2J", "b\nc", 'd"e', "f\xff", "g\\h", "i j" }
		for _, name in ipairs(names) do assert(io.open(folder .. "/" .. name, "w")):close() end
		local lines, shown = becomes('dofile "' .. folder .. "/"), labels('dofile "' .. folder .. "/")
		local again <const> = becomes(('dofile "%s/a\\x1b[2'):format(folder))
		os.execute("rm -r " .. folder)
		assert.same({ "a\\x1b[2J", "b\\nc", 'd"e', "f\\xff", "g\\h", "i j" }, shown)
		for i, line in ipairs(lines) do
			assert.is_nil(line:find "[%c\128-\255]", line)
			assert.equal(folder .. "/" .. names[i], load("return " .. line:gsub("^dofile ", "") .. '"')())
		end
		assert.same({ ('dofile "%s/a\\x1b[2J'):format(folder) }, again)
	end)
end)
