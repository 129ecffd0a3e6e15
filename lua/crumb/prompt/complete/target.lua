--- target: what a target may go on with: kinds, files, libraries, functions, tracepoints.

local choice <const> = require "crumb.bpf.choice"
local core <const> = require "crumb.core"
local file_names <const> = require "crumb.prompt.complete.files"
local files <const> = require "crumb.names.files"
local glob <const> = require "crumb.names.glob"
local kernel <const> = require "crumb.names.kernel"
local library <const> = require "crumb.names.library"
local target <const> = require "crumb.target"
local tracepoint <const> = require "crumb.names.tracepoint"

local completion = {}

-- The words that begin so.
local function beginning(list, typed, after)
	local items <const> = {}
	for _, word in ipairs(list) do
		if word:sub(1, #typed) == typed then
			items[#items + 1] = { text = word .. (after or ""), label = word, more = after ~= nil }
		end
	end
	return items
end

local function kinds(typed)
	local items <const> = {}
	for kind, form in pairs(target.FORMS) do
		if kind:sub(1, #typed) == typed then items[#items + 1] = { text = kind .. ":", label = form, more = true } end
	end
	local long <const> = target.SHORT[typed]
	if long then
		items[#items + 1] = { text = typed .. ":", label = target.FORMS[long]:gsub("^[^:]*", typed), more = true }
	end
	return items, 0
end

-- "libc.so.6" is called libc, as long as no other one is.
local function short_names(found)
	local count <const>, names <const>, seen <const> = {}, {}, {}
	local function stem(one) return one.soname:match "^(.-)%.so" or one.soname end
	for _, one in ipairs(found) do count[stem(one)] = (count[stem(one)] or 0) + 1 end
	for _, one in ipairs(found) do
		local name <const> = count[stem(one)] == 1 and stem(one) or one.soname
		if not seen[name] then names[#names + 1], seen[name] = name, true end
	end
	return names
end

local function libraries(typed, pid)
	local found = pid and library.files("*", pid) or library.in_cache(glob.escape(typed) .. "*") or {}
	local names <const> = short_names(pid and {} or found)
	for _, one in ipairs(pid and found or {}) do names[#names + 1] = one.path:match "[^/]*$" end
	if pid then names[#names + 1] = "exe" end
	local items <const> = beginning(names, typed, ":")
	if typed == "" then items[#items + 1] = { text = "/", label = "/", more = true } end
	return items, 0
end

local function paths(typed, pid)
	if typed:find "[/~.]" then return file_names.items(typed, ":") end
	return libraries(typed, pid)
end

-- The names of a function that begin with what was typed; how it is written only where it is not called so in the file.
local function names_of(site, typed)
	local list <const> = {}
	for _, name in ipairs(site.names or { site.symbol }) do
		if name:sub(1, #typed) == typed then list[#list + 1] = name end
	end
	if #list == 0 and (site.demangled or ""):sub(1, #typed) == typed then list[1] = site.demangled end
	return list
end

-- Calls with each of the files that a path means.
local function with_files(path, pid, use)
	local opened <close> = choice.files()
	for _, file in ipairs(files.open(opened, { path = path, text = path }, pid) or {}) do use(file.elf) end
end

local function symbols(path, typed, pid)
	local items <const> = {}
	with_files(path, pid, function(elf)
		for _, site in ipairs(elf:functions(glob.escape(typed) .. "*") or {}) do
			for _, name in ipairs(names_of(site, typed)) do items[#items + 1] = { text = name, label = name } end
		end
	end)
	return items
end

local function in_file(rest, pid)
	local path <const>, symbol <const> = rest:match "^([^:]*):(.*)$"
	if not path then return paths(rest, pid) end
	return symbols(path, symbol, pid), #path + 1
end

-- The first words of "provider:name", or the second ones.
local function of_notes(path, rest, pid)
	local provider <const>, name <const> = rest:match "^([^:]*):(.*)$"
	local words <const> = {}
	with_files(path, pid, function(elf)
		for _, probe in ipairs(elf:usdt() or {}) do
			local of <const>, called <const> = probe:match "^(.-):(.*)$"
			if not provider then words[of] = true elseif of == provider then words[called] = true end
		end
	end)
	local list <const> = {}
	for word in pairs(words) do list[#list + 1] = word end
	return beginning(list, name or rest, not provider and ":" or nil), provider and #provider + 1 or 0
end

local function usdt(rest, pid)
	local path <const>, probe <const> = rest:match "^([^:]*):(.*)$"
	if not path then return paths(rest, pid) end
	local items <const>, at <const> = of_notes(path, probe, pid)
	return items, #path + 1 + at
end

local function events_in(category)
	local events <const> = tracepoint.reader():events()
	local names <const> = {}
	for _, name in ipairs(events and core.directory(events .. "/" .. category) or {}) do
		if name ~= "enable" and name ~= "filter" then names[#names + 1] = name end
	end
	return names
end

local function tracepoints(rest)
	local category <const>, name <const> = rest:match "^([^:/]*):(.*)$"
	if category then return beginning(events_in(category), name), #category + 1 end
	local events <const>, categories <const> = tracepoint.reader():events()
	local folders <const> = {}
	for _, one in ipairs(events and categories or {}) do
		if core.directory(events .. "/" .. one) then folders[#folders + 1] = one end -- beside files such as "enable"
	end
	return beginning(folders, rest, ":"), 0
end

local function syscalls(rest)
	local names <const> = {}
	for _, event in ipairs(events_in "syscalls") do names[#names + 1] = event:match "^sys_enter_(.*)$" end
	return beginning(names, rest), 0
end

local function functions(kind)
	return function(rest)
		local found <const> = kernel.resolve { kind = kind, text = kind, symbol = glob.escape(rest) .. "*" }
		local names <const> = {}
		for i, site in ipairs(found and found.sites or {}) do names[i] = site.symbol end
		return beginning(names, rest), 0
	end
end

local function raw_tracepoints(rest)
	return beginning(kernel.raw_tracepoints { text = "", name = glob.escape(rest) .. "*" } or {}, rest), 0
end

local function frequencies(rest)
	if not rest:find ":" then return beginning({ "hz" }, rest, ":"), 0 end
	return beginning({ "49", "99", "997" }, rest:match "^hz:(.*)$" or " "), 3
end

local function perf_events(kind)
	return function(rest)
		local names <const> = {}
		for name in pairs(target.EVENTS[kind]) do names[#names + 1] = name end
		return beginning(names, rest, ":"), 0
	end
end

-- Each takes what follows "kind:", and returns the items, and how many bytes of it stand before their word.
local COMPLETERS <const> = {
	uprobe = in_file, uretprobe = in_file, usdt = usdt, tracepoint = tracepoints, syscall = syscalls,
	kprobe = functions "kprobe", kretprobe = functions "kretprobe", fentry = functions "fentry", fexit = functions "fexit",
	rawtracepoint = raw_tracepoints, tp_btf = raw_tracepoints,
	profile = frequencies, software = perf_events "software", hardware = perf_events "hardware",
}

--- What a target may go on with.
---@param typed string
---@param pid integer? the process whose files are meant
---@return { text: string, label: string, more: boolean? }[]
---@return integer at bytes of `typed` before the word that is completed
function completion.items(typed, pid)
	local kind <const>, rest <const> = typed:match "^([^:]*):(.*)$"
	if not kind then return kinds(typed) end
	local complete <const> = COMPLETERS[target.SHORT[kind] or kind]
	if not complete then return {}, #typed end
	local items <const>, at <const> = complete(rest, pid)
	return items, #kind + 1 + at
end

return completion
