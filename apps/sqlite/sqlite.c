/* SPDX-License-Identifier: MIT */
/*
 * SQLite as a guest: a database on a raw disk (or in memory), and a shell for
 * it over TCP and on the console. docs/options.md has the options, shell.h the
 * protocol; docs/sqlite.md is the guide.
 *
 * Layers, each usable without those below it in this list:
 *
 *     shell_scan      where a statement ends
 *     shell_input     bytes to commands
 *     shell_row       rows to text; shell_dump: all rows
 *     shell           one client: bytes in, bytes out; shell_dot: .tables etc.
 *     shell_server    the database, its fiber, clients in turn
 *     shell_tcp       clients from the network
 *     shell_console   the client at the console
 */
// serves: tcp 8432
#include "kernel/app.h"
#include "apps/sqlite/shell_console.h"
#include "apps/sqlite/shell_tcp.h"
#include "net/net.h"

#include <inttypes.h>
#include <string.h>

#define PORT_DEFAULT          8432
#define IDLE_S_DEFAULT        600
#define STATEMENT_S_DEFAULT   60
#define STATEMENT_KIB_DEFAULT 64
/* The limits of the options: a day, and what a reasonable heap can hold. */
#define SECONDS_MAX           86400
#define STATEMENT_KIB_MAX     16384
#define CLIENTS_MAX           256
/* A client with a small query takes this much of SQLite's memory. */
#define CLIENT_BYTES          (256u << 10)
/* A usable minimum: one client, a cache of some pages, a sort. */
#define HEAP_MIN              (1u << 20)

static struct {
    struct shell_server server;
    struct shell_tcp tcp;
    struct shell_console console;
    uint64_t port;
    bool has_console;
    int status; /* of the guest */
} sqlite;

/* ---- Options */

static int read_journal(struct options *options)
{
    static const char *const modes[] = {"wal", "delete", "truncate", "persist"};
    const char *journal = modes[0];

    if (options_text(options, "sqlite.journal", &journal) < 0)
        return -XEN_EINVAL;
    sqlite.server.journal = journal;
    for (unsigned i = 0; i < array_size(modes); i++)
        if (!strcmp(journal, modes[i]))
            return 0;
    log_error("sqlite",
              "sqlite.journal=%s is not one of wal, delete, "
              "truncate, persist",
              journal);
    return -XEN_EINVAL;
}

static int read_disk(struct options *options)
{
    const char *disk = "xvda";

    if (options_text(options, "sqlite.disk", &disk) < 0 ||
        options_bool(options, "sqlite.format", &sqlite.server.format) < 0)
        return -XEN_EINVAL;
    sqlite.server.disk = disk;
    if (!strcmp(disk, ":memory:") || disks_is_name(disk))
        return 0;
    log_error("sqlite", "sqlite.disk=%s is neither a disk nor :memory:", disk);
    return -XEN_EINVAL;
}

static int read_limits(struct options *options)
{
    struct shell_server *server = &sqlite.server;
    uint64_t idle_s = IDLE_S_DEFAULT, statement_s = STATEMENT_S_DEFAULT;
    uint64_t kib = STATEMENT_KIB_DEFAULT;
    uint64_t clients = server->heap_bytes / CLIENT_BYTES;

    clients = clients < CLIENTS_MAX ? clients : CLIENTS_MAX;
    if (options_number(options, "sqlite.idle_s", 1, SECONDS_MAX, &idle_s) < 0 ||
        options_number(options, "sqlite.statement_s", 1, SECONDS_MAX,
                       &statement_s) < 0 ||
        options_number(options, "sqlite.statement_kib", 1, STATEMENT_KIB_MAX,
                       &kib) < 0 ||
        options_number(options, "sqlite.clients", 1, CLIENTS_MAX, &clients) < 0)
        return -XEN_EINVAL;
    sqlite.tcp.idle_ns = idle_s * NS_PER_S;
    server->statement_ns = statement_s * NS_PER_S;
    server->site.command_bytes = kib * 1024;
    server->clients_max = (unsigned)clients;
    return 0;
}

static int read_options(struct options *options)
{
    sqlite.port = PORT_DEFAULT;
    sqlite.has_console = true;
    if (options_number(options, "sqlite.port", 1, UINT16_MAX, &sqlite.port) <
            0 ||
        options_bool(options, "sqlite.console", &sqlite.has_console) < 0 ||
        read_disk(options) || read_journal(options))
        return -XEN_EINVAL;
    return read_limits(options);
}

/* SQLite may have half of the memory: the other half is for lwIP, the disk and
 * the clients' commands. */
static int share_memory(struct app *app)
{
    size_t bytes = pages_available(app->pages) * XEN_PAGE_SIZE;

    sqlite.server.heap_bytes = bytes / 2;
    if (sqlite.server.heap_bytes >= HEAP_MIN)
        return 0;
    log_error("sqlite",
              "SQLite needs %u KiB and could have %zu: give the "
              "guest more memory=",
              HEAP_MIN / 1024, bytes / 2 / 1024);
    return -XEN_ENOMEM;
}

/* ---- The database is there, or not */

static void tell(const struct shell_server *server)
{
    const struct database *db = &server->file.database;

    log_info("sqlite", "SQLite %s, %zu KiB of memory, up to %u clients",
             sqlite3_libversion(), server->heap_bytes / 1024,
             server->clients_max);
    if (server->volume)
        log_info("sqlite",
                 "%s: %" PRIu64 " KiB of at most %" PRIu64 ", journal %s%s",
                 server->disk, database_bytes(db, DATABASE_MAIN) / 1024,
                 database_room(db) / 1024, server->journal,
                 server->volume->read_only ? ", read-only" : "");
}

static void fail(struct app *app)
{
    sqlite.status = 1;
    app_stop(app);
}

static void opened(struct shell_server *server, int status)
{
    struct app *app = server->app;

    if (app->stop)
        return;
    if (status) {
        fail(app);
        return;
    }
    tell(server);
    sqlite.tcp.database = sqlite.console.server = server;
    sqlite.tcp.clients_max = server->clients_max - sqlite.has_console;
    if (shell_tcp_start(&sqlite.tcp, (uint16_t)sqlite.port)) {
        log_error("sqlite", "no memory to listen on port %" PRIu64,
                  sqlite.port);
        fail(app);
        return;
    }
    log_info("sqlite", "port %" PRIu64, sqlite.port);
    sqlite.console.console = app->console;
    if (sqlite.has_console && shell_console_start(&sqlite.console))
        log_warn("sqlite", "no memory for a shell on the console");
}

/* ---- Start and end */

static void stop(void)
{
    const struct server_stats *clients = &sqlite.tcp.server.stats;

    server_stop(&sqlite.tcp.server);
    shell_console_stop(&sqlite.console);
    shell_server_stop(&sqlite.server);
    log_info("sqlite",
             "%" PRIu64 " clients, %" PRIu64 " refused, %" PRIu64
             " cut off; %lu commands, %lu rows, "
             "%lu errors",
             clients->accepted, clients->refused,
             clients->timed_out + clients->evicted + clients->pressed,
             sqlite.server.site.commands, sqlite.server.site.rows,
             sqlite.server.site.errors);
}

int app_main(struct app *app)
{
    struct shell_server *server = &sqlite.server;

    server->app = app;
    server->opened = opened;
    if (net_start(app) || share_memory(app) || read_options(app->options) ||
        shell_server_start(server))
        return 1;
    app_run(app);
    stop();
    return sqlite.status;
}
