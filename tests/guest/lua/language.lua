-- SPDX-License-Identifier: MIT
-- The language itself, coroutines, the basic functions, load and debug.

local check = require "check"
local that, equal, fails = check.that, check.equal, check.fails

local function numbers()
  equal(7 // 2, 3, "integer division")
  equal(-7 // 2, -4, "it rounds down")
  equal(7.0 // 2, 3.0, "and keeps floats")
  equal(-7 % 3, 2, "modulo")
  equal(7 / 2, 3.5, "division")
  equal(1 << 63, math.mininteger, "a shift")
  equal(~0 >> 60, 15, "it is logical")
  equal(math.maxinteger + 1, math.mininteger, "integers wrap")
  equal("10" + 5, 15, "a number from text")
  equal("0x10" * 1, 16, "in hexadecimal")
  equal(2 ^ 0.5 * 2 ^ 0.5 - 2 < 1e-15, true, "powers")
  that(0 / 0 ~= 0 / 0, "nan")
  fails("divide by zero", function() return 1 // 0 end)
  fails("no integer representation", function() return 1.5 | 1 end)
end

local function control()
  local seen = {}
  for i = 3, 1, -1 do
    for j = 1, 3 do
      if j == i then goto continue end
      seen[#seen + 1] = i * 10 + j
      ::continue::
    end
  end
  equal(seen, {31, 32, 21, 23, 12, 13}, "goto")
  local closed = {}
  do
    local a <close> = setmetatable({}, {__close = function(_, e)
      closed[#closed + 1] = e == nil
    end})
    local b <const> = 7
    equal(b, 7, "const")
  end
  pcall(function()
    local c <close> = setmetatable({}, {__close = function(_, e)
      closed[#closed + 1] = e
    end})
    error("thrown", 0)
  end)
  equal(closed, {true, "thrown"}, "close")
  fails("attempt to assign to const variable",
        assert(function() return assert(load("local x <const> = 1; x = 2")) end))
end

local function objects()
  local V = {}
  V.__index = V
  V.__add = function(a, b) return setmetatable({a[1] + b[1]}, V) end
  V.__eq = function(a, b) return a[1] == b[1] end
  V.__lt = function(a, b) return a[1] < b[1] end
  V.__len = function() return 99 end
  V.__call = function(_, x) return x end
  V.__concat = function() return "joined" end
  V.__tostring = function(a) return "V" .. a[1] end
  local a, b = setmetatable({1}, V), setmetatable({2}, V)
  equal((a + b)[1], 3, "__add")
  that(a + a == b and a < b and #a == 99, "__eq, __lt, __len")
  equal(a("x") .. (a .. b), "xjoined", "__call, __concat")
  equal(tostring(b), "V2", "__tostring")
  local weak = setmetatable({{}, 1}, {__mode = "v"})
  collectgarbage()
  that(weak[1] == nil and weak[2] == 1, "a weak table")
  local finalized
  setmetatable({}, {__gc = function() finalized = true end})
  collectgarbage()
  that(finalized, "__gc")
end

local function coroutines()
  local co = coroutine.wrap(function(a)
    local b = coroutine.yield(a + 1)
    error({code = b})
  end)
  equal(co(1), 2, "a yield")
  local ok, e = pcall(co, 5)
  that(not ok and e.code == 5, "an error in a coroutine")
  local function walk(n)
    if n > 0 then
      walk(n - 1); coroutine.yield(n); walk(n - 1)
    end
  end
  local sum = 0
  for n in coroutine.wrap(function() walk(10) end) do sum = sum + n end
  equal(sum, 2036, "a generator that calls itself")
  local c = coroutine.create(function() coroutine.yield() end)
  coroutine.resume(c)
  equal(coroutine.status(c), "suspended", "status")
  that(coroutine.close(c) and coroutine.status(c) == "dead", "close")
  that(select(2, coroutine.running()), "the main one runs")
  that(pcall(function()        -- a yield across pcall and sort's comparison
    local f = coroutine.wrap(function() pcall(coroutine.yield, 1); return 2 end)
    assert(f() == 1 and f() == 2)
  end), "a yield in pcall")
end

local function basics()
  equal(select("#", table.unpack({}, 1, 3)), 3, "select")
  equal({tonumber("z", 36), tonumber("1e1"), tonumber("0x.8p1")},
        {35, 10.0, 1.0}, "tonumber")
  equal(tonumber("1 2"), nil, "no number")
  equal({pcall(error, "x", 0)}, {false, "x"}, "pcall")
  equal({xpcall(error, function(m) return m .. "!" end, "x", 0)},
        {false, "x!"}, "xpcall")
  equal(load("return ...", "name", "t")(7), 7, "load")
  local env = {}
  load("x = 1", "name", "t", env)()
  that(env.x == 1 and x == nil, "load with an environment")
  equal(load(string.dump(function(a) return a * 2 end), "b", "b")(21), 42,
        "a dumped function")
  local f, message = load("x =", "=here")
  that(not f and message:find("^here:1: unexpected symbol"), "a syntax error")
  that(collectgarbage("count") > 0, "collectgarbage")
  equal(collectgarbage("incremental"), "generational", "incremental")
  equal(collectgarbage("generational"), "incremental", "generational")
end

local function debugging()
  local function f(a, b) local c = 3; return debug.getlocal(1, 3) end
  equal({f(1, 2)}, {"c", 3}, "getlocal")
  local info = debug.getinfo(f, "Su")
  equal({info.what, info.nparams, info.isvararg}, {"Lua", 2, false}, "getinfo")
  local lines = 0
  debug.sethook(function() lines = lines + 1 end, "l")
  local _ = 1
  _ = 2
  debug.sethook()
  that(lines >= 2, "a hook for lines")
  local up = 1
  local function g() return up end
  equal({debug.getupvalue(g, 1)}, {"up", 1}, "getupvalue")
  debug.setupvalue(g, 1, 5)
  equal(up, 5, "setupvalue")
  that(debug.traceback("here"):find("^here\nstack traceback:\n"), "traceback")
end

numbers()
control()
objects()
coroutines()
basics()
debugging()
check.done("language")
