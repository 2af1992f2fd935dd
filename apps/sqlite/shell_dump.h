/* SPDX-License-Identifier: MIT */
/*
 * A whole database as SQL that restores it, some lines at a time.
 */
#ifndef APPS_SQLITE_SHELL_DUMP_H
#define APPS_SQLITE_SHELL_DUMP_H

#include <stdbool.h>

#include <sqlite3.h>

struct shell_dump {
    sqlite3_stmt *schema; /* at a table, an index, a view or a trigger */
    sqlite3_stmt *rows;   /* of the current table; NULL: all done */
    char *insert;         /* the text before each row's values */
};

/* Begin. The whole dump shows the database as it is now. `dump` must be zeroed;
 * returns SQLite's result. */
int shell_dump_begin(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out);
bool shell_dump_is_on(const struct shell_dump *dump);
/* Add a part: SQLITE_ROW: there is more; SQLITE_DONE; or an error. */
int shell_dump_step(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out);
/* May be called at any time. */
void shell_dump_end(struct shell_dump *dump);

#endif
