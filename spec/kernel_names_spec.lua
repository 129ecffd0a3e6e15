-- crumb.KernelNames: the reader of /proc/kallsyms, on files of our own and on the running kernel's.
local core = require "crumb.core"
local glob = require "crumb.names.glob"
local lab = require "support.lab"

local EINVAL <const>, ENOENT <const>, EACCES <const>, ENODATA <const> = 22, 2, 13, 61

local path

local function spill(text, to)
	local file <close> = assert(io.open(to or path, "wb"))
	file:write(text)
	return to or path
end

-- What the file says, read plainly: the functions by address, as they came.
local function parse(text)
	local list <const>, addresses <const> = {}, {}
	for digits, kind, name, module in text:gmatch "(%x+) (%a) ([^\t\n]+)\t?%[?([^%]\n]*)" do
		local address <const> = math.tointeger(tonumber(digits, 16))
		if address ~= 0 then addresses[#addresses + 1] = address end
		if kind:find "[tTwW]" then
			list[#list + 1] = {
				symbol = name, address = address ~= 0 and address or nil, module = module ~= "" and module or nil, turn = #list,
			}
		end
	end
	table.sort(addresses, math.ult)
	local following <const> = {}
	for i = 1, #addresses - 1 do
		if addresses[i] ~= addresses[i + 1] then following[addresses[i]] = addresses[i + 1] end
	end
	for _, row in ipairs(list) do
		local size <const> = row.address and following[row.address] and following[row.address] - row.address
		row.size = size and size <= 1 << 20 and size or nil
	end
	table.sort(list, function(a, b)
		local left <const>, right <const> = a.address or 0, b.address or 0
		if left ~= right then return math.ult(left, right) end
		return a.turn < b.turn
	end)
	for _, row in ipairs(list) do row.turn = nil end
	return list
end

local function filter(list, test)
	local chosen <const> = {}
	for _, row in ipairs(list) do
		if test(row) then chosen[#chosen + 1] = row end
	end
	return chosen
end

describe("the kernel's names", function()
	setup(function() path = os.tmpname() end)
	teardown(function() os.remove(path) end)

	it("are what the file says, in whatever order", function()
		for round = 1, lab.times(40) do
			local lines <const>, address = {}, 0xffffffff81000000
			for i = 1, 300 do
				local step <const> = math.random(0, 3) * 64
				address = math.random(30) == 1 and 0xffffffffc0000000 + math.random(0, 1 << 22) or address + step
				lines[i] = ("%016x %s %s%s"):format(address, ("tTwWdDrA"):sub(math.random(8)):sub(1, 1),
					("f_%d"):format(math.random(200)), math.random(4) == 1 and "\t[mod]" or "")
			end
			local text <const> = table.concat(lines, "\n") .. (round % 2 == 0 and "\n" or "")
			local names <close> = core.kernel_names(spill(text))
			local wanted <const> = parse(text)
			assert.same(wanted, names:match())
			local test <const> = glob.compile "f_1*[0-4]"
			assert.same(filter(wanted, function(row) return test(row.symbol) end), names:match "f_1*[0-4]")
			for i = 1, 200, 7 do
				local name <const> = "f_" .. i
				assert.same(filter(wanted, function(row) return row.symbol == name end), names:find(name))
			end
			for _, row in ipairs(wanted) do
				assert.same(filter(wanted, function(other) return other.address == row.address end), names:starting(row.address))
			end
		end
	end)

	it("of an address are the symbol before it, the most public of several", function()
		local names <close> = core.kernel_names(spill(table.concat({
			"ffffffff81000000 T _stext", "ffffffff81000100 t local_one", "ffffffff81000100 W weak_one", "ffffffff81000100 T global_one",
			"ffffffff81000100 d data_one", "ffffffff81000100 T later_one", "ffffffff81000200 d data", "ffffffff81000300 T _etext",
			"ffffffffc0000000 t mod_one\t[mod]", "ffffffffc0000010 t mod_two\t[mod]", "ffffffffc0000020 t other\t[mo]",
		}, "\n")))
		assert.same({ "global_one", 0 }, { names:at(0xffffffff81000100) })
		assert.same({ "global_one", 0xff }, { names:at(0xffffffff810001ff) })
		assert.same({ "_stext", 0xff }, { names:at(0xffffffff810000ff) })
		assert.same({ "mod_one", 15, "mod" }, { names:at(0xffffffffc000000f) })
		assert.same({ "other", 0xfffff, "mo" }, { names:at(0xffffffffc010001f) })
		-- In data, past the kernel's text, before it, and far behind the last.
		for _, address in ipairs { 0xffffffff81000210, 0xffffffff81000300, 0xffffffff80ffffff, 0xffffffffc0100020, 0, -1 } do
			assert.same({ n = 1 }, table.pack(names:at(address)))
		end
	end)

	it("without addresses are names all the same", function()
		local names <close> = core.kernel_names(spill "0000000000000000 T b\n0000000000000000 T a\n0000000000000000 d c\n")
		assert.same({ { symbol = "b" }, { symbol = "a" } }, names:match())
		assert.same({ { symbol = "a" } }, names:find "a")
		assert.equal(EACCES, select(3, names:at(1)))
		assert.equal(EACCES, select(3, names:starting(1)))
	end)

	it("without addresses take no longer", function()
		local lines <const> = {}
		local count <const> = lab.times(400000)
		for i = 1, count do lines[i] = ("0000000000000000 t f%d\n"):format(i) end
		local names <close> = core.kernel_names(spill(table.concat(lines)))
		local began <const> = core.now()
		assert.equal(count, #names:match "f*")
		assert.is_true(core.now() - began < 5000000000)
	end)

	it("are marked by a list, in the module it says", function()
		local names <close> = core.kernel_names(spill(table.concat({
			"ffffffff81000000 T both", "ffffffff81000100 T plain", "ffffffffc0000000 t both\t[mod]", "ffffffffc0000010 t held\t[mod]",
			"ffffffffc0000020 t held\t[other]", "ffffffffc0000030 t not_there\t[mod]",
		}, "\n")))
		local list <const> = os.tmpname()
		spill("plain\nboth\nheld [mod]\nnot_there [mo]\nnobody\n\n", list)
		assert.is_true(names:mark(list))
		local marked <const> = {}
		for i, row in ipairs(filter(names:match(), function(row) return row.marked end)) do
			marked[i] = row.symbol .. (row.module or "")
		end
		assert.same({ "both", "plain", "heldmod" }, marked)
		os.remove(list)
		assert.is_true(names:mark(list)) -- once for each reading
		local fresh <close> = core.kernel_names(path)
		assert.equal(ENOENT, select(3, fresh:mark(list)))
		spill("", list)
		assert.equal(ENODATA, select(3, fresh:mark(list)))
		os.remove(list)
	end)

	it("are marked by address, which tells those of one name apart", function()
		local names <close> = core.kernel_names(spill(table.concat({
			"ffffffff81000000 T before", "ffffffff81000100 t twin", "ffffffff81000200 t twin", "ffffffff81000200 t alias",
			"ffffffff81000300 T plain", "ffffffff81000400 T far",
		}, "\n")))
		local list <const> = os.tmpname()
		spill("ffffffff81000204 twin\nffffffff81000300 plain\nffffffff81000441 far\nffffffff81000000 [before]\n"
			.. "0000000000000001 before\n", list)
		assert.is_true(names:mark(list))
		local marked <const> = {}
		for i, row in ipairs(filter(names:match(), function(row) return row.marked end)) do
			marked[i] = ("%s %x"):format(row.symbol, row.address & 0xfff)
		end
		assert.same({ "twin 200", "alias 200", "plain 300" }, marked)
		os.remove(list)
	end)

	it("are not taken from what is no such file", function()
		for _, text in ipairs { "", "\n", "x\n", "ffffffff81000000", "ffffffff81000000 T", "ffffffff81000000 T \n", "0 d a\n",
			"ffffffff81000000 T " .. ("a"):rep(600) .. "\n", "\0\0\0" } do
			local names <close> = core.kernel_names(spill(text))
			assert.equal(EACCES, select(3, names:match()))
		end
		local long <close> = core.kernel_names(spill(("f"):rep(1 << 20)))
		assert.equal(EINVAL, select(3, long:find "f"))
		local device <close> = core.kernel_names "/dev/zero"
		assert.equal(EINVAL, select(3, device:load()))
		local nothing <close> = core.kernel_names "/nowhere"
		local rows <const>, message <const>, errno <const> = nothing:find "x"
		assert.same({ nil, "read /nowhere: No such file or directory", ENOENT }, { rows, message, errno })
	end)

	it("may hold any bytes", function()
		local names <close> = core.kernel_names(spill "ffffffff81000000 T a\0b\xff\nffffffff81000010 T a\nffffffff81000020 T c\t[\n")
		assert.equal(16, names:find("a\0b\xff")[1].size)
		assert.equal(1, #names:find "a")
		assert.equal(2, #names:match "a*")
		assert.equal("c", names:find "c"[1].symbol)
	end)

	it("are read once, and again when they may be old", function()
		local names <close> = core.kernel_names(spill "ffffffff81000000 T one\n")
		assert.is_true(names:refresh())
		spill "ffffffff81000000 T two\n"
		assert.is_false(names:refresh())
		assert.equal(1, #names:find "one")
		assert.is_true(lab.eventually(function() return names:refresh() end))
		assert.same({ 0, 1 }, { #names:find "one", #names:find "two" })
	end)

	it("are a handle", function()
		local names <const> = core.kernel_names()
		assert.is_true(names:close())
		for _, method in ipairs { "load", "refresh", "match" } do assert.has_error(function() names[method](names) end) end
		assert.has_error(function() names:find "x" end)
		assert.has_error(function() core.kernel_names "a\0b" end)
	end)

	it("survive that finalizers close them meanwhile", function()
		for _ = 1, lab.times(50) do
			local names <const> = core.kernel_names(path)
			spill((("ffffffff81000000 T one\n"):rep(500)))
			local function closer() setmetatable({}, { __gc = function() names:close() end }) end
			closer()
			local done <const>, rows <const> = pcall(names.match, names)
			if done then assert.equal(500, #rows) end
			names:close()
		end
	end)

	it("of the running kernel are all of its functions", function()
		local count = 0
		for line in io.lines "/proc/kallsyms" do
			if line:find "^%x+ [tTwW] [^\t]+$" then count = count + 1 end
		end
		local names <close> = core.kernel_names()
		local own <const> = filter(assert(names:match()), function(row) return not row.module end)
		assert.equal(count, #own)
		assert.truthy(names:near "vfs_raed":find("vfs_read", 1, true))
	end)
end)
