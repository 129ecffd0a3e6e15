-- Files that are written whole, in folders where others write too.
local core = require "crumb.core"
local lab = require "support.lab"

local folder

before_each(function()
	folder = os.tmpname()
	os.remove(folder)
	assert(os.execute("mkdir " .. folder))
end)

after_each(function() os.execute("rm -r " .. folder) end)

local function refused(name, errno, reason)
	local path <const> = folder .. "/" .. name
	assert.same({ n = 3, nil, ("write %s: %s"):format(path, reason), errno }, table.pack(core.save(path, "text")))
end

describe("core.save", function()
	it("makes a file, and replaces one as a whole", function()
		local path <const> = folder .. "/new"
		for _, text in ipairs { "long text\0\n", "", ("x"):rep(1 << 20) } do
			assert.is_true(core.save(path, text))
			assert.equal(text, lab.read(path))
		end
		assert.same({ "new" }, core.directory(folder))
	end)

	it("leaves who has the old file what he reads", function()
		local path <const> = folder .. "/file"
		assert(core.save(path, "old"))
		local file <close> = assert(io.open(path))
		assert(core.save(path, "new"))
		assert.equal("old", file:read "a")
	end)

	it("follows no link, and writes into nothing but files", function()
		assert(os.execute("cd " .. folder .. " && echo kept >kept; ln -s kept link; ln -s none hanging; mkfifo fifo; mkdir sub"))
		refused("link", 40, "it is a link, which is not followed: name the file itself")
		refused("hanging", 40, "it is a link, which is not followed: name the file itself")
		refused("fifo", 22, "it is not a regular file")
		refused("sub", 21, "Is a directory")
		refused("none/file", 2, "No such file or directory")
		refused(("x"):rep(300), 36, "File name too long")
		assert.equal("kept\n", lab.read(folder .. "/kept"))
		local names <const> = core.directory(folder)
		table.sort(names)
		assert.same({ "fifo", "hanging", "kept", "link", "sub" }, names)
	end)

	it("leaves the old file where there is no room", function()
		local small <const> = folder .. "/small"
		if not os.execute(("mkdir %s && mount -t tmpfs -o size=64k crumb %s 2>/dev/null"):format(small, small)) then
			pending "no rights to mount"
			return
		end
		assert(core.save(small .. "/file", "old"))
		local done <const>, _, errno <const> = core.save(small .. "/file", ("x"):rep(100000))
		local text <const>, names <const> = lab.read(small .. "/file"), core.directory(small)
		os.execute("umount " .. small)
		assert.same({ nil, 28, "old", { "file" } }, { done, errno, text, names })
	end)
end)
