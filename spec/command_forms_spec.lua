-- JSON and CSV of whatever the command prints: each line parses, and is what was there.
local cli = require "support.cli"
local forms = require "support.forms"

local VICTIM <const> = "build/fixtures/example_victim"
local FOOBAR <const> = ("uprobe:%s:foobar"):format(VICTIM)
local BAZBUZ <const> = ("uprobe:%s:bazbuz"):format(VICTIM)

-- What a command says with these words, without the victim's own lines.
local function run(...)
	local text <const>, status <const>, errors <const> = cli.run(...)
	assert.same({ 0, "" }, { status, errors })
	return (("\n" .. text):gsub("%f[^\n]%l+ %x+\n", ""):sub(2))
end

local function json(...)
	if not forms.has_json then pending "no dkjson on this machine" return end
	return forms.json(run("--json", ...))
end

local function csv(...) return forms.csv(run("--csv", ...)) end

local function on_victim(code, ...) return "-c", VICTIM .. " foobar=6 bazbuz=2", "-e", code, ... end

describe("the command's forms", function()
	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	local AGGREGATES <const> = ([[probe { "%s", by = { "comm", n = "7" }, count = true, sum = { s = "cookie * 5" },
		avg = { a = "5" }, min = { least = "0 - 3" }, max = { most = "u64(sp) * 0 - 1" }, hist = { h = "17" },
		lhist = { l = { "45", 0, 50, 10 } } }]])
		:format(FOOBAR)

	it("have each aggregate as JSON", function()
		local objects <const> = json(on_victim(AGGREGATES))
		assert.equal(1, #objects)
		assert.matches("^%d%d%d%d%-", objects[1].date)
		objects[1].date = nil
		assert.same({
			probe = "p1", comm = "example_victim", n = 7, count = 6, s = 30, a = 5, least = -3, most = 2 ^ 64,
			h = { { low = 16, high = 31, count = 6 } }, l = { { low = 40, high = 49, count = 6 } },
		}, objects[1])
	end)

	it("have each aggregate as CSV, a record for each bucket", function()
		local tables <const> = csv(on_victim(AGGREGATES))
		assert.equal(1, #tables)
		assert.equal("comm,n,count,s,a,least,most,histogram,low,high,bucket", table.concat(tables[1].header, ","))
		for i, bucket in ipairs { { "h", "16", "31" }, { "l", "40", "49" } } do
			assert.same({ comm = "example_victim", n = "7", count = "6", s = "30", a = "5", least = "-3", most = "18446744073709551615",
				histogram = bucket[1], low = bucket[2], high = bucket[3], bucket = "6" }, tables[1][i])
		end
	end)

	it("tell the rows of several probes and intervals apart", function()
		local code <const> = ('probe { "%s", count = true, by = "comm" } probe { "%s", count = true, by = "comm" }')
			:format(FOOBAR, BAZBUZ)
		local tables <const> = csv(on_victim(code))
		assert.same({ { header = { "probe", "comm", "count" }, { probe = "p1", comm = "example_victim", count = "6" },
			{ probe = "p2", comm = "example_victim", count = "2" } } }, tables)
		local again <const> = csv("-i", "10s", on_victim(code))
		assert.same({ "date", "probe", "comm", "count" }, again[1].header)
		assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d+$", again[1][1].date)
		assert.same({ "6", "2" }, { again[1][1].count, again[1][2].count })
	end)

	it("have a key of a column's name in its place", function()
		local code <const> = ('probe { "%s", count = true, by = { date = "7", probe = "8" } } probe { "%s", count = true }')
			:format(FOOBAR, BAZBUZ)
		local text <const> = run("--json", on_victim(code))
		assert.equal('{"date":7,"probe":8,"count":6}', text:match "^[^\n]*")
		assert.matches('\n{"date":"[^"]+","probe":"p2","count":2}\n$', text)
		assert.equal("date,probe,count\n7,8,6\n", run("--csv", "-i", "10s", on_victim(code)):match "^[^\n]*\n[^\n]*\n")
	end)

	it("name what is cut, in order", function()
		local captures <const>, names <const> = {}, { "a", "b", "c", "d", "e", "f", "g", "h" }
		for _, name in ipairs(names) do captures[#captures + 1] = ("%s = 'str(args.filename, 3)'"):format(name) end
		local code <const> = ([[probe { "syscall:openat", where = "args.filename == '/no/file'", capture = { %s } }]])
			:format(table.concat(captures, ", "))
		local text <const> = run("-q", "--follow", "--json", "-c", "sh -c 'cat /no/file 2>/dev/null; true'", "-e", code)
		assert.equal('"truncated":["' .. table.concat(names, '","') .. '"]}\n', text:match '"truncated".*')
	end)

	it("write a header once where a time has nothing to tell", function()
		local code <const> = ('probe { "%s", where = "cookie == 77", count = true, by = "comm" }'):format(FOOBAR)
		assert.equal("date,comm,count\n", run("--csv", "-i", "50ms", "-d", "300ms", "-e", code))
		assert.equal("", run("--json", "-i", "50ms", "-d", "300ms", "-e", code))
	end)

	it("keep the columns of events whose handler adds some to some of them", function()
		local tables = csv(on_victim(('local n = 0 probe { "%s", capture = { x = "1" }, handler = function(event)\n'
			.. 'n = n + 1 if n %% 2 == 0 then event.even = n end show(event) end }'):format(FOOBAR)))
		assert.equal(2, #tables)
		assert.same({ 1, 5 }, { #tables[1], #tables[2] })
		assert.same({ "2", "", "4", "", "6" }, { tables[2][1].even, tables[2][2].even, tables[2][3].even, tables[2][4].even,
			tables[2][5].even })
		for _, record in ipairs(tables[2]) do assert.equal("1", record.x) end
	end)

	it("share the columns of events of several probes", function()
		local tables <const> = csv(on_victim(('probe { "%s", capture = { a = "1" } } probe { "%s", capture = { b = "2" } }')
			:format(FOOBAR, BAZBUZ)))
		assert.equal(2, #tables)
		for _, record in ipairs(tables[2]) do
			assert.same(record.probe == "p1" and { "1", "" } or { "", "2" }, { record.a, record.b })
		end
	end)

	it("have tables of a script's own", function()
		assert.same({ { a = 1, b = { 1, 2, { c = "x" } } }, { n = 1 }, { n = 2, m = "y" } },
			json("-e", "show { a = 1, b = { 1, 2, { c = 'x' } } } show { { n = 1 }, { n = 2, m = 'y' } }"))
		assert.same({ { header = { "m", "n" }, { m = "", n = "1" }, { m = "y", n = "2" } } },
			csv("-e", "show { { n = 1 }, { n = 2, m = 'y' } }"))
		assert.equal('"{""a"":1}"\n', run("--csv", "-e", "show { a = 1 }"))
		assert.equal("", run("--csv", "-e", "show {}"))
		assert.equal("", run("--json", "-e", "show {}"))
	end)

	it("have stacks", function()
		local code <const> = ('probe { "%s", count = true, by = "ustack" }'):format(FOOBAR)
		local stack <const> = json(on_victim(code))[1].ustack
		assert.equal("integer", math.type(stack[1].address))
		assert.matches("^0x%x+", csv(on_victim(code))[1][1].ustack)
	end)
end)

describe("crumb list", function()
	it("has JSON and CSV", function()
		local objects <const> = json("list", FOOBAR, "syscall:close")
		assert.same({ FOOBAR, "syscall:close" }, { objects[1].target, objects[2].target })
		assert.same({ { name = "fd", type = "unsigned int" } }, objects[2].args)
		local one <const> = csv("list", FOOBAR, "syscall:close")
		assert.equal(1, #one)
		assert.same({ FOOBAR, "foobar", "true" }, { one[1][1].target, one[1][1].name, one[1][1].probeable })
		assert.equal('[{"name":"fd","type":"unsigned int"}]', one[1][2].args)
	end)
end)

describe("crumb tools", function()
	it("has JSON and CSV", function()
		local names <const> = require "crumb.command.tools".names()
		local objects <const>, records <const> = json "tools", csv("tools")[1]
		assert.same({ #names, #names }, { #objects, #records })
		for i, name in ipairs(names) do
			assert.same({ name, name }, { objects[i].name, records[i].name })
			assert.equal(objects[i].summary, records[i].summary)
		end
	end)
end)

describe("crumb top", function()
	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	local WORDS <const> = { "-i", "10s", "-c", VICTIM .. " foobar=6 bazbuz=2", "top", FOOBAR, BAZBUZ }

	it("has JSON and CSV: a record of each site for each interval", function()
		local objects <const>, tables <const> = json(table.unpack(WORDS)), csv(table.unpack(WORDS))
		assert.same({ "foobar", 6, "bazbuz", 2 }, { objects[1].site, objects[1].hits, objects[2].site, objects[2].hits })
		assert.is_true(objects[1].rate > objects[2].rate)
		assert.equal(1, #tables)
		assert.same({ "date", "site", "rate", "hits" }, tables[1].header)
		assert.same({ "foobar", "6", "bazbuz", "2" },
			{ tables[1][1].site, tables[1][1].hits, tables[1][2].site, tables[1][2].hits })
	end)
end)
