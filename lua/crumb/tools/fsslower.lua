--- fsslower: which operations on files are slow, whatever the file system.

local crumb <const> = require "crumb"

-- The system calls by what tells their file's descriptor and the place in it. Read is at the return, behind what was done.
local OPERATIONS <const> = {
	{ "syscall:read", "syscall:readv", "syscall:write", "syscall:writev", fd = "args.fd", offset = "%s.f_pos - retval" },
	{ "syscall:pread64", "syscall:pwrite64", fd = "args.fd", offset = "args.pos" },
	{ "syscall:preadv", "syscall:pwritev", "syscall:preadv2", "syscall:pwritev2", fd = "args.fd", offset = "args.pos_l" },
	{ "syscall:fsync", "syscall:fdatasync", fd = "args.fd" },
	{ "syscall:open", "syscall:openat", "syscall:openat2", "syscall:creat", fd = "retval", where = "retval >= 0 and " },
}

return {
	summary = "Shows reads, writes, syncs and opens of files that take long.",
	example = "crumb fsslower --min 1",
	options = function(parser, read)
		parser:option "--min":argname "MS":convert(read.number):default "10":description "How long is slow, in milliseconds; 0: all."
		parser:option "--type":argname "NAME":convert(read.file_system)
			:description "Only on this kind of file system, such as ext4."
	end,
	run = function(session, given)
		session.fields = { "offset", "error" }
		for _, operation in ipairs(OPERATIONS) do
			local file <const> = ("task.files.fdt.fd[%s]"):format(operation.fd)
			local capture <const> = {
				file = file .. ".f_path.dentry.d_name.name", fs = file .. ".f_inode.i_sb.s_type.name",
				offset = operation.offset and operation.offset:format(file),
			}
			session:probe {
				missing = "skip", returns = true, capture = capture, params = { min = given.min * 1000000 // 1 | 0, type = given.type },
				where = ("%slatency >= $min and %s.f_inode.i_mode & 0xf000 == 0x8000%s"):format(operation.where or "", file,
					given.type and (" and %s == $type"):format(capture.fs) or ""),
				handler = function(event)
					if event.retval < 0 then event.error, event.offset = crumb.errno(event.retval), nil end
					session:show(event)
				end,
				table.unpack(operation),
			}
		end
	end,
}
