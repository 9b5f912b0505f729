# What `make check` and its parts are made of.  Each part can be had alone: make unit, make lint,
# make integration FILES=tests/integration/webhook_retry.test.mjs, make fault, make chroot, make fuzz-replay.

UNITS   := $(patsubst tests/unit/%.c,$B/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,$B/tests/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FAULTERS := $(patsubst tests/fault/%.c,$B/tests/fault/%,$(sort $(wildcard tests/fault/*.c)))
TIDY    := $(OBJS:%.o=%.tidy)
SAN_ALL := address,undefined
SAN_B   := build/address-undefined
# Seconds that `make fuzz` gives each target.
FUZZ_S  ?= 60

.PHONY: check faults bench unit unit-programs fuzz fuzz-programs fuzz-replay fuzzers plugins lint tidy print-flags integration fault fault-programs poison test-packages

check: test-packages
	+node tests/check.mjs

# The long runs at full size, then a table of what they saw.
faults: test-packages all poison fault-programs
	+$(MAKE) SAN=$(SAN_ALL)
	FAULTS=1 node tests/run.mjs fault

bench: all
	tests/bench/run

test-packages: tests/node_modules/.installed

# npm ci is the only step that needs the registry, and only when the list has changed.
tests/node_modules/.installed: tests/package-lock.json deploy/packages
	deploy/install-packages build run deb test
	npm ci --prefix tests --no-audit --no-fund
	@touch $@

# The program that aborts on a marked row; these objects are its own.
POISONED := src/workers/webhook_retry src/workers/mail_compose

poison: build/poison/cronward

build/poison/cronward: $(filter-out $(POISONED:%=$B/%.o),$(OBJS)) $(POISONED:%=build/poison/%.o)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

build/poison/%.o: %.c Makefile | $B/sql_list.h $B/migration_list.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DCRONWARD_TEST_POISON $(WARN) $(CFLAGS) -MMD -MP -c -o $@ $<

integration: test-packages all plugins fault-programs
	node tests/run.mjs integration $(FILES)

fault: test-packages all poison fault-programs
	+$(MAKE) SAN=$(SAN_ALL)
	node tests/run.mjs fault $(FILES)

# The Debian package and the containers, in bare Debian roots: needs root, or sudo without a password.
chroot: test-packages
	node tests/run.mjs chroot $(FILES)

# Unit tests: one program per file, each linked with what it needs of everything but main().
unit: test-packages all
	+$(MAKE) SAN=$(SAN_ALL) unit-programs
	node tests/unit.mjs $(SAN_B)/tests/unit

unit-programs: $(UNITS) plugins

# An archive, so that each test is linked with what it needs and not with everything: a link of all
# took 2 s, and there are a hundred.  A thin one: it holds the objects' names alone.
LIB := $B/libcronward.a

$(LIB): $(LIBOBJS)
	@rm -f $@
	ar rcsT $@ $^

# Plug-ins that do what they should not, and those of the example.
PLUGINS := $(patsubst tests/plugins/%,build/plugins/%.so,$(basename $(wildcard tests/plugins/*.c*)))

plugins: $(PLUGINS)
	+$(MAKE) --directory=deploy/examples/processor -s OUT=$(CURDIR)/build/plugins

build/plugins/%.so: tests/plugins/%.c include/cronward/processor.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -Wall -Wextra -Werror -Iinclude -O1 -g -fPIC -shared -o $@ $<

build/plugins/%.so: tests/plugins/%.cc include/cronward/processor.h
	@mkdir -p $(@D)
	$(CXX) -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iinclude -O1 -g -fPIC -shared -o $@ $<

$B/tests/unit/%: $B/tests/unit/%.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# What tests of `fault` and `integration` do in C.
fault-programs: $(FAULTERS)

$B/tests/fault/%: $B/tests/fault/%.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Fuzz targets: the same objects, compiled by clang with coverage, in a folder of their own.
FUZZ_MAKE := $(MAKE) CC=clang B=build/fuzz SAN=fuzzer-no-link,$(SAN_ALL)

# Lint's clang build as well: what it asks about names, and what clang-tidy follows.
fuzz-programs:
	+$(FUZZ_MAKE) all fuzzers

fuzz: fuzz-programs
	tests/fuzz-run $(FUZZ_S)

fuzz-replay: fuzz-programs
	tests/fuzz-run 0

fuzzers: $(FUZZERS)

$B/tests/fuzz/%: $B/tests/fuzz/%.o $(LIB)
	$(CC) -O1 -g -fsanitize=fuzzer,$(SAN_ALL) -o $@ $^ $(LDLIBS)

# Its files seem old; fresh ones would be waited for.
$B/tests/fuzz/fuzz_conf: LDLIBS += -Wl,--wrap=fstat

# What machines can see without running anything.  clang-tidy looks at a file again only when it
# or a header of it has changed: it follows clang's object.
lint: test-packages
	node tests/lint.mjs

# The analyzer's own measure of how far it follows the ways through a function in its shallow mode: the
# default is three times as far, and takes twice the time of all other checks of this folder.
TIDY_DEPTH := $(foreach word,-analyzer-config max-nodes=75000,--extra-arg=-Xclang --extra-arg=$(word))
tidy: $(TIDY)

# For tests/lint.mjs, a line each.
print-flags:
	@printf '%s\n' "$(subst ",,$(CPPFLAGS))" "$(WARN)"

$B/%.tidy: $B/%.o .clang-tidy
	clang-tidy --quiet $(TIDY_DEPTH) $*.c -- $(CPPFLAGS) $(WARN) 2>/dev/null
	@touch $@

.PRECIOUS: $B/tests/unit/%.o $B/tests/fuzz/%.o $B/tests/fault/%.o
-include $(UNITS:=.d) $(FUZZERS:=.d) $(FAULTERS:=.d) $(POISONED:%=build/poison/%.d)
