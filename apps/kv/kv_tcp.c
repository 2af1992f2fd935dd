/* SPDX-License-Identifier: MIT */
/*
 * The network side of kv_conn.
 *
 * Input: lwIP hands over pbufs; kv_conn takes requests from them where they
 * lie, until something is in the way. The rest is held and the client's window
 * closes; what is more than KV_WAITING_MAX is refused, and the client has to
 * send it again. Output: as much as TCP takes; each acknowledgement makes room
 * and continues both.
 *
 * A client waits for one thing at a time and stands in that queue, behind those
 * who came before. Waits of a queue are equally long, so one timer watches the
 * heads of all. Who waits for us (disk, long commands) has no deadline.
 */
#include "apps/kv/kv_tcp.h"
#include "apps/kv/kv_work.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel/log.h"
#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "net/memory.h"

#define WARN_NS (60 * NS_PER_S) /* "no place left": one line a minute */
#define NEVER   UINT64_MAX

struct kv_client {
    struct kv_conn conn;
    struct kv_tcp *tcp;
    struct tcp_pcb *pcb;
    struct pbuf *held; /* received; something has to go first */
    struct kv_client *next, **link;
    uint64_t since_ns;  /* in this queue, or of the last progress */
    uint32_t in_flight; /* bytes sent and not acknowledged */
    uint32_t progress;  /* bytes since since_ns */
    uint8_t wait;       /* enum kv_wait */
    bool has_asked;     /* the first request is here */
    bool has_finished;  /* we sent FIN */
    bool has_eof;       /* the client did */
};

/* ---- Queues */

static uint64_t limit_of(const struct kv_tcp *tcp, enum kv_wait wait)
{
    switch (wait) {
    case KV_WAIT_IDLE:
        return tcp->idle_ns ? tcp->idle_ns : NEVER;
    case KV_WAIT_REQUEST:
        return KV_REQUEST_NS;
    case KV_WAIT_SEND:
        return KV_SEND_NS;
    case KV_WAIT_END:
        return KV_END_NS;
    default:
        return NEVER;
    }
}

static uint64_t due_of(const struct kv_client *client)
{
    uint64_t limit = limit_of(client->tcp, client->wait);

    return limit == NEVER ? NEVER : client->since_ns + limit;
}

static void on_timer(struct timer *timer);

static void queue_put(struct kv_client *client, enum kv_wait wait)
{
    struct kv_tcp *tcp = client->tcp;
    struct kv_queue *queue = &tcp->queues[wait];
    uint64_t due_ns;

    client->wait = (uint8_t)wait;
    client->since_ns = loop_now(tcp->loop);
    client->progress = 0;
    client->next = NULL;
    client->link = queue->last;
    *queue->last = client;
    queue->last = &client->next;
    queue->nr++;
    due_ns = due_of(client);
    if (due_ns != NEVER && (!tcp->timer.active || tcp->timer.due_ns > due_ns))
        timer_start(tcp->loop, &tcp->timer, due_ns, on_timer);
}

static void queue_take(struct kv_client *client)
{
    struct kv_queue *queue = &client->tcp->queues[client->wait];

    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    else
        queue->last = client->link;
    queue->nr--;
}

static enum kv_wait wait_of(const struct kv_client *client)
{
    const struct kv_conn *conn = &client->conn;
    struct kv_text piece;

    if (kv_conn_is_working(conn))
        return KV_WAIT_WORK;
    if (client->in_flight || kv_conn_output(conn, &piece))
        return KV_WAIT_SEND;
    if (kv_conn_is_withheld(conn))
        return KV_WAIT_DISK;
    if (client->has_finished)
        return KV_WAIT_END;
    if (client->held)
        return KV_WAIT_DISK; /* the journal is full */
    if (!client->has_asked || kv_conn_has_part(conn))
        return KV_WAIT_REQUEST;
    return KV_WAIT_IDLE;
}

/* Into the queue of what is waited for now; anew when there was progress. */
static void queue_settle(struct kv_client *client)
{
    enum kv_wait wait = wait_of(client);

    if (wait == client->wait && client->progress < KV_PROGRESS_BYTES)
        return;
    if ((wait == KV_WAIT_IDLE) != (client->wait == KV_WAIT_IDLE))
        tcp_setprio(client->pcb,
                    wait == KV_WAIT_IDLE ? TCP_PRIO_MIN : TCP_PRIO_NORMAL);
    queue_take(client);
    queue_put(client, wait);
}

/* ---- The end of a client */

/* Free all but lwIP's part. */
static void client_free(struct kv_client *client)
{
    queue_take(client);
    if (client->held)
        pbuf_free(client->held);
    kv_conn_end(&client->conn);
    free(client);
}

/* lwIP gave the connection up: reset by the client or by us. */
static void on_error(void *arg, err_t error)
{
    (void)error;
    client_free(arg);
}

/* Reset the connection; on_error frees the client. */
static void client_abort(struct kv_client *client)
{
    tcp_abort(client->pcb);
}

/* Both sides have finished and everything is acknowledged but our FIN. */
static void client_close(struct kv_client *client)
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

static size_t held_bytes(const struct kv_client *client)
{
    return client->held ? client->held->tot_len : 0;
}

static void feed(struct kv_client *client)
{
    struct kv_stats *stats = &client->tcp->kv->stats;
    struct pbuf *p;
    size_t len, used;

    while ((p = client->held)) {
        len = p->len;
        used = kv_conn_receive(&client->conn, p->payload, len);
        stats->in_bytes += used;
        /* What is thrown away brings nobody forward. */
        if (!client->conn.is_closing)
            client->progress += (uint32_t)used;
        client->has_asked |= !kv_conn_has_part(&client->conn);
        tcp_recved(client->pcb, (uint16_t)used);
        client->held = skip(p, used);
        if (used < len)
            return;
    }
}

/* How much more this client may have under way. */
static size_t room(const struct kv_client *client)
{
    const struct kv_tcp *tcp = client->tcp;
    size_t buffer = tcp_sndbuf(client->pcb);
    size_t share = tcp->in_flight_max / (tcp->queues[KV_WAIT_SEND].nr + 1);

    if (share < KV_SHARE_MIN)
        share = KV_SHARE_MIN;
    if (share <= client->in_flight)
        return 0;
    share -= client->in_flight;
    return share < buffer ? share : buffer;
}

/* True: nothing is left that can be sent now. */
static bool drain(struct kv_client *client)
{
    struct kv_conn *conn = &client->conn;
    struct kv_text piece;

    while (kv_conn_output(conn, &piece)) {
        size_t len = piece.len, max = room(client);

        if (max > UINT16_MAX) /* tcp_write's */
            max = UINT16_MAX;
        if (len > max)
            len = max;
        if (!len || tcp_write(client->pcb, piece.at, (uint16_t)len,
                              TCP_WRITE_FLAG_COPY))
            return false;
        client->in_flight += (uint32_t)len;
        kv_conn_taken(conn, len);
    }
    return true;
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb);
static void on_task(struct task *task);

static void finish_if_done(struct kv_client *client)
{
    struct kv_conn *conn = &client->conn;

    if (client->has_eof && !client->held)
        kv_conn_finish(conn);
    if (!conn->is_closing || !kv_conn_is_idle(conn) || client->has_finished)
        return;
    client->has_finished = true;
    tcp_shutdown(client->pcb, 0, 1);
}

/* Go on as far as possible. ERR_ABRT: that was the end of it, by us. */
static err_t pump(struct kv_client *client)
{
    struct kv_conn *conn = &client->conn;
    struct kv_tcp *tcp = client->tcp;
    size_t before;
    bool all_sent;

    tcp->kv->begins(tcp->kv);
    do {
        before = held_bytes(client);
        feed(client);
        all_sent = drain(client);
    } while (all_sent && client->held && held_bytes(client) < before);
    tcp->kv->ends(tcp->kv);
    if (kv_conn_has_failed(conn)) {
        tcp->kv->stats.dropped++;
        client_abort(client);
        return ERR_ABRT;
    }
    finish_if_done(client);
    tcp_output(client->pcb);
    if (client->has_finished && client->has_eof && !client->in_flight) {
        client_close(client);
        return ERR_OK;
    }
    if (kv_conn_is_working(conn)) {
        tcp->was_exclusive |= tcp->kv->exclusive != NULL;
        task_start(tcp->loop, &tcp->task, on_task);
    }
    /* No acknowledgement will come that could continue this. */
    if (!client->in_flight && !all_sent)
        tcp_poll(client->pcb, on_poll, 1);
    queue_settle(client);
    return ERR_OK;
}

/* May this be held as well? */
static bool can_hold(const struct kv_client *client, const struct pbuf *p)
{
    return (size_t)client->held->tot_len + p->tot_len < KV_WAITING_MAX &&
           memory_for_received();
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                        err_t error)
{
    struct kv_client *client = arg;

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
    struct kv_client *client = arg;

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

/* ---- Long commands, and the disk */

/* The first of a queue is put behind the others, into this queue or another. */
static void pump_first(struct kv_tcp *tcp, enum kv_wait wait)
{
    struct kv_client *client = tcp->queues[wait].first;

    queue_take(client);
    queue_put(client, wait);
    pump(client);
}

/* Those who are in a queue now, each once. */
static void pump_queue(struct kv_tcp *tcp, enum kv_wait wait)
{
    for (unsigned nr = tcp->queues[wait].nr; nr && tcp->queues[wait].first;
         nr--)
        pump_first(tcp, wait);
}

/* A transaction that went on has ended, perhaps with its client: who had to
 * wait goes on. */
static void end_exclusive(struct kv_tcp *tcp)
{
    if (!tcp->was_exclusive || tcp->kv->exclusive)
        return;
    tcp->was_exclusive = false;
    pump_queue(tcp, KV_WAIT_DISK);
}

/* A turn's steps are for who comes first; those who got none come first in the
 * next one. */
static void on_task(struct task *task)
{
    struct kv_tcp *tcp = container_of(task, struct kv_tcp, task);
    struct kv_queue *queue = &tcp->queues[KV_WAIT_WORK];

    tcp->kv->begins(tcp->kv);
    kv_work_turn(tcp->kv);
    for (unsigned nr = queue->nr; nr && queue->first; nr--) {
        struct kv_client *client = queue->first;

        if (tcp->kv->steps_left <= 0)
            break;
        kv_conn_continue(&client->conn);
        pump_first(tcp, KV_WAIT_WORK);
    }
    end_exclusive(tcp);
    if (queue->first)
        task_start(tcp->loop, task, on_task);
}

/* Who may wait for the disk is in one of two queues. */
static const enum kv_wait withheld[] = {KV_WAIT_SEND, KV_WAIT_DISK};

void kv_tcp_batch_begins(struct kv_tcp *tcp)
{
    for (unsigned i = 0; i < array_size(withheld); i++)
        for (struct kv_client *client = tcp->queues[withheld[i]].first; client;
             client = client->next)
            kv_conn_batch_begins(&client->conn);
}

static void end_batch(struct kv_client *client, int status)
{
    if (!status)
        kv_conn_batch_ends(&client->conn);
    else if (kv_conn_is_withheld(&client->conn))
        client_abort(client);
}

void kv_tcp_batch_ends(struct kv_tcp *tcp, int status)
{
    for (unsigned i = 0; i < array_size(withheld); i++)
        for (struct kv_client *client = tcp->queues[withheld[i]].first, *next;
             client; client = next) {
            next = client->next;
            end_batch(client, status);
        }
    pump_queue(tcp, KV_WAIT_DISK);
}

/* ---- Deadlines */

static void on_timer(struct timer *timer)
{
    struct kv_tcp *tcp = container_of(timer, struct kv_tcp, timer);
    uint64_t now = loop_now(tcp->loop), next = NEVER;
    struct kv_client *first;

    for (unsigned i = 0; i < KV_WAITS; i++) {
        while ((first = tcp->queues[i].first) && due_of(first) <= now) {
            tcp->kv->stats.timed_out += i != KV_WAIT_END;
            client_abort(first);
        }
        if (first && due_of(first) < next)
            next = due_of(first);
    }
    if (next != NEVER)
        timer_start(tcp->loop, &tcp->timer, next, on_timer);
}

/* ---- Accepting */

/* The client that gives way to a new one, or NULL. */
static struct kv_client *find_victim(struct kv_tcp *tcp)
{
    static const enum kv_wait waits[] = {KV_WAIT_REQUEST, KV_WAIT_IDLE};
    uint64_t now = loop_now(tcp->loop);

    for (unsigned i = 0; i < array_size(waits); i++) {
        struct kv_client *first = tcp->queues[waits[i]].first;

        if (first && first->since_ns + KV_GRACE_NS <= now)
            return first;
    }
    return NULL;
}

/* May one more stay? */
static bool make_place(struct kv_tcp *tcp)
{
    struct kv *kv = tcp->kv;
    bool is_full =
        kv->nr_clients >= kv->clients_max || !memory_for_connections();
    struct kv_client *victim;

    if (!is_full && memory_for_received())
        return true;
    victim = find_victim(tcp);
    if (!victim)
        return !is_full;
    kv->stats.evicted++;
    client_abort(victim);
    return true;
}

static void warn_refusal(struct kv_tcp *tcp)
{
    uint64_t now = loop_now(tcp->loop);

    if (tcp->warned_ns && now - tcp->warned_ns < WARN_NS)
        return;
    tcp->warned_ns = now;
    log_warn("kv", "refusing clients: %u are connected%s", tcp->kv->nr_clients,
             memory_for_connections() ? "" : ", and memory is short");
}

static struct kv_client *client_create(struct kv_tcp *tcp, struct tcp_pcb *pcb)
{
    struct kv_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->tcp = tcp;
    client->pcb = pcb;
    kv_conn_init(&client->conn, tcp->kv);
    queue_put(client, KV_WAIT_REQUEST);
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb); /* answers are written whole */
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = KV_KEEPALIVE_MS;
    return client;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct kv_tcp *tcp = arg;
    struct kv *kv = tcp->kv;
    struct kv_client *client = NULL;
    bool has_place;

    if (error || !pcb)
        return ERR_VAL;
    has_place = make_place(tcp);
    if (!has_place)
        warn_refusal(tcp);
    if (has_place || kv->nr_clients < kv->clients_max + KV_REFUSING_MAX)
        client = client_create(tcp, pcb);
    if (!client) {
        kv->stats.rejected++;
        return ERR_MEM; /* lwIP resets it */
    }
    if (has_place)
        return ERR_OK;
    kv_conn_refuse(&client->conn);
    return pump(client);
}

/* ---- The server */

static void put_address(char text[KV_ADDRESS_MAX], const ip_addr_t *address,
                        uint16_t port)
{
    char host[IPADDR_STRLEN_MAX];

    ipaddr_ntoa_r(address, host, sizeof(host));
    snprintf(text, KV_ADDRESS_MAX, IP_IS_V6(address) ? "[%s]:%u" : "%s:%u",
             host, port);
}

static void addresses(const struct kv_conn *conn, char from[KV_ADDRESS_MAX],
                      char to[KV_ADDRESS_MAX])
{
    const struct tcp_pcb *pcb =
        container_of(conn, const struct kv_client, conn)->pcb;

    put_address(from, &pcb->remote_ip, pcb->remote_port);
    put_address(to, &pcb->local_ip, pcb->local_port);
}

int kv_tcp_start(struct kv_tcp *tcp, uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    if (!pcb)
        return -XEN_ENOMEM;
    for (unsigned i = 0; i < KV_WAITS; i++)
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
    tcp->kv->addresses = addresses;
    tcp_arg(tcp->listener, tcp);
    tcp_accept(tcp->listener, on_accept);
    return 0;
}

void kv_tcp_stop(struct kv_tcp *tcp)
{
    tcp_close(tcp->listener);
    tcp->listener = NULL;
    for (unsigned i = 0; i < KV_WAITS; i++)
        while (tcp->queues[i].first)
            client_abort(tcp->queues[i].first);
    timer_stop(tcp->loop, &tcp->timer);
    task_stop(tcp->loop, &tcp->task);
}
