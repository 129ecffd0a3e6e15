-- bpf.compile: BPF C to an object's bytes, where there is a clang.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local lab = require "support.lab"

local ENOENT <const>, EINVAL <const> = 2, 22

local SOURCE <const> = [[
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#ifndef FIRST
#define FIRST 1
#endif
__u32 value = FIRST;
SEC("raw_tracepoint/sys_enter") int crumb_compiled(void *ctx) { value++; return 0; }
char LICENSE[] SEC("license") = "Dual MIT/GPL";
]]

local before
local has_clang <const> = core.execute({ "clang", "--version" }, "") == 0

local function needs_clang()
	if not has_clang then pending "there is no clang here" end
end

before_each(function() before = lab.descriptors() end)

after_each(function() assert.equal(before, lab.descriptors()) end)

it("compiles text", function()
	needs_clang()
	local object <close> = assert(bpf.open { bytes = assert(bpf.compile(SOURCE)) })
	assert.equal(1, object.globals.value)
	assert(object:load())
	local other <close> = assert(bpf.open { bytes = assert(bpf.compile(SOURCE, { define = { FIRST = 42 } })) })
	assert.equal(42, other.globals.value)
end)

it("compiles a file, with what lies beside it", function()
	needs_clang()
	local folder <const> = os.tmpname()
	os.remove(folder)
	assert(os.execute("mkdir " .. folder .. " " .. folder .. "/more"))
	local function spill(name, text)
		local file <close> = assert(io.open(folder .. "/" .. name, "w"))
		file:write(text)
	end
	spill("near.h", "#define NEAR 1\n")
	spill("more/far.h", "#define FIRST 7\n")
	spill("x.bpf.c", '#include "near.h"\n#include <far.h>\n' .. SOURCE)
	local bytes <const>, message <const> = bpf.compile(folder .. "/x.bpf.c", { include = { folder .. "/more" } })
	os.execute("rm -r " .. folder)
	local object <close> = assert(bpf.open { bytes = assert(bytes, message) })
	assert.equal(7, object.globals.value)
end)

it("gives clang's own words", function()
	needs_clang()
	local bytes <const>, message <const>, errno <const> = bpf.compile "int f(void) { return nothing; }"
	assert.is_nil(bytes)
	assert.equal(EINVAL, errno)
	assert.is_truthy(message:find("undeclared identifier 'nothing'", 1, true), message)
end)

it("says what is missing", function()
	local bytes <const>, message <const>, errno <const> = bpf.compile(SOURCE, { clang = "/nowhere/clang" })
	assert.is_nil(bytes)
	assert.equal(ENOENT, errno)
	assert.is_truthy(message:find("/nowhere/clang", 1, true), message)
	local none <const>, why <const>, number <const> = bpf.compile "/nowhere/x.bpf.c"
	assert.same({ nil, ENOENT }, { none, number })
	assert.is_truthy(why:find("/nowhere/x.bpf.c", 1, true), why)
end)

it("refuses wrong use", function()
	assert.error_matches(function() bpf.compile() end, "expected C text or a path")
	assert.error_matches(function() bpf.compile(SOURCE, { includes = {} }) end, "nearest: include")
end)

it("runs without the standard streams, and when much is written", function()
	local status <const>, output <const> = core.execute({ "cat" }, ("x"):rep(1 << 20))
	assert.same({ 0, 1 << 20 }, { status, #output })
	assert.same({ 3, "", "oh\n" }, { core.execute { "sh", "-c", "echo oh >&2; exit 3" } })
	assert.equal(128 + 9, (core.execute { "sh", "-c", "kill -9 $$" }))
	local done <const>, said <const> = lab.run(([[
		package.path, package.cpath = %q, %q
		local core = require "crumb.core"
		io.stdin:close()
		local status, out, err = core.execute({ "sh", "-c", "cat; echo err >&2" }, "in")
		assert(status == 0 and out == "in" and err == "err\n")
	]]):format(package.path, package.cpath))
	assert.same({ 0, "" }, { done, said })
end)
