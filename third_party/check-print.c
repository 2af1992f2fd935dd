/* SPDX-License-Identifier: MIT */
/*
 * Prints integers and strings in all the ways that the small printf knows, for
 * a comparison with what the build machine's C library prints: each combination
 * of flags, width, precision and size, of values at the edges.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static const char *const flags[] = {"",  "-",  "0",  "+",  " ",
                                    "#", "-#", "0#", "+0", "- "};
static const char *const widths[] = {"", "1", "7", "25"};
static const char *const precisions[] = {"", ".", ".1", ".6", ".24"};
static const long values[] = {
    0, 1, -1, 8, 255, -32768, 0x7fff, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN};
static const char *const strings[] = {"", "a", "twelve chars"};

static void print(const char *format, long value, int is_int)
{
    char text[100];
    int len = is_int ? snprintf(text, sizeof(text), format, (int)value)
                     : snprintf(text, sizeof(text), format, value);

    printf("%s %ld: %d [%s]\n", format, value, len, text);
}

/* C leaves # open for d, i and u, and + and the blank for all unsigned ones. */
static int is_defined(const char *flag, char conversion)
{
    if (strchr("di", conversion))
        return !strchr(flag, '#');
    return !strpbrk(flag, "+ ") && (conversion != 'u' || !strchr(flag, '#'));
}

static void print_numbers(const char *prefix)
{
    static const char *const sizes[] = {"hh", "h", "",  "l",
                                        "ll", "j", "z", "t"};
    char format[40];

    for (size_t size = 0; size < LENGTH(sizes); size++)
        for (const char *c = "diuoxX"; *c; c++)
            for (size_t i = 0; i < LENGTH(values); i++) {
                if (!is_defined(prefix + 1, *c))
                    continue;
                snprintf(format, sizeof(format), "%s%s%c", prefix, sizes[size],
                         *c);
                print(format, values[i], size < 3);
            }
}

static void print_strings(const char *prefix)
{
    char format[40], text[100];

    for (size_t i = 0; i < LENGTH(strings) && !strpbrk(prefix, "#0+ "); i++) {
        int len;

        snprintf(format, sizeof(format), "%ss|%sc", prefix, prefix);
        if (strchr(prefix, '.'))
            snprintf(format, sizeof(format), "%ss|%%c", prefix);
        len = snprintf(text, sizeof(text), format, strings[i], 'c');
        printf("%s: %d [%s]\n", format, len, text);
    }
}

int main(void)
{
    char prefix[40];

    for (size_t f = 0; f < LENGTH(flags); f++)
        for (size_t w = 0; w < LENGTH(widths); w++)
            for (size_t p = 0; p < LENGTH(precisions); p++) {
                snprintf(prefix, sizeof(prefix), "%%%s%s%s", flags[f],
                         widths[w], precisions[p]);
                print_numbers(prefix);
                print_strings(prefix);
            }
    return 0;
}
