/* SPDX-License-Identifier: MIT */
/* Which vif a packet takes; lwiphooks.h has the functions that lwIP calls. */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

/* Addresses or gateways changed: choose the default route's vif again. */
void route_update(void);

#endif
