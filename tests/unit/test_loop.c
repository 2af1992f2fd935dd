/* SPDX-License-Identifier: MIT */
/* The event loop: its rules one by one, then a random life against a model. */
// sources: kernel/loop.c xen/evtchn.c tests/fake/hv.c
#include "tests/unit/test.h"

#include "kernel/loop.h"

#include <stdio.h>
#include <string.h>

/* What was called, in order, as text: "p1 t2 k3 ". */
struct script {
    struct loop loop;
    char calls[256];
};

struct source {
    struct event event;
    struct timer timer;
    struct task task;
    struct script *script;
    char name;
    evtchn_port_t port;
    unsigned nr_calls;
    void (*then)(struct source *source); /* what its callback does */
    struct source *other;
};

static void note(struct source *source, char kind)
{
    size_t used = strlen(source->script->calls);

    source->nr_calls++;
    if (used + 4 < sizeof(source->script->calls))
        sprintf(source->script->calls + used, "%c%c ", kind, source->name);
    if (source->then)
        source->then(source);
}

static void on_event(struct event *event)
{
    note(container_of(event, struct source, event), 'p');
}

static void on_timer(struct timer *timer)
{
    note(container_of(timer, struct source, timer), 't');
}

static void on_task(struct task *task)
{
    note(container_of(task, struct source, task), 'k');
}

static void start_event(struct source *source)
{
    event_start(&source->script->loop, &source->event, source->port, on_event);
}

static void start_timer(struct source *source, uint64_t due_ns)
{
    timer_start(&source->script->loop, &source->timer, due_ns, on_timer);
}

static void start_alarm(struct source *source, uint64_t due_ns)
{
    alarm_start(&source->script->loop, &source->timer, due_ns, on_timer);
}

static void start_task(struct source *source)
{
    task_start(&source->script->loop, &source->task, on_task);
}

static void set_up(struct script *script, struct source *sources, unsigned nr)
{
    memset(script, 0, sizeof(*script));
    memset(sources, 0, nr * sizeof(*sources));
    loop_init(&script->loop);
    for (unsigned i = 0; i < nr; i++) {
        sources[i].script = script;
        sources[i].name = (char)('1' + i);
    }
}

/* Ports that the other side has bound. */
static evtchn_port_t open_port(void)
{
    evtchn_port_t port;

    assert_int_equal(hv_evtchn_alloc_unbound(0, &port), 0);
    assert_int_equal(fake_evtchn_bind(0, port), 0);
    assert_true(fake_evtchn_is_open(port));
    return port;
}

static void open_ports(struct source *sources, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        sources[i].port = open_port();
        start_event(&sources[i]);
        loop_turn(&sources[i].script->loop); /* binding notifies */
    }
    sources[0].script->calls[0] = '\0';
    for (unsigned i = 0; i < nr; i++)
        sources[i].nr_calls = 0;
}

static void close_ports(struct source *sources, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        event_stop(&sources[i].script->loop, &sources[i].event);
        hv_evtchn_close(sources[i].port);
    }
}

static void expect(struct script *script, const char *calls)
{
    assert_string_equal(script->calls, calls);
    script->calls[0] = '\0';
}

/* ---- A turn */

static void a_turn_is_alarms_ports_tasks_timers(void **state)
{
    struct script script;
    struct source s[3];

    (void)state;
    set_up(&script, s, 3);
    open_ports(s, 2);
    start_task(&s[2]);
    start_timer(&s[1], fake_now());
    start_timer(&s[0], fake_now() - 1);
    start_alarm(&s[2], fake_now());
    start_task(&s[0]);
    fake_evtchn_notify(s[1].port);
    fake_evtchn_notify(s[0].port);
    loop_turn(&script.loop);
    expect(&script, "t3 p1 p2 k3 k1 t1 t2 ");
    close_ports(s, 2);
}

/* ---- Input that was there before a timer was due */

static void stop_timer_of_other(struct source *source)
{
    timer_stop(&source->script->loop, &source->other->timer);
}

static void start_own_task(struct source *source)
{
    start_task(source);
}

/* As after `xl pause`: a request lies in the ring, and the deadline for it has
 * passed. The port's task finds it, and there is no deadline any more. */
static void input_beats_the_timer_that_waits_for_it(void **state)
{
    struct script script;
    struct source s[3];

    (void)state;
    set_up(&script, s, 3);
    open_ports(s, 1);
    s[0].then = start_own_task;
    s[0].other = &s[1];
    start_timer(&s[1], fake_now() + NS_PER_S);
    fake_evtchn_notify(s[0].port);
    fake_advance(90 * NS_PER_S);
    loop_turn(&script.loop);
    expect(&script, "p1 k1 ");
    s[0].then = stop_timer_of_other;
    loop_turn(&script.loop);
    expect(&script, "k1 ");
    fake_set_limit(fake_now() + NS_PER_S);
    loop_turn(&script.loop);
    expect(&script, "");
    close_ports(s, 1);
}

static unsigned tasks_left;

static void start_task_again(struct source *source)
{
    if (tasks_left-- > 0)
        start_task(source);
}

/* Tasks that cut their work into turns are waited for, with patience, but not
 * for ever. */
static void timers_wait_for_tasks_but_not_for_ever(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    s[0].then = start_task_again;
    tasks_left = LOOP_PATIENCE - 1;
    start_task(&s[0]);
    start_timer(&s[1], fake_now());
    while (s[1].nr_calls == 0)
        loop_turn(&script.loop);
    assert_int_equal(s[0].nr_calls, LOOP_PATIENCE);

    tasks_left = 1000;
    start_task(&s[0]);
    for (unsigned i = 0; i < 20; i++) {
        start_timer(&s[1], fake_now());
        s[0].nr_calls = s[1].nr_calls = 0;
        while (s[1].nr_calls == 0)
            loop_turn(&script.loop);
        assert_in_range(s[0].nr_calls, 1, LOOP_PATIENCE + 1);
    }
    task_stop(&script.loop, &s[0].task);
}

/* A lease that has ended is over before anything in a ring is looked at, and
 * whatever tasks there are. */
static void alarms_wait_for_nobody(void **state)
{
    struct script script;
    struct source s[3];
    uint64_t start = fake_now();

    (void)state;
    set_up(&script, s, 3);
    open_ports(s, 1);
    s[1].then = start_own_task;
    start_task(&s[1]);
    start_alarm(&s[2], start + 100);
    start_timer(&s[0], start + 50);
    fake_advance(100);
    fake_evtchn_notify(s[0].port);
    loop_turn(&script.loop);
    expect(&script, "t3 p1 k2 ");
    task_stop(&script.loop, &s[1].task);
    loop_turn(&script.loop);
    expect(&script, "t1 ");

    /* A timer becomes an alarm, and one again; the sleep ends for both. */
    start_timer(&s[0], start + 300);
    start_alarm(&s[0], start + 400);
    start_alarm(&s[2], start + 500);
    start_timer(&s[2], start + 300);
    loop_turn(&script.loop);
    expect(&script, "t3 ");
    assert_int_equal(fake_now(), start + 300);
    loop_turn(&script.loop);
    expect(&script, "t1 ");
    assert_int_equal(fake_now(), start + 400);
    start_alarm(&s[0], 0);
    timer_stop(&script.loop, &s[0].timer);
    assert_null(script.loop.alarms);
    assert_null(script.loop.timers);
    close_ports(s, 1);
}

static void nothing_sleeps_while_work_is_queued(void **state)
{
    struct script script;
    struct source s[1];
    unsigned long hypercalls;

    (void)state;
    set_up(&script, s, 1);
    open_ports(s, 1);
    hypercalls = fake_hypercalls();

    fake_evtchn_notify(s[0].port);
    loop_turn(&script.loop);
    expect(&script, "p1 ");
    start_task(&s[0]);
    loop_turn(&script.loop);
    expect(&script, "k1 ");
    start_timer(&s[0], fake_now());
    loop_turn(&script.loop);
    expect(&script, "t1 ");
    assert_int_equal(fake_hypercalls(), hypercalls);
    assert_int_equal(fake_calls(FAKE_POLL), script.loop.sleeps);
    close_ports(s, 1);
}

static void idle_turns_sleep_once(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    start_timer(&s[0], fake_now() + NS_PER_MS);
    loop_turn(&script.loop);
    expect(&script, "t1 ");
    assert_int_equal(fake_calls(FAKE_POLL), 1);
    assert_int_equal(script.loop.sleeps, 1);
    assert_int_equal(script.loop.turns, 1);
    assert_int_equal(script.loop.spurious_wakeups, 0);
}

static void early_wakeups_are_harmless_and_counted(void **state)
{
    struct fake_config config = {.spurious_percent = 100};
    struct script script;
    struct source s[1];

    (void)state;
    fake_start(&config);
    set_up(&script, s, 1);
    start_timer(&s[0], fake_now() + NS_PER_MS);
    loop_turn(&script.loop);
    loop_turn(&script.loop);
    expect(&script, "");
    assert_int_equal(script.loop.spurious_wakeups, 2);
    fake_advance(NS_PER_MS);
    loop_turn(&script.loop);
    expect(&script, "t1 ");
    assert_int_equal(script.loop.spurious_wakeups, 2);
    fake_stop();
}

static void remember_now(struct source *source)
{
    fake_advance(1234);
    assert_int_equal(loop_now(&source->script->loop), UINT64_C(1000005000));
}

static void now_is_constant_during_a_turn(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    s[0].then = s[1].then = remember_now;
    start_timer(&s[0], UINT64_C(1000005000));
    start_timer(&s[1], UINT64_C(1000005000));
    loop_turn(&script.loop);
    assert_int_equal(s[0].nr_calls + s[1].nr_calls, 2);
    start_task(&s[0]);
    s[0].then = NULL;
    loop_turn(&script.loop);
    assert_int_equal(loop_now(&script.loop), UINT64_C(1000005000) + 2 * 1234);
}

/* ---- Events */

static void an_event_pending_before_start_fires(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    s[0].port = open_port(); /* binding notified */
    start_event(&s[0]);
    loop_turn(&script.loop);
    expect(&script, "p1 ");
    assert_int_equal(fake_calls(FAKE_POLL), 0);
    close_ports(s, 1);
}

static void notify_self(struct source *source)
{
    source->then = NULL;
    fake_evtchn_notify(source->port);
}

/* Clear, then handle: what arrives meanwhile is another event. */
static void an_event_during_its_callback_is_not_lost(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    open_ports(s, 1);
    s[0].then = notify_self;
    fake_evtchn_notify(s[0].port);
    loop_turn(&script.loop);
    expect(&script, "p1 ");
    loop_turn(&script.loop);
    expect(&script, "p1 ");
    close_ports(s, 1);
}

static void stop_all_of_other(struct source *source)
{
    event_stop(&source->script->loop, &source->other->event);
    timer_stop(&source->script->loop, &source->other->timer);
    task_stop(&source->script->loop, &source->other->task);
}

static void restart_event_of_other(struct source *source)
{
    event_stop(&source->script->loop, &source->other->event);
    start_event(source->other);
}

static void a_stopped_event_is_not_called(void **state)
{
    struct script script;
    struct source s[3];

    (void)state;
    set_up(&script, s, 3);
    open_ports(s, 3);
    s[0].then = stop_all_of_other;
    s[0].other = &s[1];
    for (unsigned i = 0; i < 3; i++)
        fake_evtchn_notify(s[i].port);
    loop_turn(&script.loop);
    expect(&script, "p1 p3 ");
    close_ports(s, 3);
}

/* Stopping one that was visited already must not make the pass skip one. */
static void stopping_backwards_skips_nobody(void **state)
{
    struct script script;
    struct source s[4];

    (void)state;
    set_up(&script, s, 4);
    open_ports(s, 4);
    s[1].then = stop_all_of_other;
    s[1].other = &s[0];
    s[2].then = stop_all_of_other;
    s[2].other = &s[2];
    for (unsigned i = 0; i < 4; i++)
        fake_evtchn_notify(s[i].port);
    loop_turn(&script.loop);
    expect(&script, "p1 p2 p3 p4 ");
    close_ports(s, 4);
}

static void notify_self_and_stop_other(struct source *source)
{
    fake_evtchn_notify(source->port);
    stop_all_of_other(source);
}

/* Stopping the one that comes next must not bring back the one that runs. */
static void no_event_is_called_twice_in_a_turn(void **state)
{
    struct script script;
    struct source s[3];

    (void)state;
    set_up(&script, s, 3);
    open_ports(s, 3);
    s[0].then = notify_self_and_stop_other;
    s[0].other = &s[1];
    fake_evtchn_notify(s[0].port);
    fake_evtchn_notify(s[2].port);
    loop_turn(&script.loop);
    expect(&script, "p1 p3 ");
    close_ports(s, 3);
}

static void a_restarted_event_waits_but_is_not_lost(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    open_ports(s, 2);
    s[0].then = restart_event_of_other;
    s[0].other = &s[1];
    fake_evtchn_notify(s[0].port);
    fake_evtchn_notify(s[1].port);
    loop_turn(&script.loop);
    expect(&script, "p1 ");
    loop_turn(&script.loop);
    expect(&script, "p2 ");
    close_ports(s, 2);
}

static void ports_up_to_the_limit(void **state)
{
    struct script script;
    struct source s[HV_POLL_PORTS_MAX];
    struct source more[1];

    (void)state;
    set_up(&script, more, 1);
    set_up(&script, s, HV_POLL_PORTS_MAX);
    open_ports(s, HV_POLL_PORTS_MAX);
    for (unsigned i = 0; i < HV_POLL_PORTS_MAX; i++)
        fake_evtchn_notify(s[i].port);
    loop_turn(&script.loop);
    for (unsigned i = 0; i < HV_POLL_PORTS_MAX; i++)
        assert_int_equal(s[i].nr_calls, 1);
    assert_true(fake_asserts(
        event_start(&script.loop, &more[0].event, FAKE_STORE_PORT, on_event)));
    close_ports(s, HV_POLL_PORTS_MAX);
}

static void misuse_is_an_assert(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    open_ports(s, 1);
    assert_true(fake_asserts(start_event(&s[0])));
    s[1].port = s[0].port;
    assert_true(fake_asserts(start_event(&s[1])));
    close_ports(s, 1);
}

static void turn_again(struct source *source)
{
    loop_turn(&source->script->loop);
}

static void a_nested_turn_is_an_assert(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    s[0].then = turn_again;
    start_task(&s[0]);
    assert_true(fake_asserts(loop_turn(&script.loop)));
}

/* ---- Timers */

static void timers_fire_in_order_and_on_time(void **state)
{
    struct script script;
    struct source s[5];
    uint64_t start = fake_now();

    (void)state;
    set_up(&script, s, 5);
    start_timer(&s[0], start + 300);
    start_timer(&s[1], start + 100);
    start_timer(&s[2], start + 500);
    start_timer(&s[3], start + 200);
    start_timer(&s[4], start + 400);
    for (unsigned i = 1; i <= 5; i++) {
        loop_turn(&script.loop);
        assert_int_equal(fake_now(), start + 100 * i);
        assert_int_equal(loop_now(&script.loop), start + 100 * i);
    }
    expect(&script, "t2 t4 t1 t5 t3 ");
}

static void starting_an_active_timer_moves_it(void **state)
{
    struct script script;
    struct source s[2];
    uint64_t start = fake_now();

    (void)state;
    set_up(&script, s, 2);
    start_timer(&s[0], start + 100);
    start_timer(&s[1], start + 200);
    start_timer(&s[0], start + 300);
    loop_turn(&script.loop);
    loop_turn(&script.loop);
    expect(&script, "t2 t1 ");
    assert_int_equal(fake_now(), start + 300);
    assert_null(script.loop.timers);
}

static void restart_own_timer(struct source *source)
{
    start_timer(source, 0);
}

static void move_timer_of_other(struct source *source)
{
    start_timer(source->other, loop_now(&source->script->loop) + NS_PER_S);
}

static void a_timer_restarted_in_the_past_waits_for_the_next_turn(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    s[0].then = restart_own_timer;
    start_timer(&s[0], 0);
    loop_turn(&script.loop);
    expect(&script, "t1 ");
    loop_turn(&script.loop);
    expect(&script, "t1 ");
    timer_stop(&script.loop, &s[0].timer);
    assert_null(script.loop.timers);
}

static void due_timers_can_be_stopped_and_moved_by_callbacks(void **state)
{
    struct script script;
    struct source s[4];
    uint64_t start = fake_now();

    (void)state;
    set_up(&script, s, 4);
    for (unsigned i = 0; i < 4; i++)
        start_timer(&s[i], start + i);
    s[0].then = stop_all_of_other;
    s[0].other = &s[2];
    s[1].then = move_timer_of_other;
    s[1].other = &s[3];
    fake_advance(10);
    loop_turn(&script.loop);
    expect(&script, "t1 t2 ");
    loop_turn(&script.loop);
    expect(&script, "t4 ");
    assert_int_equal(fake_now(), start + 10 + NS_PER_S);
}

static void a_timer_for_never_never_fires(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    start_timer(&s[0], UINT64_MAX);
    start_timer(&s[1], fake_now() + 3600 * NS_PER_S);
    loop_turn(&script.loop);
    expect(&script, "t2 ");
    assert_true(fake_fails(loop_turn(&script.loop)));
}

/* ---- Tasks */

static void restart_own_task(struct source *source)
{
    start_task(source);
}

static void start_task_of_other(struct source *source)
{
    start_task(source->other);
}

static void tasks_run_once_in_order(void **state)
{
    struct script script;
    struct source s[3];

    (void)state;
    set_up(&script, s, 3);
    start_task(&s[1]);
    start_task(&s[0]);
    start_task(&s[1]);
    start_task(&s[2]);
    loop_turn(&script.loop);
    expect(&script, "k2 k1 k3 ");
    start_timer(&s[0], fake_now() + 1);
    loop_turn(&script.loop);
    expect(&script, "t1 ");
}

static void tasks_started_by_tasks_wait_for_the_next_turn(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    s[0].then = start_task_of_other;
    s[0].other = &s[1];
    s[1].then = restart_own_task;
    start_task(&s[0]);
    loop_turn(&script.loop);
    expect(&script, "k1 ");
    loop_turn(&script.loop);
    loop_turn(&script.loop);
    expect(&script, "k2 k2 ");
    task_stop(&script.loop, &s[1].task);
    assert_null(script.loop.tasks);
}

static void a_stopped_task_is_not_called(void **state)
{
    struct script script;
    struct source s[4];

    (void)state;
    set_up(&script, s, 4);
    s[0].then = stop_all_of_other;
    s[0].other = &s[1];
    s[2].then = stop_all_of_other;
    s[2].other = &s[3];
    for (unsigned i = 0; i < 4; i++)
        start_task(&s[i]);
    loop_turn(&script.loop);
    expect(&script, "k1 k3 ");
    /* The tail was stopped: the list must still take new ones. */
    start_task(&s[1]);
    start_task(&s[3]);
    task_stop(&script.loop, &s[3].task);
    start_task(&s[3]);
    loop_turn(&script.loop);
    expect(&script, "k2 k4 ");
}

static void stopping_what_is_not_active_does_nothing(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    s[0].other = &s[0];
    stop_all_of_other(&s[0]);
    start_task(&s[0]);
    stop_all_of_other(&s[0]);
    stop_all_of_other(&s[0]);
    assert_null(script.loop.tasks);
}

/* ---- Fairness */

static bool storm(void *arg)
{
    fake_evtchn_notify(*(evtchn_port_t *)arg);
    return true;
}

/* docs/hardening.md, A7: events without end and without work. */
static void a7_event_storm_starves_nobody(void **state)
{
    struct script script;
    struct source s[4];

    (void)state;
    set_up(&script, s, 4);
    open_ports(s, 2);
    fake_add_backend(storm, &s[0].port);
    start_timer(&s[2], fake_now() + NS_PER_MS);
    for (unsigned i = 0; s[2].nr_calls == 0; i++) {
        assert_in_range(i, 0, 2000);
        start_task(&s[3]);
        loop_turn(&script.loop);
        assert_int_equal(s[3].nr_calls, i + 1);
        start_task(&s[1]);
        loop_turn(&script.loop);
        loop_turn(&script.loop);
    }
    assert_true(s[0].nr_calls > 100);
    fake_evtchn_notify(s[1].port);
    s[1].nr_calls = 0;
    loop_turn(&script.loop);
    assert_int_equal(s[1].nr_calls, 1);
    close_ports(s, 2);
}

static void storm_from_callback(struct source *source)
{
    fake_evtchn_notify(source->port);
    start_task(source);
    start_timer(source, 0);
}

/* All that a callback can start is running in circles; the quiet port still
 * gets its turn each turn, and the quiet timer with LOOP_PATIENCE. */
static void busy_callbacks_starve_nobody(void **state)
{
    struct script script;
    struct source s[3];

    (void)state;
    set_up(&script, s, 3);
    open_ports(s, 2);
    s[0].then = storm_from_callback;
    fake_evtchn_notify(s[0].port);
    for (unsigned i = 1; i <= 100; i++) {
        fake_evtchn_notify(s[1].port);
        if (!s[2].timer.active)
            start_timer(&s[2], fake_now());
        loop_turn(&script.loop);
        assert_int_equal(s[1].nr_calls, i);
    }
    assert_int_equal(s[2].nr_calls, 100 / (LOOP_PATIENCE + 1));
    timer_stop(&script.loop, &s[2].timer);
    close_ports(s, 2);
    timer_stop(&script.loop, &s[0].timer);
    task_stop(&script.loop, &s[0].task);
}

/* A7: events that never come: time still passes, work is found by looking. */
static void a7_events_never_sent(void **state)
{
    struct script script;
    struct source s[2];
    uint64_t start = fake_now();

    (void)state;
    set_up(&script, s, 2);
    open_ports(s, 1);
    start_timer(&s[1], start + NS_PER_S);
    loop_turn(&script.loop);
    expect(&script, "t2 ");
    assert_int_equal(fake_now(), start + NS_PER_S);
    close_ports(s, 1);
}

/* ---- Running and stopping */

static void stop_loop(struct source *source)
{
    loop_stop(&source->script->loop);
}

static void stop_takes_effect_after_the_turn(void **state)
{
    struct script script;
    struct source s[2];

    (void)state;
    set_up(&script, s, 2);
    s[0].then = stop_loop;
    start_task(&s[0]);
    start_task(&s[1]);
    start_timer(&s[1], 0);
    loop_run(&script.loop);
    expect(&script, "k1 k2 t2 ");
    assert_int_equal(script.loop.turns, 1);
    /* And it can run again. */
    start_task(&s[0]);
    loop_run(&script.loop);
    expect(&script, "k1 ");
    assert_int_equal(script.loop.turns, 2);
}

static void stop_before_run_is_kept(void **state)
{
    struct script script;
    struct source s[1];

    (void)state;
    set_up(&script, s, 1);
    loop_stop(&script.loop);
    loop_run(&script.loop);
    assert_int_equal(script.loop.turns, 0);
    s[0].then = stop_loop;
    start_timer(&s[0], fake_now() + NS_PER_S);
    loop_run(&script.loop);
    assert_int_equal(script.loop.turns, 1);
}

/* ---- A random life, against a model that knows only the rules.
 *
 * Each source has one kind of thing in it. The model holds what is active, and
 * what of it was there when the turn began; a callback that is not expected,
 * or expected and missing, fails. Callbacks start and stop others at random. */

#define LIFE_SOURCES 40
#define LIFE_PORTS   8
#define LIFE_TURNS   3000

/* What is called in a turn, in this order. */
enum life_phase { OUTSIDE, ALARMS, PORTS, TASKS, TIMERS };

struct life {
    struct script script;
    struct source s[LIFE_SOURCES];
    /* The model: */
    bool timer_on[LIFE_SOURCES], task_on[LIFE_SOURCES], event_on[LIFE_PORTS];
    bool timer_new[LIFE_SOURCES], task_new[LIFE_SOURCES], event_new[LIFE_PORTS];
    uint64_t due[LIFE_SOURCES];
    bool pending[LIFE_PORTS];
    uint64_t last_due;
    enum life_phase phase;
    unsigned long nr_calls, nr_held;
};

static struct life *life_of(struct source *source)
{
    return container_of(source->script, struct life, script);
}

static unsigned index_of(struct source *source)
{
    return (unsigned)(source - life_of(source)->s);
}

static void act(struct life *life);

/* Every fourth source's timer is an alarm. */
static enum life_phase phase_of_timer(unsigned i)
{
    return i % 4 ? TIMERS : ALARMS;
}

static void call(struct life *life, enum life_phase phase)
{
    assert_true(life->phase <= phase);
    if (life->phase != phase)
        life->last_due = 0;
    life->phase = phase;
    life->nr_calls++;
}

static void life_event(struct event *event)
{
    struct source *source = container_of(event, struct source, event);
    struct life *life = life_of(source);
    unsigned i = index_of(source);

    assert_true(life->event_on[i] && life->pending[i] && !life->event_new[i]);
    life->pending[i] = false;
    call(life, PORTS);
    act(life);
}

static void life_timer(struct timer *timer)
{
    struct source *source = container_of(timer, struct source, timer);
    struct life *life = life_of(source);
    unsigned i = index_of(source);

    assert_true(life->timer_on[i] && !life->timer_new[i]);
    assert_true(life->due[i] <= loop_now(&life->script.loop));
    call(life, phase_of_timer(i));
    assert_true(life->due[i] >= life->last_due);
    life->last_due = life->due[i];
    life->timer_on[i] = false;
    act(life);
}

static void life_task(struct task *task)
{
    struct source *source = container_of(task, struct source, task);
    struct life *life = life_of(source);
    unsigned i = index_of(source);

    assert_true(life->task_on[i] && !life->task_new[i]);
    life->task_on[i] = false;
    call(life, TASKS);
    act(life);
}

static void act_on_timer(struct life *life, unsigned i)
{
    struct loop *loop = &life->script.loop;

    if (fake_chance(30)) {
        timer_stop(loop, &life->s[i].timer);
        life->timer_on[i] = false;
        return;
    }
    life->due[i] = fake_now() + fake_random_below(2000) - 200;
    if (phase_of_timer(i) == ALARMS)
        alarm_start(loop, &life->s[i].timer, life->due[i], life_timer);
    else
        timer_start(loop, &life->s[i].timer, life->due[i], life_timer);
    life->timer_on[i] = true;
    life->timer_new[i] = life->phase >= phase_of_timer(i);
}

static void act_on_task(struct life *life, unsigned i)
{
    struct loop *loop = &life->script.loop;

    if (fake_chance(40)) {
        task_stop(loop, &life->s[i].task);
        life->task_on[i] = false;
        return;
    }
    if (!life->task_on[i])
        life->task_new[i] = life->phase >= TASKS;
    task_start(loop, &life->s[i].task, life_task);
    life->task_on[i] = true;
}

static void act_on_event(struct life *life, unsigned i)
{
    struct loop *loop = &life->script.loop;

    if (fake_chance(60)) {
        fake_evtchn_notify(life->s[i].port);
        life->pending[i] = true;
    } else if (life->event_on[i]) {
        event_stop(loop, &life->s[i].event);
        life->event_on[i] = false;
    } else {
        event_start(loop, &life->s[i].event, life->s[i].port, life_event);
        life->event_on[i] = true;
        life->event_new[i] = life->phase >= PORTS;
    }
}

static void act(struct life *life)
{
    for (unsigned n = fake_random_below(3); n > 0; n--) {
        switch (fake_random_below(4)) {
        case 0:
            act_on_task(life, fake_random_below(LIFE_SOURCES));
            break;
        case 1:
            act_on_event(life, fake_random_below(LIFE_PORTS));
            break;
        default:
            act_on_timer(life, fake_random_below(LIFE_SOURCES));
        }
    }
    fake_advance(fake_random_below(100));
}

/* What was there when the turn began, and due, has been called, or stopped. An
 * event may have been notified again after its call. */
static void check_turn(struct life *life)
{
    uint64_t now = loop_now(&life->script.loop);
    bool held = life->script.loop.turns_held > 0;

    life->nr_held += held;
    for (unsigned i = 0; i < LIFE_SOURCES; i++) {
        assert_false(life->task_on[i] && !life->task_new[i]);
        assert_false(life->timer_on[i] && !life->timer_new[i] &&
                     life->due[i] <= now &&
                     !(held && phase_of_timer(i) == TIMERS));
        assert_int_equal(life->s[i].task.active, life->task_on[i]);
        assert_int_equal(life->s[i].timer.active, life->timer_on[i]);
    }
    for (unsigned i = 0; i < LIFE_PORTS; i++)
        assert_int_equal(life->s[i].event.active, life->event_on[i]);
}

static void life_turn(struct life *life)
{
    memset(life->timer_new, 0, sizeof(life->timer_new));
    memset(life->task_new, 0, sizeof(life->task_new));
    memset(life->event_new, 0, sizeof(life->event_new));
    life->last_due = 0;
    life->phase = ALARMS;
    loop_turn(&life->script.loop);
    life->phase = OUTSIDE;
    check_turn(life);
}

static void stop_life(struct life *life)
{
    for (unsigned i = 0; i < LIFE_SOURCES; i++) {
        timer_stop(&life->script.loop, &life->s[i].timer);
        task_stop(&life->script.loop, &life->s[i].task);
    }
    assert_null(life->script.loop.timers);
    assert_null(life->script.loop.tasks);
    close_ports(life->s, LIFE_PORTS);
    assert_int_equal(life->script.loop.nr_events, 0);
}

static void random_life_against_a_model(void **state)
{
    static struct life life;

    (void)state;
    memset(&life, 0, sizeof(life));
    set_up(&life.script, life.s, LIFE_SOURCES);
    for (unsigned i = 0; i < LIFE_PORTS; i++) {
        life.s[i].port = open_port();
        life.pending[i] = true;
    }
    for (unsigned turn = 0; turn < LIFE_TURNS; turn++) {
        act(&life);
        act_on_timer(&life, turn % LIFE_SOURCES);
        fake_set_limit(fake_now() + 100);
        life_turn(&life);
    }
    assert_true(life.nr_calls > LIFE_TURNS);
    assert_in_range(life.nr_held, 1, LIFE_TURNS * 8 / 9);
    stop_life(&life);
}

/* Many timers, started and stopped at random, come out sorted. */
static void ten_thousand_timers_come_out_sorted(void **state)
{
    static struct source s[10000];
    struct script script;
    uint64_t start = fake_now(), last = 0;
    unsigned left = 0;

    (void)state;
    set_up(&script, s, array_size(s));
    for (unsigned i = 0; i < array_size(s); i++)
        start_timer(&s[i], start + 1 + fake_random_below(5000));
    for (unsigned i = 0; i < array_size(s); i++) {
        if (fake_chance(30))
            timer_stop(&script.loop, &s[i].timer);
        else if (fake_chance(30))
            start_timer(&s[i], start + 1 + fake_random_below(5000));
        left += s[i].timer.active;
    }
    while (script.loop.timers) {
        assert_true(script.loop.timers->due_ns > last);
        last = script.loop.timers->due_ns;
        loop_turn(&script.loop);
        assert_int_equal(fake_now(), last);
    }
    assert_int_equal(script.loop.timer_calls, left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(a_turn_is_alarms_ports_tasks_timers),
        test_on_fake(input_beats_the_timer_that_waits_for_it),
        test_on_fake(timers_wait_for_tasks_but_not_for_ever),
        test_on_fake(alarms_wait_for_nobody),
        test_on_fake(nothing_sleeps_while_work_is_queued),
        test_on_fake(idle_turns_sleep_once),
        cmocka_unit_test(early_wakeups_are_harmless_and_counted),
        test_on_fake(now_is_constant_during_a_turn),
        test_on_fake(an_event_pending_before_start_fires),
        test_on_fake(an_event_during_its_callback_is_not_lost),
        test_on_fake(a_stopped_event_is_not_called),
        test_on_fake(stopping_backwards_skips_nobody),
        test_on_fake(no_event_is_called_twice_in_a_turn),
        test_on_fake(a_restarted_event_waits_but_is_not_lost),
        test_on_fake(ports_up_to_the_limit),
        test_on_fake(misuse_is_an_assert),
        test_on_fake(a_nested_turn_is_an_assert),
        test_on_fake(timers_fire_in_order_and_on_time),
        test_on_fake(starting_an_active_timer_moves_it),
        test_on_fake(a_timer_restarted_in_the_past_waits_for_the_next_turn),
        test_on_fake(due_timers_can_be_stopped_and_moved_by_callbacks),
        test_on_fake(a_timer_for_never_never_fires),
        test_on_fake(tasks_run_once_in_order),
        test_on_fake(tasks_started_by_tasks_wait_for_the_next_turn),
        test_on_fake(a_stopped_task_is_not_called),
        test_on_fake(stopping_what_is_not_active_does_nothing),
        test_on_fake(a7_event_storm_starves_nobody),
        test_on_fake(busy_callbacks_starve_nobody),
        test_on_fake(a7_events_never_sent),
        test_on_fake(stop_takes_effect_after_the_turn),
        test_on_fake(stop_before_run_is_kept),
        test_on_fake(random_life_against_a_model),
        test_on_fake(ten_thousand_timers_come_out_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
