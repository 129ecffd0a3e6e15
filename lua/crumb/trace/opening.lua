--- opening: from what a person asked for to a probe that is attached: targets, sites, cookies, rule, links; all or nothing.

local choice <const> = require "crumb.bpf.choice"
local cookie <const> = require "crumb.cookie"
local lazy <const> = require "crumb.lazy"

local go_calls <const> = lazy "crumb.trace.go_calls"
local show <const> = lazy "crumb.show"

local opening = {}

local EINVAL <const> = 22

local function misuse(format, ...) error(format:format(...), 0) end

local function of_syscall(site, prefix)
	local name <const> = prefix .. site.name
	return { name = name, key = "syscalls:" .. name }
end

-- What a hit or a pair's beginning is attached to, by its kind, where that is not the site itself.
local ENTRIES <const> = {
	syscall = function(site) return of_syscall(site, "sys_enter_") end,
	uprobe = function(site) return site.go and site.go.entry end,
}

-- And a pair's end; a list of several.
local RETURNS <const> = {
	kprobe = function() return { returns = true } end,
	uprobe = function(site) return site.go and site.go.ends or { returns = true } end,
	fentry = function() return { kind = "fexit" } end,
	syscall = function(site) return of_syscall(site, "sys_exit_") end,
}

-- In the tracer a system call is its tracepoint: fewer kernels lack it, and its arguments have names.
local function as_tracepoint(one)
	if one.kind ~= "syscall" then return one end
	return {
		kind = "tracepoint", text = one.text, category = "syscalls", name = "sys_enter_" .. one.name, syscall = one.name,
	}
end

-- A refusal in the words that were asked for.
local function as_asked(message, targets)
	for _, one in ipairs(targets) do
		if one.syscall then
			message = message:gsub("tracepoint:syscalls:sys_enter_", "syscall:")
				:gsub("no tracepoint '([^']*)' in syscalls", "no system call '%1'"):gsub("sys_enter_", "")
		end
	end
	return message
end

local function no_target() misuse "expected a target, such as \"syscall:openat\"" end

-- What has a beginning and an end.
local function instead_of(one)
	local entry <const> = ({ kretprobe = "kprobe", uretprobe = "uprobe", fexit = "fentry" })[one.kind]
	if entry then return (": write %s"):format((one.text:gsub("^[^:]*", entry, 1))) end
	local call <const> = one.category == "syscalls" and one.name:match "^sys_%a+_(.+)$"
	if call then return ": write syscall:" .. call end
	return one.kind == "tracepoint" and ": two of them are paired by a span" or ""
end

local function targets_of(given, returns)
	local targets <const> = {}
	for i, one in ipairs(choice.targets(given, no_target)) do
		if one.kind == "tp_btf" then misuse("'%s': the tracer has rawtracepoint:%s", one.text, one.name) end
		if returns and not RETURNS[one.kind] then
			misuse("returns = true goes with a kprobe, uprobe, fentry or syscall, not with '%s'%s", one.text, instead_of(one))
		end
		if returns and (one.offset or 0) ~= 0 and one.symbol then
			misuse("'%s': a function returns as a whole: returns = true goes with no offset", one.text)
		end
		targets[i] = as_tracepoint(one)
	end
	return targets
end

-- The sites as the tracer attaches them: the places of a USDT name are sites of their own.
local function as_attached(found, targets)
	local syscalls <const> = {}
	for _, one in ipairs(targets) do syscalls[one.text] = one.syscall end
	local list <const> = { skipped = found.skipped, targets = targets }
	for _, site in ipairs(found) do
		if site.kind == "usdt" then
			for _, place in ipairs(site.places) do
				place.hook = "uprobe"
				list[#list + 1] = place
			end
		else
			if site.kind == "tracepoint" and syscalls[site.target] then
				site.name = site.name:gsub("^sys_enter_", "")
				site.kind, site.hook, site.symbol = "syscall", "tracepoint", site.name
			end
			list[#list + 1] = site
		end
	end
	return list
end

-- With what is to be known of where their calls begin and end.
local function with_calls(found, given, returns, files)
	if not next(files) then return found end
	return (returns and go_calls.find or go_calls.begin)(found, files, given.missing)
end

--- The sites that targets mean.
--- Errors: nil, message, errno; raises (level 0) for wrong use.
---@param given table targets and options of choice
---@param returns boolean whether their ends are wanted too
---@param files table from choice.files()
---@param unlimited boolean? however many there are
---@return crumb.Site[]? sites with the fields `skipped` and `targets`
---@return string?, integer?
function opening.resolve(given, returns, files, unlimited)
	local targets <const> = targets_of(given, returns)
	local found <const>, message <const>, errno <const> = choice.sites(targets, given, files, unlimited)
	if not found then return nil, as_asked(message, targets), errno end
	return as_attached(found, targets)
end

-- Numbers that count on, the same for a place that several targets mean. Several USDT probes may lie in one place.
local function numbers_of(trace, targets)
	local function following()
		trace.next_cookie = trace.next_cookie + 1
		return trace.next_cookie
	end
	if not targets[2] then return following end
	local given <const> = {}
	return function(site)
		local place <const> = ("%s%s %s"):format(site.space, site.key or site.offset, site.kind == "usdt" and site.symbol or "")
		given[place] = given[place] or following()
		return given[place]
	end
end

--- The sites that are asked for, and their cookies.
--- Errors: nil, message, errno; raises (level 0) for wrong use.
---@param trace crumb.Trace
---@param given table options
---@param returns boolean
---@param files table from choice.files()
---@return crumb.Site[]? chosen
---@return integer[]|string bits or the message
---@return crumb.Site[]|integer|nil skipped or the errno
function opening.sites(trace, given, returns, files)
	local resolved <const>, unknown <const>, number <const> = opening.resolve(given, returns, files)
	if not resolved then return nil, unknown, number end
	local found <const>, message <const>, errno <const> = with_calls(resolved, given, returns, files)
	if not found then return nil, message, errno end
	local wanted <const> = choice.guard(given.cookie)
	local chosen <const>, bits <const>, skipped <const> =
		cookie.assign(wanted == nil and numbers_of(trace, resolved.targets) or wanted, found)
	if #chosen == 0 then misuse "no site has a cookie, so nothing would be attached" end
	table.move(found.skipped, 1, #found.skipped, #skipped + 1, skipped)
	return chosen, bits, skipped
end

-- An event as a line.
local function line_of(event) return show.event(event, event.probe.live.cells) end

--- The metatable of a place's events, whose first element says whose they are.
---@param place crumb.Place
---@return table
function opening.metatable(place)
	local site <const>, inbox <const> = place.site, place.kin.inbox
	return { inbox, __tostring = line_of, __index = {
		cookie = site.cookie, symbol = site.symbol, target = site.target, probe = inbox.probe,
	} }
end

--- Places for sites: numbers with their cookies, told to the engine and to the reader.
--- Errors: nil, message, errno, and then none is kept.
---@param trace crumb.Trace
---@param inbox crumb.Inbox
---@param chosen crumb.Site[]
---@param bits integer[]
---@param pair string?
---@param from table? of a span's beginning: what was said of it
---@return crumb.Place[]?, string?, integer?
function opening.places(trace, inbox, chosen, bits, pair, from)
	local numbers <const>, message <const>, errno <const> = trace.engine:take_sites(bits)
	if not numbers then return nil, message, errno end
	local places <const>, kin <const> = {}, { inbox = inbox, pair = pair, from = from, count = #chosen }
	for i, site in ipairs(chosen) do
		site.cookie = bits[i]
		places[i] = { site = site, number = numbers[i], kin = kin, body = nil }
	end
	trace.delivery:know(places)
	return places
end

--- Nothing is attached to the places any more.
---@param trace crumb.Trace
---@param places crumb.Place[]
function opening.give_back(trace, places)
	local numbers <const> = {}
	for i, place in ipairs(places) do numbers[i] = place.number end
	trace.engine:retire_sites(numbers, function() trace.delivery:forget(numbers) end)
end

local function with(site, changes)
	return setmetatable(changes, { __index = site })
end

-- What is to be attached for the places: sites, the integers that the engine is to get there, and the place of each.
-- `changes` say by kind what is different there from the site itself; a list of several.
local function attached_as(places, role, goroutine, changes)
	local sites <const>, bits <const>, owners <const>, count = {}, {}, {}, 0
	local function add(site, place, word)
		count = count + 1
		sites[count], bits[count], owners[count] = site, word, place
	end
	for _, place in ipairs(places) do
		local site <const> = place.site
		local change <const> = not place.refused and changes[site.kind]
		local different <const> = change and change(site)
		if different then
			local of_call <const> = site.go and site.go.ends
			local word <const> = place.number | (of_call and role | goroutine or role) << 32
			for _, one in ipairs(different[1] and different or { different }) do add(with(site, one), place, word) end
		elseif not place.refused then
			add(site, place, place.number | role << 32)
		end
	end
	return sites, bits, owners
end

-- What the kernel did not take of a place's sites takes the place with it, once.
local function refuse(refused, sites, owners, skipped)
	if #refused == 0 then return end
	local places <const> = {}
	for i, site in ipairs(sites) do places[site] = owners[i] end
	for _, site in ipairs(refused) do
		local place <const> = places[site]
		if not place.refused then
			place.refused, place.site.reason = true, site.reason
			skipped[#skipped + 1] = place.site
		end
	end
end

local function attach(attachment, places, role, goroutine, given, skipped, changes)
	local sites <const>, bits <const>, owners <const> = attached_as(places, role, goroutine, changes)
	local refused <const> = given.missing == "skip" and {} or nil
	local done <const>, message <const>, errno <const> = attachment:add(sites, bits, {
		pid = not given.follow and given.pid or nil, skipped = refused, progress = choice.guard(given.progress),
	})
	if not done then return nil, message, errno end
	refuse(refused or {}, sites, owners, skipped)
	return true
end

--- Attaches places. Ends before beginnings: what begins would wait in vain for an end that nobody sees.
--- Errors: nil, message, errno; what is attached by then goes with the attachment.
---@param trace crumb.Trace
---@param attachment crumb.Attachment
---@param places crumb.Place[]
---@param how "hit"|"call"|"from"|"to"
---@param given { pid: integer?, follow: boolean?, missing: string?, progress: nil|fun(done: integer, total: integer) }
---@param skipped crumb.Site[] collects what the kernel refuses, with missing = "skip"
---@return true?, string?, integer?
function opening.attach(trace, attachment, places, how, given, skipped)
	local role <const> = trace.engine.wire.role
	if how == "call" then
		local done <const>, message <const>, errno <const> =
			attach(attachment, places, role.RETURN, role.GOROUTINE, given, skipped, RETURNS)
		if not done then return nil, message, errno end
	end
	local roles <const> = { hit = role.HIT, call = role.OPEN, from = role.OPEN, to = role.TO }
	local done <const>, message <const>, errno <const> =
		attach(attachment, places, roles[how], role.GOROUTINE, given, skipped, ENTRIES)
	if not done then return nil, message, errno end
	for _, place in ipairs(places) do
		if not place.refused then return true end
	end
	return nil, places[1].site.reason, EINVAL
end

return opening
