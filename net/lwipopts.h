/* SPDX-License-Identifier: MIT */
/*
 * lwIP's options, each with its reason. What is not named here has lwIP's own
 * default (lwip/opt.h).
 */
#ifndef NET_LWIPOPTS_H
#define NET_LWIPOPTS_H

/* ---- The system: one thread, one loop, no locks. */

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0 /* both need threads */
#define LWIP_SOCKET          0
#define LWIP_TIMERS_CUSTOM   1 /* timers are the loop's: net/timeouts.c */

/* ---- Memory: malloc, so that the same image serves in 2 MB and holds 10,000
 * connections in 64; bounded by net/memory.c instead of by fixed pools. What a
 * remote peer can make lwIP keep has limits of its own below. */

#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC    net_malloc
#define MEM_CUSTOM_CALLOC    net_calloc
#define MEM_CUSTOM_FREE      net_free
#define MEMP_MEM_MALLOC      1
#define MEM_ALIGNMENT        8 /* pointers */

/* Received pages become pbufs without a copy. */
#define LWIP_SUPPORT_CUSTOM_PBUF 1

/* ---- Interfaces */

#define LWIP_NETIF_EXT_STATUS_CALLBACK 1 /* addresses are logged, published */
#define LWIP_NETIF_HOSTNAME            1 /* DHCP tells it to the server */
#define LWIP_NETIF_HWADDRHINT          1 /* each pcb remembers its ARP entry */
#define LWIP_CHECKSUM_CTRL_PER_NETIF   1 /* checksum offload, per packet */
/* Frames with VLAN tag 0 have a priority and no VLAN (802.1Q); the guest is a
 * member of no other VLAN. */
#define ETHARP_SUPPORT_VLAN            1
#define ETHARP_VLAN_CHECK              0

/* ---- ARP: 64 neighbours is a busy LAN segment; the table is searched only
 * when the hint is wrong. */

#define ARP_TABLE_SIZE 64
/* Packets that wait for an ARP reply: a name's first A and AAAA queries. */
#define ARP_QUEUEING   1
#define ARP_QUEUE_LEN  3

/* ---- IPv4 */

#define IP_DEFAULT_TTL           64 /* RFC 1700; lwIP's own default is 255 */
#define IP_SOF_BROADCAST         1  /* only sockets that ask for it */
/* Fragments: at most this many are kept, v4 and v6 each: a full 64 KiB
 * datagram at MTU 1500 is 45. A flood of fragments can hold no more. */
#define IP_REASS_MAX_PBUFS       48
/* Seconds. RFC 1122 asks for 60 to 120, which a flood would use against us. */
#define IP_REASS_MAXAGE          15
#define LWIP_DHCP                1
/* Probing an address before using it costs seconds at each start; the server
 * has probed it (RFC 2131, 2.2). */
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_ACD                 0
#define LWIP_IGMP                0 /* no service here uses IPv4 multicast */

/* ---- IPv6 */

#define LWIP_IPV6                      1
#define LWIP_ICMP6_HL                  IP_DEFAULT_TTL /* of pings and errors */
#define LWIP_IPV6_NUM_ADDRESSES        4 /* link-local, static, two announced */
#define LWIP_IPV6_MLD                  1 /* bridges snoop on its reports */
#define LWIP_IPV6_DHCP6                1 /* only its trigger: net/lease6.c */
#define LWIP_MULTICAST_PING            1 /* ff02::1 (RFC 4443, 4.2) */
#define IPV6_FRAG_COPYHEADER           1 /* for pointers of 64 bits */
#define IPV6_REASS_MAXAGE              15 /* as for IPv4 */
/* One packet waits for each unresolved neighbour: a queue has no limit of its
 * own when memory comes from malloc. */
#define LWIP_ND6_QUEUEING              0
#define LWIP_ND6_NUM_NEIGHBORS         32
#define LWIP_ND6_NUM_DESTINATIONS      32
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2 /* resolvers by RFC 8106 */

/* ---- DNS client: its ids and ports come from LWIP_RAND. */

#define LWIP_DNS        1
#define DNS_TABLE_SIZE  8
#define DNS_MAX_SERVERS 3 /* as a resolv.conf has */

/* ---- TCP */

/* The largest segment; the one in use follows from the MTU. 9000 - 40. */
#define TCP_MSS 8960

/* Send and receive windows. They follow from the memory there is (net/net.c):
 * lwIP evaluates these at run time, except in some sanity checks, where a
 * variable counts as 0. At most 100 ms at 20 Mbit/s, 1 ms at 2 Gbit/s; at least
 * two segments of a jumbo frame. No memory is reserved: what is actually queued
 * counts against net/memory.c's limit. */
#define NET_WINDOW_MIN   (20 * 1024)
#define NET_WINDOW_MAX   (256 * 1024)
#define TCP_WND          (NET_WINDOW_MIN + net_window_more)
#define TCP_SND_BUF      (NET_WINDOW_MIN + net_window_more)
#define LWIP_WND_SCALE   1
#define TCP_RCV_SCALE    3 /* 64 KiB << 3 is enough for NET_WINDOW_MAX */
/* Two pbufs (header, data) for each segment of 1460 bytes, and as many again
 * for small writes. */
#define TCP_SND_QUEUELEN (4 * TCP_SND_BUF / 1460)
#define TCP_SNDLOWAT     16384 /* for sockets only; must stay below 29,696 */
/* A small write after unsent data reserves this much for the next ones. */
#define TCP_OVERSIZE     512

/* Out-of-order data kept for each connection: a quarter of the window. */
#define TCP_OOSEQ_MAX_BYTES (TCP_WND / 4)
#define TCP_OOSEQ_MAX_PBUFS 64
#define LWIP_TCP_SACK_OUT   1 /* says what was kept: one loss, one resend */

#define LWIP_TCP_RTO_TIME  1000    /* RFC 6298; lwIP's 3 s are RFC 1122's */
#define LWIP_TCP_KEEPALIVE 1       /* times can be set for each connection */
#define TCP_MSL            30000UL /* TIME_WAIT of 60 s, as on Linux */
/* Connections being opened are counted, so that net/tcpguard.c can drop the
 * oldest: the backlog itself (255) is never the limit. */
#define TCP_LISTEN_BACKLOG 1
#define SO_REUSE           1 /* a listener may be closed and opened again */

/* ---- Hooks: what lwIP asks of us; lwiphooks.h declares the functions. */

#define LWIP_HOOK_FILENAME "lwiphooks.h"
/* Sequence numbers (RFC 6528), limits on what peers can open: tcpguard.c */
#define LWIP_HOOK_TCP_ISN  tcpguard_isn
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, optlen, opt1len, opt2, p) \
    tcpguard_packet(pcb, header)
/* Answers leave by the vif that the request came in on; routes from DHCP; IPv6
 * gateways: route.c */
#define LWIP_HOOK_IP4_ROUTE_SRC           route_ipv4
#define LWIP_HOOK_ETHARP_GET_GW           route_gateway4
#define LWIP_HOOK_IP6_ROUTE               route_ipv6
#define LWIP_HOOK_ND6_GET_GW              route_gateway6
/* DHCP's times, and option 121: lease.c, and our patch 0030. */
#define DHCP_OPTION_CLASSLESS_ROUTES      121
#define LWIP_HOOK_DHCP_WAIT(netif, tries) lease_wait(netif, tries)
#define LWIP_HOOK_DHCP_BOUND(netif, dhcp) lease_bound(netif, dhcp)
#define LWIP_HOOK_DHCP_OFF(netif)         lease_off(netif)
#define LWIP_HOOK_DHCP_REPLY(netif)       lease_reply()
#define LWIP_HOOK_DHCP_APPEND_OPTIONS(netif, dhcp, state, msg, type, len) \
    lease_sending(netif)
#define LWIP_HOOK_DHCP_PARSE_OPTION(netif, dhcp, state, msg, type, option, \
                                    len, p, at)                            \
    lease_option(p, option, at, len)
/* Address conflicts: address.c, our patches 0016 and 0019 */
#define LWIP_HOOK_ETHARP_SENDER address_conflict4
#define LWIP_HOOK_ND6_CONFLICT  address_conflict6
/* A packet needs its checksum before fragmentation: checksum.c, and our patch
 * third_party/patches/lwip/0004. */
#define LWIP_HOOK_BEFORE_FRAG   checksum_packet

/* ---- Counters for the status page; 32 bits. */

#define LWIP_STATS_LARGE 1
#define LINK_STATS       0 /* netfront has them */

#endif
