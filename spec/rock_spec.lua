-- The rock, made of a copy of what git has and put into a tree of its own: all of the command is in it, and runs.
local core = require "crumb.core"
local Folder = require "support.folder"
local version = require "crumb.version"

local folder

-- Building takes as long as it takes.
local function shell(command, ...)
	local pipe <const> = assert(io.popen(("{ %s\n} 2>&1"):format(command:format(...))))
	local text <const> = pipe:read "a"
	local done <const>, _, status <const> = pipe:close()
	return text, done and 0 or status
end

describe("the rock", function()
	setup(function() folder = Folder.make() end)
	teardown(function() folder:remove() end)

	it("has the command with its tools, its prompt's keys and its modules", function()
		if select(2, shell "luarocks --version && git rev-parse") ~= 0 then pending "no luarocks, or no repository" end
		local made <const>, status <const> = shell([[
			git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t %s && cd %s &&
			MAKEFLAGS=-j2 luarocks --lua-version 5.4 make rockspec/crumb-scm-1.rockspec --deps-mode none --tree tree]],
			folder.path, folder.path)
		assert.equal(0, status, made)
		local function run(words)
			-- From elsewhere, and with an environment that means another crumb.
			return shell("cd / && LUA_PATH=/nowhere/?.lua LUA_INIT='error()' %s/tree/bin/crumb %s", folder.path, words)
		end
		assert.matches("^crumb " .. version:gsub("%p", "%%%0") .. " %(libbpf ", (run "--version"))
		local tools <const> = {}
		for name in run "tools":gmatch "(%l+) +%u[^\n]*%.\n" do tools[#tools + 1] = name .. ".lua" end
		local here <const> = core.directory "lua/crumb/tools"
		table.sort(here)
		table.sort(tools)
		assert.same(here, tools)
		for _, name in ipairs { "crumb.line", "crumb.binaries", "crumb.instructions", "crumb.prompt", "crumb.names.library" } do
			if name ~= "crumb.line" or core.execute { "test", "-e", "build/lib/crumb/line.so" } == 0 then
				assert.same({ "true\n", 0 }, { run(("-e 'print((pcall(require, %q)))'"):format(name)) })
			end
		end
	end)
end)

describe("make install", function()
	it("puts the command where it is told, and it finds what is its own, moved too", function()
		if select(2, shell "make --version && cc --version") ~= 0 then pending "no make, or no compiler" end
		local place <close> = Folder.make()
		local root <const> = place.path .. "/root"
		assert.same({ "", 0 }, { shell("make -s install DESTDIR=%s BINDIR=/opt/bin LUADIR=/opt/lua LIBDIR=/srv/lib", root) })
		assert.same({ "", 0 }, { shell("mv %s %s/moved", root, place.path) })
		local moved <const> = place.path .. "/moved"
		local said <const> = shell("cd / && %s/opt/bin/crumb -e 'print(package.searchpath(%q, package.path), "
			.. "package.searchpath(%q, package.cpath))'", moved, "crumb.target", "crumb.core")
		assert.equal(("%s/opt/bin/../lua/crumb/target.lua\t%s/opt/bin/../../srv/lib/crumb/core.so\n"):format(moved, moved), said)
	end)
end)
