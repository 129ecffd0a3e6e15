-- core.nearest: which names are meant by one that is wrong.
local core = require "crumb.core"
local lab = require "support.lab"

describe("nearest", function()
	it("lists what few edits reach, the nearest first", function()
		assert.are.same({ "foo", "fox" }, core.nearest("fo", { "bar", "fox", "foo", "of_it" }))
		assert.are.same({ "do_unlinkat" }, core.nearest("do_unlikat", { "do_unlinkat", "do_unmap", "x" }))
		assert.are.same({ "vfs_read" }, core.nearest("vfs_raed", { "vfs_write", "vfs_read" }))
		assert.are.same({ "ab" }, core.nearest("ba", { "ab", "cd" }))
		assert.are.same({}, core.nearest("abc", { "xyz", "" }))
		assert.are.same({}, core.nearest("", { "abc" }))
		assert.are.same({}, core.nearest("abc", {}))
	end)

	it("says the same in words", function()
		assert.are.equal(" (nearest: foo, fox)", select(2, core.nearest("fo", { "fox", "foo" })))
		assert.are.equal("", select(2, core.nearest("abc", { "xyz" })))
	end)

	it("counts what begins with the name as near", function()
		assert.are.same({ "vfs_read", "vfs_write", "vfs_rename_many" },
			core.nearest("vfs_", { "vfs_rename_many", "vfs_write", "kfs", "vfs_read" }))
	end)

	it("gives three at most, once each, in one order", function()
		assert.are.same({ "aaa0", "aaa1", "aaa2" },
			core.nearest("aaaa", { "aaa3", "aaa2", "aaa1", "aaa1", "aaa0", "aaa2" }))
	end)

	it("agrees with the plain definition of the distance", function()
		local function distance(a, b)
			local d = {}
			for i = 0, #a do
				d[i] = { [0] = i }
				for j = 1, #b do
					if i == 0 then d[0][j] = j else
						local cost = a:byte(i) == b:byte(j) and 0 or 1
						local least = math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost)
						if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
							least = math.min(least, d[i - 2][j - 2] + 1)
						end
						d[i][j] = least
					end
				end
			end
			return d[#a][#b]
		end
		math.randomseed(7)
		local function word()
			local letters = {}
			for i = 1, math.random(1, 14) do letters[i] = ("abc"):sub(math.random(3)):sub(1, 1) end
			return table.concat(letters)
		end
		for _ = 1, lab.times(2000) do
			local a, b = word(), word()
			local near = distance(a, b) <= math.max(1, #a // 3) or #a > 1 and b:sub(1, #a) == a
			assert.are.equal(near, #core.nearest(a, { b }) == 1, a .. " " .. b)
		end
	end)

	it("ranks a hundred thousand names", function()
		local names = {}
		math.randomseed(3)
		local count <const> = lab.times(100000)
		for i = 1, count do
			names[i] = ("module_%d_function_%d_%d"):format(i % 97, i, math.random(1 << 30))
		end
		local wanted <const> = count * 7 // 9
		names[wanted] = "module_1_functoin_of_great_interest"
		assert.are.equal(names[wanted], core.nearest("module_1_function_of_great_interest", names)[1])
	end)

	it("takes long names, and refuses what is no list of strings", function()
		local long = ("x"):rep(5000)
		assert.are.same({ long .. "y" }, core.nearest(long, { long .. "y", "y" .. long }))
		assert.has_error(function() core.nearest("x", { "a", 1 }) end)
		assert.has_error(function() core.nearest("x", "a") end)
		assert.has_error(function() core.nearest({}, {}) end)
	end)
end)
