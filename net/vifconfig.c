/* SPDX-License-Identifier: MIT */
/*
 * One reader for both places where a vif's addresses can be written: the
 * command line (vif0.ip=...) and the xenstore (vm-data/vif0/ip).
 *
 * A wrong address changes what the guest serves, or where it can be reached, so
 * nothing is guessed: "10.1", which inet_aton takes for 10.0.0.1, is an error.
 */
#include "net/vifconfig.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "xen/abi.h"

const char *const vifconfig_names[VIFCONFIG_KEYS] = {"ip", "gw", "dns", "ip6",
                                                     "gw6"};

/* The longest address as text: an IPv6 one that ends in an IPv4 one. */
#define ADDRESS_TEXT_MAX 46

/* The prefix length of an IPv6 link; lwIP knows no other. */
#define IPV6_PREFIX_BITS 64

/* Four decimal numbers, written as lwIP would write them. */
static bool read_ipv4(const char *text, ip4_addr_t *ip)
{
    char again[IP4ADDR_STRLEN_MAX];

    return ip4addr_aton(text, ip) && ip4addr_ntoa_r(ip, again, sizeof(again)) &&
           strcmp(text, again) == 0;
}

/* Only the characters of an address: lwIP's parser stops at a blank, and
 * accepts a zone. */
static bool read_ipv6(const char *text, ip6_addr_t *ip)
{
    return text[strspn(text, "0123456789abcdefABCDEF:.")] == '\0' &&
           ip6addr_aton(text, ip);
}

/* An address that can be a host's. */
static bool ipv4_is_host(const ip4_addr_t *ip)
{
    return !ip4_addr_isany(ip) && !ip4_addr_ismulticast(ip) &&
           !ip4_addr_isloopback(ip) && ip->addr != IPADDR_BROADCAST;
}

static bool ipv6_is_host(const ip6_addr_t *ip)
{
    return !ip6_addr_isany(ip) && !ip6_addr_ismulticast(ip) &&
           !ip6_addr_isloopback(ip);
}

/* Split "ADDR/BITS" at the slash into a copy. *bits stays as it is when there
 * is no slash. */
static bool split(const char *text, char address[ADDRESS_TEXT_MAX],
                  unsigned long *bits)
{
    size_t len = strcspn(text, "/");
    const char *number = text + len + 1;
    char *end;

    if (len >= ADDRESS_TEXT_MAX)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    if (!text[len])
        return true;
    *bits = strtoul(number, &end, 10);
    return *number >= '0' && *number <= '9' && *end == '\0';
}

/* Each reader returns NULL, or what the value should have been. */

static const char *read_ip(struct vifconfig *config, const char *text)
{
    static const char expected[] = "ADDRESS/BITS, dhcp or none";
    char address[ADDRESS_TEXT_MAX];
    unsigned long bits = 0;

    if (strcmp(text, "dhcp") == 0)
        return NULL;
    if (strcmp(text, "none") == 0) {
        config->ipv4 = VIFCONFIG_NONE;
        return NULL;
    }
    if (!split(text, address, &bits) || bits < 1 || bits > 32 ||
        !read_ipv4(address, &config->ip) || !ipv4_is_host(&config->ip))
        return expected;
    config->mask.addr = lwip_htonl(UINT32_MAX << (32 - bits));
    /* The first and the last address of a network belong to no host, except on
     * a point-to-point link (RFC 3021). */
    uint32_t host = config->ip.addr & ~config->mask.addr;
    if (bits < 31 && (host == 0 || host == ~config->mask.addr))
        return "a host's address in that network";
    config->ipv4 = VIFCONFIG_STATIC;
    return NULL;
}

static const char *read_gw(struct vifconfig *config, const char *text)
{
    if (config->ipv4 != VIFCONFIG_STATIC)
        return "given only with ip=ADDRESS/BITS";
    if (!read_ipv4(text, &config->gw) || !ipv4_is_host(&config->gw))
        return "an IPv4 address";
    return NULL;
}

static const char *read_ip6(struct vifconfig *config, const char *text)
{
    char address[ADDRESS_TEXT_MAX];
    unsigned long bits = IPV6_PREFIX_BITS;

    if (strcmp(text, "auto") == 0)
        return NULL;
    if (strcmp(text, "none") == 0) {
        config->ipv6 = VIFCONFIG_NONE;
        return NULL;
    }
    if (!split(text, address, &bits) || bits != IPV6_PREFIX_BITS ||
        !read_ipv6(address, &config->ip6) || !ipv6_is_host(&config->ip6) ||
        ip6_addr_islinklocal(&config->ip6))
        return "ADDRESS/64, auto or none";
    config->ipv6 = VIFCONFIG_STATIC;
    return NULL;
}

static const char *read_gw6(struct vifconfig *config, const char *text)
{
    if (config->ipv6 == VIFCONFIG_NONE)
        return "given only when there is an IPv6 address";
    if (!read_ipv6(text, &config->gw6) || !ipv6_is_host(&config->gw6))
        return "an IPv6 address";
    return NULL;
}

static bool read_any(const char *text, ip_addr_t *ip)
{
    ip4_addr_t ip4;
    ip6_addr_t ip6;

    if (read_ipv4(text, &ip4) && ipv4_is_host(&ip4)) {
        ip_addr_copy_from_ip4(*ip, ip4);
        return true;
    }
    if (read_ipv6(text, &ip6) && ipv6_is_host(&ip6)) {
        ip_addr_copy_from_ip6(*ip, ip6);
        return true;
    }
    return false;
}

static const char *read_dns(struct vifconfig *config, const char *text)
{
    static const char expected[] = "up to three addresses, split by commas";
    char address[ADDRESS_TEXT_MAX];

    for (;;) {
        size_t len = strcspn(text, ",");

        if (len >= sizeof(address) || config->nr_dns == DNS_MAX_SERVERS)
            return expected;
        memcpy(address, text, len);
        address[len] = '\0';
        if (!read_any(address, &config->dns[config->nr_dns++]))
            return expected;
        if (!text[len])
            return NULL;
        text += len + 1;
    }
}

int vifconfig_parse(struct vifconfig *config, const char *prefix,
                    const char *const text[VIFCONFIG_KEYS])
{
    /* In this order: the gateway is checked against the address. */
    static const char *(*const readers[VIFCONFIG_KEYS])(
        struct vifconfig * config, const char *text) = {
        [VIFCONFIG_IP] = read_ip,   [VIFCONFIG_GW] = read_gw,
        [VIFCONFIG_DNS] = read_dns, [VIFCONFIG_IP6] = read_ip6,
        [VIFCONFIG_GW6] = read_gw6,
    };

    *config = (struct vifconfig){.ipv4 = VIFCONFIG_AUTO};
    for (unsigned i = 0; i < VIFCONFIG_KEYS; i++) {
        const char *expected = text[i] ? readers[i](config, text[i]) : NULL;

        if (expected) {
            log_error("net", "%s%s=%s: must be %s", prefix, vifconfig_names[i],
                      text[i], expected);
            return -XEN_EINVAL;
        }
    }
    return 0;
}
