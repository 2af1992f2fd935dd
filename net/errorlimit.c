/* SPDX-License-Identifier: MIT */
/*
 * A token bucket kept as one number: the time at which it would be full. Each
 * error moves that time forward by one interval; an error is refused when that
 * would put it further ahead than the whole burst takes to refill.
 */
#include "net/errorlimit.h"

#include "kernel/loop.h"

#include "lwip/icmp6.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"

#define INTERVAL_NS (NS_PER_S / ERRORLIMIT_PER_SECOND)

static bool is_error4(const uint8_t *ip, unsigned bytes)
{
    unsigned header = IPH_HL_BYTES((const struct ip_hdr *)ip);

    return bytes > header &&
           IPH_PROTO((const struct ip_hdr *)ip) == IP_PROTO_ICMP &&
           ip[header] != ICMP_ECHO && ip[header] != ICMP_ER;
}

/* Errors are the types below 128 (RFC 4443, 2.1). */
static bool is_error6(const uint8_t *ip, unsigned bytes)
{
    return bytes > IP6_HLEN &&
           IP6H_NEXTH((const struct ip6_hdr *)ip) == IP6_NEXTH_ICMP6 &&
           ip[IP6_HLEN] < ICMP6_TYPE_EREQ;
}

static bool is_error(const struct pbuf *p)
{
    const struct eth_hdr *eth = p->payload;
    const uint8_t *ip = (const uint8_t *)(eth + 1);

    if (p->len < SIZEOF_ETH_HDR + IP_HLEN)
        return false;
    switch (eth->type) {
    case PP_HTONS(ETHTYPE_IP):
        return is_error4(ip, p->len - SIZEOF_ETH_HDR);
    case PP_HTONS(ETHTYPE_IPV6):
        return is_error6(ip, p->len - SIZEOF_ETH_HDR);
    default:
        return false;
    }
}

bool errorlimit_pass(struct errorlimit *limit, const struct pbuf *p,
                     uint64_t now_ns)
{
    uint64_t full_ns = limit->full_ns > now_ns ? limit->full_ns : now_ns;

    if (!is_error(p))
        return true;
    if (full_ns + INTERVAL_NS > now_ns + ERRORLIMIT_BURST * INTERVAL_NS)
        return false;
    limit->full_ns = full_ns + INTERVAL_NS;
    return true;
}
