/* SPDX-License-Identifier: MIT */
/*
 * The device handshake.
 *
 * The machine has two inputs, our own phase and what the backend does, and one
 * thing under way at a time: while `busy`, an answer of xenstored is to come,
 * and what happens is a bit in `wanted`, or another phase, that advance() looks
 * at when the answer is there. advance() does what is most urgent:
 *
 *     STOP   unwatch, say Closed, stopped()
 *     FIND   NODE/backend changed: find the backend (again)
 *     LOOK   BACKEND/state changed: read it
 *     else   decide(): the table of both, xenbus_table.h
 *
 * Only close() does not wait for an answer: a driver that must let go of its
 * rings does so in the next turn, even when xenstored is silent.
 *
 * Watches only say "look": what counts is the state that is read afterwards.
 * A backend that is quick is therefore not seen in every state, and decide()
 * takes each pair for what it is, whatever came before. What Linux's
 * backends do (they answer Initialising with InitWait, Closed with Closed, and
 * when restarted look at our state first) brings every pair to Connected.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "xen/bus/xenbus.h"
#include "xen/bus/xenbus_table.h"

static void advance(struct xenbus_device *dev);
static void decide(struct xenbus_device *dev);

static void path_join(char path[XENBUS_PATH_MAX], const char *node,
                      const char *name)
{
    int n = snprintf(path, XENBUS_PATH_MAX, "%s/%s", node, name);

    assert(n < XENBUS_PATH_MAX);
}

/* Log what is wrong with an answer. When xenstored refused, its value is the
 * name of the error. */
static void complain(const struct xs_request *r, const char *what)
{
    log_warn("xenbus", "%s: %s: \"%.60s\"", r->path, what, r->value);
}

/* ---- Slow backends are news, once each time that one is waited for. */

static void hotplug_error_read(struct xs_request *r)
{
    if (!r->error && r->value_bytes)
        complain(r, "the hotplug script failed");
}

static void slow_run(struct timer *timer)
{
    static const char names[][16] = {
        "not there",   "Initialising",  "InitWait",
        "Initialised", "Connected",     "Closing",
        "Closed",      "Reconfiguring", "Reconfigured",
    };
    struct xenbus_device *dev = container_of(timer, struct xenbus_device, slow);
    const char *path = dev->busy         ? dev->path
                       : dev->backend[0] ? dev->state_path
                                         : dev->node_path;

    log_warn(dev->node, "still waiting for %s; the backend is %s", path,
             names[dev->backend_state]);
    if (!dev->backend[0] || dev->slow_request.stage != XS_IDLE)
        return;
    /* Where Xen's hotplug scripts leave their last words. */
    path_join(dev->slow_path, dev->backend, "hotplug-error");
    dev->slow_request.done = hotplug_error_read;
    xs_read(dev->xs, &dev->slow_request, XS_NO_TRANSACTION, dev->slow_path);
}

static void slow_start(struct xenbus_device *dev)
{
    timer_start(dev->loop, &dev->slow, loop_now(dev->loop) + XENBUS_SLOW_NS,
                slow_run);
}

/* ---- The driver's side. */

static bool is_given_up(const struct xenbus_device *dev)
{
    return dev->phase >= XENBUS_GIVEN_UP;
}

/* open() succeeded, close() was not called yet. */
static bool is_open(const struct xenbus_device *dev)
{
    unsigned phase = dev->phase % XENBUS_GIVEN_UP;

    return phase == XENBUS_OPEN || phase == XENBUS_CONNECTED;
}

static void come_back(struct xenbus_device *dev)
{
    if (is_given_up(dev))
        dev->phase -= XENBUS_GIVEN_UP;
}

static void close_device(struct xenbus_device *dev)
{
    if (!is_open(dev))
        return;
    dev->phase = is_given_up(dev) ? XENBUS_NEW_GIVEN_UP : XENBUS_NEW;
    dev->wanted &= ~XENBUS_TELL_CHANGE;
    dev->ops->close(dev);
    slow_start(dev);
}

static void retry_run(struct timer *timer)
{
    struct xenbus_device *dev =
        container_of(timer, struct xenbus_device, retry);

    if (dev->starved)
        come_back(dev);
    advance(dev);
}

static void task_run(struct task *task)
{
    struct xenbus_device *dev = container_of(task, struct xenbus_device, task);

    if (is_given_up(dev) || dev->wanted & XENBUS_STOP)
        close_device(dev);
    advance(dev);
}

/* ---- Telling our state. */

static void state_told(struct xs_request *r)
{
    struct xenbus_device *dev = container_of(r, struct xenbus_device, request);

    /* ENOENT, EACCES: the toolstack has just removed our node. */
    if (r->error && r->error != -XEN_ENOENT && r->error != -XEN_EACCES)
        complain(r, "cannot write");
    dev->busy = false;
    advance(dev);
}

static void tell_state(struct xenbus_device *dev, enum xenbus_state state)
{
    static const char digits[] = "012345678";

    path_join(dev->path, dev->node, "state");
    dev->busy = true;
    dev->request.done = state_told;
    xs_write(dev->xs, &dev->request, XS_NO_TRANSACTION, dev->path,
             &digits[state], 1);
}

/* ---- Reading keys. */

static void read_key(struct xenbus_device *dev, const char *node,
                     const char *name, void (*done)(struct xs_request *request))
{
    path_join(dev->path, node, name);
    dev->busy = true;
    dev->request.done = done;
    xs_read(dev->xs, &dev->request, XS_NO_TRANSACTION, dev->path);
}

static void text_set(const struct xenbus_key *key, const struct xs_request *r)
{
    bool fits = r->value_bytes < key->text_bytes &&
                !memchr(r->value, 0, r->value_bytes);

    key->text[0] = '\0';
    if (!r->error && fits)
        strcpy(key->text, r->value);
    else if (r->error != -XEN_ENOENT)
        complain(r, "no text of the right length");
}

static void number_set(const struct xenbus_key *key, const struct xs_request *r)
{
    uint64_t number = key->fallback;

    if (r->error == -XEN_ENOENT) {
        /* not worth a line */
    } else if (r->error || !xs_decimal(r->value, r->value_bytes, &number)) {
        complain(r, "not a number");
    } else if (number > key->max) {
        complain(r, "too large");
        number = key->max;
    }
    *key->value = (uint32_t)number;
}

static void key_read(struct xs_request *r)
{
    struct xs_node *node = container_of(r, struct xs_node, request);
    struct xenbus_device *dev =
        container_of(node->update, struct xenbus_device, update);
    const struct xenbus_key *key = &dev->keys[node - dev->nodes];

    (key->text ? text_set : number_set)(key, r);
    if (--dev->nr_pending)
        return;
    dev->busy = false;
    dev->learned = true;
    advance(dev);
}

/* Ask for all keys at once. True: they are read. False: they will be, and then
 * decide() comes back here. */
static bool learn(struct xenbus_device *dev,
                  const struct xenbus_key *(*keys)(struct xenbus_device *dev,
                                                   unsigned *nr))
{
    unsigned nr = 0;

    if (dev->learned || !keys)
        return true;
    dev->keys = keys(dev, &nr);
    assert(nr > 0 && nr <= XENBUS_KEYS_MAX);
    dev->busy = true;
    dev->nr_pending = nr;
    for (unsigned i = 0; i < nr; i++) {
        struct xs_node *node = &dev->nodes[i];

        node->update = &dev->update; /* how key_read finds the device */
        node->request.done = key_read;
        path_join(dev->names[i], dev->keys[i].own ? dev->node : dev->backend,
                  dev->keys[i].name);
        xs_read(dev->xs, &node->request, XS_NO_TRANSACTION, dev->names[i]);
    }
    return false;
}

/* ---- Opening and connecting. */

static void close_and_tell(struct xenbus_device *dev, enum xenbus_phase next)
{
    dev->wanted &= ~XENBUS_ANSWER;
    close_device(dev);
    dev->phase = next;
    tell_state(dev, XenbusStateClosed);
}

static void give_up(struct xenbus_device *dev)
{
    if (!is_given_up(dev))
        dev->phase += XENBUS_GIVEN_UP;
    dev->left = false;
    dev->retry_ns = loop_now(dev->loop) + XENBUS_RETRY_NS;
}

static void publish_v(struct xenbus_device *dev, const char *name,
                      const char *format, va_list args)
{
    unsigned i = dev->nr_nodes++;
    int n;

    assert(i < array_size(dev->nodes));
    path_join(dev->names[i], dev->node, name);
    n = vsnprintf(dev->values[i], XENBUS_VALUE_MAX, format, args);
    assert(n >= 0 && n < XENBUS_VALUE_MAX);
    dev->nodes[i].path = dev->names[i];
    dev->nodes[i].value = dev->values[i];
}

void xenbus_publish(struct xenbus_device *dev, const char *name,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    publish_v(dev, name, format, args);
    va_end(args);
}

static void published(struct xs_update *update, int error)
{
    struct xenbus_device *dev =
        container_of(update, struct xenbus_device, update);

    dev->busy = false;
    if (error) {
        log_error(dev->node, "cannot publish its keys: error %d", -error);
        give_up(dev);
    }
    advance(dev);
}

/* The first of a row of failures for lack of memory is news. */
static void open_failed(struct xenbus_device *dev, int error)
{
    bool starves = error == -XEN_ENOMEM || error == -XEN_ENOSPC;

    if (!starves)
        log_error(dev->node, "cannot open: error %d", -error);
    else if (!dev->starved)
        log_error(dev->node,
                  "no memory, or no grants or ports, to open it with: error "
                  "%d; tried again every %u s",
                  -error, (unsigned)(XENBUS_STARVED_NS / NS_PER_S));
    give_up(dev);
    dev->starved = starves;
    if (starves)
        timer_start(dev->loop, &dev->retry,
                    loop_now(dev->loop) + XENBUS_STARVED_NS, retry_run);
    decide(dev);
}

static void open_device(struct xenbus_device *dev, enum xenbus_phase next)
{
    int error;

    dev->nr_nodes = 0;
    error = dev->ops->open(dev);
    if (error) {
        open_failed(dev, error);
        return;
    }
    dev->starved = false;
    xenbus_publish(dev, "state", "%u", (unsigned)dev->ops->tell_state);
    path_join(dev->path, dev->node, "state");
    dev->phase = next;
    dev->busy = true;
    dev->update.done = published;
    xs_update(dev->xs, &dev->update, dev->nodes, dev->nr_nodes);
}

static void connect_device(struct xenbus_device *dev, enum xenbus_phase next)
{
    timer_stop(dev->loop, &dev->slow);
    dev->phase = next;
    dev->reconnects = dev->connects++;
    dev->ops->connected(dev);
    if (dev->ops->tell_state != XenbusStateConnected)
        tell_state(dev, XenbusStateConnected);
}

/* ---- Our phase and what the backend does. */

/* Say Initialising, but not too often: a backend that fails whenever we are
 * about to be connected would otherwise keep both domains busy for ever. */
static void tell_initialising(struct xenbus_device *dev, enum xenbus_phase next)
{
    uint64_t now = loop_now(dev->loop);

    if (now < dev->retry_ns) {
        timer_start(dev->loop, &dev->retry, dev->retry_ns, retry_run);
        return;
    }
    dev->retry_ns = now + XENBUS_RETRY_NS;
    dev->phase = next;
    tell_state(dev, XenbusStateInitialising);
}

/* The backend was restarted, and we did not see it go. Linux's may just now be
 * connecting to the rings that we close. It must have seen us Closed before we
 * go on: of states that follow each other quickly it sees only the last. */
static void start_over(struct xenbus_device *dev, enum xenbus_phase next)
{
    dev->retry_ns = loop_now(dev->loop) + XENBUS_RETRY_NS;
    close_and_tell(dev, next);
}

/* Both are connected. The backend's state is read when it was written. */
static void look_again(struct xenbus_device *dev)
{
    if (!dev->ops->changed)
        return;
    if (!dev->learned)
        dev->wanted |= XENBUS_TELL_CHANGE;
    if (dev->wanted & XENBUS_TELL_CHANGE &&
        learn(dev, dev->ops->connected_keys)) {
        dev->wanted &= ~XENBUS_TELL_CHANGE;
        dev->ops->changed(dev);
    }
}

/* Both are known; nothing is under way. Does one thing, or nothing. */
static void decide(struct xenbus_device *dev)
{
    struct xenbus_row row = xenbus_table[dev->phase][xenbus_event_of(dev)];
    enum xenbus_phase next = row.next;

    switch ((enum xenbus_action)row.action) {
    case XENBUS_NEVER:
    case XENBUS_CLOSE:
        close_and_tell(dev, next);
        break;
    case XENBUS_START_OVER:
        start_over(dev, next);
        break;
    case XENBUS_BEGIN:
        tell_initialising(dev, next);
        break;
    case XENBUS_LEARN_AND_OPEN:
        if (learn(dev, dev->ops->keys))
            open_device(dev, next);
        break;
    case XENBUS_LEARN_AND_CONNECT:
        if (learn(dev, dev->ops->connected_keys))
            connect_device(dev, next);
        break;
    case XENBUS_LOOK_AGAIN:
        look_again(dev);
        break;
    case XENBUS_UNNAMED:
    case XENBUS_STAY:
        break;
    }
}

static void online_read(struct xs_request *r)
{
    struct xenbus_device *dev = container_of(r, struct xenbus_device, request);

    dev->busy = false;
    dev->online = !r->error && !strcmp(r->value, "1");
    advance(dev);
}

/* The backend of a device that was given up has come back when it left and now
 * begins, or when it writes Closed anew some time after we did: Linux's,
 * restarted, finds us Closed, and then passes through Initialising too quickly
 * to be seen. */
static void look_for_return(struct xenbus_device *dev, enum xenbus_state before)
{
    enum xenbus_state now = dev->backend_state;

    if (now < before || now == XenbusStateClosing || now == XenbusStateClosed)
        dev->left = true;
    if (dev->left &&
        (now == XenbusStateInitialising || now == XenbusStateInitWait))
        come_back(dev);
    if (now == XenbusStateClosed && before == XenbusStateClosed &&
        loop_now(dev->loop) >= dev->retry_ns)
        come_back(dev);
}

static void state_read(struct xs_request *r)
{
    struct xenbus_device *dev = container_of(r, struct xenbus_device, request);
    enum xenbus_state before = dev->backend_state;
    bool missing = r->error == -XEN_ENOENT || r->error == -XEN_EACCES;
    uint64_t state = XenbusStateUnknown;

    dev->busy = false;
    if (!missing &&
        (r->error || !xs_decimal(r->value, r->value_bytes, &state) ||
         state > XenbusStateReconfigured)) {
        complain(r, "not a state");
        advance(dev); /* as if nothing had changed */
        return;
    }
    dev->backend_state = (enum xenbus_state)state;
    dev->wanted &= ~XENBUS_ANSWER;
    if (state == XenbusStateClosing)
        dev->wanted |= XENBUS_ANSWER;
    dev->learned = false;
    look_for_return(dev, before);
    if (state == XenbusStateClosed)
        read_key(dev, dev->backend, "online", online_read);
    else
        advance(dev);
}

/* ---- Finding the backend. */

static void state_changed(struct xs_watch *watch, const char *path)
{
    struct xenbus_device *dev =
        container_of(watch, struct xenbus_device, state_watch);

    (void)path;
    dev->wanted |= XENBUS_LOOK;
    advance(dev);
}

static void state_unwatched(struct xs_watch *watch)
{
    struct xenbus_device *dev =
        container_of(watch, struct xenbus_device, state_watch);

    dev->busy = false;
    advance(dev);
}

/* Whoever served us, it is over. */
static void forget(struct xenbus_device *dev)
{
    close_device(dev);
    timer_stop(dev->loop, &dev->slow);
    timer_stop(dev->loop, &dev->retry);
    dev->backend[0] = '\0';
    dev->phase = XENBUS_NEW;
    dev->backend_state = XenbusStateUnknown;
    dev->wanted &= ~XENBUS_ANSWER;
    dev->learned = dev->online = dev->starved = dev->left = false;
}

static void backend_id_read(struct xs_request *r)
{
    struct xenbus_device *dev = container_of(r, struct xenbus_device, request);
    uint64_t dom;

    dev->busy = false;
    if (r->error || !xs_decimal(r->value, r->value_bytes, &dom) ||
        dom >= DOMID_FIRST_RESERVED) {
        complain(r, "not a domain");
        forget(dev);
    } else {
        dev->backend_dom = (domid_t)dom;
        dev->wanted |= XENBUS_LOOK;
    }
    advance(dev);
}

static bool is_backend_path(const struct xs_request *r)
{
    return r->value[0] == '/' && !memchr(r->value, 0, r->value_bytes) &&
           r->value_bytes < XENBUS_PATH_MAX - XENBUS_NAME_MAX;
}

static void backend_read(struct xs_request *r)
{
    struct xenbus_device *dev = container_of(r, struct xenbus_device, request);
    bool had = dev->backend[0];

    dev->busy = false;
    if (!r->error && had && !strcmp(dev->backend, r->value)) {
        /* Removed and made again, perhaps: the backend's state will tell. */
    } else if (!r->error && is_backend_path(r)) {
        forget(dev);
        strcpy(dev->backend, r->value);
        slow_start(dev);
        read_key(dev, dev->node, "backend-id", backend_id_read);
        return;
    } else if (!r->error) {
        complain(r, "not a path");
        forget(dev);
    } else if (had && r->error != -XEN_EIO) {
        log_info(dev->node, "removed");
        forget(dev);
    }
    advance(dev);
}

static void node_changed(struct xs_watch *watch, const char *path)
{
    struct xenbus_device *dev =
        container_of(watch, struct xenbus_device, node_watch);

    (void)path;
    dev->wanted |= XENBUS_FIND;
    advance(dev);
}

static void node_unwatched(struct xs_watch *watch)
{
    struct xenbus_device *dev =
        container_of(watch, struct xenbus_device, node_watch);

    dev->busy = false;
    advance(dev);
}

/* ---- The machine. */

/* The end comes in steps, too: each of these is done once. */
static void stop_step(struct xenbus_device *dev)
{
    if (dev->state_watch.active) {
        dev->busy = true;
        xs_unwatch(dev->xs, &dev->state_watch, state_unwatched);
    } else if (dev->node_watch.active) {
        dev->busy = true;
        xs_unwatch(dev->xs, &dev->node_watch, node_unwatched);
    } else if (dev->backend[0] && dev->phase != XENBUS_CLOSED &&
               dev->phase != XENBUS_CLOSED_GIVEN_UP) {
        close_and_tell(dev, XENBUS_CLOSED);
    } else {
        timer_stop(dev->loop, &dev->slow);
        timer_stop(dev->loop, &dev->retry);
        task_stop(dev->loop, &dev->task);
        xs_cancel(dev->xs, &dev->slow_request);
        if (dev->ops->stopped)
            dev->ops->stopped(dev); /* dev may be gone */
    }
}

/* The watch of the backend's state is the one that dev->backend needs. */
static bool is_watching(struct xenbus_device *dev)
{
    path_join(dev->path, dev->backend, "state");
    if (dev->state_watch.active && !strcmp(dev->path, dev->state_path))
        return true;
    if (dev->state_watch.active) {
        dev->busy = true;
        xs_unwatch(dev->xs, &dev->state_watch, state_unwatched);
    } else {
        strcpy(dev->state_path, dev->path);
        xs_watch(dev->xs, &dev->state_watch, dev->state_path, state_changed);
    }
    return false;
}

static void advance(struct xenbus_device *dev)
{
    if (dev->busy)
        return;
    if (dev->wanted & XENBUS_STOP) {
        stop_step(dev);
    } else if (dev->wanted & XENBUS_FIND) {
        dev->wanted &= ~XENBUS_FIND;
        read_key(dev, dev->node, "backend", backend_read);
    } else if (dev->backend[0] && is_watching(dev)) {
        if (dev->wanted & XENBUS_LOOK) {
            dev->wanted &= ~XENBUS_LOOK;
            read_key(dev, dev->backend, "state", state_read);
        } else {
            decide(dev);
        }
    }
}

void xenbus_start(struct xenbus_device *dev, struct xs *xs, struct loop *loop,
                  const char *node, const struct xenbus_ops *ops)
{
    memset(dev, 0, sizeof(*dev));
    dev->ops = ops;
    dev->xs = xs;
    dev->loop = loop;
    assert(strlen(node) < XENBUS_PATH_MAX - XENBUS_NAME_MAX);
    strcpy(dev->node, node);
    path_join(dev->node_path, node, "backend");
    slow_start(dev);
    xs_watch(xs, &dev->node_watch, dev->node_path, node_changed);
}

void xenbus_fail(struct xenbus_device *dev, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line_v(LOG_ERROR, dev->node, format, args);
    va_end(args);
    if (!is_open(dev))
        return;
    log_error(dev->node, "given up until the backend comes back");
    give_up(dev);
    task_start(dev->loop, &dev->task, task_run);
}

void xenbus_stop(struct xenbus_device *dev)
{
    dev->wanted |= XENBUS_STOP;
    task_start(dev->loop, &dev->task, task_run);
}
