/* SPDX-License-Identifier: MIT */
/*
 * The vifs as a program sees them; the first call waits for an address, as
 * socket calls do. Their numbers are lwIP's, counted from 1, as in
 * sin6_scope_id; their names those of the log and the command line. The POSIX
 * names are in posix_interfaces.c.
 */
#ifndef POSIX_INTERFACES_H
#define POSIX_INTERFACES_H

#include <stdbool.h>

#include <ifaddrs.h>
#include <net/if.h>

/* 0: there is no such interface. */
unsigned interfaces_number(const char *name);

/* The nth interface, from 0 on; false: there are no more. */
bool interfaces_nth(unsigned n, unsigned *number, char name[IF_NAMESIZE]);

/* An entry for each address, and one block of memory for each entry.
 * -XEN_ENOMEM, and then there is no list. */
int interfaces_addresses(struct ifaddrs **list);
void interfaces_free(struct ifaddrs *list);

#endif
