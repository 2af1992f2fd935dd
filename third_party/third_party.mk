# SPDX-License-Identifier: MIT
#
# How third-party sources are fetched and built; the Makefile includes this.
#
# Guest: $(TP_LIB_MUSL) $(TP_LIB_GLOB) $(TP_LIB_C) $(TP_LIB_M) $(TP_LIB_LWIP)
# $(TP_LIB_EROFS) $(TP_LIB_LFS)
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

comma := ,

# One line for what is made, or with V=1 the commands themselves.
TP_Q   = $(if $(filter 1,$(V)),,@)
TP_SAY = @printf '  %-7s %s\n'

# Nothing that is built holds the name of the folder that it was built in.
TP_MAP := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(TP_SRC)/=

# --- sources ----------------------------------------------------------------

TP_STAMP_SRC_NEWLIB := $(TP_SRC)/newlib.stamp
TP_STAMP_SRC_MUSL   := $(TP_SRC)/musl.stamp
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
$(TP_STAMP_SRC_MUSL):   $(wildcard third_party/patches/musl/*.patch)
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

TP_LIB_C        := $(TP)/libc.a
TP_LIB_M        := $(TP)/libm.a
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

# Without what is musl's.
$(TP_LIB_C) $(TP_LIB_M): $(TP)/%: $(TP)/musl.a third_party/without
	$(TP_Q)third_party/without $(TP)/newlib/$* $< $@

# --- musl: what newlib lacks or has wrongly ---------------------------------

# Folder libc/musl/ says how it fits newlib, which is linked without the members
# that have the same functions.

# All of long double (exp2l has expm1l in it, floorl ceill and truncl; lgammal is
# newlib's, as signgam is), which newlib has in part, and in part with double's
# precision; fenv; those that round twice or the wrong way, or forget a sign.
TP_MUSL_MATH := $(addsuffix l, acos acosh asin asinh atan atan2 atanh cbrt \
    copysign cos cosh erf exp exp10 exp2 fabs fdim floor fma fmax fmin \
    fmod frexp hypot ilogb ldexp llrint llround log log10 log1p log2 \
    logb lrint lround modf nan nearbyint nextafter nexttoward pow remainder \
    remquo rint round scalbln scalbn sin sincos sinh sqrt tan tanh tgamma \
    __cos __math_invalid __polevl __rem_pio2 __sin __tan \
    __fpclassify __signbit) \
  __rem_pio2_large fma fmaf nexttoward nexttowardf remquo remquof \
  rint rintf nearbyint nearbyintf tgamma tgammaf __cos __sin
TP_MUSL_COMPLEX := $(foreach name, csqrt cexp clog csin ccos ctan csinh ccosh \
    ctanh __cexp, $(name) $(name)f)
TP_MUSL_FENV := __flt_rounds fegetexceptflag feholdexcept fesetexceptflag \
    fesetround feupdateenv fenv
TP_MUSL_C := $(TP_MUSL_MATH:%=math/%) $(TP_MUSL_FENV:%=fenv/%) \
    $(TP_MUSL_COMPLEX:%=complex/%) \
    $(addprefix regex/, fnmatch regcomp regerror regexec tre-mem) \
    misc/basename misc/dirname prng/random search/insque search/lsearch
# These know the inside of a FILE.
TP_MUSL_STREAM := internal/floatscan internal/intscan internal/shgetc \
    stdlib/strtod stdlib/wcstod
# Ours, which include some of musl's.
TP_MUSL_OWN := stream_print stream_scan stream_wide
# newlib's wide characters of files, which its small stdio is built without.
TP_MUSL_NEWLIB := fgetwc fgetws fputwc fputws fwide getwc getwchar putwc \
    putwchar ungetwc wbufw

# The first two as musl itself has it.
TP_MUSL_FLAGS = -frounding-math -fno-strict-aliasing -w -I. -Ilibc/musl \
    -Ilibc/include $(TP_CFLAGS_NEWLIB) -D_GNU_SOURCE \
    -I$(TP_SRC)/musl/src -I$(TP_SRC)/musl/src/internal \
    -I$(TP_SRC)/musl/arch/generic \
    -include libc/musl/port.h $(TP_MAP) -MMD -MP
TP_MUSL_NEEDS = $(TP_STAMP_SRC_MUSL) $(TP_STAMP_NEWLIB) \
    third_party/third_party.mk libc/musl/port.h libc/musl/stream.h

# Where the machine has an instruction for it, musl has a file of that name.
TP_MUSL_ASM := $(addprefix math/, acosl asinl atan2l atanl exp2l expl floorl \
    log10l log1pl log2l logl) fenv/fenv
TP_MUSL_X86 := $(addprefix math/, fabsl fma fmaf fmodl llrintl lrintl \
    remainderl remquol rintl sqrtl)

# The source of object $(1), below src/.
tp_musl_source = $(if $(filter $(1),$(TP_MUSL_ASM)),$(dir $(1))x86_64/$(notdir \
    $(1)).s,$(if $(filter $(1),$(TP_MUSL_X86)),$(dir $(1))x86_64/$(notdir \
    $(1)).c,$(1).c))

TP_LIB_MUSL := $(TP)/musl.a
TP_MUSL_OBJ := $(TP_MUSL_C:%=$(TP)/musl/%.o) $(TP_MUSL_STREAM:%=$(TP)/musl/%.o) \
    $(TP_MUSL_OWN:%=$(TP)/musl/%.o) $(TP_MUSL_NEWLIB:%=$(TP)/musl/newlib/%.o)

$(TP_LIB_MUSL): $(TP_MUSL_OBJ)
	$(TP_SAY) MUSL $@
	$(TP_Q)rm -f $@ && ar rcs $@ $^

$(TP_MUSL_STREAM:%=$(TP)/musl/%.o): TP_MUSL_AS_FILE := -DSTREAM_AS_FILE \
    -include libc/musl/stream.h

$(TP)/musl/%.o: $(TP_MUSL_NEEDS)
	@mkdir -p $(@D)
	$(TP_Q)$(CC) $(TP_FLAGS) $(TP_MUSL_FLAGS) $(TP_MUSL_AS_FILE) \
	    -c $(TP_SRC)/musl/src/$(call tp_musl_source,$*) -o $@

$(TP_MUSL_OWN:%=$(TP)/musl/%.o): $(TP)/musl/%.o: libc/musl/%.c $(TP_MUSL_NEEDS)
	@mkdir -p $(@D)
	$(TP_Q)$(CC) $(TP_FLAGS) $(TP_MUSL_FLAGS) -c $< -o $@

$(TP)/musl/newlib/%.o: $(TP_MUSL_NEEDS)
	@mkdir -p $(@D)
	$(TP_Q)$(CC) $(TP_FLAGS) -w -D_WIDE_ORIENT $(TP_CFLAGS_NEWLIB) $(TP_MAP) \
	    -c $(TP_SRC)/newlib/newlib/libc/stdio/$*.c -o $@

-include $(TP_MUSL_OBJ:.o=.d)
# newlib builds glob for none but its own systems.
TP_LIB_GLOB := $(TP)/glob.a
TP_GLOB_C   := collate collcmp glob

$(TP)/glob/%.o: $(TP_STAMP_NEWLIB) third_party/third_party.mk
	@mkdir -p $(@D)
	$(TP_Q)$(CC) $(TP_FLAGS) -w -D_GNU_SOURCE -Ilibc/include \
	    $(TP_CFLAGS_NEWLIB) $(TP_MAP) \
	    -c $(TP_SRC)/newlib/newlib/libc/posix/$*.c -o $@

$(TP_LIB_GLOB): $(TP_GLOB_C:%=$(TP)/glob/%.o)
	$(TP_SAY) NEWLIB $@
	$(TP_Q)rm -f $@ && ar rcs $@ $^

# Both, checked on this machine: by itself; the small and the whole printf, and
# all else, line by line against this machine's own C library.
TP_STRICT := regex.h fenv.h fnmatch.h libgen.h limits.h search.h stdlib.h wchar.h
TP_CHECKS := check-newlib check-print check-print-whole check-libc

.PHONY: check-newlib
check-newlib: $(TP_CHECKS:%=$(TP)/%) $(TP)/check-print.host $(TP)/check-libc.host
	$(TP_SAY) CHECK newlib
	$(TP_Q)printf '#include <%s>\n' $(TP_STRICT) | $(CC) -std=c99 -Wall \
	    -Werror -D_POSIX_C_SOURCE=200809L -Ilibc/include $(TP_CFLAGS_NEWLIB) \
	    -fsyntax-only -x c -
	$(TP_Q)$(TP)/check-newlib
	$(TP_Q)$(TP)/check-print | diff $(TP)/check-print.host -
	$(TP_Q)$(TP)/check-print-whole | diff $(TP)/check-print.host -
	$(TP_Q)$(TP)/check-libc | diff $(TP)/check-libc.host -

TP_CHECK_BUILD = $(CC) $(TP_FLAGS) -Ilibc/include $(TP_CFLAGS_NEWLIB) -Wall \
    -Wextra -D_GNU_SOURCE -fno-builtin -include third_party/check-system.h \
    -static -nostdlib -Wl,-z,noexecstack $(1) -Wl,--start-group \
    $(TP_LIB_MUSL) $(TP_LIB_C) $(TP_LIB_M) -lgcc -Wl,--end-group -o $@
TP_CHECK_NEEDS := third_party/check-system.h third_party/third_party.mk \
    $(TP)/musl.a $(TP_LIB_C) $(TP_LIB_M)

$(TP)/check-newlib $(TP)/check-print: $(TP)/%: third_party/%.c $(TP_CHECK_NEEDS)
	$(TP_Q)$(call TP_CHECK_BUILD,$<)

$(TP)/check-print-whole: third_party/check-print.c $(TP_CHECK_NEEDS)
	$(TP_Q)$(call TP_CHECK_BUILD,-Wl$(comma)-u$(comma)stream_vprintf $<)

$(TP)/check-libc: third_party/check-libc.c $(TP_CHECK_NEEDS)
	$(TP_Q)$(call TP_CHECK_BUILD,-Wl$(comma)-u$(comma)stream_vprintf $<)

$(TP)/%.host: third_party/%.c
	@mkdir -p $(@D)
	$(TP_Q)$(TP_HOST_CC) -O1 -w -D_GNU_SOURCE -fno-builtin $< -lm -o $@.elf
	$(TP_Q)$@.elf >$@

# The flags in a file that changes only when they do.
.PHONY: tp-always
$(TP)/guest.flags: tp-always
	@mkdir -p $(@D)
	@echo '$(CC) $(TP_FLAGS)' | cmp -s - $@ || echo '$(CC) $(TP_FLAGS)' >$@

# --- lwIP, picohttpparser, liberofs, lz4, littlefs and SQLite ---------------

# Addresses of both families, TCP, UDP and what configures them, on ethernet.
# Without timeouts and dhcp6: net/timeouts.c and lease6.c are in their place.
TP_LWIP_C := \
  $(addprefix core/, altcp altcp_alloc altcp_tcp def dns inet_chksum init ip \
    mem memp netif pbuf raw stats sys tcp tcp_in tcp_out udp) \
  $(addprefix core/ipv4/, acd autoip dhcp etharp icmp igmp ip4 ip4_addr \
    ip4_frag) \
  $(addprefix core/ipv6/, ethip6 icmp6 inet6 ip6 ip6_addr ip6_frag mld6 \
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
