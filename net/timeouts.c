/* SPDX-License-Identifier: MIT */
/*
 * lwIP expects its protocols' timer functions to be called at fixed intervals,
 * some of them ten times a second for ever. That would be most of an idle
 * guest's work; so here only the one-second tick always runs, and the others
 * rest until they are needed:
 *
 *   every second   ARP, ND, reassembly, DNS, and net.c's own work
 *   100 ms         MLD, while a report is due
 *   250 ms         TCP, while there is a connection (tcp_timer_needed)
 *
 * MLD is started only by the tick or by events that call timeouts_kick(). DHCP
 * has timers of its own: lease.c. Each interval counts from when the timer
 * should have run, not from when it did, unless it is a whole interval late.
 * When the tick is a whole second late, the guest was paused: an alarm, which
 * comes before any input, then ages everything by the time that was missed
 * (aging.c).
 */
#include "net/timeouts.h"

#include <assert.h>

#include "kernel/loop.h"
#include "net/aging.h"

#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/mem.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

/* All of these use the same tick. */
#define TICK_MS 1000
static_assert(ARP_TMR_INTERVAL == TICK_MS, "ARP's timer");
static_assert(IP_TMR_INTERVAL == TICK_MS, "IPv4 reassembly's timer");
static_assert(IP6_REASS_TMR_INTERVAL == TICK_MS, "IPv6 reassembly's timer");
static_assert(ND6_TMR_INTERVAL == TICK_MS, "ND's timer");
static_assert(DNS_TMR_INTERVAL == TICK_MS, "DNS's timer");

/* Longer than a datagram waits for its fragments. */
#define REASSEMBLY_MAX_S 16
static_assert(IP_REASS_MAXAGE < REASSEMBLY_MAX_S, "IPv4 reassembly's end");
static_assert(IPV6_REASS_MAXAGE < REASSEMBLY_MAX_S, "IPv6 reassembly's end");

/* A protocol's timer that rests while it is not needed. */
struct ticker {
    struct timer timer;
    bool (*needed)(void);
    void (*tick)(void);
    uint64_t interval_ns, due_ns;
};

/* A one-shot timer, set through lwIP's interface. */
struct one_shot {
    struct timer timer;
    sys_timeout_handler handler;
    void *arg;
    struct one_shot *next;
};

static struct timeouts {
    struct loop *loop;
    void (*second)(void);
    struct one_shot *one_shots;
    struct timer stall; /* an alarm that never comes while the tick does */
    uint32_t missed; /* missed seconds that the next tick counts for as well */
} timeouts;

/* ---- The tickers */

static bool always(void)
{
    return true;
}

/* Missing fragments may be in the ring, so missed seconds count only here. */
static void reassembly(void)
{
    uint32_t seconds = 1 + timeouts.missed;

    timeouts.missed = 0;
    if (seconds > REASSEMBLY_MAX_S)
        seconds = REASSEMBLY_MAX_S;
    for (; seconds > 0; seconds--) {
        ip_reass_tmr();
        ip6_reass_tmr();
    }
}

static void stalled(struct timer *alarm);

static void every_second(void)
{
    reassembly();
    etharp_tmr();
    dns_tmr();
    nd6_tmr();
    timeouts_kick();
    timeouts.second();
    alarm_start(timeouts.loop, &timeouts.stall,
                loop_now(timeouts.loop) + 2 * TICK_MS * NS_PER_MS, stalled);
}

static bool mld_has_reports(void)
{
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        const struct mld_group *group = netif_mld6_data(netif);

        for (; group; group = group->next) {
            if (group->timer)
                return true;
        }
    }
    return false;
}

static bool tcp_has_connections(void)
{
    return tcp_active_pcbs || tcp_tw_pcbs;
}

static void ticker_fire(struct timer *timer);

static void ticker_consider(struct ticker *ticker)
{
    if (ticker->timer.active || !ticker->needed())
        return;
    ticker->due_ns = loop_now(timeouts.loop) + ticker->interval_ns;
    timer_start(timeouts.loop, &ticker->timer, ticker->due_ns, ticker_fire);
}

static void ticker_fire(struct timer *timer)
{
    struct ticker *ticker = container_of(timer, struct ticker, timer);
    uint64_t now = loop_now(timeouts.loop);
    uint64_t due_ns = ticker->due_ns + ticker->interval_ns;

    ticker->tick(); /* may itself consider this ticker, and start it */
    if (!ticker->needed())
        return;
    ticker->due_ns = due_ns > now ? due_ns : now + ticker->interval_ns;
    timer_start(timeouts.loop, timer, ticker->due_ns, ticker_fire);
}

static struct ticker second = {
    .needed = always,
    .tick = every_second,
    .interval_ns = TICK_MS * NS_PER_MS,
};
static struct ticker mld = {
    .needed = mld_has_reports,
    .tick = mld6_tmr,
    .interval_ns = MLD6_TMR_INTERVAL * NS_PER_MS,
};
static struct ticker tcp = {
    .needed = tcp_has_connections,
    .tick = tcp_tmr,
    .interval_ns = TCP_TMR_INTERVAL * NS_PER_MS,
};

static void stalled(struct timer *alarm)
{
    uint64_t seconds = (loop_now(timeouts.loop) - second.due_ns) / NS_PER_S;

    (void)alarm;
    timeouts.missed = seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX - 1;
    aging_pass(timeouts.missed);
}

void timeouts_kick(void)
{
    ticker_consider(&mld);
}

void timeouts_link_up(void)
{
    second.due_ns = loop_now(timeouts.loop);
    timer_start(timeouts.loop, &second.timer, second.due_ns, ticker_fire);
    timeouts_kick();
}

void timeouts_init(struct loop *loop, void (*fn)(void))
{
    timeouts.loop = loop;
    timeouts.second = fn;
}

/* ---- What lwIP calls (lwip/sys.h, lwip/timeouts.h) */

u32_t sys_now(void)
{
    return (u32_t)(loop_now(timeouts.loop) / NS_PER_MS);
}

void sys_timeouts_init(void)
{
    ticker_consider(&second);
}

void tcp_timer_needed(void)
{
    ticker_consider(&tcp);
}

static void unlink_one_shot(struct one_shot *shot)
{
    struct one_shot **link = &timeouts.one_shots;

    while (*link != shot)
        link = &(*link)->next;
    *link = shot->next;
}

static void one_shot_fire(struct timer *timer)
{
    struct one_shot *shot = container_of(timer, struct one_shot, timer);
    sys_timeout_handler handler = shot->handler;
    void *arg = shot->arg;

    unlink_one_shot(shot);
    mem_free(shot);
    handler(arg);
}

/* lwIP's interface cannot report failure: without memory the handler is never
 * called, and mem_malloc's counter shows it. */
void sys_timeout(u32_t msecs, sys_timeout_handler handler, void *arg)
{
    struct one_shot *shot = mem_calloc(1, sizeof(*shot));

    if (!shot)
        return;
    shot->handler = handler;
    shot->arg = arg;
    shot->next = timeouts.one_shots;
    timeouts.one_shots = shot;
    timer_start(timeouts.loop, &shot->timer,
                loop_now(timeouts.loop) + msecs * NS_PER_MS, one_shot_fire);
}

void sys_untimeout(sys_timeout_handler handler, void *arg)
{
    struct one_shot *shot = timeouts.one_shots;

    while (shot && (shot->handler != handler || shot->arg != arg))
        shot = shot->next;
    if (!shot)
        return;
    timer_stop(timeouts.loop, &shot->timer);
    unlink_one_shot(shot);
    mem_free(shot);
}
