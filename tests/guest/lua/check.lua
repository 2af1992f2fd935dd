-- SPDX-License-Identifier: MIT
-- Checks for the other files here: a line of TAP for each that fails, one for
-- the whole at the end, and an exit status.

local check = {}
local done, failed = 0, 0

local function say(ok, what, more)
  done = done + 1
  if not ok then
    failed = failed + 1
    local at = debug.getinfo(2, "Sl") -- calls of it are tail calls
    print(("not ok - %s # %s:%d%s"):format(what, at.short_src, at.currentline,
                                          more or ""))
  end
  return ok
end

function check.that(ok, what)
  return say(ok, what)
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  for k, v in pairs(a) do
    if not same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

-- Numbers are the same if they are so in type, too; tables, if their fields are.
function check.equal(got, want, what)
  return say(same(got, want), what,
             (": got %s, want %s"):format(tostring(got), tostring(want)))
end

-- f(...) raises an error whose message has `pattern` in it.
function check.fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  return say(not ok and tostring(message):find(pattern),
             "an error: " .. pattern, ": " .. tostring(message))
end

-- nil, a message with `pattern` in it, and an error number.
function check.refused(pattern, result, message, number)
  return say(result == nil and tostring(message):find(pattern)
             and math.type(number) == "integer", "refused: " .. pattern,
             (": %s, %s, %s"):format(result, message, number))
end

function check.done(name)
  print(("%s - %s: %d checks, %d failed"):format(
    failed == 0 and done > 0 and "ok" or "not ok", name, done, failed))
  if failed > 0 then os.exit(1) end
  done = 0
end

return check
