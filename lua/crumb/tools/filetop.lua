--- filetop: which files are read and written most, and by whom.

local FILE <const> = "task.files.fdt.fd[args.fd]"

return {
	summary = "Shows the files that are read and written most, each second.",
	example = "crumb filetop --sort written --top 10 --interval 5",
	options = function(parser, read)
		parser:option "--sort":argname "COLUMN":default "bytes":choices { "bytes", "read", "written", "reads", "writes" }
			:description "What comes first: bytes, read, written, reads or writes."
		parser:option "--top":argname "N":convert(read.count):default "20":description "Only the first so many."
		parser:flag "-a --all":description "Sockets, pipes and devices too."
	end,
	run = function(session, given)
		session.sort, session.top = "-" .. given.sort, given.top
		session.settings.interval = session.settings.interval or 1
		session:probe {
			"syscall:read", "syscall:pread64", "syscall:readv", "syscall:preadv", "syscall:preadv2",
			"syscall:write", "syscall:pwrite64", "syscall:writev", "syscall:pwritev", "syscall:pwritev2",
			returns = true, missing = "skip",
			-- A mask: all bits of a read, none of a write.
			cookie = function(site) return site.symbol:find "read" and -1 or 0 end,
			where = "retval > 0" .. (given.all and "" or (" and %s.f_inode.i_mode & 0xf000 == 0x8000"):format(FILE)),
			by = { "pid", "comm", file = FILE .. ".f_path.dentry.d_name.name" },
			sum = {
				bytes = "retval", reads = "cookie & 1", writes = "~cookie & 1", read = "retval & cookie", written = "retval & ~cookie",
			},
		}
	end,
}
