/* SPDX-License-Identifier: MIT */
/*
 * Commands: their words, when they may be run, and the functions that run them.
 */
#ifndef APPS_KV_COMMAND_H
#define APPS_KV_COMMAND_H

#include "apps/kv/kv_db.h"

struct kv_conn;
struct kv_glob;
struct kv_work;

/* One request. words[0] is the command's name; the texts do not lie in the
 * store. */
struct kv_call {
    struct kv *kv;
    struct kv_conn *conn; /* NULL: the request comes from the file */
    struct kv_output *out;
    const struct kv_text *words;
    unsigned nr;
    const char *name;      /* in lower case, for errors */
    struct kv_work **work; /* where a long command is put (kv_work.h) */
};

/* Run the command: it adds exactly one answer to the output, now or in its
 * work. */
void kv_command_run(struct kv_call *call);

/* ---- The table of commands (kv_table.c) */

typedef void kv_command_fn(struct kv_call *call);

#define KV_COMMAND_NAME 16 /* bytes, with the NUL */

/* Bits of kv_command.flags: what it does... */
#define KV_WRITES      0x01 /* changes data: goes to the journal */
#define KV_READS       0x02
#define KV_GROWS       0x04 /* may need memory for it */
#define KV_ADMIN       0x08
#define KV_ANYTIME     0x10 /* also while the file is being read */
#define KV_FAST        0x20
#define KV_NO_AUTH     0x40 /* also before AUTH */
/* ...how it is treated... */
#define KV_PINGS       0x80  /* refused while nothing can be written */
#define KV_AT_ONCE     0x100 /* not put into a transaction */
/* ...and what it is about, for COMMAND INFO. */
#define KV_KEYSPACE    0x200
#define KV_STRING      0x400
#define KV_DANGEROUS   0x800
#define KV_CONNECTION  0x1000
#define KV_TRANSACTION 0x2000

struct kv_command {
    char name[KV_COMMAND_NAME];
    int8_t arity; /* words, with the name; negative: a minimum */
    uint16_t flags;
    int8_t first_key, last_key, key_step; /* words, for COMMAND INFO */
    kv_command_fn *run;
};

/* Sorted by name. */
extern const struct kv_command kv_commands[];
extern const unsigned kv_nr_commands;

const struct kv_command *kv_command_find(struct kv_text word);
/* May the file contain this command? */
bool kv_command_is_noted(const struct kv_text *words, unsigned nr);
/* Run a command that was checked, with these same words. */
void kv_command_do(struct kv_call *call, const struct kv_command *command);
/* May commands with these flags, whose words have this many bytes, be run now?
 * NULL, or the error. */
const char *kv_command_obstacle(struct kv_call *call, unsigned flags,
                                uint64_t bytes);
/* Bytes of all words but the first. */
size_t kv_command_bytes(const struct kv_call *call);

/* ---- For the commands */

static inline void kv_command_syntax(struct kv_call *call)
{
    kv_output_error(call->out, "ERR syntax error");
}

void kv_command_arity(struct kv_call *call);
void kv_command_no_memory(struct kv_call *call);
/* Is there memory for this many more bytes? */
bool kv_command_has_memory(struct kv_call *call, uint64_t bytes);

/* A subcommand, chosen by the second word: "client|id". */
struct kv_sub {
    const char *name;
    int arity; /* with the command's name */
    kv_command_fn *run;
};
void kv_command_sub(struct kv_call *call, const struct kv_sub *subs,
                    unsigned nr, const char *container);
/* Read a word as a number; false: it is none, and the error was sent. */
bool kv_command_number(struct kv_call *call, unsigned word, int64_t *number);
/* Check a pattern's length; false: it is too long, and the error was sent. */
bool kv_command_pattern(struct kv_call *call, struct kv_text pattern);
/* The same, compiled, to be freed; NULL: the error was sent. */
struct kv_glob *kv_command_glob(struct kv_call *call, struct kv_text pattern);
/* Set a key and journal it. False: the error was sent. (kv_strings.c) */
bool kv_command_set(struct kv_call *call, struct kv_text key,
                    struct kv_text value, uint64_t expires_ms);
/* Add to the journal; _as: with another name as the first word. */
void kv_command_note(struct kv_call *call, const struct kv_text *words,
                     unsigned nr);
void kv_command_note_as(struct kv_call *call, struct kv_text name,
                        const struct kv_text *words, unsigned nr);

/* kv_strings.c */
kv_command_fn kv_strings_get, kv_strings_set, kv_strings_setnx,
    kv_strings_setex, kv_strings_psetex, kv_strings_getset, kv_strings_getdel,
    kv_strings_getex, kv_strings_incr, kv_strings_decr, kv_strings_incrby,
    kv_strings_decrby, kv_strings_incrbyfloat, kv_strings_mget, kv_strings_mset,
    kv_strings_msetnx, kv_strings_append, kv_strings_strlen,
    kv_strings_getrange, kv_strings_setrange;
/* kv_keys.c */
kv_command_fn kv_keys_del, kv_keys_exists, kv_keys_type, kv_keys_expire,
    kv_keys_pexpire, kv_keys_expireat, kv_keys_pexpireat, kv_keys_persist,
    kv_keys_ttl, kv_keys_pttl, kv_keys_flush, kv_keys_dbsize, kv_keys_rename,
    kv_keys_renamenx;
/* kv_scan.c */
kv_command_fn kv_scan_keys, kv_scan_scan, kv_scan_randomkey;
/* kv_multi.c */
kv_command_fn kv_multi_multi, kv_multi_exec, kv_multi_discard, kv_multi_watch,
    kv_multi_unwatch;
/* kv_client.c */
kv_command_fn kv_client_auth, kv_client_hello, kv_client_client;
/* kv_admin.c */
kv_command_fn kv_admin_ping, kv_admin_echo, kv_admin_select, kv_admin_time,
    kv_admin_quit, kv_admin_config, kv_admin_rewrite, kv_admin_hostile;
/* kv_table.c */
kv_command_fn kv_table_command;
/* kv_info.c */
kv_command_fn kv_info_info;

#endif
