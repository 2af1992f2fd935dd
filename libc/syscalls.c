/* SPDX-License-Identifier: MIT */
/*
 * The calls newlib makes downwards (newlib's libc manual, "Syscalls"). Output
 * goes to the console; time is the PV clock's; exit ends the guest. Everything
 * else fails with ENOSYS, and the first such call of each kind is logged, so
 * that a program that needs it does not fail in silence.
 */
#include "console/console.h"
#include "kernel/log.h"
#include "libc/libc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

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

static int missing(const char *what, bool *said)
{
    if (!*said)
        log_warn("libc", "%s() does nothing here: ENOSYS", what);
    *said = true;
    errno = ENOSYS;
    return -1;
}

_READ_WRITE_RETURN_TYPE write(int fd, const void *bytes, size_t len)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        errno = EBADF;
        return -1;
    }
    console_write(libc.console, bytes, len);
    return (_READ_WRITE_RETURN_TYPE)len;
}

_READ_WRITE_RETURN_TYPE read(int fd, void *bytes, size_t len)
{
    static bool said;

    (void)fd, (void)bytes, (void)len;
    return missing("read", &said);
}

off_t lseek(int fd, off_t offset, int whence)
{
    (void)fd, (void)offset, (void)whence;
    errno = ESPIPE; /* the console is no file */
    return -1;
}

int close(int fd)
{
    (void)fd;
    return 0;
}

int isatty(int fd)
{
    if (fd >= STDIN_FILENO && fd <= STDERR_FILENO)
        return 1;
    errno = EBADF;
    return 0;
}

int fstat(int fd, struct stat *st)
{
    if (!isatty(fd))
        return -1;
    *st = (struct stat){.st_mode = S_IFCHR, .st_blksize = 256};
    return 0;
}

int gettimeofday(struct timeval *tv, void *zone)
{
    uint64_t ns = hv_wall_base_ns() + hv_now_ns();

    (void)zone;
    tv->tv_sec = (time_t)(ns / NS_PER_S);
    tv->tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US);
    return 0;
}

clock_t times(struct tms *t)
{
    static bool said;

    (void)t;
    return (clock_t)missing("times", &said);
}

pid_t getpid(void)
{
    return 1;
}

int kill(pid_t pid, int sig)
{
    static bool said;

    (void)pid, (void)sig;
    return missing("kill", &said);
}

void abort(void)
{
    panic("abort() was called");
}

void _exit(int status)
{
    libc.finish(status);
    panic("the guest went on after its end");
}
