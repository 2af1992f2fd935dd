/* SPDX-License-Identifier: MIT */
/* Netfront with an honest backend: features, frames, memory, hypercalls. */
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

/* What to change in the offer of a backend before it starts. */
typedef void change_fn(struct netback_offer *offer);

static struct side *vif_up_with(struct world *w, change_fn *change)
{
    struct side *side = world_vif(w, 0);

    change(netback_offer(side->nb));
    world_connect(w, side);
    return side;
}

/* A vif that is refused: the link never comes up. */
static struct side *vif_down_with(struct world *w, change_fn *change)
{
    struct side *side = world_vif(w, 0);

    change(netback_offer(side->nb));
    netback_start(side->nb);
    world_create(w, side, 0);
    world_settle(w);
    assert_false(side->up);
    return side;
}

static void deliver_one(struct world *w, struct side *side, size_t bytes,
                        unsigned flags)
{
    static uint32_t seq;
    unsigned long before = side->frames;

    world_deliver(side, bytes, ++seq, flags);
    fake_run_until(&w->loop, side->frames == before + 1, NS_PER_S);
    assert_int_equal(side->last_seq, seq);
    assert_int_equal(side->last.bytes, bytes);
}

static void send_one(struct world *w, struct side *side, size_t bytes,
                     unsigned pieces)
{
    static uint32_t seq;
    unsigned long before = side->sent_frames;

    assert_int_equal(world_send(side, bytes, ++seq, pieces), 0);
    fake_run_until(&w->loop, side->sent_frames == before + 1, NS_PER_S);
    assert_int_equal(side->sent_seq, seq);
    assert_int_equal(side->sent_bytes, bytes);
}

/* ---- The handshake */

static void connects_and_tells_what_it_learnt(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    const struct netfront_info *info = netfront_info(side->nf);

    (void)state;
    assert_memory_equal(info->mac, "\x00\x16\x3e\x00\x00\x00", 6);
    assert_int_equal(info->mtu, 1500);
    assert_int_equal(info->tx_frame_max, 1518);
    assert_true(info->checksum_ipv4);
    assert_true(info->checksum_ipv6);
    assert_true(info->scatter_gather);
    assert_null(fake_xs_get("device/vif/0/event-channel"));
    assert_null(fake_xs_get("device/vif/0/feature-gso-tcpv4"));
    assert_null(fake_xs_get("device/vif/0/feature-no-csum-offload"));
    assert_true(world_logged("vif0: up, mac 00:16:3e:00:00:00, mtu 1500"));
    world_stop(w);
}

static void no_copy(struct netback_offer *offer)
{
    offer->rx_copy = false;
}

static void a_backend_without_rx_copy_is_refused(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = vif_down_with(w, no_copy);

    (void)state;
    assert_true(world_logged("feature-rx-copy"));
    assert_true(world_logged("/local/domain/0/backend/vif/5/0"));
    assert_int_equal(world_send(side, 60, 1, 1), -XEN_ENODEV);
    world_stop(w);
}

static void no_split(struct netback_offer *offer)
{
    offer->split = false;
}

static void one_event_channel_where_there_are_not_two(void **state)
{
    struct world *w = world_start(NULL);
    unsigned ports = fake_open_ports();
    struct side *side = vif_up_with(w, no_split);

    (void)state;
    assert_non_null(fake_xs_get("device/vif/0/event-channel"));
    assert_null(fake_xs_get("device/vif/0/event-channel-tx"));
    assert_int_equal(fake_open_ports(), ports + 1);
    for (unsigned i = 0; i < 1000; i++) {
        deliver_one(w, side, 60 + i, 0);
        send_one(w, side, 60 + i, 1);
    }
    world_stop(w);
}

static void no_sg(struct netback_offer *offer)
{
    offer->sg = false;
    offer->mtu = "9000";
}

static void without_sg_a_frame_fits_one_page(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = vif_up_with(w, no_sg);

    (void)state;
    assert_int_equal(netfront_info(side->nf)->mtu, 4096 - 14);
    assert_int_equal(netfront_info(side->nf)->tx_frame_max, 4096);
    assert_true(world_logged("feature-sg"));
    send_one(w, side, 4096, 3);
    assert_int_equal(world_send(side, 4097, 0, 1), -XEN_E2BIG);
    world_stop(w);
}

static void no_csum(struct netback_offer *offer)
{
    offer->csum_ipv4 = false;
    offer->csum_ipv6 = false;
}

static void checksum_offload_is_what_the_backend_says(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = vif_up_with(w, no_csum);

    (void)state;
    assert_false(netfront_info(side->nf)->checksum_ipv4);
    assert_false(netfront_info(side->nf)->checksum_ipv6);
    world_stop(w);
}

static void bad_mac(struct netback_offer *offer)
{
    offer->mac = "00:16:3e:00:0:001";
}

static void long_mac(struct netback_offer *offer)
{
    offer->mac = "00:16:3e:00:00:01:02";
}

static void missing_mac(struct netback_offer *offer)
{
    offer->mac = NULL;
}

static void a_mac_that_is_none_is_refused(void **state)
{
    change_fn *const changes[] = {bad_mac, long_mac, missing_mac};

    (void)state;
    for (unsigned i = 0; i < array_size(changes); i++) {
        struct world *w = world_start(NULL);

        vif_down_with(w, changes[i]);
        assert_true(world_logged("device/vif/0/mac"));
        world_stop(w);
    }
}

static const char *mtu_text;

static void some_mtu(struct netback_offer *offer)
{
    offer->mtu = mtu_text;
}

static void the_mtu_is_xenstores(void **state)
{
    static const struct {
        const char *text;
        unsigned mtu;
    } cases[] = {
        {"68", 68},       {"67", 1500},
        {"0", 1500},      {"1400", 1400},
        {"2030", 2030},   {"2031", 2031},
        {"9000", 9000},   {"65521", 65521},
        {"99999", 65521}, {"nine", 1500},
        {"", 1500},       {"-1", 1500},
        {"15e2", 1500},   {"4294967296", 65521},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct world *w = world_start(NULL);
        struct side *side;

        mtu_text = cases[i].text;
        side = vif_up_with(w, some_mtu);
        if (netfront_info(side->nf)->mtu != cases[i].mtu)
            fail_msg("mtu \"%s\" became %u", mtu_text,
                     netfront_info(side->nf)->mtu);
        send_one(w, side, cases[i].mtu + 14, 3);
        world_stop(w);
    }
}

static void the_mtu_fits_what_memory_there_is(void **state)
{
    struct world *w = world_start(&(struct fake_config){.pages = 256});
    struct side *side;
    const struct netfront_info *info;

    (void)state;
    mtu_text = "65521";
    side = vif_up_with(w, some_mtu);
    info = netfront_info(side->nf);
    assert_in_range(info->mtu, 8 * 4096 - 14, 14 * 4096 - 14);
    assert_int_equal(info->tx_frame_max, info->mtu + 14);
    assert_true(world_logged("little memory"));
    send_one(w, side, info->tx_frame_max, 2);
    world_stop(w);
}

static void two_vifs_are_two(void **state)
{
    struct world *w = world_start(NULL);
    struct side *a = world_vif_up(w, 0);
    struct side *b = world_vif_up(w, 1);

    (void)state;
    assert_int_equal(netfront_info(b->nf)->mac[5], 1);
    for (unsigned i = 0; i < 100; i++) {
        deliver_one(w, a, 100, 0);
        deliver_one(w, b, 200, 0);
        send_one(w, a, 300, 2);
        send_one(w, b, 400, 2);
    }
    netback_close(a->nb);
    fake_run_until(&w->loop, !a->up, NS_PER_S);
    deliver_one(w, b, 200, 0);
    send_one(w, b, 400, 2);
    assert_int_equal(a->frames, 100);
    world_stop(w);
}

/* ---- Frames */

static void big_mtu(struct netback_offer *offer)
{
    offer->mtu = "65521";
}

static void frames_of_all_sizes_arrive(void **state)
{
    static const size_t sizes[] = {14,   15,   60,   1514,  1518,  4095, 4096,
                                   4097, 8192, 9014, 12289, 65000, 65535};
    struct world *w = world_start(NULL);
    struct side *side = vif_up_with(w, big_mtu);

    (void)state;
    for (unsigned i = 0; i < array_size(sizes); i++) {
        deliver_one(w, side, sizes[i], 0);
        assert_int_equal(side->last.nr_frags, (sizes[i] + 4095) / 4096);
    }
    assert_int_equal(world_stats(side).rx_frames, array_size(sizes));
    assert_int_equal(world_stats(side).rx_dropped, 0);
    world_stop(w);
}

static void frames_in_many_small_pieces_arrive(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    netback_manner(side->nb)->chunk_bytes = 100;
    deliver_one(w, side, 1800, 0);
    assert_int_equal(side->last.nr_frags, NETFRONT_FRAGS_MAX);
    /* One piece more than a frame may have: dropped, and what follows is not
     * mistaken for its rest. */
    world_deliver(side, 1801, 1, 0);
    deliver_one(w, side, 1700, 0);
    assert_int_equal(world_stats(side).rx_dropped, 1);
    world_stop(w);
}

static void frames_of_all_sizes_are_sent(void **state)
{
    static const size_t sizes[] = {14,   60,   1514, 2048,  2049,  4095, 4096,
                                   4097, 8192, 9014, 12289, 65000, 65535};
    struct world *w = world_start(NULL);
    struct side *side = vif_up_with(w, big_mtu);

    (void)state;
    for (unsigned i = 0; i < array_size(sizes); i++) {
        send_one(w, side, sizes[i], 1);
        send_one(w, side, sizes[i], 17);
    }
    assert_int_equal(world_send(side, 13, 0, 1), -XEN_EINVAL);
    assert_int_equal(world_send(side, 0, 0, 1), -XEN_EINVAL);
    assert_int_equal(world_send(side, 65536, 0, 1), -XEN_E2BIG);
    assert_int_equal(world_stats(side).tx_frames, 2 * array_size(sizes));
    assert_int_equal(world_stats(side).tx_errors, 0);
    world_stop(w);
}

static void every_page_of_the_pool_carries_two_small_frames(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned sent = 0;

    (void)state;
    netback_manner(side->nb)->hold_tx = true;
    while (world_send(side, 1514, sent, 1) == 0)
        sent++;
    /* An even number, two for each of a sixteenth of the pages there were. */
    assert_int_equal(sent % 2, 0);
    assert_in_range(sent, 2 * 1024 / 20, 2 * 1024 / 16);
    netback_manner(side->nb)->hold_tx = false;
    fake_run_until(&w->loop, side->sent_frames == sent, NS_PER_S);
    world_stop(w);
}

static void checksum_flags_pass_both_ways(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    uint8_t frame[60];
    struct netfront_piece piece = {frame, sizeof(frame)};

    (void)state;
    deliver_one(w, side, 100, 0);
    assert_false(side->last.checksum_good || side->last.checksum_blank);
    deliver_one(w, side, 100, NETBACK_CSUM_GOOD);
    assert_true(side->last.checksum_good && !side->last.checksum_blank);
    deliver_one(w, side, 9000, NETBACK_CSUM_BLANK);
    assert_true(side->last.checksum_good && side->last.checksum_blank);

    send_one(w, side, 100, 1);
    assert_int_equal(side->sent_flags, 0);
    world_fill(frame, sizeof(frame), 9);
    assert_int_equal(netfront_send(side->nf, &piece, 1, true), 0);
    fake_run_until(&w->loop, side->sent_frames == 2, NS_PER_S);
    assert_int_equal(side->sent_flags, NETBACK_CSUM_BLANK | NETBACK_CSUM_GOOD);
    world_stop(w);
}

static void hash_extra_infos_are_skipped(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    netback_manner(side->nb)->hash = true;
    deliver_one(w, side, 100, 0);
    deliver_one(w, side, 9000, 0);
    deliver_one(w, side, 100, NETBACK_CSUM_GOOD);
    assert_true(side->last.checksum_good);
    assert_int_equal(world_stats(side).rx_dropped, 0);
    world_stop(w);
}

/* ---- Room */

static void a_sender_without_room_is_told_once_when_there_is(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned sent = 0;

    (void)state;
    side->ordered = true;
    netback_manner(side->nb)->hold_answers = true;
    while (world_send(side, 1514, sent, 1) == 0)
        sent++;
    assert_int_equal(world_send(side, 60, 0, 1), -XEN_EAGAIN);
    world_settle(w);
    assert_int_equal(side->sent_frames, sent);
    assert_int_equal(side->sendables, 0);
    assert_int_equal(world_send(side, 60, 0, 1), -XEN_EAGAIN);
    assert_int_equal(world_stats(side).tx_full, 3);

    netback_manner(side->nb)->hold_answers = false;
    fake_run_until(&w->loop, side->sendables, NS_PER_S);
    world_settle(w);
    assert_int_equal(side->sendables, 1);
    assert_int_equal(world_send(side, 60, sent, 1), 0);
    fake_run_until(&w->loop, side->sent_frames == sent + 1, NS_PER_S);
    world_stop(w);
}

static void send_until_full(struct side *side)
{
    while (side->accepted < 5000)
        if (world_send(side, 1514, side->accepted, 1))
            return;
}

static void send_until_full_too(struct side *side,
                                const struct netfront_frame *frame)
{
    side->last_seq = world_check(frame->frags[0].data, frame->bytes);
    send_until_full(side);
}

/* It refuses to send more in the callbacks as well, and must then be woken. */
static void a_sender_that_always_has_more_never_stalls(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    world_settle(w);
    side->ordered = true;
    side->on_sendable = send_until_full;
    side->on_receive = send_until_full_too;
    world_deliver(side, 100, 0, 0);
    fake_run_until(&w->loop, side->sent_frames == 5000, NS_PER_S);
    /* A quarter of the pool at least for each time that it was woken. */
    assert_in_range(side->sendables, 20, 5000 / (1024 / 16 * 2 / 4));
    world_stop(w);
}

/* Answers that come one by one do not wake it one by one. */
static void a_sender_that_waits_is_woken_for_a_quarter_of_the_pool(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    netif_tx_request_t request;
    unsigned sent = 0, answered = 0;
    uint64_t events;

    (void)state;
    netback_manner(side->nb)->manual = true;
    while (world_send(side, 1514, sent, 1) == 0)
        sent++;
    world_settle(w);
    events = world_stats(side).events;
    while (!side->sendables) {
        assert_true(netback_tx_next(side->nb, &request));
        netback_tx_answer(side->nb, request.id, NETIF_RSP_OKAY);
        netback_push(side->nb);
        answered++;
        world_settle(w);
    }
    assert_int_equal(answered, sent / 4);
    assert_int_equal(world_stats(side).events, events + 1);
    world_stop(w);
}

static void the_largest_frame_waits_for_as_much_room(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = vif_up_with(w, big_mtu);
    netif_tx_request_t request;
    unsigned sent = 0, ids[300], taken = 0;

    (void)state;
    netback_manner(side->nb)->manual = true;
    while (world_send(side, 4000, sent, 1) == 0)
        sent++;
    assert_int_equal(world_send(side, 65535, sent, 1), -XEN_EAGAIN);
    world_settle(w);
    while (netback_tx_next(side->nb, &request))
        ids[taken++] = request.id;
    assert_int_equal(taken, sent);
    for (unsigned i = 0; i < 15; i++)
        netback_tx_answer(side->nb, ids[i], NETIF_RSP_OKAY);
    netback_push(side->nb);
    world_settle(w);
    assert_int_equal(side->sendables, 0); /* 16 are needed */
    netback_tx_answer(side->nb, ids[15], NETIF_RSP_OKAY);
    netback_push(side->nb);
    world_settle(w);
    assert_int_equal(side->sendables, 1);
    assert_int_equal(world_send(side, 65535, sent, 1), 0);
    world_stop(w);
}

static void pages_that_the_owner_holds_slow_the_backend_down(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned buffers = netfront_buffers(side->nf);

    (void)state;
    side->hold = side->ordered = true;
    for (unsigned i = 0; i < buffers + 50; i++)
        world_deliver(side, 1000, i, 0);
    world_settle(w);
    assert_int_equal(side->frames, buffers);
    assert_int_equal(netback_backlog(side->nb), 50);
    world_release(side, 20);
    world_settle(w);
    assert_int_equal(netback_backlog(side->nb), 30);
    world_release(side, 30);
    world_settle(w);
    assert_int_equal(side->frames, buffers + 50);
    world_release(side, WORLD_HELD_MAX);
    world_stop(w);
}

static void releasing_what_is_not_out_is_our_own_error(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    assert_true(fake_asserts(netfront_release(side->nf, 0, true)));
    assert_true(fake_asserts(netfront_release(side->nf, 100000, true)));
    world_stop(w);
}

static void pools_fit_the_memory(void **state)
{
    static const struct {
        unsigned long pages;
        unsigned min, max;
    } cases[] = {
        /* memory= 1, 2, 4, 16, 64 */
        {256, 20, 30},    {512, 40, 60},     {1024, 100, 128},
        {4096, 256, 256}, {16384, 256, 256},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct fake_config config = {.pages = cases[i].pages};
        struct world *w = world_start(&config);
        struct side *side = world_vif_up(w, 0);

        assert_in_range(netfront_buffers(side->nf), cases[i].min, cases[i].max);
        /* The device itself, its pools and rings: a quarter at most. */
        assert_in_range(w->pages.nr_used, 0, cases[i].pages / 4);
        deliver_one(w, side, 1514, 0);
        send_one(w, side, 1514, 1);
        world_stop(w);
    }
}

/* ---- Turns, hypercalls, fairness */

static struct world *echo_world;

static void echo(struct side *side, const struct netfront_frame *frame)
{
    struct netfront_piece piece = {frame->frags[0].data, frame->bytes};

    (void)echo_world;
    side->last_seq = world_check(piece.data, piece.bytes);
    assert_int_equal(netfront_send(side->nf, &piece, 1, false), 0);
}

/* In one sleep the backend takes and gives all there is; so a burst of frames
 * each way costs one sleep and one notification, whatever its length. */
static void a_burst_costs_two_hypercalls(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    side->on_receive = echo;
    for (unsigned burst = 1; burst <= 40; burst++) {
        unsigned long before;

        world_settle(w);
        before = fake_hypercalls();
        for (unsigned i = 0; i < burst; i++)
            world_deliver(side, 1000, i, 0);
        side->frames = side->sent_frames = 0;
        fake_run_until(&w->loop, side->sent_frames == burst, NS_PER_S);
        assert_int_equal(side->frames, burst);
        /* It sleeps until the frames come, notifies, and sleeps again. */
        assert_in_range(fake_hypercalls() - before, 2, 3);
    }
    assert_int_equal(fake_calls(FAKE_GRANT_FRAMES), w->gt.nr_frames);
    world_stop(w);
}

static void a_turn_notifies_once(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned long before;

    (void)state;
    world_settle(w);
    before = fake_calls(FAKE_NOTIFY);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(world_send(side, 100, i, 2), 0);
    assert_int_equal(fake_calls(FAKE_NOTIFY), before);
    loop_turn(&w->loop);
    assert_int_equal(fake_calls(FAKE_NOTIFY), before + 1);
    fake_run_until(&w->loop, side->sent_frames == 40, NS_PER_S);
    assert_int_equal(fake_calls(FAKE_NOTIFY), before + 1);
    world_stop(w);
}

static void one_event_channel_is_notified_once_for_both_rings(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = vif_up_with(w, no_split);
    unsigned long before;

    (void)state;
    side->hold = true;
    for (unsigned i = 0; i < netfront_buffers(side->nf) + 1; i++)
        world_deliver(side, 1000, i, 0);
    world_settle(w); /* the backend waits for a page now */
    before = fake_calls(FAKE_NOTIFY);
    world_release(side, 1);
    assert_int_equal(world_send(side, 100, 0, 1), 0);
    fake_run_until(&w->loop, side->sent_frames, NS_PER_S);
    assert_int_equal(fake_calls(FAKE_NOTIFY), before + 1);
    assert_int_equal(netback_backlog(side->nb), 0);
    world_stop(w);
}

/* Nobody waits for the answers to what was sent: no event comes for them. */
static void sending_wakes_nobody(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    uint64_t before;

    (void)state;
    send_one(w, side, 100, 1);
    world_settle(w);
    before = world_stats(side).events;
    for (unsigned i = 0; i < 1000; i++)
        send_one(w, side, 100, 1);
    world_settle(w);
    assert_int_equal(world_stats(side).events, before);
    world_stop(w);
}

static unsigned ticks;

static void tick(struct timer *timer)
{
    struct world *w = echo_world;

    ticks++;
    timer_start(&w->loop, timer, loop_now(&w->loop), tick);
}

/* What is in the ring comes before timers that are due, unless it never ends.
 */
static void timers_wait_for_a_burst_but_not_for_a_flood(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    struct timer timer = {0};

    (void)state;
    world_settle(w);
    for (unsigned i = 0; i < 100; i++)
        world_deliver(side, 100, i, 0);
    fake_run_backends();
    echo_world = w;
    ticks = 0;
    tick(&timer);
    while (side->frames < 100) {
        unsigned long before = side->frames;

        loop_turn(&w->loop);
        assert_in_range(side->frames - before, 0, 64);
        assert_int_equal(ticks, side->frames < 100 ? 1 : 2);
    }
    for (unsigned i = 0; i < 2000; i++) {
        world_deliver(side, 100, 100 + i, 0);
        if (i % 70 == 69) {
            fake_run_backends();
            loop_turn(&w->loop);
        }
    }
    assert_in_range(ticks, 2 + 2000 / 70 / (LOOP_PATIENCE + 1), 10);
    timer_stop(&w->loop, &timer);
    world_settle(w);
    world_stop(w);
}

/* ---- Comings and goings */

static void only_what_was_not_answered_counts_as_dropped(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        send_one(w, side, 3 * 500, 1);
    netback_manner(side->nb)->hold_answers = true;
    for (unsigned i = 0; i < 3; i++)
        send_one(w, side, 3 * 500, 1);
    assert_int_equal(world_stats(side).tx_dropped, 0);
    netback_close(side->nb);
    fake_run_until(&w->loop, !side->up, NS_PER_S);
    assert_int_equal(world_stats(side).tx_dropped, 3);
    world_stop(w);
}

static void destroying_it_at_any_moment_leaves_nothing(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 60; turns++) {
        struct world *w = world_start(NULL);
        struct side *side = world_vif(w, 0);

        netback_start(side->nb);
        world_create(w, side, 0);
        fake_set_limit(fake_now() + NS_PER_S);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(&w->loop);
        fake_set_limit(UINT64_MAX);
        world_stop(w);
    }
}

static void destroying_it_with_pages_out_waits_for_them(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif_up(w, 0);
    unsigned long used;

    (void)state;
    side->hold = true;
    for (unsigned i = 0; i < 10; i++)
        deliver_one(w, side, 9000, 0);
    netfront_destroy(side->nf);
    fake_run_for(&w->loop, NS_PER_S);
    used = w->pages.nr_used;
    /* The pages are still the owner's, to read and to write. */
    for (unsigned i = 0; i < side->last.nr_frags; i++)
        memset(side->last.frags[i].data, 1, side->last.frags[i].bytes);
    world_release(side, 29);
    assert_int_equal(w->pages.nr_used, used - 29);
    world_release(side, 1);
    assert_int_equal(w->pages.nr_used, w->gt.nr_frames);
    side->nf = NULL;
    world_stop(w);
}

static void no_memory_for_the_device_is_said(void **state)
{
    struct world *w = world_start(NULL);
    struct side *side = world_vif(w, 0);
    unsigned long n = pages_available(&w->pages);
    void *all = page_alloc(&w->pages, n - 2);

    (void)state;
    world_create(w, side, 0);
    assert_null(side->nf);
    assert_true(world_logged("vif0: no memory"));
    page_free(&w->pages, all, n - 2);
    world_stop(w);
}

/* Every allocation and hypercall of the opening fails once; each time it gives
 * up cleanly, and when the backend comes back, it works. */
static void a_failed_opening_leaves_nothing_and_can_be_repeated(void **state)
{
    static const enum fake_call calls[] = {FAKE_ALLOC_UNBOUND,
                                           FAKE_ALLOC_UNBOUND};

    (void)state;
    for (unsigned i = 0; i < array_size(calls); i++) {
        struct world *w = world_start(NULL);
        struct side *side = world_vif(w, 0);

        netback_start(side->nb);
        world_create(w, side, 0);
        fake_fail_call(calls[i], i + 1, -XEN_ENOSPC);
        world_settle(w);
        assert_false(side->up);
        assert_true(world_logged("no memory, or no grants or ports"));
        assert_int_equal(fake_live_grants(), 0);
        netback_close(side->nb);
        world_settle(w);
        world_connect(w, side);
        deliver_one(w, side, 100, 0);
        world_stop(w);
    }
}

static void an_opening_without_memory_can_be_repeated(void **state)
{
    (void)state;
    for (unsigned left = 0; left < 60; left++) {
        struct world *w = world_start(NULL);
        struct side *side = world_vif(w, 0);
        unsigned long n;
        void *all;

        netback_start(side->nb);
        world_create(w, side, 0);
        n = pages_available(&w->pages) - left;
        all = page_alloc(&w->pages, n);
        world_settle(w);
        page_free(&w->pages, all, n);
        /* 20 to receive, 8 to send, two rings, one for the references. */
        assert_int_equal(side->up, left >= 31);
        if (side->up) {
            struct netback_stats stats;

            netback_stats(side->nb, &stats);
            assert_in_range(stats.rx_posted, 20, 256);
        } else {
            assert_true(world_logged("no memory, or no grants or ports"));
            netback_close(side->nb);
            world_settle(w);
            world_connect(w, side);
        }
        deliver_one(w, side, 9000, 0);
        send_one(w, side, 1514, 3);
        world_stop(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_tells_what_it_learnt),
        cmocka_unit_test(a_backend_without_rx_copy_is_refused),
        cmocka_unit_test(one_event_channel_where_there_are_not_two),
        cmocka_unit_test(without_sg_a_frame_fits_one_page),
        cmocka_unit_test(checksum_offload_is_what_the_backend_says),
        cmocka_unit_test(a_mac_that_is_none_is_refused),
        cmocka_unit_test(the_mtu_is_xenstores),
        cmocka_unit_test(the_mtu_fits_what_memory_there_is),
        cmocka_unit_test(two_vifs_are_two),
        cmocka_unit_test(frames_of_all_sizes_arrive),
        cmocka_unit_test(frames_in_many_small_pieces_arrive),
        cmocka_unit_test(frames_of_all_sizes_are_sent),
        cmocka_unit_test(every_page_of_the_pool_carries_two_small_frames),
        cmocka_unit_test(checksum_flags_pass_both_ways),
        cmocka_unit_test(hash_extra_infos_are_skipped),
        cmocka_unit_test(a_sender_without_room_is_told_once_when_there_is),
        cmocka_unit_test(a_sender_that_always_has_more_never_stalls),
        cmocka_unit_test(
            a_sender_that_waits_is_woken_for_a_quarter_of_the_pool),
        cmocka_unit_test(the_largest_frame_waits_for_as_much_room),
        cmocka_unit_test(pages_that_the_owner_holds_slow_the_backend_down),
        cmocka_unit_test(releasing_what_is_not_out_is_our_own_error),
        cmocka_unit_test(pools_fit_the_memory),
        cmocka_unit_test(a_burst_costs_two_hypercalls),
        cmocka_unit_test(a_turn_notifies_once),
        cmocka_unit_test(one_event_channel_is_notified_once_for_both_rings),
        cmocka_unit_test(sending_wakes_nobody),
        cmocka_unit_test(timers_wait_for_a_burst_but_not_for_a_flood),
        cmocka_unit_test(only_what_was_not_answered_counts_as_dropped),
        cmocka_unit_test(destroying_it_at_any_moment_leaves_nothing),
        cmocka_unit_test(destroying_it_with_pages_out_waits_for_them),
        cmocka_unit_test(no_memory_for_the_device_is_said),
        cmocka_unit_test(a_failed_opening_leaves_nothing_and_can_be_repeated),
        cmocka_unit_test(an_opening_without_memory_can_be_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
