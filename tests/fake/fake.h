/* SPDX-License-Identifier: MIT */
/*
 * The fake Xen: xen/hv.h on the host, and the other side of it.
 *
 * One machine at a time, made by fake_start(). Nothing happens outside calls:
 * time is virtual, there is one thread, and every choice comes from a seed, so
 * a run repeats exactly (SEED=n in the environment; printed at the start).
 *
 * What plays the rest of the world are backend steps. hv_poll runs them all,
 * in order of adding, again and again until one of the polled ports is pending
 * or the deadline is reached. When no step had anything to do, time jumps to
 * the next fake_at() event or to the deadline; when there is neither, the
 * guest would sleep for ever, and the test fails and says so.
 *
 *     static bool netback_step(void *arg) { ...; return did_something; }
 *
 *     fake_start(NULL);
 *     fake_add_backend(netback_step, &netback);
 *     fake_run_until(&loop, request.done, NS_PER_S);
 *     fake_check_clean();
 *     fake_stop();
 *
 * Misuse that Xen would answer with an error or a crash (polling a closed
 * port, mapping a page twice, freeing a granted page) fails the test.
 */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include "xen/hv.h"
#include "xen/abi.h"

#include <setjmp.h>

/* For Xen's ring macros, which the other side may use (xen/io/ring.h). */
#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* ---- The machine. A zero field means the default that stands behind it. */

struct fake_config {
    unsigned long pages;       /* the guest's memory: 1024 (4 MiB) */
    unsigned long first_free;  /* the first page that is no one's: 37 */
    unsigned long hole;        /* pages amid the free ones that are not free, */
    unsigned long hole_pages;  /* like the p2m list: where, how many: none */
    unsigned grant_frames;     /* what Xen allows: 4; 2048 references */
    uint64_t start_ns;         /* hv_now_ns() at entry: 10^9 */
    uint64_t wall_base_ns;     /* 1767225600 * 10^9: 2026-01-01 */
    uint64_t tick_ns;          /* each hv_now_ns() takes so long: 0, so that
                                * timers are exact */
    unsigned spurious_percent; /* so many sleeps return early: 0 */
    const char *cmdline;       /* "" */
    const void *module;        /* ramdisk= contents: none */
    size_t module_bytes;
    bool no_console, no_store; /* the pages and ports are there */
    uint64_t seed;             /* SEED of the environment, or 1 */
};

#define FAKE_STORE_PORT   1
#define FAKE_CONSOLE_PORT 2
/* Largest `pages` that fake_config may ask for: 256 MiB. */
#define FAKE_PAGES_MAX    65536
#define FAKE_BACKENDS_MAX 16

/* NULL: all defaults. Whatever machine there was is gone: a test that failed
 * half-way does not spoil the next one. */
void fake_start(const struct fake_config *config);
void fake_stop(void);

/* The same as cmocka's setup and teardown functions, with fake_check_clean()
 * in the teardown. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* What must hold at the end of a test: the ports that are open are those of
 * the start (or of fake_mark_ports()), no grant entry permits anything but the
 * two reserved ones, no backend has a grant mapped. */
void fake_check_clean(void);
void fake_mark_ports(void);

/* Report and fail the test (cmocka), or abort (fuzzers). */
_Noreturn __attribute__((format(printf, 1, 2))) void
fake_fail(const char *format, ...);

/* ---- Time and steps. */

/* True: it had something to do. A step must come to rest: answer false when
 * the guest gave it nothing new. */
typedef bool fake_step_fn(void *arg);
void fake_add_backend(fake_step_fn *fn, void *arg);
void fake_remove_backend(fake_step_fn *fn, void *arg);

/* Call fn(arg) at that time, inside hv_poll. */
void fake_at(uint64_t due_ns, void (*fn)(void *arg), void *arg);

uint64_t fake_now(void);
/* Let time pass while the guest is busy: no step runs. */
void fake_advance(uint64_t ns);
/* From that time on, hv_poll returns as soon as it is called. UINT64_MAX: no
 * more. The way out of a loop that waits for nothing. */
void fake_set_limit(uint64_t until_ns);

/* Run all steps until none has anything to do, without the guest. */
void fake_run_backends(void);

/* Turn the loop until the condition holds; fail after limit_ns. */
#define fake_run_until(loop, condition, limit_ns)                      \
    do {                                                               \
        uint64_t limit_ = fake_now() + (limit_ns);                     \
        fake_set_limit(limit_);                                        \
        while (!(condition)) {                                         \
            if (fake_now() >= limit_)                                  \
                fake_fail("%s:%d: waited for: %s", __FILE__, __LINE__, \
                          #condition);                                 \
            loop_turn(loop);                                           \
        }                                                              \
        fake_set_limit(UINT64_MAX);                                    \
    } while (0)

/* Turn the loop for so long. */
#define fake_run_for(loop, ns)               \
    do {                                     \
        uint64_t until_ = fake_now() + (ns); \
        fake_set_limit(until_);              \
        while (fake_now() < until_)          \
            loop_turn(loop);                 \
        fake_set_limit(UINT64_MAX);          \
    } while (0)

/* Call fn(arg) on every entry to the hypervisor, hv_poll's included: the
 * nearest that one thread comes to a backend on another CPU that scribbles
 * over what is shared. NULL: no more. */
void fake_scribble(void (*fn)(void *arg), void *arg);

/* Call fn(true) when the guest goes to sleep, before any step runs, and
 * fn(false) before it goes on. NULL: no more. See tests/fake/shaky.h. */
void fake_around_sleep(void (*fn)(bool sleeps));

/* ---- Event channels, from the other side. Ports are named by the guest's
 * number; there is no other guest. */

/* Domain `dom` binds to a port that the guest offered. -XEN_EINVAL: closed,
 * bound already, or offered to another domain. */
int fake_evtchn_bind(domid_t dom, evtchn_port_t port);
/* Drop that end; the port is then unbound again, as in Xen. */
void fake_evtchn_unbind(evtchn_port_t port);
/* Set the guest's pending bit. A closed port: nothing happens, false. */
bool fake_evtchn_notify(evtchn_port_t port);
/* Did the guest notify since the last time? Clears. */
bool fake_evtchn_take(evtchn_port_t port);
bool fake_evtchn_is_open(evtchn_port_t port);
unsigned fake_open_ports(void);

/* ---- Grants, from the other side. */

/* Map the page behind a reference, checking what Xen checks. NULL: Xen says
 * no. The reference is in use until the matching unmap. */
void *fake_map_grant(domid_t dom, grant_ref_t ref, bool write);
void fake_unmap_grant(grant_ref_t ref, bool write);
/* GNTTABOP_copy between a granted page and the backend's memory: GNTST_okay or
 * Xen's error. */
int fake_copy_from_grant(domid_t dom, grant_ref_t ref, unsigned offset,
                         void *to, size_t bytes);
int fake_copy_to_grant(domid_t dom, grant_ref_t ref, unsigned offset,
                       const void *from, size_t bytes);
unsigned fake_maps(void);        /* mappings that backends hold */
unsigned fake_live_grants(void); /* entries that permit something */

/* ---- Failure on command, and counting. */

enum fake_call {
    FAKE_NOW, /* no hypercall */
    FAKE_POLL,
    FAKE_ALLOC_UNBOUND,
    FAKE_CLOSE,
    FAKE_NOTIFY,
    FAKE_GRANT_FRAMES,
    FAKE_MAP_PAGES,
    FAKE_GUARD_PAGE,
    FAKE_UNGUARD_PAGE,
    FAKE_RANDOM, /* no hypercall */
    FAKE_SHUTDOWN,
    FAKE_NR_CALLS
};

/* The nth such call from now on (1: the next) fails; 0: all of them do, until
 * fake_fail_none(). `error` is negative; hv_random just says false. */
void fake_fail_call(enum fake_call call, unsigned nth, int error);
void fake_fail_none(void);
unsigned long fake_calls(enum fake_call call);
/* All that were hypercalls. */
unsigned long fake_hypercalls(void);

/* ---- Pages. */

bool fake_page_is_mapped(unsigned long page);
bool fake_page_is_guarded(const void *page);
/* Pages that kernel/page.h gave out and has not got back. What it got back is
 * poisoned: touching it is an ASan report. */
unsigned long fake_pages_out(void);

/* ---- The ends of a guest. Both give what stopped `statement`. */

/* hv_shutdown's reason, or -1 when the statement just ended. */
#define fake_shutdown_of(statement)                \
    (setjmp(*fake_catch_shutdown()) == 0           \
         ? ((void)(statement), fake_caught_none()) \
         : fake_caught())
/* True: an assert failed in it. */
#define fake_asserts(statement)                         \
    (setjmp(*fake_catch_assert()) == 0                  \
         ? ((void)(statement), fake_caught_none() >= 0) \
         : fake_caught() >= 0)
/* True: fake_fail() was called in it (for tests of the fake). */
#define fake_fails(statement)                           \
    (setjmp(*fake_catch_fail()) == 0                    \
         ? ((void)(statement), fake_caught_none() >= 0) \
         : fake_caught() >= 0)

jmp_buf *fake_catch_shutdown(void);
jmp_buf *fake_catch_assert(void);
jmp_buf *fake_catch_fail(void);
int fake_caught(void);
int fake_caught_none(void);

/* ---- Chance, from the seed. */

uint64_t fake_random(void);
unsigned fake_random_below(unsigned n); /* 0 <= result < n */
bool fake_chance(unsigned percent);
void fake_random_fill(void *to, size_t bytes);

#endif
