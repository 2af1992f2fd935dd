/* SPDX-License-Identifier: MIT */
/*
 * load ADDRESS PORT CONNECTIONS REQUESTS PATH
 *
 * As many connections at once, each with so many requests one after the other,
 * kept alive. Prints how many answers were whole.
 */
#include "client.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define SECONDS 30

/* Read one answer with a Content-Length; what is behind it must not be. */
static bool read_answer(int fd)
{
    static char answer[65536];
    size_t used = 0, whole = sizeof(answer) - 1;

    while (used < whole) {
        ssize_t n = recv(fd, answer + used, whole - used, 0);
        if (n <= 0)
            return false;
        used += (size_t)n;
        answer[used] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        const char *length = strstr(answer, "Content-Length: ");
        if (end && length)
            whole = (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
    }
    return !memcmp(answer, "HTTP/1.1 200", 12);
}

static void run(const struct target *target, unsigned requests,
                const char *path, unsigned *good)
{
    int fd = make_socket(target, SOCK_STREAM, SECONDS);
    char request[512];
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: guest\r\n\r\n", path);

    if (connect(fd, (const struct sockaddr *)&target->address, target->bytes))
        fail("connect");
    for (unsigned i = 0; i < requests; i++) {
        if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len ||
            !read_answer(fd))
            fail("request");
        __atomic_add_fetch(good, 1, __ATOMIC_RELAXED);
    }
}

int main(int argc, char **argv)
{
    unsigned *good = mmap(NULL, sizeof(*good), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (argc != 6)
        return 2;
    struct target target = lookup(argv[1], argv[2]);
    unsigned connections = (unsigned)atoi(argv[3]);
    unsigned requests = (unsigned)atoi(argv[4]);

    for (unsigned i = 0; i < connections; i++) {
        pid_t pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid == 0) {
            run(&target, requests, argv[5], good);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    printf("good=%u\n", *good);
    return *good != connections * requests;
}
