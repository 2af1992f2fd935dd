/* SPDX-License-Identifier: MIT */
/*
 * The contract of an app. One C file (or folder) under apps/ is one image.
 *
 * An app provides one function, app_main. It runs on the guest's only thread,
 * is handed everything the guest has, sets up what it serves, and calls
 * app_run, which runs the event loop until the guest is told to stop:
 *
 *     #include "kernel/app.h"
 *     #include <stdio.h>
 *
 *     int app_main(struct app *app)
 *     {
 *         printf("Hello, %s.\n", app->name);
 *         return app_run(app);
 *     }
 *
 * When app_main returns, the guest ends: 0 powers it off; anything else is
 * logged as a failure and powers it off too; after `xl reboot` it reboots.
 * Only what an app uses is linked: one that never calls net_start has no
 * TCP/IP in its image.
 *
 * An app may use: the C library (newlib: stdio to the console, strings,
 * malloc, time), kernel/loop.h for events, timers and tasks, kernel/log.h,
 * kernel/options.h for the app's own options, net/net.h and lwIP's raw API.
 * Never block: there is one thread, and a callback that does not return stops
 * everything. docs/app.md is the guide.
 */
#ifndef KERNEL_APP_H
#define KERNEL_APP_H

#include "kernel/log.h"
#include "kernel/loop.h"
#include "kernel/options.h"
#include "kernel/page.h"
#include "kernel/random.h"

struct console;
struct gnttab;
struct xs;

/* Why the guest ends, as the toolstack is told. It then acts on on_poweroff=,
 * on_reboot= or on_crash= of the domain's config. */
enum app_end { APP_POWEROFF, APP_REBOOT, APP_CRASH };

struct app {
    const char *name; /* the image's: "hello" */
    struct loop *loop;
    struct options *options;
    struct pages *pages;
    struct random *random;
    struct console *console; /* console/console.h: typed input */
    struct gnttab *gnttab;
    struct xs *xs;       /* xen/bus/xs.h: the xenstore */
    uint64_t started_ns; /* when the guest started, on hv_now_ns()'s clock */
    /* May be set by the app: called on the loop when the toolstack asks for a
     * shutdown or reboot, before app_run returns. */
    void (*stopping)(struct app *app);
    /* `xl sysrq DOMAIN KEY`; NULL: logged only. */
    void (*sysrq)(struct app *app, char key);
    enum app_end
        end;   /* APP_POWEROFF, unless the toolstack or the app sets it */
    bool stop; /* app_run should return, or has returned */
};

/* The app's. 0: all went well. */
int app_main(struct app *app);

/* Run the loop until app_stop or the toolstack ends it. Returns 0. Reports
 * unknown options once, before the first turn. */
int app_run(struct app *app);

/* Make app_run return after this turn. */
void app_stop(struct app *app);

/* The time now, on the loop's clock (loop_now() is the time when this turn's
 * callbacks began). */
uint64_t app_now_ns(void);

/* Nanoseconds since 1970 UTC when this turn's callbacks began. */
uint64_t app_wall_ns(const struct app *app);

/* How long the guest has been up, nanoseconds. */
uint64_t app_uptime_ns(const struct app *app);

/* CPU time that the guest has used since it was created, in nanoseconds, as
 * counted by the host. */
uint64_t app_cpu_ns(const struct app *app);

#endif
