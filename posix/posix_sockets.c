/* SPDX-License-Identifier: MIT */
/*
 * The POSIX names of sockets.
 */
#include <string.h>
#include <sys/socket.h>

#include "libc/errors.h"
#include "posix/socket.h"

int socket(int family, int type, int protocol)
{
    return (int)error_result(socket_open(family, type, protocol));
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)error_result(socket_bind(fd, address, len));
}

int listen(int fd, int backlog)
{
    return (int)error_result(socket_listen(fd, backlog));
}

int accept(int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)error_result(socket_accept(fd, address, len, 0));
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return (int)error_result(socket_accept(fd, address, len, flags));
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)error_result(socket_connect(fd, address, len));
}

int shutdown(int fd, int how)
{
    return (int)error_result(socket_shutdown(fd, how));
}

int getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)error_result(socket_name(fd, address, len));
}

int getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
    return (int)error_result(socket_peer(fd, address, len));
}

/* SO_ERROR's value is an error number too. */
static void number_of_program(void *value, socklen_t len)
{
    int number;

    if (len != sizeof(number))
        return;
    memcpy(&number, value, sizeof(number));
    number = -error_of_xen(-number);
    memcpy(value, &number, sizeof(number));
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int err = socket_get(fd, level, name, value, len);

    if (!err && level == SOL_SOCKET && name == SO_ERROR)
        number_of_program(value, *len);
    return (int)error_result(err);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return (int)error_result(socket_set(fd, level, name, value, len));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return error_result(socket_send(fd, message, flags));
}

ssize_t sendto(int fd, const void *from, size_t bytes, int flags,
               const struct sockaddr *address, socklen_t len)
{
    struct iovec piece = {(void *)from, bytes};
    const struct msghdr message = {
        .msg_name = (void *)address,
        .msg_namelen = len,
        .msg_iov = &piece,
        .msg_iovlen = 1,
    };

    return sendmsg(fd, &message, flags);
}

ssize_t send(int fd, const void *from, size_t bytes, int flags)
{
    return sendto(fd, from, bytes, flags, NULL, 0);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return error_result(socket_receive(fd, message, flags));
}

ssize_t recvfrom(int fd, void *to, size_t bytes, int flags,
                 struct sockaddr *address, socklen_t *len)
{
    struct iovec piece = {to, bytes};
    struct msghdr message = {
        .msg_name = address,
        .msg_namelen = address && len ? *len : 0,
        .msg_iov = &piece,
        .msg_iovlen = 1,
    };
    ssize_t n = recvmsg(fd, &message, flags);

    if (n >= 0 && len)
        *len = message.msg_namelen;
    return n;
}

ssize_t recv(int fd, void *to, size_t bytes, int flags)
{
    return recvfrom(fd, to, bytes, flags, NULL, NULL);
}
