/* SPDX-License-Identifier: MIT */
/* The heap, against a model: every block keeps what was written to it. */
// sources: libc/heap.c kernel/page.c kernel/panic.c kernel/log.c
// sources: tests/fake/hv.c
#include "tests/unit/test.h"

#include "libc/heap.h"

#include <string.h>

static struct pages pages;
static struct heap heap;

static void begin(void)
{
    pages_init(&pages);
    heap_init(&heap, &pages);
}

static void end(void)
{
    assert_int_equal(heap.used_bytes, 0);
    heap_trim(&heap);
    assert_int_equal(heap.held_bytes, 0);
}

static void a_block_has_room_and_alignment(void **state)
{
    (void)state;
    begin();
    for (size_t bytes = 0; bytes < 9000; bytes += 7) {
        char *block = heap_alloc(&heap, bytes);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        assert_true(heap_bytes(block) >= bytes);
        memset(block, 0x5a, heap_bytes(block));
        heap_free(&heap, block);
    }
    heap_free(&heap, NULL);
    end();
}

/* At most one page of each small size is kept. */
static void what_is_freed_goes_back_to_the_pages(void **state)
{
    void *blocks[600];

    (void)state;
    begin();
    for (size_t bytes = 16; bytes <= 6000; bytes *= 3) {
        for (unsigned i = 0; i < array_size(blocks); i++)
            assert_non_null(blocks[i] = heap_alloc(&heap, bytes));
        for (unsigned i = 0; i < array_size(blocks); i++)
            heap_free(&heap, blocks[i]);
    }
    assert_int_equal(heap.used_bytes, 0);
    assert_true(heap.held_bytes <= HEAP_SIZES * XEN_PAGE_SIZE);
    assert_int_equal(pages.nr_used * XEN_PAGE_SIZE, heap.held_bytes);
    end();
}

static void memory_that_is_not_there_is_null(void **state)
{
    void **list = NULL, **block;

    (void)state;
    begin();
    assert_null(heap_alloc(&heap, SIZE_MAX));
    assert_null(heap_alloc(&heap, SIZE_MAX - 4096));
    assert_null(heap_alloc(&heap, 1ul << 40));
    assert_null(heap_aligned(&heap, 48, 8));
    assert_null(heap_aligned(&heap, 8192, 8));
    assert_int_equal(heap.failures, 5);
    while ((block = heap_alloc(&heap, sizeof(block)))) {
        *block = list;
        list = block;
    }
    assert_int_equal(heap.failures, 6);
    assert_int_equal(pages_available(&pages), 0);
    while ((block = list)) {
        list = *block;
        heap_free(&heap, block);
    }
    end();
}

static void alignment_is_given_up_to_a_page(void **state)
{
    (void)state;
    begin();
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        void *block = heap_aligned(&heap, alignment, 100);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % alignment, 0);
        memset(block, 1, heap_bytes(block));
        heap_free(&heap, block);
    }
    end();
}

static void resizing_keeps_the_contents(void **state)
{
    char *block, *same;

    (void)state;
    begin();
    block = heap_resize(&heap, NULL, 10);
    strcpy(block, "123456789");
    same = heap_resize(&heap, block, 12);
    assert_ptr_equal(same, block);
    block = heap_resize(&heap, block, 5000);
    assert_string_equal(block, "123456789");
    assert_null(heap_resize(&heap, block, SIZE_MAX / 2));
    block = heap_resize(&heap, block, 10);
    assert_string_equal(block, "123456789");
    assert_true(heap_bytes(block) < 100);
    heap_free(&heap, block);
    end();
}

/* What lies before free pages grows there: nothing is copied. */
static void a_large_block_grows_where_it_is(void **state)
{
    char *block, *same, *other;
    size_t bytes = 5000;

    (void)state;
    begin();
    block = heap_alloc(&heap, bytes);
    memset(block, 0x5a, bytes);
    for (; bytes < 1000000; bytes += 5000) {
        same = heap_resize(&heap, block, bytes);
        assert_ptr_equal(same, block);
        memset(block + bytes - 5000, 0x5a, 5000);
    }
    other = heap_alloc(&heap, 5000);
    assert_int_equal(heap.held_bytes, pages.nr_used * XEN_PAGE_SIZE);
    assert_int_equal(heap.used_bytes, heap_bytes(block) + heap_bytes(other) +
                                          2 * 64); /* and their heads */
    same = heap_resize(&heap, block, 1100000);     /* `other` is in the way */
    assert_ptr_not_equal(same, block);
    for (size_t i = 0; i < 400000; i++)
        assert_int_equal(same[i], 0x5a);
    assert_null(heap_resize(&heap, same, SIZE_MAX - 100));
    assert_null(heap_resize(&heap, same, 1ul << 40));
    heap_free(&heap, same);
    heap_free(&heap, other);
    end();
}

/* ---- Misuse ends the guest. */

static void freeing_twice_is_the_end(void **state)
{
    char *block, *other, *large;

    (void)state;
    begin();
    block = heap_alloc(&heap, 30);
    other = heap_alloc(&heap, 30);
    large = heap_alloc(&heap, 5000);
    heap_free(&heap, block);
    assert_int_equal(fake_shutdown_of(heap_free(&heap, block)), SHUTDOWN_crash);
    assert_int_equal(fake_shutdown_of(heap_free(&heap, other + 16)),
                     SHUTDOWN_crash);
    assert_int_equal(fake_shutdown_of(heap_free(&heap, large + 16)),
                     SHUTDOWN_crash);
    heap_free(&heap, other);
    heap_free(&heap, large);
    end();
}

/* ---- A random life */

#define LIFE_STEPS  30000
#define LIFE_BLOCKS 300

struct block {
    unsigned char *at, fill;
    size_t bytes;
};

static size_t random_bytes_wanted(void)
{
    return fake_chance(90) ? fake_random_below(2100) : fake_random_below(20000);
}

static void check(const struct block *block)
{
    for (size_t i = 0; i < block->bytes; i++)
        assert_int_equal(block->at[i], block->fill);
}

static void take(struct block *block)
{
    block->bytes = random_bytes_wanted();
    block->fill = (unsigned char)fake_random_below(256);
    block->at = heap_alloc(&heap, block->bytes);
    if (block->at)
        memset(block->at, block->fill, block->bytes);
}

static void change(struct block *block)
{
    size_t bytes = random_bytes_wanted();
    unsigned char *moved = heap_resize(&heap, block->at, bytes);

    if (!moved)
        return;
    block->at = moved;
    block->bytes = bytes < block->bytes ? bytes : block->bytes;
    check(block);
    memset(block->at, block->fill, bytes);
    block->bytes = bytes;
}

static void random_life_keeps_every_byte(void **state)
{
    static struct block blocks[LIFE_BLOCKS];

    (void)state;
    begin();
    memset(blocks, 0, sizeof(blocks));
    for (unsigned i = 0; i < LIFE_STEPS; i++) {
        struct block *block = &blocks[fake_random_below(LIFE_BLOCKS)];

        if (!block->at) {
            take(block);
        } else if (fake_chance(30)) {
            change(block);
        } else {
            check(block);
            heap_free(&heap, block->at);
            block->at = NULL;
        }
    }
    for (unsigned i = 0; i < LIFE_BLOCKS; i++)
        heap_free(&heap, blocks[i].at);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(a_block_has_room_and_alignment),
        test_on_fake(what_is_freed_goes_back_to_the_pages),
        test_on_fake(memory_that_is_not_there_is_null),
        test_on_fake(alignment_is_given_up_to_a_page),
        test_on_fake(resizing_keeps_the_contents),
        test_on_fake(a_large_block_grows_where_it_is),
        test_on_fake(freeing_twice_is_the_end),
        test_on_fake(random_life_keeps_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
