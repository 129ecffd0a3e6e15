--- biolatency: how long requests to disks take.

local KEY <const> = { "args.dev", "args.sector" }

return {
	summary = "Shows how long requests to disks take, as a histogram.",
	example = "crumb biolatency --by-disk --interval 1",
	options = function(parser, read)
		parser:flag "--queued":description "From when they are made, with the time that they wait for the disk."
		parser:option "--disk":argname "NAME":convert(read.disk):description "Only of this disk, such as sda."
		parser:flag "--by-disk":description "A histogram for each disk."
		parser:flag "--by-flags":description "A histogram for each kind: R reads, W writes, S synchronous, M metadata, F flushes …"
	end,
	run = function(session, given)
		session:span {
			from = {
				given.queued and "tracepoint:block:block_getrq" or "tracepoint:block:block_rq_issue", key = KEY,
				where = given.disk and "args.dev == $disk" or nil, capture = given.by_flags and { flags = "args.rwbs" } or nil,
			},
			to = { "tracepoint:block:block_rq_complete", key = KEY }, params = { disk = given.disk },
			hist = { latency = "latency" },
			by = { disk = given.by_disk and "disk(args.dev)" or nil, flags = given.by_flags and "flags" or nil },
		}
	end,
}
