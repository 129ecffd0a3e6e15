---@meta crumb.core
--- The C module: thin calls over libbpf and libelf. crumb.bpf is made on it and says what is right
--- for people; this stub is for editors, and for whoever reads that code.
---
--- Errors, everywhere: wrong use raises; what the kernel or the files refuse returns nil, message, errno.
--- Every handle has `close`, `closed`, `__close` and `__gc`; an owner closes what it owns first.

local core = {}

---@class crumb.Handle
local Handle = {}

--- Closes; twice does no harm.
---@return true?, string?, integer?
function Handle:close() end

---@return boolean
function Handle:closed() end

---@class crumb.Object: crumb.Handle
---@field name string
---@field programs table<string, crumb.Program>
---@field maps table<string, crumb.Map>
---@field globals table<string, any> read and written by the variable's name
local Object = {}

--- Creates the maps and loads the programs; Object:load is made on it.
--- Errors: the end of the verifier's log is in the message.
---@return crumb.Object?, string?, integer?
function Object:raw_load() end

---@return boolean
function Object:loaded() end

---@return boolean found
---@return any value
function Object:get_global(name) end

---@return boolean found
function Object:set_global(name, value) end

---@return string[]
function Object:global_names() end

---@class crumb.Program: crumb.Handle
---@field name string
---@field type string libbpf's word, such as "kprobe"
---@field section string
---@field attach_type string?
local Program = {}

---@return integer
function Program:fd() end

--- Shape: { id, run_count, run_time, recursion_misses, verified_instructions }
--- Units: run_time in nanoseconds, counted only while kernel.bpf_stats_enabled is 1
---@return table?, string?, integer?
function Program:info() end

--- An empty link, to which the attach functions add kernel links.
---@return crumb.Link
function Program:link() end

--- Whether object:load() loads it.
---@param load boolean
---@return crumb.Program
function Program:set_autoload(load) end

--- The function that a fentry or fexit program is loaded for, instead of its section's.
---@param name string
---@return crumb.Program?, string?, integer?
function Program:set_attach_target(name) end

---@class crumb.Map: crumb.Handle
---@field name string
---@field type string libbpf's word, such as "hash"
---@field key_size integer bytes
---@field value_size integer bytes
---@field max_entries integer
local Map = {}

---@return any value nil alone: no such key
---@return string?, integer?
function Map:lookup(key) end

---@return any value nil alone: no such key
---@return string?, integer?
function Map:lookup_and_delete(key) end

---@param flags ("any"|"noexist"|"exist")?
---@return true?, string?, integer?
function Map:update(key, value, flags) end

---@return boolean? deleted false: no such key
---@return string?, integer?
function Map:delete(key) end

--- Each key once, however the map changes meanwhile.
---@return any[]? keys
---@return string[] raw the same, as the kernel sees them
---@return integer? errno
function Map:keys() end

---@param count integer at most so many
---@param position string? from the call before
---@return any[]? keys
---@return any[] values
---@return string? position nil: that was all
function Map:lookup_batch(count, position) end

---@return integer? written
---@return string?, integer?
function Map:update_batch(keys, values, flags) end

---@return integer? deleted
---@return string?, integer?
function Map:delete_batch(keys) end

--- A new map of the kind that this map of maps declares for its inner ones.
--- The kernel takes any `max_entries`, but of arrays; of ringbufs it is rounded up to a power of two of pages.
---@param options { max_entries: integer?, raw: boolean? }? raw: keys and values are bytes, whatever their types
---@return crumb.Map?, string?, integer?
function Map:create_inner(options) end

---@return integer
function Map:fd() end

---@return true?, string?, integer?
function Map:pin(path) end

--- Before object:load().
---@return crumb.Map?, string?, integer?
function Map:set_max_entries(count) end

--- Before object:load(): from now on it is the other map, which is there already, of global variables too.
---@param other crumb.Map of the same type, sizes and flags
---@return crumb.Map?, string?, integer?
function Map:share(other) end

---@class crumb.Glob: crumb.Handle
local Glob = {}

--- Whether the whole name matches; in the time of pattern times name at most.
---@param name string
---@return boolean
function Glob:match(name) end

---@class crumb.Link: crumb.Handle
---@field cookie integer of the first site
---@field cookies integer[] by site
---@field sites crumb.Site[]
---@field skipped crumb.Site[] those that got no cookie
---@field mechanism string
local Link = {}

---@return integer?, string?, integer?
function Link:fd(part) end

---@return table?, string?, integer?
function Link:raw_info(part) end

---@return true?, string?, integer?
function Link:pin_part(part, path) end

--- Closes one of the kernel links; those behind it move up.
---@param part integer
---@return true?, string?, integer?
function Link:drop(part) end

--- Each of these adds one kernel link. Errors: nil, why, errno; the caller says what was attempted.
---@param name string? nil: offset is an address
---@return true?, string?, integer?
function Link:attach_kprobe(name, offset, cookie, returns) end

---@param names string[]|integer[] functions, or their addresses
function Link:attach_kprobe_multi(names, cookies, returns) end
function Link:attach_ksyscall(name, cookie, returns) end
function Link:attach_uprobe(path, offset, cookie, returns, pid, semaphore) end
---@param semaphores integer[]? of each site the offset in the file of what counts who listens; 0: none
function Link:attach_uprobe_multi(path, offsets, cookies, returns, pid, semaphores) end
function Link:attach_usdt(path, provider, name, cookie, pid) end
function Link:attach_tracepoint(category, name, cookie) end
function Link:attach_raw_tracepoint(name, cookie) end
function Link:attach_trace(cookie) end
function Link:attach_perf_event(type, config, period, is_frequency, cpu, cookie, pid) end

---@class crumb.Ring: crumb.Handle
---@field maps crumb.Map[]
local Ring = {}

---@param type_name string?
---@return crumb.Ring?, string?, integer?
function Ring:add_map(map, type_name) end

---@return integer fd an epoll descriptor, readable when records wait
function Ring:fd() end

--- Where what has been written by now ends, for `passed`.
---@return string mark
function Ring:mark() end

--- Whether all that had been written then has been read.
---@param mark string
---@return boolean
function Ring:passed(mark) end

--- See csrc/reader.c.
---@param fields string[]? nil: tables
---@param pause fun(delivered: integer): boolean asked when no record waits: true, look again
---@param deadline integer? nanoseconds of core.now()
---@param snapshot boolean? stop after what has come by now
---@return fun(): ...
function Ring:reader(fields, pause, deadline, snapshot) end

--- From now on the descriptor is readable when a program has woken the reader, or when this time is over, and not by what
--- waits already.
---@param nanoseconds integer
function Ring:rest(nanoseconds) end

--- Shape: { delivered, malformed, discarded = records; pending = bytes }
---@return table
function Ring:stats() end

--- An iterator over the engine's records (struct record of bpf/wire.h): events, or with `fields` their values, where
--- false stands for what a record has not. A record whose generation has no layout, whose site has no table, or whose
--- pieces lie outside it is counted as malformed. With an `owner` the records of sites whose [1] is another go to
--- `other`. `pause`, `deadline` and `snapshot` are as in Ring:reader; `other` and `pause` may yield.
--- Shape of an event: time, pid, tid, uid, gid, comm, cpu, each cell by its name (false: it could not be read), and
--- `truncated` = { cell = true } when pieces were cut; its metatable is sites[number].
--- Fields are these names, and those that sites[number].__index has.
--- Errors: what a converter raises comes out of the iterator; its record is counted as malformed, and the next one follows.
---@param options { layouts: table<integer, crumb.Layout>, sites: table<integer, table>, pause: (fun(delivered: integer): boolean), fields: string[]?, owner: any, other: fun(event: table)?, deadline: integer?, snapshot: boolean? }
---@return fun(): ...
function Ring:trail(options) end

---@param nanoseconds integer
---@param rung boolean? only a program that wakes the reader ends it, not what waits already
---@return boolean? ready nil: a signal came
function Ring:wait(nanoseconds, rung) end

--- A mmapable array as memory, elements from 0. It keeps the memory: its map may close before it.
---@class crumb.Window: crumb.Handle
---@field count integer elements
---@field size integer bytes of one
local Window = {}

--- Adds to 8 bytes, atomically.
function Window:add(index, offset, value) end

--- The values of these elements, one after the other.
---@param indices integer[]
---@return string
function Window:bytes(indices) end

---@param width integer 1, 2, 4 or 8
---@return integer value without a sign, but for that of 8 bytes
function Window:get(index, offset, width) end

--- One store, after all that were made before it.
---@param width integer 4 or 8
function Window:set(index, offset, width, value) end

--- Sets it in each of these elements.
---@param indices integer[]
---@param width integer 4 or 8
---@param values integer[]|integer one for each, or one for all
function Window:store(indices, offset, width, values) end

--- The sum of the 8 bytes there in each of these elements.
---@param indices integer[]
---@return integer
function Window:sum(indices, offset) end

--- A child that waits before it becomes a program. Closing kills one that was not started, and leaves a started one
--- alone: when that ends it is waited for at the next spawn, or close of a Process.
---@class crumb.Process: crumb.Handle
---@field pid integer the program's too, once it is started
---@field name string
local Process = {}

---@param signal integer? SIGTERM
---@return true?, string?, integer?
function Process:kill(signal) end

--- Whether it was started and has not ended.
---@return boolean
function Process:running() end

--- Errors: nil, message, errno of exec, such as ENOENT; ESRCH: it was killed before.
---@return true?, string?, integer?
function Process:start() end

---@return boolean
function Process:started() end

---@param seconds number? without an end
---@return { exit: integer?, signal: integer? }? status nil alone: not in that time, or a signal came
---@return string?, integer?
function Process:wait(seconds) end

--- Types, by name ("struct event", or "event") or BTF id. An unknown one returns nil, message, errno.
---@class crumb.Btf: crumb.Handle
local Btf = {}

---@param type string|integer
---@param size integer? bytes, for a type with a flexible end
---@return string? bytes
---@return string?, integer?
function Btf:encode(type, value, size) end

---@param type string|integer
---@param bytes string
---@param path string? of one member, such as "inner.slots[2]", the second of them
---@return any, string?, integer?
function Btf:decode(type, bytes, path) end

--- Shape: { id, name, kind, size, members = { { name, type, offset, bits, bit_offset } }, values, signed, count, element }
---@param type string|integer
---@return table?, string?, integer?
function Btf:type(type) end

---@param type string|integer
---@return integer? bytes
---@return string?, integer?
function Btf:size(type) end

--- Of a function, or of a typedef of a function or a pointer to one.
--- Shape: { parameters = { { name, type, id }, ... }, returns = { type, id } }
---@param name string
---@return table?, string?, integer?
function Btf:prototype(name) end

--- The kernel's functions. They are read at the first question, and kept.
---@class crumb.KernelNames: crumb.Handle
local KernelNames = {}

---@class crumb.KernelName
---@field symbol string
---@field address integer? nil: hidden from this user
---@field size integer? bytes up to the next symbol
---@field module string?
---@field marked boolean? it is in the list of KernelNames:mark

--- The function that holds an address. Of what lies beyond the kernel's own text the table is at most a second old.
--- Errors: nil alone: nobody knows; nil, message, errno: EACCES addresses are hidden.
---@param address integer
---@return string? name
---@return integer|string|nil offset
---@return string|integer|nil module
function KernelNames:at(address) end

--- The functions of that very name.
---@param name string
---@return crumb.KernelName[]?, string?, integer?
function KernelNames:find(name) end

--- Reads the names where that has not been done.
---@return true?, string?, integer?
function KernelNames:load() end

--- Marks the functions that a file lists, "NAME" or "NAME [MODULE]" a line, as ftrace does, or these after an ADDRESS of
--- 16 digits; once for each reading.
---@param path string
---@return true?, string?, integer? ENODATA: it is empty
function KernelNames:mark(path) end

--- The functions whose names a glob matches, by address; without a pattern all.
---@param pattern string?
---@return crumb.KernelName[]?, string?, integer?
function KernelNames:match(pattern) end

--- What core.nearest says of a name among all functions: " (nearest: a, b)", or "".
---@param name string
---@return string?, string?, integer?
function KernelNames:near(name) end

--- Reads the names where they have not been read, or more than a second ago.
---@return boolean? read
---@return string?, integer?
function KernelNames:refresh() end

--- The functions that begin at an address.
--- Errors: EACCES addresses are hidden.
---@param address integer
---@return crumb.KernelName[]?, string?, integer?
function KernelNames:starting(address) end

--- Opens BTF: of a file, of { bytes = … }, or with no argument the kernel's.
---@return crumb.Btf?, string?, integer?
function core.btf(source) end

--- The names in a folder, or those that a glob matches.
--- Errors: EFBIG: it holds more than 1,048,576.
---@param path string
---@param glob crumb.Glob?
---@return string[]?, string?, integer?
function core.directory(path, glob) end

--- Writes a file whole. It is made beside its place and then takes it; a link is not followed.
--- Errors: ELOOP: it is a link; EINVAL: it is something else than a plain file.
---@param path string
---@param bytes string? nil: only whether it could be written
---@return true?, string?, integer?
function core.save(path, bytes) end

--- By what number the kernel knows the cgroup of a folder.
--- Errors: nil, message, errno: EINVAL it is of another file system.
---@param path string
---@return integer? id
---@return integer|string version 1 or 2
---@return integer?
function core.cgroup(path) end

--- The bytes of an engine's object, for core.object: the whole one, or the one with few features (bpf/wire.h).
---@param few boolean?
---@return string
function core.engine(few) end

--- Runs a program to its end, without a shell.
---@param argv string[]
---@param input string?
---@return integer? status
---@return string output
---@return string errors
function core.execute(argv, input) end

--- What tells whether a name matches: `*` any bytes, `?` one, `[a-z]` one of these, `[!a-z]` none of these.
---@param pattern string
---@return crumb.Glob
function core.glob(pattern) end

--- Waits until no program runs that had begun before: some 10 ms.
---@return true?, string?, integer?
function core.grace() end

---@class crumb.Guard: crumb.Handle
local Guard = {}

--- As pcall; Ctrl-C raises "interrupted!" in what is called.
---@param call function
---@return boolean done
---@return any ...
function Guard:call(call, ...) end

--- What the function does, which is to resume the coroutine; Ctrl-C raises "interrupted!" in that meanwhile.
---@param call function coroutine.resume
---@param co thread
---@return any ...
function Guard:resume(call, co, ...) end

--- Has Ctrl-C until it is closed, beneath core.interrupt: it interrupts what the guard calls, and nothing else.
---@return crumb.Guard?, string?, integer?
function core.guard() end

--- The rule for cookies and keys: what is a 64-bit integer.
---@return integer?, string? reason
function core.integer(value) end

--- Waits until one of the descriptors can be read, or a signal comes.
--- Units: nanoseconds.
---@param timeout integer
---@param ... integer? up to 8 descriptors; nil stands for none
---@return boolean ... for each, whether it can be read
function core.await(timeout, ...) end

--- Takes SIGTERM and SIGHUP until it is closed: the first one ends loops as Ctrl-C does, another one the process.
---@return crumb.Handle
function core.termination() end

--- The signal that came while a Termination was open.
---@return integer?
function core.terminated() end

--- Takes SIGINT until it is closed.
---@return crumb.Handle?, string?, integer?
function core.interrupt() end

---@return boolean
function core.interrupted() end

---@class crumb.Keys: crumb.Handle
local Keys = {}

--- What was typed since the last time, and nothing else: it does not wait.
---@return string
function Keys:read() end

--- Until it is closed, what is typed at a terminal is not shown, and comes key by key.
---@param fd integer
---@return crumb.Keys?, string?, integer?
function core.keys(fd) end

---@class crumb.Layout

--- The kernel's functions, of a file that is as /proc/kallsyms is.
---@param path string? of /proc/kallsyms
---@return crumb.KernelNames
function core.kernel_names(path) end

--- What the cells of one generation's records are: `convert` makes the value of what was read.
---@param cells { name: string, kind: "integer"|"string"|"bytes", convert: (fun(value: integer|string, pid: integer): any)? }[]
---@return crumb.Layout
function core.layout(cells) end

---@param what { type: string, name: string?, key_size: integer, value_size: integer, max_entries: integer, flags: integer?, inner: crumb.Map? }
---@return crumb.Map?, string?, integer?
function core.map(what) end

---@param class string such as "crumb.Map"
---@return table methods
---@return table metatable
function core.methods(class) end

--- A module of crumb's in Lua, which the C module carries; a searcher for package.searchers.
---@param name string as for require
---@return function? chunk nil: there is none of that name
function core.module(name) end

---@param list string[]
---@return string[] nearest up to 3
---@return string text " (nearest: a, b)", or ""
function core.nearest(name, list) end

--- Units: nanoseconds of CLOCK_MONOTONIC
---@return integer
function core.now() end

--- This process's PID namespace, for bpf_get_ns_current_pid_tgid; 0, 0 when it is the first one.
---@return integer device
---@return integer inode
---@return boolean ours whether /proc numbers processes as this namespace does
function core.pid_namespace() end

---@param name string an identifier
---@param path string? what errors call it
---@return crumb.Object?, string?, integer?
function core.object(bytes, name, path) end

---@return crumb.Link?, string?, integer?
function core.pinned_link(path) end

---@return crumb.Map?, string?, integer?
function core.pinned_map(path) end

--- A file of one's own in a folder of one's own, which are made when they are missing. What others own or may write, and
--- a link, is refused.
--- Errors: nil, message.
---@param base string a folder that is there
---@param path string below it
---@param mode "r"|"a"|"w"
---@return file*?, string?
function core.private(base, path, mode) end

---@param question string see csrc/probe.c
---@return true?, string?, integer?
function core.probe(question) end

--- A regular file's bytes, up to 64 MiB.
---@return string?, string?, integer?
function core.read(path) end

---@return crumb.Ring?, string?, integer?
function core.ring(object) end

--- What handle[key] reads from now on.
function core.set_field(handle, key, value) end

--- A process of a program found as execvp finds it, with our standard streams and environment, the default signal
--- dispositions, and no other descriptor.
---@param argv string[]
---@param bound boolean? it gets SIGTERM when this process ends, however that ends
---@param silent boolean? its standard input is /dev/null
---@return crumb.Process?, string?, integer?
function core.spawn(argv, bound, silent) end

--- A process that somebody else started: `running`, `kill`, and `wait`, which knows when it has ended, and not how.
---@param pid integer
---@return crumb.Process?, string?, integer?
function core.process(pid) end

--- What a process that was spawned becomes when it is started; nil: it does not wait for that.
---@param pid integer
---@return string? path
function core.program(pid) end

--- Opens those of the descriptors 0 to 2 that are closed, so that no other file gets one; using them fails as before.
function core.standard() end

--- The names of system calls, by number, as the headers have them that crumb was built with.
---@return table<integer, string>
function core.syscalls() end

--- The size of a terminal, 0 by 0 where nobody knows it; nil: the descriptor is none.
---@param fd integer
---@return integer? rows
---@return integer? columns
function core.terminal(fd) end

---@return string libbpf
---@return string kernel
---@return string machine
function core.versions() end

--- Units: nanoseconds of CLOCK_REALTIME
---@return integer
function core.wall() end

---@param map crumb.Map a mmapable array
---@return crumb.Window?, string?, integer?
function core.window(map) end

return core
