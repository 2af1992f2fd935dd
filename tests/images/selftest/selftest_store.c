/* SPDX-License-Identifier: MIT */
/*
 * The xenstore client against the real xenstored, below data/, where the
 * toolstack lets a guest write (libxl_create.c; docs/misc/xenstore-paths of
 * Xen).
 */
#include "tests/images/selftest/selftest.h"
#include "xen/bus/xs.h"
#include "xen/bus/xs_update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xenstored limits a guest's node, with its permissions and its children's
 * names, to 2048 bytes (--entry-size). */
#define VALUE_BYTES 1900
#define LARGE_BYTES 65536 /* room for the large directory's names */

/* ---- A request, and waiting for it */

static struct call {
    struct xs_request request;
    bool done;
    int error;
    char value[XS_VALUE_MAX + 1];
    size_t bytes;
} call;

static void on_done(struct xs_request *request)
{
    call.error = request->error;
    call.bytes = request->error ? 0 : request->value_bytes;
    if (call.bytes <= XS_VALUE_MAX && request->value && call.bytes)
        memcpy(call.value, request->value, call.bytes);
    if (call.bytes <= XS_VALUE_MAX)
        call.value[call.bytes] = '\0';
    call.done = true;
}

static struct xs_request *begin(void)
{
    call.done = false;
    call.request.done = on_done;
    return &call.request;
}

static int finish(struct app *app)
{
    return selftest_wait(app, &call.done) ? call.error : -XEN_ETIMEDOUT;
}

static int write_text(struct app *app, xs_transaction_t t, const char *path,
                      const char *text)
{
    xs_write(app->xs, begin(), t, path, text, strlen(text));
    return finish(app);
}

static int read_node(struct app *app, xs_transaction_t t, const char *path)
{
    xs_read(app->xs, begin(), t, path);
    return finish(app);
}

static bool reads(struct app *app, xs_transaction_t t, const char *path,
                  const char *text)
{
    return !read_node(app, t, path) && !strcmp(call.value, text);
}

static int remove_node(struct app *app, const char *path)
{
    xs_rm(app->xs, begin(), XS_NO_TRANSACTION, path);
    return finish(app);
}

static int start_transaction(struct app *app, xs_transaction_t *t)
{
    xs_transaction_start(app->xs, begin());
    if (!selftest_wait(app, &call.done) || call.error)
        return -XEN_EIO;
    *t = (xs_transaction_t)strtoul(call.value, NULL, 10);
    return *t == XS_NO_TRANSACTION ? -XEN_EINVAL : 0;
}

static int end_transaction(struct app *app, xs_transaction_t t, bool abort)
{
    xs_transaction_end(app->xs, begin(), t, abort);
    return finish(app);
}

/* ---- Nodes */

static const char *check_values(struct app *app)
{
    static char large[VALUE_BYTES];

    must(!write_text(app, 0, "data/text", "value"));
    must(reads(app, 0, "data/text", "value"));
    must(!write_text(app, 0, "data/text", ""));
    must(reads(app, 0, "data/text", "") && call.bytes == 0);
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i % 251); /* NULs too */
    xs_write(app->xs, begin(), 0, "data/text", large, sizeof(large));
    must(!finish(app));
    must(!read_node(app, 0, "data/text"));
    must(call.bytes == sizeof(large) && !memcmp(call.value, large, call.bytes));
    must(!remove_node(app, "data/text"));
    must(read_node(app, 0, "data/text") == -XEN_ENOENT);
    return NULL;
}

/* xenstored's own errors come back as they are. */
static const char *check_errors(struct app *app)
{
    static char large[XS_VALUE_MAX - 64];

    must(read_node(app, 0, "data/none") == -XEN_ENOENT);
    must(read_node(app, 0, "data//none") == -XEN_EINVAL);
    must(write_text(app, 0, "/local/domain/0/name", "me") == -XEN_EACCES);
    must(read_node(app, 77777, "data") == -XEN_ENOENT);
    xs_write(app->xs, begin(), 0, "data/large", large, sizeof(large));
    must(finish(app) == -XEN_ENOSPC);
    must(!write_text(app, 0, "data/after", "works"));
    must(!remove_node(app, "data/after"));
    return NULL;
}

static const char *check_folders(struct app *app)
{
    char names[64];

    xs_mkdir(app->xs, begin(), 0, "data/folder");
    must(!finish(app));
    must(!write_text(app, 0, "data/folder/a", "1"));
    must(!write_text(app, 0, "data/folder/b/c", "2"));
    xs_directory(app->xs, begin(), 0, "data/folder", names, sizeof(names));
    must(!finish(app));
    must(call.bytes == 4 && !memcmp(call.value, "a\0b", 4));
    must(!remove_node(app, "data/folder"));
    must(read_node(app, 0, "data/folder/b/c") == -XEN_ENOENT);
    xs_directory(app->xs, begin(), 0, "data/folder", names, sizeof(names));
    must(finish(app) == -XEN_ENOENT);
    return NULL;
}

/* data/large/, which the test outside has filled with children "child-0...",
 * with names so long that one answer cannot hold them all. */
static const char *check_large_folder(struct app *app)
{
    char *names = malloc(LARGE_BYTES);
    unsigned long nr, seen = 0;

    must(names);
    must(!read_node(app, 0, "data/large"));
    nr = strtoul(call.value, NULL, 10);
    xs_directory(app->xs, begin(), 0, "data/large", names, LARGE_BYTES);
    must(!finish(app));
    printf("# %lu children, %zu bytes\n", nr, call.bytes);
    must(call.bytes > 2 * XS_VALUE_MAX);
    for (const char *name = names; name < names + call.bytes;
         name += strlen(name) + 1)
        seen += !strncmp(name, "child-", 6);
    must(seen == nr);
    xs_directory(app->xs, begin(), 0, "data/large", names, 1000);
    must(finish(app) == -XEN_E2BIG);
    free(names);
    return NULL;
}

/* ---- Permissions */

static const char *check_permissions(struct app *app)
{
    char own[16]; /* "nDOMID", ours; then "r0": domain 0 may read */
    size_t len;

    must(!write_text(app, 0, "data/mine", "1"));
    xs_get_permissions(app->xs, begin(), 0, "data/mine");
    must(!finish(app));
    must(call.value[0] == 'n' && call.bytes + 3 <= sizeof(own));
    memcpy(own, call.value, call.bytes);
    memcpy(own + call.bytes, "r0", 3);
    len = call.bytes + 3;
    xs_set_permissions(app->xs, begin(), 0, "data/mine", own, len);
    must(!finish(app));
    xs_get_permissions(app->xs, begin(), 0, "data/mine");
    must(!finish(app));
    must(call.bytes == len && !memcmp(call.value, own, len));
    must(!remove_node(app, "data/mine"));
    return NULL;
}

/* ---- Transactions */

static const char *check_transactions(struct app *app)
{
    xs_transaction_t t;

    must(!start_transaction(app, &t));
    must(!write_text(app, t, "data/t", "inside"));
    must(reads(app, t, "data/t", "inside"));
    must(read_node(app, 0, "data/t") == -XEN_ENOENT);
    must(!end_transaction(app, t, false));
    must(reads(app, 0, "data/t", "inside"));

    must(!start_transaction(app, &t));
    must(!write_text(app, t, "data/t", "never"));
    must(!end_transaction(app, t, true));
    must(reads(app, 0, "data/t", "inside"));
    must(!remove_node(app, "data/t"));
    return NULL;
}

/* Another client writes what the transaction has read: it must be retried. */
static const char *check_conflict(struct app *app)
{
    xs_transaction_t t;

    must(!write_text(app, 0, "data/c", "1"));
    must(!start_transaction(app, &t));
    must(reads(app, t, "data/c", "1"));
    must(!write_text(app, 0, "data/c", "2"));
    must(!write_text(app, t, "data/c", "3"));
    must(end_transaction(app, t, false) == -XEN_EAGAIN);
    must(reads(app, 0, "data/c", "2"));
    must(!remove_node(app, "data/c"));
    return NULL;
}

static bool update_done;
static int update_error;

static void on_update(struct xs_update *update, int error)
{
    (void)update;
    update_error = error;
    update_done = true;
}

static const char *check_update(struct app *app)
{
    static struct xs_update update = {.done = on_update};
    static struct xs_node nodes[] = {
        {.path = "data/u/a", .value = "1"},
        {.path = "data/u/b", .value = "2"},
        {.path = "data/gone", .value = NULL},
    };

    must(!write_text(app, 0, "data/gone", "x"));
    update_done = false;
    xs_update(app->xs, &update, nodes, array_size(nodes));
    must(selftest_wait(app, &update_done) && !update_error);
    must(reads(app, 0, "data/u/a", "1") && reads(app, 0, "data/u/b", "2"));
    must(read_node(app, 0, "data/gone") == -XEN_ENOENT);
    must(!remove_node(app, "data/u"));
    return NULL;
}

/* ---- Watches */

static bool fired, removed;
static char fired_path[64];

static void on_watch(struct xs_watch *watch, const char *path)
{
    (void)watch;
    fired = true;
    snprintf(fired_path, sizeof(fired_path), "%s", path);
}

static void on_removed(struct xs_watch *watch)
{
    (void)watch;
    removed = true;
}

static const char *check_watch(struct app *app)
{
    static struct xs_watch watch;

    fired = removed = false;
    xs_watch(app->xs, &watch, "data/w", on_watch);
    must(selftest_wait(app, &fired)); /* a watch fires once when it is set */
    fired = false;
    must(!write_text(app, 0, "data/w/deep", "1"));
    must(selftest_wait(app, &fired));
    must(!strcmp(fired_path, "data/w/deep"));
    fired = false;
    must(!write_text(app, 0, "data/elsewhere", "1"));
    must(reads(app, 0, "data/elsewhere", "1"));
    must(!fired);
    xs_unwatch(app->xs, &watch, on_removed);
    must(selftest_wait(app, &removed));
    must(!write_text(app, 0, "data/w/deep", "2"));
    must(reads(app, 0, "data/w/deep", "2"));
    must(!fired);
    must(!remove_node(app, "data/w") && !remove_node(app, "data/elsewhere"));
    return NULL;
}

const struct selftest_check selftest_store[] = {
    {"xs-values", check_values, false},
    {"xs-errors", check_errors, false},
    {"xs-folders", check_folders, false},
    {"xs-permissions", check_permissions, false},
    {"xs-transactions", check_transactions, false},
    {"xs-conflict", check_conflict, false},
    {"xs-update", check_update, false},
    {"xs-watch", check_watch, false},
    {"xs-large-folder", check_large_folder, true},
    {NULL, NULL, false},
};
