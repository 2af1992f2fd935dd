/* SPDX-License-Identifier: MIT */
/* What a program needs of the system: memory, random numbers, names, log. */
#include "tests/images/posixtest/posixtest.h"

#include <byteswap.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

/* ---- Memory */

static long pages_left(void)
{
    return sysconf(_SC_AVPHYS_PAGES);
}

/* Half of the memory in one block, and all of it in small ones. */
static void test_malloc(void)
{
    volatile size_t huge = SIZE_MAX / 2; /* unknown to the compiler */
    size_t half = (size_t)pages_left() / 2 * (size_t)getpagesize();
    long before = pages_left();
    void *first = NULL, **block;
    char *large = malloc(half);

    check(large != NULL, "malloc of half of the memory");
    if (large)
        memset(large, 'x', half);
    large = realloc(large, half / 2);
    check(large && large[half / 2 - 1] == 'x', "realloc to less");
    check(malloc(huge) == NULL && errno == ENOMEM, "malloc of too much");
    check(calloc(huge, 4) == NULL && errno == ENOMEM, "calloc of that");
    free(large);
    while ((block = malloc(100))) {
        *block = first;
        first = block;
    }
    check(errno == ENOMEM, "malloc to the end");
    for (; first; first = block) {
        block = *(void **)first;
        free(first);
    }
    /* One page stays for blocks of their size, and the record of free pages has
     * grown. */
    check(pages_left() >= before - 3, "all memory is given back");
    printf("# %ld of %ld pages\n", pages_left(), before);
}

static void test_pages(void)
{
    long before = pages_left();
    char *run = mmap(NULL, 100000, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *aligned = NULL;

    check(run != MAP_FAILED && run[0] == 0 && run[99999] == 0, "mmap");
    check(munmap(run, 100000) == 0 && pages_left() == before, "munmap");
    check(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, 0, 0) == MAP_FAILED &&
              errno == ENOTSUP,
          "no file is mapped");
    check(posix_memalign(&aligned, 512, 10) == 0 &&
              (uintptr_t)aligned % 512 == 0,
          "posix_memalign");
    check(posix_memalign(&aligned, 3, 10) == EINVAL, "to no power of two");
    free(aligned);
}

/* ---- Random numbers, names, the log */

static void test_chance(void)
{
    unsigned char one[64] = {0}, two[64] = {0}, many[257];

    check(getentropy(one, sizeof(one)) == 0, "getentropy");
    check(getrandom(two, sizeof(two), 0) == sizeof(two), "getrandom");
    check(memcmp(one, two, sizeof(one)), "they differ");
    check(getentropy(many, sizeof(many)) == -1 && errno == EIO, "too much");
}

static void test_names(void)
{
    struct utsname name;

    check(uname(&name) == 0 && !strcmp(name.nodename, "posixtest"), "uname");
    check(htobe16(0x1234) == 0x3412 && le32toh(0x12345678) == 0x12345678 &&
              be64toh(bswap_64(7)) == 7,
          "the order of bytes");
    check(sysconf(_SC_NPROCESSORS_ONLN) == 1, "sysconf");
    check(sysconf(-1) == -1 && errno == EINVAL, "sysconf of nothing");
}

/* Checked from outside. */
static void complain(void)
{
    errno = ENOENT;
    warn("file %d", 1);
    warnx("file %d", 2);
    openlog("daemon", LOG_PID, LOG_DAEMON);
    errno = EIO;
    syslog(LOG_ERR, "%d%% of it: %m", 50);
    syslog(LOG_DEBUG, "this is not shown");
    setlogmask(LOG_UPTO(LOG_ERR));
    syslog(LOG_WARNING, "this neither");
    setlogmask(LOG_UPTO(LOG_DEBUG));
    closelog();
    syslog(LOG_NOTICE, "a notice");
}

int run_system(int argc, char **argv)
{
    (void)argc, (void)argv;
    test_chance();
    test_names();
    complain();
    test_pages();
    test_malloc();
    return 0;
}

int run_err(int argc, char **argv)
{
    (void)argc, (void)argv;
    errno = EACCES;
    err(3, "the end");
}

/* A string that is one byte too long: it hits only the guard behind it. */
int run_overflow(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : "";
    char *copy = malloc(strlen(text));

    if (copy)
        for (size_t i = 0; i <= strlen(text); i++)
            ((volatile char *)copy)[i] = text[i];
    free(copy);
    return 0;
}
