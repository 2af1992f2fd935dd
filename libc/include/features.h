/* SPDX-License-Identifier: MIT */
/* glibc's name for what newlib has in sys/features.h. */
#ifndef _FEATURES_H
#define _FEATURES_H

#include <sys/features.h>

#endif
