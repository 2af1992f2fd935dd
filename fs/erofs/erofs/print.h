/* SPDX-License-Identifier: MIT */
/* Replaces liberofs' own header: its messages go to the log. */
#ifndef FS_EROFS_PRINT_H
#define FS_EROFS_PRINT_H

#include "kernel/log.h"

#define erofs_err(...) log_warn("erofs", __VA_ARGS__)
#define erofs_dbg(...) ((void)0)

#endif
