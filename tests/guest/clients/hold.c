/* SPDX-License-Identifier: MIT */
/*
 * hold ADDRESS PORT COUNT SECONDS [TEXT]
 *
 * Opens COUNT connections, writes TEXT into each (\r and \n are understood),
 * reads nothing, and keeps them for so long, or until the guest has closed
 * them all: idle clients, slow readers, and slow writers. Prints how many it
 * opened, and how many were open at the end.
 */
#include "client.h"

#include <poll.h>

/* Opened at the same time: one after the other, each would cost both sides a
 * sleep for every packet. */
#define BATCH           50
#define CONNECT_SECONDS 10

static size_t unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (from[0] == '\\' && (from[1] == 'r' || from[1] == 'n'))
            *to++ = *++from == 'r' ? '\r' : '\n';
        else
            *to++ = *from;
    }
    return (size_t)(to - text);
}

/* Neither an end nor an error has come; what was sent may wait unread. */
static bool is_open(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};

    return poll(&poll_fd, 1, 0) == 0;
}

static int begin(const struct target *target)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0)
        fail("socket");
    connect(fd, (const struct sockaddr *)&target->address, target->bytes);
    return fd;
}

static bool is_connected(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);

    if (poll(&poll_fd, 1, CONNECT_SECONDS * 1000) != 1)
        return false;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error == 0;
}

/* Into fds[]; returns how many of `count` are open. */
static unsigned open_batch(const struct target *target, unsigned count,
                           const char *text, size_t len, int *fds)
{
    unsigned opened = 0;

    for (unsigned i = 0; i < count; i++)
        fds[i] = begin(target);
    for (unsigned i = 0; i < count; i++) {
        int fd = fds[i];
        if (is_connected(fd)) {
            (void)!send(fd, text, len, MSG_NOSIGNAL);
            fds[opened++] = fd;
        } else {
            close(fd);
        }
    }
    return opened;
}

int main(int argc, char **argv)
{
    unsigned opened = 0, open, new = 1;

    if (argc < 5)
        return 2;
    struct target target = lookup(argv[1], argv[2]);
    unsigned count = (unsigned)atoi(argv[3]);
    char none[] = "", *text = argc > 5 ? argv[5] : none;
    size_t len = unescape(text);
    int *fds = calloc(count, sizeof(*fds));

    raise_descriptors(count + 100);
    for (unsigned tried = 0; tried < count && new; tried += BATCH) {
        unsigned nr = count - tried < BATCH ? count - tried : BATCH;
        new = open_batch(&target, nr, text, len, fds + opened);
        opened += new;
    }
    printf("opened=%u\n", opened);
    fflush(stdout);
    open = opened;
    for (int left = atoi(argv[4]); left > 0 && open; left--) {
        sleep(1);
        open = 0;
        for (unsigned i = 0; i < opened && (!open || left == 1); i++)
            open += is_open(fds[i]);
    }
    printf("open=%u\n", open);
    return 0;
}
