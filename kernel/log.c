/* SPDX-License-Identifier: MIT */
/*
 * One buffer on the stack holds the line being made: time, level, who and
 * message. What does not fit is cut. Then every byte that a terminal could
 * interpret as a command is replaced, whoever wrote it, and the line goes to
 * the sink or, until there is one, to the early buffer.
 *
 * The statics here are all of the log's state. Nothing allocates or calls back
 * into the log, so a line can be written from anywhere.
 */
#include "kernel/log.h"

#include <stdio.h>
#include <string.h>

#include "xen/hv.h"

static log_sink_fn *sink;
static void *sink_arg;
static enum log_level level_max = LOG_INFO;
static uint64_t epoch_ns;
static char early[LOG_EARLY_BYTES];
static size_t early_used;
static unsigned early_lost; /* lines that did not fit */

static const char *const level_names[] = {
    [LOG_ERROR] = "error: ",
    [LOG_WARN] = "warning: ",
    [LOG_INFO] = "",
    [LOG_DEBUG] = "",
};

/* The length of the UTF-8 character (RFC 3629) at text, or 0 if it must not
 * reach a terminal: a control character, or no valid character. */
static size_t char_length(const unsigned char *text, size_t left)
{
    /* By length. Two bytes could encode U+0080 and up, but the first 32 of
     * those are the C1 controls; anything else below is an overlong form. */
    static const uint32_t smallest[] = {[2] = 0xa0, [3] = 0x800, [4] = 0x10000};

    if (text[0] < 0xc2)
        return text[0] >= ' ' && text[0] < 0x7f;
    size_t length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (length > left || text[0] > 0xf4)
        return 0;
    uint32_t code = text[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < smallest[length] || code > 0x10ffff)
        return 0;
    return code >= 0xd800 && code <= 0xdfff ? 0 : length; /* surrogates */
}

static void sanitise(char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t length = char_length((unsigned char *)text + at, len - at);
        if (length == 0) {
            text[at] = '?';
            length = 1;
        }
        at += length;
    }
}

static void emit(const char *line, size_t len)
{
    if (sink) {
        sink(sink_arg, line, len);
    } else if (len <= sizeof(early) - early_used) {
        memcpy(early + early_used, line, len);
        early_used += len;
    } else {
        early_lost++;
    }
}

/* Append at line[used]; returns the length that the line would have uncut,
 * which is more than LOG_LINE_MAX if it was cut. */
static size_t append(char *line, size_t used, const char *format, va_list args)
{
    int len = vsnprintf(line + used, LOG_LINE_MAX + 1 - used, format, args);

    return len > 0 ? used + (size_t)len : used;
}

/* Returns its length: less than half of the line, as `who` is a short name. */
static size_t begin(char *line, enum log_level level, const char *who)
{
    unsigned long us = (hv_now_ns() - epoch_ns) / 1000;
    int len =
        snprintf(line, LOG_LINE_MAX, "[%5lu.%06lu] %s%.32s: ", us / 1000000,
                 us % 1000000, level_names[level], who);

    return (size_t)len;
}

void log_line_v(enum log_level level, const char *who, const char *format,
                va_list args)
{
    char line[LOG_LINE_MAX + 1]; /* one more for the '\n' */

    if (level > level_max)
        return;
    size_t len = append(line, begin(line, level, who), format, args);
    if (len > LOG_LINE_MAX) {
        len = LOG_LINE_MAX;
        memcpy(line + len - 3, "...", 3);
    }
    sanitise(line, len);
    line[len] = '\n';
    emit(line, len + 1);
}

void log_line(enum log_level level, const char *who, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line_v(level, who, format, args);
    va_end(args);
}

void log_set_sink(log_sink_fn *fn, void *arg)
{
    sink = fn;
    sink_arg = arg;
    if (!sink || early_used == 0)
        return;
    sink(sink_arg, early, early_used);
    early_used = 0;
    if (early_lost > 0)
        log_warn("log", "%u early lines lost", early_lost);
    early_lost = 0;
}

void log_set_level(enum log_level level)
{
    level_max = level;
}

void log_set_epoch(uint64_t now_ns)
{
    epoch_ns = now_ns;
}
