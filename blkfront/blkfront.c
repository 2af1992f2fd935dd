/* SPDX-License-Identifier: MIT */
/*
 * The block frontend's data path.
 *
 * Accepted requests are in one list, oldest first. `unsent` is the next one to
 * send. Sending cuts requests into parts, one per ring slot, of as many
 * segments as the backend takes, joins small ones that continue one another,
 * and never passes a flush. One task does all the work, once a turn: collect
 * answers, send, show, notify. A reconnect needs the list in order as well: it
 * sends again from the list's start.
 *
 * A page is shared as long as a connection lasts, and data is copied: a write
 * when its part is sent, a read when its part is answered, once, and before the
 * owner sees it. So the backend cannot change data in use, and the permission
 * need not be withdrawn in between. These are persistent grants (blkif.h, note
 * 7), and they also work with backends that have none. Buffers are for owners
 * to whom the cost of the copy matters more than this privacy.
 *
 * A backend that is gone may still be writing to our pages. Each page is made
 * private again before the next connection uses it. A pool page for which this
 * fails is left behind; while it fails for an owner's buffer, nothing is
 * sent.
 */
#include "blkfront/blkfront_priv.h"

#include "kernel/log.h"
#include "xen/hv.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

_Static_assert(sizeof(union blkif_sring_entry) * BLKFRONT_PARTS_MAX <
                   BLKFRONT_RING_PAGES_MAX * XEN_PAGE_SIZE,
               "the largest ring has a slot for every part");

/* The backend broke the protocol. It and the owner are told later, from the
 * loop; nothing of the queue is used from here on. */
static void queue_fail(struct blkfront_queue *q, const char *what,
                       uint64_t number)
{
    q->bf->stats.broken++;
    q->running = false;
    xenbus_fail(&q->bf->bus, "%s (%" PRIu64 ")", what, number);
}

static void queue_work(struct task *task);

static void queue_wake(struct blkfront_queue *q)
{
    task_start(q->bf->loop, &q->work, queue_work);
}

/* ---- Pages */

static const struct blkfront_page no_page = {.ref = GNTTAB_NONE};

static void page_end(struct blkfront *bf, struct blkfront_page *page)
{
    if (page->ref != GNTTAB_NONE)
        gnttab_end(&bf->hoard, page->ref);
    else if (page->data)
        page_free(bf->pages, page->data, 1);
    *page = no_page;
}

static int ref_give(struct blkfront *bf, void *data, grant_ref_t *ref)
{
    int error = gnttab_take(bf->gt, bf->bus.backend_dom, data, ref);

    if (error)
        *ref = GNTTAB_NONE;
    else
        gnttab_give(bf->gt, *ref, false);
    return error;
}

/* False: its last user still has it mapped. */
static bool ref_withdraw(struct blkfront *bf, grant_ref_t *ref)
{
    if (*ref != GNTTAB_NONE && gnttab_withdraw(bf->gt, *ref))
        return false;
    if (*ref != GNTTAB_NONE)
        gnttab_release(bf->gt, *ref);
    *ref = GNTTAB_NONE;
    return true;
}

/* While this device's backends still hold as many pages as the pool has, they
 * get no more of our memory. */
static bool is_hoarded(const struct blkfront_queue *q)
{
    return q->bf->hoard.nr > q->nr_pool;
}

/* Make it a fresh page for this connection. */
static int page_renew(struct blkfront_queue *q, struct blkfront_page *page)
{
    struct blkfront *bf = q->bf;

    if (!ref_withdraw(bf, &page->ref))
        page_end(bf, page);
    if (page->data)
        memset(page->data, 0, XEN_PAGE_SIZE);
    else if (!is_hoarded(q))
        page->data = page_alloc_zeroed(bf->pages, 1);
    if (!page->data)
        return -XEN_ENOMEM;
    return ref_give(bf, page->data, &page->ref);
}

/* A smaller pool than planned is enough. */
static int pool_open(struct blkfront_queue *q)
{
    int error = 0;

    for (unsigned i = 0; i < q->nr_pool && !error; i++) {
        error = page_renew(q, &q->pool[i]);
        if (!error)
            q->free_pages[q->nr_free_pages++] = (uint16_t)i;
    }
    return q->nr_free_pages ? 0 : error;
}

static void ring_close(struct blkfront_queue *q)
{
    for (unsigned i = 0; i < q->nr_ring_pages; i++)
        page_end(q->bf, &q->ring_pages[i]);
    q->nr_ring_pages = 0;
}

static int ring_open(struct blkfront_queue *q, unsigned order)
{
    unsigned nr = 1u << order;
    char *memory = is_hoarded(q) ? NULL : page_alloc_zeroed(q->bf->pages, nr);
    int error = 0;

    if (!memory)
        return -XEN_ENOMEM;
    ring_init(&q->ring, memory, nr * XEN_PAGE_SIZE,
              sizeof(union blkif_sring_entry));
    q->nr_ring_pages = nr;
    for (unsigned i = 0; i < nr; i++) {
        q->ring_pages[i] = no_page;
        q->ring_pages[i].data = memory + i * XEN_PAGE_SIZE;
    }
    for (unsigned i = 0; i < nr && !error; i++)
        error = ref_give(q->bf, q->ring_pages[i].data, &q->ring_pages[i].ref);
    if (error)
        ring_close(q);
    return error;
}

/* ---- Buffers that need no copy */

/* Share a buffer with this connection. False: the last one still has a page. A
 * page for which there is no reference is copied like any other memory. */
static bool buffer_renew(struct blkfront *bf, struct blkfront_buffer *buffer)
{
    bool is_ours = true;

    for (unsigned i = 0; i < buffer->nr; i++)
        if (!ref_withdraw(bf, &buffer->refs[i]))
            is_ours = false;
        else if (ref_give(bf, buffer->data + i * XEN_PAGE_SIZE,
                          &buffer->refs[i]))
            log_debug("blkfront", "%s: no reference for a buffer", bf->name);
    return is_ours;
}

static void buffers_renew(struct blkfront_queue *q)
{
    q->held = false;
    for (struct blkfront_buffer *b = q->bf->buffers; b; b = b->next)
        q->held |= !buffer_renew(q->bf, b);
}

/* The reference of the page that this is in, if it may be used in place. */
static grant_ref_t buffer_ref(const struct blkfront *bf, const char *data)
{
    for (struct blkfront_buffer *b = bf->buffers; b; b = b->next)
        if (data >= b->data && data < b->data + b->nr * XEN_PAGE_SIZE)
            return b->refs[(size_t)(data - b->data) / XEN_PAGE_SIZE];
    return GNTTAB_NONE;
}

static unsigned long buffer_head_pages(unsigned nr)
{
    size_t bytes = sizeof(struct blkfront_buffer) + nr * sizeof(grant_ref_t);

    return (bytes + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE;
}

void *blkfront_buffer_alloc(struct blkfront *bf, unsigned nr)
{
    struct blkfront_buffer *buffer =
        page_alloc(bf->pages, buffer_head_pages(nr));
    char *data = buffer ? page_alloc_zeroed(bf->pages, nr) : NULL;

    if (buffer && !data)
        page_free(bf->pages, buffer, buffer_head_pages(nr));
    if (!data)
        return NULL;
    *buffer = (struct blkfront_buffer){bf->buffers, data, nr};
    for (unsigned i = 0; i < nr; i++)
        buffer->refs[i] = GNTTAB_NONE;
    bf->buffers = buffer;
    if (bf->link)
        buffer_renew(bf, buffer);
    return data;
}

void blkfront_buffer_free(struct blkfront *bf, void *data)
{
    struct blkfront_buffer **link = &bf->buffers, *buffer;

    while (*link && (*link)->data != data)
        link = &(*link)->next;
    buffer = *link;
    assert(buffer);
    *link = buffer->next;
    for (unsigned i = 0; i < buffer->nr; i++) {
        struct blkfront_page page = {
            .data = buffer->data + i * XEN_PAGE_SIZE,
            .ref = buffer->refs[i],
        };

        page_end(bf, &page);
    }
    page_free(bf->pages, buffer, buffer_head_pages(buffer->nr));
    blkfront_free_if_unused(bf);
}

/* ---- A request's data: the position of the next byte in its pieces. */

/* Advance to the next existing byte, but not past the end of the pieces. */
static char *cursor_settle(struct blkfront_cursor *at, size_t *left)
{
    while (at->offset == at->piece->bytes) {
        at->piece++;
        at->offset = 0;
    }
    *left = at->piece->bytes - at->offset;
    return (char *)at->piece->data + at->offset;
}

static void cursor_skip(struct blkfront_cursor *at, uint64_t bytes)
{
    while (bytes) {
        size_t left;

        cursor_settle(at, &left);
        if (left > bytes)
            left = bytes;
        at->offset += left;
        bytes -= left;
    }
}

static void cursor_copy(struct blkfront_cursor *at, char *page, size_t bytes,
                        bool is_read)
{
    while (bytes) {
        size_t left;
        char *data = cursor_settle(at, &left);

        if (left > bytes)
            left = bytes;
        if (is_read)
            memcpy(data, page, left);
        else
            memcpy(page, data, left);
        at->offset += left;
        page += left;
        bytes -= left;
    }
}

/* ---- The list of requests */

static void request_append(struct blkfront_queue *q, struct blkfront_request *r)
{
    r->next = NULL;
    r->link = q->requests_end;
    *q->requests_end = r;
    q->requests_end = &r->next;
    if (!q->unsent)
        q->unsent = r;
    q->nr_requests++;
}

static void request_remove(struct blkfront_queue *q, struct blkfront_request *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    else
        q->requests_end = r->link;
    if (q->unsent == r)
        q->unsent = r->next;
    q->nr_requests--;
}

static void request_count(struct blkfront_stats *stats,
                          const struct blkfront_request *r)
{
    if (r->error) {
        stats->errors++;
        return;
    }
    switch (r->op) {
    case BLKFRONT_READ:
        stats->reads++;
        stats->read_bytes += r->bytes;
        break;
    case BLKFRONT_WRITE:
        stats->writes++;
        stats->written_bytes += r->bytes;
        break;
    case BLKFRONT_FLUSH:
        stats->flushes++;
        break;
    case BLKFRONT_DISCARD:
        stats->discards++;
        break;
    }
}

static const char *request_name(const struct blkfront_request *r)
{
    static const char names[][8] = {"read", "write", "flush", "discard"};

    return names[r->op];
}

static unsigned request_age_s(struct blkfront_queue *q,
                              const struct blkfront_request *r)
{
    return (unsigned)((loop_now(q->bf->loop) - r->since_ns) / NS_PER_S);
}

/* Answer the request: it belongs to its owner again. */
static void request_end(struct blkfront_queue *q, struct blkfront_request *r)
{
    request_remove(q, r);
    request_count(&q->bf->stats, r);
    if (r->reported)
        log_warn("blkfront",
                 "%s: %s of %" PRIu64 " bytes at %" PRIu64
                 ": answered after %u s",
                 q->bf->name, request_name(r), r->bytes, r->offset,
                 request_age_s(q, r));
    r->done(r);
}

/* All of it was sent, or nothing more will be. */
static void request_sent(struct blkfront_queue *q, struct blkfront_request *r)
{
    r->stage = BLKFRONT_SENT;
    q->unsent = r->next;
    if (!r->nr_parts)
        request_end(q, r);
}

/* Can this disk serve the request? */
static int request_check(const struct blkfront *bf,
                         const struct blkfront_request *r)
{
    const struct blkfront_info *info = &bf->info;

    if (r->op == BLKFRONT_FLUSH)
        return 0;
    if (!r->bytes || (r->bytes | r->offset) % info->sector_bytes)
        return -XEN_EINVAL;
    if (r->bytes > info->bytes || r->offset > info->bytes - r->bytes)
        return -XEN_ERANGE;
    if (r->op != BLKFRONT_READ && info->read_only)
        return -XEN_EROFS;
    if (r->op == BLKFRONT_DISCARD &&
        !(r->flags & BLKFRONT_SECURE ? info->discard_secure : info->discard))
        return -XEN_EOPNOTSUPP;
    return 0;
}

/* ---- Parts */

static void part_join(struct blkfront_part *part, struct blkfront_request *r)
{
    part->nr_requests++;
    r->nr_parts++;
}

static struct blkfront_part *part_take(struct blkfront_queue *q,
                                       struct blkfront_request *r,
                                       uint8_t operation)
{
    struct blkfront_part *part = &q->parts[q->free_parts[--q->nr_free_parts]];

    *part = (struct blkfront_part){
        .request = r,
        .pages = BLKFRONT_NONE,
        .operation = operation,
    };
    part_join(part, r);
    return part;
}

static void part_free(struct blkfront_queue *q, struct blkfront_part *part)
{
    uint16_t page = part->pages;

    while (page != BLKFRONT_NONE) {
        q->free_pages[q->nr_free_pages++] = page;
        page = q->pool[page].next;
    }
    part->request = NULL;
    q->free_parts[q->nr_free_parts++] = (uint16_t)(part - q->parts);
}

static uint64_t part_id(struct blkfront_queue *q, struct blkfront_part *part)
{
    return (uint64_t)(part - q->parts);
}

/* Copy what was read out of the pool. */
static void part_deliver(struct blkfront_queue *q, struct blkfront_part *part)
{
    for (uint16_t i = part->pages; i != BLKFRONT_NONE; i = q->pool[i].next) {
        struct blkfront_page *page = &q->pool[i];

        /* No bytes if the page held indirect segments. */
        cursor_copy(&page->at, page->data, page->bytes, true);
    }
}

static void part_put(struct blkfront_queue *q, const void *request,
                     size_t bytes)
{
    ring_put(&q->ring, request, bytes);
    q->bf->stats.parts++;
}

/* ---- Sending data */

/* A part under construction. */
struct build {
    struct blkfront_queue *q;
    struct blkfront_part *part;
    struct blkfront_request *request; /* the part's last one so far */
    struct blkfront_cursor at;        /* in it */
    uint16_t *tail;                   /* end of the part's page list */
};

static struct blkfront_page *build_page(struct build *b)
{
    uint16_t i = b->q->free_pages[--b->q->nr_free_pages];
    struct blkfront_page *page = &b->q->pool[i];

    *b->tail = i;
    b->tail = &page->next;
    page->next = BLKFRONT_NONE;
    page->bytes = 0;
    return page;
}

static void segment_set(struct blkif_request_segment *segment, grant_ref_t ref,
                        unsigned offset, size_t bytes)
{
    segment->gref = ref;
    segment->first_sect = (uint8_t)(offset / BLKFRONT_UNIT);
    segment->last_sect = (uint8_t)((offset + bytes) / BLKFRONT_UNIT - 1);
}

/* Add a segment that is in an owner's buffer. 0: the next bytes are in no
 * buffer, or are not whole sectors. */
static size_t build_in_place(struct build *b,
                             struct blkif_request_segment *segment)
{
    struct blkfront *bf = b->q->bf;
    size_t bytes;
    char *data = cursor_settle(&b->at, &bytes);
    unsigned offset = (uintptr_t)data % XEN_PAGE_SIZE;
    grant_ref_t ref = buffer_ref(bf, data);

    if (bytes > XEN_PAGE_SIZE - offset)
        bytes = XEN_PAGE_SIZE - offset;
    bytes -= bytes % bf->info.sector_bytes;
    if (ref == GNTTAB_NONE || offset % BLKFRONT_UNIT || !bytes)
        return 0;
    segment_set(segment, ref, offset, bytes);
    cursor_skip(&b->at, bytes);
    bf->stats.in_place_bytes += bytes;
    return bytes;
}

/* Add a segment in a page of the pool. 0: no page is left. */
static size_t build_copied(struct build *b,
                           struct blkif_request_segment *segment)
{
    struct blkfront_request *r = b->request;
    size_t bytes = XEN_PAGE_SIZE;
    struct blkfront_page *page;

    if (!b->q->nr_free_pages)
        return 0;
    page = build_page(b);
    if (bytes > r->bytes - r->sent)
        bytes = r->bytes - r->sent;
    page->bytes = (uint16_t)bytes;
    page->at = b->at;
    if (r->op == BLKFRONT_WRITE)
        cursor_copy(&b->at, page->data, bytes, false);
    else
        cursor_skip(&b->at, bytes);
    segment_set(segment, page->ref, 0, bytes);
    return bytes;
}

/* The next request starts where this one ends and may go in the same part. The
 * condition that is most rarely true is tested first. */
static bool is_continued(const struct blkfront *bf,
                         const struct blkfront_request *r)
{
    const struct blkfront_request *next = r->next;

    return next && next->offset == r->offset + r->bytes && next->op == r->op &&
           next->stage == BLKFRONT_DATA && !next->sent && !next->error &&
           !r->alone && !next->alone && !(r->flags & BLKFRONT_THROUGH) &&
           !request_check(bf, next);
}

/* Is there more to send? Moves to the next request if that may be joined. */
static bool build_has_more(struct build *b)
{
    struct blkfront_request *r = b->request;

    if (r->sent < r->bytes)
        return true;
    if (!is_continued(b->q->bf, r) ||
        b->part->bytes + r->next->bytes > BLKFRONT_MERGE_BYTES)
        return false;
    b->request = r->next;
    b->at = (struct blkfront_cursor){.piece = r->next->pieces};
    b->q->bf->stats.merged++;
    part_join(b->part, r->next);
    return true;
}

static unsigned build_segments(struct build *b,
                               struct blkif_request_segment *segments,
                               unsigned max)
{
    unsigned nr = 0;

    while (nr < max && build_has_more(b)) {
        size_t bytes = build_in_place(b, &segments[nr]);

        if (!bytes)
            bytes = build_copied(b, &segments[nr]);
        if (!bytes)
            break;
        b->request->sent += bytes;
        b->part->bytes += (uint32_t)bytes;
        nr++;
    }
    return nr;
}

/* Ring slots must not show what was on our stack: zero them, padding
 * included. */
static unsigned put_direct(struct build *b, uint64_t sector)
{
    struct blkfront_queue *q = b->q;
    struct blkif_request request;
    unsigned nr;

    memset(&request, 0, sizeof(request));
    nr = build_segments(b, request.seg, array_size(request.seg));
    request.operation = b->part->operation;
    request.nr_segments = (uint8_t)nr;
    request.handle = (blkif_vdev_t)q->bf->index;
    request.id = part_id(q, b->part);
    request.sector_number = sector;
    if (nr)
        part_put(q, &request,
                 offsetof(struct blkif_request, seg) +
                     nr * sizeof(request.seg[0]));
    return nr;
}

static unsigned put_indirect(struct build *b, uint64_t sector)
{
    struct blkfront_queue *q = b->q;
    struct blkfront_page *page = build_page(b);
    struct blkif_request_indirect request;
    unsigned nr;

    memset(&request, 0, sizeof(request));
    nr = build_segments(b, page->data, q->bf->info.segments_max);
    request.operation = BLKIF_OP_INDIRECT;
    request.indirect_op = b->part->operation;
    request.nr_segments = (uint16_t)nr;
    request.id = part_id(q, b->part);
    request.sector_number = sector;
    request.handle = (blkif_vdev_t)q->bf->index;
    request.indirect_grefs[0] = page->ref;
    b->part->indirect = true;
    if (nr)
        part_put(q, &request, sizeof(request));
    return nr;
}

/* Is there more than fits into a slot? Only a limited number of requests is
 * examined. */
static bool is_indirect(struct blkfront_queue *q,
                        const struct blkfront_request *r)
{
    const unsigned max = BLKIF_MAX_SEGMENTS_PER_REQUEST;
    uint64_t bytes = r->bytes - r->sent;
    unsigned nr = 1;

    if (q->bf->info.segments_max <= max || q->nr_free_pages <= max)
        return false;
    while (nr <= max && bytes <= max * XEN_PAGE_SIZE &&
           is_continued(q->bf, r)) {
        r = r->next;
        bytes += r->bytes;
        nr++;
    }
    return nr > max || bytes > max * XEN_PAGE_SIZE;
}

/* Send as much as one slot takes. False: no pages are free. */
static bool data_put(struct blkfront_queue *q, struct blkfront_request *r)
{
    uint64_t sector = (r->offset + r->sent) / BLKFRONT_UNIT;
    struct build b = {
        .q = q,
        .part = part_take(
            q, r, r->op == BLKFRONT_READ ? BLKIF_OP_READ : BLKIF_OP_WRITE),
        .request = r,
        .at = {.piece = r->pieces},
    };
    unsigned nr;

    b.tail = &b.part->pages;
    cursor_skip(&b.at, r->sent);
    nr = is_indirect(q, r) ? put_indirect(&b, sector) : put_direct(&b, sector);
    q->bf->stats.segments += nr;
    if (nr)
        return true;
    part_free(q, b.part);
    r->nr_parts--;
    return false;
}

static void discard_put(struct blkfront_queue *q, struct blkfront_request *r)
{
    struct blkfront_part *part = part_take(q, r, BLKIF_OP_DISCARD);
    struct blkif_request_discard request;

    memset(&request, 0, sizeof(request));
    request.operation = BLKIF_OP_DISCARD;
    request.flag = r->flags & BLKFRONT_SECURE ? BLKIF_DISCARD_SECURE : 0;
    request.handle = (blkif_vdev_t)q->bf->index;
    request.id = part_id(q, part);
    request.sector_number = r->offset / BLKFRONT_UNIT;
    request.nr_sectors = r->bytes / BLKFRONT_UNIT;
    part_put(q, &request, sizeof(request));
    r->sent = r->bytes;
}

/* ---- Sending flushes */

static void flush_put(struct blkfront_queue *q, struct blkfront_request *r)
{
    struct blkfront_part *part = part_take(q, r, q->bf->flush_op);
    struct blkif_request request;

    memset(&request, 0, sizeof(request));
    request.operation = part->operation;
    request.handle = (blkif_vdev_t)q->bf->index;
    request.id = part_id(q, part);
    part_put(q, &request, offsetof(struct blkif_request, seg));
    r->stage = BLKFRONT_FLUSHING;
}

/* Once all sent requests are answered: flush, if there is anything to flush. */
static bool flush_step(struct blkfront_queue *q, struct blkfront_request *r)
{
    if (q->nr_free_parts < q->nr_parts)
        return false;
    if (!r->error && q->lost) {
        r->error = -XEN_EIO;
        q->lost = false;
    }
    if (!r->error && q->bf->flush_op)
        flush_put(q, r);
    else
        request_sent(q, r);
    return true;
}

/* The backend announced flushes but refuses them (blkif.h, feature-barrier). */
static void flush_refused(struct blkfront_queue *q)
{
    struct blkfront *bf = q->bf;

    if (bf->flush_op == BLKIF_OP_FLUSH_DISKCACHE && bf->barrier)
        bf->flush_op = BLKIF_OP_WRITE_BARRIER;
    else
        bf->flush_op = 0;
    bf->info.flush = bf->flush_op;
    log_warn("blkfront", "%s: the backend does not flush after all%s", bf->name,
             bf->flush_op ? "; trying barriers"
                          : ": what it answers is taken for stable");
}

static void flush_answered(struct blkfront_queue *q, struct blkfront_request *r,
                           int status)
{
    if (status == BLKIF_RSP_EOPNOTSUPP) {
        flush_refused(q);
        r->stage = BLKFRONT_TO_FLUSH;
        return;
    }
    if (status == BLKIF_RSP_OKAY)
        q->cached = false;
    else
        r->error = -XEN_EIO;
    request_sent(q, r);
}

/* ---- Sending */

static bool data_step(struct blkfront_queue *q, struct blkfront_request *r)
{
    if (!r->sent && !r->error)
        r->error = request_check(q->bf, r); /* the disk may have changed */
    if (r->error || (r->sent == r->bytes && !(r->flags & BLKFRONT_THROUGH)))
        request_sent(q, r);
    else if (r->sent == r->bytes)
        r->stage = BLKFRONT_TO_FLUSH;
    else if (!q->nr_free_parts)
        return false;
    else if (r->op == BLKFRONT_DISCARD)
        discard_put(q, r);
    else
        return data_put(q, r);
    return true;
}

/* One step for the first unsent request. False: not possible now. */
static bool send_step(struct blkfront_queue *q, struct blkfront_request *r)
{
    switch (r->stage) {
    case BLKFRONT_DATA:
        return data_step(q, r);
    case BLKFRONT_TO_FLUSH:
        return flush_step(q, r);
    case BLKFRONT_SENT: /* see part_refused */
        q->unsent = r->next;
        return true;
    default:
        return false;
    }
}

static void send(struct blkfront_queue *q)
{
    if (q->held)
        buffers_renew(q);
    if (q->held)
        return;
    while (q->unsent && send_step(q, q->unsent))
        ;
    if (q->ring.req_prod != q->ring.req_pushed && ring_push(&q->ring)) {
        hv_evtchn_notify(q->port);
        q->bf->stats.notifies++;
    }
}

/* ---- Answers */

static void data_answered(struct blkfront_queue *q, struct blkfront_request *r,
                          int status)
{
    struct blkfront_info *info = &q->bf->info;

    if (status == BLKIF_RSP_OKAY && r->op != BLKFRONT_READ) {
        q->cached = q->bf->flush_op;
        q->cacher = q->bf->bus.backend_dom;
    } else if (status == BLKIF_RSP_EOPNOTSUPP) {
        r->error = -XEN_EOPNOTSUPP;
        if (r->op == BLKFRONT_DISCARD)
            info->discard_secure = false;
        if (r->op == BLKFRONT_DISCARD && !(r->flags & BLKFRONT_SECURE))
            info->discard = false;
    } else if (status != BLKIF_RSP_OKAY) {
        r->error = -XEN_EIO;
    }
    if (r->stage == BLKFRONT_SENT && !r->nr_parts)
        request_end(q, r);
}

static void request_answered(struct blkfront_queue *q,
                             struct blkfront_request *r, int status)
{
    r->nr_parts--;
    if (r->stage == BLKFRONT_FLUSHING)
        flush_answered(q, r, status);
    else
        data_answered(q, r, status);
}

/* Nobody knows which of the requests was refused, so each is sent again, alone:
 * sending restarts at the list's head and skips those that are sent. */
static void part_refused(struct blkfront_queue *q, struct blkfront_request *r,
                         unsigned nr)
{
    q->bf->stats.again += nr;
    for (; nr; nr--, r = r->next) {
        r->nr_parts--;
        r->stage = BLKFRONT_DATA;
        r->sent = 0;
        r->alone = true;
    }
    q->unsent = q->requests;
}

static void part_answered(struct blkfront_queue *q, struct blkfront_part *part,
                          int status)
{
    struct blkfront_request *r = part->request, *next;
    unsigned nr = part->nr_requests;

    if (status == BLKIF_RSP_OKAY && r->op == BLKFRONT_READ)
        part_deliver(q, part);
    part_free(q, part);
    if (status != BLKIF_RSP_OKAY && nr > 1) {
        part_refused(q, r, nr);
        return;
    }
    for (; nr; nr--, r = next) {
        next = r->next; /* done() may submit r again */
        request_answered(q, r, status);
    }
}

/* To an indirect request, Linux's blkback answers with the operation inside it;
 * blkif.h ("copied") asks for BLKIF_OP_INDIRECT. */
static bool is_same_operation(const struct blkfront_part *part,
                              const blkif_response_t *response)
{
    return response->operation == part->operation ||
           (response->operation == BLKIF_OP_INDIRECT && part->indirect);
}

static void response_take(struct blkfront_queue *q,
                          const blkif_response_t *response)
{
    struct blkfront_part *part;

    if (response->id >= q->nr_parts || !q->parts[response->id].request) {
        queue_fail(q, "response to nothing", response->id);
        return;
    }
    part = &q->parts[response->id];
    if (!is_same_operation(part, response))
        queue_fail(q, "response to another operation", response->operation);
    else if (response->status > BLKIF_RSP_OKAY ||
             response->status < BLKIF_RSP_EOPNOTSUPP)
        queue_fail(q, "unknown status", (uint16_t)response->status);
    else
        part_answered(q, part, response->status);
}

static void collect(struct blkfront_queue *q)
{
    blkif_response_t response;
    int got = 1;

    while (q->running && got > 0) {
        got = ring_take(&q->ring, &response, sizeof(response));
        if (got < 0)
            queue_fail(q, "responses to nothing", q->ring.rsp_cons);
        else if (got > 0)
            response_take(q, &response);
    }
}

/* ---- The turn's work */

/* Should a refused owner be told of room now? Not for every single request. */
static bool has_room(const struct blkfront_queue *q)
{
    unsigned max = q->bf->info.requests_max;

    return q->refused && q->nr_requests <= max - max / 4;
}

/* What callbacks submit here is sent at the end, so that needs no turn of its
 * own. */
static void queue_work(struct task *task)
{
    struct blkfront_queue *q = container_of(task, struct blkfront_queue, work);

    do
        collect(q);
    while (q->running && ring_arm(&q->ring));
    if (!q->running)
        return;
    if (has_room(q)) {
        q->refused = false;
        q->bf->owner.room(q->bf->owner.arg);
    }
    send(q);
    if (has_room(q))
        queue_wake(q);
    else
        task_stop(q->bf->loop, &q->work);
}

static void queue_event(struct event *event)
{
    struct blkfront_queue *q =
        container_of(event, struct blkfront_queue, event);

    q->bf->stats.events++;
    if (q->running)
        queue_wake(q);
}

static void report_slow(struct blkfront_queue *q)
{
    struct blkfront_request *oldest = NULL;
    uint64_t now = loop_now(q->bf->loop);
    unsigned nr = 0;

    for (struct blkfront_request *r = q->requests;
         r && now - r->since_ns >= BLKFRONT_SLOW_NS; r = r->next) {
        nr += !r->reported;
        if (!oldest && !r->reported)
            oldest = r;
        r->reported = true;
    }
    q->bf->stats.slow += nr;
    if (nr)
        log_warn("blkfront",
                 "%s: %u requests without an answer, the oldest "
                 "for %u s: %s of %" PRIu64 " bytes at %" PRIu64 "%s",
                 q->bf->name, nr, request_age_s(q, oldest),
                 request_name(oldest), oldest->bytes, oldest->offset,
                 q->running ? "" : "; the backend is away");
}

static void look_run(struct timer *timer);

static void look_start(struct blkfront_queue *q)
{
    if (!q->look.active)
        timer_start(q->bf->loop, &q->look,
                    loop_now(q->bf->loop) + BLKFRONT_LOOK_NS, look_run);
}

static void look_run(struct timer *timer)
{
    struct blkfront_queue *q = container_of(timer, struct blkfront_queue, look);

    report_slow(q);
    if (q->running)
        queue_wake(q);
    if (q->requests)
        look_start(q);
}

static uint64_t pieces_bytes(const struct blkfront_request *r)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < r->nr_pieces; i++)
        bytes += r->pieces[i].bytes;
    return bytes;
}

int blkfront_submit(struct blkfront *bf, struct blkfront_request *r)
{
    struct blkfront_queue *q = &bf->queue;
    int error;

    assert(r->op <= BLKFRONT_DISCARD);
    if (!bf->known || bf->destroyed)
        return -XEN_ENODEV;
    if (r->op != BLKFRONT_DISCARD)
        r->bytes = r->op == BLKFRONT_FLUSH ? 0 : pieces_bytes(r);
    error = request_check(bf, r);
    if (error)
        return error;
    if (q->nr_requests >= bf->info.requests_max) {
        q->refused = true;
        bf->stats.full++;
        return -XEN_EAGAIN;
    }
    r->stage = r->op == BLKFRONT_FLUSH ? BLKFRONT_TO_FLUSH : BLKFRONT_DATA;
    r->sent = 0;
    r->nr_parts = 0;
    r->error = 0;
    r->alone = r->reported = false;
    r->since_ns = loop_now(bf->loop);
    request_append(q, r);
    if (q->running)
        queue_wake(q);
    look_start(q);
    return 0;
}

/* ---- The queue */

int blkfront_queue_open(struct blkfront_queue *q, unsigned order)
{
    int error = ring_open(q, order);

    while (error && order)
        error = ring_open(q, --order);
    if (!error)
        error = pool_open(q);
    if (!error)
        error = hv_evtchn_alloc_unbound(q->bf->bus.backend_dom, &q->port);
    if (error) {
        blkfront_queue_close(q);
        return error;
    }
    q->nr_parts =
        q->ring.size < BLKFRONT_PARTS_MAX ? q->ring.size : BLKFRONT_PARTS_MAX;
    for (unsigned i = q->nr_parts; i-- > 0;)
        q->free_parts[q->nr_free_parts++] = (uint16_t)i;
    return 0;
}

/* The cache that held answered writes is gone with the domain that had it. */
static void check_cache(struct blkfront_queue *q)
{
    if (!q->cached || q->cacher == q->bf->bus.backend_dom)
        return;
    log_error("blkfront",
              "%s: the backend in domain %u went with writes that "
              "were not flushed: the next flush fails",
              q->bf->name, q->cacher);
    q->cached = false;
    q->lost = true;
}

void blkfront_queue_start(struct blkfront_queue *q)
{
    check_cache(q);
    buffers_renew(q);
    q->running = q->listening = true;
    event_start(q->bf->loop, &q->event, q->port, queue_event);
    queue_wake(q);
}

/* Reset every request to its state when it was accepted. */
static void requests_rewind(struct blkfront_queue *q)
{
    for (struct blkfront_request *r = q->requests; r; r = r->next) {
        q->bf->stats.again += r->sent || r->stage == BLKFRONT_FLUSHING;
        r->stage = r->op == BLKFRONT_FLUSH ? BLKFRONT_TO_FLUSH : BLKFRONT_DATA;
        r->sent = 0;
        r->nr_parts = 0;
        r->error = 0;
        r->alone = false;
    }
    q->unsent = q->requests;
}

void blkfront_queue_close(struct blkfront_queue *q)
{
    if (q->listening) {
        event_stop(q->bf->loop, &q->event);
        task_stop(q->bf->loop, &q->work);
    }
    q->running = q->listening = false;
    if (q->port)
        hv_evtchn_close(q->port);
    q->port = 0;
    ring_close(q);
    for (unsigned i = 0; i < q->nr_parts; i++)
        q->parts[i].request = NULL;
    q->nr_parts = q->nr_free_parts = q->nr_free_pages = 0;
    requests_rewind(q);
}

void blkfront_queue_end(struct blkfront_queue *q)
{
    blkfront_queue_close(q);
    timer_stop(q->bf->loop, &q->look);
    q->unsent = NULL;
    while (q->requests) {
        q->requests->error = -XEN_ENODEV;
        request_end(q, q->requests);
    }
}

void blkfront_queue_free(struct blkfront_queue *q)
{
    for (unsigned i = 0; i < q->nr_pool; i++)
        page_end(q->bf, &q->pool[i]);
}

void blkfront_queue_init(struct blkfront_queue *q, struct blkfront *bf)
{
    unsigned long nr = pages_available(bf->pages) / BLKFRONT_POOL_SHARE;

    q->bf = bf;
    q->nr_pool = nr < BLKFRONT_POOL_MIN   ? BLKFRONT_POOL_MIN
                 : nr > BLKFRONT_POOL_MAX ? BLKFRONT_POOL_MAX
                                          : (unsigned)nr;
    for (unsigned i = 0; i < BLKFRONT_POOL_MAX; i++)
        q->pool[i] = no_page;
    q->requests_end = &q->requests;
}
