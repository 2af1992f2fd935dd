/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071), and who computes it when we send.
 *
 * lwIP never computes those of TCP and UDP: whether the backend can do so
 * depends on the packet, and differs between IPv4 and IPv6, which lwIP's flags
 * cannot express. So all of them are written here, at one of two points: as a
 * frame leaves (checksum_frame), in blank form where the backend takes that; or
 * just before lwIP cuts a packet into fragments (checksum_packet, a hook),
 * always in full, because a fragment cannot be blank.
 *
 * Sums are of 16-bit words as they stand in memory: the one's complement sum
 * does not care about byte order as long as it is written back the same way.
 * lwIP keeps all headers of a packet that it made in its first pbuf.
 */
#include "net/checksum.h"

#include <string.h>

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

uint16_t checksum_sum(const void *data, int bytes)
{
    const uint8_t *at = data;
    uint64_t sum = 0, word;

    for (; bytes >= (int)sizeof(word); bytes -= (int)sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sum += word;
        sum += sum < word; /* the carry comes back in at the bottom */
        at += sizeof(word);
    }
    word = 0;
    memcpy(&word, at, (size_t)bytes);
    sum += word;
    sum += sum < word;
    return fold(sum);
}

/* The layout of an IP packet with a complete TCP or UDP header. */
struct packet {
    uint16_t *field;       /* the checksum */
    const void *addresses; /* source and destination, side by side */
    unsigned addresses_bytes;
    unsigned header_bytes; /* of IP */
    uint8_t protocol;
    bool ipv4;
};

/* Offset of the checksum in the protocol's header; 0: not ours to write. */
static unsigned field_offset(uint8_t protocol)
{
    switch (protocol) {
    case IP_PROTO_TCP:
        return offsetof(struct tcp_hdr, chksum);
    case IP_PROTO_UDP:
        return offsetof(struct udp_hdr, chksum);
    default:
        return 0;
    }
}

static bool parse_ipv4(const uint8_t *at, unsigned bytes, struct packet *packet)
{
    const struct ip_hdr *ip = (const void *)at;

    if (bytes < IP_HLEN || IPH_HL_BYTES(ip) < IP_HLEN ||
        (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)))
        return false;
    packet->ipv4 = true;
    packet->protocol = IPH_PROTO(ip);
    packet->header_bytes = IPH_HL_BYTES(ip);
    packet->addresses = &ip->src;
    packet->addresses_bytes = sizeof(ip->src) + sizeof(ip->dest);
    return true;
}

/* lwIP sends TCP and UDP without extension headers, except for fragments. */
static bool parse_ipv6(const uint8_t *at, unsigned bytes, struct packet *packet)
{
    const struct ip6_hdr *ip = (const void *)at;

    if (bytes < IP6_HLEN)
        return false;
    packet->ipv4 = false;
    packet->protocol = IP6H_NEXTH(ip);
    packet->header_bytes = IP6_HLEN;
    packet->addresses = &ip->src;
    packet->addresses_bytes = sizeof(ip->src) + sizeof(ip->dest);
    return true;
}

/* False: not TCP or UDP, a fragment, or truncated. */
static bool parse(uint8_t *at, unsigned bytes, struct packet *packet)
{
    if (bytes == 0)
        return false;
    bool whole = *at >> 4 == 4 ? parse_ipv4(at, bytes, packet)
                               : parse_ipv6(at, bytes, packet);
    if (!whole)
        return false;
    unsigned offset = field_offset(packet->protocol);
    if (!offset || packet->header_bytes + offset + sizeof(uint16_t) > bytes)
        return false;
    packet->field = (void *)(at + packet->header_bytes + offset);
    return true;
}

/* The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1). */
static uint64_t pseudo_sum(const struct packet *packet, unsigned bytes)
{
    return (uint64_t)checksum_sum(packet->addresses,
                                  (int)packet->addresses_bytes) +
           PP_HTONS((uint16_t)bytes) + PP_HTONS((uint16_t)packet->protocol);
}

/* The sum of a chain's data from `skip` bytes into its first pbuf. */
static uint64_t chain_sum(const struct pbuf *p, unsigned skip)
{
    uint64_t sum = 0;
    bool odd = false; /* the bytes so far are odd in number */

    for (; p; p = p->next, skip = 0) {
        uint16_t part =
            checksum_sum((const uint8_t *)p->payload + skip, p->len - skip);

        sum += odd ? lwip_htons(part) : part;
        odd ^= (p->len - skip) & 1;
    }
    return sum;
}

static void write_field(const struct packet *packet, uint16_t value)
{
    memcpy(packet->field, &value, sizeof(value));
}

static void write_full(const struct packet *packet, const struct pbuf *p,
                       unsigned offset)
{
    unsigned start = offset + packet->header_bytes;

    write_field(packet, 0);
    uint16_t value = (uint16_t)~fold(pseudo_sum(packet, p->tot_len - start) +
                                     chain_sum(p, start));
    /* A UDP checksum of zero would mean that there is none (RFC 768). */
    if (value == 0 && packet->protocol == IP_PROTO_UDP)
        value = UINT16_MAX;
    write_field(packet, value);
}

bool checksum_frame(struct pbuf *p, const struct checksum_offload *offload)
{
    const struct eth_hdr *eth = p->payload;
    struct packet packet;

    if (p->len < SIZEOF_ETH_HDR || (eth->type != PP_HTONS(ETHTYPE_IP) &&
                                    eth->type != PP_HTONS(ETHTYPE_IPV6)))
        return false;
    if (!parse((uint8_t *)p->payload + SIZEOF_ETH_HDR,
               (unsigned)p->len - SIZEOF_ETH_HDR, &packet))
        return false;
    if (packet.ipv4 ? !offload->ipv4 : !offload->ipv6) {
        write_full(&packet, p, SIZEOF_ETH_HDR);
        return false;
    }
    unsigned bytes = p->tot_len - SIZEOF_ETH_HDR - packet.header_bytes;
    write_field(&packet, fold(pseudo_sum(&packet, bytes)));
    return true;
}

void checksum_packet(struct pbuf *p)
{
    struct packet packet;

    if (parse(p->payload, p->len, &packet))
        write_full(&packet, p, 0);
}
