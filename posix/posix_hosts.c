/* SPDX-License-Identifier: MIT */
/*
 * Lookups of hosts, in the way before getaddrinfo, and of services and
 * protocols. Each result is valid until the next call.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ADDRESSES_MAX 8 /* callers of this interface use no more */

int h_errno;

static struct {
    struct hostent host;
    char name[NI_MAXHOST];
    struct in6_addr address[ADDRESSES_MAX]; /* large enough for either */
    char *addresses[ADDRESSES_MAX + 1];
    char *aliases[1];
} answer;

/* ---- Hosts */

static struct hostent *begin(const char *name, int family)
{
    memset(&answer, 0, sizeof(answer));
    strncpy(answer.name, name, sizeof(answer.name) - 1);
    answer.host = (struct hostent){
        .h_name = answer.name,
        .h_aliases = answer.aliases,
        .h_addrtype = family,
        .h_length = family == AF_INET ? sizeof(struct in_addr)
                                      : sizeof(struct in6_addr),
        .h_addr_list = answer.addresses,
    };
    return &answer.host;
}

static const void *bytes_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return &((const struct sockaddr_in *)address)->sin_addr;
    return &((const struct sockaddr_in6 *)address)->sin6_addr;
}

static void take(unsigned nr, const void *bytes)
{
    memcpy(&answer.address[nr], bytes, (size_t)answer.host.h_length);
    answer.addresses[nr] = (char *)&answer.address[nr];
}

static struct hostent *fail(int error)
{
    h_errno = error == EAI_AGAIN    ? TRY_AGAIN
              : error == EAI_NONAME ? HOST_NOT_FOUND
                                    : NO_RECOVERY;
    return NULL;
}

struct hostent *gethostbyname2(const char *name, int family)
{
    const struct addrinfo hints = {.ai_family = family,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    unsigned nr = 0;
    int error = getaddrinfo(name, NULL, &hints, &list);

    if (error)
        return fail(error);
    begin(name, family);
    for (struct addrinfo *at = list; at && nr < ADDRESSES_MAX; at = at->ai_next)
        take(nr++, bytes_of(at->ai_addr));
    freeaddrinfo(list);
    return &answer.host;
}

struct hostent *gethostbyname(const char *name)
{
    return gethostbyname2(name, AF_INET);
}

/* There is no reverse lookup (NI_NAMEREQD): the name is the address itself. */
struct hostent *gethostbyaddr(const void *address, socklen_t bytes, int family)
{
    char text[INET6_ADDRSTRLEN];
    socklen_t right = family == AF_INET    ? sizeof(struct in_addr)
                      : family == AF_INET6 ? sizeof(struct in6_addr)
                                           : 0;

    if (!right || bytes != right)
        return fail(EAI_FAMILY);
    begin(inet_ntop(family, address, text, sizeof(text)), family);
    take(0, address);
    return &answer.host;
}

const char *hstrerror(int error)
{
    static const char *const texts[] = {
        [0] = "no error",
        [HOST_NOT_FOUND] = "no such name",
        [TRY_AGAIN] = "no name server is known yet",
        [NO_RECOVERY] = "no usable answer",
        [NO_DATA] = "no address of this kind",
    };

    return error >= 0 && error <= NO_DATA ? texts[error] : "unknown error";
}

/* ---- Services and protocols: those that programs look up by name */

static char *no_aliases[1];

static const struct {
    const char *name;
    unsigned short port;
} services[] = {
    {"echo", 7},        {"discard", 9}, {"ftp", 21},    {"ssh", 22},
    {"telnet", 23},     {"smtp", 25},   {"domain", 53}, {"tftp", 69},
    {"http", 80},       {"www", 80},    {"pop3", 110},  {"ntp", 123},
    {"imap2", 143},     {"ldap", 389},  {"https", 443}, {"syslog", 514},
    {"http-alt", 8080},
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static struct servent *service(unsigned nr, const char *protocol)
{
    static struct servent entry;

    if (nr == SERVICES)
        return NULL;
    entry = (struct servent){
        .s_name = (char *)services[nr].name,
        .s_aliases = no_aliases,
        .s_port = htons(services[nr].port),
        .s_proto = (char *)(protocol ? protocol : "tcp"),
    };
    return &entry;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    unsigned nr = 0;

    while (nr < SERVICES && strcmp(services[nr].name, name))
        nr++;
    return service(nr, protocol);
}

struct servent *getservbyport(int port, const char *protocol)
{
    unsigned nr = 0;

    while (nr < SERVICES && htons(services[nr].port) != port)
        nr++;
    return service(nr, protocol);
}

struct protoent *getprotobyname(const char *name)
{
    static struct protoent protocols[] = {
        {(char *)"ip", no_aliases, IPPROTO_IP},
        {(char *)"icmp", no_aliases, IPPROTO_ICMP},
        {(char *)"tcp", no_aliases, IPPROTO_TCP},
        {(char *)"udp", no_aliases, IPPROTO_UDP},
    };

    for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (!strcasecmp(protocols[i].p_name, name))
            return &protocols[i];
    return NULL;
}
