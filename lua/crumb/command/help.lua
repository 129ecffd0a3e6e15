--- help: `crumb help [TOPIC]`.

local core <const> = require "crumb.core"
local options <const> = require "crumb.command.options"
local output <const> = require "crumb.command.output"

local TOPICS <const> = {
	targets = [[
A target says where to attach; * stands for anything.

  syscall:openat                    a system call, with its arguments' names
  tracepoint:sched:sched_switch     t: for short
  uprobe:libc:malloc                u: for short; a library's name or a path, then a function
  uprobe:/bin/bash:readline+0x10    an instruction within it
  usdt:PATH:PROVIDER:NAME           a marker in a program
  kprobe:vfs_read                   k: for short; fentry:vfs_read the same, cheaper
  profile:hz:99                     99 times a second on each CPU
  software:page-faults:1            each page fault

crumb list TARGET shows what one stands for.
]],
	rules = [[
A rule is decided in the kernel.

  where = "uid == 1000 and comm like 'ngin*'"    which hits count
  capture = { path = "str(arg0)", "ustack" }     what events have; { "args" } is all arguments
  count = true, sum = "arg2", hist = "latency"   or what is added up, also avg, min, max, lhist
  by = { "comm", size = "arg1 & ~4095" }         for each of these
  returns = true                                 at the return, with retval and latency
  sample = 100, limit = 10                       one in so many; so many a second

With none of them an event has all arguments whose names are known.
]],
	prompt = [[
crumb alone is a prompt: each line is Lua, its values are printed, and what probes see comes above it.

  probe "syscall:openat"                         answers, and its events are shown as they come
  p1.where = "pid == 4711"                       from the next hit on; p1.enabled = false, p1:close()
  probe { "uprobe:libc:malloc", hist = "arg0" }
  p2                                             its state, and what it has counted
  probes(), stats()                              all of them
  list "uprobe:libc:str*"                        what there is to probe
  run { duration = 5 }                           shows every event; Ctrl-C ends it
  t = every(1, function() print(p2:stats().hits) end)
                                                 now and then; t:close() ends it
  job = spawn "ls -l"                            a command that waits for its start
  probe { "syscall:openat", pid = job.pid }
  run { process = job }                          starts it, and traces it to its end
  help "targets", help "rules"                   crumb's words

Tab completes, also within a target and a condition. Ctrl-C takes back what is typed, or ends what runs; Ctrl-D leaves.
]],
	scripts = [[
In scripts and -e these are at hand, and raise when something is refused:

  probe "TARGET" or probe { "TARGET", … }        attaches
  span { from = { … }, to = { … } }              pairs two places by a key
  run { duration = 10 }                          delivers events; without it a script runs at its end
  show(x), print(…)                              writes; show also as --json and --csv
  every(1, function() … end)                     now and then while it runs
  list "TARGET", stats(), spawn "ls -l", trace   sites, accounts, a process that waits, the trace itself

  crumb -e 'probe { "uprobe:libc:malloc", hist = "arg0", by = "comm" }' -d 5
]],
}

local help <const> = {}

--- Their names.
---@return string[]
local function topics()
	local names <const> = {}
	for name in pairs(TOPICS) do names[#names + 1] = name end
	table.sort(names)
	return names
end

-- Commands, which tell by themselves how they are used.
local COMMANDS <const> = { doctor = true, list = true, tools = true, top = true }

-- The lines that have a word of the language, below the names of their topics; nil: none has.
local function lines_with(word)
	if not word:find "^[%w_]+$" then return nil end
	local parts <const>, whole <const> = {}, "%f[%w_]" .. word .. "%f[^%w_]"
	for _, name in ipairs(topics()) do
		local header = name .. "\n"
		for line in TOPICS[name]:gmatch "[^\n]+" do
			if line:find "^  " and line:find(whole) then
				parts[#parts + 1] = header .. line .. "\n"
				header = ""
			end
		end
	end
	return parts[1] and table.concat(parts)
end

--- What is said of a topic, or of a word.
---@param word string
---@return string? nil: nothing
function help.text(word) return TOPICS[word] or lines_with(word) end

-- `crumb help`, or with a topic.
local function command(settings, argv)
	local tools <const> = require "crumb.command.tools"
	local word <const> = argv[1]
	if argv[2] then require("crumb.command").misuse "too many arguments" end
	if not word then
		output.put(options.help(), "\n\ncrumb help TOPIC: ", table.concat(topics(), ", "),
			", the name of a command or tool, or a word such as capture.\n")
		return 0
	end
	if COMMANDS[word] then return require("crumb.command." .. word)(settings, { "--help" }) end
	local tool <const> = not TOPICS[word] and tools.find(word)
	local text <const> = tool and tools.help(tool) .. "\n" or help.text(word)
	if not text then
		local _ <const>, near <const> = core.nearest(word, table.move(topics(), 1, #topics(), #tools.names() + 1, tools.names()))
		require("crumb.command").misuse("no topic '%s'%s; crumb help lists them", require("crumb.show.text").escape(word), near)
	end
	output.put(text)
	return 0
end

help.topics = topics

return setmetatable(help, { __call = function(_, ...) return command(...) end })
