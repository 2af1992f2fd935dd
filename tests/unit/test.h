/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka, and the fake Xen. */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/fake.h"

/* A test that gets a fresh machine, and must leave it clean. */
#define test_on_fake(name) \
    cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

#endif
