/* SPDX-License-Identifier: MIT */
/* The fake Xen keeps its own promises. */
// sources: tests/fake/hv.c
#include "tests/unit/test.h"

static void poll_sleeps_until_the_deadline(void **state)
{
    (void)state;
    hv_poll(NULL, 0, fake_now() + 5000);
    assert_int_equal(fake_now(), UINT64_C(1000005000));
    assert_int_equal(hv_now_ns(), UINT64_C(1000005000));
    hv_poll(NULL, 0, 0);
    assert_int_equal(fake_now(), UINT64_C(1000005000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(poll_sleeps_until_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
