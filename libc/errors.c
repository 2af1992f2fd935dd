/* SPDX-License-Identifier: MIT */
/*
 * Error numbers: one table from Xen's to the C library's. Numbers up to ERANGE
 * come from the first Unix and are the same everywhere.
 */
#include "libc/errors.h"

#include <errno.h>

#include "xen/base.h"
#include "kernel/log.h"

#define FIRST (XEN_ERANGE + 1)

static const unsigned char numbers[] = {
    [XEN_EDEADLK - FIRST] = EDEADLK,
    [XEN_ENAMETOOLONG - FIRST] = ENAMETOOLONG,
    [XEN_ENOLCK - FIRST] = ENOLCK,
    [XEN_ENOSYS - FIRST] = ENOSYS,
    [XEN_ENOTEMPTY - FIRST] = ENOTEMPTY,
    [XEN_ELOOP - FIRST] = ELOOP,
    [XEN_ENODATA - FIRST] = ENODATA,
    [XEN_ETIME - FIRST] = ETIME,
    [XEN_EPROTO - FIRST] = EPROTO,
    [XEN_EBADMSG - FIRST] = EBADMSG,
    [XEN_EOVERFLOW - FIRST] = EOVERFLOW,
    [XEN_EILSEQ - FIRST] = EILSEQ,
    [XEN_ENOTSOCK - FIRST] = ENOTSOCK,
    [XEN_EDESTADDRREQ - FIRST] = EDESTADDRREQ,
    [XEN_EMSGSIZE - FIRST] = EMSGSIZE,
    [XEN_EPROTOTYPE - FIRST] = EPROTOTYPE,
    [XEN_ENOPROTOOPT - FIRST] = ENOPROTOOPT,
    [XEN_EPROTONOSUPPORT - FIRST] = EPROTONOSUPPORT,
    [XEN_EOPNOTSUPP - FIRST] = EOPNOTSUPP,
    [XEN_EAFNOSUPPORT - FIRST] = EAFNOSUPPORT,
    [XEN_EADDRINUSE - FIRST] = EADDRINUSE,
    [XEN_EADDRNOTAVAIL - FIRST] = EADDRNOTAVAIL,
    [XEN_ENETDOWN - FIRST] = ENETDOWN,
    [XEN_ENETUNREACH - FIRST] = ENETUNREACH,
    [XEN_ECONNABORTED - FIRST] = ECONNABORTED,
    [XEN_ECONNRESET - FIRST] = ECONNRESET,
    [XEN_ENOBUFS - FIRST] = ENOBUFS,
    [XEN_EISCONN - FIRST] = EISCONN,
    [XEN_ENOTCONN - FIRST] = ENOTCONN,
    [XEN_ETIMEDOUT - FIRST] = ETIMEDOUT,
    [XEN_ECONNREFUSED - FIRST] = ECONNREFUSED,
    [XEN_EHOSTUNREACH - FIRST] = EHOSTUNREACH,
    [XEN_EALREADY - FIRST] = EALREADY,
    [XEN_EINPROGRESS - FIRST] = EINPROGRESS,
    [XEN_ECANCELED - FIRST] = ECANCELED,
};

int error_of_xen(int result)
{
    unsigned number = 0u - (unsigned)result;

    if (result >= -XEN_ERANGE)
        return result;
    if (number - FIRST < array_size(numbers) && numbers[number - FIRST])
        return -numbers[number - FIRST];
    return -EIO;
}

long error_result(long result)
{
    if (result >= 0)
        return result;
    errno = -error_of_xen((int)result);
    return -1;
}

int error_missing(const char *call, bool *said)
{
    if (!*said)
        log_warn("libc", "%s() is not provided: ENOSYS", call);
    *said = true;
    return -XEN_ENOSYS;
}
