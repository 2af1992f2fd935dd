/* SPDX-License-Identifier: MIT */
/*
 * What the web server images have in common: the counters, the addresses that
 * serve, options, start and end.
 */
#include "http/http_server.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernel/app.h"
#include "libc/libc.h"
#include "lwip/netif.h"
#include "net/memory.h"

#define PORT_DEFAULT     80
#define IDLE_S_DEFAULT   60
/* Memory of one idle connection: ours, lwIP's, and malloc's overhead for both.
 * At most half of the memory is for connections. */
#define CONNECTION_BYTES 640
#define CONNECTIONS_MIN  8
#define CONNECTIONS_MAX  65536
/* An earlier time means that the wall clock was never set: 2020-01-01. */
#define WALL_SANE_S      INT64_C(1577836800)

/* ---- Numbers for the pages */

struct sink {
    http_number_fn *fn;
    void *arg;
};

static void put(const struct sink *sink, const struct http_number *number)
{
    sink->fn(sink->arg, number);
}

#define put_number(sink, ...) put((sink), &(struct http_number){__VA_ARGS__})

static void put_guest(const struct http_server *server, const struct sink *sink)
{
    const struct pages *pages = server->app->pages;
    struct libc_heap heap;

    libc_heap(&heap);
    put_number(sink, "Guest", "Time since the guest started", .row = "Up for",
               .group = "guest", .name = "uptime_seconds", .unit = HTTP_NS,
               .value = app_uptime_ns(server->app));
    put_number(sink, "Memory", "Memory in use", .group = "memory",
               .name = "used_bytes", .unit = HTTP_BYTES,
               .value = pages->nr_used * XEN_PAGE_SIZE);
    put_number(sink, "Memory", "Most memory that was in use", .group = "memory",
               .name = "used_max_bytes", .unit = HTTP_BYTES,
               .value = pages->nr_used_max * XEN_PAGE_SIZE);
    put_number(sink, "Memory", "Memory available", .group = "memory",
               .name = "available_bytes", .unit = HTTP_BYTES,
               .value = pages_available(pages) * XEN_PAGE_SIZE);
    put_number(sink, "Memory", "Heap in use", .group = "memory",
               .name = "heap_used_bytes", .unit = HTTP_BYTES,
               .value = heap.used_bytes);
    put_number(sink, "Memory", "Requests for memory that failed",
               .group = "memory", .name = "failures", .is_counter = true,
               .value = pages->failures + heap.failures);
}

static void put_loop(const struct http_server *server, const struct sink *sink)
{
    const struct loop *loop = server->app->loop;
    const struct {
        const char *title, *name;
        uint64_t value;
    } counters[] = {
        {"Turns of the event loop", "turns", loop->turns},
        {"Times it slept", "sleeps", loop->sleeps},
        {"Wakeups with nothing to do", "spurious_wakeups",
         loop->spurious_wakeups},
        {"Events handled", "events", loop->port_calls},
        {"Timers handled", "timers", loop->timer_calls},
        {"Tasks handled", "tasks", loop->task_calls},
    };

    for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        put_number(sink, "Event loop", counters[i].title, .group = "loop",
                   .name = counters[i].name, .is_counter = true,
                   .value = counters[i].value);
}

static void put_connections(const struct server_stats *stats,
                            const struct sink *sink)
{
    const struct {
        const char *title, *name;
        uint64_t value;
    } counters[] = {
        {"Connections accepted", "connections_accepted", stats->accepted},
        {"Connections refused", "connections_refused", stats->refused},
        {"Connections closed for others", "connections_evicted",
         stats->evicted},
        {"Connections that took too long", "connections_timed_out",
         stats->timed_out},
        {"Connections that filled the memory", "connections_pressed",
         stats->pressed},
    };

    put_number(sink, "Web server", "Connections open", .group = "http",
               .name = "connections_open", .value = stats->open);
    for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        put_number(sink, "Web server", counters[i].title, .group = "http",
                   .name = counters[i].name, .is_counter = true,
                   .value = counters[i].value);
}

static void put_answers(const struct http_stats *stats, const struct sink *sink)
{
    static char codes[HTTP_STATUSES][4];

    put_number(sink, "Web server", "Bytes sent", .group = "http",
               .name = "sent_bytes", .unit = HTTP_BYTES, .is_counter = true,
               .value = stats->sent_bytes);
    for (unsigned i = 0; i < HTTP_STATUSES; i++) {
        unsigned code = http_statuses[i].code;

        codes[i][0] = (char)('0' + code / 100);
        codes[i][1] = (char)('0' + code / 10 % 10);
        codes[i][2] = (char)('0' + code % 10);
        if (i == 0 || stats->replies[i])
            put_number(sink, "Answers", "Requests by the status answered",
                       .row = http_statuses[i].text, .group = "http",
                       .name = "requests", .label = "code",
                       .label_value = codes[i], .is_counter = true,
                       .value = stats->replies[i]);
    }
}

static bool is_bytes(const char *name)
{
    static const char end[] = "_bytes";
    size_t len = strlen(name);

    return len >= sizeof(end) && !strcmp(name + len - sizeof(end) + 1, end);
}

static void put_network(void *arg, const struct net_number *n)
{
    static const char vifs[NET_VIFS_MAX][5] = {"vif0", "vif1", "vif2", "vif3",
                                               "vif4", "vif5", "vif6", "vif7"};
    struct http_number number = {
        .section = n->vif < 0 ? "TCP/IP" : vifs[n->vif],
        .group = n->vif < 0 ? "net" : "vif",
        .name = n->name,
        .unit = is_bytes(n->name) ? HTTP_BYTES : HTTP_COUNT,
        .is_counter = n->is_counter,
        .value = n->value,
    };

    if (n->vif >= 0) {
        number.label = "vif";
        number.label_value = vifs[n->vif] + strlen("vif");
    }
    put(arg, &number);
}

static void put_numbers(void *arg, http_number_fn *fn, void *fn_arg)
{
    const struct http_server *server = arg;
    struct sink sink = {fn, fn_arg};

    put_guest(server, &sink);
    put_connections(&server->tcp.server.stats, &sink);
    put_answers(&server->site.stats, &sink);
    put_loop(server, &sink);
    if (server->numbers)
        server->numbers(fn, fn_arg);
    net_numbers(put_network, &sink);
}

static void take_sample(struct http_server *server)
{
    const struct http_stats *stats = &server->site.stats;
    uint64_t now[HTTP_LINES] = {
        [HTTP_LINE_BYTES] = stats->sent_bytes,
        [HTTP_LINE_MEMORY] = server->app->pages->nr_used * XEN_PAGE_SIZE,
    };

    for (unsigned i = 0; i < HTTP_STATUSES; i++)
        now[HTTP_LINE_REQUESTS] += stats->replies[i];
    http_history_add(&server->history, now);
}

static void on_sampling(struct timer *timer)
{
    struct http_server *server =
        container_of(timer, struct http_server, sampling);

    take_sample(server);
    timer_start(server->app->loop, timer,
                loop_now(server->app->loop) + HTTP_SAMPLE_NS, on_sampling);
}

/* ---- Addresses */

static void tell_address(const struct http_server *server,
                         const ip_addr_t *address)
{
    char text[IPADDR_STRLEN_MAX], port[sizeof(":65535")] = "";
    bool is_v6 = IP_IS_V6(address);

    ipaddr_ntoa_r(address, text, sizeof(text));
    for (char *c = text; *c; c++)
        *c = (char)tolower(*c); /* RFC 5952 */
    if (server->port != PORT_DEFAULT)
        snprintf(port, sizeof(port), ":%u", (unsigned)server->port);
    log_info("http", "http://%s%s%s%s/", is_v6 ? "[" : "", text,
             is_v6 ? "]" : "", port);
}

static bool was_told(const struct http_server *server, const ip_addr_t *address)
{
    for (unsigned i = 0; i < server->nr_addresses; i++)
        if (ip_addr_cmp(&server->addresses[i], address))
            return true;
    return false;
}

/* Can a client beyond the link reach this address? */
static bool is_reachable(const struct netif *netif, unsigned i)
{
    if (i == 0)
        return !ip4_addr_isany(netif_ip4_addr(netif));
    return ip6_addr_isvalid(netif_ip6_addr_state(netif, i - 1)) &&
           !ip6_addr_islinklocal(netif_ip6_addr(netif, i - 1));
}

/* Log new addresses, and remember the current ones. */
static void on_addresses(void *arg)
{
    struct http_server *server = arg;
    ip_addr_t now[HTTP_ADDRESSES_MAX];
    struct netif *netif;
    unsigned nr = 0;

    for (unsigned vif = 0; (netif = net_vif(vif)); vif++) {
        if (!netif_is_up(netif) || !netif_is_link_up(netif))
            continue;
        for (unsigned i = 0; i <= LWIP_IPV6_NUM_ADDRESSES; i++) {
            if (!is_reachable(netif, i))
                continue;
            now[nr] =
                i ? *netif_ip_addr6(netif, i - 1) : *netif_ip_addr4(netif);
            if (!was_told(server, &now[nr]))
                tell_address(server, &now[nr]);
            nr++;
        }
    }
    memcpy(server->addresses, now, nr * sizeof(now[0]));
    server->nr_addresses = nr;
}

/* ---- Start */

static int64_t wall_s(void)
{
    int64_t now = (int64_t)time(NULL);

    return now >= WALL_SANE_S ? now : 0;
}

/* How many connections this memory can hold. */
static uint64_t default_connections(size_t memory_bytes)
{
    uint64_t connections = memory_bytes / 2 / CONNECTION_BYTES;

    if (connections < CONNECTIONS_MIN)
        return CONNECTIONS_MIN;
    return connections < CONNECTIONS_MAX ? connections : CONNECTIONS_MAX;
}

static int set_policy(struct http_server *server)
{
    const char *policy = HTTP_POLICY;

    if (options_text(server->app->options, "http.policy", &policy) < 0)
        return -XEN_EINVAL;
    if (strlen(policy) > HTTP_POLICY_MAX) {
        log_error("http", "http.policy= has more than %u bytes",
                  HTTP_POLICY_MAX);
        return -XEN_EINVAL;
    }
    server->site.policy = *policy ? policy : NULL;
    return 0;
}

static int set_options(struct http_server *server, size_t memory_bytes)
{
    struct options *options = server->app->options;
    uint64_t idle_s = IDLE_S_DEFAULT;
    uint64_t connections = default_connections(memory_bytes);

    server->port = PORT_DEFAULT;
    if (options_number(options, "http.port", 1, UINT16_MAX, &server->port) <
            0 ||
        options_number(options, "http.idle_s", 1, 86400, &idle_s) < 0 ||
        options_number(options, "http.connections", 1, CONNECTIONS_MAX,
                       &connections) < 0)
        return -XEN_EINVAL;
    if (set_policy(server))
        return -XEN_EINVAL;
    server->tcp.server.limits[SERVER_IDLE].wait_ns = idle_s * NS_PER_S;
    server->tcp.server.clients_max = (unsigned)connections;
    return 0;
}

/* Is the log level low enough for a line per request? */
static bool is_debugging(const struct app *app)
{
    const char *level;

    return options_text(app->options, "log", &level) == 1 &&
           !strcmp(level, "debug");
}

static const struct http_page pages[] = {
    {"/status", HTTP_PAGES_STATUS_TYPE, http_pages_status},
    {"/status/live", HTTP_PAGES_STATUS_TYPE, http_pages_status_live},
    {"/metrics", HTTP_PAGES_METRICS_TYPE, http_pages_metrics},
};

static int start(struct http_server *server)
{
    struct app *app = server->app;
    size_t memory_bytes = pages_available(app->pages) * XEN_PAGE_SIZE;

    server->source =
        (struct http_source){app->name, put_numbers, server, &server->history};
    server->site = (struct http_site){
        .files = http_files,
        .nr_files = http_files_nr,
        .tree = server->tree,
        .pages = pages,
        .nr_pages = sizeof(pages) / sizeof(pages[0]),
        .pages_arg = &server->source,
        .wall_s = wall_s,
        .access = is_debugging(app) ? http_tcp_log : NULL,
        .buffers_max = memory_bytes / 8,
    };
    server->tcp.site = &server->site;
    server->tcp.server.loop = app->loop;
    /* Embedded files are sent in place, others are copied. */
    server->tcp.server.in_flight_max =
        server->tree ? memory_use().limit / 2 : memory_bytes;
    if (set_options(server, memory_bytes))
        return -XEN_EINVAL;
    return http_tcp_start(&server->tcp, (uint16_t)server->port);
}

/* Reset the clients: otherwise they would wait for a guest that is gone. The
 * resets are sent in one more turn of the loop. */
static void stop(struct http_server *server)
{
    bool has_clients = server->tcp.server.stats.open > 0;

    timer_stop(server->app->loop, &server->sampling);
    server_stop(&server->tcp.server);
    if (has_clients)
        loop_turn(server->app->loop);
}

static void tell(const struct http_server *server)
{
    if (server->tree)
        log_info("http", "serving on port %u, up to %u connections",
                 (unsigned)server->port, server->tcp.server.clients_max);
    else
        log_info("http", "serving %u files on port %u, up to %u connections",
                 http_files_nr, (unsigned)server->port,
                 server->tcp.server.clients_max);
}

int http_server_run(struct http_server *server, struct app *app)
{
    int error;

    server->app = app;
    error = net_start(app);
    if (!error)
        error = start(server);
    if (error) {
        log_error("http", "cannot start: error %d", error);
        return 1;
    }
    tell(server);
    net_listen(on_addresses, server);
    on_addresses(server);
    on_sampling(&server->sampling);
    if (!net_is_up())
        log_info("http", "no address yet: waiting for one");
    app_run(app);
    stop(server);
    return 0;
}
