/* SPDX-License-Identifier: MIT */
/*
 * A UDP service, port 7777: each datagram is answered with the number of bytes
 * that all of them had so far. One buffer for each answer, and none is kept.
 */
#include <kernel/app.h>
#include <net/net.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <lwip/udp.h>

#define PORT 7777

static uint64_t total;

static void answer(struct udp_pcb *pcb, const ip_addr_t *to, u16_t port)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRIu64 "\n", total);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);

    if (!p)
        return; /* no memory: a datagram may always be lost */
    pbuf_take(p, text, (u16_t)len);
    udp_sendto(pcb, p, to, port);
    pbuf_free(p);
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                        const ip_addr_t *from, u16_t port)
{
    (void)arg;
    total += p->tot_len;
    pbuf_free(p);
    answer(pcb, from, port);
}

static int serve(void)
{
    struct udp_pcb *pcb = udp_new_ip_type(IPADDR_TYPE_ANY);

    if (!pcb || udp_bind(pcb, IP_ANY_TYPE, PORT) != ERR_OK)
        return -1;
    udp_recv(pcb, on_datagram, NULL);
    return 0;
}

int app_main(struct app *app)
{
    if (net_start(app) || serve()) {
        log_error("udp", "cannot serve port %d", PORT);
        return EXIT_FAILURE;
    }
    log_info("udp", "serving on UDP port %d", PORT);
    return app_run(app);
}
