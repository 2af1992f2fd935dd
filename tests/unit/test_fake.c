/* SPDX-License-Identifier: MIT */
/* The fake Xen keeps its own promises. */
// sources: tests/fake/hv.c kernel/page.c kernel/loop.c xen/evtchn.c
#include "tests/unit/test.h"

#include "kernel/loop.h"
#include "kernel/page.h"
#include "xen/evtchn.h"

#include <assert.h>
#include <limits.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

#define DOM 7

/* ---- Time and sleep */

static void poll_sleeps_until_the_deadline(void **state)
{
    (void)state;
    hv_poll(NULL, 0, fake_now() + 5000);
    assert_int_equal(fake_now(), UINT64_C(1000005000));
    assert_int_equal(hv_now_ns(), UINT64_C(1000005000));
    hv_poll(NULL, 0, 0);
    assert_int_equal(fake_now(), UINT64_C(1000005000));
}

static void note_time(void *arg)
{
    *(uint64_t *)arg = fake_now();
}

static void scheduled_events_run_in_order(void **state)
{
    uint64_t start = fake_now(), a = 0, b = 0, c = 0;

    (void)state;
    fake_at(start + 300, note_time, &a);
    fake_at(start + 100, note_time, &b);
    fake_at(start + 900, note_time, &c);
    hv_poll(NULL, 0, start + 500);
    assert_int_equal(a, start + 300);
    assert_int_equal(b, start + 100);
    assert_int_equal(c, 0);
    assert_int_equal(fake_now(), start + 500);
    hv_poll(NULL, 0, start + 900);
    assert_int_equal(c, start + 900);
}

static bool count_down(void *arg)
{
    unsigned *left = arg;

    if (*left == 0)
        return false;
    --*left;
    return true;
}

static void steps_run_until_they_rest(void **state)
{
    unsigned left = 10;
    uint64_t start = fake_now();

    (void)state;
    fake_add_backend(count_down, &left);
    hv_poll(NULL, 0, start + NS_PER_S);
    assert_int_equal(left, 0);
    assert_int_equal(fake_now(), start + NS_PER_S);
    left = 10;
    fake_run_backends();
    assert_int_equal(left, 0);
    fake_remove_backend(count_down, &left);
    left = 3;
    hv_poll(NULL, 0, 0);
    assert_int_equal(left, 3);
    assert_true(fake_fails(fake_remove_backend(count_down, &left)));
}

static bool notify_once(void *arg)
{
    evtchn_port_t *port = arg;

    if (*port == 0)
        return false;
    fake_evtchn_notify(*port);
    *port = 0;
    return true;
}

static void a_notification_ends_a_sleep(void **state)
{
    evtchn_port_t ports[] = {FAKE_STORE_PORT, FAKE_CONSOLE_PORT};
    evtchn_port_t port = FAKE_CONSOLE_PORT;
    uint64_t start = fake_now();

    (void)state;
    fake_add_backend(notify_once, &port);
    hv_poll(ports, 2, UINT64_MAX);
    assert_true(evtchn_is_pending(FAKE_CONSOLE_PORT));
    assert_true(fake_now() - start < NS_PER_MS);
    /* Pending still: no sleep, whatever the deadline. */
    start = fake_now();
    hv_poll(ports, 2, UINT64_MAX);
    assert_int_equal(fake_now(), start);
    /* But not for who polls another port. */
    hv_poll(ports, 1, start + 50);
    assert_int_equal(fake_now(), start + 50);
}

static bool never_rests(void *arg)
{
    (void)arg;
    return true;
}

static void dead_ends_fail(void **state)
{
    evtchn_port_t port = FAKE_STORE_PORT, closed = 99;

    (void)state;
    assert_true(fake_fails(hv_poll(&port, 1, UINT64_MAX)));
    assert_true(fake_fails(hv_poll(&closed, 1, 0)));
    assert_true(fake_fails(hv_poll(&port, HV_POLL_PORTS_MAX + 1, 0)));
    fake_add_backend(never_rests, NULL);
    assert_true(fake_fails(hv_poll(&port, 1, UINT64_MAX)));
    assert_true(fake_fails(fake_run_backends()));
    assert_true(fake_fails(({
        while (hv_now_ns())
            continue;
    })));
}

static void a_limit_ends_every_sleep(void **state)
{
    uint64_t start = fake_now();

    (void)state;
    fake_set_limit(start + 10);
    hv_poll(NULL, 0, UINT64_MAX);
    assert_int_equal(fake_now(), start + 10);
    hv_poll(NULL, 0, UINT64_MAX);
    assert_int_equal(fake_now(), start + 10);
}

static void helpers_turn_the_loop(void **state)
{
    struct loop loop;
    uint64_t start = fake_now(), seen = 0;

    (void)state;
    loop_init(&loop);
    fake_at(start + 70, note_time, &seen);
    fake_run_until(&loop, seen != 0, NS_PER_S);
    assert_in_range(fake_now(), start + 70, start + NS_PER_S);
    start = fake_now();
    fake_run_for(&loop, 1000);
    assert_int_equal(fake_now(), start + 1000);
    assert_true(fake_fails(({ fake_run_until(&loop, seen == 0, 1000); })));
}

static void clock_reads_can_take_time(void **state)
{
    struct fake_config config = {.tick_ns = 10, .start_ns = 5000};

    (void)state;
    fake_start(&config);
    assert_int_equal(hv_now_ns(), 5010);
    assert_int_equal(hv_now_ns(), 5020);
    assert_int_equal(hv_wall_base_ns(), UINT64_C(1767225600000000000));
    fake_stop();
}

static void count_call(void *arg)
{
    ++*(unsigned *)arg;
}

static void scribblers_run_on_every_entry(void **state)
{
    uint64_t bits;
    unsigned nr = 0;

    (void)state;
    fake_scribble(count_call, &nr);
    (void)hv_now_ns();
    hv_poll(NULL, 0, 0);
    assert_true(hv_random(&bits));
    assert_int_equal(nr, 3);
    fake_scribble(NULL, NULL);
    hv_poll(NULL, 0, 0);
    assert_int_equal(nr, 3);
}

/* ---- Event channels */

static void a_ports_life(void **state)
{
    evtchn_port_t port, again;

    (void)state;
    assert_int_equal(hv_evtchn_alloc_unbound(DOM, &port), 0);
    assert_int_equal(fake_open_ports(), 3);
    hv_evtchn_notify(port); /* nobody there: no error */
    assert_false(fake_evtchn_notify(port));
    assert_int_equal(fake_evtchn_bind(DOM + 1, port), -XEN_EINVAL);
    assert_int_equal(fake_evtchn_bind(DOM, port), 0);
    assert_int_equal(fake_evtchn_bind(DOM, port), -XEN_EINVAL);
    assert_false(fake_evtchn_take(port));
    hv_evtchn_notify(port);
    assert_true(fake_evtchn_take(port));
    assert_false(fake_evtchn_take(port));
    fake_evtchn_unbind(port);
    hv_evtchn_notify(port);
    assert_int_equal(fake_evtchn_bind(DOM, port), 0);
    assert_false(fake_evtchn_take(port));
    assert_true(evtchn_is_pending(port));
    hv_evtchn_close(port);
    /* Closing clears; the number comes back at once, as in Xen. */
    assert_false(evtchn_is_pending(port));
    assert_false(fake_evtchn_notify(port));
    assert_int_equal(hv_evtchn_alloc_unbound(DOM, &again), 0);
    assert_int_equal(again, port);
    assert_true(fake_fails(fake_check_clean()));
    hv_evtchn_close(port);
    assert_true(fake_fails(hv_evtchn_close(port)));
    assert_true(fake_fails(hv_evtchn_notify(port)));
}

/* ---- Grants, without xen/bus/gnttab.c between */

static grant_entry_v1_t *entry_for(char *page, grant_ref_t ref)
{
    grant_entry_v1_t *table;

    assert_int_equal(hv_grant_frames(1, &table), 0);
    table[ref].domid = DOM;
    table[ref].frame = hv_page_frame(page);
    table[ref].flags = GTF_permit_access;
    return &table[ref];
}

static void xens_bits_follow_the_mappings(void **state)
{
    struct pages pages;
    grant_entry_v1_t *entry;
    char *page;

    (void)state;
    pages_init(&pages);
    page = page_alloc_zeroed(&pages, 1);
    entry = entry_for(page, 9);
    assert_ptr_equal(fake_map_grant(DOM, 9, false), page);
    assert_int_equal(entry->flags, GTF_permit_access | GTF_reading);
    assert_ptr_equal(fake_map_grant(DOM, 9, true), page);
    assert_int_equal(entry->flags,
                     GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(fake_maps(), 2);
    assert_true(fake_fails(fake_check_clean()));
    fake_unmap_grant(9, false);
    assert_int_equal(entry->flags,
                     GTF_permit_access | GTF_reading | GTF_writing);
    fake_unmap_grant(9, true);
    assert_int_equal(entry->flags, GTF_permit_access);
    assert_true(fake_fails(fake_unmap_grant(9, true)));
    assert_int_equal(fake_live_grants(), 1);
    assert_true(fake_fails(fake_check_clean()));
    entry->flags = 0;
    page_free(&pages, page, 1);
}

static void xen_refuses_what_was_not_granted(void **state)
{
    struct pages pages;
    grant_entry_v1_t *entry;
    char *page;

    (void)state;
    assert_null(fake_map_grant(DOM, 9, false)); /* no table at all */
    pages_init(&pages);
    page = page_alloc_zeroed(&pages, 1);
    entry = entry_for(page, 9);
    assert_null(fake_map_grant(DOM + 1, 9, false));
    assert_null(fake_map_grant(DOM, 10, false));
    assert_null(fake_map_grant(DOM, 512, false));
    assert_null(fake_map_grant(DOM, GTF_invalid, false));
    entry->flags = GTF_permit_access | GTF_readonly;
    assert_null(fake_map_grant(DOM, 9, true));
    entry->flags = GTF_accept_transfer;
    assert_null(fake_map_grant(DOM, 9, false));
    entry->flags = GTF_permit_access | GTF_sub_page;
    assert_null(fake_map_grant(DOM, 9, false));
    entry->flags = GTF_permit_access;
    entry->frame++;
    assert_null(fake_map_grant(DOM, 9, false)); /* the image's last page */
    entry->flags = 0;
    page_free(&pages, page, 1);
}

static void copies_stay_inside_the_page(void **state)
{
    struct pages pages;
    grant_entry_v1_t *entry;
    char *page, bytes[4] = "abc";

    (void)state;
    pages_init(&pages);
    page = page_alloc_zeroed(&pages, 1);
    entry = entry_for(page, 9);
    assert_int_equal(fake_copy_to_grant(DOM, 9, 4092, bytes, 4), GNTST_okay);
    assert_string_equal(page + 4092, "abc");
    assert_int_equal(fake_copy_to_grant(DOM, 9, 4093, bytes, 4),
                     GNTST_bad_copy_arg);
    assert_int_equal(fake_copy_from_grant(DOM, 9, UINT32_MAX, bytes, 4),
                     GNTST_bad_copy_arg);
    assert_int_equal(fake_copy_from_grant(DOM, 9, 0, bytes, 4), GNTST_okay);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(fake_copy_from_grant(DOM, 8, 0, bytes, 4),
                     GNTST_general_error);
    assert_int_equal(fake_copy_from_grant(DOM, 5000, 0, bytes, 4),
                     GNTST_bad_gntref);
    entry->flags = 0;
    page_free(&pages, page, 1);
}

/* docs/hardening.md, A8, for every test that ever frees a page. */
static void freeing_a_shared_page_fails_the_test(void **state)
{
    struct pages pages;
    grant_entry_v1_t *entry;
    char *page;

    (void)state;
    pages_init(&pages);
    page = page_alloc_zeroed(&pages, 3);
    entry = entry_for(page + XEN_PAGE_SIZE, 9);
    assert_true(fake_fails(page_free(&pages, page, 3)));
    assert_ptr_equal(page_alloc(&pages, 3), page);
    assert_non_null(fake_map_grant(DOM, 9, false));
    entry->flags = 0; /* by force, while it is mapped */
    assert_true(fake_fails(page_free(&pages, page, 3)));
    fake_unmap_grant(9, false);
}

/* ---- Pages */

static bool is_poisoned(const char *page)
{
    return __asan_address_is_poisoned(page) &&
           __asan_address_is_poisoned(page + XEN_PAGE_SIZE - 1);
}

static void pages_that_are_not_out_are_poisoned(void **state)
{
    struct pages pages;
    char *page, *two;

    (void)state;
    pages_init(&pages);
    assert_true(is_poisoned(hv_page_address(37)));
    page = page_alloc(&pages, 1);
    assert_ptr_equal(page, hv_page_address(37));
    assert_false(is_poisoned(page));
    assert_int_equal((unsigned char)page[0], 0xa5);
    two = page_alloc_zeroed(&pages, 2);
    assert_int_equal(fake_pages_out(), 3);
    page_free(&pages, page, 1);
    page_free(&pages, two, 1);
    assert_true(is_poisoned(page));
    assert_true(is_poisoned(two));
    assert_false(is_poisoned(two + XEN_PAGE_SIZE));
    two = page_alloc_zeroed(&pages, 1);
    assert_ptr_equal(two, page);
    assert_false(is_poisoned(page));
    assert_int_equal(page[0], 0);
    assert_true(is_poisoned(hv_page_address(1023)));
    assert_int_equal(fake_pages_out(), 2);
}

static void pages_and_frames_are_not_the_same(void **state)
{
    unsigned long first, end;

    (void)state;
    assert_true(hv_free_range(0, &first, &end));
    assert_int_equal(first, 37);
    assert_int_equal(end, 1024);
    assert_false(hv_free_range(1, &first, &end));
    assert_true(fake_fails(hv_page_frame(hv_page_address(37))));
    assert_int_equal(hv_map_pages(37, 2), 0);
    assert_int_equal(hv_page_frame(hv_page_address(37)),
                     hv_page_frame(hv_page_address(38)) + 1);
    assert_int_equal(hv_page_number(hv_page_address(38)), 38);
    assert_true(fake_fails(hv_page_address(1024)));
    assert_true(fake_fails(hv_page_number(&first)));
    assert_true(fake_fails(hv_page_frame((char *)hv_page_address(38) + 1)));
}

static void mapping_twice_or_out_of_bounds_fails(void **state)
{
    int error = 0;

    (void)state;
    assert_int_equal(hv_map_pages(100, 2), 0);
    assert_true(fake_fails(error = hv_map_pages(101, 1)));
    assert_true(fake_fails(error = hv_map_pages(36, 2)));
    assert_true(fake_fails(error = hv_map_pages(1023, 2)));
    assert_true(fake_fails(error = hv_map_pages(200, 0)));
    assert_true(fake_fails(error = hv_map_pages(200, ULONG_MAX)));
    assert_int_equal(error, 0);
}

/* ---- Failing on command, counting, ending */

static void the_nth_call_fails(void **state)
{
    evtchn_port_t port;

    (void)state;
    fake_fail_call(FAKE_ALLOC_UNBOUND, 2, -XEN_ENOSPC);
    assert_int_equal(hv_evtchn_alloc_unbound(0, &port), 0);
    assert_int_equal(hv_evtchn_alloc_unbound(0, &port), -XEN_ENOSPC);
    hv_evtchn_close(port);
    assert_int_equal(hv_evtchn_alloc_unbound(0, &port), 0);
    hv_evtchn_close(port);
    fake_fail_call(FAKE_ALLOC_UNBOUND, 0, -XEN_EPERM);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(hv_evtchn_alloc_unbound(0, &port), -XEN_EPERM);
    fake_fail_none();
    assert_int_equal(hv_evtchn_alloc_unbound(0, &port), 0);
    hv_evtchn_close(port);
    assert_int_equal(fake_calls(FAKE_ALLOC_UNBOUND), 7);
    assert_int_equal(fake_hypercalls(), 10);
}

static void entropy_can_run_dry(void **state)
{
    uint64_t a, b;

    (void)state;
    assert_true(hv_random(&a));
    assert_true(hv_random(&b));
    assert_int_not_equal(a, b);
    fake_fail_call(FAKE_RANDOM, 1, -1);
    assert_false(hv_random(&a));
    assert_true(hv_random(&a));
    assert_int_equal(fake_hypercalls(), 0);
}

static void ends_are_caught(void **state)
{
    int reached = 0;

    (void)state;
    assert_int_equal(fake_shutdown_of(hv_shutdown(SHUTDOWN_crash)),
                     SHUTDOWN_crash);
    assert_int_equal(fake_shutdown_of(hv_shutdown(SHUTDOWN_poweroff)),
                     SHUTDOWN_poweroff);
    assert_int_equal(fake_shutdown_of(reached = 1), -1);
    assert_int_equal(reached, 1);
    assert_true(fake_fails(hv_shutdown(SHUTDOWN_reboot)));
    assert_true(fake_asserts(assert(reached == 0)));
    assert_false(fake_asserts(assert(reached == 1)));
    assert_true(fake_fails(assert(reached == 0)));
    assert_false(fake_fails(reached = 2));
}

static void draw(uint64_t seed, uint64_t numbers[8])
{
    struct fake_config config = {.seed = seed};

    fake_start(&config);
    for (unsigned i = 0; i < 4; i++)
        numbers[i] = fake_random();
    for (unsigned i = 4; i < 8; i++)
        assert_true(hv_random(&numbers[i]));
    fake_stop();
}

static void a_seed_repeats(void **state)
{
    uint64_t a[8], b[8];

    (void)state;
    draw(42, a);
    draw(42, b);
    assert_memory_equal(a, b, sizeof(a));
    draw(43, b);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void a_machine_may_lack_things(void **state)
{
    struct fake_config config = {
        .no_console = true, .no_store = true, .cmdline = "a=b"};

    (void)state;
    assert_true(fake_fails((void)hv_now_ns()));
    fake_start(&config);
    assert_null(hv_info()->console_page);
    assert_null(hv_info()->store_page);
    assert_int_equal(hv_info()->console_port, 0);
    assert_int_equal(hv_info()->store_port, 0);
    assert_string_equal(hv_info()->cmdline, "a=b");
    assert_int_equal(fake_open_ports(), 0);
    fake_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(poll_sleeps_until_the_deadline),
        test_on_fake(scheduled_events_run_in_order),
        test_on_fake(steps_run_until_they_rest),
        test_on_fake(a_notification_ends_a_sleep),
        test_on_fake(dead_ends_fail),
        test_on_fake(a_limit_ends_every_sleep),
        test_on_fake(helpers_turn_the_loop),
        cmocka_unit_test(clock_reads_can_take_time),
        test_on_fake(scribblers_run_on_every_entry),
        test_on_fake(a_ports_life),
        test_on_fake(xens_bits_follow_the_mappings),
        test_on_fake(xen_refuses_what_was_not_granted),
        test_on_fake(copies_stay_inside_the_page),
        test_on_fake(freeing_a_shared_page_fails_the_test),
        test_on_fake(pages_that_are_not_out_are_poisoned),
        test_on_fake(pages_and_frames_are_not_the_same),
        test_on_fake(mapping_twice_or_out_of_bounds_fails),
        test_on_fake(the_nth_call_fails),
        test_on_fake(entropy_can_run_dry),
        test_on_fake(ends_are_caught),
        cmocka_unit_test(a_seed_repeats),
        cmocka_unit_test(a_machine_may_lack_things),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
