/* SPDX-License-Identifier: MIT */
/*
 * The block frontend: a disk that a blkback serves (xen/io/blkif.h).
 *
 *     struct blkfront *bf = blkfront_create(...)   one per vbd
 *       -> link(up)             size, sectors and features are known
 *     blkfront_submit(bf, &r)   as many at once as the ring has slots
 *       -> r.done(&r)           the answer
 *       -> link(down)           the backend left; what it has not answered
 *                               waits, and is sent again when it is back
 *
 * Order. Requests that are out together are done, and answered, in any order.
 * Small reads, or writes, that were submitted one after the other and continue
 * one another on the disk go to the backend as one.
 * A flush stands between those before it and those behind it: it is sent when
 * the former are answered, and the latter are sent when it is. What was written
 * and answered before a flush is on stable storage when the flush is answered.
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

/* A request that has no answer for so long is reported in the log, once. It
 * stays where it is: only the backend knows what became of it. */
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

/* Write, discard: answered when it is on stable storage. As a flush does, it
 * stands between what is before and what is behind. */
#define BLKFRONT_THROUGH 1u
/* Discard: every copy of it is to be unrecoverable (info.discard_secure). */
#define BLKFRONT_SECURE  2u

/* Somewhere in memory, of any length; a request's pieces are one after the
 * other on the disk. Writes only read from them. */
struct blkfront_piece {
    void *data;
    size_t bytes;
};

/* Embedded in its owner, zeroed before its first use. In done() it is the
 * owner's again, who may submit it anew. */
struct blkfront_request {
    enum blkfront_op op;
    unsigned flags;
    uint64_t offset; /* bytes from the disk's start, whole sectors */
    uint64_t bytes;  /* discard: how many; else set by the driver */
    const struct blkfront_piece *pieces; /* read, write: together they are
                                          * whole sectors, at least one */
    unsigned nr_pieces;
    /* error: 0; -XEN_EIO the backend could not do it (or lost its cache, see
     * BLKFRONT_FLUSH); -XEN_EOPNOTSUPP it does not know how to; -XEN_ENODEV
     * blkfront_destroy. What blkfront_submit refuses may also come here, when
     * another kind of disk is back. A read's pieces are undefined then. */
    void (*done)(struct blkfront_request *r);
    int error;
    /* the driver's: */
    struct blkfront_request *next, **link; /* *link is this one */
    uint64_t since_ns, sent;               /* accepted at; bytes sent */
    unsigned nr_parts;                     /* pieces of it with the backend */
    enum blkfront_stage {
        BLKFRONT_DATA,     /* to be sent */
        BLKFRONT_TO_FLUSH, /* data, if any, was sent; now the cache */
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
    /* The disk's size changed while it is up. NULL: no matter. */
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
    /* The backend has a cache that a flush writes out. Without it flushes are
     * answered when they are due, and what is answered is taken for stable. */
    bool flush;
    bool discard, discard_secure;
    uint32_t discard_bytes;  /* the size of what can be discarded, and where */
    uint32_t discard_offset; /* the first such piece begins */
    unsigned requests_max;   /* that can be out at once */
    unsigned segments_max;   /* pages that go to the backend in one piece */
};

/* Begin the handshake for device/vbd/INDEX. The pool is sized by the memory
 * that is available (blkfront_priv.h). NULL: no memory (logged). */
struct blkfront *blkfront_create(unsigned index, struct loop *loop,
                                 struct pages *pages, struct gnttab *gt,
                                 struct xs *xs,
                                 const struct blkfront_owner *owner);
/* Answer all requests with -XEN_ENODEV, on the next turn; close the device and
 * free everything but buffers that are still out. The owner's link, resized
 * and room are not called any more. Not to be called from a callback. */
void blkfront_destroy(struct blkfront *bf);

const struct blkfront_info *blkfront_info(const struct blkfront *bf);

/* "xvda" for 51712, "xvdb1" for 51729; what has no such name: "vbd768". */
const char *blkfront_name(const struct blkfront *bf);
/* The same for any vbd; 14 bytes are enough. */
void blkfront_name_of(unsigned index, char *name, size_t bytes);

/* Accept a request: done() follows, never from inside this call.
 *   -XEN_EAGAIN      no more at once: room() will tell
 *   -XEN_ENODEV      the link was never up yet, or blkfront_destroy
 *   -XEN_EINVAL      nothing, or not whole sectors
 *   -XEN_ERANGE      past the end of the disk
 *   -XEN_EROFS       a write or discard to a read-only disk
 *   -XEN_EOPNOTSUPP  (secure) discard, and the backend has none
 * A flush is -XEN_EIO once when the backend came back in another domain, and
 * what it had answered since the last flush went with the cache of the first.*/
must_check int blkfront_submit(struct blkfront *bf, struct blkfront_request *r);

/* ---- Buffers that need no copy
 *
 * Pages that are shared with the backend as long as the device exists: pieces
 * in them that begin and end at multiples of sector_bytes are read and written
 * in place. The price: the backend may look at them and change them at any
 * time, not only during a request. Copy once before you look, if the backend
 * is not to be trusted with what the data says; and put no secrets there.
 * They are meant to be kept: a page cache, a log's tail. Have few of them, for
 * each page of a request is looked for in all; and no more than 500 pages in
 * use at a time, for Linux's blkback keeps 1056 mapped, with ours, and mapping
 * one costs more than copying it. */

/* nr contiguous pages, zeroed; NULL: no memory. */
void *blkfront_buffer_alloc(struct blkfront *bf, unsigned nr);
/* No request uses it any more. Also after blkfront_destroy. */
void blkfront_buffer_free(struct blkfront *bf, void *buffer);

struct blkfront_stats {
    uint64_t reads, writes, flushes, discards; /* done without error */
    uint64_t read_bytes, written_bytes;
    uint64_t errors;                 /* requests that ended with one */
    uint64_t parts, segments, again; /* sent to the backend; sent once more */
    uint64_t merged;         /* requests that went with another's part */
    uint64_t in_place_bytes; /* that were not copied */
    uint64_t full, slow;     /* -XEN_EAGAIN; reported as unanswered */
    uint64_t events, notifies, reconnects, broken;
};
void blkfront_stats(const struct blkfront *bf, struct blkfront_stats *stats);

#endif
