/* SPDX-License-Identifier: MIT */
/*
 * The files that every program finds, whatever is mounted: /dev/null,
 * /dev/zero, /dev/random and /dev/urandom.
 */
#ifndef POSIX_DEVICES_H
#define POSIX_DEVICES_H

struct stat;

/* A descriptor for it, or a negative number of errno.h; -ENOENT: it is none of
 * these. `flags` are O_*. */
int device_open(const char *path, int flags);
/* 0, or -ENOENT. */
int device_stat(const char *path, struct stat *stat);

#endif
