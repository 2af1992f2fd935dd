-- SPDX-License-Identifier: MIT
-- For recursion.lua.
return again()
