# SPDX-License-Identifier: MIT
#
# Lua's own interpreter, with its main.

APP_OBJ_lua += $(TP_OBJ_LUA)
build/lua.elf.debug: $(TP_OBJ_LUA)
