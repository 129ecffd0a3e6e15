--- crumb: tracing by questions: targets, cookies, rules that the kernel decides and that change while they run.
--
-- doc/crumb.md is the manual. Who has BPF programs of their own finds the layer below in crumb.bpf.

local lazy <const> = require "crumb.lazy"
local trace <const> = require "crumb.trace"

-- A module that is one function, read when it is first called.
local function deferred(name, member)
	return function(...)
		local module <const> = require(name)
		return (member and module[member] or module)(...)
	end
end

return {
	--- Opens a trace; see crumb.trace.
	trace = trace.open,
	--- Iterates over what a target stands for; see crumb.list.
	list = deferred("crumb.list", "of"),
	--- How deep calls nest; see crumb.calls.
	calls = deferred("crumb.calls", "new"),
	--- Events of all processors by their times; see crumb.order.
	order = deferred("crumb.order", "new"),
	--- Writes anything as text for a terminal; see crumb.show.
	show = deferred("crumb.show", "write"),
	--- A mangled name as C++ or Rust write it; nil when it is none.
	demangle = deferred("crumb.binaries", "demangle"),
	--- The wall's time of an event's; see crumb.date.
	date = deferred "crumb.date",
	--- The name of a block device's number, or its number; see crumb.disk.find.
	disk = deferred("crumb.disk", "find"),
	--- A network address with a port; see crumb.endpoint.
	endpoint = deferred "crumb.endpoint",
	--- The name of an errno, and what it says; see crumb.errno.
	errno = deferred "crumb.errno",
	--- Rows with stacks as text for flame graphs, counted by a column; see crumb.show.folded.
	folded = function(rows, column) return require("crumb.show").folded(rows, nil, column) end,
	--- Folded stacks as an SVG flame graph; see crumb.show.flame.
	flame = deferred("crumb.show.flame", "svg"),
	--- The name of a signal; see crumb.signal.
	signal = deferred "crumb.signal",
	--- The name of a system call's number, or its number; see crumb.syscall.
	syscall = deferred "crumb.syscall",
	--- Which crumb this is: "0.1.0".
	version = require "crumb.version",
	--- Integers seen without a sign; see crumb.u64.
	u64 = lazy "crumb.u64",
}
