-- Names of C++ and Rust: what is demangled, how it can be asked for, and what is not tried.
local binary = require "crumb.names.binary"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local crumb = require "crumb"
local target = require "crumb.target"

local MANGLED, CXX = "build/fixtures/elf_mangled", "build/fixtures/elf_cxx"

local function exists(path)
	local file <close> = io.open(path, "rb")
	if not file then pending("there is no " .. path .. " (built by make)") end
	return path
end

-- The symbols, or the refusal, of what a person writes after "uprobe:PATH:".
local function resolve(path, words)
	local parsed = target.parse("uprobe:" .. exists(path) .. ":" .. words)
	local elf <close> = assert(binaries.elf(path))
	local sites, message, errno = binary.sites(parsed, elf)
	if not sites then return nil, message, errno end
	local symbols = {}
	for i, site in ipairs(sites) do symbols[i] = site.symbol end
	table.sort(symbols)
	return symbols, sites
end

describe("demangled names", function()
	local before

	before_each(function() before = #assert(core.directory "/proc/self/fd") end)
	after_each(function()
		collectgarbage()
		assert.equal(before, #assert(core.directory "/proc/self/fd"))
	end)

	it("are what C++ and Rust write", function()
		local elf <close> = assert(binaries.elf(MANGLED))
		local written = {}
		for _, place in ipairs(elf:functions()) do written[place.symbol] = place.demangled or false end
		local expected = {
			_ZN5shape4areaEi = "shape::area(int)", _ZN5shape4areaEd = "shape::area(double)",
			_ZNK5shape3BoxIiE4sideEPc = "shape::Box<int>::side(char*) const", _Znam = "operator new[](unsigned long)",
			_ZN5shape3BoxIiEclEi = "shape::Box<int>::operator()(int)",
			_ZN5shape5twiceIiEEiT_ = "shape::twice<int>(int)", ["_ZN5shape4areaEi.cold"] = "shape::area(int) [clone .cold]",
			_ZN5shape3BoxIiEC1Ev = "shape::Box<int>::Box()", _ZN5shape3BoxIiEC2Ev = "shape::Box<int>::Box()",
			_ZN3app5inner4show17h0123456789abcdefE = "app::inner::show",
			_ZN3app5inner4show17hfedcba9876543210E = "app::inner::show",
			["_ZN52_$LT$app..S$LT$T$GT$$u20$as$u20$core..fmt..Debug$GT$3fmt17h1032547698badcfeE"] =
				"<app::S<T> as core::fmt::Debug>::fmt",
			_RNvMC3appINtB2_1SlE4show = "<app::S<i32>>::show",
			_RINvC3app3runNCNvB2_4main0E = "app::run::<app::main::{closure#0}>",
			_RNvC3appu9toile_9ra = "app::étoile",
			_ZNot_mangled = false, _Rust_is_not_in_this = false, main = false,
		}
		for symbol, text in pairs(expected) do assert.equal(text, written[symbol], symbol) end
		for symbol, text in pairs(written) do
			if expected[symbol] == nil and text then error(symbol .. " is " .. text) end
		end
	end)

	it("of what would take for ever stay as they are, and take no time", function()
		local elf <close> = assert(binaries.elf(MANGLED))
		local from, bombs = core.now(), 0
		for _, place in ipairs(elf:functions "*4bomb*") do
			bombs = bombs + 1
			assert.is_nil(place.demangled)
		end
		assert.equal(3, bombs)
		assert.same({}, elf:functions "pack*")
		assert.is_true(core.now() - from < 2000000000)
	end)

	for words, symbols in pairs {
		["shape::area(int)"] = { "_ZN5shape4areaEi" },
		["_ZN5shape4areaEi"] = { "_ZN5shape4areaEi" },
		["shape::area(int)+1"] = { "_ZN5shape4areaEi" },
		["shape::Box<int>::side"] = { "_ZNK5shape3BoxIiE4sideEPc" },
		["shape::Box<int>::side(char*) const"] = { "_ZNK5shape3BoxIiE4sideEPc" },
		["operator new[](unsigned long)"] = { "_Znam" },
		["operator new[]"] = { "_Znam" },
		["shape::Box<int>::operator()"] = { "_ZN5shape3BoxIiEclEi" },
		["shape::Box<int>::operator()(int)"] = { "_ZN5shape3BoxIiEclEi" },
		["shape::twice<int>"] = { "_ZN5shape5twiceIiEEiT_" },
		["shape::area*"] = { "_ZN5shape4areaEd", "_ZN5shape4areaEi", "_ZN5shape4areaEi.cold" },
		["shape::area(*)"] = { "_ZN5shape4areaEd", "_ZN5shape4areaEi" },
		["shape::*(*)"] = {
			"_ZN5shape3BoxIiEC1Ev", "_ZN5shape3BoxIiEC2Ev", "_ZN5shape3BoxIiEclEi", "_ZN5shape4areaEd", "_ZN5shape4areaEi",
			"_ZN5shape5twiceIiEEiT_",
		},
		["_ZN5shape4area*"] = { "_ZN5shape4areaEd", "_ZN5shape4areaEi", "_ZN5shape4areaEi.cold" },
		["app::inner::show::h0123456789abcdef"] = { "_ZN3app5inner4show17h0123456789abcdefE" },
		["app::inner::sho?"] = { "_ZN3app5inner4show17h0123456789abcdefE", "_ZN3app5inner4show17hfedcba9876543210E" },
		["<app::S<T> as core::fmt::Debug>::fmt"] = {
			"_ZN52_$LT$app..S$LT$T$GT$$u20$as$u20$core..fmt..Debug$GT$3fmt17h1032547698badcfeE",
		},
		["<app::S<i32>>::show"] = { "_RNvMC3appINtB2_1SlE4show" },
		["app::run::<app::main::{closure#0}>"] = { "_RINvC3app3runNCNvB2_4main0E" },
		["app::étoile"] = { "_RNvC3appu9toile_9ra" },
	} do
		it("are found by " .. words, function() assert.same(symbols, (assert(resolve(MANGLED, words)))) end)
	end

	it("that several have are listed, each by what means it alone", function()
		for words, expected in pairs {
			["shape::area"] = "2 functions are called 'shape::area': shape::area(int) at OFFSET, shape::area(double) at OFFSET; "
				.. "one of these names or uprobe:build/fixtures/elf_mangled:0xOFFSET takes one",
			["app::inner::show"] = "app::inner::show::h0123456789abcdef at OFFSET, app::inner::show::hfedcba9876543210 at OFFSET;",
			["shape::Box<int>::Box"] = "_ZN5shape3BoxIiEC1Ev at OFFSET, _ZN5shape3BoxIiEC2Ev at OFFSET;",
		} do
			local symbols, message, errno = resolve(MANGLED, words)
			assert.is_nil(symbols)
			assert.equal(76, errno)
			message = message:gsub("at 0x%x+", "at OFFSET")
			if not message:find(expected, 1, true) then error(message) end
		end
	end)

	it("that are near to an unknown one are named", function()
		for words, near in pairs {
			["shape::aera"] = "no symbol 'shape::aera' (nearest: shape::area)",
			["app::inner::shw"] = "(nearest: app::inner::show)",
			_ZN5shape4areaEf = "(nearest: _ZN5shape4areaEd, _ZN5shape4areaEi",
		} do
			local symbols, message, errno = resolve(MANGLED, words)
			assert.is_nil(symbols)
			assert.equal(2, errno)
			if not message:find(near, 1, true) then error(message) end
		end
	end)

	it("are those of a compiler's file, and in the rows of crumb.list", function()
		exists(CXX)
		local rows = {}
		for row in assert(crumb.list("uprobe:" .. CXX .. ":shape::*")) do
			assert.is_true(row.probeable)
			rows[#rows + 1] = row.name .. " " .. row.demangled
		end
		table.sort(rows)
		assert.same({
			"_ZN5shape4areaEd shape::area(double)", "_ZN5shape4areaEi shape::area(int)",
			"_ZN5shape5twiceIdEET_S1_ shape::twice<double>(double)", "_ZN5shape5twiceIiEET_S1_ shape::twice<int>(int)",
			"_ZN5shapeeqERKNS_3BoxES2_ shape::operator==(shape::Box const&, shape::Box const&)",
			"_ZNK5shape3Box6volumeEv shape::Box::volume() const",
		}, rows)
	end)
end)
