/* SPDX-License-Identifier: MIT */
/* The xenstore client against a fake xenstored: honest, slow and lying. */
// sources: xen/xs.c xen/evtchn.c kernel/loop.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c

#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "tests/fake/xenstored.h"
#include "tests/unit/test.h"
#include "xen/xs.h"

static struct loop loop;
static struct xs xs;

/* A request, and what became of it. */
struct ask {
    struct xs_request request;
    unsigned times;
    int error;
    char value[XS_VALUE_MAX + 1];
    size_t bytes;
};

static void done(struct xs_request *r)
{
    struct ask *ask = container_of(r, struct ask, request);

    ask->times++;
    ask->error = r->error;
    ask->bytes = r->value_bytes;
    if (!r->error && !r->list)
        memcpy(ask->value, r->value, r->value_bytes + 1);
}

static struct ask ask[128];

/* Lines that were logged. */
static char logged[8192];

static void log_sink(void *arg, const char *line, size_t len)
{
    size_t used = strlen(logged);

    (void)arg;
    if (used + len < sizeof(logged)) {
        memcpy(logged + used, line, len);
        logged[used + len] = '\0';
    }
}

static int setup(void **state)
{
    int error = fake_setup(state);

    logged[0] = '\0';
    log_set_sink(log_sink, NULL);
    memset(ask, 0, sizeof(ask));
    for (unsigned i = 0; i < array_size(ask); i++)
        ask[i].request.done = done;
    loop_init(&loop);
    fake_xs_start();
    xs_init(&xs, &loop);
    return error;
}

static int teardown(void **state)
{
    fake_xs_stop();
    return fake_teardown(state);
}

static void wait_for(struct ask *a)
{
    unsigned times = a->times;

    fake_run_until(&loop, a->times > times, NS_PER_S);
    assert_int_equal(a->times, times + 1);
}

static int do_read(const char *path)
{
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, path);
    wait_for(&ask[0]);
    return ask[0].error;
}

static int do_write(const char *path, const char *value)
{
    xs_write(&xs, &ask[0].request, XS_NO_TRANSACTION, path, value,
             strlen(value));
    wait_for(&ask[0]);
    return ask[0].error;
}

static void test_read(void **state)
{
    (void)state;
    assert_int_equal(do_read("name"), 0);
    assert_string_equal(ask[0].value, "guest");
    assert_int_equal(do_read("/local/domain/5/domid"), 0);
    assert_string_equal(ask[0].value, "5");
    assert_int_equal(do_read("nothing"), -XEN_ENOENT);
    assert_int_equal(do_read("/local/domain/0"), -XEN_EACCES);
    assert_int_equal(do_read("not a path"), -XEN_EINVAL);
}

static void test_write(void **state)
{
    (void)state;
    assert_int_equal(do_write("data/a/b", "hello"), 0);
    assert_string_equal(fake_xs_get("data/a/b"), "hello");
    assert_int_equal(do_write("name", "mine"), -XEN_EACCES);
    assert_string_equal(fake_xs_get("name"), "guest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
