/* SPDX-License-Identifier: MIT */
/*
 * A guest with TCP/IP, and the network it is on, for the tests of net/.
 *
 *     lan_start("vif0.ip=192.0.2.1/24", 1);      a guest; net_start was called
 *     struct lan_host *a = lan_host(0, "192.0.2.9");
 *     lan_up();                                  until all links are up
 *     lan_open(&conn, a, "192.0.2.1", 40000, 7); a handshake, step by step
 *     ...
 *     lan_stop();                                checks that nothing is left
 *
 * Hosts are scripts: they answer ARP and neighbour solicitations by themselves,
 * all else is the test's. Whatever the guest sends is checked: lengths, IP
 * header checksums, and those of TCP, UDP and ICMP, in full or blank as the
 * frame's flags say.
 *
 * lwIP lives in globals and cannot be started twice, so each test runs in a
 * process of its own: a test program is LAN_TESTS(a_test, another_test).
 */
#ifndef TESTS_UNIT_LAN_H
#define TESTS_UNIT_LAN_H

#include "tests/unit/test.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/app.h"
#include "net/net.h"
#include "tests/fake/netback.h"
#include "tests/fake/xenstored.h"

/* ---- The test program */

struct lan_test {
    const char *name;
    void (*fn)(void **state);
};
int lan_main(const struct lan_test *tests, unsigned nr, const char *only);

#define LAN_TEST(fn) \
    {                \
#fn, fn      \
    }
#define LAN_TESTS(...)                                                        \
    int main(int argc, char **argv)                                           \
    {                                                                         \
        static const struct lan_test tests[] = {__VA_ARGS__};                 \
        return lan_main(tests, array_size(tests), argc > 1 ? argv[1] : NULL); \
    }

/* ---- The guest */

/* The machine, xenstored and the guest's parts: what net_start needs. Between
 * this and lan_net_start() a test may change lan_netback()'s offer, or write
 * to the xenstore. Pages: the guest's memory; 0 is the fake's default. */
struct app *lan_machine(const char *cmdline, unsigned nr_vifs,
                        unsigned long pages);
/* The same with neither xenstore nor vifs. */
struct app *lan_machine_without_store(void);
int lan_net_start(void);
/* Both, with everything at its default. */
struct app *lan_start(const char *cmdline, unsigned nr_vifs);
/* Start the backends and wait until all links are up. */
void lan_up(void);
/* Close everything and check that no page, grant, port, timer or byte of lwIP's
 * memory is left that was not there at the start. */
void lan_stop(void);
/* For tests that end before net_start succeeded, or cannot close everything. */
void lan_abandon(void);

/* One more vif, as `xl network-attach` brings it. */
struct netback *lan_attach(unsigned vif);
struct netback *lan_netback(unsigned vif);
struct app *lan_app(void);
/* Turn the loop. */
void lan_run(uint64_t ns);
/* Until the condition holds, without letting time pass that nothing needs:
 * what the guest has sent is looked at before it sleeps. */
#define lan_until(condition)                                           \
    do {                                                               \
        uint64_t limit_ = fake_now() + 10 * NS_PER_S;                  \
        fake_set_limit(limit_);                                        \
        while (fake_run_backends(), !(condition)) {                    \
            if (fake_now() >= limit_)                                  \
                fake_fail("%s:%d: waited for: %s", __FILE__, __LINE__, \
                          #condition);                                 \
            loop_turn(lan_app()->loop);                                \
        }                                                              \
        fake_set_limit(UINT64_MAX);                                    \
    } while (0)

/* Everything that was logged, and whether this is in it. */
const char *lan_log(void);
bool lan_logged(const char *text);

/* A counter by net_numbers(); fails if there is none. */
uint64_t lan_count(const char *name, int vif);

/* ---- Packets */

struct lan_ip {
    bool v6;
    uint8_t at[16];
};
struct lan_ip lan_ip(const char *text);
bool lan_ip_is(const struct lan_ip *ip, const char *text);

#define LAN_BYTES_MAX 65535

/* A frame that the guest sent, taken apart as far as it goes. */
struct lan_packet {
    struct lan_packet *next;
    unsigned vif, flags; /* NETBACK_CSUM_* */
    uint16_t ethertype;
    struct lan_ip src, dest;
    uint8_t protocol; /* of IP; 0 for others */
    bool fragment;
    const uint8_t *payload; /* behind the IP header, or the ethernet header */
    size_t payload_bytes;
    size_t bytes;
    uint8_t frame[];
};

/* The first frame that was captured and not yet taken, for which match() is
 * true; NULL: none. Valid until the next call. */
typedef bool lan_match_fn(const struct lan_packet *packet, const void *arg);
const struct lan_packet *lan_take(lan_match_fn *match, const void *arg);
/* The same, waiting for it; fails after 10 s. */
const struct lan_packet *lan_expect(lan_match_fn *match, const void *arg);
/* Forget what was captured. */
void lan_drop_all(void);
unsigned lan_captured(void);

uint16_t lan_get16(const void *at);
uint32_t lan_get32(const void *at);
void lan_put16(void *at, uint16_t value);
void lan_put32(void *at, uint32_t value);

/* ---- Hosts */

struct lan_host {
    struct lan_host *next;
    unsigned vif;
    uint8_t mac[6];
    struct lan_ip ip;
    bool silent;       /* answers neither ARP nor ND */
    bool router;       /* says so in its advertisements */
    const uint8_t *to; /* MAC to send to; NULL: the guest's */
    bool blank;        /* its packets have blank checksums, as from dom0 */
    bool bad_checksum; /* its TCP, UDP and ICMP checksums are wrong */
};
/* MAC: 02:00:00:00:00 and the last byte of the address. */
struct lan_host *lan_host(unsigned vif, const char *ip);

/* An IP packet from the host; transport checksums are filled in. */
void lan_send_ip(struct lan_host *host, const struct lan_ip *dest,
                 uint8_t protocol, const void *payload, size_t bytes);
/* Fragments of the given payload size, in this order: 0, 1, 2... or reversed */
void lan_send_fragments(struct lan_host *host, const struct lan_ip *dest,
                        uint8_t protocol, const void *payload, size_t bytes,
                        size_t fragment_bytes, bool reversed);
void lan_send_udp(struct lan_host *host, const struct lan_ip *dest,
                  uint16_t from_port, uint16_t to_port, const void *data,
                  size_t bytes);
/* Any frame at all. */
void lan_send_frame(unsigned vif, const void *frame, size_t bytes,
                    unsigned flags);
/* What the last lan_send_* put on the wire. */
const uint8_t *lan_last_frame(size_t *bytes);
/* Build, but do not send: lan_last_frame() has it. */
void lan_hold_frames(bool hold);
/* What the guest sends to a group or to all comes back to it. */
void lan_reflect(bool reflect);

/* ---- TCP, as a client */

#define LAN_FIN 0x01
#define LAN_SYN 0x02
#define LAN_RST 0x04
#define LAN_PSH 0x08
#define LAN_ACK 0x10

struct lan_conn {
    struct lan_host *host;
    struct lan_ip guest;
    uint16_t port, guest_port;
    uint32_t snd, rcv; /* the next of ours, the next of the guest's */
    uint16_t window;
    uint32_t guest_acked; /* the last acknowledgement that was seen */
    unsigned guest_window;
    unsigned guest_scale; /* 0 unless scaling was agreed */
    uint16_t guest_mss;
};

struct lan_segment {
    uint8_t flags;
    uint32_t seq, ack;
    uint16_t window;
    uint16_t mss; /* of the option; 0: not there */
    const uint8_t *data;
    size_t bytes;
    unsigned frame_flags;
};

void lan_conn(struct lan_conn *conn, struct lan_host *host, const char *guest,
              uint16_t port, uint16_t guest_port);
/* A segment at conn->snd, acknowledging conn->rcv; snd moves on. */
void lan_send_tcp(struct lan_conn *conn, uint8_t flags, const void *data,
                  size_t bytes);
/* The next segment of this connection; false: none is there. rcv does not
 * move on. */
bool lan_take_tcp(struct lan_conn *conn, struct lan_segment *segment);
void lan_expect_tcp(struct lan_conn *conn, struct lan_segment *segment);
/* SYN, SYN|ACK, ACK. */
void lan_open(struct lan_conn *conn, struct lan_host *host, const char *guest,
              uint16_t port, uint16_t guest_port);
/* The handshake of a connection whose snd was set. */
void lan_handshake(struct lan_conn *conn);
/* Take so many bytes of the stream, acknowledging each segment. */
void lan_read(struct lan_conn *conn, void *data, size_t bytes);

#endif
