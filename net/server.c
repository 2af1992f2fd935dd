/* SPDX-License-Identifier: MIT */
/*
 * Input: lwIP hands over pbufs; the protocol takes bytes from them in place,
 * until an answer must be sent first. The rest is held and the client's window
 * closes; anything over SERVER_HELD_MAX is refused, and lwIP offers it again.
 * Output: as much as TCP takes. Each acknowledgement makes room and continues
 * both; every event ends in pump.
 *
 * Each client is in the queue of what it waits for, in order of arrival. All
 * waits of a queue have the same limit, so one timer watches the heads of the
 * queues, and the client to evict is always a head.
 *
 * A connection is counted until lwIP has forgotten it or only the client's
 * last acknowledgement is missing; so a limit on connections is one on memory.
 * When lwIP itself runs out of memory it looks for connections of low
 * priority: idle ones.
 */
#include "net/server.h"

#include <stdlib.h>

#include "kernel/log.h"
#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "net/memory.h"

#define WARN_NS (60 * NS_PER_S) /* "no place left": one line a minute */
#define NEVER   UINT64_MAX

_Static_assert(SERVER_ADDRESS_BYTES == IPADDR_STRLEN_MAX, "any address fits");

/* ---- Queues */

static uint64_t due_of(const struct server_client *client)
{
    uint64_t wait_ns = client->server->limits[client->wait].wait_ns;

    return wait_ns ? client->since_ns + wait_ns : NEVER;
}

static void on_timer(struct timer *timer);

static void queue_put(struct server_client *client, enum server_wait wait)
{
    struct server *server = client->server;
    struct server_queue *queue = &server->queues[wait];
    uint64_t due_ns;

    client->wait = (uint8_t)wait;
    client->since_ns = loop_now(server->loop);
    client->progress = 0;
    list_append(&queue->list, &client->node);
    queue->nr++;
    due_ns = due_of(client);
    if (due_ns != NEVER &&
        (!server->timer.active || server->timer.due_ns > due_ns))
        timer_start(server->loop, &server->timer, due_ns, on_timer);
}

static void queue_take(struct server_client *client)
{
    struct server_queue *queue = &client->server->queues[client->wait];

    list_remove(&queue->list, &client->node);
    queue->nr--;
}

struct server_client *server_first(const struct server *server,
                                   enum server_wait wait)
{
    return list_first(&server->queues[wait].list, struct server_client, node);
}

/* Move the client to the queue of what it waits for now; to its tail when there
 * was progress. At SERVER_END nothing counts as progress: input is dropped.
 */
static void queue_settle(struct server_client *client, enum server_wait wait)
{
    bool is_idle = wait == SERVER_IDLE;

    if (wait == client->wait &&
        (client->progress < SERVER_PROGRESS_BYTES || wait == SERVER_END))
        return;
    if (is_idle != (client->wait == SERVER_IDLE))
        tcp_setprio(client->pcb, is_idle ? TCP_PRIO_MIN : TCP_PRIO_NORMAL);
    queue_take(client);
    queue_put(client, wait);
}

/* ---- The end of a connection */

/* Free everything but lwIP's part. */
static void client_free(struct server_client *client)
{
    queue_take(client);
    client->server->stats.open--;
    if (client->held)
        pbuf_free(client->held);
    client->server->protocol->end(client);
    free(client);
}

/* lwIP gave the connection up: reset by the client or by us. */
static void on_error(void *arg, err_t error)
{
    (void)error;
    client_free(arg);
}

/* on_error frees the client. */
void server_reset(struct server_client *client)
{
    tcp_abort(client->pcb);
}

/* Both sides have finished, and all is acknowledged except our FIN. */
static void client_close(struct server_client *client)
{
    struct tcp_pcb *pcb = client->pcb;

    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
    client_free(client);
    tcp_close(pcb); /* the FIN was sent before: cannot fail */
}

/* ---- Input */

/* Drop the first bytes of a chain: what is left of it, or NULL. (A chain may
 * begin with empty pbufs: lwIP trims what came twice.) */
static struct pbuf *skip(struct pbuf *p, size_t bytes)
{
    struct pbuf *next = p->next;

    if (bytes < p->len) {
        pbuf_remove_header(p, bytes);
        return p;
    }
    if (next)
        pbuf_ref(next);
    pbuf_free(p);
    return next;
}

static uint32_t now_ms(const struct server *server)
{
    return (uint32_t)(loop_now(server->loop) / NS_PER_MS);
}

/* Returns how many bytes the protocol took. */
static size_t feed(struct server_client *client)
{
    struct server *server = client->server;
    size_t len, used, all = 0;
    struct pbuf *p;

    while ((p = client->held)) {
        len = p->len;
        used = server->protocol->receive(client, p->payload, len);
        tcp_recved(client->pcb, (uint16_t)used);
        client->held = skip(p, used);
        all += used;
        if (used < len)
            break;
    }
    if (all)
        client->held_ms = now_ms(server);
    if (server->input_is_progress)
        client->progress += (uint32_t)all;
    return all;
}

/* ---- Output */

/* How much one connection may have in flight. */
static size_t share_of(const struct server *server)
{
    unsigned nr =
        server->queues[SERVER_SEND].nr + server->queues[SERVER_BLOCKED].nr;
    size_t share = server->in_flight_max / (nr + 1);

    return share > SERVER_SHARE_MIN ? share : SERVER_SHARE_MIN;
}

/* How much more this connection may have in flight. */
static size_t room(const struct server_client *client)
{
    size_t buffer = tcp_sndbuf(client->pcb), share = share_of(client->server);

    if (buffer > UINT16_MAX) /* tcp_write's */
        buffer = UINT16_MAX;
    if (share <= client->in_flight)
        return 0;
    share -= client->in_flight;
    return share < buffer ? share : buffer;
}

static size_t write(struct server_client *client, const char *bytes, size_t len,
                    uint8_t flags)
{
    if (!len || tcp_write(client->pcb, bytes, (uint16_t)len, flags))
        return 0;
    client->in_flight += (uint32_t)len;
    return len;
}

size_t server_send(struct server_client *client, const char *bytes, size_t len)
{
    size_t max = room(client);

    return write(client, bytes, len < max ? len : max, TCP_WRITE_FLAG_COPY);
}

/* Hand as much of a piece to TCP as it takes now. */
static size_t send_piece(struct server_client *client,
                         const struct server_piece *piece)
{
    size_t len = piece->len, max = room(client);
    uint8_t flags = piece->is_forever ? 0 : TCP_WRITE_FLAG_COPY;

    if (len > max)
        len = piece->is_whole ? 0 : max;
    if (len < piece->len || piece->more)
        flags |= TCP_WRITE_FLAG_MORE;
    return write(client, piece->bytes, len, flags);
}

/* Have the next piece fetched, once there is room for a large one: half of what
 * may be in flight, so that the other half is in flight during the read.
 */
static void fetch(struct server_client *client,
                  const struct server_piece *piece)
{
    size_t share = share_of(client->server), want = piece->len;

    if (share > TCP_SND_BUF)
        share = TCP_SND_BUF;
    if (want > share / 2)
        want = share / 2;
    if (room(client) >= want)
        client->server->protocol->fetch(client, want);
}

/* Adds what TCP took to *sent. True: nothing is left to send now. */
static bool drain(struct server_client *client, size_t *sent)
{
    const struct server_protocol *protocol = client->server->protocol;
    char buffer[SERVER_BUFFER_BYTES];
    struct server_piece piece = {0};
    size_t len;

    while (protocol->output(client, buffer, &piece)) {
        if (!piece.bytes)
            fetch(client, &piece);
        len = piece.bytes ? send_piece(client, &piece) : 0;
        if (!len)
            return false;
        *sent += len;
        protocol->taken(client, len);
        piece = (struct server_piece){0};
    }
    return true;
}

/* ---- Both */

static err_t on_poll(void *arg, struct tcp_pcb *pcb);

/* True: nothing is left to send now. */
static bool go_on(struct server_client *client)
{
    size_t moved;
    bool all_sent;

    do {
        moved = feed(client);
        all_sent = drain(client, &moved);
    } while (moved && all_sent && client->held);
    if (client->has_eof && !client->held)
        client->server->protocol->finish(client);
    return all_sent;
}

/* Continue as far as possible. ERR_ABRT: we aborted the connection. */
static err_t pump(struct server_client *client)
{
    struct server *server = client->server;
    bool all_sent = go_on(client);
    enum server_wait wait = server->protocol->wait(client);

    if (wait == SERVER_RESET) {
        server->stats.dropped++;
        server_reset(client);
        return ERR_ABRT;
    }
    if (wait == SERVER_END && all_sent && !client->has_finished) {
        client->has_finished = true;
        tcp_shutdown(client->pcb, 0, 1);
    }
    tcp_output(client->pcb);
    if (client->has_finished && client->has_eof && !client->in_flight) {
        client_close(client);
        return ERR_OK;
    }
    if (wait != SERVER_WORK && (client->in_flight || !all_sent))
        wait = SERVER_SEND;
    /* No acknowledgement is due that could continue this. */
    if (!client->in_flight && wait == SERVER_SEND)
        tcp_poll(client->pcb, on_poll, 1);
    queue_settle(client, wait);
    return ERR_OK;
}

void server_pump(struct server_client *client)
{
    pump(client);
}

void server_pump_next(struct server *server, enum server_wait wait)
{
    struct server_client *client = server_first(server, wait);

    queue_take(client);
    queue_put(client, wait);
    pump(client);
}

void server_pump_all(struct server *server, enum server_wait wait)
{
    for (unsigned nr = server->queues[wait].nr;
         nr && server_first(server, wait); nr--)
        server_pump_next(server, wait);
}

/* There was no memory to send; perhaps there is now. */
static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
    tcp_poll(pcb, NULL, 0);
    return pump(arg);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, uint16_t len)
{
    struct server_client *client = arg;

    (void)pcb;
    client->in_flight -= len;
    client->progress += len;
    return pump(client);
}

/* ---- Held input, and memory */

/* The client's input has waited for long, and there is much of it. */
static bool is_pressing(const struct server_client *client)
{
    return client->held && client->held->tot_len >= SERVER_PRESSURE_BYTES &&
           now_ms(client->server) - client->held_ms >=
               SERVER_PRESSURE_NS / NS_PER_MS;
}

/* Memory for input is short: reset clients that hold much of it until there is
 * some. */
static void relieve(struct server *server)
{
    struct server_client *client, *next;

    for (unsigned i = 0; i < SERVER_WAITS; i++) {
        for (client = server_first(server, i); client; client = next) {
            next = list_entry(client->node.next, struct server_client, node);
            if (memory_for_received())
                return;
            if (!is_pressing(client))
                continue;
            server->stats.pressed++;
            server_reset(client);
        }
    }
}

static void on_pressure(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, pressure);

    if (memory_for_received())
        return;
    relieve(server);
    timer_start(server->loop, timer,
                loop_now(server->loop) + SERVER_PRESSURE_NS, on_pressure);
}

/* May this input be held as well? */
static bool can_hold(struct server_client *client, const struct pbuf *p)
{
    struct server *server = client->server;

    if (!memory_for_received()) {
        if (!server->pressure.active)
            timer_start(server->loop, &server->pressure,
                        loop_now(server->loop) + SERVER_PRESSURE_NS,
                        on_pressure);
        return false;
    }
    return (size_t)client->held->tot_len + p->tot_len < SERVER_HELD_MAX;
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                        err_t error)
{
    struct server_client *client = arg;

    (void)pcb;
    (void)error;
    if (!p) {
        client->has_eof = true;
    } else if (!client->held) {
        client->held = p;
        client->held_ms = now_ms(client->server);
    } else if (can_hold(client, p)) {
        pbuf_cat(client->held, p);
    } else {
        return ERR_MEM; /* lwIP keeps it and offers it again */
    }
    return pump(client);
}

/* ---- Deadlines */

static void expire(struct server_client *client)
{
    struct server *server = client->server;
    enum server_wait wait = client->wait;

    server->stats.timed_out += wait != SERVER_END;
    if (wait == SERVER_END || !server->protocol->late ||
        !server->protocol->late(client)) {
        server_reset(client);
        return;
    }
    queue_take(client);
    queue_put(client, wait); /* the next check comes no sooner than this */
    pump(client);
}

static void on_timer(struct timer *timer)
{
    struct server *server = container_of(timer, struct server, timer);
    uint64_t now = loop_now(server->loop), next = NEVER;
    struct server_client *first;

    for (unsigned i = 0; i < SERVER_WAITS; i++)
        while ((first = server_first(server, i)) && due_of(first) <= now)
            expire(first);
    for (unsigned i = 0; i < SERVER_WAITS; i++) {
        first = server_first(server, i);
        if (first && due_of(first) < next)
            next = due_of(first);
    }
    if (next != NEVER)
        timer_start(server->loop, timer, next, on_timer);
    else
        timer_stop(server->loop, timer);
}

/* ---- Accepting */

/* The client that gives way to a new one, or NULL. */
static struct server_client *find_victim(const struct server *server)
{
    static const enum server_wait waits[] = {SERVER_REQUEST, SERVER_IDLE,
                                             SERVER_SEND};
    uint64_t now = loop_now(server->loop);

    for (unsigned i = 0; i < array_size(waits); i++) {
        struct server_client *first = server_first(server, waits[i]);
        uint64_t grace_ns = server->limits[waits[i]].grace_ns;

        if (first && grace_ns != SERVER_STAYS &&
            now - first->since_ns >= grace_ns)
            return first;
    }
    return NULL;
}

/* Is there room for one more client? Others are evicted for it, even when
 * memory is only getting short: once it is short, net/ lets in no new client
 * that could evict them. */
static bool make_place(struct server *server)
{
    bool is_full =
        server->stats.open >= server->clients_max || !memory_for_connections();
    struct server_client *victim;

    if (!is_full && memory_for_received())
        return true;
    victim = find_victim(server);
    if (!victim)
        return !is_full;
    server->stats.evicted++;
    server_reset(victim);
    return true;
}

static void warn_refusal(struct server *server, unsigned open)
{
    uint64_t now = loop_now(server->loop);

    if (server->warned_ns && now - server->warned_ns < WARN_NS)
        return;
    server->warned_ns = now;
    log_warn(server->protocol->name,
             "refusing connections: %u are open, none gives way%s", open,
             memory_for_connections() ? "" : ", and memory is short");
}

static void probe(const struct server *server, struct tcp_pcb *pcb)
{
    if (!server->probe_idle_ms)
        return;
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = server->probe_idle_ms;
    if (server->probe_every_ms)
        pcb->keep_intvl = server->probe_every_ms;
}

static struct server_client *client_create(struct server *server,
                                           struct tcp_pcb *pcb)
{
    struct server_client *client = calloc(1, server->protocol->client_bytes);

    if (!client)
        return NULL;
    client->server = server;
    client->pcb = pcb;
    queue_put(client, SERVER_REQUEST);
    server->stats.open++;
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb); /* answers are written whole */
    probe(server, pcb);
    return client;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct server *server = arg;
    struct server_stats *stats = &server->stats;
    struct server_client *client = NULL;
    unsigned open = stats->open;
    bool has_place;

    if (error || !pcb)
        return ERR_VAL;
    stats->accepted++;
    has_place = make_place(server);
    if (has_place || stats->open < server->clients_max + SERVER_REFUSING_MAX)
        client = client_create(server, pcb);
    if (has_place && client && server->protocol->begin(client))
        return ERR_OK;
    stats->refused++;
    warn_refusal(server, open);
    if (!client)
        return ERR_MEM; /* lwIP resets it */
    server->protocol->refuse(client);
    return pump(client);
}

/* ---- The server */

int server_start(struct server *server, uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    if (!pcb)
        return -XEN_ENOMEM;
    for (unsigned i = 0; i < SERVER_WAITS; i++)
        list_init(&server->queues[i].list);
    if (tcp_bind(pcb, IP_ANY_TYPE, port)) {
        tcp_close(pcb);
        return -XEN_EBUSY;
    }
    server->listener = tcp_listen(pcb);
    if (!server->listener) {
        tcp_close(pcb);
        return -XEN_ENOMEM;
    }
    tcp_arg(server->listener, server);
    tcp_accept(server->listener, on_accept);
    return 0;
}

void server_stop(struct server *server)
{
    struct server_client *client;

    if (!server->listener)
        return;
    tcp_close(server->listener);
    server->listener = NULL;
    for (unsigned i = 0; i < SERVER_WAITS; i++)
        while ((client = server_first(server, i)))
            server_reset(client);
    timer_stop(server->loop, &server->timer);
    timer_stop(server->loop, &server->pressure);
}

void server_address(const struct server_client *client,
                    char text[SERVER_ADDRESS_BYTES])
{
    ipaddr_ntoa_r(&client->pcb->remote_ip, text, SERVER_ADDRESS_BYTES);
}
