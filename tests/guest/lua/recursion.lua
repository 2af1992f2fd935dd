-- SPDX-License-Identifier: MIT
-- Recursion without end, of every kind that uses up the stack of C or Lua's own:
-- an error each time, and the next one works as well.

local check = require "check"

-- Through C functions: each level has a frame of Lua's interpreter and one of a
-- library, some of which have a buffer of 1 KB there.
local through = {
  gsub = function(again) return (("x"):gsub("x", again)) end,
  format = function(again)
    return ("%s"):format(setmetatable({}, {__tostring = again}))
  end,
  concat = function(again)
    return table.concat(setmetatable({}, {__index = again, __len = function()
      return 1
    end}))
  end,
  sort = function(again) table.sort({1, 2, 3}, again) end,
  pcall = function(again) assert(pcall(again)) end,
  xpcall = function(again) assert(xpcall(again, function(m) return m end)) end,
  metamethods = function(again)
    return setmetatable({}, {__index = again}).x
  end,
  wrap = function(again) return coroutine.wrap(again)() end,
  load = function(again) return load(again) or error("C stack overflow") end,
  require = function(again)
    package.preload.deeper = again
    package.loaded.deeper = nil
    return require "deeper"
  end,
  dofile = function() return dofile "deeper.lua" end,
  close = function(again) local _ <close> = setmetatable({}, {__close = again}) end,
}

for name, step in pairs(through) do
  local depth = 0
  local function again()
    depth = depth + 1
    step(again)
    return "x"
  end
  _G.again = again
  check.fails("overflow", again)
  check.that(depth > 40, name .. " at " .. depth)
end

-- Of the compiler, and of patterns.
check.fails("overflow", function()
  assert(load("return " .. ("("):rep(1000) .. "1" .. (")"):rep(1000)))
end)
check.fails("overflow", function()
  assert(load(("a = "):rep(1) .. ("{"):rep(1000) .. ("}"):rep(1000)))
end)
check.fails("overflow", function()
  assert(load(("do "):rep(1000) .. ("end "):rep(1000)))
end)
check.fails("overflow", function()
  assert(load(("function f() "):rep(1000) .. ("end "):rep(1000)))
end)
check.fails("overflow", function()
  assert(load("return " .. ("-"):rep(1000, " ") .. "1"))
end)
check.fails("pattern too complex", string.match, ("x"):rep(1000),
            ("x?"):rep(1000) .. "y")

-- Of Lua functions alone: their stack is memory.
local depth = 0
local function deeper() depth = depth + 1; return 1 + deeper() end
check.fails("stack overflow", deeper)
check.that(depth > 100000, "functions at " .. depth)
local function handler(m) return handler(m) + 1 end
check.equal(select("#", xpcall(error, handler, "x")), 2, "a handler that calls itself")

check.done("recursion")
