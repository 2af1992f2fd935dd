/* SPDX-License-Identifier: MIT */
/*
 * The fake netback. See netback.h for what it promises.
 *
 * It behaves as Linux's does where that matters to a frontend: it looks at a
 * ring only when it was notified, asks for notifications through req_event,
 * answers receive requests in their own slots, copies into receive pages and
 * out of transmit pages, and waits until a whole frame fits.
 *
 * It also audits: a request that an honest frontend cannot have written fails
 * the test. Every page is looked at whenever it is used: but for the frame in
 * it, it must hold zeros and what the backend saw in it before. Anything else
 * is something of the guest's that was not meant for us (docs/hardening.md,
 * A9).
 */
#include "tests/fake/netback.h"

#include "tests/fake/fake.h"
#include "tests/fake/xenstored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS     256u
#define DOM0      0
#define FRAME_MAX 65535u
#define REFS_MAX  (HV_GRANT_FRAMES_MAX * 512u)
#define KEPT_MAX  1024u
#define STORM_NS  10000
#define HALF      (XEN_PAGE_SIZE / 2)

struct frame {
    struct frame *next;
    size_t bytes;
    unsigned flags;
    uint8_t data[];
};

struct kept {
    grant_ref_t ref;
    bool write;
};

struct netback {
    unsigned vif;
    struct netback_offer offer;
    struct netback_manner manner;
    struct netback_stats stats;
    netback_frame_fn *on_frame;
    void *arg;
    char front[64], back[64], mac[18];
    enum xenbus_state state;
    uint64_t storm_due_ns;
    bool away; /* it will not come back until netback_start */

    netif_rx_sring_t *rx;
    netif_tx_sring_t *tx;
    grant_ref_t rx_ref, tx_ref;
    evtchn_port_t rx_port, tx_port;
    RING_IDX rx_req_cons, rx_rsp_prod, tx_req_cons, tx_rsp_prod;
    bool rx_look, tx_look;
    bool lied; /* by hand: from here on its own view of the rings is void */

    struct frame *backlog, **backlog_tail;
    unsigned nr_backlog;
    uint16_t unanswered[SLOTS]; /* ids of transmit requests taken */
    unsigned nr_unanswered;
    bool in_flight[0x10000]; /* transmit ids */
    uint8_t *seen[REFS_MAX]; /* what was in its page; NULL: nothing yet */
    struct kept kept[KEPT_MAX];
    unsigned nr_kept;
};

/* ---- Audit */

/* Bytes [begin, end) of the page behind a reference hold nothing new, but for
 * [offset, offset + bytes). */
static void audit_page(struct netback *nb, grant_ref_t ref, unsigned begin,
                       unsigned end, unsigned offset, unsigned bytes)
{
    uint8_t page[XEN_PAGE_SIZE];
    uint8_t *seen;

    if (ref >= REFS_MAX)
        fake_fail("netback: reference %u", ref);
    if (!nb->seen[ref])
        nb->seen[ref] = calloc(1, XEN_PAGE_SIZE);
    seen = nb->seen[ref];
    if (!seen || fake_copy_from_grant(DOM0, ref, 0, page, sizeof(page)))
        fake_fail("netback: reference %u is not granted", ref);
    for (unsigned i = begin; i < end; i++)
        if (page[i] && page[i] != seen[i] &&
            !(i >= offset && i < offset + bytes))
            fake_fail("netback: a page was granted with a past (%u)", i);
    memcpy(seen + begin, page + begin, end - begin);
}

static void forget_pages(struct netback *nb)
{
    for (unsigned i = 0; i < REFS_MAX; i++) {
        free(nb->seen[i]);
        nb->seen[i] = NULL;
    }
}

static void audit_tx(struct netback *nb, const netif_tx_request_t *request,
                     unsigned bytes)
{
    if (request->offset + bytes > XEN_PAGE_SIZE || bytes == 0)
        fake_fail("netback: tx offset %u, bytes %u", request->offset, bytes);
    if (request->flags &
        ~(NETTXF_csum_blank | NETTXF_data_validated | NETTXF_more_data))
        fake_fail("netback: tx flags %#x", request->flags);
    if (nb->in_flight[request->id])
        fake_fail("netback: tx id %u is in flight already", request->id);
    if (fake_copy_to_grant(DOM0, request->gref, 0, "", 0) == GNTST_okay)
        fake_fail("netback: tx pages may be written");
    /* A frame in the other half may have been put, but not pushed yet. */
    audit_page(nb, request->gref, request->offset & HALF,
               (request->offset & HALF) + (bytes > HALF ? 2 * HALF : HALF),
               request->offset, bytes);
}

/* ---- Events */

static void send_event(struct netback *nb, evtchn_port_t port)
{
    if (nb->manner.mute)
        return;
    nb->stats.events_sent++;
    fake_evtchn_notify(port);
}

void netback_notify(struct netback *nb)
{
    fake_evtchn_notify(nb->rx_port);
    fake_evtchn_notify(nb->tx_port);
}

/* xen/io/ring.h, RING_PUSH_RESPONSES_AND_CHECK_NOTIFY. */
static bool show(RING_IDX *shared_prod, RING_IDX *event, RING_IDX prod)
{
    RING_IDX old = *shared_prod;

    __atomic_store_n(shared_prod, prod, __ATOMIC_SEQ_CST);
    return prod - __atomic_load_n(event, __ATOMIC_SEQ_CST) < prod - old;
}

void netback_push(struct netback *nb)
{
    if (!nb->rx)
        return;
    if (show(&nb->rx->rsp_prod, &nb->rx->rsp_event, nb->rx_rsp_prod))
        send_event(nb, nb->rx_port);
    if (show(&nb->tx->rsp_prod, &nb->tx->rsp_event, nb->tx_rsp_prod))
        send_event(nb, nb->tx_port);
}

/* ---- Pages */

static void keep(struct netback *nb, grant_ref_t ref, bool write)
{
    if (!nb->manner.keep || nb->nr_kept == KEPT_MAX)
        return;
    if (fake_map_grant(DOM0, ref, write))
        nb->kept[nb->nr_kept++] = (struct kept){ref, write};
}

void netback_let_go(struct netback *nb)
{
    while (nb->nr_kept) {
        struct kept *kept = &nb->kept[--nb->nr_kept];

        fake_unmap_grant(kept->ref, kept->write);
    }
}

int netback_write(struct netback *nb, grant_ref_t ref, unsigned offset,
                  const void *from, size_t bytes)
{
    (void)nb;
    return fake_copy_to_grant(DOM0, ref, offset, from, bytes);
}

int netback_read(struct netback *nb, grant_ref_t ref, unsigned offset, void *to,
                 size_t bytes)
{
    (void)nb;
    return fake_copy_from_grant(DOM0, ref, offset, to, bytes);
}

/* ---- Frames for the guest */

bool netback_rx_next(struct netback *nb, netif_rx_request_t *request)
{
    if (!nb->rx || nb->rx->req_prod == nb->rx_req_cons)
        return false;
    *request = nb->rx->ring[nb->rx_req_cons++ % SLOTS].req;
    nb->stats.rx_slots++;
    return true;
}

static void rx_put(struct netback *nb, const void *response)
{
    memcpy(&nb->rx->ring[nb->rx_rsp_prod++ % SLOTS].rsp, response,
           sizeof(netif_rx_response_t));
}

void netback_rx_answer(struct netback *nb, uint16_t id, uint16_t offset,
                       uint16_t flags, int16_t status)
{
    nb->lied = true;
    rx_put(nb, &(netif_rx_response_t){id, offset, flags, status});
}

void netback_rx_extra(struct netback *nb, const netif_extra_info_t *extra)
{
    nb->lied = true;
    rx_put(nb, extra);
}

static void put_hash(struct netback *nb)
{
    netif_extra_info_t extra = {.type = XEN_NETIF_EXTRA_TYPE_HASH};
    netif_rx_request_t request;

    if (!netback_rx_next(nb, &request))
        fake_fail("netback: no request for an extra info");
    rx_put(nb, &extra);
}

static void put_chunk(struct netback *nb, const uint8_t *data, size_t bytes,
                      uint16_t flags)
{
    netif_rx_request_t request;
    unsigned offset = fake_random_below(XEN_PAGE_SIZE - bytes + 1);

    if (!netback_rx_next(nb, &request))
        fake_fail("netback: no request for a chunk");
    audit_page(nb, request.gref, 0, XEN_PAGE_SIZE, 0, 0);
    if (netback_write(nb, request.gref, offset, data, bytes))
        fake_fail("netback: rx reference %u is not granted", request.gref);
    memcpy(nb->seen[request.gref] + offset, data, bytes);
    keep(nb, request.gref, true);
    rx_put(nb, &(netif_rx_response_t){request.id, offset, flags, bytes});
}

static uint16_t rx_flags(unsigned flags)
{
    return (flags & NETBACK_CSUM_BLANK ? NETRXF_csum_blank : 0) |
           (flags & (NETBACK_CSUM_BLANK | NETBACK_CSUM_GOOD)
                ? NETRXF_data_validated
                : 0);
}

static void put_frame(struct netback *nb, const struct frame *frame)
{
    uint16_t flags = rx_flags(frame->flags);
    size_t chunk = nb->manner.chunk_bytes;

    for (size_t at = 0; at < frame->bytes; at += chunk) {
        bool hash = nb->manner.hash && at == 0;

        if (chunk > frame->bytes - at)
            chunk = frame->bytes - at;
        if (at + chunk < frame->bytes)
            flags |= NETRXF_more_data;
        if (hash)
            flags |= NETRXF_extra_info;
        put_chunk(nb, frame->data + at, chunk, flags);
        if (hash)
            put_hash(nb);
        flags = 0;
    }
    nb->stats.rx_frames++;
}

static unsigned slots_of(const struct netback *nb, const struct frame *frame)
{
    unsigned chunk = nb->manner.chunk_bytes;

    return (frame->bytes + chunk - 1) / chunk + nb->manner.hash;
}

static struct frame *backlog_take(struct netback *nb)
{
    struct frame *frame = nb->backlog;

    nb->backlog = frame->next;
    if (!nb->backlog)
        nb->backlog_tail = &nb->backlog;
    nb->nr_backlog--;
    return frame;
}

/* Linux's xenvif_rx_ring_slots_available. */
static bool rx_has_room(struct netback *nb)
{
    unsigned needed = slots_of(nb, nb->backlog);

    for (;;) {
        RING_IDX prod = nb->rx->req_prod;

        if (prod - nb->rx_req_cons > SLOTS)
            fake_fail("netback: rx requests %u..%u", nb->rx_req_cons, prod);
        if (prod - nb->rx_req_cons >= needed)
            return true;
        nb->rx->req_event = prod + 1;
        if (nb->rx->req_prod == prod)
            return false;
    }
}

static bool rx_step(struct netback *nb)
{
    bool did = false;

    if (!nb->rx_look || nb->manner.manual || nb->lied)
        return false;
    nb->rx_look = false;
    while (nb->backlog && rx_has_room(nb)) {
        struct frame *frame = backlog_take(nb);

        put_frame(nb, frame);
        free(frame);
        did = true;
    }
    netback_push(nb);
    return did;
}

void netback_deliver(struct netback *nb, const void *data, size_t bytes,
                     unsigned flags)
{
    struct frame *frame = malloc(sizeof(*frame) + bytes);

    if (!frame || !bytes || bytes > FRAME_MAX)
        fake_fail("netback: a frame of %zu bytes", bytes);
    *frame = (struct frame){.bytes = bytes, .flags = flags};
    memcpy(frame->data, data, bytes);
    *nb->backlog_tail = frame;
    nb->backlog_tail = &frame->next;
    nb->nr_backlog++;
    nb->rx_look = true;
}

unsigned netback_backlog(const struct netback *nb)
{
    return nb->nr_backlog;
}

/* ---- Frames from the guest */

bool netback_tx_next(struct netback *nb, netif_tx_request_t *request)
{
    if (!nb->tx || nb->tx->req_prod == nb->tx_req_cons)
        return false;
    *request = nb->tx->ring[nb->tx_req_cons++ % SLOTS].req;
    nb->stats.tx_slots++;
    return true;
}

static void tx_put(struct netback *nb, uint16_t id, int16_t status)
{
    nb->in_flight[id] = false;
    nb->tx->ring[nb->tx_rsp_prod++ % SLOTS].rsp =
        (netif_tx_response_t){id, status};
}

void netback_tx_answer(struct netback *nb, uint16_t id, int16_t status)
{
    nb->lied = true;
    tx_put(nb, id, status);
}

/* The requests of one frame; the first one's size is made its own. */
static unsigned take_chain(struct netback *nb, netif_tx_request_t *chain,
                           unsigned *frame_bytes)
{
    unsigned nr = 0;

    do {
        if (nr == XEN_NETIF_NR_SLOTS_MIN)
            fake_fail("netback: more than %u tx slots", nr);
        if (!netback_tx_next(nb, &chain[nr]))
            fake_fail("netback: a tx frame ends before its last slot");
    } while (chain[nr++].flags & NETTXF_more_data);
    *frame_bytes = chain[0].size;
    for (unsigned i = 1; i < nr; i++)
        chain[0].size -= chain[i].size;
    if (*frame_bytes < 14 || chain[0].size > *frame_bytes)
        fake_fail("netback: tx frame of %u bytes in %u slots", *frame_bytes,
                  nr);
    if (nr > 1 && !nb->offer.sg)
        fake_fail("netback: %u tx slots without feature-sg", nr);
    return nr;
}

static unsigned flags_of(uint16_t flags)
{
    return (flags & NETTXF_csum_blank ? NETBACK_CSUM_BLANK : 0) |
           (flags & NETTXF_data_validated ? NETBACK_CSUM_GOOD : 0);
}

static void take_frame(struct netback *nb)
{
    netif_tx_request_t chain[XEN_NETIF_NR_SLOTS_MIN];
    uint8_t data[FRAME_MAX + 1];
    unsigned frame_bytes, at = 0;
    unsigned nr = take_chain(nb, chain, &frame_bytes);

    for (unsigned i = 0; i < nr; i++) {
        audit_tx(nb, &chain[i], chain[i].size);
        nb->in_flight[chain[i].id] = true;
        if (netback_read(nb, chain[i].gref, chain[i].offset, data + at,
                         chain[i].size))
            fake_fail("netback: tx reference %u is not granted", chain[i].gref);
        keep(nb, chain[i].gref, false);
        nb->unanswered[nb->nr_unanswered++] = chain[i].id;
        at += chain[i].size;
    }
    nb->stats.tx_frames++;
    if (nb->on_frame)
        nb->on_frame(nb->arg, data, frame_bytes, flags_of(chain[0].flags));
}

static void answer_all(struct netback *nb)
{
    uint16_t *ids = nb->unanswered;

    for (unsigned i = 0; i < nb->nr_unanswered; i++) {
        unsigned other = i + fake_random_below(nb->nr_unanswered - i);
        uint16_t id = ids[nb->manner.shuffle ? other : i];

        ids[nb->manner.shuffle ? other : i] = ids[i];
        tx_put(nb, id, nb->manner.tx_status);
    }
    nb->nr_unanswered = 0;
}

static bool tx_step(struct netback *nb)
{
    unsigned long before = nb->stats.tx_frames;
    unsigned unanswered = nb->nr_unanswered;

    if (nb->manner.manual || nb->lied)
        return false;
    while (nb->tx_look && !nb->manner.hold_tx) {
        while (nb->tx->req_prod != nb->tx_req_cons)
            take_frame(nb);
        nb->tx->req_event = nb->tx_req_cons + 1;
        nb->tx_look = nb->tx->req_prod != nb->tx_req_cons;
    }
    if (nb->nr_unanswered && !nb->manner.hold_answers) {
        answer_all(nb);
        netback_push(nb);
        return true;
    }
    return nb->stats.tx_frames != before || nb->nr_unanswered != unanswered;
}

void netback_on_frame(struct netback *nb, netback_frame_fn *fn, void *arg)
{
    nb->on_frame = fn;
    nb->arg = arg;
}

void netback_scribble(void *arg)
{
    struct netback *nb = arg;
    uint64_t junk[16];

    if (!nb->rx)
        return;
    nb->lied = true;
    fake_random_fill(junk, sizeof(junk));
    for (unsigned i = 0; i < SLOTS; i++) {
        memcpy(&nb->rx->ring[i], &junk[i % 16], sizeof(nb->rx->ring[i]));
        memcpy(&nb->tx->ring[i], &junk[i % 15], sizeof(nb->tx->ring[i]));
    }
}

/* ---- The handshake */

static void set_state(struct netback *nb, enum xenbus_state state)
{
    char path[80];

    nb->state = state;
    snprintf(path, sizeof(path), "%s/state", nb->back);
    fake_xs_setf(path, "%d", state);
}

static unsigned long front_number(struct netback *nb, const char *key,
                                  unsigned long otherwise)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", nb->front, key);
    return fake_xs_number(path, otherwise);
}

static unsigned long front_need(struct netback *nb, const char *key)
{
    unsigned long value = front_number(nb, key, ~0ul);

    if (value == ~0ul)
        fake_fail("netback: the frontend did not publish %s", key);
    return value;
}

static bool bind_ports(struct netback *nb)
{
    if (nb->offer.split) {
        nb->tx_port = front_need(nb, "event-channel-tx");
        nb->rx_port = front_need(nb, "event-channel-rx");
    } else {
        nb->tx_port = nb->rx_port = front_need(nb, "event-channel");
    }
    return !fake_evtchn_bind(DOM0, nb->rx_port) &&
           (nb->tx_port == nb->rx_port || !fake_evtchn_bind(DOM0, nb->tx_port));
}

static bool map_rings(struct netback *nb)
{
    nb->tx_ref = front_need(nb, "tx-ring-ref");
    nb->rx_ref = front_need(nb, "rx-ring-ref");
    nb->tx = fake_map_grant(DOM0, nb->tx_ref, true);
    nb->rx = fake_map_grant(DOM0, nb->rx_ref, true);
    return nb->tx && nb->rx;
}

static void disconnect(struct netback *nb)
{
    if (nb->rx) {
        fake_unmap_grant(nb->rx_ref, true);
        fake_evtchn_unbind(nb->rx_port);
    }
    if (nb->tx) {
        fake_unmap_grant(nb->tx_ref, true);
        fake_evtchn_unbind(nb->tx_port);
    }
    nb->rx = NULL;
    nb->tx = NULL;
    while (nb->backlog)
        free(backlog_take(nb));
}

static void check_features(struct netback *nb)
{
    if (front_need(nb, "request-rx-copy") != 1 ||
        front_need(nb, "feature-rx-notify") != 1 ||
        front_need(nb, "feature-sg") != 1 ||
        front_need(nb, "feature-ipv6-csum-offload") != 1 ||
        front_number(nb, "feature-no-csum-offload", 0) != 0)
        fake_fail("netback: not the features of this frontend");
}

static void connect(struct netback *nb)
{
    check_features(nb);
    /* The frontend may have gone again since it said Connected. */
    if (!map_rings(nb) || !bind_ports(nb)) {
        disconnect(nb);
        set_state(nb, XenbusStateClosed);
        return;
    }
    nb->rx_req_cons = nb->rx_rsp_prod = 0;
    nb->tx_req_cons = nb->tx_rsp_prod = 0;
    nb->nr_unanswered = 0;
    nb->rx_look = nb->tx_look = true;
    nb->lied = false;
    memset(nb->in_flight, 0, sizeof(nb->in_flight));
    forget_pages(nb);
    nb->stats.connects++;
    set_state(nb, XenbusStateConnected);
}

/* What the frontend's state makes of ours (Linux's frontend_changed). */
static bool state_step(struct netback *nb)
{
    unsigned long front = front_number(nb, "state", XenbusStateUnknown);

    if (nb->state == XenbusStateInitWait && front == XenbusStateConnected) {
        connect(nb);
    } else if (nb->state == XenbusStateConnected &&
               front != XenbusStateConnected) {
        disconnect(nb);
        set_state(nb, XenbusStateClosed);
    } else if (nb->state == XenbusStateClosed && !nb->away &&
               front == XenbusStateInitialising) {
        set_state(nb, XenbusStateInitWait);
    } else {
        return false;
    }
    return true;
}

static bool take_events(struct netback *nb)
{
    bool rx = fake_evtchn_take(nb->rx_port);
    bool tx = nb->tx_port == nb->rx_port ? rx : fake_evtchn_take(nb->tx_port);

    nb->rx_look |= rx;
    nb->tx_look |= tx;
    nb->stats.events_seen += rx + (tx && nb->tx_port != nb->rx_port);
    return rx || tx;
}

/* It never comes to rest, but lets time pass from one event to the next. */
static bool storm(struct netback *nb)
{
    if (nb->manner.storm && fake_now() >= nb->storm_due_ns) {
        nb->storm_due_ns = fake_now() + STORM_NS;
        netback_notify(nb);
    }
    return nb->manner.storm;
}

static bool step(void *arg)
{
    struct netback *nb = arg;
    bool did = state_step(nb);

    if (!nb->rx)
        return did;
    take_events(nb);
    did |= tx_step(nb);
    did |= rx_step(nb);
    return did | storm(nb);
}

/* ---- Comings and goings */

static void write_flag(struct netback *nb, const char *key, bool flag)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", nb->back, key);
    if (flag)
        fake_xs_set(path, "1");
    else
        fake_xs_rm(path);
}

static void write_own(struct netback *nb, const char *key, const char *value)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", nb->front, key);
    if (value)
        fake_xs_set(path, value);
}

void netback_start(struct netback *nb)
{
    if (nb->state == XenbusStateUnknown) {
        fake_xs_device("vif", nb->vif);
        write_own(nb, "mac", nb->offer.mac);
        write_own(nb, "mtu", nb->offer.mtu);
    }
    write_flag(nb, "feature-rx-copy", nb->offer.rx_copy);
    write_flag(nb, "feature-sg", nb->offer.sg);
    write_flag(nb, "feature-split-event-channels", nb->offer.split);
    write_flag(nb, "feature-no-csum-offload", !nb->offer.csum_ipv4);
    write_flag(nb, "feature-ipv6-csum-offload", nb->offer.csum_ipv6);
    nb->away = false;
    set_state(nb, XenbusStateInitWait);
}

void netback_close(struct netback *nb)
{
    nb->away = true;
    set_state(nb, XenbusStateClosing);
    disconnect(nb);
    set_state(nb, XenbusStateClosed);
}

void netback_vanish(struct netback *nb)
{
    disconnect(nb);
    fake_xs_device_remove("vif", nb->vif);
    nb->state = XenbusStateUnknown;
}

struct netback *netback_new(unsigned vif)
{
    struct netback *nb = calloc(1, sizeof(*nb));

    if (!nb)
        fake_fail("netback: no memory");
    nb->vif = vif;
    snprintf(nb->mac, sizeof(nb->mac), "00:16:3e:00:00:%02x", vif & 0xff);
    nb->offer = (struct netback_offer){
        .rx_copy = true,
        .sg = true,
        .split = true,
        .csum_ipv4 = true,
        .csum_ipv6 = true,
        .mac = nb->mac,
    };
    nb->manner.chunk_bytes = XEN_PAGE_SIZE;
    nb->backlog_tail = &nb->backlog;
    snprintf(nb->front, sizeof(nb->front), "device/vif/%u", vif);
    snprintf(nb->back, sizeof(nb->back), "/local/domain/0/backend/vif/%u/%u",
             FAKE_XS_DOMID, vif);
    fake_add_backend(step, nb);
    return nb;
}

void netback_free(struct netback *nb)
{
    netback_let_go(nb);
    disconnect(nb);
    fake_remove_backend(step, nb);
    while (nb->backlog)
        free(backlog_take(nb));
    forget_pages(nb);
    free(nb);
}

struct netback_offer *netback_offer(struct netback *nb)
{
    return &nb->offer;
}

struct netback_manner *netback_manner(struct netback *nb)
{
    return &nb->manner;
}

bool netback_connected(const struct netback *nb)
{
    return nb->rx;
}

void netback_rings(const struct netback *nb, netif_rx_sring_t **rx,
                   netif_tx_sring_t **tx)
{
    *rx = nb->rx;
    *tx = nb->tx;
}

netif_rx_sring_t *netback_rx_ring(struct netback *nb)
{
    nb->lied = true;
    return nb->rx;
}

netif_tx_sring_t *netback_tx_ring(struct netback *nb)
{
    nb->lied = true;
    return nb->tx;
}

void netback_stats(const struct netback *nb, struct netback_stats *stats)
{
    *stats = nb->stats;
    stats->rx_posted = nb->rx ? nb->rx->req_prod - nb->rx_req_cons : 0;
}
