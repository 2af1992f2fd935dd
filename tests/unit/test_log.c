/* SPDX-License-Identifier: MIT */
/* The log: what a line looks like, whatever is put into it. */
// sources: kernel/log.c tests/fake/hv.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "tests/fake/fake.h"

static char out[16384];
static size_t out_bytes;

static void sink(void *arg, const char *line, size_t len)
{
    assert_ptr_equal(arg, out);
    assert_true(out_bytes + len < sizeof(out));
    memcpy(out + out_bytes, line, len);
    out_bytes += len;
    out[out_bytes] = '\0';
}

static int setup(void **state)
{
    int error = fake_setup(state);

    out_bytes = 0;
    out[0] = '\0';
    log_set_sink(sink, out);
    log_set_level(LOG_INFO);
    log_set_epoch(fake_now());
    return error;
}

static void a_line_has_time_who_and_message(void **state)
{
    (void)state;
    fake_advance(412 * 1000 + 999);
    log_info("netfront", "vif%u: mtu %d", 0, 1500);
    assert_string_equal(out, "[    0.000412] netfront: vif0: mtu 1500\n");
}

static void time_goes_on_for_years(void **state)
{
    (void)state;
    fake_advance(UINT64_C(1234567890) * 1000000000 + 1000);
    log_info("a", "b");
    assert_string_equal(out, "[1234567890.000001] a: b\n");
}

static void warnings_and_errors_say_so(void **state)
{
    (void)state;
    log_set_level(LOG_DEBUG);
    log_error("a", "1");
    log_warn("a", "2");
    log_info("a", "3");
    log_debug("a", "4");
    assert_string_equal(out, "[    0.000000] error: a: 1\n"
                             "[    0.000000] warning: a: 2\n"
                             "[    0.000000] a: 3\n"
                             "[    0.000000] a: 4\n");
}

static void lines_above_the_level_are_not_written(void **state)
{
    (void)state;
    log_debug("a", "no");
    log_set_level(LOG_ERROR);
    log_warn("a", "no");
    log_info("a", "no");
    assert_string_equal(out, "");
    log_error("a", "yes");
    assert_string_equal(out, "[    0.000000] error: a: yes\n");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char text[1000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_info("a", "%s", text);
    assert_int_equal(out_bytes, LOG_LINE_MAX + 1);
    assert_string_equal(out + LOG_LINE_MAX - 4, "x...\n");
}

static void a_line_of_exactly_the_limit_is_not_cut(void **state)
{
    (void)state;
    char text[LOG_LINE_MAX];
    size_t head = strlen("[    0.000000] a: ");

    memset(text, 'x', sizeof(text));
    text[LOG_LINE_MAX - head] = '\0';
    log_info("a", "%s", text);
    assert_int_equal(out_bytes, LOG_LINE_MAX + 1);
    assert_string_equal(out + LOG_LINE_MAX - 3, "xxx\n");
}

static void a_long_name_is_cut_before_the_message(void **state)
{
    (void)state;
    char name[1000];

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    log_error(name, "message");
    assert_non_null(strstr(out, "nnn: message\n"));
}

static const char *written(const char *message)
{
    out_bytes = 0;
    log_info("a", "%s", message);
    out[out_bytes - 1] = '\0'; /* the '\n' */
    return out + strlen("[    0.000000] a: ");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    char all[33];

    (void)state;
    for (int i = 0; i < 32; i++)
        all[i] = (char)(i + 1);
    all[31] = 0x7f;
    all[32] = '\0';
    assert_string_equal(written(all), "????????????????????????????????");
    assert_string_equal(written("a\n[   0.0] root: forged"),
                        "a?[   0.0] root: forged");
}

static void utf8_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "gr\xc3\xbc\xc3\x9f"
        "e",                 /* two bytes */
        "\xe2\x82\xac 5",    /* three */
        "\xf0\x9f\x90\xbc!", /* four */
        "\xc2\xa0\xdf\xbf",  /* the first and last of each length */
        "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
    };

    for (size_t i = 0; i < array_size(good); i++)
        assert_string_equal(written(good[i]), good[i]);
}

static void what_is_not_utf8_does_not_pass(void **state)
{
    (void)state;
    assert_string_equal(written("\x9b"
                                "31m"),
                        "?31m"); /* C1 CSI, bare */
    assert_string_equal(written("\xc2\x9b"
                                "31m"),
                        "??31m"); /* encoded */
    assert_string_equal(written("\xc0\x9b"
                                "31m"),
                        "??31m"); /* overlong */
    assert_string_equal(written("\xe0\x82\x9b."), "???.");
    assert_string_equal(written("\xf0\x80\x82\x9b."), "????.");
    assert_string_equal(written("\xed\xa0\x80."), "???."); /* surrogate */
    assert_string_equal(written("\xf4\x90\x80\x80."), "????.");
    assert_string_equal(written("\xf8\x88\x80\x80\x80."), "?????.");
    assert_string_equal(written("\xff\xfe."), "??.");
    assert_string_equal(written("\xc3("), "?("); /* cut short */
    assert_string_equal(written("\xe2\x82"), "??");
}

static void a_character_is_not_cut_in_two(void **state)
{
    (void)state;
    char text[1000];

    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        out_bytes = 0;
        log_info("a", "%s", text);
        assert_int_equal(out_bytes, LOG_LINE_MAX + 1);
        size_t end = LOG_LINE_MAX - 3;
        while (out[end - 1] == '?')
            end--;
        assert_memory_equal(out + end - 3, "\xe2\x82\xac", 3);
    }
}

static void early_lines_wait_for_the_sink(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    log_info("a", "first");
    log_info("a", "second");
    assert_string_equal(out, "");
    log_set_sink(sink, out);
    assert_string_equal(out, "[    0.000000] a: first\n"
                             "[    0.000000] a: second\n");
    log_set_sink(sink, out);
    assert_null(strstr(strstr(out, "first") + 1, "first"));
}

static void too_many_early_lines_are_counted(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    for (unsigned i = 0; i < 100; i++)
        log_info("a", "%08u", i);
    log_set_sink(sink, out);
    unsigned kept = LOG_EARLY_BYTES / strlen("[    0.000000] a: 00000000\n");
    char report[64];
    snprintf(report, sizeof(report),
             "%08u\n[    0.000000] warning: log: %u early lines lost\n",
             kept - 1, 100 - kept);
    assert_non_null(strstr(out, report));
}

/* Any bytes: never over the limit, never a control character. */
static void any_bytes_make_a_harmless_line(void **state)
{
    (void)state;
    char text[400];

    for (unsigned i = 0; i < 20000; i++) {
        size_t len = fake_random_below(sizeof(text));
        fake_random_fill(text, len);
        text[len] = '\0';
        out_bytes = 0;
        log_info("a", "%s", text);
        assert_in_range(out_bytes, 1, LOG_LINE_MAX + 1);
        for (size_t j = 0; j + 1 < out_bytes; j++) {
            unsigned char c = (unsigned char)out[j];
            assert_true(c >= ' ' && c != 0x7f);
            assert_false(c == 0xc2 && (unsigned char)out[j + 1] < 0xa0);
        }
        assert_int_equal(out[out_bytes - 1], '\n');
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_time_who_and_message),
        TEST(time_goes_on_for_years),
        TEST(warnings_and_errors_say_so),
        TEST(lines_above_the_level_are_not_written),
        TEST(a_long_line_is_cut),
        TEST(a_line_of_exactly_the_limit_is_not_cut),
        TEST(a_long_name_is_cut_before_the_message),
        TEST(control_characters_do_not_reach_the_terminal),
        TEST(utf8_passes),
        TEST(what_is_not_utf8_does_not_pass),
        TEST(a_character_is_not_cut_in_two),
        TEST(early_lines_wait_for_the_sink),
        TEST(too_many_early_lines_are_counted),
        TEST(any_bytes_make_a_harmless_line),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
