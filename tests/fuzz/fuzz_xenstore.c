/* SPDX-License-Identifier: MIT */
/*
 * The input is what a hostile xenstored does: each command a byte and its
 * arguments. Everything that talks to xenstore is listening: a device, the
 * list of devices, the toolstack's requests, plain reads, a large directory.
 * Whatever they are told, they must not touch memory that is not theirs, not
 * hang, and keep a device's open() and close() in pairs.
 */
// sources: xen/bus/xs.c xen/bus/xs_update.c xen/bus/xenbus.c
// sources: xen/bus/xenbus_list.c xen/bus/control.c xen/evtchn.c
// sources: kernel/loop.c kernel/log.c
// sources: tests/fake/hv.c tests/fake/xenstored.c

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "tests/fake/fake.h"
#include "tests/fake/xenstored.h"
#include "xen/bus/control.h"
#include "xen/bus/xenbus.h"
#include "xen/bus/xenbus_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct guest {
    struct loop loop;
    struct xs xs;
    struct control control;
    struct xenbus_list list;
    struct xenbus_device dev;
    struct xs_request read, directory;
    uint32_t number;
    char text[18], names[64];
    unsigned opens, closes, asked;
} guest;

/* An honest xenstored answers in no time: nobody may ask it for ever. */
#define ASK_MAX 100

/* ---- What listens. */

static const struct xenbus_key *keys(struct xenbus_device *dev, unsigned *nr)
{
    static const struct xenbus_key keys[] = {
        {.name = "feature", .max = 9, .value = &guest.number},
        {.name = "mac",
         .text = guest.text,
         .text_bytes = sizeof(guest.text),
         .own = true},
    };

    (void)dev;
    *nr = array_size(keys);
    return keys;
}

static int open_device(struct xenbus_device *dev)
{
    if (guest.opens++ != guest.closes)
        abort();
    xenbus_publish(dev, "ring-ref", "%u", guest.opens);
    return 0;
}

static void connected(struct xenbus_device *dev)
{
    if (guest.opens == guest.closes || strlen(guest.text) > 17 ||
        guest.number > 9)
        abort();
    if (guest.opens % 4 == 3)
        xenbus_fail(dev, "by chance");
}

static void close_device(struct xenbus_device *dev)
{
    (void)dev;
    if (++guest.closes != guest.opens)
        abort();
}

static const struct xenbus_ops ops = {
    .keys = keys,
    .connected_keys = keys,
    .open = open_device,
    .tell_state = XenbusStateInitialised,
    .connected = connected,
    .close = close_device,
};

static void found(struct xenbus_list *list, uint32_t index)
{
    (void)index;
    if (list->nr > XENBUS_LIST_MAX)
        abort();
}

static void on_shutdown(struct control *control, unsigned reason)
{
    (void)control;
    if (reason != SHUTDOWN_poweroff && reason != SHUTDOWN_reboot)
        abort();
}

static void on_sysrq(struct control *control, char key)
{
    (void)control;
    if (!key)
        abort();
}

/* The answer is as long as it says, and a NUL follows. */
static void read_again(struct xs_request *r)
{
    if (r->value[r->value_bytes] || strlen(r->value) > r->value_bytes)
        abort();
    if (!r->error && guest.asked++ < ASK_MAX)
        xs_read(&guest.xs, r, XS_NO_TRANSACTION, "name");
}

static void directory_again(struct xs_request *r)
{
    if (r->value_bytes > sizeof(guest.names) ||
        (r->value_bytes && guest.names[r->value_bytes - 1]))
        abort();
    if (!r->error && guest.asked++ < ASK_MAX)
        xs_directory(&guest.xs, r, XS_NO_TRANSACTION, "data", guest.names,
                     sizeof(guest.names));
}

static void start(void)
{
    memset(&guest, 0, sizeof(guest));
    loop_init(&guest.loop);
    xs_init(&guest.xs, &guest.loop);
    control_start(&guest.control, &guest.xs, on_shutdown, on_sysrq);
    xenbus_list(&guest.list, &guest.xs, "device/vif", found, NULL);
    xenbus_start(&guest.dev, &guest.xs, &guest.loop, "device/vif/0", &ops);
    guest.read.done = read_again;
    xs_read(&guest.xs, &guest.read, XS_NO_TRANSACTION, "name");
    guest.directory.done = directory_again;
    xs_directory(&guest.xs, &guest.directory, XS_NO_TRANSACTION, "data",
                 guest.names, sizeof(guest.names));
}

/* ---- What is said to it. */

struct input {
    const uint8_t *at, *end;
};

static uint8_t take(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* A length byte and so many bytes, as far as there are any. */
static const uint8_t *take_bytes(struct input *in, size_t *bytes)
{
    const uint8_t *at;
    size_t n = take(in);

    at = in->at;
    *bytes = n < (size_t)(in->end - at) ? n : (size_t)(in->end - at);
    in->at += *bytes;
    return at;
}

/* The id of a request that is waiting, by its place in the list. */
static uint32_t waiting_id(unsigned at)
{
    struct xs_request *r = guest.xs.requests;

    while (r && r->next && at--)
        r = r->next;
    return r ? r->id : at;
}

static uint32_t waiting_type(unsigned at)
{
    struct xs_request *r = guest.xs.requests;

    while (r && r->next && at--)
        r = r->next;
    return r ? r->op : at;
}

static void answer(struct input *in)
{
    uint8_t which = take(in);
    size_t bytes;
    const uint8_t *body = take_bytes(in, &bytes);

    fake_xs_send(which & 0x80 ? XS_ERROR : waiting_type(which & 0x7f),
                 waiting_id(which & 0x7f), body, bytes);
}

static void message(struct input *in)
{
    uint8_t type = take(in), id = take(in);
    size_t bytes;
    const uint8_t *body = take_bytes(in, &bytes);

    fake_xs_send(type, id, body, bytes);
}

static void set_node(struct input *in)
{
    static const char *const paths[] = {
        "device/vif/0/backend", "device/vif/0/backend-id",
        "device/vif/0/mac",     FAKE_XS_BACKEND("vif", 0) "/state",
        "control/shutdown",     FAKE_XS_BACKEND("vif", 0) "/online",
        "control/sysrq",        FAKE_XS_BACKEND("vif", 0) "/feature",
    };
    const char *path = paths[take(in) % array_size(paths)];
    size_t bytes;
    const uint8_t *value = take_bytes(in, &bytes);

    if (bytes)
        fake_xs_set_bytes(path, value, bytes);
    else
        fake_xs_rm(path);
}

static void be_honest(uint64_t ns)
{
    fake_xs_faults()->silent = false;
    fake_run_for(&guest.loop, ns);
    fake_xs_faults()->silent = true;
}

static void command(struct input *in)
{
    struct fake_xs_faults *f = fake_xs_faults();
    const uint8_t *raw;
    size_t bytes;

    switch (take(in) % 10) {
    case 0:
        raw = take_bytes(in, &bytes);
        fake_xs_send_bytes(raw, bytes);
        break;
    case 1:
        answer(in);
        break;
    case 2:
        message(in);
        break;
    case 3:
        set_node(in);
        break;
    case 4:
        fake_run_for(&guest.loop, NS_PER_US);
        break;
    case 5:
        be_honest(NS_PER_MS);
        break;
    case 6:
        be_honest(NS_PER_S);
        break;
    case 7:
        f->chunk_bytes = take(in);
        f->conflicts = take(in) % 64;
        f->duplicates = f->unknown_ids = take(in) & 1;
        break;
    case 8:
        fake_xs_jump(take(in) * 8u - 1000u);
        break;
    default:
        fake_xs_device("vif", take(in) % 4);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input in = {data, data + bytes};

    fake_start(NULL);
    fake_xs_start();
    fake_xs_device("vif", 0);
    fake_xs_faults()->silent = true;
    start();
    fake_run_for(&guest.loop, NS_PER_US);
    while (in.at < in.end)
        command(&in);
    fake_run_for(&guest.loop, NS_PER_MS);
    xenbus_stop(&guest.dev);
    be_honest(10 * NS_PER_S);
    if (guest.opens != guest.closes)
        abort();
    fake_xs_stop();
    fake_stop();
    return 0;
}
