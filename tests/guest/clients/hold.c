/* SPDX-License-Identifier: MIT */
/*
 * hold ADDRESS PORT COUNT SECONDS [TEXT]
 *
 * Opens COUNT connections, writes TEXT into each (\r and \n are understood),
 * reads nothing, and keeps them for so long: idle clients, slow readers, and
 * slow writers. Prints how many it opened, and at the end how many of those
 * the guest had not closed.
 */
#include "client.h"

#include <fcntl.h>
#include <poll.h>

#define CONNECT_SECONDS 10
#define MISSES_MAX      5 /* in a row: the guest takes no more */

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

static int open_one(const struct target *target, const char *text, size_t len)
{
    int fd = make_socket(target, SOCK_STREAM, CONNECT_SECONDS);

    if (connect(fd, (const struct sockaddr *)&target->address, target->bytes)) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (len)
        (void)!send(fd, text, len, MSG_NOSIGNAL);
    return fd;
}

int main(int argc, char **argv)
{
    unsigned opened = 0, open = 0, misses = 0;

    if (argc < 5)
        return 2;
    struct target target = lookup(argv[1], argv[2]);
    unsigned count = (unsigned)atoi(argv[3]);
    char *text = argc > 5 ? argv[5] : NULL;
    size_t len = text ? unescape(text) : 0;
    int *fds = calloc(count, sizeof(*fds));

    raise_descriptors(count + 100);
    for (unsigned i = 0; i < count && misses < MISSES_MAX; i++) {
        fds[opened] = open_one(&target, text, len);
        misses = fds[opened] < 0 ? misses + 1 : 0;
        opened += fds[opened] >= 0;
    }
    printf("opened=%u\n", opened);
    fflush(stdout);
    sleep((unsigned)atoi(argv[4]));
    for (unsigned i = 0; i < opened; i++)
        open += is_open(fds[i]);
    printf("open=%u\n", open);
    return 0;
}
