# SPDX-License-Identifier: MIT
#
# The web server of apps/http, all but its app_main.

APP_OBJ_web += $(patsubst %.c,build/obj/%.o,$(filter-out apps/http/http.c,\
    $(wildcard apps/http/*.c))) $(HTTP_FILES).o
build/web.elf.debug: $(APP_OBJ_web)
