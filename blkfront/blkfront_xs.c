/* SPDX-License-Identifier: MIT */
/*
 * The block frontend's control path: from xenstore to a disk and back.
 *
 * xen/bus/xenbus.h drives it; this file has what a vbd reads, publishes and
 * does at each step (blkif.h, "STATE DIAGRAMS"). Everything that depends on the
 * backend is decided anew at each connection: the backend that comes back may
 * be another one, and so may the disk.
 *
 *   our node (toolstack)     device-type
 *   backend's node, before   max-ring-page-order, max-ring-pages
 *   our node (we)            ring-ref*, ring-page-order, event-channel, ...
 *   backend's node, after    sectors, sector-size, info, feature-*, ...
 *
 * Missing keys have blkif.h's defaults, except the size: without it there is no
 * disk. A size that changes while we are connected is read again when the
 * backend writes its state again.
 */
#include "blkfront/blkfront_priv.h"

#include "kernel/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECTOR_BYTES_MAX XEN_PAGE_SIZE /* a segment is within one page */

/* Offsets in a file are signed (off_t): enough for 8 EiB. */
#define DISK_BYTES_MAX ((uint64_t)INT64_MAX)

static struct blkfront *blkfront_of(struct xenbus_device *bus)
{
    return container_of(bus, struct blkfront, bus);
}

/* ---- What the other side says */

static struct xenbus_key number_key(const char *name, uint32_t *value,
                                    uint32_t fallback)
{
    return (struct xenbus_key){
        .name = name,
        .fallback = fallback,
        .max = UINT32_MAX,
        .value = value,
    };
}

static struct xenbus_key flag_key(const char *name, uint32_t *value)
{
    return (struct xenbus_key){.name = name, .max = 1, .value = value};
}

static struct xenbus_key text_key(const char *name, char *text, size_t bytes)
{
    return (struct xenbus_key){.name = name, .text = text, .text_bytes = bytes};
}

static void keys_init(struct blkfront *bf)
{
    struct xenbus_key *key = bf->keys;

    *key++ = number_key("max-ring-page-order", &bf->ring_order, 0);
    *key++ = number_key("max-ring-pages", &bf->ring_pages, 1);
    *key = text_key("device-type", bf->type, sizeof(bf->type));
    key->own = true;

    key = bf->connected_keys;
    *key++ = text_key("sectors", bf->sectors, sizeof(bf->sectors));
    *key++ = text_key("mode", bf->mode, sizeof(bf->mode));
    *key++ = number_key("info", &bf->vdisk, 0);
    *key++ = number_key("sector-size", &bf->sector_bytes, BLKFRONT_UNIT);
    *key++ = number_key("physical-sector-size", &bf->physical_bytes, 0);
    *key++ = number_key("feature-max-indirect-segments", &bf->segments, 0);
    *key++ = flag_key("feature-persistent", &bf->persistent);
    *key++ = flag_key("feature-barrier", &bf->barrier);
    *key++ = flag_key("feature-flush-cache", &bf->flush_cache);
    *key++ = flag_key("feature-discard", &bf->discard);
    *key++ = flag_key("discard-secure", &bf->discard_secure);
    *key++ = number_key("discard-granularity", &bf->discard_bytes, 0);
    *key++ = number_key("discard-alignment", &bf->discard_offset, 0);
}

static const struct xenbus_key *vbd_keys(struct xenbus_device *bus,
                                         unsigned *nr)
{
    struct blkfront *bf = blkfront_of(bus);

    *nr = array_size(bf->keys);
    return bf->keys;
}

static const struct xenbus_key *vbd_connected_keys(struct xenbus_device *bus,
                                                   unsigned *nr)
{
    struct blkfront *bf = blkfront_of(bus);

    *nr = array_size(bf->connected_keys);
    return bf->connected_keys;
}

/* ---- Opening */

/* As large as the backend allows and the pool can make use of. */
static unsigned ring_order(const struct blkfront *bf)
{
    unsigned order = 0;

    while (order < BLKFRONT_RING_ORDER_MAX &&
           (order < bf->ring_order || 2u << order <= bf->ring_pages) &&
           (BLKFRONT_PARTS_MAX >> BLKFRONT_RING_ORDER_MAX) << order <
               bf->queue.nr_pool)
        order++;
    return order;
}

static void publish_ring(struct blkfront *bf)
{
    struct xenbus_device *bus = &bf->bus;
    struct blkfront_queue *q = &bf->queue;
    unsigned nr = q->nr_ring_pages;
    char name[sizeof("ring-ref4294967295")];

    if (nr == 1) {
        xenbus_publish(bus, "ring-ref", "%u", q->ring_pages[0].ref);
        return;
    }
    for (unsigned i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "ring-ref%u", i);
        xenbus_publish(bus, name, "%u", q->ring_pages[i].ref);
    }
    xenbus_publish(bus, "ring-page-order", "%u", (unsigned)__builtin_ctz(nr));
    xenbus_publish(bus, "num-ring-pages", "%u", nr);
}

static int vbd_open(struct xenbus_device *bus)
{
    struct blkfront *bf = blkfront_of(bus);
    int error;

    if (bf->type[0] && strcmp(bf->type, "disk")) {
        log_warn("blkfront", "%s: not used: it is a %s, and only disks are",
                 bf->name, bf->type);
        return -XEN_EOPNOTSUPP;
    }
    error = blkfront_queue_open(&bf->queue, ring_order(bf));
    if (error)
        return error;
    publish_ring(bf);
    xenbus_publish(bus, "event-channel", "%u", bf->queue.port);
    xenbus_publish(bus, "protocol", XEN_IO_PROTO_ABI_NATIVE);
    xenbus_publish(bus, "feature-persistent", "1");
    return 0;
}

/* ---- The disk */

static bool is_sector_size(uint32_t bytes)
{
    return bytes >= BLKFRONT_UNIT && bytes <= SECTOR_BYTES_MAX &&
           !(bytes & (bytes - 1));
}

static bool size_learn(struct blkfront *bf)
{
    struct blkfront_info *info = &bf->info;
    uint64_t units;

    if (!xs_decimal(bf->sectors, strlen(bf->sectors), &units)) {
        xenbus_fail(&bf->bus, "%s/sectors is no size: \"%s\"", bf->bus.backend,
                    bf->sectors);
        return false;
    }
    if (units > DISK_BYTES_MAX / BLKFRONT_UNIT)
        units = DISK_BYTES_MAX / BLKFRONT_UNIT;
    info->bytes = units * BLKFRONT_UNIT;
    info->bytes -= info->bytes % info->sector_bytes;
    return true;
}

static void features_learn(struct blkfront *bf)
{
    struct blkfront_info *info = &bf->info;

    bf->flush_op = bf->flush_cache ? BLKIF_OP_FLUSH_DISKCACHE
                   : bf->barrier   ? BLKIF_OP_WRITE_BARRIER
                                   : 0;
    info->flush = bf->flush_op;
    info->read_only = bf->vdisk & VDISK_READONLY || bf->mode[0] == 'r';
    info->discard = bf->discard;
    info->discard_secure = bf->discard && bf->discard_secure;
    info->discard_bytes =
        bf->discard_bytes ? bf->discard_bytes : info->sector_bytes;
    info->discard_offset = bf->discard_offset;
    info->requests_max = bf->queue.nr_parts;
    info->segments_max = bf->segments < BLKIF_MAX_SEGMENTS_PER_REQUEST
                             ? BLKIF_MAX_SEGMENTS_PER_REQUEST
                         : bf->segments > BLKFRONT_SEGMENTS_MAX
                             ? BLKFRONT_SEGMENTS_MAX
                             : bf->segments;
}

/* False: this is no disk for us; the backend has been told. */
static bool info_learn(struct blkfront *bf)
{
    struct blkfront_info *info = &bf->info;

    if (bf->vdisk & VDISK_CDROM) {
        xenbus_fail(&bf->bus, "it is a CD-ROM, and only disks are used");
        return false;
    }
    if (!is_sector_size(bf->sector_bytes)) {
        xenbus_fail(&bf->bus, "sector-size %u is not 512 to %u",
                    (unsigned)bf->sector_bytes, SECTOR_BYTES_MAX);
        return false;
    }
    info->sector_bytes = bf->sector_bytes;
    info->physical_bytes =
        bf->physical_bytes && bf->physical_bytes % bf->sector_bytes == 0
            ? bf->physical_bytes
            : bf->sector_bytes;
    features_learn(bf);
    return size_learn(bf);
}

/* ---- Up and down */

static void vbd_connected(struct xenbus_device *bus)
{
    struct blkfront *bf = blkfront_of(bus);
    struct blkfront_info *info = &bf->info;

    if (!info_learn(bf))
        return;
    log_info("blkfront",
             "%s: up, %" PRIu64 " KiB in sectors of %u, backend in domain %u"
             "%s%s%s%s, ring of %u, %u segments",
             bf->name, info->bytes / 1024, info->sector_bytes, bus->backend_dom,
             info->read_only ? ", read-only" : "",
             bf->flush_op == BLKIF_OP_FLUSH_DISKCACHE ? ", flush"
             : info->flush                            ? ", barrier"
                                                      : "",
             info->discard ? ", discard" : "",
             bf->persistent ? ", persistent" : "", info->requests_max,
             info->segments_max);
    bf->stats.reconnects = bus->reconnects;
    bf->known = bf->link = true;
    blkfront_queue_start(&bf->queue);
    bf->owner.link(bf->owner.arg, true);
}

static void vbd_changed(struct xenbus_device *bus)
{
    struct blkfront *bf = blkfront_of(bus);
    uint64_t before = bf->info.bytes;

    if (!bf->link || !size_learn(bf) || bf->info.bytes == before)
        return;
    log_info("blkfront", "%s: now %" PRIu64 " KiB", bf->name,
             bf->info.bytes / 1024);
    if (bf->owner.resized && !bf->destroyed)
        bf->owner.resized(bf->owner.arg);
}

static void vbd_close(struct xenbus_device *bus)
{
    struct blkfront *bf = blkfront_of(bus);
    bool was_up = bf->link;

    blkfront_queue_close(&bf->queue);
    bf->link = false;
    if (!was_up || bf->destroyed)
        return;
    log_info("blkfront", "%s: down, %u requests wait for its return", bf->name,
             bf->queue.nr_requests);
    bf->owner.link(bf->owner.arg, false);
}

static void vbd_stopped(struct xenbus_device *bus)
{
    struct blkfront *bf = blkfront_of(bus);

    blkfront_queue_end(&bf->queue);
    blkfront_queue_free(&bf->queue);
    task_stop(bf->loop, &bf->end);
    bf->stopped = true;
    blkfront_free_if_unused(bf);
}

static const struct xenbus_ops vbd_ops = {
    .keys = vbd_keys,
    .open = vbd_open,
    .tell_state = XenbusStateInitialised,
    .connected_keys = vbd_connected_keys,
    .connected = vbd_connected,
    .changed = vbd_changed,
    .close = vbd_close,
    .stopped = vbd_stopped,
};

/* ---- The device */

#define BLKFRONT_PAGES \
    ((sizeof(struct blkfront) + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE)

/* Xen's numbers for xvd* (docs/misc/vbd-interface.txt): 16 disks of 15
 * partitions, or, from bit 28 on, many of 255. */
void blkfront_name_of(unsigned index, char *name, size_t bytes)
{
    unsigned bits = index >> 28 == 1 ? 8 : 4;
    unsigned disk = (index & (bits == 8 ? 0xfffffff : 0xff)) >> bits;
    unsigned part = index & ((1u << bits) - 1);

    if ((bits == 4 && index >> 8 != 202) || disk >= 26)
        snprintf(name, bytes, "vbd%u", index);
    else if (part)
        snprintf(name, bytes, "xvd%c%u", 'a' + disk, part);
    else
        snprintf(name, bytes, "xvd%c", 'a' + disk);
}

struct blkfront *blkfront_create(unsigned index, struct loop *loop,
                                 struct pages *pages, struct gnttab *gt,
                                 struct xs *xs,
                                 const struct blkfront_owner *owner)
{
    struct blkfront *bf = page_alloc_zeroed(pages, BLKFRONT_PAGES);
    char node[sizeof("device/vbd/4294967295")];

    if (!bf) {
        log_error("blkfront", "vbd%u: no memory", index);
        return NULL;
    }
    bf->index = index;
    bf->loop = loop;
    bf->pages = pages;
    bf->gt = gt;
    gnttab_hoard_init(&bf->hoard, gt);
    bf->owner = *owner;
    blkfront_name_of(index, bf->name, sizeof(bf->name));
    keys_init(bf);
    blkfront_queue_init(&bf->queue, bf);
    snprintf(node, sizeof(node), "device/vbd/%u", index);
    xenbus_start(&bf->bus, xs, loop, node, &vbd_ops);
    return bf;
}

/* Not inside blkfront_destroy, because done() is never called inside a call. */
static void end_run(struct task *task)
{
    blkfront_queue_end(&container_of(task, struct blkfront, end)->queue);
}

void blkfront_destroy(struct blkfront *bf)
{
    bf->destroyed = true;
    task_start(bf->loop, &bf->end, end_run);
    xenbus_stop(&bf->bus);
}

void blkfront_free_if_unused(struct blkfront *bf)
{
    if (!bf->stopped || bf->buffers)
        return;
    gnttab_hoard_end(&bf->hoard);
    page_free(bf->pages, bf, BLKFRONT_PAGES);
}

const struct blkfront_info *blkfront_info(const struct blkfront *bf)
{
    return &bf->info;
}

const char *blkfront_name(const struct blkfront *bf)
{
    return bf->name;
}

void blkfront_stats(const struct blkfront *bf, struct blkfront_stats *stats)
{
    *stats = bf->stats;
}
