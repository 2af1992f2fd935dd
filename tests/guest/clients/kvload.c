/* SPDX-License-Identifier: MIT */
/*
 * kvload ADDRESS PORT set|get CONNECTIONS PIPELINE ROUNDS
 *
 * As many connections at once; each, so many times, sends PIPELINE requests and
 * waits for all of their answers. Prints how many answers came, and that all
 * were right.
 *
 * kvload ADDRESS PORT count CONNECTIONS
 *
 * Connection c sets n:C to 1, 2, 3... for ever, and each number that was
 * acknowledged is printed, until the server is gone. Status 0.
 */
#include "client.h"

#include <poll.h>

#define SECONDS         30
#define CONNECTIONS_MAX 1000
#define PIPELINE_MAX    1000

struct connection {
    int fd;
    unsigned rounds;     /* sent */
    size_t missing;      /* bytes of answers */
    unsigned long count; /* sent, not acknowledged */
};

static struct connection all[CONNECTIONS_MAX];
static struct pollfd polls[CONNECTIONS_MAX];

static int connect_to(const struct target *target)
{
    int fd = make_socket(target, SOCK_STREAM, SECONDS);

    if (connect(fd, (const struct sockaddr *)&target->address, target->bytes))
        fail("connect");
    return fd;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n <= 0)
            fail("send");
        bytes += n;
        len -= (size_t)n;
    }
}

/* ---- set and get */

static bool is_set;

static size_t answer_bytes(void)
{
    return is_set ? strlen("+OK\r\n") : strlen("$3\r\nxyz\r\n");
}

static void start_round(struct connection *c, unsigned pipeline)
{
    static char requests[PIPELINE_MAX * 64];
    static unsigned number;
    size_t len = 0;

    for (unsigned i = 0; i < pipeline; i++, number++)
        len += (size_t)sprintf(requests + len,
                               is_set ? "*3\r\n$3\r\nSET\r\n$9\r\nkey:%05u\r\n"
                                        "$3\r\nxyz\r\n"
                                      : "*2\r\n$3\r\nGET\r\n$9\r\nkey:%05u\r\n",
                               number % 1000);
    send_all(c->fd, requests, len);
    c->missing = pipeline * answer_bytes();
    c->rounds++;
}

static void take_answers(struct connection *c)
{
    char answers[65536];
    ssize_t n = recv(c->fd, answers, sizeof(answers), 0);

    if (n <= 0)
        fail("recv");
    for (ssize_t i = 0; i < n; i++)
        if (answers[i] == '-' || (size_t)n > c->missing) {
            fprintf(stderr, "not an answer: %.*s\n", (int)n, answers);
            exit(1);
        }
    c->missing -= (size_t)n;
}

static void run(unsigned nr, unsigned pipeline, unsigned rounds)
{
    unsigned open = nr;
    double start = now_s();

    for (unsigned i = 0; i < nr; i++)
        start_round(&all[i], pipeline);
    while (open) {
        if (poll(polls, nr, SECONDS * 1000) <= 0)
            fail("poll");
        for (unsigned i = 0; i < nr; i++) {
            struct connection *c = &all[i];

            if (!polls[i].revents)
                continue;
            take_answers(c);
            if (c->missing)
                continue;
            if (c->rounds < rounds) {
                start_round(c, pipeline);
                continue;
            }
            polls[i].fd = -1;
            open--;
        }
    }
    printf("answers=%u per_second=%.0f\n", nr * pipeline * rounds,
           nr * pipeline * rounds / (now_s() - start));
}

/* ---- count */

static void send_count(struct connection *c, unsigned number)
{
    char request[128], value[24];
    int len = snprintf(value, sizeof(value), "%lu", ++c->count);

    len = snprintf(request, sizeof(request),
                   "*3\r\n$3\r\nSET\r\n$5\r\nn:%03u\r\n$%d\r\n%s\r\n", number,
                   len, value);
    if (send(c->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        exit(0);
    c->missing = strlen("+OK\r\n");
}

/* False: the server is gone. */
static bool take_count(struct connection *c, unsigned number)
{
    char answer[8];
    ssize_t n = recv(c->fd, answer, c->missing, 0);

    if (n <= 0)
        return false;
    if (c->missing == strlen("+OK\r\n") && answer[0] != '+') {
        fprintf(stderr, "not an answer\n");
        exit(1);
    }
    c->missing -= (size_t)n;
    if (c->missing)
        return true;
    printf("%u %lu\n", number, c->count);
    fflush(stdout);
    send_count(c, number);
    return true;
}

static void count(unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        send_count(&all[i], i);
    while (poll(polls, nr, SECONDS * 1000) > 0)
        for (unsigned i = 0; i < nr; i++)
            if (polls[i].revents && !take_count(&all[i], i))
                return;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    struct target target = lookup(argv[1], argv[2]);
    unsigned nr = (unsigned)atoi(argv[4]);

    if (nr < 1 || nr > CONNECTIONS_MAX)
        return 2;
    for (unsigned i = 0; i < nr; i++) {
        all[i].fd = connect_to(&target);
        polls[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
    }
    is_set = !strcmp(argv[3], "set");
    if (!strcmp(argv[3], "count"))
        count(nr);
    else if (argc == 7 && atoi(argv[5]) <= PIPELINE_MAX)
        run(nr, (unsigned)atoi(argv[5]), (unsigned)atoi(argv[6]));
    else
        return 2;
    return 0;
}
