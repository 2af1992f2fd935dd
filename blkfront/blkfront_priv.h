/* SPDX-License-Identifier: MIT */
/*
 * What blkfront.c (the data path) and blkfront_xs.c (the control path) share.
 *
 * A device has one queue: a ring with its parts, pages and port. More queues
 * (multi-queue-num-queues, blkif.h) would be an array of them.
 */
#ifndef BLKFRONT_PRIV_H
#define BLKFRONT_PRIV_H

#include "blkfront/blkfront.h"
#include "xen/abi.h"
#include "xen/bus/gnttab.h"
#include "xen/bus/ring.h"
#include "xen/bus/xenbus.h"

/* All sectors of blkif.h have 512 bytes, whatever sector-size is: so they do in
 * Linux's blkback and, since Xen 4.20, in the header itself. That is why we do
 * not announce feature-large-sector-size. */
#define BLKFRONT_UNIT 512u

/* The ring: 32 slots in one page, 128 in four (one thread has no use for more;
 * 32 keep a fast disk busy). */
#define BLKFRONT_RING_ORDER_MAX 2u
#define BLKFRONT_RING_PAGES_MAX (1u << BLKFRONT_RING_ORDER_MAX)
#define BLKFRONT_PARTS_MAX      128u

/* The pool: a share of the memory available when the device is made, so that a
 * guest of 2 MB keeps most of it and a large one has room for two requests of
 * 1 MiB. Linux's blkback keeps up to 1056 pages mapped. */
#define BLKFRONT_POOL_SHARE 16u /* a sixteenth */
#define BLKFRONT_POOL_MIN   11u /* BLKIF_MAX_SEGMENTS_PER_REQUEST */
#define BLKFRONT_POOL_MAX   520u

/* A part with indirect segments names them in one page: 2 MiB, more than the
 * pool has. */
#define BLKFRONT_SEGMENTS_MAX \
    ((unsigned)(XEN_PAGE_SIZE / sizeof(struct blkif_request_segment)))

/* Requests that continue one another become one part, up to here: a slot saved
 * is half the backend's work for 4 KiB, but the first waits for the last. It is
 * also what Linux's blkfront makes of them by default. */
#define BLKFRONT_MERGE_BYTES (128u << 10)

/* While requests are in flight the ring is polled at this interval, events or
 * not: this bounds the delay if the backend fails to send one. */
#define BLKFRONT_LOOK_NS NS_PER_S

#define BLKFRONT_NONE UINT16_MAX /* ends a list of pool pages */

/* A position in a request's pieces. */
struct blkfront_cursor {
    const struct blkfront_piece *piece;
    size_t offset;
};

/* A page that the backend may use, and the reference that is bound to it. */
struct blkfront_page {
    void *data;                /* NULL: no page */
    grant_ref_t ref;           /* GNTTAB_NONE: not bound */
    uint16_t next;             /* in the list of its part */
    uint16_t bytes;            /* of the part's data in it... */
    struct blkfront_cursor at; /* ...and their place in the owner's memory */
};

/* One ring request with the backend; its index is the id. It holds data of one
 * request, or of several that are consecutive in the list. */
struct blkfront_part {
    struct blkfront_request *request; /* the first; NULL: it is free */
    unsigned nr_requests;
    uint32_t bytes;
    uint16_t pages;    /* a list: pool pages it uses */
    uint8_t operation; /* BLKIF_OP_*, as the answer must name it */
    bool indirect;     /* sent with indirect segments */
};

/* See blkfront_buffer_alloc. */
struct blkfront_buffer {
    struct blkfront_buffer *next;
    char *data;
    unsigned nr;
    grant_ref_t refs[]; /* per page; GNTTAB_NONE: copy, as elsewhere */
};

struct blkfront_queue {
    struct blkfront *bf;
    struct ring ring;
    struct blkfront_page ring_pages[BLKFRONT_RING_PAGES_MAX];
    unsigned nr_ring_pages;
    evtchn_port_t port;
    struct event event;
    struct task work;
    struct timer look;
    bool listening; /* the event is started */
    bool running;   /* data may flow */

    unsigned nr_parts; /* the ring's slots */
    struct blkfront_part parts[BLKFRONT_PARTS_MAX];
    uint16_t free_parts[BLKFRONT_PARTS_MAX];
    unsigned nr_free_parts;

    unsigned nr_pool;
    struct blkfront_page pool[BLKFRONT_POOL_MAX];
    uint16_t free_pages[BLKFRONT_POOL_MAX]; /* a stack: those that a backend
                                             * has mapped already come first */
    unsigned nr_free_pages;

    /* All accepted requests that are not answered, oldest first. */
    struct blkfront_request *requests, **requests_end;
    struct blkfront_request *unsent; /* from here on, not fully sent */
    unsigned nr_requests;
    bool refused;   /* somebody waits for room */
    bool cached;    /* answered writes may be in the backend's cache... */
    domid_t cacher; /* ...that is, in this domain's */
    bool lost;      /* and that is gone: the next flush reports it */
    bool held;      /* buffers are still with the last backend */
};

struct blkfront {
    struct xenbus_device bus;
    struct loop *loop;
    struct pages *pages;
    struct gnttab *gt;
    struct gnttab_hoard hoard;
    struct blkfront_owner owner;
    unsigned index;
    char name[sizeof("vbd4294967295")];
    struct blkfront_info info;
    struct blkfront_stats stats;
    struct blkfront_queue queue;
    struct blkfront_buffer *buffers;
    struct task end;
    uint8_t flush_op; /* BLKIF_OP_FLUSH_DISKCACHE or _WRITE_BARRIER */
    bool known;       /* info is valid, perhaps outdated */
    bool link;        /* the owner was told that the link is up */
    bool destroyed;   /* by its owner, who gets no more callbacks */
    bool stopped;     /* destroyed, and xenbus is done with it */
    /* The xenstore keys as last read: */
    struct xenbus_key keys[3];
    uint32_t ring_order, ring_pages;
    char type[sizeof("floppy")];
    struct xenbus_key connected_keys[13];
    char sectors[sizeof("18446744073709551615")], mode[4];
    uint32_t vdisk, sector_bytes, physical_bytes;
    uint32_t barrier, flush_cache, persistent, segments;
    uint32_t discard, discard_secure, discard_bytes, discard_offset;
};

/* ---- blkfront.c */

/* Decide the pool's size, once. */
void blkfront_queue_init(struct blkfront_queue *q, struct blkfront *bf);

/* Make a ring of at most 2^order pages, the pool and the port. On error only
 * pages of the pool may be left. */
must_check int blkfront_queue_open(struct blkfront_queue *q, unsigned order);
/* Both ends are connected, info is known: let data flow. */
void blkfront_queue_start(struct blkfront_queue *q);
/* Free all but the pool. Requests are as if they had never been sent. */
void blkfront_queue_close(struct blkfront_queue *q);
/* The same, and answer every request with -XEN_ENODEV. */
void blkfront_queue_end(struct blkfront_queue *q);
/* Free the pool, once the backend was told that we are gone. */
void blkfront_queue_free(struct blkfront_queue *q);

/* ---- blkfront_xs.c */

/* Free a destroyed device once xenbus is done and no buffer is out. */
void blkfront_free_if_unused(struct blkfront *bf);

#endif
