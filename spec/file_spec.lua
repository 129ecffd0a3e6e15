-- core.directory and core.read: folders and files of others, without waiting and in bounds.
local core = require "crumb.core"
local lab = require "support.lab"

describe("core.directory", function()
	it("lists what there is, without . and ..", function()
		local path = os.tmpname()
		os.remove(path)
		assert(os.execute("mkdir " .. path))
		local before = lab.descriptors()
		assert.same({}, core.directory(path))
		for _, name in ipairs { "b", "a", ".c" } do io.open(path .. "/" .. name, "w"):close() end
		local names = core.directory(path)
		table.sort(names)
		assert.same({ ".c", "a", "b" }, names)
		assert.equal(before, lab.descriptors())
		for _, name in ipairs(names) do os.remove(path .. "/" .. name) end
		os.remove(path)
	end)

	it("says why not", function()
		local names, message, errno = core.directory "/nowhere"
		assert.is_nil(names)
		assert.equal("list /nowhere: No such file or directory", message)
		assert.equal(2, errno)
		assert.equal(20, select(3, core.directory "/dev/null"))
		assert.error_matches(function() core.directory "/tmp\0/x" end, "it holds a NUL")
	end)
end)

describe("core.read", function()
	it("gives a regular file's bytes", function()
		local path = os.tmpname()
		finally(function() os.remove(path) end)
		local file <close> = assert(io.open(path, "wb"))
		file:write("a\0b"):flush()
		assert.equal("a\0b", core.read(path))
	end)

	it("gives all of a file whose size nobody tells", function()
		assert.equal(lab.read "/proc/version", core.read "/proc/version")
		assert.is_true(#core.read "/proc/self/smaps" > 4096)
	end)

	it("refuses what is none, without waiting for it", function()
		local before = lab.descriptors()
		for path, reason in pairs {
			["/nowhere"] = "read /nowhere: No such file or directory", ["/tmp"] = "read /tmp: it is a directory",
			["/dev/tty"] = "read /dev/tty: it is a device, not a file",
		} do
			local bytes, message = core.read(path)
			assert.is_nil(bytes)
			assert.equal(reason, message)
		end
		assert.equal(before, lab.descriptors())
		assert.error_matches(function() core.read "/etc/passwd\0x" end, "the path holds a NUL")
	end)
end)
