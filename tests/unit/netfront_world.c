/* SPDX-License-Identifier: MIT */
/* See netfront_world.h. */
#include "tests/unit/netfront_world.h"

#include "kernel/log.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_NS (50 * NS_PER_MS)

static struct world world;
static char logged[65536];
static size_t logged_bytes;

/* ---- Frames */

/* Bytes 4.. of a frame: cheap to make, different for each number and place. */
static uint8_t pattern(uint32_t seq, size_t at)
{
    uint32_t x = (uint32_t)at * 2654435761u + seq * 40503u;

    return x >> 24 ^ x >> 13;
}

void world_fill(void *frame, size_t bytes, uint32_t seq)
{
    uint8_t *to = frame;

    memcpy(to, &seq, sizeof(seq));
    for (size_t i = sizeof(seq); i < bytes; i++)
        to[i] = pattern(seq, i);
}

uint32_t world_check(const void *frame, size_t bytes)
{
    const uint8_t *from = frame;
    uint32_t seq;

    memcpy(&seq, from, sizeof(seq));
    for (size_t i = sizeof(seq); i < bytes; i++)
        if (from[i] != pattern(seq, i))
            fake_fail("frame %u of %zu bytes: byte %zu is wrong", seq, bytes,
                      i);
    return seq;
}

int world_send(struct side *side, size_t bytes, uint32_t seq, unsigned pieces)
{
    static uint8_t frame[WORLD_FRAME_MAX + 1];
    struct netfront_piece piece[32];
    size_t at = 0;
    int error;

    world_fill(frame, bytes, seq);
    for (unsigned i = 0; i < pieces; i++) {
        size_t n =
            i + 1 == pieces ? bytes - at : fake_random_below(bytes - at + 1);

        piece[i] = (struct netfront_piece){n ? frame + at : NULL, n};
        at += n;
    }
    error = netfront_send(side->nf, piece, pieces, false);
    side->accepted += !error;
    return error;
}

void world_deliver(struct side *side, size_t bytes, uint32_t seq,
                   unsigned flags)
{
    uint8_t frame[WORLD_FRAME_MAX];

    world_fill(frame, bytes, seq);
    netback_deliver(side->nb, frame, bytes, flags);
    side->delivered++;
}

/* ---- The owner */

static void on_link(void *arg, bool up)
{
    struct side *side = arg;

    if (up == side->up)
        fake_fail("the link was %s already", up ? "up" : "down");
    side->up = up;
    side->ups += up;
    side->downs += !up;
}

static void on_sendable(void *arg)
{
    struct side *side = arg;

    side->sendables++;
    if (side->on_sendable)
        side->on_sendable(side);
}

static void on_receive(void *arg, const struct netfront_frame *frame)
{
    static uint8_t data[WORLD_FRAME_MAX];
    struct side *side = arg;
    size_t at = 0;

    if (!side->up)
        fake_fail("a frame while the link is down");
    for (unsigned i = 0; i < frame->nr_frags; i++) {
        memcpy(data + at, frame->frags[i].data, frame->frags[i].bytes);
        at += frame->frags[i].bytes;
    }
    if (at != frame->bytes)
        fake_fail("%zu bytes in pieces, %u in all", at, frame->bytes);
    if (side->on_receive)
        side->on_receive(side, frame);
    else
        side->last_seq = world_check(data, at);
    if (side->ordered && side->last_seq != side->next_rx++)
        fake_fail("frame %u instead of %u", side->last_seq, side->next_rx - 1);
    side->frames++;
    side->last = *frame;
    for (unsigned i = 0; i < frame->nr_frags; i++)
        side->held[side->nr_held++] = frame->frags[i];
    if (!side->hold)
        world_release(side, WORLD_HELD_MAX);
}

void world_look(struct side *side, const struct netfront_frame *frame)
{
    (void)side;
    for (unsigned i = 0; i < frame->nr_frags; i++)
        for (unsigned k = 0; k < frame->frags[i].bytes; k++)
            (void)((const volatile uint8_t *)frame->frags[i].data)[k];
}

/* Some pieces are written to: the backend would notice, did it see that. */
static void release(struct side *side, const struct netfront_frag *piece)
{
    bool written = piece->buffer % 2;

    if (written)
        memset(piece->data, 0x5a, piece->bytes);
    netfront_release(side->nf, piece->buffer, written);
}

void world_release(struct side *side, unsigned n)
{
    if (n > side->nr_held)
        n = side->nr_held;
    for (unsigned i = 0; i < n; i++)
        release(side, &side->held[i]);
    side->nr_held -= n;
    memmove(side->held, side->held + n, side->nr_held * sizeof(side->held[0]));
}

/* ---- The other end of the wire */

static void on_frame(void *arg, const void *frame, size_t bytes, unsigned flags)
{
    struct side *side = arg;

    side->sent_seq = world_check(frame, bytes);
    if (side->ordered && side->sent_seq != side->next_tx++)
        fake_fail("sent %u instead of %u", side->sent_seq, side->next_tx - 1);
    side->sent_frames++;
    side->sent_bytes = bytes;
    side->sent_flags = flags;
}

/* ---- The world */

static void keep_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (logged_bytes + len >= sizeof(logged))
        logged_bytes = 0; /* the latest lines matter */
    memcpy(logged + logged_bytes, line, len);
    logged_bytes += len;
    logged[logged_bytes] = '\0';
}

bool world_logged(const char *text)
{
    return strstr(logged, text) != NULL;
}

struct world *world_start(const struct fake_config *config)
{
    struct world *w = &world;

    fake_stop(); /* after a test that failed */
    memset(w, 0, sizeof(*w));
    logged_bytes = 0;
    logged[0] = '\0';
    log_set_sink(keep_line, NULL);
    fake_start(config);
    fake_xs_start();
    pages_init(&w->pages);
    loop_init(&w->loop);
    gnttab_init(&w->gt, &w->loop, &w->pages);
    xs_init(&w->xs, &w->loop);
    return w;
}

void world_settle(struct world *w)
{
    fake_run_for(&w->loop, SETTLE_NS);
}

struct side *world_vif(struct world *w, unsigned index)
{
    struct side *side = &w->sides[index];

    side->nb = netback_new(index);
    netback_on_frame(side->nb, on_frame, side);
    return side;
}

void world_create(struct world *w, struct side *side, unsigned index)
{
    const struct netfront_owner owner = {
        .link = on_link,
        .receive = on_receive,
        .sendable = on_sendable,
        .arg = side,
    };

    side->nf =
        netfront_create(index, &w->loop, &w->pages, &w->gt, &w->xs, &owner);
}

void world_connect(struct world *w, struct side *side)
{
    netback_start(side->nb);
    if (!side->nf)
        world_create(w, side, side - w->sides);
    fake_run_until(&w->loop, side->up, NS_PER_S);
}

struct side *world_vif_up(struct world *w, unsigned index)
{
    struct side *side = world_vif(w, index);

    world_connect(w, side);
    return side;
}

void world_destroy(struct world *w, struct side *side)
{
    if (!side->nf)
        return;
    netfront_destroy(side->nf);
    world_settle(w);
    world_release(side, WORLD_HELD_MAX);
    side->nf = NULL;
    side->up = false;
}

/* What is left when all devices are gone is the frames' bookkeeping. */
static void check_nothing_left(struct world *w)
{
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    if (w->gt.nr_live)
        fake_fail("%u grant references were not given back", w->gt.nr_live);
    if (w->pages.nr_used != w->gt.nr_frames)
        fake_fail("%lu pages are lost", w->pages.nr_used - w->gt.nr_frames);
    if (fake_xs_watches())
        fake_fail("%u watches were forgotten", fake_xs_watches());
}

void world_stop(struct world *w)
{
    for (unsigned i = 0; i < array_size(w->sides); i++)
        world_destroy(w, &w->sides[i]);
    for (unsigned i = 0; i < array_size(w->sides); i++)
        if (w->sides[i].nb)
            netback_free(w->sides[i].nb);
    check_nothing_left(w);
    fake_xs_stop();
    fake_stop();
    fake_check_clean();
}

struct netfront_stats world_stats(const struct side *side)
{
    struct netfront_stats stats;

    netfront_stats(side->nf, &stats);
    return stats;
}
