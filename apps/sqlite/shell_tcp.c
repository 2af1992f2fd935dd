/* SPDX-License-Identifier: MIT */
/*
 * A peer is the network side of a shell. What arrives is held until the shell
 * takes it, and only then is the client's window opened again; of an answer TCP
 * gets what it has room for. Whatever happens ends in pump, which moves both on
 * as far as they go, and sets the timer for what is waited for now:
 *
 *     sent, and not acknowledged   SHELL_SEND_NS, anew with each progress
 *     a command                    idle_ns
 *     the client's end             SHELL_END_NS
 *     the statement                nothing: the server has its own limit
 *
 * pump also runs in the server's fiber, when the shell has something new.
 */
#include "apps/sqlite/shell_tcp.h"

#include <stdlib.h>
#include <string.h>

#include "lwip/tcp.h"

struct shell_peer {
    struct shell_tcp *tcp;
    struct tcp_pcb *pcb;
    struct shell_client *client;
    struct pbuf *held; /* received, and not yet taken */
    struct timer timer;
    struct shell_peer *next, **link;
    uint32_t in_flight; /* sent and not acknowledged */
    bool has_eof;       /* the client's FIN is here */
    bool has_finished;  /* ours is sent */
};

/* A shell_client has no pointer to its owner: this is it. */
struct peer_client {
    struct shell_client client;
    struct shell_peer *peer;
};

static struct shell *shell_of(const struct shell_peer *peer)
{
    return &peer->client->shell;
}

static struct loop *loop_of(const struct shell_peer *peer)
{
    return peer->tcp->server->app->loop;
}

/* ---- The end of a connection */

static void peer_free(struct shell_peer *peer)
{
    *peer->link = peer->next;
    if (peer->next)
        peer->next->link = peer->link;
    timer_stop(loop_of(peer), &peer->timer);
    if (peer->held)
        pbuf_free(peer->held);
    shell_server_leave(peer->client);
    free(peer);
}

/* lwIP gave the connection up. */
static void on_error(void *arg, err_t error)
{
    (void)error;
    peer_free(arg);
}

/* All is said and acknowledged, by both. */
static void peer_close(struct shell_peer *peer)
{
    struct tcp_pcb *pcb = peer->pcb;

    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
    peer_free(peer);
    tcp_close(pcb); /* our FIN was sent before: cannot fail */
}

/* ---- What is waited for */

static void on_timer(struct timer *timer)
{
    struct shell_peer *peer = container_of(timer, struct shell_peer, timer);

    peer->tcp->cut_off++;
    tcp_abort(peer->pcb); /* on_error frees the peer */
}

/* 0: nothing that has an end. */
static uint64_t wait_ns(const struct shell_peer *peer)
{
    const struct shell *shell = shell_of(peer);
    const char *bytes;
    size_t len;

    if (peer->in_flight || shell_output(shell, &bytes, &len))
        return SHELL_SEND_NS;
    if (peer->has_finished)
        return SHELL_END_NS;
    if (shell->input.command != SHELL_NONE || shell->is_over)
        return 0;
    return peer->tcp->idle_ns;
}

static void set_timer(struct shell_peer *peer)
{
    uint64_t ns = wait_ns(peer);

    if (ns)
        timer_start(loop_of(peer), &peer->timer, app_now_ns() + ns, on_timer);
    else
        timer_stop(loop_of(peer), &peer->timer);
}

/* ---- Input and output */

/* Drop the first bytes of a chain. */
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

static void feed(struct shell_peer *peer)
{
    struct pbuf *p;

    while ((p = peer->held)) {
        size_t len = p->len;
        size_t used = shell_receive(shell_of(peer), p->payload, len);

        tcp_recved(peer->pcb, (uint16_t)used);
        peer->held = skip(p, used);
        if (used < len)
            return;
    }
    if (peer->has_eof && !shell_of(peer)->has_finished)
        shell_finish(shell_of(peer));
}

static void drain(struct shell_peer *peer)
{
    const char *bytes;
    size_t len;

    while (shell_output(shell_of(peer), &bytes, &len)) {
        size_t room = tcp_sndbuf(peer->pcb);
        size_t more = SHELL_SEND_MAX - peer->in_flight;

        room = room < more ? room : more;
        len = len < room ? len : room;
        if (!len || tcp_write(peer->pcb, bytes, (uint16_t)len,
                              TCP_WRITE_FLAG_COPY) != ERR_OK)
            return; /* on_sent or on_poll tries again */
        peer->in_flight += (uint32_t)len;
        shell_taken(shell_of(peer), len);
    }
}

/* Go on as far as possible. The peer may be gone afterwards. */
static void pump(struct shell_peer *peer)
{
    const char *bytes;
    size_t len;
    bool is_over;

    drain(peer);
    feed(peer);
    is_over =
        shell_of(peer)->is_over && !shell_output(shell_of(peer), &bytes, &len);
    if (is_over && !peer->has_finished) {
        peer->has_finished = true;
        tcp_shutdown(peer->pcb, 0, 1);
    }
    tcp_output(peer->pcb);
    if (is_over && peer->has_eof && !peer->in_flight) {
        peer_close(peer);
        return;
    }
    set_timer(peer);
    shell_server_wake(peer->client);
}

static void on_changed(struct shell_client *client)
{
    pump(container_of(client, struct peer_client, client)->peer);
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                        err_t error)
{
    struct shell_peer *peer = arg;

    (void)pcb, (void)error;
    if (!p)
        peer->has_eof = true;
    else if (!peer->held)
        peer->held = p;
    else if (peer->held->tot_len + p->tot_len > UINT16_MAX)
        return ERR_MEM; /* lwIP keeps it and offers it again */
    else
        pbuf_cat(peer->held, p);
    pump(peer);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, uint16_t len)
{
    struct shell_peer *peer = arg;

    (void)pcb;
    peer->in_flight -= len;
    pump(peer);
    return ERR_OK;
}

/* There was no memory to send; perhaps there is now. */
static err_t on_poll(void *arg, struct tcp_pcb *pcb)
{
    struct shell_peer *peer = arg;
    const char *bytes;
    size_t len;

    (void)pcb;
    if (!peer->in_flight && shell_output(shell_of(peer), &bytes, &len))
        pump(peer);
    return ERR_OK;
}

/* ---- Accepting */

static void listen_to(struct shell_peer *peer)
{
    struct tcp_pcb *pcb = peer->pcb;

    tcp_arg(pcb, peer);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_poll(pcb, on_poll, 2);
    tcp_nagle_disable(pcb); /* answers are written whole */
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = SHELL_PROBE_NS / NS_PER_MS;
    pcb->keep_intvl = SHELL_PROBE_NS / NS_PER_MS;
}

/* A client of the server, or NULL. */
static struct shell_client *client_create(struct shell_peer *peer)
{
    struct peer_client *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->peer = peer;
    c->client.changed = on_changed;
    if (!shell_server_join(peer->tcp->server, &c->client))
        return &c->client;
    free(c);
    return NULL;
}

/* ---- Who is one too many is told so, and what it says is thrown away: to
 * close at once would reset it, and the reset may overtake the words. */

static const char refusal[] = "-- error: too many clients\n";

static err_t on_refused_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                                err_t error)
{
    (void)arg, (void)error;
    if (!p)
        return tcp_close(pcb);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_refused_poll(void *arg, struct tcp_pcb *pcb)
{
    (void)arg;
    tcp_abort(pcb);
    return ERR_ABRT;
}

static err_t refuse(struct shell_tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->refused++;
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, on_refused_receive);
    tcp_poll(pcb, on_refused_poll, 2 * SHELL_END_NS / NS_PER_S);
    if (tcp_write(pcb, refusal, sizeof(refusal) - 1, 0) != ERR_OK)
        return ERR_MEM; /* lwIP resets it */
    return tcp_shutdown(pcb, 0, 1);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
    struct shell_tcp *tcp = arg;
    struct shell_peer *peer;

    if (error || !pcb)
        return ERR_VAL;
    tcp->accepted++;
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return ERR_MEM;
    peer->tcp = tcp;
    peer->pcb = pcb;
    peer->client = client_create(peer);
    if (!peer->client) {
        free(peer);
        return refuse(tcp, pcb);
    }
    peer->next = tcp->peers;
    peer->link = &tcp->peers;
    if (peer->next)
        peer->next->link = &peer->next;
    tcp->peers = peer;
    listen_to(peer);
    set_timer(peer);
    return ERR_OK;
}

/* ---- The server */

int shell_tcp_start(struct shell_tcp *tcp, uint16_t port)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

    if (!pcb)
        return -XEN_ENOMEM;
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

void shell_tcp_stop(struct shell_tcp *tcp)
{
    if (tcp->listener)
        tcp_close(tcp->listener);
    tcp->listener = NULL;
    while (tcp->peers)
        tcp_abort(tcp->peers->pcb);
}
