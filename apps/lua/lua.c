/* SPDX-License-Identifier: MIT */
/*
 * Lua 5.4: its own interpreter, with its main (third_party/), on libc/. Only
 * the choices in lua_options.h and the stack size are ours.
 *
 *   args="/script.lua a b"   runs a script, from a disk or ramdisk
 *   no args                  reads Lua from the console
 */
#include "posix/program.h"

/* Lua ends a recursion through C functions at 200 levels (LUAI_MAXCCALLS). The
 * most stack that took, with string.gsub at each level, was between 1024 and
 * 1200 KiB: tests/guest/lua/recursion.lua and Lua's own cstack.lua. */
const unsigned program_stack_kib = 2048;
