/* SPDX-License-Identifier: MIT */
/*
 * The input is what a hostile netback does: each command a byte and its
 * arguments. Whatever it is, the guest must not touch memory that is not its
 * own, not hang, and work with the honest backend that comes after.
 */
// sources: netfront/netfront.c netfront/netfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c tests/fake/netback.c
// sources: tests/unit/netfront_world.c
#include "tests/unit/netfront_world.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
    const uint8_t *at, *end;
};

static void take(struct input *in, void *to, size_t bytes)
{
    size_t n = (size_t)(in->end - in->at);

    memset(to, 0, bytes);
    memcpy(to, in->at, n < bytes ? n : bytes);
    in->at += n < bytes ? n : bytes;
}

static uint16_t take_u16(struct input *in)
{
    uint16_t value;

    take(in, &value, sizeof(value));
    return value;
}

static uint8_t take_u8(struct input *in)
{
    uint8_t value;

    take(in, &value, sizeof(value));
    return value;
}

/* Answer the next receive request, with its id if `honest`. */
static void answer_rx(struct side *side, struct input *in, bool honest)
{
    netif_rx_request_t request = {0};
    uint16_t id = honest ? 0 : take_u16(in);
    uint16_t offset = take_u16(in), flags = take_u16(in), status = take_u16(in);

    (void)netback_rx_next(side->nb, &request);
    netback_rx_answer(side->nb, honest ? request.id : id, offset, flags,
                      (int16_t)status);
}

static void answer_rx_extra(struct side *side, struct input *in)
{
    netif_rx_request_t request;
    netif_extra_info_t extra;

    take(in, &extra, sizeof(extra));
    (void)netback_rx_next(side->nb, &request);
    netback_rx_extra(side->nb, &extra);
}

static void answer_tx(struct side *side, struct input *in, bool honest)
{
    netif_tx_request_t request = {0};
    uint16_t id = honest ? 0 : take_u16(in);
    int16_t status = (int16_t)((int)(take_u8(in) % 8) - 4);

    (void)netback_tx_next(side->nb, &request);
    netback_tx_answer(side->nb, honest ? request.id : id, status);
}

static void in_the_rings(struct side *side, unsigned command, struct input *in)
{
    switch (command) {
    case 0:
    case 1:
        answer_rx(side, in, command);
        break;
    case 2:
        answer_rx_extra(side, in);
        break;
    case 3:
    case 4:
        answer_tx(side, in, command == 4);
        break;
    case 5:
        netback_rx_ring(side->nb)->rsp_prod += take_u16(in);
        break;
    case 6:
        netback_tx_ring(side->nb)->rsp_prod += take_u16(in);
        break;
    case 7:
        netback_scribble(side->nb);
        break;
    default:
        netback_push(side->nb);
    }
}

static void around_the_rings(struct world *w, struct side *side,
                             unsigned command, struct input *in)
{
    switch (command) {
    case 9:
        (void)world_send(side, take_u16(in), 0, 1 + take_u8(in) % 32);
        break;
    case 10:
        side->hold = take_u8(in) & 1;
        break;
    case 11:
        world_release(side, take_u8(in));
        break;
    case 12:
        netback_let_go(side->nb);
        netback_manner(side->nb)->keep = take_u8(in) & 1;
        break;
    case 13:
        netback_manner(side->nb)->manual = take_u8(in) & 1;
        break;
    case 14:
        netback_close(side->nb);
        fake_run_for(&w->loop, NS_PER_MS);
        netback_start(side->nb);
        break;
    default:
        netback_notify(side->nb);
        fake_run_for(&w->loop, take_u8(in));
    }
}

static void play(struct world *w, struct side *side, struct input *in)
{
    while (in->at < in->end) {
        unsigned command = take_u8(in) % 16;

        if (command > 8)
            around_the_rings(w, side, command, in);
        else if (netback_connected(side->nb))
            in_the_rings(side, command, in);
    }
    netback_notify(side->nb);
    fake_run_for(&w->loop, NS_PER_MS);
}

static void check_alive(struct world *w, struct side *side)
{
    unsigned long frames = side->frames;

    *netback_manner(side->nb) = (struct netback_manner){.chunk_bytes = 4096};
    side->hold = false;
    world_release(side, WORLD_HELD_MAX);
    netback_let_go(side->nb);
    netback_close(side->nb);
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    world_connect(w, side);
    world_deliver(side, 1000, 1, 0);
    fake_run_until(&w->loop, side->frames > frames, NS_PER_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input in = {data, data + bytes};
    struct world *w = world_start(&(struct fake_config){.pages = 300});
    struct side *side = world_vif_up(w, 0);

    netback_manner(side->nb)->manual = true;
    side->on_receive = world_look;
    play(w, side, &in);
    check_alive(w, side);
    world_stop(w);
    return 0;
}
