/* SPDX-License-Identifier: MIT */
/*
 * The block frontend: a disk that a blkback serves (xen/io/blkif.h).
 *
 *     struct blkfront *bf = blkfront_create(...)   one per vbd
 *       -> link(up)             size, sectors and features are known
 *     blkfront_submit(bf, &r)   at most as many at once as the ring has slots
 *       -> r.done(&r)           the answer
 *       -> link(down)           the backend left; what it has not answered
 *                               waits, and is sent again when it is back
 *
 * Order. Requests in flight together are done, and answered, in any order.
 * Small reads (or writes) submitted one after the other that continue one
 * another on the disk go to the backend as one.
 * A flush is a barrier: it is sent when all requests before it are answered,
 * and those behind it are sent when it is answered. What was written and
 * answered before a flush is on stable storage when the flush is answered.
 *
 * Memory. Data is copied to and from pages of the driver's own pool: only those
 * and the pages of blkfront_buffer_alloc() are ever shared with the backend. A
 * request and its pieces belong to the driver from blkfront_submit to done().
 *
 * All callbacks run on the loop. Errors: see xen/hv.h.
 */
#ifndef BLKFRONT_BLKFRONT_H
#define BLKFRONT_BLKFRONT_H

#include "kernel/loop.h"
#include "kernel/page.h"

/* A request without an answer for this long is logged, once. It keeps waiting:
 * only the backend knows what became of it. */
#define BLKFRONT_SLOW_NS (30 * NS_PER_S)

struct gnttab;
struct blkfront;
struct xs;

/* ---- Requests */

enum blkfront_op {
    BLKFRONT_READ,
    BLKFRONT_WRITE,
    BLKFRONT_FLUSH,   /* no data */
    BLKFRONT_DISCARD, /* no data: the range's contents are not needed */
};

/* Write, discard: answered when it is on stable storage. Like a flush, it is a
 * barrier between the requests before and behind it. */
#define BLKFRONT_THROUGH 1u
/* Discard: make every copy of it unrecoverable (info.discard_secure). */
#define BLKFRONT_SECURE  2u

/* Memory at any address, of any length; a request's pieces are consecutive on
 * the disk. Writes only read from them. */
struct blkfront_piece {
    void *data;
    size_t bytes;
};

/* Embedded in its owner, zeroed before its first use. In done() it belongs to
 * the owner again, who may submit it again. */
struct blkfront_request {
    enum blkfront_op op;
    unsigned flags;
    uint64_t offset; /* bytes from the disk's start, whole sectors */
    uint64_t bytes;  /* set by the owner for discard, else the driver */
    const struct blkfront_piece *pieces; /* read, write: together they are
                                          * whole sectors, at least one */
    unsigned nr_pieces;
    /* error: 0; -XEN_EIO the backend could not do it (or lost its cache, see
     * BLKFRONT_FLUSH); -XEN_EOPNOTSUPP it does not support it; -XEN_ENODEV
     * blkfront_destroy. If the backend comes back with a different disk, also
     * the errors of blkfront_submit. A read's pieces are then undefined. */
    void (*done)(struct blkfront_request *r);
    int error;
    /* the driver's: */
    struct blkfront_request *next, **link; /* *link is this one */
    uint64_t since_ns, sent;               /* accepted at; bytes sent */
    unsigned nr_parts;                     /* parts of it with the backend */
    enum blkfront_stage {
        BLKFRONT_DATA,     /* to be sent */
        BLKFRONT_TO_FLUSH, /* data, if any, was sent; now flush the cache */
        BLKFRONT_FLUSHING,
        BLKFRONT_SENT,
    } stage;
    bool alone; /* not to be merged with another */
    bool reported;
};

/* ---- Disks */

struct blkfront_owner {
    /* Up: blkfront_info() is valid. Down: it may change until the next up. */
    void (*link)(void *arg, bool up);
    /* The disk's size changed while it is up. May be NULL. */
    void (*resized)(void *arg);
    /* blkfront_submit said -XEN_EAGAIN before; there is room again. */
    void (*room)(void *arg);
    void *arg;
};

struct blkfront_info {
    uint64_t bytes;          /* the disk's size, whole sectors */
    uint32_t sector_bytes;   /* 512 to 4096 */
    uint32_t physical_bytes; /* the medium's own, a multiple of sector_bytes:
                              * smaller writes may cost a read */
    bool read_only;
    /* The backend has a cache that a flush writes out. Without one, flushes are
     * answered when due, and every answered write is taken to be stable. */
    bool flush;
    bool discard, discard_secure;
    uint32_t discard_bytes;  /* the size of what can be discarded, and where */
    uint32_t discard_offset; /* the first such piece begins */
    unsigned requests_max;   /* that can be in flight at once */
    unsigned segments_max;   /* pages in one request to the backend */
};

/* Begin the handshake for device/vbd/INDEX. The pool's size depends on the
 * available memory (blkfront_priv.h). NULL: no memory (logged). */
struct blkfront *blkfront_create(unsigned index, struct loop *loop,
                                 struct pages *pages, struct gnttab *gt,
                                 struct xs *xs,
                                 const struct blkfront_owner *owner);
/* Answer all requests with -XEN_ENODEV, on the next turn; close the device and
 * free everything but buffers not yet freed. The owner's link, resized
 * and room are not called any more. Not to be called from a callback. */
void blkfront_destroy(struct blkfront *bf);

const struct blkfront_info *blkfront_info(const struct blkfront *bf);

/* "xvda" for 51712, "xvdb1" for 51729; without such a name, "vbd768". */
const char *blkfront_name(const struct blkfront *bf);
/* The same for any vbd; 14 bytes are enough. */
void blkfront_name_of(unsigned index, char *name, size_t bytes);

/* Submit a request: done() follows, never from inside this call.
 *   -XEN_EAGAIN      too many at once; room() will be called
 *   -XEN_ENODEV      the link has never been up, or blkfront_destroy
 *   -XEN_EINVAL      no bytes, or not whole sectors
 *   -XEN_ERANGE      past the end of the disk
 *   -XEN_EROFS       a write or discard to a read-only disk
 *   -XEN_EOPNOTSUPP  (secure) discard, and the backend has none
 * A flush ends with -XEN_EIO once when the backend came back in another domain:
 * writes answered since the last flush went with the old domain's cache. */
must_check int blkfront_submit(struct blkfront *bf, struct blkfront_request *r);

/* ---- Buffers that need no copy
 *
 * Pages that are shared with the backend as long as the device exists: pieces
 * in them that begin and end at multiples of sector_bytes are read and written
 * in place. The price: the backend may read and change them at any time, not
 * only during a request. If the backend is not trusted with the contents, copy
 * data once before parsing it, and keep no secrets there.
 * They are meant to be kept: a page cache, a log's tail. Have few of them,
 * because each page of a request is looked up in all. Use at most 500 pages at
 * a time: Linux's blkback keeps 1056 mapped, ours included, and mapping a page
 * costs more than copying it. */

/* nr contiguous pages, zeroed; NULL: no memory. */
void *blkfront_buffer_alloc(struct blkfront *bf, unsigned nr);
/* No request may use it any more. Also allowed after blkfront_destroy. */
void blkfront_buffer_free(struct blkfront *bf, void *buffer);

struct blkfront_stats {
    uint64_t reads, writes, flushes, discards; /* done without error */
    uint64_t read_bytes, written_bytes;
    uint64_t errors;                 /* requests that ended with an error */
    uint64_t parts, segments, again; /* sent to the backend; sent once more */
    uint64_t merged;                 /* requests that joined another's part */
    uint64_t in_place_bytes;         /* that were not copied */
    uint64_t full, slow;             /* -XEN_EAGAIN; reported as unanswered */
    uint64_t events, notifies, reconnects, broken;
};
void blkfront_stats(const struct blkfront *bf, struct blkfront_stats *stats);

#endif
