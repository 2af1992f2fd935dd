/* SPDX-License-Identifier: MIT */
/*
 * Frames between a netfront and lwIP.
 *
 * Received pages are not copied: each page of netfront's pool has a custom pbuf
 * here whose release gives the page back. lwIP may keep pages for long (unread
 * data, out-of-order data, fragments), and the backend can only use pages that
 * were given back. So:
 *   - while lwIP holds less than half of them, pages are handed over;
 *   - beyond that frames are copied into lwIP's bounded memory;
 *   - when that is short, pages are handed over up to three quarters, since
 *     acknowledgements and SYNs must get in; but if lwIP keeps such a page, the
 *     out-of-order data of its connection is dropped;
 *   - beyond that the frame is dropped.
 *
 * Frames to send are copied by netfront, so lwIP's buffers are free again at
 * once. A full ring makes TCP keep its segment; when there is room again the
 * connections are told. Other protocols lose the frame, as on any full link.
 */
#include "net/vif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "net/memory.h"
#include "net/tcpguard.h"
#include "net/timeouts.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "netif/ethernet.h"

/* Segments of a frame that are passed to netfront without another copy. Only an
 * app that writes a few bytes at a time makes more. */
#define PIECES_MAX 24

/* No protocol that lwIP knows has less in a frame's first segment; lwIP reads a
 * word of an IPv6 header before it checks the length. */
#define FRAME_MIN (SIZEOF_ETH_HDR + IP_HLEN)

struct vif_buffer {
    struct pbuf_custom pbuf;
    struct vif *vif;
};

/* ---- Receiving */

static void buffer_free(struct pbuf *p)
{
    struct vif_buffer *buffer = container_of(p, struct vif_buffer, pbuf.pbuf);
    struct vif *vif = buffer->vif;

    vif->nr_held--;
    /* lwIP and apps write to what they are given. */
    netfront_release(vif->front, (unsigned)(buffer - vif->buffers), true);
}

static struct pbuf *wrap(struct vif *vif, const struct netfront_frame *frame)
{
    struct pbuf *chain = NULL;

    for (unsigned i = 0; i < frame->nr_frags; i++) {
        const struct netfront_frag *frag = &frame->frags[i];
        struct pbuf *p = pbuf_alloced_custom(PBUF_RAW, frag->bytes, PBUF_REF,
                                             &vif->buffers[frag->buffer].pbuf,
                                             frag->data, frag->bytes);

        if (chain)
            pbuf_cat(chain, p);
        else
            chain = p;
    }
    vif->nr_held += frame->nr_frags;
    return chain;
}

static void release(struct vif *vif, const struct netfront_frame *frame)
{
    for (unsigned i = 0; i < frame->nr_frags; i++)
        netfront_release(vif->front, frame->frags[i].buffer, false);
}

/* NULL: memory is short; the frame's pages are still out. */
static struct pbuf *copy(struct vif *vif, const struct netfront_frame *frame)
{
    struct pbuf *p;
    uint16_t at = 0;

    if (!memory_for_received())
        return NULL;
    p = pbuf_alloc(PBUF_RAW, (uint16_t)frame->bytes, PBUF_RAM);
    if (!p)
        return NULL;
    for (unsigned i = 0; i < frame->nr_frags; i++) {
        pbuf_take_at(p, frame->frags[i].data, frame->frags[i].bytes, at);
        at += frame->frags[i].bytes;
    }
    release(vif, frame);
    vif->counts.rx_copied++;
    return p;
}

/* The frame as pbufs, or NULL: dropped. */
static struct pbuf *take(struct vif *vif, const struct netfront_frame *frame)
{
    struct pbuf *p;

    if (frame->frags[0].bytes < FRAME_MIN) {
        vif->counts.rx_short++;
        goto drop;
    }
    if (vif->nr_held + frame->nr_frags <= vif->nr_buffers / 2)
        return wrap(vif, frame);
    p = copy(vif, frame);
    if (p)
        return p;
    if (vif->nr_held + frame->nr_frags <= vif->nr_buffers / 4 * 3)
        return wrap(vif, frame);
    vif->counts.rx_no_room++;
drop:
    release(vif, frame);
    return NULL;
}

/* A TCP or UDP packet that is not a fragment: the backend's word on its
 * checksum covers all of it. */
static bool is_whole(const struct pbuf *p)
{
    const struct eth_hdr *eth = p->payload;
    const struct eth_vlan_hdr *vlan = (const void *)(eth + 1);
    bool tagged = eth->type == PP_HTONS(ETHTYPE_VLAN);
    uint16_t type = tagged ? vlan->tpid : eth->type;
    const void *ip = tagged ? (const void *)(vlan + 1) : vlan;

    if (type == PP_HTONS(ETHTYPE_IP)) /* FRAME_MIN reaches this far */
        return !(IPH_OFFSET((const struct ip_hdr *)ip) &
                 PP_HTONS(IP_OFFMASK | IP_MF));
    if (p->len >= SIZEOF_ETH_HDR + SIZEOF_VLAN_HDR + IP6_HLEN &&
        type == PP_HTONS(ETHTYPE_IPV6)) {
        uint8_t next = IP6H_NEXTH((const struct ip6_hdr *)ip);

        return next == IP6_NEXTH_TCP || next == IP6_NEXTH_UDP;
    }
    return false;
}

/* What lwIP always does itself: all but writing TCP and UDP checksums. */
#define CHECKSUM_FLAGS           \
    (NETIF_CHECKSUM_ENABLE_ALL & \
     ~(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP))

static void receive(void *arg, const struct netfront_frame *frame)
{
    struct vif *vif = arg;
    struct netif *netif = &vif->netif;
    unsigned held = vif->nr_held;
    struct pbuf *p = take(vif, frame);

    if (!p)
        return;
    bool group = *(const uint8_t *)p->payload & 1;
    if (frame->checksum_good && is_whole(p))
        netif->chksum_flags &=
            ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    if (netif->input(p, netif) != ERR_OK)
        pbuf_free(p);
    netif->chksum_flags = CHECKSUM_FLAGS;
    if (vif->nr_held > held && vif->nr_held > vif->nr_buffers / 2)
        tcpguard_drop_early();
    if (group) /* MLD queries */
        timeouts_kick();
}

/* ---- Sending */

static err_t send_pieces(struct vif *vif, const struct netfront_piece *pieces,
                         unsigned nr, bool blank)
{
    switch (netfront_send(vif->front, pieces, nr, blank)) {
    case 0:
        return ERR_OK;
    case -XEN_EAGAIN:
        vif->counts.tx_full++;
        return ERR_MEM; /* TCP keeps the segment; see resume() */
    default:
        vif->counts.tx_failed++;
        return ERR_IF;
    }
}

static err_t send_copy(struct vif *vif, struct pbuf *p, bool blank)
{
    struct pbuf *whole = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    err_t err;

    if (!whole) {
        vif->counts.tx_failed++;
        return ERR_MEM;
    }
    err = send_pieces(vif, &(struct netfront_piece){whole->payload, whole->len},
                      1, blank);
    pbuf_free(whole);
    return err;
}

static err_t transmit(struct netif *netif, struct pbuf *p)
{
    struct vif *vif = netif->state;
    struct netfront_piece pieces[PIECES_MAX];
    bool blank = checksum_frame(p, &vif->offload);
    unsigned nr = 0;

    if (!errorlimit_pass(&vif->errors, p, loop_now(vif->loop))) {
        vif->counts.tx_limited++;
        return ERR_OK; /* not to be retried */
    }
    for (struct pbuf *q = p; q; q = q->next) {
        if (nr == PIECES_MAX)
            return send_copy(vif, p, blank);
        pieces[nr++] = (struct netfront_piece){q->payload, q->len};
    }
    return send_pieces(vif, pieces, nr, blank);
}

static void resume(void *arg)
{
    (void)arg;
    tcpguard_resume();
}

/* ---- The link */

static void link_up(struct vif *vif)
{
    const struct netfront_info *info = netfront_info(vif->front);
    struct netif *netif = &vif->netif;
    uint32_t payload_max = info->tx_frame_max - SIZEOF_ETH_HDR;

    if (memcmp(netif->hwaddr, info->mac, ETH_HWADDR_LEN) != 0) {
        address_forget(vif);
        SMEMCPY(netif->hwaddr, info->mac, ETH_HWADDR_LEN);
    }
    netif->mtu = (uint16_t)LWIP_MIN(info->mtu, payload_max);
    netif->mtu6 = netif->mtu;
    vif->offload = (struct checksum_offload){
        .ipv4 = info->checksum_ipv4,
        .ipv6 = info->checksum_ipv6,
    };
    netif_set_link_up(netif);
    address_link_up(vif);
    timeouts_link_up();
}

static void link_changed(void *arg, bool up)
{
    struct vif *vif = arg;

    if (up)
        link_up(vif);
    else
        netif_set_link_down(&vif->netif);
}

/* ---- Creation */

static err_t netif_started(struct netif *netif)
{
    netif->name[0] = 'v';
    netif->name[1] = 'i';
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->mtu = 1500; /* until the link is up */
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP |
                   NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = transmit;
    netif->chksum_flags = CHECKSUM_FLAGS;
    return ERR_OK;
}

static bool make_buffers(struct vif *vif)
{
    vif->nr_buffers = netfront_buffers(vif->front);
    vif->buffers = calloc(vif->nr_buffers, sizeof(*vif->buffers));
    if (!vif->buffers)
        return false;
    for (unsigned i = 0; i < vif->nr_buffers; i++) {
        vif->buffers[i].pbuf.custom_free_function = buffer_free;
        vif->buffers[i].vif = vif;
    }
    return true;
}

struct vif *vif_create(unsigned index, struct loop *loop, struct pages *pages,
                       struct gnttab *gt, struct xs *xs)
{
    struct vif *vif = calloc(1, sizeof(*vif));

    if (!vif)
        goto no_memory;
    vif->index = index;
    vif->loop = loop;
    vif->xs = xs;
    snprintf(vif->name, sizeof(vif->name), "vif%u", index);
    vif->front = netfront_create(index, loop, pages, gt, xs,
                                 &(struct netfront_owner){
                                     .link = link_changed,
                                     .receive = receive,
                                     .sendable = resume,
                                     .arg = vif,
                                 });
    if (!vif->front)
        goto no_front;
    if (!make_buffers(vif))
        goto no_buffers;
    netif_add_noaddr(&vif->netif, vif, netif_started, netif_input);
    netif_set_up(&vif->netif);
    return vif;

no_buffers:
    netfront_destroy(vif->front);
no_front:
    free(vif);
no_memory:
    log_error("net", "vif%u: no memory for it", index);
    return NULL;
}

static err_t transmit_nothing(struct netif *netif, struct pbuf *p)
{
    (void)netif;
    (void)p;
    return ERR_IF;
}

void vif_close(struct vif *vif)
{
    vif->netif.linkoutput = transmit_nothing;
    dhcp_stop(&vif->netif);
    lease6_stop(vif);
    netif_remove(&vif->netif);
    address_update(vif);
    netfront_destroy(vif->front);
}
