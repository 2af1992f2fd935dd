/* SPDX-License-Identifier: MIT */
/*
 * The log: one line per call, on the guest's console.
 *
 *     log_info("netfront", "vif%u: mac %s, mtu %u", ...);
 *     [    0.000412] netfront: vif0: mac 00:16:3e:..., mtu 1500
 *
 * Times are seconds since the guest's entry. Warnings and errors carry their
 * level after the time. No trailing newline in the format. A line longer than
 * LOG_LINE_MAX is cut and ends in "...". Bytes outside printable ASCII and
 * UTF-8 that came from somebody else must not reach the console raw: control
 * characters are written as '?'.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX 240 /* three rows of 80 columns */

/* Set where finished lines (each with its '\n') go. Until then, lines are kept
 * in a small buffer (LOG_EARLY_BYTES), which the sink is then handed. */
#define LOG_EARLY_BYTES 1024
typedef void log_sink_fn(void *arg, const char *line, size_t len);
void log_set_sink(log_sink_fn *sink, void *arg);

/* Lines above this level are not written (default LOG_INFO; `log=` sets it). */
void log_set_level(enum log_level level);
/* Time zero of the time stamps. */
void log_set_epoch(uint64_t now_ns);

__attribute__((format(printf, 3, 4))) void
log_line(enum log_level level, const char *who, const char *format, ...);
__attribute__((format(printf, 3, 0))) void log_line_v(enum log_level level,
                                                      const char *who,
                                                      const char *format,
                                                      va_list args);

#define log_error(who, ...) log_line(LOG_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...)  log_line(LOG_WARN, who, __VA_ARGS__)
#define log_info(who, ...)  log_line(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) log_line(LOG_DEBUG, who, __VA_ARGS__)

/* Log the message, give it time to be read, and crash the domain so that
 * on_crash= acts. For errors that the guest cannot recover from. */
__attribute__((format(printf, 1, 2))) _Noreturn void panic(const char *format,
                                                           ...);

/* Set what panic() calls before it crashes the domain: a function that waits (a
 * bounded time) until the console was read. */
void panic_set_last_words(void (*fn)(void));

#endif
