/* SPDX-License-Identifier: MIT */
/* Sockets: a client, and echo servers by poll, by select and by waiting. */
#include "tests/images/posixtest/posixtest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#define PORT        7
#define CLIENTS_MAX 64
#define PIECE_BYTES 8192

static volatile sig_atomic_t ending;

static void on_term(int sig)
{
    (void)sig;
    ending = 1;
}

/* ---- Echo */

/* Bound to every address of the guest, of both families. */
static int bound(int type)
{
    struct sockaddr_in6 any = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(PORT),
    };
    int fd = socket(AF_INET6, type, 0), on = 1;

    check(fd >= 0, "socket");
    check(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)),
          "SO_REUSEADDR");
    check(!bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
    if (type == SOCK_STREAM)
        check(!listen(fd, CLIENTS_MAX), "listen");
    return fd;
}

struct client {
    int fd; /* -1: none */
    char bytes[PIECE_BYTES];
    size_t len, at;
};

static struct client clients[CLIENTS_MAX];
static unsigned nr_served;
static unsigned long nr_bytes, nr_datagrams;

static void accept_client(int listener)
{
    struct sockaddr_in6 peer;
    socklen_t len = sizeof(peer);
    int fd = accept(listener, (struct sockaddr *)&peer, &len);

    if (fd < 0)
        return;
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i].fd >= 0)
            continue;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        clients[i] = (struct client){.fd = fd};
        nr_served++;
        return;
    }
    close(fd);
}

static void end_client(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

/* The client is ready: read from it, or write back what was read. */
static void serve_client(struct client *client)
{
    ssize_t n;

    if (client->at == client->len) {
        n = read(client->fd, client->bytes, PIECE_BYTES);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            end_client(client);
        if (n <= 0)
            return;
        client->len = (size_t)n;
        client->at = 0;
    }
    n = write(client->fd, client->bytes + client->at, client->len - client->at);
    if (n < 0 && errno != EAGAIN)
        end_client(client);
    if (n <= 0)
        return;
    client->at += (size_t)n;
    nr_bytes += (unsigned long)n;
}

static void echo_datagram(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    char bytes[PIECE_BYTES];
    ssize_t n = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
                         (struct sockaddr *)&peer, &len);

    if (n >= 0 &&
        sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&peer, len) == n)
        nr_datagrams++;
}

static void poll_once(int tcp, int udp)
{
    struct pollfd fds[CLIENTS_MAX + 2] = {
        {.fd = tcp, .events = POLLIN},
        {.fd = udp, .events = POLLIN},
    };

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        fds[i + 2].fd = clients[i].fd;
        fds[i + 2].events = clients[i].at < clients[i].len ? POLLOUT : POLLIN;
    }
    if (poll(fds, CLIENTS_MAX + 2, -1) < 0)
        return;
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (fds[i + 2].revents)
            serve_client(&clients[i]);
    if (fds[0].revents)
        accept_client(tcp);
    if (fds[1].revents)
        echo_datagram(udp);
}

static void select_once(int tcp, int udp)
{
    fd_set in, out;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(tcp, &in);
    FD_SET(udp, &in);
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (clients[i].fd >= 0)
            FD_SET(clients[i].fd, clients[i].at < clients[i].len ? &out : &in);
    if (select(FD_SETSIZE, &in, &out, NULL, NULL) < 0)
        return;
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (clients[i].fd >= 0 &&
            (FD_ISSET(clients[i].fd, &in) || FD_ISSET(clients[i].fd, &out)))
            serve_client(&clients[i]);
    if (FD_ISSET(tcp, &in))
        accept_client(tcp);
    if (FD_ISSET(udp, &in))
        echo_datagram(udp);
}

/* One client after the other, with blocking calls. */
static void wait_once(int tcp, int udp)
{
    int fd = accept(tcp, NULL, NULL);
    char bytes[PIECE_BYTES];
    ssize_t n;

    (void)udp;
    if (fd < 0)
        return;
    nr_served++;
    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        if (send(fd, bytes, (size_t)n, 0) != n)
            break;
        nr_bytes += (unsigned long)n;
    }
    close(fd);
}

int run_echo(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "poll";
    int tcp = bound(SOCK_STREAM), udp = bound(SOCK_DGRAM);

    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        clients[i].fd = -1;
    signal(SIGTERM, on_term);
    printf("echo by %s\n", how);
    while (!ending) {
        if (!strcmp(how, "poll"))
            poll_once(tcp, udp);
        else if (!strcmp(how, "select"))
            select_once(tcp, udp);
        else
            wait_once(tcp, udp);
    }
    printf("served %u connections, %lu bytes, %lu datagrams\n", nr_served,
           nr_bytes, nr_datagrams);
    return 0;
}

/* ---- A client */

static int connected(const char *node, const char *service)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *at;
    int fd = -1, error = getaddrinfo(node, service, &hints, &list);

    if (error) {
        printf("%s: %s\n", node, gai_strerror(error));
        return -1;
    }
    for (at = list; at && fd < 0; at = at->ai_next) {
        char name[NI_MAXHOST];

        getnameinfo(at->ai_addr, at->ai_addrlen, name, sizeof(name), NULL, 0,
                    NI_NUMERICHOST);
        fd = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
            printf("connected to %s\n", name);
            break;
        }
        printf("%s: %s\n", name, strerror(errno));
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

/* Ask a web server for /, by stdio on its socket. */
int run_get(int argc, char **argv)
{
    int fd = argc > 2 ? connected(argv[1], argv[2]) : -1;
    unsigned long bytes = 0;
    char line[1024];
    FILE *file;

    if (fd < 0)
        return EXIT_FAILURE;
    file = fdopen(fd, "r");
    dprintf(fd, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", argv[1]);
    while (fgets(line, sizeof(line), file)) {
        if (!bytes)
            printf("answer: %s", line);
        bytes += strlen(line);
    }
    printf("got %lu bytes\n", bytes);
    fclose(file);
    return 0;
}

/* ---- Errors, with a host on which nothing listens */

static struct sockaddr_in address_of(const char *text, int port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
    };

    check(inet_pton(AF_INET, text, &in.sin_addr) == 1, "inet_pton");
    return in;
}

static void test_refused(const struct sockaddr_in *peer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), error = 0;
    socklen_t len = sizeof(error);
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

    check(connect(fd, (const struct sockaddr *)peer, sizeof(*peer)) == -1 &&
              errno == ECONNREFUSED,
          "a refused connection");
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    check(connect(fd, (const struct sockaddr *)peer, sizeof(*peer)) == -1 &&
              errno == EINPROGRESS,
          "a connection that is not waited for");
    pollfd.fd = fd;
    check(poll(&pollfd, 1, 10000) == 1 && pollfd.revents & POLLERR,
          "poll sees that it fails");
    check(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) &&
              error == ECONNREFUSED,
          "SO_ERROR tells why");
    close(fd);
}

static void test_timeout(const struct sockaddr_in *peer)
{
    struct timeval limit = {.tv_usec = 200000};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), waiting = 1;
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    char byte;

    check(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
          "SO_RCVTIMEO");
    check(sendto(fd, "x", 1, 0, (const struct sockaddr *)peer, sizeof(*peer)) ==
              1,
          "sendto");
    check(recv(fd, &byte, 1, 0) == -1 && errno == EAGAIN, "it ends a recv");
    check(recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN,
          "MSG_DONTWAIT");
    check(poll(&pollfd, 1, 100) == 0, "poll ends");
    check(!ioctl(fd, FIONREAD, &waiting) && waiting == 0, "FIONREAD");
    close(fd);
}

static void test_misuse(const struct sockaddr_in *peer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), value;
    socklen_t len = sizeof(value);

    check(send(fd, "x", 1, 0) == -1 && errno == ENOTCONN, "send, unconnected");
    check(accept(fd, NULL, NULL) == -1 && errno == EINVAL, "accept too early");
    check(getsockopt(fd, SOL_SOCKET, 999, &value, &len) == -1 &&
              errno == ENOPROTOOPT,
          "no such option");
    check(connect(fd, (const struct sockaddr *)peer, 3) == -1 &&
              errno == EINVAL,
          "half an address");
    check(close(fd) == 0, "close");
    check(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT,
          "no such family");
    check(listen(STDIN_FILENO, 1) == -1 && errno == ENOTSOCK, "no socket");
}

int run_socket_errors(int argc, char **argv)
{
    struct sockaddr_in peer = address_of(argc > 1 ? argv[1] : "", 9);

    test_refused(&peer);
    test_timeout(&peer);
    test_misuse(&peer);
    return 0;
}

/* ---- This guest's addresses */

static void tell_address(const struct ifaddrs *entry)
{
    const struct sockaddr *address = entry->ifa_addr;
    char text[INET6_ADDRSTRLEN];
    const void *bits =
        address->sa_family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
            : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;

    check(inet_ntop(address->sa_family, bits, text, sizeof(text)) == text,
          "inet_ntop");
    printf("%s has %s\n", entry->ifa_name, text);
}

/* A connection of the program to itself. */
static void test_loopback(void)
{
    struct sockaddr_in own = {
        .sin_family = AF_INET,
        .sin_port = htons(99),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct sockaddr *to = (const struct sockaddr *)&own;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    int near = socket(AF_INET, SOCK_STREAM, 0), far;
    char text[6] = "";

    check(connect(near, to, sizeof(own)) == -1 && errno == ECONNREFUSED,
          "nobody listens on lo");
    close(near);
    near = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(server, to, sizeof(own)) == 0 && listen(server, 1) == 0 &&
              connect(near, to, sizeof(own)) == 0,
          "127.0.0.1");
    far = accept(server, NULL, NULL);
    check(write(near, "hello", 5) == 5 && read(far, text, 5) == 5 &&
              !strcmp(text, "hello"),
          "what is sent to 127.0.0.1 arrives");
    close(near);
    close(far);
    close(server);
}

/* Wait so many seconds first: an IPv6 address is probed before it is used. */
int run_interfaces(int argc, char **argv)
{
    struct if_nameindex *names = if_nameindex();
    struct ifaddrs *addresses;
    char name[IF_NAMESIZE];

    test_loopback();
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 0);
    check(!getifaddrs(&addresses), "getifaddrs");
    for (const struct ifaddrs *at = addresses; at; at = at->ifa_next) {
        unsigned number = if_nametoindex(at->ifa_name);

        tell_address(at);
        check(if_indextoname(number, name) && !strcmp(name, at->ifa_name),
              "a name's number has that name");
    }
    check(names && names[0].if_index, "if_nameindex");
    check(!if_nametoindex("vif7") && errno == ENODEV, "there is no vif7");
    check(!if_indextoname(99, name) && errno == ENXIO, "nor a 99th");
    if_freenameindex(names);
    freeifaddrs(addresses);
    return 0;
}
