/* SPDX-License-Identifier: MIT */
/*
 * The network side of http_conn.
 *
 * Input: lwIP hands over pbufs; http_conn takes bytes from them until an answer
 * is in the way. The rest is held and the client's window closes; what is more
 * than HTTP_HELD_MAX is refused, and the client has to send it again. Output:
 * as much as TCP takes; files by reference, the rest copied. Each
 * acknowledgement makes room and continues both.
 *
 * A connection waits for one thing at a time and stands in that queue. Waits
 * of a queue are equally long, so the queue is in order of its deadlines, one
 * timer watches the heads of all, and the oldest idle connection is simply
 * first: it goes when there is no place for a new one. When lwIP itself runs
 * out of memory it looks for connections of low priority: idle ones again.
 *
 * A connection is counted until lwIP has forgotten it or only the client's
 * last acknowledgement is missing; so a limit on connections is one on memory.
 */
#include "http/http_tcp.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "lwip/tcp.h"
#include "net/memory.h"

#define WARN_NS (60 * NS_PER_S) /* "no place left": one line a minute */

struct http_client {
    struct http_conn conn;
    struct http_tcp *tcp;
    struct tcp_pcb *pcb;
    struct pbuf *held; /* received; an answer has to go first */
    struct http_client *next, **link;
    uint64_t due_ns;
    uint32_t in_flight; /* bytes sent and not acknowledged */
    uint32_t progress;  /* acknowledged since due_ns was set */
    uint8_t wait;       /* enum http_wait */
    bool has_asked;     /* the first request is here */
    bool has_finished;  /* we sent FIN */
    bool has_eof;       /* the client did */
};

/* What 10,000 idle connections cost, beside lwIP's part. */
_Static_assert(sizeof(struct http_client) <= 192, "idle clients must be small");

/* ---- Queues */

static uint64_t wait_ns(const struct http_tcp *tcp, enum http_wait wait)
{
    switch (wait) {
    case HTTP_WAIT_IDLE:
        return tcp->idle_ns;
    case HTTP_WAIT_REQUEST:
        return HTTP_REQUEST_NS;
    case HTTP_WAIT_SEND:
        return HTTP_SEND_NS;
    default:
        return HTTP_END_NS;
    }
}

static void on_timer(struct timer *timer);

static void queue_put(struct http_client *client, enum http_wait wait)
{
    struct http_tcp *tcp = client->tcp;
    struct http_queue *queue = &tcp->queues[wait];

    client->wait = (uint8_t)wait;
    client->due_ns = loop_now(tcp->loop) + wait_ns(tcp, wait);
    client->progress = 0;
    client->next = NULL;
    client->link = queue->last;
    *queue->last = client;
    queue->last = &client->next;
    queue->nr++;
    if (!tcp->timer.active || tcp->timer.due_ns > client->due_ns)
        timer_start(tcp->loop, &tcp->timer, client->due_ns, on_timer);
}

static void queue_take(struct http_client *client)
{
    struct http_queue *queue = &client->tcp->queues[client->wait];

    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    else
        queue->last = client->link;
    queue->nr--;
}

static enum http_wait wait_of(const struct http_client *client)
{
    const struct http_conn *conn = &client->conn;

    if (client->in_flight || http_conn_has_output(conn) ||
        http_conn_is_waiting(conn))
        return HTTP_WAIT_SEND;
    if (conn->state == HTTP_DONE)
        return HTTP_WAIT_END;
    if (conn->state == HTTP_IDLE && client->has_asked)
        return HTTP_WAIT_IDLE;
    return HTTP_WAIT_REQUEST;
}

/* Into the queue of what is waited for now; anew when there was progress. */
static void queue_settle(struct http_client *client)
{
    enum http_wait wait = wait_of(client);

    if (wait == client->wait && client->progress < HTTP_SEND_BYTES)
        return;
    queue_take(client);
    queue_put(client, wait);
    tcp_setprio(client->pcb,
                wait == HTTP_WAIT_IDLE ? TCP_PRIO_MIN : TCP_PRIO_NORMAL);
}

/* ---- The end of a connection */

/* Free all but lwIP's part. */
static void client_free(struct http_client *client)
{
    queue_take(client);
    client->tcp->site->stats.open--;
    if (client->held)
        pbuf_free(client->held);
    http_conn_end(&client->conn);
    free(client);
}

/* lwIP gave the connection up: reset by the client or by us, or given up. */
static void on_error(void *arg, err_t error)
{
    (void)error;
    client_free(arg);
}

/* Reset the connection; on_error frees the client. */
static void client_abort(struct http_client *client)
{
    tcp_abort(client->pcb);
}

/* Both sides have finished and everything is acknowledged but our FIN. */
static void client_close(struct http_client *client)
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

/* ---- Input and output */

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

static void feed(struct http_client *client)
{
    struct pbuf *p;
    size_t len, used;

    while ((p = client->held)) {
        len = p->len;
        used = http_conn_receive(&client->conn, p->payload, len);
        tcp_recved(client->pcb, (uint16_t)used);
        client->held = skip(p, used);
        if (used < len)
            return;
    }
}

/* What one connection may have under way. */
static size_t share_of(const struct http_tcp *tcp)
{
    size_t share = tcp->in_flight_max / (tcp->queues[HTTP_WAIT_SEND].nr + 1);

    return share > HTTP_SHARE_MIN ? share : HTTP_SHARE_MIN;
}

/* How much more this connection may have under way. */
static size_t room(const struct http_client *client)
{
    size_t buffer = tcp_sndbuf(client->pcb), share = share_of(client->tcp);

    if (share <= client->in_flight)
        return 0;
    share -= client->in_flight;
    return share < buffer ? share : buffer;
}

/* May this be held as well? */
static bool can_hold(const struct http_client *client, const struct pbuf *p)
{
    return (size_t)client->held->tot_len + p->tot_len < HTTP_HELD_MAX &&
           memory_for_received();
}

/* Hand as much of a piece to TCP as it takes now; returns how much. */
static size_t send_piece(struct http_client *client,
                         const struct http_piece *piece)
{
    size_t len = piece->len, max = room(client);
    uint8_t flags = piece->is_forever ? 0 : TCP_WRITE_FLAG_COPY;

    if (max > UINT16_MAX) /* tcp_write's */
        max = UINT16_MAX;
    if (len > max)
        len = piece->is_whole ? 0 : max;
    if (len < piece->len || piece->more)
        flags |= TCP_WRITE_FLAG_MORE;
    if (!len || tcp_write(client->pcb, piece->bytes, (uint16_t)len, flags))
        return 0;
    client->in_flight += (uint32_t)len;
    http_conn_taken(&client->conn, len);
    return len;
}

/* Have the next piece of a file fetched, once there is room for one of some
 * size: half of what may be under way, so that the other half is while this is
 * read. */
static void fetch(struct http_client *client, const struct http_piece *piece)
{
    size_t share = share_of(client->tcp), space = room(client),
           want = piece->len < HTTP_PIECE_BYTES ? piece->len : HTTP_PIECE_BYTES;

    if (share > TCP_SND_BUF)
        share = TCP_SND_BUF;
    if (want > share / 2)
        want = share / 2;
    if (space >= want)
        http_conn_fetch(&client->conn, want);
}

/* True: nothing is left to send, or to wait for. */
static bool drain(struct http_client *client)
{
    char buffer[HTTP_REPLY_MAX];
    struct http_piece piece;

    while (http_conn_output(&client->conn, buffer, &piece)) {
        if (!piece.bytes)
            fetch(client, &piece);
        if (!piece.bytes || !send_piece(client, &piece))
            return false;
    }
    return !http_conn_is_waiting(&client->conn);
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb);

/* Go on as far as possible. ERR_OK, also when that was the end. */
static err_t pump(struct http_client *client)
{
    struct http_conn *conn = &client->conn;

    do {
        feed(client);
        client->has_asked |= conn->state != HTTP_IDLE;
    } while (drain(client) && client->held);
    if (client->has_eof && !client->held)
        http_conn_finish(conn);
    if (conn->state == HTTP_DONE && !client->has_finished) {
        client->has_finished = true;
        tcp_shutdown(client->pcb, 0, 1);
    }
    tcp_output(client->pcb);
    if (client->has_finished && client->has_eof && !client->in_flight) {
        client_close(client);
        return ERR_OK;
    }
    /* No acknowledgement will come that could continue this. */
    if (!client->in_flight && http_conn_has_output(conn) &&
        !http_conn_is_waiting(conn))
        tcp_poll(client->pcb, on_poll, 1);
    queue_settle(client);
    return ERR_OK;
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                        err_t error)
{
    struct http_client *client = arg;

    (void)pcb;
    (void)error;
    if (!p)
        client->has_eof = true;
    else if (!client->held)
        client->held = p;
    else if (can_hold(client, p))
        pbuf_cat(client->held, p);
    else
        return ERR_MEM; /* lwIP keeps it and offers it again */
    return pump(client);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, uint16_t len)
{
    struct http_client *client = arg;

    (void)pcb;
    client->in_flight -= len;
    client->progress += len;
    return pump(client);
}

/* There was no memory to send; perhaps there is now. */
static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
    tcp_poll(pcb, NULL, 0);
    return pump(arg);
}

/* What the tree was asked for is there. */
static void on_wake(struct http_conn *conn)
{
    pump(container_of(conn, struct http_client, conn));
}

/* ---- Deadlines */

static void expire(struct http_client *client)
{
    struct http_stats *stats = &client->tcp->site->stats;

    switch ((enum http_wait)client->wait) {
    case HTTP_WAIT_IDLE:
    case HTTP_WAIT_REQUEST:
        stats->timed_out++;
        if (!http_conn_timeout(&client->conn))
            http_conn_finish(&client->conn);
        pump(client);
        break;
    case HTTP_WAIT_SEND:
        stats->timed_out++;
        if (client->conn.state == HTTP_FIND && http_conn_timeout(&client->conn))
            pump(client);
        else
            client_abort(client);
        break;
    default:
        client_abort(client);
    }
}

static void on_timer(struct timer *timer)
{
    struct http_tcp *tcp = container_of(timer, struct http_tcp, timer);
    uint64_t now = loop_now(tcp->loop), next = UINT64_MAX;
    struct http_client *first;

    for (unsigned i = 0; i < HTTP_WAITS; i++) {
        while ((first = tcp->queues[i].first) && first->due_ns <= now)
            expire(first);
    }
    for (unsigned i = 0; i < HTTP_WAITS; i++) {
        first = tcp->queues[i].first;
        if (first && first->due_ns < next)
            next = first->due_ns;
    }
    if (next != UINT64_MAX)
        timer_start(tcp->loop, &tcp->timer, next, on_timer);
}

/* ---- Accepting */

/* The connection that gives way to a new one, or NULL. */
static struct http_client *find_victim(struct http_tcp *tcp)
{
    struct http_client *idle = tcp->queues[HTTP_WAIT_IDLE].first;
    struct http_client *silent = tcp->queues[HTTP_WAIT_REQUEST].first;
    uint64_t now = loop_now(tcp->loop);

    if (idle)
        return idle;
    if (silent && silent->due_ns - HTTP_REQUEST_NS + HTTP_GRACE_NS <= now)
        return silent;
    return NULL;
}

/* May one more stay? Idle ones make place for it, also when only memory begins
 * to be short: when it is, net/ lets nobody in who could make them go. */
static bool make_place(struct http_tcp *tcp)
{
    struct http_stats *stats = &tcp->site->stats;
    bool is_full =
        stats->open >= tcp->connections_max || !memory_for_connections();
    struct http_client *victim;

    if (!is_full && memory_for_received())
        return true;
    victim = find_victim(tcp);
    if (!victim)
        return !is_full;
    stats->evicted++;
    client_abort(victim);
    return true;
}

static void warn_refusal(struct http_tcp *tcp)
{
    uint64_t now = loop_now(tcp->loop);

    if (tcp->warned_ns && now - tcp->warned_ns < WARN_NS)
        return;
    tcp->warned_ns = now;
    log_warn("http", "refusing connections: %u are open, none is idle%s",
             tcp->site->stats.open,
             memory_for_connections() ? "" : ", and memory is short");
}

static struct http_client *client_create(struct http_tcp *tcp,
                                         struct tcp_pcb *pcb)
{
    struct http_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->tcp = tcp;
    client->pcb = pcb;
    http_conn_init(&client->conn, tcp->site);
    queue_put(client, HTTP_WAIT_REQUEST);
    tcp->site->stats.open++;
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb); /* answers are written whole */
    return client;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct http_tcp *tcp = arg;
    struct http_stats *stats = &tcp->site->stats;
    struct http_client *client = NULL;
    bool has_place;

    if (error || !pcb)
        return ERR_VAL;
    stats->accepted++;
    has_place = make_place(tcp);
    if (!has_place)
        warn_refusal(tcp);
    if (has_place || stats->open < tcp->connections_max + HTTP_REFUSING_MAX)
        client = client_create(tcp, pcb);
    stats->refused += !has_place || !client;
    if (!client)
        return ERR_MEM; /* lwIP resets it */
    if (has_place)
        return ERR_OK;
    http_conn_refuse(&client->conn);
    return pump(client);
}

/* ---- The server */

int http_tcp_start(struct http_tcp *tcp, uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    if (!pcb)
        return -XEN_ENOMEM;
    tcp->site->wake = on_wake;
    for (unsigned i = 0; i < HTTP_WAITS; i++)
        tcp->queues[i].last = &tcp->queues[i].first;
    if (tcp_bind(pcb, IP_ANY_TYPE, port)) {
        tcp_close(pcb);
        return -XEN_EBUSY;
    }
    tcp->listener = tcp_listen(pcb);
    if (!tcp->listener) {
        tcp_close(pcb);
        return -XEN_ENOMEM;
    }
    tcp_arg(tcp->listener, tcp);
    tcp_accept(tcp->listener, on_accept);
    return 0;
}

void http_tcp_stop(struct http_tcp *tcp)
{
    tcp_close(tcp->listener);
    tcp->listener = NULL;
    for (unsigned i = 0; i < HTTP_WAITS; i++)
        while (tcp->queues[i].first)
            client_abort(tcp->queues[i].first);
    timer_stop(tcp->loop, &tcp->timer);
}

void http_tcp_log(const struct http_conn *conn, struct http_field line,
                  int status)
{
    const struct http_client *client =
        container_of(conn, struct http_client, conn);
    char address[IPADDR_STRLEN_MAX];

    ipaddr_ntoa_r(&client->pcb->remote_ip, address, sizeof(address));
    if (line.at)
        log_debug("http", "%s \"%.*s\" %d", address, (int)line.bytes, line.at,
                  status);
    else
        log_debug("http", "%s no request %d", address, status);
}
