/* SPDX-License-Identifier: MIT */
/*
 * What was changed, as commands in Redis' protocol, on its way to the
 * append-only file: kv_commands adds, kv_aof takes.
 *
 * A command is not noted as it came, but by what it made: INCR as SET, EXPIRE
 * as PEXPIREAT, APPEND as SETRANGE. Done twice, such a row of commands leaves
 * the same as done once; kv_rewrite rests on that.
 *
 * What kv_journal_begin and kv_journal_end enclose is all in the file or
 * nothing of it: MULTI and EXEC stand around it, and it is not taken in
 * between.
 */
#ifndef APPS_KV_JOURNAL_H
#define APPS_KV_JOURNAL_H

#include "apps/kv/kv_text.h"

/* With so much not taken yet, commands wait for the disk. */
#define KV_JOURNAL_FULL (256 * 1024)
/* With so much it is written before its time. */
#define KV_JOURNAL_MUCH (KV_JOURNAL_FULL / 4)
/* What a command may need to be noted beside its own words: other names, and
 * numbers. */
#define KV_JOURNAL_MORE 512

struct kv_aof;

struct kv_journal {
    char *bytes;
    size_t used, room;
    bool is_on;     /* there is a file */
    bool withholds; /* no answer before what it tells of is on the disk */
    bool is_taken;  /* kv_aof is about to write what it took */
    bool has_begun; /* MULTI is noted, and EXEC not yet */
    unsigned depth; /* of kv_journal_begin */
    int error;      /* it cannot be written: a negative error. Nothing more is
                     * to be changed until it can */
    struct kv_aof *taker; /* for wake: there is something, or much */
    void (*wake)(struct kv_aof *taker);
};

/* What is noted from now on belongs together. May be nested. */
void kv_journal_begin(struct kv_journal *journal);
void kv_journal_end(struct kv_journal *journal);

/* Room for so many bytes more than there are. False: no memory. */
bool kv_journal_make_room(struct kv_journal *journal, uint64_t bytes);
/* Before a command of these words is done. False: no memory. */
bool kv_journal_reserve(struct kv_journal *journal, const struct kv_text *words,
                        unsigned nr);

/* Note a command; there is room for it. */
void kv_journal_add(struct kv_journal *journal, const struct kv_text *words,
                    unsigned nr);
/* The same with another name, short, instead of the first word. */
void kv_journal_add_as(struct kv_journal *journal, struct kv_text name,
                       const struct kv_text *words, unsigned nr);

/* A command as it stands in the file. Returns its length, at most
 * kv_journal_bytes. */
size_t kv_journal_write(char *to, const struct kv_text *words, unsigned nr);
size_t kv_journal_bytes(const struct kv_text *words, unsigned nr);
/* What a command of these words may need to be noted. */
uint64_t kv_journal_need(const struct kv_text *words, unsigned nr);

/* Is everything on the disk that answers tell of? */
bool kv_journal_is_clean(const struct kv_journal *journal);
/* Is there too much in it for another command? */
bool kv_journal_is_full(const struct kv_journal *journal);

#endif
