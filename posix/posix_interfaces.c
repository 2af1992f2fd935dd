/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of interfaces, and BSD's of their addresses.
 */
#include "posix/interfaces.h"

#include <errno.h>
#include <stdlib.h>

#include "libc/errors.h"
#include "net/net.h"

unsigned if_nametoindex(const char *name)
{
    unsigned number = interfaces_number(name);

    if (!number)
        errno = ENODEV;
    return number;
}

char *if_indextoname(unsigned number, char *name)
{
    unsigned each;

    for (unsigned n = 0; interfaces_nth(n, &each, name); n++)
        if (each == number)
            return name;
    errno = ENXIO;
    return NULL;
}

#define INTERFACES_MAX (1 + NET_VIFS_MAX) /* lo */

/* The entries, then their names, in one block. */
struct names {
    struct if_nameindex entries[INTERFACES_MAX + 1];
    char texts[INTERFACES_MAX][IF_NAMESIZE];
};

struct if_nameindex *if_nameindex(void)
{
    struct names *names = calloc(1, sizeof(*names));
    unsigned number;

    if (!names)
        return NULL;
    for (unsigned n = 0; n < INTERFACES_MAX; n++) {
        if (!interfaces_nth(n, &number, names->texts[n]))
            break;
        names->entries[n] = (struct if_nameindex){number, names->texts[n]};
    }
    return names->entries;
}

void if_freenameindex(struct if_nameindex *list)
{
    free(list); /* the block: `entries` is its first member */
}

int getifaddrs(struct ifaddrs **list)
{
    return (int)error_result(interfaces_addresses(list));
}

void freeifaddrs(struct ifaddrs *list)
{
    interfaces_free(list);
}
