/* SPDX-License-Identifier: MIT */
/*
 * Rows as text, in one of these modes:
 *
 *   tabs    values separated by tabs, one row per line. NULL is \N, a blob \x
 *           and its bytes in hex; in texts backslash, tab, LF, CR and NUL are
 *           \\ \t \n \r \0, and a dash at a row's start is \-. So each line is
 *           a row, unless it begins with "--".
 *   csv     RFC 4180; NULL is empty, an empty text ""; blobs as they are quote
 *   as SQL literals, separated by commas
 *   line    NAME = VALUE for each, as in `tabs`, and an empty line
 */
#ifndef APPS_SQLITE_SHELL_ROW_H
#define APPS_SQLITE_SHELL_ROW_H

#include <stdbool.h>

#include <sqlite3.h>

enum shell_mode {
    SHELL_TABS,
    SHELL_CSV,
    SHELL_QUOTE,
    SHELL_LINE,
    SHELL_MODES,
    SHELL_PLAIN = SHELL_MODES /* for our answers: the first value, as it is */
};

extern const char *const shell_mode_names[SHELL_MODES];

/* A line with the column names. */
void shell_row_names(sqlite3_str *out, sqlite3_stmt *stmt,
                     enum shell_mode mode);
/* The statement's current row. */
void shell_row_values(sqlite3_str *out, sqlite3_stmt *stmt,
                      enum shell_mode mode);
/* Only its values, as SQL literals, separated by commas. Reading them back
 * gives the same values, to the last bit. */
void shell_row_literals(sqlite3_str *out, sqlite3_stmt *stmt);

#endif
