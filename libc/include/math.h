/* SPDX-License-Identifier: MIT */
/* newlib's, but for the macro that makes log2 of log and a division: log2(8)
 * is then not 3. The function is exact. */
#include_next <math.h>

#undef log2
