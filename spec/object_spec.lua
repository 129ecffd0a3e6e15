-- crumb.Object: what is opened and loaded, and what is refused and why.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local lab = require "support.lab"

local ENOENT <const>, ENOEXEC <const>, EISDIR <const>, EINVAL <const>, EPERM <const> = 2, 8, 21, 22, 1
local LIBBPF_FORMAT <const> = 4001

local before

before_each(function() before = lab.descriptors() end)
after_each(function() assert.equal(before, lab.descriptors()) end)

local function refused(source, errno, ...)
	local object <const>, message <const>, number <const> = bpf.open(source)
	assert.is_nil(object)
	assert.equal(errno, number)
	for _, part in ipairs { ... } do assert.is_truthy(message:find(part, 1, true), message) end
end

local function bytes_of(name) return lab.read(lab.fixtures .. name .. ".bpf.o") end

describe("bpf.open", function()
	local folder

	setup(function()
		folder = os.tmpname()
		os.remove(folder)
		assert(os.execute("mkdir " .. folder))
	end)

	teardown(function() os.execute("rm -r " .. folder) end)

	local function spill(bytes)
		local path <const> = folder .. "/file"
		local file <close> = assert(io.open(path, "wb"))
		file:write(bytes)
		return path
	end

	it("names a file that is not there, or is not a file", function()
		refused(folder .. "/nothing", ENOENT, folder .. "/nothing", "No such file")
		refused(folder, EISDIR, folder, "directory")
		refused("/dev/zero", EINVAL, "/dev/zero", "it is a device, not a file")
		assert(os.execute("mkfifo " .. folder .. "/fifo"))
		refused(folder .. "/fifo", EINVAL, "it is a FIFO, not a file")
		refused("", ENOENT, "No such file")
	end)

	it("tells what is wrong with the bytes", function()
		local bytes <const> = bytes_of "objects"
		refused(spill "", ENOEXEC, folder .. "/file", "empty")
		refused(spill "hello", ENOEXEC, "not an ELF file")
		refused(spill(bytes:sub(1, 40)), ENOEXEC, "truncated")
		refused(lab.read "/proc/self/maps":match "/%S*lua5.4", ENOEXEC, "another machine")
		refused({ bytes = bytes:sub(1, 4) .. "\1" .. bytes:sub(6) }, ENOEXEC, "not a 64-bit")
		refused({ bytes = bytes:sub(1, 5) .. "\2" .. bytes:sub(7) }, ENOEXEC, "byte order")
		refused({ bytes = bytes:sub(1, 64) .. ("x"):rep(4000) }, LIBBPF_FORMAT, "the given bytes")
	end)

	it("refuses wrong use", function()
		assert.error_matches(function() bpf.open() end, "expected a path")
		assert.error_matches(function() bpf.open(12) end, "expected a table of options")
		assert.error_matches(function() bpf.open {} end, "expected a path or")
		assert.error_matches(function() bpf.open { byte = "" } end, "nearest: bytes")
		assert.error_matches(function() bpf.open { bytes = 5 } end, "expected string")
	end)

	-- libbpf is to be trusted with files, yet a crash of it would be ours.
	it("survives every truncation", function()
		local bytes <const> = bytes_of "objects"
		local opened = 0
		for length = 0, #bytes - 1, 7 * 200 // lab.times(200) do
			local object <close> = bpf.open { bytes = bytes:sub(1, length) }
			if object then opened = opened + 1 end
		end
		assert.equal(0, opened)
	end)

	-- In a process of its own: a crash is then one test's.
	it("survives flipped bits", function()
		local status <const>, output <const> = lab.run(([[
			package.path, package.cpath = %q, %q
			local bpf = require "crumb.bpf"
			local lab = require "support.lab"
			local bytes = lab.read(lab.fixtures .. "objects.bpf.o")
			local seed = 12345
			local function random(n)
				seed = seed * 6364136223846793005 + 1442695040888963407
				return (seed >> 33) %% n
			end
			local opened, refused = 0, 0
			for _ = 1, %d do
				local flipped = bytes
				for _ = 1, 1 + random(3) do
					local at = 64 + random(#bytes - 64)
					flipped = flipped:sub(1, at) .. string.char(flipped:byte(at + 1) ~ 1 << random(8)) .. flipped:sub(at + 2)
				end
				local object <close> = bpf.open { bytes = flipped }
				if object then
					opened = opened + 1
					for _, program in pairs(object.programs) do assert(program.section) end
					for _, map in pairs(object.maps) do assert(map.type) end
					for _, name in ipairs(object:global_names()) do
						pcall(function() return object.globals[name] end)
						pcall(function() object.globals[name] = 1 end)
					end
				else
					refused = refused + 1
				end
			end
			print(opened + refused)
		]]):format(package.path, package.cpath, lab.times(1500)))
		assert.same({ 0, lab.times(1500) .. "\n" }, { status, output })
	end)

	it("takes bytes, under any name", function()
		for _, name in ipairs { "filter.bpf.o", ".bpf.o", "a b/ü-x", "" } do
			local object <close> = assert(bpf.open { bytes = bytes_of "objects", name = name })
			assert.is_true(#object.name > 0)
			assert(object:load())
		end
		local object <close> = assert(bpf.open { bytes = bytes_of "objects", name = "x/filter.bpf.o" })
		assert.equal("filter", object.name)
	end)
end)

describe("an object", function()
	it("lists its members, and names the nearest", function()
		local object <close> = assert(bpf.open(lab.fixtures .. "rings.bpf.o"))
		local program <const> = object.programs.crumb_rename
		assert.same({ "crumb_rename", "raw_tracepoint", "raw_tracepoint/sys_enter" },
			{ program.name, program.type, program.section })
		local names <const> = {}
		for name, map in pairs(object.maps) do names[name] = map.type end
		assert.equal("ringbuf", names.events)
		assert.equal("ringbuf", names.seconds)
		assert.same({ "ringbuf", 0, 0, 65536 }, { object.maps.events.type, object.maps.events.key_size,
			object.maps.events.value_size, object.maps.events.max_entries })
		assert.error_matches(function() return object.programs.crumb_renam end,
			"no program 'crumb_renam' %(nearest: crumb_rename%)")
		assert.error_matches(function() return object.maps.event end, "no map 'event' %(nearest: events%)")
		assert.error_matches(function() return object.maps.zzzzzzzz end, "there are: events")
		assert.error_matches(function() object.maps.new = 1 end, "they cannot be set")
	end)

	it("is loaded once", function()
		local object <close> = assert(bpf.open(lab.fixtures .. "rings.bpf.o"))
		assert.is_false(object:loaded())
		assert.error_matches(function() object:ring "events" end, "object:load%(%) first")
		assert.error_matches(function() object.programs.crumb_rename:fd() end, "not loaded")
		assert.error_matches(function() object.programs.crumb_rename:attach {} end, "object:load%(%) first")
		assert.equal(object, object:load())
		assert.is_true(object:loaded())
		assert.error_matches(function() object:load() end, "loaded already")
		assert.is_true(object.programs.crumb_rename:info().id > 0)
		assert.error_matches(function() object.programs.crumb_rename:set_autoload(false) end, "is loaded")
	end)

	it("that failed to load is to be opened again", function()
		local object <close> = assert(bpf.open "build/fixtures/objects_refused.bpf.o")
		assert.is_nil((object:load()))
		assert.error_matches(function() object:load() end, "^object:load: objects_refused failed to load: open it again$")
	end)

	it("is opened by a path without a NUL", function()
		assert.error_matches(function() return bpf.open "build/fixtures/rings.bpf.o\0x" end, "bpf.open: the path holds a NUL")
	end)

	it("keeps its members", function()
		local object <close> = assert(bpf.open "build/fixtures/rings.bpf.o")
		assert.error_matches(function() object.maps.events = nil end, "they cannot be set")
		assert.equal("events", object.maps.events.name)
	end)

	it("leaves out programs on request", function()
		local object <close> = assert(bpf.open(lab.fixtures .. "objects_refused.bpf.o"))
		object.programs.crumb_refused:set_autoload(false)
		assert(object:load())
		assert.is_nil(object.maps.numbers:lookup(0))
	end)

	it("ends the message with the end of the verifier's log", function()
		local object <close> = assert(bpf.open(lab.fixtures .. "objects_refused.bpf.o"))
		local done <const>, message <const>, errno <const> = object:load()
		assert.is_nil(done)
		assert.is_true(errno > 0)
		assert.matches("^load objects_refus", message)
		assert.is_truthy(message:find("invalid mem access 'map_value_or_null'", 1, true), message)
		assert.is_true(#message < 17000)
	end)

	it("names a member that no kernel has", function()
		local object <close> = assert(bpf.open(lab.fixtures .. "objects_relocation.bpf.o"))
		local done <const>, message <const> = object:load()
		assert.is_nil(done)
		assert.is_truthy(message:find("no_such_member", 1, true), message)
	end)

	it("says when a kernel refuses a kind of program to root", function()
		local object <close> = assert(bpf.open(lab.fixtures .. "objects_fentry.bpf.o"))
		local done <const>, message <const>, errno <const> = object:load()
		if done then pending "this kernel loads fentry programs" end
		assert.equal(EPERM, errno)
		assert.is_truthy(message:find("refuses programs of section fentry/bpf_fentry_test1", 1, true), message)
	end)

	it("writes nothing to standard output or error", function()
		local status <const>, output <const> = lab.run(([[
			package.path, package.cpath = %q, %q
			local bpf = require "crumb.bpf"
			for _, name in ipairs { "objects_refused", "objects_relocation" } do
				local object <close> = assert(bpf.open("build/fixtures/" .. name .. ".bpf.o"))
				assert(not object:load())
			end
			bpf.open { bytes = "\127ELF" .. ("x"):rep(100) }
			bpf.features()
		]]):format(package.path, package.cpath))
		assert.same({ 0, "" }, { status, output })
	end)
end)

describe("reading a file", function()
	it("takes none that is larger than it should be", function()
		local path <const> = os.tmpname()
		local file <const> = assert(io.open(path, "w"))
		file:seek("set", 65 << 20)
		file:write "x"
		file:close()
		local bytes <const>, message <const> = core.read(path)
		os.remove(path)
		assert.is_nil(bytes)
		assert.matches("larger than 64 MiB", message)
	end)
end)
