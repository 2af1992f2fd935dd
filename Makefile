# SPDX-License-Identifier: MIT
#
# One page, no recursion. Every NAME.c or folder NAME/ in apps/, tests/images/ and
# bench/images/ is an image:
#   build/NAME.elf        stripped: what kernel= in domain.cfg names
#   build/NAME.elf.debug  the same with symbols, for tools/symbolize and gdb
# All other folders are libraries: an image holds what its app needs of them.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# As many jobs as there are processors; make -jN says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

CC    := gcc
Q     := $(if $(filter 1,$(V)),,@)
say    = @printf '  %-7s %s\n'

TP_FLAGS := -std=gnu11 -Os -fno-pic -fno-pie -mno-avx -fno-stack-protector \
            -fcf-protection=none -ffunction-sections -fdata-sections \
            -fno-asynchronous-unwind-tables -g
include third_party/third_party.mk

# ---- What there is to build

IMAGE_DIRS := apps tests/images bench/images
APPS := $(sort $(basename $(notdir $(wildcard $(IMAGE_DIRS:%=%/*.c)))) \
               $(notdir $(patsubst %/,%,$(wildcard $(IMAGE_DIRS:%=%/*/)))))
IMAGES := $(APPS:%=build/%.elf)

# ARCHITECTURE.md has these as layers, and what each is for.
PARTS   := xen xen/pv kernel xen/bus console netfront blkfront libc disk net \
            fs database posix http
LIB_SRC := $(wildcard $(PARTS:%=%/*.c))
PART_LIB := $(PARTS:%=build/%.a)
# Where an image begins, and what it is made of: the root of all that is linked.
ROOT     := build/obj/xen/pv/boot.o build/obj/init/main.o

# ---- How

WARN   := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
          -Wshadow -Wvla
# Expanded late: before set-up there is no compiler to ask.
CFLAGS  = $(TP_FLAGS) $(WARN) -I. -Ilibc/include $(TP_CFLAGS_NEWLIB) \
          $(TP_INC_XEN)
# Hypercalls push on the stack behind the compiler's back.
HYPERCALLS := $(shell grep -l '"xen/pv/hypercall\.h"' xen/pv/*.c)
$(HYPERCALLS:%.c=build/obj/%.o): CFLAGS += -mno-red-zone
$(patsubst %,build/obj/%/%.o,net posix http $(IMAGE_DIRS)): CFLAGS += $(TP_INC_LWIP)
# What every packet or sector passes is compiled for speed: an echo takes a sixth
# less CPU, a read of a page two thirds less.
HOT := blkfront/blkfront kernel/loop net/checksum net/memory net/vif \
       netfront/netfront xen/evtchn xen/bus/gnttab xen/bus/ring
$(HOT:%=build/obj/%.o): CFLAGS += -O2
build/obj/fs/%.o: CFLAGS += $(TP_INC_EROFS) $(TP_INC_LFS)
build/obj/fs/erofs.o: $(TP_STAMP_SRC_EROFS)
build/obj/fs/littlefs.o: $(TP_STAMP_SRC_LFS)
SQLITE_USERS := $(patsubst %.c,build/obj/%.o,$(wildcard database/sqlite*.c \
    apps/sqlite/*.c bench/images/speedtest1/*.c))
$(SQLITE_USERS): CFLAGS += $(TP_INC_SQLITE)
$(SQLITE_USERS): $(TP_STAMP_SQLITE)
build/obj/http/%.o: CFLAGS += $(TP_INC_PICO)

LDFLAGS := -nostdlib -static -n -Wl,--gc-sections,--build-id=none \
           -Wl,-z,noexecstack,--no-warn-rwx-segments -Wl,-T,build/obj/image.ld
# Lua comes first: of what it asks for some is ours as well as newlib's.
LIBS    := $(TP_LIB_LUA) $(PART_LIB) $(TP_LIB_LWIP) $(TP_LIB_EROFS) \
           $(TP_LIB_LFS) $(TP_LIB_SQLITE) $(TP_OBJ_PICO) $(TP_LIB_MUSL) \
           $(TP_LIB_GLOB) $(TP_LIB_C) $(TP_LIB_M)

.PHONY: all
all: $(IMAGES) ## build every image (the default)

build/obj/%.o: %.c $(TP_STAMP_NEWLIB) $(TP_STAMP_XEN) $(TP_STAMP_SRC_LWIP) \
               $(TP_STAMP_PICO)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

build/obj/%.o: %.S $(TP_STAMP_XEN)
	$(say) AS $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

build/obj/image.ld: xen/pv/image.ld xen/pv/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -I. $< -o $@

define library
build/$(1).a: $$(patsubst %.c,build/obj/%.o,$$(wildcard $(1)/*.c))
	$$(say) AR $$@
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach part,$(PARTS),$(eval $(call library,$(part))))

# ---- Images

build/obj/names/%.o: Makefile
	@mkdir -p $(@D)
	$(Q)echo 'const char app_name[] = "$*";' | $(CC) $(TP_FLAGS) -x c -c -o $@ -

# $(1): the app; its objects are those of its file or of its folder.
define image
APP_SRC_$(1) := $$(wildcard $(IMAGE_DIRS:%=%/$(1).c) $(IMAGE_DIRS:%=%/$(1)/*.c))
APP_OBJ_$(1) := $$(APP_SRC_$(1):%.c=build/obj/%.o) build/obj/names/$(1).o

build/$(1).elf.debug: $$(ROOT) $$(APP_OBJ_$(1)) $$(LIBS) \
    build/obj/image.ld tools/link
	$$(say) LINK build/$(1).elf
	$$(Q)tools/link $$@ $$(CC) $$(LDFLAGS) -Wl,-Map=build/$(1).map \
	    $$(ROOT) $$(APP_OBJ_$(1)) \
	    -Wl,--start-group $$(LIBS) -lgcc -Wl,--end-group
endef
$(foreach app,$(APPS),$(eval $(call image,$(app))))

build/%.elf: build/%.elf.debug
	$(Q)objcopy --strip-all --remove-section=.comment $< $@

# For the build machine and for dom0.
build/host/littlefs: tools/littlefs.c build/host/tools/lfs2.o \
                     build/host/tools/lfs2_util.o
	$(say) HOSTCC $@
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) $(TP_INC_LFS) -static \
	    $^ -o $@

build/host/tools/%.o: $(TP_STAMP_SRC_LFS)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g -w $(TP_INC_LFS) \
	    -c $(TP_SRC)/littlefs/$*.c -o $@

-include $(wildcard $(IMAGE_DIRS:%=%/*/app.mk))
include tools/sdk/sdk.mk
include tests/foreign/foreign.mk
-include tests/tests.mk
-include $(shell find build/obj -name '*.d' 2>/dev/null)

# ---- Everything else

APP  ?= http
PORT ?= 8080

.PHONY: setup run test soak bench-boot bench-disk size lint help clean \
    compile_commands.json
setup: ## install what is missing and fetch third-party sources
	@tools/setup

run: ## serve APP=http on http://localhost:PORT=8080/ from a guest on real Xen
	@tools/setup
	@$(MAKE) --no-print-directory build/$(APP).elf
	@tools/run --app $(APP) --port $(PORT)

test: ## every test: on the fake Xen here, and on a real Xen in a box
	@tools/setup
	@$(MAKE) --no-print-directory all foreign-sources
	@tests/run-all

soak: $(IMAGES) ## the guest tests that take long: many kills, many connections
	@tests/guest/run --soak

bench-boot: $(IMAGES) ## CPU time to a guest's first line, and least memory
	@bench/boot

bench-disk: build/diskbench.elf ## a disk's rates and CPU time, beside Linux's
	@bench/disk

size: $(IMAGES) ## bytes of every image, and of its parts
	@tools/size $(IMAGES)

lint: $(PART_LIB) ## layering, style and formatting rules
	@tools/lint

# What make would do if nothing were built is what editors ask for.
compile_commands.json: ## every source's compiler flags, for clangd and the like
	@$(MAKE) --no-print-directory -nB V=1 all build/host/littlefs unit-programs | \
	    tools/compile-commands >$@

help: ## this list
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' \
	    $(MAKEFILE_LIST)

clean: ## remove what was built (third-party sources and the box stay)
	rm -rf build/obj build/host build/fuzz build/*.elf build/*.debug \
	    build/*.map $(PART_LIB) build/coverage compile_commands.json \
	    build/sdk build/foreign build/deb
