/* SPDX-License-Identifier: MIT */
/*
 * Rows are built in SQLite's own strings: their memory counts against SQLite's
 * limit, and a row that does not fit sets the string's error
 * (sqlite3_str_errcode), which the caller checks.
 */
#include "apps/sqlite/shell_row.h"

#include <float.h>
#include <string.h>

const char *const shell_mode_names[SHELL_MODES] = {
    [SHELL_TABS] = "tabs",
    [SHELL_CSV] = "csv",
    [SHELL_QUOTE] = "quote",
    [SHELL_LINE] = "line",
};

static void add(sqlite3_str *out, const char *text)
{
    sqlite3_str_appendall(out, text);
}

static void add_hex(sqlite3_str *out, const unsigned char *bytes, int len)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < len; i++) {
        const char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

        sqlite3_str_append(out, pair, sizeof(pair));
    }
}

/* ---- tabs and line */

/* The escape letter for a byte in a text; 0: the byte itself. */
static char escape_of(char byte)
{
    switch (byte) {
    case '\\':
        return '\\';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\0':
        return '0';
    default:
        return 0;
    }
}

static void add_escaped(sqlite3_str *out, const char *text, int len)
{
    int kept = 0;

    for (int i = 0; i < len; i++) {
        const char pair[2] = {'\\', escape_of(text[i])};

        if (!pair[1])
            continue;
        sqlite3_str_append(out, text + kept, i - kept);
        sqlite3_str_append(out, pair, sizeof(pair));
        kept = i + 1;
    }
    sqlite3_str_append(out, text + kept, len - kept);
}

static void add_tabs(sqlite3_str *out, sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_NULL:
        add(out, "\\N");
        break;
    case SQLITE_BLOB:
        add(out, "\\x");
        add_hex(out, sqlite3_column_blob(stmt, column),
                sqlite3_column_bytes(stmt, column));
        break;
    default: {
        const char *text = (const char *)sqlite3_column_text(stmt, column);

        if (text)
            add_escaped(out, text, sqlite3_column_bytes(stmt, column));
    }
    }
}

/* ---- csv */

static void add_csv(sqlite3_str *out, const char *text, int len)
{
    bool quoted = !len;

    for (int i = 0; i < len; i++)
        quoted |= !text[i] || strchr(",\"\r\n", text[i]);
    if (!quoted) {
        sqlite3_str_append(out, text, len);
        return;
    }
    sqlite3_str_appendchar(out, 1, '"');
    for (int i = 0; i < len; i++)
        sqlite3_str_appendchar(out, 1 + (text[i] == '"'), text[i]);
    sqlite3_str_appendchar(out, 1, '"');
}

/* ---- quote */

/* A text with a NUL in it has no SQL literal. */
static void add_text_literal(sqlite3_str *out, const char *text, int len)
{
    if (memchr(text, '\0', (size_t)len)) {
        add(out, "CAST(X'");
        add_hex(out, (const unsigned char *)text, len);
        add(out, "' AS TEXT)");
    } else {
        sqlite3_str_appendf(out, "'%.*q'", len, text);
    }
}

static void add_real_literal(sqlite3_str *out, double value)
{
    if (value > DBL_MAX || value < -DBL_MAX)
        add(out, value > 0 ? "9.0e+999" : "-9.0e+999");
    else
        sqlite3_str_appendf(out, "%!.17g", value);
}

static void add_literal(sqlite3_str *out, sqlite3_stmt *stmt, int column)
{
    const char *text;

    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_NULL:
        add(out, "NULL");
        break;
    case SQLITE_INTEGER:
        sqlite3_str_appendf(out, "%lld", sqlite3_column_int64(stmt, column));
        break;
    case SQLITE_FLOAT:
        add_real_literal(out, sqlite3_column_double(stmt, column));
        break;
    case SQLITE_BLOB:
        add(out, "X'");
        add_hex(out, sqlite3_column_blob(stmt, column),
                sqlite3_column_bytes(stmt, column));
        add(out, "'");
        break;
    default:
        text = (const char *)sqlite3_column_text(stmt, column);
        if (text)
            add_text_literal(out, text, sqlite3_column_bytes(stmt, column));
    }
}

void shell_row_literals(sqlite3_str *out, sqlite3_stmt *stmt)
{
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        if (i)
            add(out, ",");
        add_literal(out, stmt, i);
    }
}

/* ---- Lines */

/* No row may begin like "-- ok". */
static void guard(sqlite3_str *out, const char *text)
{
    if (text && !strncmp(text, "--", 2))
        add(out, "\\");
}

static void add_name(sqlite3_str *out, sqlite3_stmt *stmt, int column,
                     enum shell_mode mode)
{
    const char *name = sqlite3_column_name(stmt, column);

    if (!name)
        name = ""; /* no memory: adding to the string will fail, too */
    if (mode == SHELL_CSV) {
        add_csv(out, name, (int)strlen(name));
    } else if (mode == SHELL_QUOTE) {
        add_text_literal(out, name, (int)strlen(name));
    } else {
        if (!column || mode == SHELL_LINE)
            guard(out, name);
        add_escaped(out, name, (int)strlen(name));
    }
}

static void add_value(sqlite3_str *out, sqlite3_stmt *stmt, int column,
                      enum shell_mode mode)
{
    bool is_null = sqlite3_column_type(stmt, column) == SQLITE_NULL;
    const void *bytes;

    switch (mode) {
    case SHELL_CSV:
        bytes = sqlite3_column_blob(stmt, column);
        if (!is_null)
            add_csv(out, bytes, sqlite3_column_bytes(stmt, column));
        break;
    case SHELL_QUOTE:
        add_literal(out, stmt, column);
        break;
    case SHELL_LINE:
        add_name(out, stmt, column, mode);
        add(out, " = ");
        add_tabs(out, stmt, column);
        break;
    case SHELL_PLAIN:
        bytes = sqlite3_column_text(stmt, column);
        add(out, bytes ? bytes : "");
        break;
    default:
        add_tabs(out, stmt, column);
    }
}

static const char *separator(enum shell_mode mode)
{
    static const char *const separators[] = {
        [SHELL_TABS] = "\t",
        [SHELL_CSV] = ",",
        [SHELL_QUOTE] = ",",
        [SHELL_LINE] = "\n",
    };

    return separators[mode];
}

void shell_row_values(sqlite3_str *out, sqlite3_stmt *stmt,
                      enum shell_mode mode)
{
    int nr = mode == SHELL_PLAIN ? 1 : sqlite3_column_count(stmt);

    if (mode == SHELL_TABS && sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
        guard(out, (const char *)sqlite3_column_text(stmt, 0));
    for (int i = 0; i < nr; i++) {
        if (i)
            add(out, separator(mode));
        add_value(out, stmt, i, mode);
    }
    add(out, mode == SHELL_LINE ? "\n\n" : "\n");
}

void shell_row_names(sqlite3_str *out, sqlite3_stmt *stmt, enum shell_mode mode)
{
    if (mode == SHELL_LINE || mode == SHELL_PLAIN)
        return;
    for (int i = 0; i < sqlite3_column_count(stmt); i++) {
        if (i)
            add(out, separator(mode));
        add_name(out, stmt, i, mode);
    }
    add(out, "\n");
}
