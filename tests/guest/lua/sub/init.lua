-- SPDX-License-Identifier: MIT
return "init"
