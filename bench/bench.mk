# What `make bench` measures with, made in build/bench/: three modules for Lua, a loader, their BPF objects.

BENCH := $(addprefix build/bench/,reader.so start.so attach.so loader caller reader.bpf.o events.bpf.o engine.bpf.o \
	loader.bpf.o attaching.bpf.o)

# Ahead of all other processes, where that is allowed.
bench: all $(BENCH) build/fixtures/victim build/fixtures/many
	LUA_PATH='build/lua/?.lua;build/lua/?/init.lua;;' LUA_CPATH='build/lib/?.so;;' \
		$$(chrt -f 1 true 2>/dev/null && echo chrt -f 1) $(LUA) bench/run.lua

build/bench/%.so: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -fPIC -shared $(CFLAGS) $(WARNINGS) $(LUA_CFLAGS) $(LIB_CFLAGS) -o $@ $< $(LIB_LIBS)

build/bench/loader build/bench/caller: build/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) $(WARNINGS) $(LIB_CFLAGS) -o $@ $< $(LIB_LIBS)

build/bench/%.bpf.o: bench/%.bpf.c $(wildcard bpf/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c -o $@ $<
