/* SPDX-License-Identifier: MIT */
/*
 * echo tcp|udp ADDRESS PORT BYTES COUNT
 *
 * Sends COUNT times BYTES of pseudo-random contents and compares what comes
 * back. TCP: one connection; it writes and reads at the same time. UDP: one
 * datagram after the other; a lost one is sent again twice.
 */
#include "client.h"

#include <poll.h>

#define SECONDS   20
#define UDP_TRIES 3

static unsigned char byte_at(size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 13);
}

static void fill(unsigned char *bytes, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(at + i);
}

static bool check(const unsigned char *bytes, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != byte_at(at + i)) {
            printf("byte %zu came back wrong\n", at + i);
            return false;
        }
    }
    return true;
}

static bool echo_tcp(const struct target *target, size_t total)
{
    unsigned char bytes[16384];
    size_t sent = 0, received = 0;
    int fd = make_socket(target, SOCK_STREAM, SECONDS);

    if (connect(fd, (const struct sockaddr *)&target->address, target->bytes))
        fail("connect");
    while (received < total) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (sent < total)
            wait.events |= POLLOUT;
        if (poll(&wait, 1, SECONDS * 1000) <= 0)
            fail("poll");
        if (wait.revents & POLLOUT) {
            size_t len = total - sent;
            len = len < sizeof(bytes) ? len : sizeof(bytes);
            fill(bytes, sent, len);
            ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0)
                sent += (size_t)n;
            if (sent == total)
                shutdown(fd, SHUT_WR);
        }
        if (wait.revents & ~POLLOUT) {
            ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
            if (n <= 0)
                fail("recv");
            if (!check(bytes, received, (size_t)n))
                return false;
            received += (size_t)n;
        }
    }
    return recv(fd, bytes, 1, 0) == 0; /* it closes after us */
}

static bool echo_datagram(int fd, size_t at, size_t len)
{
    static unsigned char bytes[65536];

    for (int i = 0; i < UDP_TRIES; i++) {
        fill(bytes, at, len);
        if (send(fd, bytes, len, 0) != (ssize_t)len)
            fail("send");
        if (recv(fd, bytes, sizeof(bytes), 0) == (ssize_t)len)
            return check(bytes, at, len);
    }
    printf("no answer\n");
    return false;
}

static bool echo_udp(const struct target *target, size_t len, unsigned count)
{
    int fd = make_socket(target, SOCK_DGRAM, 3);

    if (connect(fd, (const struct sockaddr *)&target->address, target->bytes))
        fail("connect");
    for (unsigned i = 0; i < count; i++) {
        if (!echo_datagram(fd, i * len, len))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bool good;

    if (argc != 6)
        return 2;
    struct target target = lookup(argv[2], argv[3]);
    size_t bytes = strtoul(argv[4], NULL, 10);
    unsigned count = (unsigned)atoi(argv[5]);

    if (!strcmp(argv[1], "tcp"))
        good = echo_tcp(&target, bytes * count);
    else
        good = echo_udp(&target, bytes, count);
    printf("%s\n", good ? "same" : "different");
    return !good;
}
