/* SPDX-License-Identifier: MIT */
/*
 * The xenstore client (xen/io/xs_wire.h): asynchronous, over the store page.
 *
 * Names follow the xenstore library. A request is embedded in its owner and
 * keeps pointers to the caller's path and data, so starting one copies
 * nothing, allocates nothing and fails only for a request that can never be
 * sent (too long). Requests are sent in the order they were started; replies
 * come back through `done`, on the loop, never from inside a call to this
 * header. Path and data must stay valid until `done` or xs_cancel.
 *
 * xenstored is trusted no more than any backend: lengths are checked against
 * the protocol's limits, replies that match no request are dropped and counted,
 * and a broken ring fails all requests with -XEN_EIO.
 */
#ifndef XEN_BUS_XS_H
#define XEN_BUS_XS_H

#include "kernel/loop.h"
#include "xen/hv.h"

#define XS_PATH_MAX  2048 /* XENSTORE_REL_PATH_MAX, without the NUL */
#define XS_VALUE_MAX 4096 /* XENSTORE_PAYLOAD_MAX */

typedef uint32_t xs_transaction_t;
#define XS_NO_TRANSACTION 0u /* "XBT_NULL" of the xenstore library */

/* Zeroed before its first use, and inactive again when `done` is called: it
 * may then be used anew, from inside `done` too. */
struct xs_request {
    void (*done)(struct xs_request *request); /* may be NULL */
    /* The answer, valid only inside `done`: */
    int error;         /* 0, or negative: xenstored's own error, -XEN_EIO,
                        * -XEN_E2BIG (answer larger than it may be) */
    const char *value; /* NUL-terminated copy; may hold NULs before its end */
    size_t value_bytes;
    /* the client's: */
    struct xs_request *next;
    enum xs_stage { XS_IDLE, XS_QUEUED, XS_SENT, XS_FAILED } stage;
    uint32_t id, op, tx;
    const char *path; /* first part, sent with its NUL */
    const void *data; /* second part */
    uint32_t path_bytes, data_bytes;
    char *list; /* xs_directory: the caller's buffer */
    uint32_t list_bytes, list_used;
    uint32_t tries;
    char offset[12]; /* XS_DIRECTORY_PART: list_used as text */
    uint64_t generation;
};

struct xs_watch {
    /* A node at or below `path` changed (also once right after it was set).
     * Only look at it: read what interests you with xs_read. */
    void (*fn)(struct xs_watch *watch, const char *path);
    /* the client's: */
    void (*removed)(struct xs_watch *watch);
    const char *path;
    struct xs_watch *next;
    uint32_t token_id;
    char token[12];
    struct xs_request request;
    bool active;
};

struct xs;

/* The client's state: see xs.c. One per guest, embedded in struct system. */
struct xs {
    struct loop *loop;
    struct xenstore_domain_interface *ring; /* shared with xenstored */
    evtchn_port_t port;
    struct event event;
    struct task task;            /* sends; completes what failed at once */
    struct xs_request *requests; /* all that are not idle, oldest first */
    struct xs_watch *watches;
    uint32_t next_id, next_token;
    /* Our ends of the ring; the shared copies are only written. */
    uint32_t req_prod, rsp_cons;
    uint32_t sent_bytes;   /* of the first queued request */
    uint32_t filler_bytes; /* to send before it: a request was cancelled */
    bool in_event, notify, broken;
    /* The message being received: */
    struct { /* struct xsd_sockmsg of xs_wire.h */
        uint32_t type, req_id, tx_id, len;
    } head;
    uint32_t head_bytes, body_bytes;
    char body[XS_VALUE_MAX + 1];
    /* Answers that match no request (it was cancelled?), events of no watch. */
    uint64_t replies_unknown, watches_unknown;
};

/* Parse text that others wrote: all of it decimal digits, at least one, within
 * 64 bits. False: it is anything else; *out is unchanged. */
must_check bool xs_decimal(const char *text, size_t bytes, uint64_t *out);

/* Without a store page (hv_info()->store_page NULL, a logged warning) every
 * request fails with -XEN_ENOENT and no watch ever fires. */
void xs_init(struct xs *xs, struct loop *loop);

void xs_read(struct xs *xs, struct xs_request *r, xs_transaction_t t,
             const char *path);
void xs_write(struct xs *xs, struct xs_request *r, xs_transaction_t t,
              const char *path, const void *data, size_t bytes);
void xs_mkdir(struct xs *xs, struct xs_request *r, xs_transaction_t t,
              const char *path);
void xs_rm(struct xs *xs, struct xs_request *r, xs_transaction_t t,
           const char *path);
/* The children's names, each NUL-terminated, into buffer[0..bytes); r->value
 * is then `buffer` and r->value_bytes the length. -XEN_E2BIG if they do not
 * fit. Directories larger than a payload are read in parts (XS_DIRECTORY_PART),
 * and again from the start when they change meanwhile
 * (XS_DIRECTORY_TRIES_MAX times, then -XEN_EAGAIN). */
#define XS_DIRECTORY_TRIES_MAX 32
void xs_directory(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                  const char *path, char *buffer, size_t bytes);
/* Permissions in xenstored's own text form: "n0" NUL "r5" NUL ... */
void xs_get_permissions(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                        const char *path);
void xs_set_permissions(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                        const char *path, const char *permissions,
                        size_t bytes);
/* r->value is the new transaction's id as text: xs_transaction_id(), which is
 * XS_NO_TRANSACTION when the answer makes no sense. */
void xs_transaction_start(struct xs *xs, struct xs_request *r);
xs_transaction_t xs_transaction_id(const struct xs_request *r);
/* -XEN_EAGAIN: somebody else wrote what we read; retry the transaction. */
void xs_transaction_end(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                        bool abort);

/* Forget a request: `done` is not called, and its memory may be freed. Does
 * nothing if it is not active. A request already sent may still take effect. (A
 * message longer than the ring may be half sent: it then ends in filler, which
 * xenstored refuses in a path and stores in a value.) */
void xs_cancel(struct xs *xs, struct xs_request *r);

void xs_watch(struct xs *xs, struct xs_watch *w, const char *path,
              void (*fn)(struct xs_watch *watch, const char *path));
/* fn is not called again. The watch's memory stays in use until `done` (NULL:
 * for ever). Does nothing if the watch is not active. */
void xs_unwatch(struct xs *xs, struct xs_watch *w,
                void (*done)(struct xs_watch *watch));

#endif
