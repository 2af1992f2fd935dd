/* SPDX-License-Identifier: MIT */
/* A limit on the ICMP errors that we send (RFC 1812, 4.3.2.8; RFC 4443, 2.4
 * (f)): a flood from forged addresses is not answered packet for packet. */
#ifndef NET_ERRORLIMIT_H
#define NET_ERRORLIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct pbuf;

/* A burst, and the rate after it: a host that probes our ports by hand gets
 * every answer, a flood gets only these. */
#define ERRORLIMIT_BURST      50
#define ERRORLIMIT_PER_SECOND 100

struct errorlimit {
    uint64_t full_ns; /* when the burst is available again */
};

/* May this ethernet frame be sent now? False: it is an ICMP error over the
 * limit. */
bool errorlimit_pass(struct errorlimit *limit, const struct pbuf *p,
                     uint64_t now_ns);

#endif
