/* SPDX-License-Identifier: MIT */
/*
 * What a program needs of the system: random numbers, its name, limits, pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "kernel/app.h"
#include "libc/errors.h"
#include "posix/fd.h"
#include "posix/program.h"

/* ---- Random numbers */

#define ENTROPY_MAX 256 /* POSIX' GETENTROPY_MAX */

ssize_t getrandom(void *to, size_t bytes, unsigned flags)
{
    struct random *random = program_app()->random;

    (void)flags;
    if (!random->seeded)
        return error_result(-XEN_EAGAIN);
    random_bytes(random, to, bytes);
    return (ssize_t)bytes;
}

int getentropy(void *to, size_t bytes)
{
    if (bytes > ENTROPY_MAX)
        return (int)error_result(-XEN_EIO);
    return getrandom(to, bytes, 0) < 0 ? (int)error_result(-XEN_EIO) : 0;
}

/* ---- The environment */

int clearenv(void)
{
    if (environ)
        *environ = NULL;
    return 0;
}

/* ---- Names and limits */

int uname(struct utsname *name)
{
    *name = (struct utsname){
        .sysname = "Xenolith",
        .release = XENOLITH_VERSION,
        .version = XENOLITH_VERSION,
        .machine = "x86_64",
    };
    strncpy(name->nodename, program_app()->name, sizeof(name->nodename) - 1);
    return 0;
}

int getpagesize(void)
{
    return XEN_PAGE_SIZE;
}

long sysconf(int name)
{
    switch (name) {
    case _SC_PAGESIZE:
        return XEN_PAGE_SIZE;
    case _SC_OPEN_MAX:
        return FD_MAX;
    case _SC_IOV_MAX:
        return FD_PIECES_MAX;
    case _SC_NPROCESSORS_CONF:
    case _SC_NPROCESSORS_ONLN:
        return 1;
    case _SC_CLK_TCK:
        return CLOCKS_PER_SEC;
    case _SC_AVPHYS_PAGES:
        return (long)pages_available(program_app()->pages);
    default:
        return error_result(-XEN_EINVAL);
    }
}

/* ---- Pages */

static unsigned long pages_of(size_t bytes)
{
    return (bytes + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE;
}

void *mmap(void *where, size_t bytes, int protection, int flags, int fd,
           off_t offset)
{
    int err = 0;
    void *run;

    (void)where, (void)fd, (void)offset;
    if (!bytes || bytes > SIZE_MAX - XEN_PAGE_SIZE)
        err = EINVAL;
    else if ((flags & ~MAP_PRIVATE) != MAP_ANONYMOUS ||
             protection != (PROT_READ | PROT_WRITE))
        err = ENOTSUP;
    run = err ? NULL : page_alloc(program_app()->pages, pages_of(bytes));
    if (!run) {
        errno = err ? err : ENOMEM;
        return MAP_FAILED;
    }
    return memset(run, 0, pages_of(bytes) * XEN_PAGE_SIZE);
}

int munmap(void *at, size_t bytes)
{
    if (!bytes || (uintptr_t)at % XEN_PAGE_SIZE)
        return (int)error_result(-XEN_EINVAL);
    page_free(program_app()->pages, at, pages_of(bytes));
    return 0;
}

int msync(void *at, size_t bytes, int flags)
{
    bool both = flags & MS_ASYNC && flags & MS_SYNC;

    (void)bytes;
    if ((uintptr_t)at % XEN_PAGE_SIZE || both ||
        flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
        return (int)error_result(-XEN_EINVAL);
    return 0;
}
