/* SPDX-License-Identifier: MIT */
/* Fibers: turns, wake-ups, stacks, registers. */
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/loop.c kernel/page.c
// sources: xen/evtchn.c tests/fake/fiber.c tests/fake/hv.c
#include "tests/unit/test.h"

#include "kernel/fiber.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

#define STACK_PAGES 16 /* ASan's frames are large */

static struct loop loop;
static struct pages pages;
static struct fiber fiber;
static char trace[256];

static void begin(void)
{
    loop_init(&loop);
    pages_init(&pages);
    fiber = (struct fiber){.fn = NULL};
    trace[0] = '\0';
}

static void end(void)
{
    assert_null(fiber_current());
    assert_int_equal(pages.nr_used, 0);
    assert_int_equal(fake_pages_out(), 0);
}

static void note(const char *what)
{
    strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static void start(struct fiber *which, void (*fn)(struct fiber *))
{
    assert_int_equal(fiber_start(which, &loop, &pages, STACK_PAGES, fn), 0);
}

static void turns(unsigned n)
{
    fake_set_limit(fake_now());
    while (n--)
        loop_turn(&loop);
    fake_set_limit(UINT64_MAX);
}

/* ---- Turns */

static void note_one(struct fiber *f)
{
    assert_ptr_equal(fiber_current(), f);
    note("1");
}

static void note_finished(struct fiber *f)
{
    assert_false(f->started);
    assert_null(fiber_current());
    assert_int_equal(pages.nr_used, 0);
    note("f");
}

static void a_fiber_runs_on_the_next_turn(void **state)
{
    (void)state;
    begin();
    fiber.finished = note_finished;
    start(&fiber, note_one);
    assert_string_equal(trace, "");
    turns(1);
    assert_string_equal(trace, "1f");
    turns(2);
    assert_string_equal(trace, "1f");
    end();
}

static void note_and_park(struct fiber *f)
{
    char text[] = "a";

    for (; text[0] <= 'c'; text[0]++) {
        note(text);
        assert_ptr_equal(fiber_current(), f);
        fiber_park();
    }
}

static void parking_keeps_everything_until_woken(void **state)
{
    (void)state;
    begin();
    start(&fiber, note_and_park);
    turns(3);
    assert_string_equal(trace, "a");
    assert_null(fiber_current());
    fiber_wake(&fiber);
    assert_string_equal(trace, "a");
    turns(3);
    assert_string_equal(trace, "ab");
    fiber_wake(&fiber);
    fiber_wake(&fiber);
    turns(3);
    assert_string_equal(trace, "abc");
    fiber_wake(&fiber);
    turns(1);
    assert_false(fiber.started);
    end();
}

static void wake_then_park(struct fiber *f)
{
    fiber_wake(f);
    note("1");
    fiber_park();
    note("2");
    fiber_wake(f); /* and ends: nobody may run it for that */
}

static void a_wake_up_before_parking_is_not_lost(void **state)
{
    (void)state;
    begin();
    start(&fiber, wake_then_park);
    turns(1);
    assert_string_equal(trace, "1");
    turns(1);
    assert_string_equal(trace, "12");
    assert_false(fiber.started);
    turns(2);
    end();
}

struct sleeper {
    struct fiber fiber;
    struct timer timer;
    unsigned naps;
    char name[2];
};

static void rise(struct timer *timer)
{
    fiber_wake(&container_of(timer, struct sleeper, timer)->fiber);
}

static void sleep_often(struct fiber *f)
{
    struct sleeper *s = container_of(f, struct sleeper, fiber);

    while (s->naps--) {
        note(s->name);
        timer_start(&loop, &s->timer,
                    loop_now(&loop) + NS_PER_MS * (unsigned char)s->name[0],
                    rise);
        fiber_park();
    }
}

static void many_take_turns(void **state)
{
    struct sleeper all[] = {
        {.name = "2", .naps = 3},
        {.name = "4", .naps = 3},
        {.name = "7", .naps = 2},
    };

    (void)state;
    begin();
    for (unsigned i = 0; i < array_size(all); i++)
        start(&all[i].fiber, sleep_often);
    fake_run_for(&loop, NS_PER_S);
    for (unsigned i = 0; i < array_size(all); i++)
        assert_false(all[i].fiber.started);
    assert_string_equal(trace, "24724724");
    end();
}

static void give_back(struct fiber *f)
{
    free(container_of(f, struct sleeper, fiber));
    note("f");
}

static void nothing_is_touched_after_finished(void **state)
{
    struct sleeper *s = calloc(1, sizeof(*s));

    (void)state;
    begin();
    s->fiber.finished = give_back;
    start(&s->fiber, note_one);
    turns(1);
    assert_string_equal(trace, "1f");
    end();
}

static void start_again(struct fiber *f)
{
    if (strlen(trace) < 5)
        start(f, note_one);
}

static void a_fiber_may_start_again(void **state)
{
    (void)state;
    begin();
    fiber.finished = start_again;
    start(&fiber, note_one);
    turns(9);
    assert_string_equal(trace, "11111");
    end();
}

static void parking_is_for_fibers(void **state)
{
    (void)state;
    begin();
    assert_true(fake_asserts(fiber_park()));
    assert_true(fake_asserts(fiber_wake(&fiber)));
    end();
}

/* ---- Stacks */

static void look_at_guard(struct fiber *f)
{
    char here, *guard = f->context.stack - XEN_PAGE_SIZE;

    assert_true(fake_page_is_guarded(guard));
    assert_true(__asan_address_is_poisoned(guard + XEN_PAGE_SIZE - 1));
    assert_false(fake_page_is_guarded(guard + XEN_PAGE_SIZE));
    assert_in_range((uintptr_t)__builtin_frame_address(0),
                    (uintptr_t)f->context.stack,
                    (uintptr_t)f->context.stack + f->context.stack_bytes);
    (void)here;
    note("1");
}

static void a_guard_lies_below_the_stack(void **state)
{
    (void)state;
    begin();
    start(&fiber, look_at_guard);
    assert_int_equal(pages.nr_used, STACK_PAGES + 1);
    turns(1);
    assert_string_equal(trace, "1");
    assert_int_equal(fake_calls(FAKE_GUARD_PAGE), 1);
    assert_int_equal(fake_calls(FAKE_UNGUARD_PAGE), 1);
    end();
}

static void without_memory_nothing_starts(void **state)
{
    (void)state;
    begin();
    assert_int_equal(fiber_start(&fiber, &loop, &pages, 100000, note_one),
                     -XEN_ENOMEM);
    fake_fail_call(FAKE_GUARD_PAGE, 1, -XEN_ENOMEM);
    assert_int_equal(fiber_start(&fiber, &loop, &pages, STACK_PAGES, note_one),
                     -XEN_ENOMEM);
    assert_false(fiber.started);
    turns(1);
    assert_string_equal(trace, "");
    start(&fiber, note_one);
    turns(1);
    assert_string_equal(trace, "1");
    end();
}

/* ASan may keep locals elsewhere, so bytes are taken from the stack itself. */
__attribute__((no_sanitize_address)) static void use_stack(unsigned bytes)
{
    volatile char *room = __builtin_alloca(bytes);

    for (unsigned i = 0; i < bytes; i += 64)
        room[i] = 1;
}

static void use_and_park(struct fiber *f)
{
    (void)f;
    use_stack(1000);
    fiber_park();
    use_stack(20000);
    fiber_park();
}

static void the_deepest_use_is_known(void **state)
{
    size_t used;

    (void)state;
    begin();
    start(&fiber, use_and_park);
    assert_in_range(fiber_stack_used(&fiber), 64, 128);
    turns(1);
    used = fiber_stack_used(&fiber);
    assert_in_range(used, 1000, 12000);
    fiber_wake(&fiber);
    turns(1);
    assert_in_range(fiber_stack_used(&fiber), used + 18000, used + 22000);
    assert_true(fiber_stack_used(&fiber) < STACK_PAGES * XEN_PAGE_SIZE);
    fiber_wake(&fiber);
    turns(1);
    end();
}

/* ---- Registers */

static unsigned short x87_control(void)
{
    unsigned short word;

    __asm__ volatile("fnstcw %0" : "=m"(word));
    return word;
}

static void set_x87_control(unsigned short word)
{
    __asm__ volatile("fldcw %0" : : "m"(word));
}

static void change_rounding(struct fiber *f)
{
    (void)f;
    assert_int_equal(_mm_getcsr(), 0x1f80);
    assert_int_equal(x87_control(), 0x37f);
    _mm_setcsr(0x3f80);
    set_x87_control(0x77f);
    fiber_park();
    assert_int_equal(_mm_getcsr(), 0x3f80);
    assert_int_equal(x87_control(), 0x77f);
}

static void rounding_is_each_ones_own(void **state)
{
    unsigned mxcsr = _mm_getcsr();

    (void)state;
    begin();
    start(&fiber, change_rounding);
    for (unsigned i = 0; i < 2; i++) {
        turns(1);
        assert_int_equal(_mm_getcsr(), mxcsr);
        assert_int_equal(x87_control(), 0x37f);
        if (fiber.started)
            fiber_wake(&fiber);
    }
    end();
}

/* Fill what a callee must preserve, park, and look whether it came back. The
 * compiler does not see the call: the red zone is stepped over. */
static bool registers_survive(uint64_t seed)
{
    uint64_t wrong;

    __asm__ volatile("add $-128, %%rsp\n"
                     "push %%rbp\n"
                     "mov %1, %%rbx\n"
                     "lea 1(%1), %%r12\n"
                     "lea 2(%1), %%r13\n"
                     "lea 3(%1), %%r14\n"
                     "lea 4(%1), %%r15\n"
                     "lea 5(%1), %%rbp\n"
                     "push %1\n"
                     "call fiber_park\n"
                     "pop %0\n"
                     "sub %0, %%rbx\n"
                     "sub %0, %%r12\n"
                     "sub %0, %%r13\n"
                     "sub %0, %%r14\n"
                     "sub %0, %%r15\n"
                     "sub %0, %%rbp\n"
                     "shl $4, %%r12\n"
                     "shl $8, %%r13\n"
                     "shl $12, %%r14\n"
                     "shl $16, %%r15\n"
                     "shl $20, %%rbp\n"
                     "mov %%rbx, %0\n"
                     "or %%r12, %0\n"
                     "or %%r13, %0\n"
                     "or %%r14, %0\n"
                     "or %%r15, %0\n"
                     "or %%rbp, %0\n"
                     "pop %%rbp\n"
                     "sub $-128, %%rsp\n"
                     : "=&a"(wrong), "+D"(seed)
                     :
                     : "rbx", "r12", "r13", "r14", "r15", "rcx", "rdx", "rsi",
                       "r8", "r9", "r10", "r11", "memory", "cc");
    return wrong == 0x543210;
}

struct holder {
    struct fiber fiber;
    bool intact;
};

static void hold(struct fiber *f)
{
    struct holder *h = container_of(f, struct holder, fiber);

    h->intact = registers_survive((uintptr_t)h);
}

static void registers_are_each_ones_own(void **state)
{
    struct holder a = {.intact = false}, b = {.intact = false};

    (void)state;
    begin();
    start(&a.fiber, hold);
    start(&b.fiber, hold);
    turns(1);
    fiber_wake(&a.fiber);
    fiber_wake(&b.fiber);
    turns(1);
    assert_true(a.intact && b.intact);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(a_fiber_runs_on_the_next_turn),
        test_on_fake(parking_keeps_everything_until_woken),
        test_on_fake(a_wake_up_before_parking_is_not_lost),
        test_on_fake(many_take_turns),
        test_on_fake(nothing_is_touched_after_finished),
        test_on_fake(a_fiber_may_start_again),
        test_on_fake(parking_is_for_fibers),
        test_on_fake(a_guard_lies_below_the_stack),
        test_on_fake(without_memory_nothing_starts),
        test_on_fake(the_deepest_use_is_known),
        test_on_fake(rounding_is_each_ones_own),
        test_on_fake(registers_are_each_ones_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
