/* SPDX-License-Identifier: MIT */
/*
 * The network frontend's data path.
 *
 * Events, polls, sends and releases only start a task. The task does all the
 * work, once a turn: collect transmit responses, hand up received
 * frames (at most RX_BUDGET slots, so that timers are not starved), post free
 * pages, show both rings to the backend, and notify it where it asked for that.
 *
 * Receive: a page has one holder at a time (enum netfront_holder). Permission
 * is given when the page goes to the backend, and withdrawn when it is back,
 * before anybody reads it. Neither costs a hypercall. Parts that the owner may
 * have written to are wiped when the page is released.
 * Transmit: a pool page is granted read-only while the device is open; frames
 * are copied in, and nothing is ever read back from it.
 *
 * Nothing from the backend is used as an index. A receive response belongs to
 * the request in the same slot (netif.h, "rx response", NOTE) and must repeat
 * its id; a transmit response must name a buffer in flight. A violation ends
 * the connection; a bad frame is only dropped.
 */
#include "netfront/netfront_priv.h"
#include "xen/hv.h"

#include <assert.h>
#include <string.h>

/* Receive slots handled in one turn: a few hundred microseconds of work. */
#define RX_BUDGET 64

/* Extra info slots in one frame: each type there is, once (netif.h). */
#define RX_EXTRAS_MAX (XEN_NETIF_EXTRA_TYPE_MAX - 1)

#define RX_FLAGS_KNOWN                                              \
    (NETRXF_data_validated | NETRXF_csum_blank | NETRXF_more_data | \
     NETRXF_extra_info)

#define ETHERNET_HEADER 14u /* a frame has at least this */

#define TX_BUFFER_HALF (XEN_PAGE_SIZE / 2) /* holds a frame of MTU 1500 */

/* The backend broke the protocol. It and the owner are told later, from the
 * loop; nothing of the queue is used from here on. */
static void queue_fail(struct netfront_queue *q, const char *what,
                       unsigned number)
{
    q->nf->stats.broken++;
    q->running = false;
    xenbus_fail(&q->nf->bus, "%s (%u)", what, number);
}

static void queue_work(struct task *task);

static void queue_wake(struct netfront_queue *q)
{
    task_start(q->nf->loop, &q->work, queue_work);
}

/* ---- Pages */

/* Bind a fresh page to a reference. While this device's backends still hold as
 * many pages as the receive pool has, they get no more of our memory. */
static int page_take(struct netfront_queue *q, struct netfront_page *page)
{
    struct netfront *nf = q->nf;
    int error;

    if (nf->hoard.nr > q->rx.nr_buffers)
        return -XEN_ENOMEM;
    page->data = page_alloc_zeroed(nf->pages, 1);
    if (!page->data)
        return -XEN_ENOMEM;
    error = gnttab_take(nf->gt, nf->bus.backend_dom, page->data, &page->ref);
    if (error) {
        page_free(nf->pages, page->data, 1);
        *page = (struct netfront_page){NULL, GNTTAB_NONE};
    }
    return error;
}

static void page_end(struct netfront_queue *q, struct netfront_page *page)
{
    if (page->ref != GNTTAB_NONE)
        gnttab_end(&q->nf->hoard, page->ref);
    *page = (struct netfront_page){NULL, GNTTAB_NONE};
}

static int ring_open(struct netfront_queue *q, struct netfront_page *page,
                     struct ring *ring, size_t slot_bytes)
{
    int error = page_take(q, page);

    if (error)
        return error;
    ring_init(ring, page->data, XEN_PAGE_SIZE, slot_bytes);
    gnttab_give(q->nf->gt, page->ref, false);
    return 0;
}

/* ---- Receive: pages to the backend */

static void rx_put_free(struct netfront_rx *rx, unsigned buffer)
{
    rx->holder[buffer] = RX_OURS;
    rx->free[rx->nr_free++] = buffer;
}

/* Give a buffer that has no page a new one. */
static int rx_stock(struct netfront_queue *q, unsigned buffer)
{
    int error = page_take(q, &q->rx.buffers[buffer]);

    if (!error)
        rx_put_free(&q->rx, buffer);
    return error;
}

static void rx_post(struct netfront_queue *q, unsigned buffer)
{
    struct netfront_rx *rx = &q->rx;
    unsigned slot = rx->ring.req_prod % NETFRONT_SLOTS;
    netif_rx_request_t request = {
        .id = slot,
        .gref = rx->buffers[buffer].ref,
    };

    gnttab_give(q->nf->gt, request.gref, false);
    rx->holder[buffer] = RX_BACKEND;
    rx->posted[slot] = buffer;
    ring_put(&rx->ring, &request, sizeof(request));
}

static void rx_refill(struct netfront_queue *q)
{
    while (q->rx.nr_free)
        rx_post(q, q->rx.free[--q->rx.nr_free]);
}

/* ---- Receive: frames from the backend */

/* Drop the frame: its pages so far are free at once, so that even an endless
 * chain holds none. */
static void rx_drop(struct netfront_rx *rx)
{
    for (unsigned i = 0; i < rx->frame.nr_frags; i++)
        rx_put_free(rx, rx->frame.frags[i].buffer);
    rx->frame.nr_frags = 0;
    rx->drop = true;
}

static void rx_hand_up(struct netfront_queue *q)
{
    struct netfront_rx *rx = &q->rx;
    struct netfront *nf = q->nf;

    for (unsigned i = 0; i < rx->frame.nr_frags; i++) {
        const struct netfront_frag *frag = &rx->frame.frags[i];

        rx->holder[frag->buffer] = RX_OWNER;
        rx->pieces[frag->buffer].offset =
            (uint16_t)((uintptr_t)frag->data % XEN_PAGE_SIZE);
        rx->pieces[frag->buffer].bytes = frag->bytes;
    }
    rx->nr_out += rx->frame.nr_frags;
    nf->stats.rx_frames++;
    nf->stats.rx_bytes += rx->frame.bytes;
    nf->owner.receive(nf->owner.arg, &rx->frame);
}

/* Start with an empty frame: fragments beyond nr_frags do not count. */
static void rx_frame_reset(struct netfront_rx *rx)
{
    rx->frame.bytes = 0;
    rx->frame.nr_frags = 0;
    rx->frame.checksum_good = rx->frame.checksum_blank = false;
    rx->expect = RX_FIRST;
    rx->drop = false;
    rx->extras = 0;
}

static void rx_frame_end(struct netfront_queue *q)
{
    struct netfront_rx *rx = &q->rx;

    if (!rx->drop && rx->frame.bytes < ETHERNET_HEADER)
        rx_drop(rx);
    if (rx->drop)
        q->nf->stats.rx_dropped++;
    else
        rx_hand_up(q);
    rx_frame_reset(rx);
}

/* Handle an extra info slot. We offered none of the features it could be for; a
 * hash may be ignored, the others change what the frame means. */
static void rx_extra(struct netfront_queue *q, unsigned buffer,
                     const netif_rx_response_t *response)
{
    struct netfront_rx *rx = &q->rx;
    netif_extra_info_t extra;

    _Static_assert(sizeof(extra) == sizeof(*response), "netif.h, Extra Info");
    memcpy(&extra, response, sizeof(extra));
    rx_put_free(rx, buffer);
    if (++rx->extras > RX_EXTRAS_MAX) {
        queue_fail(q, "too many extra infos in a frame", rx->extras);
        return;
    }
    if (extra.type != XEN_NETIF_EXTRA_TYPE_HASH && !rx->drop)
        rx_drop(rx);
    if (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE)
        return;
    rx->expect = rx->more ? RX_MORE : RX_FIRST;
    if (!rx->more)
        rx_frame_end(q);
}

/* Is this a valid fragment of a frame? */
static bool rx_is_good(const struct netfront_rx *rx,
                       const netif_rx_response_t *response)
{
    return response->status > 0 &&
           response->offset + response->status <= (int)XEN_PAGE_SIZE &&
           rx->frame.bytes + response->status <= NETFRONT_FRAME_MAX &&
           rx->frame.nr_frags < NETFRONT_FRAGS_MAX &&
           !(response->flags & ~RX_FLAGS_KNOWN);
}

static void rx_add(struct netfront_rx *rx, unsigned buffer,
                   const netif_rx_response_t *response)
{
    struct netfront_frame *frame = &rx->frame;

    frame->frags[frame->nr_frags++] = (struct netfront_frag){
        .data = (uint8_t *)rx->buffers[buffer].data + response->offset,
        .bytes = response->status,
        .buffer = buffer,
    };
    frame->bytes += response->status;
    if (rx->expect != RX_FIRST)
        return;
    frame->checksum_blank = response->flags & NETRXF_csum_blank;
    frame->checksum_good =
        response->flags & (NETRXF_csum_blank | NETRXF_data_validated);
}

static void rx_data(struct netfront_queue *q, unsigned buffer,
                    const netif_rx_response_t *response)
{
    struct netfront_rx *rx = &q->rx;

    if (!rx->drop && rx_is_good(rx, response)) {
        rx_add(rx, buffer, response);
    } else {
        if (!rx->drop)
            rx_drop(rx);
        rx_put_free(rx, buffer);
    }
    rx->more = response->flags & NETRXF_more_data;
    if (rx->expect == RX_FIRST && response->flags & NETRXF_extra_info)
        rx->expect = RX_EXTRA;
    else
        rx->expect = rx->more ? RX_MORE : RX_FIRST;
    if (rx->expect == RX_FIRST)
        rx_frame_end(q);
}

/* The backend answered but still holds the page (docs/hardening.md, A8): leave
 * the page to it for as long as it likes, and go on with another one. */
static int rx_replace(struct netfront_queue *q, unsigned buffer)
{
    q->nf->stats.rx_errors++;
    page_end(q, &q->rx.buffers[buffer]);
    if (!q->rx.drop)
        rx_drop(&q->rx);
    return page_take(q, &q->rx.buffers[buffer]);
}

/* Take one response and make its page private. False: there is none. */
static bool rx_take(struct netfront_queue *q)
{
    struct netfront_rx *rx = &q->rx;
    unsigned slot = rx->ring.rsp_cons % NETFRONT_SLOTS;
    unsigned buffer = rx->posted[slot];
    netif_rx_response_t response;
    int got = ring_take(&rx->ring, &response, sizeof(response));

    if (got < 0)
        queue_fail(q, "receive responses to nothing", rx->ring.rsp_cons);
    if (got <= 0)
        return false;
    rx->holder[buffer] = RX_OURS;
    if (gnttab_withdraw(q->nf->gt, rx->buffers[buffer].ref) &&
        rx_replace(q, buffer))
        queue_fail(q, "keeps pages, none left in their place", buffer);
    else if (rx->expect == RX_EXTRA)
        rx_extra(q, buffer, &response);
    else if (response.id != slot)
        queue_fail(q, "receive response to another request", response.id);
    else if (response.status < NETIF_RSP_DROPPED)
        queue_fail(q, "unknown receive status", -response.status);
    else
        rx_data(q, buffer, &response);
    return true;
}

/* Hand up received frames. True: the budget is used up; there may be more. */
static bool rx_run(struct netfront_queue *q)
{
    for (unsigned budget = RX_BUDGET; q->running && budget; budget--)
        if (!rx_take(q) && (!q->running || !ring_arm(&q->rx.ring)))
            return false;
    return q->running;
}

static int rx_open(struct netfront_queue *q, unsigned buffers)
{
    struct netfront_rx *rx = &q->rx;
    int error = ring_open(q, &rx->ring_page, &rx->ring,
                          sizeof(union netif_rx_sring_entry));

    if (error)
        return error;
    for (unsigned i = 0; rx->nr_free + rx->nr_out < buffers && !error; i++)
        if (rx->holder[i] != RX_OWNER)
            error = rx_stock(q, i);
    /* Fewer than planned will do, if the largest frame fits. */
    return rx->nr_free + rx->nr_out < NETFRONT_RX_MIN ? -XEN_ENOMEM : 0;
}

/* The owner keeps its pages, which were withdrawn before it got them. */
static void rx_close(struct netfront_queue *q)
{
    struct netfront_rx *rx = &q->rx;

    for (unsigned i = 0; i < rx->nr_buffers; i++) {
        if (rx->holder[i] != RX_OWNER) {
            page_end(q, &rx->buffers[i]);
        } else if (rx->buffers[i].ref != GNTTAB_NONE) {
            gnttab_release(q->nf->gt, rx->buffers[i].ref);
            rx->buffers[i].ref = GNTTAB_NONE;
        }
    }
    page_end(q, &rx->ring_page);
    rx->nr_free = 0;
    rx_frame_reset(rx);
}

/* ---- Transmit: responses */

static void tx_answered(struct netfront_queue *q,
                        const netif_tx_response_t *response)
{
    struct netfront_tx *tx = &q->tx;

    if (response->id >= tx->nr_buffers || tx->state[response->id] == TX_FREE) {
        queue_fail(q, "transmit response to nothing", response->id);
        return;
    }
    if (response->status > NETIF_RSP_OKAY ||
        response->status < NETIF_RSP_DROPPED) {
        queue_fail(q, "unknown transmit status", (uint16_t)response->status);
        return;
    }
    if (tx->state[response->id] == TX_FIRST) {
        q->nf->stats.tx_errors += response->status == NETIF_RSP_ERROR;
        q->nf->stats.tx_dropped += response->status == NETIF_RSP_DROPPED;
    }
    tx->state[response->id] = TX_FREE;
    tx->free[tx->nr_free++] = response->id;
}

static void tx_collect(struct netfront_queue *q)
{
    netif_tx_response_t response;
    int got;

    while (q->running) {
        got = ring_take(&q->tx.ring, &response, sizeof(response));
        if (got < 0)
            queue_fail(q, "transmit responses to nothing", q->tx.ring.rsp_cons);
        if (got <= 0)
            return;
        tx_answered(q, &response);
    }
}

/* How many more answers are needed before a waiting sender is told: it is not
 * woken for every frame. */
static unsigned tx_missing(const struct netfront_tx *tx)
{
    unsigned enough = tx->nr_buffers / 4;

    if (enough < tx->wanted)
        enough = tx->wanted;
    return tx->nr_free < enough ? enough - tx->nr_free : 0;
}

/* Collect answers, and tell a waiting sender when there is room again. */
static void tx_run(struct netfront_queue *q)
{
    struct netfront_tx *tx = &q->tx;

    tx_collect(q);
    if (!q->running || !tx->wanted || tx_missing(tx))
        return;
    tx->wanted = 0;
    q->nf->owner.sendable(q->nf->owner.arg);
}

/* Ask for an event if a sender waits; nobody else needs to know that a frame
 * was sent, so ask for no other. True: there is room now. */
static bool tx_arm(struct netfront_tx *tx)
{
    unsigned missing = tx_missing(tx);

    return tx->wanted && (!missing || ring_arm_after(&tx->ring, missing));
}

/* ---- Transmit: requests */

/* The position of the next byte to send within the pieces. */
struct cursor {
    const struct netfront_piece *piece;
    size_t offset;
};

static void copy(struct cursor *from, uint8_t *to, size_t bytes)
{
    while (bytes) {
        size_t left = from->piece->bytes - from->offset;
        size_t n = left < bytes ? left : bytes;

        if (n) {
            memcpy(to, (const uint8_t *)from->piece->data + from->offset, n);
            to += n;
            bytes -= n;
            from->offset += n;
        } else {
            from->piece++;
            from->offset = 0;
        }
    }
}

/* Put one frame into as many slots as it needs. The first slot has the size of
 * the whole frame, the others their own (netif.h, "Guest transmit"). */
static void tx_put(struct netfront_tx *tx, const struct netfront_piece *pieces,
                   size_t frame_bytes, unsigned flags)
{
    struct cursor from = {.piece = pieces};
    size_t left = frame_bytes;

    while (left) {
        unsigned buffer = tx->free[--tx->nr_free];
        size_t position = buffer * tx->buffer_bytes;
        struct netfront_page *page = &tx->pages[position / XEN_PAGE_SIZE];
        size_t n = left < tx->buffer_bytes ? left : tx->buffer_bytes;
        bool first = left == frame_bytes;
        netif_tx_request_t request = {
            .gref = page->ref,
            .offset = position % XEN_PAGE_SIZE,
            .flags = (first ? flags : 0) | (n < left ? NETTXF_more_data : 0),
            .id = buffer,
            .size = first ? frame_bytes : n,
        };

        copy(&from, (uint8_t *)page->data + request.offset, n);
        tx->state[buffer] = first ? TX_FIRST : TX_REST;
        ring_put(&tx->ring, &request, sizeof(request));
        left -= n;
    }
}

static size_t pieces_bytes(const struct netfront_piece *pieces, unsigned nr)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < nr; i++)
        bytes += pieces[i].bytes;
    return bytes;
}

int netfront_send(struct netfront *nf, const struct netfront_piece *pieces,
                  unsigned nr, bool checksum_blank)
{
    struct netfront_queue *q = &nf->queue;
    struct netfront_tx *tx = &q->tx;
    size_t bytes = pieces_bytes(pieces, nr);
    size_t slots = (bytes + tx->buffer_bytes - 1) / tx->buffer_bytes;

    if (q->running && tx->nr_free < slots)
        tx_collect(q);
    if (!q->running)
        return -XEN_ENODEV;
    if (bytes < ETHERNET_HEADER)
        return -XEN_EINVAL;
    if (bytes > nf->info.tx_frame_max)
        return -XEN_E2BIG;
    queue_wake(q);
    if (tx->nr_free < slots) {
        tx->wanted = slots;
        nf->stats.tx_full++;
        return -XEN_EAGAIN;
    }
    tx_put(tx, pieces, bytes,
           checksum_blank ? NETTXF_csum_blank | NETTXF_data_validated : 0);
    nf->stats.tx_frames++;
    nf->stats.tx_bytes += bytes;
    return 0;
}

static int tx_open(struct netfront_queue *q, unsigned nr_pages,
                   size_t frame_bytes)
{
    struct netfront_tx *tx = &q->tx;
    unsigned pages = 0;
    int error = ring_open(q, &tx->ring_page, &tx->ring,
                          sizeof(union netif_tx_sring_entry));

    for (; pages < nr_pages && !error; pages += !error) {
        error = page_take(q, &tx->pages[pages]);
        if (!error)
            gnttab_give(q->nf->gt, tx->pages[pages].ref, true);
    }
    if (pages < NETFRONT_TX_PAGES_MIN)
        return -XEN_ENOMEM;
    tx->buffer_bytes =
        frame_bytes <= TX_BUFFER_HALF ? TX_BUFFER_HALF : XEN_PAGE_SIZE;
    tx->nr_buffers = pages * XEN_PAGE_SIZE / tx->buffer_bytes;
    for (unsigned i = tx->nr_buffers; i-- > 0;)
        tx->free[tx->nr_free++] = i;
    return 0;
}

static void tx_close(struct netfront_queue *q)
{
    struct netfront_tx *tx = &q->tx;

    for (unsigned i = 0; i < tx->nr_buffers; i++) {
        q->nf->stats.tx_dropped += tx->state[i] == TX_FIRST;
        tx->state[i] = TX_FREE;
    }
    for (unsigned i = 0; i < tx->nr_pages; i++)
        page_end(q, &tx->pages[i]);
    page_end(q, &tx->ring_page);
    tx->nr_buffers = 0;
    tx->nr_free = 0;
    tx->wanted = 0;
}

/* ---- The queue */

/* Show the backend the new requests. True: it wants to be notified. */
static bool ring_show(struct ring *ring)
{
    return ring->req_prod != ring->req_pushed && ring_push(ring);
}

static void queue_notify(struct netfront_queue *q, evtchn_port_t port)
{
    hv_evtchn_notify(port);
    q->nf->stats.notifies++;
}

static void queue_show(struct netfront_queue *q)
{
    bool rx = ring_show(&q->rx.ring);
    bool tx = ring_show(&q->tx.ring);

    if (rx)
        queue_notify(q, q->rx_port);
    if (tx && !(rx && q->tx_port == q->rx_port))
        queue_notify(q, q->tx_port);
}

/* The turn's work. What the callbacks send and release is shown at its end, so
 * that needs no turn of its own. */
static void queue_work(struct task *task)
{
    struct netfront_queue *q = container_of(task, struct netfront_queue, work);
    bool more;

    tx_run(q);
    more = rx_run(q);
    if (!q->running)
        return;
    more |= tx_arm(&q->tx);
    rx_refill(q);
    queue_show(q);
    if (more)
        queue_wake(q);
    else
        task_stop(q->nf->loop, &q->work);
}

static void queue_event(struct netfront_queue *q)
{
    q->nf->stats.events++;
    if (q->running)
        queue_wake(q);
}

void netfront_look(struct netfront *nf)
{
    if (nf->queue.running)
        queue_wake(&nf->queue);
}

static void rx_event(struct event *event)
{
    queue_event(container_of(event, struct netfront_queue, rx_event));
}

static void tx_event(struct event *event)
{
    queue_event(container_of(event, struct netfront_queue, tx_event));
}

static int ports_open(struct netfront_queue *q)
{
    domid_t dom = q->nf->bus.backend_dom;
    int error = hv_evtchn_alloc_unbound(dom, &q->rx_port);

    if (error)
        return error;
    q->tx_port = q->rx_port;
    return q->nf->split ? hv_evtchn_alloc_unbound(dom, &q->tx_port) : 0;
}

static void ports_close(struct netfront_queue *q)
{
    if (q->tx_port != q->rx_port)
        hv_evtchn_close(q->tx_port);
    if (q->rx_port)
        hv_evtchn_close(q->rx_port);
    q->rx_port = q->tx_port = 0;
}

/* A share of the memory that is available now. */
static unsigned share(const struct netfront_queue *q, unsigned part,
                      unsigned min, unsigned max)
{
    unsigned long n = pages_available(q->nf->pages) / part;

    return n < min ? min : n > max ? max : n;
}

int netfront_queue_open(struct netfront_queue *q, size_t frame_bytes)
{
    unsigned buffers =
        share(q, NETFRONT_RX_SHARE, NETFRONT_RX_MIN, q->rx.nr_buffers);
    unsigned tx_pages =
        share(q, NETFRONT_TX_SHARE, NETFRONT_TX_PAGES_MIN, q->tx.nr_pages);
    int error = tx_open(q, tx_pages, frame_bytes);

    if (!error)
        error = rx_open(q, buffers);
    if (!error)
        error = ports_open(q);
    q->open = !error;
    if (error)
        netfront_queue_close(q);
    return error;
}

uint32_t netfront_queue_frame_max(const struct netfront_queue *q)
{
    unsigned slots = q->nf->sg ? NETFRONT_FRAGS_MAX : 1;
    uint32_t bytes;

    if (slots > q->tx.nr_buffers)
        slots = q->tx.nr_buffers;
    bytes = slots * q->tx.buffer_bytes;
    return bytes < NETFRONT_FRAME_MAX ? bytes : NETFRONT_FRAME_MAX;
}

void netfront_queue_start(struct netfront_queue *q)
{
    struct loop *loop = q->nf->loop;

    q->running = q->listening = true;
    event_start(loop, &q->rx_event, q->rx_port, rx_event);
    if (q->tx_port != q->rx_port)
        event_start(loop, &q->tx_event, q->tx_port, tx_event);
    queue_wake(q);
}

void netfront_queue_close(struct netfront_queue *q)
{
    if (q->running)
        tx_collect(q); /* not collected for a while */
    if (q->listening) {
        event_stop(q->nf->loop, &q->rx_event);
        if (q->tx_port != q->rx_port)
            event_stop(q->nf->loop, &q->tx_event);
        task_stop(q->nf->loop, &q->work);
    }
    q->open = q->running = q->listening = false;
    ports_close(q);
    tx_close(q);
    rx_close(q);
}

void netfront_queue_init(struct netfront_queue *q, struct netfront *nf)
{
    static const struct netfront_page none = {NULL, GNTTAB_NONE};

    q->nf = nf;
    q->rx.nr_buffers =
        share(q, NETFRONT_RX_SHARE, NETFRONT_RX_MIN, NETFRONT_RX_MAX);
    q->tx.nr_pages = share(q, NETFRONT_TX_SHARE, NETFRONT_TX_PAGES_MIN,
                           NETFRONT_TX_PAGES_MAX);
    q->tx.buffer_bytes = TX_BUFFER_HALF;
    q->rx.ring_page = q->tx.ring_page = none;
    for (unsigned i = 0; i < NETFRONT_RX_MAX; i++)
        q->rx.buffers[i] = none;
    for (unsigned i = 0; i < NETFRONT_TX_PAGES_MAX; i++)
        q->tx.pages[i] = none;
}

/* ---- Receive: pages back from the owner */

/* A page that outlived its connection is not used by the next one. */
static void rx_retire(struct netfront_queue *q, unsigned buffer)
{
    page_free(q->nf->pages, q->rx.buffers[buffer].data, 1);
    q->rx.buffers[buffer].data = NULL;
    if (q->open && rx_stock(q, buffer))
        q->nf->stats.rx_errors++; /* the pool is smaller until the next open */
}

/* The backend must not see what the owner wrote: lwIP, for one, keeps pointers
 * in the headers of fragments. */
static void rx_wipe(struct netfront_rx *rx, unsigned buffer)
{
    memset((uint8_t *)rx->buffers[buffer].data + rx->pieces[buffer].offset, 0,
           rx->pieces[buffer].bytes);
}

void netfront_release(struct netfront *nf, unsigned buffer, bool written)
{
    struct netfront_queue *q = &nf->queue;
    struct netfront_rx *rx = &q->rx;

    assert(buffer < rx->nr_buffers && rx->holder[buffer] == RX_OWNER);
    rx->nr_out--;
    rx->holder[buffer] = RX_OURS;
    if (rx->buffers[buffer].ref == GNTTAB_NONE) {
        rx_retire(q, buffer);
    } else {
        if (written)
            rx_wipe(rx, buffer);
        rx_put_free(rx, buffer);
    }
    if (q->running)
        queue_wake(q);
    netfront_free_if_unused(nf);
}
