/* SPDX-License-Identifier: MIT */
/*
 * A step of the fake machine. `look_out` and `look_in` say that a notification
 * came since the ring was last found empty (out) or full (in): without one,
 * the rings are not looked at, whatever is in them.
 *
 * Indices of the guest that are impossible fail the test: the guest is ours.
 */
#include "tests/fake/xenconsoled.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

/* The real one reads its terminal in pieces of this size. */
#define TYPED_AT_ONCE 80

struct xenconsoled {
    bool look_out, look_in, deaf;
    uint32_t read_max;
    uint64_t pause_ns, paused_until_ns;
    char *output;
    size_t output_bytes, output_room;
    char typed[XENCONSOLED_PASTE_MAX];
    size_t typed_at, typed_bytes;
};

struct xencons_interface *xenconsoled_ring(void)
{
    return hv_info()->console_page;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void keep(struct xenconsoled *xc, char byte)
{
    if (xc->output_bytes + 1 == xc->output_room) {
        xc->output_room *= 2;
        xc->output = realloc(xc->output, xc->output_room);
        if (!xc->output)
            fake_fail("xenconsoled: no memory");
    }
    xc->output[xc->output_bytes++] = byte;
    xc->output[xc->output_bytes] = '\0';
}

/* Time is to stop there, and let the steps run. */
static void wake(void *arg)
{
    (void)arg;
}

static void pause_reading(struct xenconsoled *xc)
{
    if (xc->pause_ns == 0)
        return;
    xc->paused_until_ns = fake_now() + xc->pause_ns;
    fake_at(xc->paused_until_ns, wake, NULL);
}

static bool read_output(struct xenconsoled *xc)
{
    struct xencons_interface *ring = xenconsoled_ring();
    uint32_t len = ring->out_prod - ring->out_cons;

    if (!xc->look_out || xc->deaf || fake_now() < xc->paused_until_ns)
        return false;
    if (len > sizeof(ring->out))
        fake_fail("xenconsoled: out_prod %u, out_cons %u", ring->out_prod,
                  ring->out_cons);
    if (len == 0) {
        xc->look_out = false;
        return false;
    }
    for (len = min_u32(len, xc->read_max); len > 0; len--) {
        uint32_t at = MASK_XENCONS_IDX(ring->out_cons++, ring->out);
        keep(xc, ring->out[at]);
    }
    pause_reading(xc);
    fake_evtchn_notify(hv_info()->console_port);
    return true;
}

static bool give_input(struct xenconsoled *xc)
{
    struct xencons_interface *ring = xenconsoled_ring();
    uint32_t used = ring->in_prod - ring->in_cons;
    uint32_t room = sizeof(ring->in) - used;

    if (!xc->look_in || xc->typed_bytes == 0)
        return false;
    if (used > sizeof(ring->in))
        fake_fail("xenconsoled: in_prod %u, in_cons %u", ring->in_prod,
                  ring->in_cons);
    if (room == 0) {
        xc->look_in = false;
        return false;
    }
    uint32_t len =
        min_u32(min_u32(room, TYPED_AT_ONCE), (uint32_t)xc->typed_bytes);
    for (uint32_t i = 0; i < len; i++) {
        uint32_t at = MASK_XENCONS_IDX(ring->in_prod++, ring->in);
        ring->in[at] = xc->typed[xc->typed_at++];
    }
    xc->typed_bytes -= len;
    fake_evtchn_notify(hv_info()->console_port);
    return true;
}

static bool step(void *arg)
{
    struct xenconsoled *xc = arg;

    if (fake_evtchn_take(hv_info()->console_port))
        xc->look_out = xc->look_in = true;
    bool did_read = read_output(xc);
    bool did_type = give_input(xc);
    return did_read || did_type;
}

struct xenconsoled *xenconsoled_start(void)
{
    struct xenconsoled *xc = calloc(1, sizeof(*xc));

    if (!xc)
        fake_fail("xenconsoled: no memory");
    xc->look_in = true;
    xc->read_max = UINT32_MAX;
    xc->output_room = 1;
    keep(xc, '\0'); /* an empty string to begin with */
    xc->output_bytes = 0;
    fake_add_backend(step, xc);
    return xc;
}

void xenconsoled_stop(struct xenconsoled *xc)
{
    fake_remove_backend(step, xc);
    free(xc->output);
    free(xc);
}

void xenconsoled_be_slow(struct xenconsoled *xc, unsigned bytes,
                         uint64_t pause_ns)
{
    xc->read_max = bytes;
    xc->pause_ns = pause_ns;
}

void xenconsoled_be_deaf(struct xenconsoled *xc, bool deaf)
{
    xc->deaf = deaf;
    xc->look_out = true;
}

void xenconsoled_type(struct xenconsoled *xc, const char *bytes, size_t len)
{
    memmove(xc->typed, xc->typed + xc->typed_at, xc->typed_bytes);
    xc->typed_at = 0;
    if (len > sizeof(xc->typed) - xc->typed_bytes)
        fake_fail("xenconsoled: pasted too much");
    memcpy(xc->typed + xc->typed_bytes, bytes, len);
    xc->typed_bytes += len;
}

size_t xenconsoled_untyped(const struct xenconsoled *xc)
{
    return xc->typed_bytes;
}

const char *xenconsoled_output(const struct xenconsoled *xc)
{
    return xc->output;
}

size_t xenconsoled_output_bytes(const struct xenconsoled *xc)
{
    return xc->output_bytes;
}
