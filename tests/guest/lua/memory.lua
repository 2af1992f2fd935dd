-- SPDX-License-Identifier: MIT
-- A script that wants more memory than there is gets an error, and can go on.

local check = require "check"

local function fill()
  local t = {}
  for i = 1, math.huge do t[i] = {i, tostring(i)} end
end

local function double()
  local s = "x"
  while true do s = s .. s end
end

local function grow()
  local t = {}
  for i = 1, math.huge do t[i] = i end
end

for _ = 1, 3 do
  for _, f in ipairs {fill, double, grow} do
    check.fails("^not enough memory$", f)
    collectgarbage()
  end
end
check.fails("not enough memory", string.rep, "x", 1 << 30)
check.that(collectgarbage("count") < 1000, "all of it was given back")
check.equal(#("x"):rep(1000000), 1000000, "and can be used again")
check.done("memory")
if arg[1] == "uncaught" then fill() end
