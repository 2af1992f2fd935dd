/* SPDX-License-Identifier: MIT */
/*
 * syslog.h: a program's lines go into the guest's log, under its name, or the
 * one given to openlog.
 */
#include "kernel/log.h"

/* Both headers define two of these names, with different numbers: this maps
 * syslog's priorities to our levels. */
static const enum log_level levels[] = {LOG_ERROR, LOG_ERROR, LOG_ERROR,
                                        LOG_ERROR, LOG_WARN,  LOG_INFO,
                                        LOG_INFO,  LOG_DEBUG};

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "kernel/app.h"
#include "posix/program.h"

static const char *name;
static int shown = LOG_UPTO(LOG_DEBUG);

void openlog(const char *who, int options, int facility)
{
    (void)options, (void)facility;
    name = who;
}

void closelog(void)
{
    name = NULL;
}

int setlogmask(int mask)
{
    int before = shown;

    if (mask)
        shown = mask;
    return before;
}

/* Replace "%m" by the text of errno, escaped for printf, which reads it next.
 */
static void put_errno(char *to, size_t room, const char *format,
                      const char *why)
{
    size_t at = 0;

    while (*format && at + 2 < room) {
        if (format[0] == '%' && format[1] == 'm') {
            for (const char *c = why; *c && at + 2 < room; c++)
                to[at++] = *c;
            format += 2;
        } else {
            if (format[0] == '%' && format[1])
                to[at++] = *format++;
            to[at++] = *format++;
        }
    }
    to[at] = '\0';
}

void vsyslog(int priority, const char *format, va_list args)
{
    char whole[LOG_LINE_MAX];

    if (!(shown & LOG_MASK(LOG_PRI(priority))))
        return;
    put_errno(whole, sizeof(whole), format, strerror(errno));
    log_line_v(levels[LOG_PRI(priority)], name ? name : program_app()->name,
               whole, args);
}

void syslog(int priority, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsyslog(priority, format, args);
    va_end(args);
}
