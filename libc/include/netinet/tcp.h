/* SPDX-License-Identifier: MIT */
/* Options of TCP sockets, with Linux's numbers. */
#ifndef _NETINET_TCP_H
#define _NETINET_TCP_H

#define TCP_NODELAY   1
#define TCP_MAXSEG    2 /* to read only */
#define TCP_KEEPIDLE  4 /* seconds, as is the next */
#define TCP_KEEPINTVL 5
#define TCP_KEEPCNT   6

#endif
