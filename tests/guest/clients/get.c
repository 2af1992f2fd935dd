/* SPDX-License-Identifier: MIT */
/*
 * get ADDRESS PORT PATH
 *
 * One request; the answer's body goes to standard output, the first line of
 * its head to standard error.
 */
#include "client.h"

#define SECONDS 30

int main(int argc, char **argv)
{
    static char answer[1 << 20];
    size_t used = 0;
    ssize_t n;

    if (argc != 4)
        return 2;
    struct target target = lookup(argv[1], argv[2]);
    int fd = make_socket(&target, SOCK_STREAM, SECONDS);

    if (connect(fd, (const struct sockaddr *)&target.address, target.bytes))
        fail("connect");
    dprintf(fd, "GET %s HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n",
            argv[3]);
    while (used < sizeof(answer) - 1 &&
           (n = recv(fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0)
        used += (size_t)n;
    char *body = strstr(answer, "\r\n\r\n");
    if (n != 0 || !body)
        fail("recv");
    fprintf(stderr, "%.*s\n", (int)strcspn(answer, "\r"), answer);
    body += strlen("\r\n\r\n");
    fwrite(body, 1, used - (size_t)(body - answer), stdout);
    return memcmp(answer, "HTTP/1.1 200", 12) != 0;
}
