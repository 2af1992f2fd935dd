/* SPDX-License-Identifier: MIT */
/*
 * The command line: `cmdline=` or `extra=` of the domain's cfg.
 *
 * Words are KEY=VALUE or KEY, separated by blanks (spaces or tabs); a VALUE
 * with blanks, or an empty one, may stand in double quotes. Whoever knows a key
 * asks for it here, which also marks it as known. What nobody has asked for by
 * the time the app has started is reported by name (options_report_unknown), so
 * a typing error is never silently ignored. docs/options.md lists every key.
 *
 * A bad value is one log line that names key and value. Each getter returns
 *   1 the key was there and *out is set,  0 it was not there, *out unchanged,
 *   -XEN_EINVAL bad value, *out unchanged, already logged.
 * For a key that changes what the guest serves, the caller then stops the
 * guest (app_main returns the error); for the others the default stays.
 * The last of several equal keys counts, and the last OPTIONS_MAX keys of more;
 * the earlier ones are reported.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_MAX      64   /* words; Xen's command line has 1023 bytes */
#define OPTIONS_TEXT_MAX 1024 /* MAX_GUEST_CMDLINE (xen.h) */

struct option {
    const char *key, *value; /* value NULL: KEY stood without '=' */
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

/* The next word whose key begins with the prefix: what follows it in the key,
 * or NULL, and *value ("" for KEY alone). *at is 0 at first. */
const char *options_next(struct options *options, const char *prefix,
                         unsigned *at, const char **value);

/* Log the words that nobody asked for; returns how many. */
unsigned options_report_unknown(const struct options *options);

#endif
