/* SPDX-License-Identifier: MIT */
/*
 * Our choices for Lua, which lua.h includes after its own ones (luaconf.h).
 */

/* Where require looks: the folders of Debian's packages for modules written in
 * Lua, and the working directory, initially the root. */
#define LUA_IN(folder) folder "?.lua;" folder "?/init.lua"
#undef LUA_PATH_DEFAULT
#define LUA_PATH_DEFAULT \
    LUA_IN(LUA_LDIR) ";" LUA_IN("/usr/share/lua/" LUA_VDIR "/") ";" LUA_IN("./")

/* There are no libraries to load. If somebody adds one it is found, and the
 * error says why it cannot be used. */
#undef LUA_CPATH_DEFAULT
#define LUA_CPATH_DEFAULT "./?.so"
