/* SPDX-License-Identifier: MIT */
/*
 * One database and its clients, wherever they come from. SQLite runs on one
 * fiber; clients take turns on it, some kilobytes of rows each.
 *
 *     client->changed = changed;
 *     shell_server_join(server, client)
 *     shell_receive(&client->shell, ...)    (apps/sqlite/shell.h)
 *     shell_server_wake(client)             there may be something to do
 *       -> changed(client)                  there may be output, or room
 *     shell_server_leave(client)            never again
 *
 * A statement that needs a lock held by another client is retried, for
 * SHELL_BUSY_NS, whenever that client made progress. A long statement lets the
 * loop turn, and is ended when it takes too long or its client has gone.
 */
#ifndef APPS_SQLITE_SHELL_SERVER_H
#define APPS_SQLITE_SHELL_SERVER_H

#include "kernel/app.h"
#include "apps/sqlite/shell.h"
#include "disk/disk.h"
#include "database/sqlite.h"
#include "kernel/fiber.h"
#include "kernel/list.h"

/* SQLite's stack: its own limits on nesting (database/sqlite/sqlite_options.h,
 * and JSON's 1000 levels) use at most half of it. */
#define SHELL_STACK_PAGES 128
/* A client that waits for another's transaction gets an error after this time:
 * programs' transactions are shorter; only those of people who pause to think
 * are longer. */
#define SHELL_BUSY_NS     (5 * NS_PER_S)
/* How long SQLite may run before the loop turns. */
#define SHELL_BREATH_NS   (1 * NS_PER_MS)

struct shell_server;

struct shell_client {
    struct shell shell;
    /* Set by the owner, called in the fiber. NULL: the client has left. */
    void (*changed)(struct shell_client *client);
    /* The server's: */
    struct shell_server *server;
    struct shell_client *next_of_all;
    struct list_node node; /* ready or blocked */
    enum shell_place {
        SHELL_RESTS,
        SHELL_READY,
        SHELL_RUNS,
        SHELL_BLOCKED
    } place;
    struct timer patience; /* until it gets "locked" */
    bool is_impatient;
    uint64_t used_ns; /* time used by its command */
};

struct shell_server {
    /* The owner's: */
    struct app *app;
    const char *disk; /* or ":memory:" */
    bool format;      /* see sqlite_add */
    const char *journal;
    unsigned clients_max;
    size_t heap_bytes;     /* SQLite's limit */
    uint64_t statement_ns; /* how long a statement may run */
    /* Called in the fiber: the database is open, or cannot be (negative,
     * logged). */
    void (*opened)(struct shell_server *server, int status);
    /* Private to the server, except site.command_bytes: */
    struct shell_site site;
    struct disks disks;
    struct volume *volume; /* NULL: in memory */
    struct sqlite_volume file;
    sqlite3 *keeper; /* the keeper, which is always open */
    struct fiber fiber;
    struct shell_client *clients;
    struct list ready, blocked;      /* clients */
    unsigned nr_clients, nr_left;    /* all; those that have left */
    uint64_t breath_ns, slice_ns;    /* when the loop turned; it began */
    unsigned long timed_out, waited; /* statements */
    bool is_stopping;
};

/* Begin to open the database. -XEN_ENOMEM, logged. */
must_check int shell_server_start(struct shell_server *server);
/* All clients must have left. Returns when the database is closed; turns the
 * loop. */
void shell_server_stop(struct shell_server *server);

/* `client` must be from malloc; the server frees it when it has left.
 * -XEN_EBUSY: there are too many clients. */
must_check int shell_server_join(struct shell_server *server,
                                 struct shell_client *client);
void shell_server_wake(struct shell_client *client);
void shell_server_leave(struct shell_client *client);

#endif
