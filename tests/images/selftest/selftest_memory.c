/* SPDX-License-Identifier: MIT */
/*
 * malloc, the page allocator and the grant table, on memory that is mapped on
 * first use, down to the last page.
 */
#include "tests/images/selftest/selftest.h"
#include "libc/libc.h"
#include "xen/abi.h"
#include "xen/bus/gnttab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Empty pages that malloc keeps: one of each of its sizes. */
#define MALLOC_KEEPS 20

/* ---- Random numbers: repeatable, unlike app->random */

static uint32_t chance_state;

static uint32_t chance(uint32_t below)
{
    chance_state = chance_state * 1664525 + 1013904223; /* Numerical Recipes */
    return (uint32_t)((uint64_t)chance_state * below >> 32);
}

static void chance_seed(struct app *app)
{
    uint64_t seed = 1;

    if (options_number(app->options, "seed", 0, UINT32_MAX, &seed) < 0)
        seed = 1;
    chance_state = (uint32_t)seed;
    printf("# seed=%u\n", (unsigned)chance_state);
}

/* ---- malloc */

#define NR_BLOCKS 256
#define NR_STEPS  20000

static struct block {
    unsigned char *bytes;
    size_t len;
    unsigned char mark;
} blocks[NR_BLOCKS];

static size_t chance_size(void)
{
    switch (chance(8)) {
    case 0:
        return chance(20000);
    case 1:
        return chance(4096);
    default:
        return chance(256);
    }
}

static bool is_intact(const struct block *block, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (block->bytes[i] != block->mark)
            return false;
    }
    return true;
}

static void mark_block(struct block *block)
{
    block->mark = (unsigned char)chance(256);
    memset(block->bytes, block->mark, block->len);
}

/* Allocate, grow, shrink or free one block; false: its contents were lost. */
static bool change_block(struct block *block)
{
    size_t len = chance_size();
    unsigned char *bytes;

    if (block->bytes && !is_intact(block, block->len))
        return false;
    if (block->bytes && chance(2)) {
        free(block->bytes);
        block->bytes = NULL;
        return true;
    }
    bytes = realloc(block->bytes, len);
    if (!bytes)
        return true; /* short of memory: the old block stays */
    block->bytes = bytes;
    if (!is_intact(block, block->len < len ? block->len : len) && block->len)
        return false;
    block->len = len;
    mark_block(block);
    return true;
}

static void free_blocks(void)
{
    for (unsigned i = 0; i < NR_BLOCKS; i++) {
        free(blocks[i].bytes);
        blocks[i] = (struct block){NULL, 0, 0};
    }
}

/* Blocks of all sizes are allocated and freed; none overwrites another; all
 * pages are returned. */
static const char *check_malloc(struct app *app)
{
    unsigned long used = app->pages->nr_used;
    struct libc_heap before, after;

    chance_seed(app);
    libc_heap(&before);
    for (unsigned i = 0; i < NR_STEPS; i++) {
        struct block *block = &blocks[chance(NR_BLOCKS)];

        if (!block->bytes)
            block->len = 0;
        must(change_block(block));
    }
    free_blocks();
    libc_heap(&after);
    must(after.used_bytes == before.used_bytes);
    must(app->pages->nr_used <= used + MALLOC_KEEPS);
    return NULL;
}

/* Allocate until there is no more, and free it all. */
static const char *check_malloc_exhaustion(struct app *app)
{
    unsigned long used = app->pages->nr_used;
    struct link {
        struct link *next;
        char rest[992];
    } *list = NULL, *link;
    volatile size_t huge = SIZE_MAX; /* the compiler would refuse it */
    unsigned nr = 0;

    must(!malloc(huge) && !malloc(huge / 2) && !calloc(huge, 2));
    while ((link = malloc(sizeof(*link)))) {
        memset(link, 0xa5, sizeof(*link));
        link->next = list;
        list = link;
        nr++;
    }
    printf("# %u blocks of %zu bytes\n", nr, sizeof(*link));
    for (; list; list = link) {
        link = list->next;
        must(!memcmp(list->rest, "\xa5\xa5\xa5\xa5", 4));
        free(list);
    }
    must(nr > 100);
    must(app->pages->nr_used <= used + MALLOC_KEEPS);
    link = malloc(sizeof(*link));
    must(link);
    free(link);
    return NULL;
}

/* ---- Pages */

/* Each page gets its own identity at both ends; a page that was given out twice
 * would show. */
struct page {
    struct page *next, *self;
    char rest[XEN_PAGE_SIZE - 3 * sizeof(void *)];
    struct page *end;
};

static struct page *take_all(struct app *app, unsigned long *nr)
{
    struct page *list = NULL, *page;

    for (*nr = 0; (page = page_alloc(app->pages, 1)); ++*nr) {
        page->next = list;
        page->self = page->end = page;
        list = page;
    }
    return list;
}

static unsigned long give_all(struct app *app, struct page *list)
{
    unsigned long good = 0;

    while (list) {
        struct page *next = list->next;

        good += list->self == list && list->end == list;
        page_free(app->pages, list, 1);
        list = next;
    }
    return good;
}

static const char *check_pages(struct app *app)
{
    unsigned long there = pages_available(app->pages), nr, again;
    unsigned long used = app->pages->nr_used;

    must(give_all(app, take_all(app, &nr)) == nr);
    printf("# %lu of %lu pages\n", nr, there);
    /* The reported free pages can all be allocated, except for page tables and
     * the bitmap: less than one page in a hundred. */
    must(nr <= there && nr >= there - there / 100 - 2);
    must(app->pages->nr_used == used);
    must(give_all(app, take_all(app, &again)) == again);
    must(again == nr);
    return NULL;
}

/* Half of all memory in one run, after it was handed out page by page. */
static const char *check_pages_run(struct app *app)
{
    unsigned long nr = pages_available(app->pages) / 2, n;
    void *run;

    must(give_all(app, take_all(app, &n)) == n);
    run = page_alloc_zeroed(app->pages, nr);
    must(run);
    for (unsigned long i = 0; i < nr * XEN_PAGE_SIZE / sizeof(uint64_t); i++)
        must(((uint64_t *)run)[i] == 0);
    page_free(app->pages, run, nr);
    must(!page_alloc(app->pages, pages_available(app->pages) + 1));
    return NULL;
}

/* ---- Grants */

#define REFS_PER_FRAME (XEN_PAGE_SIZE / sizeof(grant_entry_v1_t))
#define NR_REFS        (4 * REFS_PER_FRAME)

/* More references than one frame of the table holds, all of them usable. */
static const char *check_grants(struct app *app)
{
    void *page = page_alloc_zeroed(app->pages, 1);
    grant_ref_t *refs = malloc(NR_REFS * sizeof(*refs));
    unsigned live = app->gnttab->nr_live;

    must(page && refs);
    for (unsigned i = 0; i < NR_REFS; i++) {
        must(!gnttab_take(app->gnttab, 0, page, &refs[i]));
        gnttab_give(app->gnttab, refs[i], true);
    }
    must(app->gnttab->nr_frames >= NR_REFS / REFS_PER_FRAME);
    for (unsigned i = 0; i < NR_REFS; i++) {
        must(!gnttab_withdraw(app->gnttab, refs[i]));
        gnttab_release(app->gnttab, refs[i]);
    }
    must(app->gnttab->nr_live == live);
    free(refs);
    page_free(app->pages, page, 1);
    return NULL;
}

/* The largest table that Xen allows, and an error instead of one more. */
static const char *check_grants_exhaustion(struct app *app)
{
    void *page = page_alloc_zeroed(app->pages, 1);
    unsigned live = app->gnttab->nr_live, nr = 0;
    grant_ref_t first = GNTTAB_NONE, ref;
    int error;

    must(page);
    while (!(error = gnttab_take(app->gnttab, 0, page, &ref))) {
        if (first == GNTTAB_NONE)
            first = ref;
        nr++;
    }
    printf("# %u references, then error %d\n", nr, error);
    must(error == -XEN_ENOSPC);
    must(nr + live <= HV_GRANT_FRAMES_MAX * REFS_PER_FRAME);
    must(nr > 4 * REFS_PER_FRAME);
    gnttab_release(app->gnttab, first);
    must(!gnttab_take(app->gnttab, 0, page, &ref) && ref == first);
    return NULL;
}

const struct selftest_check selftest_memory[] = {
    {"malloc", check_malloc, false},
    {"malloc-exhaustion", check_malloc_exhaustion, false},
    {"pages", check_pages, false},
    {"pages-run", check_pages_run, false},
    {"grants", check_grants, false},
    {"grants-exhaustion", check_grants_exhaustion, true},
    {NULL, NULL, false},
};
