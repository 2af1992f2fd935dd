/* SPDX-License-Identifier: MIT */
/* Netfront with a backend that lies: docs/hardening.md, A1 to A10, each row. */
// sources: netfront/netfront.c netfront/netfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/shaky.c tests/fake/xenstored.c
// sources: tests/fake/netback.c tests/unit/netfront_world.c
#include "tests/unit/test.h"

#include "tests/fake/shaky.h"
#include "tests/unit/netfront_world.h"

#include <stdlib.h>
#include <string.h>

/* The guest lives: a new connection works as the first one did. */
static void check_alive(struct world *w, struct side *side)
{
    *netback_manner(side->nb) = (struct netback_manner){.chunk_bytes = 4096};
    side->on_receive = NULL;
    side->hold = false;
    world_release(side, WORLD_HELD_MAX);
    netback_let_go(side->nb);
    netback_close(side->nb);
    world_settle(w);
    assert_false(side->up);
    world_connect(w, side);
    for (unsigned i = 0; i < 300; i++) {
        unsigned long frames = side->frames, sent = side->sent_frames;

        world_deliver(side, 14 + 20 * i, i, 0);
        assert_int_equal(world_send(side, 14 + 5 * i, i, 2), 0);
        fake_run_until(&w->loop,
                       side->frames > frames && side->sent_frames > sent,
                       NS_PER_S);
    }
}

/* The device is broken, the guest told why, and everything was taken away. */
static void check_broken(struct world *w, struct side *side)
{
    uint8_t frame[60] = {0};
    struct netfront_piece piece = {frame, sizeof(frame)};

    assert_false(side->up);
    assert_int_equal(world_stats(side).broken, 1);
    assert_int_equal(fake_xs_number("device/vif/0/state", 0),
                     XenbusStateClosed);
    assert_int_equal(netfront_send(side->nf, &piece, 1, false), -XEN_ENODEV);
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    assert_int_equal(fake_live_grants(), 0);
}

/* ---- Lies in the rings: one each, and what must come of it */

enum outcome {
    BREAKS, /* the device is broken */
    DROPS,  /* one frame is dropped and counted */
    FAILS,  /* one sent frame failed, and is counted */
    MATTERS_NOT,
};

/* What a liar has at hand: a receive request and two transmit requests that
 * are not answered yet. */
struct prey {
    struct netback *nb;
    netif_rx_request_t rx;
    netif_tx_request_t tx[2];
};

typedef void lie_fn(struct prey *p);

static struct world *prey_start(struct prey *p)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    world_settle(w);
    p->nb = side->nb;
    netback_manner(p->nb)->manual = true;
    assert_int_equal(world_send(side, 100, 1, 1), 0);
    assert_int_equal(world_send(side, 100, 2, 1), 0);
    world_settle(w);
    assert_true(netback_rx_next(p->nb, &p->rx));
    assert_true(netback_tx_next(p->nb, &p->tx[0]));
    assert_true(netback_tx_next(p->nb, &p->tx[1]));
    return w;
}

static void check_lie(struct world *w, struct prey *p, enum outcome outcome)
{
    struct side *side = &w->sides[0];
    struct netfront_stats stats;

    netback_push(p->nb);
    netback_notify(p->nb);
    world_settle(w);
    stats = world_stats(side);
    if (outcome == BREAKS)
        check_broken(w, side);
    else
        assert_true(side->up);
    assert_int_equal(side->frames, 0);
    assert_int_equal(stats.rx_dropped, outcome == DROPS);
    assert_int_equal(stats.tx_errors, outcome == FAILS);
    check_alive(w, side);
    world_stop(w);
}

static void run_lie(lie_fn *lie, enum outcome outcome)
{
    struct prey p;
    struct world *w = prey_start(&p);

    lie(&p);
    check_lie(w, &p, outcome);
}

/* The same for a lie that has a number. */
static void run_lie_of(void (*lie)(struct prey *p, unsigned n), unsigned n,
                       enum outcome outcome)
{
    struct prey p;
    struct world *w = prey_start(&p);

    lie(&p, n);
    check_lie(w, &p, outcome);
}

/* A3: indices. */

static void rx_index_one_too_far(struct prey *p)
{
    netback_rx_ring(p->nb)->rsp_prod = netback_rx_ring(p->nb)->req_prod + 1;
    netback_notify(p->nb);
    netback_manner(p->nb)->mute = true;
}

static void rx_index_backwards(struct prey *p)
{
    netback_rx_ring(p->nb)->rsp_prod--;
}

static void rx_index_far_away(struct prey *p)
{
    netback_rx_ring(p->nb)->rsp_prod += 0x80000000u;
}

static void tx_index_one_too_far(struct prey *p)
{
    netback_tx_ring(p->nb)->rsp_prod = netback_tx_ring(p->nb)->req_prod + 1;
}

static void tx_index_backwards(struct prey *p)
{
    netback_tx_ring(p->nb)->rsp_prod--;
}

static void tx_index_far_away(struct prey *p)
{
    netback_tx_ring(p->nb)->rsp_prod += 0x80000000u;
}

/* A lie about an index must not be mended by netback_push before the guest
 * looks. */
static void run_index_lie(lie_fn *lie)
{
    struct prey p;
    struct world *w = prey_start(&p);

    lie(&p);
    netback_notify(p.nb);
    world_settle(w);
    check_broken(w, &w->sides[0]);
    check_alive(w, &w->sides[0]);
    world_stop(w);
}

static void a3_impossible_indices_break_the_device(void **state)
{
    (void)state;
    run_index_lie(rx_index_one_too_far);
    run_index_lie(rx_index_backwards);
    run_index_lie(rx_index_far_away);
    run_index_lie(tx_index_one_too_far);
    run_index_lie(tx_index_backwards);
    run_index_lie(tx_index_far_away);
}

/* A4: ids. */

static void tx_id_out_of_range(struct prey *p)
{
    netback_tx_answer(p->nb, 0xffff, NETIF_RSP_OKAY);
}

static void tx_id_not_in_flight(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[1].id + 1, NETIF_RSP_OKAY);
}

/* The right one, but for one of the bits beyond the ring's slots. */
static void tx_id_with_bit(struct prey *p, unsigned bit)
{
    netback_tx_answer(p->nb, p->tx[0].id | 1u << bit, NETIF_RSP_OKAY);
}

static void rx_id_with_bit(struct prey *p, unsigned bit)
{
    netback_rx_answer(p->nb, p->rx.id | 1u << bit, 0, 0, 100);
}

static void tx_id_twice(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[0].id, NETIF_RSP_OKAY);
    netback_tx_answer(p->nb, p->tx[0].id, NETIF_RSP_OKAY);
}

static void rx_id_out_of_range(struct prey *p)
{
    netback_rx_answer(p->nb, 0xffff, 0, 0, 100);
}

static void rx_id_of_another(struct prey *p)
{
    netback_rx_answer(p->nb, p->rx.id + 1, 0, 0, 100);
}

static void rx_id_twice(struct prey *p)
{
    netback_rx_answer(p->nb, p->rx.id, 0, NETRXF_more_data, 100);
    netback_rx_answer(p->nb, p->rx.id, 0, 0, 100);
}

static void a4_ids_that_are_not_asked_for_break_the_device(void **state)
{
    (void)state;
    run_lie(tx_id_out_of_range, BREAKS);
    run_lie(tx_id_not_in_flight, BREAKS);
    run_lie(tx_id_twice, BREAKS);
    run_lie(rx_id_out_of_range, BREAKS);
    run_lie(rx_id_of_another, BREAKS);
    run_lie(rx_id_twice, BREAKS);
    for (unsigned bit = 8; bit < 16; bit++) {
        run_lie_of(tx_id_with_bit, bit, BREAKS);
        run_lie_of(rx_id_with_bit, bit, BREAKS);
    }
}

static void a4_what_was_in_flight_before_a_reconnect_no_longer_is(void **state)
{
    struct prey p;
    struct world *w = prey_start(&p);
    struct side *side = &w->sides[0];

    (void)state;
    netback_close(side->nb);
    world_settle(w);
    world_connect(w, side);
    assert_int_equal(world_send(side, 100, 1, 1), 0);
    world_settle(w);
    assert_true(netback_tx_next(side->nb, &p.tx[0]));
    netback_tx_answer(side->nb, p.tx[1].id, NETIF_RSP_OKAY);
    netback_push(side->nb);
    netback_notify(side->nb);
    world_settle(w);
    check_broken(w, side);
    world_stop(w);
}

/* A5: status. */

static void tx_error(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[0].id, NETIF_RSP_ERROR);
}

static void tx_dropped(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[0].id, NETIF_RSP_DROPPED);
}

static void tx_null(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[0].id, NETIF_RSP_NULL);
}

static void tx_status_of_no_meaning(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[0].id, -3);
}

static void tx_lowest_status(struct prey *p)
{
    netback_tx_answer(p->nb, p->tx[0].id, INT16_MIN);
}

static void rx_error(struct prey *p)
{
    netback_rx_answer(p->nb, p->rx.id, 0, 0, NETIF_RSP_ERROR);
}

static void rx_dropped(struct prey *p)
{
    netback_rx_answer(p->nb, p->rx.id, 0, 0, NETIF_RSP_DROPPED);
}

static void rx_status_of_no_meaning(struct prey *p)
{
    netback_rx_answer(p->nb, p->rx.id, 0, 0, -3);
}

static void rx_lowest_status(struct prey *p)
{
    netback_rx_answer(p->nb, p->rx.id, 0, 0, INT16_MIN);
}

static void
a5_a_bad_status_fails_the_frame_a_senseless_one_the_device(void **state)
{
    (void)state;
    run_lie(tx_error, FAILS);
    run_lie(tx_dropped, MATTERS_NOT);
    run_lie(tx_null, BREAKS);
    run_lie(tx_status_of_no_meaning, BREAKS);
    run_lie(tx_lowest_status, BREAKS);
    run_lie(rx_error, DROPS);
    run_lie(rx_dropped, DROPS);
    run_lie(rx_status_of_no_meaning, BREAKS);
    run_lie(rx_lowest_status, BREAKS);
}

/* A6: receive chains. */

/* One more piece; its page is filled, so that a good frame would be one. */
static void rx_piece(struct prey *p, uint16_t offset, uint16_t flags,
                     int16_t status)
{
    netback_rx_answer(p->nb, p->rx.id, offset, flags, status);
    netback_rx_next(p->nb, &p->rx);
}

static void rx_extra(struct prey *p, uint8_t type, uint8_t flags,
                     uint16_t gso_size)
{
    netif_extra_info_t extra = {.type = type, .flags = flags};

    extra.u.gso.size = gso_size;
    extra.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
    netback_rx_extra(p->nb, &extra);
    netback_rx_next(p->nb, &p->rx);
}

static void past_the_page(struct prey *p)
{
    rx_piece(p, 1, 0, 4096);
}

static void far_past_the_page(struct prey *p)
{
    rx_piece(p, 0xffff, 0, 0x7fff);
}

static void longer_than_a_page(struct prey *p)
{
    rx_piece(p, 0, 0, 4097);
}

static void second_piece_past_the_page(struct prey *p)
{
    rx_piece(p, 0, NETRXF_more_data, 100);
    rx_piece(p, 4096, 0, 1);
}

static void of_zero_bytes(struct prey *p)
{
    rx_piece(p, 0, 0, 0);
}

static void second_piece_of_zero_bytes(struct prey *p)
{
    rx_piece(p, 0, NETRXF_more_data, 100);
    rx_piece(p, 0, NETRXF_more_data, 0);
    rx_piece(p, 0, 0, 100);
}

static void shorter_than_a_header(struct prey *p)
{
    rx_piece(p, 0, NETRXF_more_data, 10);
    rx_piece(p, 0, 0, 3);
}

static void more_than_a_frame_holds(struct prey *p)
{
    for (unsigned i = 0; i < 16; i++)
        rx_piece(p, 0, NETRXF_more_data, 4096);
    rx_piece(p, 0, 0, 1);
}

static void too_many_pieces(struct prey *p)
{
    for (unsigned i = 0; i < NETFRONT_FRAGS_MAX; i++)
        rx_piece(p, 0, NETRXF_more_data, 1);
    rx_piece(p, 0, 0, 1);
}

static void flags_of_no_meaning(struct prey *p)
{
    rx_piece(p, 0, 1u << 15, 100);
}

static void gso_prefix(struct prey *p)
{
    rx_piece(p, 1448, NETRXF_gso_prefix | NETRXF_more_data, 0);
    rx_piece(p, 0, 0, 2000);
}

static void an_error_in_the_middle(struct prey *p)
{
    rx_piece(p, 0, NETRXF_more_data, 100);
    rx_piece(p, 0, NETRXF_more_data, NETIF_RSP_ERROR);
    rx_piece(p, 0, 0, 100);
}

static void gso_of_size_0(struct prey *p)
{
    rx_piece(p, 0, NETRXF_extra_info, 100);
    rx_extra(p, XEN_NETIF_EXTRA_TYPE_GSO, 0, 0);
}

static void gso_that_was_not_offered(struct prey *p)
{
    rx_piece(p, 0, NETRXF_extra_info | NETRXF_more_data, 100);
    rx_extra(p, XEN_NETIF_EXTRA_TYPE_GSO, 0, 1448);
    rx_piece(p, 0, 0, 4000);
}

static void an_extra_of_type_0(struct prey *p)
{
    rx_piece(p, 0, NETRXF_extra_info, 100);
    rx_extra(p, XEN_NETIF_EXTRA_TYPE_NONE, 0, 0);
}

static void an_unknown_extra_after_a_known_one(struct prey *p)
{
    rx_piece(p, 0, NETRXF_extra_info | NETRXF_more_data, 100);
    rx_extra(p, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE, 0);
    rx_extra(p, 200, 0, 0);
    rx_piece(p, 0, 0, 100);
}

static void endless_extras(struct prey *p)
{
    rx_piece(p, 0, NETRXF_extra_info, 100);
    for (unsigned i = 0; i < 50; i++)
        rx_extra(p, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE, 0);
}

static void a6_bad_chains_are_dropped_and_the_next_frame_is_not(void **state)
{
    (void)state;
    run_lie(past_the_page, DROPS);
    run_lie(far_past_the_page, DROPS);
    run_lie(longer_than_a_page, DROPS);
    run_lie(second_piece_past_the_page, DROPS);
    run_lie(of_zero_bytes, DROPS);
    run_lie(second_piece_of_zero_bytes, DROPS);
    run_lie(shorter_than_a_header, DROPS);
    run_lie(more_than_a_frame_holds, DROPS);
    run_lie(too_many_pieces, DROPS);
    run_lie(flags_of_no_meaning, DROPS);
    run_lie(gso_prefix, DROPS);
    run_lie(an_error_in_the_middle, DROPS);
    run_lie(gso_of_size_0, DROPS);
    run_lie(gso_that_was_not_offered, DROPS);
    run_lie(an_extra_of_type_0, DROPS);
    run_lie(an_unknown_extra_after_a_known_one, DROPS);
    run_lie(endless_extras, BREAKS);
}

/* After each bad chain, in the same connection, a good frame. */
static void a6_the_chain_is_resynchronised(void **state)
{
    static lie_fn *const lies[] = {
        past_the_page,      second_piece_past_the_page,
        of_zero_bytes,      second_piece_of_zero_bytes,
        too_many_pieces,    more_than_a_frame_holds,
        gso_prefix,         gso_of_size_0,
        an_extra_of_type_0, an_unknown_extra_after_a_known_one,
        rx_error,           an_error_in_the_middle,
    };

    (void)state;
    for (unsigned i = 0; i < array_size(lies); i++) {
        struct prey p;
        struct world *w = prey_start(&p);
        struct side *side = &w->sides[0];
        uint8_t frame[200];

        lies[i](&p);
        if (lies[i] == rx_error)
            netback_rx_next(p.nb, &p.rx);
        world_fill(frame, sizeof(frame), 77);
        assert_int_equal(
            netback_write(p.nb, p.rx.gref, 3, frame, sizeof(frame)), 0);
        rx_piece(&p, 3, 0, sizeof(frame));
        netback_push(p.nb);
        world_settle(w);
        assert_int_equal(side->frames, 1);
        assert_int_equal(side->last_seq, 77);
        assert_int_equal(world_stats(side).rx_dropped, 1);
        world_stop(w);
    }
}

/* A frame that never ends keeps no page, and nobody else waits for it. */
static void a6_an_endless_chain_holds_nothing(void **state)
{
    struct prey p;
    struct world *w = prey_start(&p);
    struct side *side = &w->sides[0];
    struct netback_stats stats;
    unsigned long used = w->pages.nr_used;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        rx_piece(&p, 0, NETRXF_more_data, 1000);
        netback_push(p.nb);
        loop_turn(&w->loop);
    }
    netback_stats(p.nb, &stats);
    assert_true(side->up);
    assert_int_equal(side->frames, 0);
    assert_int_equal(w->pages.nr_used, used);
    assert_in_range(stats.rx_posted, netfront_buffers(side->nf) - 4,
                    netfront_buffers(side->nf));
    check_alive(w, side);
    world_stop(w);
}

/* ---- A1, A2: what is shared changes under our eyes */

static unsigned looks;

/* Called while a frame is being handled: the backend rewrites every slot, the
 * one of this frame too. */
static void scribble_meanwhile(struct side *side,
                               const struct netfront_frame *frame)
{
    looks++;
    netback_scribble(side->nb);
    assert_int_equal(frame->nr_frags, 1);
    side->last_seq = world_check(frame->frags[0].data, frame->bytes);
}

static void a1_a_slot_rewritten_after_it_was_shown_does_no_harm(void **state)
{
    (void)state;
    looks = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct world *w = world_start(&(struct fake_config){.seed = i + 1});
        struct side *side = world_vif_up(w, 0);

        side->on_receive = scribble_meanwhile;
        world_deliver(side, 500, 5, 0);
        fake_run_until(&w->loop, side->frames, NS_PER_S);
        check_alive(w, side);
        world_stop(w);
    }
    assert_in_range(looks, 200, 400);
}

static void a1_slots_rewritten_all_the_time_do_no_harm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        struct world *w = world_start(&(struct fake_config){.seed = i + 1});
        struct side *side = world_vif_up(w, 0);

        side->on_receive = world_look;
        netback_manner(side->nb)->manual = true;
        fake_scribble(netback_scribble, side->nb);
        for (unsigned k = 0; k < 20 && netback_rx_ring(side->nb); k++) {
            netback_rx_ring(side->nb)->rsp_prod++;
            (void)world_send(side, 100, k, 2);
            netback_notify(side->nb);
            world_settle(w);
        }
        fake_scribble(NULL, NULL);
        check_alive(w, side);
        world_stop(w);
    }
}

#define RX_SLOTS 256 /* of either ring */

/* Honest frames both ways, but each word of the slots changes as soon as it was
 * read: nobody notices, for nobody reads one twice. */
static void a1_each_word_of_a_slot_is_read_once(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    struct netback_stats before, after;
    netif_rx_sring_t *rx;
    netif_tx_sring_t *tx;
    unsigned long reads;

    (void)state;
    netback_manner(side->nb)->hash = true;
    world_settle(w);
    netback_stats(side->nb, &before);
    for (unsigned i = 0; i < 20; i++) {
        world_deliver(side, 14 + 1000 * i, i, 0);
        assert_int_equal(world_send(side, 14 + 70 * i, i, 2), 0);
    }
    netback_rings(side->nb, &rx, &tx);
    shaky_start(rx->ring, RX_SLOTS * sizeof(netif_rx_response_t), ~0u);
    shaky_start(tx->ring, RX_SLOTS * sizeof(union netif_tx_sring_entry), ~0u);
    world_settle(w);
    while (world_send(side, 100, 1, 1) == 0) /* looks for room */
        ;
    world_settle(w);
    reads = shaky_stop();
    netback_stats(side->nb, &after);
    assert_true(side->up);
    assert_int_equal(world_stats(side).broken, 0);
    assert_int_equal(world_stats(side).rx_dropped, 0);
    assert_int_equal(world_stats(side).tx_errors, 0);
    assert_int_equal(side->frames, 20);
    assert_int_equal(side->sent_frames, side->accepted);
    /* Two words to receive, one to send; what was sent and what is still in
     * the ring's end is answered later. */
    assert_in_range(reads, 2 * (after.rx_slots - before.rx_slots) + 1,
                    2 * (after.rx_slots - before.rx_slots) +
                        (after.tx_slots - before.tx_slots));
    world_stop(w);
}

/* The index changes after each look: what was there before is handed up. */
static void a1_each_look_at_the_index_is_one_read(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    netif_rx_sring_t *rx;
    netif_tx_sring_t *tx;

    (void)state;
    world_settle(w);
    for (unsigned i = 0; i < 20; i++)
        world_deliver(side, 100, i, 0);
    netback_rings(side->nb, &rx, &tx);
    shaky_start(&rx->rsp_prod, sizeof(RING_IDX), 0x40000001);
    fake_run_until(&w->loop, !side->up, NS_PER_S);
    shaky_stop();
    assert_int_equal(side->frames, 20);
    assert_true(world_logged("receive responses to nothing"));
    check_alive(w, side);
    world_stop(w);
}

static struct prey *writer;

static void write_meanwhile(struct side *side,
                            const struct netfront_frame *frame)
{
    (void)frame;
    looks++;
    assert_int_not_equal(netback_write(side->nb, writer->rx.gref, 0, "x", 1),
                         GNTST_okay);
    assert_int_not_equal(netback_read(side->nb, writer->rx.gref, 0, &looks, 1),
                         GNTST_okay);
}

static void a2_a_received_page_is_private_before_it_is_looked_at(void **state)
{
    struct prey p;
    struct world *w = prey_start(&p);
    struct side *side = &w->sides[0];

    (void)state;
    side->on_receive = write_meanwhile;
    side->hold = true;
    writer = &p;
    looks = 0;
    netback_rx_answer(p.nb, p.rx.id, 0, 0, 60);
    netback_push(p.nb);
    world_settle(w);
    assert_int_equal(looks, 1);
    /* Not later either, until the owner has given it back. */
    assert_int_not_equal(netback_write(p.nb, p.rx.gref, 0, "x", 1), GNTST_okay);
    world_release(side, 1);
    world_settle(w);
    assert_int_equal(netback_write(p.nb, p.rx.gref, 0, "x", 1), GNTST_okay);
    world_stop(w);
}

/* ---- A7: events */

static unsigned ticks;
static struct loop *tick_loop;

static void tick(struct timer *timer)
{
    ticks++;
    timer_start(tick_loop, timer, loop_now(tick_loop) + NS_PER_MS, tick);
}

static void a7_a_storm_of_events_starves_nobody(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    struct timer timer = {0};

    (void)state;
    netback_manner(side->nb)->storm = true;
    tick_loop = &w->loop;
    ticks = 0;
    timer_start(&w->loop, &timer, fake_now(), tick);
    fake_run_for(&w->loop, 20 * NS_PER_MS);
    assert_in_range(ticks, 19, 21);
    assert_in_range(world_stats(side).events, 1000, 5000);
    timer_stop(&w->loop, &timer);
    world_deliver(side, 100, 1, 0);
    fake_run_until(&w->loop, side->frames, NS_PER_S);
    check_alive(w, side);
    world_stop(w);
}

/* Without events, work is found whenever there is a reason to look. */
static void a7_without_events_the_ring_tells(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    world_settle(w);
    netback_manner(side->nb)->mute = true;
    for (unsigned i = 0; i < 1000; i++) {
        world_deliver(side, 100, i, 0);
        world_settle(w);
        assert_int_equal(world_send(side, 100, i, 1), 0);
        world_settle(w);
    }
    assert_in_range(side->frames, 900, 1000);
    assert_int_equal(side->sent_frames, 1000);
    world_stop(w);
}

/* A frame that no event tells of, and room that nobody tells the sender of. */
static void a7_a_look_is_as_good_as_an_event(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    world_settle(w);
    netback_manner(side->nb)->mute = true;
    world_deliver(side, 100, 1, 0);
    world_settle(w);
    assert_int_equal(side->frames, 0);
    netfront_look(side->nf);
    world_settle(w);
    assert_int_equal(side->frames, 1);

    while (world_send(side, 100, 2, 1) == 0)
        ;
    world_settle(w);
    assert_int_equal(side->sent_frames, side->accepted);
    assert_int_equal(side->sendables, 0);
    netfront_look(side->nf);
    world_settle(w);
    assert_int_equal(side->sendables, 1);
    world_stop(w);
}

/* ---- A8: grants that are kept */

static void a8_a_page_kept_mapped_is_never_used_again(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned long used;

    (void)state;
    world_settle(w);
    used = w->pages.nr_used;
    netback_manner(side->nb)->keep = true;
    for (unsigned i = 0; i < 10; i++)
        world_deliver(side, 100, i, 0);
    world_settle(w);
    /* Not one of them was looked at. */
    assert_int_equal(side->frames, 0);
    assert_int_equal(world_stats(side).rx_dropped, 10);
    assert_int_equal(w->gt.nr_parked, 10);
    assert_int_equal(w->pages.nr_used, used + 10);

    netback_manner(side->nb)->keep = false;
    world_deliver(side, 100, 11, 0);
    fake_run_until(&w->loop, side->frames, NS_PER_S);
    netback_let_go(side->nb);
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    assert_int_equal(w->gt.nr_parked, 0);
    assert_int_equal(w->pages.nr_used, used);
    world_stop(w);
}

static void a8_who_keeps_everything_gets_no_more(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned long used;

    (void)state;
    world_settle(w);
    used = w->pages.nr_used;
    netback_manner(side->nb)->keep = true;
    for (unsigned i = 0; i < 2 * netfront_buffers(side->nf); i++)
        world_deliver(side, 100, i, 0);
    world_settle(w);
    assert_int_equal(world_stats(side).broken, 1);
    /* Nor does it when it comes back while it still has them. */
    netback_close(side->nb);
    world_settle(w);
    netback_start(side->nb);
    world_settle(w);
    assert_false(side->up);
    assert_in_range(w->pages.nr_used, 0, 2 * used);
    check_alive(w, side);
    world_stop(w);
}

/* Another vif does not notice. */
static void a8_what_one_backend_keeps_costs_another_nothing(void **state)
{
    struct world *w = world_start(NULL);
    struct side *bad = world_vif_up(w, 0), *good = world_vif_up(w, 1);

    (void)state;
    world_settle(w);
    netback_manner(bad->nb)->keep = true;
    for (unsigned i = 0; i < 2 * netfront_buffers(bad->nf); i++)
        world_deliver(bad, 100, i, 0);
    world_settle(w);
    assert_int_equal(world_stats(bad).broken, 1);
    assert_true(w->gt.nr_parked > netfront_buffers(good->nf));
    check_alive(w, good);
    netback_let_go(bad->nb);
    world_stop(w);
}

static void a8_sent_pages_kept_mapped_outlive_the_connection(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    netback_manner(side->nb)->keep = true;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(world_send(side, 1000, i, 1), 0);
    world_settle(w);
    assert_int_equal(side->sent_frames, 20);
    netback_manner(side->nb)->keep = false;
    netback_close(side->nb);
    world_settle(w);
    assert_int_equal(w->gt.nr_parked, 10); /* two halves each */
    world_connect(w, side);
    assert_int_equal(world_send(side, 1000, 21, 1), 0);
    fake_run_until(&w->loop, side->sent_seq == 21, NS_PER_S);
    check_alive(w, side);
    world_stop(w);
}

/* ---- A9: the fake netback looks at all of every page it is granted. Here
 * all memory was in use before. */

static void a9_only_zeroed_pages_are_granted(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif(w, 0);
    unsigned long n = pages_available(&w->pages) - 1;
    void *all = page_alloc(&w->pages, n);

    (void)state;
    memset(all, 0xee, n * XEN_PAGE_SIZE);
    page_free(&w->pages, all, n);
    world_connect(w, side);
    for (unsigned round = 0; round < 3; round++) {
        side->hold = true;
        for (unsigned i = 0; i < 60; i++) {
            world_deliver(side, 1000, i, 0);
            (void)world_send(side, 1000, i, 1);
        }
        world_settle(w);
        netback_close(side->nb);
        world_settle(w);
        world_connect(w, side);
        /* Pages with a past come back from the owner. */
        world_release(side, WORLD_HELD_MAX);
        world_settle(w);
    }
    check_alive(w, side);
    world_stop(w);
}

/* ---- A10: the backend comes and goes */

static void leave_by_closing(struct side *side)
{
    netback_close(side->nb);
}

static void leave_without_a_word(struct side *side)
{
    netback_vanish(side->nb);
}

static void leave_by_state(struct side *side, const char *state)
{
    fake_xs_set(FAKE_XS_BACKEND("vif", 0) "/state", state);
    world_settle(
        (struct world *)((char *)side - offsetof(struct world, sides[0])));
    netback_close(side->nb);
}

static void leave_backwards(struct side *side)
{
    leave_by_state(side, "2"); /* InitWait */
}

static void leave_to_the_beginning(struct side *side)
{
    leave_by_state(side, "1"); /* Initialising */
}

static void leave_to_nonsense(struct side *side)
{
    leave_by_state(side, "77");
}

static void a10_every_way_to_leave_in_mid_flight_can_be_repeated(void **state)
{
    static void (*const leave[])(struct side * side) = {
        leave_by_closing,       leave_without_a_word, leave_backwards,
        leave_to_the_beginning, leave_to_nonsense,
    };

    (void)state;
    for (unsigned i = 0; i < array_size(leave); i++) {
        struct world *w = world_start(NULL);
        struct side *side = world_vif_up(w, 0);
        unsigned long used = w->pages.nr_used;
        struct netfront_stats stats;

        for (unsigned round = 0; round < 40; round++) {
            netback_manner(side->nb)->hold_answers = round % 2;
            side->hold = round % 3;
            for (unsigned k = 0; k < 30; k++) {
                world_deliver(side, 14 + 300 * k, k, 0);
                (void)world_send(side, 1500, k, 2);
            }
            fake_set_limit(fake_now());
            for (unsigned turn = 0; turn < round % 7; turn++)
                loop_turn(&w->loop);
            leave[i](side);
            fake_run_for(&w->loop, NS_PER_S);
            assert_false(side->up);
            world_release(side, side->nr_held / 2);
            world_connect(w, side);
            world_release(side, WORLD_HELD_MAX);
            netback_manner(side->nb)->hold_answers = false;
            side->hold = false;
            world_settle(w);
            /* What was held across is replaced, not added to. */
            assert_in_range(w->pages.nr_used, used * 3 / 4, used);
        }
        stats = world_stats(side);
        assert_int_equal(stats.broken, 0);
        assert_in_range(stats.reconnects, 40, 80);
        assert_int_equal(side->ups, stats.reconnects + 1);
        assert_int_equal(side->downs, stats.reconnects);
        assert_true(stats.tx_dropped > 0);
        check_alive(w, side);
        world_stop(w);
    }
}

static void a10_what_the_next_backend_offers_counts(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        struct netback_offer *offer = netback_offer(side->nb);

        netback_close(side->nb);
        world_settle(w);
        offer->sg = i & 1;
        offer->split = i & 2;
        offer->csum_ipv4 = i & 4;
        offer->csum_ipv6 = i & 8;
        world_connect(w, side);
        assert_int_equal(netfront_info(side->nf)->scatter_gather, offer->sg);
        assert_int_equal(netfront_info(side->nf)->checksum_ipv4,
                         offer->csum_ipv4);
        assert_int_equal(netfront_info(side->nf)->checksum_ipv6,
                         offer->csum_ipv6);
        check_alive(w, side);
    }
    world_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a1_a_slot_rewritten_after_it_was_shown_does_no_harm),
        cmocka_unit_test(a1_slots_rewritten_all_the_time_do_no_harm),
        cmocka_unit_test(a1_each_word_of_a_slot_is_read_once),
        cmocka_unit_test(a1_each_look_at_the_index_is_one_read),
        cmocka_unit_test(a2_a_received_page_is_private_before_it_is_looked_at),
        cmocka_unit_test(a3_impossible_indices_break_the_device),
        cmocka_unit_test(a4_ids_that_are_not_asked_for_break_the_device),
        cmocka_unit_test(a4_what_was_in_flight_before_a_reconnect_no_longer_is),
        cmocka_unit_test(
            a5_a_bad_status_fails_the_frame_a_senseless_one_the_device),
        cmocka_unit_test(a6_bad_chains_are_dropped_and_the_next_frame_is_not),
        cmocka_unit_test(a6_the_chain_is_resynchronised),
        cmocka_unit_test(a6_an_endless_chain_holds_nothing),
        cmocka_unit_test(a7_a_storm_of_events_starves_nobody),
        cmocka_unit_test(a7_without_events_the_ring_tells),
        cmocka_unit_test(a7_a_look_is_as_good_as_an_event),
        cmocka_unit_test(a8_a_page_kept_mapped_is_never_used_again),
        cmocka_unit_test(a8_who_keeps_everything_gets_no_more),
        cmocka_unit_test(a8_what_one_backend_keeps_costs_another_nothing),
        cmocka_unit_test(a8_sent_pages_kept_mapped_outlive_the_connection),
        cmocka_unit_test(a9_only_zeroed_pages_are_granted),
        cmocka_unit_test(a10_every_way_to_leave_in_mid_flight_can_be_repeated),
        cmocka_unit_test(a10_what_the_next_backend_offers_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
