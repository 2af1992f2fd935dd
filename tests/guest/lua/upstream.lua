-- SPDX-License-Identifier: MIT
-- Runs files of Lua's own tests, which are the arguments, one after the other
-- in the same state, as their all.lua does. Those of 5.1 find what Lua called
-- otherwise then.

_soft, _port, _nomsg = true, true, true     -- what they ask for

if arg[1] == "5.1" then
  table.remove(arg, 1)
  unpack, loadstring, gcinfo = table.unpack, load, function()
    return collectgarbage("count")
  end
  math.mod, math.pow = math.fmod, function(x, y) return x ^ y end
  string.gfind = string.gmatch
  table.getn = function(t) return #t end
  local popen = io.popen
  io.popen = function(...) return assert(popen(...)) end
end

local failed = 0
for _, name in ipairs(arg) do
  local ok, message = xpcall(dofile, debug.traceback, name)
  io.output(io.stdout)
  print(("%s - %s"):format(ok and "ok" or "not ok", name),
        ok and "" or message)
  failed = failed + (ok and 0 or 1)
end
os.exit(failed == 0)
