# crumb: builds the module, its examples' BPF objects and the fixtures of its specs, all in build/.
#
#   make            the module and build/crumb, the command on this tree
#   make deps       what building and testing need (apt; elsewhere it is listed)
#   make demo       cookies at work on this machine's libc
#   make test       every spec, here and in virtual machines      (SPEC=file ... for some)
#   make test-vm    the specs in one virtual machine              (KERNEL=6.1|6.12|newest SPEC=...)
#   make check      formats, linters, docs coverage, unit specs: no root
#   make fuzz       hostile files for the readers: a minute (FUZZ_SECONDS=5 FUZZ='elf_symbols ...')
#   make bench      ratios against plain C, and other tracers
#   make install    DESTDIR, PREFIX;   make clean

PREFIX ?= /usr/local
LUADIR ?= $(PREFIX)/share/lua/5.4
LIBDIR ?= $(PREFIX)/lib/lua/5.4
BINDIR ?= $(PREFIX)/bin
# Where they lie, seen from the command, so that all can be moved.
LUA_FROM_BIN ?= $(shell realpath -m --relative-to='$(BINDIR)' '$(LUADIR)')
LIB_FROM_BIN ?= $(shell realpath -m --relative-to='$(BINDIR)' '$(LIBDIR)')

LUA ?= lua5.4
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)

# The first of these names that pkg-config knows.
flags_of = $(shell for name in $(2); do $(PKG_CONFIG) $(1) $$name 2>/dev/null && break; done)
ifndef LUA_CFLAGS
LUA_CFLAGS := $(call flags_of,--cflags,lua5.4 lua-5.4 lua54 lua)
endif
LIB_CFLAGS := $(foreach name,libbpf libelf libdw liblzma capstone,$(call flags_of,--cflags,$(name)))
LIB_LIBS := $(or $(call flags_of,--libs,libbpf),-lbpf) $(or $(call flags_of,--libs,libelf),-lelf)
BINARIES_LIBS := $(or $(call flags_of,--libs,libdw),-ldw) $(or $(call flags_of,--libs,liblzma),-llzma) -liberty
CAPSTONE_LIBS := $(or $(call flags_of,--libs,capstone),-lcapstone)
# Without readline the prompt has plain input.  READLINE_LIBS= leaves it out.
READLINE_LIBS ?= $(call flags_of,--libs,readline)

ARCH := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(ARCH)))
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -Wall -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null) -Ibpf

SCRIPTS := $(patsubst %,build/%,$(shell find lua -name '*.lua'))
MODULES := $(filter-out build/lua/crumb/meta/%,$(SCRIPTS))
# What two modules need is in both.
BINARIES_OBJECTS := $(patsubst csrc/%.c,build/csrc/%.o,$(wildcard csrc/binaries.c csrc/demangle*.c csrc/dwarf*.c csrc/elf*.c) \
	$(addprefix csrc/,gopclntab.c image.c process.c symbols.c usdt_note.c watch.c))
SHARED_OBJECTS := $(addprefix build/csrc/,clock.o file.o glob.o handle.o log.o)
OBJECTS := $(filter-out $(BINARIES_OBJECTS) build/csrc/instructions.o build/csrc/line.o,$(patsubst csrc/%.c,build/csrc/%.o,$(wildcard csrc/*.c)))
MODULE := build/lib/crumb/core.so
BINARIES := build/lib/crumb/binaries.so
DECODER := build/lib/crumb/instructions.so
LINE := $(if $(strip $(READLINE_LIBS)),build/lib/crumb/line.so)
EXAMPLES := $(patsubst examples/%.bpf.c,build/examples/%.bpf.o,$(wildcard examples/*.bpf.c))

.PHONY: all module examples fixtures deps demo test test-vm check bench install clean
.DELETE_ON_ERROR:

all: module build/crumb examples

module: $(MODULE) $(BINARIES) $(DECODER) $(LINE) $(SCRIPTS)

build/lua/%.lua: lua/%.lua scripts/bytecode.lua
	@mkdir -p $(@D)
	$(LUA) scripts/bytecode.lua $< $@

# For editors, which read it as source.
build/lua/crumb/meta/%.lua: lua/crumb/meta/%.lua
	install -D -m 644 $< $@

# The module carries the engine, twice.  Its BTF stays; what only debuggers read goes.
build/engine_few.bpf.o: BPF_CFLAGS += -DFEW
build/engine.bpf.o build/engine_few.bpf.o: bpf/engine.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c -o $@ $<
	$(LLVM_STRIP) -g $@

build/csrc/engine.o: build/engine.bpf.o build/engine_few.bpf.o

# What system calls there are is told by the C headers' macros.
build/syscall_names.h: build/flags
	echo '#include <sys/syscall.h>' | $(CC) -E -dM - | sed -nE 's/^#define __NR_([a-z]\w*) .*/[__NR_\1] = "\1",/p' | \
		grep -vE '"(syscalls|arch_specific_syscall)"' >$@

build/csrc/syscall.o: build/syscall_names.h

# The module carries the Lua too, for the command.
build/modules: scripts/modules.lua $(MODULES)
	$(LUA) scripts/modules.lua build/lua $@ $(MODULES)

build/csrc/modules.o: build/modules

$(MODULE): $(OBJECTS) build/flags
	@mkdir -p $(@D)
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $(OBJECTS) $(LIB_LIBS)

# Apart, since their libraries are large and not always wanted.
$(BINARIES): $(BINARIES_OBJECTS) $(SHARED_OBJECTS) build/flags
	@mkdir -p $(@D)
	$(CC) -shared $(SANITIZE) -Wl,--exclude-libs,libiberty.a $(LDFLAGS) -o $@ $(BINARIES_OBJECTS) $(SHARED_OBJECTS) \
		$(LIB_LIBS) $(BINARIES_LIBS)

$(DECODER): build/csrc/instructions.o build/flags
	@mkdir -p $(@D)
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $< $(CAPSTONE_LIBS)

build/lib/crumb/line.so: build/csrc/line.o build/flags
	@mkdir -p $(@D)
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $< $(READLINE_LIBS)

build/csrc/%.o: csrc/%.c build/flags
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -fPIC -fvisibility=hidden $(CFLAGS) $(WARNINGS) $(HOT) $(SANITIZE) \
		$(LUA_CFLAGS) $(LIB_CFLAGS) -Ibuild -MMD -MP -c -o $@ $<

# A record costs a few calls of Lua's for each value: here they go without the PLT's detour.
build/csrc/reader.o build/csrc/codec_push.o build/csrc/event.o: HOT := -fno-plt

-include $(OBJECTS:.o=.d) $(BINARIES_OBJECTS:.o=.d) build/csrc/instructions.d build/csrc/line.d

# What was made with other flags (SAN=…), or of other sources, is made again.
FLAGS := $(CC) $(CFLAGS) $(WARNINGS) $(SANITIZE) $(LUA_CFLAGS) $(LIB_CFLAGS) $(LDFLAGS) $(LIB_LIBS) $(BINARIES_LIBS) $(CAPSTONE_LIBS) $(READLINE_LIBS) \
	$(OBJECTS) $(BINARIES_OBJECTS)
build/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
FORCE:

# The interpreter has its whole name: PATH does not decide either.  The command is told where it lies: there it is no link.
command = sed '1s|^.*|\#!$(shell command -v $(LUA)) -E|; s|PLACE <const> = ""|PLACE <const> = "$(1)"|$(2)' bin/crumb

build/crumb: bin/crumb
	@mkdir -p $(@D)
	$(call command,$(CURDIR)/$@,; s|"\.\./share/lua/5\.4"|"lua"|; s|"\.\./lib/lua/5\.4"|"lib"|) >$@
	chmod 755 $@

examples: $(EXAMPLES)

build/examples/%.bpf.o: examples/%.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

include spec/fixtures/fixtures.mk
include bench/bench.mk
include spec/fuzz/fuzz.mk

deps:
	scripts/deps

demo: deps
	$(MAKE) -s all
	build/crumb examples/demo.lua

test: deps
	$(MAKE) -s all fixtures
	spec/run $(SPEC)

test-vm: deps
	$(MAKE) -s all fixtures
	spec/vm/run $(or $(KERNEL),6.12) $(SPEC)

check: all fixtures
	scripts/check

install: module
	set -e; for file in $(SCRIPTS:build/lua/%=%); do \
		install -D -m 644 build/lua/$$file "$(DESTDIR)$(LUADIR)/$$file"; done
	install -D -m 755 $(MODULE) "$(DESTDIR)$(LIBDIR)/crumb/core.so"
	install -D -m 755 $(BINARIES) "$(DESTDIR)$(LIBDIR)/crumb/binaries.so"
	install -D -m 755 $(DECODER) "$(DESTDIR)$(LIBDIR)/crumb/instructions.so"
	$(if $(LINE),install -D -m 755 $(LINE) "$(DESTDIR)$(LIBDIR)/crumb/line.so")
	install -d "$(DESTDIR)$(BINDIR)"
	$(call command,$(BINDIR)/crumb,; s|"\.\./share/lua/5\.4"|"$(LUA_FROM_BIN)"|; s|"\.\./lib/lua/5\.4"|"$(LIB_FROM_BIN)"|) \
		>"$(DESTDIR)$(BINDIR)/crumb"
	chmod 755 "$(DESTDIR)$(BINDIR)/crumb"

clean:
	rm -rf build
