/* SPDX-License-Identifier: MIT */
/*
 * connections ADDRESS PORT COUNT PORTS SECONDS
 *
 * COUNT connections, or as many as the time allows, one after the other, each
 * with one request, from PORTS source ports in turn: all but the first PORTS
 * meet what the guest remembers of the same port's last connection
 * (TIME_WAIT). As few system calls as it takes: they are dear in the box.
 */
#include "client.h"

#include <fcntl.h>

#define FIRST_PORT   20000
#define STEP_SECONDS 10 /* for each step of one connection */
#define FAILURES_MAX 20 /* more would only take time */
#define REPORT_EVERY 10000

static const char request[] = "HEAD / HTTP/1.1\r\nHost: guest\r\n"
                              "Connection: close\r\n\r\n";

static int connect_from(const struct target *target, unsigned source_port)
{
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)source_port)};
    int fd = make_socket(target, SOCK_STREAM, STEP_SECONDS), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&source, sizeof(source)))
        fail("bind");
    if (!connect(fd, (const struct sockaddr *)&target->address, target->bytes))
        return fd;
    close(fd);
    return -1;
}

/* Ask, and read to the end: the guest closes first. */
static bool converse(int fd)
{
    char answer[1024];
    ssize_t n;

    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
        return false;
    n = recv(fd, answer, sizeof(answer), MSG_WAITALL);
    return n > 12 && n < (ssize_t)sizeof(answer) &&
           !memcmp(answer, "HTTP/1.1 200", 12);
}

static bool connect_once(const struct target *target, unsigned source_port)
{
    int fd = connect_from(target, source_port);
    bool good = fd >= 0 && converse(fd);

    if (!good)
        printf("source port %u: %s\n", source_port, strerror(errno));
    if (fd >= 0)
        close(fd);
    return good;
}

/* Segments that this host has sent again: a connection that had to wait. */
static unsigned long resent(void)
{
    unsigned long values[16] = {0};
    char text[4096], *line;
    int fd = open("/proc/net/snmp", O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    close(fd);
    text[n > 0 ? n : 0] = '\0';
    line = strstr(text, "\nTcp: "); /* names, then values */
    line = line ? strstr(line + 1, "\nTcp: ") : NULL;
    if (!line)
        fail("/proc/net/snmp");
    line += strlen("\nTcp: ");
    for (int i = 0; i < 12; i++) /* the twelfth is RetransSegs */
        values[i] = strtoul(line, &line, 10);
    return values[11];
}

int main(int argc, char **argv)
{
    unsigned done = 0, failed = 0;

    if (argc != 6)
        return 2;
    struct target target = lookup(argv[1], argv[2]);
    unsigned count = (unsigned)atoi(argv[3]), ports = (unsigned)atoi(argv[4]);
    double begun = now_s(), limit = atof(argv[5]);
    unsigned long resent_before = resent();

    while (done < count && failed < FAILURES_MAX) {
        failed += !connect_once(&target, FIRST_PORT + done % ports);
        done++;
        if (done % 100 == 0 && now_s() - begun > limit)
            break;
        if (done % REPORT_EVERY == 0) {
            printf("%u done, %.0f a second\n", done, done / (now_s() - begun));
            fflush(stdout);
        }
    }
    printf("done=%u failed=%u resent=%lu\n", done, failed,
           resent() - resent_before);
    return failed != 0;
}
