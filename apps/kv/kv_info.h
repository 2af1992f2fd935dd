/* SPDX-License-Identifier: MIT */
/* INFO: the server's state, in Redis' sections and names. */
#ifndef APPS_KV_INFO_H
#define APPS_KV_INFO_H

/* The Redis version whose commands and replies these are. Clients look at it.
 */
#define KV_INFO_VERSION "7.0.15"

#endif
