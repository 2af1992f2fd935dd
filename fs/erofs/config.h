/* SPDX-License-Identifier: MIT */
/* In place of what configure would write for liberofs: lz4, and nothing else
 * that is optional. */
#ifndef FS_EROFS_CONFIG_H
#define FS_EROFS_CONFIG_H

#define LZ4_ENABLED     1
#define EROFS_READ_ONLY 1 /* our patch */

/* <sys/sysmacros.h>'s; device numbers interest nobody here. */
#define makedev(major, minor) ((major) << 8 | (minor))

#endif
