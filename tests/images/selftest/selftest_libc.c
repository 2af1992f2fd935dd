/* SPDX-License-Identifier: MIT */
/*
 * The C library as the guest has it: newlib on our system layer.
 */
#include "tests/images/selftest/selftest.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

/* ---- printf */

#define prints(expected, ...)                                              \
    (snprintf(text, sizeof(text), __VA_ARGS__) == (int)strlen(expected) && \
     !strcmp(text, expected))

static const char *check_printf(struct app *app)
{
    char text[64];

    (void)app;
    must(prints("0 -1 4294967295", "%d %d %u", 0, -1, UINT32_MAX));
    must(prints("-9223372036854775808", "%" PRId64, INT64_MIN));
    must(prints("18446744073709551615", "%" PRIu64, UINT64_MAX));
    must(prints("18446744073709551615", "%llu", ULLONG_MAX));
    must(prints("18446744073709551615", "%zu", SIZE_MAX));
    must(prints("ff 0xff 00FF 377", "%x %#x %04X %o", 255, 255, 255, 255));
    must(prints("[   ab][ab   ][a]", "[%5s][%-5s][%.1s]", "ab", "ab", "ab"));
    must(prints("[00042][   42][42   ][+42]", "[%05d][%*d][%-5d][%+d]", 42, 5,
                42, 42, 42));
    must(prints("%c x", "%%c %c", 'x'));
    return NULL;
}

static const char *check_printf_cut(struct app *app)
{
    char text[8] = "1234567";
    volatile size_t room = 4; /* the compiler would warn of it */

    (void)app;
    must(snprintf(text, room, "%s", "abcdef") == 6);
    must(!memcmp(text,
                 "abc\0"
                 "567",
                 8));
    must(snprintf(NULL, 0, "%d", 12345) == 5);
    return NULL;
}

/* ---- Strings and numbers */

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static const char *check_stdlib(struct app *app)
{
    int numbers[] = {3, 1, 2, 5, 4};
    char *end;

    (void)app;
    qsort(numbers, 5, sizeof(numbers[0]), compare);
    for (int i = 0; i < 5; i++)
        must(numbers[i] == i + 1);
    must(strtoul("ffz", &end, 16) == 255 && *end == 'z');
    errno = 0;
    must(strtoul("99999999999999999999", NULL, 10) == ULONG_MAX);
    must(errno == ERANGE);
    must(!strcmp(strerror(ENOMEM), "Not enough space"));
    return NULL;
}

/* memmove with every small length and alignment: newlib's assembly. */
static const char *check_memory_moves(struct app *app)
{
    unsigned char from[96], to[96];

    (void)app;
    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (unsigned char)(i + 1);
    for (unsigned at = 0; at < 16; at++) {
        for (unsigned len = 0; len < 64; len++) {
            memset(to, 0, sizeof(to));
            memcpy(to + at, from + 15 - at, len);
            must(!memcmp(to + at, from + 15 - at, len) && to[at + len] == 0);
            memmove(to + at + 1, to + at, len);
            must(!memcmp(to + at + 1, from + 15 - at, len));
        }
    }
    return NULL;
}

/* ---- Wall clock. The test outside passes the time: now=SECONDS. */

#define CLOCK_OFF_MAX                                       \
    600 /* seconds that a busy machine may take to start us \
         */

static const char *check_wall_clock(struct app *app)
{
    uint64_t now;
    struct timeval precise;
    time_t seen = time(NULL);
    int given = options_number(app->options, "now", 1, INT64_MAX, &now);

    must(given == 1);
    printf("# the clock is %ld s after now=\n", (long)(seen - (time_t)now));
    must(seen >= (time_t)now - CLOCK_OFF_MAX);
    must(seen <= (time_t)now + CLOCK_OFF_MAX);
    must(gmtime(&seen)->tm_year >= 125);
    must(!gettimeofday(&precise, NULL));
    must(precise.tv_sec >= seen);
    return NULL;
}

/* ---- Random numbers */

#define RANDOM_WORDS 1000

static const char *check_random(struct app *app)
{
    unsigned ones = 0;
    uint32_t last = random_u32(app->random);

    must(app->random->seeded);
    printf("# random %08" PRIx32 "\n", last);
    for (unsigned i = 0; i < RANDOM_WORDS; i++) {
        uint32_t word = random_u32(app->random);

        must(word != last); /* once in 4 million runs by chance */
        ones += (unsigned)__builtin_popcount(word);
        last = word;
    }
    /* Half of the bits; 10 standard deviations to each side. */
    must(ones > 16 * RANDOM_WORDS - 900 && ones < 16 * RANDOM_WORDS + 900);
    return NULL;
}

const struct selftest_check selftest_libc[] = {
    {"printf", check_printf, false},
    {"printf-cut", check_printf_cut, false},
    {"stdlib", check_stdlib, false},
    {"memory-moves", check_memory_moves, false},
    {"random", check_random, false},
    {"wall-clock", check_wall_clock, true},
    {NULL, NULL, false},
};
