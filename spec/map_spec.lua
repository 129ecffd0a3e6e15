-- crumb.Map: every kind of map, typed and raw, alone and while it changes.
local bpf = require "crumb.bpf"
local lab = require "support.lab"

local ENOENT <const>, E2BIG <const>, EEXIST <const>, EINVAL <const>, EOPNOTSUPP <const> = 2, 7, 17, 22, 95

local object, maps, before

before_each(function()
	before = lab.descriptors()
	object = lab.load("maps", { target_tgid = lab.pid() })
	maps = object.maps
end)

after_each(function()
	object:close()
	object, maps = nil, nil
	assert.equal(before, lab.descriptors())
end)

local function cpus()
	return #maps.cpu_array:lookup(0)
end

local function collect(map)
	local found <const> = {}
	for key, value in pairs(map) do
		assert.is_nil(found[key])
		found[key] = value
	end
	return found
end

local function refused(part, errno, done, message, number)
	assert.is_nil(done)
	assert.is_truthy(message:find(part, 1, true), message)
	assert.equal(errno, number)
end

describe("a hash", function()
	local KEY <const> = { inode = 1 << 63, device = 7 }
	local VALUE <const> = { hits = -1, ids = { uid = 1000, gid = 4294967295 }, name = "crumb", state = "BUSY",
		bytes = "\1\2\3\4" }

	it("takes and gives structs", function()
		assert.is_nil((maps.hash:lookup(KEY)))
		assert.equal(1, select("#", maps.hash:lookup(KEY)))
		assert.is_true(maps.hash:update(KEY, VALUE))
		assert.same(VALUE, maps.hash:lookup(KEY))
		local key, value = pairs(maps.hash)()
		assert.same({ inode = 1 << 63, device = 7, spare = 0 }, key)
		assert.same(VALUE, value)
		assert.is_true(maps.hash:delete(key))
		assert.is_false(maps.hash:delete(key))
		assert.is_nil(maps.hash:lookup(key))
	end)

	it("fills what is left out with 0", function()
		assert(maps.hash:update(KEY, {}))
		assert.same({ hits = 0, ids = { uid = 0, gid = 0 }, name = "", state = "IDLE", bytes = "\0\0\0\0" },
			maps.hash:lookup(KEY))
		assert(maps.hash:update(KEY, { state = 7, ids = { gid = 3 } }))
		assert.same({ "BUSY", 3 }, { maps.hash:lookup(KEY).state, maps.hash:lookup(KEY).ids.gid })
	end)

	it("takes raw bytes of the right size", function()
		local raw <const> = string.pack("<I8I4I4", 1 << 63, 7, 0)
		assert(maps.hash:update(raw, VALUE))
		assert.same(VALUE, maps.hash:lookup(KEY))
		assert.is_true(maps.hash:delete(raw))
		assert.error_matches(function() maps.hash:lookup "short" end, "key")
		assert.error_matches(function() maps.hash:update(KEY, ("x"):rep(41)) end, "value")
	end)

	it("refuses wrong shapes, and names the field", function()
		local function bad(part, value)
			local done <const>, message <const> = pcall(maps.hash.update, maps.hash, KEY, value)
			assert.is_false(done)
			assert.is_truthy(tostring(message):find(part, 1, true), message)
		end
		bad("value.ids.uid", { ids = { uid = 1 << 32 } })
		bad("value.ids.uid", { ids = { uid = 1.5 } })
		bad("value.ids.uid", { ids = { uid = "12" } })
		bad("value.ids", { ids = 5 })
		bad("uidd", { ids = { uidd = 5 } })
		bad("value.name", { name = "much too long" })
		bad("value.state", { state = "BUSSY" })
		bad("value", 5)
		bad("value", false)
		assert.error_matches(function() maps.hash:update({ inode = {} }, VALUE) end, "key.inode")
		assert.error_matches(function() maps.hash:update(nil, VALUE) end, "key")
		assert.error_matches(function() maps.hash:update(KEY) end, "value expected")
		assert.same({}, collect(maps.hash))
	end)

	it("minds the flags", function()
		refused("there is no such key", ENOENT, maps.numbers:update(1, 1, "exist"))
		assert.is_true(maps.numbers:update(1, 1, "noexist"))
		refused("the key is there already", EEXIST, maps.numbers:update(1, 2, "noexist"))
		assert.is_true(maps.numbers:update(1, 3, "exist"))
		assert.is_true(maps.numbers:update(1, 4, "any"))
		assert.equal(4, maps.numbers:lookup(1))
		assert.error_matches(function() maps.numbers:update(1, 1, "exists") end, "exists")
	end)

	it("says that it is full", function()
		for i = 1, 3 do assert(maps.small:update(i, { uid = i })) end
		refused("update map small: it is full: it has room for 3 elements", E2BIG, maps.small:update(4, { uid = 4 }))
		assert(maps.small:update(3, { uid = 33 }))
		assert.equal(33, maps.small:lookup(3).uid)
	end)

	it("keeps all 64 bits", function()
		for _, bits in ipairs { 0, 1, math.maxinteger, math.mininteger, -1 } do
			assert(maps.numbers:update(bits, bits))
			assert.equal(bits, maps.numbers:lookup(bits))
		end
		assert.is_true(maps.numbers:update(1e3, 1))
		assert.equal(1, maps.numbers:lookup(1000))
		assert.error_matches(function() maps.numbers:lookup(2.0 ^ 63) end, "hexadecimal")
	end)

	it("gives and takes an element at once", function()
		assert(maps.numbers:update(1, 11))
		assert.equal(11, maps.numbers:lookup_and_delete(1))
		assert.is_nil(maps.numbers:lookup(1))
		assert.equal(1, select("#", maps.numbers:lookup_and_delete(1)))
	end)
end)

describe("an array", function()
	it("has all its elements", function()
		assert(maps.array:update(0, { uid = 1 }))
		assert(maps.array:update(7, { uid = 2 }))
		assert.same({ uid = 2, gid = 0 }, maps.array:lookup(7))
		local found <const> = collect(maps.array)
		assert.same({ 1, 0, 2 }, { found[0].uid, found[3].uid, found[7].uid })
		assert.is_nil(found[8])
		refused("the key is out of range: it has 8 elements", E2BIG, maps.array:update(8, {}))
		assert.is_nil(maps.array:lookup(8))
		refused("delete from map array", EINVAL, maps.array:delete(0))
	end)
end)

describe("a per-CPU map", function()
	it("has a list with a value for each CPU", function()
		local values <const>, zeros <const> = {}, {}
		for i = 1, cpus() do values[i], zeros[i] = 100 * i, 0 end
		for _, name in ipairs { "cpu_hash", "cpu_lru" } do
			assert.is_true(maps[name]:update(5, values))
			assert.same(values, maps[name]:lookup(5))
			assert(maps[name]:update(5, {}))
			assert.same(zeros, maps[name]:lookup(5))
			assert.same({ [5] = zeros }, collect(maps[name]))
			assert.is_true(maps[name]:delete(5))
			assert.is_nil(maps[name]:lookup(5))
		end
	end)

	it("has structs on each CPU, and raw bytes for all", function()
		local list <const> = {}
		for i = 1, cpus() do list[i] = { uid = i, gid = -i & 0xffffffff } end
		assert(maps.cpu_array:update(3, list))
		assert.same(list, maps.cpu_array:lookup(3))
		assert(maps.cpu_array:update(2, string.pack("<I4I4", 8, 9):rep(cpus())))
		assert.same({ uid = 8, gid = 9 }, maps.cpu_array:lookup(2)[cpus()])
		assert.same(list, collect(maps.cpu_array)[3])
	end)

	it("refuses what is no such list, and names the value", function()
		local long <const> = {}
		for i = 1, cpus() + 1 do long[i] = i end
		assert.error_matches(function() maps.cpu_hash:update(1, long) end, "list of up to " .. cpus() .. " values")
		assert.error_matches(function() maps.cpu_hash:update(1, 7) end, "list of up to")
		assert.error_matches(function() maps.cpu_hash:update(1, { "x" }) end, "value%[1%]")
		if cpus() > 1 then
			assert.error_matches(function() maps.cpu_array:update(1, { {}, { uid = -1 } }) end, "value%[2%]%.uid")
		end
	end)
end)

describe("other maps", function()
	it("LRU hash: the eldest go", function()
		for i = 1, 1000 do assert(maps.lru:update(i, i)) end
		local count = 0
		for key, value in pairs(maps.lru) do
			assert.equal(key, value)
			count = count + 1
		end
		assert.is_true(count > 0 and count <= 64)
		assert.equal(1000, maps.lru:lookup(1000))
	end)

	it("LPM trie: the longest prefix", function()
		assert(maps.trie:update({ length = 8, address = "\10\0\0\0" }, 8))
		assert(maps.trie:update({ length = 24, address = "\10\1\2\0" }, 24))
		assert.equal(24, maps.trie:lookup { length = 32, address = "\10\1\2\3" })
		assert.equal(8, maps.trie:lookup { length = 32, address = "\10\9\2\3" })
		assert.is_nil(maps.trie:lookup { length = 32, address = "\11\0\0\0" })
		local found <const> = {}
		for key, value in pairs(maps.trie) do found[value] = key.length end
		assert.same({ [8] = 8, [24] = 24 }, found)
		assert.is_true(maps.trie:delete { length = 8, address = "\10\0\0\0" })
		assert.is_false(maps.trie:delete { length = 8, address = "\10\0\0\0" })
	end)

	it("queue: first in, first out", function()
		assert.equal(1, select("#", maps.queue:pop()))
		for i = 1, 3 do assert.is_true(maps.queue:push { uid = i }) end
		refused("it is full: it has room for 3", E2BIG, maps.queue:push {})
		assert.equal(1, maps.queue:peek().uid)
		for i = 1, 3 do assert.equal(i, maps.queue:pop().uid) end
		assert.is_nil(maps.queue:pop())
		assert.error_matches(function() return pairs(maps.queue) end, "which has no keys: take its elements with pop")
		assert.error_matches(function() maps.queue:lookup(1) end, "key: a queue has none")
		assert.error_matches(function() maps.queue:delete() end, "no keys")
	end)

	it("stack: last in, first out", function()
		for i = 1, 3 do assert(maps.stack:push(i)) end
		assert.same({ 3, 2, 1 }, { maps.stack:pop(), maps.stack:pop(), maps.stack:pop() })
		assert.is_nil(maps.stack:peek())
	end)

	it("program array: a program is called, and swapped out", function()
		assert(object.programs.crumb_maps:attach {})
		lab.rename()
		assert.equal(0, object.globals.tail_calls)
		assert.is_true(maps.programs:update(1, object.programs.crumb_tail))
		assert.equal(object.programs.crumb_tail:info().id, maps.programs:lookup(1))
		assert.same({ [1] = object.programs.crumb_tail:info().id }, collect(maps.programs))
		lab.rename()
		assert.equal(1, object.globals.tail_calls)
		assert.is_true(maps.programs:delete(1))
		lab.rename()
		assert.equal(1, object.globals.tail_calls)
		assert.error_matches(function() maps.programs:update(1, 5) end, "takes an open crumb.Program")
		assert.error_matches(function() maps.programs:update(1, maps.hash) end, "takes an open crumb.Program")
	end)

	it("maps of maps: an inner map that the program finds", function()
		assert(object.programs.crumb_maps:attach {})
		for _, outer in ipairs { maps.outer, maps.outer_hash } do
			local inner <close> = assert(outer:create_inner())
			assert.same({ "hash", 16 }, { inner.type, inner.max_entries })
			assert(inner:update(5, { uid = 77 }))
			assert.is_true(outer:update(2, inner))
			assert.same({ [2] = outer:lookup(2) }, collect(outer))
			lab.rename()
			assert.equal(77, object.globals.found_uid)
		end
		local other <close> = assert(bpf.map { type = "hash", key_size = 4, value_size = 16, max_entries = 16 })
		refused("update map outer", EINVAL, maps.outer:update(1, other))
		assert.error_matches(function() maps.outer:update(1, object.programs.crumb_tail) end, "takes an open crumb.Map")
		assert.error_matches(function() maps.hash:create_inner() end, "declares no inner map")
	end)

	it("stack traces: a list of addresses", function()
		assert(object.programs.crumb_maps:attach {})
		lab.rename()
		local id <const> = object.globals.stack_id
		assert.is_true(id >= 0)
		local frames <const> = maps.stacks:lookup(id)
		assert.is_true(#frames > 1 and #frames <= 32)
		assert.is_true(math.ult(1 << 63, frames[1]))
		local found = 0
		for key, stack in pairs(maps.stacks) do
			found = found + 1
			assert.equal(id, key)
			assert.same(frames, stack)
		end
		assert.equal(1, found)
	end)

	it("perf event array: has nothing to read", function()
		refused("look up in map perf_events", EOPNOTSUPP, maps.perf_events:lookup(0))
		assert.same({}, collect(maps.perf_events))
	end)

	it("ring buffer: says how it is read", function()
		for _, work in ipairs {
			function() maps.ring:lookup(1) end, function() maps.ring:update(1, 1) end,
			function() maps.ring:delete(1) end, function() maps.ring:each() end,
			function() maps.ring:lookup_batch(1) end, function() maps.ring:update_batch({}, {}) end,
		} do
			assert.error_matches(work, "map ring is a ringbuf: it has no elements; read it with object:ring")
		end
	end)
end)

describe("batches", function()
	it("write, read and delete", function()
		local keys <const>, values <const> = {}, {}
		for i = 1, 1000 do keys[i], values[i] = i, -i end
		assert.equal(1000, maps.numbers:update_batch(keys, values))
		local seen, position = {}, nil
		repeat
			local some, others
			some, others, position = maps.numbers:lookup_batch(300, position)
			for i, key in ipairs(some) do
				assert.equal(-key, others[i])
				assert.is_nil(seen[key])
				seen[key] = true
			end
		until not position
		assert.equal(1000, #seen)
		assert.equal(1000, maps.numbers:delete_batch(keys))
		assert.same({}, collect(maps.numbers))
		assert.equal(0, maps.numbers:update_batch({}, {}))
		assert.equal(0, maps.numbers:delete_batch {})
	end)

	it("say how far they came", function()
		refused("after 3 elements", E2BIG, maps.small:update_batch({ 1, 2, 3, 4, 5 }, { {}, {}, {}, {}, {} }))
		refused("after 1 elements", ENOENT, maps.small:delete_batch { 1, 9 })
	end)

	it("refuse lists that do not fit", function()
		assert.error_matches(function() maps.numbers:update_batch({ 1, 2 }, { 1 }) end, "one value for each key")
		assert.error_matches(function() maps.numbers:update_batch({ 1, "x" }, { 1, 2 }) end, "key")
		assert.error_matches(function() maps.numbers:update_batch(1, 2) end, "table expected")
		assert.error_matches(function() maps.numbers:lookup_batch(0) end, "out of range")
		assert.error_matches(function() maps.numbers:lookup_batch(1, "xx") end, "not a position")
	end)
end)

describe("iteration", function()
	local function fill(map, first, last)
		for i = first, last do assert(map:update(i, i)) end
	end

	it("meets every key once, in a map of many batches", function()
		fill(maps.numbers, 1, 4096)
		local count = 0
		for _ in pairs(collect(maps.numbers)) do count = count + 1 end
		assert.equal(4096, count)
	end)

	it("goes on while its loop deletes what it is given", function()
		fill(maps.numbers, 1, 2000)
		local count = 0
		for key in pairs(maps.numbers) do
			count = count + 1
			assert.is_true(maps.numbers:delete(key))
		end
		assert.equal(2000, count)
		assert.same({}, collect(maps.numbers))
	end)

	it("ends while its loop adds", function()
		fill(maps.numbers, 1, 100)
		local seen <const>, added = {}, 10000
		for key in pairs(maps.numbers) do
			assert.is_nil(seen[key])
			seen[key] = true
			for _ = 1, 10 do
				maps.numbers:update(added, 0)
				added = added + 1
			end
		end
		for i = 1, 100 do assert.is_true(seen[i]) end
	end)

	it("meets what stays while a program adds and deletes", function()
		fill(maps.churn, 1, 999)
		fill(maps.churn, 5000, 9999)
		assert(object.programs.crumb_maps:attach {})
		object.globals.changes = 20
		local seen <const> = {}
		for key in pairs(maps.churn) do
			assert.is_nil(seen[key])
			seen[key] = true
			if #seen % 2 == 0 then lab.rename() end
		end
		for i = 1, 999 do assert.is_true(seen[i]) end
	end)

	it("meets what stays while another process adds and deletes", function()
		local child <close> = lab.start [[while true do os.rename("/crumb/nowhere", "/crumb/nowhere") end]]
		fill(maps.churn, 1, 999)
		fill(maps.churn, 5000, 9999)
		object.globals.changes, object.globals.target_tgid = 50, child.pid
		assert(object.programs.crumb_maps:attach {})
		for _ = 1, lab.times(20) do
			local seen <const> = {}
			for key in pairs(maps.churn) do
				assert.is_nil(seen[key])
				seen[key] = true
			end
			for i = 1, 999 do assert.is_true(seen[i]) end
		end
	end)

	it("meets what stays in a trie whose keys are deleted in the loop", function()
		for i = 0, 255 do assert(maps.trie:update({ length = 32, address = string.char(10, 0, 0, i) }, i)) end
		local seen, count = {}, 0
		for key, value in pairs(maps.trie) do
			assert.is_nil(seen[value])
			seen[value] = true
			count = count + 1
			if value % 2 == 0 then assert.is_true(maps.trie:delete(key)) end
		end
		assert.equal(256, count)
		for i = 1, 255, 2 do assert.is_true(seen[i]) end
	end)

	it("meets what stays in a trie while another process deletes and adds", function()
		local path <const> = "/sys/fs/bpf/crumb_trie_spec"
		os.remove(path)
		if not maps.trie:pin(path) then pending "bpffs is not mounted here" end
		for i = 0, 99 do assert(maps.trie:update({ length = 32, address = string.char(10, 0, 0, i) }, i)) end
		local child <close> = lab.start(([[
			package.path, package.cpath = %q, %q
			local map = assert(require "crumb.bpf".pinned_map(%q))
			print "ready"
			io.stdout:flush()
			while true do
				for i = 0, 199 do map:update(string.pack("<I4BBBB", 32, 9 + i %% 3 * 2, 0, 0, i), i) end
				for i = 0, 199 do map:delete(string.pack("<I4BBBB", 32, 9 + i %% 3 * 2, 0, 0, i)) end
			end
		]]):format(package.path, package.cpath, path))
		assert.equal("ready", child:line())
		os.remove(path)
		for _ = 1, lab.times(100) do
			local seen <const>, stayed = {}, 0
			for key in pairs(maps.trie) do
				assert.is_nil(seen[key.address])
				seen[key.address] = true
				if key.address:byte() == 10 then stayed = stayed + 1 end
			end
			assert.equal(100, stayed)
		end
	end)
end)

describe("a map made alone", function()
	it("takes integers and raw bytes", function()
		local map <close> = assert(bpf.map { type = "hash", name = "alone", key_size = 8, value_size = 2, max_entries = 10 })
		assert.same({ "alone", "hash", 8, 2, 10 },
			{ map.name, map.type, map.key_size, map.value_size, map.max_entries })
		assert(map:update(-1, 65535))
		assert.equal("\255\255", map:lookup(("\255"):rep(8)))
		assert.same({ [("\255"):rep(8)] = "\255\255" }, collect(map))
		assert.error_matches(function() map:update(1, 65536) end, "value: 65536 does not fit 2 bytes")
		assert.error_matches(function() map:update("abc", 1) end, "key: 3 bytes were given, 8 are needed")
		assert.error_matches(function() map:update(1.5, 1) end, "key: not an integer")
	end)

	it("is of any kind", function()
		local trie <close> = assert(bpf.map { type = "lpm_trie", key_size = 8, value_size = 4, max_entries = 4 })
		assert(trie:update(string.pack("<I4c4", 32, "abcd"), 5))
		local queue <close> = assert(bpf.map { type = "queue", value_size = 4, max_entries = 4e0 })
		assert(queue:push(5))
		assert.equal("\5\0\0\0", queue:pop())
		local inner <close> = assert(bpf.map { type = "array", max_entries = 2 })
		local outer <close> = assert(bpf.map { type = "array_of_maps", max_entries = 2, inner = inner })
		assert(outer:update(0, inner))
		local ring <close> = assert(bpf.map { type = "ringbuf", max_entries = 5000 })
		assert.equal(8192, ring.max_entries)
		local reader <close> = assert(object:ring(ring))
		assert.is_nil(reader:events { idle = 0 }())
	end)

	it("is refused with the reason", function()
		assert.error_matches(function() bpf.map { type = "hsah" } end, "no map type 'hsah'")
		assert.error_matches(function() bpf.map { type = "hash", max_entires = 5 } end, "nearest: max_entries")
		assert.error_matches(function() bpf.map { type = "hash", key_size = -1 } end, "key_size")
		assert.error_matches(function() bpf.map {} end, "type =")
		refused("create map crumb", EINVAL, bpf.map { type = "hash", max_entries = 0 })
	end)
end)

describe("a pinned map", function()
	local path <const> = "/sys/fs/bpf/crumb_map_spec"

	after_each(function() os.remove(path) end)

	it("outlives its object", function()
		assert(maps.numbers:update(1, 2))
		local done <const>, message <const> = maps.numbers:pin(path)
		if not done then pending "bpffs is not mounted here" end
		assert.is_true(done, message)
		refused(path, EEXIST, maps.numbers:pin(path))
		object:close()
		local map <close> = assert(bpf.pinned_map(path))
		assert.same({ "numbers", "hash", 8, 8, 4096 },
			{ map.name, map.type, map.key_size, map.value_size, map.max_entries })
		assert.equal(2, string.unpack("<I8", map:lookup(1)))
	end)

	it("is told from nothing, and from a link", function()
		refused(path, ENOENT, bpf.pinned_map(path))
		local link <const> = assert(object.programs.crumb_maps:attach {})
		if not link:pin(path) then pending "this kernel pins no raw tracepoint links" end
		refused("no map", EINVAL, bpf.pinned_map(path))
		link:detach()
	end)

	it("is refused where there is no bpffs", function()
		local done <const>, message <const> = maps.numbers:pin "/tmp/crumb_no_bpffs"
		assert.is_nil(done)
		assert.is_truthy(message:find("/tmp/crumb_no_bpffs", 1, true), message)
	end)
end)

describe("a map's size", function()
	it("may be set before the load", function()
		local other <close> = assert(bpf.open(lab.fixtures .. "maps.bpf.o"))
		assert.equal(other.maps.small, other.maps.small:set_max_entries(5))
		assert.equal(5, other.maps.small.max_entries)
		other.maps.ring:set_max_entries(5000)
		assert.equal(8192, other.maps.ring.max_entries)
		assert(other:load())
		for i = 1, 5 do assert(other.maps.small:update(i, {})) end
		assert.is_nil(other.maps.small:update(6, {}))
		assert.error_matches(function() other.maps.small:set_max_entries(6) end, "exists already")
		assert.error_matches(function() maps.small:set_max_entries(0) end, "out of range")
	end)
end)
