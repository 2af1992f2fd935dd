/* SPDX-License-Identifier: MIT */
/*
 * INFO. Each section is a function; lines are NAME:VALUE. The answer is built
 * in an output of its own, since its length is sent first.
 */
#include "apps/kv/kv_info.h"
#include "apps/kv/kv_command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX 128
#define NS_PER_S 1000000000
#define US_PER_S 1000000

struct info {
    struct kv *kv;
    struct kv_output text;
    struct kv_measures measures;
};

__attribute__((format(printf, 2, 3))) static void put(struct info *info,
                                                      const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line) - 2, format, args);
    va_end(args);
    strcat(line, "\r\n");
    kv_output_add(&info->text, line, strlen(line));
}

static void put_number(struct info *info, const char *name, uint64_t number)
{
    put(info, "%s:%" PRIu64, name, number);
}

static void put_human(struct info *info, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGT";
    unsigned unit = 0;
    uint64_t hundredths = bytes * 100;

    for (; hundredths >= 102400 && unit < 4; unit++)
        hundredths /= 1024;
    put(info, "%s:%u.%02u%c", name, (unsigned)(hundredths / 100),
        (unsigned)(hundredths % 100), units[unit]);
}

static void server(struct info *info)
{
    uint64_t up_s = info->measures.uptime_ns / NS_PER_S;

    put(info, "# Server");
    put(info, "redis_version:" KV_INFO_VERSION);
    put(info, "redis_mode:standalone");
    put(info, "os:Xenolith");
    put(info, "arch_bits:64");
    put(info, "process_id:1");
    put(info, "run_id:%s", info->kv->run_id);
    put_number(info, "tcp_port", info->kv->port);
    put_number(info, "server_time_usec", info->kv->now_us);
    put_number(info, "uptime_in_seconds", up_s);
    put_number(info, "uptime_in_days", up_s / 86400);
}

static void clients(struct info *info)
{
    put(info, "# Clients");
    put_number(info, "connected_clients", info->kv->nr_clients);
    put_number(info, "maxclients", info->kv->clients_max);
    put_number(info, "client_query_bytes", info->kv->held_bytes);
    put_number(info, "client_output_bytes", info->kv->outputs.bytes);
}

static void memory(struct info *info)
{
    struct kv *kv = info->kv;
    size_t used = kv->store.used_bytes;

    if (used > kv->used_max)
        kv->used_max = used;
    put(info, "# Memory");
    put_number(info, "used_memory", used);
    put_human(info, "used_memory_human", used);
    put_number(info, "used_memory_rss", info->measures.heap_bytes);
    put_human(info, "used_memory_rss_human", info->measures.heap_bytes);
    put_number(info, "used_memory_peak", kv->used_max);
    put_human(info, "used_memory_peak_human", kv->used_max);
    put_number(info, "total_system_memory", info->measures.memory_bytes);
    put_number(info, "maxmemory", kv->memory_max);
    put_human(info, "maxmemory_human", kv->memory_max);
    put(info, "maxmemory_policy:noeviction");
}

static void persistence(struct info *info)
{
    const struct kv *kv = info->kv;
    const struct kv_disk *disk = &kv->disk;

    put(info, "# Persistence");
    put_number(info, "loading", kv->is_loading);
    put_number(info, "aof_enabled", disk->is_on);
    put_number(info, "aof_rewrite_in_progress", disk->is_rewriting);
    put(info, "aof_last_bgrewrite_status:%s",
        disk->rewrite_failed ? "err" : "ok");
    put(info, "aof_last_write_status:%s", kv->journal.error ? "err" : "ok");
    if (!disk->is_on)
        return;
    put(info, "aof_fsync:%s", disk->policy);
    put_number(info, "aof_current_size", disk->written_bytes);
    put_number(info, "aof_base_size", disk->base_bytes);
    put_number(info, "aof_buffer_length", kv->journal.used);
    put_number(info, "aof_fsyncs", disk->fsyncs);
    put_number(info, "aof_rewrites", disk->rewrites);
    put_number(info, "aof_write_failures", disk->failures);
    if (!kv->is_loading)
        return;
    put_number(info, "loading_total_bytes", disk->to_load_bytes);
    put_number(info, "loading_loaded_bytes", disk->loaded_bytes);
}

static void stats(struct info *info)
{
    const struct kv_stats *stats = &info->kv->stats;
    const struct kv_measures *measures = &info->measures;

    put(info, "# Stats");
    put_number(info, "total_connections_received", stats->connections);
    put_number(info, "total_commands_processed", stats->commands);
    put_number(info, "total_net_input_bytes", stats->in_bytes);
    put_number(info, "total_net_output_bytes", stats->out_bytes);
    put_number(info, "rejected_connections", measures->refused);
    put_number(info, "evicted_clients", measures->evicted);
    put_number(info, "timed_out_clients", measures->timed_out);
    put_number(info, "dropped_clients", stats->dropped + measures->dropped);
    put_number(info, "expired_keys", info->kv->store.nr_expired);
    put_number(info, "evicted_keys", 0);
    put_number(info, "keyspace_hits", stats->hits);
    put_number(info, "keyspace_misses", stats->misses);
    put_number(info, "acl_access_denied_auth", stats->strangers);
    put_number(info, "total_error_replies", info->kv->outputs.nr_errors);
}

static void replication(struct info *info)
{
    put(info, "# Replication");
    put(info, "role:master");
    put(info, "connected_slaves:0");
}

static void cpu(struct info *info)
{
    uint64_t ns = info->measures.cpu_ns;

    put(info, "# CPU");
    put(info, "used_cpu_sys:%u.%06u", (unsigned)(ns / NS_PER_S),
        (unsigned)(ns % NS_PER_S / (NS_PER_S / US_PER_S)));
    put(info, "used_cpu_user:0.000000");
}

static void cluster(struct info *info)
{
    put(info, "# Cluster");
    put(info, "cluster_enabled:0");
}

static void keyspace(struct info *info)
{
    const struct kv_table *table = &info->kv->store.table;

    put(info, "# Keyspace");
    if (table->nr_keys)
        put(info, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0",
            table->nr_keys, table->nr_expiring);
}

static const struct section {
    const char *name;
    void (*put)(struct info *info);
} sections[] = {
    {"server", server},     {"clients", clients},
    {"memory", memory},     {"persistence", persistence},
    {"stats", stats},       {"replication", replication},
    {"cpu", cpu},           {"cluster", cluster},
    {"keyspace", keyspace},
};

static bool is_asked_for(const struct kv_call *call, const char *name)
{
    for (unsigned i = 1; i < call->nr; i++)
        if (kv_text_is(call->words[i], name) ||
            kv_text_is(call->words[i], "all") ||
            kv_text_is(call->words[i], "default") ||
            kv_text_is(call->words[i], "everything"))
            return true;
    return call->nr == 1;
}

void kv_info_info(struct kv_call *call)
{
    struct info info = {.kv = call->kv};

    if (call->kv->measure)
        call->kv->measure(call->kv, &info.measures);
    kv_output_init(&info.text, call->out->all);
    for (unsigned i = 0; i < array_size(sections); i++) {
        if (!is_asked_for(call, sections[i].name))
            continue;
        if (info.text.added)
            kv_output_add(&info.text, "\r\n", 2);
        sections[i].put(&info);
    }
    kv_output_bulk_head(call->out, info.text.added);
    kv_output_move(call->out, &info.text);
    kv_output_add(call->out, "\r\n", 2);
}
