# cronward.  `make demo` shows it, `make check` proves it; README.md has the rest.
# SAN=address,undefined builds beside the release build, not over it.
comma := ,
B     := build/$(or $(subst $(comma),-,$(SAN)),release)
PKGS  := libpq libcurl libcrypto jansson
SRCS  := $(sort $(wildcard src/*.c src/*/*.c))
OBJS  := $(SRCS:%.c=$B/%.o)
# Everything but main() is what tests, fuzzers and benchmarks link against.
LIBOBJS := $(filter-out $B/src/main.o,$(OBJS))
SQL   := $(sort $(wildcard sql/*.sql))
MIGRATIONS := $(sort $(wildcard sql/migrations/*.sql))
VERSION := 0.1.0

WARN  := -std=gnu17 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
         -Wformat=2 -Wpointer-arith -Wwrite-strings -Wundef -Werror
# Control-flow integrity is the processor's.  The linker drops its mark for the sake of the C
# library's start-up objects, which have none in Debian 12, unless it is told.
ifneq (,$(filter x86_64-% i%86-%,$(shell $(CC) -dumpmachine)))
CF_CC   := -fcf-protection
CF_LD   := -Wl,-z,ibt,-z,shstk
endif

ifdef SAN
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) $(SANFLAGS)
else
CFLAGS  ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
           $(CF_CC) -fPIE
LDFLAGS += -pie -Wl,-z,relro,-z,now $(CF_LD)
endif
CPPFLAGS += -D_GNU_SOURCE -DCRONWARD_VERSION='"$(VERSION)"' -Iinclude -I$B \
            $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDLIBS   += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lfcgi

.PHONY: all clean
all: $B/cronward

$B/cronward: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/%.o: %.c Makefile | $B/sql_list.h $B/migration_list.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(WARN) $(CFLAGS) -MMD -MP -c -o $@ $<

# One generated list each: what the program knows of SQL cannot drift from sql/.
$B/sql_list.h: sql/embed.awk $(SQL)
	@mkdir -p $(@D)
	awk -f $^ > $@.tmp && mv $@.tmp $@

$B/migration_list.h: sql/embed_migrations.awk $(MIGRATIONS)
	@mkdir -p $(@D)
	awk -f $^ > $@.tmp && mv $@.tmp $@

# The roots that tests/chroot makes belong to root.
clean:
	rm -rf build 2>/dev/null || sudo -n rm -rf build

-include $(OBJS:.o=.d)
include tests/tests.mk
include deploy/deploy.mk
