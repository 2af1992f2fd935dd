/* SPDX-License-Identifier: MIT */
/*
 * Options, memory, time, start and end.
 *
 * The memory that there is at the start is dealt out: half to keys and values,
 * a quarter at most to TCP/IP, an eighth each to incomplete requests and to
 * answers that wait. Neither of the last three is usually needed; what is left
 * of them is room for the file's buffers and for what malloc cannot use.
 */
#include "apps/kv/kv_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/app.h"
#include "apps/kv/kv_load.h"
#include "apps/kv/kv_rewrite.h"
#include "libc/libc.h"
#include "net/memory.h"
#include "net/net.h"

#define PORT_DEFAULT    6379
#define MIB             (UINT64_C(1) << 20)
/* What one idle client takes of ours and lwIP's; a sixteenth of the memory is
 * for them. */
#define CLIENT_BYTES    1024
#define CLIENTS_MIN     16
#define CLIENTS_MAX     10000 /* Redis' default */
/* A file is rewritten when so much has come since, at least: Redis' 64 MiB. */
#define REWRITE_MIB     64
#define REWRITE_MIB_MAX 1024
/* Keys whose time has come are looked for so often, in so many buckets: the
 * 256th part of the table, but at most some tenths of a millisecond. */
#define EXPIRY_NS       (100 * NS_PER_MS)
#define EXPIRY_PART     256
#define EXPIRY_BUCKETS  512
#define EXPIRY_MAX      4096
/* A password's length, bytes: Redis has none, the command line has. */
#define PASSWORD_MAX    128
/* Keys that are freed at once after FLUSHALL. */
#define TIDY_KEYS       512
/* Answers of the disk to wait for at the end. */
#define STOP_NS         (10 * NS_PER_S)

/* ---- Time and what is left over */

static void set_time(struct kv_server *server)
{
    uint64_t wall_ns = app_wall_ns(server->app);

    server->kv.now_us = wall_ns / NS_PER_US;
    server->kv.store.now_ms = wall_ns / NS_PER_MS;
}

/* While a transaction goes on, it is always the same time. */
static void on_begins(struct kv *kv)
{
    if (!kv->exclusive)
        set_time(container_of(kv, struct kv_server, kv));
}

static void on_expiry(struct timer *timer)
{
    struct kv_server *server = container_of(timer, struct kv_server, expiry);
    struct kv_store *store = &server->kv.store;
    uint64_t nr = store->table.nr_buckets / EXPIRY_PART;

    if (nr < EXPIRY_BUCKETS)
        nr = EXPIRY_BUCKETS;
    if (nr > EXPIRY_MAX)
        nr = EXPIRY_MAX;
    if (!server->kv.exclusive) {
        set_time(server);
        kv_store_expire(store, (unsigned)nr);
    }
    if (store->table.nr_expiring)
        timer_start(server->app->loop, timer,
                    loop_now(server->app->loop) + EXPIRY_NS, on_expiry);
}

static void on_tidy(struct task *task)
{
    struct kv_server *server = container_of(task, struct kv_server, tidy);

    if (kv_store_tidy(&server->kv.store, TIDY_KEYS))
        task_start(server->app->loop, task, on_tidy);
}

static void on_ends(struct kv *kv)
{
    struct kv_server *server = container_of(kv, struct kv_server, kv);
    struct loop *loop = server->app->loop;

    if (kv->store.used_bytes > kv->used_max)
        kv->used_max = kv->store.used_bytes;
    if (kv->store.table.nr_expiring && !server->expiry.active)
        timer_start(loop, &server->expiry, loop_now(loop) + EXPIRY_NS,
                    on_expiry);
    if (kv->store.cleared)
        task_start(loop, &server->tidy, on_tidy);
}

static void measure(struct kv *kv, struct kv_measures *measures)
{
    const struct kv_server *server = container_of(kv, struct kv_server, kv);
    const struct server_stats *clients = &server->tcp.server.stats;
    struct libc_heap heap;

    libc_heap(&heap);
    *measures = (struct kv_measures){
        .uptime_ns = app_uptime_ns(server->app),
        .cpu_ns = app_cpu_ns(server->app),
        .heap_bytes = heap.held_bytes,
        .memory_bytes = server->memory_bytes,
        .refused = clients->refused,
        .evicted = clients->evicted,
        .timed_out = clients->timed_out,
        .dropped = clients->dropped + clients->pressed,
    };
}

/* ---- The file */

static struct kv_server *of_aof(struct kv_aof *aof)
{
    return container_of(aof, struct kv_server, aof);
}

static void on_batch_begins(struct kv_aof *aof)
{
    kv_tcp_batch_begins(&of_aof(aof)->tcp);
}

static void on_batch_ends(struct kv_aof *aof, int status)
{
    kv_tcp_batch_ends(&of_aof(aof)->tcp, status);
}

static int on_rewrite(struct kv *kv)
{
    return kv_rewrite_start(&container_of(kv, struct kv_server, kv)->aof);
}

static void fail(struct kv_server *server)
{
    server->has_failed = true;
    app_stop(server->app);
}

static void on_loaded(struct kv_aof *aof, int status)
{
    struct kv_server *server = of_aof(aof);

    if (status) {
        log_error("kv", "not serving without what the file has");
        fail(server);
        return;
    }
    kv_aof_begin(aof);
    on_ends(&server->kv);
}

static void on_mounted(struct fs *fs, int status)
{
    struct kv_server *server = container_of(fs, struct kv_server, fs);
    bool is_read_only = fs->nr_mounts && fs->mounts[0].read_only;

    if (!fs->nr_mounts)
        return;
    if (!status && is_read_only)
        log_error("kv",
                  "%s/ is read-only: an append-only file needs a "
                  "littlefs",
                  fs->mounts[0].place);
    set_time(server);
    if (status || is_read_only || kv_load_start(&server->aof, on_loaded))
        fail(server);
}

/* ---- Options */

static int set_policy(struct kv_server *server)
{
    static const char *const names[] = {"always", "everysec", "no"};
    const char *value = names[KV_EVERYSEC];

    if (options_text(server->app->options, "kv.fsync", &value) < 0)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < array_size(names); i++) {
        if (strcmp(value, names[i]))
            continue;
        server->aof.policy = (enum kv_policy)i;
        server->kv.disk.policy = names[i];
        return 0;
    }
    log_error("kv", "kv.fsync=%s is none of always, everysec, no", value);
    return -XEN_EINVAL;
}

static int set_damaged(struct kv_server *server)
{
    const char *value = "stop";

    if (options_text(server->app->options, "kv.damaged", &value) < 0)
        return -XEN_EINVAL;
    server->aof.goes_on = !strcmp(value, "cut");
    if (server->aof.goes_on || !strcmp(value, "stop"))
        return 0;
    log_error("kv", "kv.damaged=%s is neither stop nor cut", value);
    return -XEN_EINVAL;
}

static int set_password(struct kv_server *server)
{
    const char *value = NULL;

    if (options_text(server->app->options, "kv.password", &value) < 0)
        return -XEN_EINVAL;
    if (!value || (*value && strlen(value) <= PASSWORD_MAX)) {
        server->kv.password = value;
        return 0;
    }
    log_error("kv", "kv.password= has 1 to %u bytes", PASSWORD_MAX);
    return -XEN_EINVAL;
}

static uint64_t default_clients(uint64_t memory_bytes)
{
    uint64_t nr = memory_bytes / 16 / CLIENT_BYTES;

    if (nr < CLIENTS_MIN)
        return CLIENTS_MIN;
    return nr < CLIENTS_MAX ? nr : CLIENTS_MAX;
}

static int set_options(struct kv_server *server)
{
    struct options *options = server->app->options;
    uint64_t memory = server->memory_bytes,
             memory_mib = (memory / 2 + MIB - 1) / MIB,
             clients = default_clients(memory), idle_s = 0,
             rewrite_mib = REWRITE_MIB;

    server->port = PORT_DEFAULT;
    if (options_number(options, "kv.port", 1, UINT16_MAX, &server->port) < 0 ||
        options_number(options, "kv.memory_mib", 1, memory / MIB + 1,
                       &memory_mib) < 0 ||
        options_number(options, "kv.clients", 1, CLIENTS_MAX, &clients) < 0 ||
        options_number(options, "kv.idle_s", 0, 86400 * 365, &idle_s) < 0 ||
        options_number(options, "kv.rewrite_mib", 1, REWRITE_MIB_MAX,
                       &rewrite_mib) < 0 ||
        set_policy(server) || set_damaged(server) || set_password(server))
        return -XEN_EINVAL;
    server->kv.memory_max = memory_mib * MIB;
    server->kv.clients_max = (unsigned)clients;
    server->kv.port = (uint16_t)server->port;
    server->tcp.idle_ns = idle_s * NS_PER_S;
    server->aof.rewrite_bytes = rewrite_mib * MIB;
    return 0;
}

/* ---- Start */

static uint32_t longest_word(uint64_t memory_bytes)
{
    uint64_t bytes = memory_bytes / 16;

    return bytes < KV_VALUE_MAX ? (uint32_t)bytes : KV_VALUE_MAX;
}

static void set_run_id(struct kv_server *server)
{
    unsigned char bytes[(sizeof(server->kv.run_id) - 1) / 2];

    random_bytes(server->app->random, bytes, sizeof(bytes));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        sprintf(server->kv.run_id + 2 * i, "%02x", bytes[i]);
}

static void prepare(struct kv_server *server)
{
    struct app *app = server->app;
    uint64_t memory = pages_available(app->pages) * XEN_PAGE_SIZE;

    server->memory_bytes = memory;
    server->kv = (struct kv){
        .store.memory = app->pages,
        .held_max = memory / 8,
        .outputs.bytes_max = memory / 8,
        .word_max = longest_word(memory),
        .measure = measure,
        .begins = on_begins,
        .ends = on_ends,
        .rewrite = on_rewrite,
    };
    server->tcp.kv = &server->kv;
    server->tcp.loop = app->loop;
    server->aof.kv = &server->kv;
    server->aof.fs = &server->fs;
    server->aof.loop = app->loop;
    server->aof.batch_begins = on_batch_begins;
    server->aof.batch_ends = on_batch_ends;
    random_bytes(app->random, &server->kv.store.hash_key,
                 sizeof(server->kv.store.hash_key));
    set_run_id(server);
    set_time(server);
}

/* A mount, or memory only. */
static int start_files(struct kv_server *server)
{
    int error = fs_start(&server->fs, server->app, on_mounted);

    if (error)
        return error;
    server->kv.is_loading = server->fs.nr_mounts > 0;
    server->aof.place = server->fs.mounts[0].place;
    if (!server->fs.nr_mounts)
        log_info("kv", "nothing is mounted: what is stored is in memory only");
    return 0;
}

static int start(struct kv_server *server)
{
    int error;

    prepare(server);
    error = set_options(server);
    if (!error)
        error = kv_db_init(&server->kv);
    if (!error)
        error = start_files(server);
    if (!error)
        error = net_start(server->app);
    if (error)
        return error;
    memory_set_limit(memory_use().limit / 2);
    server->tcp.in_flight_max = memory_use().limit / 2;
    return kv_tcp_start(&server->tcp, (uint16_t)server->port);
}

/* ---- The end */

static void on_closed(struct kv_aof *aof, int status)
{
    struct kv_server *server = of_aof(aof);

    server->has_closed = true;
    if (status)
        log_error("kv", "the append-only file could not be closed: error %d",
                  status);
}

static void on_deadline(struct timer *timer)
{
    container_of(timer, struct kv_server, deadline)->is_late = true;
}

/* What was not written yet is; who waits for it gets his answer. */
static void close_file(struct kv_server *server)
{
    struct loop *loop = server->app->loop;

    if (!server->kv.journal.is_on)
        return;
    timer_start(loop, &server->deadline, loop_now(loop) + STOP_NS, on_deadline);
    kv_aof_stop(&server->aof, on_closed);
    while (!server->has_closed && !server->is_late)
        loop_turn(loop);
    if (!server->has_closed)
        log_error("kv",
                  "the disk does not answer: %zu bytes of the "
                  "append-only file are lost",
                  server->kv.journal.used + server->aof.batch_bytes);
}

static void stop(struct kv_server *server)
{
    bool has_clients = server->kv.nr_clients > 0;

    server->kv.is_stopping = true;
    kv_conn_end_exclusive(&server->kv);
    close_file(server);
    kv_tcp_stop(&server->tcp);
    if (has_clients)
        loop_turn(server->app->loop);
}

int kv_server_run(struct kv_server *server, struct app *app)
{
    int error;

    server->app = app;
    error = start(server);
    if (error) {
        log_error("kv", "cannot start: error %d", error);
        return 1;
    }
    log_info("kv",
             "serving on port %u, up to %u clients, %" PRIu64 " MiB of data",
             (unsigned)server->port, server->kv.clients_max,
             (uint64_t)server->kv.memory_max / MIB);
    app_run(app);
    stop(server);
    return server->has_failed;
}
