/* SPDX-License-Identifier: MIT */
/*
 * One client's shell: bytes in, bytes out. It knows no network and no console;
 * its statements run when shell_run is called, in a fiber, a piece at a time.
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
 * What "ok" stands behind is on stable storage, unless a transaction is open.
 *
 * Back-pressure both ways: while there is output nothing is run, and while a
 * command is there nothing of the next one is taken. Rows are made some
 * kilobytes at a time.
 */
#ifndef APPS_SQLITE_SHELL_H
#define APPS_SQLITE_SHELL_H

#include <stddef.h>

#include "apps/sqlite/shell_dump.h"
#include "apps/sqlite/shell_input.h"
#include "apps/sqlite/shell_row.h"

/* Rows are collected up to so many bytes before they are sent: some packets. */
#define SHELL_ROWS_BYTES   8192
/* The line at an answer's end; what an error says of a long name is cut. */
#define SHELL_LINE_MAX     400
/* Instructions of SQLite's machine between two looks at the world: some 100 us
 * of work. */
#define SHELL_PROGRESS_OPS 2000
/* LIKE and GLOB call themselves for each wildcard, and may look at all of a
 * text for each. People write ten. */
#define SHELL_PATTERN_MAX  256

struct shell;

/* What all shells of a database have in common. The owner's, but for the
 * counts. */
struct shell_site {
    const char *database;    /* as SQLite is to open it */
    const char *vfs;         /* with which; NULL: the volume's */
    size_t command_bytes;    /* the longest command */
    int value_bytes;         /* the longest text, blob or row */
    unsigned long cache_kib; /* of pages, a connection's */
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
    enum shell_mode mode;   /* the client's choice */
    bool has_names;         /* its other one */
    const char *reason;     /* why what runs is to end */
    int error;              /* SQLite's, of the last that ended; 0: none */
    unsigned long long rows;
    long long changes; /* of the connection, when the statement began */
    /* The answer: rows, in SQLite's memory, and the line. */
    char *out;
    size_t out_bytes, out_taken;
    unsigned line_bytes, line_taken;
    char line[SHELL_LINE_MAX];
    bool has_finished; /* the client says no more */
    bool is_over;      /* so do we: what output there is is the last */
};

void shell_init(struct shell *shell, struct shell_site *site);
/* In the fiber: rolls back what is not committed. */
void shell_end(struct shell *shell);

size_t shell_receive(struct shell *shell, const char *bytes, size_t len);
/* No more comes from the client: what is there is run, then it is over. */
void shell_finish(struct shell *shell);

/* shell_run would do something now. */
bool shell_is_ready(const struct shell *shell);
/* Go on for a while. False: somebody else has the database locked, nothing was
 * done; the same call later may do better, or be told not to wait any longer.*/
bool shell_run(struct shell *shell, bool can_wait);
/* In site->go_on: this is why. The text is constant. */
void shell_stop_because(struct shell *shell, const char *reason);

/* False: there is nothing to send. Asking twice changes nothing. */
bool shell_output(const struct shell *shell, const char **bytes, size_t *len);
void shell_taken(struct shell *shell, size_t len);

/* ---- For shell_dot.c */

/* Begin with a dot command: 0, and a statement or a dump runs, or everything
 * is said; or SQLite's error. */
int shell_dot(struct shell *shell, const char *text, sqlite3_str *out);
/* The answer is this error. */
void shell_complain(struct shell *shell, const char *format, ...);

#endif
