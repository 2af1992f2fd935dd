/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of names and addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "libc/errors.h"
#include "posix/netdb.h"
#include "net/net.h"

const struct in6_addr in6addr_any = IN6ADDR_ANY_INIT;
const struct in6_addr in6addr_loopback = IN6ADDR_LOOPBACK_INIT;

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **result)
{
    return netdb_find(node, service, hints, result);
}

void freeaddrinfo(struct addrinfo *list)
{
    netdb_free(list);
}

int getnameinfo(const struct sockaddr *address, socklen_t len, char *node,
                socklen_t node_bytes, char *service, socklen_t service_bytes,
                int flags)
{
    return netdb_name(address, len, node, node_bytes, service, service_bytes,
                      flags);
}

const char *gai_strerror(int error)
{
    switch (error) {
    case 0:
        return "no error";
    case EAI_NONAME:
        return "no such name, or no address for it";
    case EAI_AGAIN:
        return "no name server is known yet";
    case EAI_MEMORY:
        return "no memory";
    case EAI_SERVICE:
        return "a service must be a number";
    case EAI_FAMILY:
        return "no such family of addresses";
    case EAI_SOCKTYPE:
        return "no such kind of socket";
    case EAI_OVERFLOW:
        return "too little room for the answer";
    default:
        return "unknown error";
    }
}

int inet_pton(int family, const char *text, void *address)
{
    ip_addr_t ip;

    if (family != AF_INET && family != AF_INET6)
        return (int)error_result(-XEN_EAFNOSUPPORT);
    if (!netdb_parse(family, text, &ip))
        return 0;
    if (family == AF_INET)
        memcpy(address, &ip_2_ip4(&ip)->addr, sizeof(struct in_addr));
    else
        memcpy(address, ip_2_ip6(&ip)->addr, sizeof(struct in6_addr));
    return 1;
}

const char *inet_ntop(int family, const void *address, char *text,
                      socklen_t bytes)
{
    char whole[NETDB_TEXT_BYTES];
    uint32_t word[4];
    ip_addr_t ip;

    memcpy(word, address, family == AF_INET6 ? 16 : 4);
    if (family == AF_INET6)
        IP_ADDR6(&ip, word[0], word[1], word[2], word[3]);
    else
        ip_addr_set_ip4_u32_val(ip, word[0]);
    netdb_print(&ip, whole);
    if (strlen(whole) < bytes)
        return strcpy(text, whole);
    errno = ENOSPC;
    return NULL;
}

int inet_aton(const char *text, struct in_addr *address)
{
    ip4_addr_t ip;

    if (!ip4addr_aton(text, &ip))
        return 0;
    address->s_addr = ip.addr;
    return 1;
}

in_addr_t inet_addr(const char *text)
{
    struct in_addr address;

    return inet_aton(text, &address) ? address.s_addr : INADDR_NONE;
}

char *inet_ntoa(struct in_addr address)
{
    static char text[INET_ADDRSTRLEN];

    return (char *)inet_ntop(AF_INET, &address, text, sizeof(text));
}

/* The domain's name, as DHCP servers get it. */
int gethostname(char *name, size_t bytes)
{
    const char *own = net_hostname();

    if (strlen(own) >= bytes)
        return (int)error_result(-XEN_ENAMETOOLONG);
    strcpy(name, own);
    return 0;
}
