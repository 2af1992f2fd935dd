/* SPDX-License-Identifier: MIT */
/* Reading and writing in several pieces (POSIX, sys/uio.h). */
#ifndef _SYS_UIO_H
#define _SYS_UIO_H

#include <sys/types.h>

struct iovec {
    void *iov_base;
    size_t iov_len;
};

#define IOV_MAX 1024

ssize_t readv(int fd, const struct iovec *pieces, int nr);
ssize_t writev(int fd, const struct iovec *pieces, int nr);

#endif
