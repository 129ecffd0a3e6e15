--- biosnoop: each request to a disk: whose, what, how long it waited, and how long the disk took.

local crumb <const> = require "crumb"

local MADE <const>, ISSUED <const>, DONE <const> =
	"tracepoint:block:block_getrq", "tracepoint:block:block_rq_issue", "tracepoint:block:block_rq_complete"
local KEY <const> = { "args.dev", "args.sector" }

-- By the letter of a request's flags that says what it is; the first F of two is of one that flushes before.
local KINDS <const> = { R = "read", W = "write", F = "flush", D = "discard" }

return {
	summary = "Shows each request to a disk: whose it is, which bytes, how long it waited, and how long it took.",
	example = "crumb biosnoop --disk sda",
	options = function(parser, read)
		parser:option "--disk":argname "NAME":convert(read.disk):description "Only of this disk, such as sda."
	end,
	run = function(session, given)
		local where <const>, params <const> = given.disk and "args.dev == $disk" or nil, { disk = given.disk }
		local waiting <const> = {}
		local function place(event) return event.dev << 44 ~ event.sector end
		session.fields = { "error" }
		-- A request is made by who wants it, issued by any task, and done while any runs.
		session:span {
			from = { MADE, key = KEY, where = where, who = true },
			to = { ISSUED, key = KEY }, params = params,
			capture = {
				dev = "args.dev", disk = "disk(args.dev)", sector = "args.sector", bytes = "args.bytes",
				flags = "args.rwbs", queued = "latency",
			},
			handler = function(event) waiting[place(event)] = event end,
		}
		session:span {
			pid = false, from = { ISSUED, key = KEY, where = where }, to = { DONE, key = KEY }, params = params,
			capture = { dev = "args.dev", sector = "args.sector", error = "args.error" },
			handler = function(done)
				local event <const> = waiting[place(done)]
				waiting[place(done)] = nil
				if not event then return end
				event.time, event.latency, event.dev = done.time, done.latency, nil
				event.symbol = KINDS[event.flags:match "^F?([RWFD])"] or "other"
				if done.error ~= 0 then event.error = crumb.errno(done.error) end
				session:show(event)
			end,
		}
	end,
}
