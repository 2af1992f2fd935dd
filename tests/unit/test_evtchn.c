/* SPDX-License-Identifier: MIT */
/* The pending bits. */
// sources: xen/evtchn.c tests/fake/hv.c
#include "tests/unit/test.h"

#include "xen/abi.h"
#include "xen/evtchn.h"

#include <pthread.h>
#include <string.h>

#define LAST_PORT (EVTCHN_2L_NR_CHANNELS - 1)

static void set_pending(evtchn_port_t port)
{
    xen_ulong_t *pending = hv_info()->shared->evtchn_pending;

    __atomic_or_fetch(&pending[port / 64], (xen_ulong_t)1 << (port % 64),
                      __ATOMIC_RELEASE);
}

static void taking_clears_one_bit_only(void **state)
{
    static const evtchn_port_t ports[] = {1, 2, 63, 64, 127, 128, LAST_PORT};

    (void)state;
    for (unsigned i = 0; i < array_size(ports); i++)
        set_pending(ports[i]);
    for (unsigned i = 0; i < array_size(ports); i++) {
        assert_true(evtchn_is_pending(ports[i]));
        assert_true(evtchn_take(ports[i]));
        assert_false(evtchn_is_pending(ports[i]));
        assert_false(evtchn_take(ports[i]));
        for (unsigned j = i + 1; j < array_size(ports); j++)
            assert_true(evtchn_is_pending(ports[j]));
    }
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(hv_info()->shared->evtchn_pending[i], 0);
}

static void taking_needs_no_hypercall(void **state)
{
    (void)state;
    fake_evtchn_notify(FAKE_STORE_PORT);
    assert_true(evtchn_take(FAKE_STORE_PORT));
    assert_false(evtchn_take(FAKE_STORE_PORT));
    assert_int_equal(fake_hypercalls(), 0);
}

static void the_mask_stays_as_it_was(void **state)
{
    (void)state;
    fake_evtchn_notify(FAKE_CONSOLE_PORT);
    assert_true(evtchn_take(FAKE_CONSOLE_PORT));
    for (unsigned i = 0; i < 64; i++)
        assert_true(hv_info()->shared->evtchn_mask[i] == ~(xen_ulong_t)0);
}

/* Xen sets bits of the same word while we clear ours: none may be lost. The
 * other thread sets its own bit and looks whether it is still there. */

#define RACE_ROUNDS 5000000

struct race {
    bool over;
    unsigned long set, lost;
};

static void *set_neighbour(void *arg)
{
    xen_ulong_t *word = &hv_info()->shared->evtchn_pending[1];
    struct race *race = arg;

    while (!__atomic_load_n(&race->over, __ATOMIC_RELAXED)) {
        set_pending(66);
        race->set++;
        race->lost +=
            !(__atomic_fetch_and(word, ~(xen_ulong_t)4, __ATOMIC_RELAXED) & 4);
    }
    return NULL;
}

static void a_neighbours_bit_is_never_lost(void **state)
{
    struct race race = {false, 0, 0};
    unsigned long taken = 0;
    pthread_t xen;

    (void)state;
    assert_int_equal(pthread_create(&xen, NULL, set_neighbour, &race), 0);
    for (unsigned i = 0; i < RACE_ROUNDS; i++) {
        set_pending(65);
        taken += evtchn_take(65);
    }
    __atomic_store_n(&race.over, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(xen, NULL), 0);
    assert_int_equal(taken, RACE_ROUNDS);
    assert_int_equal(race.lost, 0);
    assert_true(race.set > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(taking_clears_one_bit_only),
        test_on_fake(taking_needs_no_hypercall),
        test_on_fake(the_mask_stays_as_it_was),
        test_on_fake(a_neighbours_bit_is_never_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
