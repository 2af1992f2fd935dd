/* SPDX-License-Identifier: MIT */
/*
 * A key-value server that speaks Redis' protocol, and keeps what it is told in
 * an append-only file.
 *
 *     mount=DISK:littlefs:PLACE   where that file lies; without: memory only
 *     kv.port=6379                where to listen
 *     kv.fsync=everysec           always, everysec, no
 *     kv.memory_mib=N             for keys and values; default: half of it
 *     kv.clients=N                how many at once; default by the memory
 *     kv.idle_s=0                 an idle client is closed then; 0: never
 *     kv.rewrite_mib=64           the file is rewritten after so much, at least
 *     kv.damaged=stop             or cut: a damaged file, from there on
 *     kv.password=WORD            who does not say it is not served
 *
 * Layers, each usable without those above it in this list:
 *
 *     kv_text       texts and numbers; kv_glob patterns; kv_hash is SipHash
 *     kv_store      keys and values
 *     kv_resp       bytes to requests
 *     kv_output     answers to bytes
 *     kv_journal    changes to bytes, for the file
 *     kv_db         what all of these share
 *     kv_command    the commands: kv_strings, kv_keys, kv_admin, kv_info,
 *                   kv_client; kv_table lists them all
 *     kv_work       those that take several turns: kv_scan, kv_multi
 *     kv_conn       the protocol: bytes in, bytes out
 *     kv_tcp        lwIP on one side, kv_conn on the other
 *     kv_manifest   which files there are
 *     kv_aof        writing them; kv_rewrite makes them small again
 *     kv_load       reading them
 *     kv_server     options, memory, start and end
 */
// serves: tcp 6379
#include "kernel/app.h"
#include "apps/kv/kv_server.h"

int app_main(struct app *app)
{
    static struct kv_server server;

    return kv_server_run(&server, app);
}
