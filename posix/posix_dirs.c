/* SPDX-License-Identifier: MIT */
/*
 * Directories: a descriptor, and some entries read ahead. "." and ".." are not
 * included; POSIX leaves that open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc/errors.h"
#include "posix/fd.h"
#include "posix/files.h"

/* Entries read at once: half a page. */
#define BATCH 8

struct _DIR {
    int fd;
    struct fs_entry entries[BATCH];
    unsigned nr, at; /* entries read; of which returned */
    uint64_t first;  /* the number of the first */
    struct dirent entry;
};

static DIR *make(int fd)
{
    DIR *dir = calloc(1, sizeof(*dir));

    if (dir)
        dir->fd = fd;
    return dir;
}

DIR *fdopendir(int fd)
{
    struct fs_entry entry;
    int nr = file_readdir(fd, &entry, 0, 0);

    if (nr < 0) {
        errno = -error_of_xen(nr);
        return NULL;
    }
    return make(fd);
}

DIR *opendir(const char *path)
{
    int fd = file_open(path, O_RDONLY | O_DIRECTORY);
    DIR *dir;

    if (fd < 0) {
        errno = -error_of_xen(fd);
        return NULL;
    }
    dir = make(fd);
    if (!dir)
        (void)fd_close(fd);
    return dir;
}

static unsigned char type_of(enum fs_kind kind)
{
    static const unsigned char types[] = {
        [FS_FILE] = DT_REG,
        [FS_DIRECTORY] = DT_DIR,
        [FS_LINK] = DT_LNK,
        [FS_OTHER] = DT_UNKNOWN,
    };

    return types[kind];
}

struct dirent *readdir(DIR *dir)
{
    const struct fs_entry *next;

    if (dir->at == dir->nr) {
        int nr;

        dir->first += dir->nr;
        dir->at = dir->nr = 0;
        nr = file_readdir(dir->fd, dir->entries, BATCH, dir->first);
        if (nr < 0)
            errno = -error_of_xen(nr);
        if (nr <= 0)
            return NULL;
        dir->nr = (unsigned)nr;
    }
    next = &dir->entries[dir->at++];
    dir->entry.d_ino = (ino_t)next->id;
    dir->entry.d_type = type_of(next->kind);
    strcpy(dir->entry.d_name, next->name);
    return &dir->entry;
}

void rewinddir(DIR *dir)
{
    dir->at = dir->nr = 0;
    dir->first = 0;
}

int dirfd(DIR *dir)
{
    return dir->fd;
}

int closedir(DIR *dir)
{
    int err = fd_close(dir->fd);

    free(dir);
    return (int)error_result(err);
}
