/* SPDX-License-Identifier: MIT */
/*
 * The daytime service (RFC 867) over TCP, port 13: who connects is sent the
 * time, and the connection ends. Everything happens in callbacks on the event
 * loop; none waits.
 */
#include <kernel/app.h>
#include <net/net.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lwip/tcp.h>

#define DAYTIME_PORT 13

/* lwIP calls this for each new connection. TCP copies the line, and closing
 * sends it first: nothing is left to keep. */
static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    time_t now = time(NULL);
    const char *line = ctime(&now);

    (void)arg;
    if (err != ERR_OK || !pcb)
        return ERR_VAL;
    if (tcp_write(pcb, line, (u16_t)strlen(line), TCP_WRITE_FLAG_COPY) ==
            ERR_OK &&
        tcp_close(pcb) == ERR_OK)
        return ERR_OK;
    tcp_abort(pcb); /* no memory: the client may try again */
    return ERR_ABRT;
}

static int serve(void)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY), *listener;

    if (!pcb || tcp_bind(pcb, IP_ANY_TYPE, DAYTIME_PORT) != ERR_OK)
        return -1;
    listener = tcp_listen(pcb);
    if (!listener)
        return -1;
    tcp_accept(listener, on_accept);
    return 0;
}

int app_main(struct app *app)
{
    if (net_start(app) || serve()) {
        log_error("daytime", "cannot serve port %d", DAYTIME_PORT);
        return EXIT_FAILURE;
    }
    log_info("daytime", "serving on TCP port %d", DAYTIME_PORT);
    return app_run(app);
}
