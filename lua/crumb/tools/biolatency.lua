--- biolatency: how long requests to disks take.

local crumb <const> = require "crumb"

local KEY <const> = { "args.dev", "args.sector" }

return {
	summary = "Shows how long requests to disks take, as a histogram.",
	example = "crumb biolatency --by-disk --interval 1",
	options = function(parser)
		parser:flag "--queued":description "From when they are made, with the time that they wait for the disk."
		parser:option "--disk":argname "NAME":description "Only of this disk, such as sda."
		parser:flag "--by-disk":description "A histogram for each disk."
		parser:flag "--by-flags":description "A histogram for each kind: R reads, W writes, S synchronous, M metadata, F flushes …"
	end,
	run = function(session, given)
		local disk <const> = given.disk and crumb.disk(given.disk)
		if given.disk and not disk then error(("there is no disk '%s'"):format(given.disk), 0) end
		session:span {
			from = {
				given.queued and "tracepoint:block:block_getrq" or "tracepoint:block:block_rq_issue", key = KEY,
				where = disk and "args.dev == $disk" or nil, capture = given.by_flags and { flags = "args.rwbs" } or nil,
			},
			to = { "tracepoint:block:block_rq_complete", key = KEY }, params = { disk = disk },
			hist = { latency = "latency" },
			by = { disk = given.by_disk and "disk(args.dev)" or nil, flags = given.by_flags and "flags" or nil },
		}
	end,
}
