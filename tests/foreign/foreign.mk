# SPDX-License-Identifier: MIT
#
# Programs of others, as who has installed Xenolith would build them: into
# build/foreign/, for tests/guest/test_foreign.py. Their sources are fetched for
# tests only: third_party/manifest, test-*.

FOREIGN_SRC := $(patsubst %,$(TP_SRC)/test-%.stamp,lighttpd pen luasocket)

.PHONY: foreign foreign-sources sdk
foreign-sources: $(FOREIGN_SRC) $(TP_STAMP_SRC_LUA)

sdk: $(SDK_NEEDS) $(SDK_IMAGES:%=build/%.elf)
	@rm -rf build/sdk
	@$(MAKE) --no-print-directory install DESTDIR= PREFIX=$(CURDIR)/build/sdk

foreign: sdk foreign-sources
	@tests/foreign/build build/sdk $(TP_SRC) build/foreign
