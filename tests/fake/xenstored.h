/* SPDX-License-Identifier: MIT */
/*
 * xenstored inside the test process: the tree, and the other side of the store
 * page (xen/io/xs_wire.h).
 *
 *     fake_xs_start();                          a domain's tree as xl makes it
 *     fake_xs_device("vif", 0);                 both ends' nodes of a device
 *     fake_xs_set("device/vif/0/mtu", "1400");  the toolstack, or a backend
 *     ... the guest turns its loop ...
 *     assert_string_equal(fake_xs_get("attr/vif/0/ipv4/0"), "192.0.2.5");
 *     fake_xs_stop();
 *
 * Like the real one it looks at the rings only when it was notified, checks
 * permissions, fires watches (once when they are set, and when something at or
 * below them changes), and keeps transactions apart until they end. What a
 * test does with fake_xs_set and the like is done as dom0, at once, and its
 * events go out the next time that the guest sleeps.
 *
 * Paths that do not begin with '/' are below FAKE_XS_HOME.
 */
#ifndef TESTS_FAKE_XENSTORED_H
#define TESTS_FAKE_XENSTORED_H

#include "xen/abi.h"

#define FAKE_XS_DOMID 5
#define FAKE_XS_HOME  "/local/domain/5"
/* The backend's node of a device of the guest, served by dom0. */
#define FAKE_XS_BACKEND(type, index) \
    "/local/domain/0/backend/" type "/5/" #index

/* Serves the fake machine's store page from now on. */
void fake_xs_start(void);
void fake_xs_stop(void);

/* ---- The tree, as dom0 sees it. */

void fake_xs_set(const char *path, const char *value);
void fake_xs_set_bytes(const char *path, const void *value, size_t bytes);
__attribute__((format(printf, 2, 3))) void
fake_xs_setf(const char *path, const char *format, ...);
/* The value with a NUL behind it, NULL: no such node. Valid until the node is
 * changed. */
const char *fake_xs_get(const char *path);
/* The value as a number, `otherwise` if there is none. */
unsigned long fake_xs_number(const char *path, unsigned long otherwise);
/* Remove the node and all below it. */
void fake_xs_rm(const char *path);
/* As in xenstore-chmod: owner first, "n5" "r0" ...; up to four, then NULL. */
void fake_xs_permit(const char *path, const char *perms[]);

/* Both ends' nodes, as libxl makes them: backend-id, backend, state 1 here;
 * frontend-id, frontend, online, state 1 there, readable by the guest. */
void fake_xs_device(const char *type, unsigned index);
/* What `xl ...-detach` does: the backend goes to Closing and offline. Then
 * fake_xs_device_remove() takes both nodes away, when it is Closed. */
void fake_xs_device_detach(const char *type, unsigned index);
void fake_xs_device_remove(const char *type, unsigned index);

/* Call fn(arg, path) for each change at or below path, as soon as it happens;
 * for backends. At most FAKE_XS_LISTENERS. */
#define FAKE_XS_LISTENERS 8
typedef void fake_xs_listener_fn(void *arg, const char *path);
void fake_xs_listen(const char *path, fake_xs_listener_fn *fn, void *arg);
void fake_xs_unlisten(fake_xs_listener_fn *fn, void *arg);

/* ---- What it has seen. */

/* Messages of that type (XS_READ, ...) that came so far. */
unsigned fake_xs_count(enum xsd_sockmsg_type type);
unsigned fake_xs_watches(void);      /* watches that the guest has */
unsigned fake_xs_transactions(void); /* transactions that are open */

/* ---- Faults. All zero: an honest daemon. */

struct fake_xs_faults {
    bool silent;          /* reads nothing; what came is kept for later */
    unsigned chunk_bytes; /* at most so many bytes into the ring at a time */
    unsigned first_bytes; /* so many bytes of each message, then the rest */
    bool unknown_ids;     /* before each reply one that nobody asked for */
    bool duplicates;      /* each reply twice */
    bool wrong_types;     /* replies are of another type */
    bool event_first;     /* a new watch fires before it is acknowledged */
    bool no_parts;        /* XS_DIRECTORY_PART is unknown, as in old ones */
    unsigned conflicts;   /* so many commits fail with EAGAIN; ~0u: all */
    unsigned touch_parts; /* so many times, a directory changes between parts */
    uint32_t fail_type;   /* requests of this type fail with... */
    const char *fail_with; /* ...this text; NULL: none does */
    void (*on_request)(uint32_t type, const char *path); /* before serving */
};
struct fake_xs_faults *fake_xs_faults(void);

/* Send the guest any message at all. */
void fake_xs_send(uint32_t type, uint32_t id, const void *body, size_t bytes);
/* The same with a length in the header that need not be true. */
void fake_xs_send_header(uint32_t type, uint32_t id, uint32_t len);
/* And any bytes at all. */
void fake_xs_send_bytes(const void *bytes, size_t nr);
/* Move the response index, as if so many bytes had been sent. */
void fake_xs_jump(uint32_t bytes);

struct xenstore_domain_interface *fake_xs_ring(void);

#endif
