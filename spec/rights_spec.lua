-- Who has not the rights is told what is missing and what helps; what can be done with some is done.
local cli = require "support.cli"
local core = require "crumb.core"
local features = require "crumb.bpf.features"
local forms = require "support.forms"
local lab = require "support.lab"

local VICTIM <const> = "build/fixtures/example_victim"
local FOOBAR <const> = ("uprobe:%s:foobar"):format(VICTIM)
local NOBODY <const> = 65534
local DAC_READ_SEARCH <const>, SYS_PTRACE <const>, PERFMON <const>, BPF <const> = "2", "19", "38", "39"
local ROOT_HELPS <const> = ": run it as root, or with CAP_BPF and CAP_PERFMON\n"

-- A command of an ordinary user who has these capabilities: output, status, errors.
local function as_nobody(capabilities, words)
	return cli.shell(("build/fixtures/rights %d %s %s"):format(NOBODY, capabilities, words))
end

local function crumb(capabilities, words) return as_nobody(capabilities, "build/crumb " .. words) end

local function lua(capabilities, code)
	local out <const>, status <const>, errors <const> = as_nobody(capabilities, "lua5.4 -e " .. cli.quoted(
		("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath) .. code))
	assert.same({ 0, "" }, { status, errors })
	return out
end

local PARANOID <const> = "/proc/sys/kernel/perf_event_paranoid"

-- Whether this kernel has Debian's third level, and is at it.
local function has_strict_events() return tonumber(lab.read(PARANOID)) >= 3 end

local function write_level(level)
	local file <close> = assert(io.open(PARANOID, "w"))
	assert(file:write(level))
end

-- Runs with what sysctl is told, where the level is higher, and puts it back.
local function with_events(setting, run)
	local before <const>, level <const> = lab.read(PARANOID):match "%-?%d+", setting:match "=(%d)$"
	local _ <close> = setmetatable({}, { __close = function() write_level(before) end })
	if tonumber(before) > tonumber(level) then write_level(level) end
	run()
end

local function refused(expected, capabilities, words)
	local out <const>, status <const>, errors <const> = crumb(capabilities, words)
	assert.same({ "", 1, "crumb: " .. expected }, { out, status, errors })
end

describe("an ordinary user", function()
	local LOAD <const> = "load the engine: load crumb: Operation not permitted: this process lacks %s" .. ROOT_HELPS
	local NOTHING <const> = LOAD:format "CAP_BPF and CAP_PERFMON"

	it("is told what it lacks, whatever it traces", function()
		for _, words in ipairs {
			"-e 'probe \"syscall:openat\"'", ("-e 'probe %q'"):format(FOOBAR), ("-c %s funccount %s"):format(VICTIM, FOOBAR),
			"opensnoop -d 1", "execsnoop -d 1", "top -d 1 " .. FOOBAR, "-e 'probe { \"profile:hz:99\", count = true }'",
		} do
			refused(NOTHING, "-", words)
		end
	end)

	it("is told which one of them it lacks", function()
		refused(LOAD:format "CAP_BPF", PERFMON, "funccount " .. FOOBAR)
		local _, status <const>, errors <const> = crumb(BPF, "funccount " .. FOOBAR)
		assert.equal(1, status)
		assert.matches("this process lacks CAP_PERFMON" .. ROOT_HELPS .. "$", errors)
	end)

	it("is told so by the library", function()
		assert.equal("nil\t" .. NOTHING:gsub("\n$", "\t1\n"), lua("-", 'print(require("crumb").trace())'))
		local object <const> = lua("-",
			'print(require("crumb.bpf").open("build/fixtures/cookies.bpf.o"):load())')
		assert.matches("^nil\tload [^\n]*: Operation not permitted: this process lacks CAP_BPF and CAP_PERFMON: run it[^\n]*\t1\n$",
			object)
	end)

	it("lists functions of files, which need no rights", function()
		assert.same({ FOOBAR .. "\n", 0, "" }, { crumb("-", "list " .. FOOBAR) })
	end)

	it("is told who may read the kernel's tracepoints", function()
		refused("syscall:openat: /sys/kernel/tracing may not be read by this user: run it as root, or with CAP_DAC_READ_SEARCH\n", "-",
			"list syscall:openat")
	end)

	it("sees in crumb doctor what it lacks, with status 1", function()
		local out <const>, status <const>, errors <const> = crumb("-", "doctor")
		assert.equal(1, status)
		assert.matches("\nNO  rights +none\n    this process lacks CAP_BPF and CAP_PERFMON" .. ROOT_HELPS, out)
		assert.matches("\nno  tracefs +not readable\n    [^\n]*CAP_DAC_READ_SEARCH", out)
		assert.matches("\nno  uprobe +not known without rights\n", out)
		assert.is_nil(out:find "whether there is")
		assert.equal("crumb: this machine cannot be traced as things are: see NO above\n", errors)
	end)

	it("sees it in JSON", function()
		if not forms.has_json then pending "no dkjson on this machine" return end
		local out <const>, status <const> = crumb("-", "doctor --json")
		assert.equal(1, status)
		local objects <const> = forms.json(out)
		for _, one in ipairs(objects) do
			if one.name == "rights" then
				assert.same({ name = "rights", ok = false, needed = true, found = "none", remedy = one.remedy }, one)
			end
			assert.is_true(one.ok or type(one.remedy) == "string", one.name)
		end
	end)
end)

describe("root of a user namespace of its own", function()
	it("is told that it is none here", function()
		if core.execute { "unshare", "-r", "true" } ~= 0 then pending "no user namespaces here" return end
		local out <const>, status <const>, errors <const> = cli.shell("unshare -r build/crumb funccount " .. FOOBAR)
		assert.same({ "", 1 }, { out, status })
		assert.matches(": Operation not permitted: this process lacks CAP_BPF and CAP_PERFMON outside of its user namespace", errors)
		local said <const>, code <const> = cli.shell "unshare -r build/crumb doctor"
		assert.equal(1, code)
		assert.matches("\nNO  rights +[^\n]*\n    this process lacks CAP_BPF and CAP_PERFMON outside of its user namespace", said)
	end)
end)

describe("CAP_BPF and CAP_PERFMON alone", function()
	local BOTH <const> = BPF .. "," .. PERFMON

	it("suffice for functions of programs, where there is uprobe.multi", function()
		local out <const>, status <const>, errors <const> = crumb(BOTH, ("-c '%s foobar=5' --csv funccount %s"):format(VICTIM, FOOBAR))
		if features.hook "uprobe.multi".available then
			assert.same({ 0, "" }, { status, errors })
			assert.matches("\nsymbol,count\nfoobar,5\n$", out)
		else
			assert.equal(1, status)
			assert.matches("a uprobe that is not uprobe.multi needs root, or CAP_SYS_ADMIN\n", errors)
		end
	end)

	it("suffice for raw tracepoints", function()
		if not features.hook "rawtracepoint".cookie then pending "this kernel gives raw tracepoints no cookie" return end
		local raw <const> = 'probe { "rawtracepoint:sched_switch", count = true, by = {} }'
		local out <const>, status <const>, errors <const> = crumb(BOTH, ("--csv -c %s -e %s"):format(
			cli.quoted(VICTIM .. " foobar=1"), cli.quoted(raw)))
		assert.same({ 0, "" }, { status, errors })
		assert.matches("\ncount\n%d+\n$", out)
	end)

	it("suffice for perf events, unless the kernel keeps these from all but root, as is said; what it advises helps", function()
		local words <const> = "--csv -c true -e " .. cli.quoted 'probe { "software:page-faults:1", count = true, by = {} }'
		if not has_strict_events() then
			assert.equal(0, select(2, crumb(BOTH, words)))
			return
		end
		local _, status <const>, errors <const> = crumb(BOTH, words)
		assert.equal(1, status)
		local advice <const> = errors:match ": run it as root, or sysctl (kernel%.perf_event_paranoid=%d)\n"
		assert.is_truthy(advice, errors)
		assert.matches("\nno  perf events +not permitted\n    [^\n]*" .. advice, (crumb(BOTH, "doctor")))
		with_events(advice, function()
			assert.equal(0, select(2, crumb(BOTH, words)))
			assert.matches("\nok  perf events +permitted\n", (crumb(BOTH, "doctor")))
		end)
	end)

	it("do not suffice to read tracefs, as is said; CAP_DAC_READ_SEARCH does then", function()
		refused("syscall:open: /sys/kernel/tracing may not be read by this user: run it as root, or with CAP_DAC_READ_SEARCH\n", BOTH,
			"-d 1 opensnoop")
		with_events("kernel.perf_event_paranoid=2", function()
			local out <const>, status <const>, errors <const> = crumb(BOTH .. "," .. DAC_READ_SEARCH, "--csv -c 'cat /dev/null' opensnoop")
			assert.same({ 0, "" }, { status, errors })
			assert.matches(",/dev/null,", out)
		end)
	end)

	it("do not suffice to see another user's process, as is said; CAP_SYS_PTRACE does then", function()
		if not features.hook "uprobe.multi".available then pending "no uprobe.multi: CAP_SYS_ADMIN is wanted here" return end
		-- A busybox's own programs have no library.
		local shell <const> = "fifo=$(mktemp -u); mkfifo $fifo; /usr/bin/cat <>$fifo & pid=$!; "
			.. "until grep -q 'r-xp .*/libc' /proc/$pid/maps; do :; done; rm $fifo; build/fixtures/rights %d %s build/crumb -q -d 50ms "
			.. "-p $pid --csv funccount uprobe:libc:malloc; status=$?; kill $pid; exit $status"
		local _, status <const>, errors <const> = cli.shell("(" .. shell:format(NOBODY, BOTH) .. ")")
		assert.equal(1, status)
		assert.matches(": run it as root, or with CAP_SYS_PTRACE\n$", errors)
		assert.same({ "symbol,count\n", 0, "" }, { cli.shell("(" .. shell:format(NOBODY, BOTH .. "," .. SYS_PTRACE) .. ")") })
	end)

	it("are enough for crumb doctor, which names what they cannot reach", function()
		local out <const>, status <const>, errors <const> = crumb(BOTH, "doctor")
		assert.same({ 0, "" }, { status, errors })
		assert.matches("\nok  rights +CAP_BPF, CAP_PERFMON\n", out)
		assert.matches("\nno  tracefs +not readable\n", out)
		if not features.hook "uprobe.multi".available then
			assert.matches("\nno  uprobe +not permitted\n    without uprobe.multi it needs root, or CAP_SYS_ADMIN\n", out)
		end
	end)
end)
