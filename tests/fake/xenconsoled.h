/* SPDX-License-Identifier: MIT */
/*
 * xenconsoled inside the test process: the other side of the console page.
 *
 * Like the real one it looks at the rings only when it was notified, takes
 * what people type in small reads, and leaves it in the terminal while the
 * input ring is full. A guest that forgets to notify is found out by it.
 * Its faults are slowness and deafness; for lies, a test writes into
 * xenconsoled_ring() itself.
 *
 *     struct xenconsoled *xc = xenconsoled_start();
 *     ... the guest writes and turns its loop ...
 *     assert_string_equal(xenconsoled_output(xc), "hello\r\n");
 *     xenconsoled_stop(xc);
 */
#ifndef TESTS_FAKE_XENCONSOLED_H
#define TESTS_FAKE_XENCONSOLED_H

#include "xen/abi.h"

struct xenconsoled;

/* Serves the fake machine's console page from now on. */
struct xenconsoled *xenconsoled_start(void);
void xenconsoled_stop(struct xenconsoled *xc);

/* Read at most so many bytes at once, and then nothing for so long. */
void xenconsoled_be_slow(struct xenconsoled *xc, unsigned bytes,
                         uint64_t pause_ns);
/* Read nothing at all, or begin to read (and notice what there is). */
void xenconsoled_be_deaf(struct xenconsoled *xc, bool deaf);

/* Somebody types, or pastes: at most XENCONSOLED_PASTE_MAX waiting bytes. */
#define XENCONSOLED_PASTE_MAX 65536
void xenconsoled_type(struct xenconsoled *xc, const char *bytes, size_t len);
/* Typed bytes that are not in the ring yet. */
size_t xenconsoled_untyped(const struct xenconsoled *xc);

/* All that was read so far; a NUL follows it. */
const char *xenconsoled_output(const struct xenconsoled *xc);
size_t xenconsoled_output_bytes(const struct xenconsoled *xc);

struct xencons_interface *xenconsoled_ring(void);

#endif
