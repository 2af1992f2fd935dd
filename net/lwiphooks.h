/* SPDX-License-Identifier: MIT */
/* The points where lwIP asks us (lwip/opt.h, "Hook options"). */
#ifndef NET_LWIPHOOKS_H
#define NET_LWIPHOOKS_H

#endif
