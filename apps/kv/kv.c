/* SPDX-License-Identifier: MIT */
/*
 * A key-value server that speaks Redis' protocol, and stores its data in an
 * append-only file.
 *
 *     mount=DISK:littlefs:PLACE   where that file is; without: memory only
 *     kv.port=6379                where to listen
 *     kv.fsync=everysec           always, everysec, no
 *     kv.memory_mib=N             for keys and values; default: half of memory
 *     kv.clients=N                how many at once; default by the memory
 *     kv.idle_s=0                 an idle client is closed after this; 0: never
 *     kv.rewrite_mib=64           the file is rewritten after at least so much
 *     kv.damaged=stop             or cut: truncate a damaged file at the damage
 *     kv.password=WORD            clients must send it before anything else
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
 *     kv_work       commands that take several turns: kv_scan, kv_multi
 *     kv_conn       the protocol: bytes in, bytes out
 *     kv_tcp        lwIP on one side, kv_conn on the other
 *     kv_manifest   which files there are
 *     kv_aof        writing them; kv_rewrite compacts them
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
