/* SPDX-License-Identifier: MIT */
/* What newlib's dirent.h asks each system for. */
#ifndef _SYS_DIRENT_H
#define _SYS_DIRENT_H

#include <sys/types.h>

#define NAME_BYTES_MAX 256 /* FS_NAME_MAX and the NUL */
#define MAXNAMLEN      (NAME_BYTES_MAX - 1)

struct dirent {
    ino_t d_ino;
    unsigned char d_type;
    char d_name[NAME_BYTES_MAX];
};

#define DT_UNKNOWN 0
#define DT_DIR     4
#define DT_REG     8
#define DT_LNK     10

typedef struct _DIR DIR;

#endif
