# SPDX-License-Identifier: MIT
#
# The files of www/ become one object of the image, made by tools/embed. A site
# of one's own needs no change here: make WWW=/path/to/site, or replace www/.

WWW ?= apps/http/www

HTTP_FILES := build/obj/apps/http/http_files

# Another folder than last time is a reason to embed it.
.PHONY: http-www
$(HTTP_FILES).www: http-www
	@mkdir -p $(@D)
	@echo '$(WWW)' | cmp -s - $@ || echo '$(WWW)' >$@

$(HTTP_FILES).c: tools/embed apps/http/app.mk $(HTTP_FILES).www
	$(say) EMBED $(WWW)
	$(Q)tools/embed $(WWW) -o $@ --deps $(HTTP_FILES).deps.d

$(HTTP_FILES).o: $(HTTP_FILES).c http/http_file.h $(TP_STAMP_NEWLIB)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

APP_OBJ_http += $(HTTP_FILES).o
build/http.elf.debug: $(HTTP_FILES).o
