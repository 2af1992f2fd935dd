/* SPDX-License-Identifier: MIT */
/*
 * Names and addresses. The DNS client is lwIP's, but not the parsing of
 * addresses, where lwIP accepts more than a program expects. An answer becomes
 * a list with an entry for each address and kind of socket.
 */
#include "posix/netdb.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "posix/wait.h"
#include "net/net.h"

#include "lwip/dns.h"
#include "lwip/netif.h"

/* ---- Addresses as text */

/* A number from 0 to 255, without leading zeros; false: it is none. */
static bool parse_byte(const char **text, uint8_t *byte)
{
    const char *at = *text;
    unsigned value = 0;

    while (isdigit((unsigned char)*at) && value < 256)
        value = value * 10 + (unsigned)(*at++ - '0');
    if (at == *text || value > 255 || (**text == '0' && at - *text > 1))
        return false;
    *text = at;
    *byte = (uint8_t)value;
    return true;
}

static bool parse_v4(const char *text, ip_addr_t *ip)
{
    uint8_t bytes[4];
    uint32_t word;

    for (unsigned i = 0; i < 4; i++) {
        if (i && *text++ != '.')
            return false;
        if (!parse_byte(&text, &bytes[i]))
            return false;
    }
    memcpy(&word, bytes, sizeof(word));
    ip_addr_set_ip4_u32_val(*ip, word);
    return !*text;
}

/* 1 to 4 hexadecimal digits. */
static bool parse_group(const char **text, uint16_t *group)
{
    const char *at = *text;

    *group = 0;
    for (; isxdigit((unsigned char)*at) && at - *text < 4; at++) {
        int digit = isdigit((unsigned char)*at)
                        ? *at - '0'
                        : tolower((unsigned char)*at) - 'a' + 10;

        *group = (uint16_t)(*group << 4 | digit);
    }
    if (at == *text)
        return false;
    *text = at;
    return true;
}

struct groups {
    uint16_t value[8];
    int nr, gap; /* how many; the one after "::", or -1 */
};

/* The colons after a group: one or two if anything follows. */
static bool parse_colons(const char **text, struct groups *groups)
{
    if (!**text)
        return true;
    if (*(*text)++ != ':')
        return false;
    if (**text != ':')
        return **text;
    (*text)++;
    if (groups->gap >= 0)
        return false;
    groups->gap = groups->nr;
    return true;
}

/* The last two groups, as an IPv4 address. */
static bool parse_tail(const char *text, struct groups *groups)
{
    ip_addr_t ip;
    uint32_t word;

    if (groups->nr > 6 || !parse_v4(text, &ip))
        return false;
    word = ntohl(ip_2_ip4(&ip)->addr);
    groups->value[groups->nr++] = (uint16_t)(word >> 16);
    groups->value[groups->nr++] = (uint16_t)word;
    return true;
}

static bool parse_groups(const char *text, struct groups *groups)
{
    if (text[0] == ':' && text[1] == ':') {
        groups->gap = 0;
        text += 2;
    }
    while (*text) {
        if (strcspn(text, ".") < strcspn(text, ":"))
            return parse_tail(text, groups);
        if (groups->nr == 8 || !parse_group(&text, &groups->value[groups->nr]))
            return false;
        groups->nr++;
        if (!parse_colons(&text, groups))
            return false;
    }
    return true;
}

static bool parse_v6(const char *text, ip_addr_t *ip)
{
    struct groups groups = {.gap = -1};
    uint16_t whole[8] = {0};
    uint32_t word[4];
    int head;

    if (!parse_groups(text, &groups) ||
        (groups.gap < 0 ? groups.nr != 8 : groups.nr == 8))
        return false;
    head = groups.gap < 0 ? groups.nr : groups.gap;
    for (int i = 0; i < groups.nr; i++)
        whole[i < head ? i : 8 - groups.nr + i] = htons(groups.value[i]);
    memcpy(word, whole, sizeof(word));
    IP_ADDR6(ip, word[0], word[1], word[2], word[3]);
    return true;
}

bool netdb_parse(int family, const char *text, ip_addr_t *ip)
{
    return family == AF_INET6 ? parse_v6(text, ip) : parse_v4(text, ip);
}

void netdb_print(const ip_addr_t *ip, char text[NETDB_TEXT_BYTES])
{
    ip_addr_t plain = *ip;

    if (IP_IS_V6(ip))
        ip6_addr_clear_zone(ip_2_ip6(&plain));
    ipaddr_ntoa_r(&plain, text, NETDB_TEXT_BYTES);
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* ---- The list */

struct entry {
    struct addrinfo info; /* first: freeaddrinfo frees this */
    struct sockaddr_storage address;
};

struct finding {
    struct addrinfo hints;
    uint16_t port;
    struct addrinfo *first, **tail;
};

void netdb_free(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list);
        list = next;
    }
}

static int add_one(struct finding *finding, const ip_addr_t *ip, int type)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    bool v6 = IP_IS_V6(ip);

    if (!entry)
        return EAI_MEMORY;
    entry->info = (struct addrinfo){
        .ai_flags = finding->hints.ai_flags,
        .ai_family = v6 ? AF_INET6 : AF_INET,
        .ai_socktype = type,
        .ai_protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
        .ai_addrlen = address_fill(v6, ip, finding->port, &entry->address),
        .ai_addr = (struct sockaddr *)&entry->address,
    };
    *finding->tail = &entry->info;
    finding->tail = &entry->info.ai_next;
    return 0;
}

static int add(struct finding *finding, const ip_addr_t *ip)
{
    int type = finding->hints.ai_socktype, error = 0;

    if (type != SOCK_DGRAM)
        error = add_one(finding, ip, SOCK_STREAM);
    if (!error && type != SOCK_STREAM)
        error = add_one(finding, ip, SOCK_DGRAM);
    return error;
}

static bool wants(const struct finding *finding, int family)
{
    return finding->hints.ai_family == AF_UNSPEC ||
           finding->hints.ai_family == family;
}

/* ---- The DNS */

struct question {
    ip_addr_t ip;
    bool found, done;
};

static void on_answer(const char *name, const ip_addr_t *ip, void *arg)
{
    struct question *question = arg;

    (void)name;
    if (ip)
        question->ip = *ip;
    question->found = ip != NULL;
    question->done = true;
    wait_wake();
}

static int ask(struct finding *finding, const char *name, int family)
{
    struct question question = {.done = false};
    err_t err = dns_gethostbyname_addrtype(
        name, &question.ip, on_answer, &question,
        family == AF_INET6 ? LWIP_DNS_ADDRTYPE_IPV6 : LWIP_DNS_ADDRTYPE_IPV4);

    if (err == ERR_MEM)
        return EAI_MEMORY;
    if (err == ERR_INPROGRESS)
        wait_done(&question.done);
    if (err == ERR_OK || question.found)
        return add(finding, &question.ip);
    return 0;
}

/* Does any vif have an address of this family that is not link-local? */
static bool has_family(int family)
{
    struct netif *netif;

    for (unsigned n = 0; (netif = net_vif(n)); n++) {
        if (family == AF_INET && !ip4_addr_isany(netif_ip4_addr(netif)))
            return true;
        for (int8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
            if (family == AF_INET6 &&
                ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
                !ip6_addr_islinklocal(netif_ip6_addr(netif, i)))
                return true;
    }
    return false;
}

static bool any_resolver(void)
{
    for (uint8_t i = 0; i < DNS_MAX_SERVERS; i++)
        if (!ip_addr_isany(dns_getserver(i)))
            return true;
    return false;
}

static int ask_all(struct finding *finding, const char *name)
{
    bool either = finding->hints.ai_family == AF_UNSPEC ||
                  finding->hints.ai_flags & AI_ADDRCONFIG;
    int error = 0;

    socket_await_net();
    if (!any_resolver())
        return EAI_AGAIN;
    if (wants(finding, AF_INET6) && (!either || has_family(AF_INET6)))
        error = ask(finding, name, AF_INET6);
    if (!error && wants(finding, AF_INET) && (!either || has_family(AF_INET)))
        error = ask(finding, name, AF_INET);
    if (error)
        return error;
    return finding->first ? 0 : EAI_NONAME;
}

/* ---- getaddrinfo */

/* 0 without a service. */
static int parse_service(const char *service, uint16_t *port)
{
    unsigned long number;
    char *end;

    *port = 0;
    if (!service)
        return 0;
    number = strtoul(service, &end, 10);
    if (!isdigit((unsigned char)*service) || *end || number > UINT16_MAX)
        return EAI_SERVICE;
    *port = (uint16_t)number;
    return 0;
}

static int check_hints(const struct addrinfo *hints)
{
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET &&
        hints->ai_family != AF_INET6)
        return EAI_FAMILY;
    if (hints->ai_socktype && hints->ai_socktype != SOCK_STREAM &&
        hints->ai_socktype != SOCK_DGRAM)
        return EAI_SOCKTYPE;
    return 0;
}

/* No node: the wildcard address, or our own. */
static int add_own(struct finding *finding, bool passive)
{
    ip_addr_t any = IPADDR6_INIT(0, 0, 0, passive ? 0 : htonl(1));
    int error = 0;

    if (wants(finding, AF_INET6))
        error = add(finding, &any);
    ip_addr_set_ip4_u32_val(any, passive ? 0 : htonl(INADDR_LOOPBACK));
    if (!error && wants(finding, AF_INET))
        error = add(finding, &any);
    return error;
}

static int find(struct finding *finding, const char *node)
{
    ip_addr_t ip;

    if (!node)
        return add_own(finding, finding->hints.ai_flags & AI_PASSIVE);
    if (netdb_parse(AF_INET, node, &ip))
        return wants(finding, AF_INET) ? add(finding, &ip) : EAI_NONAME;
    if (netdb_parse(AF_INET6, node, &ip))
        return wants(finding, AF_INET6) ? add(finding, &ip) : EAI_NONAME;
    if (finding->hints.ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (!strcmp(node, "localhost")) /* RFC 6761, 6.3: never asked for */
        return add_own(finding, false);
    return ask_all(finding, node);
}

int netdb_find(const char *node, const char *service,
               const struct addrinfo *hints, struct addrinfo **result)
{
    struct finding finding = {.first = NULL};
    int error;

    finding.tail = &finding.first;
    if (hints)
        finding.hints = *hints;
    error = !node && !service ? EAI_NONAME : check_hints(&finding.hints);
    if (!error)
        error = parse_service(service, &finding.port);
    if (!error)
        error = find(&finding, node);
    if (error) {
        netdb_free(finding.first);
        return error;
    }
    *result = finding.first;
    return 0;
}

/* ---- getnameinfo */

static int copy(char *to, socklen_t bytes, const char *from)
{
    if (!to || !bytes)
        return 0;
    if (strlen(from) >= bytes)
        return EAI_OVERFLOW;
    strcpy(to, from);
    return 0;
}

int netdb_name(const struct sockaddr *address, socklen_t len, char *node,
               socklen_t node_bytes, char *service, socklen_t service_bytes,
               int flags)
{
    const struct socket v4 = {.v6 = false}, v6 = {.v6 = true};
    char text[NETDB_TEXT_BYTES], number[sizeof("65535")];
    ip_addr_t ip;
    uint16_t port;
    int error;

    if (flags & NI_NAMEREQD)
        return EAI_NONAME;
    if (len < sizeof(sa_family_t) ||
        address_take(address->sa_family == AF_INET6 ? &v6 : &v4, address, len,
                     &ip, &port))
        return EAI_FAMILY;
    netdb_print(&ip, text);
    error = copy(node, node_bytes, text);
    snprintf(number, sizeof(number), "%u", port);
    return error ? error : copy(service, service_bytes, number);
}
