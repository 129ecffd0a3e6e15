-- The command of -c ends with the trace, however that ends.
local cli = require "support.cli"
local core = require "crumb.core"
local lab = require "support.lab"

local FOREVER <const> = "sh -c 'echo $$ >%s; while :; do ls / >/dev/null; done'"
local DEAF <const> = "sh -c 'trap \"\" TERM; echo $$ >%s; while :; do ls / >/dev/null; done'"

-- Whether a process has this in its words.
local function is_named(path)
	for _, pid in ipairs(core.directory "/proc") do
		local file <close> = pid:find "^%d+$" and io.open(("/proc/%s/cmdline"):format(pid)) or nil
		if file and (file:read "a" or ""):find(path, 1, true) then return true end
	end
	return false
end

-- Runs crumb on such a command, and waits until that process is gone; crumb's status, and what it said.
local function ends_with(command, words, after)
	local path <const> = os.tmpname()
	local _, status <const>, errors <const> = cli.shell(
		("build/crumb -q -c %s %s"):format(cli.quoted((command:gsub("%%s", path))), words) .. (after and after:gsub("PID", path) or ""))
	os.remove(path)
	assert.is_truthy(lab.eventually(function() return not is_named(path) end), "it lives on")
	return status, errors
end

describe("the command of -c", function()
	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("ends when the time is over, also if it takes no notice of that", function()
		assert.same({ 0, "" }, { ends_with(FOREVER, "-d 200ms -e ''") })
		assert.same({ 0, "" }, { ends_with(DEAF, "-d 200ms -e ''") })
	end)

	it("is asked to end before it has to", function()
		local command <const> = "sh -c 'trap \"echo asked >&2; exit\" TERM; echo $$ >%s; while :; do sleep 0.05; done'"
		local status <const>, errors <const> = ends_with(command, "-d 300ms -e ''")
		assert.equal(0, status)
		assert.matches("asked\n$", errors)
	end)

	it("ends with its descendants, and nobody else", function()
		local other <close> = assert(core.spawn { "sleep", "100" })
		assert(other:start())
		for _, trap in ipairs { "", 'trap "" TERM; ' } do
			ends_with("sh -c '" .. trap .. "echo $$ >%s; sh -c \"sleep 47; : $0\" %s | sleep 48 >/dev/null'", "-d 500ms -e ''")
		end
		assert.is_true(other:running())
		other:kill(9)
	end)

	it("ends when nobody reads, or the disk is full", function()
		ends_with(FOREVER, "--follow opensnoop", " | head -n 1")
		local status <const>, errors <const> = ends_with(FOREVER, "--follow opensnoop", " >/dev/full")
		assert.same({ 1, "crumb: write to standard output: No space left on device\n" }, { status, errors })
	end)

	it("ends when a handler raises", function()
		local status <const>, errors <const> = ends_with(FOREVER, "--follow -e " .. cli.quoted
			'probe { "syscall:openat", handler = function() error("mine", 0) end }')
		assert.same({ 1, "crumb: mine\n" }, { status, errors })
	end)

	it("ends when the script leaves with os.exit", function()
		assert.equal(7, (ends_with(FOREVER, "-e " .. cli.quoted 'every(0.1, function() os.exit(7) end) run()')))
	end)

	it("ends when crumb is killed", function()
		for _, signal in ipairs { "TERM", "KILL" } do
			ends_with(FOREVER, "--follow -e ''", (" & while [ ! -s PID ]; do sleep 0.02; done; kill -%s $!; wait $!"):format(signal))
		end
	end)
end)
