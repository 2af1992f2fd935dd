/* SPDX-License-Identifier: MIT */
/*
 * A plain C program that tests what such programs get from the guest; the tests
 * outside (tests/guest/test_posix.py) say what to do:
 *
 *     args="files /data"
 */
#include "tests/images/posixtest/posixtest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned nr_checks, nr_failed;

void check(bool ok, const char *what)
{
    int error = errno;

    nr_checks++;
    nr_failed += !ok;
    printf("%sok %u - %s", ok ? "" : "not ", nr_checks, what);
    if (!ok)
        printf(" # errno %d, %s", error, strerror(error));
    printf("\n");
}

static const struct command commands[] = {
    {"basics", run_basics},
    {"arguments", run_arguments},
    {"lines", run_lines},
    {"exit", run_exit},
    {"abort", run_abort},
    {"signals", run_signals},
    {"read", run_read_tree},
    {"echo", run_echo},
    {"get", run_get},
    {"socket-errors", run_socket_errors},
    {"interfaces", run_interfaces},
    {"system", run_system},
    {"world", run_world},
    {"err", run_err},
    {"overflow", run_overflow},
    {"write", run_write_tree},
    {"fill", run_fill},
    {"journal", run_journal},
    {"recover", run_recover},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "basics";
    int status = EXIT_FAILURE;
    bool found = false;

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(commands[i].name, name))
            continue;
        found = true;
        status = commands[i].run(argc - 1, argv + 1);
    }
    check(found, name);
    printf("1..%u\n# %u failed\n", nr_checks, nr_failed);
    return nr_failed ? EXIT_FAILURE : status;
}
