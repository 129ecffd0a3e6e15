-- crumb.u64 and the small tables of numbers: errno, signal, syscall, date.
local core = require "crumb.core"
local date = require "crumb.date"
local disk = require "crumb.disk"
local endpoint = require "crumb.endpoint"
local errno = require "crumb.errno"
local numbers = require "crumb.expression.numbers"
local signal = require "crumb.signal"
local syscall = require "crumb.syscall"
local u64 = require "crumb.u64"

describe("u64", function()
	local EDGES = {
		["0"] = 0, ["1"] = 1, ["9"] = 9, ["10"] = 10, ["9223372036854775807"] = math.maxinteger,
		["9223372036854775808"] = math.mininteger, ["18446744073709551614"] = -2, ["18446744073709551615"] = -1,
		["12297829382473034410"] = 0xaaaaaaaaaaaaaaaa,
	}

	it("formats all 64 bits", function()
		for digits, n in pairs(EDGES) do assert.equal(digits, u64.format(n)) end
		assert.equal("1000", u64.format(1e3))
		assert.error_matches(function() u64.format(1.5) end, "^u64.format: not an integer$")
		assert.error_matches(function() u64.format "12" end, "u64.format: expected an integer$")
	end)

	it("parses decimal and hexadecimal", function()
		for digits, n in pairs(EDGES) do
			assert.equal(n, u64.parse(digits))
			assert.equal(n, u64.parse("000" .. digits))
			assert.equal(n, u64.parse(("0x%x"):format(n)))
			assert.equal(n, u64.parse(("0X00%X"):format(n)))
		end
		assert.equal("integer", math.type(u64.parse "0x7"))
	end)

	it("refuses what is no such number", function()
		for _, digits in ipairs { "18446744073709551616", "99999999999999999999", "100000000000000000000", "0x10000000000000000" } do
			assert.same({ nil, digits .. " does not fit in 64 bits" }, { u64.parse(digits) })
		end
		for _, digits in ipairs { "", "0x", "-1", "1.5", "1e3", " 1", "12a", "0xg" } do
			local n, why = u64.parse(digits)
			assert.is_nil(n)
			assert.truthy(why:find(" is not a number", 1, true))
		end
		assert.error_matches(function() u64.parse(12) end, "u64.parse: expected a string, got number$")
	end)

	it("compares unsigned", function()
		assert.is_true(u64.lt(1, -1))
		assert.is_false(u64.lt(-1, 1))
		assert.is_false(u64.lt(-1, -1))
		assert.is_true(u64.le(-1, -1))
		assert.is_true(u64.le(math.maxinteger, math.mininteger))
		assert.is_false(u64.le(-1, 0))
	end)

	it("divides unsigned", function()
		for _, case in ipairs {
			{ 7, 2, 3, 1 }, { -1, 1, -1, 0 }, { -1, 2, math.maxinteger, 1 }, { -1, -1, 1, 0 }, { -2, -1, 0, -2 },
			{ -1, math.mininteger, 1, math.maxinteger }, { math.mininteger, 10, 922337203685477580, 8 }, { 5, -1, 0, 5 },
			{ -1, math.maxinteger, 2, 1 },
		} do
			assert.same({ case[3], case[4] }, { u64.divide(case[1], case[2]) })
		end
		assert.error_matches(function() u64.divide(1, 0) end, "u64.divide: the divisor is 0$")
	end)
end)

describe("errno", function()
	it("names every error", function()
		local count = 0
		for n = 1, 133 do
			local name, words = errno(n)
			assert.equal(n ~= 41 and n ~= 58, name ~= nil)
			assert.equal(name == nil, words == nil)
			if name then count = count + 1 end
		end
		assert.equal(131, count)
		for n, name in pairs {
			[1] = "EPERM", [2] = "ENOENT", [35] = "EDEADLK", [42] = "ENOMSG", [59] = "EBFONT", [95] = "EOPNOTSUPP",
			[110] = "ETIMEDOUT", [133] = "EHWPOISON", [512] = "ERESTARTSYS", [524] = "ENOTSUPP",
		} do
			assert.equal(name, (errno(n)))
		end
		assert.same({ "ENOENT", "No such file or directory" }, { errno(2) })
		assert.same({ "EACCES", "Permission denied" }, { errno(-13) })
	end)

	it("says the words of this system", function()
		for _, path in ipairs { "/proc/self/nothing", "/proc/self/status/x" } do
			local _, message, n = io.open(path)
			assert.equal(path .. ": " .. select(2, errno(n)), message)
		end
	end)

	it("knows no others", function()
		for _, n in ipairs { 0, 134, 511, 520, 4095, math.mininteger, math.maxinteger } do assert.is_nil(errno(n)) end
		assert.error_matches(function() errno "2" end, "^errno: expected an integer$")
	end)
end)

describe("disk", function()
	it("names devices, and numbers them", function()
		for name, number in pairs(disk.all()) do
			assert.equal(name, disk.find(number))
			assert.equal(number, disk.find(name))
			assert.equal(number, numbers.type "disk".values[name])
		end
		assert.is_nil(disk.find "no such disk")
		assert.is_nil(disk.find(-1))
		assert.error_matches(function() disk.find {} end, "^disk: expected an integer, or a name$")
	end)
end)

describe("endpoint", function()
	it("puts a port behind an address", function()
		assert.equal("127.0.0.1:80", endpoint("127.0.0.1", 80))
		assert.equal("[fe80::1]:80", endpoint("fe80::1", 80))
		assert.equal("10.0.0.1:80", endpoint("::ffff:10.0.0.1", 80))
		assert.equal("[::]:?", endpoint("::", false))
		assert.equal("?:80", endpoint(false, 80))
	end)
end)

describe("signal", function()
	it("names them", function()
		for n, name in pairs {
			[1] = "SIGHUP", [9] = "SIGKILL", [11] = "SIGSEGV", [17] = "SIGCHLD", [31] = "SIGSYS", [32] = "SIG32",
			[34] = "SIGRTMIN", [35] = "SIGRTMIN+1", [63] = "SIGRTMIN+29", [64] = "SIGRTMAX",
		} do
			assert.equal(name, signal(n))
		end
		for _, n in ipairs { 0, -9, 65, math.maxinteger } do assert.is_nil(signal(n)) end
		assert.error_matches(function() signal(1.5) end, "signal: not an integer$")
	end)
end)

describe("syscall", function()
	it("has the number that the kernel counts by", function()
		-- What this very read is.
		local file <close> = assert(io.open "/proc/self/syscall")
		assert.equal("read", syscall(file:read "n"))
	end)

	it("finds numbers by names, and names by numbers", function()
		for _, name in ipairs { "read", "openat", "execve", "exit_group", "statx" } do assert.equal(name, syscall(syscall(name))) end
		for _, n in ipairs { -1, 4095, math.maxinteger, "opennat", "syscalls" } do assert.is_nil(syscall(n)) end
		assert.error_matches(function() syscall(1.5) end, "syscall: not an integer, or a name$")
		assert.error_matches(function() syscall() end, "syscall: expected an integer, or a name$")
	end)
end)

describe("date", function()
	it("is the wall's clock at a time of the kernel's", function()
		local before, now, after = core.wall(), core.now(), core.wall()
		local text, seconds, rest = date(now)
		local wall = seconds * 1000000000 + rest
		assert.truthy(before - 1000000 <= wall and wall <= after + 1000000, wall .. " is not from " .. before .. " to " .. after)
		assert.equal(os.date("%Y-%m-%d %H:%M:%S", seconds) .. (".%06d"):format(rest // 1000), text)
	end)

	it("keeps the distance of two times to the nanosecond", function()
		local now = core.now()
		local function wall(time)
			local _, seconds, rest = date(time)
			assert.truthy(rest >= 0 and rest < 1000000000)
			return seconds * 1000000000 + rest
		end
		assert.equal(1, wall(now + 1) - wall(now))
		assert.equal(86400000000001, wall(now + 1) - wall(now - 86400000000000))
	end)

	it("takes integers", function()
		assert.error_matches(function() date(1.5) end, "^date: not an integer$")
		assert.error_matches(function() date() end, "date: expected an integer$")
	end)
end)
