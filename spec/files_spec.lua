-- crumb.names.words, files and mapped: the files that a target's path means, and what is traced there.
local choice = require "crumb.bpf.choice"
local core = require "crumb.core"
local crumb = require "crumb"
local files = require "crumb.names.files"
local lab = require "support.lab"
local target = require "crumb.target"
local Victim = require "support.victim"
local words = require "crumb.names.words"

local VICTIM <const> = "build/fixtures/victim"
local ENOENT <const>, ESRCH <const>, E2BIG <const>, ENOEXEC <const>, EINVAL <const>, ENOTUNIQ <const> = 2, 3, 7, 8, 22, 76

local folder, before

local function run(command, ...) assert(os.execute(command:format(...))) end

before_each(function()
	folder = os.tmpname()
	os.remove(folder)
	run("mkdir %s", folder)
	before = lab.descriptors()
end)

after_each(function()
	run("rm -r %s", folder)
	assert.equal(before, lab.descriptors())
end)

-- The paths that a target's files have, without the folder; and what was passed over.
local function open(text, pid)
	local opened <close> = choice.files()
	local list <const>, skipped <const>, errno <const> = files.open(opened, target.parse(text), pid)
	if not list then return nil, skipped, errno end
	local names <const> = {}
	for i, file in ipairs(list) do names[i] = file.path:gsub("^.*/", "") end
	return table.concat(names, " "), skipped
end

local function traces(use)
	return function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending "this kernel has no uprobes with cookies" end
		local trace <close> = assert(crumb.trace())
		use(trace)
	end
end

-- The cookies of what has come.
local function cookies(probe)
	local list <const> = {}
	for event in probe:events { idle = 0 } do list[#list + 1] = event.cookie end
	table.sort(list)
	return list
end

describe("braces", function()
	local function expands(text, ...) assert.same({ ... }, words.braces(text)) end

	it("stand for each of several words, as in a shell", function()
		expands("a", "a")
		expands("/usr/bin/{a,b}", "/usr/bin/a", "/usr/bin/b")
		expands("lib{c,m}", "libc", "libm")
		expands("{a,b}{1,2}", "a1", "a2", "b1", "b2")
		expands("{a,{b,c}d}e", "ae", "bde", "cde")
		expands("x{,y}", "x", "xy")
		expands("{a{1,2},b}", "a1", "a2", "b")
	end)

	it("are themselves where there is nothing to choose from", function()
		for _, text in ipairs { "{}", "{a}", "{", "}", "a}b{c", "{a", "a,b", "{{a}" } do expands(text, text) end
		expands("{a{b,c}}", "{ab}", "{ac}")
		expands("{{a,b}", "{a", "{b")
		expands("{a,b}{", "a{", "b{")
	end)

	it("stand for so many words, and no more", function()
		assert.equal(1024, #words.braces(("{a,b}"):rep(10)))
		for _, text in ipairs { ("{a,b}"):rep(11), ("{a,b}"):rep(800), ("a"):rep(5000), "{" .. ("{a,b}"):rep(12) .. ",c}" } do
			assert.equal(E2BIG, select(3, words.braces(text)))
		end
		assert.equal(1, #words.braces(("{"):rep(2000) .. ("}"):rep(2000)))
	end)
end)

describe("a glob of paths", function()
	it("is taken folder by folder, in order", function()
		run("mkdir %s/one %s/two %s/.three; touch %s/one/a %s/one/b %s/two/a %s/.three/a %s/file %s/one/.a", folder, folder,
			folder, folder, folder, folder, folder, folder, folder)
		local function matches(pattern, ...)
			local wanted <const> = {}
			for i, name in ipairs { ... } do wanted[i] = folder .. "/" .. name end
			assert.same(wanted, words.paths(folder .. "/" .. pattern))
		end
		matches("*", "file", "one", "two")
		matches("*/?", "one/a", "one/b", "two/a")
		matches("*//[!b]", "one//a", "two//a")
		matches(".t*/*", ".three/a")
		matches("one/.*", "one/.a")
		local none <const>, why <const>, errno <const> = words.paths(folder .. "/x*/*")
		assert.same({ nil, ("no file matches '%s/x*/*'"):format(folder), ENOENT }, { none, why, errno })
	end)

	it("takes names that were made to do harm", function()
		local names <const> = { "*", "[a]", "a\nb", "\27[2J", "x y", "-rf", "\xff\xfe" }
		for _, name in ipairs(names) do
			local file <close> = assert(io.open(folder .. "/" .. name, "w"))
			file:write "x"
		end
		assert.equal(#names, #words.paths(folder .. "/*"))
		assert.same({ folder .. "/a\nb" }, words.paths(folder .. "/a?b"))
	end)

	it("means each ELF file once, whatever it is called, and says what the others are", function()
		run("cp %s %s/b; ln %s/b %s/a; ln -s b %s/link; cp %s %s/c", VICTIM, folder, folder, folder, folder, VICTIM, folder)
		run("mkfifo %s/fifo; mkdir %s/folder; echo '#!/bin/sh' >%s/script; ln -s nowhere %s/dangling; : >%s/nothing", folder,
			folder, folder, folder, folder)
		local found <const>, skipped <const> = open(("uprobe:%s/*:hit_a"):format(folder))
		assert.equal("a c", found)
		local reasons <const> = {}
		for _, one in ipairs(skipped) do
			reasons[one.symbol:match "[^/]*$"] = one.reason:match ": ([^:]*)$"
			assert.equal(one.symbol, one.file)
		end
		assert.same({ fifo = "it is a FIFO, not a file", folder = "it is a directory", script = "it is not an ELF file",
			nothing = "the file is empty" }, reasons)
		local none <const>, message <const>, errno <const> = open(("uprobe:%s/s*:f"):format(folder))
		assert.same({ nil, ENOEXEC }, { none, errno })
		assert.truthy(message:find(("no file that matches '%s/s*' can be taken (open %s/script: "):format(folder, folder), 1, true))
		assert.equal(ENOENT, select(3, open(("uprobe:%s/d*:f"):format(folder))))
		assert.equal(ENOENT, select(3, open(("uprobe:%s/*/passwd:f"):format(folder))))
	end)

	it("is opened once, however many targets mean it", function()
		run("cp %s %s/one && ln -s one %s/other", VICTIM, folder, folder)
		local opened <close> = choice.files()
		local one <const> = assert(files.open(opened, target.parse(("uprobe:%s/one:foobar"):format(folder))))
		local other <const> = assert(files.open(opened, target.parse(("uprobe:%s/o*:foobar"):format(folder))))
		assert.same({ 1, 1 }, { #one, #other })
		assert.equal(one[1], other[1])
		assert.equal(before + 1, lab.descriptors())
	end)

	it("says what was asked for where no file has it, not what else matched", function()
		run("cp %s %s/b; echo text >%s/a", VICTIM, folder, folder)
		local rows <const>, message <const>, errno <const> = crumb.list(("uprobe:%s/*:nowhere"):format(folder))
		assert.same({ nil, ENOENT }, { rows, errno })
		assert.truthy(message:find(("uprobe:%s/b:nowhere: no symbol 'nowhere'"):format(folder), 1, true))
	end)

	it("is a name first, where there is such a file", function()
		run("cp %s '%s/a*'; cp %s %s/ab; cp %s '%s/{x,y}'", VICTIM, folder, VICTIM, folder, VICTIM, folder)
		assert.equal("a*", (open(("uprobe:%s/a*:f"):format(folder))))
		assert.equal("a* ab", (open(("uprobe:%s/a?*:f"):format(folder))))
		assert.equal("{x,y}", (open(("uprobe:%s/{x,y}:f"):format(folder))))
	end)
end)

describe("several files", function()
	it("are each taken by braces, and each must be there", function()
		run("cp %s %s/a; cp %s %s/b", VICTIM, folder, VICTIM, folder)
		assert.equal("a b", (open(("uprobe:%s/{a,b}:f"):format(folder))))
		local none <const>, message <const>, errno <const> = open(("uprobe:%s/{a,c}:f"):format(folder))
		assert.same({ nil, ("uprobe:%s/{a,c}:f: open %s/c: No such file or directory"):format(folder, folder), ENOENT },
			{ none, message, errno })
		local found <const> = open "uprobe:lib{c,m}:f"
		if found then assert.truthy(found:find "^libc[^ ]* libm[^ ]*$", found) end
	end)

	it("have rows of their own in crumb.list, without those that have no such name", function()
		run("cp %s %s/a; cp %s %s/b; cp /proc/self/exe %s/c", VICTIM, folder, VICTIM, folder, folder)
		local rows = {}
		for row in assert(crumb.list(("uprobe:%s/*:hit_[ab]"):format(folder))) do
			rows[#rows + 1] = ("%s:%s %s"):format(row.file:match "[^/]*$", row.name, row.probeable)
		end
		assert.same({ "a:hit_a true", "a:hit_b true", "b:hit_a true", "b:hit_b true", "c:hit_[ab] false" }, rows)
		rows = {}
		for row in assert(crumb.list(("uprobe:%s/{c,a}:hit_a"):format(folder))) do rows[#rows + 1] = row end
		assert.same({ { "a", true }, { "c", false } },
			{ { rows[1].file:match "[^/]*$", rows[1].probeable }, { rows[2].file:match "[^/]*$", rows[2].probeable } })
		assert.truthy(rows[2].reason:find(("uprobe:%s/c:hit_a: no symbol 'hit_a'"):format(folder), 1, true), rows[2].reason)
	end)

	it("all hit, each with its cookie", traces(function(trace)
		run("cp %s %s/a; cp %s %s/b; cp /proc/self/exe %s/lua", VICTIM, folder, VICTIM, folder, folder)
		local probe <const> = assert(trace:probe { ("uprobe:%s/*:hit_a"):format(folder),
			cookie = function(site) return site.file:byte(-1) end })
		local notes <const> = assert(trace:probe { ("usdt:%s/{a,b}:crumb:once"):format(folder), cookie = 3 })
		for _, name in ipairs { "a", "b" } do
			local victim <close> = Victim.start(folder .. "/" .. name)
			victim:call("hit_a", 2)
			victim:call("once", 1)
		end
		assert.same({ 97, 97, 98, 98 }, cookies(probe))
		assert.same({ 3, 3 }, cookies(notes))
		assert.equal(1, #probe.skipped)
	end))

	it("are one place where they are one file", traces(function(trace)
		run("cp %s %s/a; ln -s a %s/link; ln %s/a %s/hard", VICTIM, folder, folder, folder, folder)
		local probe <const> = assert(trace:probe { ("uprobe:%s/a:hit_a"):format(folder), ("uprobe:%s/link:hit_a"):format(folder),
			("uprobe:%s/{hard,../%s/a}:hit_*"):format(folder, folder:match "[^/]*$"), cookie = 7 })
		local victim <close> = Victim.start(folder .. "/hard")
		victim:call("hit_a", 3)
		victim:call("hit_b", 1)
		assert.same({ 7, 7, 7, 7 }, cookies(probe))
	end))

	it("have one number of their own where several targets mean them", traces(function(trace)
		local one <const> = assert(trace:probe { ("uprobe:%s:hit_a"):format(VICTIM), ("uprobe:./%s:hit_[ab]"):format(VICTIM) })
		local notes <const> = assert(trace:probe { ("usdt:%s:crumb:once"):format(VICTIM), ("usdt:%s:crumb:onc*"):format(VICTIM) })
		local victim <close> = Victim.start()
		victim:call("hit_a", 3)
		victim:call("hit_b", 1)
		victim:call("once", 2)
		assert.same({ 2, 1 }, { #one.sites, #notes.sites })
		assert.same({ 1, 1, 1, 2 }, cookies(one))
		assert.same({ 3, 3 }, cookies(notes))
	end))
end)

describe("what a process has mapped", function()
	-- A victim called "server" in a mount namespace of its own, where alone its file is.
	local function in_container()
		local victim <const> = Victim.start(("unshare -m --propagation private sh -c 'mount -t tmpfs none %s && "
			.. "cp %s %s/server && exec %s/server'"):format(folder, VICTIM, folder, folder))
		assert.is_nil((io.open(folder .. "/server")))
		return victim
	end

	local function has_namespaces()
		if not os.execute "unshare -m --propagation private true 2>/dev/null" then pending "there is no unshare(1)" end
	end

	it("is found in its own mount namespace, by name and as exe", traces(function(trace)
		has_namespaces()
		local victim <close> = in_container()
		local other <close> = Victim.start()
		local named <const> = assert(trace:probe { "uprobe:server:hit_*", pid = victim.pid, cookie = 1 })
		local program <const> = assert(trace:probe { "uprobe:exe:hit_a", pid = victim.pid, cookie = 2 })
		local usdt <const> = assert(trace:probe { "usdt:{exe,server}:crumb:once", pid = victim.pid, cookie = 3 })
		victim:call("hit_a", 2)
		victim:call("once", 1)
		other:call("hit_a", 5)
		assert.same({ { 1, 1 }, { 2, 2 }, { 3 } }, { cookies(named), cookies(program), cookies(usdt) })
	end))

	it("is what it runs, not what has that name now", traces(function(trace)
		run("cp %s %s/server", VICTIM, folder)
		local victim <close> = Victim.start(folder .. "/server")
		run("rm %s/server; cp /proc/self/exe %s/server", folder, folder)
		local named <const> = assert(trace:probe { "uprobe:server:hit_a", pid = victim.pid, cookie = 1 })
		local program <const> = assert(trace:probe { "uprobe:exe:hit_a", pid = victim.pid, cookie = 2 })
		victim:call("hit_a", 2)
		run("rm %s/server", folder)
		victim:call("hit_a", 1)
		assert.same({ { 1, 1, 1 }, { 2, 2, 2 } }, { cookies(named), cookies(program) })
	end))

	it("may have any name", function()
		local name <const> = "a\n b {x}, (y) (deleted)\255"
		local file <close> = assert(io.open(VICTIM, "rb"))
		local copy <const> = assert(io.open(folder .. "/" .. name, "wb"))
		copy:write(file:read "a")
		copy:close()
		run("chmod +x '%s/%s'", folder, name)
		local victim <close> = Victim.start(("'%s/%s'"):format(folder, name))
		assert.equal(name, (open("uprobe:a*:hit_a", victim.pid)))
	end)

	it("may be several", function()
		local victim <close> = Victim.start()
		local found <const> = open("uprobe:*:f", victim.pid)
		assert.truthy(found:find "victim" and found:find "libc", found)
		assert.equal("victim libc", (open("uprobe:{victim,libc}:f", victim.pid):gsub("%.so.*", "")))
	end)

	it("is refused with the reason where there is no such thing", function()
		local victim <close> = Victim.start()
		local function fails(text, pid, message, errno)
			local none <const>, why <const>, number <const> = open(text, pid)
			assert.same({ nil, text .. ": " .. message, errno }, { none, why, number })
		end
		fails("uprobe:victum:f", victim.pid,
			("process %d has no 'victum' mapped (nearest: victim): give its path"):format(victim.pid), ENOENT)
		fails("uprobe:victum*:f", victim.pid, ("process %d has no 'victum*' mapped: give its path"):format(victim.pid), ENOENT)
		fails("uprobe:server:f", 4194305, "there is no process 4194305", ESRCH)
		fails("uprobe:exe:f", nil, "'exe' is the program of a process: give its pid", EINVAL)
		fails("uprobe:{exe,libc}:f", nil, "'exe' is the program of a process: give its pid", EINVAL)
		fails("uprobe:libc:f", 2, "process 2 has nothing mapped: it is one of the kernel's, or has ended", ENOENT)
	end)

	it("is named when two files have one name", function()
		run("mkdir %s/sub; cp %s %s/server; cp %s %s/sub/server", folder, VICTIM, folder, VICTIM, folder)
		local victim <close> = Victim.start(("env LD_PRELOAD=%s/sub/server %s/server 2>/dev/null"):format(folder, folder))
		local found <const>, message <const>, errno <const> = open("uprobe:server:f", victim.pid)
		-- The linker may refuse to load a program; then there is one.
		if found then assert.equal("server", found) else
			assert.equal(ENOTUNIQ, errno)
			assert.truthy(message:find("'server' may be ", 1, true))
		end
	end)

	it("is not asked of a process that cannot be, nor of one that has ended", function()
		for _, pid in ipairs { 0, -1, -2147483648 } do
			assert.has_error(function() crumb.list("uprobe:libc:malloc", { pid = pid }) end)
		end
		for _, pid in ipairs { 1.5, "1", {} } do
			assert.has_error(function() crumb.list("uprobe:libc:malloc", { pid = pid }) end)
		end
		local none <const>, message <const>, errno <const> = crumb.list("uprobe:/bin/sh:f", { pid = 4194305 })
		assert.same({ nil, "uprobe:/bin/sh:f to pid 4194305: no such process", ESRCH }, { none, message, errno })
	end)
end)

describe("core.directory", function()
	it("gives the names that a glob matches", function()
		run("touch %s/a %s/ab %s/b", folder, folder, folder)
		local names <const> = core.directory(folder, core.glob "a*")
		table.sort(names)
		assert.same({ "a", "ab" }, names)
		assert.equal(3, #core.directory(folder))
		assert.has_error(function() core.directory(folder, "a*") end)
	end)
end)
