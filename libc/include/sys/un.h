/* SPDX-License-Identifier: MIT */
/* Addresses of local sockets (POSIX, sys/un.h), for programs that name them
 * among others. There is nobody else here to talk to: socket(AF_UNIX, ...) is
 * EAFNOSUPPORT. */
#ifndef _SYS_UN_H
#define _SYS_UN_H

#include <sys/socket.h>

struct sockaddr_un {
    sa_family_t sun_family;
    char sun_path[108];
};

#endif
