/* SPDX-License-Identifier: MIT */
/*
 * The xenstore client.
 *
 * One list holds every request that is not idle, in the order of starting:
 *
 *     QUEUED --transmit--> SENT --answer with its id--> idle, done()
 *        \-- never possible, or the ring is broken --> FAILED --task--> done()
 *
 * The store page has two byte streams of 1024 bytes each. Into `req` goes one
 * message after the other, at the latest in the next turn and with one
 * notification for all that a turn produced. From `rsp` each turn takes what
 * was there when it began, so a daemon that never stops sending cannot keep the
 * loop busy for longer than one turn.
 *
 * Nothing from xenstored is trusted: lengths are checked before anything is
 * copied, ids and watch tokens are numbers that are looked up, text is used
 * only up to the length that came with it. After an impossible ring index or
 * header the stream cannot be parsed any further: all requests fail.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "xen/abi.h"
#include "xen/bus/xs.h"
#include "xen/hv.h"

_Static_assert(XS_PATH_MAX == XENSTORE_REL_PATH_MAX &&
                   XS_VALUE_MAX == XENSTORE_PAYLOAD_MAX,
               "the protocol's limits");
_Static_assert(sizeof(((struct xs *)0)->head) == sizeof(struct xsd_sockmsg),
               "the protocol's header");

/* ---- Errors, as xenstored spells them (xs_wire.h, xsd_errors). */

static const struct {
    char name[10];
    uint8_t number;
} errors[] = {
#define ERROR(name)       \
    {                     \
#name, XEN_##name \
    }
    ERROR(EINVAL), ERROR(EACCES), ERROR(EEXIST),    ERROR(EISDIR),
    ERROR(ENOENT), ERROR(ENOMEM), ERROR(ENOSPC),    ERROR(EIO),
    ERROR(EROFS),  ERROR(EBUSY),  ERROR(ENOTEMPTY), ERROR(ENOSYS),
    ERROR(EAGAIN), ERROR(E2BIG),  ERROR(EISCONN),   ERROR(EPERM),
#undef ERROR
};

static int error_number(const char *name)
{
    for (unsigned i = 0; i < array_size(errors); i++)
        if (!strcmp(name, errors[i].name))
            return -(int)errors[i].number;
    return -XEN_EIO;
}

bool xs_decimal(const char *text, size_t bytes, uint64_t *out)
{
    uint64_t n = 0;

    if (!bytes)
        return false;
    for (; bytes; bytes--, text++) {
        if (*text < '0' || *text > '9' || n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (unsigned)(*text - '0');
    }
    *out = n;
    return true;
}

/* ---- The list of requests. */

static void append(struct xs *xs, struct xs_request *r, enum xs_stage stage)
{
    struct xs_request **link = &xs->requests;

    while (*link)
        link = &(*link)->next;
    *link = r;
    r->next = NULL;
    r->stage = stage;
    if (!xs->in_event || stage == XS_FAILED) /* otherwise event_run sends it */
        task_start(xs->loop, &xs->task, xs->task.fn);
}

static void take_out(struct xs *xs, struct xs_request *r)
{
    struct xs_request **link = &xs->requests;

    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    r->stage = XS_IDLE;
}

static struct xs_request *first(struct xs *xs, enum xs_stage stage)
{
    struct xs_request *r = xs->requests;

    while (r && r->stage != stage)
        r = r->next;
    return r;
}

static void finish(struct xs_request *r, int error, const char *value,
                   size_t bytes)
{
    r->error = error;
    r->value = value;
    r->value_bytes = bytes;
    if (r->done)
        r->done(r);
}

static size_t message_bytes(const struct xs_request *r)
{
    return sizeof(struct xsd_sockmsg) + r->path_bytes + r->data_bytes;
}

static void start(struct xs *xs, struct xs_request *r, uint32_t op,
                  xs_transaction_t t, const char *path, const void *data,
                  size_t data_bytes)
{
    size_t path_bytes = strlen(path) + 1;

    assert(r->stage == XS_IDLE);
    r->op = op;
    r->tx = t;
    r->id = ++xs->next_id;
    r->path = path;
    r->data = data;
    r->path_bytes = (uint32_t)path_bytes;
    r->data_bytes = (uint32_t)data_bytes;
    r->error = 0;
    if (!xs->ring)
        r->error = -XEN_ENOENT;
    else if (xs->broken)
        r->error = -XEN_EIO;
    else if (path_bytes - 1 > XS_PATH_MAX || data_bytes > XS_VALUE_MAX ||
             path_bytes + data_bytes > XENSTORE_PAYLOAD_MAX)
        r->error = -XEN_E2BIG;
    append(xs, r, r->error ? XS_FAILED : XS_QUEUED);
}

static void broke(struct xs *xs, const char *what, uint32_t number)
{
    log_error("xs", "xenstored cannot be followed any more: %s (%u)", what,
              number);
    xs->broken = true;
    event_stop(xs->loop, &xs->event);
    for (struct xs_request *r = xs->requests; r; r = r->next) {
        if (r->stage != XS_FAILED)
            r->error = -XEN_EIO;
        r->stage = XS_FAILED;
    }
    task_start(xs->loop, &xs->task, xs->task.fn);
}

/* ---- Sending. */

/* Copy into `req` behind what was put there before; there is room. */
static void put(struct xs *xs, const void *from, size_t bytes)
{
    uint32_t at = MASK_XENSTORE_IDX(xs->req_prod);
    size_t head = XENSTORE_RING_SIZE - at;

    if (head > bytes)
        head = bytes;
    memcpy(xs->ring->req + at, from, head);
    memcpy(xs->ring->req, (const char *)from + head, bytes - head);
    xs->req_prod += (uint32_t)bytes;
}

/* Put as much of a part as the room allows. *skip bytes, counted from where the
 * part begins, were sent before. */
static void put_part(struct xs *xs, const void *part, size_t bytes,
                     size_t *skip, size_t *room)
{
    size_t from = *skip < bytes ? *skip : bytes;
    size_t n = bytes - from < *room ? bytes - from : *room;

    put(xs, (const char *)part + from, n);
    xs->sent_bytes += (uint32_t)n;
    *skip -= from;
    *room -= n;
}

/* Send (more of) one request. A message that fits into the ring goes there
 * whole, so that cancelling it is always clean. True: all of it is sent. */
static bool send_request(struct xs *xs, struct xs_request *r, size_t *room)
{
    size_t total = message_bytes(r), skip = xs->sent_bytes;
    const struct xsd_sockmsg head = {
        .type = r->op,
        .req_id = r->id,
        .tx_id = r->tx,
        .len = r->path_bytes + r->data_bytes,
    };

    if (total <= XENSTORE_RING_SIZE && total > *room)
        return false;
    put_part(xs, &head, sizeof(head), &skip, room);
    put_part(xs, r->path, r->path_bytes, &skip, room);
    put_part(xs, r->data, r->data_bytes, &skip, room);
    if (xs->sent_bytes < total)
        return false;
    xs->sent_bytes = 0;
    return true;
}

/* The rest of a half-sent message whose request is gone. The byte is one that
 * no path may hold (docs/misc/xenstore.txt of Xen). */
static bool send_filler(struct xs *xs, size_t *room)
{
    for (; xs->filler_bytes && *room; xs->filler_bytes--, --*room)
        put(xs, "\1", 1);
    return !xs->filler_bytes;
}

static void transmit(struct xs *xs)
{
    /* Pairs with xenstored's barrier between reading and freeing room. */
    uint32_t cons = __atomic_load_n(&xs->ring->req_cons, __ATOMIC_ACQUIRE);
    uint32_t before = xs->req_prod, used = before - cons;
    size_t room = XENSTORE_RING_SIZE - used;
    struct xs_request *r;

    if (used > XENSTORE_RING_SIZE) {
        broke(xs, "request index", cons);
        return;
    }
    if (send_filler(xs, &room))
        while ((r = first(xs, XS_QUEUED)) && send_request(xs, r, &room))
            r->stage = XS_SENT;
    if (xs->req_prod != before) {
        /* Shows the bytes before the index: xenstored reads prod first. */
        __atomic_store_n(&xs->ring->req_prod, xs->req_prod, __ATOMIC_RELEASE);
        xs->notify = true;
    }
}

/* Send what can be sent; complete what failed when this turn began. */
static void flush(struct xs *xs)
{
    if (xs->ring && !xs->broken)
        transmit(xs);
    if (xs->notify)
        hv_evtchn_notify(xs->port);
    xs->notify = false;
}

static void task_run(struct task *task)
{
    struct xs *xs = container_of(task, struct xs, task);
    struct xs_request *r;
    unsigned nr_failed = 0;

    for (r = xs->requests; r; r = r->next)
        nr_failed += r->stage == XS_FAILED;
    for (; nr_failed && (r = first(xs, XS_FAILED)); nr_failed--) {
        take_out(xs, r);
        finish(r, r->error, "", 0);
    }
    flush(xs);
}

/* ---- Answers. */

/* Ask (again) for a directory, a part at a time from offset list_used. */
static void directory_part(struct xs *xs, struct xs_request *r)
{
    int n =
        snprintf(r->offset, sizeof(r->offset), "%u", (unsigned)r->list_used);

    start(xs, r, XS_DIRECTORY_PART, r->tx, r->path, r->offset, (size_t)n + 1);
}

/* The directory changed between two parts: drop what we have and start over. */
static int directory_restart(struct xs *xs, struct xs_request *r)
{
    if (++r->tries >= XS_DIRECTORY_TRIES_MAX)
        return -XEN_EAGAIN;
    r->list_used = 0;
    directory_part(xs, r);
    return 0;
}

static int list_append(struct xs_request *r, const char *names, size_t bytes)
{
    if (bytes && names[bytes - 1])
        return -XEN_EIO;
    if (bytes > r->list_bytes - r->list_used)
        return -XEN_E2BIG;
    memcpy(r->list + r->list_used, names, bytes);
    r->list_used += (uint32_t)bytes;
    return 0;
}

/* A part is the generation count, a NUL, and names; the last part ends in an
 * empty name (xenstore.txt, DIRECTORY_PART). */
static int directory_got_part(struct xs *xs, struct xs_request *r)
{
    const char *names = memchr(xs->body, 0, xs->head.len);
    size_t bytes = xs->head.len;
    uint64_t generation;
    bool last;
    int error;

    if (!names ||
        !xs_decimal(xs->body, (size_t)(names - xs->body), &generation))
        return -XEN_EIO;
    names++;
    bytes -= (size_t)(names - xs->body);
    if (r->list_used && generation != r->generation)
        return directory_restart(xs, r);
    if (!bytes) /* neither names nor an end: this might never finish */
        return -XEN_EIO;
    last = !names[bytes - 1] && (bytes == 1 || !names[bytes - 2]);
    error = list_append(r, names, last ? bytes - 1 : bytes);
    if (error || last)
        return error;
    r->generation = generation;
    directory_part(xs, r);
    return 0;
}

static void directory_answer(struct xs *xs, struct xs_request *r, int error)
{
    if (error == -XEN_E2BIG && r->op == XS_DIRECTORY) {
        directory_part(xs, r);
    } else if (error == -XEN_ENOSYS && r->op == XS_DIRECTORY_PART) {
        error = -XEN_E2BIG; /* an old xenstored, without DIRECTORY_PART */
    } else if (!error) {
        error = r->op == XS_DIRECTORY ? list_append(r, xs->body, xs->head.len)
                                      : directory_got_part(xs, r);
    }
    if (r->stage == XS_IDLE) /* no further request was started */
        finish(r, error, error ? "" : r->list, error ? 0 : r->list_used);
}

static void answer(struct xs *xs)
{
    struct xs_request *r = xs->requests;
    int error = 0;

    while (r && !(r->stage == XS_SENT && r->id == xs->head.req_id))
        r = r->next;
    if (!r) {
        xs->replies_unknown++;
        return;
    }
    take_out(xs, r);
    if (xs->head.type == XS_ERROR)
        error = error_number(xs->body);
    else if (xs->head.type != r->op)
        error = -XEN_EIO;
    if (r->list)
        directory_answer(xs, r, error);
    else
        finish(r, error, xs->body, xs->head.len);
}

/* PATH, NUL, TOKEN, NUL; the token is the text of our number. */
static void watch_event(struct xs *xs)
{
    const char *end = xs->body + xs->head.len;
    const char *token = memchr(xs->body, 0, xs->head.len);
    const char *token_end = token ? memchr(token + 1, 0, end - token - 1) : 0;
    struct xs_watch *w = xs->watches;
    uint64_t id;

    if (!token_end || !xs_decimal(token + 1, token_end - token - 1, &id))
        w = NULL;
    while (w && w->token_id != id)
        w = w->next;
    if (w)
        w->fn(w, xs->body);
    else
        xs->watches_unknown++;
}

/* ---- Receiving. */

/* Take at most `bytes` of `rsp` up to index `prod`; returns how many. */
static uint32_t take(struct xs *xs, uint32_t prod, void *to, uint32_t bytes)
{
    uint32_t cons = xs->rsp_cons, at = MASK_XENSTORE_IDX(cons);
    uint32_t n = prod - cons < bytes ? prod - cons : bytes;
    uint32_t head = XENSTORE_RING_SIZE - at < n ? XENSTORE_RING_SIZE - at : n;

    memcpy(to, xs->ring->rsp + at, head);
    memcpy((char *)to + head, xs->ring->rsp, n - head);
    xs->rsp_cons += n;
    /* Frees the bytes after they were copied, and before prod is read again: a
     * xenstored that found no room is then told that there is some. */
    __atomic_store_n(&xs->ring->rsp_cons, xs->rsp_cons, __ATOMIC_SEQ_CST);
    if (n && __atomic_load_n(&xs->ring->rsp_prod, __ATOMIC_SEQ_CST) - cons >=
                 XENSTORE_RING_SIZE)
        xs->notify = true;
    return n;
}

/* True: head and body are a whole message. */
static bool receive(struct xs *xs, uint32_t prod)
{
    if (xs->head_bytes < sizeof(xs->head)) {
        xs->head_bytes += take(xs, prod, (char *)&xs->head + xs->head_bytes,
                               sizeof(xs->head) - xs->head_bytes);
        if (xs->head_bytes < sizeof(xs->head))
            return false;
        if (xs->head.len > XENSTORE_PAYLOAD_MAX) {
            broke(xs, "length", xs->head.len);
            return false;
        }
    }
    xs->body_bytes += take(xs, prod, xs->body + xs->body_bytes,
                           xs->head.len - xs->body_bytes);
    if (xs->body_bytes < xs->head.len)
        return false;
    xs->body[xs->body_bytes] = 0;
    xs->head_bytes = xs->body_bytes = 0;
    return true;
}

static void event_run(struct event *event)
{
    struct xs *xs = container_of(event, struct xs, event);
    /* Orders the reads of the bytes behind this index. */
    uint32_t prod = __atomic_load_n(&xs->ring->rsp_prod, __ATOMIC_ACQUIRE);

    xs->in_event = true;
    if (prod - xs->rsp_cons > XENSTORE_RING_SIZE)
        broke(xs, "response index", prod);
    while (!xs->broken && receive(xs, prod)) {
        if (xs->head.type == XS_WATCH_EVENT)
            watch_event(xs);
        else
            answer(xs);
    }
    xs->in_event = false;
    flush(xs);
}

/* ---- The kinds of request. */

/* All requests but directories: the answer is one message. */
static void ask(struct xs *xs, struct xs_request *r, uint32_t op,
                xs_transaction_t t, const char *path, const void *data,
                size_t bytes)
{
    r->list = NULL;
    start(xs, r, op, t, path, data, bytes);
}

void xs_read(struct xs *xs, struct xs_request *r, xs_transaction_t t,
             const char *path)
{
    ask(xs, r, XS_READ, t, path, "", 0);
}

void xs_write(struct xs *xs, struct xs_request *r, xs_transaction_t t,
              const char *path, const void *data, size_t bytes)
{
    ask(xs, r, XS_WRITE, t, path, data, bytes);
}

void xs_mkdir(struct xs *xs, struct xs_request *r, xs_transaction_t t,
              const char *path)
{
    ask(xs, r, XS_MKDIR, t, path, "", 0);
}

void xs_rm(struct xs *xs, struct xs_request *r, xs_transaction_t t,
           const char *path)
{
    ask(xs, r, XS_RM, t, path, "", 0);
}

void xs_directory(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                  const char *path, char *buffer, size_t bytes)
{
    r->list = buffer;
    r->list_bytes = (uint32_t)bytes;
    r->list_used = 0;
    r->tries = 0;
    start(xs, r, XS_DIRECTORY, t, path, "", 0);
}

void xs_get_permissions(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                        const char *path)
{
    ask(xs, r, XS_GET_PERMS, t, path, "", 0);
}

void xs_set_permissions(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                        const char *path, const char *permissions, size_t bytes)
{
    ask(xs, r, XS_SET_PERMS, t, path, permissions, bytes);
}

void xs_transaction_start(struct xs *xs, struct xs_request *r)
{
    ask(xs, r, XS_TRANSACTION_START, XS_NO_TRANSACTION, "", "", 0);
}

xs_transaction_t xs_transaction_id(const struct xs_request *r)
{
    uint64_t id;

    if (!xs_decimal(r->value, strlen(r->value), &id) || id > UINT32_MAX)
        return XS_NO_TRANSACTION;
    return (xs_transaction_t)id;
}

void xs_transaction_end(struct xs *xs, struct xs_request *r, xs_transaction_t t,
                        bool abort)
{
    ask(xs, r, XS_TRANSACTION_END, t, abort ? "F" : "T", "", 0);
}

void xs_cancel(struct xs *xs, struct xs_request *r)
{
    if (r->stage == XS_IDLE)
        return;
    if (xs->sent_bytes && r == first(xs, XS_QUEUED)) {
        xs->filler_bytes = (uint32_t)message_bytes(r) - xs->sent_bytes;
        xs->sent_bytes = 0;
    }
    take_out(xs, r);
}

/* ---- Watches. */

static void watch_answer(struct xs_request *r)
{
    if (r->error && r->error != -XEN_ENOENT) /* ENOENT: no xenstore */
        log_warn("xs", "cannot watch %s: error %d", r->path, -r->error);
}

void xs_watch(struct xs *xs, struct xs_watch *w, const char *path,
              void (*fn)(struct xs_watch *watch, const char *path))
{
    int n;

    assert(!w->active);
    w->fn = fn;
    w->path = path;
    w->active = true;
    w->token_id = ++xs->next_token;
    n = snprintf(w->token, sizeof(w->token), "%u", (unsigned)w->token_id);
    w->next = xs->watches;
    xs->watches = w;
    w->request.done = watch_answer;
    ask(xs, &w->request, XS_WATCH, XS_NO_TRANSACTION, path, w->token,
        (size_t)n + 1);
}

static void unwatch_answer(struct xs_request *r)
{
    struct xs_watch *w = container_of(r, struct xs_watch, request);

    if (w->removed)
        w->removed(w);
}

void xs_unwatch(struct xs *xs, struct xs_watch *w,
                void (*removed)(struct xs_watch *watch))
{
    struct xs_watch **link = &xs->watches;

    if (!w->active)
        return;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    w->active = false;
    w->removed = removed;
    xs_cancel(xs, &w->request); /* XS_WATCH may still be under way */
    w->request.done = unwatch_answer;
    ask(xs, &w->request, XS_UNWATCH, XS_NO_TRANSACTION, w->path, w->token,
        strlen(w->token) + 1);
}

void xs_init(struct xs *xs, struct loop *loop)
{
    const struct hv_info *info = hv_info();

    memset(xs, 0, sizeof(*xs));
    xs->loop = loop;
    xs->task.fn = task_run;
    xs->ring = info->store_page;
    if (!xs->ring) {
        log_warn("xs", "no xenstore: no devices, and xl cannot ask to stop");
        return;
    }
    xs->port = info->store_port;
    xs->req_prod = xs->ring->req_prod;
    xs->rsp_cons = xs->ring->rsp_cons;
    event_start(loop, &xs->event, xs->port, event_run);
}
