/* SPDX-License-Identifier: MIT */
/* One growing buffer. kv_aof takes it whole and leaves another one. */
#include "apps/kv/kv_journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* '*' or '$', a number, CR LF; a word also ends with CR LF. */
#define LINE_MAX  (1 + KV_NUMBER_MAX + 2)
#define WORD_MORE (LINE_MAX + 2)

bool kv_journal_make_room(struct kv_journal *journal, uint64_t bytes)
{
    size_t room = journal->used + bytes;
    char *more;

    if (!journal->is_on || room <= journal->room)
        return true;
    room += room / 2;
    more = realloc(journal->bytes, room);
    if (!more)
        return false;
    journal->bytes = more;
    journal->room = room;
    return true;
}

uint64_t kv_journal_need(const struct kv_text *words, unsigned nr)
{
    return kv_journal_bytes(words, nr) + KV_JOURNAL_MORE +
           (nr > 1 ? words[1].len : 0); /* a key may be named twice */
}

bool kv_journal_reserve(struct kv_journal *journal, const struct kv_text *words,
                        unsigned nr)
{
    return kv_journal_make_room(journal, kv_journal_need(words, nr));
}

static size_t write_line(char *to, char sign, size_t number)
{
    size_t len = 1 + kv_text_from_number(to + 1, (int64_t)number);

    to[0] = sign;
    to[len++] = '\r';
    to[len++] = '\n';
    return len;
}

static size_t write_word(char *to, struct kv_text word)
{
    size_t len = write_line(to, '$', word.len);

    memcpy(to + len, word.at, word.len);
    len += word.len;
    to[len++] = '\r';
    to[len++] = '\n';
    return len;
}

/* With this word as the first one. */
static size_t write_as(char *to, struct kv_text name,
                       const struct kv_text *words, unsigned nr)
{
    size_t len = write_line(to, '*', nr);

    len += write_word(to + len, name);
    for (unsigned i = 1; i < nr; i++)
        len += write_word(to + len, words[i]);
    return len;
}

size_t kv_journal_write(char *to, const struct kv_text *words, unsigned nr)
{
    return write_as(to, words[0], words, nr);
}

size_t kv_journal_bytes(const struct kv_text *words, unsigned nr)
{
    size_t bytes = LINE_MAX + (size_t)nr * WORD_MORE;

    for (unsigned i = 0; i < nr; i++)
        bytes += words[i].len;
    return bytes;
}

static void add(struct kv_journal *journal, struct kv_text name,
                const struct kv_text *words, unsigned nr)
{
    assert(journal->used + kv_journal_bytes(words, nr) + name.len <=
           journal->room);
    journal->used += write_as(journal->bytes + journal->used, name, words, nr);
}

void kv_journal_add_as(struct kv_journal *journal, struct kv_text name,
                       const struct kv_text *words, unsigned nr)
{
    static const struct kv_text multi = KV_TEXT("MULTI");
    size_t before = journal->used;

    if (!journal->is_on)
        return;
    if (journal->depth && !journal->has_begun) {
        add(journal, multi, &multi, 1);
        journal->has_begun = true;
    }
    add(journal, name, words, nr);
    if (!before ||
        (before < KV_JOURNAL_MUCH && journal->used >= KV_JOURNAL_MUCH))
        journal->wake(journal->taker);
}

void kv_journal_add(struct kv_journal *journal, const struct kv_text *words,
                    unsigned nr)
{
    kv_journal_add_as(journal, words[0], words, nr);
}

void kv_journal_begin(struct kv_journal *journal)
{
    journal->depth++;
}

void kv_journal_end(struct kv_journal *journal)
{
    static const struct kv_text exec = KV_TEXT("EXEC");

    if (--journal->depth || !journal->has_begun)
        return;
    add(journal, exec, &exec, 1);
    journal->has_begun = false;
    journal->wake(journal->taker);
}

bool kv_journal_is_clean(const struct kv_journal *journal)
{
    return (!journal->used && !journal->is_taken) || journal->error;
}

bool kv_journal_is_full(const struct kv_journal *journal)
{
    return journal->used >= KV_JOURNAL_FULL && !journal->error;
}
