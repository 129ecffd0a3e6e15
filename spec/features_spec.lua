-- bpf.features: what this kernel can do, against what is known of the kernels that the specs run on.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local features = require "crumb.bpf.features"
local lab = require "support.lab"

local found <const> = bpf.features()
local major <const>, minor <const> = found.kernel:match "^(%d+)%.(%d+)"
local VERSION <const> = math.tointeger(major) * 1000 + math.tointeger(minor)

local function since(version)
	local first <const>, second <const> = version:match "^(%d+)%.(%d+)$"
	return VERSION >= math.tointeger(first) * 1000 + math.tointeger(second)
end

local function has(path)
	local file <close> = io.open(path)
	return file ~= nil
end

describe("bpf.features", function()
	it("names the kernel, the machine and libbpf", function()
		local version <const>, release <const>, machine <const> = core.versions()
		assert.equal(version, found.libbpf)
		assert.equal(release, found.kernel)
		assert.equal(machine, found.machine)
		assert.is_true(found.ring)
		assert.is_true(found.btf)
	end)

	it("has no hook or cookie before its version, and a reason for each that is missing", function()
		for name, hook in pairs(found.hooks) do
			if not since(hook.since) then assert.is_false(hook.available, name) end
			if not since(hook.cookie_since) then assert.is_false(hook.cookie, name) end
			if hook.cookie then assert.is_true(hook.available, name) end
			assert.equal(hook.cookie, hook.why == nil, name)
		end
	end)

	it("has a cookie for every hook that is there, from its version on", function()
		for name, hook in pairs(found.hooks) do
			if hook.available and since(hook.cookie_since) then assert.is_true(hook.cookie, name) end
		end
	end)

	it("is right about these kernels", function()
		for _, name in ipairs { "uprobe", "uretprobe", "usdt", "tracepoint", "profile", "software", "rawtracepoint", "tp_btf" } do
			assert.is_true(found.hooks[name].available, name)
		end
		assert.equal(since "6.6", found.hooks["uprobe.multi"].available)
		assert.equal(since "6.10", found.hooks.rawtracepoint.cookie)
		assert.equal(since "6.10", found.hooks.tp_btf.cookie)
		for _, name in ipairs { "kprobe", "kretprobe", "syscall" } do
			assert.equal(has "/sys/bus/event_source/devices/kprobe", found.hooks[name].available, name)
		end
	end)

	it("does not take the attach type's name for the hook", function()
		if not has "/proc/config.gz" and not found.kernel:find "cloud" then pending "this kernel's configuration is not known" end
		-- Debian's cloud kernels have had fprobe since 6.12; 6.1 knows the attach type and refuses it.
		if found.kernel:find "cloud" then
			assert.equal(since "6.12", found.hooks["kprobe.multi"].available)
			assert.is_true(found.hooks.fentry.available)
			assert.is_true(found.hooks.fexit.cookie)
		end
	end)

	it("leaves nothing open", function()
		local before <const> = lab.descriptors()
		for _, question in ipairs {
			"perf_link", "kprobe.multi", "uprobe.multi", "rawtracepoint", "rawtracepoint cookie", "tp_btf",
			"tp_btf cookie", "fentry", "fentry cookie", "hardware", "ring",
		} do
			core.probe(question)
		end
		assert.equal(before, lab.descriptors())
	end)

	it("knows which hooks would drop a cookie in silence", function()
		for _, name in ipairs { "fentry", "fexit", "tp_btf" } do
			assert.is_nil(features.drops_cookie(name, 0))
			local hook <const> = found.hooks[name]
			if hook.available then assert.equal(hook.cookie, features.drops_cookie(name, 1) == nil) end
		end
		assert.is_nil(features.drops_cookie("uprobe", 1))
	end)

	it("has no answer for a hook that is none", function()
		assert.error_matches(function() features.hook "uprobes" end, "^features.hook: no hook 'uprobes'$")
	end)
end)
