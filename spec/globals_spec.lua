-- object.globals: the variables of a BPF program, before it is loaded and while it runs.
local bpf = require "crumb.bpf"
local lab = require "support.lab"

local object, before

before_each(function()
	before = lab.descriptors()
	object = assert(bpf.open(lab.fixtures .. "objects.bpf.o"))
end)

after_each(function()
	object:close()
	object = nil
	assert.equal(before, lab.descriptors())
end)

local function run()
	object.globals.target_tgid = lab.pid()
	assert(object:load())
	assert(object.programs.crumb_globals:attach {})
end

describe("globals", function()
	it("are what the file says, until they are set", function()
		local globals <const> = object.globals
		assert.same({ 5, 3, 0, 7, 9, false, "hello" }, { globals.constant, globals.factor, globals.counter,
			globals.custom, globals.custom_constant, globals.flag, globals.text })
		assert.same({ low = 1, high = 2, name = "abc" }, globals.limits)
		assert.same({ 1, 2, 3, 4 }, globals.list)
		globals.constant, globals.factor, globals.limits = 6, 10, { low = 7, name = "xyz" }
		globals.list = { 9, 8 }
		assert.same({ 6, 10 }, { globals.constant, globals.factor })
		assert.same({ low = 7, high = 0, name = "xyz" }, globals.limits)
		assert.same({ 9, 8, 0, 0 }, globals.list)
	end)

	it("reach the program, and what it writes comes back", function()
		local globals <const> = object.globals
		globals.constant, globals.limits = 6, { low = 7, high = 8, name = "x" }
		globals.custom_constant = 100
		run()
		lab.rename()
		assert.equal(18, globals.counter)
		assert.same({ low = 7, high = 8, name = "x" }, globals.copied)
		assert.same({ 1, 2, 3, 5 }, globals.list)
		assert.equal(107, globals.custom)
		assert.is_true(globals.flag)
		assert.equal("jello", globals.text)
		globals.factor, globals.counter, globals.flag = 2, 1000, true
		globals.list = { 0, 0, 0, 41 }
		lab.rename()
		assert.equal(1012, globals.counter)
		assert.same({ 0, 0, 0, 42 }, globals.list)
		assert.is_false(globals.flag)
	end)

	it("are constant after the load where they are const", function()
		run()
		assert.error_matches(function() object.globals.constant = 1 end,
			"global constant is constant %(objects.rodata%): set it before object:load")
		assert.error_matches(function() object.globals.custom_constant = 1 end, "constant")
		assert.equal(5, object.globals.constant)
		lab.rename()
		assert.equal(15, object.globals.counter)
	end)

	it("refuse what does not fit, and name it", function()
		local globals <const> = object.globals
		assert.error_matches(function() globals.constant = 1 << 32 end, "constant: 4294967296 does not fit")
		assert.error_matches(function() globals.constant = -1 end, "constant: %-1 does not fit")
		assert.error_matches(function() globals.constant = "x" end, "constant: expected an integer")
		assert.error_matches(function() globals.constant = nil end, "constant")
		assert.error_matches(function() globals.limits = { lwo = 1 } end, "limits.*lwo.*low")
		assert.error_matches(function() globals.text = ("x"):rep(17) end, "text")
		assert.equal(5, globals.constant)
		assert.equal("hello", globals.text)
	end)

	it("have names", function()
		assert.error_matches(function() return object.globals.contsant end,
			"no global 'contsant' %(nearest: constant")
		assert.error_matches(function() object.globals.countre = 1 end, "no global 'countre' %(nearest: counter")
		local found <const> = {}
		for name, value in pairs(object.globals) do found[name] = value end
		assert.same({ 5, 0, 7 }, { found.constant, found.counter, found.custom })
	end)

	it("may be static, and are then read only once loaded", function()
		local static <close> = assert(bpf.open(lab.fixtures .. "objects_static.bpf.o"))
		static.globals.hidden = 20
		assert(static:load())
		assert(static.programs.crumb_static:attach {})
		lab.rename()
		assert.is_true(static.globals.hidden > 20)
		assert.error_matches(function() static.globals.hidden = 1 end, "static")
	end)

	it("are gone with their object", function()
		local globals <const> = object.globals
		run()
		object:close()
		assert.error_matches(function() return globals.counter end, "closed")
		assert.error_matches(function() globals.counter = 1 end, "closed")
		assert.error_matches(function() pairs(globals) end, "closed")
	end)
end)
