/* SPDX-License-Identifier: MIT */
/*
 * The commands that are not SQL. Those that list something are statements of
 * SQL that run like the client's own; the others are done at once.
 */
#include "apps/sqlite/shell.h"

#include <string.h>

static const char help[] =
    "SQL ends in ; and these commands with their line:\n"
    ".dump             the database as SQL that makes it anew\n"
    ".headers on|off   rows begin with the columns' names\n"
    ".help             this\n"
    ".mode MODE        how rows are written: tabs, csv, quote or line\n"
    ".quit             the end\n"
    ".schema [TABLE]   how tables, indexes, views and triggers are made\n"
    ".status           memory, files and counts\n"
    ".tables           the names of tables and views\n";

static int list(struct shell *shell, const char *sql, const char *name)
{
    int rc = sqlite3_prepare_v2(shell->db, sql, -1, &shell->stmt, NULL);

    shell->format = SHELL_PLAIN;
    if (!rc && name)
        rc = sqlite3_bind_text(shell->stmt, 1, name, -1, SQLITE_TRANSIENT);
    return rc;
}

static int do_tables(struct shell *shell, const char *word, sqlite3_str *out)
{
    (void)word, (void)out;
    return list(shell,
                "SELECT name FROM sqlite_schema WHERE type IN ('table',"
                " 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
                " ORDER BY 1",
                NULL);
}

static int do_schema(struct shell *shell, const char *word, sqlite3_str *out)
{
    (void)out;
    return list(shell,
                "SELECT sql || ';' FROM sqlite_schema WHERE sql NOT NULL AND"
                " coalesce(lower(tbl_name) = lower(?), true)",
                *word ? word : NULL);
}

static int do_dump(struct shell *shell, const char *word, sqlite3_str *out)
{
    (void)word;
    return shell_dump_begin(&shell->dump, shell->db, out);
}

static int do_help(struct shell *shell, const char *word, sqlite3_str *out)
{
    (void)shell, (void)word;
    sqlite3_str_appendall(out, help);
    return SQLITE_OK;
}

static int do_quit(struct shell *shell, const char *word, sqlite3_str *out)
{
    (void)word, (void)out;
    shell->is_over = true;
    return SQLITE_OK;
}

static int do_mode(struct shell *shell, const char *word, sqlite3_str *out)
{
    (void)out;
    for (unsigned i = 0; i < SHELL_MODES; i++) {
        if (!strcmp(word, shell_mode_names[i])) {
            shell->mode = i;
            return SQLITE_OK;
        }
    }
    shell_complain(shell, ".mode is one of tabs, csv, quote, line");
    return SQLITE_OK;
}

static int do_headers(struct shell *shell, const char *word, sqlite3_str *out)
{
    bool is_on = !strcmp(word, "on");

    (void)out;
    if (is_on || !strcmp(word, "off"))
        shell->has_names = is_on;
    else
        shell_complain(shell, ".headers is on or off");
    return SQLITE_OK;
}

static int do_status(struct shell *shell, const char *word, sqlite3_str *out)
{
    struct shell_site *site = shell->site;

    (void)word;
    sqlite3_str_appendf(out,
                        "commands\t%lu\nrows\t%lu\nerrors\t%lu\n"
                        "heap_bytes\t%lld\nheap_max_bytes\t%lld\n",
                        site->commands, site->rows, site->errors,
                        sqlite3_memory_used(), sqlite3_memory_highwater(0));
    if (site->status)
        site->status(site, out);
    return SQLITE_OK;
}

static const struct {
    const char *name;
    int (*fn)(struct shell *shell, const char *word, sqlite3_str *out);
    bool has_word;
} commands[] = {
    {".dump", do_dump, false},     {".headers", do_headers, true},
    {".help", do_help, false},     {".mode", do_mode, true},
    {".quit", do_quit, false},     {".schema", do_schema, true},
    {".status", do_status, false}, {".tables", do_tables, false},
};

int shell_dot(struct shell *shell, const char *text, sqlite3_str *out)
{
    size_t len = strcspn(text, " \t");
    const char *word = text + len + strspn(text + len, " \t");

    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strlen(commands[i].name) != len ||
            strncmp(commands[i].name, text, len))
            continue;
        if (!*word || commands[i].has_word)
            return commands[i].fn(shell, word, out);
        shell_complain(shell, "%s stands alone", commands[i].name);
        return SQLITE_OK;
    }
    shell_complain(shell, "no such command as %.40s: try .help", text);
    return SQLITE_OK;
}
