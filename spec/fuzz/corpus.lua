-- What the fuzzers begin with: `lua5.4 spec/fuzz/corpus.lua FOLDER` makes FOLDER/elf and others of this
-- machine's own files, and breaks some of them. Small ones, since a fuzzer tries thousands in a second.

local FOLDER <const> = assert(arg[1], "give the folder to write to")
local LARGEST <const>, MOST <const> = 48 << 10, 24
local CC <const>, FLAGS <const> = os.getenv "CC" or "cc", "-O1 -w -fPIC -nostdlib -Wl,-z,noseparate-code"

local function run(format, ...)
	local command <const> = format:format(...)
	assert(os.execute(command), command)
end

local function read(path)
	local file <close> = io.open(path, "rb")
	return file and file:read(LARGEST + 1)
end

local function write(kind, name, bytes)
	local file <close> = assert(io.open(("%s/%s/%s"):format(FOLDER, kind, name), "wb"))
	assert(file:write(bytes))
end

local function files(pattern)
	local list <const> = {}
	local pipe <close> = assert(io.popen(("ls -d %s 2>/dev/null"):format(pattern)))
	for path in pipe:lines() do list[#list + 1] = path end
	return list
end

local function folder(kind) run("mkdir -p '%s/%s'", FOLDER, kind) end

-- The text with the bytes from offset `at` on replaced.
local function patched(text, at, with)
	if at < 0 or at + #with > #text then return text end
	return text:sub(1, at) .. with .. text:sub(at + #with + 1)
end

local SHOFF <const>, SHNUM <const> = 40, 60
local EXTREMES <const> = { 0, 1, -1, math.maxinteger, 1 << 32 }

-- One field of each section's header to an extreme, and the file cut at some lengths.
local function break_elf(kind, name, bytes)
	local offset <const>, count <const> = ("<i8"):unpack(bytes, SHOFF + 1), ("<I2"):unpack(bytes, SHNUM + 1)
	for i = 0, count - 1 do
		local field <const>, value <const> = ({ 24, 32, 40, 56 })[i % 4 + 1], EXTREMES[i % #EXTREMES + 1]
		write(kind, ("%s.section%d"):format(name, i), patched(bytes, offset + 64 * i + field, ("<i8"):pack(value)))
	end
	for part = 1, 7 do write(kind, ("%s.cut%d"):format(name, part), bytes:sub(1, #bytes * part // 8)) end
end

local function elf()
	folder "elf"
	local small <const> = os.tmpname()
	for name, build in pairs {
		versions = "-shared -Wl,--version-script=spec/fixtures/elf_versions.map spec/fixtures/elf_versions.c",
		victim = "-shared spec/fixtures/elf_victim.c spec/fixtures/elf_twin.c -lc",
		names = "-shared spec/fixtures/elf_names.s",
		go = "-shared spec/fixtures/elf_names.s spec/fixtures/elf_go.s",
		stripped = "-s -shared spec/fixtures/elf_victim.c spec/fixtures/elf_twin.c -lc",
	} do
		run("%s %s -o %s %s", CC, FLAGS, small, build)
		local bytes <const> = read(small)
		write("elf", name, bytes)
		break_elf("elf", name, bytes)
	end
	os.remove(small)
	local taken = 0
	for _, path in ipairs(files "build/fixtures/* /usr/bin/* /usr/lib/*-linux-gnu/*.so*") do
		local bytes <const> = taken < MOST and read(path)
		if bytes and #bytes <= LARGEST and bytes:find "^\127ELF" then
			taken = taken + 1
			write("elf", ("own%d"):format(taken), bytes)
		end
	end
end

elf()

-- Go's table of functions of every version, for three functions, as an assembler's source.
local GO_TABLE <const> = [[
	.text
code:	.fill 16, 1, 0x90
second:	.fill 24, 1, 0x90
third:	.fill 8, 1, 0x90
stop:	ret
	.section .gopclntab, "aw"
table:	.long MAGIC
	.byte 0, 0, 1, 8
	.quad 3
HEADER
places:	.WORD code - BASE, one - RECORDS, second - BASE, two - RECORDS, third - BASE, three - RECORDS, stop - BASE
one:	.WORD code - BASE
	.long first_name - NAMES, 0, 0, 0, 0, 0, 0, 0, 0, 0
two:	.WORD second - BASE
	.long second_name - NAMES, 0, 0, 0, 0, 0, 0, 0, 0x04040404, 0x04040404
three:	.WORD third - BASE
	.long third_name - NAMES, 0, 0, 0, 0, 0, 0, 0, 0, 0
names:
first_name:	.string "main.main"
second_name:	.string "main.(*Server[...]).Serve.func1"
third_name:	.string "runtime.goexit"
]]

local FROM_1_18 <const> = ".quad 0, code, names - table, 0, 0, 0, places - table"
local GO_VERSIONS <const> = {
	{ MAGIC = "0xfffffffb", HEADER = "", WORD = "quad", BASE = "0", RECORDS = "table", NAMES = "table" },
	{
		MAGIC = "0xfffffffa", HEADER = ".quad 0, names - table, 0, 0, 0, places - table", WORD = "quad", BASE = "0",
		RECORDS = "places", NAMES = "names",
	},
	{ MAGIC = "0xfffffff0", HEADER = FROM_1_18, WORD = "long", BASE = "code", RECORDS = "places", NAMES = "names" },
	{ MAGIC = "0xfffffff1", HEADER = FROM_1_18, WORD = "long", BASE = "code", RECORDS = "places", NAMES = "names" },
}

local function gopclntab()
	folder "gopclntab"
	local source <const>, small <const> = os.tmpname(), os.tmpname()
	for version, words in ipairs(GO_VERSIONS) do
		local file <close> = assert(io.open(source, "w"))
		file:write((GO_TABLE:gsub("%u+", words)))
		file:close()
		for how, flags in pairs { fixed = "-static -no-pie", moved = "-shared" } do
			run("%s %s -Wl,--entry=0 %s -o %s -x assembler %s", CC, FLAGS, flags, small, source)
			local bytes <const> = read(small)
			write("gopclntab", ("%d.%s"):format(version, how), bytes)
			break_elf("gopclntab", ("%d.%s"):format(version, how), bytes)
		end
	end
	os.remove(source)
	os.remove(small)
end

-- A library's entry as ldconfig writes it; two to show how they share strings.
local function ld_cache()
	folder "ld_cache"
	local strings <const> = "libc.so.6\0/lib/libc.so.6\0libz.so.1\0/lib/libz.so.1\0"
	local base <const> = 48 + 2 * 24
	local entries <const> = ("<I4I4I4I4I8I4I4I4I4I8"):pack(0x303, base, base + 10, 0, 0, 0x303, base + 25, base + 35, 0, 0)
	write("ld_cache", "two", "glibc-ld.so.cache1.1" .. ("<I4I4I4I4I4I4I4"):pack(2, #strings, 2, 0, 0, 0, 0) .. entries .. strings)
end

-- Small programs with all their debug information.
local function dwarf()
	folder "dwarf"
	for _, path in ipairs(files "build/fixtures/dwarf_*") do
		local bytes <const> = read(path)
		write("dwarf", path:match "[^/]*$", bytes)
		break_elf("dwarf", path:match "[^/]*$", bytes)
	end
end

local function texts(kind, list)
	folder(kind)
	for i, text in ipairs(list) do write(kind, tostring(i), text) end
end

-- Names without their first letters, which the harness gives; a byte says which.
local function mangled()
	local list <const> = {}
	for line in io.lines "spec/fixtures/elf_mangled.s" do
		local kind <const>, name <const> = line:match '^\tfunction\t"?_([ZR])([^"]+)'
		if kind then list[#list + 1] = (kind == "Z" and "\0" or "\1") .. name end
	end
	texts("demangle", list)
end

dwarf()
mangled()
gopclntab()
ld_cache()
texts("instructions", {
	"\x55\x48\x89\xe5\x31\xc0\x5d\xc3", "\x49\x3b\x66\x10\x76\x20\x48\x83\xec\x18\xc2\x08\x00\xe9\x00\x10\x00\x00",
	"\xc0\x03\x5f\xd6\x90\x0b\x40\xf9\xff\x63\x30\xeb\x09\x00\x00\x54", "\xc5\xf8\x77\x62\xf1\x7c\x48\x10\x00\xf3\xc3\xcb\x48\xcb",
})
texts("glob", { "\4a*b?axxb1", "\10[a-c]*[!x]cxxxy", "\5*ab*caaabbc", "\3[]]]", "\6a*[*b[a[b" })
texts("kallsyms", {
	"ffffffff81000000 T _stext\nffffffff81000010 t f\nffffffff81000010 W g\nffffffff81000020 D d\nffffffff82000000 T _etext\n",
	"ffffffffc0000000 t f\t[m]\nffffffffc0000010 t g\t[m]\nffffffffc0000000 t f\t[n]\nf [m]\ng\n",
	"0000000000000000 T a\n0000000000000000 t b\t[m]",
})
texts("text", { "a\27[31mb\r\n\\x41", "\xc2\x9b\xe2\x80\xae\xf0\x9f\x98\x80\xff", '"\\' })
texts("usdt_arguments", {
	"-4@%edi 8@-8(%rbp) 4@$7", "8f@%xmm0 -1@%al 2@16(%rax,%rbx,8)", "8@global(%rip) 4@%r10d", "-8@x0 4@[sp, 12] 8@[x1, x2] 4@5",
})
