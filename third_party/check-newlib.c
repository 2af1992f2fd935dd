/* SPDX-License-Identifier: MIT */
/*
 * Checks on the build machine what our patches changed in newlib: printf's and
 * scanf's length modifiers, %a, the lack of %n, memcpy and memset. And that
 * numbers come back as they were from text: strtod after printf.
 *
 * The program is linked with the guest's libc.a and nothing else. The few
 * system calls it needs are Linux's, made right here; the heap is an array.
 * It prints each check that fails, and exits 1 when one did.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LINUX_WRITE      1
#define LINUX_EXIT_GROUP 231

/* Longer than two turns of the copying loops, with every tail after them. */
#define MOVE_MAX    330
#define OFFSET_MAX  17
#define FILL        0xee
#define ARENA_BYTES (MOVE_MAX + 2 * OFFSET_MAX)

static int failures;

__asm__(".globl _printf_float"); /* printf with floating point */

/* What newlib asks of a system. */

static long linux_call(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

int write(int fd, const void *data, size_t len)
{
    return (int)linux_call(LINUX_WRITE, fd, (long)data, (long)len);
}

_Noreturn void _exit(int status)
{
    for (;;)
        linux_call(LINUX_EXIT_GROUP, status, 0, 0);
}

void *sbrk(ptrdiff_t bytes)
{
    static char heap[65536];
    static size_t used;
    void *start = heap + used;

    used += (size_t)bytes;
    return start;
}

int read(int fd, void *data, size_t len)
{
    (void)fd, (void)data, (void)len;
    return 0;
}

int close(int fd)
{
    (void)fd;
    return 0;
}

off_t lseek(int fd, off_t offset, int whence)
{
    (void)fd, (void)offset, (void)whence;
    return 0;
}

int fstat(int fd, struct stat *status)
{
    (void)fd;
    status->st_mode = S_IFCHR;
    return 0;
}

int isatty(int fd)
{
    (void)fd;
    return 1;
}

int getpid(void)
{
    return 1;
}

int kill(int pid, int signal)
{
    (void)pid, (void)signal;
    return -1;
}

/* printf and scanf. */

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
}

static void check_print_floats(void)
{
    check_print("0.1 1e+300 -0 1e+14 1e+15", "%.14g %.14g %g %.14g %g", 0.1,
                1e300, -0.0, 1e14, 1e15);
    check_print(" 3.14|3.14 |003.1|+3.1|3.|2",
                "%5.2f|%-5.2f|%05.1f|%+.1f|%#.0f|%.0f", 3.14159, 3.14159,
                3.14159, 3.14159, 3.0, 2.5);
    check_print("inf -INF nan 1.5e+00 1.500000E-10", "%f %E %g %.1e %E",
                __builtin_inf(), -__builtin_inf(), __builtin_nan(""), 1.5,
                1.5e-10);
    check_print("1.500000 12345.7", "%F %.1F", 1.5, 12345.67);
    check_print("0x1p+0 -0x1.8p+1 0x1.999999999999ap-4 0X1.FP+10 0x0p+0",
                "%a %a %a %A %a", 1.0, -3.0, 0.1, 1984.0, 0.0);
    check_print("0x1.fffffffffffffp+1023 0x0.0000000000001p-1022 -inf NAN",
                "%a %a %a %A", 1.7976931348623157e308, 4.9406564584124654e-324,
                -__builtin_inf(), __builtin_nan(""));
    /* Rounded to the nearest, or else to the even one. */
    check_print("0x1.8p+0 0x1.ap+0 0x1.8p+0 0x2p+0 0x1p+0",
                "%.1a %.1a %.1a %.0a %.0a", 0x1.88p+0, 0x1.988p+0, 0x1.78p+0,
                0x1.8p+0, 0x1.7p+0);
    check_print(
        "0x1.80000000000000000p+0|0x1.p+0|   0x1p+0|0x0001p+0|0x1p+0   |",
        "%.17a|%#a|%9a|%09a|%-9a|", 1.5, 1.0, 1.0, 1.0, 1.0);
}

/* Any number, in three ways, comes back as the same one. */
static bool comes_back(double value)
{
    static const char *const formats[] = {"%.17g", "%a", "%.16e"};
    char text[40];

    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        snprintf(text, sizeof(text), formats[i], value);
        if (strtod(text, NULL) != value) {
            printf("strtod: %s is another number\n", text);
            return false;
        }
    }
    return true;
}

static void check_numbers_come_back(void)
{
    union {
        uint64_t bits;
        double value;
    } any = {.bits = 1};

    for (int i = 0; i < 20000; i++) {
        any.bits = any.bits * 6364136223846793005 + 1442695040888963407;
        if (any.value - any.value == 0 && !comes_back(any.value)) {
            failures++;
            return;
        }
    }
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

static void check_scan(void)
{
    struct {
        long long wide;
        unsigned long long unsigned_wide;
        size_t size;
        short narrow;
        signed char narrowest[2];
        int plain;
    } got = {.narrowest = {0, 99}};
    int count =
        sscanf("-5 18446744073709551615 77 -3 -4 0x9",
               "%lld %llu %zu %hd %hhd %i", &got.wide, &got.unsigned_wide,
               &got.size, &got.narrow, &got.narrowest[0], &got.plain);

    if (count == 6 && got.wide == -5 && got.unsigned_wide == ~0ULL &&
        got.size == 77 && got.narrow == -3 && got.narrowest[0] == -4 &&
        got.narrowest[1] == 99 && got.plain == 9)
        return;
    printf("sscanf: %d conversions, or a wrong value\n", count);
    failures++;
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

__attribute__((used)) static _Noreturn void check_all(void)
{
    check_prints();
    check_print_floats();
    check_numbers_come_back();
    check_no_percent_n();
    check_scan();
    check_moves();
    exit(failures != 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    and $-16, %rsp\n"
        "    call check_all\n");
