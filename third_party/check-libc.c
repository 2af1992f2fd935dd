/* SPDX-License-Identifier: MIT */
/*
 * Prints what functions of the C library give for many values, a line for each,
 * for a comparison with what the build machine's library gives. What the two
 * may differ in is left out: functions that are not exact are rounded to what
 * both get right.
 */
#include <complex.h>
#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <regex.h>
#include <search.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define LENGTH(array)  (sizeof(array) / sizeof(*(array)))
#define EACH(i, array) for (size_t i = 0; i < LENGTH(array); i++)

/* ---- printf */

static void put_text(const char *what, int len, const char *text)
{
    printf("%s: %d [%s]\n", what, len, text);
}

#define PRINT(format, ...)                                            \
    do {                                                              \
        int len_ = snprintf(text, sizeof(text), format, __VA_ARGS__); \
                                                                      \
        put_text(#format, len_, text);                                \
    } while (0)

static const double doubles[] = {0.0,
                                 -0.0,
                                 1.0,
                                 -1.5,
                                 0.1,
                                 2.5,
                                 3.5,
                                 9.995,
                                 99999.95,
                                 123456.5,
                                 999999.5,
                                 1000000000005.0,
                                 1e15,
                                 1e16,
                                 1e17,
                                 1e22,
                                 1e23,
                                 1e100,
                                 123e-7,
                                 1e-4,
                                 1e-5,
                                 1e-10,
                                 DBL_MAX,
                                 DBL_MIN,
                                 0x0.0000000000001p-1022,
                                 0x1.88p+0,
                                 0x1.78p+0,
                                 0x1.fffffffffffffp+10,
                                 1984.0,
                                 INFINITY,
                                 -INFINITY,
                                 NAN};

static int is_nines(double value)
{
    return value == 99999.95 || value == 999999.5;
}

static void print_doubles(void)
{
    static const char *const flags[] = {"",  "-", "0",  "+",
                                        " ", "#", "#0", "-#"};
    static const char *const sizes[] = {"",    "12",   ".0",    ".1", ".2",
                                        ".12", "20.5", "15.17", ".40"};
    char format[40], text[500];

    EACH(f, flags)
    EACH(s, sizes)
    for (const char *c = "eEfFgGaA"; *c; c++)
        EACH(d, doubles)
        {
            /* Which digit of a small one is before the point is not said. */
            if (strchr("aA", *c) && fpclassify(doubles[d]) == FP_SUBNORMAL)
                continue;
            /* glibc forgets the zeros of a number that becomes a digit longer
             * by rounding. */
            if (strchr("gG", *c) && strchr(flags[f], '#') &&
                is_nines(doubles[d]))
                continue;
            snprintf(format, sizeof(format), "%%%s%s%c", flags[f], sizes[s],
                     *c);
            put_text(format, snprintf(text, sizeof(text), format, doubles[d]),
                     text);
        }
}

static void print_others(void)
{
    static const wchar_t wide[] = L"wide";
    const char *volatile null = NULL; /* the compiler would warn of it */
    char text[500];

    PRINT("%.12g", 1000000000005.0);
    PRINT("%#o %#x", 0, 0);
    PRINT("%ls|%.2ls|%6ls|%-6ls|%lc", wide, wide, wide, wide, (wint_t)L'x');
    PRINT("%S %C", wide, (wint_t)L'y');
    PRINT("%2$s %1$s", "a", "b");
    PRINT("%2$*1$d|%1$d|%3$.*1$f", 5, 42, 1.25);
    PRINT("%3$s %1$d %2$ld %1$d", 1, 2L, "three");
    PRINT("%Lf %Le %Lg", 1.5L, 1e4000L, 0.1L);
    PRINT("%.20Lg %.25Lf", 0.1L, 1e15L / 3);
    PRINT("%Lg %Lg", HUGE_VALL, -HUGE_VALL);
    PRINT("%s|%10.3s|%-4s|%c", null, "abcdef", "ab", 'c');
    PRINT("%%|%5d|%p", 1, (void *)0x1234);
    PRINT("%jd %zu %td %hhd", (intmax_t)-1, (size_t)-1, (ptrdiff_t)-2, 300);
    PRINT("%'d", 1234567);
    put_text("cut", snprintf(text, 4, "%f", 1.5), text);
}

/* ---- strto*, and sscanf */

static const char *const number_texts[] = {"0",
                                           "0x",
                                           "0xz",
                                           "0x1",
                                           "-0x",
                                           " \t+0X1fz",
                                           "08",
                                           "017",
                                           "z",
                                           "",
                                           " ",
                                           "-",
                                           "+-1",
                                           "12a",
                                           "-12",
                                           "zz",
                                           "2147483648",
                                           "-2147483649",
                                           "9223372036854775807",
                                           "9223372036854775808",
                                           "-9223372036854775808",
                                           "-9223372036854775809",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "-1",
                                           "0x-1",
                                           "0x 1",
                                           "1_0",
                                           "0xffffffffffffffff",
                                           "0x10000000000000000",
                                           "007",
                                           "0Xg"};

#define STRTO(type, format, function)                                     \
    do {                                                                  \
        char *end_ = NULL;                                                \
        type value_;                                                      \
                                                                          \
        errno = 0;                                                        \
        value_ = function(number_texts[i], &end_, bases[b]);              \
        printf(#function " [%s] %d: " format " %d %d\n", number_texts[i], \
               bases[b], value_, (int)(end_ - number_texts[i]),           \
               errno == ERANGE);                                          \
    } while (0)

#define WCSTO(type, format, function)                                     \
    do {                                                                  \
        wchar_t wide_[40], *end_ = NULL;                                  \
        type value_;                                                      \
                                                                          \
        errno = 0;                                                        \
        mbstowcs(wide_, number_texts[i], LENGTH(wide_));                  \
        value_ = function(wide_, &end_, bases[b]);                        \
        printf(#function " [%s] %d: " format " %d %d\n", number_texts[i], \
               bases[b], value_, (int)(end_ - wide_), errno == ERANGE);   \
    } while (0)

static void print_integers(void)
{
    static const int bases[] = {0, 2, 8, 10, 16, 36};

    EACH(i, number_texts)
    EACH(b, bases)
    {
        STRTO(long, "%ld", strtol);
        STRTO(unsigned long, "%lu", strtoul);
        STRTO(long long, "%lld", strtoll);
        STRTO(unsigned long long, "%llu", strtoull);
        STRTO(intmax_t, "%jd", strtoimax);
        STRTO(uintmax_t, "%ju", strtoumax);
        WCSTO(long, "%ld", wcstol);
        WCSTO(unsigned long, "%lu", wcstoul);
        WCSTO(long long, "%lld", wcstoll);
        WCSTO(unsigned long long, "%llu", wcstoull);
        WCSTO(intmax_t, "%jd", wcstoimax);
        WCSTO(uintmax_t, "%ju", wcstoumax);
    }
}

static const char *const float_texts[] = {"0",
                                          "-0",
                                          "1",
                                          "1.",
                                          ".5",
                                          ".",
                                          "-.5e1",
                                          "1e",
                                          "1e+",
                                          "10e",
                                          "1e5",
                                          "1e-5x",
                                          "0x1p3",
                                          "0x1.8",
                                          "0x.8p1",
                                          "0x",
                                          "0xp1",
                                          "0x1p",
                                          "0x1p+",
                                          "inf",
                                          "INFINITY",
                                          "-infinit",
                                          "nan",
                                          "nan(12)",
                                          "1e308",
                                          "1.8e308",
                                          "1e309",
                                          "-1e400",
                                          "1e-320",
                                          "4.9e-324",
                                          "2e-324",
                                          "1e-400",
                                          "1e5000",
                                          "1e-5000",
                                          "  12.5z",
                                          "0.1",
                                          "0.30000000000000004",
                                          "123456789012345678901234567890",
                                          "2.2250738585072011e-308",
                                          "2.2250738585072014e-308",
                                          "9007199254740993",
                                          "9007199254740992.9999",
                                          "3.4028236e38",
                                          "3.4028235e38",
                                          "1.17549435e-38",
                                          "1e-46",
                                          "0x1.fffffffffffff8p0",
                                          "0x1.fffffffffffff7p0",
                                          "0x1p-1074",
                                          "0x1p-1075",
                                          "0x1p1024",
                                          "1.7976931348623158e308",
                                          "1.7976931348623159e308",
                                          "e5",
                                          "+",
                                          "infi"};

static void put_bits(long double value)
{
    unsigned char bytes[16];

    if (isnan(value)) {
        printf("nan");
        return;
    }
    memcpy(bytes, &value, sizeof(bytes));
    for (int i = 9; i >= 0; i--)
        printf("%02x", bytes[i]);
}

static void print_floats(void)
{
    EACH(i, float_texts)
    {
        const char *text = float_texts[i];
        char *end, *ends[2];
        wchar_t wide[50], *wide_end;
        long double value;
        double same;
        float narrow;

        narrow = strtof(text, &ends[0]);
        same = strtod(text, &ends[1]);
        errno = 0;
        value = strtold(text, &end);
        printf("strtod [%s]: %.17g %.17g ", text, narrow, same);
        put_bits(value);
        printf(" %d %d %d", (int)(ends[0] - text), (int)(ends[1] - text),
               (int)(end - text));
        errno = 0;
        strtod(text, NULL);
        mbstowcs(wide, text, LENGTH(wide));
        /* A small one may be out of range, or not. */
        printf(" %d %.17g", errno == ERANGE && fpclassify(same) != FP_SUBNORMAL,
               wcstod(wide, &wide_end));
        printf(" %d %.17g\n", (int)(wide_end - wide), atof(text));
    }
}

/* Any number, in three ways, comes back as the same one. */
static void print_numbers_that_change(void)
{
    static const char *const formats[] = {"%.17g", "%a", "%.16e"};
    union {
        uint64_t bits;
        double value;
    } any = {.bits = 1};
    char text[40];

    for (int i = 0; i < 20000; i++) {
        any.bits = any.bits * 6364136223846793005 + 1442695040888963407;
        if (any.value - any.value != 0)
            continue;
        EACH(f, formats)
        {
            snprintf(text, sizeof(text), formats[f], any.value);
            if (strtod(text, NULL) != any.value)
                printf("strtod: %s is another number\n", text);
        }
    }
}

/* From a string, and the same from a file. */
#define SCAN(from, format, show, type, none)                                  \
    do {                                                                      \
        type a_[2] = {none, none}, b_[2] = {none, none};                      \
        int n_ = 0, rest_ = 0;                                                \
        FILE *file_ = fmemopen((char *)from, strlen(from), "r");              \
                                                                              \
        n_ = sscanf(from, format, &a_[0], &a_[1]);                            \
        printf("sscanf [%s] %s: %d " show " " show, from, #format, n_, a_[0], \
               a_[1]);                                                        \
        n_ = fscanf(file_, format, &b_[0], &b_[1]);                           \
        rest_ = getc(file_);                                                  \
        printf(", %d " show " " show " %d\n", n_, b_[0], b_[1], rest_);       \
        fclose(file_);                                                        \
    } while (0)

static void print_scanned_integers(void)
{
    static const char *const texts[] = {
        "1 2",    "0x12 0x34", " 0x12 0x34",    "-5+6",  "12",
        "x",      " ",         "1,2",           "08 09", "0x1g2",
        "-",      "- 1",       "99999999999 1", "+7 -8", "1 x",
        "123456", "%1 2"};

    EACH(i, texts)
    {
        SCAN(texts[i], "%d%d", "%d", int, -7);
        SCAN(texts[i], "%i%i", "%d", int, -7);
        if (!strstr(texts[i], " 0x34"))
            SCAN(texts[i], "%5i%2i", "%d", int, -7);
        SCAN(texts[i], "%x%x", "%u", unsigned, 77);
        SCAN(texts[i], "%2d%3d", "%d", int, -7);
        SCAN(texts[i], "%d ,%d", "%d", int, -7);
        SCAN(texts[i], "%lld%lli", "%lld", long long, -7);
        SCAN(texts[i], "%*d%d%n", "%d", int, -7);
        SCAN(texts[i], "%hhd%hhi", "%d", signed char, -7);
        SCAN(texts[i], "%%%d%n", "%d", int, -7);
        SCAN(texts[i], "%o%u", "%u", unsigned, 77);
    }
}

static void print_scanned_floats(void)
{
    static const char *const texts[] = {
        "0x1p3 2", "1.5 2.5", "-.5e1x", "inf nan", "infx",    ".",
        "1..5",    "1e2 10",  "1e5e5",  "- 1",     "1e400 1", "12345678"};

    EACH(i, texts)
    {
        SCAN(texts[i], "%lf%lf", "%.17g", double, 7);
        SCAN(texts[i], "%f%f", "%.17g", float, 7);
        SCAN(texts[i], "%3lf%4lf", "%.17g", double, 7);
        SCAN(texts[i], "%La%Lg", "%Lg", long double, 7);
    }
}

static void print_scanned_texts(void)
{
    static const char *const texts[] = {
        "abc def", "0123456789abc", "0123456789abcdefg", "a-b]c", "]x", "  x",
        ""};
    static const char *const formats[] = {
        "%s %s",     "%1c%2s", "%3s%3s",   "%[a-c]%s",  "%[^ ]%[ d]",
        "%[]a]%c",   "%*s%s",  "%[^]]%1c", "%[a-]%[b]", "%1s%*c%s",
        "%2$s %1$s", "abc %s", "%c%c"};

    EACH(i, texts)
    EACH(f, formats)
    {
        char got[2][40] = {"", ""};
        int n = sscanf(texts[i], formats[f], got[0], got[1]);

        printf("sscanf [%s] %s: %d [%s] [%s]\n", texts[i], formats[f], n,
               got[0], got[1]);
    }
}

static void print_scanned_others(void)
{
    char *made = NULL;
    wchar_t wide[20] = L"";
    int n = sscanf("made wide", "%ms %ls", &made, wide);

    printf("%%ms %%ls: %d %s %ls\n", n, made, wide);
    free(made);
}

/* ---- Wide characters */

static void print_wide(void)
{
    wchar_t text[100], rest[20] = L"";
    char narrow[20] = "";
    int len, n = 0, m = 0;
    double d = 0;

    len = swprintf(text, LENGTH(text), L"%d|%5.2f|%ls|%s|%lc|%-6x|%06d", 42,
                   1.5, L"wide", "thin", (wint_t)L'c', 255, -42);
    printf("swprintf: %d [%ls]\n", len, text);
    len = swprintf(text, LENGTH(text), L"%2$d %1$ls", L"b", 1);
    printf("swprintf: %d [%ls]\n", len, text);
    len = swprintf(text, LENGTH(text), L"%8ls|%-8s|%%|%Lg|%c", L"b", "c", 2.5L,
                   'x');
    printf("swprintf: %d [%ls]\n", len, text);
    len = swprintf(text, 4, L"%d", 123);
    printf("swprintf: %d [%ls]\n", len, text);
    printf("swprintf: %d\n", swprintf(text, 3, L"%d", 123) < 0);

    len = swscanf(L" 12 0x1fz 2.5e1 abc rest", L"%d %i%*c %lf %s %ls", &n, &m,
                  &d, narrow, rest);
    printf("swscanf: %d %d %d %g %s %ls\n", len, n, m, d, narrow, rest);
    len = swscanf(L"12 0x1z", L"%d%i", &n, &m);
    printf("swscanf: %d %d %d\n", len, n, m);
    len = swscanf(L"abc:def", L"%l[^:]:%2s%n", rest, narrow, &n);
    printf("swscanf: %d %ls %s %d\n", len, rest, narrow, n);
    printf("swscanf: %d\n", swscanf(L"", L"%d", &n));
}

/* ---- Mathematics */

static const long double numbers[] = {0.0L,
                                      -0.0L,
                                      1.0L,
                                      -1.0L,
                                      0.5L,
                                      -0.5L,
                                      1.5L,
                                      2.5L,
                                      -2.5L,
                                      2.0L,
                                      3.0L,
                                      0.1L,
                                      -0.3L,
                                      0.99L,
                                      7.25L,
                                      -10.75L,
                                      100.0L,
                                      1e10L,
                                      -4503599627370497.5L,
                                      9223372036854775807.0L,
                                      1e300L,
                                      DBL_MAX,
                                      DBL_MIN,
                                      0x1p-1074L,
                                      LDBL_MAX,
                                      LDBL_MIN,
                                      0x1p-16445L,
                                      LDBL_EPSILON,
                                      HUGE_VALL,
                                      -HUGE_VALL,
                                      NAN};

/* Exact ones: all bits. */
#define EXACT(name)                   \
    {                                 \
#name, name##l, name, name##f \
    }

static const struct {
    const char *name;
    long double (*long_function)(long double);
    double (*function)(double);
    float (*float_function)(float);
} exact[] = {EXACT(sqrt),      EXACT(ceil),  EXACT(floor),
             EXACT(trunc),     EXACT(round), EXACT(rint),
             EXACT(nearbyint), EXACT(fabs),  EXACT(logb)};

/* Those that are not exact, in digits that both get right. */
static const typeof(*exact) inexact[] = {
    EXACT(sin),   EXACT(cos),   EXACT(tan),    EXACT(asin),  EXACT(acos),
    EXACT(atan),  EXACT(sinh),  EXACT(cosh),   EXACT(tanh),  EXACT(asinh),
    EXACT(acosh), EXACT(atanh), EXACT(exp),    EXACT(exp2),  EXACT(expm1),
    EXACT(log),   EXACT(log2),  EXACT(log10),  EXACT(log1p), EXACT(cbrt),
    EXACT(erf),   EXACT(erfc),  EXACT(lgamma), EXACT(tgamma)};

/* The double of a NaN may have a sign, which is nothing. */
static double plain(double value)
{
    return isnan(value) ? NAN : value;
}

static void print_exact(void)
{
    EACH(f, exact)
    EACH(i, numbers)
    {
        long double x = numbers[i];

        printf("%s(%Lg): ", exact[f].name, x);
        put_bits(exact[f].long_function(x));
        printf(" %.17g %.17g\n", plain(exact[f].function((double)x)),
               (float)plain(exact[f].float_function((float)x)));
    }
}

static void print_inexact(void)
{
    EACH(f, inexact)
    EACH(i, numbers)
    {
        long double x = numbers[i], y = inexact[f].long_function(x);

        printf("%s(%Lg): %.16Lg", inexact[f].name, x, isnan(y) ? NAN : y);
        printf(" %.13g %.5g\n", plain(inexact[f].function((double)x)),
               (float)plain(inexact[f].float_function((float)x)));
    }
}

/* Of two, exactly. */
static const struct {
    const char *name;
    long double (*long_function)(long double, long double);
    double (*function)(double, double);
    float (*float_function)(float, float);
} exact2[] = {
#define EXACT2(name)                  \
    {                                 \
#name, name##l, name, name##f \
    }
    EXACT2(fmod), EXACT2(remainder), EXACT2(fdim),     EXACT2(fmax),
    EXACT2(fmin), EXACT2(copysign),  EXACT2(nextafter)};

static const typeof(*exact2) inexact2[] = {EXACT2(pow), EXACT2(atan2),
                                           EXACT2(hypot)};

static void print_exact2(void)
{
    EACH(f, exact2)
    EACH(i, numbers)
    EACH(j, numbers)
    {
        long double x = numbers[i], y = numbers[j];

        /* Which of two zeros is the larger is not said. */
        if (x == 0 && y == 0 && exact2[f].name[0] == 'f')
            continue;
        printf("%s(%Lg, %Lg): ", exact2[f].name, x, y);
        put_bits(exact2[f].long_function(x, y));
        printf(" %.17g %.17g\n",
               plain(exact2[f].function((double)x, (double)y)),
               (float)plain(exact2[f].float_function((float)x, (float)y)));
    }
}

static void print_inexact2(void)
{
    EACH(f, inexact2)
    EACH(i, numbers)
    EACH(j, numbers)
    {
        long double x = numbers[i], y = numbers[j];
        long double z = inexact2[f].long_function(x, y);

        printf("%s(%Lg, %Lg): %.15Lg", inexact2[f].name, x, y,
               isnan(z) ? NAN : z);
        printf(" %.12g %.5g\n",
               plain(inexact2[f].function((double)x, (double)y)),
               (float)plain(inexact2[f].float_function((float)x, (float)y)));
    }
}

/* An odd power that is too large or too small has a sign. */
static void print_powers(void)
{
    static const double odd[] = {3, 4999, 40001, -3, -4999, -40001};

    EACH(i, odd)
    printf("pow(-10, %g): %Lg %g %g\n", odd[i], powl(-10, odd[i]),
           pow(-10, odd[i]), powf(-10, (float)odd[i]));
}

static void print_towards(void)
{
    EACH(i, numbers)
    EACH(j, numbers)
    {
        long double x = numbers[i], y = numbers[j];

        printf("nexttoward(%Lg, %Lg): %.17g %.17g ", x, y,
               plain(nexttoward((double)x, y)),
               (float)plain(nexttowardf((float)x, y)));
        put_bits(nexttowardl(x, y));
        puts("");
    }
}

/* The quotient's sign and last three bits are what is promised. */
static int quotient(int value)
{
    return value < 0 ? -(-value & 7) : value & 7;
}

static void print_quotients(void)
{
    EACH(i, numbers)
    EACH(j, numbers)
    {
        long double x = numbers[i], y = numbers[j], r;
        int q[3] = {0, 0, 0};
        double d;
        float f;

        if (!isfinite(x) || y == 0 || isnan(y) || (float)y == 0 ||
            !isfinite((float)x) || !isfinite((float)y))
            continue;
        r = remquol(x, y, &q[0]);
        d = remquo((double)x, (double)y, &q[1]);
        f = remquof((float)x, (float)y, &q[2]);
        printf("remquo(%Lg, %Lg): ", x, y);
        put_bits(r);
        printf(" %.17g %.17g %d %d %d\n", d, f, quotient(q[0]), quotient(q[1]),
               quotient(q[2]));
    }
}

static void print_fma(void)
{
    static const long double few[] = {
        0.1L,    -0.3L, 1.0L,           0x1.0000001p0L, 10.0L,       0x1p-53L,
        DBL_MIN, 1e10L, -0x1.fffffep0L, 0x1p-140L,      LDBL_EPSILON};

    EACH(i, few)
    EACH(j, few)
    EACH(k, few)
    {
        long double x = few[i], y = few[j], z = few[k];

        printf("fma(%Lg, %Lg, %Lg): ", x, y, z);
        put_bits(fmal(x, y, z));
        printf(" %.17g %.17g\n", fma((double)x, (double)y, (double)z),
               fmaf((float)x, (float)y, (float)z));
    }
}

static void print_parts(void)
{
    EACH(i, numbers)
    {
        long double x = numbers[i], whole, y;
        double whole_d;
        int e = 0, e_d = 0;

        if (!isfinite(x))
            continue;
        printf("parts(%Lg): ", x);
        put_bits(frexpl(x, &e));
        put_bits(modfl(x, &whole));
        put_bits(whole);
        y = frexp((double)x, &e_d);
        if (!isfinite((double)x))
            e_d = 0;
        printf(" %d %d %.17g %.17g %d %d\n", e, e_d, (double)y,
               modf((double)x, &whole_d), x == 0 ? 0 : ilogbl(x),
               (double)x == 0 ? 0 : ilogb((double)x));
        for (int n = -16500; n < 17000; n += 1500) {
            put_bits(ldexpl(x, n));
            put_bits(scalbnl(x, n));
            put_bits(scalblnl(x, n));
            printf(" %.17g\n", ldexp((double)x, n / 10));
        }
        if (fabsl(x) < 0x1p62L)
            printf("%ld %ld %lld %lld %ld\n", lrintl(x), lroundl(x), llrintl(x),
                   llroundl(x), lrint((double)x));
    }
}

/* long double's are not there but for the parts and the absolute value. */
static void print_complex(void)
{
    EACH(i, numbers)
    EACH(j, numbers)
    {
        double x = (double)numbers[i], y = (double)numbers[j];
        double complex z = x + y * I, r;

        if (fabs(x) > 1000 || fabs(y) > 1000 || isnan(x) || isnan(y) ||
            (x != 0 && fabs(x) < 0.01) || (y != 0 && fabs(y) < 0.01))
            continue;
        r = csqrt(z);
        printf("complex(%g, %g): %.13g %.13g", x, y, creal(r), cimag(r));
        r = cexp(z);
        printf(" %.13g %.13g", creal(r), cimag(r));
        printf(" %.13g %.13g\n", cabs(z), carg(z));
    }
}

/* ---- The floating-point environment */

static void print_rounding(void)
{
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD,
                                FE_TOWARDZERO};

    EACH(m, modes)
    {
        volatile double one = 1, three = 3;
        volatile long double one_l = 1, three_l = 3;

        printf("fesetround %d %d:", fesetround(modes[m]),
               fegetround() == modes[m]);
        printf(" %.17g %.17g ", one / three, -one / three);
        put_bits(one_l / three_l);
        printf(" %g %g %Lg %ld", rint(2.5), nearbyint(-2.5), rintl(2.5L),
               lrint(1.5));
        fesetround(FE_TONEAREST);
        puts("");
    }
    printf("fesetround wrong: %d\n", fesetround(0x1234) != 0);
}

/* Of which the library's names have other values. */
static void put_exceptions(const char *what)
{
    int got = fetestexcept(FE_ALL_EXCEPT);

    printf("%s:%s%s%s%s%s\n", what, got & FE_INVALID ? " invalid" : "",
           got & FE_DIVBYZERO ? " divbyzero" : "",
           got & FE_OVERFLOW ? " overflow" : "",
           got & FE_UNDERFLOW ? " underflow" : "",
           got & FE_INEXACT ? " inexact" : "");
    feclearexcept(FE_ALL_EXCEPT);
}

static void print_exceptions(void)
{
    static const int each[] = {FE_INVALID, FE_DIVBYZERO, FE_OVERFLOW,
                               FE_UNDERFLOW, FE_INEXACT};
    volatile double zero = 0, one = 1, big = DBL_MAX;
    volatile long double small = LDBL_MIN, result;
    fenv_t environment;
    fexcept_t flags;

    feclearexcept(FE_ALL_EXCEPT);
    put_exceptions("none");
    one = one / zero, put_exceptions("1 / 0"), one = 1;
    one = zero / zero, put_exceptions("0 / 0"), one = 1;
    big = big * 2, put_exceptions("big * 2");
    one = one / 3, put_exceptions("1 / 3");
    result = small / 3, put_exceptions("small / 3");
    EACH(i, each)
    {
        feraiseexcept(each[i]);
        printf("%d ", fetestexcept(each[i]) == each[i]);
        put_exceptions("raise");
    }
    feraiseexcept(FE_DIVBYZERO | FE_INVALID);
    fegetexceptflag(&flags, FE_ALL_EXCEPT);
    feclearexcept(FE_DIVBYZERO);
    put_exceptions("cleared");
    fesetexceptflag(&flags, FE_DIVBYZERO);
    put_exceptions("set");

    feraiseexcept(FE_OVERFLOW);
    fesetround(FE_UPWARD);
    printf("feholdexcept %d %d\n", feholdexcept(&environment),
           fegetround() == FE_UPWARD);
    put_exceptions("held");
    fesetround(FE_DOWNWARD);
    feraiseexcept(FE_INVALID);
    feupdateenv(&environment);
    printf("feupdateenv %d\n", fegetround() == FE_UPWARD);
    put_exceptions("updated");
    fesetenv(FE_DFL_ENV);
    printf("fesetenv %d\n", fegetround() == FE_TONEAREST);
    put_exceptions("default");
    fegetenv(&environment);
    fesetround(FE_TOWARDZERO);
    fesetenv(&environment);
    printf("fesetenv %d\n", fegetround() == FE_TONEAREST);
    (void)result;
}

/* ---- Patterns */

static void print_fnmatch(void)
{
    static const char *const patterns[] = {
        "",      "*",    "?",     "a*",   "*a",           "a*b*c",
        "[abc]", "[!a]", "[a-c]", "[]a]", "\\*",          "a\\b",
        "*/b",   "a/*",  ".*",    "*.c",  "[[:digit:]]*", "?b",
        "/*/",   "[",    "a[",    "**",   "a?c",          "[.]x"};
    static const char *const texts[] = {"",   "a",   "b", "abc",  "a/b",
                                        ".x", "x.c", "*", "a\\b", "/a/",
                                        "1x", "]",   "[", "ab",   "a/.b"};
    static const int flags[] = {0, FNM_PATHNAME, FNM_PERIOD, FNM_NOESCAPE,
                                FNM_PATHNAME | FNM_PERIOD};

    EACH(p, patterns)
    EACH(t, texts)
    EACH(f, flags)
    printf("fnmatch [%s] [%s] %zu: %d\n", patterns[p], texts[t], f,
           fnmatch(patterns[p], texts[t], flags[f]));
}

static const struct {
    const char *pattern;
    int flags;
} expressions[] = {{"a*b", 0},
                   {"a\\{2,3\\}", 0},
                   {"\\(a\\)\\(b*\\)", 0},
                   {"^ab$", 0},
                   {"[[:alpha:]]+[0-9]", REG_EXTENDED},
                   {"(a|ab)(c|bcd)(d*)", REG_EXTENDED},
                   {"(a*)(b|abc)", REG_EXTENDED},
                   {"x?y?z?", REG_EXTENDED},
                   {"a{2}", REG_EXTENDED},
                   {"ABC", REG_EXTENDED | REG_ICASE},
                   {"b.b", REG_EXTENDED | REG_NEWLINE},
                   {"^b", REG_EXTENDED | REG_NEWLINE},
                   {"[^a]b", REG_EXTENDED},
                   {"(a)(b)?", REG_EXTENDED},
                   {"\\(a\\)b*\\1", 0},
                   {"a|b|", REG_EXTENDED},
                   {"[", REG_EXTENDED},
                   {"(", REG_EXTENDED},
                   {"a{1", REG_EXTENDED},
                   {"[[:foo:]]", REG_EXTENDED},
                   {"a{2,1}", REG_EXTENDED},
                   {"[b-a]", REG_EXTENDED},
                   {"\\", REG_EXTENDED},
                   {"", REG_EXTENDED}};

static void print_matches(size_t e, const regex_t *regex)
{
    static const char *const texts[] = {"ab",   "aab",  "abcd", "xyz",   "aaab",
                                        "ab12", "b\nb", "",     "aabaa", "ABc"};
    regmatch_t matches[4];

    EACH(t, texts)
    {
        int err = regexec(regex, texts[t], LENGTH(matches), matches, 0);

        printf("regexec [%s] [%s]: %d", expressions[e].pattern, texts[t],
               err == REG_NOMATCH ? -1 : err);
        for (size_t m = 0; !err && m < LENGTH(matches); m++)
            printf(" %d-%d", (int)matches[m].rm_so, (int)matches[m].rm_eo);
        puts("");
    }
}

static void print_regex(void)
{
    EACH(e, expressions)
    {
        regex_t regex;
        int err = regcomp(&regex, expressions[e].pattern, expressions[e].flags);

        printf("regcomp [%s]: %d\n", expressions[e].pattern, err != 0);
        if (err)
            continue;
        printf("%zu\n", regex.re_nsub);
        print_matches(e, &regex);
        regfree(&regex);
    }
}

/* ---- Names and tables */

static void print_names(void)
{
    static const char *const names[] = {"",   "/",    "a",    "a/",
                                        "/a", "/a/b", "a/b/", "a//b",
                                        ".",  "..",   "/a//", "a/b/c"};

    printf("%s %s\n", basename(NULL), dirname(NULL));
    EACH(n, names)
    {
        char copies[2][20];

        strcpy(copies[0], names[n]);
        strcpy(copies[1], names[n]);
        printf("[%s]: %s %s\n", names[n], basename(copies[0]),
               dirname(copies[1]));
    }
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void print_searches(void)
{
    int table[10] = {3, 1, 4}, keys[] = {4, 9, 1, 9};
    size_t count = 3;
    struct node {
        struct node *next, *previous;
    } nodes[3];

    EACH(k, keys)
    {
        int *found = lfind(&keys[k], table, &count, sizeof(int), compare);

        printf("lfind %d", found ? (int)(found - table) : -1);
        found = lsearch(&keys[k], table, &count, sizeof(int), compare);
        printf(" lsearch %d %zu\n", (int)(found - table), count);
    }
    insque(&nodes[0], NULL);
    insque(&nodes[2], &nodes[0]);
    insque(&nodes[1], &nodes[0]);
    printf("insque %d %d\n", nodes[0].next == &nodes[1],
           nodes[2].previous == &nodes[1]);
    remque(&nodes[1]);
    printf("remque %d %d\n", nodes[0].next == &nodes[2],
           nodes[2].previous == &nodes[0]);
}

/* The numbers are each library's own; that a state gives them again is not. */
static void print_random(void)
{
    static long kept[100];
    static char first[128], second[32];
    char *before = initstate(7, first, sizeof(first));
    int same = 1, other = 0;

    EACH(i, kept)
    kept[i] = random();
    printf("initstate %d\n", before && before != first);
    printf("setstate %d\n", initstate(8, second, sizeof(second)) == first);
    EACH(i, kept)
    other += random() != kept[i];
    printf("setstate %d %d\n", setstate(first) == second, other > 90);
    srandom(7);
    EACH(i, kept)
    same &= random() == kept[i] && kept[i] >= 0;
    printf("srandom %d\n", same);
    printf("initstate too small %d\n", !initstate(1, second, 7));
}

static void print_limits(void)
{
    printf("%ld %d\n", (long)SSIZE_MAX, NL_ARGMAX >= 9);
}

int main(void)
{
    print_doubles();
    print_others();
    print_integers();
    print_floats();
    print_numbers_that_change();
    print_scanned_integers();
    print_scanned_floats();
    print_scanned_texts();
    print_scanned_others();
    print_wide();
    print_exact();
    print_inexact();
    print_exact2();
    print_inexact2();
    print_powers();
    print_towards();
    print_quotients();
    print_fma();
    print_parts();
    print_complex();
    print_rounding();
    print_exceptions();
    print_fnmatch();
    print_regex();
    print_names();
    print_searches();
    print_random();
    print_limits();
    return 0;
}
