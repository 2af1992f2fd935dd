/* SPDX-License-Identifier: MIT */
/*
 * Commands about the connection and the server, which Redis clients and tools
 * send around their actual work.
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_glob.h"
#include "apps/kv/kv_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_S 1000000

/* Numbers as text: no value of CONFIG is longer. */
#define VALUE_MAX 24

void kv_admin_ping(struct kv_call *call)
{
    if (call->nr > 2)
        kv_command_arity(call);
    else if (call->nr == 2)
        kv_output_bulk(call->out, call->words[1]);
    else
        kv_output_status(call->out, "PONG");
}

void kv_admin_echo(struct kv_call *call)
{
    kv_output_bulk(call->out, call->words[1]);
}

void kv_admin_select(struct kv_call *call)
{
    int64_t number;

    if (!kv_command_number(call, 1, &number))
        return;
    if (number)
        kv_output_error(call->out, "ERR DB index is out of range");
    else
        kv_output_ok(call->out);
}

void kv_admin_time(struct kv_call *call)
{
    char text[VALUE_MAX];

    kv_output_array(call->out, 2);
    snprintf(text, sizeof(text), "%" PRIu64, call->kv->now_us / US_PER_S);
    kv_output_string(call->out, text);
    snprintf(text, sizeof(text), "%" PRIu64, call->kv->now_us % US_PER_S);
    kv_output_string(call->out, text);
}

void kv_admin_quit(struct kv_call *call)
{
    kv_output_ok(call->out);
    call->conn->is_closing = true;
}

/* The first line of an HTTP request, or its Host field: a browser was tricked
 * into connecting to us. */
void kv_admin_hostile(struct kv_call *call)
{
    kv_output_error(call->out, "ERR this is no web server");
    call->conn->is_closing = true;
}

void kv_admin_rewrite(struct kv_call *call)
{
    int error = call->kv->rewrite ? call->kv->rewrite(call->kv) : -XEN_ENODEV;

    if (!error)
        kv_output_status(call->out,
                         "Background append only file rewriting started");
    else if (error == -XEN_EBUSY)
        kv_output_error(call->out, "ERR Background append only file rewriting "
                                   "already in progress");
    else
        kv_output_error(call->out, "ERR there is no append only file: nothing "
                                   "is mounted");
}

/* ---- CONFIG */

/* The most patterns in one CONFIG GET: more than there are settings. */
#define PATTERNS_MAX 32

struct setting {
    const char *name, *text; /* text NULL: use the number */
    uint64_t number;
};

/* The settings that match, as bits; false: the error was sent. */
static bool find_settings(struct kv_call *call, const struct setting *settings,
                          unsigned nr, uint32_t *found)
{
    *found = 0;
    if (call->nr > 2 + PATTERNS_MAX) {
        kv_command_syntax(call);
        return false;
    }
    for (unsigned word = 2; word < call->nr; word++) {
        struct kv_glob *glob = kv_command_glob(call, call->words[word]);

        if (!glob)
            return false;
        for (unsigned i = 0; i < nr; i++) {
            struct kv_text name = {settings[i].name, strlen(settings[i].name)};

            *found |= (uint32_t)kv_glob_matches(glob, name) << i;
        }
        free(glob);
    }
    return true;
}

static void answer_settings(struct kv_call *call,
                            const struct setting *settings, unsigned nr)
{
    char number[VALUE_MAX];
    uint32_t found;

    if (!find_settings(call, settings, nr, &found))
        return;
    kv_output_array(call->out, 2 * (unsigned)__builtin_popcount(found));
    for (unsigned i = 0; i < nr; i++) {
        if (!(found >> i & 1))
            continue;
        snprintf(number, sizeof(number), "%" PRIu64, settings[i].number);
        kv_output_string(call->out, settings[i].name);
        kv_output_string(call->out,
                         settings[i].text ? settings[i].text : number);
    }
}

static void config_get(struct kv_call *call)
{
    const struct kv *kv = call->kv;
    const struct setting settings[] = {
        {"appendfsync", kv->disk.is_on ? kv->disk.policy : "no", 0},
        {"appendonly", kv->disk.is_on ? "yes" : "no", 0},
        {"databases", NULL, 1},
        {"maxclients", NULL, kv->clients_max},
        {"maxmemory", NULL, kv->memory_max},
        {"maxmemory-policy", "noeviction", 0},
        {"port", NULL, kv->port},
        {"proto-max-bulk-len", NULL, kv->word_max},
        {"save", "", 0},
        {"timeout", NULL, 0},
    };

    answer_settings(call, settings, array_size(settings));
}

static void config_resetstat(struct kv_call *call)
{
    call->kv->stats = (struct kv_stats){0};
    kv_output_ok(call->out);
}

static void config_set(struct kv_call *call)
{
    kv_output_error(call->out, "ERR CONFIG SET failed - options stand on "
                               "the guest's command line");
}

void kv_admin_config(struct kv_call *call)
{
    static const struct kv_sub subs[] = {
        {"config|get", -3, config_get},
        {"config|resetstat", 2, config_resetstat},
        {"config|set", -4, config_set},
    };

    kv_command_sub(call, subs, array_size(subs), "CONFIG");
}
