/* SPDX-License-Identifier: MIT */
/*
 * What the programs that dom0 runs against a guest have in common. They are
 * linked statically, take their arguments in a fixed order, and print counts;
 * the tests judge these.
 */
#ifndef CLIENT_H
#define CLIENT_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Noreturn static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

static inline double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* An address in numbers, of either family, as lookup() finds it. */
struct target {
    struct sockaddr_storage address;
    socklen_t bytes;
};

static inline struct target lookup(const char *address, const char *port)
{
    struct target target = {.bytes = 0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&target.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target.address;
    uint16_t number = htons((uint16_t)atoi(port));

    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = number;
        target.bytes = sizeof(*v4);
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = number;
        target.bytes = sizeof(*v6);
    } else {
        fprintf(stderr, "%s is no address\n", address);
        exit(2);
    }
    return target;
}

/* A socket on which no step takes longer than this; accepting and connecting
 * count as sending. */
static inline int make_socket(const struct target *target, int type,
                              int seconds)
{
    struct timeval limit = {.tv_sec = seconds};
    int fd = socket(target->address.ss_family, type, 0);

    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

/* Every file descriptor that dom0 can have. */
static inline void raise_descriptors(unsigned long nr)
{
    struct rlimit limit = {.rlim_cur = nr, .rlim_max = nr};

    if (setrlimit(RLIMIT_NOFILE, &limit))
        fail("setrlimit");
}

#endif
