-- The tools, each run on a load of its own, as people run it.
local child = require "support.child"
local cli = require "support.cli"
local core = require "crumb.core"
local features = require "crumb.bpf.features"
local options = require "crumb.command.options"
local tools = require "crumb.command.tools"
local words = require "crumb.command.words"
local Victim = require "support.victim"

local matches <const> = cli.matches
local VICTIM <const> = "build/fixtures/example_victim"

local function lines_of(text)
	local lines <const> = {}
	for line in text:gmatch "[^\n]+" do
		if not line:find "^%l+ %x+$" then lines[#lines + 1] = line end -- what the victim says
	end
	return lines
end

-- A tool on a command: the lines that are not the victim's own.
local function run(command, ...) return lines_of(cli.on(command, ...)) end

-- Of the kernel, "task" needs its types.
local function needs_btf()
	if not core.read "/sys/kernel/btf/vmlinux" then pending "this kernel has no BTF" return true end
end

describe("crumb tools", function()
	it("lists each with a line, and each says how it is used", function()
		local text <const>, status <const> = cli.run "tools"
		assert.equal(0, status)
		local seen = 0
		for line in text:gmatch "[^\n]+" do
			local name <const> = line:match "^(%l+) +%u.*%.$"
			assert.is_truthy(name, line)
			local help <const>, code <const>, errors <const> = cli.run(name, "--help")
			assert.same({ 0, "" }, { code, errors })
			assert.matches("^Usage: crumb " .. name .. " ", help)
			assert.matches("\nExample:\n   crumb " .. name, help)
			seen = seen + 1
		end
		assert.equal(#core.directory "lua/crumb/tools", seen)
	end)

	it("have no option of the name of one that all have", function()
		local common <const> = {}
		for name in options.common(options.parser("all", "")):get_usage():gmatch "%-%-[%w-]+" do common[name] = true end
		assert.is_true(common["--max-sites"])
		for _, name in ipairs(tools.names()) do
			local own <const> = options.parser(name, "")
			local tool <const> = tools.find(name)
			if tool.options then tool.options(own, words) end
			for option in own:get_usage():gmatch "%-%-[%w-]+" do assert.is_nil(common[option], name .. " " .. option) end
		end
	end)

	it("are under 80 lines", function()
		for _, file in ipairs(core.directory "lua/crumb/tools") do
			local _, lines <const> = core.read("lua/crumb/tools/" .. file):gsub("\n", "\n")
			assert.is_true(lines < 80, file)
		end
	end)

	it("say what is wrong with their words", function()
		local text <const>, status <const>, errors <const> = cli.run "funccount"
		assert.same({ "", 2, "crumb: missing argument 'target'\nTry 'crumb --help'.\n" }, { text, status, errors })
		assert.same({ "", 1, "crumb: uprobe:/no/such:f: open /no/such: No such file or directory\n" },
			{ cli.run("funccount", "uprobe:/no/such:f") })
	end)
end)

describe("the tool", function()
	setup(function()
		local hook <const> = features.hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("funccount counts what a program calls", function()
		local target <const> = ("uprobe:%s:%%s"):format(VICTIM)
		assert.same({ "symbol  count", "foobar     23", "bazbuz      5" },
			run(VICTIM .. " bazbuz=5 foobar=23 last=1", "funccount", target:format "foobar", target:format "ba*"))
		assert.same({ "symbol  count", "foobar     23" }, run(VICTIM .. " bazbuz=5 foobar=23", "funccount", "--top", "1",
			target:format "foobar", target:format "bazbuz"))
		assert.same({ "symbol  comm            count", "foobar  example_victim     23" },
			run(VICTIM .. " foobar=23", "funccount", "--by", "comm", target:format "foobar"))
	end)

	it("funclatency draws how long calls take", function()
		local lines <const> = run(VICTIM .. " foobar=23", "funclatency", ("uprobe:%s:foobar"):format(VICTIM))
		assert.equal("latency (ns)", lines[1])
		local sum = 0
		for i = 2, #lines do sum = sum + lines[i]:match "^%[%S+ %S+ +(%d+) |" end
		assert.equal(23, sum)
	end)

	it("argdist shows the values of an argument", function()
		local target <const> = ("uprobe:%s:foobar"):format(VICTIM)
		assert.same({ "comm            count", "example_victim      5" },
			run(VICTIM .. " foobar=5", "argdist", "--count", target, "comm"))
		local drawn <const> = run(VICTIM .. " foobar=5", "argdist", target, "17")
		assert.same({ "17", ("[16, 32)               5 |%s|"):format(("@"):rep(52)) }, drawn)
	end)

	it("trace prints a line for each hit", function()
		local lines <const> = run(VICTIM .. " foobar=3", "trace", ("uprobe:%s:foobar"):format(VICTIM), "x=17", "pid + 0", "--returns")
		assert.equal(3, #lines)
		for _, line in ipairs(lines) do
			assert.matches(" example_victim%[(%d+)%] foobar pid %+ 0=%1 x=17 retval=%-?%d+ latency=[%d.]+%ls$",
				line)
		end
	end)

	it("stackcount counts paths", function()
		local victim <close> = Victim.start()
		local function counted(...)
			child.setup()
			local traced <const> = child.start("build/crumb -v -d 500ms -p %d stackcount uprobe:build/fixtures/victim:hit_a %s",
				victim.pid, ...)
			traced:lines "^crumb: p1"
			victim:call("hit_a", 4)
			local text <const>, status <const> = traced:finish()
			child.teardown()
			assert.equal(0, status)
			return lines_of(text)
		end
		local lines <const> = counted ""
		assert.same({ "comm=victim count=4", "ustack" }, { lines[1], lines[2] })
		assert.matches("^    hit_a%+0x0 %(.*/victim%)", lines[3])
		local folded <const> = counted "--folded"
		assert.matches("^victim;.*;hit_a 4$", folded[1])
		for option, why in pairs {
			["--json"] = "--folded and --json do not go together: with --json alone there are stacks, too",
			["--csv"] = "--folded and --csv do not go together: with --csv alone there are stacks, too",
			["-i1"] = "--folded is of the whole trace: leave --interval out",
		} do
			assert.same({ "", 2, ("crumb: %s\nTry 'crumb --help'.\n"):format(why) },
				{ cli.run(option, "stackcount", "--folded", "uprobe:build/fixtures/victim:hit_a") })
		end
	end)

	it("opensnoop shows who opens what", function()
		local lines <const> = run("cat /dev/null", "opensnoop")
		assert.equal(1, matches(lines, " cat%[%d+%] openat path=/dev/null retval=%d latency="))
		local text <const> = cli.run("-c", "sh -c 'cat /no/such 2>&1'", "--follow", "--json", "opensnoop", "--failed")
		assert.is_truthy(text:find '"error":"ENOENT","latency":%d+,"path":"/no/such","retval":%-2}', text)
	end)

	it("execsnoop shows programs with their arguments", function()
		if needs_btf() then return end
		local lines <const> = run("sh -c 'cat /dev/null - </dev/null; true'", "--follow", "execsnoop")
		assert.equal(1, matches(lines, ' cat%[%d+%] exec arguments="cat /dev/null %-" file=%S*/cat parent=%d+$'))
		assert.equal(1, matches(lines, " sh%[%d+%] exec arguments="))
	end)

	it("execsnoop shows words as they are typed, and says where they are cut", function()
		if needs_btf() then return end
		local long <const> = ("x"):rep(3000)
		local text <const>, status <const>, errors <const> = cli.run("-c", "sh -c 'cat /dev/null \"\" \"a  b\" \"it'\\''s\" "
			.. "2>&1; cat /dev/null -- " .. long .. " 2>&1'", "--follow", "--json", "execsnoop")
		assert.equal(1, status)
		assert.is_truthy(text:find([["arguments":"cat /dev/null '' 'a  b' 'it'\\''s'"]], 1, true), text)
		assert.is_truthy(text:find('"arguments":"cat /dev/null %-%- x+",[^\n]*"truncated":%["arguments"%]}'), text)
		assert.equal("crumb: arguments are cut where they are longer than 1,024 bytes\n", errors)
	end)

	it("exitsnoop shows how processes end", function()
		if needs_btf() then return end
		local text <const> = cli.run("-c", "sh -c '(exit 3); sh -c \"kill -9 \\$\\$\"; true'", "--follow", "exitsnoop")
		local lines <const> = lines_of(text)
		assert.equal(1, matches(lines, " sh%[%d+%] exit seconds=[%d.]+ status=3$"))
		assert.equal(1, matches(lines, " sh%[%d+%] exit seconds=[%d.]+ signal=SIGKILL$"))
		assert.equal(1, matches(lines, " sh%[%d+%] exit seconds=[%d.]+ status=0$"))
	end)

	it("killsnoop shows signals", function()
		local lines = run("sh -c 'kill -0 $$; kill -CONT $$; kill -0 99999999 2>/dev/null; true'", "killsnoop")
		assert.equal(1, matches(lines, " sh%[(%d+)%] kill retval=0 sig=18 signal=SIGCONT target_pid=%1 latency="))
		assert.equal(1, matches(lines, " sh%[(%d+)%] kill sig=0 target_pid=%1 retval=0 latency="))
		assert.equal(1, matches(lines, " kill error=ESRCH retval=%-3 sig=0 target_pid=99999999 latency="))
		lines = run("sh -c 'kill -0 $$; kill -CONT $$'", "killsnoop", "--signal", "18")
		assert.equal(1, #lines)
		for signal, count in pairs { CONT = 1, SIGCONT = 1, cont = 1, ["0"] = 1, KILL = 0, ["SIGRTMIN+1"] = 0 } do
			assert.equal(count, #run("sh -c 'kill -0 $$; kill -CONT $$'", "killsnoop", "--signal", signal), signal)
		end
		assert.same({ "", 2, "crumb: --signal: expected a signal, such as KILL, SIGKILL or 9, got 'FOO'\nTry 'crumb --help'.\n" },
			{ cli.run("killsnoop", "--signal", "FOO") })
	end)
end)
