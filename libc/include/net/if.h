/* SPDX-License-Identifier: MIT */
/* Names and numbers of network interfaces (POSIX, net/if.h), with Linux's
 * flags: "vif0" and so on, numbered as in sin6_scope_id. The first call waits
 * for a first address, as the calls of sockets do. */
#ifndef _NET_IF_H
#define _NET_IF_H

#define IF_NAMESIZE 16
#define IFNAMSIZ    IF_NAMESIZE

#define IFF_UP          0x1
#define IFF_BROADCAST   0x2
#define IFF_LOOPBACK    0x8
#define IFF_POINTOPOINT 0x10
#define IFF_RUNNING     0x40 /* the backend is there */
#define IFF_MULTICAST   0x1000

struct if_nameindex {
    unsigned if_index;
    char *if_name;
};

/* 0, and errno is ENODEV: there is none. */
unsigned if_nametoindex(const char *name);
/* NULL, and errno is ENXIO: likewise. */
char *if_indextoname(unsigned number, char *name);

/* Ends with a 0 and a NULL; to be given back. NULL: ENOMEM. */
struct if_nameindex *if_nameindex(void);
void if_freenameindex(struct if_nameindex *list);

#endif
