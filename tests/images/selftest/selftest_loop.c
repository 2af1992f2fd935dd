/* SPDX-License-Identifier: MIT */
/*
 * The loop on a real Xen: time, sleep and event channels. Its logic has unit
 * tests; these check that hv_poll does what the loop expects.
 */
#include "tests/images/selftest/selftest.h"
#include "xen/hv.h"

#define NR_TIMERS 32
#define NR_PORTS                                                \
    (HV_POLL_PORTS_MAX - 8) /* the console's and the xenstore's \
                             * stay among them */

/* ---- Timers */

static struct late {
    struct timer timer;
    struct app *app;
    bool early;
} late[NR_TIMERS];
static unsigned nr_rang;
static bool all_rang, in_order;
static uint64_t last_due_ns;

static void on_timer(struct timer *timer)
{
    struct late *l = container_of(timer, struct late, timer);

    l->early = hv_now_ns() < timer->due_ns;
    in_order = in_order && timer->due_ns >= last_due_ns;
    last_due_ns = timer->due_ns;
    all_rang = ++nr_rang == NR_TIMERS;
}

/* Timers, started in disorder; each fires once, none early, in order of time.
 */
static const char *check_timers(struct app *app)
{
    uint64_t start_ns = hv_now_ns();

    nr_rang = 0;
    all_rang = false;
    in_order = true;
    last_due_ns = 0;
    for (unsigned i = 0; i < NR_TIMERS; i++)
        timer_start(app->loop, &late[i].timer,
                    start_ns + (i * 7 % NR_TIMERS + 1) * NS_PER_MS, on_timer);
    must(selftest_wait(app, &all_rang));
    must(in_order);
    for (unsigned i = 0; i < NR_TIMERS; i++)
        must(!late[i].early);
    selftest_sleep(app, 2 * NS_PER_MS);
    must(nr_rang == NR_TIMERS);
    return NULL;
}

static void on_stopped_timer(struct timer *timer)
{
    (void)timer;
    nr_rang++;
}

static const char *check_timer_stop(struct app *app)
{
    struct timer stopped = {0};

    nr_rang = 0;
    timer_start(app->loop, &stopped, hv_now_ns() + NS_PER_MS, on_stopped_timer);
    timer_stop(app->loop, &stopped);
    selftest_sleep(app, 3 * NS_PER_MS);
    must(nr_rang == 0);
    return NULL;
}

/* ---- Sleep */

/* A guest with nothing to do sleeps: it takes few turns, not thousands. */
static const char *check_sleep(struct app *app)
{
    uint64_t turns = app->loop->turns, now_ns = hv_now_ns();

    selftest_sleep(app, 50 * NS_PER_MS);
    must(hv_now_ns() - now_ns >= 50 * NS_PER_MS);
    must(app->loop->turns - turns < 20);
    return NULL;
}

static const char *check_clock(struct app *app)
{
    uint64_t last_ns = hv_now_ns();

    (void)app;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now_ns = hv_now_ns();

        must(now_ns >= last_ns);
        last_ns = now_ns;
    }
    return NULL;
}

/* ---- Tasks */

static struct task again;
static unsigned nr_tasks;
static uint64_t first_turn, second_turn;
static struct app *task_app;
static bool task_done;

static void on_task(struct task *task)
{
    if (++nr_tasks == 1) {
        first_turn = task_app->loop->turns;
        task_start(task_app->loop, task, on_task);
    } else {
        second_turn = task_app->loop->turns;
        task_done = true;
    }
}

static const char *check_tasks(struct app *app)
{
    task_app = app;
    nr_tasks = 0;
    task_done = false;
    task_start(app->loop, &again, on_task);
    must(selftest_wait(app, &task_done));
    must(nr_tasks == 2);
    must(second_turn == first_turn + 1);
    return NULL;
}

/* ---- Ports */

static struct event silent[NR_PORTS];
static unsigned nr_events;

static void on_event(struct event *event)
{
    (void)event;
    nr_events++;
}

/* As many ports as Xen polls at once: sleep still ends on time, and no event
 * comes from an unbound port. */
static const char *check_ports(struct app *app)
{
    evtchn_port_t port;
    uint64_t now_ns;
    unsigned nr = 0;

    for (; nr < NR_PORTS && !hv_evtchn_alloc_unbound(0, &port); nr++)
        event_start(app->loop, &silent[nr], port, on_event);
    now_ns = hv_now_ns();
    selftest_sleep(app, 20 * NS_PER_MS);
    for (unsigned i = 0; i < nr; i++) {
        event_stop(app->loop, &silent[i]);
        hv_evtchn_close(silent[i].port);
    }
    must(nr == NR_PORTS);
    must(nr_events == 0);
    must(hv_now_ns() - now_ns >= 20 * NS_PER_MS);
    return NULL;
}

const struct selftest_check selftest_loop[] = {
    {"clock", check_clock, false},
    {"sleep", check_sleep, false},
    {"timers", check_timers, false},
    {"timer-stop", check_timer_stop, false},
    {"tasks", check_tasks, false},
    {"ports", check_ports, false},
    {NULL, NULL, false},
};
