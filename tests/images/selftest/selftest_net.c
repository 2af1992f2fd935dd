/* SPDX-License-Identifier: MIT */
/*
 * TCP/IP without memory, and the DNS client, with a real server:
 *
 *     dns=NAME     what to look up
 *     dns.ip=IP    the expected address; "none": no such name
 */
#include "tests/images/selftest/selftest.h"
#include "net/net.h"

#include <stdio.h>
#include <string.h>

#include "lwip/dns.h"

static bool is_up, answered;
static char answer[IPADDR_STRLEN_MAX];

static void on_addresses(void *arg)
{
    (void)arg;
    is_up = net_is_up();
}

static void on_answer(const char *name, const ip_addr_t *address, void *arg)
{
    (void)name;
    (void)arg;
    if (address)
        ipaddr_ntoa_r(address, answer, sizeof(answer));
    else
        strcpy(answer, "none");
    answered = true;
}

static const char *check_dns(struct app *app)
{
    const char *name, *expected;
    ip_addr_t address;

    must(options_text(app->options, "dns", &name) == 1);
    must(options_text(app->options, "dns.ip", &expected) == 1);
    must(!net_start(app));
    net_listen(on_addresses, NULL);
    must(selftest_wait(app, &is_up));
    must(dns_gethostbyname(name, &address, on_answer, NULL) == ERR_INPROGRESS);
    must(selftest_wait(app, &answered));
    printf("# %s is %s\n", name, answer);
    must(!strcmp(answer, expected));
    return NULL;
}

/* With almost no memory, the stack logs what it needs and does not start. */
static const char *check_short_memory(struct app *app)
{
    while (pages_available(app->pages) > 16)
        must(page_alloc(app->pages, 1));
    must(net_start(app) < 0);
    return NULL;
}

const struct selftest_check selftest_net[] = {
    {"dns", check_dns, true},
    {"net-short-memory", check_short_memory, true},
    {NULL, NULL, false},
};
