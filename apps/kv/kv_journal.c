/* SPDX-License-Identifier: MIT */
/* One growing buffer. kv_aof takes it whole and leaves another. */
#include "apps/kv/kv_journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* '*' or '$', a number, CR LF; a word ends with CR LF, too. */
#define LINE_MAX  (1 + KV_NUMBER_MAX + 2)
#define WORD_MORE (LINE_MAX + 2)

bool kv_journal_reserve(struct kv_journal *journal, const struct kv_text *words,
                        unsigned nr)
{
    size_t room;
    char *more;

    if (!journal->is_on)
        return true;
    room = journal->used + kv_journal_bytes(words, nr) + KV_JOURNAL_MORE +
           (nr > 1 ? words[1].len : 0); /* a key may be named twice */
    if (room <= journal->room)
        return true;
    room += room / 2;
    more = realloc(journal->bytes, room);
    if (!more)
        return false;
    journal->bytes = more;
    journal->room = room;
    return true;
}

static size_t write_line(char *to, char sign, size_t number)
{
    size_t len = 1 + kv_text_from_number(to + 1, (int64_t)number);

    to[0] = sign;
    to[len++] = '\r';
    to[len++] = '\n';
    return len;
}

size_t kv_journal_write(char *to, const struct kv_text *words, unsigned nr)
{
    size_t len = write_line(to, '*', nr);

    for (unsigned i = 0; i < nr; i++) {
        len += write_line(to + len, '$', words[i].len);
        memcpy(to + len, words[i].at, words[i].len);
        len += words[i].len;
        to[len++] = '\r';
        to[len++] = '\n';
    }
    return len;
}

size_t kv_journal_bytes(const struct kv_text *words, unsigned nr)
{
    size_t bytes = LINE_MAX + (size_t)nr * WORD_MORE;

    for (unsigned i = 0; i < nr; i++)
        bytes += words[i].len;
    return bytes;
}

void kv_journal_add(struct kv_journal *journal, const struct kv_text *words,
                    unsigned nr)
{
    size_t before = journal->used;

    if (!journal->is_on)
        return;
    assert(journal->used + kv_journal_bytes(words, nr) <= journal->room);
    journal->used +=
        kv_journal_write(journal->bytes + journal->used, words, nr);
    if (!before ||
        (before < KV_JOURNAL_MUCH && journal->used >= KV_JOURNAL_MUCH))
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
