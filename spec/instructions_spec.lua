-- crumb.instructions: where instructions begin, and what is known of functions by theirs.
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local instructions = require "crumb.instructions"

local FIXTURES = "build/fixtures/"

local function opened(name)
	local elf, _, errno = binaries.elf(FIXTURES .. name)
	if not elf and errno == 2 then pending("there is no " .. name .. " (built by make where there is Go)") end
	return assert(elf)
end

local function bytes(hex)
	return (hex:gsub("%s", ""):gsub("..", function(two) return string.char(tonumber(two, 16)) end))
end

local function words(...)
	local text = {}
	for i, word in ipairs { ... } do text[i] = ("<I4"):pack(word) end
	return table.concat(text)
end

-- What Go's own disassembler finds in a file: by function its address, and those of what returns.
local function by_go(path, name)
	local status, output = core.execute { "/usr/bin/env", "go", "tool", "objdump", "-s", name or "", path }
	if status ~= 0 then pending "there is no Go here whose tool could say" end
	local functions, last = {}, nil
	for line in output:gmatch "[^\n]+" do
		if line:find "^TEXT" then
			last = { name = line:match "^TEXT (.-)%(SB%)", returns = {}, starts = {} }
			functions[#functions + 1] = last
		else
			local address, code, word = line:match "^%s+%S+%s+0x(%x+)%s+(%x+)%s+(%S+)"
			address = tonumber(address, 16)
			last.address = last.address or address
			last.starts[address - last.address], last.size = true, address - last.address + #code // 2
			if word == "RET" then last.returns[#last.returns + 1] = address - last.address end
		end
	end
	return functions
end

describe("crumb.instructions", function()
	it("finds what returns, as Go's own disassembler does", function()
		local elf <close> = opened "go_plain"
		local count = 0
		for _, known in ipairs(by_go(FIXTURES .. "go_plain")) do
			if known.size > 0 and not known.name:find "^_?rt0" then
				local scanned, message = instructions.scan(elf:code(elf:offset(known.address), known.size))
				assert.same(known.returns, scanned and scanned.returns or message, known.name)
				count = count + #known.returns
			end
		end
		assert.is_true(count > 2000)
	end)

	it("finds where instructions begin, as Go's own disassembler does", function()
		local elf <close> = opened "go_plain"
		for _, known in ipairs(by_go(FIXTURES .. "go_plain", "^main")) do
			local code = elf:code(elf:offset(known.address), known.size)
			for offset = 0, known.size - 1 do
				local first, following = instructions.around(code, offset)
				assert.is_true(first <= offset and offset < following)
				assert.equal(known.starts[offset] or false, first == offset)
			end
		end
	end)

	it("finds the end of a Go function's check of its stack", function()
		local elf <close> = opened "go_plain"
		local checks = {}
		for _, known in ipairs(by_go(FIXTURES .. "go_plain", "^main")) do
			checks[known.name] = instructions.scan(elf:code(elf:offset(known.address), known.size)).check
		end
		assert.same({ 0, 6, 18 }, { checks["main.(*Server).Serve"], checks["main.wander"], checks["main.deep"] })
	end)

	it("knows arm64 by the same words", function()
		-- ldr x16, [x28, #16]; cmp sp, x16; b.ls +12; ret; b back; ret; and what fills the gap
		local code = words(0xf9400b90, 0xeb3063ff, 0x54000069, 0xd65f03c0, 0x17fffffc, 0xd65f03c0, 0, 0)
		assert.same({ returns = { 12, 20 }, check = 12 }, instructions.scan(code, "aarch64"))
		assert.same({ 8, 12 }, { instructions.around(code, 10, "aarch64") })
		-- b +8, out of it
		assert.same({ returns = {}, check = 0, leaves = 4 },
			instructions.scan(words(0xd503201f, 0x14000002), "aarch64"))
	end)

	it("tells a jump that leaves from one that stays", function()
		assert.same({ returns = { 2 }, check = 0 }, instructions.scan(bytes "eb 00 c3", "x86_64"))
		assert.same({ returns = {}, check = 0, leaves = 1 }, instructions.scan(bytes "90 eb fc", "x86_64"))
		assert.same({ returns = { 5 }, check = 0, leaves = 0 }, instructions.scan(bytes "e9 00 01 00 00 c3", "x86_64"))
		assert.same({ returns = { 2 }, check = 0 }, instructions.scan(bytes "ff e0 f3 c3", "x86_64"))
	end)

	it("says where there is data in the code", function()
		local message = "there is data in the code: what lies 1 bytes into it is no instruction"
		assert.same({ nil, message }, { instructions.scan(bytes "90 06 c3", "x86_64") })
		assert.same({ nil, message }, { instructions.around(bytes "90 06 c3", 2, "x86_64") })
		assert.same({ 0, 1 }, { instructions.around(bytes "90 06 c3", 0, "x86_64") })
		assert.same({ nil, "there is data in the code: what lies 4 bytes into it is no instruction" },
			{ instructions.scan(words(0xd65f03c0) .. "\0\0\1", "aarch64") })
	end)

	it("refuses what is wrong", function()
		assert.has_error(function() instructions.around("\x90", 1) end)
		assert.has_error(function() instructions.around("\x90", -1) end)
		assert.has_error(function() instructions.scan("\x90", "m68k") end)
		assert.same({ returns = {}, check = 0 }, instructions.scan "")
	end)

	it("answers whatever bytes there are", function()
		local random = 7
		for _ = 1, 300 do
			local parts = {}
			for i = 1, 40 do
				random = random * 6364136223846793005 + 1442695040888963407
				parts[i] = ("<I8"):pack(random)
			end
			local code = table.concat(parts)
			for _, machine in ipairs { "x86_64", "aarch64" } do
				local scanned, message = instructions.scan(code, machine)
				assert.is_true(scanned ~= nil or type(message) == "string")
				local first, following = instructions.around(code, 300, machine)
				assert.is_true(first == nil and type(following) == "string" or first <= 300 and following > 300)
			end
		end
	end)
end)
