/* SPDX-License-Identifier: MIT */
/*
 * The guest tests itself on the Xen it runs on, and reports on its console in
 * TAP, the Test Anything Protocol. tests/guest runs it.
 *
 *     test=NAME[,NAME]   only these checks; default: all but those that end the
 *                        guest or need help from outside
 *     seed=N             seed of the random checks (1)
 */
#include "tests/images/selftest/selftest.h"
#include "xen/hv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 32

static const struct selftest_check *const tables[] = {
    selftest_loop,  selftest_libc, selftest_memory,
    selftest_store, selftest_net,  selftest_fault,
};

static unsigned nr_run, nr_failed;

/* ---- Waiting */

struct alarm {
    struct timer timer;
    bool rang;
};

static void ring(struct timer *timer)
{
    container_of(timer, struct alarm, timer)->rang = true;
}

static bool wait_until(struct app *app, const bool *flag, uint64_t ns)
{
    struct alarm alarm = {.rang = false};

    timer_start(app->loop, &alarm.timer, hv_now_ns() + ns, ring);
    while (!*flag && !alarm.rang && !app->stop)
        loop_turn(app->loop);
    timer_stop(app->loop, &alarm.timer);
    return *flag;
}

bool selftest_wait(struct app *app, const bool *flag)
{
    return wait_until(app, flag, SELFTEST_WAIT_NS);
}

void selftest_sleep(struct app *app, uint64_t ns)
{
    static const bool never;

    wait_until(app, &never, ns);
}

/* ---- Running */

static void run(struct app *app, const struct selftest_check *check)
{
    const char *fault;

    printf("# %s\n", check->name);
    fault = check->run(app);
    nr_run++;
    if (fault)
        nr_failed++;
    printf("%sok %u - %s%s%s\n", fault ? "not " : "", nr_run, check->name,
           fault ? " # " : "", fault ? fault : "");
}

static void run_all(struct app *app)
{
    for (unsigned i = 0; i < array_size(tables); i++) {
        for (const struct selftest_check *c = tables[i]; c->name; c++) {
            if (!c->asked_for)
                run(app, c);
        }
    }
}

static const struct selftest_check *find(const char *name)
{
    for (unsigned i = 0; i < array_size(tables); i++) {
        for (const struct selftest_check *c = tables[i]; c->name; c++) {
            if (!strcmp(c->name, name))
                return c;
        }
    }
    return NULL;
}

static void run_named(struct app *app, const char *name)
{
    const struct selftest_check *check = find(name);

    if (check) {
        run(app, check);
        return;
    }
    nr_run++;
    nr_failed++;
    printf("not ok %u - %s # there is no such check\n", nr_run, name);
}

/* names: NAME[,NAME]... */
static void run_list(struct app *app, const char *names)
{
    while (*names) {
        size_t len = strcspn(names, ",");
        char name[NAME_MAX_BYTES];

        snprintf(name, sizeof(name), "%.*s", (int)len, names);
        run_named(app, name);
        names += len + (names[len] == ',');
    }
}

int app_main(struct app *app)
{
    const char *names;
    int given = options_text(app->options, "test", &names);

    if (given < 0)
        return 1;
    if (given)
        run_list(app, names);
    else
        run_all(app);
    printf("1..%u\n# %u failed\n", nr_run, nr_failed);
    return nr_failed ? 1 : 0;
}
