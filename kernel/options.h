/* SPDX-License-Identifier: MIT */
/*
 * The command line: `cmdline=` or `extra=` of the domain's cfg.
 *
 * Words are KEY=VALUE or KEY, separated by blanks (spaces or tabs); a VALUE
 * with blanks, or an empty one, may be in double quotes. Code that knows a key
 * asks for it here, which also marks it as known. Keys that nobody has asked
 * for by the time the app has started are reported (options_report_unknown), so
 * a typing error is never silently ignored. docs/options.md lists every key.
 *
 * A bad value is logged in one line that names key and value. A getter returns
 *   1 found, *out is set;  0 not found, *out is unchanged;
 *   -XEN_EINVAL bad value, *out is unchanged, already logged.
 * After a bad value for a key that changes what the guest serves, the caller
 * stops the guest (app_main returns the error); for others the default stays.
 * The last of several equal keys counts, and the last OPTIONS_MAX keys if there
 * are more; the earlier ones are reported.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_MAX      64   /* words; Xen's command line has 1023 bytes */
#define OPTIONS_TEXT_MAX 1024 /* MAX_GUEST_CMDLINE (xen.h) */

struct option {
    const char *key, *value; /* value NULL: KEY without '=' */
    bool known;
};

struct options {
    char text[OPTIONS_TEXT_MAX];
    struct option words[OPTIONS_MAX];
    unsigned nr;
    unsigned errors; /* malformed words and bad values so far */
};

/* Copies cmdline. Malformed words (no key, a control character, a quote that
 * does not enclose the whole value, too many, past OPTIONS_TEXT_MAX) are
 * logged and skipped. */
void options_parse(struct options *options, const char *cmdline);

/* *out points into `options`; it may be empty. KEY alone is a bad value. */
int options_text(struct options *options, const char *key, const char **out);
/* Decimal digits only. */
int options_number(struct options *options, const char *key, uint64_t min,
                   uint64_t max, uint64_t *out);
/* KEY, KEY=yes|on|true|1 or no|off|false|0. */
int options_bool(struct options *options, const char *key, bool *out);

/* Find the next word whose key begins with the prefix. Returns the rest of the
 * key, or NULL, and sets *value ("" for KEY alone). *at is 0 at first. */
const char *options_next(struct options *options, const char *prefix,
                         unsigned *at, const char **value);

/* Log the words that nobody asked for; returns their number. */
unsigned options_report_unknown(const struct options *options);

#endif
