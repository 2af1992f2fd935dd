/* SPDX-License-Identifier: MIT */
/*
 * The fake blkback. See blkback.h for what it promises.
 *
 * It behaves as Linux's does where that matters to a frontend: it looks at the
 * ring only when it was notified, asks for notifications through req_event,
 * maps the pages of a request while it does it, or from then on when grants are
 * persistent, and counts in sectors of 512 bytes whatever the disk's are.
 *
 * It also audits: a request that an honest frontend cannot have written fails
 * the test, and so does a page that holds, but for the data of the request,
 * anything else than zeros and what was seen in it before (docs/hardening.md,
 * A9).
 */
#include "tests/fake/blkback.h"

#include "tests/fake/fake.h"
#include "tests/fake/xenstored.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT         512u
#define PAGE_UNITS   (XEN_PAGE_SIZE / UNIT)
#define RING_PAGES   16u
#define REFS_MAX     (HV_GRANT_FRAMES_MAX * 512u)
#define IDS_MAX      4096u
#define SEGMENTS_MAX 512u
#define BUCKETS      1024u
#define STORM_NS     10000

/* A page of the disk. */
struct chunk {
    struct chunk *next;
    uint64_t number;
    uint8_t dirty; /* bit i: sector i is in the cache only */
    uint8_t now[XEN_PAGE_SIZE], stable[XEN_PAGE_SIZE];
};

struct answer {
    uint64_t id;
    uint8_t operation;
    int16_t status;
};

struct blkback {
    unsigned vbd;
    struct blkback_offer offer;
    struct blkback_manner manner;
    struct blkback_stats stats;
    struct blkback_event seen[BLKBACK_HISTORY];
    char front[64], back[80];
    enum xenbus_state state;
    domid_t dom;
    uint64_t storm_due_ns;
    bool away; /* it will not come back until blkback_start */
    struct chunk *chunks[BUCKETS];

    /* The ring. Several pages are not mapped one behind the other here: the
     * guest's memory is one array, so ours are where the guest's are. */
    blkif_sring_t *ring;
    unsigned nr_ring_pages, slots;
    grant_ref_t ring_refs[RING_PAGES];
    evtchn_port_t port;
    RING_IDX req_cons, rsp_prod;
    bool persistent, look;
    bool lied; /* by hand: from here on its own view of the ring is void */
    struct answer unanswered[IDS_MAX];
    unsigned nr_unanswered;
    bool in_flight[IDS_MAX];
    uint8_t *audited[REFS_MAX]; /* what was in its page; NULL: nothing yet */
    void *mapped[REFS_MAX];     /* persistent, or kept */
    bool kept_ring[REFS_MAX];
};

/* ---- The disk */

static struct chunk *chunk_find(struct blkback *bb, uint64_t number, bool make)
{
    struct chunk **link = &bb->chunks[number % BUCKETS];

    while (*link && (*link)->number != number)
        link = &(*link)->next;
    if (!*link && make) {
        *link = calloc(1, sizeof(**link));
        if (!*link)
            fake_fail("blkback: no memory");
        (*link)->number = number;
    }
    return *link;
}

/* Sectors of one chunk. */
static void sectors_write(struct blkback *bb, uint64_t sector,
                          const uint8_t *data, unsigned nr)
{
    struct chunk *chunk = chunk_find(bb, sector / PAGE_UNITS, true);
    unsigned first = sector % PAGE_UNITS;

    memcpy(chunk->now + first * UNIT, data, nr * UNIT);
    for (unsigned i = first; i < first + nr; i++)
        chunk->dirty |= 1u << i;
}

static void sectors_read(struct blkback *bb, uint64_t sector, uint8_t *data,
                         unsigned nr)
{
    struct chunk *chunk = chunk_find(bb, sector / PAGE_UNITS, false);

    if (chunk)
        memcpy(data, chunk->now + sector % PAGE_UNITS * UNIT, nr * UNIT);
    else
        memset(data, 0, nr * UNIT);
}

/* fn for each run of sectors that is in one chunk. */
static void sectors_walk(struct blkback *bb, uint64_t sector, uint64_t nr,
                         uint8_t *data, bool write)
{
    while (nr) {
        unsigned n = PAGE_UNITS - sector % PAGE_UNITS;

        if (n > nr)
            n = (unsigned)nr;
        if (write)
            sectors_write(bb, sector, data, n);
        else
            sectors_read(bb, sector, data, n);
        data += n * UNIT;
        sector += n;
        nr -= n;
    }
}

/* Only what was ever written needs work: the range may be immense. */
static void sectors_discard(struct blkback *bb, uint64_t sector, uint64_t nr)
{
    static const uint8_t zero[UNIT];

    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct chunk *c = bb->chunks[i]; c; c = c->next)
            for (unsigned k = 0; k < PAGE_UNITS; k++)
                if (c->number * PAGE_UNITS + k - sector < nr)
                    sectors_write(bb, c->number * PAGE_UNITS + k, zero, 1);
}

static void cache_flush(struct blkback *bb)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct chunk *c = bb->chunks[i]; c; c = c->next) {
            memcpy(c->stable, c->now, sizeof(c->stable));
            c->dirty = 0;
        }
}

static void chunk_cut(struct chunk *chunk, unsigned percent)
{
    for (unsigned i = 0; i < PAGE_UNITS; i++) {
        bool kept = chunk->dirty >> i & 1 && percent && fake_chance(percent);

        memcpy((kept ? chunk->stable : chunk->now) + i * UNIT,
               (kept ? chunk->now : chunk->stable) + i * UNIT, UNIT);
    }
    chunk->dirty = 0;
}

void blkback_power_cut(struct blkback *bb, unsigned percent)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct chunk *c = bb->chunks[i]; c; c = c->next)
            chunk_cut(c, percent);
}

void blkback_write(struct blkback *bb, uint64_t offset, const void *data,
                   size_t bytes)
{
    sectors_walk(bb, offset / UNIT, bytes / UNIT, (uint8_t *)(uintptr_t)data,
                 true);
    cache_flush(bb);
}

void blkback_read(struct blkback *bb, uint64_t offset, void *data, size_t bytes)
{
    sectors_walk(bb, offset / UNIT, bytes / UNIT, data, false);
}

/* ---- Pages of the guest */

static uint8_t *audited_page(struct blkback *bb, grant_ref_t ref)
{
    if (ref >= REFS_MAX)
        fake_fail("blkback: reference %u", ref);
    if (!bb->audited[ref])
        bb->audited[ref] = calloc(1, XEN_PAGE_SIZE);
    if (!bb->audited[ref])
        fake_fail("blkback: no memory");
    return bb->audited[ref];
}

/* Bytes [begin, end) are the request's. */
static void audit_page(struct blkback *bb, grant_ref_t ref, const uint8_t *page,
                       unsigned begin, unsigned end)
{
    uint8_t *before = audited_page(bb, ref);

    if (bb->manner.no_audit)
        return;
    for (unsigned i = 0; i < XEN_PAGE_SIZE; i++)
        if (page[i] && page[i] != before[i] && !(i >= begin && i < end))
            fake_fail("blkback: a page was granted with a past (%u)", i);
    memcpy(before, page, XEN_PAGE_SIZE);
}

static void forget_pages(struct blkback *bb)
{
    for (grant_ref_t ref = 0; ref < REFS_MAX; ref++) {
        free(bb->audited[ref]);
        bb->audited[ref] = NULL;
    }
}

static unsigned long front_number(struct blkback *bb, const char *key,
                                  unsigned long otherwise);

/* A frontend that goes may take its pages along. */
static bool front_is_there(struct blkback *bb)
{
    unsigned long state = front_number(bb, "state", XenbusStateUnknown);

    return state == XenbusStateInitialised || state == XenbusStateConnected;
}

/* NULL: the frontend is going. */
static uint8_t *page_map(struct blkback *bb, grant_ref_t ref, bool write)
{
    void *page;

    if (ref >= REFS_MAX)
        fake_fail("blkback: reference %u", ref);
    if (bb->mapped[ref])
        return bb->mapped[ref];
    write |= bb->persistent || bb->manner.keep;
    page = fake_map_grant(bb->dom, ref, write);
    if (!page && front_is_there(bb))
        fake_fail("blkback: reference %u is not granted", ref);
    if (!page)
        return NULL;
    bb->stats.maps++;
    if (bb->persistent || bb->manner.keep)
        bb->mapped[ref] = page;
    return page;
}

static void page_unmap(struct blkback *bb, grant_ref_t ref, bool write)
{
    if (!bb->mapped[ref])
        fake_unmap_grant(ref, write);
}

static void pages_unmap(struct blkback *bb)
{
    for (grant_ref_t ref = 0; ref < REFS_MAX; ref++) {
        if (bb->mapped[ref])
            fake_unmap_grant(ref, true);
        bb->mapped[ref] = NULL;
    }
}

void blkback_let_go(struct blkback *bb)
{
    pages_unmap(bb);
    for (grant_ref_t ref = 0; ref < REFS_MAX; ref++) {
        if (bb->kept_ring[ref])
            fake_unmap_grant(ref, true);
        bb->kept_ring[ref] = false;
    }
}

/* ---- Requests */

/* What all kinds of request come to. */
struct work {
    uint8_t operation;
    bool indirect;
    uint64_t id, sector;
    unsigned nr;
    struct blkif_request_segment segments[SEGMENTS_MAX];
};

static void audit_padding(const blkif_request_t *request)
{
    static const uint8_t zero[4];
    bool is_bad = memcmp((const char *)request + 4, zero, sizeof(zero));

    for (unsigned i = 0;
         request->operation <= BLKIF_OP_WRITE && i < request->nr_segments &&
         i < BLKIF_MAX_SEGMENTS_PER_REQUEST;
         i++)
        is_bad |= memcmp((const char *)&request->seg[i] + 6, zero, 2);
    if (is_bad)
        fake_fail("blkback: padding shows what was on the stack");
}

static void work_indirect(struct blkback *bb, const blkif_request_t *request,
                          struct work *w)
{
    struct blkif_request_indirect indirect;
    uint8_t *page;

    memcpy(&indirect, request, sizeof(indirect));
    w->operation = indirect.indirect_op;
    w->indirect = true;
    w->nr = indirect.nr_segments;
    w->sector = indirect.sector_number;
    if (w->operation > BLKIF_OP_WRITE || w->nr > bb->offer.segments ||
        w->nr > SEGMENTS_MAX || indirect.handle != (blkif_vdev_t)bb->vbd)
        fake_fail("blkback: indirect op %u, %u segments", w->operation, w->nr);
    page = page_map(bb, indirect.indirect_grefs[0], false);
    if (!page) {
        w->nr = 0;
        return;
    }
    memcpy(w->segments, page, w->nr * sizeof(w->segments[0]));
    audit_page(bb, indirect.indirect_grefs[0], page, 0,
               w->nr * sizeof(w->segments[0]));
    page_unmap(bb, indirect.indirect_grefs[0], false);
    bb->stats.indirects++;
}

static void work_of(struct blkback *bb, const blkif_request_t *request,
                    struct work *w)
{
    audit_padding(request);
    w->operation = request->operation;
    w->indirect = false;
    w->id = request->id;
    if (request->operation == BLKIF_OP_INDIRECT) {
        work_indirect(bb, request, w);
        return;
    }
    if (request->handle != (blkif_vdev_t)bb->vbd)
        fake_fail("blkback: handle %u", request->handle);
    w->sector = request->sector_number;
    w->nr = request->operation == BLKIF_OP_DISCARD ? 0 : request->nr_segments;
    if (w->nr > BLKIF_MAX_SEGMENTS_PER_REQUEST)
        fake_fail("blkback: %u segments", w->nr);
    memcpy(w->segments, request->seg, w->nr * sizeof(w->segments[0]));
}

static uint64_t work_sectors(const struct work *w)
{
    uint64_t nr = 0;

    for (unsigned i = 0; i < w->nr; i++)
        nr += w->segments[i].last_sect - w->segments[i].first_sect + 1u;
    return nr;
}

static void audit_range(struct blkback *bb, uint64_t sector, uint64_t nr)
{
    unsigned unit = bb->offer.sector_bytes / UNIT;

    if (!unit)
        unit = 1;
    if (!nr || sector % unit || nr % unit)
        fake_fail("blkback: %" PRIu64 " sectors at %" PRIu64 ", not whole", nr,
                  sector);
}

static void audit_segments(struct blkback *bb, const struct work *w)
{
    unsigned unit = bb->offer.sector_bytes / UNIT;

    for (unsigned i = 0; i < w->nr; i++) {
        const struct blkif_request_segment *s = &w->segments[i];

        if (s->first_sect > s->last_sect || s->last_sect >= PAGE_UNITS ||
            (unit && (s->last_sect - s->first_sect + 1u) % unit))
            fake_fail("blkback: segment %u to %u", s->first_sect, s->last_sect);
    }
    audit_range(bb, w->sector, work_sectors(w));
}

/* What fails was looked at all the same. */
static int do_segments(struct blkback *bb, const struct work *w, bool fails)
{
    bool write = w->operation != BLKIF_OP_READ;
    uint64_t sector = w->sector;

    for (unsigned i = 0; i < w->nr; i++) {
        const struct blkif_request_segment *s = &w->segments[i];
        unsigned nr = s->last_sect - s->first_sect + 1u;
        uint8_t *page = page_map(bb, s->gref, !write);

        if (!page)
            return BLKIF_RSP_ERROR;
        audit_page(bb, s->gref, page, s->first_sect * UNIT,
                   write ? (s->last_sect + 1u) * UNIT : 0);
        if (!fails)
            sectors_walk(bb, sector, nr, page + s->first_sect * UNIT, write);
        memcpy(audited_page(bb, s->gref), page, XEN_PAGE_SIZE);
        page_unmap(bb, s->gref, !write);
        sector += nr;
    }
    return fails ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY;
}

static int do_data(struct blkback *bb, const struct work *w, bool fails)
{
    bool write = w->operation != BLKIF_OP_READ;

    if (!w->nr && !front_is_there(bb))
        return BLKIF_RSP_ERROR;
    audit_segments(bb, w);
    bb->stats.reads += !write;
    bb->stats.writes += write;
    fails |= w->sector + work_sectors(w) > bb->offer.sectors ||
             (write && bb->offer.info & VDISK_READONLY);
    return do_segments(bb, w, fails);
}

static int do_flush(struct blkback *bb, const struct work *w)
{
    bool is_flush = w->operation == BLKIF_OP_FLUSH_DISKCACHE;

    if (is_flush ? !bb->offer.flush : !bb->offer.barrier)
        fake_fail("blkback: a flush (%u) that was not offered", w->operation);
    if (is_flush ? bb->manner.refuse_flush : bb->manner.refuse_barrier)
        return BLKIF_RSP_EOPNOTSUPP;
    bb->stats.flushes += is_flush;
    bb->stats.barriers += !is_flush;
    cache_flush(bb);
    return BLKIF_RSP_OKAY;
}

static int do_discard(struct blkback *bb, const blkif_request_t *request)
{
    struct blkif_request_discard discard;

    memcpy(&discard, request, sizeof(discard));
    if (!bb->offer.discard || discard.flag & ~BLKIF_DISCARD_SECURE ||
        (discard.flag && !bb->offer.secure))
        fake_fail("blkback: a discard that was not offered");
    audit_range(bb, discard.sector_number, discard.nr_sectors);
    if (bb->manner.refuse_discard)
        return BLKIF_RSP_EOPNOTSUPP;
    bb->stats.discards++;
    if (discard.sector_number + discard.nr_sectors > bb->offer.sectors)
        return BLKIF_RSP_ERROR;
    sectors_discard(bb, discard.sector_number, discard.nr_sectors);
    return BLKIF_RSP_OKAY;
}

static void remember(struct blkback *bb, const blkif_request_t *request,
                     const struct work *w)
{
    struct blkback_event *seen =
        &bb->seen[bb->stats.requests++ % BLKBACK_HISTORY];
    struct blkif_request_discard discard;

    memcpy(&discard, request, sizeof(discard));
    *seen = (struct blkback_event){
        .operation = w->operation,
        .sector = w->sector,
        .sectors = work_sectors(w),
        .segments = w->nr,
        .indirect = w->indirect,
    };
    if (w->operation == BLKIF_OP_DISCARD) {
        seen->sectors = discard.nr_sectors;
        seen->secure = discard.flag & BLKIF_DISCARD_SECURE;
    }
}

static bool is_to_fail(struct blkback *bb, const struct work *w)
{
    return bb->manner.fail_all ||
           (bb->manner.bad_sector && w->nr &&
            bb->manner.bad_sector - w->sector < work_sectors(w)) ||
           (bb->manner.fail_nth && !--bb->manner.fail_nth);
}

static int work_do(struct blkback *bb, const blkif_request_t *request,
                   struct work *w)
{
    bool fails;

    work_of(bb, request, w);
    remember(bb, request, w);
    fails = is_to_fail(bb, w);
    if (fails && w->operation > BLKIF_OP_WRITE)
        return BLKIF_RSP_ERROR;
    switch (w->operation) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        return do_data(bb, w, fails);
    case BLKIF_OP_WRITE_BARRIER:
    case BLKIF_OP_FLUSH_DISKCACHE:
        return do_flush(bb, w);
    case BLKIF_OP_DISCARD:
        return do_discard(bb, request);
    default:
        fake_fail("blkback: operation %u", w->operation);
    }
}

int blkback_do(struct blkback *bb, const blkif_request_t *request)
{
    struct work w;

    return work_do(bb, request, &w);
}

/* ---- The ring */

static union blkif_sring_entry *slot(struct blkback *bb, RING_IDX index)
{
    return &bb->ring->ring[index & (bb->slots - 1)];
}

bool blkback_next(struct blkback *bb, blkif_request_t *request)
{
    if (!bb->ring || bb->ring->req_prod == bb->req_cons)
        return false;
    if (!bb->lied && bb->ring->req_prod - bb->rsp_prod > bb->slots)
        fake_fail("blkback: requests %u..%u", bb->req_cons, bb->ring->req_prod);
    *request = slot(bb, bb->req_cons++)->req;
    return true;
}

void blkback_answer(struct blkback *bb, uint64_t id, uint8_t operation,
                    int16_t status)
{
    blkif_response_t response = {
        .id = id, .operation = operation, .status = status};

    if (!bb->ring)
        return;
    bb->lied |= bb->manner.manual;
    memcpy(&slot(bb, bb->rsp_prod++)->rsp, &response, sizeof(response));
}

void blkback_notify(struct blkback *bb)
{
    fake_evtchn_notify(bb->port);
}

/* xen/io/ring.h, RING_PUSH_RESPONSES_AND_CHECK_NOTIFY. */
void blkback_push(struct blkback *bb)
{
    RING_IDX old;

    if (!bb->ring)
        return;
    old = bb->ring->rsp_prod;
    __atomic_store_n(&bb->ring->rsp_prod, bb->rsp_prod, __ATOMIC_SEQ_CST);
    if (bb->rsp_prod -
                __atomic_load_n(&bb->ring->rsp_event, __ATOMIC_SEQ_CST) >=
            bb->rsp_prod - old ||
        bb->manner.mute)
        return;
    bb->stats.events_sent++;
    blkback_notify(bb);
}

static void take_request(struct blkback *bb)
{
    struct work w;
    blkif_request_t request;
    struct answer *answer = &bb->unanswered[bb->nr_unanswered++];

    if (!blkback_next(bb, &request))
        fake_fail("blkback: no request");
    if (request.id >= IDS_MAX || bb->in_flight[request.id])
        fake_fail("blkback: id %" PRIu64 " is in flight", request.id);
    bb->in_flight[request.id] = true;
    answer->status = (int16_t)work_do(bb, &request, &w);
    answer->id = request.id;
    answer->operation = bb->manner.copied_op ? request.operation : w.operation;
}

static void answer_all(struct blkback *bb)
{
    struct answer *answers = bb->unanswered;

    for (unsigned i = 0; i < bb->nr_unanswered; i++) {
        unsigned other = i + fake_random_below(bb->nr_unanswered - i);
        struct answer answer = answers[bb->manner.shuffle ? other : i];

        answers[bb->manner.shuffle ? other : i] = answers[i];
        bb->in_flight[answer.id] = false;
        blkback_answer(bb, answer.id, answer.operation, answer.status);
    }
    bb->nr_unanswered = 0;
}

static bool ring_step(struct blkback *bb)
{
    unsigned long before = bb->stats.requests;

    if (bb->manner.manual || bb->lied)
        return false;
    while (bb->look && !bb->manner.hold_take) {
        while (bb->ring->req_prod != bb->req_cons)
            take_request(bb);
        bb->ring->req_event = bb->req_cons + 1;
        bb->look = bb->ring->req_prod != bb->req_cons;
    }
    if (bb->nr_unanswered && !bb->manner.hold_answers) {
        answer_all(bb);
        blkback_push(bb);
        return true;
    }
    return bb->stats.requests != before;
}

void blkback_scribble(void *arg)
{
    struct blkback *bb = arg;

    if (!bb->ring)
        return;
    bb->lied = true;
    for (unsigned i = 0; i < bb->slots; i++)
        fake_random_fill(&bb->ring->ring[i], sizeof(bb->ring->ring[i]));
}

void blkback_scribble_pages(struct blkback *bb)
{
    for (grant_ref_t ref = 0; ref < REFS_MAX; ref++)
        if (bb->mapped[ref]) {
            fake_random_fill(bb->mapped[ref], XEN_PAGE_SIZE);
            memcpy(audited_page(bb, ref), bb->mapped[ref], XEN_PAGE_SIZE);
        }
}

/* ---- The handshake */

static void set_key(struct blkback *bb, const char *key, uint64_t value,
                    bool there)
{
    char path[112];

    snprintf(path, sizeof(path), "%s/%s", bb->back, key);
    if (there)
        fake_xs_setf(path, "%" PRIu64, value);
    else
        fake_xs_rm(path);
}

static void set_text(const char *node, const char *key, const char *text)
{
    char path[112];

    snprintf(path, sizeof(path), "%s/%s", node, key);
    if (text && *text)
        fake_xs_set(path, text);
    else
        fake_xs_rm(path);
}

static void set_state(struct blkback *bb, enum xenbus_state state)
{
    bb->state = state;
    set_key(bb, "state", state, true);
}

static unsigned long front_number(struct blkback *bb, const char *key,
                                  unsigned long otherwise)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", bb->front, key);
    return fake_xs_number(path, otherwise);
}

static unsigned long front_need(struct blkback *bb, const char *key)
{
    unsigned long value = front_number(bb, key, ~0ul);

    if (value == ~0ul)
        fake_fail("blkback: the frontend did not publish %s", key);
    return value;
}

static unsigned long front_ring_ref(struct blkback *bb, unsigned i)
{
    char key[sizeof("ring-ref4294967295")];

    if (bb->nr_ring_pages == 1)
        return front_need(bb, "ring-ref");
    snprintf(key, sizeof(key), "ring-ref%u", i);
    return front_need(bb, key);
}

static void unmap_ring(struct blkback *bb, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        if (bb->manner.keep_ring)
            bb->kept_ring[bb->ring_refs[i]] = true;
        else
            fake_unmap_grant(bb->ring_refs[i], true);
    bb->ring = NULL;
}

static bool map_ring(struct blkback *bb)
{
    unsigned long order = front_number(bb, "ring-page-order", 0);
    char *page = NULL;

    bb->nr_ring_pages = 1u << order;
    if (order > bb->offer.ring_order &&
        bb->nr_ring_pages > bb->offer.ring_pages)
        fake_fail("blkback: a ring of 2^%lu pages", order);
    for (unsigned i = 0; i < bb->nr_ring_pages; i++) {
        char *at;

        bb->ring_refs[i] = (grant_ref_t)front_ring_ref(bb, i);
        at = fake_map_grant(bb->dom, bb->ring_refs[i], true);
        if (!at) {
            unmap_ring(bb, i);
            return false;
        }
        if (page && at != page + i * XEN_PAGE_SIZE)
            fake_fail("blkback: the ring's pages are not in order");
        if (!page)
            page = at;
    }
    bb->ring = (blkif_sring_t *)page;
    bb->slots = 1;
    while (2 * bb->slots * sizeof(union blkif_sring_entry) +
               offsetof(blkif_sring_t, ring) <=
           bb->nr_ring_pages * XEN_PAGE_SIZE)
        bb->slots *= 2;
    return true;
}

static void disconnect(struct blkback *bb)
{
    if (!bb->ring)
        return;
    unmap_ring(bb, bb->nr_ring_pages);
    fake_evtchn_unbind(bb->port);
    if (!bb->manner.keep)
        pages_unmap(bb);
}

static void check_protocol(struct blkback *bb)
{
    char path[96];
    const char *protocol;

    snprintf(path, sizeof(path), "%s/protocol", bb->front);
    protocol = fake_xs_get(path);
    if (!protocol || strcmp(protocol, XEN_IO_PROTO_ABI_X86_64))
        fake_fail("blkback: protocol %s", protocol ? protocol : "(none)");
    if (front_need(bb, "feature-persistent") != 1 ||
        front_number(bb, "feature-large-sector-size", 0))
        fake_fail("blkback: not the features of this frontend");
}

/* What Linux's says when it connects, and not before. */
static void tell_disk(struct blkback *bb)
{
    const struct blkback_offer *offer = &bb->offer;

    set_key(bb, "sectors", offer->sectors, true);
    if (offer->sectors_text)
        set_text(bb->back, "sectors", offer->sectors_text);
    set_text(bb->back, "mode", offer->mode);
    set_key(bb, "info", offer->info, offer->info);
    set_key(bb, "sector-size", offer->sector_bytes, offer->sector_bytes);
    set_key(bb, "physical-sector-size", offer->physical_bytes,
            offer->physical_bytes);
    set_key(bb, "feature-max-indirect-segments", offer->segments,
            offer->segments);
    set_key(bb, "feature-persistent", 1, offer->persistent);
    set_key(bb, "feature-barrier", 1, offer->barrier);
    set_key(bb, "feature-flush-cache", 1, offer->flush);
    set_key(bb, "feature-discard", 1, offer->discard);
    set_key(bb, "discard-secure", 1, offer->secure);
    set_key(bb, "discard-granularity", offer->discard_bytes,
            offer->discard_bytes);
    set_key(bb, "discard-alignment", offer->discard_offset,
            offer->discard_offset);
}

static void connect(struct blkback *bb)
{
    check_protocol(bb);
    bb->port = (evtchn_port_t)front_need(bb, "event-channel");
    /* The frontend may have gone again since it said Initialised. */
    if (!map_ring(bb) || fake_evtchn_bind(bb->dom, bb->port)) {
        if (bb->ring)
            unmap_ring(bb, bb->nr_ring_pages);
        set_state(bb, XenbusStateClosed);
        return;
    }
    /* It may be the ring of its predecessor (Linux: BACK_RING_ATTACH). */
    bb->req_cons = bb->rsp_prod = bb->ring->rsp_prod;
    bb->nr_unanswered = 0;
    bb->persistent = bb->offer.persistent;
    bb->look = true;
    bb->lied = false;
    memset(bb->in_flight, 0, sizeof(bb->in_flight));
    if (!bb->ring->req_prod) /* a new one: all pages begin anew */
        forget_pages(bb);
    bb->stats.connects++;
    bb->stats.ring_pages = bb->nr_ring_pages;
    tell_disk(bb);
    set_state(bb, XenbusStateConnected);
}

/* What the frontend's state makes of ours (Linux's frontend_changed). */
static bool state_step(struct blkback *bb)
{
    unsigned long front = front_number(bb, "state", XenbusStateUnknown);
    bool ready = front_is_there(bb);

    if (bb->manner.blind)
        return false;
    if (bb->state == XenbusStateInitWait && ready) {
        connect(bb);
    } else if (bb->state == XenbusStateConnected && !ready) {
        disconnect(bb);
        set_state(bb, XenbusStateClosed);
    } else if (bb->state == XenbusStateClosed && !bb->away &&
               front == XenbusStateInitialising) {
        set_state(bb, XenbusStateInitWait);
    } else {
        return false;
    }
    return true;
}

/* It never comes to rest, but lets time pass from one event to the next. */
static bool storm(struct blkback *bb)
{
    if (bb->manner.storm && fake_now() >= bb->storm_due_ns) {
        bb->storm_due_ns = fake_now() + STORM_NS;
        blkback_notify(bb);
    }
    return bb->manner.storm;
}

static bool step(void *arg)
{
    struct blkback *bb = arg;
    bool did = state_step(bb);

    if (!bb->ring)
        return did;
    if (fake_evtchn_take(bb->port)) {
        bb->look = true;
        bb->stats.events_seen++;
    }
    did |= ring_step(bb);
    return did | storm(bb);
}

/* ---- Comings and goings */

/* fake_xs_device() makes dom0's: for another domain the rest by hand. */
static void make_nodes(struct blkback *bb)
{
    const char *perms[] = {"n0", "r5", NULL};
    char dom[8];

    bb->dom = bb->offer.dom;
    snprintf(bb->back, sizeof(bb->back), "/local/domain/%u/backend/vbd/%u/%u",
             bb->dom, FAKE_XS_DOMID, bb->vbd);
    fake_xs_device("vbd", bb->vbd);
    if (bb->dom) {
        fake_xs_set(bb->back, "");
        fake_xs_permit(bb->back, perms);
        set_key(bb, "state", XenbusStateInitialising, true);
        snprintf(dom, sizeof(dom), "%u", bb->dom);
        set_text(bb->front, "backend-id", dom);
        set_text(bb->front, "backend", bb->back);
    }
    set_text(bb->front, "device-type", bb->offer.type);
}

void blkback_start(struct blkback *bb)
{
    if (bb->state == XenbusStateUnknown)
        make_nodes(bb);
    set_key(bb, "max-ring-page-order", bb->offer.ring_order,
            bb->offer.ring_order);
    set_key(bb, "max-ring-pages", bb->offer.ring_pages, bb->offer.ring_pages);
    bb->away = false;
    set_state(bb, XenbusStateInitWait);
}

void blkback_resize(struct blkback *bb, uint64_t sectors)
{
    bb->offer.sectors = sectors;
    set_key(bb, "sectors", sectors, true);
    set_state(bb, bb->state);
}

void blkback_close(struct blkback *bb)
{
    bb->away = true;
    set_state(bb, XenbusStateClosing);
    disconnect(bb);
    set_state(bb, XenbusStateClosed);
}

void blkback_vanish(struct blkback *bb)
{
    disconnect(bb);
    if (bb->dom)
        fake_xs_rm(bb->back);
    fake_xs_device_remove("vbd", bb->vbd);
    bb->state = XenbusStateUnknown;
}

struct blkback *blkback_new(unsigned vbd)
{
    struct blkback *bb = calloc(1, sizeof(*bb));

    if (!bb)
        fake_fail("blkback: no memory");
    bb->vbd = vbd;
    bb->offer = (struct blkback_offer){
        .sectors = 16384,
        .ring_order = 4,
        .segments = 256,
        .persistent = true,
        .barrier = true,
        .flush = true,
        .discard = true,
        .secure = true,
        .mode = "w",
        .type = "disk",
    };
    snprintf(bb->front, sizeof(bb->front), "device/vbd/%u", vbd);
    fake_add_backend(step, bb);
    return bb;
}

void blkback_free(struct blkback *bb)
{
    disconnect(bb);
    blkback_let_go(bb);
    fake_remove_backend(step, bb);
    for (unsigned i = 0; i < BUCKETS; i++)
        while (bb->chunks[i]) {
            struct chunk *chunk = bb->chunks[i];

            bb->chunks[i] = chunk->next;
            free(chunk);
        }
    forget_pages(bb);
    free(bb);
}

struct blkback_offer *blkback_offer(struct blkback *bb)
{
    return &bb->offer;
}

struct blkback_manner *blkback_manner(struct blkback *bb)
{
    return &bb->manner;
}

bool blkback_connected(const struct blkback *bb)
{
    return bb->ring;
}

blkif_sring_t *blkback_ring_of(const struct blkback *bb)
{
    return bb->ring;
}

blkif_sring_t *blkback_ring(struct blkback *bb)
{
    bb->lied = true;
    return bb->ring;
}

const struct blkback_event *blkback_seen(const struct blkback *bb,
                                         unsigned long n)
{
    if (n >= bb->stats.requests || bb->stats.requests - n > BLKBACK_HISTORY)
        fake_fail("blkback: request %lu of %lu", n, bb->stats.requests);
    return &bb->seen[n % BLKBACK_HISTORY];
}

void blkback_stats(const struct blkback *bb, struct blkback_stats *stats)
{
    *stats = bb->stats;
    stats->unanswered = bb->nr_unanswered;
}
