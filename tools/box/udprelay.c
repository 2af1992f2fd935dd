/* SPDX-License-Identifier: MIT */
/*
 * udprelay ADDRESS PORT: dom0's end of a forwarded UDP port (see relay.py).
 *
 * qemu's isolated network forwards UDP one way only: it drops the answers.
 * So datagrams travel over a command's standard input and output, each as
 * two 16-bit words, peer and length, and its bytes. Every peer has a socket
 * here, connected to ADDRESS: what comes back on it goes to that peer. Peers
 * are numbers that the other end chooses below PEERS_MAX; it reuses the
 * oldest. The end of the input ends the program.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEERS_MAX    64
#define DATAGRAM_MAX 65536

struct header {
    uint16_t peer;
    uint16_t length;
};

struct message {
    struct header header;
    uint8_t data[DATAGRAM_MAX];
};

static bool read_all(void *buffer, size_t length)
{
    uint8_t *at = buffer;

    while (length > 0) {
        ssize_t n = read(0, at, length);

        if (n <= 0)
            return false;
        at += n;
        length -= n;
    }
    return true;
}

static int socket_to(const struct sockaddr_in *target)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const void *)target, sizeof(*target)) < 0) {
        perror("udprelay");
        exit(1);
    }
    return fd;
}

/* A datagram that nobody takes is lost, as it would be on the wire. */
static bool forward(struct pollfd *peers, const struct sockaddr_in *target,
                    struct message *message)
{
    struct pollfd *peer;

    if (!read_all(&message->header, sizeof(message->header)) ||
        !read_all(message->data, message->header.length) ||
        message->header.peer >= PEERS_MAX)
        return false;
    peer = &peers[message->header.peer];
    if (peer->fd < 0)
        peer->fd = socket_to(target);
    (void)!send(peer->fd, message->data, message->header.length, 0);
    return true;
}

static bool answer(struct pollfd *peers, uint16_t peer, struct message *message)
{
    ssize_t length =
        recv(peers[peer].fd, message->data, DATAGRAM_MAX, MSG_DONTWAIT);
    size_t total;

    if (length < 0)
        return true; /* refused: nobody listens there yet */
    message->header = (struct header){.peer = peer, .length = length};
    total = sizeof(message->header) + length;
    return fwrite(message, 1, total, stdout) == total && !fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct pollfd fds[PEERS_MAX + 1]; /* the last one: input */
    static struct message message;
    struct sockaddr_in target = {.sin_family = AF_INET};
    bool alive = true;

    if (argc != 3 || !inet_aton(argv[1], &target.sin_addr)) {
        fprintf(stderr, "usage: udprelay ADDRESS PORT\n");
        return 2;
    }
    target.sin_port = htons(atoi(argv[2]));
    for (int i = 0; i < PEERS_MAX; i++)
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    fds[PEERS_MAX] = (struct pollfd){.fd = 0, .events = POLLIN};
    while (alive && poll(fds, PEERS_MAX + 1, -1) > 0) {
        if (fds[PEERS_MAX].revents)
            alive = forward(fds, &target, &message);
        for (int i = 0; alive && i < PEERS_MAX; i++)
            if (fds[i].revents)
                alive = answer(fds, i, &message);
    }
    return 0;
}
