/* SPDX-License-Identifier: MIT */
/*
 * The network frontend's control path: from xenstore to a link and back.
 *
 * xen/bus/xenbus.h drives it; this file has what a vif reads, publishes and
 * does at each step. Everything that depends on the backend is decided anew at
 * each open, because the backend that comes back may be another one.
 *
 *   our node (toolstack)     mac, mtu
 *   backend's node           feature-*
 *   our node (we)            {tx,rx}-ring-ref, event-channel*, request-rx-copy,
 *                            feature-*
 *
 * feature-gso-* is neither offered nor used. With one queue the keys are in the
 * device's own node (netif.h, "Multiple transmit and receive
 * queues").
 */
#include "netfront/netfront_priv.h"

#include "kernel/log.h"

#include <stdio.h>

#define MTU_DEFAULT 1500 /* netif.h, "MTU" */

/* Bytes of a frame on top of the MTU: the ethernet header, and a VLAN tag if
 * the owner adds one. */
#define HEADER_BYTES 14u
#define TAG_BYTES    4u

static struct netfront *netfront_of(struct xenbus_device *bus)
{
    return container_of(bus, struct netfront, bus);
}

/* ---- What the other side says */

static const struct xenbus_key *vif_keys(struct xenbus_device *bus,
                                         unsigned *nr)
{
    struct netfront *nf = netfront_of(bus);

    *nr = array_size(nf->keys);
    return nf->keys;
}

static struct xenbus_key flag_key(const char *name, uint32_t *value)
{
    return (struct xenbus_key){.name = name, .max = 1, .value = value};
}

static void keys_init(struct netfront *nf)
{
    struct xenbus_key *key = nf->keys;

    *key++ = flag_key("feature-rx-copy", &nf->rx_copy);
    *key++ = flag_key("feature-sg", &nf->sg);
    *key++ = flag_key("feature-split-event-channels", &nf->split);
    *key++ = flag_key("feature-no-csum-offload", &nf->no_csum_ipv4);
    *key++ = flag_key("feature-ipv6-csum-offload", &nf->csum_ipv6);
    *key++ = (struct xenbus_key){
        .name = "mtu",
        .own = true,
        .fallback = MTU_DEFAULT,
        .max = NETFRONT_MTU_MAX,
        .value = &nf->mtu,
    };
    *key++ = (struct xenbus_key){
        .name = "mac",
        .own = true,
        .text = nf->mac,
        .text_bytes = sizeof(nf->mac),
    };
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Accepts "00:16:3e:00:00:01" and no other form. */
static bool mac_parse(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return false;
        mac[i] = high << 4 | low;
    }
    return true;
}

/* ---- Opening */

static int mac_learn(struct netfront *nf)
{
    if (mac_parse(nf->mac, nf->info.mac))
        return 0;
    log_error("netfront", "vif%u: %s/mac is no ethernet address: \"%s\"",
              nf->index, nf->bus.node, nf->mac);
    return -XEN_EINVAL;
}

/* Also fails without copying receive (feature-rx-copy): no backend that flips
 * pages instead has been built for many years. */
static int features_learn(struct netfront *nf)
{
    struct netfront_info *info = &nf->info;

    info->scatter_gather = nf->sg;
    info->checksum_ipv4 = !nf->no_csum_ipv4;
    info->checksum_ipv6 = nf->csum_ipv6;
    if (nf->rx_copy)
        return 0;
    log_error("netfront", "vif%u: refused: %s/feature-rx-copy is not 1",
              nf->index, nf->bus.backend);
    return -XEN_EOPNOTSUPP;
}

/* The MTU that was asked for. */
static uint32_t mtu_wanted(struct netfront *nf)
{
    if (nf->mtu >= NETFRONT_MTU_MIN)
        return nf->mtu;
    log_warn("netfront", "vif%u: %s/mtu is below %u: %u; using %u", nf->index,
             nf->bus.node, NETFRONT_MTU_MIN, (unsigned)nf->mtu, MTU_DEFAULT);
    return MTU_DEFAULT;
}

/* The largest frame to send: as large as wanted, within what the slots of the
 * backend and our pool allow. */
static void limits_learn(struct netfront *nf, uint32_t mtu)
{
    struct netfront_info *info = &nf->info;
    uint32_t max = netfront_queue_frame_max(&nf->queue);

    info->tx_frame_max = mtu + HEADER_BYTES + TAG_BYTES;
    if (info->tx_frame_max > max)
        info->tx_frame_max = max;
    info->mtu = mtu;
    if (mtu <= max - HEADER_BYTES)
        return;
    info->mtu = max - HEADER_BYTES;
    log_warn("netfront", "vif%u: mtu %u instead of %u: %s", nf->index,
             info->mtu, (unsigned)mtu,
             nf->sg ? "little memory" : "the backend has no feature-sg");
}

static void publish(struct netfront *nf)
{
    struct xenbus_device *bus = &nf->bus;
    struct netfront_queue *q = &nf->queue;

    xenbus_publish(bus, "tx-ring-ref", "%u", q->tx.ring_page.ref);
    xenbus_publish(bus, "rx-ring-ref", "%u", q->rx.ring_page.ref);
    if (nf->split) {
        xenbus_publish(bus, "event-channel-tx", "%u", q->tx_port);
        xenbus_publish(bus, "event-channel-rx", "%u", q->rx_port);
    } else {
        xenbus_publish(bus, "event-channel", "%u", q->rx_port);
    }
    xenbus_publish(bus, "request-rx-copy", "1");
    xenbus_publish(bus, "feature-rx-notify", "1");
    xenbus_publish(bus, "feature-sg", "1");
    xenbus_publish(bus, "feature-ipv6-csum-offload", "1");
}

static int vif_open(struct xenbus_device *bus)
{
    struct netfront *nf = netfront_of(bus);
    uint32_t mtu = mtu_wanted(nf);
    int error = features_learn(nf);

    if (!error)
        error = mac_learn(nf);
    if (error)
        return error;
    error = netfront_queue_open(&nf->queue, mtu + HEADER_BYTES + TAG_BYTES);
    if (error)
        return error;
    limits_learn(nf, mtu);
    publish(nf);
    return 0;
}

/* ---- Up and down */

static void vif_connected(struct xenbus_device *bus)
{
    struct netfront *nf = netfront_of(bus);

    log_info("netfront",
             "vif%u: up, mac %s, mtu %u, backend in domain %u%s%s%s", nf->index,
             nf->mac, nf->info.mtu, bus->backend_dom, nf->sg ? ", sg" : "",
             nf->info.checksum_ipv4 ? ", csum" : "",
             nf->info.checksum_ipv6 ? ", csum6" : "");
    nf->stats.reconnects = bus->reconnects;
    nf->link = true;
    netfront_queue_start(&nf->queue);
    nf->owner.link(nf->owner.arg, true);
}

static void vif_close(struct xenbus_device *bus)
{
    struct netfront *nf = netfront_of(bus);
    bool was_up = nf->link;

    netfront_queue_close(&nf->queue);
    nf->link = false;
    if (!was_up)
        return;
    log_info("netfront", "vif%u: down", nf->index);
    if (!nf->destroyed)
        nf->owner.link(nf->owner.arg, false);
}

static void vif_stopped(struct xenbus_device *bus)
{
    struct netfront *nf = netfront_of(bus);

    nf->stopped = true;
    netfront_free_if_unused(nf);
}

static const struct xenbus_ops vif_ops = {
    .keys = vif_keys,
    .open = vif_open,
    .tell_state = XenbusStateConnected,
    .connected = vif_connected,
    .close = vif_close,
    .stopped = vif_stopped,
};

/* ---- The device */

#define NETFRONT_PAGES \
    ((sizeof(struct netfront) + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE)

struct netfront *netfront_create(unsigned index, struct loop *loop,
                                 struct pages *pages, struct gnttab *gt,
                                 struct xs *xs,
                                 const struct netfront_owner *owner)
{
    struct netfront *nf = page_alloc_zeroed(pages, NETFRONT_PAGES);
    char node[sizeof("device/vif/4294967295")];

    if (!nf) {
        log_error("netfront", "vif%u: no memory", index);
        return NULL;
    }
    nf->index = index;
    nf->loop = loop;
    nf->pages = pages;
    nf->gt = gt;
    gnttab_hoard_init(&nf->hoard, gt);
    nf->owner = *owner;
    keys_init(nf);
    netfront_queue_init(&nf->queue, nf);
    snprintf(node, sizeof(node), "device/vif/%u", index);
    xenbus_start(&nf->bus, xs, loop, node, &vif_ops);
    return nf;
}

void netfront_destroy(struct netfront *nf)
{
    nf->destroyed = true;
    xenbus_stop(&nf->bus);
}

void netfront_free_if_unused(struct netfront *nf)
{
    if (!nf->stopped || nf->queue.rx.nr_out)
        return;
    gnttab_hoard_end(&nf->hoard);
    page_free(nf->pages, nf, NETFRONT_PAGES);
}

const struct netfront_info *netfront_info(const struct netfront *nf)
{
    return &nf->info;
}

unsigned netfront_buffers(const struct netfront *nf)
{
    return nf->queue.rx.nr_buffers;
}

void netfront_stats(const struct netfront *nf, struct netfront_stats *stats)
{
    *stats = nf->stats;
}
