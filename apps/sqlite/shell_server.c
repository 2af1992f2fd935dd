/* SPDX-License-Identifier: MIT */
/*
 * The fiber takes the first ready client, runs a part of its command, tells its
 * owner, and puts it at the end of the queue if there is more.
 *
 *     rests --wake--> ready --> runs --> rests, ready
 *                       ^         '----> blocked (by a lock)
 *                       '----------------'  another client made progress, or
 *                                           the wait timed out
 *
 * Only the fiber frees a client, since closing its connection may wait for a
 * disk. So the client exists as long as its command runs and its owner is told.
 *
 * The server keeps a connection of its own open, the keeper: it checks and
 * recovers the database before clients come, keeps a database in memory alive,
 * and when it is closed the log is written back.
 */
#include "apps/sqlite/shell_server.h"

#include <stdlib.h>
#include <string.h>

/* Of SQLite's memory; above this pages are reused, and pages of other
 * connections' caches are freed. */
#define SOFT_PERCENT   75
/* A connection's cache, if the others leave room. */
#define CACHE_PERCENT  50
/* The longest text, blob or row, and what SQLite makes of it on its way. */
#define VALUE_PERCENT  10
#define LOG_PAGES      1000
#define LOG_PAGE_BYTES 4096
/* A function that reads such a value once, at some 30 instructions a byte,
 * takes a second at most: it cannot be interrupted (docs/sqlite.md, "Time"). */
#define VALUE_MAX      (16 << 20)

/* ---- Queues */

static struct shell_client *first_of(const struct list *queue)
{
    return list_first(queue, struct shell_client, node);
}

static void make_ready(struct shell_client *client)
{
    struct shell_server *server = client->server;

    client->place = SHELL_READY;
    list_append(&server->ready, &client->node);
    fiber_wake(&server->fiber);
}

static void unblock(struct shell_client *client)
{
    list_remove(&client->server->blocked, &client->node);
    make_ready(client);
}

/* A client made progress, so perhaps a lock is free. The one that has waited
 * longest tries first. */
static void unblock_all(struct shell_server *server)
{
    struct shell_client *client;

    while ((client = first_of(&server->blocked)))
        unblock(client);
}

static void lose_patience(struct timer *timer)
{
    struct shell_client *client =
        container_of(timer, struct shell_client, patience);

    client->is_impatient = true;
    if (client->place == SHELL_BLOCKED)
        unblock(client);
}

static void block(struct shell_client *client)
{
    struct shell_server *server = client->server;

    if (!client->patience.active) {
        server->waited++;
        timer_start(server->app->loop, &client->patience,
                    app_now_ns() + SHELL_BUSY_NS, lose_patience);
    }
    client->place = SHELL_BLOCKED;
    list_append(&server->blocked, &client->node);
}

/* ---- Running, in the fiber */

/* Let the loop turn, if it is due. */
static void breathe(struct shell_server *server)
{
    if (app_now_ns() - server->breath_ns < SHELL_BREATH_NS)
        return;
    fiber_wake(&server->fiber);
    fiber_park();
    server->breath_ns = app_now_ns();
}

static bool go_on(struct shell *shell)
{
    struct shell_client *client =
        container_of(shell, struct shell_client, shell);
    struct shell_server *server = client->server;
    uint64_t used_ns = client->used_ns + app_now_ns() - server->slice_ns;

    breathe(server);
    if (!client->changed || server->is_stopping) {
        shell_stop_because(shell, "the guest is shutting down");
        return false;
    }
    if (used_ns > server->statement_ns) {
        server->timed_out++;
        shell_stop_because(shell, "took longer than a statement may");
        return false;
    }
    return true;
}

/* Free the other connections' caches rather than fail. */
static void make_memory(struct shell_server *server)
{
    if (sqlite3_memory_used() < sqlite3_soft_heap_limit64(-1))
        return;
    for (struct shell_client *c = server->clients; c; c = c->next_of_all)
        if (c->shell.db && c->place != SHELL_RUNS)
            sqlite3_db_release_memory(c->shell.db);
    sqlite3_db_release_memory(server->keeper);
}

/* The disk is full: emptying the log may free enough. If readers prevent that,
 * the next client that gets a full disk tries again. */
static void empty_log(struct shell_server *server)
{
    (void)sqlite3_wal_checkpoint_v2(server->keeper, NULL,
                                    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static void bury(struct shell_client *client)
{
    struct shell_server *server = client->server;
    struct shell_client **link = &server->clients;

    while (*link != client)
        link = &(*link)->next_of_all;
    *link = client->next_of_all;
    server->nr_clients--;
    server->nr_left--;
    timer_stop(server->app->loop, &client->patience);
    shell_end(&client->shell);
    free(client);
    unblock_all(server);
}

static void run_client(struct shell_client *client)
{
    struct shell_server *server = client->server;
    bool got_on;

    make_memory(server);
    server->slice_ns = app_now_ns();
    got_on = shell_run(&client->shell, !client->is_impatient);
    client->used_ns += app_now_ns() - server->slice_ns;
    if (!got_on && client->changed) {
        block(client);
        return;
    }
    timer_stop(server->app->loop, &client->patience);
    client->is_impatient = false;
    if (client->shell.input.command == SHELL_NONE)
        client->used_ns = 0;
    if (client->shell.error == SQLITE_FULL)
        empty_log(server);
    unblock_all(server);
    client->place = SHELL_RESTS;
    if (client->changed)
        client->changed(client);
    shell_server_wake(client);
}

static void serve(struct shell_server *server)
{
    struct shell_client *client = first_of(&server->ready);

    if (!client) {
        fiber_park();
        server->breath_ns = app_now_ns();
        return;
    }
    list_remove(&server->ready, &client->node);
    client->place = SHELL_RUNS;
    if (!client->changed)
        bury(client);
    else
        run_client(client);
    breathe(server);
}

/* ---- The database, in the fiber */

/* SQLite's own default, or an eighth of a small disk: at this length the log is
 * written back. */
static unsigned log_pages(const struct shell_server *server)
{
    uint64_t pages = server->file.database.end / 8 / LOG_PAGE_BYTES;

    return pages < LOG_PAGES ? (unsigned)pages : LOG_PAGES;
}

static int open_volume(struct shell_server *server)
{
    int err;

    if (!strcmp(server->disk, ":memory:")) {
        /* A database that all connections share; for SQLite the slash means
         * that. */
        server->site.database = "/memory";
        server->site.vfs = "memdb";
        return 0;
    }
    err = disks_open(&server->disks, server->disk, &server->volume);
    if (!err)
        err = sqlite_add(&server->file, server->volume, server->format);
    if (err)
        server->volume = NULL;
    else
        server->site.database = server->volume->name;
    server->site.log_pages = log_pages(server);
    return err;
}

static int must(struct shell_server *server, const char *sql)
{
    return sqlite3_exec(server->keeper, sql, NULL, NULL, NULL);
}

static bool is_writable(const struct shell_server *server)
{
    return server->volume && !server->volume->read_only;
}

/* Open the keeper. Reading the schema recovers the database. */
static int open_keeper(struct shell_server *server)
{
    char journal[40];
    int rc = sqlite3_open_v2(server->site.database, &server->keeper,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                             server->site.vfs);

    sqlite3_snprintf(sizeof(journal), journal, "PRAGMA journal_mode=%s",
                     server->journal);
    if (!rc && is_writable(server))
        rc = must(server, journal);
    if (!rc)
        rc = must(server, "SELECT count(*) FROM sqlite_schema");
    if (!rc)
        return 0;
    log_error("sqlite", "%s: the database cannot be opened: %s", server->disk,
              sqlite3_errmsg(server->keeper));
    return -XEN_EIO;
}

static int open_database(struct shell_server *server)
{
    int64_t heap = (int64_t)server->heap_bytes;
    int err;

    sqlite3_hard_heap_limit64(heap);
    sqlite3_soft_heap_limit64(heap / 100 * SOFT_PERCENT);
    server->site.cache_kib = server->heap_bytes / 1024 / 100 * CACHE_PERCENT;
    heap = heap / 100 * VALUE_PERCENT;
    server->site.value_bytes = heap < VALUE_MAX ? (int)heap : VALUE_MAX;
    err = open_volume(server);
    return err ? err : open_keeper(server);
}

/* What cannot be written back now stays in the log for the next start. */
static void close_database(struct shell_server *server)
{
    if (sqlite3_close(server->keeper))
        log_warn("sqlite", "%s: not closed well", server->disk);
    if (server->volume)
        sqlite_remove(&server->file);
    sqlite3_shutdown();
}

static void run(struct fiber *fiber)
{
    struct shell_server *server =
        container_of(fiber, struct shell_server, fiber);
    int status = open_database(server);

    server->opened(server, status);
    while (!server->is_stopping || server->nr_clients)
        serve(server);
    close_database(server);
}

/* ---- .status */

static void add_number(sqlite3_str *out, const char *name, uint64_t number)
{
    sqlite3_str_appendf(out, "%s\t%llu\n", name, (unsigned long long)number);
}

static void add_status(struct shell_site *site, sqlite3_str *out)
{
    const struct shell_server *server =
        container_of(site, struct shell_server, site);
    const struct database *db = &server->file.database;

    add_number(out, "heap_limit_bytes", server->heap_bytes);
    add_number(out, "stack_bytes", fiber_stack_used(&server->fiber));
    add_number(out, "clients", server->nr_clients);
    add_number(out, "statements_timed_out", server->timed_out);
    add_number(out, "statements_waited", server->waited);
    if (!server->volume)
        return;
    add_number(out, "database_bytes", database_bytes(db, DATABASE_MAIN));
    add_number(out, "database_room_bytes", database_room(db));
    add_number(out, "journal_bytes", database_bytes(db, DATABASE_JOURNAL));
    add_number(out, "disk_reads", db->stats.reads);
    add_number(out, "disk_read_bytes", db->stats.read_bytes);
    add_number(out, "disk_writes", db->stats.writes);
    add_number(out, "disk_written_bytes", db->stats.written_bytes);
    add_number(out, "disk_flushes", db->stats.flushes);
}

/* ---- On the loop */

int shell_server_start(struct shell_server *server)
{
    struct app *app = server->app;

    list_init(&server->ready);
    list_init(&server->blocked);
    server->site.go_on = go_on;
    server->site.status = add_status;
    disks_init(&server->disks, app);
    sqlite_start(app->loop, app->random);
    if (!fiber_start(&server->fiber, app->loop, app->pages, SHELL_STACK_PAGES,
                     run))
        return 0;
    log_error("sqlite", "no memory for a stack of %u pages", SHELL_STACK_PAGES);
    return -XEN_ENOMEM;
}

void shell_server_stop(struct shell_server *server)
{
    server->is_stopping = true;
    disks_leave(&server->disks);
    if (server->fiber.started)
        fiber_wake(&server->fiber);
    while (server->fiber.started)
        loop_turn(server->app->loop);
    disks_close(&server->disks);
}

int shell_server_join(struct shell_server *server, struct shell_client *client)
{
    /* Clients that have left do not count, until they are as many again. */
    if (server->nr_clients - server->nr_left >= server->clients_max ||
        server->nr_left > server->clients_max)
        return -XEN_EBUSY;
    server->nr_clients++;
    client->server = server;
    client->next_of_all = server->clients;
    server->clients = client;
    shell_init(&client->shell, &server->site);
    return 0;
}

void shell_server_wake(struct shell_client *client)
{
    if (client->place == SHELL_RESTS &&
        (!client->changed || shell_is_ready(&client->shell)))
        make_ready(client);
}

void shell_server_leave(struct shell_client *client)
{
    client->changed = NULL;
    client->server->nr_left++;
    if (client->place == SHELL_BLOCKED)
        unblock(client);
    else
        shell_server_wake(client);
}
