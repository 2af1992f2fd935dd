/* SPDX-License-Identifier: MIT */
/* The toolstack's requests, from xl's side of xenstore. */
// sources: xen/bus/control.c xen/bus/xs.c xen/evtchn.c kernel/loop.c
// sources: kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c

#include <string.h>

#include "kernel/log.h"
#include "tests/fake/xenstored.h"
#include "tests/unit/test.h"
#include "xen/bus/control.h"

static struct loop loop;
static struct xs xs;
static struct control control;
static char logged[8192];

static unsigned shutdowns, last_reason, sysrqs;
static char last_key;

static void on_shutdown(struct control *c, unsigned reason)
{
    assert_ptr_equal(c, &control);
    shutdowns++;
    last_reason = reason;
}

static void on_sysrq(struct control *c, char key)
{
    assert_ptr_equal(c, &control);
    sysrqs++;
    last_key = key;
}

static void log_sink(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (strlen(logged) + len < sizeof(logged))
        strncat(logged, line, len);
}

static int setup(void **state)
{
    int error = fake_setup(state);

    logged[0] = '\0';
    shutdowns = sysrqs = 0;
    log_set_sink(log_sink, NULL);
    loop_init(&loop);
    fake_xs_start();
    xs_init(&xs, &loop);
    return error;
}

static int teardown(void **state)
{
    assert_int_equal(fake_xs_transactions(), 0);
    fake_xs_stop();
    return fake_teardown(state);
}

static void settle(void)
{
    fake_run_for(&loop, NS_PER_S);
}

static void start(void)
{
    control_start(&control, &xs, on_shutdown, on_sysrq);
    settle();
}

static void test_features(void **state)
{
    (void)state;
    start();
    assert_string_equal(fake_xs_get("control/feature-poweroff"), "1");
    assert_string_equal(fake_xs_get("control/feature-reboot"), "1");
    assert_string_equal(fake_xs_get("control/feature-suspend"), "");
    assert_int_equal(shutdowns + sysrqs, 0);
    assert_string_equal(logged, "");
}

static void test_shutdown(void **state)
{
    static const struct {
        const char *word;
        unsigned reason;
    } words[] = {{"poweroff", SHUTDOWN_poweroff},
                 {"halt", SHUTDOWN_poweroff},
                 {"reboot", SHUTDOWN_reboot}};

    (void)state;
    start();
    for (unsigned i = 0; i < array_size(words); i++) {
        fake_xs_set("control/shutdown", words[i].word);
        settle();
        assert_int_equal(shutdowns, i + 1);
        assert_int_equal(last_reason, words[i].reason);
        assert_string_equal(fake_xs_get("control/shutdown"), "");
    }
    assert_string_equal(logged, "");
}

static void test_asked_before_start(void **state)
{
    (void)state;
    fake_xs_set("control/shutdown", "poweroff");
    start();
    assert_int_equal(shutdowns, 1);
}

static void test_suspend_is_not_supported(void **state)
{
    (void)state;
    start();
    fake_xs_set("control/shutdown", "suspend");
    settle();
    assert_int_equal(shutdowns, 0);
    assert_non_null(strstr(logged, "suspend: not supported"));
    assert_string_equal(fake_xs_get("control/shutdown"), "");
}

static void test_a11_garbage_words(void **state)
{
    char huge[XENSTORE_PAYLOAD_MAX];

    (void)state;
    memset(huge, 'p', sizeof(huge));
    start();
    fake_xs_set("control/shutdown", "poweroff now");
    settle();
    fake_xs_set("control/shutdown", "poweroffpoweroff");
    settle();
    fake_xs_set("control/shutdown", "\xff\x1b[2J");
    settle();
    fake_xs_set_bytes("control/shutdown", huge, sizeof(huge));
    settle();
    assert_int_equal(shutdowns, 0);
    assert_string_equal(fake_xs_get("control/shutdown"), "");
    assert_null(strchr(logged, '\x1b'));
    /* Only NULs: what a Linux guest clears a node with. */
    fake_xs_set_bytes("control/shutdown", "\0\0", 2);
    settle();
    assert_int_equal(shutdowns, 0);
}

static void test_sysrq(void **state)
{
    (void)state;
    start();
    for (unsigned i = 1; i < 4; i++) {
        fake_xs_set("control/sysrq", i == 1 ? "h" : "s");
        settle();
        assert_int_equal(sysrqs, i);
        assert_int_equal(last_key, i == 1 ? 'h' : 's');
        assert_string_equal(fake_xs_get("control/sysrq"), "");
    }
    assert_int_equal(shutdowns, 0);
}

/* The toolstack changes its mind while the first word is being taken. */
static const char *second_word;

static void write_second(uint32_t type, const char *path)
{
    (void)path;
    if (type == XS_TRANSACTION_END && second_word) {
        const char *word = second_word;

        second_word = NULL;
        fake_xs_set("control/shutdown", word);
    }
}

static void test_second_word_is_not_lost(void **state)
{
    (void)state;
    start();
    second_word = "reboot";
    fake_xs_faults()->on_request = write_second;
    fake_xs_set("control/shutdown", "suspend");
    settle();
    assert_int_equal(shutdowns, 1);
    assert_int_equal(last_reason, SHUTDOWN_reboot);
    assert_string_equal(fake_xs_get("control/shutdown"), "");
}

static void test_word_is_withdrawn(void **state)
{
    (void)state;
    start();
    second_word = "";
    fake_xs_faults()->on_request = write_second;
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 0);
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 1);
}

static void test_two_words_in_a_row(void **state)
{
    (void)state;
    start();
    fake_xs_set("control/sysrq", "a");
    fake_xs_set("control/sysrq", "b");
    fake_xs_set("control/shutdown", "halt");
    settle();
    assert_int_equal(sysrqs, 1);
    assert_int_equal(last_key, 'b');
    assert_int_equal(shutdowns, 1);
}

/* ---- Whatever xenstored does, a guest that was told to stop stops. */

static void test_a11_conflicts(void **state)
{
    (void)state;
    start();
    fake_xs_faults()->conflicts = 3;
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 1);
    assert_string_equal(fake_xs_get("control/shutdown"), "");
}

/* The tries of one word are not counted against the next. */
static void test_a11_conflicts_are_forgotten(void **state)
{
    (void)state;
    start();
    for (unsigned word = 1; word <= 4; word++) {
        fake_xs_faults()->conflicts = 16; /* half of those allowed */
        fake_xs_set("control/shutdown", "poweroff");
        settle();
        assert_int_equal(shutdowns, word);
        assert_string_equal(fake_xs_get("control/shutdown"), "");
    }
}

static void test_a11_conflict_on_every_commit(void **state)
{
    (void)state;
    start();
    fake_xs_faults()->conflicts = ~0u;
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 1);
}

static void test_a11_no_transactions(void **state)
{
    (void)state;
    start();
    fake_xs_faults()->fail_type = XS_TRANSACTION_START;
    fake_xs_faults()->fail_with = "ENOSPC";
    fake_xs_set("control/shutdown", "reboot");
    settle();
    assert_int_equal(shutdowns, 1);
    assert_string_equal(fake_xs_get("control/shutdown"), "");
}

static void test_a11_cannot_clear(void **state)
{
    (void)state;
    start();
    fake_xs_permit("control/shutdown", (const char *[]){"n0", "r5", NULL});
    settle();
    fake_xs_set("control/shutdown", "reboot");
    settle();
    assert_int_equal(shutdowns, 1);
    assert_string_equal(logged, "");
}

static void test_a11_no_nodes(void **state)
{
    (void)state;
    fake_xs_rm("control");
    start();
    assert_int_equal(shutdowns + sysrqs, 0);
    assert_string_equal(logged, "");
    fake_xs_set("control/shutdown", "halt");
    fake_xs_permit("control/shutdown", (const char *[]){"n5", NULL});
    settle();
    assert_int_equal(shutdowns, 1);
}

static void test_a11_bad_replies(void **state)
{
    struct fake_xs_faults *f = fake_xs_faults();

    (void)state;
    f->unknown_ids = f->duplicates = f->event_first = true;
    f->chunk_bytes = 1;
    start();
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 1);
    f->wrong_types = true;
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 1);
    f->wrong_types = false;
    fake_xs_set("control/shutdown", "poweroff");
    settle();
    assert_int_equal(shutdowns, 2);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(features),
        test(shutdown),
        test(asked_before_start),
        test(suspend_is_not_supported),
        test(a11_garbage_words),
        test(sysrq),
        test(second_word_is_not_lost),
        test(word_is_withdrawn),
        test(two_words_in_a_row),
        test(a11_conflicts),
        test(a11_conflicts_are_forgotten),
        test(a11_conflict_on_every_commit),
        test(a11_no_transactions),
        test(a11_cannot_clear),
        test(a11_no_nodes),
        test(a11_bad_replies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
