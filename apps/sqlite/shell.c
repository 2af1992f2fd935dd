/* SPDX-License-Identifier: MIT */
/*
 * A shell runs one command after the other, each in these steps:
 *
 *     begin -> rows, rows, ... -> the line
 *
 * Between two calls of shell_run nothing of SQLite is on the stack: a statement
 * that waits for its client holds only its locks.
 *
 * The connection is opened by the first command, so a silent client costs
 * little. A client may not do what could harm others: change limits of the
 * whole process, or wait in SQLite; the server waits instead (shell_server.c).
 */
#include "apps/sqlite/shell.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "database/sqlite.h"

/* ---- Output lines */

static void vsay(struct shell *shell, const char *start, const char *format,
                 va_list args)
{
    size_t len = strlen(start);

    memcpy(shell->line, start, len);
    sqlite3_vsnprintf((int)(SHELL_LINE_MAX - 1 - len), shell->line + len,
                      format, args);
    len = strlen(shell->line);
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)shell->line[i]))
            shell->line[i] = ' ';
    shell->line[len++] = '\n';
    shell->line_bytes = (unsigned)len;
    shell->line_taken = 0;
}

static void say(struct shell *shell, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsay(shell, "-- ", format, args);
    va_end(args);
}

void shell_complain(struct shell *shell, const char *format, ...)
{
    va_list args;

    shell->site->errors++;
    va_start(args, format);
    vsay(shell, "-- error: ", format, args);
    va_end(args);
}

static void say_error(struct shell *shell, int rc)
{
    const char *text = sqlite3_errmsg(shell->db);

    shell->site->errors++;
    if (shell->reason)
        text = shell->reason;
    else if (rc == SQLITE_NOMEM || !shell->db ||
             sqlite3_errcode(shell->db) != (rc & 0xff))
        text = sqlite3_errstr(rc);
    say(shell, "error %d: %s", rc & 0xff, text);
}

static void say_ok(struct shell *shell)
{
    long long changed = sqlite3_total_changes64(shell->db) - shell->changes;
    bool has_rows = shell->stmt && sqlite3_column_count(shell->stmt);
    char rows[40] = "", changes[40] = "";

    if (has_rows)
        sqlite3_snprintf(sizeof(rows), rows, ", %llu row%s", shell->rows,
                         shell->rows == 1 ? "" : "s");
    if (changed)
        sqlite3_snprintf(sizeof(changes), changes, ", %lld changed",
                         sqlite3_changes64(shell->db));
    say(shell, "ok%s%s", rows, changes);
}

/* Send the rows that were collected. */
static int put_rows(struct shell *shell, sqlite3_str *out)
{
    int rc = sqlite3_str_errcode(out);

    shell->out_bytes = (size_t)sqlite3_str_length(out);
    shell->out_taken = 0;
    shell->out = sqlite3_str_finish(out);
    if (!shell->out)
        shell->out_bytes = 0;
    return rc;
}

/* ---- The connection */

static bool is_among(const char *word, const char *const *words)
{
    while (*words && sqlite3_stricmp(word, *words))
        words++;
    return *words;
}

/* Heap limits are shared by all clients, and a client that waits for a lock in
 * SQLite would block the one that holds it. */
static int authorize(void *arg, int action, const char *one, const char *two,
                     const char *database, const char *trigger)
{
    static const char *const kept[] = {"hard_heap_limit", "soft_heap_limit",
                                       "busy_timeout", NULL};

    (void)arg, (void)database, (void)trigger;
    return action == SQLITE_PRAGMA && two && is_among(one, kept) ? SQLITE_DENY
                                                                 : SQLITE_OK;
}

static int on_progress(void *arg)
{
    struct shell *shell = arg;

    return !shell->site->go_on(shell);
}

/* The same check within a long instruction (database/sqlite.h). */
static bool on_work(void *arg)
{
    struct shell *shell = arg;

    if (shell->site->go_on(shell))
        return true;
    if (shell->db)
        sqlite3_interrupt(shell->db);
    return false;
}

void shell_stop_because(struct shell *shell, const char *reason)
{
    shell->reason = reason;
}

static int set_up(struct shell *shell)
{
    struct shell_site *site = shell->site;
    sqlite3 *db = shell->db;
    char *sql = sqlite3_mprintf("PRAGMA cache_size = -%lu;"
                                "PRAGMA wal_autocheckpoint = %u",
                                site->cache_kib, site->log_pages);
    int rc = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, site->value_bytes);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, site->value_bytes);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SHELL_PATTERN_MAX);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_extended_result_codes(db, 0);
    sqlite3_set_authorizer(db, authorize, NULL);
    sqlite3_progress_handler(db, SHELL_PROGRESS_OPS, on_progress, shell);
    return rc;
}

static int open_once(struct shell *shell)
{
    int rc;

    if (shell->db)
        return SQLITE_OK;
    rc = sqlite3_open_v2(shell->site->database, &shell->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                         shell->site->vfs);
    if (!rc)
        rc = set_up(shell);
    if (rc) {
        sqlite3_close(shell->db);
        shell->db = NULL;
    }
    return rc;
}

/* ---- Running */

static void stop_running(struct shell *shell)
{
    sqlite3_finalize(shell->stmt);
    shell->stmt = NULL;
    shell_dump_end(&shell->dump);
}

static void end_command(struct shell *shell)
{
    stop_running(shell);
    shell_input_next(&shell->input);
    shell->rest = NULL;
    shell->reason = NULL;
}

static bool is_running(const struct shell *shell)
{
    return shell->stmt || shell_dump_is_on(&shell->dump);
}

static int begin_sql(struct shell *shell, sqlite3_str *out)
{
    const char *rest;
    int rc =
        sqlite3_prepare_v2(shell->db, shell->rest, -1, &shell->stmt, &rest);

    if (rc)
        return rc;
    shell->rest = rest;
    shell->format = shell->mode;
    if (shell->stmt && shell->has_names && sqlite3_column_count(shell->stmt))
        shell_row_names(out, shell->stmt, shell->mode);
    return SQLITE_OK;
}

/* Begin the command's next statement. There is nearly always just one: unless
 * SQLite and shell_scan.c disagree. */
static int begin(struct shell *shell, sqlite3_str *out)
{
    int rc = open_once(shell);

    if (rc)
        return rc;
    if (!shell->rest)
        shell->rest = shell->input.text;
    shell->rows = 0;
    shell->changes = sqlite3_total_changes64(shell->db);
    if (shell->input.command == SHELL_SQL)
        return begin_sql(shell, out);
    shell->rest = "";
    return shell_dot(shell, shell->input.text, out);
}

static int step(struct shell *shell, sqlite3_str *out)
{
    int rc;

    if (shell_dump_is_on(&shell->dump))
        return shell_dump_step(&shell->dump, shell->db, out);
    rc = sqlite3_step(shell->stmt);
    if (rc != SQLITE_ROW)
        return rc;
    shell->rows++;
    shell->site->rows++;
    shell_row_values(out, shell->stmt, shell->format);
    return rc;
}

/* Collect some kilobytes of rows: SQLITE_ROW if there may be more. */
static int steps(struct shell *shell, sqlite3_str *out)
{
    int rc = SQLITE_ROW;

    while (rc == SQLITE_ROW && sqlite3_str_length(out) < SHELL_ROWS_BYTES &&
           !sqlite3_str_errcode(out))
        rc = step(shell, out);
    return rc;
}

static bool is_blank(const char *text)
{
    return !text[strspn(text, " \t\r\n\f")];
}

/* Add the answer's last line, and end the command if it is complete. */
static void conclude(struct shell *shell, int rc)
{
    if (rc != SQLITE_DONE && shell->reason) /* whatever error the stop caused */
        rc = SQLITE_INTERRUPT;
    shell->error = rc == SQLITE_DONE ? SQLITE_OK : rc & 0xff;
    if (rc == SQLITE_DONE && !shell->line_bytes)
        say_ok(shell);
    else if (rc != SQLITE_DONE)
        say_error(shell, rc);
    stop_running(shell);
    if (rc != SQLITE_DONE || is_blank(shell->rest))
        end_command(shell);
}

/* Another client has locked the database; may it help to wait? Yes, if nothing
 * was answered yet, and the statement's snapshot is still current. */
static bool may_try_again(const struct shell *shell)
{
    return !shell->rows && !shell_dump_is_on(&shell->dump) &&
           sqlite3_extended_errcode(shell->db) != SQLITE_BUSY_SNAPSHOT;
}

static bool run_command(struct shell *shell, bool can_wait)
{
    sqlite3_str *out = sqlite3_str_new(shell->db);
    const char *from = shell->rest;
    bool is_new = !is_running(shell);
    int rc = is_new ? begin(shell, out) : SQLITE_OK, put;

    if (!rc)
        rc = is_running(shell) ? steps(shell, out) : SQLITE_DONE;
    if (rc == SQLITE_BUSY && is_new && can_wait && may_try_again(shell)) {
        sqlite3_free(sqlite3_str_finish(out));
        stop_running(shell);
        shell->rest = from;
        return false;
    }
    put = put_rows(shell, out);
    if (put && (rc == SQLITE_ROW || rc == SQLITE_DONE))
        rc = put;
    if (rc != SQLITE_ROW)
        conclude(shell, rc);
    return true;
}

static void refuse_command(struct shell *shell)
{
    shell_complain(shell, "%s", shell->input.wrong);
    end_command(shell);
}

static bool run_watched(struct shell *shell, bool can_wait)
{
    bool got_on;

    sqlite_watch(on_work, shell);
    got_on = run_command(shell, can_wait);
    sqlite_watch(NULL, NULL);
    return got_on;
}

bool shell_run(struct shell *shell, bool can_wait)
{
    bool is_new = !is_running(shell) && !shell->rest;

    if (shell->input.command == SHELL_NONE) {
        shell->is_over = shell->has_finished;
        return true;
    }
    if (shell->input.command == SHELL_WRONG)
        refuse_command(shell);
    else if (!run_watched(shell, can_wait))
        return false;
    shell->site->commands += is_new;
    if (shell->has_finished && shell->input.command == SHELL_NONE)
        shell->is_over = true;
    return true;
}

/* ---- Input and output */

void shell_init(struct shell *shell, struct shell_site *site)
{
    *shell = (struct shell){.site = site};
    shell->input.bytes_max = site->command_bytes;
}

void shell_end(struct shell *shell)
{
    end_command(shell);
    sqlite3_free(shell->out);
    sqlite3_close(shell->db);
    shell->out = NULL;
    shell->db = NULL;
}

size_t shell_receive(struct shell *shell, const char *bytes, size_t len)
{
    if (shell->is_over)
        return len;
    return shell_input_take(&shell->input, bytes, len);
}

void shell_finish(struct shell *shell)
{
    shell->has_finished = true;
    shell_input_finish(&shell->input);
}

bool shell_is_ready(const struct shell *shell)
{
    const char *bytes;
    size_t len;

    return !shell->is_over && !shell_output(shell, &bytes, &len) &&
           (shell->input.command != SHELL_NONE || shell->has_finished);
}

bool shell_output(const struct shell *shell, const char **bytes, size_t *len)
{
    if (shell->out_taken < shell->out_bytes) {
        *bytes = shell->out + shell->out_taken;
        *len = shell->out_bytes - shell->out_taken;
    } else {
        *bytes = shell->line + shell->line_taken;
        *len = shell->line_bytes - shell->line_taken;
    }
    return *len;
}

void shell_taken(struct shell *shell, size_t len)
{
    if (shell->out_taken < shell->out_bytes) {
        shell->out_taken += len;
        if (shell->out_taken < shell->out_bytes)
            return;
        sqlite3_free(shell->out);
        shell->out = NULL;
        shell->out_taken = shell->out_bytes = 0;
        return;
    }
    shell->line_taken += (unsigned)len;
    if (shell->line_taken == shell->line_bytes)
        shell->line_taken = shell->line_bytes = 0;
}
