/* SPDX-License-Identifier: MIT */
/*
 * A step of the fake machine over a tree of nodes.
 *
 * The tree is a plain one. A transaction is a copy of it, a list of the paths
 * it has touched with the generation each had, and a list of its changes: to
 * commit is to compare the generations with the tree's and then to make the
 * changes there. Every change of the tree is a path in `fired`; when the
 * change is complete, these become watch events and calls of listeners.
 *
 * Messages to the guest wait in `out`. When the ring is full the daemon waits
 * for a notification, as when it is empty: a guest that forgets one hangs here
 * and the test shows it. Our ring indices are private, so that a test can
 * write what it likes into the shared ones. What the guest sends must be well
 * formed; when it is not even a message, the test fails: the guest is ours.
 */
#include "tests/fake/xenstored.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

#define PERMS_MAX 64 /* bytes of "n5", NUL, "r0", NUL, ... */

struct node {
    struct node *parent, *children, *next;
    char *name, *value;
    size_t bytes;
    char perms[PERMS_MAX];
    size_t perms_bytes;
    uint64_t generation;
};

/* One string in a list of strings. */
struct text {
    struct text *next;
    char *path;
    uint64_t generation; /* of a transaction's touched node; 0: none there */
    char *value;         /* of a transaction's change; NULL: removed */
    size_t bytes;
    bool perms;   /* ...of its permissions, not of its value */
    bool subtree; /* of what is to be told: to watches above, too */
    bool heard;   /* ...to the guest, too */
};

struct transaction {
    struct transaction *next;
    uint32_t id;
    uint64_t began; /* the generation at its start */
    struct node *root;
    struct text *touched, *changes;
};

struct watch {
    struct watch *next;
    char *path, *token; /* absolute */
    bool relative;
};

struct listener {
    fake_xs_listener_fn *fn;
    void *arg;
    char path[128];
};

struct message {
    struct message *next;
    size_t bytes, at;
    char data[];
};

static struct {
    struct fake_xs_faults faults;
    struct node *root;
    uint64_t generation;
    struct transaction *transactions;
    uint32_t next_transaction;
    struct watch *watches;
    struct listener listeners[FAKE_XS_LISTENERS];
    struct text *fired;
    bool firing;
    struct message *out;
    bool look_in, look_out, jumped;
    uint32_t req_cons, rsp_prod;
    char seen[XENSTORE_RING_SIZE]; /* of the requests' ring */
    struct xsd_sockmsg head;
    char body[XENSTORE_PAYLOAD_MAX + 1];
    uint32_t head_bytes, body_bytes;
    unsigned counts[XS_TYPE_COUNT];
} xsd;

/* ---- Memory. */

static void *get_memory(size_t bytes)
{
    void *p = calloc(1, bytes);

    if (!p)
        fake_fail("xenstored: no memory");
    return p;
}

static char *copy_bytes(const void *from, size_t bytes)
{
    char *to = get_memory(bytes + 1);

    if (bytes)
        memcpy(to, from, bytes);
    return to;
}

static struct text *text_add(struct text **list, const char *path)
{
    struct text *text = get_memory(sizeof(*text));

    text->path = copy_bytes(path, strlen(path));
    while (*list)
        list = &(*list)->next;
    return *list = text;
}

static void text_free(struct text **list)
{
    while (*list) {
        struct text *text = *list;

        *list = text->next;
        free(text->path);
        free(text->value);
        free(text);
    }
}

/* ---- Nodes. */

static struct node *node_child(const struct node *node, const char *name,
                               size_t bytes)
{
    struct node *child = node->children;

    while (child &&
           !(strlen(child->name) == bytes && !memcmp(child->name, name, bytes)))
        child = child->next;
    return child;
}

static struct node *node_find(struct node *root, const char *path)
{
    struct node *node = root;

    while (node && *path) {
        size_t bytes = strcspn(++path, "/");

        if (bytes)
            node = node_child(node, path, bytes);
        path += bytes;
    }
    return node;
}

static void node_free(struct node *node)
{
    while (node->children) {
        struct node *child = node->children;

        node->children = child->next;
        node_free(child);
    }
    free(node->name);
    free(node->value);
    free(node);
}

static struct node *node_add(struct node *parent, const char *name,
                             size_t bytes)
{
    struct node *node = get_memory(sizeof(*node)), **link = &parent->children;

    while (*link)
        link = &(*link)->next;
    *link = node;
    node->parent = parent;
    node->name = copy_bytes(name, bytes);
    node->value = copy_bytes("", 0);
    memcpy(node->perms, parent->perms, parent->perms_bytes);
    node->perms_bytes = parent->perms_bytes;
    node->generation = parent->generation = ++xsd.generation;
    return node;
}

static struct node *node_copy(const struct node *from, struct node *parent)
{
    struct node *node = get_memory(sizeof(*node)), **link = &node->children;

    *node = *from;
    node->children = node->next = NULL;
    node->parent = parent;
    node->name = copy_bytes(from->name, strlen(from->name));
    node->value = copy_bytes(from->value, from->bytes);
    for (from = from->children; from; from = from->next) {
        *link = node_copy(from, node);
        link = &(*link)->next;
    }
    return node;
}

static void node_remove(struct node *node)
{
    struct node **link = &node->parent->children;

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->parent->generation = ++xsd.generation;
    node_free(node);
}

static void node_permit(struct node *node, const char *perms, size_t bytes)
{
    if (bytes > sizeof(node->perms))
        fake_fail("xenstored: too many permissions");
    memcpy(node->perms, perms, bytes);
    node->perms_bytes = bytes;
    node->generation = ++xsd.generation;
}

/* ---- Permissions: the first is the owner's, with what all others may do. */

static bool perm_allows(char kind, bool write)
{
    return kind == 'b' || kind == (write ? 'w' : 'r');
}

static bool node_allows(const struct node *node, bool write)
{
    const char *p = node->perms, *end = p + node->perms_bytes;

    if (strtoul(p + 1, NULL, 10) == FAKE_XS_DOMID)
        return true;
    for (const char *q = p + strlen(p) + 1; q < end; q += strlen(q) + 1)
        if (strtoul(q + 1, NULL, 10) == FAKE_XS_DOMID)
            return perm_allows(*q, write);
    return perm_allows(*p, write);
}

/* What libxl sets when it makes a device's two nodes. */
static void device_permissions(struct node *node, const char *path)
{
    unsigned index;
    int end = 0;

    if (sscanf(path, FAKE_XS_HOME "/device/%*[^/]/%u%n", &index, &end) == 1 &&
        !path[end])
        node_permit(node, "n5\0r0", 6);
    end = 0;
    if (sscanf(path, "/local/domain/0/backend/%*[^/]/5/%u%n", &index, &end) ==
            1 &&
        !path[end])
        node_permit(node, "n0\0r5", 6);
}

/* ---- Paths. */

static const char *absolute(const char *path, char *to, size_t bytes)
{
    int n = snprintf(to, bytes, "%s%s%s", *path == '/' ? "" : FAKE_XS_HOME,
                     *path && *path != '/' ? "/" : "", path);

    if (n < 0 || (size_t)n >= bytes)
        fake_fail("xenstored: a path of %d bytes", n);
    return to;
}

#define ABSOLUTE(path) absolute(path, (char[4200]){0}, 4200)

static bool path_is_valid(const char *path)
{
    size_t bytes = strlen(path);
    size_t max = *path == '/' ? XENSTORE_ABS_PATH_MAX : XENSTORE_REL_PATH_MAX;

    return bytes && bytes <= max && !strstr(path, "//") &&
           (bytes == 1 || path[bytes - 1] != '/') &&
           path[strspn(path, "-/_@abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] == '\0';
}

/* Is `path` equal to, or below, `above`? */
static bool is_below(const char *path, const char *above)
{
    size_t bytes = strlen(above);

    if (bytes == 1)
        return true;
    return !strncmp(path, above, bytes) && (!path[bytes] || path[bytes] == '/');
}

/* ---- To the guest. */

void fake_xs_send_bytes(const void *bytes, size_t nr)
{
    struct message *m, **link = &xsd.out;

    if (!nr)
        return;
    m = get_memory(sizeof(*m) + nr);
    m->bytes = nr;
    memcpy(m->data, bytes, nr);
    while (*link)
        link = &(*link)->next;
    *link = m;
}

void fake_xs_send(uint32_t type, uint32_t id, const void *body, size_t bytes)
{
    struct xsd_sockmsg head = {
        .type = type, .req_id = id, .len = (uint32_t)bytes};
    char *all = get_memory(sizeof(head) + bytes);

    memcpy(all, &head, sizeof(head));
    if (bytes)
        memcpy(all + sizeof(head), body, bytes);
    fake_xs_send_bytes(all, sizeof(head) + bytes);
    free(all);
}

void fake_xs_send_header(uint32_t type, uint32_t id, uint32_t len)
{
    struct xsd_sockmsg head = {.type = type, .req_id = id, .len = len};

    fake_xs_send_bytes(&head, sizeof(head));
}

static void reply(uint32_t type, const void *body, size_t bytes)
{
    if (xsd.faults.unknown_ids)
        fake_xs_send(type, xsd.head.req_id + 0x40000000, body, bytes);
    if (xsd.faults.wrong_types)
        type = type == XS_READ ? XS_DIRECTORY : XS_READ;
    fake_xs_send(type, xsd.head.req_id, body, bytes);
    if (xsd.faults.duplicates)
        fake_xs_send(type, xsd.head.req_id, body, bytes);
}

static void reply_ok(void)
{
    reply(xsd.head.type, "OK", 3);
}

static void reply_error(const char *name)
{
    reply(XS_ERROR, name, strlen(name) + 1);
}

static void send_event(const struct watch *watch, const char *path)
{
    char body[XENSTORE_PAYLOAD_MAX];
    int n;

    if (watch->relative)
        path += strlen(FAKE_XS_HOME) + 1;
    n = snprintf(body, sizeof(body), "%s%c%s", path, 0, watch->token);
    fake_xs_send(XS_WATCH_EVENT, 0, body, (size_t)n + 1);
}

/* ---- Changes, and who hears of them. */

/* The guest hears of what it can read, or whose parent it can read. */
static bool guest_may_hear(const char *path)
{
    struct node *node = node_find(xsd.root, path);

    return node && (node_allows(node, false) ||
                    (node->parent && node_allows(node->parent, false)));
}

static void tell(const struct text *text)
{
    for (struct watch *w = xsd.watches; w; w = w->next)
        if (text->heard && (text->subtree ? is_below(text->path, w->path)
                                          : !strcmp(text->path, w->path)))
            send_event(w, text->path);
    for (unsigned i = 0; i < FAKE_XS_LISTENERS; i++) {
        struct listener *l = &xsd.listeners[i];

        if (l->fn && is_below(text->path, l->path))
            l->fn(l->arg, text->path);
    }
}

/* Listeners may change more: that is told after what is being told. */
static void tell_all(void)
{
    if (xsd.firing)
        return;
    xsd.firing = true;
    while (xsd.fired) {
        struct text *text = xsd.fired;

        xsd.fired = text->next;
        text->next = NULL;
        tell(text);
        text_free(&text);
    }
    xsd.firing = false;
}

/* The node is there: it was just changed, or is about to be removed. */
static void fire(const char *path, bool subtree)
{
    struct text *text = text_add(&xsd.fired, path);

    text->subtree = subtree;
    text->heard = guest_may_hear(path);
}

static void fire_below(const struct node *node, const char *path)
{
    char below[4200];

    for (node = node->children; node; node = node->next) {
        snprintf(below, sizeof(below), "%s/%s", path, node->name);
        fire_below(node, below);
        fire(below, false);
    }
}

/* ---- One tree, the real one or a transaction's: every access goes through
 * these. `t` NULL: the real one. */

static struct node *tree(struct transaction *t)
{
    return t ? t->root : xsd.root;
}

/* Note what the node was when the transaction began: what is newer, it made
 * itself. */
static void touch(struct transaction *t, const char *path)
{
    struct node *node = t ? node_find(t->root, path) : NULL;
    bool old = node && node->generation <= t->began;

    if (!t)
        return;
    for (struct text *text = t->touched; text; text = text->next)
        if (!strcmp(text->path, path))
            return;
    text_add(&t->touched, path)->generation = old ? node->generation : 0;
}

/* The nearest node at or above `path` that exists. */
static struct node *nearest(struct node *root, const char *path, char *where)
{
    struct node *node;

    strcpy(where, path);
    while (!(node = node_find(root, where)))
        *strrchr(where, '/') = '\0';
    return node;
}

static struct node *make(struct transaction *t, const char *path, bool guest)
{
    char where[4200];
    struct node *node = nearest(tree(t), path, where);
    const char *rest = path + strlen(where);

    touch(t, *where ? where : "/");
    while (*rest) {
        size_t bytes = strcspn(++rest, "/");

        node = node_add(node, rest, bytes);
        rest += bytes;
        if (guest) {
            char perms[PERMS_MAX];
            int n = snprintf(perms, sizeof(perms), "%c%u", node->perms[0],
                             FAKE_XS_DOMID);
            size_t tail = node->perms_bytes - strlen(node->perms);

            memcpy(perms + n, node->perms + strlen(node->perms), tail);
            node_permit(node, perms, (size_t)n + tail);
        } else {
            char here[4200];

            snprintf(here, sizeof(here), "%.*s", (int)(rest - path), path);
            device_permissions(node, here);
        }
    }
    return node;
}

static void change(struct transaction *t, const char *path, const void *value,
                   size_t bytes, bool guest)
{
    struct node *node = node_find(tree(t), path);
    char *copy = copy_bytes(value, bytes);

    touch(t, path);
    if (!node)
        node = make(t, path, guest);
    free(node->value);
    node->value = copy;
    node->bytes = bytes;
    node->generation = ++xsd.generation;
    if (t) {
        struct text *text = text_add(&t->changes, path);

        text->value = copy_bytes(value, bytes);
        text->bytes = bytes;
    } else {
        fire(path, true);
    }
}

static void discard(struct transaction *t, const char *path)
{
    struct node *node = node_find(tree(t), path);

    touch(t, path);
    if (!node || !node->parent)
        return;
    if (t) {
        char *above = copy_bytes(path, strlen(path));

        *strrchr(above, '/') = '\0';
        touch(t, above);
        free(above);
        text_add(&t->changes, path);
    } else {
        fire_below(node, path);
        fire(path, true);
    }
    node_remove(node);
}

static void permit(struct transaction *t, const char *path, const char *perms,
                   size_t bytes)
{
    struct node *node = node_find(tree(t), path);

    if (!node)
        fake_fail("xenstored: no node %s", path);
    touch(t, path);
    node_permit(node, perms, bytes);
    if (t) {
        struct text *text = text_add(&t->changes, path);

        text->perms = true;
        text->value = copy_bytes(perms, bytes);
        text->bytes = bytes;
    } else {
        fire(path, true);
    }
}

/* ---- The test's side of the tree. */

void fake_xs_set_bytes(const char *path, const void *value, size_t bytes)
{
    change(NULL, ABSOLUTE(path), value, bytes, false);
    tell_all();
}

void fake_xs_set(const char *path, const char *value)
{
    fake_xs_set_bytes(path, value, strlen(value));
}

void fake_xs_setf(const char *path, const char *format, ...)
{
    char value[XENSTORE_PAYLOAD_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    fake_xs_set(path, value);
}

const char *fake_xs_get(const char *path)
{
    struct node *node = node_find(xsd.root, ABSOLUTE(path));

    return node ? node->value : NULL;
}

unsigned long fake_xs_number(const char *path, unsigned long otherwise)
{
    const char *value = fake_xs_get(path);
    char *end;
    unsigned long n = value ? strtoul(value, &end, 10) : 0;

    return value && *value && !*end ? n : otherwise;
}

void fake_xs_rm(const char *path)
{
    discard(NULL, ABSOLUTE(path));
    tell_all();
}

void fake_xs_permit(const char *path, const char *perms[])
{
    char all[PERMS_MAX];
    size_t bytes = 0;

    for (; *perms; perms++) {
        strcpy(all + bytes, *perms);
        bytes += strlen(*perms) + 1;
    }
    permit(NULL, ABSOLUTE(path), all, bytes);
    tell_all();
}

static void device_paths(const char *type, unsigned index, char front[128],
                         char back[128])
{
    snprintf(front, 128, FAKE_XS_HOME "/device/%s/%u", type, index);
    snprintf(back, 128, "/local/domain/0/backend/%s/%u/%u", type, FAKE_XS_DOMID,
             index);
}

void fake_xs_device(const char *type, unsigned index)
{
    char front[128], back[128], key[160];
    const struct {
        const char *of, *name, *value;
    } nodes[] = {
        {back, "frontend", front}, {back, "frontend-id", "5"},
        {back, "online", "1"},     {back, "state", "1"},
        {front, "backend", back},  {front, "backend-id", "0"},
        {front, "state", "1"},
    };

    device_paths(type, index, front, back);
    for (unsigned i = 0; i < array_size(nodes); i++) {
        snprintf(key, sizeof(key), "%s/%s", nodes[i].of, nodes[i].name);
        change(NULL, key, nodes[i].value, strlen(nodes[i].value), false);
    }
    tell_all();
}

void fake_xs_device_detach(const char *type, unsigned index)
{
    char front[128], back[128], key[160];

    device_paths(type, index, front, back);
    snprintf(key, sizeof(key), "%s/online", back);
    change(NULL, key, "0", 1, false);
    snprintf(key, sizeof(key), "%s/state", back);
    change(NULL, key, "5", 1, false);
    tell_all();
}

void fake_xs_device_remove(const char *type, unsigned index)
{
    char front[128], back[128];

    device_paths(type, index, front, back);
    discard(NULL, front);
    discard(NULL, back);
    tell_all();
}

void fake_xs_listen(const char *path, fake_xs_listener_fn *fn, void *arg)
{
    for (unsigned i = 0; i < FAKE_XS_LISTENERS; i++) {
        struct listener *l = &xsd.listeners[i];

        if (l->fn)
            continue;
        l->fn = fn;
        l->arg = arg;
        snprintf(l->path, sizeof(l->path), "%s", ABSOLUTE(path));
        return;
    }
    fake_fail("xenstored: too many listeners");
}

void fake_xs_unlisten(fake_xs_listener_fn *fn, void *arg)
{
    for (unsigned i = 0; i < FAKE_XS_LISTENERS; i++)
        if (xsd.listeners[i].fn == fn && xsd.listeners[i].arg == arg)
            xsd.listeners[i].fn = NULL;
}

/* ---- Transactions. */

static struct transaction *transaction_find(uint32_t id)
{
    struct transaction *t = xsd.transactions;

    while (t && t->id != id)
        t = t->next;
    return t;
}

static void transaction_start(void)
{
    struct transaction *t = get_memory(sizeof(*t));
    char id[12];

    t->id = ++xsd.next_transaction;
    t->began = xsd.generation;
    t->root = node_copy(xsd.root, NULL);
    t->next = xsd.transactions;
    xsd.transactions = t;
    snprintf(id, sizeof(id), "%u", t->id);
    reply(XS_TRANSACTION_START, id, strlen(id) + 1);
}

static void transaction_free(struct transaction *t)
{
    struct transaction **link = &xsd.transactions;

    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    node_free(t->root);
    text_free(&t->touched);
    text_free(&t->changes);
    free(t);
}

static bool transaction_conflicts(const struct transaction *t)
{
    if (xsd.faults.conflicts) {
        xsd.faults.conflicts -= xsd.faults.conflicts != ~0u;
        return true;
    }
    for (struct text *text = t->touched; text; text = text->next) {
        struct node *node = node_find(xsd.root, text->path);

        if ((node ? node->generation : 0) != text->generation)
            return true;
    }
    return false;
}

static const char *transaction_end(struct transaction *t, bool commit)
{
    bool conflict = commit && transaction_conflicts(t);

    if (commit && !conflict)
        for (struct text *text = t->changes; text; text = text->next) {
            if (text->perms)
                permit(NULL, text->path, text->value, text->bytes);
            else if (text->value)
                change(NULL, text->path, text->value, text->bytes, true);
            else
                discard(NULL, text->path);
        }
    transaction_free(t);
    return conflict ? "EAGAIN" : NULL;
}

/* ---- What the guest asks. Each answers NULL (a reply was sent, or OK is to
 * be) or the name of an error. */

static const char *may(struct transaction *t, const char *path, bool write)
{
    char where[4200];
    struct node *node = nearest(tree(t), path, where);

    if (!node_allows(node, write))
        return "EACCES";
    return NULL;
}

static const char *must_find(struct transaction *t, const char *path,
                             bool write, struct node **node)
{
    const char *error = may(t, path, write);

    *node = node_find(tree(t), path);
    touch(t, path);
    if (error)
        return error;
    return *node ? NULL : "ENOENT";
}

static const char *do_read(struct transaction *t, const char *path)
{
    struct node *node;
    const char *error = must_find(t, path, false, &node);

    if (!error)
        reply(XS_READ, node->value, node->bytes);
    return error;
}

static size_t list_children(const struct node *node, char **list)
{
    size_t bytes = 0;

    *list = get_memory(1);
    for (node = node->children; node; node = node->next) {
        size_t n = strlen(node->name) + 1;

        *list = realloc(*list, bytes + n);
        memcpy(*list + bytes, node->name, n);
        bytes += n;
    }
    return bytes;
}

static const char *do_directory(struct transaction *t, const char *path)
{
    struct node *node;
    const char *error = must_find(t, path, false, &node);
    size_t bytes;
    char *list;

    if (error)
        return error;
    bytes = list_children(node, &list);
    if (bytes <= XENSTORE_PAYLOAD_MAX)
        reply(XS_DIRECTORY, list, bytes);
    free(list);
    return bytes > XENSTORE_PAYLOAD_MAX ? "E2BIG" : NULL;
}

static const char *do_directory_part(struct transaction *t, const char *path,
                                     const char *offset)
{
    char body[XENSTORE_PAYLOAD_MAX], *list;
    struct node *node;
    const char *error = must_find(t, path, false, &node);
    size_t bytes, at = strtoul(offset, NULL, 10), n;

    if (xsd.faults.no_parts)
        return "ENOSYS";
    if (error)
        return error;
    if (at && xsd.faults.touch_parts) {
        xsd.faults.touch_parts--;
        node->generation = ++xsd.generation;
    }
    bytes = list_children(node, &list);
    n = (size_t)sprintf(body, "%llu", (unsigned long long)node->generation) + 1;
    while (at < bytes && n + strlen(list + at) + 2 <= sizeof(body)) {
        strcpy(body + n, list + at);
        n += strlen(list + at) + 1;
        at += strlen(list + at) + 1;
    }
    if (at >= bytes)
        body[n++] = '\0';
    reply(XS_DIRECTORY_PART, body, n);
    free(list);
    return NULL;
}

static const char *do_rm(struct transaction *t, const char *path)
{
    struct node *node;
    const char *error = must_find(t, path, true, &node);
    char where[4200];

    if (error && strcmp(error, "ENOENT"))
        return error;
    nearest(tree(t), path, where);
    if (!node && strchr(path + strlen(where) + 1, '/'))
        return "ENOENT"; /* not even the parent is there */
    discard(t, path);
    return NULL;
}

static const char *do_set_perms(struct transaction *t, const char *path,
                                const char *perms, size_t bytes)
{
    struct node *node;
    const char *error = must_find(t, path, true, &node);

    if (error)
        return error;
    if (!bytes || perms[bytes - 1])
        return "EINVAL";
    for (const char *p = perms; p < perms + bytes; p += strlen(p) + 1)
        if (!strchr("nrwb", *p) || !p[1] || p[1 + strspn(p + 1, "0123456789")])
            return "EINVAL";
    if (strtoul(node->perms + 1, NULL, 10) != strtoul(perms + 1, NULL, 10))
        return "EPERM";
    permit(t, path, perms, bytes);
    return NULL;
}

static struct watch **watch_find(const char *path, const char *token)
{
    struct watch **link = &xsd.watches;

    while (*link &&
           (strcmp((*link)->path, path) || strcmp((*link)->token, token)))
        link = &(*link)->next;
    return link;
}

static const char *do_watch(const char *path, const char *token, bool relative)
{
    struct watch **link = watch_find(path, token), *w;

    if (*link)
        return "EEXIST";
    w = *link = get_memory(sizeof(*w));
    w->path = copy_bytes(path, strlen(path));
    w->token = copy_bytes(token, strlen(token));
    w->relative = relative;
    if (xsd.faults.event_first)
        send_event(w, path);
    reply_ok();
    if (!xsd.faults.event_first)
        send_event(w, path);
    return NULL;
}

static void watch_free(struct watch **link)
{
    struct watch *w = *link;

    *link = w->next;
    free(w->path);
    free(w->token);
    free(w);
}

static const char *do_unwatch(const char *path, const char *token)
{
    struct watch **link = watch_find(path, token);

    if (!*link)
        return "ENOENT";
    watch_free(link);
    return NULL;
}

static const char *do_get_perms(struct transaction *t, const char *path)
{
    struct node *node;
    const char *error = must_find(t, path, false, &node);

    if (!error)
        reply(XS_GET_PERMS, node->perms, node->perms_bytes);
    return error;
}

static const char *do_write(struct transaction *t, const char *path,
                            const char *value, size_t bytes)
{
    const char *error = may(t, path, true);

    if (!error)
        change(t, path, value, bytes, true);
    return error;
}

static const char *do_mkdir(struct transaction *t, const char *path)
{
    if (node_find(tree(t), path))
        return NULL;
    return do_write(t, path, "", 0);
}

/* What a request holds behind its first string. */
struct rest {
    const char *data;
    size_t bytes;
    bool is_text; /* a whole string */
};

static const char *serve(struct transaction *t, const char *arg,
                         struct rest rest)
{
    const char *path = ABSOLUTE(arg);

    switch (xsd.head.type) {
    case XS_TRANSACTION_END:
        return t ? transaction_end(t, *arg == 'T') : "ENOENT";
    case XS_TRANSACTION_START:
        transaction_start();
        return NULL;
    }
    if (!path_is_valid(arg) || !path_is_valid(path))
        return "EINVAL";
    switch (xsd.head.type) {
    case XS_READ:
        return do_read(t, path);
    case XS_WRITE:
        return do_write(t, path, rest.data, rest.bytes);
    case XS_MKDIR:
        return do_mkdir(t, path);
    case XS_RM:
        return do_rm(t, path);
    case XS_DIRECTORY:
        return do_directory(t, path);
    case XS_DIRECTORY_PART:
        return rest.is_text ? do_directory_part(t, path, rest.data) : "EINVAL";
    case XS_GET_PERMS:
        return do_get_perms(t, path);
    case XS_SET_PERMS:
        return do_set_perms(t, path, rest.data, rest.bytes);
    case XS_WATCH:
        return rest.is_text ? do_watch(path, rest.data, *arg != '/') : "EINVAL";
    case XS_UNWATCH:
        return rest.is_text ? do_unwatch(path, rest.data) : "EINVAL";
    }
    return "ENOSYS";
}

/* Types whose reply holds more than OK, and was sent already. */
static bool has_own_reply(uint32_t type)
{
    return type == XS_READ || type == XS_DIRECTORY ||
           type == XS_DIRECTORY_PART || type == XS_GET_PERMS ||
           type == XS_WATCH || type == XS_TRANSACTION_START;
}

static void handle_request(void)
{
    const struct fake_xs_faults *f = &xsd.faults;
    struct transaction *t = transaction_find(xsd.head.tx_id);
    const char *arg = xsd.body, *end = memchr(arg, 0, xsd.head.len);
    const char *error;
    struct rest rest;

    if (xsd.head.type >= XS_TYPE_COUNT)
        fake_fail("xenstored: there is no type %u", xsd.head.type);
    xsd.counts[xsd.head.type]++;
    rest.data = end ? end + 1 : arg + xsd.head.len;
    rest.bytes = xsd.head.len - (size_t)(rest.data - arg);
    rest.is_text = rest.bytes && !rest.data[rest.bytes - 1];
    if (f->on_request)
        f->on_request(xsd.head.type, arg);
    if (f->fail_with && f->fail_type == xsd.head.type)
        error = f->fail_with;
    else if (xsd.head.tx_id && !t)
        error = "ENOENT";
    else if (!end)
        error = "EINVAL";
    else
        error = serve(t, arg, rest);
    if (error)
        reply_error(error);
    else if (!has_own_reply(xsd.head.type))
        reply_ok();
    tell_all();
}

/* ---- The ring. */

struct xenstore_domain_interface *fake_xs_ring(void)
{
    return hv_info()->store_page;
}

static uint32_t get(void *to, uint32_t bytes)
{
    struct xenstore_domain_interface *ring = fake_xs_ring();
    uint32_t n = ring->req_prod - xsd.req_cons;

    if (n > XENSTORE_RING_SIZE)
        fake_fail("xenstored: req_prod %u, req_cons %u", ring->req_prod,
                  xsd.req_cons);
    if (n > bytes)
        n = bytes;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = MASK_XENSTORE_IDX(xsd.req_cons++);

        ((char *)to)[i] = xsd.seen[at] = ring->req[at];
    }
    /* A9: behind what was asked stands what was asked before. */
    if (ring->req_prod == xsd.req_cons &&
        memcmp(ring->req, xsd.seen, sizeof(xsd.seen)))
        fake_fail("xenstored: the ring shows more than requests");
    ring->req_cons = xsd.req_cons;
    if (n)
        fake_evtchn_notify(FAKE_STORE_PORT);
    return n;
}

/* True: head and body are a whole request. */
static bool read_request(bool *busy)
{
    uint32_t n = get((char *)&xsd.head + xsd.head_bytes,
                     sizeof(xsd.head) - xsd.head_bytes);

    xsd.head_bytes += n;
    *busy |= n > 0;
    if (xsd.head_bytes < sizeof(xsd.head))
        return false;
    if (xsd.head.len > XENSTORE_PAYLOAD_MAX)
        fake_fail("xenstored: request of %u bytes", xsd.head.len);
    n = get(xsd.body + xsd.body_bytes, xsd.head.len - xsd.body_bytes);
    xsd.body_bytes += n;
    *busy |= n > 0;
    if (xsd.body_bytes < xsd.head.len)
        return false;
    xsd.body[xsd.body_bytes] = '\0';
    xsd.head_bytes = xsd.body_bytes = 0;
    return true;
}

static bool read_requests(void)
{
    bool busy = false;

    if (!xsd.look_in || xsd.faults.silent)
        return false;
    while (read_request(&busy))
        handle_request();
    xsd.look_in = false;
    return busy;
}

static uint32_t room(void)
{
    uint32_t used = xsd.rsp_prod - fake_xs_ring()->rsp_cons;

    if (used > XENSTORE_RING_SIZE && !xsd.jumped)
        fake_fail("xenstored: rsp_prod %u, rsp_cons %u", xsd.rsp_prod,
                  fake_xs_ring()->rsp_cons);
    return used > XENSTORE_RING_SIZE ? 0 : XENSTORE_RING_SIZE - used;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Send some of the first message; returns how many bytes. */
static uint32_t send_some(uint32_t max)
{
    struct message *m = xsd.out;
    uint32_t left = (uint32_t)(m->bytes - m->at);
    uint32_t n = min_u32(min_u32(left, max), room());

    if (xsd.faults.first_bytes && !m->at)
        n = min_u32(n, xsd.faults.first_bytes);
    for (uint32_t i = 0; i < n; i++)
        fake_xs_ring()->rsp[MASK_XENSTORE_IDX(xsd.rsp_prod++)] =
            m->data[m->at++];
    fake_xs_ring()->rsp_prod = xsd.rsp_prod;
    if (m->at == m->bytes) {
        xsd.out = m->next;
        free(m);
    }
    return n;
}

static bool send_replies(void)
{
    uint32_t max =
        xsd.faults.chunk_bytes ? xsd.faults.chunk_bytes : XENSTORE_RING_SIZE;
    uint32_t sent = 0;
    bool pause = false;

    while (xsd.out && xsd.look_out && sent < max && room() && !pause) {
        pause = xsd.faults.first_bytes && !xsd.out->at;
        sent += send_some(max - sent);
    }
    if (xsd.out && !room())
        xsd.look_out = false;
    if (sent)
        fake_evtchn_notify(FAKE_STORE_PORT);
    return sent > 0;
}

static bool step(void *arg)
{
    bool busy;

    (void)arg;
    if (fake_evtchn_take(FAKE_STORE_PORT))
        xsd.look_in = xsd.look_out = true;
    busy = read_requests();
    return send_replies() || busy;
}

void fake_xs_jump(uint32_t bytes)
{
    xsd.jumped = true;
    xsd.rsp_prod += bytes;
    fake_xs_ring()->rsp_prod = xsd.rsp_prod;
    fake_evtchn_notify(FAKE_STORE_PORT);
}

/* ---- Beginning, end, and what was seen. */

static void make_tree(void)
{
    static const struct {
        const char *path, *value, *perms[3];
    } nodes[] = {
        {"", "", {"n0", "r5"}},
        {"name", "guest", {"n0", "r5"}},
        {"domid", "5", {"n0", "r5"}},
        {"device", "", {"n0", "r5"}},
        {"control", "", {"n0", "r5"}},
        {"control/shutdown", "", {"n5"}},
        {"control/feature-poweroff", "", {"n5"}},
        {"control/feature-reboot", "", {"n5"}},
        {"control/feature-suspend", "", {"n5"}},
        {"control/sysrq", "", {"n5"}},
        {"data", "", {"n5"}},
        {"drivers", "", {"n5"}},
        {"feature", "", {"n5"}},
        {"attr", "", {"n5"}},
        {"error", "", {"n5"}},
    };

    for (unsigned i = 0; i < array_size(nodes); i++) {
        fake_xs_set(nodes[i].path, nodes[i].value);
        fake_xs_permit(nodes[i].path, (const char **)nodes[i].perms);
    }
}

void fake_xs_start(void)
{
    memset(&xsd, 0, sizeof(xsd));
    xsd.root = get_memory(sizeof(*xsd.root));
    xsd.root->name = copy_bytes("", 0);
    xsd.root->value = copy_bytes("", 0);
    xsd.root->generation = ++xsd.generation;
    node_permit(xsd.root, "n0", 3);
    make_tree();
    xsd.look_in = xsd.look_out = true;
    fake_add_backend(step, NULL);
}

void fake_xs_stop(void)
{
    fake_remove_backend(step, NULL);
    while (xsd.transactions)
        transaction_free(xsd.transactions);
    while (xsd.watches)
        watch_free(&xsd.watches);
    while (xsd.out) {
        struct message *m = xsd.out;

        xsd.out = m->next;
        free(m);
    }
    text_free(&xsd.fired);
    node_free(xsd.root);
    memset(&xsd, 0, sizeof(xsd));
}

struct fake_xs_faults *fake_xs_faults(void)
{
    return &xsd.faults;
}

unsigned fake_xs_count(enum xsd_sockmsg_type type)
{
    return xsd.counts[type];
}

unsigned fake_xs_watches(void)
{
    unsigned n = 0;

    for (struct watch *w = xsd.watches; w; w = w->next)
        n++;
    return n;
}

unsigned fake_xs_transactions(void)
{
    unsigned n = 0;

    for (struct transaction *t = xsd.transactions; t; t = t->next)
        n++;
    return n;
}
