/* SPDX-License-Identifier: MIT */
/* Blkfront with a backend that lies, stalls, leaves and comes back
 * (docs/hardening.md; the rows that concern it are in the tests' names). */
// sources: blkfront/blkfront.c blkfront/blkfront_xs.c
// sources: xen/bus/xenbus.c xen/bus/xs.c xen/bus/xs_update.c xen/bus/gnttab.c
// sources: xen/bus/ring.c xen/evtchn.c
// sources: kernel/loop.c kernel/page.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/shaky.c tests/fake/xenstored.c
// sources: tests/fake/blkback.c tests/unit/blkfront_world.c
#include "tests/unit/test.h"

#include "tests/fake/shaky.h"
#include "tests/unit/blkfront_world.h"
#include "xen/bus/xenbus.h"

#include <string.h>

#define KIB 1024u
#define MIB (1024 * KIB)

/* Of a ring of four pages. */
#define RING_SLOTS_BYTES (128 * sizeof(union blkif_sring_entry))

static char data[2 * MIB];

static void write_at(struct disk *disk, uint64_t offset, size_t bytes,
                     uint32_t generation)
{
    world_fill(data, bytes, offset, generation);
    assert_int_equal(io_run(disk, BLKFRONT_WRITE, offset, data, bytes), 0);
}

static void read_at(struct disk *disk, uint64_t offset, size_t bytes,
                    uint32_t generation)
{
    memset(data, 0xee, bytes);
    assert_int_equal(io_run(disk, BLKFRONT_READ, offset, data, bytes), 0);
    world_check(data, bytes, offset, generation);
}

/* The device was given up; with an honest backend all is well again, and the
 * request that was out is answered. */
static void check_recovers(struct world *w, struct disk *disk, struct io *io)
{
    fake_scribble(NULL, NULL);
    fake_run_until(&w->loop, !disk->up, 5 * NS_PER_S);
    assert_true(world_logged("given up until the backend comes back"));
    assert_true(world_stats(disk).broken == 1);
    if (io)
        assert_true(io->out);
    *blkback_manner(disk->bb) = (struct blkback_manner){0};
    blkback_close(disk->bb);
    world_settle(w);
    world_connect(w, disk);
    if (io)
        assert_int_equal(io_wait(io), 0);
    write_at(disk, 0, 65536, 9);
    read_at(disk, 0, 65536, 9);
}

/* A read whose request is in the test's hands. */
static blkif_request_t taken_by_hand(struct world *w, struct disk *disk,
                                     struct io *io)
{
    blkif_request_t request;

    blkback_manner(disk->bb)->manual = true;
    assert_int_equal(io_start(io, disk, BLKFRONT_READ, 0, data, 512, 1), 0);
    world_settle(w);
    assert_true(blkback_next(disk->bb, &request));
    return request;
}

/* ---- A1, A2: what is shared changes */

static void a1_slots_change_under_our_eyes(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct world *w = world_start(&(struct fake_config){.seed = round + 1});
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};
        blkif_request_t request = taken_by_hand(w, disk, &io);

        fake_scribble(blkback_scribble, disk->bb);
        blkback_answer(disk->bb, request.id, request.operation, 0);
        blkback_push(disk->bb);
        world_settle(w);
        check_recovers(w, disk, &io);
        world_stop(w);
    }
}

/* Honest answers, but each word of the slots changes as soon as it was read:
 * nobody notices, for nobody reads one twice. */
static void a1_each_word_of_a_slot_is_read_once(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    unsigned long before = world_seen(disk).requests, reads;
    int error = 0;

    (void)state;
    world_fill(data, MIB, 0, 1);
    shaky_start(blkback_ring_of(disk->bb)->ring, RING_SLOTS_BYTES, ~0u);
    for (unsigned i = 0; i < 16; i++)
        error |= io_run(disk, BLKFRONT_WRITE, i * 65536, data + i * 65536,
                        i % 2 ? 65536 : 4096);
    error |= io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0);
    error |= io_run(disk, BLKFRONT_DISCARD, MIB, NULL, 65536);
    error |= io_run(disk, BLKFRONT_READ, 65536, data, 65536);
    reads = shaky_stop();
    assert_int_equal(error, 0);
    assert_int_equal(world_stats(disk).broken, 0);
    world_check(data, 65536, 65536, 1);
    assert_int_equal(reads, (world_seen(disk).requests - before) *
                                sizeof(blkif_response_t) / sizeof(uint32_t));
    world_stop(w);
}

/* The index changes after each look: what was answered before it is. */
static void a1_each_look_at_the_index_is_one_read(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    static struct io ios[10];
    unsigned nr = 0;

    (void)state;
    blkback_manner(disk->bb)->hold_answers = true;
    for (unsigned i = 0; i < array_size(ios); i++)
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_READ, i * 65536,
                                  data + i * 65536, 512, 1),
                         0);
    world_settle(w);
    blkback_manner(disk->bb)->hold_answers = false;
    shaky_start(&blkback_ring_of(disk->bb)->rsp_prod, sizeof(RING_IDX),
                0x40000001);
    fake_run_until(&w->loop, !disk->up, 5 * NS_PER_S);
    shaky_stop();
    for (unsigned i = 0; i < array_size(ios); i++)
        nr += !ios[i].out;
    assert_int_equal(nr, array_size(ios));
    assert_true(world_logged("responses to nothing"));
    check_recovers(w, disk, NULL);
    world_stop(w);
}

static void a2_what_was_read_is_private(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    static char copy[65536];

    (void)state;
    write_at(disk, 0, 65536, 1);
    assert_int_equal(io_run(disk, BLKFRONT_READ, 0, copy, 65536), 0);
    blkback_scribble_pages(disk->bb);
    world_check(copy, 65536, 0, 1);
    world_check(data, 65536, 0, 1);
    read_at(disk, 0, 65536, 1);
    world_stop(w);
}

/* ---- A3: the index */

static const RING_IDX moves[] = {2, 32, 64, 65, 1u << 31, -1u, -64u};

static void a3_an_impossible_index_breaks_the_device(void **state)
{
    (void)state;
    for (unsigned i = 0; i < array_size(moves); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};

        taken_by_hand(w, disk, &io);
        blkback_ring(disk->bb)->rsp_prod += moves[i];
        blkback_notify(disk->bb);
        check_recovers(w, disk, &io);
        assert_true(world_logged("responses to nothing"));
        world_stop(w);
    }
}

/* ---- A4: the id */

static void a4_an_id_that_is_not_out_breaks_the_device(void **state)
{
    static const uint64_t ids[] = {1,          63,
                                   64,         128,
                                   0xffff,     UINT64_C(1) << 32,
                                   UINT64_MAX, (UINT64_C(1) << 48)};

    (void)state;
    for (unsigned i = 0; i < array_size(ids); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};
        blkif_request_t request = taken_by_hand(w, disk, &io);

        blkback_answer(disk->bb, request.id + ids[i], request.operation, 0);
        blkback_push(disk->bb);
        check_recovers(w, disk, &io);
        assert_true(world_logged("response to nothing"));
        world_stop(w);
    }
}

static void a4_an_id_that_is_answered_twice_breaks_the_device(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct io ios[2] = {{.answer = 0}};
    blkif_request_t request = taken_by_hand(w, disk, &ios[0]);

    (void)state;
    assert_int_equal(
        io_start(&ios[1], disk, BLKFRONT_READ, 512, data + 512, 512, 1), 0);
    world_settle(w);
    blkback_answer(disk->bb, request.id, request.operation, 0);
    blkback_answer(disk->bb, request.id, request.operation, 0);
    blkback_push(disk->bb);
    check_recovers(w, disk, &ios[1]);
    assert_int_equal(io_wait(&ios[0]), 0);
    world_stop(w);
}

/* ---- A5: operation and status */

static void a5_another_operation_breaks_the_device(void **state)
{
    static const uint8_t operations[] = {
        BLKIF_OP_WRITE,
        BLKIF_OP_WRITE_BARRIER,
        BLKIF_OP_FLUSH_DISKCACHE,
        BLKIF_OP_RESERVED_1,
        BLKIF_OP_DISCARD,
        7,
        255,
    };

    (void)state;
    for (unsigned i = 0; i < array_size(operations); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};
        blkif_request_t request = taken_by_hand(w, disk, &io);

        blkback_answer(disk->bb, request.id, operations[i], 0);
        blkback_push(disk->bb);
        check_recovers(w, disk, &io);
        world_stop(w);
    }
}

/* BLKIF_OP_INDIRECT is a name for what was sent so, and for nothing else. */
static void a5_indirect_is_no_answer_to_another_operation(void **state)
{
    static const enum blkfront_op ops[] = {BLKFRONT_READ, BLKFRONT_WRITE,
                                           BLKFRONT_FLUSH, BLKFRONT_DISCARD};

    (void)state;
    for (unsigned i = 0; i < array_size(ops); i++) {
        bool has_data = ops[i] != BLKFRONT_FLUSH && ops[i] != BLKFRONT_DISCARD;
        bool has_range = ops[i] != BLKFRONT_FLUSH;
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};
        blkif_request_t request;

        blkback_manner(disk->bb)->manual = true;
        assert_int_equal(io_start(&io, disk, ops[i], 0, has_data ? data : NULL,
                                  has_range ? 4096 : 0, has_data),
                         0);
        world_settle(w);
        assert_true(blkback_next(disk->bb, &request));
        blkback_answer(disk->bb, request.id, BLKIF_OP_INDIRECT, 0);
        blkback_push(disk->bb);
        check_recovers(w, disk, &io);
        assert_true(world_logged("response to another operation"));
        world_stop(w);
    }
}

static void a5_an_unknown_status_breaks_the_device(void **state)
{
    static const int16_t statuses[] = {1, -3, INT16_MAX, INT16_MIN};

    (void)state;
    for (unsigned i = 0; i < array_size(statuses); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};
        blkif_request_t request = taken_by_hand(w, disk, &io);

        blkback_answer(disk->bb, request.id, request.operation, statuses[i]);
        blkback_push(disk->bb);
        check_recovers(w, disk, &io);
        assert_true(world_logged("unknown status"));
        world_stop(w);
    }
}

static void a5_a_known_one_fails_the_request(void **state)
{
    static const struct {
        int16_t status;
        int error;
    } cases[] = {
        {BLKIF_RSP_OKAY, 0},
        {BLKIF_RSP_ERROR, -XEN_EIO},
        {BLKIF_RSP_EOPNOTSUPP, -XEN_EOPNOTSUPP},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        struct io io = {0};
        blkif_request_t request = taken_by_hand(w, disk, &io);

        blkback_answer(disk->bb, request.id, request.operation,
                       cases[i].status);
        blkback_push(disk->bb);
        assert_int_equal(io_wait(&io), cases[i].error);
        world_settle(w);
        assert_true(disk->up);
        world_stop(w);
    }
}

static void either_name_of_an_indirect_operation_will_do(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    blkback_manner(disk->bb)->copied_op = true;
    write_at(disk, 0, 128 * KIB, 1);
    read_at(disk, 0, 128 * KIB, 1);
    assert_true(world_seen(disk).indirects > 1);
    world_stop(w);
}

/* ---- A7: events */

static void a7_events_that_never_come(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct io io = {0};
    uint64_t start = fake_now();

    (void)state;
    world_settle(w);
    blkback_manner(disk->bb)->mute = true;
    assert_int_equal(io_start(&io, disk, BLKFRONT_READ, 0, data, 4096, 1), 0);
    assert_int_equal(io_wait(&io), 0);
    assert_true(fake_now() - start < 2 * NS_PER_S);
    world_stop(w);
}

static void tick(struct timer *timer)
{
    (void)timer;
}

static void a7_storms_of_events(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct timer timer = {0};
    uint64_t due = fake_now() + NS_PER_MS;

    (void)state;
    blkback_manner(disk->bb)->storm = true;
    timer_start(&w->loop, &timer, due, tick);
    fake_run_for(&w->loop, 2 * NS_PER_MS);
    assert_false(timer.active);
    write_at(disk, 0, 65536, 1);
    read_at(disk, 0, 65536, 1);
    world_stop(w);
}

/* ---- A8, A9: pages */

static void a8_pages_that_are_kept_are_left_behind(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    blkback_manner(disk->bb)->keep = true;
    for (unsigned i = 0; i < 8; i++)
        write_at(disk, 65536 * i, 65536, 1);
    blkback_close(disk->bb);
    world_settle(w);
    blkback_manner(disk->bb)->keep = false;
    /* Mapped still, but by whom will not be known: a new connection. */
    world_connect(w, disk);
    assert_true(w->gt.nr_parked > 0);
    blkback_scribble_pages(disk->bb);
    blkback_let_go(disk->bb);
    world_settle(w);
    for (unsigned i = 0; i < 8; i++)
        read_at(disk, 65536 * i, 65536, 1);
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    assert_int_equal(w->gt.nr_parked, 0);
    world_stop(w);
}

static void a8_pages_kept_for_ever_do_not_cost_all_memory(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    unsigned long pool = w->pages.nr_used;

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        blkback_manner(disk->bb)->keep = true;
        (void)io_run(disk, BLKFRONT_WRITE, 0, data, 256 * KIB);
        blkback_close(disk->bb);
        world_settle(w);
        blkback_start(disk->bb);
        fake_run_for(&w->loop, 2 * NS_PER_S);
        if (!disk->up)
            break;
    }
    assert_true(w->pages.nr_used < 5 * pool);
    blkback_close(disk->bb);
    blkback_let_go(disk->bb);
    blkback_manner(disk->bb)->keep = false;
    fake_run_for(&w->loop, 2 * NS_PER_S);
    world_connect(w, disk);
    write_at(disk, 0, 65536, 1);
    world_stop(w);
}

/* Nothing but the ring stays mapped, and that for ever. */
static void a8_rings_kept_for_ever_do_not_cost_all_memory(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    unsigned long pool = w->pages.nr_used;

    (void)state;
    blkback_manner(disk->bb)->keep_ring = true;
    for (unsigned round = 0; round < 2 * pool; round++) {
        blkback_close(disk->bb);
        fake_run_for(&w->loop, NS_PER_S);
        blkback_start(disk->bb);
        fake_run_for(&w->loop, 2 * NS_PER_S);
    }
    assert_false(disk->up);
    assert_true(w->pages.nr_used < 5 * pool / 2);
    /* It lets go, and need not come back for that. */
    blkback_manner(disk->bb)->keep_ring = false;
    blkback_let_go(disk->bb);
    fake_run_until(&w->loop, disk->up, 3 * XENBUS_STARVED_NS);
    write_at(disk, 0, 65536, 1);
    world_stop(w);
}

/* One disk's backend keeps all it can; another's disk, and a new one, do not
 * notice. */
static void a8_what_one_backend_keeps_costs_another_nothing(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *bad = world_disk_up(w, 0), *good = world_disk_up(w, 1), *late;

    (void)state;
    blkback_manner(bad->bb)->keep = true;
    for (unsigned round = 0; round < 20; round++) {
        (void)io_run(bad, BLKFRONT_WRITE, 0, data, 256 * KIB);
        blkback_close(bad->bb);
        world_settle(w);
        blkback_start(bad->bb);
        fake_run_for(&w->loop, 2 * NS_PER_S);
        if (!bad->up)
            break;
    }
    assert_false(bad->up);
    blkback_close(good->bb);
    world_settle(w);
    world_connect(w, good);
    write_at(good, 0, MIB, 1);
    late = world_disk_up(w, 2);
    write_at(late, 0, MIB, 1);
    blkback_manner(bad->bb)->keep = false;
    blkback_let_go(bad->bb);
    fake_run_until(&w->loop, bad->up, 3 * XENBUS_STARVED_NS);
    write_at(bad, 0, 65536, 1);
    world_stop(w);
}

/* The same with pages of another kind of device: netback's. */
static void a8_parked_pages_of_a_vif_do_not_block_a_disk(void **state)
{
    struct world *w = world_start(NULL);
    struct gnttab_hoard vif;
    static grant_ref_t refs[300];

    (void)state;
    gnttab_hoard_init(&vif, &w->gt);
    for (unsigned i = 0; i < array_size(refs); i++) {
        void *page = page_alloc_zeroed(&w->pages, 1);

        assert_int_equal(gnttab_take(&w->gt, 0, page, &refs[i]), 0);
        gnttab_give(&w->gt, refs[i], false);
        assert_non_null(fake_map_grant(0, refs[i], true));
        gnttab_end(&vif, refs[i]);
    }
    write_at(world_disk_up(w, 0), 0, MIB, 1);
    for (unsigned i = 0; i < array_size(refs); i++)
        fake_unmap_grant(refs[i], true);
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    world_stop(w);
}

static void a8_a_buffer_is_not_sent_while_another_writes_to_it(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    char *buffer = blkfront_buffer_alloc(disk->bf, 4);
    struct io io = {0};

    (void)state;
    blkback_manner(disk->bb)->no_audit = true;
    blkback_manner(disk->bb)->keep = true;
    assert_int_equal(io_run(disk, BLKFRONT_READ, 0, buffer, 4 * 4096), 0);
    blkback_close(disk->bb);
    world_settle(w);
    world_fill(buffer, 4 * 4096, 0, 1);
    assert_int_equal(
        io_start(&io, disk, BLKFRONT_WRITE, 0, buffer, 4 * 4096, 1), 0);
    blkback_manner(disk->bb)->keep = false;
    world_connect(w, disk);
    fake_run_for(&w->loop, 3 * NS_PER_S);
    assert_true(io.out);
    assert_int_equal(world_seen(disk).writes, 0);
    blkback_let_go(disk->bb);
    assert_int_equal(io_wait(&io), 0);
    world_check_disk(disk, 0, 4 * 4096, 1);
    blkfront_buffer_free(disk->bf, buffer);
    world_stop(w);
}

static void a8_a_buffer_that_is_freed_while_it_is_mapped_is_parked(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    char *buffer = blkfront_buffer_alloc(disk->bf, 4);

    (void)state;
    blkback_manner(disk->bb)->no_audit = true;
    assert_int_equal(io_run(disk, BLKFRONT_READ, 0, buffer, 4 * 4096), 0);
    blkfront_buffer_free(disk->bf, buffer);
    assert_int_equal(w->gt.nr_parked, 4);
    blkback_close(disk->bb);
    fake_run_for(&w->loop, 2 * GNTTAB_RETRY_NS);
    assert_int_equal(w->gt.nr_parked, 0);
    world_stop(w);
}

static void a9_pages_have_no_past_in_a_new_connection(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        write_at(disk, 0, MIB, i + 1);
        blkback_close(disk->bb);
        world_settle(w);
        world_connect(w, disk); /* the backend audits */
        for (unsigned k = 0; k < 100; k++)
            write_at(disk, k * 512, 512, i + 1);
    }
    world_stop(w);
}

/* ---- A10: comings and goings */

typedef void leave_fn(struct blkback *bb);

static void detach(struct blkback *bb)
{
    fake_xs_device_detach("vbd", WORLD_XVDA);
    blkback_close(bb);
    blkback_vanish(bb);
}

static void back_to_the_start(struct blkback *bb)
{
    blkback_close(bb);
    fake_xs_set(FAKE_XS_BACKEND("vbd", 51712) "/state", "2");
    blkback_start(bb);
}

static leave_fn *const leaves[] = {blkback_close, blkback_vanish, detach,
                                   back_to_the_start};

static void a10_what_was_not_answered_is_sent_again_in_order(void **state)
{
    static struct io ios[16];

    (void)state;
    for (unsigned i = 0; i < 2 * array_size(leaves); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        unsigned long before;

        blkback_manner(disk->bb)->hold_answers = i % 2;
        blkback_manner(disk->bb)->hold_take = !(i % 2);
        for (unsigned k = 0; k < 16; k++) {
            world_fill(data + k * 65536, 65536, k * 65536, 1);
            assert_int_equal(io_start(&ios[k], disk,
                                      k == 9 ? BLKFRONT_FLUSH : BLKFRONT_WRITE,
                                      k * 65536,
                                      k == 9 ? NULL : data + k * 65536,
                                      k == 9 ? 0 : 65536, 5),
                             0);
        }
        world_settle(w);
        leaves[i / 2](disk->bb);
        world_settle(w);
        before = world_seen(disk).requests;
        blkback_manner(disk->bb)->hold_answers = false;
        blkback_manner(disk->bb)->hold_take = false;
        if (leaves[i / 2] != back_to_the_start)
            blkback_start(disk->bb);
        for (unsigned k = 0; k < 16; k++)
            assert_int_equal(io_wait(&ios[k]), 0);
        for (unsigned k = 1; k < 16; k++)
            assert_true(ios[k].answer > ios[k - 1].answer);
        for (unsigned k = 0; k < 16; k++)
            if (k != 9)
                world_check_disk(disk, k * 65536, 65536, 1);
        for (unsigned long k = before + 1; k < world_seen(disk).requests; k++)
            assert_true(!blkback_seen(disk->bb, k)->sectors ||
                        blkback_seen(disk->bb, k)->sector >=
                            blkback_seen(disk->bb, k - 1)->sector);
        /* The last is too quick to be seen: then it finds our ring again. */
        assert_int_equal(disk->downs, leaves[i / 2] != back_to_the_start);
        world_stop(w);
    }
}

static void a10_requests_may_be_submitted_while_it_is_away(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    unsigned max = blkfront_info(disk->bf)->requests_max;
    static struct io ios[129];

    (void)state;
    blkback_vanish(disk->bb);
    world_settle(w);
    assert_false(disk->up);
    for (unsigned i = 0; i < max; i++) {
        world_fill(data + i * 512, 512, i * 512, 1);
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_WRITE, i * 512,
                                  data + i * 512, 512, 1),
                         0);
    }
    assert_int_equal(io_start(&ios[max], disk, BLKFRONT_FLUSH, 0, NULL, 0, 0),
                     -XEN_EAGAIN);
    world_connect(w, disk);
    for (unsigned i = 0; i < max; i++)
        assert_int_equal(io_wait(&ios[i]), 0);
    assert_int_equal(disk->rooms, 1);
    world_check_disk(disk, 0, max * 512, 1);
    world_stop(w);
}

static void a10_states_in_any_order(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        char text[2] = {(char)('0' + fake_random_below(9)), 0};

        if (fake_chance(20))
            fake_xs_rm(FAKE_XS_BACKEND("vbd", 51712) "/state");
        else
            fake_xs_set(FAKE_XS_BACKEND("vbd", 51712) "/state", text);
        fake_run_for(&w->loop, fake_random_below(3) * NS_PER_MS);
    }
    blkback_close(disk->bb);
    fake_run_for(&w->loop, 2 * NS_PER_S);
    world_connect(w, disk);
    write_at(disk, 0, 65536, 1);
    world_stop(w);
}

/* Linux's does not react to Initialised when it is Connected: had it connected
 * to our last ring in between, nobody would ever look at the new one. */
static void a10_a_restarted_backend_has_time_to_see_us_closed(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct io io = {0};

    (void)state;
    blkback_manner(disk->bb)->blind = true;
    blkback_close(disk->bb);
    blkback_start(disk->bb); /* unbind and bind: only InitWait is seen */
    assert_int_equal(io_start(&io, disk, BLKFRONT_WRITE, 0, data, 4096, 1), 0);
    fake_run_for(&w->loop, XENBUS_RETRY_NS / 2);
    assert_string_equal(fake_xs_get("device/vbd/51712/state"), "6");
    blkback_manner(disk->bb)->blind = false;
    assert_int_equal(io_wait(&io), 0);
    world_stop(w);
}

/* At each of the steps of a life. */
static void a10_destroyed_at_any_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk(w, 0);
        struct io io = {0};
        bool out = false;

        blkback_start(disk->bb);
        world_create(w, disk);
        for (unsigned k = 0; k < i; k++) {
            fake_set_limit(fake_now());
            loop_turn(&w->loop);
            fake_set_limit(UINT64_MAX);
            if (disk->up && !out)
                out = !io_start(&io, disk, BLKFRONT_WRITE, 0, data, MIB, 3);
        }
        world_destroy(w, disk);
        assert_false(io.out);
        world_stop(w);
    }
}

/* ---- What another disk, or another domain, makes of waiting requests */

static void smaller(struct blkback_offer *offer)
{
    offer->sectors = 8;
}

static void read_only(struct blkback_offer *offer)
{
    offer->info = VDISK_READONLY;
}

static void larger_sectors(struct blkback_offer *offer)
{
    offer->sector_bytes = 4096;
}

static void no_discard(struct blkback_offer *offer)
{
    offer->discard = false;
}

static void another_disk_refuses_what_it_cannot(void **state)
{
    static const struct {
        void (*change)(struct blkback_offer *offer);
        enum blkfront_op op;
        int error;
    } cases[] = {
        {smaller, BLKFRONT_READ, -XEN_ERANGE},
        {read_only, BLKFRONT_WRITE, -XEN_EROFS},
        {larger_sectors, BLKFRONT_READ, -XEN_EINVAL},
        {no_discard, BLKFRONT_DISCARD, -XEN_EOPNOTSUPP},
    };

    (void)state;
    for (unsigned i = 0; i < array_size(cases); i++) {
        struct world *w = world_start(NULL);
        struct disk *disk = world_disk_up(w, 0);
        bool has_data = cases[i].op != BLKFRONT_DISCARD;
        struct io io = {0};

        blkback_manner(disk->bb)->hold_take = true;
        assert_int_equal(io_start(&io, disk, cases[i].op, 65536 + 512,
                                  has_data ? data : NULL, 512, has_data),
                         0);
        world_settle(w);
        blkback_vanish(disk->bb);
        cases[i].change(blkback_offer(disk->bb));
        blkback_manner(disk->bb)->hold_take = false;
        world_settle(w);
        assert_true(io.out);
        blkback_start(disk->bb);
        assert_int_equal(io_wait(&io), cases[i].error);
        world_stop(w);
    }
}

static void a_cache_that_is_lost_is_told_once(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);

    (void)state;
    write_at(disk, 0, 4096, 1);
    blkback_vanish(disk->bb);
    world_settle(w);
    world_connect(w, disk); /* the same domain: its cache is still there */
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);

    write_at(disk, 0, 4096, 2);
    blkback_vanish(disk->bb);
    blkback_power_cut(disk->bb, 0);
    world_settle(w);
    blkback_offer(disk->bb)->dom = 7;
    world_connect(w, disk);
    assert_true(world_logged("writes that were not flushed"));
    read_at(disk, 0, 4096, 1);
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), -XEN_EIO);
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);

    blkback_vanish(disk->bb); /* flushed: nothing to lose */
    world_settle(w);
    blkback_offer(disk->bb)->dom = 0;
    world_connect(w, disk);
    assert_int_equal(io_run(disk, BLKFRONT_FLUSH, 0, NULL, 0), 0);
    world_stop(w);
}

/* ---- Patience */

static void a_request_without_an_answer_is_told_once_with_its_age(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct io ios[3] = {{.answer = 0}};

    (void)state;
    blkback_manner(disk->bb)->hold_answers = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(io_start(&ios[i], disk, BLKFRONT_WRITE, i * 4096,
                                  data + i * 4096, 4096, 1),
                         0);
    fake_run_for(&w->loop, 29 * NS_PER_S);
    assert_false(world_logged("without an answer"));
    fake_run_for(&w->loop, 3 * NS_PER_S);
    assert_true(world_logged("xvda: 3 requests without an answer, the oldest "
                             "for 30 s: write of 4096 bytes at 0"));
    fake_run_for(&w->loop, 100 * NS_PER_S);
    assert_int_equal(world_logged_times("without an answer"), 1);
    assert_int_equal(world_stats(disk).slow, 3);
    blkback_manner(disk->bb)->hold_answers = false;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(io_wait(&ios[i]), 0);
    assert_int_equal(world_logged_times("answered after 132 s"), 3);
    world_stop(w);
}

static void so_is_one_whose_backend_is_away(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk_up(w, 0);
    struct io io = {0};

    (void)state;
    blkback_vanish(disk->bb);
    world_settle(w);
    assert_int_equal(io_start(&io, disk, BLKFRONT_READ, 0, data, 4096, 1), 0);
    fake_run_for(&w->loop, 40 * NS_PER_S);
    assert_true(world_logged("the backend is away"));
    assert_true(io.out);
    world_connect(w, disk);
    assert_int_equal(io_wait(&io), 0);
    world_stop(w);
}

/* ---- Xen says no */

static void without_ports_and_references_there_is_no_disk(void **state)
{
    struct world *w = world_start(NULL);
    struct disk *disk = world_disk(w, 0);

    (void)state;
    world_create(w, disk);
    world_settle(w);
    fake_fail_call(FAKE_ALLOC_UNBOUND, 1, -XEN_ENOSPC);
    blkback_start(disk->bb);
    world_settle(w);
    fake_fail_none();
    assert_false(disk->up);
    world_destroy(w, disk);
    world_stop(w);

    w = world_start(&(struct fake_config){.grant_frames = 1});
    disk = world_disk(w, 0);
    blkback_start(disk->bb);
    world_create(w, disk);
    fake_fail_call(FAKE_GRANT_FRAMES, 0, -XEN_ENOMEM);
    world_settle(w);
    fake_fail_none();
    assert_false(disk->up);
    world_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a1_slots_change_under_our_eyes),
        cmocka_unit_test(a1_each_word_of_a_slot_is_read_once),
        cmocka_unit_test(a1_each_look_at_the_index_is_one_read),
        cmocka_unit_test(a2_what_was_read_is_private),
        cmocka_unit_test(a3_an_impossible_index_breaks_the_device),
        cmocka_unit_test(a4_an_id_that_is_not_out_breaks_the_device),
        cmocka_unit_test(a4_an_id_that_is_answered_twice_breaks_the_device),
        cmocka_unit_test(a5_another_operation_breaks_the_device),
        cmocka_unit_test(a5_indirect_is_no_answer_to_another_operation),
        cmocka_unit_test(a5_an_unknown_status_breaks_the_device),
        cmocka_unit_test(a5_a_known_one_fails_the_request),
        cmocka_unit_test(either_name_of_an_indirect_operation_will_do),
        cmocka_unit_test(a7_events_that_never_come),
        cmocka_unit_test(a7_storms_of_events),
        cmocka_unit_test(a8_pages_that_are_kept_are_left_behind),
        cmocka_unit_test(a8_pages_kept_for_ever_do_not_cost_all_memory),
        cmocka_unit_test(a8_rings_kept_for_ever_do_not_cost_all_memory),
        cmocka_unit_test(a8_what_one_backend_keeps_costs_another_nothing),
        cmocka_unit_test(a8_parked_pages_of_a_vif_do_not_block_a_disk),
        cmocka_unit_test(a8_a_buffer_is_not_sent_while_another_writes_to_it),
        cmocka_unit_test(
            a8_a_buffer_that_is_freed_while_it_is_mapped_is_parked),
        cmocka_unit_test(a9_pages_have_no_past_in_a_new_connection),
        cmocka_unit_test(a10_what_was_not_answered_is_sent_again_in_order),
        cmocka_unit_test(a10_requests_may_be_submitted_while_it_is_away),
        cmocka_unit_test(a10_states_in_any_order),
        cmocka_unit_test(a10_a_restarted_backend_has_time_to_see_us_closed),
        cmocka_unit_test(a10_destroyed_at_any_time),
        cmocka_unit_test(another_disk_refuses_what_it_cannot),
        cmocka_unit_test(a_cache_that_is_lost_is_told_once),
        cmocka_unit_test(a_request_without_an_answer_is_told_once_with_its_age),
        cmocka_unit_test(so_is_one_whose_backend_is_away),
        cmocka_unit_test(without_ports_and_references_there_is_no_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
