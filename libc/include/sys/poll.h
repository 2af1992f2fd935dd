/* SPDX-License-Identifier: MIT */
/* Where some programs look for it. */
#include <poll.h>
