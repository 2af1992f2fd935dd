/* SPDX-License-Identifier: MIT */
/*
 * The toolstack's requests.
 *
 * A request is a word written to a node. It is taken out in a transaction,
 *
 *     look -> start -> take (read) -> clear (write "") -> end -> act
 *       ^---------------------- EAGAIN ---------------------/
 *
 * so that a word that the toolstack writes meanwhile is not cleared unread.
 * Whatever xenstored answers, a word that was read is acted on: a guest that
 * was told to stop stops, even if it cannot say so.
 */
#include <string.h>

#include "kernel/log.h"
#include "xen/abi.h"
#include "xen/bus/control.h"

/* Most retries of that transaction when the node was written meanwhile. */
#define CONTROL_TRIES_MAX 32

static void node_look(struct control_node *node);

static struct control_node *node_of(struct xs_request *r)
{
    return container_of(r, struct control_node, request);
}

static void node_ended(struct xs_request *r)
{
    struct control_node *node = node_of(r);

    if (r->error == -XEN_EAGAIN && ++node->tries < CONTROL_TRIES_MAX) {
        node_look(node);
        return;
    }
    if (r->error)
        log_debug(node->path, "cannot clear: error %d", -r->error);
    node->tries = 0;
    if (node->word[0])
        node->act(node->control, node->word);
}

static void node_end(struct control_node *node, bool abort)
{
    node->request.done = node_ended;
    if (node->t)
        xs_transaction_end(node->control->xs, &node->request, node->t, abort);
    else
        node_ended(&node->request);
}

static void node_cleared(struct xs_request *r)
{
    node_end(node_of(r), r->error != 0);
}

/* A value too long for `word` is cut, and then matches no known word. */
static void node_taken(struct xs_request *r)
{
    struct control_node *node = node_of(r);

    if (r->error) {
        node_end(node, true);
        return;
    }
    strncpy(node->word, r->value, sizeof(node->word) - 1);
    r->done = node_cleared;
    xs_write(node->control->xs, r, node->t, node->path, "", 0);
}

/* If no transaction could be started (there is a quota), do without one. */
static void node_started(struct xs_request *r)
{
    struct control_node *node = node_of(r);

    node->t = r->error ? XS_NO_TRANSACTION : xs_transaction_id(r);
    r->done = node_taken;
    xs_read(node->control->xs, r, node->t, node->path);
}

/* An empty or missing node is no request: mostly we cleared it ourselves. */
static void node_looked(struct xs_request *r)
{
    struct control_node *node = node_of(r);

    if (!r->error && r->value[0]) {
        r->done = node_started;
        xs_transaction_start(node->control->xs, r);
    }
}

static void node_look(struct control_node *node)
{
    node->word[0] = '\0';
    node->request.done = node_looked;
    xs_read(node->control->xs, &node->request, XS_NO_TRANSACTION, node->path);
}

/* Events and answers share one stream, in order: a request in flight when the
 * event arrives is served after the change: it sees it, or fails to commit. */
static void node_changed(struct xs_watch *watch, const char *path)
{
    struct control_node *node = container_of(watch, struct control_node, watch);

    (void)path;
    if (node->request.stage == XS_IDLE)
        node_look(node);
}

static void node_start(struct control_node *node, struct control *control,
                       const char *path,
                       void (*act)(struct control *control, const char *word))
{
    node->control = control;
    node->path = path;
    node->act = act;
    xs_watch(control->xs, &node->watch, path, node_changed);
}

static void shutdown_act(struct control *control, const char *word)
{
    if (!strcmp(word, "poweroff") || !strcmp(word, "halt"))
        control->shutdown(control, SHUTDOWN_poweroff);
    else if (!strcmp(word, "reboot"))
        control->shutdown(control, SHUTDOWN_reboot);
    else
        log_warn("control", "asked to %s: not supported", word);
}

static void sysrq_act(struct control *control, const char *word)
{
    control->sysrq(control, word[0]);
}

static void feature_written(struct xs_request *r)
{
    if (r->error)
        log_debug(r->path, "cannot write: error %d", -r->error);
}

void control_start(struct control *control, struct xs *xs,
                   void (*shutdown)(struct control *control, unsigned reason),
                   void (*sysrq)(struct control *control, char key))
{
    static const char *const features[] = {"control/feature-poweroff",
                                           "control/feature-reboot"};

    memset(control, 0, sizeof(*control));
    control->xs = xs;
    control->shutdown = shutdown;
    control->sysrq = sysrq;
    for (unsigned i = 0; i < array_size(features); i++) {
        control->features[i].done = feature_written;
        xs_write(xs, &control->features[i], XS_NO_TRANSACTION, features[i], "1",
                 1);
    }
    node_start(&control->shutdown_node, control, "control/shutdown",
               shutdown_act);
    node_start(&control->sysrq_node, control, "control/sysrq", sysrq_act);
}
