/* SPDX-License-Identifier: MIT */
/*
 * sql ADDRESS PORT              what is on standard input, and its end; the
 *                               answers go to standard output
 * sql ADDRESS PORT count FIRST  a transaction for each number from FIRST on,
 *                               until the guest is gone; prints the last one
 *                               that was answered with ok, as "acked N"
 * sql ADDRESS PORT vanish SQL   resets the connection one second later
 */
#include "client.h"

#include <poll.h>

#define SECONDS 120

static int dial(const char *address, const char *port)
{
    struct target target = lookup(address, port);
    int fd = make_socket(&target, SOCK_STREAM, SECONDS);

    if (connect(fd, (const struct sockaddr *)&target.address, target.bytes))
        fail("connect");
    return fd;
}

/* False: all is sent. */
static bool send_some(int fd)
{
    static char buffer[65536];
    static size_t used, sent;
    ssize_t n;

    if (sent == used) {
        n = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (n <= 0) {
            shutdown(fd, SHUT_WR);
            return false;
        }
        used = (size_t)n;
        sent = 0;
    }
    n = send(fd, buffer + sent, used - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        sent += (size_t)n;
    return true;
}

/* Both ways at once: the guest stops reading when nobody takes its answers. */
static void pass(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT};
    char buffer[65536];
    ssize_t n = 1;

    while (n > 0) {
        if (poll(&poll_fd, 1, SECONDS * 1000) != 1)
            fail("no answer");
        if (poll_fd.revents & POLLOUT && !send_some(fd))
            poll_fd.events = POLLIN;
        if (!(poll_fd.revents & ~POLLOUT))
            continue;
        n = recv(fd, buffer, sizeof(buffer), 0);
        if (n > 0)
            fwrite(buffer, 1, (size_t)n, stdout);
    }
    if (n < 0)
        fail("recv");
}

/* The lines of an answer up to "-- ok" (true) or an error. */
static bool is_ok(FILE *answers)
{
    char line[512];

    while (fgets(line, sizeof(line), answers)) {
        if (!strncmp(line, "-- ok", 5))
            return true;
        if (!strncmp(line, "-- error", 8)) {
            fputs(line, stdout);
            return false;
        }
    }
    return false;
}

static void count(int fd, unsigned long n)
{
    FILE *answers = fdopen(fd, "r");
    unsigned long acked = n - 1;
    bool ok = true;

    for (; ok; n++) {
        dprintf(fd,
                "BEGIN; INSERT INTO done VALUES(%lu, randomblob(%lu)); "
                "UPDATE sums SET n = n + 1, sum = sum + %lu; COMMIT;\n",
                n, n * 997 % 9000, n);
        for (unsigned i = 0; ok && i < 4; i++)
            ok = is_ok(answers);
        if (ok)
            acked = n;
        if (ok && acked % 10 == 0)
            printf("acked %lu\n", acked), fflush(stdout);
    }
    printf("acked %lu\n", acked);
}

static void vanish(int fd, const char *sql)
{
    struct linger linger = {.l_onoff = 1};

    dprintf(fd, "%s\n", sql);
    sleep(1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        pass(dial(argv[1], argv[2]));
    else if (argc == 5 && !strcmp(argv[3], "count"))
        count(dial(argv[1], argv[2]), strtoul(argv[4], NULL, 10));
    else if (argc == 5 && !strcmp(argv[3], "vanish"))
        vanish(dial(argv[1], argv[2]), argv[4]);
    else
        return 2;
    return 0;
}
