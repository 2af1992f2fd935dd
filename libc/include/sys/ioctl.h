/* SPDX-License-Identifier: MIT */
/* The two requests that there are, with Linux's numbers. */
#ifndef _SYS_IOCTL_H
#define _SYS_IOCTL_H

#define FIONREAD 0x541b /* int: bytes that a read would find */
#define FIONBIO  0x5421 /* int: 0 to wait, else not to */

int ioctl(int fd, unsigned long request, ...);

#endif
