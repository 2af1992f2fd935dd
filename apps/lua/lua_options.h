/* SPDX-License-Identifier: MIT */
/*
 * What is ours to choose in Lua, which lua.h includes behind its own choices
 * (luaconf.h).
 */

/* Where require looks: where Debian's packages have modules that are written in
 * Lua, and the working directory, which is the root at first. */
#define LUA_IN(folder) folder "?.lua;" folder "?/init.lua"
#undef LUA_PATH_DEFAULT
#define LUA_PATH_DEFAULT \
    LUA_IN(LUA_LDIR) ";" LUA_IN("/usr/share/lua/" LUA_VDIR "/") ";" LUA_IN("./")

/* There are no libraries to load. One that somebody put there is found, and
 * the error says why it is no use. */
#undef LUA_CPATH_DEFAULT
#define LUA_CPATH_DEFAULT "./?.so"
