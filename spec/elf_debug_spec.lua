-- Names of stripped files: from separate debug files, .gnu_debugdata and Go's table; and that hostile ones are passed over.
local binary = require "crumb.names.binary"
local binaries = require "crumb.binaries"
local lab = require "support.lab"
local target = require "crumb.target"

local FIXTURES = "build/fixtures/"

local function spill(path, bytes)
	local file <close> = assert(io.open(path, "wb"))
	file:write(bytes)
	return path
end

local function run(format, ...)
	return (os.execute(format:format(...)))
end

local function replace(bytes, from, to)
	assert.equal(#from, #to)
	local at = assert(bytes:find(from, 1, true))
	return bytes:sub(1, at - 1) .. to .. bytes:sub(at + #from)
end

local function build_id(path)
	local elf <close> = assert(binaries.elf(path))
	return elf:build_id()
end

-- Its functions as "name offset size", and where they come from.
local function functions(path, root)
	local elf <close> = assert(binaries.elf(path, root))
	local places, skipped = assert(elf:functions())
	local names = {}
	for i, place in ipairs(places) do names[i] = ("%s %x %d"):format(place.symbol, place.offset, place.size) end
	return names, elf:sources(), skipped
end

describe("the names of a stripped file", function()
	local folder, root, app, before

	before_each(function()
		before = lab.descriptors()
		folder = os.tmpname()
		os.remove(folder)
		root, app = folder .. "/root", folder .. "/bin/app"
		assert(run("mkdir -p %s/bin/.debug %s/root%s/bin", folder, folder, folder))
	end)
	after_each(function()
		run("rm -r %s", folder)
		assert.equal(before, lab.descriptors())
	end)

	-- That the app has the names of the whole file, from there; or only those that it exports.
	local function named_from(source, whole)
		local names, sources = functions(app, root)
		assert.same({ ".dynsym", source }, sources)
		assert.same(source and functions(FIXTURES .. (whole or "elf_pie")) or {}, names)
	end

	it("are in the debug file of its build id", function()
		spill(app, lab.read(FIXTURES .. "elf_linked"))
		named_from(nil)
		local id = build_id(app)
		assert.truthy(id:find "^%x+$" and #id == 40)
		local debug = ("%s/.build-id/%s/%s.debug"):format(root, id:sub(1, 2), id:sub(3))
		assert(run("mkdir -p %s", debug:match "^(.*)/"))
		spill(debug, lab.read(FIXTURES .. "elf_pie.debug"))
		named_from(debug)
	end)

	it("are in the file of its debug link, at three places", function()
		spill(app, lab.read(FIXTURES .. "elf_linked"))
		for _, place in ipairs { root .. folder .. "/bin/", folder .. "/bin/.debug/", folder .. "/bin/" } do
			spill(place .. "elf_pie.debug", lab.read(FIXTURES .. "elf_pie.debug"))
			named_from(place .. "elf_pie.debug")
		end
	end)

	it("are found beside what a symbolic link leads to", function()
		spill(app, lab.read(FIXTURES .. "elf_linked"))
		spill(folder .. "/bin/elf_pie.debug", lab.read(FIXTURES .. "elf_pie.debug"))
		assert(run("ln -s %s %s/link", app, folder))
		assert.same({ ".dynsym", folder .. "/bin/elf_pie.debug" }, (select(2, functions(folder .. "/link", root))))
	end)

	it("are not those of another build id", function()
		spill(app, lab.read(FIXTURES .. "elf_linked"))
		for _, other in ipairs { "elf_noid.debug", "elf_exec.debug" } do
			spill(folder .. "/bin/elf_pie.debug", lab.read(FIXTURES .. other))
			named_from(nil)
		end
	end)

	it("are of the right checksum where there is no build id", function()
		spill(app, lab.read(FIXTURES .. "elf_noid_linked"))
		assert.is_nil(build_id(app))
		local bytes = lab.read(FIXTURES .. "elf_noid.debug")
		spill(folder .. "/bin/elf_noid.debug", bytes)
		named_from(folder .. "/bin/elf_noid.debug", "elf_noid")
		spill(folder .. "/bin/elf_noid.debug", bytes .. "\0")
		named_from(nil)
	end)

	it("are unpacked from the file", function()
		spill(app, lab.read(FIXTURES .. "elf_packed"))
		named_from ".gnu_debugdata"
	end)

	it("are what a uprobe takes, and no error says that it is stripped", function()
		local path = FIXTURES .. "elf_packed"
		for name, found in pairs { elf_two = true, elf_tvo = false } do
			local parsed = target.parse(("uprobe:%s:%s"):format(path, name))
			local elf <close> = assert(binaries.elf(path))
			local sites, message = binary.sites(parsed, elf)
			assert.is_false(elf:stripped())
			if found then
				assert.equal("elf_two", sites[1].symbol)
			else
				assert.equal(parsed.text .. ": no symbol 'elf_tvo' (nearest: elf_two)", message)
			end
		end
	end)

	it("come from Go's table", function()
		local path = FIXTURES .. "go_stripped"
		if not io.open(path) then pending("there is no " .. path .. " (built by make)") end
		local elf <close> = assert(binaries.elf(path))
		local sources = elf:sources()
		assert.equal(".gopclntab", sources[#sources])
		assert.equal("main.main", elf:functions("main.mai[n]")[1].symbol)
		assert.equal("gopclntab", elf:find("main.main")[1].table)
		assert.is_false(elf:stripped())
		assert.equal("go", elf:language())
	end)

	it("stay unknown when what should have them is hostile", function()
		local whole = lab.read(FIXTURES .. "elf_pie.debug")
		local linked = lab.read(FIXTURES .. "elf_linked")
		local debug = folder .. "/bin/elf_pie.debug"
		spill(app, linked)
		assert(run("mkfifo %s", debug))
		named_from(nil)
		assert(os.remove(debug))
		assert(run("mkdir %s", debug))
		named_from(nil)
		assert(os.remove(debug))
		for _, bytes in ipairs { "", "\127ELF", whole:sub(1, 64), whole:sub(1, #whole // 2), linked } do
			spill(debug, bytes)
			named_from(nil)
		end
		-- A file that is its own debug file.
		os.remove(debug)
		assert(run("ln %s %s", app, debug))
		named_from(nil)
	end)

	it("are not looked for where a link leads out of its folder", function()
		local bytes, debug = lab.read(FIXTURES .. "elf_linked"), lab.read(FIXTURES .. "elf_pie.debug")
		spill(folder .. "/elf_p.debug", debug)
		spill(folder .. "/bin/a", debug)
		for _, link in ipairs {
			"../elf_p.debug", "..\0_pie.debug", ".\0f_pie.debug", "\0lf_pie.debug", "/dev/stdin\0ug", "./elf_p.debug",
		} do
			link = link .. ("\0"):rep(#"elf_pie.debug\0\0\0" - #link)
			spill(app, replace(bytes, "elf_pie.debug\0\0\0", link:sub(1, 16)))
			named_from(nil)
		end
		-- One that does not end.
		spill(app, replace(bytes, "elf_pie.debug\0\0\0", ("x"):rep(16)))
		named_from(nil)
	end)

	it("stay unknown when what is packed is no such thing, or too much", function()
		local bytes = lab.read(FIXTURES .. "elf_packed")
		for _, patched in ipairs {
			replace(bytes, "\xfd7zXZ\0", "\xfd7zXZ\1"), replace(bytes, "YZ", "ZY"),
			replace(bytes, bytes:match("\xfd7zXZ\0......(.................)"), ("\xff"):rep(17)),
		} do
			spill(app, patched)
			named_from(nil)
		end
		spill(app, lab.read(FIXTURES .. "elf_bomb"))
		named_from(nil)
	end)

	it("are held against the file's own segments", function()
		-- The debug file of a program at another address, with the build id of this one.
		spill(app, lab.read(FIXTURES .. "elf_linked"))
		local function raw(id) return (id:gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)) end
		local debug = replace(lab.read(FIXTURES .. "elf_exec.debug"), raw(build_id(FIXTURES .. "elf_exec")), raw(build_id(app)))
		spill(folder .. "/bin/elf_pie.debug", debug)
		local names, sources, skipped = functions(app, root)
		assert.same({}, names)
		assert.same({ ".dynsym", folder .. "/bin/elf_pie.debug" }, sources)
		assert.is_true(#skipped > 10)
		assert.equal("it lies in no executable segment", skipped[1].reason)
	end)

	it("of broken debug files are read without harm", function()
		local bytes = lab.read(FIXTURES .. "elf_pie.debug")
		local debug = folder .. "/bin/elf_pie.debug"
		spill(app, lab.read(FIXTURES .. "elf_linked"))
		math.randomseed(4)
		for _ = 1, lab.times(400) do
			local at = math.random(#bytes - 8)
			spill(debug, bytes:sub(1, at) .. ("<I8"):pack(math.random(0)) .. bytes:sub(at + 9))
			local elf <close> = assert(binaries.elf(app, root))
			assert.is_table((elf:functions()))
		end
	end)
end)

describe("a file's language", function()
	for name, language in pairs {
		elf_pie = "c", elf_stripped = "c", elf_cxx = "c++", elf_mangled = "rust", elf_go = "go",
	} do
		it("is told of " .. name, function()
			local elf = binaries.elf(FIXTURES .. name)
			if not elf then pending("there is no " .. FIXTURES .. name .. " (built by make)") end
			assert.equal(language, elf:language())
			elf:close()
		end)
	end
end)
