/* SPDX-License-Identifier: MIT */
/* Replaces the file that configure would write for liberofs: of the options,
 * only lz4. */
#ifndef FS_EROFS_CONFIG_H
#define FS_EROFS_CONFIG_H

#define LZ4_ENABLED     1
#define EROFS_READ_ONLY 1 /* our patch */

/* <sys/sysmacros.h>'s; device numbers interest nobody here. */
#define makedev(major, minor) ((major) << 8 | (minor))

#endif
