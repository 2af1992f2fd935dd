/* SPDX-License-Identifier: MIT */
/*
 * The devices of one type: a directory of the xenstore that is read again
 * whenever its watch fires for a name that is not known yet. What was reported
 * once stays known, so a name is never reported twice.
 */
#include "xen/bus/xenbus_list.h"

#include <string.h>

#include "kernel/log.h"

static void list_read(struct xs_request *r);

/* If a read is in flight, it will do: events and answers come in one order, so
 * its answer is newer than any event seen so far. */
static void list_begin(struct xenbus_list *list)
{
    if (list->request.stage != XS_IDLE)
        return;
    list->request.done = list_read;
    xs_directory(list->xs, &list->request, XS_NO_TRANSACTION, list->path,
                 list->names, sizeof(list->names));
}

static bool list_has(const struct xenbus_list *list, uint64_t index)
{
    for (unsigned i = 0; i < list->nr; i++)
        if (list->seen[i] == index)
            return true;
    return false;
}

static void list_name(struct xenbus_list *list, const char *name)
{
    uint64_t index;

    if (!xs_decimal(name, strlen(name), &index) || index > UINT32_MAX) {
        log_warn(list->path, "no device number: \"%.40s\"", name);
    } else if (list_has(list, index)) {
        return;
    } else if (list->nr == XENBUS_LIST_MAX) {
        log_warn(list->path, "one too many: %s", name);
    } else {
        list->seen[list->nr++] = (uint32_t)index;
        list->found(list, (uint32_t)index);
    }
}

static void list_read(struct xs_request *r)
{
    struct xenbus_list *list = container_of(r, struct xenbus_list, request);
    int error = r->error == -XEN_ENOENT ? 0 : r->error;
    const char *end = list->names + r->value_bytes;

    for (const char *name = list->names; name < end; name += strlen(name) + 1)
        list_name(list, name);
    if (error)
        log_warn(list->path, "cannot list: error %d", -error);
    if (list->done && !list->listed)
        list->done(list, error);
    list->listed = true;
}

/* Ignore the event that every watch begins with: list_begin() was called after
 * the watch was set. Changes inside a device already reported do not matter. */
static void list_changed(struct xs_watch *watch, const char *path)
{
    struct xenbus_list *list = container_of(watch, struct xenbus_list, watch);
    size_t above = strlen(list->path) + 1;
    uint64_t index;

    if (!list->watching)
        list->watching = true;
    else if (strlen(path) < above ||
             !xs_decimal(path + above, strcspn(path + above, "/"), &index) ||
             !list_has(list, index))
        list_begin(list);
}

void xenbus_list(struct xenbus_list *list, struct xs *xs, const char *path,
                 void (*found)(struct xenbus_list *list, uint32_t index),
                 void (*done)(struct xenbus_list *list, int error))
{
    memset(list, 0, sizeof(*list));
    list->found = found;
    list->done = done;
    list->xs = xs;
    list->path = path;
    xs_watch(xs, &list->watch, path, list_changed);
    list_begin(list);
}
