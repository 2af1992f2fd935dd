/* SPDX-License-Identifier: MIT */
/* The xenstore client against a fake xenstored: honest, slow and lying. */
// sources: xen/bus/xs.c xen/bus/xs_update.c xen/evtchn.c kernel/loop.c
// sources: kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c

#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "tests/fake/xenstored.h"
#include "tests/unit/test.h"
#include "xen/bus/xs.h"
#include "xen/bus/xs_update.h"

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

/* Some turns, even if there is nothing to wake up for. */
static void turn(unsigned times)
{
    fake_set_limit(fake_now());
    while (times--)
        loop_turn(&loop);
    fake_set_limit(UINT64_MAX);
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

/* ---- Each kind of request. */

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
    assert_int_equal(do_write("data/a/b", ""), 0);
    assert_string_equal(fake_xs_get("data/a/b"), "");
    assert_int_equal(do_write("name", "mine"), -XEN_EACCES);
    assert_string_equal(fake_xs_get("name"), "guest");
}

static void test_mkdir_and_rm(void **state)
{
    (void)state;
    xs_mkdir(&xs, &ask[0].request, XS_NO_TRANSACTION, "data/a/b");
    xs_mkdir(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/a/b");
    wait_for(&ask[1]);
    assert_int_equal(ask[0].error + ask[1].error, 0);
    assert_string_equal(fake_xs_get("data/a/b"), "");
    xs_rm(&xs, &ask[0].request, XS_NO_TRANSACTION, "data/a");
    xs_rm(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/a/b");
    wait_for(&ask[1]);
    assert_int_equal(ask[0].error, 0);
    assert_int_equal(ask[1].error, -XEN_ENOENT);
    assert_null(fake_xs_get("data/a"));
}

static void test_permissions(void **state)
{
    (void)state;
    assert_int_equal(do_write("data/p", "1"), 0);
    xs_set_permissions(&xs, &ask[0].request, XS_NO_TRANSACTION, "data/p",
                       "n5\0r7", 6);
    xs_get_permissions(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/p");
    wait_for(&ask[1]);
    assert_int_equal(ask[0].error, 0);
    assert_int_equal(ask[1].error, 0);
    assert_int_equal(ask[1].bytes, 6);
    assert_memory_equal(ask[1].value, "n5\0r7", 6);
    xs_set_permissions(&xs, &ask[0].request, XS_NO_TRANSACTION, "data/p", "n0",
                       3);
    wait_for(&ask[0]);
    assert_int_equal(ask[0].error, -XEN_EPERM);
}

static void test_order(void **state)
{
    static char paths[32][16];

    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        snprintf(paths[i], sizeof(paths[i]), "data/%u", i);
        xs_write(&xs, &ask[i].request, XS_NO_TRANSACTION, paths[i / 2 * 2],
                 paths[i], strlen(paths[i]));
    }
    assert_int_equal(ask[31].times, 0); /* never from inside a call */
    wait_for(&ask[31]);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(ask[i].times, 1);
    assert_string_equal(fake_xs_get("data/30"), "data/31");
}

/* One notification for all that a turn has to say. */
static void test_notifies_once_a_turn(void **state)
{
    unsigned long before = fake_calls(FAKE_NOTIFY);

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        xs_read(&xs, &ask[i].request, XS_NO_TRANSACTION, "name");
    wait_for(&ask[19]);
    assert_int_equal(fake_calls(FAKE_NOTIFY), before + 1);
}

static void read_another(struct xs_request *r)
{
    done(r);
    xs_read(&xs, &ask[1].request, XS_NO_TRANSACTION, "name");
}

/* What an answer gives rise to goes out with the same turn. */
static void test_answer_leads_to_request(void **state)
{
    uint64_t tasks;

    (void)state;
    ask[0].request.done = read_another;
    do_read("name");
    tasks = loop.task_calls;
    wait_for(&ask[1]);
    assert_int_equal(loop.task_calls, tasks);
}

static void test_values_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0,    1,    990,  995,  996,  997,  1007,
                                   1008, 1009, 1024, 2000, 2048, 3000, 4089};
    static char value[XS_VALUE_MAX];

    (void)state;
    fake_random_fill(value, sizeof(value));
    for (unsigned i = 0; i < array_size(sizes); i++) {
        xs_write(&xs, &ask[0].request, XS_NO_TRANSACTION, "data/v", value,
                 sizes[i]);
        xs_read(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/v");
        wait_for(&ask[1]);
        assert_int_equal(ask[0].error, 0);
        assert_int_equal(ask[1].error, 0);
        assert_int_equal(ask[1].bytes, sizes[i]);
        assert_memory_equal(ask[1].value, value, sizes[i]);
    }
}

static void test_too_large(void **state)
{
    static char path[XS_PATH_MAX + 2], value[XS_VALUE_MAX + 1];

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, path);
    xs_write(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/v", value,
             XENSTORE_PAYLOAD_MAX - strlen("data/v"));
    xs_write(&xs, &ask[2].request, XS_NO_TRANSACTION, "data/v", value,
             sizeof(value));
    assert_int_equal(ask[0].times, 0);
    wait_for(&ask[2]);
    assert_int_equal(ask[0].error, -XEN_E2BIG);
    assert_int_equal(ask[1].error, -XEN_E2BIG);
    assert_int_equal(ask[2].error, -XEN_E2BIG);
    assert_null(fake_xs_get("data/v"));
    path[XS_PATH_MAX] = '\0';
    assert_int_equal(do_read(path), -XEN_ENOENT);
}

/* A machine of its own. */
static void test_no_xenstore(void **state)
{
    static struct xs_watch watch;

    (void)state;
    fake_start(&(struct fake_config){.no_store = true});
    logged[0] = '\0';
    log_set_sink(log_sink, NULL);
    loop_init(&loop);
    xs_init(&xs, &loop);
    memset(&ask[0], 0, sizeof(ask[0]));
    ask[0].request.done = done;
    xs_watch(&xs, &watch, "data", NULL);
    assert_int_equal(do_read("name"), -XEN_ENOENT);
    xs_unwatch(&xs, &watch, NULL);
    fake_run_for(&loop, NS_PER_S);
    assert_non_null(strstr(logged, "xs: no xenstore"));
    assert_ptr_equal(strchr(logged, '\n'), logged + strlen(logged) - 1);
    fake_check_clean();
    fake_stop();
}

static void test_errors_by_name(void **state)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {
        {"EINVAL", -XEN_EINVAL}, {"EACCES", -XEN_EACCES},
        {"EEXIST", -XEN_EEXIST}, {"EISDIR", -XEN_EISDIR},
        {"ENOENT", -XEN_ENOENT}, {"ENOMEM", -XEN_ENOMEM},
        {"ENOSPC", -XEN_ENOSPC}, {"EIO", -XEN_EIO},
        {"EROFS", -XEN_EROFS},   {"ENOTEMPTY", -XEN_ENOTEMPTY},
        {"EBUSY", -XEN_EBUSY},   {"ENOSYS", -XEN_ENOSYS},
        {"E2BIG", -XEN_E2BIG},   {"EISCONN", -XEN_EISCONN},
        {"EPERM", -XEN_EPERM},   {"EAGAIN", -XEN_EAGAIN},
        {"", -XEN_EIO},          {"ENOENTRY", -XEN_EIO},
        {"EWHATEVER", -XEN_EIO}, {"ENO", -XEN_EIO},
    };

    (void)state;
    fake_xs_faults()->fail_type = XS_READ;
    for (unsigned i = 0; i < array_size(errors); i++) {
        fake_xs_faults()->fail_with = errors[i].name;
        assert_int_equal(do_read("name"), errors[i].number);
    }
}

static void test_decimal(void **state)
{
    uint64_t n = 7;

    (void)state;
    assert_false(xs_decimal("", 0, &n));
    assert_false(xs_decimal("-1", 2, &n));
    assert_false(xs_decimal("1 ", 2, &n));
    assert_false(xs_decimal("1\0", 2, &n));
    assert_false(xs_decimal("18446744073709551616", 20, &n));
    assert_false(xs_decimal("99999999999999999999", 20, &n));
    assert_int_equal(n, 7);
    assert_true(xs_decimal("0", 1, &n));
    assert_int_equal(n, 0);
    assert_true(xs_decimal("0042x", 4, &n));
    assert_int_equal(n, 42);
    assert_true(xs_decimal("18446744073709551599", 20, &n));
    assert_true(n == UINT64_C(18446744073709551599));
}

/* ---- Directories. */

static char names[32768];

static int do_directory(const char *path, size_t bytes)
{
    xs_directory(&xs, &ask[0].request, XS_NO_TRANSACTION, path, names, bytes);
    wait_for(&ask[0]);
    return ask[0].error;
}

/* Children "child-0000" and on: 11 bytes each. */
static void make_children(unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        char path[40];

        snprintf(path, sizeof(path), "data/dir/child-%04u", i);
        fake_xs_set(path, "");
    }
}

static void check_children(unsigned nr)
{
    char name[40];

    assert_int_equal(ask[0].bytes, 11 * nr);
    for (unsigned i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "child-%04u", i);
        assert_string_equal(names + 11 * i, name);
    }
}

static void test_directory(void **state)
{
    (void)state;
    assert_int_equal(do_directory("data", sizeof(names)), 0);
    assert_int_equal(ask[0].bytes, 0);
    make_children(3);
    assert_int_equal(do_directory("data/dir", sizeof(names)), 0);
    check_children(3);
    assert_int_equal(do_directory("data/dir", 33), 0);
    check_children(3);
    assert_int_equal(do_directory("data/dir", 32), -XEN_E2BIG);
    assert_int_equal(do_directory("data/dir", 0), -XEN_E2BIG);
    assert_int_equal(do_directory("data/none", sizeof(names)), -XEN_ENOENT);
    assert_int_equal(fake_xs_count(XS_DIRECTORY_PART), 0);
}

static void test_directory_in_parts(void **state)
{
    (void)state;
    make_children(372); /* the last that fit into one payload */
    assert_int_equal(do_directory("data/dir", sizeof(names)), 0);
    check_children(372);
    assert_int_equal(fake_xs_count(XS_DIRECTORY_PART), 0);
    make_children(373);
    assert_int_equal(do_directory("data/dir", sizeof(names)), 0);
    check_children(373);
    make_children(2000);
    assert_int_equal(do_directory("data/dir", 22000), 0);
    check_children(2000);
    assert_int_equal(do_directory("data/dir", 21999), -XEN_E2BIG);
    assert_int_equal(do_directory("data/dir", 5000), -XEN_E2BIG);
}

static void test_directory_changes_between_parts(void **state)
{
    (void)state;
    make_children(1000);
    fake_xs_faults()->touch_parts = 3;
    assert_int_equal(do_directory("data/dir", sizeof(names)), 0);
    check_children(1000);
    fake_xs_faults()->touch_parts = ~0u;
    assert_int_equal(do_directory("data/dir", sizeof(names)), -XEN_EAGAIN);
}

static void test_directory_without_parts(void **state)
{
    (void)state;
    fake_xs_faults()->no_parts = true;
    make_children(1000);
    assert_int_equal(do_directory("data/dir", sizeof(names)), -XEN_E2BIG);
}

/* Ask for a directory and get this answer, to the part asked for as well. */
static int directory_gets(uint32_t type, const char *body, size_t bytes)
{
    fake_xs_faults()->silent = true;
    xs_directory(&xs, &ask[0].request, XS_NO_TRANSACTION, "data", names, 64);
    fake_run_for(&loop, NS_PER_MS);
    if (type == XS_DIRECTORY_PART) {
        fake_xs_send(XS_ERROR, xs.next_id, "E2BIG", 6);
        fake_run_for(&loop, NS_PER_MS);
    }
    fake_xs_send(type, xs.next_id, body, bytes);
    fake_run_for(&loop, NS_PER_MS);
    xs_cancel(&xs, &ask[0].request);
    return ask[0].error;
}

static void test_a11_directories_of_garbage(void **state)
{
    static const struct {
        const char *body;
        size_t bytes;
    } parts[] = {
        {"", 0},          {"7", 1},
        {"7", 2},         {"x\0a\0\0", 5},
        {"\0a\0\0", 4},   {"7\0a", 3},
        {"7\0a\0b", 5},   {"-7\0a\0\0", 6},
        {"7\0abc\0x", 7}, {"77777777777777777777777\0\0", 25},
    };

    (void)state;
    assert_int_equal(directory_gets(XS_DIRECTORY, "a", 1), -XEN_EIO);
    assert_int_equal(directory_gets(XS_DIRECTORY, "a\0b", 3), -XEN_EIO);
    assert_int_equal(directory_gets(XS_DIRECTORY, "\0\0\0", 3), 0);
    for (unsigned i = 0; i < array_size(parts); i++) {
        ask[0].error = 0;
        assert_int_equal(
            directory_gets(XS_DIRECTORY_PART, parts[i].body, parts[i].bytes),
            -XEN_EIO);
    }
    assert_int_equal(directory_gets(XS_DIRECTORY_PART, "7\0a\0\0", 5), 0);
    assert_int_equal(ask[0].bytes, 2);
    assert_int_equal(directory_gets(XS_DIRECTORY_PART, "7\0\0", 3), 0);
    assert_int_equal(ask[0].bytes, 0);
}

/* A directory that goes on for ever ends when the buffer does. */
static void test_a11_endless_directory(void **state)
{
    (void)state;
    fake_xs_faults()->silent = true;
    xs_directory(&xs, &ask[0].request, XS_NO_TRANSACTION, "data", names, 64);
    fake_run_for(&loop, NS_PER_MS);
    fake_xs_send(XS_ERROR, xs.next_id, "E2BIG", 6);
    fake_run_for(&loop, NS_PER_MS);
    for (unsigned i = 0; !ask[0].times; i++) {
        fake_xs_send(XS_DIRECTORY_PART, xs.next_id, "7\0abc", 6);
        fake_run_for(&loop, NS_PER_MS);
        assert_in_range(i, 0, 16);
    }
    assert_int_equal(ask[0].error, -XEN_E2BIG);
}

/* ---- Transactions and updates. */

static struct xs_update update;
static unsigned updates;
static int update_error;

static void updated(struct xs_update *u, int error)
{
    assert_ptr_equal(u, &update);
    updates++;
    update_error = error;
}

static void begin_update(struct xs_node *nodes, unsigned nr)
{
    updates = 0;
    update.done = updated;
    xs_update(&xs, &update, nodes, nr);
    assert_int_equal(updates, 0);
}

static int do_update(struct xs_node *nodes, unsigned nr)
{
    begin_update(nodes, nr);
    fake_run_until(&loop, updates, NS_PER_S);
    assert_int_equal(updates, 1);
    assert_int_equal(fake_xs_transactions(), 0);
    return update_error;
}

static void test_transaction(void **state)
{
    xs_transaction_t t;

    (void)state;
    for (unsigned commit = 0; commit < 2; commit++) {
        xs_transaction_start(&xs, &ask[0].request);
        wait_for(&ask[0]);
        ask[0].request.value = ask[0].value;
        t = xs_transaction_id(&ask[0].request);
        assert_int_not_equal(t, XS_NO_TRANSACTION);
        xs_write(&xs, &ask[1].request, t, "data/t", "1", 1);
        xs_read(&xs, &ask[2].request, t, "data/t");
        xs_read(&xs, &ask[3].request, XS_NO_TRANSACTION, "data/t");
        xs_transaction_end(&xs, &ask[4].request, t, !commit);
        wait_for(&ask[4]);
        assert_int_equal(ask[2].error, 0);
        assert_string_equal(ask[2].value, "1");
        assert_int_equal(ask[3].error, -XEN_ENOENT);
        assert_int_equal(ask[4].error, 0);
        assert_true(!fake_xs_get("data/t") == !commit);
    }
    xs_transaction_end(&xs, &ask[4].request, t, false);
    wait_for(&ask[4]);
    assert_int_equal(ask[4].error, -XEN_ENOENT);
}

static void test_update(void **state)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "data/b", .value = ""},
        {.path = "data/gone"},
        {.path = "data/never/there"},
    };

    (void)state;
    fake_xs_set("data/gone", "x");
    assert_int_equal(do_update(nodes, array_size(nodes)), 0);
    assert_string_equal(fake_xs_get("data/a"), "1");
    assert_string_equal(fake_xs_get("data/b"), "");
    assert_null(fake_xs_get("data/gone"));
    assert_int_equal(fake_xs_count(XS_TRANSACTION_START), 1);
}

static void test_update_of_one(void **state)
{
    struct xs_node write = {.path = "data/a", .value = "1"};
    struct xs_node remove = {.path = "data/a"};
    struct xs_node forbidden = {.path = "name", .value = "x"};

    (void)state;
    assert_int_equal(do_update(&write, 1), 0);
    assert_string_equal(fake_xs_get("data/a"), "1");
    assert_int_equal(do_update(&remove, 1), 0);
    assert_null(fake_xs_get("data/a"));
    assert_int_equal(do_update(&forbidden, 1), -XEN_EACCES);
    assert_int_equal(fake_xs_count(XS_TRANSACTION_START), 0);
}

static void test_update_all_or_nothing(void **state)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "name", .value = "not mine"},
        {.path = "data/b", .value = "1"},
    };

    (void)state;
    assert_int_equal(do_update(nodes, array_size(nodes)), -XEN_EACCES);
    assert_null(fake_xs_get("data/a"));
    assert_null(fake_xs_get("data/b"));
}

static void test_a11_conflicts(void **state)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "data/b", .value = "2"},
    };

    (void)state;
    fake_xs_faults()->conflicts = XS_UPDATE_TRIES_MAX - 1;
    assert_int_equal(do_update(nodes, 2), 0);
    assert_int_equal(fake_xs_count(XS_TRANSACTION_END), XS_UPDATE_TRIES_MAX);
}

static void test_a11_conflict_on_every_commit(void **state)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "data/b", .value = "2"},
    };

    (void)state;
    fake_xs_faults()->conflicts = ~0u;
    assert_int_equal(do_update(nodes, 2), -XEN_EAGAIN);
    assert_int_equal(fake_xs_count(XS_TRANSACTION_END), XS_UPDATE_TRIES_MAX);
    assert_null(fake_xs_get("data/a"));
}

static void interfere(uint32_t type, const char *path)
{
    (void)path;
    if (type == XS_TRANSACTION_END && fake_xs_count(type) < 3)
        fake_xs_set("data/a", "theirs");
}

/* A conflict that is one: somebody wrote what the transaction writes. */
static void test_update_conflict(void **state)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "ours"},
        {.path = "data/b", .value = "ours"},
    };

    (void)state;
    fake_xs_faults()->on_request = interfere;
    assert_int_equal(do_update(nodes, 2), 0);
    assert_string_equal(fake_xs_get("data/a"), "ours");
    assert_int_equal(fake_xs_count(XS_TRANSACTION_END), 3);
}

static void test_update_without_transactions(void **state)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "data/b", .value = "2"},
    };

    (void)state;
    fake_xs_faults()->fail_type = XS_TRANSACTION_START;
    fake_xs_faults()->fail_with = "ENOSPC";
    assert_int_equal(do_update(nodes, 2), -XEN_ENOSPC);
    fake_xs_faults()->fail_type = XS_TRANSACTION_END;
    assert_int_equal(fake_xs_transactions(), 0);
}

static void test_a11_transaction_ids(void **state)
{
    static const char *const ids[] = {
        "", "0", "x", "-1", "4294967296", "99999999999999999999"};
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "data/b", .value = "2"},
    };

    (void)state;
    fake_xs_faults()->silent = true;
    for (unsigned i = 0; i < array_size(ids); i++) {
        begin_update(nodes, 2);
        fake_run_for(&loop, NS_PER_MS);
        fake_xs_send(XS_TRANSACTION_START, xs.next_id, ids[i],
                     strlen(ids[i]) + 1);
        fake_run_until(&loop, updates, NS_PER_S);
        assert_int_equal(update_error, -XEN_EIO);
    }
}

/* ---- Watches. */

struct seen {
    struct xs_watch watch;
    unsigned times, removed;
    char path[128];
};

static struct seen seen[4];

static void on_event(struct xs_watch *w, const char *path)
{
    struct seen *s = container_of(w, struct seen, watch);

    s->times++;
    snprintf(s->path, sizeof(s->path), "%s", path);
}

static void on_removed(struct xs_watch *w)
{
    container_of(w, struct seen, watch)->removed++;
}

static void test_watch(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    xs_watch(&xs, &seen[0].watch, "data", on_event);
    xs_watch(&xs, &seen[1].watch, "/local/domain/5/data/b", on_event);
    xs_watch(&xs, &seen[2].watch, "data", on_event);
    assert_int_equal(seen[0].times, 0);
    fake_run_until(&loop, seen[2].times == 1, NS_PER_S);
    assert_string_equal(seen[0].path, "data");
    assert_string_equal(seen[1].path, "/local/domain/5/data/b");
    fake_xs_set("data/b/c", "1");
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(seen[0].times, 2);
    assert_int_equal(seen[1].times, 2);
    assert_int_equal(seen[2].times, 2);
    assert_string_equal(seen[0].path, "data/b/c");
    assert_string_equal(seen[1].path, "/local/domain/5/data/b/c");
    fake_xs_set("drivers/x", "1");
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(seen[0].times, 2);
    fake_xs_rm("data");
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(seen[0].times, 3);
    assert_int_equal(seen[1].times, 3);
    for (unsigned i = 0; i < 3; i++)
        xs_unwatch(&xs, &seen[i].watch, on_removed);
    fake_run_until(&loop, seen[2].removed == 1, NS_PER_S);
    assert_int_equal(fake_xs_watches(), 0);
    assert_int_equal(xs.watches_unknown, 0);
}

static void test_unwatch(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    xs_unwatch(&xs, &seen[0].watch, on_removed); /* never set: nothing */
    for (unsigned turns = 0; turns < 6; turns++) {
        unsigned times, removed = seen[0].removed;

        xs_watch(&xs, &seen[0].watch, "data", on_event);
        turn(turns);
        times = seen[0].times;
        fake_xs_setf("data/x", "%u", turns);
        xs_unwatch(&xs, &seen[0].watch, on_removed);
        xs_unwatch(&xs, &seen[0].watch, on_removed);
        fake_run_until(&loop, seen[0].removed > removed, NS_PER_S);
        fake_run_for(&loop, NS_PER_MS);
        assert_int_equal(seen[0].removed, removed + 1);
        assert_int_equal(seen[0].times, times);
        assert_int_equal(fake_xs_watches(), 0);
    }
}

static void unwatch_others(struct xs_watch *w, const char *path)
{
    on_event(w, path);
    for (unsigned i = 0; i < 3; i++)
        xs_unwatch(&xs, &seen[i].watch, on_removed);
}

static void test_unwatch_from_inside(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 3; i++)
        xs_watch(&xs, &seen[i].watch, "data", unwatch_others);
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(seen[0].times + seen[1].times + seen[2].times, 1);
    assert_int_equal(seen[0].removed + seen[1].removed + seen[2].removed, 3);
    assert_int_equal(fake_xs_watches(), 0);
}

static void test_watch_refused(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    fake_xs_faults()->fail_type = XS_WATCH;
    fake_xs_faults()->fail_with = "ENOSPC";
    xs_watch(&xs, &seen[0].watch, "data", on_event);
    fake_run_for(&loop, NS_PER_MS);
    assert_non_null(strstr(logged, "cannot watch data: error 28"));
    xs_unwatch(&xs, &seen[0].watch, on_removed);
    fake_run_until(&loop, seen[0].removed, NS_PER_S);
}

static void test_a11_watch_fires_before_its_reply(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    fake_xs_faults()->event_first = true;
    fake_xs_faults()->chunk_bytes = 1;
    xs_watch(&xs, &seen[0].watch, "data", on_event);
    fake_run_until(&loop, seen[0].times == 1, NS_PER_S);
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(seen[0].times, 1);
    assert_int_equal(xs.replies_unknown, 0);
}

static void test_a11_watch_events_of_garbage(void **state)
{
    static const struct {
        const char *body;
        size_t bytes;
    } events[] = {
        {"", 0},
        {"data", 4},
        {"data", 5},
        {"data\0"
         "1",
         6},
        {"data\0"
         "2\0",
         7},
        {"data\0\0", 6},
        {"data\0-1\0", 8},
        {"data\0x\0", 7},
        {"data\0"
         "4294967297\0",
         16},
        {"\0\0\0\0", 4},
        {"data\0"
         "1x\0",
         8},
        {"data\0 1\0", 8},
    };

    (void)state;
    memset(seen, 0, sizeof(seen));
    xs_watch(&xs, &seen[0].watch, "data", on_event);
    fake_run_until(&loop, seen[0].times == 1, NS_PER_S);
    assert_string_equal(seen[0].watch.token, "1");
    for (unsigned i = 0; i < array_size(events); i++) {
        fake_xs_send(XS_WATCH_EVENT, 0, events[i].body, events[i].bytes);
        fake_run_for(&loop, NS_PER_MS);
        assert_int_equal(xs.watches_unknown, i + 1);
    }
    assert_int_equal(seen[0].times, 1);
    /* More behind the token than there should be, and any request id. */
    fake_xs_send(XS_WATCH_EVENT, 99,
                 "data\0"
                 "1\0more",
                 11);
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(seen[0].times, 2);
    assert_int_equal(do_read("name"), 0);
}

/* ---- Cancelling. */

static void test_cancel(void **state)
{
    (void)state;
    xs_cancel(&xs, &ask[0].request); /* idle: nothing */
    for (unsigned turns = 0; turns < 3; turns++) {
        uint64_t unknown = xs.replies_unknown;
        unsigned times = ask[0].times;

        xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
        xs_read(&xs, &ask[1].request, XS_NO_TRANSACTION, "domid");
        turn(turns);
        xs_cancel(&xs, &ask[0].request);
        fake_run_for(&loop, NS_PER_MS);
        assert_int_equal(ask[1].times, turns + 1);
        if (turns < 2)
            assert_int_equal(ask[0].times, times);
        assert_int_equal(xs.replies_unknown, unknown + (turns == 1));
    }
}

static void cancel_next(struct xs_request *r)
{
    done(r);
    xs_cancel(&xs, &ask[1].request);
}

static void test_cancel_from_inside(void **state)
{
    (void)state;
    ask[0].request.done = cancel_next;
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
    xs_read(&xs, &ask[1].request, XS_NO_TRANSACTION, "domid");
    xs_read(&xs, &ask[2].request, XS_NO_TRANSACTION, "name");
    wait_for(&ask[2]);
    assert_int_equal(ask[0].times, 1);
    assert_int_equal(ask[1].times, 0);
}

/* A message that is longer than the ring may be half sent when its request,
 * and the memory it points to, go away. */
static void test_cancel_half_sent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        size_t path_bytes = i == 0 ? 2000 : 8;
        char *path = test_calloc(1, path_bytes), *value = test_malloc(3000);

        memset(path, 'a', path_bytes - 1);
        memcpy(path, "data/v", 6);
        memset(value, 'v', 3000);
        fake_xs_faults()->silent = true;
        xs_write(&xs, &ask[0].request, XS_NO_TRANSACTION, path, value,
                 i == 0 ? 100 : 3000);
        fake_run_for(&loop, NS_PER_MS);
        assert_int_equal(xs.sent_bytes, XENSTORE_RING_SIZE);
        xs_cancel(&xs, &ask[0].request);
        test_free(path);
        test_free(value);
        fake_xs_faults()->silent = false;
        assert_int_equal(do_read("name"), 0);
        assert_string_equal(ask[0].value, "guest");
    }
    assert_int_equal(ask[0].times, 3);
}

static void ask_again(struct xs_request *r)
{
    done(r);
    if (container_of(r, struct ask, request)->times < 5)
        xs_read(&xs, r, XS_NO_TRANSACTION, "name");
}

static void test_ask_again_from_inside(void **state)
{
    (void)state;
    ask[0].request.done = ask_again;
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
    fake_run_until(&loop, ask[0].times == 5, NS_PER_S);
}

static void ask_for_ever(struct xs_request *r)
{
    done(r);
    xs_read(&xs, r, XS_NO_TRANSACTION, "name");
}

/* A request that fails at once and is repeated for ever starves nobody. */
static void test_failing_for_ever(void **state)
{
    (void)state;
    fake_xs_send_header(XS_READ, 1, XENSTORE_PAYLOAD_MAX + 1);
    do_read("name");
    assert_true(xs.broken);
    ask[0].request.done = ask_for_ever;
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
    for (unsigned i = 0; i < 10; i++) {
        unsigned times = ask[0].times;

        loop_turn(&loop);
        assert_in_range(ask[0].times, times, times + 1);
    }
    xs_cancel(&xs, &ask[0].request);
}

/* ---- A11: the transport. */

/* Everything there is, with replies that trickle. */
static void exercise(void)
{
    struct xs_node nodes[] = {
        {.path = "data/a", .value = "1"},
        {.path = "data/b", .value = "2"},
    };
    static char value[3000];

    memset(seen, 0, sizeof(seen));
    xs_watch(&xs, &seen[0].watch, "data/a", on_event);
    assert_int_equal(do_update(nodes, 2), 0);
    fake_random_fill(value, sizeof(value));
    xs_write(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/v", value,
             sizeof(value));
    xs_read(&xs, &ask[2].request, XS_NO_TRANSACTION, "data/v");
    xs_read(&xs, &ask[3].request, XS_NO_TRANSACTION, "name");
    wait_for(&ask[3]);
    assert_int_equal(ask[2].bytes, sizeof(value));
    assert_memory_equal(ask[2].value, value, sizeof(value));
    assert_string_equal(ask[3].value, "guest");
    assert_int_equal(seen[0].times, 2);
    xs_unwatch(&xs, &seen[0].watch, on_removed);
    fake_run_until(&loop, seen[0].removed, NS_PER_S);
}

static void test_a11_reply_split_at_every_byte(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 40; at++) {
        fake_xs_faults()->first_bytes = at;
        exercise();
    }
    fake_xs_faults()->first_bytes = 0;
    for (unsigned chunk = 1; chunk < 40; chunk++) {
        fake_xs_faults()->chunk_bytes = chunk;
        exercise();
    }
    assert_int_equal(xs.replies_unknown, 0);
}

/* The whole stream, at every offset of the ring. */
static void test_ring_wraps(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * XENSTORE_RING_SIZE / 16; i++) {
        static char value[64];

        fake_random_fill(value, sizeof(value));
        xs_write(&xs, &ask[0].request, XS_NO_TRANSACTION, "data/v", value,
                 i % 63);
        xs_read(&xs, &ask[1].request, XS_NO_TRANSACTION, "data/v");
        wait_for(&ask[1]);
        assert_int_equal(ask[1].bytes, i % 63);
        assert_memory_equal(ask[1].value, value, i % 63);
    }
}

static void test_a11_unknown_ids(void **state)
{
    (void)state;
    fake_xs_faults()->unknown_ids = true;
    exercise();
    assert_true(xs.replies_unknown > 5);
}

static void test_a11_duplicate_replies(void **state)
{
    (void)state;
    fake_xs_faults()->duplicates = true;
    exercise();
    assert_true(xs.replies_unknown > 5);
}

static void test_a11_reply_to_what_was_not_sent(void **state)
{
    (void)state;
    fake_xs_faults()->silent = true;
    for (unsigned i = 0; i < 100; i++) /* more than the ring takes */
        xs_read(&xs, &ask[i].request, XS_NO_TRANSACTION, "name");
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(ask[99].request.stage, XS_QUEUED);
    fake_xs_send(XS_READ, ask[99].request.id, "early", 5);
    fake_run_for(&loop, NS_PER_MS);
    assert_int_equal(ask[99].times, 0);
    assert_int_equal(xs.replies_unknown, 1);
    fake_xs_faults()->silent = false;
    wait_for(&ask[99]);
    assert_string_equal(ask[99].value, "guest");
}

static void test_a11_wrong_types(void **state)
{
    (void)state;
    fake_xs_faults()->wrong_types = true;
    assert_int_equal(do_read("name"), -XEN_EIO);
    xs_transaction_start(&xs, &ask[1].request);
    wait_for(&ask[1]);
    assert_int_equal(ask[1].error, -XEN_EIO);
    fake_xs_faults()->wrong_types = false;
    assert_int_equal(do_read("name"), 0);
}

static void test_a11_errors_of_garbage(void **state)
{
    (void)state;
    fake_xs_faults()->silent = true;
    for (unsigned i = 0; i < 3; i++) {
        xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
        fake_run_for(&loop, NS_PER_MS);
        fake_xs_send(XS_ERROR, xs.next_id, "ENOENTENOENT", i * 6);
        wait_for(&ask[0]);
        assert_int_equal(ask[0].error, i == 1 ? -XEN_ENOENT : -XEN_EIO);
    }
}

static void test_a11_value_without_nul_and_with_nuls(void **state)
{
    static char full[XENSTORE_PAYLOAD_MAX];

    (void)state;
    fake_xs_set_bytes("data/v", "a\0b", 3);
    assert_int_equal(do_read("data/v"), 0);
    assert_int_equal(ask[0].bytes, 3);
    assert_memory_equal(ask[0].value, "a\0b", 4);
    memset(full, 'x', sizeof(full));
    fake_xs_set_bytes("data/v", full, sizeof(full));
    assert_int_equal(do_read("data/v"), 0);
    assert_int_equal(ask[0].bytes, sizeof(full));
    assert_int_equal(strlen(ask[0].value), sizeof(full));
}

/* All that was asked and will be asked fails; nothing is called twice. */
static void check_broken(void)
{
    fake_run_until(&loop, ask[1].times, NS_PER_S);
    assert_true(xs.broken);
    assert_int_equal(ask[0].times, 1);
    assert_int_equal(ask[0].error, -XEN_EIO);
    assert_int_equal(ask[1].error, -XEN_EIO);
    assert_int_equal(do_read("name"), -XEN_EIO);
    assert_non_null(strstr(logged, "xenstored"));
}

static void begin_broken(void)
{
    fake_xs_faults()->silent = true;
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
    fake_run_for(&loop, NS_PER_MS);
    xs_read(&xs, &ask[1].request, XS_NO_TRANSACTION, "name");
}

static void test_a11_huge_length(void **state)
{
    (void)state;
    begin_broken();
    fake_xs_send_header(XS_READ, 1, XENSTORE_PAYLOAD_MAX + 1);
    check_broken();
}

static void test_a11_huger_length(void **state)
{
    (void)state;
    begin_broken();
    fake_xs_send_header(XS_WATCH_EVENT, 0, UINT32_MAX);
    check_broken();
}

static void test_a11_response_index_out_of_range(void **state)
{
    (void)state;
    begin_broken();
    fake_xs_jump(XENSTORE_RING_SIZE + 1);
    check_broken();
}

static void test_a11_response_index_backwards(void **state)
{
    (void)state;
    begin_broken();
    fake_xs_jump(-1u);
    check_broken();
}

static void test_a11_request_index_out_of_range(void **state)
{
    (void)state;
    begin_broken();
    fake_xs_ring()->req_cons += 1000000;
    check_broken();
}

/* What is ours is only written, never read back. */
static void test_a11_our_index_is_overwritten(void **state)
{
    (void)state;
    assert_int_equal(do_read("name"), 0);
    fake_xs_ring()->req_prod = 54321;
    xs_read(&xs, &ask[0].request, XS_NO_TRANSACTION, "name");
    wait_for(&ask[0]);
    assert_int_equal(ask[0].error, 0);
}

/* While it is silent, everybody else goes on, and cancelling works. */
static void test_a11_never_answers(void **state)
{
    (void)state;
    fake_xs_faults()->silent = true;
    for (unsigned i = 0; i < array_size(ask); i++)
        xs_read(&xs, &ask[i].request, XS_NO_TRANSACTION, "name");
    fake_run_for(&loop, 100 * NS_PER_S);
    for (unsigned i = 0; i < array_size(ask); i++) {
        assert_int_equal(ask[i].times, 0);
        xs_cancel(&xs, &ask[i].request);
    }
    fake_xs_faults()->silent = false;
    fake_run_for(&loop, NS_PER_S);
    assert_int_equal(do_read("name"), 0);
}

/* xenstored talks without end; each turn takes what was there. */
static void chatter(void *arg)
{
    (void)arg;
    fake_xs_send(XS_READ, 12345, "blah", 4);
}

static void test_a11_flood(void **state)
{
    (void)state;
    fake_scribble(chatter, NULL);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(do_read("name"), 0);
    fake_scribble(NULL, NULL);
    assert_true(xs.replies_unknown > 100);
}

/* Everything at random: every request is answered once, in the end. */
static void test_random(void **state)
{
    struct fake_xs_faults *f = fake_xs_faults();
    static char value[array_size(ask)][XS_VALUE_MAX];
    unsigned finished = 0, started = 0;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        unsigned i = fake_random_below(array_size(ask));
        struct xs_request *r = &ask[i].request;

        f->chunk_bytes = fake_chance(50) ? 0 : 1 + fake_random_below(700);
        f->duplicates = fake_chance(10);
        f->unknown_ids = fake_chance(10);
        f->silent = fake_chance(30);
        if (r->stage != XS_IDLE && fake_chance(20)) {
            xs_cancel(&xs, r);
            started--;
        } else if (r->stage == XS_IDLE && fake_chance(50)) {
            xs_read(&xs, r, XS_NO_TRANSACTION, "data/v");
            started++;
        } else if (r->stage == XS_IDLE) {
            fake_random_fill(value[i], sizeof(value[i]));
            xs_write(&xs, r, XS_NO_TRANSACTION, "data/v", value[i],
                     fake_random_below(fake_chance(80) ? 100 : 4000));
            started++;
        }
        if (fake_chance(30))
            fake_run_for(&loop, NS_PER_US);
    }
    memset(f, 0, sizeof(*f));
    fake_run_for(&loop, NS_PER_S);
    for (unsigned i = 0; i < array_size(ask); i++) {
        assert_int_equal(ask[i].request.stage, XS_IDLE);
        finished += ask[i].times;
    }
    assert_int_equal(finished, started);
    assert_false(xs.broken);
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(read),
        test(write),
        test(mkdir_and_rm),
        test(permissions),
        test(order),
        test(notifies_once_a_turn),
        test(answer_leads_to_request),
        test(values_of_all_sizes),
        test(too_large),
        cmocka_unit_test(test_no_xenstore),
        test(errors_by_name),
        test(decimal),
        test(directory),
        test(directory_in_parts),
        test(directory_changes_between_parts),
        test(directory_without_parts),
        test(a11_directories_of_garbage),
        test(a11_endless_directory),
        test(transaction),
        test(update),
        test(update_of_one),
        test(update_all_or_nothing),
        test(a11_conflicts),
        test(a11_conflict_on_every_commit),
        test(update_conflict),
        test(update_without_transactions),
        test(a11_transaction_ids),
        test(watch),
        test(unwatch),
        test(unwatch_from_inside),
        test(watch_refused),
        test(a11_watch_fires_before_its_reply),
        test(a11_watch_events_of_garbage),
        test(cancel),
        test(cancel_from_inside),
        test(cancel_half_sent),
        test(ask_again_from_inside),
        test(failing_for_ever),
        test(a11_reply_split_at_every_byte),
        test(ring_wraps),
        test(a11_unknown_ids),
        test(a11_duplicate_replies),
        test(a11_reply_to_what_was_not_sent),
        test(a11_wrong_types),
        test(a11_errors_of_garbage),
        test(a11_value_without_nul_and_with_nuls),
        test(a11_huge_length),
        test(a11_huger_length),
        test(a11_response_index_out_of_range),
        test(a11_response_index_backwards),
        test(a11_request_index_out_of_range),
        test(a11_our_index_is_overwritten),
        test(a11_never_answers),
        test(a11_flood),
        test(random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
