/* SPDX-License-Identifier: MIT */
/*
 * Grant references, with the other side mapping and copying as Xen lets it.
 * The fake fails a test by itself when a page is freed while it is granted.
 */
// sources: xen/bus/gnttab.c kernel/page.c kernel/loop.c xen/evtchn.c
// sources: tests/fake/hv.c
#include "tests/unit/test.h"

#include "xen/bus/gnttab.h"

#include <string.h>

#define DOM            3 /* the backend's domain */
#define REFS_PER_FRAME 512

struct world {
    struct loop loop;
    struct pages pages;
    struct gnttab gt;
    struct gnttab_hoard hoard;
};

static void set_up(struct world *world)
{
    loop_init(&world->loop);
    pages_init(&world->pages);
    gnttab_init(&world->gt, &world->loop, &world->pages);
    gnttab_hoard_init(&world->hoard, &world->gt);
}

/* Only the tables of our own are still out. */
static void check_nothing_is_left(struct world *world)
{
    assert_int_equal(world->gt.nr_live, 0);
    assert_int_equal(world->gt.nr_parked, 0);
    assert_int_equal(world->pages.nr_used, world->gt.nr_frames);
    assert_int_equal(fake_pages_out(), world->gt.nr_frames);
    assert_int_equal(world->hoard.nr, 0);
    assert_false(world->hoard.retry.active);
    assert_false(world->gt.orphans.retry.active);
}

static char *new_page(struct world *world)
{
    char *page = page_alloc_zeroed(&world->pages, 1);

    assert_non_null(page);
    return page;
}

static grant_ref_t take(struct world *world, void *page)
{
    grant_ref_t ref = GNTTAB_NONE;

    assert_int_equal(gnttab_take(&world->gt, DOM, page, &ref), 0);
    assert_true(ref >= GNTTAB_NR_RESERVED_ENTRIES);
    return ref;
}

static void nothing_is_asked_of_xen_before_it_is_needed(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    assert_int_equal(fake_hypercalls(), 0);
    check_nothing_is_left(&w);
}

static void a_grants_life(void **state)
{
    struct world w;
    grant_ref_t ref;
    char *page, *theirs;

    (void)state;
    set_up(&w);
    page = new_page(&w);
    ref = take(&w, page);
    assert_null(fake_map_grant(DOM, ref, false)); /* taken is not given */
    strcpy(page, "from us");
    gnttab_give(&w.gt, ref, false);
    assert_null(fake_map_grant(DOM + 1, ref, false));
    theirs = fake_map_grant(DOM, ref, true);
    assert_ptr_equal(theirs, page);
    assert_string_equal(theirs, "from us");
    strcpy(theirs, "from them");
    fake_unmap_grant(ref, true);
    assert_int_equal(gnttab_withdraw(&w.gt, ref), 0);
    assert_null(fake_map_grant(DOM, ref, false));
    assert_string_equal(page, "from them");
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
    assert_int_equal(w.gt.granted, 1);
}

static void giving_and_withdrawing_need_no_hypercall(void **state)
{
    struct world w;
    unsigned long hypercalls;
    grant_ref_t ref;

    (void)state;
    set_up(&w);
    ref = take(&w, new_page(&w));
    hypercalls = fake_hypercalls();
    for (unsigned i = 0; i < 100; i++) {
        gnttab_give(&w.gt, ref, i % 2);
        assert_int_equal(gnttab_withdraw(&w.gt, ref), 0);
    }
    assert_int_equal(fake_hypercalls(), hypercalls);
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
}

static void readonly_means_readonly(void **state)
{
    struct world w;
    grant_ref_t ref;
    char byte = 0;

    (void)state;
    set_up(&w);
    ref = take(&w, new_page(&w));
    gnttab_give(&w.gt, ref, true);
    assert_null(fake_map_grant(DOM, ref, true));
    assert_int_not_equal(fake_copy_to_grant(DOM, ref, 0, "x", 1), GNTST_okay);
    assert_int_equal(fake_copy_from_grant(DOM, ref, 9, &byte, 1), GNTST_okay);
    assert_non_null(fake_map_grant(DOM, ref, false));
    assert_int_equal(gnttab_withdraw(&w.gt, ref), -XEN_EBUSY);
    fake_unmap_grant(ref, false);
    assert_int_equal(gnttab_withdraw(&w.gt, ref), 0);
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
}

static void a_mapped_grant_is_busy_until_its_last_unmap(void **state)
{
    struct world w;
    grant_ref_t ref;

    (void)state;
    set_up(&w);
    ref = take(&w, new_page(&w));
    gnttab_give(&w.gt, ref, false);
    assert_non_null(fake_map_grant(DOM, ref, false));
    assert_non_null(fake_map_grant(DOM, ref, true));
    assert_int_equal(gnttab_withdraw(&w.gt, ref), -XEN_EBUSY);
    fake_unmap_grant(ref, true);
    assert_int_equal(gnttab_withdraw(&w.gt, ref), -XEN_EBUSY);
    fake_unmap_grant(ref, false);
    assert_int_equal(gnttab_withdraw(&w.gt, ref), 0);
    assert_int_equal(w.gt.busy, 2);
    /* Withdrawn twice is as good as once. */
    assert_int_equal(gnttab_withdraw(&w.gt, ref), 0);
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
}

/* The reference goes back, the page stays ours. */
static void release_keeps_the_page(void **state)
{
    struct world w;
    grant_ref_t ref;
    char *page;

    (void)state;
    set_up(&w);
    page = new_page(&w);
    ref = take(&w, page);
    gnttab_give(&w.gt, ref, false);
    assert_int_equal(gnttab_withdraw(&w.gt, ref), 0);
    gnttab_release(&w.gt, ref);
    page[0] = 1;
    assert_int_equal(take(&w, page), ref);
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
}

/* ---- docs/hardening.md, A8 */

static void a8_a_page_that_is_still_mapped_is_parked(void **state)
{
    struct world w;
    grant_ref_t ref;
    char *page, *other;

    (void)state;
    set_up(&w);
    page = new_page(&w);
    ref = take(&w, page);
    gnttab_give(&w.gt, ref, false);
    assert_non_null(fake_map_grant(DOM, ref, true));
    gnttab_end(&w.hoard, ref);
    assert_int_equal(w.gt.nr_parked, 1);
    assert_int_equal(w.gt.nr_live, 1);
    other = new_page(&w);
    assert_ptr_not_equal(other, page);
    assert_int_not_equal(take(&w, other), ref);
    gnttab_end(&w.hoard, ref + 1);
    fake_run_for(&w.loop, 10 * GNTTAB_RETRY_NS);
    assert_int_equal(w.gt.nr_parked, 1);
    assert_int_equal(w.pages.nr_used, w.gt.nr_frames + 1);
    assert_in_range(w.loop.turns, 8, 13);

    fake_unmap_grant(ref, true);
    fake_run_until(&w.loop, w.gt.nr_parked == 0, 2 * GNTTAB_RETRY_NS);
    check_nothing_is_left(&w);
    assert_ptr_equal(new_page(&w), page);
}

static void a8_many_parked_pages_come_back_one_by_one(void **state)
{
    enum { NR = 20 };
    struct world w;
    grant_ref_t refs[NR];

    (void)state;
    set_up(&w);
    for (unsigned i = 0; i < NR; i++) {
        refs[i] = take(&w, new_page(&w));
        gnttab_give(&w.gt, refs[i], false);
        assert_non_null(fake_map_grant(DOM, refs[i], true));
    }
    for (unsigned i = 0; i < NR; i++)
        gnttab_end(&w.hoard, refs[i]);
    for (unsigned i = 0; i < NR; i++) {
        assert_int_equal(w.gt.nr_parked, NR - i);
        fake_unmap_grant(refs[7 * i % NR], true);
        fake_run_for(&w.loop, GNTTAB_RETRY_NS);
    }
    check_nothing_is_left(&w);
}

/* Parking more must not put off the retry. */
static void a8_retries_come_on_time(void **state)
{
    struct world w;
    grant_ref_t refs[2];

    (void)state;
    set_up(&w);
    for (unsigned i = 0; i < array_size(refs); i++) {
        refs[i] = take(&w, new_page(&w));
        gnttab_give(&w.gt, refs[i], false);
        assert_non_null(fake_map_grant(DOM, refs[i], false));
    }
    for (unsigned i = 0; i < array_size(refs); i++) {
        gnttab_end(&w.hoard, refs[i]);
        fake_unmap_grant(refs[i], false);
        fake_run_for(&w.loop, GNTTAB_RETRY_NS * 3 / 5);
    }
    check_nothing_is_left(&w);
}

/* A device's hoard is its own; what a device leaves behind is waited for when
 * the device's memory is gone. */
static void a8_each_device_has_a_hoard_of_its_own(void **state)
{
    struct world w;
    struct gnttab_hoard other;
    grant_ref_t refs[3];

    (void)state;
    set_up(&w);
    gnttab_hoard_init(&other, &w.gt);
    for (unsigned i = 0; i < array_size(refs); i++) {
        refs[i] = take(&w, new_page(&w));
        gnttab_give(&w.gt, refs[i], false);
        assert_non_null(fake_map_grant(DOM, refs[i], true));
        gnttab_end(i ? &other : &w.hoard, refs[i]);
    }
    assert_int_equal(w.hoard.nr, 1);
    assert_int_equal(other.nr, 2);
    assert_int_equal(w.gt.nr_parked, 3);

    fake_unmap_grant(refs[1], true);
    gnttab_hoard_end(&other);
    memset(&other, 0xee, sizeof(other));
    assert_int_equal(w.gt.nr_parked, 2);
    fake_run_for(&w.loop, 3 * GNTTAB_RETRY_NS);
    assert_int_equal(w.hoard.nr, 1);
    assert_int_equal(w.gt.nr_parked, 2);
    fake_unmap_grant(refs[2], true);
    fake_unmap_grant(refs[0], true);
    fake_run_for(&w.loop, 2 * GNTTAB_RETRY_NS);
    check_nothing_is_left(&w);
}

/* ---- Growing, and failing to */

static void references_are_used_again(void **state)
{
    enum { NR = 10 };
    struct world w;
    grant_ref_t refs[NR], fresh;

    (void)state;
    set_up(&w);
    for (unsigned i = 0; i < NR; i++)
        refs[i] = take(&w, new_page(&w));
    fresh = w.gt.fresh;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NR; i++)
            gnttab_end(&w.hoard, refs[i]);
        for (unsigned i = 0; i < NR; i++)
            refs[i] = take(&w, new_page(&w));
        assert_int_equal(w.gt.fresh, fresh);
    }
    for (unsigned i = 0; i < NR; i++)
        gnttab_end(&w.hoard, refs[i]);
    check_nothing_is_left(&w);
}

static void the_table_grows_to_our_own_limit(void **state)
{
    struct fake_config config = {.grant_frames = HV_GRANT_FRAMES_MAX};
    struct world w;
    char *page;
    grant_ref_t ref;
    unsigned nr = 0;
    int error;

    (void)state;
    fake_start(&config);
    set_up(&w);
    page = new_page(&w);
    while (!(error = gnttab_take(&w.gt, DOM, page, &ref)))
        nr++;
    assert_int_equal(error, -XEN_ENOSPC);
    assert_int_equal(nr, HV_GRANT_FRAMES_MAX * REFS_PER_FRAME -
                             GNTTAB_NR_RESERVED_ENTRIES);
    assert_int_equal(fake_calls(FAKE_GRANT_FRAMES), HV_GRANT_FRAMES_MAX);
    fake_stop();
}

static void reserved_references_stay_xens(void **state)
{
    struct world w;
    grant_ref_t ref;

    (void)state;
    set_up(&w);
    ref = take(&w, new_page(&w));
    for (unsigned i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
        int error = 0;

        assert_int_equal(w.gt.table[i].frame, 0);
        assert_true(fake_asserts(gnttab_give(&w.gt, i, false)));
        assert_true(fake_asserts(error = gnttab_withdraw(&w.gt, i)));
        assert_true(fake_asserts(gnttab_release(&w.gt, i)));
        assert_int_equal(error, 0);
    }
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
}

static void the_table_grows_to_xens_limit(void **state)
{
    static grant_ref_t refs[4 * REFS_PER_FRAME];
    const unsigned most = 4 * REFS_PER_FRAME - GNTTAB_NR_RESERVED_ENTRIES;
    struct world w;
    unsigned nr = 0;
    char *page;
    int error;

    (void)state;
    set_up(&w);
    page = new_page(&w);
    while (!(error = gnttab_take(&w.gt, DOM, page, &refs[nr])))
        nr++;
    assert_int_equal(error, -XEN_ENOSPC);
    assert_int_equal(nr, most);
    assert_int_equal(w.gt.nr_frames, 4);
    for (unsigned i = 0; i < nr; i++) {
        gnttab_give(&w.gt, refs[i], true);
        assert_ptr_equal(fake_map_grant(DOM, refs[i], false), page);
        fake_unmap_grant(refs[i], false);
    }
    while (nr--) {
        assert_int_equal(gnttab_withdraw(&w.gt, refs[nr]), 0);
        gnttab_release(&w.gt, refs[nr]);
    }
    page_free(&w.pages, page, 1);
    check_nothing_is_left(&w);
    assert_int_equal(fake_calls(FAKE_GRANT_FRAMES), 5);
}

static void growing_fails_cleanly(void **state)
{
    struct fake_config config = {.pages = 39, .grant_frames = 1};
    struct world w;
    grant_ref_t ref = 0;
    char *page, *other;

    (void)state;
    fake_start(&config);
    set_up(&w);
    page = new_page(&w);
    other = new_page(&w);
    assert_int_equal(gnttab_take(&w.gt, DOM, page, &ref), -XEN_ENOMEM);
    page_free(&w.pages, other, 1);
    fake_fail_call(FAKE_GRANT_FRAMES, 1, -XEN_ENOMEM);
    assert_int_equal(gnttab_take(&w.gt, DOM, page, &ref), -XEN_ENOSPC);
    assert_int_equal(w.gt.nr_live, 0);
    ref = take(&w, page);
    gnttab_end(&w.hoard, ref);
    check_nothing_is_left(&w);
    fake_check_clean();
    fake_stop();
}

static void misuse_is_an_assert(void **state)
{
    struct world w;
    grant_ref_t ref;
    int error = 0;

    (void)state;
    set_up(&w);
    ref = take(&w, new_page(&w));
    gnttab_give(&w.gt, ref, false);
    assert_true(fake_asserts(gnttab_give(&w.gt, ref, false)));
    assert_true(fake_asserts(gnttab_release(&w.gt, ref)));
    assert_true(fake_asserts(gnttab_give(&w.gt, ref + 1, false)));
    assert_true(fake_asserts(error = gnttab_withdraw(&w.gt, GNTTAB_NONE)));
    gnttab_end(&w.hoard, ref);
    assert_true(fake_asserts(gnttab_end(&w.hoard, ref)));
    assert_true(fake_asserts(gnttab_release(&w.gt, ref)));
    assert_int_equal(error, 0);
    check_nothing_is_left(&w);
}

/* ---- A random life, against a model of who may do what. */

#define LIFE_STEPS 30000
#define LIFE_MAX   1500

enum stage { FREE, TAKEN, GIVEN, MAPPED, ENDED };

struct grant {
    enum stage stage;
    grant_ref_t ref;
    char *page;
    bool readonly, write; /* given so; mapped so */
    unsigned char mark;   /* the page's first byte */
};

struct life {
    struct world w;
    struct grant grants[LIFE_MAX];
    unsigned nr_taken, nr_mapped, nr_ended;
};

static void life_take(struct life *life, struct grant *g)
{
    g->page = page_alloc_zeroed(&life->w.pages, 1);
    if (!g->page)
        return;
    if (gnttab_take(&life->w.gt, DOM, g->page, &g->ref)) {
        page_free(&life->w.pages, g->page, 1);
        return;
    }
    for (unsigned i = 0; i < LIFE_MAX; i++)
        assert_true(&life->grants[i] == g || life->grants[i].stage == FREE ||
                    life->grants[i].ref != g->ref);
    g->mark = 0;
    g->stage = TAKEN;
    life->nr_taken++;
}

static void life_map(struct grant *g)
{
    char *page;

    g->write = fake_chance(50);
    page = fake_map_grant(DOM, g->ref, g->write);
    if (g->write && g->readonly) {
        assert_null(page);
        return;
    }
    assert_ptr_equal(page, g->page);
    g->stage = MAPPED;
}

static void life_unmap(struct life *life, struct grant *g)
{
    if (g->write)
        *g->page = (char)(g->mark = (unsigned char)fake_random());
    fake_unmap_grant(g->ref, g->write);
    if (g->stage == ENDED) {
        g->stage = FREE;
        life->nr_ended--;
        fake_run_for(&life->w.loop, GNTTAB_RETRY_NS);
    } else {
        g->stage = GIVEN;
    }
}

static void life_end(struct life *life, struct grant *g)
{
    gnttab_end(&life->w.hoard, g->ref);
    life->nr_taken--;
    life->nr_ended += g->stage == MAPPED;
    g->stage = g->stage == MAPPED ? ENDED : FREE;
}

static void life_withdraw(struct life *life, struct grant *g)
{
    int error = gnttab_withdraw(&life->w.gt, g->ref);

    assert_int_equal(error, g->stage == MAPPED ? -XEN_EBUSY : 0);
    assert_true(error || (unsigned char)*g->page == g->mark);
    if (!error)
        g->stage = TAKEN;
}

static void life_step(struct life *life, struct grant *g)
{
    if (g->stage == FREE)
        life_take(life, g);
    else if (g->stage == ENDED || (g->stage == MAPPED && fake_chance(50)))
        life_unmap(life, g);
    else if (fake_chance(10))
        life_end(life, g);
    else if (g->stage == TAKEN)
        gnttab_give(&life->w.gt, g->ref, g->readonly = fake_chance(30)),
            g->stage = GIVEN;
    else if (g->stage == GIVEN && fake_chance(50))
        life_map(g);
    else
        life_withdraw(life, g);
}

static void random_life_against_a_model(void **state)
{
    static struct life life;

    (void)state;
    memset(&life, 0, sizeof(life));
    set_up(&life.w);
    for (unsigned i = 0; i < LIFE_STEPS; i++) {
        unsigned most = i % 10000 < 3000 ? 20 : LIFE_MAX;

        life_step(&life, &life.grants[fake_random_below(most)]);
        assert_int_equal(life.w.gt.nr_live, life.nr_taken + life.nr_ended);
        assert_int_equal(life.w.gt.nr_parked, life.nr_ended);
    }
    assert_true(life.w.gt.nr_frames >= 2);
    for (unsigned i = 0; i < LIFE_MAX; i++) {
        struct grant *g = &life.grants[i];

        if (g->stage == MAPPED || g->stage == ENDED)
            life_unmap(&life, g);
        if (g->stage != FREE)
            life_end(&life, g);
    }
    check_nothing_is_left(&life.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(nothing_is_asked_of_xen_before_it_is_needed),
        test_on_fake(a_grants_life),
        test_on_fake(giving_and_withdrawing_need_no_hypercall),
        test_on_fake(readonly_means_readonly),
        test_on_fake(a_mapped_grant_is_busy_until_its_last_unmap),
        test_on_fake(release_keeps_the_page),
        test_on_fake(a8_a_page_that_is_still_mapped_is_parked),
        test_on_fake(a8_many_parked_pages_come_back_one_by_one),
        test_on_fake(a8_retries_come_on_time),
        test_on_fake(a8_each_device_has_a_hoard_of_its_own),
        test_on_fake(references_are_used_again),
        cmocka_unit_test(the_table_grows_to_our_own_limit),
        test_on_fake(reserved_references_stay_xens),
        test_on_fake(the_table_grows_to_xens_limit),
        cmocka_unit_test(growing_fails_cleanly),
        test_on_fake(misuse_is_an_assert),
        test_on_fake(random_life_against_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
