/* SPDX-License-Identifier: MIT */
/*
 * The statement that lists the schema stays open from the first line to the
 * last, so all reads see one snapshot. Tables come first, each with its rows,
 * then what depends on them: triggers must not fire for the rows. Columns are
 * named, since generated ones cannot be written.
 *
 * A virtual table (FTS5, R-Tree) is restored from its rows, with their rowids:
 * its shadow tables are not dumped, and could not be restored. FTS5's settings
 * are set anew. ANALYZE creates its table when there is none.
 */
#include "apps/sqlite/shell_dump.h"

#include <stddef.h>

#include "apps/sqlite/shell_row.h"

enum { NAME, SQL, ROWS };
/* Which rows of NAME follow its SQL. */
enum { NO_ROWS, TABLE_ROWS, VIRTUAL_ROWS, SETTINGS };

/* AUTOINCREMENT's table exists as soon as a table uses it. */
static const char schema[] =
    "WITH t AS MATERIALIZED (SELECT name, sql,"
    " (SELECT type FROM pragma_table_list(s.name) WHERE schema = 'main')"
    " AS kind"
    " FROM sqlite_schema AS s WHERE type = 'table' AND"
    " name NOT LIKE 'sqlite\\_%' ESCAPE '\\') "
    "SELECT name, sql, 1 FROM t WHERE kind = 'table' "
    "UNION ALL "
    "SELECT name, 'DELETE FROM sqlite_sequence', 1 FROM sqlite_schema"
    " WHERE name = 'sqlite_sequence' "
    "UNION ALL "
    "SELECT name, sql, 0 FROM t WHERE kind = 'virtual' "
    "UNION ALL "
    "SELECT v.name, NULL, 3 FROM t AS v, t AS c WHERE v.kind = 'virtual' AND"
    " c.kind = 'shadow' AND c.name = v.name || '_config' "
    "UNION ALL "
    "SELECT name, NULL, 2 FROM t WHERE kind = 'virtual' "
    "UNION ALL "
    "SELECT name, sql, 0 FROM sqlite_schema WHERE type <> 'table' AND"
    " sql NOT NULL "
    "UNION ALL "
    "SELECT name, 'ANALYZE sqlite_schema', 1 FROM sqlite_schema"
    " WHERE name = 'sqlite_stat1'";

/* Settings of the file that are not in the schema. The encoding can be set only
 * in an empty database. */
static const char head[] =
    "SELECT iif(encoding = 'UTF-8', '',"
    " 'PRAGMA encoding=''' || encoding || ''';' || char(10)) ||"
    " 'PRAGMA foreign_keys=OFF;' || char(10) || 'BEGIN;' || char(10) ||"
    " iif(user_version,"
    " 'PRAGMA user_version=' || user_version || ';' || char(10), '') ||"
    " iif(application_id,"
    " 'PRAGMA application_id=' || application_id || ';' || char(10), '')"
    " FROM pragma_encoding, pragma_user_version, pragma_application_id";

/* For a virtual table the rowid as well. */
static const char columns[] =
    "SELECT iif(%d, 'rowid,', '') ||"
    " group_concat('\"' || replace(name, '\"', '\"\"') || '\"')"
    " FROM pragma_table_xinfo(%Q) WHERE hidden = 0";

static int prepare(sqlite3 *db, char *sql, sqlite3_stmt **stmt)
{
    int rc = sql ? sqlite3_prepare_v2(db, sql, -1, stmt, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    return rc;
}

static int write_head(sqlite3 *db, sqlite3_str *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(db, sqlite3_mprintf("%s", head), &stmt);
    const char *text = NULL;

    if (!rc && sqlite3_step(stmt) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(stmt, 0);
    if (text)
        sqlite3_str_appendall(out, text);
    else if (!rc)
        rc = sqlite3_errcode(db);
    sqlite3_finalize(stmt);
    return rc;
}

int shell_dump_begin(struct shell_dump *dump, sqlite3 *db, sqlite3_str *out)
{
    int rc = prepare(db, sqlite3_mprintf("%s", schema), &dump->schema);

    return rc ? rc : write_head(db, out);
}

bool shell_dump_is_on(const struct shell_dump *dump)
{
    return dump->schema;
}

/* FTS5 keeps its settings as rows; they are set by inserting into a column with
 * the table's name. */
static int open_settings(struct shell_dump *dump, sqlite3 *db,
                         const char *table)
{
    dump->insert = sqlite3_mprintf("INSERT INTO \"%w\"(\"%w\",rank) VALUES(",
                                   table, table);
    if (!dump->insert)
        return SQLITE_NOMEM;
    return prepare(db,
                   sqlite3_mprintf("SELECT k, v FROM \"%w_config\""
                                   " WHERE k <> 'version'",
                                   table),
                   &dump->rows);
}

/* Begin the rows of a table. */
static int open_rows(struct shell_dump *dump, sqlite3 *db, const char *table,
                     bool has_rowid)
{
    sqlite3_stmt *stmt = NULL;
    const char *names = NULL;
    int rc = prepare(db, sqlite3_mprintf(columns, has_rowid, table), &stmt);

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

static int open_these(struct shell_dump *dump, sqlite3 *db, const char *name,
                      int rows)
{
    if (rows == NO_ROWS)
        return SQLITE_OK;
    if (rows == SETTINGS)
        return open_settings(dump, db, name);
    return open_rows(dump, db, name, rows == VIRTUAL_ROWS);
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
    if (!name ||
        (!sql && sqlite3_column_type(dump->schema, SQL) != SQLITE_NULL))
        return SQLITE_NOMEM;
    if (sql)
        sqlite3_str_appendf(out, "%s;\n", sql);
    rc = open_these(dump, db, name, sqlite3_column_int(dump->schema, ROWS));
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
