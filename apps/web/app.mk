# SPDX-License-Identifier: MIT
#
# It has the pages that apps/http embeds.

APP_OBJ_web += $(HTTP_FILES).o
build/web.elf.debug: $(HTTP_FILES).o
