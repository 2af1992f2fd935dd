/* SPDX-License-Identifier: MIT */
/*
 * A program's sockets, on the whole network stack, and against peers that do
 * not play fair; poll and select.
 */
// sources: libc/errors.c posix/fd.c posix/poll.c posix/wait.c
// sources: posix/interfaces.c posix/netdb.c posix/socket.c
// sources: posix/socket_address.c posix/socket_datagram.c
// sources: posix/socket_options.c posix/socket_stream.c kernel/fiber.c
// sources: kernel/fiber_switch.c tests/fake/fiber.c tests/unit/posix_world.c
// sources: lan
#include "tests/unit/lan.h"
#include "tests/unit/posix_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "posix/interfaces.h"
#include "posix/netdb.h"
#include "posix/poll.h"
#include "posix/program.h"
#include "posix/socket.h"

#include <netinet/tcp.h>

#define GUEST  "192.0.2.1"
#define PEER   "192.0.2.9"
#define STATIC "vif0.ip=192.0.2.1/24 vif0.ip6=none"
#define PORT   7

static struct lan_host *peer;

static void start(const char *cmdline)
{
    lan_machine(cmdline, 1, 0);
    assert_int_equal(sockets_start(lan_app()), 0);
    program_init(lan_app()->loop, lan_app()->pages);
    lan_up();
    lan_drop_all();
    peer = lan_host(0, PEER);
}

static void close_all(void)
{
    fd_close_all();
}

static void stop(void)
{
    program_run(close_all);
    lan_stop();
}

/* Go on with the program to its end. */
static void finish(void)
{
    lan_until(program_ended);
}

static struct sockaddr_in address(const char *ip, uint16_t port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
    };
    ip_addr_t addr;

    assert_true(netdb_parse(AF_INET, ip, &addr));
    in.sin_addr.s_addr = ip_2_ip4(&addr)->addr;
    return in;
}

#define AS_SOCKADDR(in) ((struct sockaddr *)&(in)), sizeof(in)

static ssize_t send_to(int nr, const void *from, size_t bytes, int flags,
                       struct sockaddr_in *to)
{
    struct iovec piece = {(void *)from, bytes};
    struct msghdr header = {
        .msg_name = to,
        .msg_namelen = to ? sizeof(*to) : 0,
        .msg_iov = &piece,
        .msg_iovlen = 1,
    };

    return socket_send(nr, &header, flags);
}

static ssize_t receive(int nr, void *to, size_t bytes, int flags)
{
    struct iovec piece = {to, bytes};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};

    return socket_receive(nr, &header, flags);
}

/* ---- Servers. What the program does stands in a function of its own; its
 * results are here. */

static int listener = -1, conn = -1, result, backlog;
static char bytes[400000]; /* more than a window */

static void make_listener(void)
{
    struct sockaddr_in any = address("0.0.0.0", PORT);

    listener = socket_open(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(socket_bind(listener, AS_SOCKADDR(any)), 0);
    assert_int_equal(socket_listen(listener, backlog), 0);
}

static void start_server(int with_backlog)
{
    start(STATIC);
    backlog = with_backlog;
    program_run(make_listener);
}

static void accept_one(void)
{
    conn = socket_accept(listener, NULL, NULL, 0);
}

static void read_some(void)
{
    result = (int)fd_read(conn, bytes, sizeof(bytes));
}

static void write_some(void)
{
    result = (int)fd_write(conn, bytes, sizeof(bytes));
}

static struct lan_conn client;

static void connect_and_accept(void)
{
    program_begin(accept_one);
    lan_open(&client, peer, GUEST, 40000, PORT);
    finish();
    assert_true(conn >= 0);
}

static void read_named(void)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);

    accept_one();
    assert_int_equal(socket_peer(conn, (struct sockaddr *)&from, &len), 0);
    assert_int_equal(len, sizeof(from));
    assert_int_equal(ntohs(from.sin_port), 40000);
    assert_int_equal(from.sin_addr.s_addr, address(PEER, 0).sin_addr.s_addr);
    len = 3; /* less than there is */
    assert_int_equal(socket_name(conn, (struct sockaddr *)&from, &len), 0);
    assert_int_equal(len, sizeof(from));
    read_some();
}

static void a_server_accepts_and_reads(void **state)
{
    (void)state;
    start_server(5);
    program_begin(read_named);
    lan_open(&client, peer, GUEST, 40000, PORT);
    assert_false(program_ended);
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "hello", 5);
    finish();
    assert_int_equal(result, 5);
    assert_memory_equal(bytes, "hello", 5);
    lan_send_tcp(&client, LAN_FIN | LAN_ACK, NULL, 0);
    program_run(read_some);
    assert_int_equal(result, 0);
    stop();
}

static void a_reset_is_told_once(void **state)
{
    (void)state;
    start_server(5);
    connect_and_accept();
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "last", 4);
    lan_send_tcp(&client, LAN_RST | LAN_ACK, NULL, 0);
    lan_run(NS_PER_MS);
    program_run(read_some);
    assert_int_equal(result, 4);
    program_run(read_some);
    assert_int_equal(result, -ECONNRESET);
    program_run(read_some);
    assert_int_equal(result, 0);
    program_run(write_some);
    assert_int_equal(result, -EPIPE);
    stop();
}

static void a_peer_can_fill_one_window_only(void **state)
{
    static char data[1400];
    size_t sent = 0, got = 0;

    (void)state;
    start_server(5);
    connect_and_accept();
    for (unsigned i = 0; i < 1000; i++) {
        struct lan_segment s;

        lan_send_tcp(&client, LAN_ACK, data, sizeof(data));
        sent += sizeof(data);
        lan_run(NS_PER_MS);
        while (lan_take_tcp(&client, &s))
            ;
        if (client.guest_window < sizeof(data))
            break;
    }
    assert_in_range(sent, 10000, 256 * 1024);
    while (got < sent) { /* and all of it is there */
        program_run(read_some);
        assert_true(result > 0);
        got += (size_t)result;
    }
    assert_int_equal(got, sent);
    lan_run(NS_PER_S);
    while (lan_take_tcp(&client, &(struct lan_segment){.flags = 0}))
        ;
    assert_true(client.guest_window >= sizeof(data));
    stop();
}

static void a_write_waits_for_the_peer(void **state)
{
    static char got[sizeof(bytes)];

    (void)state;
    start_server(5);
    connect_and_accept();
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 / 3);
    program_begin(write_some);
    lan_run(NS_PER_MS);
    assert_false(program_ended);
    lan_read(&client, got, sizeof(got));
    finish();
    assert_int_equal(result, sizeof(bytes));
    assert_memory_equal(got, bytes, sizeof(bytes));
    stop();
}

static void write_without_waiting(void)
{
    assert_int_equal(fd_fcntl(conn, F_SETFL, O_NONBLOCK), 0);
    write_some();
}

static void a_write_that_may_not_wait_takes_what_fits(void **state)
{
    (void)state;
    start_server(5);
    connect_and_accept();
    program_run(write_without_waiting);
    assert_in_range(result, 1, sizeof(bytes) - 1);
    program_run(write_some);
    assert_int_equal(result, -EAGAIN);
    stop();
}

/* Connections beyond the backlog wait at the client; those that go away again
 * before they are accepted leave nothing. */
static void a_backlog_is_a_limit(void **state)
{
    struct lan_conn conns[3];
    struct lan_segment s;

    (void)state;
    start_server(2);
    lan_open(&conns[0], peer, GUEST, 40000, PORT);
    lan_open(&conns[1], peer, GUEST, 40001, PORT);
    lan_conn(&conns[2], peer, GUEST, 40002, PORT);
    lan_send_tcp(&conns[2], LAN_SYN, NULL, 0);
    lan_run(100 * NS_PER_MS);
    assert_false(lan_take_tcp(&conns[2], &s));
    lan_send_tcp(&conns[0], LAN_RST | LAN_ACK, NULL, 0);
    lan_run(NS_PER_MS);
    lan_open(&conns[2], peer, GUEST, 40003, PORT);
    program_run(accept_one);
    assert_true(conn >= 0);
    program_run(accept_one);
    assert_true(conn >= 0);
    assert_int_equal(fd_fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    program_run(accept_one);
    assert_int_equal(conn, -EAGAIN);
    stop();
}

static void open_and_reset_leaves_nothing(void **state)
{
    uint64_t before;

    (void)state;
    start_server(5);
    lan_run(NS_PER_S);
    before = lan_count("memory_used_bytes", -1);
    for (uint16_t port = 0; port < 200; port++) {
        lan_open(&client, peer, GUEST, (uint16_t)(40000 + port), PORT);
        lan_send_tcp(&client, LAN_PSH | LAN_ACK, "x", 1);
        lan_send_tcp(&client, LAN_RST | LAN_ACK, NULL, 0);
        lan_run(NS_PER_MS);
    }
    assert_int_equal(lan_count("tcp_connections", -1), 0);
    assert_int_equal(lan_count("memory_used_bytes", -1), before);
    assert_int_equal(fd_fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    program_run(accept_one);
    assert_int_equal(conn, -EAGAIN);
    stop();
}

static void read_all(void)
{
    result = 0;
    while (result < 8 * 1400)
        result += (int)fd_read(conn, bytes + result, 8 * 1400 - result);
}

/* Not a window each: the backlog may be long, and waiting costs a peer nothing.
 * What was not taken is sent again by any TCP. */
static void a_connection_that_nobody_accepts_costs_little(void **state)
{
    static char sent[8 * 1400];
    struct lan_segment s;
    uint32_t start, acked;

    (void)state;
    for (unsigned i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 7 + i / 1400);
    start_server(5);
    lan_open(&client, peer, GUEST, 40000, PORT);
    start = acked = client.snd;
    for (unsigned i = 0; i < 8; i++) {
        lan_send_tcp(&client, LAN_PSH | LAN_ACK, sent + i * 1400, 1400);
        lan_run(NS_PER_S);
    }
    while (lan_take_tcp(&client, &s))
        acked = s.ack;
    assert_in_range(acked - start, 2048, 2048 + 2 * 1400);

    program_run(accept_one);
    program_begin(read_all);
    for (unsigned i = (acked - start) / 1400; i < 8; i++) {
        client.snd = start + i * 1400;
        lan_send_tcp(&client, LAN_PSH | LAN_ACK, sent + i * 1400, 1400);
        lan_run(NS_PER_MS);
    }
    finish();
    assert_int_equal(result, sizeof(sent));
    assert_memory_equal(bytes, sent, sizeof(sent));
    stop();
}

static void close_conn(void)
{
    result = fd_close(conn);
}

/* What was read whole is ended properly; unread data is a reset. */
static void closing(void **state)
{
    struct lan_segment s;

    (void)state;
    start_server(5);
    connect_and_accept();
    program_run(close_conn);
    lan_expect_tcp(&client, &s);
    assert_true(s.flags & LAN_FIN);
    lan_send_tcp(&client, LAN_RST | LAN_ACK, NULL, 0);
    program_begin(accept_one);
    lan_open(&client, peer, GUEST, 40001, PORT);
    finish();
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "unread", 6);
    lan_run(NS_PER_MS);
    program_run(close_conn);
    do
        lan_expect_tcp(&client, &s);
    while (!(s.flags & (LAN_RST | LAN_FIN)));
    assert_true(s.flags & LAN_RST);
    stop();
}

static void shut_writing(void)
{
    assert_int_equal(socket_shutdown(conn, SHUT_WR), 0);
    assert_int_equal(fd_write(conn, "x", 1), -EPIPE);
    read_some();
}

static void half_closed_still_reads(void **state)
{
    struct lan_segment s;

    (void)state;
    start_server(5);
    connect_and_accept();
    program_begin(shut_writing);
    do
        lan_expect_tcp(&client, &s);
    while (!(s.flags & LAN_FIN));
    client.rcv = s.seq + 1;
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "late", 4);
    finish();
    assert_int_equal(result, 4);
    stop();
}

static void peek_and_wait_for_all(void)
{
    assert_int_equal(receive(conn, bytes, 3, MSG_PEEK), 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(receive(conn, bytes, 3, 0), 3);
    assert_memory_equal(bytes, "abc", 3);
    result = (int)receive(conn, bytes, 6, MSG_WAITALL);
}

static void looking_and_waiting_for_all(void **state)
{
    (void)state;
    start_server(5);
    connect_and_accept();
    program_begin(peek_and_wait_for_all);
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "abcdef", 6);
    lan_run(NS_PER_MS);
    assert_false(program_ended);
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "ghi", 3);
    finish();
    assert_int_equal(result, 6);
    assert_memory_equal(bytes, "defghi", 6);
    stop();
}

static void end_all(void)
{
    fd_close_all();
    sockets_stop();
}

static void the_end_waits_for_what_was_sent(void **state)
{
    static char got[2 * 1460];

    (void)state;
    start_server(5);
    connect_and_accept();
    assert_int_equal(fd_fcntl(conn, F_SETFL, O_NONBLOCK), 0);
    memset(bytes, 'e', sizeof(bytes));
    program_run(write_some);
    assert_true(result >= (int)sizeof(got));
    program_begin(end_all);
    lan_read(&client, got, sizeof(got));
    assert_false(program_ended);
    lan_run(SOCKET_LINGER_NS + NS_PER_S); /* the peer says no more */
    assert_true(program_ended);
    lan_stop();
}

/* ---- Clients */

static void connect_out(void)
{
    struct sockaddr_in to = address(PEER, 80);

    conn = socket_open(AF_INET, SOCK_STREAM, 0);
    result = socket_connect(conn, AS_SOCKADDR(to));
}

static void connect_without_waiting(void)
{
    struct sockaddr_in to = address(PEER, 80);
    struct pollfd pollfd = {.events = POLLOUT};

    conn = socket_open(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(socket_connect(conn, AS_SOCKADDR(to)), -EINPROGRESS);
    assert_int_equal(socket_connect(conn, AS_SOCKADDR(to)), -EALREADY);
    pollfd.fd = conn;
    assert_int_equal(poll_until(&pollfd, 1, WAIT_FOR_EVER), 1);
    assert_true(pollfd.revents & POLLOUT);
    assert_int_equal(pollfd.revents & (POLLERR | POLLHUP), 0);
    assert_int_equal(socket_connect(conn, AS_SOCKADDR(to)), -EISCONN);
}

static bool is_syn(const struct lan_packet *packet, const void *arg)
{
    (void)arg;
    return packet->protocol == 6 && packet->payload[13] & LAN_SYN;
}

/* The guest's SYN has come; answer it. */
static void answer_syn(uint8_t flags)
{
    const struct lan_packet *packet = lan_expect(is_syn, NULL);

    lan_conn(&client, peer, GUEST, 80, lan_get16(packet->payload));
    client.rcv = lan_get32(packet->payload + 4) + 1;
    lan_send_tcp(&client, flags, NULL, 0);
}

static void a_client_connects(void **state)
{
    (void)state;
    start(STATIC);
    program_begin(connect_out);
    answer_syn(LAN_SYN | LAN_ACK);
    finish();
    assert_int_equal(result, 0);
    program_begin(read_some);
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "hi", 2);
    finish();
    assert_int_equal(result, 2);
    stop();
}

static void a_client_is_refused(void **state)
{
    (void)state;
    start(STATIC);
    program_begin(connect_out);
    answer_syn(LAN_RST | LAN_ACK);
    finish();
    assert_int_equal(result, -ECONNREFUSED);
    stop();
}

static void a_client_gives_up(void **state)
{
    (void)state;
    start(STATIC);
    program_begin(connect_out);
    lan_run(200 * NS_PER_S);
    assert_true(program_ended);
    assert_int_equal(result, -ETIMEDOUT);
    stop();
}

static void a_client_does_not_wait(void **state)
{
    (void)state;
    start(STATIC);
    program_begin(connect_without_waiting);
    answer_syn(LAN_SYN | LAN_ACK);
    finish();
    stop();
}

/* Without an address: until there is one, but not for ever. */
static void an_address_is_waited_for(void **state)
{
    uint64_t from;

    (void)state;
    start("vif0.ip=none vif0.ip6=none");
    from = fake_now();
    program_run(connect_out);
    assert_int_equal(result, -ENETUNREACH);
    assert_in_range(fake_now() - from, SOCKET_NET_NS, 2 * SOCKET_NET_NS);
    from = fake_now();
    program_run(connect_out); /* once is enough */
    assert_int_equal(fake_now() - from, 0);
    stop();
}

/* ---- UDP */

static void bind_datagrams(void)
{
    struct sockaddr_in any = address("0.0.0.0", PORT);

    conn = socket_open(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(socket_bind(conn, AS_SOCKADDR(any)), 0);
    assert_int_equal(socket_bind(conn, AS_SOCKADDR(any)), -EINVAL);
}

static void echo_datagram(void)
{
    struct sockaddr_in from;
    struct iovec pieces[] = {{bytes, 2}, {bytes + 10, 100}};
    struct msghdr header = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = pieces,
        .msg_iovlen = 2,
    };

    assert_int_equal(socket_receive(conn, &header, 0), 5);
    assert_int_equal(header.msg_flags, 0);
    assert_memory_equal(bytes, "he", 2);
    assert_memory_equal(bytes + 10, "llo", 3);
    pieces[1].iov_len = 3;
    assert_int_equal(socket_send(conn, &header, 0), 5);
}

static bool is_udp(const struct lan_packet *packet, const void *arg)
{
    (void)arg;
    return packet->protocol == 17;
}

static void send_datagram(const void *from, size_t len)
{
    struct lan_ip guest = lan_ip(GUEST);

    lan_send_udp(peer, &guest, 5000, PORT, from, len);
}

static void datagrams_come_and_go(void **state)
{
    const struct lan_packet *packet;

    (void)state;
    start(STATIC);
    program_run(bind_datagrams);
    program_begin(echo_datagram);
    send_datagram("hello", 5);
    packet = lan_expect(is_udp, NULL);
    assert_int_equal(packet->payload_bytes, 8 + 5);
    assert_int_equal(lan_get16(packet->payload + 2), 5000);
    assert_memory_equal(packet->payload + 8, "hello", 5);
    finish();
    stop();
}

static void cut_datagrams(void)
{
    struct iovec piece = {bytes, 2};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};

    assert_int_equal(receive(conn, bytes, 2, MSG_PEEK | MSG_TRUNC), 5);
    assert_int_equal(socket_receive(conn, &header, 0), 2);
    assert_int_equal(header.msg_flags, MSG_TRUNC);
    assert_int_equal(receive(conn, bytes, 10, 0), 0); /* an empty one */
    assert_int_equal(receive(conn, bytes, 10, MSG_DONTWAIT), -EAGAIN);
}

static void datagrams_are_cut_not_split(void **state)
{
    (void)state;
    start(STATIC);
    program_run(bind_datagrams);
    send_datagram("hello", 5);
    send_datagram("", 0);
    lan_run(NS_PER_MS);
    program_run(cut_datagrams);
    stop();
}

static unsigned nr_received;

static void drain(void)
{
    nr_received = 0;
    while (receive(conn, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
        nr_received++;
}

static void a_flood_of_datagrams_is_bounded(void **state)
{
    static char data[1000];

    (void)state;
    start(STATIC);
    program_run(bind_datagrams);
    for (unsigned i = 0; i < 500; i++) {
        send_datagram(data, sizeof(data));
        lan_run(100 * NS_PER_US);
    }
    program_run(drain);
    assert_in_range(nr_received, 40, SOCKET_DATAGRAM_BYTES / sizeof(data));
    send_datagram("x", 1);
    lan_run(NS_PER_MS);
    program_run(drain);
    assert_int_equal(nr_received, 1);
    stop();
}

static void connect_datagrams(void)
{
    struct sockaddr_in to = address(PEER, 5000);
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    assert_int_equal(send_to(conn, "x", 1, 0, NULL), -EDESTADDRREQ);
    assert_int_equal(socket_connect(conn, AS_SOCKADDR(to)), 0);
    assert_int_equal(send_to(conn, "x", 1, 0, NULL), 1);
    assert_int_equal(send_to(conn, bytes, 65528, 0, NULL), -EMSGSIZE);
    assert_int_equal(socket_shutdown(conn, SHUT_WR), 0);
    assert_int_equal(send_to(conn, "x", 1, 0, NULL), -EPIPE);
    assert_int_equal(socket_connect(conn, AS_SOCKADDR(none)), 0);
}

static void datagrams_have_a_peer(void **state)
{
    (void)state;
    start(STATIC);
    program_run(bind_datagrams);
    program_run(connect_datagrams);
    lan_expect(is_udp, NULL);
    stop();
}

/* ---- Options and misuse */

static int get_option(int nr, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    int err = socket_get(nr, level, name, &value, &len);

    return err ? err : value;
}

static int set_option(int nr, int level, int name, int value)
{
    return socket_set(nr, level, name, &value, sizeof(value));
}

static void options(void)
{
    static const int both[][2] = {
        {SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_KEEPALIVE},
        {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_KEEPIDLE},
        {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_KEEPINTVL},
        {IPPROTO_IP, IP_TTL},       {IPPROTO_IPV6, IPV6_V6ONLY},
    };
    struct timeval time = {.tv_sec = 2, .tv_usec = 500000};
    socklen_t len = sizeof(time);
    int tcp = socket_open(AF_INET6, SOCK_STREAM, 0);
    int udp = socket_open(AF_INET, SOCK_DGRAM, 0);

    for (unsigned i = 0; i < array_size(both); i++) {
        assert_int_equal(set_option(tcp, both[i][0], both[i][1], 1), 0);
        assert_int_equal(get_option(tcp, both[i][0], both[i][1]), 1);
    }
    assert_int_equal(get_option(tcp, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    assert_int_equal(get_option(udp, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    assert_int_equal(set_option(tcp, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
    assert_int_equal(get_option(udp, IPPROTO_TCP, TCP_NODELAY), -ENOPROTOOPT);
    assert_int_equal(set_option(udp, IPPROTO_IPV6, IPV6_V6ONLY, 1),
                     -ENOPROTOOPT);
    assert_int_equal(set_option(udp, IPPROTO_IP, IP_TTL, 256), -EINVAL);
    assert_int_equal(set_option(udp, SOL_SOCKET, SO_RCVBUF, 12345), 0);
    assert_int_equal(get_option(udp, SOL_SOCKET, SO_RCVBUF), 12345);
    assert_int_equal(
        socket_set(udp, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
    time.tv_sec = 0;
    assert_int_equal(socket_get(udp, SOL_SOCKET, SO_RCVTIMEO, &time, &len), 0);
    assert_int_equal(time.tv_sec, 2);
    assert_int_equal(time.tv_usec, 500000);
    assert_int_equal(socket_set(udp, SOL_SOCKET, SO_RCVTIMEO, &time, 3),
                     -EINVAL);
    assert_int_equal(socket_set(tcp, SOL_SOCKET, SO_LINGER,
                                &(struct linger){1, 3}, sizeof(struct linger)),
                     -ENOPROTOOPT);
}

static void options_are_kept(void **state)
{
    (void)state;
    start(STATIC);
    program_run(options);
    stop();
}

static void misuse(void)
{
    struct sockaddr_in in = address(PEER, 80);
    int tcp = socket_open(AF_INET, SOCK_STREAM, 0), other;

    assert_int_equal(socket_open(AF_UNIX, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(socket_open(AF_INET, SOCK_RAW, 0), -EPROTONOSUPPORT);
    assert_int_equal(socket_open(AF_INET, SOCK_STREAM, IPPROTO_UDP),
                     -EPROTONOSUPPORT);
    assert_int_equal(socket_bind(tcp, (struct sockaddr *)&in, 5), -EINVAL);
    in.sin_family = AF_INET6;
    assert_int_equal(socket_bind(tcp, AS_SOCKADDR(in)), -EAFNOSUPPORT);
    in.sin_family = AF_INET;
    assert_int_equal(socket_bind(99, AS_SOCKADDR(in)), -EBADF);
    assert_int_equal(send_to(tcp, "x", 1, 0, NULL), -ENOTCONN);
    assert_int_equal(receive(tcp, bytes, 1, 0), -ENOTCONN);
    assert_int_equal(socket_shutdown(tcp, SHUT_WR), -ENOTCONN);
    assert_int_equal(socket_shutdown(tcp, 9), -EINVAL);
    assert_int_equal(socket_accept(tcp, NULL, NULL, 0), -EINVAL);
    in = address("0.0.0.0", 80);
    assert_int_equal(socket_bind(tcp, AS_SOCKADDR(in)), 0);
    assert_int_equal(socket_bind(tcp, AS_SOCKADDR(in)), -EINVAL);
    assert_int_equal(socket_listen(tcp, 1), 0);
    assert_int_equal(socket_listen(tcp, 1), 0);
    assert_int_equal(send_to(tcp, "x", 1, 0, NULL), -ENOTCONN);
    other = socket_open(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(socket_bind(other, AS_SOCKADDR(in)), -EADDRINUSE);
}

static void misuse_is_refused(void **state)
{
    (void)state;
    start(STATIC);
    /* Outside of a program there is nobody who could wait. */
    assert_int_equal(socket_open(AF_INET, SOCK_STREAM, 0), -ENOSYS);
    assert_true(lan_logged("sockets are for programs with a main"));
    program_run(misuse);
    stop();
}

/* ---- poll and select */

static int ready;

static void poll_conn(void)
{
    struct pollfd fds[] = {
        {.fd = conn, .events = POLLIN},
        {.fd = -1, .events = POLLIN},
    };

    ready = poll_until(fds, 2, WAIT_FOR_EVER);
    result = fds[0].revents;
    assert_int_equal(fds[1].revents, 0);
}

static void select_conn(void)
{
    fd_set in, out;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(conn, &in);
    FD_SET(conn, &out);
    ready = select_until(conn + 1, &in, &out, NULL, WAIT_FOR_EVER);
    result = FD_ISSET(conn, &in) | FD_ISSET(conn, &out) << 1;
}

static void poll_and_select_tell(void **state)
{
    (void)state;
    start_server(5);
    connect_and_accept();
    program_run(select_conn); /* it can be written */
    assert_int_equal(ready, 1);
    assert_int_equal(result != 0, true);
    program_begin(poll_conn);
    lan_run(NS_PER_S);
    assert_false(program_ended);
    lan_send_tcp(&client, LAN_PSH | LAN_ACK, "x", 1);
    finish();
    assert_int_equal(ready, 1);
    assert_int_equal(result, POLLIN);
    program_run(select_conn);
    assert_int_equal(ready, 2);
    program_run(read_some);
    program_begin(poll_conn);
    lan_send_tcp(&client, LAN_RST | LAN_ACK, NULL, 0);
    finish();
    assert_int_equal(result, POLLIN | POLLERR | POLLHUP);
    stop();
}

static void poll_badly(void)
{
    struct pollfd pollfd = {.fd = 77, .events = POLLIN};
    uint64_t from = hv_now_ns();
    fd_set in;

    assert_int_equal(poll_until(&pollfd, 1, WAIT_FOR_EVER), 1);
    assert_int_equal(pollfd.revents, POLLNVAL);
    pollfd.fd = -1;
    assert_int_equal(poll_until(&pollfd, 1, from + NS_PER_S), 0);
    assert_in_range(hv_now_ns() - from, NS_PER_S, 2 * NS_PER_S);
    FD_ZERO(&in);
    FD_SET(77, &in);
    assert_int_equal(select_until(78, &in, NULL, NULL, 0), -EBADF);
    assert_int_equal(select_until(-1, &in, NULL, NULL, 0), -EINVAL);
}

static void poll_of_what_is_not_there(void **state)
{
    (void)state;
    start(STATIC);
    program_run(poll_badly);
    stop();
}

/* ---- Addresses and names */

static void expect_text(const char *text, const char *printed)
{
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    char out[NETDB_TEXT_BYTES];
    ip_addr_t ip;

    if (!netdb_parse(family, text, &ip))
        fail_msg("%s is not understood", text);
    netdb_print(&ip, out);
    assert_string_equal(out, printed);
}

static void addresses_as_text(void **state)
{
    static const char *const bad4[] = {"",          "1.2.3",    "1.2.3.4.",
                                       "256.1.1.1", "1.2.3.04", "1.2.3.4 ",
                                       "0x1.2.3.4", "1..2.3"};
    static const char *const bad6[] = {"",
                                       "1",
                                       ":::",
                                       "1:2:3:4:5:6:7:8:9",
                                       "fe80::1%1",
                                       "12345::",
                                       "1.2.3.4",
                                       "1::2::3",
                                       ":1::",
                                       "1:2:3:4:5:6:7:",
                                       "1:2:3:4:5:6:7::8:9",
                                       "::1.2.3",
                                       "1:2:3:4:5:6:7:1.2.3.4",
                                       "::g"};
    ip_addr_t ip;

    (void)state;
    expect_text("192.0.2.1", "192.0.2.1");
    expect_text("0.0.0.0", "0.0.0.0");
    expect_text("FE80::ABCD:1", "fe80::abcd:1");
    expect_text("::", "::");
    expect_text("2001:db8:0:0:0:0:0:1", "2001:db8::1");
    expect_text("2001:db8::", "2001:db8::");
    expect_text("::1", "::1");
    expect_text("::ffff:192.0.2.1", "::ffff:192.0.2.1");
    expect_text("64:ff9b::192.0.2.1", "64:ff9b::c000:201");
    for (unsigned i = 0; i < array_size(bad4); i++)
        assert_false(netdb_parse(AF_INET, bad4[i], &ip));
    for (unsigned i = 0; i < array_size(bad6); i++)
        assert_false(netdb_parse(AF_INET6, bad6[i], &ip));
}

static struct addrinfo hints, *list;
static const char *node, *service;

static void find(void)
{
    list = NULL;
    result = netdb_find(node, service, &hints, &list);
}

static void expect_found(const char *n, const char *s, int error,
                         unsigned entries)
{
    unsigned nr = 0;

    node = n;
    service = s;
    program_run(find);
    assert_int_equal(result, error);
    for (struct addrinfo *at = list; at; at = at->ai_next)
        nr++;
    assert_int_equal(nr, entries);
    netdb_free(list);
}

static void numeric_names(void **state)
{
    (void)state;
    start(STATIC);
    hints = (struct addrinfo){.ai_family = AF_UNSPEC};
    expect_found("192.0.2.7", "80", 0, 2);
    hints.ai_socktype = SOCK_STREAM;
    expect_found("192.0.2.7", "80", 0, 1);
    expect_found("fe80::1", NULL, 0, 1);
    expect_found(NULL, "80", 0, 2);
    expect_found(NULL, NULL, EAI_NONAME, 0);
    expect_found("192.0.2.7", "http", EAI_SERVICE, 0);
    expect_found("192.0.2.7", "65536", EAI_SERVICE, 0);
    expect_found("192.0.2.7", "-1", EAI_SERVICE, 0);
    expect_found("name.test", "80", EAI_AGAIN, 0);
    hints.ai_family = AF_INET6;
    expect_found("192.0.2.7", "80", EAI_NONAME, 0);
    hints.ai_family = 77;
    expect_found("192.0.2.7", "80", EAI_FAMILY, 0);
    hints = (struct addrinfo){.ai_flags = AI_NUMERICHOST};
    expect_found("name.test", "80", EAI_NONAME, 0);
    hints = (struct addrinfo){.ai_socktype = SOCK_RAW};
    expect_found("192.0.2.7", "80", EAI_SOCKTYPE, 0);
    stop();
}

/* Answer the question that the guest asks its name server: an address, or that
 * there is no such name. */
static void answer_question(const char *ip)
{
    static uint8_t answer[512];
    const struct lan_packet *packet = lan_expect(is_udp, NULL);
    struct lan_ip guest = lan_ip(GUEST), found;
    size_t len = packet->payload_bytes - 8;

    assert_int_equal(lan_get16(packet->payload + 2), 53);
    memcpy(answer, packet->payload + 8, len);
    lan_put16(answer + 2, ip ? 0x8180 : 0x8183);
    if (ip) {
        static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1,
                                         0,    0,  0, 9, 0, 4};

        found = lan_ip(ip);
        lan_put16(answer + 6, 1);
        memcpy(answer + len, record, sizeof(record));
        memcpy(answer + len + sizeof(record), found.at, 4);
        len += sizeof(record) + 4;
    }
    lan_send_udp(peer, &guest, 53, lan_get16(packet->payload), answer, len);
}

static void names_are_asked_for(void **state)
{
    (void)state;
    start(STATIC " vif0.dns=" PEER);
    hints = (struct addrinfo){.ai_socktype = SOCK_STREAM};
    node = "name.test";
    service = "80";
    program_begin(find);
    answer_question("192.0.2.77");
    finish();
    assert_int_equal(result, 0);
    assert_non_null(list);
    assert_null(list->ai_next);
    assert_int_equal(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr,
                     address("192.0.2.77", 0).sin_addr.s_addr);
    netdb_free(list);
    node = "absent.test";
    program_begin(find);
    answer_question(NULL);
    finish();
    assert_int_equal(result, EAI_NONAME);
    stop();
}

/* ---- Interfaces */

static struct ifaddrs *addresses;

static void list_addresses(void)
{
    result = interfaces_addresses(&addresses);
}

static void expect_address(const struct ifaddrs *entry, int family,
                           const char *text, const char *mask)
{
    const struct sockaddr *at = entry->ifa_addr, *bits = entry->ifa_netmask;
    ip_addr_t ip, net;

    assert_int_equal(at->sa_family, family);
    assert_int_equal(bits->sa_family, family);
    assert_true(netdb_parse(family, text, &ip));
    assert_true(netdb_parse(family, mask, &net));
    if (family == AF_INET) {
        assert_memory_equal(&((const struct sockaddr_in *)at)->sin_addr,
                            ip_2_ip4(&ip), 4);
        assert_memory_equal(&((const struct sockaddr_in *)bits)->sin_addr,
                            ip_2_ip4(&net), 4);
    } else {
        assert_memory_equal(&((const struct sockaddr_in6 *)at)->sin6_addr,
                            ip_2_ip6(&ip)->addr, 16);
        assert_memory_equal(&((const struct sockaddr_in6 *)bits)->sin6_addr,
                            ip_2_ip6(&net)->addr, 16);
    }
}

static void interfaces_are_told(void **state)
{
    const struct sockaddr_in *broadcast;
    const struct ifaddrs *at;
    char name[IF_NAMESIZE];
    unsigned number;

    (void)state;
    start("vif0.ip=192.0.2.1/20 vif0.ip6=2001:db8::7/64");
    assert_true(interfaces_nth(0, &number, name));
    assert_string_equal(name, "lo");
    assert_int_equal(interfaces_number("lo"), number);
    assert_true(interfaces_nth(1, &number, name));
    assert_string_equal(name, "vif0");
    assert_int_equal(interfaces_number("vif0"), number);
    assert_false(interfaces_nth(2, &number, name));
    assert_int_equal(interfaces_number("vif1"), 0);

    lan_run(5 * NS_PER_S); /* the IPv6 addresses are probed */
    program_run(list_addresses);
    assert_int_equal(result, 0);
    at = addresses;
    assert_string_equal(at->ifa_name, "lo");
    assert_int_equal(at->ifa_flags, IFF_UP | IFF_RUNNING | IFF_LOOPBACK);
    expect_address(at, AF_INET, "127.0.0.1", "255.0.0.0");
    assert_null(at->ifa_broadaddr);
    at = at->ifa_next;
    expect_address(at, AF_INET6, "::1",
                   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    at = at->ifa_next;
    assert_string_equal(at->ifa_name, "vif0");
    assert_true(at->ifa_flags & IFF_RUNNING);
    expect_address(at, AF_INET, "192.0.2.1", "255.255.240.0");
    broadcast = (const struct sockaddr_in *)at->ifa_broadaddr;
    assert_int_equal(broadcast->sin_addr.s_addr,
                     address("192.0.15.255", 0).sin_addr.s_addr);
    assert_non_null(at->ifa_next); /* the link-local one */
    at = at->ifa_next->ifa_next;
    expect_address(at, AF_INET6, "2001:db8::7", "ffff:ffff:ffff:ffff::");
    assert_null(at->ifa_broadaddr);
    assert_null(at->ifa_next);
    interfaces_free(addresses);
    stop();
}

/* ---- Loopback */

static struct sockaddr_in6 own_v6(void)
{
    struct sockaddr_in6 in = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(PORT),
    };

    in.sin6_addr.s6_addr[15] = 1;
    return in;
}

/* A fiber beside main's: it writes while main reads, and both wait. */
static struct {
    struct fiber fiber;
    struct waiter waiter;
    int nr;
    bool ended;
} writer;

static void run_writer(struct fiber *fiber)
{
    static const char much[sizeof(bytes)];

    (void)fiber;
    assert_int_equal(fd_write(writer.nr, much, sizeof(much)), sizeof(much));
    writer.ended = true;
    assert_int_equal(socket_shutdown(writer.nr, SHUT_WR), 0);
    wait_remove(&writer.waiter);
}

static void start_writer(int nr)
{
    writer.nr = nr;
    writer.ended = false;
    wait_add(&writer.waiter, &writer.fiber);
    assert_int_equal(fiber_start(&writer.fiber, lan_app()->loop,
                                 lan_app()->pages, 64, run_writer),
                     0);
}

/* A connection to oneself, and more through it than a window holds. */
static void talk_to(const struct sockaddr *own, socklen_t len)
{
    int server = socket_open(own->sa_family, SOCK_STREAM, 0);
    int near = socket_open(own->sa_family, SOCK_STREAM, 0), far;
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t from_len = sizeof(from);
    size_t got = 0;
    ssize_t n;

    assert_int_equal(socket_bind(server, own, len), 0);
    assert_int_equal(socket_listen(server, 1), 0);
    assert_int_equal(socket_connect(near, own, len), 0);
    far = socket_accept(server, (struct sockaddr *)&from, &from_len, 0);
    assert_true(far >= 0);
    assert_int_equal(from.ss_family, own->sa_family);
    assert_int_equal(from_len, len);
    if (own->sa_family == AF_INET)
        assert_int_equal(((struct sockaddr_in *)&from)->sin_addr.s_addr,
                         htonl(INADDR_LOOPBACK));
    else
        assert_memory_equal(&((struct sockaddr_in6 *)&from)->sin6_addr,
                            &((const struct sockaddr_in6 *)own)->sin6_addr, 16);
    start_writer(near);
    while ((n = fd_read(far, bytes, sizeof(bytes))) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, sizeof(bytes));
    assert_true(writer.ended);
}

static void talk_to_oneself(void)
{
    struct sockaddr_in own = address("127.0.0.1", PORT);
    struct sockaddr_in6 own6 = own_v6();
    uint64_t from_ns = hv_now_ns();

    talk_to(AS_SOCKADDR(own));
    talk_to(AS_SOCKADDR(own6));
    assert_true(hv_now_ns() - from_ns < NS_PER_S); /* nothing was lost */
}

static void a_program_talks_to_itself(void **state)
{
    (void)state;
    start(STATIC);
    program_run(talk_to_oneself);
    assert_int_equal(lan_captured(), 0); /* and nobody else */
    stop();
}

static void datagram_to_oneself(void)
{
    struct sockaddr_in own = address("127.0.0.1", PORT), none;
    int nr = socket_open(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(socket_bind(nr, AS_SOCKADDR(own)), 0);
    assert_int_equal(send_to(nr, "hello", 5, 0, &own), 5);
    assert_int_equal(receive(nr, bytes, sizeof(bytes), 0), 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(fd_fcntl(nr, F_SETFL, O_NONBLOCK), 0);
    none = address(PEER, PORT); /* 127.0.0.1 is no source for elsewhere */
    (void)send_to(nr, "hello", 5, 0, &none);
    assert_int_equal(receive(nr, bytes, sizeof(bytes), 0), -EAGAIN);
}

static void datagrams_reach_oneself(void **state)
{
    (void)state;
    start(STATIC);
    program_run(datagram_to_oneself);
    assert_int_equal(lan_captured(), 0);
    stop();
}

static int refusal;

static void knock_at_oneself(void)
{
    struct sockaddr_in own = address("127.0.0.1", 99);

    refusal =
        socket_connect(socket_open(AF_INET, SOCK_STREAM, 0), AS_SOCKADDR(own));
}

static void a_closed_port_of_ones_own_refuses(void **state)
{
    (void)state;
    start(STATIC);
    program_run(knock_at_oneself);
    assert_int_equal(refusal, -ECONNREFUSED);
    stop();
}

static void take_datagrams(void)
{
    char one[9];
    size_t at = 0;
    ssize_t n;

    assert_int_equal(fd_fcntl(conn, F_SETFL, O_NONBLOCK), 0);
    while ((n = receive(conn, one, sizeof(one), 0)) >= 0) {
        memcpy(bytes + at, one, (size_t)n);
        at += (size_t)n;
    }
    bytes[at] = '\0';
}

/* Nobody outside may pass for ourselves, or reach what listens on lo. */
static void loopback_is_not_on_the_wire(void **state)
{
    struct lan_host *liar;
    struct lan_ip guest = lan_ip(GUEST), own = lan_ip("127.0.0.1");

    (void)state;
    start(STATIC);
    program_run(bind_datagrams);
    send_datagram("a", 1);
    liar = lan_host(0, "127.0.0.1");
    lan_send_udp(liar, &guest, 5000, PORT, "liar", 4);
    lan_send_udp(peer, &own, 5000, PORT, "peer", 4);
    send_datagram("b", 1);
    lan_run(NS_PER_MS);
    program_run(take_datagrams);
    assert_string_equal(bytes, "ab");
    stop();
}

static void find_localhost(void)
{
    struct addrinfo hints = {.ai_family = AF_INET}, *found;

    assert_int_equal(netdb_find("localhost", NULL, &hints, &found), 0);
    assert_int_equal(((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr,
                     htonl(INADDR_LOOPBACK));
    netdb_free(found);
}

static void localhost_is_lo(void **state)
{
    (void)state;
    start(STATIC);
    program_run(find_localhost);
    stop();
}

LAN_TESTS(
    LAN_TEST(a_program_talks_to_itself), LAN_TEST(datagrams_reach_oneself),
    LAN_TEST(a_closed_port_of_ones_own_refuses),
    LAN_TEST(loopback_is_not_on_the_wire), LAN_TEST(localhost_is_lo),
    LAN_TEST(interfaces_are_told), LAN_TEST(a_server_accepts_and_reads),
    LAN_TEST(a_reset_is_told_once), LAN_TEST(a_peer_can_fill_one_window_only),
    LAN_TEST(a_write_waits_for_the_peer),
    LAN_TEST(a_write_that_may_not_wait_takes_what_fits),
    LAN_TEST(a_backlog_is_a_limit),
    LAN_TEST(a_connection_that_nobody_accepts_costs_little),
    LAN_TEST(open_and_reset_leaves_nothing), LAN_TEST(closing),
    LAN_TEST(half_closed_still_reads), LAN_TEST(looking_and_waiting_for_all),
    LAN_TEST(the_end_waits_for_what_was_sent), LAN_TEST(a_client_connects),
    LAN_TEST(a_client_is_refused), LAN_TEST(a_client_gives_up),
    LAN_TEST(a_client_does_not_wait), LAN_TEST(an_address_is_waited_for),
    LAN_TEST(datagrams_come_and_go), LAN_TEST(datagrams_are_cut_not_split),
    LAN_TEST(a_flood_of_datagrams_is_bounded), LAN_TEST(datagrams_have_a_peer),
    LAN_TEST(options_are_kept), LAN_TEST(misuse_is_refused),
    LAN_TEST(poll_and_select_tell), LAN_TEST(poll_of_what_is_not_there),
    LAN_TEST(addresses_as_text), LAN_TEST(numeric_names),
    LAN_TEST(names_are_asked_for))
