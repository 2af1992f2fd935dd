/* SPDX-License-Identifier: MIT */
/*
 * The system calls that newlib makes (newlib's libc manual, "Syscalls"), for an
 * image that has its own loop and no descriptors: output goes to the console,
 * exit ends the guest. All other calls of stdio fail with ENOSYS, and the first
 * call of each kind is logged, so that a program that needs it does not fail
 * silently.
 *
 * The weak ones are replaced in a program with a main: see program.c.
 */
#include "console/console.h"
#include "kernel/log.h"
#include "libc/errors.h"
#include "libc/libc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define weak __attribute__((weak))

static struct {
    struct console *console;
    void (*finish)(int status);
} libc;

void libc_init(struct pages *pages, struct console *console,
               void (*finish)(int status))
{
    libc.console = console;
    libc.finish = finish;
    malloc_init(pages);
}

weak _READ_WRITE_RETURN_TYPE write(int fd, const void *bytes, size_t len)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        errno = EBADF;
        return -1;
    }
    console_write(libc.console, bytes, len);
    return (_READ_WRITE_RETURN_TYPE)len;
}

/* Not by error_result(): small images do without its table. */
static int missing(const char *call, bool *said)
{
    (void)error_missing(call, said);
    errno = ENOSYS;
    return -1;
}

weak _READ_WRITE_RETURN_TYPE read(int fd, void *bytes, size_t len)
{
    static bool said;

    (void)fd, (void)bytes, (void)len;
    return missing("read", &said);
}

weak off_t lseek(int fd, off_t offset, int whence)
{
    (void)fd, (void)offset, (void)whence;
    errno = ESPIPE; /* the console cannot seek */
    return -1;
}

weak int close(int fd)
{
    return isatty(fd) - 1; /* 0, or -1 with errno set */
}

weak int isatty(int fd)
{
    if (fd >= STDIN_FILENO && fd <= STDERR_FILENO)
        return 1;
    errno = EBADF;
    return 0;
}

weak int fstat(int fd, struct stat *st)
{
    if (!isatty(fd))
        return -1;
    *st = (struct stat){.st_mode = S_IFCHR, .st_blksize = 256};
    return 0;
}

pid_t getpid(void)
{
    return 1;
}

weak int kill(pid_t pid, int sig)
{
    static bool said;

    (void)pid, (void)sig;
    return missing("kill", &said);
}

void abort(void)
{
    panic("abort() was called");
}

void libc_end(int status)
{
    libc.finish(status);
    panic("the guest went on after its end");
}

weak void _exit(int status)
{
    libc_end(status);
}
