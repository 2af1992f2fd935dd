/* SPDX-License-Identifier: MIT */
/*
 * A queued request is one block: its words and their bytes. EXEC takes the
 * whole queue and runs one command per step; the answers are kept apart until
 * all are complete.
 *
 * Room for all commands is reserved in the journal before the first is run, and
 * whatever could refuse one of them (memory, the disk) is checked once for all.
 */
#include "apps/kv/kv_multi.h"
#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_watch.h"
#include "apps/kv/kv_work.h"

#include <stdlib.h>
#include <string.h>

/* The steps that a command takes, and the words that add a step. */
#define COMMAND_STEPS 4
#define STEP_WORDS    4
/* Bytes of MULTI and EXEC in the journal. */
#define FRAME_BYTES   64

struct kv_request {
    struct kv_request *next;
    const struct kv_command *command;
    size_t bytes; /* of itself */
    unsigned nr;
    struct kv_text words[];
};

/* ---- The queue */

static void drop_first(struct kv_conn *conn)
{
    struct kv_multi *multi = &conn->multi;
    struct kv_request *request = multi->first;

    multi->first = request->next;
    kv_db_hold(conn->kv, multi->bytes, multi->bytes - request->bytes);
    multi->bytes -= request->bytes;
    free(request);
}

static struct kv_request *copy(struct kv_call *call,
                               const struct kv_command *command)
{
    struct kv_multi *multi = &call->conn->multi;
    size_t bytes =
        sizeof(struct kv_request) + call->nr * sizeof(struct kv_text);
    struct kv_request *request;
    char *to;

    for (unsigned i = 0; i < call->nr; i++)
        bytes += call->words[i].len;
    if (!kv_db_hold(call->kv, multi->bytes, multi->bytes + bytes))
        return NULL;
    request = malloc(bytes);
    if (!request) {
        kv_db_hold(call->kv, multi->bytes + bytes, multi->bytes);
        return NULL;
    }
    multi->bytes += bytes;
    *request =
        (struct kv_request){.command = command, .bytes = bytes, .nr = call->nr};
    to = (char *)&request->words[call->nr];
    for (unsigned i = 0; i < call->nr; i++) {
        request->words[i] = (struct kv_text){to, call->words[i].len};
        memcpy(to, call->words[i].at, call->words[i].len);
        to += call->words[i].len;
    }
    return request;
}

void kv_multi_queue(struct kv_call *call, const struct kv_command *command)
{
    struct kv_multi *multi = &call->conn->multi;
    struct kv_request *request = copy(call, command);
    unsigned flags = multi->flags | command->flags;

    if (!request) {
        multi->is_spoilt = true;
        kv_output_error(call->out,
                        "ERR no memory for a transaction of this length now");
        return;
    }
    if (multi->first)
        multi->last->next = request;
    else
        multi->first = request;
    multi->last = request;
    multi->nr++;
    /* Allowed at any time only if all queued commands are. */
    if (!(multi->flags & command->flags & KV_ANYTIME))
        flags &= ~(unsigned)KV_ANYTIME;
    multi->flags = flags;
    if (command->flags & KV_GROWS)
        multi->word_bytes += kv_command_bytes(call);
    if (command->flags & KV_WRITES)
        multi->note_bytes += kv_journal_need(call->words, call->nr);
    kv_output_status(call->out, "QUEUED");
}

/* ---- The end of a transaction, executed or not */

/* Close the transaction; the queue stays with the caller. */
static void close_multi(struct kv_conn *conn)
{
    struct kv_multi *multi = &conn->multi;

    kv_watch_drop_all(conn);
    multi->is_open = multi->is_spoilt = multi->has_changed = false;
    multi->word_bytes = multi->note_bytes = multi->nr = multi->flags = 0;
}

static void discard(struct kv_conn *conn)
{
    while (conn->multi.first)
        drop_first(conn);
    close_multi(conn);
}

void kv_multi_end(struct kv_conn *conn)
{
    discard(conn);
}

void kv_multi_abort(struct kv_call *call, const char *reason)
{
    discard(call->conn);
    kv_output_error(call->out, "EXECABORT Transaction discarded because of: %s",
                    reason);
}

/* ---- EXEC */

struct exec {
    struct kv_work work;
    struct kv_conn *conn;
    struct kv_work *inner; /* of the command that is being done */
    unsigned nr;
};

static struct exec *of(struct kv_work *work)
{
    return container_of(work, struct exec, work);
}

static void do_first(struct exec *exec)
{
    struct kv_request *request = exec->conn->multi.first;
    struct kv_call call = {
        .kv = exec->work.kv,
        .conn = exec->conn,
        .out = &exec->work.found,
        .words = request->words,
        .nr = request->nr,
        .work = &exec->inner,
    };

    kv_command_do(&call, request->command);
    kv_work_spend(&exec->work, COMMAND_STEPS + request->nr / STEP_WORDS);
    drop_first(exec->conn);
}

static bool exec_step(struct kv_work *work)
{
    struct exec *exec = of(work);

    if (exec->inner) {
        kv_work_continue(&exec->inner);
        return true;
    }
    if (exec->conn->multi.first) {
        do_first(exec);
        return true;
    }
    kv_output_array(work->out, exec->nr);
    kv_output_move(work->out, &work->found);
    return false;
}

/* The client may have gone: changes are still made. */
static void exec_end(struct kv_work *work)
{
    struct exec *exec = of(work);

    kv_work_end(&exec->inner);
    while (exec->conn->multi.first) {
        if (exec->conn->multi.first->command->flags & KV_WRITES)
            do_first(exec);
        else
            drop_first(exec->conn);
        kv_output_free(&work->found);
    }
    kv_journal_end(&work->kv->journal);
    work->kv->exclusive = NULL;
}

static void begin_exec(struct kv_call *call)
{
    struct kv_conn *conn = call->conn;
    struct kv_work *work =
        kv_work_make(call, sizeof(struct exec), exec_step, exec_end);
    unsigned nr = conn->multi.nr;

    if (!work) {
        discard(conn);
        return;
    }
    of(work)->conn = conn;
    of(work)->nr = nr;
    close_multi(conn);
    kv_journal_begin(&call->kv->journal);
    call->kv->exclusive = conn;
}

void kv_multi_exec(struct kv_call *call)
{
    struct kv_multi *multi = &call->conn->multi;
    const char *obstacle;

    if (!multi->is_open) {
        kv_output_error(call->out, "ERR EXEC without MULTI");
        return;
    }
    kv_watch_expire(call->conn);
    if (multi->is_spoilt) {
        discard(call->conn);
        kv_output_error(call->out, "EXECABORT Transaction discarded because of "
                                   "previous errors.");
        return;
    }
    if (multi->has_changed) {
        discard(call->conn);
        kv_output_nil_array(call->out);
        return;
    }
    obstacle = kv_command_obstacle(call, multi->flags, multi->word_bytes);
    if (!obstacle && !kv_journal_make_room(&call->kv->journal,
                                           multi->note_bytes + FRAME_BYTES))
        obstacle = "no memory to note it";
    if (obstacle)
        kv_multi_abort(call, obstacle);
    else
        begin_exec(call);
}

/* ---- The others */

void kv_multi_multi(struct kv_call *call)
{
    struct kv_multi *multi = &call->conn->multi;

    if (multi->is_open) {
        kv_output_error(call->out, "ERR MULTI calls can not be nested");
        return;
    }
    multi->is_open = true;
    multi->is_spoilt = false;
    multi->flags = KV_ANYTIME;
    kv_output_ok(call->out);
}

void kv_multi_discard(struct kv_call *call)
{
    if (!call->conn->multi.is_open) {
        kv_output_error(call->out, "ERR DISCARD without MULTI");
        return;
    }
    discard(call->conn);
    kv_output_ok(call->out);
}

void kv_multi_watch(struct kv_call *call)
{
    if (call->conn->multi.is_open) {
        kv_output_error(call->out, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (unsigned i = 1; i < call->nr; i++) {
        if (call->words[i].len > KV_KEY_MAX)
            continue; /* not a valid key: never exists */
        if (call->conn->multi.has_changed)
            break; /* EXEC fails in any case */
        if (kv_watch_add(call->conn, call->words[i])) {
            kv_output_error(call->out, "ERR no memory to watch so many keys");
            return;
        }
    }
    kv_output_ok(call->out);
}

/* In a transaction, EXEC has already done it. */
void kv_multi_unwatch(struct kv_call *call)
{
    kv_watch_drop_all(call->conn);
    call->conn->multi.has_changed = false;
    kv_output_ok(call->out);
}
