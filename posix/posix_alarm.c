/* SPDX-License-Identifier: MIT */
/*
 * alarm(): SIGALRM for the program, which comes when it waits, as every signal
 * does (wait.h).
 */
#include <signal.h>
#include <unistd.h>

#include "kernel/app.h"
#include "posix/program.h"
#include "posix/wait.h"

static struct timer due;
static uint64_t due_ns; /* 0: none is set */

static void on_due(struct timer *timer)
{
    (void)timer;
    due_ns = 0;
    wait_signal(SIGALRM);
}

unsigned alarm(unsigned seconds)
{
    struct loop *loop = program_app()->loop;
    uint64_t now_ns = app_now_ns();
    uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;

    timer_stop(loop, &due);
    due_ns = 0;
    if (seconds) {
        due_ns = now_ns + seconds * NS_PER_S;
        timer_start(loop, &due, due_ns, on_due);
    }
    return (unsigned)((left_ns + NS_PER_S - 1) / NS_PER_S);
}
