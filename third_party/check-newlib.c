/* SPDX-License-Identifier: MIT */
/*
 * Checks on the build machine what our patches changed in newlib: printf's
 * length modifiers, the lack of %n, memcpy and memset; and what musl does
 * otherwise than the build machine's library. It prints each check that
 * fails, and exits 1 when one did. check-print.c and check-libc.c compare more
 * of it with the build machine's own library.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

_Static_assert(CLOCKS_PER_SEC == 1000000, "POSIX has it so");

/* Longer than two turns of the copying loops, with every tail after them. */
#define MOVE_MAX    330
#define OFFSET_MAX  17
#define FILL        0xee
#define ARENA_BYTES (MOVE_MAX + 2 * OFFSET_MAX)

static int failures;

/* printf, the small one. */

__attribute__((format(printf, 2, 3))) static void
check_print(const char *want, const char *format, ...)
{
    char got[80];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(got, sizeof(got), format, args);
    va_end(args);
    if (strcmp(got, want) == 0 && length == (int)strlen(want))
        return;
    printf("printf %s: got \"%s\" (%d), want \"%s\"\n", format, got, length,
           want);
    failures++;
}

static void check_prints(void)
{
    check_print("-9223372036854775808 7", "%lld %d", INT64_MIN + 0LL, 7);
    check_print("18446744073709551615", "%llu", ~0ULL);
    check_print("ffffffffffffffff 7", "%llx %d", ~0ULL, 7);
    check_print("1777777777777777777777", "%llo", ~0ULL);
    check_print("00000001cafebabe", "%016lx", 0x1cafebabeUL);
    check_print("123456789012 -5", "%zu %zd", (size_t)123456789012,
                (ssize_t)-5);
    check_print("-123456789012", "%jd", (intmax_t)-123456789012);
    check_print("-123456789012", "%td", (ptrdiff_t)-123456789012);
    check_print("18446744073709551615", "%" PRIu64, UINT64_MAX);
    check_print("ff -1 65535 -1", "%hhx %hhd %hu %hd", 0x1ff, 0xff, 0x1ffff,
                0xffff);
    check_print("  42|42  |00042|+42", "%4d|%-4d|%05d|%+d", 42, 42, 42, 42);
    check_print("0x10|0X1F|010|0x1234", "%#x|%#X|%#o|%p", 16, 31, 8,
                (void *)0x1234);
    check_print("abc|ab|  abc|abc  |", "%s|%.2s|%*s|%-5s|", "abc", "abc", 5,
                "abc", "abc");
    check_print("c%|007", "%c%%|%.3d", 'c', 7);
    check_print("0|010|00010|0", "%#o|%#o|%#.5o|%#.0o", 0, 8, 8, 0);
}

/* %n must neither write nor take its argument; gcc would warn of it. */
static void check_no_percent_n(void)
{
    const char *volatile format = "abc%n";
    char got[8];
    int written = -1;

    snprintf(got, sizeof(got), format, &written);
    if (written != -1) {
        printf("printf %%n wrote %d\n", written);
        failures++;
    }
}

/* Wide characters of files, and what is printed to them and read from them.
 * (The build machine's library cannot do these on files in memory.) */

static void check_that(bool is_right, const char *what)
{
    if (is_right)
        return;
    printf("wrong: %s\n", what);
    failures++;
}

static void check_wide_files(void)
{
    char memory[100] = "";
    wchar_t line[20] = L"";
    int n = 0, m = 0;
    FILE *file = fmemopen(memory, sizeof(memory), "w");

    check_that(fwprintf(file, L"%d and %ls\n", 12, L"more") == 12, "fwprintf");
    check_that(fputwc(L'x', file) == L'x' && !fputws(L"yz 34 56", file),
               "fputwc, fputws");
    fclose(file);
    check_that(!strcmp(memory, "12 and more\nxyz 34 56"), memory);

    file = fmemopen(memory, strlen(memory), "r");
    check_that(fwscanf(file, L"%d and", &n) == 1 && n == 12, "fwscanf");
    check_that(fgetws(line, 20, file) && !wcscmp(line, L" more\n"), "fgetws");
    check_that(fgetwc(file) == L'x' && ungetwc(L'q', file) == L'q' &&
                   getwc(file) == L'q',
               "fgetwc, ungetwc");
    check_that(fwscanf(file, L"yz%d%d", &n, &m) == 2 && n == 34 && m == 56,
               "fwscanf of two");
    check_that(fgetwc(file) == WEOF && feof(file), "fgetwc at the end");
    fclose(file);
}

/* scanf, where the build machine's library reads on though what it has read can
 * no longer be a number (C11 7.21.6.2, 9 and 10). */

static void check_scans(void)
{
    char text[2][9] = {"", ""};
    wchar_t wide[] = L"0xz";
    double d = 7;
    int n = 7, m = 7;

    check_that(sscanf("0x1p3", "%lf", &d) == 1 && d == 8, "sscanf 0x1p3");
    check_that(sscanf("10e", "%lf", &d) == 0 && d == 8, "sscanf 10e");
    check_that(sscanf("1e+ 5", "%lf", &d) == 0 && d == 8, "sscanf 1e+");
    check_that(sscanf("0x1.8p 1", "%lf", &d) == 0, "sscanf 0x1.8p");
    check_that(sscanf(" 0x12 0x34", "%5i%2i", &n, &m) == 1 && n == 0x12 &&
                   m == 7,
               "sscanf %5i%2i");
    check_that(sscanf("0xz", "%i", &n) == 0 && n == 0x12, "sscanf 0xz");
    check_that(swscanf(wide, L"%i", &n) == 0, "swscanf 0xz");
    check_that(sscanf("0123456789abc", "%8c%8c", text[0], text[1]) == 1 &&
                   !memcmp(text[0], "01234567", 8),
               "sscanf %8c%8c");
    check_that(sscanf("", "%d", &n) == EOF && sscanf("x", "%d", &n) == 0,
               "sscanf of nothing");
}

/* memcpy and memset. */

static unsigned char source[ARENA_BYTES], target[ARENA_BYTES];

static bool is_filled(const unsigned char *from, const unsigned char *to,
                      unsigned char value)
{
    while (from < to && *from == value)
        from++;
    return from == to;
}

/* True when all of `target` but `length` bytes at `start` is as it was. */
static bool is_rest_untouched(const unsigned char *start, size_t length)
{
    return is_filled(target, start, FILL) &&
           is_filled(start + length, target + sizeof(target), FILL);
}

static bool copies_well(size_t length, size_t from, size_t to)
{
    unsigned char *start = target + to;

    for (size_t i = 0; i < sizeof(target); i++)
        target[i] = FILL;
    if (memcpy(start, source + from, length) != start)
        return false;
    for (size_t i = 0; i < length; i++)
        if (start[i] != source[from + i])
            return false;
    return is_rest_untouched(start, length);
}

static bool sets_well(size_t length, size_t to)
{
    unsigned char *start = target + to;

    for (size_t i = 0; i < sizeof(target); i++)
        target[i] = FILL;
    return memset(start, 0x3f85, length) == start &&
           is_filled(start, start + length, 0x85) &&
           is_rest_untouched(start, length);
}

static void check_moves(void)
{
    bool good = true;

    for (size_t i = 0; i < sizeof(source); i++)
        source[i] = (unsigned char)(7 * i + 1);
    for (size_t length = 0; length <= MOVE_MAX; length++) {
        for (size_t to = 0; to < OFFSET_MAX; to++) {
            good = good && sets_well(length, to);
            for (size_t from = 0; from < OFFSET_MAX; from++)
                good = good && copies_well(length, from, to);
        }
    }
    if (!good) {
        puts("memcpy or memset: wrong bytes");
        failures++;
    }
}

/* The program. */

int main(void)
{
    check_prints();
    check_no_percent_n();
    check_wide_files();
    check_scans();
    check_moves();
    return failures != 0;
}
