/* SPDX-License-Identifier: MIT */
/* The page allocator, against a model that remembers every page. */
// sources: kernel/page.c tests/fake/hv.c
#include "tests/unit/test.h"

#include "kernel/page.h"

#include <limits.h>
#include <string.h>

#define FIRST 37 /* of the fake's defaults */

static void nothing_is_mapped_before_it_is_needed(void **state)
{
    struct pages pages;

    (void)state;
    pages_init(&pages);
    assert_int_equal(fake_hypercalls(), 0);
    assert_int_equal(pages_available(&pages), 1024 - FIRST);
    page_free(&pages, page_alloc(&pages, 1), 1);
    assert_int_equal(fake_calls(FAKE_MAP_PAGES), 1);
    assert_false(fake_page_is_mapped(FIRST + 64));
    assert_int_equal(pages_available(&pages), 1024 - FIRST);
}

static void lowest_pages_come_first(void **state)
{
    struct pages pages;
    void *a, *b, *c;

    (void)state;
    pages_init(&pages);
    a = page_alloc(&pages, 1);
    b = page_alloc(&pages, 3);
    c = page_alloc(&pages, 1);
    assert_int_equal(hv_page_number(a), FIRST);
    assert_int_equal(hv_page_number(b), FIRST + 1);
    assert_int_equal(hv_page_number(c), FIRST + 4);
    page_free(&pages, a, 1);
    page_free(&pages, b, 3);
    assert_ptr_equal(page_alloc(&pages, 4), a);
    page_free(&pages, a, 4);
    page_free(&pages, c, 1);
    assert_int_equal(pages.nr_used, 0);
    assert_int_equal(pages.nr_used_max, 5);
}

/* A request takes the free pages below the frontier, and maps what lacks. */
static void a_run_may_reach_over_the_frontier(void **state)
{
    struct pages pages;
    char *run;

    (void)state;
    pages_init(&pages);
    page_free(&pages, page_alloc(&pages, 5), 5);
    run = page_alloc(&pages, 1024 - FIRST);
    assert_int_equal(hv_page_number(run), FIRST);
    assert_int_equal(pages_available(&pages), 0);
    assert_null(page_alloc(&pages, 1));
    assert_int_equal(pages.failures, 1);
    page_free(&pages, run, 1024 - FIRST);
}

static void part_of_a_run_can_be_given_back(void **state)
{
    struct pages pages;
    char *run;

    (void)state;
    pages_init(&pages);
    run = page_alloc(&pages, 10);
    page_free(&pages, run + 3 * XEN_PAGE_SIZE, 2);
    assert_ptr_equal(page_alloc(&pages, 2), run + 3 * XEN_PAGE_SIZE);
    page_free(&pages, run, 10);
    assert_int_equal(pages.nr_used, 0);
}

static void a_run_grows_where_the_pages_behind_it_are_free(void **state)
{
    struct pages pages;
    char *run, *behind;

    (void)state;
    pages_init(&pages);
    run = page_alloc(&pages, 2);
    assert_true(page_extend(&pages, run, 2, 100)); /* over the frontier */
    memset(run, 1, 102 * XEN_PAGE_SIZE);
    behind = page_alloc(&pages, 1);
    assert_false(page_extend(&pages, run, 102, 1));
    page_free(&pages, behind, 1);
    assert_true(page_extend(&pages, run, 102, 1));
    assert_int_equal(pages.nr_used, 103);
    assert_false(page_extend(&pages, run, 103, ULONG_MAX / 2));
    assert_false(page_extend(&pages, run, 103, 1024 - FIRST - 103 + 1));
    assert_true(page_extend(&pages, run, 103, 1024 - FIRST - 103));
    assert_int_equal(pages_available(&pages), 0);
    assert_false(page_extend(&pages, run, 1024 - FIRST, 1));
    page_free(&pages, run, 1024 - FIRST);
    assert_int_equal(pages.nr_used, 0);
    assert_int_equal(pages.nr_used_max, 1024 - FIRST);
}

static void zeroed_pages_are_zero(void **state)
{
    struct pages pages;
    char zero[2 * XEN_PAGE_SIZE] = {0};
    char *run;

    (void)state;
    pages_init(&pages);
    for (unsigned i = 0; i < 2; i++) {
        run = page_alloc_zeroed(&pages, 2);
        assert_memory_equal(run, zero, sizeof(zero));
        memset(run, 0x5a, sizeof(zero));
        page_free(&pages, run, 2);
    }
}

static void impossible_requests_fail_and_cost_nothing(void **state)
{
    struct pages pages;

    (void)state;
    pages_init(&pages);
    assert_null(page_alloc(&pages, 1024 - FIRST + 1));
    assert_null(page_alloc(&pages, ULONG_MAX));
    assert_null(page_alloc_zeroed(&pages, 1ul << 52));
    assert_int_equal(fake_hypercalls(), 0);
    assert_int_equal(pages.failures, 3);
}

static void a_refused_mapping_is_an_error_not_a_loss(void **state)
{
    struct pages pages;
    void *run;

    (void)state;
    pages_init(&pages);
    fake_fail_call(FAKE_MAP_PAGES, 1, -XEN_ENOMEM);
    assert_null(page_alloc(&pages, 20));
    assert_int_equal(pages_available(&pages), 1024 - FIRST);
    run = page_alloc(&pages, 20);
    assert_non_null(run);
    page_free(&pages, run, 20);
}

static void misuse_is_an_assert(void **state)
{
    struct pages pages;
    char *run;

    (void)state;
    pages_init(&pages);
    run = page_alloc(&pages, 2);
    page_free(&pages, run, 1);
    assert_true(fake_asserts(page_free(&pages, run, 1)));
    assert_true(fake_asserts(page_free(&pages, run + 1, 1)));
    assert_true(fake_asserts(page_free(&pages, run - XEN_PAGE_SIZE, 1)));
    assert_true(fake_asserts(page_free(&pages, run, 1024)));
    assert_true(fake_asserts(page_alloc(&pages, 0)));
    page_free(&pages, run + XEN_PAGE_SIZE, 1);
}

/* ---- The bitmap outgrows struct pages, and then its pages. */

/* 2 GiB would take as many tests to fill; a bitmap that is nearly full is
 * enough, and runs of thousands get there quickly. */
static void the_bitmap_grows_with_the_frontier(void **state)
{
    struct fake_config config = {.pages = FAKE_PAGES_MAX};
    struct pages pages;
    void *runs[64];
    unsigned nr = 0;

    (void)state;
    fake_start(&config);
    pages_init(&pages);
    while (nr < array_size(runs) && (runs[nr] = page_alloc(&pages, 1500)))
        nr++;
    assert_int_equal(nr, 43);
    assert_int_equal(pages.nr_used, 43 * 1500);
    assert_true(pages.ranges[0].bitmap_bits >= FAKE_PAGES_MAX - FIRST);
    /* The bitmap has two pages, and that it once had one is forgotten. */
    assert_int_equal(pages_available(&pages),
                     FAKE_PAGES_MAX - FIRST - 43 * 1500 - 2);
    while (nr--)
        page_free(&pages, runs[nr], 1500);
    assert_int_equal(pages.nr_used, 0);
    fake_stop();
}

static void what_was_free_stays_free_when_the_bitmap_moves(void **state)
{
    struct fake_config config = {.pages = FAKE_PAGES_MAX};
    struct pages pages;
    char *first, *more, *hole;

    (void)state;
    fake_start(&config);
    pages_init(&pages);
    first = page_alloc(&pages, 1000);
    hole = first + 10 * XEN_PAGE_SIZE;
    page_free(&pages, hole, 5);
    for (unsigned long nr = 2000; nr <= 32000; nr *= 16) {
        more = page_alloc(&pages, nr);
        assert_true(pages.ranges[0].bitmap_bits > nr);
        assert_ptr_equal(page_alloc(&pages, 5), hole);
        page_free(&pages, hole, 5);
        page_free(&pages, more, nr);
    }
    fake_stop();
}

/* One page is left, and it would take a bitmap of two to use it. */
static void a_tail_shorter_than_its_bitmap_is_lost(void **state)
{
    struct fake_config config = {.pages = FIRST + 32769};
    struct pages pages;

    (void)state;
    fake_start(&config);
    pages_init(&pages);
    assert_non_null(page_alloc(&pages, PAGES_SMALL));
    assert_non_null(page_alloc(&pages, 32768 - PAGES_SMALL - 1));
    assert_int_equal(pages_available(&pages), 1);
    assert_null(page_alloc(&pages, 1));
    fake_stop();
}

static void a_bitmap_that_cannot_grow_is_an_error(void **state)
{
    struct fake_config config = {.pages = 4096};
    struct pages pages;
    void *small, *large;

    (void)state;
    fake_start(&config);
    pages_init(&pages);
    small = page_alloc(&pages, PAGES_SMALL);
    fake_fail_call(FAKE_MAP_PAGES, 1, -XEN_ENOMEM);
    assert_null(page_alloc(&pages, 1));
    large = page_alloc(&pages, 1);
    assert_non_null(large);
    page_free(&pages, large, 1);
    page_free(&pages, small, PAGES_SMALL);
    assert_null(page_alloc(&pages, 4096 - FIRST));
    fake_stop();
}

/* All there is, page by page, whatever the memory's size. */
static void every_page_is_handed_out_once(void **state)
{
    static const unsigned long sizes[] = {38,   39,   45,   100,   1060,
                                          1061, 1062, 1070, 33829, 33840};

    (void)state;
    for (unsigned i = 0; i < array_size(sizes); i++) {
        struct fake_config config = {.pages = sizes[i]};
        unsigned long left = sizes[i] - FIRST;
        struct pages pages;
        unsigned long nr = 0;

        fake_start(&config);
        pages_init(&pages);
        while (page_alloc(&pages, 1))
            nr++;
        /* But what the bitmap takes, which is at most the half. */
        assert_int_equal(nr + (left > PAGES_SMALL) + (left > 32768), left);
        assert_int_equal(pages_available(&pages), 0);
        fake_stop();
    }
}

/* ---- Foreign pages amid the free ones: the p2m list. */

static void check_hole(unsigned long pages_all, unsigned long hole,
                       unsigned long hole_pages, unsigned long bitmap_pages)
{
    struct fake_config config = {
        .pages = pages_all, .hole = hole, .hole_pages = hole_pages};
    unsigned long nr = 0, free = pages_all - FIRST - hole_pages;
    struct pages pages;
    void *page;

    fake_start(&config);
    pages_init(&pages);
    assert_int_equal(pages_available(&pages), free);
    while ((page = page_alloc(&pages, 1))) {
        unsigned long number = hv_page_number(page);

        assert_true(number < hole || number >= hole + hole_pages);
        nr++;
    }
    assert_int_equal(nr + bitmap_pages, free);
    assert_int_equal(pages_available(&pages), 0);
    fake_stop();
}

static void a_hole_is_never_handed_out(void **state)
{
    (void)state;
    check_hole(256, 156, 3, 0);
    check_hole(256, FIRST, 3, 0);
    check_hole(256, 253, 3, 0);
    check_hole(1062, 156, 1, 0);
    check_hole(1262, 156, 20, 1);
    check_hole(8192, 156, 2000, 1);
    check_hole(40000, 35000, 100, 3);
}

static void ranges_are_not_joined_over_a_hole(void **state)
{
    struct fake_config config = {.pages = 100, .hole = 60, .hole_pages = 10};
    struct pages pages;
    char *low, *high;

    (void)state;
    fake_start(&config);
    pages_init(&pages);
    assert_int_equal(pages_available(&pages), 100 - FIRST - 10);
    assert_null(page_alloc(&pages, 31));
    high = page_alloc(&pages, 30);
    assert_int_equal(hv_page_number(high), 70);
    low = page_alloc(&pages, 23);
    assert_int_equal(hv_page_number(low), FIRST);
    assert_null(page_alloc(&pages, 1));
    assert_true(fake_asserts(page_free(&pages, low + 23 * XEN_PAGE_SIZE, 1)));
    assert_true(fake_asserts(page_free(&pages, high - XEN_PAGE_SIZE, 1)));
    assert_true(fake_asserts(page_free(&pages, low, 24)));
    page_free(&pages, low, 23);
    page_free(&pages, high, 30);
    assert_int_equal(pages_available(&pages), 100 - FIRST - 10);
    fake_stop();
}

/* ---- A random life. The model is a byte for each page. */

#define LIFE_STEPS 20000
#define LIFE_RUNS  200

struct run {
    void *at;
    unsigned long nr;
};

struct life {
    struct pages pages;
    unsigned char used[4096]; /* by page number */
    struct run runs[LIFE_RUNS];
    unsigned nr_runs;
    unsigned long nr_used;
};

static void mark(struct life *life, struct run run, unsigned char from)
{
    unsigned long page = hv_page_number(run.at);

    for (unsigned long i = page; i < page + run.nr; i++) {
        assert_int_equal(life->used[i], from);
        life->used[i] = !from;
    }
}

/* Is there a run that the model has free? */
static bool has_room(const struct life *life, unsigned long nr)
{
    unsigned long length = 0;

    for (unsigned long i = FIRST; i < hv_info()->nr_pages; i++) {
        length = life->used[i] ? 0 : length + 1;
        if (length == nr)
            return true;
    }
    return false;
}

static void life_alloc(struct life *life)
{
    unsigned long nr = 1 + (fake_chance(70) ? 0 : fake_random_below(60));
    struct run run = {page_alloc(&life->pages, nr), nr};

    if (!run.at) {
        assert_false(has_room(life, nr));
        return;
    }
    mark(life, run, 0);
    memset(run.at, 0xee, nr * XEN_PAGE_SIZE);
    life->runs[life->nr_runs++] = run;
    life->nr_used += nr;
}

static void life_free(struct life *life)
{
    struct run *run = &life->runs[fake_random_below(life->nr_runs)];
    unsigned long nr =
        fake_chance(50) ? run->nr : 1 + fake_random_below(run->nr);
    struct run part = {run->at, nr};

    mark(life, part, 1);
    page_free(&life->pages, part.at, nr);
    life->nr_used -= nr;
    run->at = (char *)run->at + nr * XEN_PAGE_SIZE;
    run->nr -= nr;
    if (run->nr == 0)
        *run = life->runs[--life->nr_runs];
}

static void live(struct life *life, const struct fake_config *config)
{
    fake_start(config);
    memset(life, 0, sizeof(*life));
    memset(life->used + config->hole, 1, config->hole_pages);
    pages_init(&life->pages);
    for (unsigned i = 0; i < LIFE_STEPS; i++) {
        bool alloc = fake_chance((i / 500) % 2 ? 60 : 40);

        if (alloc && life->nr_runs < LIFE_RUNS)
            life_alloc(life);
        else if (life->nr_runs)
            life_free(life);
        assert_int_equal(life->pages.nr_used, life->nr_used);
        assert_int_equal(fake_pages_out(), life->nr_used);
    }
    while (life->nr_runs)
        life_free(life);
    assert_int_equal(life->pages.nr_used, 0);
    fake_stop();
}

static void random_life_against_a_model(void **state)
{
    static const struct fake_config configs[] = {
        {.pages = 200},
        {.pages = 200, .hole = FIRST, .hole_pages = 13},
        {.pages = 300, .hole = 101, .hole_pages = 64},
        {.pages = PAGES_SMALL + FIRST},
    };
    static struct life life;

    (void)state;
    for (unsigned i = 0; i < array_size(configs); i++)
        live(&life, &configs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(nothing_is_mapped_before_it_is_needed),
        test_on_fake(lowest_pages_come_first),
        test_on_fake(a_run_may_reach_over_the_frontier),
        test_on_fake(part_of_a_run_can_be_given_back),
        test_on_fake(a_run_grows_where_the_pages_behind_it_are_free),
        test_on_fake(zeroed_pages_are_zero),
        test_on_fake(impossible_requests_fail_and_cost_nothing),
        test_on_fake(a_refused_mapping_is_an_error_not_a_loss),
        test_on_fake(misuse_is_an_assert),
        cmocka_unit_test(the_bitmap_grows_with_the_frontier),
        cmocka_unit_test(what_was_free_stays_free_when_the_bitmap_moves),
        cmocka_unit_test(a_tail_shorter_than_its_bitmap_is_lost),
        cmocka_unit_test(a_bitmap_that_cannot_grow_is_an_error),
        cmocka_unit_test(every_page_is_handed_out_once),
        cmocka_unit_test(a_hole_is_never_handed_out),
        cmocka_unit_test(ranges_are_not_joined_over_a_hole),
        cmocka_unit_test(random_life_against_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
