/* SPDX-License-Identifier: MIT */
/*
 * flood ADDRESS PORT COUNT
 *
 * COUNT SYNs from addresses that do not exist (198.18.0.0/15, which is for
 * benchmarks, RFC 2544), whose owners will never answer.
 */
#include "client.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>

#define SOURCES  0xc6120000u
#define BURST    64 /* then a pause, so that dom0 can do other things */
#define PAUSE_US 2000

struct packet {
    struct iphdr ip;
    struct tcphdr tcp;
};

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t add(uint32_t sum, const void *bytes, size_t len)
{
    const uint16_t *words = bytes;

    for (size_t i = 0; i < len / 2; i++)
        sum += words[i];
    return sum;
}

static void make(struct packet *packet, uint32_t i,
                 const struct sockaddr_in *to)
{
    uint32_t sum;

    *packet = (struct packet){
        .ip = {.version = 4,
               .ihl = 5,
               .ttl = 64,
               .protocol = IPPROTO_TCP,
               .tot_len = htons(sizeof(*packet)),
               .saddr = htonl(SOURCES + i * 7919 % 0x1fffe + 1),
               .daddr = to->sin_addr.s_addr},
        .tcp = {.source = htons((uint16_t)(1024 + i % 60000)),
                .dest = to->sin_port,
                .seq = htonl(i * 2654435761u),
                .doff = 5,
                .syn = 1,
                .window = htons(65535)},
    };
    sum = htons(IPPROTO_TCP) + htons(sizeof(packet->tcp));
    sum = add(sum, &packet->ip.saddr, 8);
    packet->tcp.check = fold(add(sum, &packet->tcp, sizeof(packet->tcp)));
}

int main(int argc, char **argv)
{
    struct packet packet;
    unsigned sent = 0;
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

    if (argc != 4)
        return 2;
    if (fd < 0)
        fail("socket");
    struct target target = lookup(argv[1], argv[2]);
    unsigned count = (unsigned)atoi(argv[3]);

    for (unsigned i = 0; i < count; i++) {
        make(&packet, i, (const struct sockaddr_in *)&target.address);
        sent += sendto(fd, &packet, sizeof(packet), 0,
                       (const struct sockaddr *)&target.address,
                       target.bytes) == sizeof(packet);
        if (i % BURST == 0)
            usleep(PAUSE_US);
    }
    printf("sent=%u\n", sent);
    return 0;
}
