/* SPDX-License-Identifier: MIT */
/* INFO: how the server is, in Redis' sections and names. */
#ifndef APPS_KV_INFO_H
#define APPS_KV_INFO_H

/* The Redis whose commands and words these are. Clients look at it. */
#define KV_INFO_VERSION "7.0.15"

#endif
