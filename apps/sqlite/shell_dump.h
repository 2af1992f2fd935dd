/* SPDX-License-Identifier: MIT */
/*
 * A whole database as SQL that makes it anew, some lines at a time.
 */
#ifndef APPS_SQLITE_SHELL_DUMP_H
#define APPS_SQLITE_SHELL_DUMP_H

#include <stdbool.h>

#include <sqlite3.h>

struct shell_dump {
    sqlite3_stmt *schema; /* at a table, an index, a view or a trigger */
    sqlite3_stmt *rows;   /* of this table; NULL: they are done */
    char *insert;         /* what stands before their values */
};

/* Begin. As long as it goes on, the database is as it was now. Zeroed before;
 * the result is SQLite's. */
int shell_dump_begin(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out);
bool shell_dump_is_on(const struct shell_dump *dump);
/* Something more of it: SQLITE_ROW; SQLITE_DONE: that was all; or an error. */
int shell_dump_step(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out);
/* At any time. */
void shell_dump_end(struct shell_dump *dump);

#endif
