-- SPDX-License-Identifier: MIT
-- string, utf8, table and math.

local check = require "check"
local that, equal, fails = check.that, check.equal, check.fails

local function format()
  local cases = {
    {"0.1", "%.14g", 0.1}, {"1e+300", "%.14g", 1e300}, {"-0.0", "%s", -0.0},
    {"3.14", "%.2f", math.pi}, {"  3.1|3.1  |003.1", "%5.1f|%-5.1f|%05.1f",
     math.pi, math.pi, math.pi},
    {"1.500000e+10", "%e", 1.5e10}, {"1E-05", "%G", 1e-5},
    {"0x1.8p+0 -0X1P+4", "%a %A", 1.5, -16}, {"inf -inf", "%g %g", 1 / 0, -1 / 0},
    {"-9223372036854775808", "%d", math.mininteger},
    {"ffffffffffffffff", "%x", -1}, {"0X1F 037", "%#X %#o", 31, 31},
    {"+7|  7|007|7  ", "%+d|%3d|%03d|%-3d", 7, 7, 7, 7}, {"a%b", "%c%%%c", 97, 98},
    {"ab|   ab|ab   |a", "%s|%5s|%-5s|%.1s", "ab", "ab", "ab", "ab"},
    {"\"a\\\n\\0\\\"\\\\\"", "%q", "a\n\0\"\\"}, {"0x1p-1", "%q", 0.5},
    {"0x8000000000000000", "%q", math.mininteger}, {"7.0 7", "%s %s", 7.0, 7},
  }
  for _, case in ipairs(cases) do
    equal(string.format(table.unpack(case, 2)), case[1], case[2])
  end
  equal(#string.format("%.99f", 2 ^ 1000), 302 + 100, "a long number")
  fails("invalid conversion", string.format, "%y", 1)
end

-- What %.17g, %a and %q print is the same number again.
local function round_trips()
  local bad
  for i = 1, 2000 do
    local x = string.unpack("d", string.pack("J", math.random(0)))
    if x == x and x - x == 0 then
      bad = bad or tonumber(("%.17g"):format(x)) ~= x and x
            or tonumber(("%a"):format(x)) ~= x and x
            or load("return " .. ("%q"):format(x))() ~= x and x
    end
  end
  that(not bad, "numbers come back from text: " .. tostring(bad))
  equal(tonumber("1e-324") , 0.0, "a number too small")
  equal(tonumber("1e400"), math.huge, "a number too large")
  equal(tonumber("2.2250738585072014e-308"), 2.2250738585072014e-308, "tiny")
  equal(tostring(2 ^ 53), "9.007199254741e+15", "tostring")
  equal(123456789012345678 | 0, 123456789012345678, "integers are exact")
end

local function strings()
  equal(("hello world"):gsub("o", "0"), "hell0 w0rld", "gsub")
  equal(("key = value"):match("^(%w+)%s*=%s*(%w+)$"), "key", "match")
  equal({("a,b,,c"):gsub(",", {[","] = ";"})}, {"a;b;;c", 3}, "a table in gsub")
  equal(("x^2"):find("^", 1, true), 2, "a plain find")
  equal(("THE (quick) fox"):find("%((%a+)%)"), 5, "captures")
  equal(("[[x]]"):match("%b[]"), "[[x]]", "balanced")
  equal(("THE fox"):match("%f[%l]%a+"), "fox", "a frontier")
  local words = {}
  for w in ("one two  three"):gmatch("%S+") do words[#words + 1] = w end
  equal(words, {"one", "two", "three"}, "gmatch")
  equal(("abc"):rep(3, "-"), "abc-abc-abc", "rep")
  equal(("abc"):byte(-1), 99, "byte")
  equal(("äb"):upper():lower():len(), 3, "bytes are no letters")
  equal(("abc"):reverse():sub(2, -1), "ba", "reverse and sub")
  that("a" < "b" and "a\0b" > "a\0a" and not ("Z" > "a"), "order")
  fails("malformed pattern", string.find, "x", "[a")
  fails("too complex", string.match, ("x"):rep(300000), (".-"):rep(300000) .. "b")
  fails("resulting string too large", string.rep, "x", 1 << 62)
end

local function packing()
  local packed = string.pack("<i4 >I2 z s1 d", -2, 258, "zero", "len", 0.5)
  equal({string.unpack("<i4 >I2 z s1 d", packed)},
        {-2, 258, "zero", "len", 0.5, #packed + 1}, "pack and unpack")
  equal(string.packsize("!8 b j"), 16, "alignment")
  fails("data string too short", string.unpack, "i8", "abc")
end

local function unicode()
  local text = "aé€😀"
  equal(utf8.len(text), 4, "len")
  equal({utf8.codepoint(text, 1, -1)}, {97, 233, 8364, 128512}, "codepoint")
  equal(utf8.char(97, 233, 8364, 128512), text, "char")
  equal(utf8.offset(text, 4), 7, "offset")
  equal({utf8.len("a\xff")}, {nil, 2}, "what is no UTF-8")
  local n = 0
  for _, c in utf8.codes(text) do n = n + c end
  equal(n, 97 + 233 + 8364 + 128512, "codes")
end

local function tables()
  local t = {5, 2, 9}
  table.sort(t, function(a, b) return a > b end)
  equal(t, {9, 5, 2}, "sort")
  table.insert(t, 2, 7)
  equal(table.remove(t, 1), 9, "remove")
  equal(table.concat(t, ",", 1, 3), "7,5,2", "insert and concat")
  equal(table.move({1, 2, 3}, 1, 3, 2), {1, 1, 2, 3}, "move")
  local p = table.pack(nil, 2, nil)
  equal(p.n, 3, "pack")
  local many = {}
  for i = 1, 20000 do many[i] = (i * 7919) % 20011 end
  table.sort(many)
  local sorted = true
  for i = 2, #many do sorted = sorted and many[i - 1] <= many[i] end
  that(sorted, "a long sort")
  fails("invalid order function", table.sort, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
        function() return true end)
  fails("invalid value", table.concat, {1, {}, 3})
  equal({next({})}, {}, "next of nothing")
end

local function mathematics()
  equal({math.floor(-3.5), math.ceil(-3.5)}, {-4, -3}, "floor and ceil")
  equal({math.tointeger(3.0), math.tointeger("8"), math.tointeger(3.5)},
        {3, 8}, "tointeger")
  equal({math.fmod(-7, 3), math.fmod(-7.5, 2)}, {-1, -1.5}, "fmod")
  equal({math.modf(-3.25)}, {-3, -0.25}, "modf")
  equal({math.type(1), math.type(1.0), math.type("1")}, {"integer", "float"},
        "type")
  that(math.ult(1, -1), "ult")
  local bad
  for i = 0, 1023 do
    bad = bad or math.log(2.0 ^ i, 2) ~= i and "2^" .. i
  end
  for i = 0, 22 do
    bad = bad or math.log(10.0 ^ i, 10) ~= i and "10^" .. i
  end
  that(not bad, "logarithms of powers: " .. tostring(bad))
  local function near(a, b) return math.abs(a - b) <= 4e-16 * math.abs(b) end
  that(near(math.sin(1), 0.84147098480789651), "sin")
  that(near(math.cos(1e6), 0.93675212753314479), "cos of a large number")
  that(near(math.tan(0.5), 0.54630248984379051), "tan")
  that(near(math.atan(1, -1), 2.3561944901923449), "atan")
  that(near(math.exp(1), 2.7182818284590452), "exp")
  that(near(math.asin(0.5) + math.acos(0.5), 1.5707963267948966), "asin, acos")
  equal(math.sqrt(2)^2 - 2 < 1e-15, true, "sqrt")
  math.randomseed(42)
  local a, b = math.random(1000), math.random()
  math.randomseed(42)
  that(a == math.random(1000) and b == math.random(), "a seed")
  that(b >= 0 and b < 1 and a >= 1 and a <= 1000, "random numbers")
  fails("interval is empty", math.random, 2, 1)
end

format()
round_trips()
strings()
packing()
unicode()
tables()
mathematics()
check.done("libraries")
