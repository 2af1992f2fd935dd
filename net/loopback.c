/* SPDX-License-Identifier: MIT */
/*
 * What is sent to lo is copied, and received in a later turn of the loop: lwIP
 * must not be entered from its own output.
 *
 * lwIP chooses lo by its networks, and by a source of ::1; loopback_route4 does
 * so for one of 127.0.0.0/8, which must not leave us either. lwIP takes no
 * packet to 127.0.0.0/8 or ::1 from a vif, and none from ::1; one from
 * 127.0.0.0/8 is dropped here, in front of each vif's input.
 */
#include "net/loopback.h"

#include <string.h>

#include "kernel/loop.h"
#include "net/memory.h"

#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ieee.h"
#include "lwip/prot/ip4.h"

/* The largest packet of IP: nothing is fragmented. */
#define MTU 65535

static struct {
    struct netif netif;
    struct loop *loop;
    struct task task;
    struct pbuf *packets[LOOPBACK_PACKETS_MAX]; /* a ring */
    unsigned first, nr;
    netif_ext_callback_t watch;
    netif_input_fn vif_input; /* all vifs have the same */
} lo;

/* ---- Packets */

static void deliver(struct task *task)
{
    unsigned nr = lo.nr; /* answers to these are for the next turn */

    (void)task;
    while (nr--) {
        struct pbuf *p = lo.packets[lo.first];

        lo.first = (lo.first + 1) % LOOPBACK_PACKETS_MAX;
        lo.nr--;
        if (lo.netif.input(p, &lo.netif) != ERR_OK)
            pbuf_free(p);
    }
}

static err_t output(struct pbuf *p)
{
    struct pbuf *copy = NULL;

    if (lo.nr < LOOPBACK_PACKETS_MAX && memory_for_received())
        copy = pbuf_clone(PBUF_LINK, PBUF_RAM, p);
    if (!copy)
        return ERR_MEM;
    lo.packets[(lo.first + lo.nr++) % LOOPBACK_PACKETS_MAX] = copy;
    task_start(lo.loop, &lo.task, deliver);
    return ERR_OK;
}

static err_t output4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
    (void)netif, (void)to;
    return output(p);
}

static err_t output6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
    (void)netif, (void)to;
    return output(p);
}

/* ---- Vifs */

static bool claims_loopback(const struct pbuf *p)
{
    struct {
        struct eth_hdr ethernet;
        struct ip_hdr ip;
    } __attribute__((packed)) headers;
    ip4_addr_t src;

    if (pbuf_copy_partial(p, &headers, sizeof(headers), 0) != sizeof(headers))
        return false; /* lwIP drops it */
    src.addr = headers.ip.src.addr;
    return headers.ethernet.type == PP_HTONS(ETHTYPE_IP) &&
           ip4_addr_isloopback(&src);
}

static err_t vif_input(struct pbuf *p, struct netif *netif)
{
    if (!claims_loopback(p))
        return lo.vif_input(p, netif);
    pbuf_free(p);
    return ERR_OK;
}

static void vif_changed(struct netif *netif, netif_nsc_reason_t reason,
                        const netif_ext_callback_args_t *args)
{
    (void)args;
    if (!(reason & LWIP_NSC_NETIF_ADDED) || netif == &lo.netif)
        return;
    lo.vif_input = netif->input;
    netif->input = vif_input;
}

/* ---- Start */

static err_t init(struct netif *netif)
{
    netif->name[0] = 'l';
    netif->name[1] = 'o';
    netif->mtu = MTU;
    netif->output = output4;
    netif->output_ip6 = output6;
    NETIF_SET_CHECKSUM_CTRL(netif, 0); /* nothing damages them on the way */
    return ERR_OK;
}

void loopback_start(struct loop *loop)
{
    ip4_addr_t ip, mask;

    memset(&lo, 0, sizeof(lo));
    lo.loop = loop;
    IP4_ADDR(&ip, 127, 0, 0, 1);
    IP4_ADDR(&mask, 255, 0, 0, 0);
    (void)netif_add(&lo.netif, &ip, &mask, NULL, NULL, init, ip_input);
    ip6_addr_set_loopback(ip_2_ip6(&lo.netif.ip6_addr[0]));
    netif_ip6_addr_set_state(&lo.netif, 0, IP6_ADDR_PREFERRED);
    netif_set_link_up(&lo.netif);
    netif_set_up(&lo.netif);
    lo.netif.rs_count = 0; /* there is no router */
    netif_add_ext_callback(&lo.watch, vif_changed);
}

struct netif *loopback_netif(void)
{
    return lo.loop ? &lo.netif : NULL;
}

struct netif *loopback_route4(const ip4_addr_t *src, const ip4_addr_t *dest)
{
    return ip4_addr_isloopback(dest) || (src && ip4_addr_isloopback(src))
               ? loopback_netif()
               : NULL;
}
