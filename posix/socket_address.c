/* SPDX-License-Identifier: MIT */
/*
 * Addresses: a program's sockaddr and lwIP's ip_addr_t. On an IPv6 socket an
 * IPv4 address is a mapped one, ::ffff:a.b.c.d; lwIP only ever sees it as IPv4.
 */
#include "posix/socket.h"

#include <string.h>

#define MAPPED htonl(0xffff) /* the third word of a mapped address */

static int take_v4(const struct sockaddr *address, socklen_t len, ip_addr_t *ip,
                   uint16_t *port)
{
    struct sockaddr_in in;

    if (len < sizeof(in))
        return -XEN_EINVAL;
    memcpy(&in, address, sizeof(in));
    ip_addr_set_ip4_u32_val(*ip, in.sin_addr.s_addr);
    *port = ntohs(in.sin_port);
    return 0;
}

static int take_v6(const struct socket *socket, const struct sockaddr *address,
                   socklen_t len, ip_addr_t *ip, uint16_t *port)
{
    struct sockaddr_in6 in;
    uint32_t word[4];

    if (len < sizeof(in))
        return -XEN_EINVAL;
    memcpy(&in, address, sizeof(in));
    memcpy(word, &in.sin6_addr, sizeof(word));
    *port = ntohs(in.sin6_port);
    if (!word[0] && !word[1] && word[2] == MAPPED) {
        if (socket->v6_only)
            return -XEN_ENETUNREACH;
        ip_addr_set_ip4_u32_val(*ip, word[3]);
        return 0;
    }
    IP_ADDR6(ip, word[0], word[1], word[2], word[3]);
    if (in.sin6_scope_id)
        ip6_addr_set_zone(ip_2_ip6(ip), (uint8_t)in.sin6_scope_id);
    return 0;
}

int address_take(const struct socket *socket, const struct sockaddr *address,
                 socklen_t len, ip_addr_t *ip, uint16_t *port)
{
    if (!address || len < sizeof(sa_family_t))
        return -XEN_EINVAL;
    if (address->sa_family != (socket->v6 ? AF_INET6 : AF_INET))
        return -XEN_EAFNOSUPPORT;
    return socket->v6 ? take_v6(socket, address, len, ip, port)
                      : take_v4(address, len, ip, port);
}

static socklen_t fill_v4(const ip_addr_t *ip, uint16_t port,
                         struct sockaddr_storage *address)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
    };

    if (IP_IS_V4(ip))
        in.sin_addr.s_addr = ip_2_ip4(ip)->addr;
    memcpy(address, &in, sizeof(in));
    return sizeof(in);
}

static socklen_t fill_v6(const ip_addr_t *ip, uint16_t port,
                         struct sockaddr_storage *address)
{
    struct sockaddr_in6 in = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(port),
    };
    uint32_t word[4] = {0, 0, MAPPED, 0};

    if (IP_IS_V4_VAL(*ip)) {
        word[3] = ip_2_ip4(ip)->addr;
    } else if (IP_IS_V6_VAL(*ip)) {
        memcpy(word, ip_2_ip6(ip)->addr, sizeof(word));
        in.sin6_scope_id = ip6_addr_zone(ip_2_ip6(ip));
    } else {
        word[2] = 0; /* any of both kinds */
    }
    memcpy(&in.sin6_addr, word, sizeof(word));
    memcpy(address, &in, sizeof(in));
    return sizeof(in);
}

socklen_t address_fill(bool v6, const ip_addr_t *ip, uint16_t port,
                       struct sockaddr_storage *address)
{
    return v6 ? fill_v6(ip, port, address) : fill_v4(ip, port, address);
}

void address_give(bool v6, const ip_addr_t *ip, uint16_t port,
                  struct sockaddr *address, socklen_t *len)
{
    struct sockaddr_storage whole;
    socklen_t bytes;

    if (!address || !len)
        return;
    bytes = address_fill(v6, ip, port, &whole);
    memcpy(address, &whole, *len < bytes ? *len : bytes);
    *len = bytes;
}
