-- SPDX-License-Identifier: MIT
-- io, os, require and package. arg[1] is a folder that can be written; "/" here
-- cannot, and has the modules check and sub.

local check = require "check"
local that, equal, fails, refused =
  check.that, check.equal, check.fails, check.refused
local folder = arg[1]
local path, other = folder .. "/file", folder .. "/other"

local function write(to, ...)
  local f <close> = assert(io.open(to, "w"))
  assert(f:write(...))
end

local function read(from)
  local f <close> = assert(io.open(from))
  return f:read("a")
end

local function reading()
  write(path, "first\n", 12, " 0x1F -3.5e2 nan\n\nlast")
  local f = assert(io.open(path))
  equal(f:read("l"), "first", "a line")
  equal({f:read("n", "n", "n")}, {12, 31, -350.0}, "numbers")
  equal(f:read("n"), nil, "no number")
  equal(f:seek("set", 2), 2, "seek")
  equal(f:read(3, "L"), "rst", "bytes")
  equal(f:seek("end"), #"first\n12 0x1F -3.5e2 nan\n\nlast", "its end")
  equal({f:read(0), f:read("a"), f:read("l")}, {nil, ""}, "at the end")
  that(f:close(), "close")
  fails("closed file", f.read, f)
  equal(tostring(f), "file (closed)", "a closed file")
  local lines = {}
  for line in io.lines(path, "L") do lines[#lines + 1] = line end
  equal({#lines, lines[3], lines[4]}, {4, "\n", "last"}, "lines")
  fails("No such file", io.lines, folder .. "/absent")
end

local function writing()
  write(path, "0123456789")
  local f = assert(io.open(path, "r+"))
  f:seek("set", 4)
  f:write("xy"):seek("cur", 0)
  equal(f:read(2), "67", "what follows")
  f:close()
  f = assert(io.open(path, "a+"))
  f:write("end")
  f:seek("set")
  equal(f:read("a"), "0123xy6789end", "appended")
  f:close()
  f = assert(io.open(path, "w+"))
  that(f:setvbuf("full", 100) and f:setvbuf("no"), "setvbuf")
  f:write("unbuffered")
  equal(read(path), "unbuffered", "it is there at once")
  f:close()
  local block = ("x"):rep(1000) .. "\n"
  f = assert(io.open(path, "w"))
  for _ = 1, 200 do f:write(block) end
  f:flush()
  equal(f:seek(), 200 * #block, "a large file")
  f:close()
  equal(#read(path), 200 * #block, "and all of it")
  f = io.open(path)
  refused("Bad file", f:write("x"))
  f:close()
  fails("invalid mode", io.open, path, "rw")
  equal(io.type(f), "closed file", "type")
end

local function standard()
  equal({io.type(io.stdin), io.type(io.stdout), io.type(7)}, {"file", "file"},
        "the console")
  io.output(path)
  io.write("through ", "io.output")
  io.close()
  io.output(io.stdout)
  io.input(path)
  equal(io.read("a"), "through io.output", "io.input")
  io.close(io.input())
  io.input(io.stdin)
  local f = io.tmpfile()
  f:write("nameless")
  f:seek("set")
  equal(f:read("a"), "nameless", "tmpfile")
  f:close()
end

local function names()
  write(path, "content")
  that(os.remove(other) == nil, "nothing there")
  that(os.rename(path, other), "rename")
  refused("No such file", io.open(path))
  equal(read(other), "content", "what was renamed")
  refused("No such file", os.rename(path, other))
  that(os.remove(other), "remove")
  refused("No such file", os.remove(other))
  refused("Read%-only", io.open("/new", "w"))
  refused("Read%-only", os.remove("/check.lua"))
  refused("Is a directory", io.open(folder, "w"))
  local name = os.tmpname()
  that(name:find("^/tmp/lua_") and io.open(name), "tmpname")
  that(os.remove(name), "its file is there")
end

local function times()
  equal(os.date("!%Y-%m-%d %H:%M:%S", 1e9 // 1 | 0), "2001-09-09 01:46:40", "date")
  equal(os.date("!%c", 0), "Thu Jan  1 00:00:00 1970", "another")
  equal(os.date("!%A %B %j %p %y %%", 0), "Thursday January 001 AM 70 %", "names")
  local t = os.date("*t", 951782400)
  equal({t.year, t.month, t.day, t.wday, t.yday, t.isdst},
        {2000, 2, 29, 3, 60, false}, "a leap day")
  equal(os.time(t), 951782400, "time of a table")
  equal(os.time{year = 2024, month = 14, day = -3, hour = 12}, 1738065600,
        "fields out of range")
  that(os.time() > 1735689600, "it is later than 2025")
  equal(os.difftime(5, 3), 2.0, "difftime")
  local before = os.clock()
  for _ = 1, 100000 do end
  that(os.clock() > before and before < 60, "clock")
  fails("invalid conversion specifier", os.date, "%Ez")
  fails("field 'day' missing", os.time, {year = 2000, month = 1})
end

local function system()
  equal(os.getenv("GREETING"), "good day", "getenv")
  equal(os.getenv("ABSENT"), nil, "no such variable")
  equal(os.execute(), false, "there is no shell")
  refused("not implemented", os.execute("ls"))
  refused("not implemented", io.popen("ls"))
  equal(os.setlocale(), "C", "setlocale")
  equal(os.setlocale("de_DE"), nil, "no such locale")
end

local function modules()
  equal(package.loaded.check, check, "require returns what it has")
  equal({require "sub.module"}, {"sub.module", "./sub/module.lua"}, "a folder")
  equal(require("sub"), "init", "init.lua")
  package.path = folder .. "/?.lua"
  write(folder .. "/made.lua", "return {name = ...}")
  equal(require("made").name, "made", "package.path")
  write(folder .. "/broken.lua", "return +")
  fails("broken.lua:1: unexpected symbol", require, "broken")
  fails("module 'absent' not found:.*no file '" .. folder .. "/absent.lua'",
        require, "absent")
  package.preload.given = function() return "given" end
  equal(require("given"), "given", "preload")
  equal({package.loadlib("./x.so", "f")}, {nil,
    "dynamic libraries not enabled; check your Lua installation", "absent"},
    "loadlib")
  equal(dofile(folder .. "/made.lua").name, nil, "dofile")
  that(not loadfile(folder .. "/broken.lua"), "loadfile")
end

reading()
writing()
standard()
names()
times()
system()
modules()
write(folder .. "/left", "for dom0 to read\n")
check.done("disk")
