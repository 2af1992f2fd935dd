/* SPDX-License-Identifier: MIT */
/*
 * The checks before a command is run, or queued in a transaction, in Redis'
 * order and words (redis 7.0, processCommand).
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_glob.h"

#include "apps/kv/kv_multi.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 128 /* bytes of a client's words in an error, as in Redis */

/* ---- Finding */

static int compare(const void *name, const void *command)
{
    return strcmp(name, ((const struct kv_command *)command)->name);
}

const struct kv_command *kv_command_find(struct kv_text word)
{
    char name[KV_COMMAND_NAME];

    if (word.len >= sizeof(name) || memchr(word.at, '\0', word.len))
        return NULL;
    for (size_t i = 0; i < word.len; i++)
        name[i] = word.at[i] >= 'A' && word.at[i] <= 'Z'
                      ? (char)(word.at[i] | 0x20)
                      : word.at[i];
    name[word.len] = '\0';
    return bsearch(name, kv_commands, kv_nr_commands, sizeof(kv_commands[0]),
                   compare);
}

/* The printable length of a word, as printf's precision. */
static int shown(struct kv_text word, size_t max)
{
    return (int)(word.len < max ? word.len : max);
}

static void answer_unknown(struct kv_call *call)
{
    char args[SHOWN_MAX + 4] = "";
    size_t len = 0;

    for (unsigned i = 1; i < call->nr && len < SHOWN_MAX; i++) {
        size_t n = strnlen(call->words[i].at,
                           (size_t)shown(call->words[i], SHOWN_MAX - len));

        args[len++] = '\'';
        memcpy(args + len, call->words[i].at, n);
        len += n;
        args[len++] = '\'';
        args[len++] = ' ';
        args[len] = '\0';
    }
    kv_output_error(call->out,
                    "ERR unknown command '%.*s', with args beginning with: %s",
                    shown(call->words[0], SHOWN_MAX), call->words[0].at, args);
}

/* ---- Answers that commands share */

void kv_command_arity(struct kv_call *call)
{
    kv_output_error(call->out, "ERR wrong number of arguments for '%s' command",
                    call->name);
}

static const char no_memory[] =
    "OOM command not allowed when used memory > 'maxmemory'.";

void kv_command_no_memory(struct kv_call *call)
{
    kv_output_error(call->out, "%s", no_memory);
}

static bool has_arity(int arity, unsigned nr)
{
    return arity > 0 ? nr == (unsigned)arity : nr >= (unsigned)-arity;
}

void kv_command_sub(struct kv_call *call, const struct kv_sub *subs,
                    unsigned nr, const char *container)
{
    for (unsigned i = 0; i < nr; i++) {
        if (!kv_text_is(call->words[1], strchr(subs[i].name, '|') + 1))
            continue;
        call->name = call->conn->last_name = subs[i].name;
        if (has_arity(subs[i].arity, call->nr))
            subs[i].run(call);
        else
            kv_command_arity(call);
        return;
    }
    kv_output_error(call->out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                    shown(call->words[1], SHOWN_MAX), call->words[1].at,
                    container);
}

bool kv_command_number(struct kv_call *call, unsigned word, int64_t *number)
{
    if (kv_text_number(call->words[word], number))
        return true;
    kv_output_error(call->out, "ERR value is not an integer or out of range");
    return false;
}

bool kv_command_pattern(struct kv_call *call, struct kv_text pattern)
{
    if (pattern.len <= KV_PATTERN_MAX)
        return true;
    kv_output_error(call->out, "ERR a pattern has at most %u bytes",
                    KV_PATTERN_MAX);
    return false;
}

struct kv_glob *kv_command_glob(struct kv_call *call, struct kv_text pattern)
{
    struct kv_glob *glob;

    if (!kv_command_pattern(call, pattern))
        return NULL;
    glob = malloc(kv_glob_bytes(pattern));
    if (glob)
        kv_glob_init(glob, pattern);
    else
        kv_command_no_memory(call);
    return glob;
}

void kv_command_note(struct kv_call *call, const struct kv_text *words,
                     unsigned nr)
{
    kv_journal_add(&call->kv->journal, words, nr);
}

void kv_command_note_as(struct kv_call *call, struct kv_text name,
                        const struct kv_text *words, unsigned nr)
{
    kv_journal_add_as(&call->kv->journal, name, words, nr);
}

/* ---- Running */

bool kv_command_has_memory(struct kv_call *call, uint64_t bytes)
{
    size_t used = call->kv->store.used_bytes;

    return !call->conn || (used <= call->kv->memory_max &&
                           bytes <= call->kv->memory_max - used);
}

size_t kv_command_bytes(const struct kv_call *call)
{
    size_t bytes = 0;

    for (unsigned i = 1; i < call->nr; i++)
        bytes += call->words[i].len;
    return bytes;
}

const char *kv_command_obstacle(struct kv_call *call, unsigned flags,
                                uint64_t bytes)
{
    const struct kv *kv = call->kv;
    int error = kv->journal.error;

    if (flags & KV_GROWS && !kv_command_has_memory(call, bytes))
        return no_memory;
    if (error == -XEN_ENOSPC && flags & (KV_WRITES | KV_PINGS))
        return "MISCONF Errors writing to the AOF file: No space left on "
               "device";
    if (error && flags & (KV_WRITES | KV_PINGS))
        return "MISCONF Errors writing to the AOF file: Input/output error";
    if (kv->is_loading && !(flags & KV_ANYTIME))
        return "LOADING Redis is loading the dataset in memory";
    return NULL;
}

/* Other commands do not belong in a file, and might wait for a client that does
 * not exist. */
static bool changes(const struct kv_command *command)
{
    return command->flags & KV_WRITES || command->run == kv_admin_select;
}

bool kv_command_is_noted(const struct kv_text *words, unsigned nr)
{
    const struct kv_command *command = nr ? kv_command_find(words[0]) : NULL;

    return command && has_arity(command->arity, nr) && changes(command);
}

static bool is_for_file(struct kv_call *call, const struct kv_command *command)
{
    if (changes(command))
        return true;
    kv_output_error(call->out, "ERR '%s' changes nothing", command->name);
    return false;
}

/* May the command run now? False: the error was sent. */
static bool check(struct kv_call *call, const struct kv_command *command)
{
    const char *obstacle;

    if (!has_arity(command->arity, call->nr)) {
        if (command->run == kv_multi_exec)
            kv_multi_abort(call, "wrong number of arguments for 'exec' "
                                 "command");
        else
            kv_command_arity(call);
        return false;
    }
    if (!call->conn)
        return is_for_file(call, command);
    if (!call->conn->is_known && !(command->flags & KV_NO_AUTH)) {
        kv_output_error(call->out, "NOAUTH Authentication required.");
        return false;
    }
    obstacle =
        kv_command_obstacle(call, command->flags, kv_command_bytes(call));
    if (obstacle)
        kv_output_error(call->out, "%s", obstacle);
    return !obstacle;
}

void kv_command_do(struct kv_call *call, const struct kv_command *command)
{
    call->name = command->name;
    call->kv->stats.commands += call->conn != NULL;
    if (command->flags & KV_WRITES &&
        !kv_journal_reserve(&call->kv->journal, call->words, call->nr))
        kv_command_no_memory(call);
    else
        command->run(call);
}

void kv_command_run(struct kv_call *call)
{
    const struct kv_command *command = kv_command_find(call->words[0]);
    struct kv_conn *conn = call->conn;

    if (!command) {
        answer_unknown(call);
    } else {
        call->name = command->name;
        if (conn)
            conn->last_name = command->name;
        if (check(call, command)) {
            if (conn && conn->multi.is_open && !(command->flags & KV_AT_ONCE))
                kv_multi_queue(call, command);
            else
                kv_command_do(call, command);
            return;
        }
    }
    if (conn)
        conn->multi.is_spoilt = true;
}
