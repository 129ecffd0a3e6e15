-- Globs of kernel functions, raw tracepoints and system calls, attached and counted; and names that are not there.
local bpf = require "crumb.bpf"
local lab = require "support.lab"
local tracer = require "support.tracer"

local ESRCH <const>, EOPNOTSUPP <const> = 3, 95

local function needs(hook)
	local feature <const> = bpf.features().hooks[hook]
	if not feature.cookie then pending("this kernel lacks " .. hook .. " with cookies") end
	return feature.cookie
end

-- The rows' counts by symbol.
local function counts(probe)
	local by <const> = {}
	for _, row in ipairs(assert(probe:read())) do by[row.symbol] = row.count end
	return by
end

describe("kernel targets", function()
	tracer.it("count the system calls that a glob means", function(trace)
		local probe <const> = assert(trace:probe { "syscall:rename*", pid = lab.pid(), count = true })
		for _ = 1, 5 do lab.rename() end
		assert.same({ rename = 5 }, counts(probe))
		assert.truthy(#probe.sites >= 3)
	end)

	tracer.it("take raw tracepoints by glob", function(trace)
		if not needs "rawtracepoint" then return end
		local probe <const> = assert(trace:probe { "rawtracepoint:sys_ex?t", pid = lab.pid(), count = true })
		lab.rename()
		assert.equal("sys_exit", probe.sites[1].symbol)
		assert.equal(1, #probe.sites)
		assert.truthy(assert(probe:read())[1].count >= 1)
		local none <const>, message <const> = trace:probe { "rawtracepoint:nobody_*" }
		assert.is_nil(none)
		assert.matches("no tracepoint matches 'nobody_%*'", message)
	end)

	tracer.it("count kprobes of a glob, each by its name", function(trace)
		if not needs "kprobe" then return end
		local probe <const> = assert(trace:probe { "kprobe:do_sys_openat*", "kprobe:vfs_mkdir*", pid = lab.pid(), count = true })
		assert(probe:read { clear = true }) -- attaching opens files, too
		for _ = 1, 7 do
			local file <close> = io.open "/crumb/nowhere"
			assert.is_nil(file)
		end
		assert.equal(7, counts(probe).do_sys_openat2)
	end)

	tracer.it("take every function that a wide glob means, where ftrace says which it reaches", function(trace)
		if not needs "kprobe.multi" then return end
		local probe <const> = assert(trace:probe { "kprobe:*_read", pid = lab.pid(), count = true, max = 5000 })
		assert.truthy(#probe.sites > 100)
		lab.read "/proc/self/stat"
		assert.truthy(counts(probe).vfs_read > 0)
	end)

	tracer.it("take fentry by glob, for a few", function(trace)
		if not needs "fentry" then return end
		local probe <const> = assert(trace:probe { "fentry:do_sys_openat*", "fentry:vfs_readlin?", pid = lab.pid(), count = true })
		assert(probe:read { clear = true })
		for _ = 1, 3 do
			local file <close> = io.open "/crumb/nowhere"
			assert.is_nil(file)
		end
		assert.equal(3, counts(probe).do_sys_openat2)
		local none <const>, message <const>, errno <const> = trace:probe { "fentry:vfs_raed" }
		assert.same({ nil, ESRCH }, { none, errno })
		assert.matches("the kernel's BTF has no 'vfs_raed' %(nearest: vfs_read", message)
	end)

	tracer.it("say first that a kernel has no kprobes", function(trace)
		if bpf.features().hooks.kprobe.available then pending "this kernel has kprobes" return end
		local none <const>, message <const>, errno <const> = trace:probe { "kprobe:no_such_function" }
		assert.same({ nil, EOPNOTSUPP }, { none, errno })
		assert.matches("this kernel has no kprobes", message)
	end)
end)
