/* SPDX-License-Identifier: MIT */
/* Blocks whose end shows when somebody wrote past it. */
// sources: posix/guard.c libc/heap.c kernel/page.c kernel/panic.c kernel/log.c
// sources: tests/fake/hv.c
#include "tests/unit/test.h"

#include "posix/guard.h"

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

static void all_that_was_asked_for_may_be_written(void **state)
{
    (void)state;
    begin();
    for (size_t bytes = 0; bytes < 9000; bytes += 7) {
        char *block = guard_alloc(&heap, bytes);

        assert_non_null(block);
        assert_int_equal(guard_bytes(block), bytes);
        memset(block, 0x5a, bytes);
        block = guard_resize(&heap, block, bytes / 2 + 100);
        assert_non_null(block);
        assert_int_equal(guard_bytes(block), bytes / 2 + 100);
        memset(block, 0x5b, bytes / 2 + 100);
        guard_free(&heap, block);
    }
    guard_free(&heap, guard_resize(&heap, NULL, 3));
    guard_free(&heap, NULL);
    end();
}

/* By one byte, or somewhere behind, whatever the size. */
static void a_write_past_the_end_is_the_end(void **state)
{
    (void)state;
    begin();
    for (size_t bytes = 0; bytes < 9000; bytes += 13) {
        char *block = guard_alloc(&heap, bytes), before = block[bytes];

        block[bytes] = 0;
        assert_int_equal(fake_shutdown_of(guard_free(&heap, block)),
                         SHUTDOWN_crash);
        assert_int_equal(fake_shutdown_of(guard_resize(&heap, block, 1)),
                         SHUTDOWN_crash);
        block[bytes] = before;
        memset(block + heap_bytes(block) - 8, 'x', 4);
        assert_int_equal(fake_shutdown_of(guard_free(&heap, block)),
                         SHUTDOWN_crash);
        memset(block + heap_bytes(block) - 4, 'x', 4);
        assert_int_equal(fake_shutdown_of(guard_free(&heap, block)),
                         SHUTDOWN_crash);
        heap_free(&heap, block);
    }
    end();
}

static void freeing_twice_is_the_end(void **state)
{
    char *block, *other;

    (void)state;
    begin();
    block = guard_alloc(&heap, 100);
    other = guard_alloc(&heap, 100);
    guard_free(&heap, block);
    assert_int_equal(fake_shutdown_of(guard_free(&heap, block)),
                     SHUTDOWN_crash);
    guard_free(&heap, other);
    end();
}

static void what_cannot_be_had_is_null(void **state)
{
    char *block;

    (void)state;
    begin();
    assert_null(guard_alloc(&heap, SIZE_MAX));
    assert_null(guard_alloc(&heap, SIZE_MAX - 8));
    assert_null(guard_aligned(&heap, 64, SIZE_MAX));
    block = guard_alloc(&heap, 10);
    assert_null(guard_resize(&heap, block, SIZE_MAX));
    assert_int_equal(guard_bytes(block), 10);
    guard_free(&heap, block);
    block = guard_aligned(&heap, 4096, 10);
    assert_int_equal((uintptr_t)block % 4096, 0);
    assert_int_equal(guard_bytes(block), 10);
    guard_free(&heap, block);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(all_that_was_asked_for_may_be_written),
        test_on_fake(a_write_past_the_end_is_the_end),
        test_on_fake(freeing_twice_is_the_end),
        test_on_fake(what_cannot_be_had_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
