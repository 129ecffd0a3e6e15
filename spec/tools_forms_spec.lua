-- The example of every tool, as JSON and as CSV: each line parses, and the columns stay.
local cli = require "support.cli"
local core = require "crumb.core"
local forms = require "support.forms"
local tools = require "crumb.command.tools"
local words = require "crumb.command.words"

-- Opens files that are there and that are not, starts programs, ends them in several ways, sends signals.
local LOAD <const> = [[sh -c 'ls -l / >/dev/null; cat /no/such /dev/null 2>/dev/null; (exit 3); sh -c "kill -9 \$\$" 2>/dev/null
	kill -0 $$; kill -0 99999999 2>/dev/null; exit 0']]

-- What has something to say of that load, on every kernel that it runs on.
local SPEAKING <const> = {
	argdist = true, execsnoop = true, exitsnoop = true, funccount = true, funclatency = true, killsnoop = true,
	opensnoop = true, stackcount = true, syscount = true, trace = true,
}

-- Whose example names what not every machine has.
local INSTEAD <const> = {
	biosnoop = "crumb biosnoop", callgraph = "crumb callgraph 'uprobe:libc:getenv'", memleak = "crumb memleak --older 10",
	profile = "crumb profile", pythoncalls = "crumb pythoncalls --python /usr/bin/python3", sslsniff = "crumb sslsniff",
}

-- What cannot follow children.
local ALONE <const> = { runqlat = true }

-- What a tool writes; nil: this kernel cannot run it, or what it is about is not here.
local function output_of(name, form)
	local given <const> = assert(words.of_command(INSTEAD[name] or tools.find(name).example))
	assert.equal("crumb", table.remove(given, 1))
	table.move({ form, "-d", "20s", "-c", LOAD, not ALONE[name] and "--follow" or nil }, 1, 6, #given + 1, given)
	local text <const>, status <const>, errors <const> = cli.run(table.unpack(given))
	if status == 1 and (errors:find "this kernel" or errors:find "No such file") then return nil end
	if status == 1 and not core.read "/sys/kernel/btf/vmlinux" then return nil end
	assert.equal(0, status, errors)
	return text
end

local function check_json(name)
	local text <const> = output_of(name, "--json")
	if not text then pending "this machine lacks what the tool wants" return end
	local objects <const> = forms.json(text)
	assert.is_true(#objects > 0 or not SPEAKING[name], name)
	for _, object in ipairs(objects) do
		if object.time then assert.matches("^p%d+$", object.probe) end
		assert.is_string(next(object))
	end
end

local function check_csv(name)
	local text <const> = output_of(name, "--csv")
	if not text then pending "this machine lacks what the tool wants" return end
	local tables <const> = forms.csv(text)
	assert.is_true(#tables <= 1, "the columns change:\n" .. text)
	assert.is_true(#tables == 1 and #tables[1] > 0 or not SPEAKING[name], name)
end

describe("the example of the tool", function()
	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	for _, name in ipairs(tools.names()) do
		it(name .. " writes JSON", function()
			if not forms.has_json then pending "no dkjson on this machine" return end
			check_json(name)
		end)

		it(name .. " writes CSV, with columns that stay", function() check_csv(name) end)
	end
end)
