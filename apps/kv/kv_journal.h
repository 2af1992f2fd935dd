/* SPDX-License-Identifier: MIT */
/*
 * Changes as commands in Redis' protocol, on their way to the append-only file:
 * the commands add them, kv_aof takes them.
 *
 * A command is recorded not as it came, but by its effect: INCR as SET, EXPIRE
 * as PEXPIREAT, APPEND as SETRANGE. Replayed twice, such a sequence gives the
 * same result as once; kv_rewrite depends on that.
 *
 * Commands between kv_journal_begin and kv_journal_end are atomic in the file:
 * they are enclosed in MULTI and EXEC, and kv_aof does not take the journal in
 * between.
 */
#ifndef APPS_KV_JOURNAL_H
#define APPS_KV_JOURNAL_H

#include "apps/kv/kv_text.h"

/* With this much not taken yet, commands wait for the disk. */
#define KV_JOURNAL_FULL (256 * 1024)
/* With this much it is written early. */
#define KV_JOURNAL_MUCH (KV_JOURNAL_FULL / 4)
/* What recording a command may need besides its own words: other names, and
 * numbers. */
#define KV_JOURNAL_MORE 512

struct kv_aof;

struct kv_journal {
    char *bytes;
    size_t used, room;
    bool is_on;     /* there is a file */
    bool withholds; /* no answer before its changes are on the disk */
    bool is_taken;  /* kv_aof is about to write a batch */
    bool has_begun; /* MULTI was added, EXEC not yet */
    unsigned depth; /* of kv_journal_begin */
    int error;      /* negative: writing fails, and no changes are allowed */
    struct kv_aof *taker; /* for wake: there is something to write, or much */
    void (*wake)(struct kv_aof *taker);
};

/* Commands added from now on are atomic. May be nested. */
void kv_journal_begin(struct kv_journal *journal);
void kv_journal_end(struct kv_journal *journal);

/* Make room for this many more bytes. False: no memory. */
bool kv_journal_make_room(struct kv_journal *journal, uint64_t bytes);
/* Make room before a command with these words is run. False: no memory. */
bool kv_journal_reserve(struct kv_journal *journal, const struct kv_text *words,
                        unsigned nr);

/* Add a command; there must be room for it. */
void kv_journal_add(struct kv_journal *journal, const struct kv_text *words,
                    unsigned nr);
/* The same with another, short name instead of the first word. */
void kv_journal_add_as(struct kv_journal *journal, struct kv_text name,
                       const struct kv_text *words, unsigned nr);

/* Write a command as it appears in the file. Returns its length, at most
 * kv_journal_bytes. */
size_t kv_journal_write(char *to, const struct kv_text *words, unsigned nr);
size_t kv_journal_bytes(const struct kv_text *words, unsigned nr);
/* The bytes that recording a command with these words may need. */
uint64_t kv_journal_need(const struct kv_text *words, unsigned nr);

/* Are all answered changes on the disk? */
bool kv_journal_is_clean(const struct kv_journal *journal);
/* Is the journal too full for another command? */
bool kv_journal_is_full(const struct kv_journal *journal);

#endif
