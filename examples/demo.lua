-- The demo: ONE BPF program on a dozen functions of the system's libc, each with its own cookie, while
-- ls, sort and grep run. Shows who is called how often, some stacks, and a filter changed live.
--
--     make demo          or, when it is built: build/crumb examples/demo.lua
--
-- It takes about 15 seconds, needs root, and leaves nothing behind; Ctrl-C ends it earlier.
local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local SYMBOLS <const> = {
	"malloc", "calloc", "realloc", "free", "getenv", "setlocale",
	"fopen", "readdir", "strcoll", "mbrtowc", "write", "exit",
}
local ANYONE <const> = { comm = "", events = 0 }

-- Ordinary programs, until nobody holds the other end of the pipe any more.
local LOAD <const> = [[
	trap '' INT
	exec >/dev/null 2>&1
	(trap exit TERM; while kill -0 $$; do ls -l /usr/bin | sort -s -n -k 5 | grep -c lib; done) </dev/null &
	read line
	kill $!
	wait
]]

local _ <close> = try(core.interrupt())
local on_terminal <const> = os.execute "test -t 1"

support.arguments("", 0, {})
local hooks <const> = bpf.features().hooks
if not hooks.uprobe.available then try(nil, "the demo needs uprobes: " .. hooks.uprobe.why) end

local object <close> = support.open "demo"
local multi <const> = hooks["uprobe.multi"].available
object.programs.on_hit_multi:set_autoload(multi)
object.programs.on_hit:set_autoload(not multi)
object.globals.self = try(io.open "/proc/self/stat"):read "n"
try(object:load())
local rules <const>, hits <const> = object.maps.rules, object.maps.hits
local ring <close> = try(object:ring("events", "struct event"))

local cookies <const> = {}
for cookie, symbol in ipairs(SYMBOLS) do
	cookies[symbol] = cookie
	try(rules:update(cookie, ANYONE))
	try(hits:update(cookie, 0))
end
local program <const> = object.programs[multi and "on_hit_multi" or "on_hit"]
local link <close> = try(program:attach { "uprobe:libc", symbols = SYMBOLS, cookie = cookies })
local _ <close> = try(io.popen(LOAD, "w"))

-- Ctrl-C ends the waiting, and then the demo.
local function go_on()
	if core.interrupted() then try(nil, "interrupted; nothing is attached any more") end
end

local function wait(seconds)
	for _ in ring:events { duration = seconds } do end
	go_on()
end

local function snapshot()
	local counts <const> = { time = core.now() }
	for cookie = 1, #SYMBOLS do counts[cookie] = try(hits:lookup(cookie)) end
	return counts
end

-- Hits a second of each cookie.
local function rates(before, after)
	local list <const> = {}
	for cookie = 1, #SYMBOLS do list[cookie] = (after[cookie] - before[cookie]) * 1e9 / (after.time - before.time) end
	return list
end

local function show_table(before, after)
	local rate <const> = rates(before, after)
	local most <const> = math.max(1, table.unpack(rate))
	say("  %-12s %6s %10s %12s", "symbol", "cookie", "hits", "hits/s")
	for cookie, symbol in ipairs(SYMBOLS) do
		say("  %-12s %6d %10d %12.0f  %s%s", symbol, cookie, after[cookie], rate[cookie],
			("#"):rep(math.ceil(rate[cookie] / most * 32)), on_terminal and "\27[K" or "")
	end
end

say("ONE BPF program is attached to %d functions of this machine's libc, each with\n"
	.. "a cookie of its own (%s).\nMeanwhile ls, sort and grep are run over and over.\n", #SYMBOLS, link.mechanism)
say "1. The cookie says which function was hit"
local before = snapshot()
for step = 1, 12 do
	wait(0.5)
	local after <const> = snapshot()
	if on_terminal or step == 12 then
		if on_terminal and step > 1 then say("\27[%dA", #SYMBOLS + 2) end
		show_table(before, after)
	end
	if on_terminal then before = after end
end

say "\n2. An event has the cookie, the process, and the first 50 bytes of the stack"
for _, symbol in ipairs { "malloc", "readdir", "strcoll", "exit" } do
	try(rules:update(cookies[symbol], { comm = "", events = 1 }))
	local event <const> = ring:events { duration = 2 }()
	go_on()
	if event then
		say("%s (cookie %d) called by %s[%d]", SYMBOLS[event.cookie], event.cookie, escape(event.comm), event.pid)
		say("%s", support.hexdump(event.stack:sub(1, event.stack_length), event.sp))
	end
end

say "\n3. What a map holds for malloc's cookie is changed, and the probe stays attached"
for _, comm in ipairs { "", "sort", "" } do
	try(rules:update(cookies.malloc, { comm = comm, events = 0 }))
	local start <const> = snapshot()
	wait(2)
	local rate <const> = rates(start, snapshot())
	say("  malloc by %-12s %7.0f hits/s    free, never filtered: %6.0f hits/s",
		comm == "" and "anyone:" or comm .. " alone:", rate[cookies.malloc], rate[cookies.free])
end

link:close()
say "\nThat was one program and 12 cookies; by now everything is detached again. It is"
say "examples/demo.lua and examples/demo.bpf.c; shorter ones beside them are"
say "event_context, uid_filter, filter_map, stack_dump and tail_calls.  README.md"
say "goes on from here."
