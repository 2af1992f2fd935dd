/* SPDX-License-Identifier: MIT */
/*
 * The stack as a whole: starting it, finding the vifs, telling the listener.
 *
 *   net_start    reads the vifs' options, sets lwIP's memory limit, starts lwIP
 *                and looks for vifs; all else happens on the loop
 *   found        a vif: vif.c does its frames, address.c its addresses
 *   changed      lwIP changed an address or a link: all consequences are
 *                handled once, at the end of the turn
 *
 * lwIP exists once, in globals; so does this file's state.
 */
#include "net/net.h"

#include <ctype.h>
#include <string.h>

#include "kernel/app.h"
#include "net/memory.h"
#include "net/route.h"
#include "net/tcpguard.h"
#include "net/timeouts.h"
#include "net/vif.h"
#include "xen/bus/xenbus.h"

#include "lwip/dns.h"
#include "lwip/init.h"
#include "lwip/stats.h"
#include "xen/bus/xenbus_list.h"
#include "xen/hv.h"

/* lwIP may use one part in this many of the memory that is free when the stack
 * starts; the drivers and the app have the rest. */
#define MEMORY_SHARE 2
/* Below this there is no room for a few connections with the smallest windows.
 */
#define MEMORY_MIN   (128u * 1024)
/* This many windows may be full before memory is. More would make each
 * connection slower; fewer would let a few idle readers starve the others.
 */
#define WINDOWS_MIN  16
/* Pages that must be free for that, and for a vif's smallest pools. */
#define PAGES_MIN    (MEMORY_SHARE * MEMORY_MIN / XEN_PAGE_SIZE + 32)

/* lwIP's DHCP messages have room for 40; most names are shorter. */
#define HOSTNAME_MAX 32

static struct net {
    struct app *app;
    struct xs_request name; /* the domain's name, for DHCP servers */
    char hostname[HOSTNAME_MAX + 1];
    struct xenbus_list list;
    struct vif *vifs[NET_VIFS_MAX]; /* by index; NULL: not there */
    struct vifconfig configs[NET_VIFS_MAX];
    bool given[NET_VIFS_MAX]; /* the command line says configs[i] */
    netif_ext_callback_t watch;
    struct task changed;
    void (*listen)(void *arg);
    void *listen_arg;
    bool stopped;
} net;

/* ---- What lwIP calls (arch/cc.h) */

uint32_t net_window_more;

uint32_t net_random(void)
{
    return random_u32(net.app->random);
}

void net_assert_failed(const char *message, const char *file, int line)
{
    panic("lwip/%s:%d: %s", file, line, message);
}

/* ---- The command line */

/* Read vifN.*; 1 when there is any. */
static int read_options(struct options *options, unsigned vif,
                        struct vifconfig *config)
{
    const char *text[VIFCONFIG_KEYS] = {NULL};
    char key[] = "vifN.______";
    char *name = key + strlen("vifN.");
    int any = 0;

    key[strlen("vif")] = (char)('0' + vif);
    for (unsigned i = 0; i < VIFCONFIG_KEYS; i++) {
        strcpy(name, vifconfig_names[i]);
        int given = options_text(options, key, &text[i]);
        if (given < 0)
            return given;
        any |= given;
    }
    *name = '\0';
    if (any && vifconfig_parse(config, key, text) < 0)
        return -XEN_EINVAL;
    return any;
}

static int read_all_options(struct options *options)
{
    for (unsigned i = 0; i < NET_VIFS_MAX; i++) {
        int any = read_options(options, i, &net.configs[i]);

        if (any < 0)
            return any;
        net.given[i] = any;
    }
    return 0;
}

/* ---- Changes */

/* Resolvers that the user named come before announced ones. */
static void set_resolvers(void)
{
    uint8_t nr = 0;

    for (unsigned i = 0; i < NET_VIFS_MAX; i++) {
        if (!net.vifs[i])
            continue;
        const struct vifconfig *config = &net.vifs[i]->config;
        for (unsigned k = 0; k < config->nr_dns && nr < DNS_MAX_SERVERS; k++)
            dns_setserver(nr++, &config->dns[k]);
    }
}

static void apply_changes(struct task *task)
{
    (void)task;
    for (unsigned i = 0; i < NET_VIFS_MAX; i++) {
        if (net.vifs[i])
            address_update(net.vifs[i]);
    }
    route_update();
    set_resolvers();
    if (net.listen)
        net.listen(net.listen_arg);
}

static void netif_changed(struct netif *netif, netif_nsc_reason_t reason,
                          const netif_ext_callback_args_t *args)
{
    (void)netif;
    (void)reason;
    (void)args;
    task_start(net.app->loop, &net.changed, apply_changes);
}

/* If an event is never sent, this costs a second (docs/hardening.md, A7). */
static void every_second(void)
{
    for (unsigned i = 0; i < NET_VIFS_MAX && !net.stopped; i++) {
        if (net.vifs[i])
            netfront_look(net.vifs[i]->front);
    }
}

/* ---- Vifs */

static void found(struct xenbus_list *list, uint32_t index)
{
    struct app *app = net.app;
    struct vif *vif;

    (void)list;
    if (index >= NET_VIFS_MAX) {
        log_warn("net", "vif%u is not used: numbers go up to %u", index,
                 NET_VIFS_MAX - 1);
        return;
    }
    vif = vif_create(index, app->loop, app->pages, app->gnttab, app->xs);
    if (!vif)
        return;
    netif_set_hostname(&vif->netif, net.hostname);
    net.vifs[index] = vif;
    if (net.given[index])
        address_configure(vif, &net.configs[index]);
    else
        address_configure_stored(vif);
}

/* A host name is made of letters, digits and hyphens, without hyphens at its
 * ends (RFC 1123, 2.1). */
static void name_done(struct xs_request *request)
{
    const char *from = request->value;
    size_t bytes = 0;

    if (request->error)
        return;
    while (*from && !isalnum((unsigned char)*from))
        from++;
    for (; *from && bytes < HOSTNAME_MAX; from++)
        net.hostname[bytes++] = isalnum((unsigned char)*from) ? *from : '-';
    while (bytes && net.hostname[bytes - 1] == '-')
        bytes--;
    net.hostname[bytes] = '\0';
}

const char *net_hostname(void)
{
    return net.hostname;
}

static void all_found(struct xenbus_list *list, int error)
{
    (void)list;
    if (error)
        log_warn("net", "cannot look for vifs in the xenstore: error %d",
                 error);
    else if (!net_vif(0))
        log_warn("net", "this domain has no vif: nobody can reach it");
}

struct netif *net_vif(unsigned n)
{
    for (unsigned i = 0; i < NET_VIFS_MAX; i++) {
        if (net.vifs[i] && n-- == 0)
            return &net.vifs[i]->netif;
    }
    return NULL;
}

const char *net_vif_name(const struct netif *netif)
{
    return ((const struct vif *)netif->state)->name;
}

int net_is_up(void)
{
    for (unsigned i = 0; i < NET_VIFS_MAX; i++) {
        if (net.vifs[i] && address_is_up(net.vifs[i]))
            return 1;
    }
    return 0;
}

void net_listen(void (*fn)(void *arg), void *arg)
{
    net.listen = fn;
    net.listen_arg = arg;
}

/* ---- Start and stop */

/* memory= is in whole MiB. */
static unsigned long memory_mb(unsigned long nr_pages)
{
    unsigned long per_mb = (1ul << 20) / XEN_PAGE_SIZE;

    return (nr_pages + per_mb - 1) / per_mb;
}

static int limit_memory(struct pages *pages)
{
    unsigned long available = pages_available(pages);

    if (available < PAGES_MIN) {
        log_error(
            "net", "TCP/IP needs %u KiB, %lu are left: set memory=%lu or more",
            PAGES_MIN * XEN_PAGE_SIZE / 1024, available * XEN_PAGE_SIZE / 1024,
            memory_mb(hv_info()->nr_pages + PAGES_MIN - available));
        return -XEN_ENOMEM;
    }
    size_t limit = available / MEMORY_SHARE * XEN_PAGE_SIZE;
    size_t window = limit / WINDOWS_MIN;
    memory_set_limit(limit);
    if (window > NET_WINDOW_MAX)
        window = NET_WINDOW_MAX;
    if (window > NET_WINDOW_MIN)
        net_window_more = (uint32_t)window - NET_WINDOW_MIN;
    return 0;
}

int net_start(struct app *app)
{
    int error = read_all_options(app->options);

    if (!error)
        error = limit_memory(app->pages);
    if (error)
        return error;
    net.app = app;
    timeouts_init(app->loop, every_second);
    tcpguard_init(app->loop, app->random);
    lwip_init();
    netif_add_ext_callback(&net.watch, netif_changed);
    net.name.done = name_done;
    xs_read(app->xs, &net.name, XS_NO_TRANSACTION, "name");
    xenbus_list(&net.list, app->xs, "device/vif", found, all_found);
    return 0;
}

void net_stop(void)
{
    for (unsigned i = 0; i < NET_VIFS_MAX && !net.stopped; i++) {
        if (net.vifs[i])
            vif_close(net.vifs[i]);
    }
    net.stopped = true;
}

/* ---- Numbers */

struct named {
    const char *name;
    uint64_t value;
};

/* Who receives the numbers, and which vif they belong to. */
struct teller {
    net_number_fn *fn;
    void *arg;
    int vif;
};

static void tell(const struct teller *teller, bool is_counter,
                 const struct named *numbers, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        teller->fn(teller->arg, &(struct net_number){
                                    .name = numbers[i].name,
                                    .vif = teller->vif,
                                    .is_counter = is_counter,
                                    .value = numbers[i].value,
                                });
}

static void tell_vif(const struct teller *teller, const struct vif *vif)
{
    struct netfront_stats s;

    netfront_stats(vif->front, &s);
    const struct named now[] = {
        {"link_up", netif_is_link_up(&vif->netif)},
        {"rx_pages", vif->nr_buffers},
        {"rx_pages_held", vif->nr_held},
    };
    const struct named so_far[] = {
        {"rx_frames", s.rx_frames},
        {"rx_bytes", s.rx_bytes},
        {"rx_dropped", s.rx_dropped},
        {"rx_errors", s.rx_errors},
        {"rx_short", vif->counts.rx_short},
        {"rx_copied", vif->counts.rx_copied},
        {"rx_no_room", vif->counts.rx_no_room},
        {"tx_frames", s.tx_frames},
        {"tx_bytes", s.tx_bytes},
        {"tx_dropped", s.tx_dropped},
        {"tx_errors", s.tx_errors},
        {"tx_full", vif->counts.tx_full},
        {"tx_failed", vif->counts.tx_failed},
        {"tx_limited", vif->counts.tx_limited},
        {"events", s.events},
        {"notifies", s.notifies},
        {"reconnects", s.reconnects},
        {"broken", s.broken},
    };

    tell(teller, false, now, array_size(now));
    tell(teller, true, so_far, array_size(so_far));
}

static void tell_stack(const struct teller *teller)
{
    struct memory_use memory = memory_use();
    struct tcpguard_counts tcp;

    tcpguard_count(&tcp);
    const struct named now[] = {
        {"memory_used_bytes", memory.used},
        {"memory_used_max_bytes", memory.used_max},
        {"memory_limit_bytes", memory.limit},
        {"tcp_connections", tcp.active},
        {"tcp_opening", tcp.opening},
        {"tcp_time_wait", tcp.time_wait},
    };
    const struct named so_far[] = {
        {"memory_refused", memory.refused},
        {"tcp_syn_dropped", tcp.syn_dropped},
        {"tcp_syn_refused", tcp.syn_refused},
        {"tcp_time_wait_dropped", tcp.time_wait_dropped},
        {"tcp_early_dropped", tcp.early_dropped},
        {"tcp_rx_segments", lwip_stats.tcp.recv},
        {"tcp_tx_segments", lwip_stats.tcp.xmit},
        {"tcp_dropped", lwip_stats.tcp.drop},
        {"tcp_checksum_errors", lwip_stats.tcp.chkerr},
        {"udp_rx_packets", lwip_stats.udp.recv},
        {"udp_tx_packets", lwip_stats.udp.xmit},
        {"udp_dropped", lwip_stats.udp.drop},
        {"udp_checksum_errors", lwip_stats.udp.chkerr},
        {"ipv4_dropped", lwip_stats.ip.drop},
        {"ipv6_dropped", lwip_stats.ip6.drop},
        {"ipv4_fragments_dropped", lwip_stats.ip_frag.drop},
        {"ipv6_fragments_dropped", lwip_stats.ip6_frag.drop},
        {"icmp_rx_packets", lwip_stats.icmp.recv},
        {"icmp6_rx_packets", lwip_stats.icmp6.recv},
    };

    tell(teller, false, now, array_size(now));
    tell(teller, true, so_far, array_size(so_far));
}

void net_numbers(net_number_fn *fn, void *arg)
{
    for (unsigned i = 0; i < NET_VIFS_MAX && !net.stopped; i++) {
        if (net.vifs[i])
            tell_vif(&(struct teller){fn, arg, (int)i}, net.vifs[i]);
    }
    tell_stack(&(struct teller){fn, arg, -1});
}
