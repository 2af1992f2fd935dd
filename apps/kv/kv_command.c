/* SPDX-License-Identifier: MIT */
/*
 * The table of commands, and what is checked before any of them is done, in
 * Redis' order and words (redis 7.0, processCommand).
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_glob.h"

#include <stdlib.h>
#include <string.h>

#define WRITES  1 /* changes something: goes to the journal */
#define GROWS   2 /* may need memory for it */
#define ANYTIME 4 /* also while the file is being read */
#define PING    8 /* refused, as Redis does, while nothing can be written */

#define NAME_BYTES 16  /* of a command, with the NUL */
#define SHOWN_MAX  128 /* bytes of a stranger's words in an error, as Redis */

struct command {
    char name[NAME_BYTES];
    int arity; /* words, with the name; negative: at least so many */
    unsigned flags;
    kv_command_fn *run;
};

/* In the order of their names. */
static const struct command commands[] = {
    {"append", 3, WRITES | GROWS, kv_strings_append},
    {"bgrewriteaof", 1, 0, kv_admin_rewrite},
    {"client", -2, ANYTIME, kv_admin_client},
    {"command", -1, ANYTIME, kv_admin_command},
    {"config", -2, ANYTIME, kv_admin_config},
    {"dbsize", 1, 0, kv_keys_dbsize},
    {"decr", 2, WRITES | GROWS, kv_strings_decr},
    {"decrby", 3, WRITES | GROWS, kv_strings_decrby},
    {"del", -2, WRITES, kv_keys_del},
    {"echo", 2, ANYTIME, kv_admin_echo},
    {"exists", -2, 0, kv_keys_exists},
    {"expire", -3, WRITES, kv_keys_expire},
    {"expireat", -3, WRITES, kv_keys_expireat},
    {"flushall", -1, WRITES, kv_keys_flush},
    {"flushdb", -1, WRITES, kv_keys_flush},
    {"get", 2, 0, kv_strings_get},
    {"getset", 3, WRITES | GROWS, kv_strings_getset},
    {"hello", -1, ANYTIME, kv_admin_hello},
    {"host:", -1, ANYTIME, kv_admin_hostile},
    {"incr", 2, WRITES | GROWS, kv_strings_incr},
    {"incrby", 3, WRITES | GROWS, kv_strings_incrby},
    {"info", -1, ANYTIME, kv_info_info},
    {"keys", 2, 0, kv_scan_keys},
    {"mget", -2, 0, kv_strings_mget},
    {"mset", -3, WRITES | GROWS, kv_strings_mset},
    {"persist", 2, WRITES, kv_keys_persist},
    {"pexpire", -3, WRITES, kv_keys_pexpire},
    {"pexpireat", -3, WRITES, kv_keys_pexpireat},
    {"ping", -1, PING, kv_admin_ping},
    {"post", -1, ANYTIME, kv_admin_hostile},
    {"psetex", 4, WRITES | GROWS, kv_strings_psetex},
    {"pttl", 2, 0, kv_keys_pttl},
    {"quit", -1, ANYTIME, kv_admin_quit},
    {"scan", -2, 0, kv_scan_scan},
    {"select", 2, ANYTIME, kv_admin_select},
    {"set", -3, WRITES | GROWS, kv_strings_set},
    {"setex", 4, WRITES | GROWS, kv_strings_setex},
    {"setnx", 3, WRITES | GROWS, kv_strings_setnx},
    {"setrange", 4, WRITES | GROWS, kv_strings_setrange},
    {"strlen", 2, 0, kv_strings_strlen},
    {"time", 1, ANYTIME, kv_admin_time},
    {"ttl", 2, 0, kv_keys_ttl},
    {"type", 2, 0, kv_keys_type},
    {"unlink", -2, WRITES, kv_keys_del},
};

/* Not commands: what a web browser says that was lured here. */
#define NR_HOSTILE 2

unsigned kv_command_count(void)
{
    return array_size(commands) - NR_HOSTILE;
}

void kv_command_list(struct kv_output *out)
{
    kv_output_array(out, kv_command_count());
    for (unsigned i = 0; i < array_size(commands); i++)
        if (commands[i].run != kv_admin_hostile)
            kv_output_string(out, commands[i].name);
}

/* ---- Finding */

static int compare(const void *name, const void *command)
{
    return strcmp(name, ((const struct command *)command)->name);
}

static const struct command *find(struct kv_text word)
{
    char name[NAME_BYTES];

    if (word.len >= sizeof(name) || memchr(word.at, '\0', word.len))
        return NULL;
    for (size_t i = 0; i < word.len; i++)
        name[i] = word.at[i] >= 'A' && word.at[i] <= 'Z'
                      ? (char)(word.at[i] | 0x20)
                      : word.at[i];
    name[word.len] = '\0';
    return bsearch(name, commands, array_size(commands), sizeof(commands[0]),
                   compare);
}

/* What can be shown of a word, as printf's precision. */
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

void kv_command_no_memory(struct kv_call *call)
{
    kv_output_error(call->out,
                    "OOM command not allowed when used memory > 'maxmemory'.");
}

void kv_command_unknown_sub(struct kv_call *call, const char *container)
{
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

/* ---- Doing */

static bool has_memory(struct kv_call *call)
{
    size_t used = call->kv->store.used_bytes, need = 0;

    for (unsigned i = 1; i < call->nr; i++)
        need += call->words[i].len;
    return used <= call->kv->memory_max && need <= call->kv->memory_max - used;
}

static const char *reason(int error)
{
    return error == -XEN_ENOSPC ? "No space left on device"
                                : "Input/output error";
}

/* What has no business in a file might wait for a client that is not there. */
static bool is_for_file(struct kv_call *call, const struct command *command)
{
    if (command->flags & WRITES || command->run == kv_admin_select)
        return true;
    kv_output_error(call->out, "ERR '%s' changes nothing", command->name);
    return false;
}

/* May it be done now? False: it was answered why not. */
static bool check(struct kv_call *call, const struct command *command)
{
    struct kv *kv = call->kv;

    if (command->arity > 0 ? call->nr != (unsigned)command->arity
                           : call->nr < (unsigned)-command->arity) {
        kv_command_arity(call);
        return false;
    }
    if (!call->conn)
        return is_for_file(call, command);
    if (command->flags & GROWS && !has_memory(call)) {
        kv_command_no_memory(call);
        return false;
    }
    if (kv->journal.error && command->flags & (WRITES | PING)) {
        kv_output_error(call->out, "MISCONF Errors writing to the AOF file: %s",
                        reason(kv->journal.error));
        return false;
    }
    if (kv->is_loading && !(command->flags & ANYTIME)) {
        kv_output_error(call->out,
                        "LOADING Redis is loading the dataset in memory");
        return false;
    }
    if (command->flags & WRITES &&
        !kv_journal_reserve(&kv->journal, call->words, call->nr)) {
        kv_command_no_memory(call);
        return false;
    }
    return true;
}

void kv_command_run(struct kv_call *call)
{
    const struct command *command = find(call->words[0]);

    call->kv->stats.commands += call->conn != NULL;
    if (!command) {
        answer_unknown(call);
        return;
    }
    call->name = command->name;
    if (check(call, command))
        command->run(call);
}
