/* SPDX-License-Identifier: MIT */
/* The command line: what is read, and what each mistake is answered with. */
// sources: kernel/options.c kernel/log.c tests/fake/hv.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/options.h"
#include "tests/fake/fake.h"

static struct options options;
static char said[65536];
static size_t said_bytes;

static void sink(void *arg, const char *line, size_t len)
{
    (void)arg;
    assert_true(said_bytes + len < sizeof(said));
    memcpy(said + said_bytes, line, len);
    said_bytes += len;
    said[said_bytes] = '\0';
}

static int setup(void **state)
{
    int error = fake_setup(state);

    said_bytes = 0;
    said[0] = '\0';
    log_set_sink(sink, NULL);
    return error;
}

static void assert_said(const char *what)
{
    if (!strstr(said, what))
        fail_msg("the log lacks \"%s\": %s", what, said);
}

/* Quiet so far, and every word was asked for. */
static void assert_fine(void)
{
    assert_int_equal(options_report_unknown(&options), 0);
    assert_int_equal(options.errors, 0);
    assert_string_equal(said, "");
}

static void assert_text(const char *key, const char *value)
{
    const char *text = NULL;

    assert_int_equal(options_text(&options, key, &text), 1);
    assert_string_equal(text, value);
}

static void words_are_separated_by_blanks(void **state)
{
    (void)state;
    options_parse(&options, " a=1\t b=two  vif0.ip=192.0.2.5/24 \t");
    assert_int_equal(options.nr, 3);
    assert_text("a", "1");
    assert_text("b", "two");
    assert_text("vif0.ip", "192.0.2.5/24");
    assert_fine();
}

static void an_empty_line_has_no_words(void **state)
{
    (void)state;
    const char *text = "as it was";

    options_parse(&options, "");
    assert_int_equal(options.nr, 0);
    options_parse(&options, " \t ");
    assert_int_equal(options.nr, 0);
    assert_int_equal(options_text(&options, "a", &text), 0);
    assert_string_equal(text, "as it was");
    assert_fine();
}

static void quotes_enclose_blanks(void **state)
{
    (void)state;
    options_parse(&options, "title=\"Hello, world\" empty=\"\" c=d=e bare=");
    assert_text("title", "Hello, world");
    assert_text("empty", "");
    assert_text("c", "d=e");
    assert_text("bare", "");
    assert_fine();
}

static void malformed_words_are_named_and_skipped(void **state)
{
    static const struct {
        const char *word, *says;
    } cases[] = {
        {"=value", "\"=value\" is ignored: no key"},
        {"=", "\"=\" is ignored: no key"},
        {"a\x01=b", "\"a?=b\" is ignored: control character"},
        {"a=b\nc", "\"a=b?c\" is ignored: control character"},
        {"a=\x7f", "ignored: control character"},
        {"a=\"open", "\"a=\"open\" is ignored: quotes"},
        {"a=\"", "\"a=\"\" is ignored: quotes"},
        {"a=b\"c\"", "ignored: quotes"},
        {"a=\"b\"c", "ignored: quotes"},
        {"a=\"b\"\"c\"", "ignored: quotes"},
        {"\"a=b\"", "ignored: quotes"},
        {"\"a\"", "ignored: quotes"},
    };

    (void)state;
    for (size_t i = 0; i < array_size(cases); i++) {
        char line[64];

        said_bytes = 0;
        snprintf(line, sizeof(line), "before=1 %s", cases[i].word);
        options_parse(&options, line);
        assert_int_equal(options.errors, 1);
        assert_int_equal(options.nr, 1);
        assert_said(cases[i].says);
        assert_text("before", "1");
    }
}

static void a_malformed_word_does_not_hide_the_next(void **state)
{
    (void)state;
    options_parse(&options, "=x after=1 \"q q\"=2 last=3");
    assert_int_equal(options.errors, 2);
    assert_text("after", "1");
    assert_text("last", "3");
}

static void the_last_of_equal_keys_counts(void **state)
{
    (void)state;
    options_parse(&options, "a=1 b=x a=2 a a=3");
    assert_text("a", "3");
    assert_said("warning: options: a=1 is overruled by a later a");
    assert_said("warning: options: a=2 is overruled by a later a");
    assert_int_equal(options.nr, 2);
}

/* The last ones count, as of equal keys; whatever falls out is named. */
static void too_many_words_are_named(void **state)
{
    (void)state;
    char line[1024];
    size_t used = 0;

    for (unsigned i = 0; i < OPTIONS_MAX + 2; i++)
        used += (size_t)sprintf(line + used, "key%u=1 ", i);
    options_parse(&options, line);
    assert_int_equal(options.nr, OPTIONS_MAX);
    assert_int_equal(options.errors, 2);
    assert_said("error: options: more than 64 options: key0 is ignored\n");
    assert_said("error: options: more than 64 options: key1 is ignored\n");
    for (unsigned i = 2; i < OPTIONS_MAX + 2; i++) {
        sprintf(line, "key%u", i);
        assert_text(line, "1");
    }
    assert_int_equal(options_report_unknown(&options), 0);
}

/* key0 is given anew, and counts as late as that: key1 falls out. */
static void a_key_that_is_overruled_is_a_late_one(void **state)
{
    (void)state;
    char line[1024];
    const char *text;
    size_t used = 0;

    for (unsigned i = 0; i < OPTIONS_MAX; i++)
        used += (size_t)sprintf(line + used, "key%u=1 ", i);
    sprintf(line + used, "key0=2 key64=1");
    options_parse(&options, line);
    assert_int_equal(options.errors, 1);
    assert_said("more than 64 options: key1 is ignored\n");
    assert_text("key0", "2");
    assert_text("key64", "1");
    assert_int_equal(options_text(&options, "key1", &text), 0);
}

static void a_word_that_does_not_fit_is_not_cut_in_two(void **state)
{
    (void)state;
    char line[OPTIONS_TEXT_MAX + 100];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    memcpy(line, "a=1 b=2 ", 8);
    options_parse(&options, line);
    assert_text("a", "1");
    assert_text("b", "2");
    assert_int_equal(options.nr, 2);
    assert_int_equal(options.errors, 1);
    assert_said("over 1023 bytes");
    memset(line, 'x', 8);
    options_parse(&options, line);
    assert_int_equal(options.nr, 0);
}

static void the_longest_line_is_read_whole(void **state)
{
    (void)state;
    char line[OPTIONS_TEXT_MAX];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    line[1] = '=';
    options_parse(&options, line);
    assert_text("x", line + 2);
    assert_fine();
}

static void text_needs_a_value(void **state)
{
    (void)state;
    const char *text = "as it was";

    options_parse(&options, "title");
    assert_int_equal(options_text(&options, "title", &text), -XEN_EINVAL);
    assert_string_equal(text, "as it was");
    assert_said("error: options: title needs a value: title=...");
    assert_int_equal(options.errors, 1);
}

static void numbers_are_decimal_and_in_range(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        int result;
        uint64_t number;
    } cases[] = {
        {"1", 1, 65535, 1, 1},
        {"65535", 1, 65535, 1, 65535},
        {"007", 1, 65535, 1, 7},
        {"0", 0, 0, 1, 0},
        {"18446744073709551615", 0, UINT64_MAX, 1, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"99999999999999999999999", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"0", 1, 65535, -XEN_EINVAL, 0},
        {"65536", 1, 65535, -XEN_EINVAL, 0},
        {"10", 0, 9, -XEN_EINVAL, 0},
        {"1", 0, 0, -XEN_EINVAL, 0},
        {"-1", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"+1", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"0x10", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"1k", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"1/", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"1:", 0, UINT64_MAX, -XEN_EINVAL, 0},
        {"", 0, UINT64_MAX, -XEN_EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < array_size(cases); i++) {
        char line[64];
        uint64_t number = 4711;

        snprintf(line, sizeof(line), "n=%s", cases[i].text);
        options_parse(&options, line);
        int result =
            options_number(&options, "n", cases[i].min, cases[i].max, &number);
        assert_int_equal(result, cases[i].result);
        assert_int_equal(number, result == 1 ? cases[i].number : 4711);
        assert_int_equal(options.errors, result != 1);
    }
    assert_said("error: options: n=0 is not a number from 1 to 65535\n");
}

static void a_number_needs_a_value(void **state)
{
    (void)state;
    uint64_t number = 4711;

    options_parse(&options, "n");
    assert_int_equal(options_number(&options, "n", 0, 9, &number), -XEN_EINVAL);
    assert_int_equal(number, 4711);
    assert_int_equal(options_number(&options, "m", 0, 9, &number), 0);
    assert_int_equal(number, 4711);
}

static void a_bool_is_one_of_nine_things(void **state)
{
    static const char *const yes[] = {"b", "b=yes", "b=on", "b=true", "b=1"};
    static const char *const no[] = {"b=no", "b=off", "b=false", "b=0"};
    bool value;

    (void)state;
    for (size_t i = 0; i < array_size(yes); i++) {
        value = false;
        options_parse(&options, yes[i]);
        assert_int_equal(options_bool(&options, "b", &value), 1);
        assert_true(value);
    }
    for (size_t i = 0; i < array_size(no); i++) {
        value = true;
        options_parse(&options, no[i]);
        assert_int_equal(options_bool(&options, "b", &value), 1);
        assert_false(value);
    }
    assert_fine();
}

static void a_bool_that_is_neither_stays(void **state)
{
    static const char *const bad[] = {"b=", "b=YES", "b=2", "b=yes!", "b=o"};

    (void)state;
    for (size_t i = 0; i < array_size(bad); i++) {
        bool value = i % 2;
        options_parse(&options, bad[i]);
        assert_int_equal(options_bool(&options, "b", &value), -XEN_EINVAL);
        assert_int_equal(value, i % 2);
    }
    assert_said("error: options: b=YES is neither yes nor no");
    bool value = true;
    assert_int_equal(options_bool(&options, "c", &value), 0);
    assert_true(value);
}

static void words_of_a_prefix_are_listed(void **state)
{
    const char *value = NULL;
    unsigned at = 0;

    (void)state;
    options_parse(&options, "env.A=1 environ=x env.B a=env.C env.A2=");
    assert_string_equal(options_next(&options, "env.", &at, &value), "A");
    assert_string_equal(value, "1");
    assert_string_equal(options_next(&options, "env.", &at, &value), "B");
    assert_string_equal(value, "");
    assert_string_equal(options_next(&options, "env.", &at, &value), "A2");
    assert_null(options_next(&options, "env.", &at, &value));
    assert_int_equal(options_report_unknown(&options), 2);
}

static void unknown_words_are_named(void **state)
{
    (void)state;
    bool value;

    options_parse(&options, "http.prot=80 quiet verbose http.port=80");
    assert_int_equal(options_bool(&options, "quiet", &value), 1);
    assert_text("http.port", "80");
    assert_int_equal(options_report_unknown(&options), 2);
    assert_said("warning: options: nobody knows http.prot=80");
    assert_said("warning: options: nobody knows verbose:");
    assert_null(strstr(said, "quiet"));
}

static void a_bad_value_is_not_unknown(void **state)
{
    (void)state;
    uint64_t number;

    options_parse(&options, "n=x");
    assert_int_equal(options_number(&options, "n", 0, 9, &number), -XEN_EINVAL);
    assert_int_equal(options_report_unknown(&options), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_are_separated_by_blanks),
        TEST(an_empty_line_has_no_words),
        TEST(quotes_enclose_blanks),
        TEST(malformed_words_are_named_and_skipped),
        TEST(a_malformed_word_does_not_hide_the_next),
        TEST(the_last_of_equal_keys_counts),
        TEST(too_many_words_are_named),
        TEST(a_key_that_is_overruled_is_a_late_one),
        TEST(a_word_that_does_not_fit_is_not_cut_in_two),
        TEST(the_longest_line_is_read_whole),
        TEST(text_needs_a_value),
        TEST(numbers_are_decimal_and_in_range),
        TEST(a_number_needs_a_value),
        TEST(a_bool_is_one_of_nine_things),
        TEST(a_bool_that_is_neither_stays),
        TEST(words_of_a_prefix_are_listed),
        TEST(unknown_words_are_named),
        TEST(a_bad_value_is_not_unknown),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
