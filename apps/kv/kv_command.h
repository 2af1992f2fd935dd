/* SPDX-License-Identifier: MIT */
/*
 * Commands: what each takes, when it may be done, and who does it.
 */
#ifndef APPS_KV_COMMAND_H
#define APPS_KV_COMMAND_H

#include "apps/kv/kv_db.h"

struct kv_conn;
struct kv_glob;
struct kv_work;

/* One request. words[0] is the command's name; texts are not the store's. */
struct kv_call {
    struct kv *kv;
    struct kv_conn *conn; /* NULL: it comes from the file */
    struct kv_output *out;
    const struct kv_text *words;
    unsigned nr;
    const char *name;      /* in lower case, for errors */
    struct kv_work **work; /* where a long one is put (kv_work.h) */
};

/* Do it: exactly one answer is added to the output, now or by its work. */
void kv_command_run(struct kv_call *call);

unsigned kv_command_count(void);
/* An answer with the names of all. */
void kv_command_list(struct kv_output *out);

/* ---- For the commands */

static inline void kv_command_syntax(struct kv_call *call)
{
    kv_output_error(call->out, "ERR syntax error");
}

void kv_command_arity(struct kv_call *call);
void kv_command_no_memory(struct kv_call *call);
/* For a container: the second word is none of its commands. */
void kv_command_unknown_sub(struct kv_call *call, const char *container);
/* A word that is a number; false: it was answered that it is none. */
bool kv_command_number(struct kv_call *call, unsigned word, int64_t *number);
/* A word that is a pattern; false: it was answered that it is too long. */
bool kv_command_pattern(struct kv_call *call, struct kv_text pattern);
/* The same, made ready, for free(); NULL: it was answered why not. */
struct kv_glob *kv_command_glob(struct kv_call *call, struct kv_text pattern);
/* Note in the journal. */
void kv_command_note(struct kv_call *call, const struct kv_text *words,
                     unsigned nr);

typedef void kv_command_fn(struct kv_call *call);

/* kv_strings.c */
kv_command_fn kv_strings_get, kv_strings_set, kv_strings_setnx,
    kv_strings_setex, kv_strings_psetex, kv_strings_getset, kv_strings_incr,
    kv_strings_decr, kv_strings_incrby, kv_strings_decrby, kv_strings_mget,
    kv_strings_mset, kv_strings_append, kv_strings_strlen, kv_strings_setrange;
/* kv_keys.c */
kv_command_fn kv_keys_del, kv_keys_exists, kv_keys_type, kv_keys_expire,
    kv_keys_pexpire, kv_keys_expireat, kv_keys_pexpireat, kv_keys_persist,
    kv_keys_ttl, kv_keys_pttl, kv_keys_flush, kv_keys_dbsize;
/* kv_scan.c */
kv_command_fn kv_scan_keys, kv_scan_scan;
/* kv_admin.c */
kv_command_fn kv_admin_ping, kv_admin_echo, kv_admin_select, kv_admin_time,
    kv_admin_quit, kv_admin_hello, kv_admin_client, kv_admin_command,
    kv_admin_config, kv_admin_rewrite, kv_admin_hostile;
/* kv_info.c */
kv_command_fn kv_info_info;

#endif
