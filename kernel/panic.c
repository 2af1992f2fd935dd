/* SPDX-License-Identifier: MIT */
/*
 * The end of a guest that cannot continue: a log line, time to read it, crash.
 *
 * Logging may itself fail (an assert in the console, a fault in a register
 * dump), which ends up here again. So each round does less than the one
 * before: the second one only logs its line, the third one only crashes.
 */
#include "kernel/log.h"

#include "xen/abi.h"
#include "xen/hv.h"

static void (*last_words)(void);
static unsigned rounds;

void panic_set_last_words(void (*fn)(void))
{
    last_words = fn;
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;
    unsigned round = ++rounds;

    if (round <= 2) {
        va_start(args, format);
        log_line_v(LOG_ERROR, "panic", format, args);
        va_end(args);
    }
    if (round == 1 && last_words)
        last_words();
    hv_shutdown(SHUTDOWN_crash);
}
