--- vfsstat: how much the file systems are asked to do, whichever they are.

return {
	summary = "Counts reads, writes, syncs, opens and changes of directories, each second.",
	example = "crumb vfsstat --interval 5",
	options = function(parser)
		parser:option "--by":argname "EXPRESSION":description "Count for each of these too, such as comm."
	end,
	run = function(session, given)
		session.sort = "-count"
		session.settings.interval = session.settings.interval or 1
		-- Files that open() makes come by no vfs_create: the security hook sees all. Of fsync's way compilers leave only its
		-- beginning whole.
		session:probe {
			"kprobe:vfs_read", "kprobe:vfs_readv", "kprobe:vfs_write", "kprobe:vfs_writev", "kprobe:vfs_open",
			"kprobe:security_inode_create", "kprobe:vfs_mkdir", "kprobe:vfs_unlink", "kprobe:vfs_rmdir", "kprobe:vfs_rename",
			"kprobe:__*64_sys_fsync", "kprobe:__*64_sys_fdatasync", missing = "skip", count = true, by = { "symbol", given.by },
		}
	end,
}
