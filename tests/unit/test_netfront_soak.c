/* SPDX-License-Identifier: MIT */
/*
 * Netfront under everything at once, at random and for a long time: two vifs,
 * all that may happen on a wire, in memory and with a backend, in any order.
 * Each run has another seed; SEED=n changes all of them.
 */
// sources: netfront/netfront.c netfront/netfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/netback.c
// sources: tests/unit/netfront_world.c
#include "tests/unit/test.h"

#include "tests/unit/netfront_world.h"

#include <stdlib.h>
#include <string.h>

#define RUNS   24
#define EPOCHS 12  /* connections in a run */
#define STEPS  150 /* of chance in a connection */

static size_t random_size(size_t max)
{
    size_t size = 14 + fake_random_below(max - 13);

    switch (fake_random_below(4)) {
    case 0:
        size = 14 + fake_random_below(50);
        break;
    case 1:
        size = max - fake_random_below(8);
        break;
    case 2:
        size = 1400 + fake_random_below(115);
        break;
    }
    return size < max ? size : max;
}

static void random_offer(struct side *side)
{
    static const char *const mtus[] = {"68",   "1500", "2030",
                                       "2031", "9000", "65521"};
    struct netback_offer *offer = netback_offer(side->nb);

    offer->sg = fake_chance(80);
    offer->split = fake_chance(50);
    offer->csum_ipv4 = fake_chance(50);
    offer->csum_ipv6 = fake_chance(50);
    offer->mtu = fake_chance(70) ? NULL : mtus[fake_random_below(6)];
}

/* ---- What the two ends do that is right */

static void deliver_some(struct side *side)
{
    for (unsigned n = fake_random_below(40); n; n--) {
        size_t chunk = netback_manner(side->nb)->chunk_bytes;
        size_t max = 18 * chunk < 65535 ? 18 * chunk : 65535;

        if (fake_chance(90) && max > 1514)
            max = 1514;
        world_deliver(side, random_size(max), side->delivered, 0);
    }
}

static void send_some(struct side *side)
{
    uint32_t max = netfront_info(side->nf)->tx_frame_max;

    for (unsigned n = fake_random_below(40); n; n--)
        (void)world_send(side, random_size(max), side->accepted,
                         1 + fake_random_below(5));
}

static void change_manner(struct side *side)
{
    struct netback_manner *manner = netback_manner(side->nb);

    manner->hold_tx = fake_chance(20);
    manner->hold_answers = fake_chance(20);
    manner->shuffle = fake_chance(50);
    manner->storm = fake_chance(5);
    side->hold = fake_chance(50);
}

/* Only between frames: the backlog's room was counted by these. */
static void change_chunks(struct side *side)
{
    struct netback_manner *manner = netback_manner(side->nb);

    if (netback_backlog(side->nb))
        return;
    manner->hash = fake_chance(20);
    manner->chunk_bytes = fake_chance(50) ? 4096 : 64 + fake_random_below(4033);
}

static void pass_time(struct world *w)
{
    fake_set_limit(fake_now() + fake_random_below(1000000));
    for (unsigned n = fake_random_below(20); n; n--)
        loop_turn(&w->loop);
    fake_set_limit(UINT64_MAX);
}

static void honest_step(struct world *w, struct side *side)
{
    switch (fake_random_below(8)) {
    case 0:
    case 1:
        deliver_some(side);
        break;
    case 2:
    case 3:
        send_some(side);
        break;
    case 4:
        world_release(side, fake_random_below(side->nr_held + 1));
        break;
    case 5:
        change_manner(side);
        break;
    case 6:
        change_chunks(side);
        break;
    default:
        pass_time(w);
    }
}

/* ---- And what is not */

static void lie(struct side *side)
{
    struct netback *nb = side->nb;
    netif_extra_info_t extra;
    uint64_t r = fake_random();

    if (!netback_connected(nb))
        return;
    switch (fake_random_below(8)) {
    case 0:
        netback_scribble(nb);
        break;
    case 1:
        netback_rx_ring(nb)->rsp_prod += fake_chance(50) ? 1 : (uint32_t)r;
        netback_notify(nb);
        break;
    case 2:
        netback_tx_ring(nb)->rsp_prod += fake_chance(50) ? 1 : (uint32_t)r;
        netback_notify(nb);
        break;
    case 3:
        netback_rx_answer(nb, r & 0xff, r >> 8 & 0x1fff, r >> 24 & 0x1f,
                          r >> 32 & 0x1fff);
        netback_push(nb);
        break;
    case 4:
        netback_tx_answer(nb, r & 0xff, (int16_t)(r >> 8 & 3) - 2);
        netback_push(nb);
        break;
    case 5:
        memcpy(&extra, &r, sizeof(extra));
        netback_rx_extra(nb, &extra);
        netback_push(nb);
        break;
    case 6:
        netback_manner(nb)->keep = fake_chance(50);
        break;
    default:
        netback_let_go(nb);
    }
}

static void *hoard;
static unsigned long hoarded;

/* Somebody else in the guest takes nearly all memory, or gives it back. */
static void press_memory(struct world *w)
{
    if (hoard) {
        page_free(&w->pages, hoard, hoarded);
        hoard = NULL;
        return;
    }
    hoarded = pages_available(&w->pages);
    hoarded -= fake_random_below(hoarded > 100 ? 100 : hoarded);
    hoard = hoarded ? page_alloc(&w->pages, hoarded) : NULL;
}

static void hostile_step(struct world *w, struct side *side)
{
    switch (fake_random_below(20)) {
    case 0:
    case 1:
        lie(side);
        break;
    case 2:
        press_memory(w);
        break;
    case 3:
        fake_fail_call(FAKE_ALLOC_UNBOUND, 1 + fake_random_below(3),
                       -XEN_ENOSPC);
        break;
    case 4:
        netback_manner(side->nb)->mute = fake_chance(50);
        break;
    default:
        honest_step(w, side);
    }
}

/* ---- Connections */

static void leave(struct side *side)
{
    if (fake_chance(50))
        netback_close(side->nb);
    else
        netback_vanish(side->nb);
}

static void behave(struct world *w, struct side *side)
{
    *netback_manner(side->nb) = (struct netback_manner){
        .chunk_bytes = netback_manner(side->nb)->chunk_bytes,
        .hash = netback_manner(side->nb)->hash,
    };
    netback_let_go(side->nb);
    side->hold = false;
    world_release(side, WORLD_HELD_MAX);
    if (hoard)
        press_memory(w);
    fake_fail_none();
}

/* All that was sent either way has arrived, and in order. */
static void check_all_arrived(struct world *w, struct side *side)
{
    behave(w, side);
    world_settle(w);
    assert_true(side->up);
    assert_int_equal(netback_backlog(side->nb), 0);
    assert_int_equal(side->next_rx, side->delivered);
    assert_int_equal(side->next_tx, side->accepted);
}

static void start_again(struct world *w, struct side *side)
{
    random_offer(side);
    world_connect(w, side);
}

static const struct fake_config *random_machine(unsigned run)
{
    static struct fake_config config;
    static const unsigned long pages[] = {400, 512, 1024, 2048};
    const char *seed = getenv("SEED");

    config = (struct fake_config){
        .pages = pages[run % array_size(pages)],
        .spurious_percent = run % 3 * 10,
        .seed = (seed ? strtoull(seed, NULL, 0) : 1) * 1000 + run,
    };
    return &config;
}

static void an_honest_backend_and_no_frame_is_lost(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        struct world *w = world_start(random_machine(run));
        struct side *sides[2] = {world_vif(w, 0), world_vif(w, 1)};

        for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
            for (unsigned i = 0; i < 2; i++) {
                start_again(w, sides[i]);
                sides[i]->ordered = true;
            }
            for (unsigned step = 0; step < STEPS; step++)
                honest_step(w, sides[fake_random_below(2)]);
            for (unsigned i = 0; i < 2; i++)
                check_all_arrived(w, sides[i]);
            for (unsigned i = 0; i < 2; i++)
                leave(sides[i]);
            world_settle(w);
        }
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(world_stats(sides[i]).broken, 0);
        world_stop(w);
    }
}

static void a_hostile_backend_and_the_guest_lives(void **state)
{
    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        struct world *w = world_start(random_machine(run));
        struct side *sides[2] = {world_vif(w, 0), world_vif(w, 1)};

        for (unsigned epoch = 0; epoch < EPOCHS; epoch++) {
            for (unsigned i = 0; i < 2; i++) {
                start_again(w, sides[i]);
                sides[i]->on_receive = world_look;
            }
            for (unsigned step = 0; step < STEPS; step++)
                hostile_step(w, sides[fake_random_below(2)]);
            for (unsigned i = 0; i < 2; i++) {
                behave(w, sides[i]);
                leave(sides[i]);
            }
            fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
            for (unsigned i = 0; i < 2; i++)
                behave(w, sides[i]);
        }
        world_stop(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_backend_and_no_frame_is_lost),
        cmocka_unit_test(a_hostile_backend_and_the_guest_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
