/* SPDX-License-Identifier: MIT */
/*
 * One client's shell: bytes in, bytes out. It knows no network and no console;
 * its statements run in shell_run, in a fiber, a part at a time.
 *
 *     shell_receive   what arrived; it takes what it can use now
 *     shell_run       go on with the command that is there
 *     shell_output    what is to be sent next...
 *     shell_taken     ...and how much of it was
 *
 * Each command is answered by its rows (shell_row.h) and one line, which is a
 * comment in SQL:
 *
 *     -- ok                      -- ok, 3 rows            -- ok, 2 changed
 *     -- error 19: UNIQUE constraint failed: t.id         SQLite's number
 *     -- error: a command has a NUL in it                 the shell's own
 *
 * Changes answered with "ok" are on stable storage, unless a transaction is
 * open.
 *
 * Back-pressure both ways: while there is output nothing is run, and while
 * there is a command nothing of the next one is taken. Rows are made some
 * kilobytes at a time.
 */
#ifndef APPS_SQLITE_SHELL_H
#define APPS_SQLITE_SHELL_H

#include <stddef.h>

#include "apps/sqlite/shell_dump.h"
#include "apps/sqlite/shell_input.h"
#include "apps/sqlite/shell_row.h"

/* Rows are collected up to this many bytes before they are sent: some packets.
 */
#define SHELL_ROWS_BYTES   8192
/* The line at an answer's end; long names in an error are cut. */
#define SHELL_LINE_MAX     400
/* Instructions of SQLite's machine between two calls of go_on: some 100 us of
 * work. */
#define SHELL_PROGRESS_OPS 2000
/* LIKE and GLOB recurse for each wildcard, and may read the whole text for
 * each. People write ten. */
#define SHELL_PATTERN_MAX  256

struct shell;

/* What all shells of a database share. Set by the owner, except for the counts.
 */
struct shell_site {
    const char *database;    /* the name for SQLite to open */
    const char *vfs;         /* to open it with; NULL: the volume's */
    size_t command_bytes;    /* the longest command */
    int value_bytes;         /* the longest text, blob or row */
    unsigned long cache_kib; /* page cache of a connection */
    unsigned log_pages;      /* when the write-ahead log is written back */
    /* Called every SHELL_PROGRESS_OPS, and every SQLITE_WORK within one; may
     * park the fiber. False: the statement is to end; shell_stop_because says
     * why. */
    bool (*go_on)(struct shell *shell);
    /* More lines for .status, "NAME\tNUMBER\n". NULL: none. */
    void (*status)(struct shell_site *site, sqlite3_str *out);
    unsigned long commands, rows, errors;
};

struct shell {
    struct shell_site *site;
    struct shell_input input;
    sqlite3 *db;            /* from the first command on */
    const char *rest;       /* of the command; NULL: not begun */
    sqlite3_stmt *stmt;     /* what runs now... */
    struct shell_dump dump; /* ...or this */
    enum shell_mode format; /* of what runs */
    enum shell_mode mode;   /* the mode that the client chose */
    bool has_names;         /* it also chose column names */
    const char *reason;     /* why the statement is to end */
    int error;              /* SQLite's, of the last statement; 0: none */
    unsigned long long rows;
    long long changes; /* of the connection, when the statement began */
    /* The answer: rows, in SQLite's memory, and the line. */
    char *out;
    size_t out_bytes, out_taken;
    unsigned line_bytes, line_taken;
    char line[SHELL_LINE_MAX];
    bool has_finished; /* the client sends no more */
    bool is_over;      /* nor do we: the present output is the last */
};

void shell_init(struct shell *shell, struct shell_site *site);
/* Call it in the fiber: rolls back an open transaction. */
void shell_end(struct shell *shell);

size_t shell_receive(struct shell *shell, const char *bytes, size_t len);
/* No more comes from the client: finish the present command, then end. */
void shell_finish(struct shell *shell);

/* Would shell_run do something now? */
bool shell_is_ready(const struct shell *shell);
/* Run for a while. False: another client has locked the database, and nothing
 * was done: call again later, can_wait false when it should not wait longer. */
bool shell_run(struct shell *shell, bool can_wait);
/* Call it in site->go_on: the reason for the end, a constant text. */
void shell_stop_because(struct shell *shell, const char *reason);

/* False: there is nothing to send. Calling it twice changes nothing. */
bool shell_output(const struct shell *shell, const char **bytes, size_t *len);
void shell_taken(struct shell *shell, size_t len);

/* ---- For shell_dot.c */

/* Begin a dot command: 0: a statement or a dump now runs, or the answer is
 * complete; or SQLite's error. */
int shell_dot(struct shell *shell, const char *text, sqlite3_str *out);
/* The answer is this error. */
void shell_complain(struct shell *shell, const char *format, ...);

#endif
