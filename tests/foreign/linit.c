/* SPDX-License-Identifier: MIT */
/*
 * Lua's libraries with LuaSocket among them: Lua's own linit.c says that a
 * program which wants others than its list has a file of its own in its place.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_socket_core(lua_State *lua);
int luaopen_mime_core(lua_State *lua);

static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base},          {LUA_LOADLIBNAME, luaopen_package},
    {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
    {LUA_IOLIBNAME, luaopen_io},        {LUA_OSLIBNAME, luaopen_os},
    {LUA_STRLIBNAME, luaopen_string},   {LUA_MATHLIBNAME, luaopen_math},
    {LUA_UTF8LIBNAME, luaopen_utf8},
};

static const luaL_Reg preloaded[] = {
    {"socket.core", luaopen_socket_core},
    {"mime.core", luaopen_mime_core},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void luaL_openlibs(lua_State *lua)
{
    for (size_t i = 0; i < COUNT(libraries); i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].func, 1);
        lua_pop(lua, 1);
    }
    luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (size_t i = 0; i < COUNT(preloaded); i++) {
        lua_pushcfunction(lua, preloaded[i].func);
        lua_setfield(lua, -2, preloaded[i].name);
    }
    lua_pop(lua, 1);
}
