/* SPDX-License-Identifier: MIT */
/*
 * Finds where an SQL statement ends, byte by byte: like sqlite3_complete(), but
 * without reading the whole text again for each new line. So the cost of a
 * statement is its length, whatever its contents.
 */
#ifndef APPS_SQLITE_SHELL_SCAN_H
#define APPS_SQLITE_SHELL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#define SHELL_WORD_MAX 10 /* one more than "temporary" has */

struct shell_scan {
    uint8_t sentence;   /* what kind of statement it is so far */
    uint8_t place;      /* inside a word, a comment or a string */
    char quote;         /* what ends the string */
    uint8_t word_bytes; /* of the word, at most SHELL_WORD_MAX */
    char word[SHELL_WORD_MAX];
};

/* A zeroed scan is before a statement. True: this byte is the `;` that ends the
 * statement, and the next one follows. */
bool shell_scan_byte(struct shell_scan *scan, char byte);

/* So far there were only blanks and comments, and input may end here. */
bool shell_scan_is_blank(const struct shell_scan *scan);

#endif
