/* SPDX-License-Identifier: MIT */
/* The console against a fake xenconsoled: honest, slow, deaf and lying. */
// sources: console/console.c kernel/loop.c xen/evtchn.c
// sources: tests/fake/hv.c tests/fake/xenconsoled.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/console.h"
#include "tests/fake/fake.h"
#include "tests/fake/xenconsoled.h"

#define OUT_BYTES sizeof(((struct xencons_interface *)0)->out)
#define IN_BYTES  sizeof(((struct xencons_interface *)0)->in)

static struct loop loop;
static struct console console;
static struct xenconsoled *xc;

/* What the listeners below have read. */
static char got[XENCONSOLED_PASTE_MAX];
static size_t got_bytes, read_at_once;
static unsigned calls;

static int setup(void **state)
{
    int error = fake_setup(state);

    got_bytes = calls = 0;
    read_at_once = sizeof(got);
    loop_init(&loop);
    xc = xenconsoled_start();
    console_init(&console);
    return error;
}

static int setup_started(void **state)
{
    int error = setup(state);

    console_start(&console, &loop);
    return error;
}

static int teardown(void **state)
{
    xenconsoled_stop(xc);
    return fake_teardown(state);
}

static void say(const char *text)
{
    console_write(&console, text, strlen(text));
}

static void settle(void)
{
    fake_run_for(&loop, NS_PER_MS);
}

static void read_some(struct console *c)
{
    calls++;
    got_bytes += console_read(c, got + got_bytes, read_at_once);
}

/* n lines that tell their number: "line 000000\n" */
static void say_lines(unsigned first, unsigned n)
{
    char line[16];

    for (unsigned i = first; i < first + n; i++) {
        snprintf(line, sizeof(line), "line %06u\n", i);
        say(line);
    }
}

#define LINE_BYTES 12 /* and one more on its way, for the '\r' */

/* ---- Output. */

static void newline_becomes_carriage_return_newline(void **state)
{
    (void)state;
    say("one\ntwo\n\nthree");
    settle();
    assert_string_equal(xenconsoled_output(xc), "one\r\ntwo\r\n\r\nthree");
}

/* A9: the whole page is xenconsoled's to read. */
static void a9_the_page_holds_what_was_said_and_nothing_else(void **state)
{
    struct xencons_interface *ring = xenconsoled_ring();
    char out[OUT_BYTES] = {0};
    const char *page = (const char *)ring;

    (void)state;
    console_listen(&console, read_some);
    for (unsigned round = 0; round < 2; round++) {
        say_lines(0, 100);
        xenconsoled_type(xc, "typed", 5);
        settle();
        say("the end");
        settle();
        for (size_t i = 0; i < xenconsoled_output_bytes(xc); i++)
            out[i % OUT_BYTES] = xenconsoled_output(xc)[i];
        assert_memory_equal(ring->out, out, OUT_BYTES);
        assert_memory_equal(ring->in, "typedtyped", 5 * (round + 1));
        for (size_t i = 5 * (round + 1); i < IN_BYTES; i++)
            assert_int_equal(ring->in[i], 0);
        for (size_t i = sizeof(*ring); i < XEN_PAGE_SIZE; i++)
            assert_int_equal(page[i], 0);
    }
}

static void early_lines_appear_when_the_loop_starts(void **state)
{
    (void)state;
    say("early\n");
    assert_int_equal(fake_hypercalls(), 0);
    console_start(&console, &loop);
    settle();
    assert_string_equal(xenconsoled_output(xc), "early\r\n");
}

static void a_turn_costs_one_notification(void **state)
{
    (void)state;
    settle();
    unsigned long before = fake_calls(FAKE_NOTIFY);
    say_lines(0, 50);
    settle();
    assert_int_equal(fake_calls(FAKE_NOTIFY) - before, 1);
    assert_int_equal(xenconsoled_output_bytes(xc), 50 * (LINE_BYTES + 1));
}

static void ring_and_backlog_hold_six_kilobytes(void **state)
{
    (void)state;
    unsigned n = (OUT_BYTES + CONSOLE_BACKLOG_BYTES) / (LINE_BYTES + 1);

    say_lines(0, n);
    assert_int_equal(console.dropped_bytes, 0);
    settle();
    assert_int_equal(xenconsoled_output_bytes(xc), n * (LINE_BYTES + 1));
    assert_null(strstr(xenconsoled_output(xc), "dropped"));
}

static void order_survives_many_laps_of_a_slow_reader(void **state)
{
    (void)state;
    char line[LINE_BYTES + 2];

    xenconsoled_be_slow(xc, 7, 100 * NS_PER_US);
    for (unsigned i = 0; i < 2000; i++) {
        say_lines(i, 1);
        if (i % 100 == 99) /* 100 lines, 7 bytes every 100 us */
            fake_run_for(&loop, 25 * NS_PER_MS);
    }
    assert_int_equal(console.dropped_bytes, 0);
    const char *out = xenconsoled_output(xc);
    for (unsigned i = 0; i < 2000; i++, out += LINE_BYTES + 1) {
        snprintf(line, sizeof(line), "line %06u\r\n", i);
        assert_memory_equal(out, line, LINE_BYTES + 1);
    }
}

static void indices_may_wrap_around(void **state)
{
    (void)state;
    struct xencons_interface *ring = xenconsoled_ring();

    /* As a boot loader that ran in this domain before us leaves them. */
    ring->out_prod = ring->out_cons = ring->in_prod = ring->in_cons = -5u;
    console_init(&console);
    console_start(&console, &loop);
    xenconsoled_type(xc, "typed text", 10);
    console_listen(&console, read_some);
    say("0123456789");
    settle();
    assert_string_equal(xenconsoled_output(xc), "0123456789");
    assert_int_equal(got_bytes, 10);
    assert_memory_equal(got, "typed text", 10);
}

static void no_console_is_no_trouble(void **state)
{
    static const struct fake_config config = {.no_console = true};
    char byte;

    (void)state;
    fake_start(&config);
    loop_init(&loop);
    console_init(&console);
    calls = 0;
    say("to nobody\n");
    console_start(&console, &loop);
    console_listen(&console, read_some);
    say("to nobody\n");
    assert_int_equal(console.dropped_bytes, 20);
    assert_int_equal(console_read(&console, &byte, 1), 0);
    console_drain(&console, UINT64_MAX);
    settle();
    assert_int_equal(calls, 0);
    fake_check_clean();
    fake_stop();
}

/* ---- A12: output never drained. */

static void a_deaf_reader_never_stops_the_guest(void **state)
{
    (void)state;
    xenconsoled_be_deaf(xc, true);
    say_lines(0, 100000);
    settle();
    /* Not one hypercall but the turn's notification and its sleeps. */
    assert_int_equal(fake_calls(FAKE_NOTIFY), 1);
    assert_true(fake_hypercalls() < 10);
    assert_int_equal(xenconsoled_output_bytes(xc), 0);
    assert_in_range(console.dropped_bytes, 99000 * LINE_BYTES,
                    100000 * LINE_BYTES);
}

static void whole_lines_are_dropped_and_reported_once(void **state)
{
    (void)state;
    char line[LINE_BYTES + 2], report[64];
    unsigned kept = 0;

    xenconsoled_be_deaf(xc, true);
    say_lines(0, 1000);
    settle();
    uint64_t dropped = console.dropped_bytes;
    assert_int_equal(dropped % LINE_BYTES, 0);

    xenconsoled_be_deaf(xc, false);
    fake_run_backends();
    settle();
    say("after\n");
    settle();
    const char *out = xenconsoled_output(xc);
    for (;; kept++, out += LINE_BYTES + 1) {
        snprintf(line, sizeof(line), "line %06u\r\n", kept);
        if (memcmp(out, line, LINE_BYTES + 1) != 0)
            break;
    }
    assert_int_equal(kept, 1000 - dropped / LINE_BYTES);
    snprintf(report, sizeof(report),
             "[console: %lu bytes dropped]\r\nafter\r\n",
             (unsigned long)dropped);
    assert_string_equal(out, report);
}

static void dropping_goes_on_until_the_backlog_is_empty(void **state)
{
    (void)state;
    xenconsoled_be_slow(xc, 100, NS_PER_MS);
    for (unsigned i = 0; i < 1000; i++) {
        say_lines(i, 10); /* 130 bytes in a time in which 100 are read */
        fake_run_for(&loop, NS_PER_MS);
    }
    unsigned reports = 0;
    const char *at = xenconsoled_output(xc);
    while ((at = strstr(at, "dropped")) != NULL) {
        reports++;
        at++;
    }
    /* Filling takes 200 ms at 30 bytes a ms, emptying 60 ms at 100. */
    assert_in_range(reports, 2, 6);
}

static void report_stands_on_a_line_of_its_own(void **state)
{
    (void)state;
    static char piece[1000];

    memset(piece, 'x', sizeof(piece));
    xenconsoled_be_deaf(xc, true);
    for (unsigned i = 0; i < 10; i++)
        console_write(&console, piece, sizeof(piece));
    settle();
    xenconsoled_be_deaf(xc, false);
    fake_run_backends();
    settle();
    assert_non_null(strstr(xenconsoled_output(xc), "x\r\n[console: "));
}

/* 6144 bytes of room, 6139 used: a line of five bytes and its '\r' is one too
 * many. */
static void a_line_that_is_one_byte_too_long_is_dropped(void **state)
{
    (void)state;
    static char text[OUT_BYTES + CONSOLE_BACKLOG_BYTES - 5];

    memset(text, 'x', sizeof(text));
    xenconsoled_be_deaf(xc, true);
    for (size_t at = 0; at < sizeof(text); at++)
        console_write(&console, text + at, 1);
    say("1234\n");
    xenconsoled_be_deaf(xc, false);
    settle();
    const char *out = xenconsoled_output(xc);
    assert_memory_equal(out, text, sizeof(text));
    assert_string_equal(out + sizeof(text),
                        "\r\n[console: 5 bytes dropped]\r\n");
}

static void an_endless_line_is_kept_as_far_as_it_fits(void **state)
{
    (void)state;
    static char text[100000];

    memset(text, 'x', sizeof(text));
    console_write(&console, text, sizeof(text));
    settle();
    assert_in_range(strspn(xenconsoled_output(xc), "x"), 5500,
                    OUT_BYTES + CONSOLE_BACKLOG_BYTES);
}

/* All bytes are either read or counted, whatever the order of things. */
static void nothing_is_lost_uncounted(void **state)
{
    (void)state;
    char text[300];
    size_t written = 0, reports = 0, report_bytes = 0;

    for (unsigned i = 0; i < 3000; i++) {
        size_t len = fake_random_below(sizeof(text));
        for (size_t j = 0; j < len; j++)
            text[j] = fake_chance(97) ? 'x' : 'y';
        console_write(&console, text, len);
        written += len;
        if (fake_chance(20))
            xenconsoled_be_deaf(xc, fake_chance(70));
        if (fake_chance(30))
            fake_run_for(&loop, NS_PER_US * fake_random_below(50));
    }
    xenconsoled_be_deaf(xc, false);
    settle();
    settle();
    const char *out = xenconsoled_output(xc);
    for (const char *at = out; (at = strstr(at, "\r\n[")) != NULL; reports++) {
        size_t len = strcspn(at, "]") + strlen("]\r\n");
        report_bytes += len;
        at += len;
    }
    assert_true(reports > 10);
    assert_int_equal(console.dropped_reported, console.dropped_bytes);
    assert_int_equal(strlen(out) - report_bytes,
                     written - console.dropped_bytes);
}

/* ---- A12: impossible indices. */

static void assert_given_up(void)
{
    static char before[sizeof(struct xencons_interface)];
    unsigned long notifies = fake_calls(FAKE_NOTIFY);
    uint64_t events = loop.port_calls;
    char byte;

    assert_true(console.broken);
    memcpy(before, xenconsoled_ring(), sizeof(before));
    say_lines(0, 1000);
    assert_int_equal(console_read(&console, &byte, 1), 0);
    console_listen(&console, read_some);
    console_drain(&console, UINT64_MAX);
    fake_evtchn_notify(FAKE_CONSOLE_PORT);
    settle();
    assert_int_equal(calls, 0);
    assert_int_equal(fake_calls(FAKE_NOTIFY), notifies);
    assert_int_equal(loop.port_calls, events);
    assert_memory_equal(before, xenconsoled_ring(), sizeof(before));
    assert_true(console.dropped_bytes >= 1000 * LINE_BYTES);
}

/* The fake must not look at the rings that it is told to spoil. */
static void lie(uint32_t *index, uint32_t value)
{
    xenconsoled_be_deaf(xc, true);
    *index = value;
    fake_evtchn_notify(FAKE_CONSOLE_PORT);
    settle();
}

static void out_cons_ahead_of_what_was_written(void **state)
{
    (void)state;
    say("hello\n");
    lie(&xenconsoled_ring()->out_cons, 8);
    assert_given_up();
}

static void out_cons_more_than_a_ring_behind(void **state)
{
    (void)state;
    say("hello\n");
    lie(&xenconsoled_ring()->out_cons, 7 - (uint32_t)OUT_BYTES - 1);
    assert_given_up();
}

static void what_was_in_the_backlog_counts_as_dropped(void **state)
{
    (void)state;
    xenconsoled_be_deaf(xc, true);
    say_lines(0, 300);
    lie(&xenconsoled_ring()->out_cons, 1u << 31);
    assert_int_equal(console.dropped_bytes, 300 * (LINE_BYTES + 1) - OUT_BYTES);
}

static void out_cons_wrong_from_the_start(void **state)
{
    (void)state;
    xenconsoled_be_deaf(xc, true);
    xenconsoled_ring()->out_cons = 1;
    console_init(&console);
    say("early\n");
    console_start(&console, &loop);
    assert_given_up();
}

static void in_prod_more_than_a_ring_ahead(void **state)
{
    (void)state;
    console_listen(&console, read_some);
    lie(&xenconsoled_ring()->in_prod, IN_BYTES + 1);
    assert_given_up();
}

static void in_prod_goes_backwards(void **state)
{
    (void)state;
    xenconsoled_type(xc, "text", 4);
    console_listen(&console, read_some);
    settle();
    assert_int_equal(got_bytes, 4);
    calls = 0;
    lie(&xenconsoled_ring()->in_prod, 3);
    assert_given_up();
}

static void an_index_that_is_wrong_while_it_is_read(void **state)
{
    char bytes[16];

    (void)state;
    xenconsoled_ring()->in_prod = 0x80000000u;
    assert_int_equal(console_read(&console, bytes, sizeof(bytes)), 0);
    assert_given_up();
}

/* The other side owns the page, too, and may write our indices there. */
static void scribble_ours(void *arg)
{
    (void)arg;
    xenconsoled_ring()->out_prod = (uint32_t)fake_random();
    xenconsoled_ring()->in_cons = (uint32_t)fake_random();
}

static void our_indices_are_never_read_back(void **state)
{
    (void)state;
    struct xencons_interface *ring = xenconsoled_ring();

    xenconsoled_be_deaf(xc, true);
    fake_scribble(scribble_ours, NULL);
    for (unsigned i = 0; i < 10; i++) {
        say_lines(i, 1);
        assert_int_equal(ring->out_prod, (i + 1) * (LINE_BYTES + 1));
        fake_run_for(&loop, NS_PER_MS);
    }
    memset(ring->in, 'a', 10);
    ring->in_prod = 10;
    assert_int_equal(console_read(&console, got, sizeof(got)), 10);
    assert_int_equal(ring->in_cons, 10);
    assert_false(console.broken);
    fake_scribble(NULL, NULL);
}

/* ---- A7: events without work. */

static bool storm(void *arg)
{
    (void)arg;
    fake_advance(NS_PER_US);
    return fake_evtchn_notify(FAKE_CONSOLE_PORT);
}

static void on_timer(struct timer *timer)
{
    (void)timer;
    calls++;
}

static void a_storm_of_events_starves_nobody(void **state)
{
    (void)state;
    struct timer timer = {0};

    console_listen(&console, read_some);
    timer_start(&loop, &timer, fake_now() + NS_PER_MS, on_timer);
    fake_add_backend(storm, NULL);
    fake_run_until(&loop, calls == 1, 2 * NS_PER_MS);
    fake_remove_backend(storm, NULL);
    assert_int_equal(got_bytes, 0);
    assert_false(console.broken);
}

/* ---- Input. */

static void paste(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = (char)fake_random();
    xenconsoled_type(xc, text, len);
}

static void pasting_four_kilobytes_loses_nothing(void **state)
{
    (void)state;
    char text[4096];

    console_listen(&console, read_some);
    paste(text, sizeof(text));
    settle();
    assert_int_equal(got_bytes, sizeof(text));
    assert_memory_equal(got, text, sizeof(text));
}

static void a_listener_may_read_a_little_at_a_time(void **state)
{
    (void)state;
    char text[4096];

    read_at_once = 7;
    console_listen(&console, read_some);
    paste(text, sizeof(text));
    settle();
    assert_int_equal(got_bytes, sizeof(text));
    assert_memory_equal(got, text, sizeof(text));
}

static void input_waits_for_somebody_to_listen(void **state)
{
    (void)state;
    char text[4096];

    paste(text, sizeof(text));
    settle();
    assert_int_equal(xenconsoled_untyped(xc), sizeof(text) - IN_BYTES);
    console_listen(&console, read_some);
    settle();
    assert_int_equal(got_bytes, sizeof(text));
    assert_memory_equal(got, text, sizeof(text));
}

static void stop_listening(struct console *c)
{
    read_some(c);
    console_listen(c, NULL);
}

static void who_stopped_listening_is_not_called(void **state)
{
    (void)state;
    read_at_once = 1;
    console_listen(&console, stop_listening);
    xenconsoled_type(xc, "abc", 3);
    settle();
    assert_int_equal(calls, 1);
    console_listen(&console, read_some);
    settle();
    assert_int_equal(got_bytes, 3);
}

static void who_does_not_read_lets_the_guest_sleep(void **state)
{
    (void)state;
    read_at_once = 0;
    console_listen(&console, read_some);
    xenconsoled_type(xc, "abc", 3);
    settle();
    assert_in_range(calls, 1, 2);
    xenconsoled_type(xc, "def", 3);
    settle();
    assert_in_range(calls, 2, 4);
    read_at_once = 6;
    console_listen(&console, read_some);
    settle();
    assert_int_equal(got_bytes, 6);
    assert_memory_equal(got, "abcdef", 6);
}

/* ---- The end. */

static void drain_waits_for_the_reader(void **state)
{
    (void)state;
    uint64_t start_ns = fake_now();

    xenconsoled_be_slow(xc, 100, NS_PER_MS);
    say_lines(0, 300); /* 3900 bytes */
    console_drain(&console, start_ns + NS_PER_S);
    assert_int_equal(xenconsoled_output_bytes(xc), 3900);
    assert_in_range(fake_now() - start_ns, 38 * NS_PER_MS, 40 * NS_PER_MS);
}

static void drain_needs_no_loop(void **state)
{
    (void)state;
    say("boot failed\n");
    console_drain(&console, fake_now() + NS_PER_S);
    assert_string_equal(xenconsoled_output(xc), "boot failed\r\n");
}

static void drain_does_not_wait_for_ever(void **state)
{
    (void)state;
    uint64_t start_ns = fake_now();

    xenconsoled_be_deaf(xc, true);
    say("hello\n");
    console_drain(&console, start_ns + NS_PER_S);
    assert_int_equal(fake_now() - start_ns, NS_PER_S);
}

static void drain_of_nothing_takes_no_time(void **state)
{
    (void)state;
    say("hello\n");
    settle();
    unsigned long before = fake_hypercalls();
    console_drain(&console, UINT64_MAX);
    assert_int_equal(fake_hypercalls(), before);
}

static void break_ring(void *arg)
{
    (void)arg;
    xenconsoled_ring()->out_cons = 0x12345678;
    fake_evtchn_notify(FAKE_CONSOLE_PORT);
}

static void drain_ends_when_the_other_side_lies(void **state)
{
    (void)state;
    xenconsoled_be_deaf(xc, true);
    say("hello\n");
    fake_at(fake_now() + NS_PER_MS, break_ring, NULL);
    console_drain(&console, UINT64_MAX);
    assert_given_up();
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup_started, teardown)
#define TEST_EARLY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(newline_becomes_carriage_return_newline),
        TEST(a9_the_page_holds_what_was_said_and_nothing_else),
        TEST_EARLY(early_lines_appear_when_the_loop_starts),
        TEST(a_turn_costs_one_notification),
        TEST(ring_and_backlog_hold_six_kilobytes),
        TEST(order_survives_many_laps_of_a_slow_reader),
        TEST_EARLY(indices_may_wrap_around),
        cmocka_unit_test(no_console_is_no_trouble),
        TEST(a_deaf_reader_never_stops_the_guest),
        TEST(whole_lines_are_dropped_and_reported_once),
        TEST(dropping_goes_on_until_the_backlog_is_empty),
        TEST(report_stands_on_a_line_of_its_own),
        TEST(a_line_that_is_one_byte_too_long_is_dropped),
        TEST(an_endless_line_is_kept_as_far_as_it_fits),
        TEST(nothing_is_lost_uncounted),
        TEST(out_cons_ahead_of_what_was_written),
        TEST(out_cons_more_than_a_ring_behind),
        TEST(what_was_in_the_backlog_counts_as_dropped),
        TEST_EARLY(out_cons_wrong_from_the_start),
        TEST(in_prod_more_than_a_ring_ahead),
        TEST(in_prod_goes_backwards),
        TEST(an_index_that_is_wrong_while_it_is_read),
        TEST(our_indices_are_never_read_back),
        TEST(a_storm_of_events_starves_nobody),
        TEST(pasting_four_kilobytes_loses_nothing),
        TEST(a_listener_may_read_a_little_at_a_time),
        TEST(input_waits_for_somebody_to_listen),
        TEST(who_stopped_listening_is_not_called),
        TEST(who_does_not_read_lets_the_guest_sleep),
        TEST(drain_waits_for_the_reader),
        TEST_EARLY(drain_needs_no_loop),
        TEST(drain_does_not_wait_for_ever),
        TEST(drain_of_nothing_takes_no_time),
        TEST(drain_ends_when_the_other_side_lies),
    };

    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
