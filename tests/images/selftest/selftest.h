/* SPDX-License-Identifier: MIT */
/*
 * The guest's tests of itself, on a real Xen.
 *
 * A check is a function that runs outside of any callback, so it may turn the
 * loop while it waits. It returns NULL on success, and otherwise what failed:
 * must() does that in one line.
 *
 *     static const char *check_timer(struct app *app)
 *     {
 *         timer_start(app->loop, &alarm, loop_now(app->loop) + 1, ring);
 *         must(selftest_wait(app, &rang));
 *         return NULL;
 *     }
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "kernel/app.h"

struct selftest_check {
    const char *name;
    const char *(*run)(struct app *app);
    bool asked_for; /* only runs when it is named: test=NAME */
};

/* Tables; each ends with a check without a name. */
extern const struct selftest_check selftest_loop[];
extern const struct selftest_check selftest_libc[];
extern const struct selftest_check selftest_memory[];
extern const struct selftest_check selftest_store[];
extern const struct selftest_check selftest_net[];
extern const struct selftest_check selftest_fault[];

#define SELFTEST_TEXT(x) #x
#define SELFTEST_LINE(x) SELFTEST_TEXT(x)
#define must(condition)                                                  \
    do {                                                                 \
        if (!(condition))                                                \
            return __FILE__ ":" SELFTEST_LINE(__LINE__) ": " #condition; \
    } while (0)

/* What the checks wait for takes milliseconds; on a busy machine, seconds. */
#define SELFTEST_WAIT_NS (20 * NS_PER_S)

/* Turn the loop until *flag is set; false: it took too long. */
bool selftest_wait(struct app *app, const bool *flag);
/* Turn the loop for this long, whatever happens. */
void selftest_sleep(struct app *app, uint64_t ns);

#endif
