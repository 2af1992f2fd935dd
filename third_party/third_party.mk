# SPDX-License-Identifier: MIT
#
# How third-party sources are fetched and built; the Makefile includes this.
#
# Guest: $(TP_LIB_C) $(TP_LIB_M) $(TP_LIB_LWIP) $(TP_LIB_EROFS) $(TP_LIB_LFS)
# $(TP_LIB_SQLITE) $(TP_LIB_LUA) $(TP_OBJ_LUA) $(TP_OBJ_PICO), and the include
# flags TP_CFLAGS_NEWLIB, TP_INC_XEN, TP_INC_LWIP, TP_INC_EROFS, TP_INC_LFS,
# TP_INC_SQLITE, TP_INC_LUA, TP_INC_PICO.
# What includes their headers depends on the stamps: TP_STAMP_NEWLIB and the like.
# Host (unit tests, ASan and UBSan): TP_HOST_LIB_LWIP, TP_HOST_LIB_EROFS,
# TP_HOST_LIB_LFS, TP_HOST_LIB_SQLITE, TP_HOST_OBJ_PICO; the same for fuzzers, by
# clang: TP_FUZZ_LIB_LWIP, ...
#
# Set before the include, if need be: TP_FLAGS (the guest's code generation),
# TP_LWIP_PORT (the folder of lwipopts.h and arch/cc.h), TP_EROFS_PORT (that of
# config.h and erofs/print.h), TP_SQLITE_PORT (that of sqlite_options.h),
# TP_LUA_PORT (that of lua_options.h).

TP     := build/third_party
TP_SRC := $(TP)/src

TP_LWIP_PORT ?= net
TP_EROFS_PORT ?= fs/erofs
TP_SQLITE_PORT ?= database/sqlite
TP_LUA_PORT ?= apps/lua
TP_FLAGS     ?= -std=gnu11 -Os -fno-pic -fno-pie -fno-stack-protector \
                -fcf-protection=none -ffunction-sections -fdata-sections \
                -fno-asynchronous-unwind-tables -mno-avx -g
TP_HOST_FLAGS ?= -std=gnu11 -O1 -g -fno-omit-frame-pointer \
                 -fsanitize=address,undefined -fno-sanitize=alignment \
                 -fno-sanitize-recover=all
TP_HOST_CC   ?= gcc
TP_FUZZ_CC   ?= clang

# One line for what is made, or with V=1 the commands themselves.
TP_Q   = $(if $(filter 1,$(V)),,@)
TP_SAY = @printf '  %-7s %s\n'

# Nothing that is built holds the name of the folder that it was built in.
TP_MAP := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(TP_SRC)/=

# --- sources ----------------------------------------------------------------

TP_STAMP_SRC_NEWLIB := $(TP_SRC)/newlib.stamp
TP_STAMP_SRC_LWIP   := $(TP_SRC)/lwip.stamp
TP_STAMP_SRC_EROFS  := $(TP_SRC)/erofs.stamp
TP_STAMP_SRC_LFS    := $(TP_SRC)/littlefs.stamp
TP_STAMP_SRC_LZ4    := $(TP_SRC)/lz4.stamp
TP_STAMP_SRC_SQLITE := $(TP_SRC)/sqlite.stamp
TP_STAMP_SRC_LUA    := $(TP_SRC)/lua.stamp
TP_STAMP_LUATESTS   := $(TP_SRC)/luatests.stamp
TP_STAMP_PICO       := $(TP_SRC)/picohttpparser.stamp
TP_STAMP_XEN        := $(TP_SRC)/xen.stamp

# fetch leaves a stamp alone that is still true, so that an edit of one line in
# the manifest makes nothing else anew.
$(TP_SRC)/%.stamp: third_party/manifest third_party/fetch
	@third_party/fetch $*

$(TP_STAMP_SRC_NEWLIB): $(wildcard third_party/patches/newlib/*.patch)
$(TP_STAMP_SRC_LWIP):   $(wildcard third_party/patches/lwip/*.patch)
$(TP_STAMP_SRC_EROFS):  $(wildcard third_party/patches/erofs/*.patch)
$(TP_STAMP_SRC_LFS):    $(wildcard third_party/patches/littlefs/*.patch)
$(TP_STAMP_SRC_SQLITE): $(wildcard third_party/patches/sqlite/*.patch)
$(TP_STAMP_XEN):        third_party/xen.sha256

TP_INC_XEN  := -isystem $(TP_SRC)/xen/include
TP_INC_LWIP := -isystem $(TP_SRC)/lwip/src/include -I$(TP_LWIP_PORT)
TP_INC_PICO := -isystem $(TP_SRC)/picohttpparser
# It logs nothing: what went wrong is its caller's to say.
TP_INC_LFS := -isystem $(TP_SRC)/littlefs \
              -DLFS2_NO_DEBUG -DLFS2_NO_WARN -DLFS2_NO_ERROR
# Headers of ours stand in for some of liberofs', so they come first.
TP_INC_EROFS := -I$(TP_EROFS_PORT) -isystem $(TP_SRC)/erofs/include

# SQLite is compiled from one file, which is made of its sources.
TP_SQLITE       := $(TP)/sqlite
TP_STAMP_SQLITE := $(TP)/sqlite.stamp
TP_INC_SQLITE   := -isystem $(TP_SQLITE)

$(TP_STAMP_SQLITE): $(TP_STAMP_SRC_SQLITE) third_party/build-sqlite
	$(TP_SAY) SQLITE $(TP_SQLITE)
	$(TP_Q)third_party/build-sqlite $(TP_SRC)/sqlite $(TP_SQLITE)
	@touch $@

# --- newlib -----------------------------------------------------------------

TP_LIB_C        := $(TP)/newlib/libc.a
TP_LIB_M        := $(TP)/newlib/libm.a
TP_STAMP_NEWLIB := $(TP)/newlib.stamp

# gcc's own headers come first, as in every gcc: they include newlib's. It is
# asked where they are when first needed: a new machine has no gcc yet.
TP_GCC_INCLUDE = $(eval TP_GCC_INCLUDE := \
    $(shell $(CC) -print-file-name=include))$(TP_GCC_INCLUDE)
TP_CFLAGS_NEWLIB = -nostdinc -isystem $(TP_GCC_INCLUDE) \
                   -isystem $(TP)/newlib/include

$(TP_STAMP_NEWLIB): $(TP_STAMP_SRC_NEWLIB) third_party/build-newlib \
                    $(TP)/guest.flags
	$(TP_SAY) NEWLIB $(TP)/newlib
	$(TP_Q)CC='$(CC)' third_party/build-newlib $(TP_SRC)/newlib $(TP)/newlib \
	    $(TP_FLAGS)
	@touch $@

$(TP_LIB_C) $(TP_LIB_M): $(TP_STAMP_NEWLIB) ;

# What our patches changed in newlib, checked on this machine.
.PHONY: check-newlib
check-newlib: $(TP)/check-newlib
	$(TP_SAY) CHECK $<
	$(TP_Q)$<

$(TP)/check-newlib: third_party/check-newlib.c $(TP_STAMP_NEWLIB)
	$(TP_Q)$(CC) $(TP_FLAGS) $(TP_CFLAGS_NEWLIB) -Wall -Wextra -fno-builtin \
	    -static -nostdlib -Wl,-z,noexecstack $< $(TP_LIB_C) -o $@

# The flags in a file that changes only when they do.
.PHONY: tp-always
$(TP)/guest.flags: tp-always
	@mkdir -p $(@D)
	@echo '$(CC) $(TP_FLAGS)' | cmp -s - $@ || echo '$(CC) $(TP_FLAGS)' >$@

# --- lwIP, picohttpparser, liberofs, lz4, littlefs and SQLite ---------------

# Addresses of both families, TCP, UDP and what configures them, on ethernet.
# Without timeouts: net/timeouts.c is in its place.
TP_LWIP_C := \
  $(addprefix core/, altcp altcp_alloc altcp_tcp def dns inet_chksum init ip \
    mem memp netif pbuf raw stats sys tcp tcp_in tcp_out udp) \
  $(addprefix core/ipv4/, acd autoip dhcp etharp icmp igmp ip4 ip4_addr \
    ip4_frag) \
  $(addprefix core/ipv6/, dhcp6 ethip6 icmp6 inet6 ip6 ip6_addr ip6_frag mld6 \
    nd6) \
  netif/ethernet

# The part of liberofs that reads, and lz4 for it. The defines are Debian's and
# configure's; DBG_BUGON is off, an error follows each.
TP_EROFS_C     := data decompress dir namei super zmap
TP_EROFS_FLAGS := -DNDEBUG -DHAVE_CONFIG_H -I. -w $(TP_INC_EROFS) \
                  -isystem $(TP_SRC)/lz4

# What our build of SQLite can do is in sqlite_options.h. gcc takes a choice
# between two arrays for one of them, and UBSan complains of its size.
TP_SQLITE_FLAGS := -DSQLITE_CUSTOM_INCLUDE=sqlite_options.h -w \
                   -fno-sanitize=object-size -I$(TP_SQLITE_PORT)

# What every packet passes is compiled for speed.
TP_LWIP_HOT := $(addprefix core/, ipv4/etharp ipv4/ip4 ipv6/ethip6 ipv6/ip6 \
    mem memp pbuf tcp tcp_in tcp_out udp) netif/ethernet
$(TP_LWIP_HOT:%=$(TP)/lwip/%.o): TP_SPEED := -O2

# The libraries in folder $(1), made by the commands $(2) with the flags $(3)
# once $(4) is there; $(1)/lwip/ and the like have their objects.
define tp_libraries
$(1)/lwip.a: $$(TP_LWIP_C:%=$(1)/lwip/%.o)
	$$(TP_SAY) LWIP $$@
	$$(TP_Q)rm -f $$@ && ar rcs $$@ $$^

$$(TP_LWIP_C:%=$(1)/lwip/%.o): $(1)/lwip/%.o: $$(TP_STAMP_SRC_LWIP) \
    third_party/third_party.mk \
    $$(TP_LWIP_PORT)/lwipopts.h $$(TP_LWIP_PORT)/arch/cc.h $(4)
	@mkdir -p $$(@D)
	$$(TP_Q)$(2) $(3) $$(TP_SPEED) $$(TP_INC_LWIP) -MMD -MP \
	    $$(TP_MAP) -c $$(TP_SRC)/lwip/src/$$*.c -o $$@

$(1)/picohttpparser.o: $$(TP_STAMP_PICO) third_party/third_party.mk $(4)
	$$(TP_SAY) PICO $$@
	@mkdir -p $$(@D)
	$$(TP_Q)$(2) $(3) $$(TP_MAP) \
	    -c $$(TP_SRC)/picohttpparser/picohttpparser.c -o $$@

$(1)/erofs.a: $$(TP_EROFS_C:%=$(1)/erofs/%.o) $(1)/erofs/lz4.o
	$$(TP_SAY) EROFS $$@
	$$(TP_Q)rm -f $$@ && ar rcs $$@ $$^

$$(TP_EROFS_C:%=$(1)/erofs/%.o): $(1)/erofs/%.o: $$(TP_STAMP_SRC_EROFS) \
    $$(TP_STAMP_SRC_LZ4) third_party/third_party.mk \
    $$(wildcard $$(TP_EROFS_PORT)/*.h $$(TP_EROFS_PORT)/*/*.h) $(4)
	@mkdir -p $$(@D)
	$$(TP_Q)$(2) $(3) $$(TP_EROFS_FLAGS) $$(TP_MAP) \
	    -c $$(TP_SRC)/erofs/lib/$$*.c -o $$@

$(1)/lfs.a: $(1)/lfs/lfs2.o $(1)/lfs/lfs2_util.o
	$$(TP_SAY) LFS $$@
	$$(TP_Q)rm -f $$@ && ar rcs $$@ $$^

$(1)/lfs/%.o: $$(TP_STAMP_SRC_LFS) third_party/third_party.mk $(4)
	@mkdir -p $$(@D)
	$$(TP_Q)$(2) $(3) -w $$(TP_INC_LFS) $$(TP_MAP) \
	    -c $$(TP_SRC)/littlefs/$$*.c -o $$@

$(1)/erofs/lz4.o: $$(TP_STAMP_SRC_LZ4) third_party/third_party.mk $(4)
	@mkdir -p $$(@D)
	$$(TP_Q)$(2) $(3) $$(TP_MAP) -c $$(TP_SRC)/lz4/lz4.c -o $$@

$(1)/sqlite.o: $$(TP_STAMP_SQLITE) third_party/third_party.mk \
    $$(TP_SQLITE_PORT)/sqlite_options.h $(4)
	$$(TP_SAY) SQLITE $$@
	@mkdir -p $$(@D)
	$$(TP_Q)$(2) $(3) $$(TP_SQLITE_SPEED) $$(TP_SQLITE_FLAGS) $$(TP_MAP) \
	    -c $$(TP_SQLITE)/sqlite3.c -o $$@

$(1)/sqlite.a: $(1)/sqlite.o
	$$(TP_Q)rm -f $$@ && ar rcs $$@ $$^

-include $$(TP_LWIP_C:%=$(1)/lwip/%.d)
endef

$(eval $(call tp_libraries,$(TP),$$(CC),$$(TP_FLAGS) $$(TP_CFLAGS_NEWLIB),\
    $(TP_STAMP_NEWLIB)))
$(eval $(call tp_libraries,build/host,$$(TP_HOST_CC),$$(TP_HOST_FLAGS),))
$(eval $(call tp_libraries,build/fuzz,$$(TP_FUZZ_CC),$$(TP_HOST_FLAGS) \
    -fsanitize=fuzzer-no-link,))

# Lua is for guests alone. Its interpreter, which has a main, is no part of the
# library; luac is not built. LUA_COMPAT_5_3 is how its own Makefile has it, and
# Debian. It is compiled for speed: what it adds to an image
# of its own is 40 KB.
TP_INC_LUA := -isystem $(TP_SRC)/lua -I$(TP_LUA_PORT) \
              -DLUA_USE_POSIX -DLUA_COMPAT_5_3 -DLUA_USER_H='"lua_options.h"'
TP_LUA_C   := lapi lauxlib lbaselib lcode lcorolib lctype ldblib ldebug ldo \
  ldump lfunc lgc linit liolib llex lmathlib lmem loadlib lobject lopcodes \
  loslib lparser lstate lstring lstrlib ltable ltablib ltm lundump lutf8lib \
  lvm lzio

$(TP)/lua/%.o: $(TP_STAMP_SRC_LUA) third_party/third_party.mk \
    $(TP_LUA_PORT)/lua_options.h $(TP_STAMP_NEWLIB)
	@mkdir -p $(@D)
	$(TP_Q)$(CC) $(TP_FLAGS) -O2 -w -Ilibc/include $(TP_CFLAGS_NEWLIB) \
	    $(TP_INC_LUA) $(TP_MAP) -c $(TP_SRC)/lua/$*.c -o $@

$(TP)/lua.a: $(TP_LUA_C:%=$(TP)/lua/%.o)
	$(TP_SAY) LUA $@
	$(TP_Q)rm -f $@ && ar rcs $@ $^

TP_LIB_LUA       := $(TP)/lua.a
TP_OBJ_LUA       := $(TP)/lua/lua.o
TP_LIB_LWIP      := $(TP)/lwip.a
TP_LIB_SQLITE    := $(TP)/sqlite.a
TP_HOST_LIB_SQLITE := build/host/sqlite.a
TP_FUZZ_LIB_SQLITE := build/fuzz/sqlite.a
TP_LIB_EROFS     := $(TP)/erofs.a
TP_LIB_LFS       := $(TP)/lfs.a
TP_OBJ_PICO      := $(TP)/picohttpparser.o
TP_HOST_LIB_LWIP := build/host/lwip.a
TP_HOST_LIB_EROFS := build/host/erofs.a
TP_HOST_LIB_LFS  := build/host/lfs.a
TP_HOST_OBJ_PICO := build/host/picohttpparser.o
TP_FUZZ_LIB_LWIP := build/fuzz/lwip.a
TP_FUZZ_LIB_EROFS := build/fuzz/erofs.a
TP_FUZZ_LIB_LFS  := build/fuzz/lfs.a
TP_FUZZ_OBJ_PICO := build/fuzz/picohttpparser.o
