-- Filter map: the cookie is the key of a filter { uid, gid } in a BPF map. The filter is there before the
-- probe is, and what you type changes it while the probe stays attached:
--
--     build/crumb examples/filter_map.lua libc getenv=0:0 malloc=1000:1000
--     malloc 0 0          from now on malloc is shown when root calls it
--
-- After each line it shows what happens for --watch seconds (3); the end of the input ends it.
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local USAGE <const> = "BINARY SYMBOL=UID:GID... [--pid N] [--watch S]"
local words <const>, options <const> = support.arguments(USAGE, 2, { pid = true, watch = true })

local object <close> = support.open "filter_map"
try(object:load())
local filters <const> = object.maps.filters
local ring <close> = try(object:ring("events", "struct event"))

local symbols <const>, key_of <const> = {}, {}
for i = 2, #words do
	local symbol <const>, uid <const>, gid <const> = words[i]:match "^(.+)=(%d+):(%d+)$"
	if not symbol then support.usage(USAGE) end
	local key <const> = i - 1
	symbols[key], key_of[symbol] = symbol, key
	try(filters:update(key, { uid = support.integer(uid), gid = support.integer(gid) }))
end
try(object.programs.on_hit:attach {
	"uprobe:" .. words[1], symbols = symbols, cookie = key_of, pid = options.pid,
})
say("attached to %d functions of %s; SYMBOL UID GID changes a filter", #symbols, escape(words[1]))

local function watch(seconds)
	for event in ring:events { idle = seconds, duration = seconds } do
		say("%s %s[%d] uid %d gid %d", escape(symbols[event.cookie]), escape(event.comm), event.pid,
			event.uid, event.gid)
	end
end

watch(options.watch or 3)
for line in io.lines() do
	local symbol <const>, uid <const>, gid <const> = line:match "^%s*(%S+)%s+(%d+)%s+(%d+)%s*$"
	if key_of[symbol] then
		try(filters:update(key_of[symbol], { uid = support.integer(uid), gid = support.integer(gid) }))
		say("%s: now uid %s gid %s", escape(symbol), uid, gid)
	else
		say "SYMBOL UID GID changes a filter"
	end
	watch(options.watch or 3)
end
watch(0) -- what came since
