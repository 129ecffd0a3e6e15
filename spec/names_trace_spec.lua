-- Functions are hit that people name: by demangled names, and in stripped files.
local crumb = require "crumb"
local tracer = require "support.tracer"

local it_traces <const> = tracer.it
local FIXTURES <const> = "build/fixtures/"

local function run(trace, path)
	local job <close> = assert(trace:spawn { "/bin/sh", "-c", 'exec "$0" >/dev/null', path })
	assert(job:start())
	assert.same({ exit = 0 }, job:wait())
end

-- Its rows as "symbol count".
local function counted(trace, path, words)
	local found <close> = io.open(path, "rb")
	if not found then pending("there is no " .. path .. " (built by make)") end
	local probe <const> = assert(trace:probe { ("uprobe:%s:%s"):format(path, words), count = true, by = "symbol" })
	run(trace, path)
	local rows = {}
	for i, row in ipairs(probe:read()) do rows[i] = row.symbol .. " " .. row.count end
	table.sort(rows)
	return rows
end

describe("functions by name", function()
	it_traces("of C++, one of several and all that a glob means", function(trace)
		assert.same({ "_ZN5shape4areaEd 1" }, counted(trace, FIXTURES .. "elf_cxx", "shape::area(double)"))
		assert.same({
			"_ZN5shape4areaEd 1", "_ZN5shape4areaEi 1", "_ZN5shape5twiceIdEET_S1_ 1", "_ZN5shape5twiceIiEET_S1_ 1",
			"_ZN5shapeeqERKNS_3BoxES2_ 1", "_ZNK5shape3Box6volumeEv 1",
		}, counted(trace, FIXTURES .. "elf_cxx", "shape::*"))
	end)

	it("are shown as they are written, in rows, events and stacks", function()
		local trace <close> = assert(crumb.trace())
		local path <const> = FIXTURES .. "elf_cxx"
		local found <close> = io.open(path, "rb")
		if not found then pending("there is no " .. path .. " (built by make)") end
		local rows <const> = assert(trace:probe { "uprobe:" .. path .. ":shape::area*", count = true })
		local events <const> = assert(trace:probe { "uprobe:" .. path .. ":shape::area(int)", capture = { stack = "ustack" } })
		local job <close> = assert(trace:spawn { "/bin/sh", "-c", 'exec "$0" stay >/dev/null', path })
		assert(job:start())
		local event <const> = events:events { duration = 10 }()
		assert.equal("symbol               count\nshape::area(double)      1\nshape::area(int)         1", tostring(rows))
		assert.equal("_ZN5shape4areaEi", event.symbol)
		assert.matches("elf_cxx%[%d+%] shape::area%(int%)\n", tostring(event))
		assert.equal("shape::area", event.stack[1].name)
		os.execute(("kill %d"):format(job.pid))
		assert.same({ signal = 15 }, job:wait())
	end)

	for _, name in ipairs { "elf_linked", "elf_noid_linked", "elf_packed" } do
		it_traces("in the stripped " .. name, function(trace)
			assert.same({ "elf_one 2", "elf_two 1" }, counted(trace, FIXTURES .. name, "elf_[ot][nw]*[eo]"))
		end)
	end

	it_traces("of a process that has not become its program: in the library that all have", function(trace)
		local _, missing <const> = crumb.list "uprobe:libssl:SSL_read"
		if missing then pending "no libssl here" end
		local job <const> = assert(trace:spawn { "/bin/true" })
		assert.equal("SSL_read", assert(crumb.list("uprobe:libssl:SSL_read", { pid = job.pid }))().name)
		assert(job:start())
		assert.same({ exit = 0 }, job:wait())
	end)

	it_traces("of a process that has not become its program: in that program", function(trace)
		local job <const> = assert(trace:spawn { FIXTURES .. "example_victim", "foobar=3" })
		local probe <const> = assert(trace:probe { "uprobe:exe:foobar", pid = job.pid, count = true })
		assert(job:start())
		assert.same({ exit = 0 }, job:wait())
		assert.equal(3, probe:read()[1].count)
		local _, why <const> = crumb.list("uprobe:exe:foobar", { pid = job.pid })
		assert.equal(("uprobe:exe:foobar to pid %d: no such process"):format(job.pid), why)
	end)

	it_traces("of a script that waits to be run: in what interprets it", function(trace)
		local path <const> = os.tmpname()
		local file <close> = assert(io.open(path, "w"))
		local folder <close> = assert(io.popen "pwd")
		local victim <const> = folder:read "l" .. "/" .. FIXTURES .. "example_victim"
		assert(file:write("#! ", victim, " foobar=1\n"):flush())
		assert(os.execute("chmod 755 " .. path))
		local job <close> = assert(trace:spawn { path })
		local site <const> = assert(crumb.list("uprobe:exe:foobar", { pid = job.pid }))()
		os.remove(path)
		assert.equal(victim, site.file)
	end)
end)
