# SPDX-License-Identifier: MIT
#
# What programs outside of this tree are built with: `make install`, and the
# Debian packages. The Makefile includes this.
#
#   PREFIX/bin/xenolith, xenolith-cc
#   PREFIX/lib/xenolith/
#       boot.o main.o image.ld lib/   what is linked
#       sysroot/usr/                  include/ is newlib's, lib/ has libc and libm
#       include/                      the public headers (tools/sdk/headers); in
#                                     libc/ POSIX', in lwip/ lwIP's
#       images/                       ready images: http, web, kv, ...
#       tools/                        run, size, symbolize, xenbox and its box/
#   PREFIX/share/                     manual pages, pkg-config, CMake, completion

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := $(file <VERSION)

SDK_PUBLIC := $(shell sed '/^\#/d;/^$$/d' tools/sdk/headers)
# The Makefile's libraries under their names in build/; SQLite's is for
# programs that ask for it.
SDK_LIBS   := $(filter-out build/http.a,$(PART_LIB)) $(TP_LIB_LWIP) \
              $(TP_LIB_EROFS) $(TP_LIB_LFS) $(TP_LIB_MUSL) $(TP_LIB_GLOB)
SDK_NEEDS  := $(ROOT) build/obj/image.ld $(SDK_LIBS) $(TP_LIB_C) $(TP_LIB_M) \
              $(TP_LIB_SQLITE) build/obj/names/program.o
SDK_IMAGES := $(filter-out $(notdir $(basename $(wildcard tests/images/* \
              bench/images/*))),$(APPS))
SDK_TOOLS  := run size symbolize xenbox embed database

# What says which version it is.
VERSION_USERS := build/obj/xen/pv/boot.o build/obj/init/main.o \
                 build/obj/posix/posix_system.o
$(VERSION_USERS): CFLAGS += -DXENOLITH_VERSION='"$(VERSION)"'
$(VERSION_USERS): VERSION

.PHONY: install install-dev install-tools deb
install: install-tools install-dev ## into PREFIX=/usr/local: programs outside of this tree

install-tools: $(SDK_IMAGES:%=build/%.elf) build/host/littlefs
	@tools/sdk/install tools '$(DESTDIR)' '$(PREFIX)' \
	    images $(SDK_IMAGES) tools $(SDK_TOOLS)

install-dev: $(SDK_NEEDS)
	@tools/sdk/install dev '$(DESTDIR)' '$(PREFIX)' \
	    root $(ROOT) libs $(SDK_LIBS) headers $(SDK_PUBLIC)

deb: $(SDK_NEEDS) $(SDK_IMAGES:%=build/%.elf) ## Debian packages of the same, in build/deb/
	+@tools/sdk/deb build/deb
