/* SPDX-License-Identifier: MIT */
/* The device handshake, with a backend that behaves as Linux's do, and with
 * states written by hand that no sane backend would write. */
// sources: xen/bus/xenbus.c xen/bus/xenbus_list.c xen/bus/xs.c
// sources: xen/bus/xs_update.c xen/evtchn.c kernel/loop.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c

#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "tests/fake/xenstored.h"
#include "tests/unit/test.h"
#include "xen/bus/xenbus.h"
#include "xen/bus/xenbus_list.h"
#include "xen/bus/xenbus_table.h"

#define FRONT "device/vif/0"
#define BACK  FAKE_XS_BACKEND("vif", 0)

static struct loop loop;
static struct xs xs;
static char logged[16384];

static void log_sink(void *arg, const char *line, size_t len)
{
    size_t used = strlen(logged);

    (void)arg;
    if (used + len < sizeof(logged)) {
        memcpy(logged + used, line, len);
        logged[used + len] = '\0';
    }
}

static unsigned log_count(const char *text)
{
    unsigned n = 0;

    for (const char *p = logged; (p = strstr(p, text)); p++)
        n++;
    return n;
}

/* ---- A driver. */

struct driver {
    struct xenbus_device dev;
    unsigned tries, opens, closes, connects, stops;
    int open_error;
    bool fail_in_connected;
    uint32_t feature, queues, sectors;
    char mac[18];
};

static struct driver driver;

static struct driver *driver_of(struct xenbus_device *dev)
{
    return container_of(dev, struct driver, dev);
}

static const struct xenbus_key *driver_keys(struct xenbus_device *dev,
                                            unsigned *nr)
{
    static struct xenbus_key keys[3];
    struct driver *d = driver_of(dev);

    keys[0] =
        (struct xenbus_key){.name = "feature", .max = 1, .value = &d->feature};
    keys[1] = (struct xenbus_key){
        .name = "queues", .fallback = 2, .max = 8, .value = &d->queues};
    keys[2] = (struct xenbus_key){
        .name = "mac", .text = d->mac, .text_bytes = 18, .own = true};
    *nr = 3;
    return keys;
}

static const struct xenbus_key *driver_late_keys(struct xenbus_device *dev,
                                                 unsigned *nr)
{
    static struct xenbus_key key;

    key = (struct xenbus_key){.name = "sectors",
                              .max = UINT32_MAX,
                              .value = &driver_of(dev)->sectors};
    *nr = 1;
    return &key;
}

static int driver_open(struct xenbus_device *dev)
{
    struct driver *d = driver_of(dev);

    assert_int_equal(d->opens, d->closes);
    d->tries++;
    if (d->open_error)
        return d->open_error;
    d->opens++;
    xenbus_publish(dev, "ring-ref", "%u", 8 + d->opens);
    xenbus_publish(dev, "event-channel", "%u", 3);
    return 0;
}

static void driver_connected(struct xenbus_device *dev)
{
    struct driver *d = driver_of(dev);

    assert_int_equal(d->opens, d->closes + 1);
    d->connects++;
    if (d->fail_in_connected)
        xenbus_fail(dev, "it said %d", 42);
}

static void driver_close(struct xenbus_device *dev)
{
    struct driver *d = driver_of(dev);

    d->closes++;
    assert_int_equal(d->opens, d->closes);
}

static void driver_stopped(struct xenbus_device *dev)
{
    driver_of(dev)->stops++;
}

static const struct xenbus_ops net_ops = {
    .keys = driver_keys,
    .open = driver_open,
    .tell_state = XenbusStateConnected,
    .connected = driver_connected,
    .close = driver_close,
    .stopped = driver_stopped,
};

static const struct xenbus_ops block_ops = {
    .open = driver_open,
    .tell_state = XenbusStateInitialised,
    .connected_keys = driver_late_keys,
    .connected = driver_connected,
    .close = driver_close,
    .stopped = driver_stopped,
};

/* ---- A backend: what Linux's netback and blkback do when the frontend's
 * state changes. It notices a change some time after it happened, and then
 * sees the state of that time. */

static struct {
    bool alive, noticed;
    unsigned state;
    unsigned joins;      /* the state of ours that it waits for */
    unsigned fails;      /* so many times it cannot connect */
    unsigned states[64]; /* all that it wrote */
    unsigned nr_states;
} back;

static unsigned front_state(void)
{
    return (unsigned)fake_xs_number(FRONT "/state", 0);
}

static void back_write(unsigned state)
{
    back.state = state;
    back.states[back.nr_states++ % 64] = state;
    fake_xs_setf(BACK "/state", "%u", state);
}

static void back_connect(void)
{
    if (back.state == XenbusStateConnected)
        return;
    if (back.state != XenbusStateInitWait)
        back_write(XenbusStateInitWait);
    if (back.fails) {
        back.fails--;
        back_write(XenbusStateClosing);
        return;
    }
    assert_non_null(fake_xs_get(FRONT "/ring-ref"));
    fake_xs_set(BACK "/sectors", "2048");
    back_write(XenbusStateConnected);
}

static void back_close(void)
{
    if (back.state == XenbusStateClosed)
        return;
    if (back.state != XenbusStateClosing)
        back_write(XenbusStateClosing);
    back_write(XenbusStateClosed);
}

static bool back_step(void *arg)
{
    unsigned front = front_state();

    (void)arg;
    if (!back.alive || !back.noticed)
        return false;
    back.noticed = false;
    if (front == back.joins) {
        back_connect();
    } else if (front == XenbusStateInitialising) {
        if (back.state == XenbusStateConnected)
            back_close();
        if (back.state != XenbusStateInitWait)
            back_write(XenbusStateInitWait);
    } else if (front == XenbusStateClosed || front == XenbusStateClosing) {
        back_close();
        if (fake_xs_number(BACK "/online", 0) == 0)
            back.alive = false;
    }
    return true;
}

static void back_notice(void *arg, const char *path)
{
    (void)arg;
    (void)path;
    back.noticed = true;
}

/* Its module is loaded. */
static void back_start(void)
{
    back.alive = true;
    back_write(XenbusStateInitialising);
    back.noticed = true;
}

/* Its module is removed. */
static void back_stop(void)
{
    back_close();
    back.alive = false;
}

/* ---- Setting up. */

static int setup(void **state)
{
    int error = fake_setup(state);

    logged[0] = '\0';
    log_set_sink(log_sink, NULL);
    memset(&driver, 0, sizeof(driver));
    memset(&back, 0, sizeof(back));
    back.joins = XenbusStateConnected;
    loop_init(&loop);
    fake_xs_start();
    fake_add_backend(back_step, NULL);
    fake_xs_listen(FRONT "/state", back_notice, NULL);
    xs_init(&xs, &loop);
    return error;
}

static int teardown(void **state)
{
    assert_int_equal(fake_xs_transactions(), 0);
    fake_remove_backend(back_step, NULL);
    fake_xs_stop();
    return fake_teardown(state);
}

static void begin(const struct xenbus_ops *ops)
{
    xenbus_start(&driver.dev, &xs, &loop, FRONT, ops);
}

static void attach(void)
{
    fake_xs_device("vif", 0);
    fake_xs_set(FRONT "/mac", "00:16:3e:00:00:01");
    fake_xs_set(BACK "/feature", "1");
    back_start();
}

static void connect(const struct xenbus_ops *ops)
{
    attach();
    begin(ops);
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
}

static void settle(void)
{
    fake_run_for(&loop, 2 * XENBUS_RETRY_NS);
}

static void stop_and_check(void)
{
    xenbus_stop(&driver.dev);
    fake_run_until(&loop, driver.stops == 1, NS_PER_S);
    settle();
    assert_int_equal(driver.stops, 1);
    assert_int_equal(driver.opens, driver.closes);
    assert_int_equal(fake_xs_watches(), 0);
    if (driver.opens && front_state())
        assert_int_equal(front_state(), XenbusStateClosed);
    /* Its memory may go: whoever still knows it trips over it. */
    memset(&driver.dev, 0, sizeof(driver.dev));
    fake_run_for(&loop, 2 * XENBUS_SLOW_NS);
}

/* ---- The way it should be. */

static void test_connect(void **state)
{
    (void)state;
    connect(&net_ops);
    assert_int_equal(driver.dev.phase, XENBUS_CONNECTED);
    assert_int_equal(front_state(), XenbusStateConnected);
    assert_string_equal(fake_xs_get(FRONT "/ring-ref"), "9");
    assert_string_equal(fake_xs_get(FRONT "/event-channel"), "3");
    assert_string_equal(driver.dev.backend, BACK);
    assert_int_equal(driver.dev.backend_dom, 0);
    assert_string_equal(driver.mac, "00:16:3e:00:00:01");
    assert_int_equal(driver.feature, 1);
    assert_int_equal(driver.queues, 2);
    assert_int_equal(fake_xs_count(XS_TRANSACTION_START), 1);
    fake_run_for(&loop, 2 * XENBUS_SLOW_NS);
    assert_string_equal(logged, "");
    stop_and_check();
}

static void test_connect_in_two_steps(void **state)
{
    (void)state;
    back.joins = XenbusStateInitialised;
    connect(&block_ops);
    assert_int_equal(driver.sectors, 2048);
    settle();
    assert_int_equal(front_state(), XenbusStateConnected);
    assert_int_equal(driver.connects, 1);
    stop_and_check();
}

static void test_backend_comes_late(void **state)
{
    (void)state;
    fake_xs_device("vif", 0);
    begin(&net_ops);
    fake_xs_set(BACK "/hotplug-error", "no bridge xenbr0");
    fake_run_for(&loop, 5 * NS_PER_S - 10 * NS_PER_MS);
    assert_string_equal(logged, "");
    fake_run_for(&loop, 20 * NS_PER_MS);
    assert_int_equal(log_count("still waiting"), 1);
    fake_run_for(&loop, 50 * NS_PER_S);
    assert_int_equal(log_count("still waiting for " BACK "/state"), 1);
    assert_int_equal(log_count("the backend is Initialising"), 1);
    assert_int_equal(log_count("no bridge xenbr0"), 1);
    back_start();
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    stop_and_check();
}

static void test_device_comes_late(void **state)
{
    (void)state;
    begin(&net_ops);
    fake_run_for(&loop, 5 * NS_PER_S - 10 * NS_PER_MS);
    assert_string_equal(logged, "");
    fake_run_for(&loop, 20 * NS_PER_MS);
    assert_int_equal(log_count("still waiting for " FRONT "/backend"), 1);
    fake_run_for(&loop, 50 * NS_PER_S);
    assert_int_equal(log_count("still waiting for " FRONT "/backend"), 1);
    attach();
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    stop_and_check();
}

/* ---- A11: keys. */

static void test_a11_missing_keys(void **state)
{
    (void)state;
    fake_xs_device("vif", 0);
    back_start();
    begin(&net_ops);
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    assert_int_equal(driver.feature, 0);
    assert_int_equal(driver.queues, 2);
    assert_string_equal(driver.mac, "");
    assert_string_equal(logged, "");
    stop_and_check();
}

static void test_a11_bad_numbers(void **state)
{
    static const char *const bad[] = {
        "",    "x",   "-1", " 1",   "1 ",
        "0x1", "1.5", "+1", "\xff", "18446744073709551616"};

    (void)state;
    attach();
    for (unsigned i = 0; i < array_size(bad); i++) {
        memset(&driver, 0, sizeof(driver));
        logged[0] = '\0';
        fake_xs_set(BACK "/queues", bad[i]);
        begin(&net_ops);
        fake_run_until(&loop, driver.connects == 1, 3 * NS_PER_S);
        assert_int_equal(driver.queues, 2);
        assert_int_equal(log_count(BACK "/queues: not a number"), 1);
        stop_and_check();
    }
}

static void test_a11_number_with_nul(void **state)
{
    (void)state;
    attach();
    fake_xs_set_bytes(BACK "/queues", "4\0", 2);
    begin(&net_ops);
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    assert_int_equal(driver.queues, 2);
    assert_int_equal(log_count(BACK "/queues: not a number"), 1);
    stop_and_check();
}

static void test_a11_large_numbers(void **state)
{
    static const char *const large[] = {"9", "4294967297",
                                        "18446744073709551610"};

    (void)state;
    attach();
    for (unsigned i = 0; i < array_size(large); i++) {
        memset(&driver, 0, sizeof(driver));
        logged[0] = '\0';
        fake_xs_set(BACK "/queues", large[i]);
        begin(&net_ops);
        fake_run_until(&loop, driver.connects == 1, 3 * NS_PER_S);
        assert_int_equal(driver.queues, i == 2 ? 2 : 8);
        assert_int_equal(log_count(BACK "/queues: "), 1);
        stop_and_check();
    }
}

static void test_a11_bad_texts(void **state)
{
    char huge[XENSTORE_PAYLOAD_MAX];

    (void)state;
    memset(huge, 'a', sizeof(huge));
    attach();
    fake_xs_set(FRONT "/mac", "00:16:3e:00:00:012");
    begin(&net_ops);
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    assert_string_equal(driver.mac, "");
    assert_int_equal(log_count(FRONT "/mac: "), 1);
    stop_and_check();
    for (unsigned i = 0; i < 2; i++) {
        memset(&driver, 0, sizeof(driver));
        logged[0] = '\0';
        fake_xs_set_bytes(FRONT "/mac", i ? huge : "00:\0006", i ? 4096 : 5);
        begin(&net_ops);
        fake_run_until(&loop, driver.connects == 1, 3 * NS_PER_S);
        assert_string_equal(driver.mac, "");
        assert_int_equal(log_count(FRONT "/mac: "), 1);
        stop_and_check();
    }
}

static void test_a11_bad_backend_path(void **state)
{
    char huge[XENSTORE_PAYLOAD_MAX];

    (void)state;
    memset(huge, '/', sizeof(huge));
    attach();
    begin(&net_ops);
    for (unsigned i = 0; i < 4; i++) {
        fake_xs_set_bytes(FRONT "/backend",
                          i == 0   ? ""
                          : i == 1 ? "relative"
                          : i == 2 ? "/a\0b"
                                   : huge,
                          i == 0   ? 0
                          : i == 1 ? 8
                          : i == 2 ? 4
                                   : 4096);
        fake_run_for(&loop, NS_PER_S);
        assert_int_equal(log_count(FRONT "/backend: not a path"), i + 1);
    }
    fake_xs_set(FRONT "/backend", BACK);
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    stop_and_check();
}

static void test_a11_bad_backend_domain(void **state)
{
    static const char *const bad[] = {"", "-1", "32752", "99999999999", "dom0"};

    (void)state;
    attach();
    begin(&net_ops);
    for (unsigned i = 0; i < array_size(bad); i++) {
        fake_xs_set(FRONT "/backend-id", bad[i]);
        fake_xs_set(FRONT "/backend", BACK); /* somebody touched it: look */
        fake_run_for(&loop, NS_PER_S);
        assert_int_equal(log_count(FRONT "/backend-id: not a domain"), i + 1);
        assert_int_equal(driver.opens, 0);
    }
    fake_xs_set(FRONT "/backend-id", "0");
    fake_xs_set(FRONT "/backend", BACK);
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    stop_and_check();
}

static void test_a11_conflicts(void **state)
{
    (void)state;
    fake_xs_faults()->conflicts = 5;
    connect(&net_ops);
    assert_int_equal(fake_xs_count(XS_TRANSACTION_START), 6);
    stop_and_check();
}

static void test_a11_conflict_on_every_commit(void **state)
{
    (void)state;
    fake_xs_faults()->conflicts = ~0u;
    attach();
    begin(&net_ops);
    settle();
    assert_int_equal(driver.opens, 1);
    assert_int_equal(driver.closes, 1);
    assert_int_equal(driver.connects, 0);
    assert_int_equal(front_state(), XenbusStateClosed);
    assert_int_equal(log_count(FRONT ": cannot publish its keys"), 1);
    /* The backend is restarted in a better world. */
    fake_xs_faults()->conflicts = 0;
    back_stop();
    back_start();
    fake_run_until(&loop, driver.connects == 1, 2 * NS_PER_S);
    stop_and_check();
}

static void test_a11_silent_xenstored(void **state)
{
    (void)state;
    attach();
    fake_xs_faults()->silent = true;
    begin(&net_ops);
    fake_run_for(&loop, 5 * NS_PER_S - 10 * NS_PER_MS);
    assert_string_equal(logged, "");
    fake_run_for(&loop, 20 * NS_PER_MS);
    assert_int_equal(log_count("still waiting for " FRONT "/backend"), 1);
    fake_run_for(&loop, 50 * NS_PER_S);
    assert_int_equal(log_count("still waiting for " FRONT "/backend"), 1);
    fake_xs_faults()->silent = false;
    fake_run_until(&loop, driver.connects == 1, NS_PER_S);
    stop_and_check();
}

/* Whatever is wrong with the transport, nothing hangs or overruns. */
static void test_a11_bad_replies(void **state)
{
    struct fake_xs_faults *f = fake_xs_faults();

    (void)state;
    f->unknown_ids = f->duplicates = f->event_first = true;
    f->chunk_bytes = 1;
    connect(&net_ops);
    f->wrong_types = true;
    back_write(XenbusStateConnected);
    settle();
    assert_int_equal(log_count(BACK "/state: not a state"), 1);
    f->wrong_types = false;
    back_stop();
    settle();
    back_start();
    fake_run_until(&loop, driver.connects == 2, 10 * NS_PER_S);
    stop_and_check();
}

/* ---- A10: the backend goes, comes, and lies about its state. */

static void test_a10_backend_restarts(void **state)
{
    (void)state;
    connect(&net_ops);
    for (unsigned i = 1; i < 5; i++) {
        back_stop();
        settle();
        assert_int_equal(driver.closes, i);
        assert_int_not_equal(driver.dev.phase, XENBUS_CONNECTED);
        fake_xs_setf(BACK "/queues", "%u", i);
        back_start();
        fake_run_until(&loop, driver.connects == i + 1, 2 * NS_PER_S);
        assert_int_equal(driver.dev.reconnects, i);
        assert_int_equal(driver.queues, i);
    }
    stop_and_check();
}

static void test_a10_backend_restarts_at_once(void **state)
{
    (void)state;
    connect(&net_ops);
    settle();
    back_stop();
    fake_run_for(&loop, NS_PER_MS);
    back_start();
    fake_run_until(&loop, driver.connects == 2, 2 * NS_PER_S);
    settle();
    assert_int_equal(driver.dev.phase, XENBUS_CONNECTED);
    stop_and_check();
}

static void test_a10_block_backend_restarts(void **state)
{
    (void)state;
    back.joins = XenbusStateInitialised;
    connect(&block_ops);
    settle();
    back_stop();
    settle();
    assert_int_equal(driver.closes, 1);
    back_start();
    fake_run_until(&loop, driver.connects == 2, 2 * NS_PER_S);
    stop_and_check();
}

static void test_a10_closing(void **state)
{
    (void)state;
    connect(&net_ops);
    settle();
    back_write(XenbusStateClosing);
    fake_run_until(&loop, driver.closes == 1, NS_PER_S);
    fake_run_until(&loop, driver.connects == 2, 2 * NS_PER_S);
    stop_and_check();
}

static void test_a10_backend_node_vanishes(void **state)
{
    (void)state;
    connect(&net_ops);
    settle();
    back.alive = false;
    fake_xs_rm(BACK);
    fake_run_until(&loop, driver.closes == 1, NS_PER_S);
    settle();
    assert_int_equal(front_state(), XenbusStateClosed);
    fake_xs_set(BACK "/online", "1");
    back_start();
    fake_run_until(&loop, driver.connects == 2, 2 * NS_PER_S);
    stop_and_check();
}

static void test_a10_state_jumps_backwards(void **state)
{
    (void)state;
    connect(&net_ops);
    for (unsigned s = XenbusStateUnknown; s < XenbusStateInitialised; s++) {
        unsigned connects = driver.connects;

        settle();
        back.state = s;
        fake_xs_setf(BACK "/state", "%u", s);
        fake_run_until(&loop, driver.connects > connects, 5 * NS_PER_S);
        settle();
        assert_int_equal(driver.dev.phase, XENBUS_CONNECTED);
        assert_int_equal(back.state, XenbusStateConnected);
    }
    stop_and_check();
}

/* It is busy; it said nothing about leaving. */
static void test_a10_state_of_no_concern(void **state)
{
    static const unsigned states[] = {XenbusStateInitialised,
                                      XenbusStateReconfiguring,
                                      XenbusStateReconfigured};

    (void)state;
    connect(&net_ops);
    for (unsigned i = 0; i < array_size(states); i++) {
        fake_xs_setf(BACK "/state", "%u", states[i]);
        settle();
        fake_xs_setf(BACK "/state", "4");
        settle();
    }
    assert_int_equal(driver.connects, 1);
    assert_int_equal(driver.closes, 0);
    stop_and_check();
}

static void test_a10_garbage_states(void **state)
{
    static const char *const bad[] = {
        "", "9", "-1", "4x", "99999999999999999999", "\n", "Connected"};
    char huge[XENSTORE_PAYLOAD_MAX];

    (void)state;
    memset(huge, '4', sizeof(huge));
    connect(&net_ops);
    for (unsigned i = 0; i < array_size(bad); i++) {
        fake_xs_set(BACK "/state", bad[i]);
        fake_run_for(&loop, NS_PER_S);
        assert_int_equal(log_count(BACK "/state: not a state"), i + 1);
    }
    fake_xs_set_bytes(BACK "/state", huge, sizeof(huge));
    fake_xs_set_bytes(BACK "/state", "6\0", 2);
    fake_run_for(&loop, NS_PER_S);
    assert_int_equal(driver.closes, 0);
    fake_xs_set(BACK "/state", "4");
    settle();
    assert_int_equal(driver.connects, 1);
    stop_and_check();
}

/* The guest before us, in this domain, left the backend Connected. */
static void test_a10_backend_is_connected_at_start(void **state)
{
    (void)state;
    attach();
    fake_xs_set(FRONT "/state", "4");
    fake_xs_set(FRONT "/ring-ref", "77");
    fake_run_backends();
    assert_int_equal(back.state, XenbusStateConnected);
    begin(&net_ops);
    fake_run_until(&loop, driver.connects == 1, 2 * NS_PER_S);
    assert_string_equal(fake_xs_get(FRONT "/ring-ref"), "9");
    stop_and_check();
}

static void test_a10_backend_is_closed_at_start(void **state)
{
    (void)state;
    attach();
    fake_xs_set(FRONT "/state", "6");
    fake_run_backends();
    assert_int_equal(back.state, XenbusStateClosed);
    begin(&net_ops);
    fake_run_until(&loop, driver.connects == 1, 2 * NS_PER_S);
    stop_and_check();
}

/* A backend that can never map our rings keeps nobody busy. */
static void test_a10_backend_never_connects(void **state)
{
    (void)state;
    back.fails = ~0u;
    attach();
    begin(&net_ops);
    fake_run_for(&loop, 20 * XENBUS_RETRY_NS);
    assert_in_range(driver.opens, 5, 21);
    assert_int_equal(driver.connects, 0);
    back.fails = 0;
    fake_run_until(&loop, driver.connects == 1, 3 * NS_PER_S);
    stop_and_check();
}

static void test_detach(void **state)
{
    (void)state;
    connect(&net_ops);
    fake_xs_device_detach("vif", 0);
    fake_run_until(&loop, driver.closes == 1, NS_PER_S);
    settle();
    assert_int_equal(front_state(), XenbusStateClosed);
    assert_int_equal(fake_xs_number(BACK "/state", 0), XenbusStateClosed);
    fake_xs_device_remove("vif", 0);
    fake_run_for(&loop, 10 * XENBUS_SLOW_NS);
    assert_int_equal(log_count(FRONT ": removed"), 1);
    assert_int_equal(log_count("still waiting"), 0);
    assert_null(fake_xs_get(FRONT));
    attach();
    fake_run_until(&loop, driver.connects == 2, NS_PER_S);
    stop_and_check();
}

/* The toolstack does not wait: `xl network-detach` with force. */
static void test_detach_by_force(void **state)
{
    (void)state;
    connect(&net_ops);
    fake_xs_device_remove("vif", 0);
    back.alive = false;
    fake_run_until(&loop, driver.closes == 1, NS_PER_S);
    settle();
    assert_null(fake_xs_get(FRONT));
    attach();
    fake_run_until(&loop, driver.connects == 2, 2 * NS_PER_S);
    stop_and_check();
}

/* ...while we are about to write our state: that says nothing to anybody. */
static void test_detach_while_writing(void **state)
{
    (void)state;
    connect(&net_ops);
    xenbus_fail(&driver.dev, "enough");
    back.alive = false;
    fake_xs_device_remove("vif", 0);
    settle();
    assert_int_equal(log_count("cannot write"), 0);
    assert_int_equal(log_count(FRONT ": removed"), 1);
    stop_and_check();
}

static void test_stop_after_detach(void **state)
{
    unsigned writes;

    (void)state;
    connect(&net_ops);
    fake_xs_device_remove("vif", 0);
    back.alive = false;
    settle();
    writes = fake_xs_count(XS_WRITE);
    stop_and_check();
    assert_int_equal(fake_xs_count(XS_WRITE), writes);
}

static void test_attach_with_another_backend(void **state)
{
    (void)state;
    connect(&net_ops);
    fake_xs_device_remove("vif", 0);
    back.alive = false;
    settle();
    fake_xs_set("/local/domain/7/backend/vif/5/0/state", "2");
    fake_xs_permit("/local/domain/7/backend/vif/5/0/state",
                   (const char *[]){"n7", "r5", NULL});
    fake_xs_set(FRONT "/state", "1");
    fake_xs_set(FRONT "/backend-id", "7");
    fake_xs_set(FRONT "/backend", "/local/domain/7/backend/vif/5/0");
    fake_run_until(&loop, front_state() == 4, NS_PER_S);
    assert_int_equal(driver.dev.backend_dom, 7);
    fake_xs_set("/local/domain/7/backend/vif/5/0/state", "4");
    fake_run_until(&loop, driver.connects == 2, NS_PER_S);
    assert_int_equal(fake_xs_watches(), 2);
    stop_and_check();
}

/* ---- Giving up. */

static void test_fail(void **state)
{
    (void)state;
    connect(&net_ops);
    settle();
    xenbus_fail(&driver.dev, "response %u of nothing", 7);
    assert_int_equal(driver.closes, 0);
    fake_run_until(&loop, driver.closes == 1, NS_PER_S);
    settle();
    assert_int_equal(log_count("response 7 of nothing"), 1);
    assert_int_equal(front_state(), XenbusStateClosed);
    assert_int_equal(back.state, XenbusStateClosed);
    assert_int_equal(driver.dev.phase, XENBUS_CLOSED_GIVEN_UP);
    fake_run_for(&loop, 10 * XENBUS_SLOW_NS);
    assert_int_equal(driver.opens, 1);
    back_stop();
    back_start();
    fake_run_until(&loop, driver.connects == 2, 2 * NS_PER_S);
    assert_int_equal(driver.dev.phase, XENBUS_CONNECTED);
    stop_and_check();
}

/* Not all backends wait for our word when they come back. */
static void test_fail_and_return_to_init_wait(void **state)
{
    (void)state;
    connect(&net_ops);
    settle();
    back.alive = false;
    xenbus_fail(&driver.dev, "enough");
    settle();
    fake_xs_set(BACK "/state", "2"); /* back from Connected */
    settle();
    assert_int_equal(driver.opens, 2);
    xenbus_fail(&driver.dev, "enough");
    settle();
    fake_xs_set(BACK "/state", "2"); /* it did not go */
    settle();
    assert_int_equal(driver.opens, 2);
    fake_xs_set(BACK "/state", "6");
    fake_run_for(&loop, NS_PER_MS);
    fake_xs_set(BACK "/state", "2");
    settle();
    assert_int_equal(driver.opens, 3);
    fake_xs_set(BACK "/state", "4");
    fake_run_until(&loop, driver.connects == 2, NS_PER_S);
    stop_and_check();
}

static void test_fail_in_connected(void **state)
{
    (void)state;
    driver.fail_in_connected = true;
    connect(&net_ops);
    settle();
    assert_int_equal(driver.closes, 1);
    assert_int_equal(driver.connects, 1);
    assert_int_equal(front_state(), XenbusStateClosed);
    stop_and_check();
}

/* close() does not wait for xenstored. */
static void test_fail_while_xenstored_is_silent(void **state)
{
    (void)state;
    connect(&net_ops);
    fake_xs_faults()->silent = true;
    fake_xs_set(BACK "/state", "4");
    fake_run_for(&loop, NS_PER_MS);
    xenbus_fail(&driver.dev, "enough");
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(driver.closes, 1);
    fake_xs_faults()->silent = false;
    settle();
    assert_int_equal(front_state(), XenbusStateClosed);
    stop_and_check();
}

static void test_open_fails(void **state)
{
    (void)state;
    driver.open_error = -XEN_EINVAL;
    attach();
    begin(&net_ops);
    fake_run_for(&loop, 3 * XENBUS_STARVED_NS);
    assert_int_equal(log_count(FRONT ": cannot open: error 22"), 1);
    assert_int_equal(front_state(), XenbusStateClosed);
    driver.open_error = 0;
    settle();
    assert_int_equal(driver.opens, 0);
    back_stop();
    back_start();
    fake_run_until(&loop, driver.connects == 1, 2 * NS_PER_S);
    stop_and_check();
}

/* What was given up is still detached: Closing is answered each time. */
static void test_detach_of_what_was_given_up(void **state)
{
    unsigned long writes;

    (void)state;
    driver.open_error = -XEN_EINVAL;
    attach();
    begin(&net_ops);
    settle();
    assert_int_equal(front_state(), XenbusStateClosed);
    for (unsigned i = 0; i < 3; i++) {
        writes = fake_xs_count(XS_WRITE);
        back_write(XenbusStateClosing);
        settle();
        assert_int_equal(fake_xs_count(XS_WRITE), writes + 1);
    }
    stop_and_check();
}

/* Memory comes back by itself; the backend does not move. */
static void test_open_fails_for_lack_of_memory(void **state)
{
    static const int errors[] = {-XEN_ENOMEM, -XEN_ENOSPC};

    (void)state;
    attach();
    begin(&net_ops);
    for (unsigned i = 0; i < array_size(errors); i++) {
        driver.open_error = errors[i];
        back_stop();
        settle();
        driver.tries = 0;
        back_start();
        fake_run_for(&loop, 10 * XENBUS_STARVED_NS);
        assert_in_range(driver.tries, 5, 11);
        assert_int_equal(log_count(FRONT ": no memory"), i + 1);
        driver.open_error = 0;
        fake_run_until(&loop, driver.connects == i + 1, 2 * XENBUS_STARVED_NS);
    }
    stop_and_check();
}

/* What is stopped, detached or given up for another reason is not tried. */
static void test_no_try_for_what_does_not_starve(void **state)
{
    (void)state;
    driver.open_error = -XEN_ENOMEM;
    attach();
    begin(&net_ops);
    fake_run_until(&loop, driver.tries == 2, 2 * XENBUS_STARVED_NS);
    driver.open_error = -XEN_EINVAL;
    fake_run_until(&loop, driver.tries == 3, 2 * XENBUS_STARVED_NS);
    fake_run_for(&loop, 3 * XENBUS_STARVED_NS);
    assert_int_equal(driver.tries, 3);

    driver.open_error = -XEN_ENOMEM;
    back_stop();
    back_start();
    fake_run_until(&loop, driver.tries == 4, 2 * NS_PER_S);
    fake_xs_device_detach("vif", 0);
    fake_run_for(&loop, 3 * XENBUS_STARVED_NS);
    assert_int_equal(driver.tries, 4);
    stop_and_check();
}

static void test_stop_before_retry(void **state)
{
    (void)state;
    back.fails = ~0u;
    attach();
    begin(&net_ops);
    fake_run_for(&loop, 5 * XENBUS_RETRY_NS / 2);
    stop_and_check();
}

static void test_stop_at_every_step(void **state)
{
    unsigned turns = 0;
    bool connected;

    (void)state;
    attach();
    do {
        memset(&driver, 0, sizeof(driver));
        begin(&net_ops);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(&loop);
        connected = driver.connects > 0;
        stop_and_check();
        assert_in_range(++turns, 0, 100);
    } while (!connected);
    assert_true(turns > 5);
}

/* Any states at any time, and in the end a sane backend. */
static void test_a10_random_states(void **state)
{
    (void)state;
    attach();
    begin(&net_ops);
    for (unsigned round = 0; round < 200; round++) {
        unsigned n = 1 + fake_random_below(6);

        for (unsigned i = 0; i < n; i++) {
            unsigned what = fake_random_below(14);

            back.alive = fake_chance(70);
            if (what < 9)
                fake_xs_setf(BACK "/state", "%u", back.state = what);
            else if (what == 9)
                fake_xs_rm(BACK "/state");
            else if (what == 10)
                fake_xs_set(BACK "/online", fake_chance(50) ? "0" : "1");
            else if (what == 11)
                fake_xs_device_remove("vif", 0);
            else if (what == 12)
                attach();
            else if (driver.opens > driver.closes)
                xenbus_fail(&driver.dev, "by chance");
            for (unsigned t = fake_random_below(5); t; t--)
                fake_run_for(&loop, NS_PER_MS);
            assert_int_not_equal(
                xenbus_table[driver.dev.phase][xenbus_event_of(&driver.dev)]
                    .action,
                XENBUS_NEVER);
        }
        fake_xs_device_remove("vif", 0);
        fake_run_for(&loop, NS_PER_S);
        assert_int_equal(driver.opens, driver.closes);
        attach();
        n = driver.connects;
        fake_run_until(&loop, driver.connects > n, 3 * NS_PER_S);
        logged[0] = '\0';
    }
    stop_and_check();
}

/* ---- The table: every row of it, done by the code. */

static unsigned walk_told[16], nr_walk_told, nr_walk_changes;

static void walk_listen(void *arg, const char *path)
{
    (void)arg;
    (void)path;
    if (nr_walk_told < array_size(walk_told))
        walk_told[nr_walk_told++] = front_state();
}

static void walk_changed(struct xenbus_device *dev)
{
    (void)dev;
    nr_walk_changes++;
}

static const struct xenbus_ops walk_ops = {
    .keys = driver_keys,
    .open = driver_open,
    .tell_state = XenbusStateConnected,
    .connected_keys = driver_late_keys,
    .connected = driver_connected,
    .changed = walk_changed,
    .close = driver_close,
    .stopped = driver_stopped,
};

static const struct walk_event {
    enum xenbus_event event;
    unsigned state;
    const char *online;
} walk_events[] = {
    {XENBUS_IS_MISSING, XenbusStateUnknown, "1"},
    {XENBUS_IS_INITIALISING, XenbusStateInitialising, "1"},
    {XENBUS_IS_WAITING, XenbusStateInitWait, "1"},
    {XENBUS_IS_BUSY, XenbusStateInitialised, "1"},
    {XENBUS_IS_BUSY, XenbusStateReconfiguring, "1"},
    {XENBUS_IS_BUSY, XenbusStateReconfigured, "1"},
    {XENBUS_IS_CONNECTED, XenbusStateConnected, "1"},
    {XENBUS_IS_CLOSING, XenbusStateClosing, "1"},
    {XENBUS_IS_ANSWERED, XenbusStateClosing, "1"},
    {XENBUS_IS_CLOSED, XenbusStateClosed, "1"},
    {XENBUS_IS_REMOVED, XenbusStateClosed, "0"},
};

/* What cannot be, with the reasons that xenbus_table.h gives. */
static bool walk_is_possible(unsigned phase, unsigned event)
{
    if (phase == XENBUS_BEGUN_GIVEN_UP)
        return event == XENBUS_IS_WAITING;
    return event != XENBUS_IS_ANSWERED || phase == XENBUS_CLOSED ||
           phase == XENBUS_CLOSED_GIVEN_UP;
}

/* Where an action leads, whatever the table says. */
static unsigned walk_next(unsigned phase, unsigned action)
{
    switch (action) {
    case XENBUS_BEGIN:
        return XENBUS_BEGUN;
    case XENBUS_LEARN_AND_OPEN:
        return XENBUS_OPEN;
    case XENBUS_LEARN_AND_CONNECT:
        return XENBUS_CONNECTED;
    case XENBUS_NEVER:
    case XENBUS_CLOSE:
    case XENBUS_START_OVER:
        return phase < XENBUS_GIVEN_UP ? XENBUS_CLOSED : XENBUS_CLOSED_GIVEN_UP;
    default:
        return phase;
    }
}

static void test_table_is_whole(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < XENBUS_PHASES; phase++)
        for (unsigned event = 0; event < XENBUS_EVENTS; event++) {
            struct xenbus_row row = xenbus_table[phase][event];

            assert_int_not_equal(row.action, XENBUS_UNNAMED);
            assert_int_equal(row.action != XENBUS_NEVER,
                             walk_is_possible(phase, event));
            assert_int_equal(row.next, walk_next(phase, row.action));
        }
}

/* The states of a backend that lead to each phase. */
static void walk_begin(unsigned first, unsigned then)
{
    memset(&driver, 0, sizeof(driver));
    fake_xs_device("vif", 0);
    fake_xs_setf(BACK "/state", "%u", first);
    begin(&walk_ops);
    fake_run_for(&loop, 10 * NS_PER_MS);
    if (then)
        fake_xs_setf(BACK "/state", "%u", then);
    fake_run_for(&loop, 10 * NS_PER_MS);
}

static void walk_to_good(unsigned phase)
{
    static const unsigned states[][2] = {
        [XENBUS_NEW] = {XenbusStateInitialising},
        [XENBUS_BEGUN] = {XenbusStateClosed},
        [XENBUS_OPEN] = {XenbusStateInitWait},
        [XENBUS_CONNECTED] = {XenbusStateInitWait, XenbusStateConnected},
        [XENBUS_CLOSED] = {XenbusStateConnected},
    };

    walk_begin(states[phase][0], states[phase][1]);
    assert_int_equal(driver.dev.phase, phase);
}

/* Given up, and not yet closed: an answer of xenstored is still to come. */
static void walk_to_new_given_up(void)
{
    walk_to_good(XENBUS_OPEN);
    fake_xs_faults()->silent = true;
    driver.dev.wanted |= XENBUS_LOOK;
    xenbus_fail(&driver.dev, "enough");
    fake_run_until(&loop, driver.closes == 1, NS_PER_S);
}

static void walk_to(unsigned phase)
{
    if (phase < XENBUS_GIVEN_UP) {
        walk_to_good(phase);
    } else if (phase == XENBUS_NEW_GIVEN_UP) {
        walk_to_new_given_up();
    } else if (phase == XENBUS_CLOSED_GIVEN_UP) {
        walk_to_good(XENBUS_NEW);
        driver.open_error = -XEN_EINVAL;
        fake_xs_set(BACK "/state", "2");
        fake_run_for(&loop, 10 * NS_PER_MS);
        driver.open_error = 0;
    } else if (phase == XENBUS_BEGUN_GIVEN_UP) {
        /* open() fails, and decide() follows: nobody sees it between. */
        walk_to_good(XENBUS_BEGUN);
        driver.open_error = -XEN_EINVAL;
        return;
    } else {
        walk_to_good(phase - XENBUS_GIVEN_UP);
        xenbus_fail(&driver.dev, "enough");
        task_stop(&loop, &driver.dev.task); /* before close() */
    }
    assert_int_equal(driver.dev.phase, phase);
}

/* The backend does that, and did it before: it does not come back. */
static void walk_event(const struct walk_event *e)
{
    driver.dev.backend_state = (enum xenbus_state)e->state;
    fake_xs_set(BACK "/online", e->online);
    if (e->state)
        fake_xs_setf(BACK "/state", "%u", e->state);
    else
        fake_xs_rm(BACK "/state");
    fake_xs_faults()->silent = false;
    if (e->event == XENBUS_IS_ANSWERED)
        fake_run_for(&loop, 10 * NS_PER_MS);
    nr_walk_told = nr_walk_changes = 0;
}

static void walk_see_nothing(const struct walk_event *e, unsigned phase)
{
    struct driver before = driver;

    fake_run_for(&loop, 10 * NS_PER_MS);
    assert_int_equal(xenbus_event_of(&driver.dev), e->event);
    assert_int_equal(driver.dev.phase, phase);
    assert_int_equal(nr_walk_told, 0);
    assert_int_equal(driver.opens, before.opens);
    assert_int_equal(driver.closes, before.closes);
    assert_int_equal(driver.connects, before.connects);
}

/* The first thing that it did, and what it told in half a second. */
static void walk_see_action(struct xenbus_row row)
{
    unsigned from = driver.dev.phase, opens = driver.opens;
    unsigned connects = driver.connects;

    fake_run_until(&loop,
                   driver.dev.phase != from || nr_walk_told || nr_walk_changes,
                   NS_PER_S);
    assert_int_equal(driver.dev.phase, row.next);
    assert_int_equal(driver.opens - opens, row.action == XENBUS_LEARN_AND_OPEN);
    assert_int_equal(driver.connects - connects,
                     row.action == XENBUS_LEARN_AND_CONNECT);
    assert_int_equal(nr_walk_changes, row.action == XENBUS_LOOK_AGAIN);
    assert_int_equal(driver.opens - driver.closes,
                     row.next == XENBUS_OPEN || row.next == XENBUS_CONNECTED);
    fake_run_for(&loop, XENBUS_RETRY_NS / 2);
    if (row.action == XENBUS_START_OVER)
        assert_int_equal(nr_walk_told, 1);
}

/* What an action tells first; 0: nothing. */
static unsigned walk_tells(unsigned action)
{
    switch (action) {
    case XENBUS_BEGIN:
        return XenbusStateInitialising;
    case XENBUS_LEARN_AND_OPEN:
        return XenbusStateConnected;
    case XENBUS_CLOSE:
    case XENBUS_START_OVER:
        return XenbusStateClosed;
    default:
        return 0;
    }
}

static void walk_row(unsigned phase, const struct walk_event *e)
{
    struct xenbus_row row = xenbus_table[phase][e->event];

    walk_to(phase);
    walk_event(e);
    if (row.action == XENBUS_STAY)
        walk_see_nothing(e, phase);
    else
        walk_see_action(row);
    assert_int_equal(nr_walk_told ? walk_told[0] : 0, walk_tells(row.action));
    stop_and_check();
    fake_xs_device_remove("vif", 0);
    logged[0] = '\0';
}

static void test_table_walk(void **state)
{
    unsigned rows = 0;

    (void)state;
    fake_xs_listen(FRONT "/state", walk_listen, NULL);
    for (unsigned phase = 0; phase < XENBUS_PHASES; phase++)
        for (unsigned i = 0; i < array_size(walk_events); i++)
            if (walk_is_possible(phase, walk_events[i].event)) {
                walk_row(phase, &walk_events[i]);
                rows++;
            }
    fake_xs_unlisten(walk_listen, NULL);
    /* Without 7 that are ANSWERED, and 10 of BEGUN_GIVEN_UP. */
    assert_int_equal(rows, XENBUS_PHASES * array_size(walk_events) - 7 - 10);
}

/* ---- Lists. */

static struct xenbus_list list;
static uint32_t found[64];
static unsigned nr_found, nr_done;
static int list_error;

static void on_found(struct xenbus_list *l, uint32_t index)
{
    assert_ptr_equal(l, &list);
    found[nr_found++] = index;
}

static void on_done(struct xenbus_list *l, int error)
{
    assert_ptr_equal(l, &list);
    nr_done++;
    list_error = error;
}

static void begin_list(void)
{
    nr_found = nr_done = 0;
    xenbus_list(&list, &xs, "device/vif", on_found, on_done);
    assert_int_equal(nr_done, 0);
    fake_run_until(&loop, nr_done == 1, NS_PER_S);
}

static void test_no_xenstore(void **state)
{
    (void)state;
    event_stop(&loop, &xs.event);
    xs.ring = NULL; /* as xs_init leaves it in a guest without one */
    begin(&net_ops);
    begin_list();
    assert_int_equal(nr_found, 0);
    settle();
    xenbus_stop(&driver.dev);
    fake_run_until(&loop, driver.stops == 1, NS_PER_S);
}

static void test_list_of_none(void **state)
{
    (void)state;
    begin_list();
    assert_int_equal(list_error, 0);
    assert_int_equal(nr_found, 0);
    assert_string_equal(logged, "");
}

static void test_list(void **state)
{
    (void)state;
    fake_xs_device("vif", 0);
    fake_xs_device("vif", 51712);
    begin_list();
    assert_int_equal(list_error, 0);
    assert_int_equal(nr_found, 2);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], 51712);
    settle();
    assert_int_equal(fake_xs_count(XS_DIRECTORY), 1);
}

static void test_list_attach_later(void **state)
{
    (void)state;
    begin_list();
    fake_xs_device("vif", 1);
    settle();
    assert_int_equal(nr_found, 1);
    assert_int_equal(fake_xs_count(XS_DIRECTORY), 2);
    fake_xs_set("device/vif/1/state", "2");
    settle();
    assert_int_equal(fake_xs_count(XS_DIRECTORY), 2);
    fake_xs_device_remove("vif", 1);
    fake_xs_device("vif", 1);
    fake_xs_device("vif", 0);
    settle();
    assert_int_equal(nr_found, 2);
    assert_int_equal(found[0], 1);
    assert_int_equal(found[1], 0);
    assert_int_equal(nr_done, 1);
}

static void test_a11_list_of_garbage(void **state)
{
    (void)state;
    fake_xs_set("device/vif/x", "");
    fake_xs_set("device/vif/-1", "");
    fake_xs_set("device/vif/4294967296", "");
    fake_xs_set("device/vif/4294967295", "");
    begin_list();
    assert_int_equal(nr_found, 1);
    assert_int_equal(found[0], UINT32_MAX);
    assert_int_equal(log_count("device/vif: no device number"), 3);
}

static void test_list_of_too_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < XENBUS_LIST_MAX + 1; i++)
        fake_xs_device("vif", i);
    begin_list();
    assert_int_equal(nr_found, XENBUS_LIST_MAX);
    assert_int_equal(log_count("device/vif: one too many: 32"), 1);
    for (unsigned i = XENBUS_LIST_MAX + 1; i < 500; i++)
        fake_xs_device("vif", i);
    settle();
    assert_int_equal(nr_found, XENBUS_LIST_MAX);
}

static void test_a11_list_larger_than_its_buffer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        fake_xs_device("vif", i);
    begin_list();
    assert_int_equal(list_error, -XEN_E2BIG);
    assert_int_equal(nr_found, 0);
    assert_int_equal(log_count("device/vif: cannot list"), 1);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(connect),
        test(connect_in_two_steps),
        test(backend_comes_late),
        test(device_comes_late),
        test(a11_missing_keys),
        test(a11_bad_numbers),
        test(a11_number_with_nul),
        test(a11_large_numbers),
        test(a11_bad_texts),
        test(a11_bad_backend_path),
        test(a11_bad_backend_domain),
        test(a11_conflicts),
        test(a11_conflict_on_every_commit),
        test(a11_silent_xenstored),
        test(a11_bad_replies),
        test(a10_backend_restarts),
        test(a10_backend_restarts_at_once),
        test(a10_block_backend_restarts),
        test(a10_closing),
        test(a10_backend_node_vanishes),
        test(a10_state_jumps_backwards),
        test(a10_state_of_no_concern),
        test(a10_garbage_states),
        test(a10_backend_is_connected_at_start),
        test(a10_backend_is_closed_at_start),
        test(a10_backend_never_connects),
        test(a10_random_states),
        test(table_is_whole),
        test(table_walk),
        test(detach),
        test(detach_by_force),
        test(detach_while_writing),
        test(stop_after_detach),
        test(attach_with_another_backend),
        test(fail),
        test(fail_and_return_to_init_wait),
        test(fail_in_connected),
        test(fail_while_xenstored_is_silent),
        test(open_fails),
        test(detach_of_what_was_given_up),
        test(open_fails_for_lack_of_memory),
        test(no_try_for_what_does_not_starve),
        test(stop_before_retry),
        test(stop_at_every_step),
        test(no_xenstore),
        test(list_of_none),
        test(list),
        test(list_attach_later),
        test(a11_list_of_garbage),
        test(list_of_too_many),
        test(a11_list_larger_than_its_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
