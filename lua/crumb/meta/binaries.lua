---@meta crumb.binaries
-- The C module crumb.binaries, as editors see it; csrc/binaries.c is its entry.

local binaries = {}

--- An ELF file that may be hostile: every answer is checked against the file's size.
---@class crumb.Elf: crumb.Handle
local Elf = {}

--- Symbols of that very name; where there are none, those whose demangled name it is, with or without parameters or Rust's hash.
--- Shape: a list (4096 at most) of { name, demangled?, full? = with Rust's hash, value, size, offset?, bind, type = "func"|"ifunc", table,
--- imported, version?, default?, library? }
---@return table[]?, string?, integer?
function Elf:find(name) end

--- Each defined function once; with `demangled`, mangled ones as they are written, without parameters.
---@param demangled boolean?
---@return string[]?, string?, integer?
function Elf:names(demangled) end

--- The places of the functions that a glob means, each once, by offset; nil: of all. A glob is held against the name in
--- the file and against the demangled one, with and without parameters.
--- Shape: a list of { symbol, demangled?, names? = where it has several, offset, address, size }, and of { symbol, reason, demangled? }
--- Errors: nil, message, errno: E2BIG when more than 1,048,576 match
---@param pattern string?
---@return table[]?
---@return table[]|string skipped what cannot be probed
---@return integer? errno
function Elf:functions(pattern) end

--- Where in the file an address lies, if it is in an executable segment.
---@return integer?
function Elf:offset(address) end

--- Bytes of the file that are executable, at most 16 MiB.
---@param offset integer
---@param size integer
---@return string?, string?, integer?
function Elf:code(offset, size) end

--- Where in the file the program begins; nil: it is none.
---@return integer?
function Elf:start() end

--- The Go function that a file offset lies in, by Go's own table.
--- Shape: { name, offset, size, assembly, version = "1.2"|"1.16"|"1.18"|"1.20" }; the size goes up to the next function,
--- the version is that of the table's form, `assembly` is known from 1.18 on
--- Errors: ENOENT the file has no such table, or no function there; ENOEXEC the table is damaged
---@param offset integer
---@return table?, string?, integer?
function Elf:go_function(offset) end

--- Whether a file offset lies in an executable segment.
---@return boolean
function Elf:executable(offset) end

--- Whether it names only what it exports.
---@return boolean
function Elf:stripped() end

--- Where its names come from: ".dynsym", and one of ".symtab", the path of a separate debug file, ".gnu_debugdata", ".gopclntab".
---@return string[]?, string?, integer?
function Elf:sources() end

---@return string? hexadecimal
function Elf:build_id() end

--- By what compilers leave in a file, and how its functions are named.
---@return "go"|"rust"|"c++"|"c"|nil
function Elf:language() end

---@return boolean
function Elf:is_go() end

---@return string path of the open descriptor, for the kernel
function Elf:path() end

--- A string that no other file has, nor this one when it was written to.
---@return string
function Elf:identity() end

---@return string
function Elf:machine() end

--- Why no uprobe is put at a place of the file, though the kernel would take it; nil: it can be.
---@param offset integer in the file
---@return string?
function Elf:refused(offset) end

---@return string?
function Elf:soname() end

---@return string[]?, string?, integer?
function Elf:needed() end

--- Shape: a list of "provider:name"
---@return string[]?, string?, integer?
function Elf:usdt() end

--- The places of one probe, or of all, in the file's order.
--- Shape: { { offset, address, semaphore?, provider, name, arguments = "-4@%edi 8@-8(%rbp)" }, ... }; offsets in the file,
--- the address as the file has it
---@param provider string? nil: any
---@param name string? nil: any
---@return table[]?
---@return integer wrong notes that tell of places outside of the file's code and data
---@return integer? errno
function Elf:usdt_probes(provider, name) end

--- Where the variables of these names lie, by the file's own addresses.
--- Shape: { name = address, or false when several are called so, or true when none is }
---@param names string[]
---@return table<string, integer|boolean>?, string?, integer?
function Elf:variables(names) end

--- The debug information of an ELF file; its types as crumb.Btf tells of its own.
---@class crumb.Dwarf: crumb.Handle
local Dwarf = {}

--- Of the function that begins at an offset in the file.
--- Shape: { parameters = { { name, type, id, register? }, ... }, returns = { type, id }, convention = "c"|"rust"|"go"?,
--- changed? }; `register`: by DWARF's number, where one is said to hold the parameter at the entry
---@param offset integer
---@return table?
---@return string?, integer?
function Dwarf:prototype(offset) end

--- Shape: as of Btf:type; of arrays the elements of all dimensions; `floating`: passed like a floating-point number;
--- `by_reference`: never passed by value; `variants`: not all its members are always there
---@param type integer|string an id, or "struct NAME" wherever it is defined
---@return table?, string?, integer?
function Dwarf:type(type) end

--- Addresses -> names. Files are opened as the kernel has them mapped, in whatever container; no server is asked.
---@class crumb.Symbolizer: crumb.Handle
local Symbolizer = {}

--- Keeps what a process has mapped, so that it can be asked about when it has ended.
--- Errors: ESRCH no such process, EACCES it has nothing mapped that may be read.
---@param pid integer
---@return integer? serial another one when the process, its program or its maps are others
---@return string?, integer?
function Symbolizer:remember(pid) end

--- Hears from the kernel what a process maps from now on, and its children to come, until they have ended.
--- Errors: EACCES: without rights to perf events; ESRCH no such process.
---@param pid integer
---@return true?, string?, integer?
function Symbolizer:watch(pid) end

--- Errors: as of remember.
---@param pid integer
---@param address integer
---@return string? name nil with an offset: its file does not name it; nil alone: nothing is mapped there
---@return integer offset in the function; without a name, in the file
---@return string module its file's path as the process sees it, or "[vdso]", "[anon]"
---@return string? file
---@return integer? line
function Symbolizer:user(pid, address) end

--- A mangled name as C++ or Rust write it; nil when it is none.
---@param name string
---@return string?
function binaries.demangle(name) end

---@return crumb.Dwarf?, string?, integer? ENODATA: the file has no debug information
function binaries.dwarf(path) end

---@param path string
---@param debug string? the folder of separate debug files, instead of /usr/lib/debug
---@return crumb.Elf?, string?, integer?
function binaries.elf(path, debug) end

---@return crumb.Symbolizer
function binaries.symbolizer() end

return binaries
