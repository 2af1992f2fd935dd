/* SPDX-License-Identifier: MIT */
/*
 * The statement that lists the schema stays open from the first line to the
 * last, so all that is read is of one moment. Tables come first, each with its
 * rows, then what depends on them: a trigger must not see rows arrive. Columns
 * are named, since those that are computed cannot be written.
 */
#include "apps/sqlite/shell_dump.h"

#include <stddef.h>

#include "apps/sqlite/shell_row.h"

enum { NAME, SQL, HAS_ROWS };

/* AUTOINCREMENT's table is there as soon as such a table is. */
static const char schema[] =
    "SELECT name, sql, 1 FROM sqlite_schema WHERE type = 'table' AND"
    " name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
    "UNION ALL "
    "SELECT name, 'DELETE FROM sqlite_sequence', 1 FROM sqlite_schema"
    " WHERE name = 'sqlite_sequence' "
    "UNION ALL "
    "SELECT name, sql, 0 FROM sqlite_schema WHERE type <> 'table' AND"
    " sql NOT NULL";

static const char columns[] =
    "SELECT group_concat('\"' || replace(name, '\"', '\"\"') || '\"')"
    " FROM pragma_table_xinfo(%Q) WHERE hidden = 0";

static int prepare(sqlite3 *db, char *sql, sqlite3_stmt **stmt)
{
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, stmt, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc;
}

int shell_dump_begin(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out)
{
    int rc = prepare(db, sqlite3_mprintf("%s", schema), &dump->schema);

    if (!rc)
        sqlite3_str_appendall(out, "PRAGMA foreign_keys=OFF;\nBEGIN;\n");
    return rc;
}

bool shell_dump_is_on(const struct shell_dump *dump)
{
    return dump->schema;
}

/* Begin with the rows of a table. */
static int open_rows(struct shell_dump *dump, sqlite3 *db, const char *table)
{
    sqlite3_stmt *stmt = NULL;
    const char *names = NULL;
    int rc = prepare(db, sqlite3_mprintf(columns, table), &stmt);

    if (!rc && sqlite3_step(stmt) == SQLITE_ROW)
        names = (const char *)sqlite3_column_text(stmt, 0);
    if (names) {
        dump->insert =
            sqlite3_mprintf("INSERT INTO \"%w\"(%s) VALUES(", table, names);
        rc = prepare(db, sqlite3_mprintf("SELECT %s FROM \"%w\"", names, table),
                     &dump->rows);
    } else if (!rc) {
        rc = sqlite3_errcode(db);
    }
    if (!rc && !dump->insert)
        rc = SQLITE_NOMEM;
    sqlite3_finalize(stmt);
    return rc;
}

static void close_rows(struct shell_dump *dump)
{
    sqlite3_finalize(dump->rows);
    sqlite3_free(dump->insert);
    dump->rows = NULL;
    dump->insert = NULL;
}

static int step_rows(struct shell_dump *dump, sqlite3_str *out)
{
    int rc = sqlite3_step(dump->rows);

    if (rc == SQLITE_ROW) {
        sqlite3_str_appendall(out, dump->insert);
        shell_row_literals(out, dump->rows);
        sqlite3_str_appendall(out, ");\n");
    } else if (rc == SQLITE_DONE) {
        close_rows(dump);
        rc = SQLITE_ROW;
    }
    return rc;
}

static int step_schema(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out)
{
    int rc = sqlite3_step(dump->schema);
    const char *name, *sql;

    if (rc == SQLITE_DONE)
        sqlite3_str_appendall(out, "COMMIT;\n");
    if (rc != SQLITE_ROW)
        return rc;
    name = (const char *)sqlite3_column_text(dump->schema, NAME);
    sql = (const char *)sqlite3_column_text(dump->schema, SQL);
    if (!name || !sql)
        return SQLITE_NOMEM;
    sqlite3_str_appendf(out, "%s;\n", sql);
    rc = SQLITE_OK;
    if (sqlite3_column_int(dump->schema, HAS_ROWS))
        rc = open_rows(dump, db, name);
    return rc ? rc : SQLITE_ROW;
}

int shell_dump_step(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out)
{
    return dump->rows ? step_rows(dump, out) : step_schema(dump, db, out);
}

void shell_dump_end(struct shell_dump *dump)
{
    close_rows(dump);
    sqlite3_finalize(dump->schema);
    dump->schema = NULL;
}
