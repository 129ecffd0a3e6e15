--- sites: the places that targets mean, each once, with what is needed to attach there.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local binary <const> = lazy "crumb.names.binary"
local files <const> = lazy "crumb.names.files"
local glob <const> = lazy "crumb.names.glob"
local kernel <const> = lazy "crumb.names.kernel"
local tracepoint <const> = lazy "crumb.names.tracepoint"
local usdt <const> = lazy "crumb.names.usdt"

local sites = {}

-- What all sites of a target and file have in common stands once, in the metatable that they share.
---@class crumb.Site
---@field kind string the target's kind
---@field target string the words it came from
---@field symbol string its name for people
---@field demangled string? of a function in a binary: its name as C++ or Rust write it
---@field names string[]? all names, where several share the address
---@field address integer? of kernel functions, where the kernel shows it
---@field offset integer? kernel functions: bytes after the symbol; binaries: in the file
---@field size integer? of a function: its bytes; 0 when the file does not say
---@field module string? of a kernel function: the module it is in
---@field by_address boolean? of a kernel function: its name may be another's too
---@field path string? of a binary: its descriptor's path
---@field identity string? of a binary: another one when the file is another
---@field is_go boolean? of a binary: whether it is a Go program
---@field space string the file and the direction, where its key means something: two sites are one place when both are equal
---@field key integer|string|nil nil: it is the offset
---@field places crumb.Site[]? of usdt: where it lies, with offset, semaphore (or nil) and arguments
---@field semaphore integer? of a usdt's place: the offset in the file of what counts who listens
---@field arguments string? of a usdt's place: the note's words for where its arguments are
---@field symbols table<string, integer|boolean>? of a usdt's place: where the variables lie that these words name
---@field returns boolean
---@field reason string? why it was skipped

local ENOENT <const>, ENOTUNIQ <const>, EOPNOTSUPP <const> = 2, 76, 95
local SKIPPABLE <const> = { [ENOENT] = true, [ENOTUNIQ] = true, [EOPNOTSUPP] = true }

-- What a kernel calls the function behind a system call.
local SYSCALL <const> = {
	x86_64 = "__x64_sys_", aarch64 = "__arm64_sys_", s390x = "__s390x_sys_", riscv64 = "__riscv_sys_",
}

-- Places become sites. What is in `common` they have in common.
local function add(found, places, target, common)
	common.kind, common.target = target.kind, target.text
	common.returns = target.kind == "kretprobe" or target.kind == "uretprobe" or target.returns or false
	common.space = (common.identity or "") .. (common.returns and "<" or ">")
	local shared <const>, before <const> = { __index = common }, #found
	for i, place in ipairs(places) do found[before + i] = setmetatable(place, shared) end
	return true
end

local function skip(found, list)
	for _, one in ipairs(list or {}) do found.skipped[#found.skipped + 1] = one end
end

-- What a target means in each of its files. Those of a glob's files that have no such name are passed over, and those
-- that `missing` lets be.
local function in_files(of_file)
	return function(found, target, given, opened)
		local list <const>, skipped <const>, number <const> = files.open(opened, target, given.pid)
		if not list then return nil, skipped, number end
		skip(found, skipped)
		local before <const>, passed <const> = #found, {}
		for _, file in ipairs(list) do
			local done <const>, why <const>, err <const> = of_file(found, files.target(target, list, file), file, target)
			if not done then
				if not list.globs and not (given.missing == "skip" and SKIPPABLE[err]) then return nil, why, err end
				passed[#passed + 1] = { symbol = target.symbol or target.name, file = file.path, reason = why, errno = err }
			end
		end
		if #found == before then return nil, passed[1].reason, passed[1].errno end
		skip(found, passed)
		return true
	end
end

-- What all sites in a file have in common.
local function common_of(file)
	return { file = file.path, path = file.elf:path(), identity = file.identity, is_go = file.go }
end

local function of_binary(found, one, file, target)
	local places <const>, skipped <const>, errno <const> = binary.sites(one, file.elf)
	if not places then return nil, skipped, errno end
	skip(found, skipped)
	if not one.symbol then places[1].symbol = ("%#x"):format(one.offset) end
	return add(found, places, target, common_of(file))
end

-- The places under one name are sites of their own for who attaches them as uprobes; libbpf finds them again.
local function of_usdt(found, one, file, target)
	local probes <const>, skipped <const>, errno <const> = usdt.probes(one, file.elf)
	if not probes then return nil, skipped, errno end
	for _, probe in ipairs(probes) do
		local common <const> = common_of(file)
		common.symbol = probe.provider .. ":" .. probe.name
		common.provider, common.name = probe.provider, probe.name
		for _, place in ipairs(probe.places) do setmetatable(place, { __index = common }) end
		add(found, { { places = probe.places, key = common.symbol } }, target, common)
	end
	skip(found, skipped)
	return true
end

local function of_kernel(found, target)
	local resolved <const>, message <const>, errno <const> = kernel.resolve(target)
	if not resolved then return nil, message, errno end
	local places <const> = {}
	for i, place in ipairs(resolved.sites) do
		local offset <const> = place.offset or 0
		places[i] = {
			symbol = place.symbol, offset = offset, address = place.address, size = place.size, module = place.module,
			by_address = place.by_address,
			key = place.address and place.address + offset or ("%s+%d"):format(place.symbol, offset),
		}
	end
	skip(found, resolved.skipped)
	return add(found, places, target, {})
end

-- libbpf finds the function again; here it is asked whether there is one, and what is near.
local function of_syscall(found, target)
	local _ <const>, _ <const>, machine <const> = core.versions()
	local prefix <const> = SYSCALL[machine]
	if not prefix then return add(found, { { symbol = target.name, name = target.name, key = target.text } }, target, {}) end
	local resolved <const>, message <const>, errno <const> =
		kernel.resolve { kind = "kprobe", text = target.text, symbol = prefix .. target.name }
	if not resolved then return nil, message, errno end
	local places <const> = {}
	for i, place in ipairs(resolved.sites) do
		local name <const> = place.symbol:sub(#prefix + 1)
		places[i] = { symbol = name, name = name, key = "syscall:" .. name }
	end
	skip(found, resolved.skipped)
	return add(found, places, target, {})
end

local function of_tracepoint(found, target)
	local resolved <const>, message <const>, errno <const> = tracepoint.resolve(target.category, target.name)
	if not resolved then return nil, message, errno end
	local places <const> = {}
	for i, place in ipairs(resolved.sites) do
		places[i] = { symbol = place.symbol, category = place.category, name = place.name, key = place.symbol }
	end
	return add(found, places, target, {})
end

local function of_name(found, target)
	local name <const> = target.name or target.symbol
	return add(found, { { symbol = name, name = name, key = target.text } }, target, {})
end

-- The kernel knows at once whether it has one; what they all are is read only when that is asked.
local function of_raw_tracepoint(found, target, given)
	if not given.listed and not glob.is(target.name) then return of_name(found, target) end
	local names <const>, message <const>, errno <const> = kernel.raw_tracepoints(target)
	if not names then return nil, message, errno end
	local places <const> = {}
	for i, name in ipairs(names) do
		places[i] = { symbol = name, name = name, key = ("%s:%s"):format(target.kind, name) }
	end
	return add(found, places, target, {})
end

-- The kernel has to be asked which functions a glob means; of one by name libbpf asks.
local function of_traced(found, target, given)
	if not given.listed and (target.exact or not glob.is(target.symbol)) then return of_name(found, target) end
	local resolved <const>, message <const>, errno <const> = kernel.resolve(target)
	if not resolved then return nil, message, errno end
	local places <const> = {}
	for i, place in ipairs(resolved.sites) do
		places[i] = {
			symbol = place.symbol, name = place.symbol, address = place.address, size = place.size, module = place.module,
			key = ("%s:%s"):format(target.kind, place.symbol),
		}
	end
	skip(found, resolved.skipped)
	return add(found, places, target, {})
end

local function of_perf_event(found, target)
	return add(found, { { symbol = target.text:match ":(.*)$", event = target, key = target.text } }, target, {})
end

local RESOLVERS <const> = {
	kprobe = of_kernel, kretprobe = of_kernel,
	uprobe = in_files(of_binary), uretprobe = in_files(of_binary), usdt = in_files(of_usdt),
	tracepoint = of_tracepoint, syscall = of_syscall,
	rawtracepoint = of_raw_tracepoint, tp_btf = of_raw_tracepoint, fentry = of_traced, fexit = of_traced, section = of_name,
	profile = of_perf_event, software = of_perf_event, hardware = of_perf_event,
}

--- Resolves targets to sites, in the order of the targets.
--- Errors: nil, message, errno: the first target that means nothing.
---@param targets crumb.Target[]
---@param given { pid: integer?, missing: string?, only: nil|fun(site: crumb.Site): boolean, listed: boolean? } `listed`: what
--- the kernel would say at once when it is attached to is asked now
---@param opened table<string, { elf: crumb.Elf }> collects the files, which must stay open until the sites are attached
---@return crumb.Site[]? sites; its field `skipped` lists what cannot be probed: { symbol =, reason = }
---@return string? message
---@return integer? errno
function sites.resolve(targets, given, opened)
	local found <const>, refused = { skipped = {} }, nil
	for _, target in ipairs(targets) do
		local done <const>, message <const>, errno <const> = RESOLVERS[target.kind](found, target, given, opened)
		if not done then
			local skips <const> = given.missing == "skip" and SKIPPABLE[errno]
			if not skips then return nil, message, errno end
			local refusal <const> = { symbol = target.symbol or target.name, reason = message, errno = errno }
			refused = refused or refusal
			skip(found, { refusal })
		end
	end
	local first <const> = refused or found.skipped[1]
	if #found == 0 and first then return nil, first.reason, first.errno end
	if not given.only then return found end
	local chosen <const> = { skipped = found.skipped }
	for _, site in ipairs(found) do
		if given.only(site) then chosen[#chosen + 1] = site end
	end
	return chosen
end

--- What a raw tracepoint's name may have been meant to be: those that tracefs knows.
---@param name string
---@return string text " (nearest: …)", or ""
function sites.near_tracepoint(name)
	local events <const>, categories <const> = tracepoint.reader():events()
	local names <const> = {}
	for _, category in ipairs(events and categories or {}) do
		for _, event in ipairs(core.directory(events .. "/" .. category) or {}) do names[#names + 1] = event end
	end
	return (select(2, core.nearest(name, names)))
end

return sites
