/* SPDX-License-Identifier: MIT */
/*
 * The table of commands, and COMMAND, which tells what is in it.
 *
 * Flags and categories are Redis' as far as they mean something here. Tips,
 * key specifications and subcommands are told as empty.
 */
#include "apps/kv/kv_command.h"
#include "apps/kv/kv_glob.h"

#include <stdlib.h>
#include <string.h>

const struct kv_command kv_commands[] = {
    {"append", 3, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_append},
    {"auth", -2, KV_ANYTIME | KV_NO_AUTH | KV_FAST | KV_CONNECTION, 0, 0, 0,
     kv_client_auth},
    {"bgrewriteaof", 1, KV_ADMIN | KV_DANGEROUS, 0, 0, 0, kv_admin_rewrite},
    {"client", -2, KV_ANYTIME, 0, 0, 0, kv_client_client},
    {"command", -1, KV_ANYTIME | KV_CONNECTION, 0, 0, 0, kv_table_command},
    {"config", -2, KV_ANYTIME, 0, 0, 0, kv_admin_config},
    {"dbsize", 1, KV_READS | KV_FAST | KV_KEYSPACE, 0, 0, 0, kv_keys_dbsize},
    {"decr", 2, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_decr},
    {"decrby", 3, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_decrby},
    {"del", -2, KV_WRITES | KV_KEYSPACE, 1, -1, 1, kv_keys_del},
    {"discard", 1, KV_ANYTIME | KV_FAST | KV_AT_ONCE | KV_TRANSACTION, 0, 0, 0,
     kv_multi_discard},
    {"echo", 2, KV_ANYTIME | KV_FAST | KV_CONNECTION, 0, 0, 0, kv_admin_echo},
    {"exec", 1, KV_ANYTIME | KV_AT_ONCE | KV_TRANSACTION, 0, 0, 0,
     kv_multi_exec},
    {"exists", -2, KV_READS | KV_FAST | KV_KEYSPACE, 1, -1, 1, kv_keys_exists},
    {"expire", -3, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, 1, 1, kv_keys_expire},
    {"expireat", -3, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, 1, 1,
     kv_keys_expireat},
    {"flushall", -1, KV_WRITES | KV_KEYSPACE | KV_DANGEROUS, 0, 0, 0,
     kv_keys_flush},
    {"flushdb", -1, KV_WRITES | KV_KEYSPACE | KV_DANGEROUS, 0, 0, 0,
     kv_keys_flush},
    {"get", 2, KV_READS | KV_FAST | KV_STRING, 1, 1, 1, kv_strings_get},
    {"getdel", 2, KV_WRITES | KV_FAST | KV_STRING, 1, 1, 1, kv_strings_getdel},
    {"getex", -2, KV_WRITES | KV_FAST | KV_STRING, 1, 1, 1, kv_strings_getex},
    {"getrange", 4, KV_READS | KV_STRING, 1, 1, 1, kv_strings_getrange},
    {"getset", 3, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_getset},
    {"hello", -1, KV_ANYTIME | KV_NO_AUTH | KV_FAST | KV_CONNECTION, 0, 0, 0,
     kv_client_hello},
    {"host:", -1, KV_ANYTIME | KV_NO_AUTH | KV_AT_ONCE, 0, 0, 0,
     kv_admin_hostile},
    {"incr", 2, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_incr},
    {"incrby", 3, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_incrby},
    {"incrbyfloat", 3, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_incrbyfloat},
    {"info", -1, KV_ANYTIME | KV_DANGEROUS, 0, 0, 0, kv_info_info},
    {"keys", 2, KV_READS | KV_KEYSPACE | KV_DANGEROUS, 0, 0, 0, kv_scan_keys},
    {"mget", -2, KV_READS | KV_FAST | KV_STRING, 1, -1, 1, kv_strings_mget},
    {"mset", -3, KV_WRITES | KV_GROWS | KV_STRING, 1, -1, 2, kv_strings_mset},
    {"msetnx", -3, KV_WRITES | KV_GROWS | KV_STRING, 1, -1, 2,
     kv_strings_msetnx},
    {"multi", 1, KV_ANYTIME | KV_FAST | KV_AT_ONCE | KV_TRANSACTION, 0, 0, 0,
     kv_multi_multi},
    {"persist", 2, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, 1, 1, kv_keys_persist},
    {"pexpire", -3, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, 1, 1,
     kv_keys_pexpire},
    {"pexpireat", -3, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, 1, 1,
     kv_keys_pexpireat},
    {"ping", -1, KV_FAST | KV_PINGS | KV_CONNECTION, 0, 0, 0, kv_admin_ping},
    {"post", -1, KV_ANYTIME | KV_NO_AUTH | KV_AT_ONCE, 0, 0, 0,
     kv_admin_hostile},
    {"psetex", 4, KV_WRITES | KV_GROWS | KV_STRING, 1, 1, 1, kv_strings_psetex},
    {"pttl", 2, KV_READS | KV_FAST | KV_KEYSPACE, 1, 1, 1, kv_keys_pttl},
    {"quit", -1, KV_ANYTIME | KV_NO_AUTH | KV_FAST | KV_AT_ONCE | KV_CONNECTION,
     0, 0, 0, kv_admin_quit},
    {"randomkey", 1, KV_READS | KV_KEYSPACE, 0, 0, 0, kv_scan_randomkey},
    {"rename", 3, KV_WRITES | KV_KEYSPACE, 1, 2, 1, kv_keys_rename},
    {"renamenx", 3, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, 2, 1,
     kv_keys_renamenx},
    {"scan", -2, KV_READS | KV_KEYSPACE, 0, 0, 0, kv_scan_scan},
    {"select", 2, KV_ANYTIME | KV_FAST | KV_CONNECTION, 0, 0, 0,
     kv_admin_select},
    {"set", -3, KV_WRITES | KV_GROWS | KV_STRING, 1, 1, 1, kv_strings_set},
    {"setex", 4, KV_WRITES | KV_GROWS | KV_STRING, 1, 1, 1, kv_strings_setex},
    {"setnx", 3, KV_WRITES | KV_GROWS | KV_FAST | KV_STRING, 1, 1, 1,
     kv_strings_setnx},
    {"setrange", 4, KV_WRITES | KV_GROWS | KV_STRING, 1, 1, 1,
     kv_strings_setrange},
    {"strlen", 2, KV_READS | KV_FAST | KV_STRING, 1, 1, 1, kv_strings_strlen},
    {"substr", 4, KV_READS | KV_STRING, 1, 1, 1, kv_strings_getrange},
    {"time", 1, KV_ANYTIME | KV_FAST, 0, 0, 0, kv_admin_time},
    {"touch", -2, KV_READS | KV_FAST | KV_KEYSPACE, 1, -1, 1, kv_keys_exists},
    {"ttl", 2, KV_READS | KV_FAST | KV_KEYSPACE, 1, 1, 1, kv_keys_ttl},
    {"type", 2, KV_READS | KV_FAST | KV_KEYSPACE, 1, 1, 1, kv_keys_type},
    {"unlink", -2, KV_WRITES | KV_FAST | KV_KEYSPACE, 1, -1, 1, kv_keys_del},
    {"unwatch", 1, KV_ANYTIME | KV_FAST | KV_TRANSACTION, 0, 0, 0,
     kv_multi_unwatch},
    {"watch", -2, KV_ANYTIME | KV_FAST | KV_AT_ONCE | KV_TRANSACTION, 1, -1, 1,
     kv_multi_watch},
};

const unsigned kv_nr_commands = array_size(kv_commands);

/* Not a command: what a web browser says that was lured here. */
static bool is_hostile(const struct kv_command *command)
{
    return command->run == kv_admin_hostile;
}

/* ---- COMMAND INFO */

static const struct word {
    unsigned flags;
    const char *text;
} flag_words[] =
    {
        {KV_WRITES, "write"}, {KV_READS, "readonly"},  {KV_GROWS, "denyoom"},
        {KV_ADMIN, "admin"},  {KV_ANYTIME, "loading"}, {KV_ANYTIME, "stale"},
        {KV_FAST, "fast"},    {KV_NO_AUTH, "no_auth"},
},
  categories[] = {
      {KV_KEYSPACE, "@keyspace"},
      {KV_READS, "@read"},
      {KV_WRITES, "@write"},
      {KV_STRING, "@string"},
      {KV_ADMIN, "@admin"},
      {KV_FAST, "@fast"},
      {KV_DANGEROUS, "@dangerous"},
      {KV_CONNECTION, "@connection"},
      {KV_TRANSACTION, "@transaction"},
};

static void answer_words(struct kv_output *out, unsigned flags,
                         const struct word *words, unsigned nr)
{
    unsigned fitting = 0;

    for (unsigned i = 0; i < nr; i++)
        fitting += (flags & words[i].flags) != 0;
    kv_output_array(out, fitting);
    for (unsigned i = 0; i < nr; i++)
        if (flags & words[i].flags)
            kv_output_status(out, words[i].text);
}

static void answer_command(struct kv_output *out,
                           const struct kv_command *command)
{
    kv_output_array(out, 10);
    kv_output_string(out, command->name);
    kv_output_number(out, command->arity);
    answer_words(out, command->flags, flag_words, array_size(flag_words));
    kv_output_number(out, command->first_key);
    kv_output_number(out, command->last_key);
    kv_output_number(out, command->key_step);
    answer_words(out, command->flags, categories, array_size(categories));
    for (unsigned i = 0; i < 3; i++)
        kv_output_array(out, 0);
}

static unsigned count(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < kv_nr_commands; i++)
        nr += !is_hostile(&kv_commands[i]);
    return nr;
}

static void answer_all(struct kv_call *call)
{
    kv_output_array(call->out, count());
    for (unsigned i = 0; i < kv_nr_commands; i++)
        if (!is_hostile(&kv_commands[i]))
            answer_command(call->out, &kv_commands[i]);
}

static void answer_info(struct kv_call *call)
{
    if (call->nr == 2) {
        answer_all(call);
        return;
    }
    kv_output_array(call->out, call->nr - 2);
    for (unsigned i = 2; i < call->nr; i++) {
        const struct kv_command *command = kv_command_find(call->words[i]);

        if (command && !is_hostile(command))
            answer_command(call->out, command);
        else
            kv_output_nil_array(call->out);
    }
}

/* ---- COMMAND LIST */

/* Is the command in this category? */
static bool has_category(const struct kv_command *command,
                         struct kv_text category)
{
    for (unsigned i = 0; i < array_size(categories); i++)
        if (kv_text_is(category, categories[i].text + 1))
            return command->flags & categories[i].flags;
    return kv_text_is(category, "slow") && !(command->flags & KV_FAST);
}

struct filter {
    const struct kv_glob *pattern;
    const struct kv_text *category;
    bool takes_none; /* those of modules: there are none */
};

static bool is_wanted(const struct filter *filter,
                      const struct kv_command *command)
{
    struct kv_text name = {command->name, strlen(command->name)};

    return !is_hostile(command) && !filter->takes_none &&
           (!filter->pattern || kv_glob_matches(filter->pattern, name)) &&
           (!filter->category || has_category(command, *filter->category));
}

static void answer_names(struct kv_call *call, const struct filter *filter)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < kv_nr_commands; i++)
        nr += is_wanted(filter, &kv_commands[i]);
    kv_output_array(call->out, nr);
    for (unsigned i = 0; i < kv_nr_commands; i++)
        if (is_wanted(filter, &kv_commands[i]))
            kv_output_string(call->out, kv_commands[i].name);
}

/* COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern] */
static void list(struct kv_call *call)
{
    struct kv_text kind = call->nr > 3 ? call->words[3] : (struct kv_text){0};
    struct filter filter = {0};
    struct kv_glob *glob = NULL;

    if (call->nr == 5 && kv_text_is(kind, "pattern")) {
        glob = kv_command_glob(call, call->words[4]);
        if (!glob)
            return;
        filter.pattern = glob;
    } else if (call->nr == 5 && kv_text_is(kind, "aclcat")) {
        filter.category = &call->words[4];
    } else if (call->nr == 5 && kv_text_is(kind, "module")) {
        filter.takes_none = true;
    }
    if (call->nr == 2 ||
        (kv_text_is(call->words[2], "filterby") &&
         (filter.pattern || filter.category || filter.takes_none)))
        answer_names(call, &filter);
    else
        kv_command_syntax(call);
    free(glob);
}

/* ---- COMMAND */

static void answer_count(struct kv_call *call)
{
    kv_output_number(call->out, count());
}

/* Tools help people type with it, and can do without. */
static void answer_docs(struct kv_call *call)
{
    kv_output_array(call->out, 0);
}

void kv_table_command(struct kv_call *call)
{
    static const struct kv_sub subs[] = {
        {"command|count", 2, answer_count},
        {"command|docs", -2, answer_docs},
        {"command|info", -2, answer_info},
        {"command|list", -2, list},
    };

    if (call->nr == 1)
        answer_all(call);
    else
        kv_command_sub(call, subs, array_size(subs), "COMMAND");
}
