/* SPDX-License-Identifier: MIT */
/*
 * Requests are run in place when they arrive whole, which is nearly always. An
 * incomplete one is kept, and input is appended until it is complete; beyond
 * the first KV_HELD_FREE bytes, memory for that comes from a common budget.
 *
 * Answers are added to the output at once. Output may be taken up to free_to,
 * which is its end, unless answers wait for the disk: then free_to advances
 * when a batch of the journal is done, to where the output ended when that
 * batch was taken.
 */
#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_work.h"

#include <stdlib.h>
#include <string.h>

/* The room for an incomplete request grows in these steps. */
#define HELD_STEP 4096
/* ...or by one part in this many of what came. */
#define HELD_PART 4

void kv_conn_init(struct kv_conn *conn, struct kv *kv)
{
    *conn = (struct kv_conn){
        .kv = kv,
        .id = ++kv->last_id,
        .since_us = kv->now_us,
        .last_us = kv->now_us,
        .is_known = !kv->password,
        .link = kv->last_conn,
    };
    *kv->last_conn = conn;
    kv->last_conn = &conn->next;
    kv_output_init(&conn->out, &kv->outputs);
    kv->nr_clients++;
    kv->stats.connections++;
}

static void drop_held(struct kv_conn *conn)
{
    kv_db_hold(conn->kv, conn->held_room, 0);
    free(conn->held);
    conn->held = NULL;
    conn->held_bytes = conn->held_room = 0;
}

void kv_conn_end(struct kv_conn *conn)
{
    kv_work_end(&conn->work);
    kv_multi_end(conn);
    drop_held(conn);
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    else
        conn->kv->last_conn = conn->link;
    kv_output_free(&conn->out);
    free(conn->name);
    conn->kv->nr_clients--;
}

/* ---- Running requests */

/* Answers wait until the journal's present contents are written. */
static void withhold(struct kv_conn *conn)
{
    const struct kv_journal *journal = &conn->kv->journal;

    if (!journal->withholds || kv_journal_is_clean(journal))
        conn->free_to = conn->out.added;
}

static void run(struct kv_conn *conn)
{
    struct kv_words *words = &conn->kv->words;
    struct kv_call call = {
        .kv = conn->kv,
        .conn = conn,
        .out = &conn->out,
        .words = words->at,
        .nr = words->nr,
        .work = &conn->work,
    };

    conn->last_us = conn->kv->now_us;
    if (words->nr)
        kv_command_run(&call);
    if (!kv_work_continue(&conn->work))
        withhold(conn);
}

static void refuse(struct kv_conn *conn, const char *error)
{
    kv_output_error(&conn->out, "ERR %s", error);
    conn->is_closing = true;
    withhold(conn);
}

void kv_conn_refuse(struct kv_conn *conn)
{
    refuse(conn, "max number of clients reached");
    conn->free_to = conn->out.added;
}

void kv_conn_finish(struct kv_conn *conn)
{
    conn->is_closing = true;
}

/* Must the next request wait? */
static bool must_wait(const struct kv_conn *conn)
{
    const struct kv_conn *exclusive = conn->kv->exclusive;

    return kv_output_bytes(&conn->out) >= KV_OUTPUT_FULL || conn->work ||
           conn->out.has_failed || kv_journal_is_full(&conn->kv->journal) ||
           conn->kv->is_stopping || (exclusive && exclusive != conn);
}

/* Continue reading a request, and run it when it is complete. Returns its
 * length; 0: it is incomplete, or invalid. */
static size_t read_request(struct kv_conn *conn, char *bytes, size_t len)
{
    struct kv *kv = conn->kv;
    struct kv_resp_limits limits = {KV_WORDS_MAX, kv->word_max};
    const char *error;
    size_t used = 0;

    if (!conn->is_known)
        limits = (struct kv_resp_limits){KV_STRANGER_WORDS, KV_STRANGER_BYTES};
    switch (
        kv_resp_read(&conn->resp, &kv->words, bytes, len, &limits, &error)) {
    case KV_RESP_READY:
        used = conn->resp.at;
        conn->resp = (struct kv_resp){0};
        run(conn);
        break;
    case KV_RESP_BAD:
        refuse(conn, error);
        break;
    default:
        break;
    }
    kv_words_trim(&kv->words);
    return used;
}

/* ---- Incomplete requests */

/* Make room for `room` bytes, or at least `least`; false: there is none, and
 * the error was sent. */
static bool make_room(struct kv_conn *conn, size_t room, size_t least)
{
    struct kv *kv = conn->kv;
    size_t before = conn->held_room;
    char *held = NULL;

    if (!kv_db_hold(kv, before, room)) {
        room = least;
        if (!kv_db_hold(kv, before, room))
            room = 0;
    }
    if (room)
        held = realloc(conn->held, room);
    if (!held) {
        if (room)
            kv_db_hold(kv, room, before);
        kv->stats.dropped++;
        refuse(conn, "no memory for a request of this length now");
        return false;
    }
    conn->held = held;
    conn->held_room = room;
    return true;
}

static size_t round_up(size_t bytes)
{
    return (bytes + HELD_STEP - 1) & ~(size_t)(HELD_STEP - 1);
}

/* The room to make: for all of a long word at once, if its length is known, but
 * no more than twice what came so far, lest lengths alone cost memory.
 * Otherwise in proportion to what came, so that all copies together are a few
 * times the request's length, not its square. */
static size_t room_for(const struct kv_conn *conn, size_t bytes)
{
    size_t expected = kv_resp_expects(&conn->resp);

    if (bytes <= KV_HELD_FREE)
        return KV_HELD_FREE;
    if (expected <= bytes)
        return round_up(bytes + bytes / HELD_PART);
    return round_up(expected < 2 * bytes ? expected : 2 * bytes);
}

static bool hold(struct kv_conn *conn, const char *bytes, size_t len)
{
    size_t all = conn->held_bytes + len;

    if (all > conn->held_room &&
        !make_room(conn, room_for(conn, all), round_up(all)))
        return false;
    memcpy(conn->held + conn->held_bytes, bytes, len);
    conn->held_bytes = all;
    return true;
}

/* Add input to a held request. Returns how much was taken. */
static size_t continue_request(struct kv_conn *conn, const char *bytes,
                               size_t len)
{
    size_t before = conn->held_bytes, used,
           whole = kv_resp_expects(&conn->resp);

    /* Take no more than this request, if its length is known: the rest stays in
     * place. Else a little at a time, since most are short. */
    if (whole > before && len > whole - before)
        len = whole - before;
    else if (whole <= before && len > KV_HELD_FREE)
        len = KV_HELD_FREE;
    if (!hold(conn, bytes, len))
        return len;
    used = read_request(conn, conn->held, conn->held_bytes);
    if (!used)
        return len;
    drop_held(conn);
    return used - before;
}

size_t kv_conn_receive(struct kv_conn *conn, char *bytes, size_t len)
{
    size_t used = 0, n;

    while (used < len && !must_wait(conn)) {
        if (conn->is_closing)
            return len;
        if (conn->held) {
            used += continue_request(conn, bytes + used, len - used);
            continue;
        }
        n = read_request(conn, bytes + used, len - used);
        if (!n && !conn->is_closing)
            hold(conn, bytes + used, len - used);
        used += n ? n : len - used;
    }
    return used;
}

/* ---- Output */

bool kv_conn_output(const struct kv_conn *conn, struct kv_text *piece)
{
    uint64_t may = conn->free_to - conn->out.taken;

    if (!may || !kv_output_next(&conn->out, piece))
        return false;
    if (piece->len > may)
        piece->len = (size_t)may;
    return true;
}

void kv_conn_taken(struct kv_conn *conn, size_t len)
{
    kv_output_take(&conn->out, len);
    conn->kv->stats.out_bytes += len;
}

bool kv_conn_is_idle(const struct kv_conn *conn)
{
    return !kv_output_bytes(&conn->out) && !conn->work;
}

bool kv_conn_has_part(const struct kv_conn *conn)
{
    return conn->held;
}

bool kv_conn_is_withheld(const struct kv_conn *conn)
{
    return conn->free_to < conn->out.added;
}

bool kv_conn_has_failed(const struct kv_conn *conn)
{
    return conn->out.has_failed;
}

/* ---- Long commands */

bool kv_conn_is_working(const struct kv_conn *conn)
{
    return conn->work;
}

bool kv_conn_continue(struct kv_conn *conn)
{
    struct kv *kv = conn->kv;

    if ((kv->exclusive && kv->exclusive != conn) ||
        kv_work_continue(&conn->work))
        return true;
    withhold(conn);
    return false;
}

void kv_conn_end_exclusive(struct kv *kv)
{
    if (kv->exclusive)
        kv_work_end(&kv->exclusive->work);
}

/* ---- The disk */

void kv_conn_batch_begins(struct kv_conn *conn)
{
    conn->batch_to = conn->out.added;
}

void kv_conn_batch_ends(struct kv_conn *conn)
{
    if (conn->free_to < conn->batch_to)
        conn->free_to = conn->batch_to;
    withhold(conn);
}
