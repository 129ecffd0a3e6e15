--- binary: which places in an ELF file a uprobe or uretprobe target means.
--
-- crumb finds them itself, from the open file that the kernel is then handed; libbpf would trust
-- the file, look names up in PATH, and open it a second time.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"
local lazy <const> = require "crumb.lazy"

local code <const> = lazy "crumb.names.code"
local text <const> = lazy "crumb.show.text"

local binary = {}

local ENOENT <const>, EINVAL <const>, ENOTUNIQ <const>, EOPNOTSUPP <const> = 2, 22, 76, 95
local LISTED <const> = 8

---@class crumb.BinarySite
---@field symbol string? its name; nil of a raw offset
---@field demangled string? as C++ or Rust write its name
---@field names string[]? all the names that were asked for and lie here, where they are several
---@field offset integer in the file, which is what the kernel takes
---@field address integer? as the file has it (add the load address to get the process's)
---@field size integer? bytes in the function; 0 when the file does not say

local function fail(target, err, format, ...)
	return nil, target.text .. ": " .. format:format(...), err
end

-- "foo@VER" and "foo@@VER"; a name may begin with "@".
local function split_version(symbol)
	local name <const>, mark <const>, version <const> = symbol:match("^(.[^@]*)(@@?)(.+)$")
	if not name then return symbol end
	return name, version, mark == "@@"
end

-- As messages show it: the file may hold anything.
local function full_name(symbol)
	local version <const> = symbol.version and (symbol.default and "@@" or "@") .. symbol.version or ""
	return text.escape(symbol.name .. version)
end

-- The symbols of that name and version that are defined here; and one that is imported.
local function defined(symbols, version, default)
	local here <const>, imported = {}, nil
	for _, symbol in ipairs(symbols) do
		if symbol.imported then
			imported = symbol
		elseif not version or (symbol.version == version and (symbol.default or not default)) then
			here[#here + 1] = symbol
		end
	end
	return here, imported
end

-- As the linker does: a name without version is its default version, if it has one.
local function prefer_default(symbols)
	local chosen <const> = {}
	for _, symbol in ipairs(symbols) do
		if not symbol.version or symbol.default then chosen[#chosen + 1] = symbol end
	end
	return #chosen > 0 and chosen or symbols
end

-- What the error says of where a function is that the file only imports.
local function imported_from(target, symbol, elf)
	local name <const> = text.escape(symbol.name)
	if symbol.library then
		local library <const> = text.escape(symbol.library)
		return fail(target, ENOENT, "'%s' is only imported here; it lives in %s: use %s:%s:%s", name, library,
			target.kind, library, name)
	end
	local needed <const> = text.escape(table.concat(elf:needed() or {}, ", "))
	return fail(target, ENOENT, "'%s' is only imported here; it lives in one of the libraries %s: use %s:LIBRARY:%s",
		name, needed, target.kind, name)
end

local function unknown(target, elf, name)
	local names <const>, message <const>, err <const> = elf:names(not name:find "^_[ZR]")
	if not names then return fail(target, err, "%s", message) end
	local stripped = ""
	if elf:stripped() then
		stripped = ("; the file is stripped, so it names only what it exports: an offset works, %s:%s:0xOFFSET")
			:format(target.kind, target.path)
	end
	local _ <const>, near <const> = core.nearest(name, names)
	return fail(target, ENOENT, "no symbol '%s'%s%s", name, near, stripped)
end

local function wrong_version(target, symbols, name)
	local versions <const> = {}
	for _, symbol in ipairs(symbols) do
		if not symbol.imported then versions[#versions + 1] = full_name(symbol) end
	end
	return fail(target, ENOENT, "no such version of '%s'; there are %s", name, table.concat(versions, ", "))
end

-- The functions that a resolver chooses from carry its name within theirs, where they are named.
local function implementations(elf, name)
	local found <const> = {}
	local prefixes <const> = { "__" .. name .. "_", name .. "_" }
	for _, other in ipairs(elf:names() or {}) do
		for _, prefix in ipairs(prefixes) do
			if #found < LISTED and other:sub(1, #prefix) == prefix then
				local symbol <const> = elf:find(other)[1]
				if symbol.type == "func" and not symbol.imported then found[#found + 1] = text.escape(other) end
			end
		end
	end
	return found
end

local function resolver(target, elf, symbol)
	local found <const> = implementations(elf, symbol.name)
	return fail(target, EOPNOTSUPP, "'%s' is an IFUNC: the symbol is the resolver, which runs once and returns the "
		.. "function that is called%s; to probe the resolver, use %s:%s:0x%x", symbol.name,
		#found > 0 and (" (perhaps one of %s)"):format(table.concat(found, ", ")) or "", target.kind,
		target.path, symbol.offset or 0)
end

-- A name that means only this one of several: as people write it, if no other is written so.
local function own_name(symbol, symbols)
	local form <const> = symbol.full or symbol.demangled
	for _, other in ipairs(form and symbols or {}) do
		if other ~= symbol and (other.full or other.demangled) == form then return symbol.name end
	end
	return form or symbol.name
end

local function ambiguous(target, symbols, name)
	local places <const>, named = {}, false
	for i, symbol in ipairs(symbols) do
		if i > LISTED then
			places[#places + 1] = ("and %d more"):format(#symbols - LISTED)
			break
		end
		local own <const> = own_name(symbol, symbols)
		local called <const> = own ~= name and text.escape(own) .. " at " or ""
		local version <const> = symbol.version and (" (%s)"):format(full_name(symbol)) or ""
		named = named or called ~= ""
		places[#places + 1] = called .. (symbol.offset and ("0x%x"):format(symbol.offset) or "no segment") .. version
	end
	return fail(target, ENOTUNIQ, "%d functions are called '%s': %s%s; %s%s:%s:0xOFFSET takes one", #symbols, name,
		named and "" or "at offsets ", table.concat(places, ", "), named and "one of these names or " or "", target.kind,
		target.path)
end

local function make_site(symbol, delta)
	return {
		symbol = symbol.name, demangled = symbol.demangled,
		offset = symbol.offset + delta, address = symbol.value + delta, size = symbol.size,
	}
end

-- Several symbols in one place are one function.
local function by_offset(symbols)
	local places <const>, seen <const> = {}, {}
	for _, symbol in ipairs(symbols) do
		local key <const> = symbol.offset or symbol
		if not seen[key] then
			seen[key] = true
			places[#places + 1] = symbol
		end
	end
	table.sort(places, function(a, b) return (a.offset or -1) < (b.offset or -1) end)
	return places
end

local function refused(target, elf, offset)
	return elf:refused(offset) or target.kind == "uretprobe" and code.no_return(elf, offset) or nil
end

local function raw_sites(target, elf)
	if not elf:executable(target.offset) then
		return fail(target, EINVAL, "the offset 0x%x lies in no executable segment of the file", target.offset)
	end
	local why <const> = refused(target, elf, target.offset)
	if why then return fail(target, EOPNOTSUPP, "the place 0x%x cannot be probed: %s", target.offset, why) end
	return { { offset = target.offset } }
end

-- A breakpoint within an instruction would make another one of it.
local function within_instruction(target, elf, symbol)
	if target.offset == 0 then return end
	local first <const>, following <const> = code.instruction(elf, symbol.offset, symbol.size, target.offset)
	if not first or first == target.offset then return end
	local next_one <const> = (symbol.size == 0 or following < symbol.size) and (" and +0x%x"):format(following) or ""
	return fail(target, EINVAL, "+0x%x lies within an instruction of '%s': the nearest ones begin at +0x%x%s", target.offset,
		symbol.name, first, next_one)
end

local function exact_sites(target, elf, all, name, version, default)
	local here, imported <const> = defined(all, version, default)
	if not version then here = prefer_default(here) end
	if #here == 0 then
		if version and #defined(all) > 0 then return wrong_version(target, all, name) end
		if imported then return imported_from(target, imported, elf) end
		return unknown(target, elf, name)
	end
	here = by_offset(here)
	if #here > 1 then return ambiguous(target, here, name) end
	local symbol <const> = here[1]
	if symbol.type == "ifunc" then return resolver(target, elf, symbol) end
	if not symbol.offset then
		return fail(target, EINVAL, "the symbol '%s' lies in no executable segment of the file", name)
	end
	if symbol.size > 0 and target.offset >= symbol.size then
		return fail(target, EINVAL, "+0x%x lies past the end of '%s', which has %d bytes", target.offset, name, symbol.size)
	end
	if not elf:executable(symbol.offset + target.offset) then
		return fail(target, EINVAL, "+0x%x after '%s' lies in no executable segment of the file", target.offset, name)
	end
	local within <const>, message <const>, err <const> = within_instruction(target, elf, symbol)
	if err then return within, message, err end
	local why <const> = refused(target, elf, symbol.offset + target.offset)
	if why then return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: %s", name, why) end
	return { make_site(symbol, target.offset) }
end

-- Go's own star, as in main.(*Server).Serve, is no wish for many.
local function is_method(name)
	local rest <const>, stars <const> = name:gsub("%.%(%*([^()]+)%)%.", ".(%1).")
	return stars > 0 and not glob.is(rest)
end

-- Every place of every name: a glob that means both `foo@V1` and `foo@@V2` means both.
local function glob_sites(target, elf)
	local sites <const>, skipped <const>, err <const> = elf:functions(target.symbol)
	if not sites then return fail(target, err, "%s", skipped) end
	if #sites == 0 then
		local first <const> = skipped[1]
		if not first and is_method(target.symbol) then return unknown(target, elf, target.symbol) end
		local why <const> = first and (" that can be probed (%s: %s)"):format(first.symbol, first.reason) or ""
		return fail(target, first and EOPNOTSUPP or ENOENT, "no function matches '%s'%s%s", target.symbol, why,
			elf:stripped() and "; the file is stripped" or "")
	end
	if target.kind ~= "uretprobe" then return sites, skipped end
	local returning <const> = {}
	for _, site in ipairs(sites) do
		local why <const> = code.no_return(elf, site.offset)
		if why then skipped[#skipped + 1] = { symbol = site.symbol, reason = why } else returning[#returning + 1] = site end
	end
	return returning, skipped
end

local function function_sites(target, elf)
	local name, version, default = target.symbol, nil, nil
	local all, message <const>, err <const> = elf:find(name)
	if not all then return fail(target, err, "%s", message) end
	if #all == 0 then
		name, version, default = split_version(target.symbol)
		if version then all = elf:find(name) end
	end
	if #all == 0 and not target.exact and glob.is(target.symbol) then
		if target.offset ~= 0 then return fail(target, EINVAL, "an offset goes with one name, not with a glob") end
		return glob_sites(target, elf)
	end
	return exact_sites(target, elf, all, name, version, default)
end

--- The places that a uprobe or uretprobe target means in a file that is open already.
--- Shape: sites are unique by offset, in its order; `skipped` is what a glob matched and cannot be probed
--- Errors: nil, message, errno: ENOENT no such symbol or version, ENOTUNIQ several functions of that name,
--- EINVAL an offset outside, EOPNOTSUPP an IFUNC or a uretprobe on Go.
--- Source: the file's .dynsym, .symtab, .gnu.version* and program headers
---@param target crumb.Target
---@param elf userdata crumb.Elf
---@return crumb.BinarySite[]? sites
---@return { symbol: string, reason: string }[]|string|nil skipped or the message
---@return integer? errno
function binary.sites(target, elf)
	if target.kind == "uretprobe" and elf:is_go() then
		return fail(target, EOPNOTSUPP,
			"a uretprobe breaks Go programs: their stacks move, and the return address with them")
	end
	if not target.symbol then return raw_sites(target, elf) end
	return function_sites(target, elf)
end

return binary
