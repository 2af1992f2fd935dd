/* SPDX-License-Identifier: MIT */
/*
 * The frontend's half of a shared ring.
 *
 * Four free-running 32-bit indices; they wrap, so their order is that of their
 * differences:
 *
 *     rsp_cons <= rsp_seen <= req_pushed <= req_prod <= rsp_cons + size
 *
 * All of them are private; the backend's rsp_prod becomes rsp_seen only if it
 * keeps this order. A slot is read in words, each exactly once (volatile), so
 * that the compiler cannot read shared memory again after the checks.
 *
 * Notifications must not be lost in a race, so each side first publishes its
 * own index and then reads the event index that the other one stored, in that
 * order. This needs sequential consistency; everywhere else acquire and
 * release are enough.
 */
#include "xen/bus/ring.h"

#include <assert.h>
#include <string.h>

DEFINE_RING_TYPES(any, uint32_t, uint32_t);

_Static_assert(sizeof(struct ring_shared) == offsetof(struct any_sring, ring),
               "the slots begin where Xen's macros have them");
_Static_assert(offsetof(struct ring_shared, req_event) ==
                       offsetof(struct any_sring, req_event) &&
                   offsetof(struct ring_shared, rsp_prod) ==
                       offsetof(struct any_sring, rsp_prod) &&
                   offsetof(struct ring_shared, rsp_event) ==
                       offsetof(struct any_sring, rsp_event),
               "the indices are where Xen's macros have them");

#define WORD sizeof(uint32_t)

/* Slot `index` modulo the ring's size, checked to hold `bytes`. */
static volatile uint32_t *slot_at(const struct ring *ring, RING_IDX index,
                                  size_t bytes)
{
    char *slots = (char *)(ring->shared + 1);

    assert(bytes <= ring->slot_bytes && bytes % WORD == 0);
    return (void *)(slots + (index & (ring->size - 1)) * ring->slot_bytes);
}

void ring_init(struct ring *ring, void *memory, size_t bytes, size_t slot_bytes)
{
    uint32_t size = 1;

    assert(slot_bytes % WORD == 0 &&
           bytes >= sizeof(*ring->shared) + slot_bytes);
    while (2 * size * slot_bytes <= bytes - sizeof(*ring->shared))
        size *= 2;
    *ring = (struct ring){
        .shared = memory,
        .slot_bytes = (uint32_t)slot_bytes,
        .size = size,
    };
    /* Both sides want an event for the first entry (SHARED_RING_INIT). */
    ring->shared->req_event = 1;
    ring->shared->rsp_event = 1;
}

unsigned ring_free(const struct ring *ring)
{
    return ring->size - (ring->req_prod - ring->rsp_cons);
}

void ring_put(struct ring *ring, const void *request, size_t bytes)
{
    volatile uint32_t *slot = slot_at(ring, ring->req_prod, bytes);
    const char *from = request;

    assert(ring_free(ring) > 0);
    for (size_t i = 0; i < bytes / WORD; i++) {
        uint32_t word;

        memcpy(&word, from + i * WORD, WORD);
        slot[i] = word;
    }
    ring->req_prod++;
}

bool ring_push(struct ring *ring)
{
    RING_IDX new = ring->req_prod, old = ring->req_pushed;
    RING_IDX wanted;

    /* The requests come before the index: pairs with the read barrier after
     * the backend's load of req_prod. The index is stored before req_event is
     * read: pairs with RING_FINAL_CHECK_FOR_REQUESTS, which stores req_event
     * and then reads req_prod. */
    __atomic_store_n(&ring->shared->req_prod, new, __ATOMIC_SEQ_CST);
    wanted = __atomic_load_n(&ring->shared->req_event, __ATOMIC_SEQ_CST);
    ring->req_pushed = new;
    return new - wanted < new - old;
}

/* Read rsp_prod again, now that every response seen so far is taken. */
static int look(struct ring *ring)
{
    /* Acquire: the responses are read after the index. Pairs with the write
     * barrier of RING_PUSH_RESPONSES. */
    RING_IDX prod = __atomic_load_n(&ring->shared->rsp_prod, __ATOMIC_ACQUIRE);

    if (prod - ring->rsp_cons > ring->req_pushed - ring->rsp_cons)
        return -XEN_EIO;
    ring->rsp_seen = prod;
    return 0;
}

int ring_take(struct ring *ring, void *response, size_t bytes)
{
    volatile uint32_t *slot = slot_at(ring, ring->rsp_cons, bytes);
    char *to = response;

    if (ring->rsp_cons == ring->rsp_seen && look(ring))
        return -XEN_EIO;
    if (ring->rsp_cons == ring->rsp_seen)
        return 0;
    for (size_t i = 0; i < bytes / WORD; i++) {
        uint32_t word = slot[i];

        memcpy(to + i * WORD, &word, WORD);
    }
    ring->rsp_cons++;
    return 1;
}

bool ring_arm_after(struct ring *ring, unsigned nr)
{
    /* Store, then read: pairs with RING_PUSH_RESPONSES_AND_CHECK_NOTIFY, which
     * stores rsp_prod and then reads rsp_event. */
    __atomic_store_n(&ring->shared->rsp_event, ring->rsp_cons + nr,
                     __ATOMIC_SEQ_CST);
    return __atomic_load_n(&ring->shared->rsp_prod, __ATOMIC_SEQ_CST) -
               ring->rsp_cons >=
           nr;
}

bool ring_arm(struct ring *ring)
{
    return ring_arm_after(ring, 1);
}
