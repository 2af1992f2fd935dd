/* SPDX-License-Identifier: MIT */
/*
 * Where a statement of SQL ends, byte by byte: what sqlite3_complete() says of
 * a whole text, without reading it again for each line that comes. So the cost
 * of a statement is its length, whatever is in it.
 */
#ifndef APPS_SQLITE_SHELL_SCAN_H
#define APPS_SQLITE_SHELL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#define SHELL_WORD_MAX 10 /* one more than "temporary" has */

struct shell_scan {
    uint8_t sentence;   /* what kind of statement it is so far */
    uint8_t place;      /* in it: a word, a comment, a string */
    char quote;         /* what ends the string */
    uint8_t word_bytes; /* of the word, at most SHELL_WORD_MAX */
    char word[SHELL_WORD_MAX];
};

/* Zeroed: before a statement. True: this byte is the `;` that ends one, and
 * what follows is the next. */
bool shell_scan_byte(struct shell_scan *scan, char byte);

/* So far there were only blanks and comments, and the end of all that comes
 * would be the end of these. */
bool shell_scan_is_blank(const struct shell_scan *scan);

#endif
