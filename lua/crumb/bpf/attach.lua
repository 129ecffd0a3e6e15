--- attach: program:attach { … }: targets to sites, cookies to sites, sites to kernel links.

local choice <const> = require "crumb.bpf.choice"
local cookie <const> = require "crumb.cookie"
local core <const> = require "crumb.core"
local hooks <const> = require "crumb.bpf.hooks"
local links <const> = require "crumb.bpf.links"
local kernel <const> = require "crumb.lazy" "crumb.names.kernel"
local options <const> = require "crumb.options"
local target <const> = require "crumb.target"

local Program <const>, PROGRAM <const> = core.methods "crumb.Program"

local TRACED <const> = { trace_raw_tp = "tp_btf", trace_fentry = "fentry", trace_fexit = "fexit" }

local ESRCH <const> = 3

local function misuse(format, ...) error(format:format(...), 0) end

-- The target that a tracing program was loaded for.
local function loaded_for(program)
	local kind <const> = TRACED[program.attach_type]
	if kind and program.attach_target then return target.parse(("%s:%s"):format(kind, program.attach_target)) end
	return target.from_section(program.section)
end

local function own_targets(program)
	local own <const>, why <const> = loaded_for(program)
	if own then return { own } end
	misuse("section '%s' of program %s names no target%s; pass one", program.section, program.name,
		why and " (" .. why .. ")" or "")
end

local function check_traced(program, one)
	local own <const>, wanted <const> = loaded_for(program), one.symbol or one.name
	local loaded <const> = own and (own.symbol or own.name)
	if loaded == wanted then return end
	misuse("program %s was loaded for %s, not for '%s': a %s program has one target, chosen by "
		.. "program:set_attach_target \"%s\" before object:load(); for several, load several copies of the object",
		program.name, loaded and "'" .. loaded .. "'" or "nothing", wanted, one.kind, wanted)
end

local function check(program, one, given)
	local multi <const>, hook <const> = hooks.multi[program.attach_type], hooks.single[one.kind]
	local fits
	if multi then
		fits = multi.kinds[one.kind]
	else
		fits = program.type == hook.type and program.attach_type == hook.attach_type
	end
	if not fits then
		misuse("program %s (section '%s') cannot be attached to '%s', which takes a program of section %s",
			program.name, program.section, one.text, hook.sections)
	end
	if hook.attach_type then check_traced(program, one) end
	if multi and (one.offset or 0) ~= 0 and one.kind == "kprobe" then
		misuse("'%s': a kprobe.multi takes no offset; a program of section kprobe does", one.text)
	end
	if given.pid and not hook.pid then
		misuse("a %s takes no pid: compare bpf_get_current_pid_tgid() in the program", one.kind)
	end
end

local function describe(link, program, attached, skipped)
	local multi <const> = hooks.multi[program.attach_type]
	core.set_field(link, "sites", attached.sites)
	core.set_field(link, "skipped", skipped)
	core.set_field(link, "cookies", attached.bits)
	core.set_field(link, "cookie", attached.bits[1])
	core.set_field(link, "mechanism",
		links.describe(multi and multi.name or attached.sites[1].kind, #attached.sites, #link))
	return link
end

local function attach(link, program, given)
	local targets <const> = choice.targets(given, function() return own_targets(program) end)
	for _, one in ipairs(targets) do check(program, one, given) end
	local files <close> = choice.files()
	local found <const>, message <const>, errno <const> = choice.sites(targets, given, files)
	if not found then return nil, "attach " .. message, errno end
	local chosen <const>, bits <const>, skipped <const> = cookie.assign(choice.guard(given.cookie), found)
	if #chosen == 0 then misuse "no site has a cookie, so nothing would be attached" end
	table.move(found.skipped, 1, #found.skipped, #skipped + 1, skipped)
	local attached <const>, why <const>, number <const> = links.attach(link, program, chosen, bits, {
		pid = given.pid, skipped = given.missing == "skip" and skipped or nil, progress = choice.guard(given.progress),
	})
	if not attached then return nil, why, number end
	if #link == 0 then return nil, skipped[#skipped].reason, skipped[#skipped].errno end
	return describe(link, program, attached, skipped)
end

--- Attaches the program, each site with its own cookie.
---
--- `program:attach { "uprobe:/bin/app:main.*", cookie = { ["main.foobar"] = 1 } }`; without a target, the section's own.
--- Options: `cookie` (an integer, a list, a table symbol -> integer, or function(site, i)), `pid`, `symbols` (exact names
--- behind a target such as "uprobe:/bin/app" or "kprobe"), `offsets`, `either` (targets, the first that is there), `only`,
--- `missing` ("skip": go on without what is not there or the kernel refuses, and list it in `link.skipped`), `max` (sites;
--- 2000), `progress` (called with how many of how many, where there is a link for each site).
--- Errors: nil, message, errno when the kernel, the files or the names refuse, and then nothing is attached; raises
--- for wrong use.
---@param given table?
---@return crumb.Link?, string?, integer?
function Program:attach(given)
	if getmetatable(self) ~= PROGRAM then error("program:attach: call it with a colon", 2) end
	given = options.check("program:attach", given, choice.OPTIONS)
	if self:closed() then error("program:attach: the program's object is closed", 2) end
	local ready <const>, link <const> = pcall(self.link, self)
	if not ready then error("program:attach: " .. link, 2) end
	local result <const> = table.pack(pcall(attach, link, self, given))
	if result[1] and result[2] then return link end
	link:close()
	if result[1] then return table.unpack(result, 2, result.n) end
	local raised <const> = result[2]
	if type(raised) == "table" then error(raised.raised, 0) end
	error("program:attach: " .. raised, 2)
end

local set_attach_target <const> = Program.set_attach_target

--- Chooses, before the object is loaded, what a fentry, fexit or tp_btf program is for.
--- Errors: nil, message, errno when the kernel has no such function; raises when it is loaded.
---@param name string
---@return crumb.Program?, string?, integer?
function Program:set_attach_target(name)
	if self.type ~= "tracing" and self.type ~= "lsm" and self.type ~= "ext" then
		error(("program:set_attach_target: program %s (section '%s') is attached by a target of program:attach"):format(
			self.name, self.section), 2)
	end
	local done <const>, message, errno <const> = set_attach_target(self, name)
	if done then core.set_field(self, "attach_target", name) end
	if errno == ESRCH and (self.attach_type == "trace_fentry" or self.attach_type == "trace_fexit") then
		message = ("%s: the kernel's BTF has no '%s'%s"):format(message:match "^[^:]*", name, kernel.near(name))
	end
	return done, message, errno
end

return Program
