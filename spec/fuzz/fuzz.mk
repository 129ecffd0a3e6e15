# What `make fuzz` runs: each harness of spec/fuzz with the whole of csrc/, all with sanitizers, in build/fuzz/.
#
#	make fuzz                         about a minute in all
#	make fuzz FUZZ_SECONDS=600        longer; FUZZ='elf_symbols glob': only these

FUZZ_SECONDS ?= 5
# Those that read whole ELF files; others; and the readers in Lua.
FUZZ_ELF := dwarf elf_symbols gopclntab usdt_note
FUZZ_C := $(FUZZ_ELF) demangle glob kallsyms
FUZZ_LUA := instructions ld_cache text usdt_arguments
FUZZ ?= $(FUZZ_C) $(FUZZ_LUA)

FUZZ_FLAGS := -std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer $(LUA_CFLAGS) $(LIB_CFLAGS) -Ibuild
FUZZ_LIBS := $(LIB_LIBS) $(BINARIES_LIBS) $(CAPSTONE_LIBS) $(or $(call flags_of,--libs,lua5.4 lua-5.4 lua54 lua),-llua5.4)
FUZZ_OBJECTS := $(patsubst csrc/%.c,build/fuzz/csrc/%.o,$(wildcard csrc/*.c))
FUZZ_LINK = $(CLANG) $(FUZZ_FLAGS) $(WARNINGS) -fsanitize=fuzzer -o $@ $(filter %.c %.a,$^) $(FUZZ_LIBS)

.PHONY: fuzz
fuzz: deps
	$(MAKE) -s all fixtures $(FUZZ:%=build/fuzz/%)
	FUZZ_SECONDS=$(FUZZ_SECONDS) spec/fuzz/run $(FUZZ)

build/fuzz/csrc/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

build/fuzz/csrc/engine.o: build/engine.bpf.o build/engine_few.bpf.o
build/fuzz/csrc/modules.o: build/modules
build/fuzz/csrc/syscall.o: build/syscall_names.h

build/fuzz/crumb.a: $(FUZZ_OBJECTS)
	@rm -f $@
	$(AR) rc $@ $^

$(FUZZ_ELF:%=build/fuzz/%): spec/fuzz/elf_mutator.c

$(FUZZ_C:%=build/fuzz/%): build/fuzz/%: spec/fuzz/%.c spec/fuzz/fuzz.c spec/fuzz/fuzz.h build/fuzz/crumb.a
	$(FUZZ_LINK)

$(FUZZ_LUA:%=build/fuzz/%): build/fuzz/%: spec/fuzz/lua.c spec/fuzz/fuzz.h build/fuzz/crumb.a
	$(FUZZ_LINK) -DSCRIPT='"spec/fuzz/$*.lua"'

-include $(FUZZ_OBJECTS:.o=.d)
