/* SPDX-License-Identifier: MIT */
/* What a request wants: dates in every format, conditions in the order that
 * RFC 9110 gives them, codings by their quality. */
// sources: http/http_wants.c http/http_date.c
// sources: http/http_field.c http/http_text.c
#include "tests/unit/test.h"

#include "http/http_wants.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct http_field field(const char *text)
{
    return (struct http_field){text, strlen(text)};
}

/* ---- Dates */

static void dates_are_read_in_three_formats(void **state)
{
    static const char *const good[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };

    (void)state;
    for (unsigned i = 0; i < array_size(good); i++)
        assert_int_equal(http_date_read(field(good[i])), 784111777);
    assert_int_equal(http_date_read(field("Sun Nov 16 08:49:37 1994")),
                     784111777 + 10 * 86400);
    assert_int_equal(http_date_read(field("Friday, 01-Jan-27 00:00:00 GMT")),
                     1798761600);
}

static void what_is_no_date_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        ",",
        "0",
        "784111777",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nuv 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov 1994 08:49:37 GMT",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov",
    };

    (void)state;
    for (unsigned i = 0; i < array_size(bad); i++)
        if (http_date_read(field(bad[i])) != HTTP_NO_DATE)
            fail_msg("\"%s\" is a date", bad[i]);
}

/* Every day for 400 years, as it is written. */
static void what_is_written_is_read(void **state)
{
    char text[HTTP_DATE_BYTES];

    (void)state;
    for (int64_t day = 0; day < 146097; day++) {
        int64_t wall_s = day * 86400 + day % 86400;

        http_date_write(text, wall_s);
        assert_int_equal(http_date_read(field(text)), wall_s);
    }
}

/* ---- Conditions */

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static struct http_wants wants;

/* "name: value", one after the other; NULL ends them. */
static void want(const char *const *fields)
{
    http_wants_init(&wants);
    for (; *fields; fields++) {
        const char *colon = strchr(*fields, ':');

        http_wants_take(&wants,
                        (struct http_field){*fields, (size_t)(colon - *fields)},
                        field(colon + 2));
    }
}

static int judge(bool is_weak)
{
    const struct http_content content = {
        .type = "text/plain",
        .etag = is_weak ? "W/\"a\"" : "\"a\"",
        .changed_s = 784111777,
        .has_strong_date = !is_weak,
        .bytes = 10,
    };
    struct http_part part;

    return http_wants_judge(&wants, &content, false, &part);
}

static void conditions_have_their_order(void **state)
{
    static const struct {
        int status, weak_status;
        const char *fields[4];
    } cases[] = {
        {200, 200, {NULL}},
        {304, 304, {"If-Modified-Since: " THEN}},
        {304, 304, {"If-Modified-Since: " AFTER}},
        {200, 200, {"If-Modified-Since: " BEFORE}},
        {200, 200, {"If-Modified-Since: nonsense"}},
        {412, 412, {"If-Unmodified-Since: " BEFORE}},
        {200, 200, {"If-Unmodified-Since: " THEN}},
        {200, 200, {"If-Unmodified-Since: nonsense"}},
        {200, 200, {"If-None-Match: \"b\"", "If-Modified-Since: " AFTER}},
        {304, 304, {"If-None-Match: \"a\"", "If-Modified-Since: " BEFORE}},
        {304, 304, {"If-None-Match: W/\"a\""}},
        {304, 304, {"If-None-Match: \"b\", \"a\""}},
        {200, 412, {"If-Match: \"a\"", "If-Unmodified-Since: " BEFORE}},
        {412, 412, {"If-Match: \"b\"", "If-Unmodified-Since: " AFTER}},
        {412, 412, {"If-Match: W/\"a\""}},
        {200, 200, {"If-Match: *"}},
        {412, 412, {"If-Unmodified-Since: " BEFORE, "If-None-Match: \"a\""}},
        {206, 206, {"Range: bytes=1-2"}},
        {206, 200, {"Range: bytes=1-2", "If-Range: \"a\""}},
        {200, 200, {"Range: bytes=1-2", "If-Range: W/\"a\""}},
        {206, 200, {"Range: bytes=1-2", "If-Range: " THEN}},
        {200, 200, {"Range: bytes=1-2", "If-Range: " AFTER}},
        {200, 200, {"Range: bytes=1-2", "If-Range: nonsense"}},
        {200, 200, {"Range: bytes=1-2", "If-Range: *"}},
        {200, 200, {"Range: bytes=1-2", "If-Range: \"a\", \"a\""}},
        {200, 200, {"Range: bytes=1-2", "If-Range: \"b\"", "If-Range: \"a\""}},
        {200, 200, {"If-Range: \"a\""}},
        {412, 412, {"Range: bytes=1-2", "If-Range: \"a\"", "If-Match: \"b\""}},
        {416, 416, {"Range: bytes=10-"}},
        {304, 304, {"Range: bytes=10-", "If-Modified-Since: " THEN}},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        want(cases[i].fields);
        if (judge(false) != cases[i].status ||
            judge(true) != cases[i].weak_status)
            fail_msg("case %u: %s: %d, %d", i, cases[i].fields[0], judge(false),
                     judge(true));
    }
}

/* What is made anew each time is always sent whole. */
static void without_a_tag_nothing_is_judged(void **state)
{
    static const char *const fields[] = {"If-Match: \"x\"", "If-None-Match: *",
                                         "Range: bytes=0-1", NULL};
    const struct http_content content = {.type = "text/plain",
                                         .changed_s = HTTP_NO_DATE,
                                         .bytes = HTTP_UNKNOWN_BYTES};
    struct http_part part;

    (void)state;
    want(fields);
    assert_int_equal(http_wants_judge(&wants, &content, false, &part), 200);
    assert_true(part.first == 0 && part.end == HTTP_UNKNOWN_BYTES);
}

/* Files of more than 4 GiB. */
static void large_positions_are_exact(void **state)
{
    static const char *const fields[] = {"Range: bytes=5000000000-5000000009",
                                         NULL};
    const struct http_content content = {
        .etag = "\"a\"", .changed_s = HTTP_NO_DATE, .bytes = 5000000005};
    struct http_part part;

    (void)state;
    want(fields);
    assert_int_equal(http_wants_judge(&wants, &content, false, &part), 206);
    assert_true(part.first == 5000000000 && part.end == 5000000005);
}

/* ---- Codings */

static void codings_are_ordered_by_quality(void **state)
{
    static const struct {
        const char *accept, *want;
    } cases[] = {
        {"gzip", "g"},
        {"gzip, deflate, br, zstd", "bzg"},
        {"gzip;q=1.0, br;q=0.5", "gb"},
        {"GZIP ; Q=0.3,zstd;q=0.31", "zg"},
        {"br;q=0, gzip", "g"},
        {"*", "bzg"},
        {"*;q=0.5, gzip", "gbz"},
        {"br, *;q=0", "b"},
        {"identity, gzip;q=0.5", ""},
        {"identity;q=0.5, gzip", "g"},
        {"identity;q=0, gzip;q=0.1", "g"},
        {"gzip;q=0.001", "g"},
        {"gzip;q=0.000", ""},
        {"gzip;level=9;q=0", ""},
        {"", ""},
        {",;,=", ""},
        {"gzippy", ""},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        enum http_coding codings[HTTP_CODINGS];
        char line[100], got[HTTP_CODINGS + 1] = "";
        const char *const fields[] = {line, NULL};
        unsigned nr;

        snprintf(line, sizeof(line), "Accept-Encoding: %s", cases[i].accept);
        want(fields);
        nr = http_wants_codings(&wants, codings);
        for (unsigned k = 0; k < nr; k++)
            got[k] = "bzg"[codings[k]];
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s: %s", cases[i].accept, got);
    }
}

static void without_the_field_nothing_is_coded(void **state)
{
    enum http_coding codings[HTTP_CODINGS];

    (void)state;
    http_wants_init(&wants);
    assert_int_equal(http_wants_codings(&wants, codings), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_in_three_formats),
        cmocka_unit_test(what_is_no_date_is_none),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(conditions_have_their_order),
        cmocka_unit_test(without_a_tag_nothing_is_judged),
        cmocka_unit_test(large_positions_are_exact),
        cmocka_unit_test(codings_are_ordered_by_quality),
        cmocka_unit_test(without_the_field_nothing_is_coded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
