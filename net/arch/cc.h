/* SPDX-License-Identifier: MIT */
/*
 * What lwIP asks of a compiler and a platform (lwip/arch.h), answered for
 * this guest: gcc or clang, x86-64, newlib or a host's libc, one thread.
 */
#ifndef NET_ARCH_CC_H
#define NET_ARCH_CC_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ssize_t comes from sys/types.h; with SSIZE_MAX unset lwIP would define it a
 * second time, and with it set it would want unistd.h. */
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif
#define LWIP_NO_UNISTD_H 1

#ifndef LITTLE_ENDIAN
#define LITTLE_ENDIAN 1234
#define BIG_ENDIAN    4321
#endif
#ifndef BYTE_ORDER
#define BYTE_ORDER LITTLE_ENDIAN
#endif

/* Each is one instruction. */
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)

/* lwIP prints nothing: we count or log what matters. */
#define LWIP_PLATFORM_DIAG(x) \
    do {                      \
    } while (0)

/* lwIP's asserts stay: after one, its lists and queues cannot be trusted, and
 * a crash that says where is better than serving on. */
#define LWIP_PLATFORM_ASSERT(message) \
    net_assert_failed(message, __FILE_NAME__, __LINE__)
_Noreturn void net_assert_failed(const char *message, const char *file,
                                 int line);

/* Copies of packets: the C library's memcpy by another name, since gcc -Os
 * turns the builtin into a byte-wise copy (rep movsb). */
#define MEMCPY(to, from, bytes) net_copy(to, from, bytes)
void *net_copy(void *to, const void *from, size_t bytes) __asm__("memcpy");

/* Unpredictable: DNS and DHCP ids, UDP and TCP ports (net/net.c). */
#define LWIP_RAND() net_random()
uint32_t net_random(void);

/* The checksum of RFC 1071, eight bytes at a time (net/checksum.c). */
#define LWIP_CHKSUM checksum_sum
uint16_t checksum_sum(const void *data, int bytes);

/* TCP's windows, beyond NET_WINDOW_MIN (lwipopts.h): set by net/net.c. */
extern uint32_t net_window_more;

/* lwIP's memory: malloc's, within a limit (net/memory.c). */
void *net_malloc(size_t bytes);
void *net_calloc(size_t count, size_t bytes);
void net_free(void *memory);

#endif
