/* SPDX-License-Identifier: MIT */
/*
 * The guest's table of contents: makes every object, each after those that it
 * depends on, and hands it what it needs.
 *
 *   console, log    first, so that everything after can complain
 *   options         the command line
 *   loop, pages     used by all that follow
 *   gnttab, xs      Xen's services for drivers
 *   control         `xl shutdown` and its friends
 *   app             the program itself
 */
#include "console/console.h"
#include "kernel/app.h"
#include "libc/libc.h"
#include "xen/abi.h"
#include "xen/bus/control.h"
#include "xen/bus/gnttab.h"
#include "xen/bus/xs.h"
#include "xen/hv.h"

#include <stdlib.h>
#include <string.h>

/* Longest wait for xenconsoled to read the last lines: it needs milliseconds
 * if it runs at all. */
#define LAST_WORDS_NS NS_PER_S

static struct system {
    struct console console;
    struct options options;
    struct loop loop;
    struct pages pages;
    struct random random;
    struct gnttab gnttab;
    struct xs xs;
    struct control control;
    struct app app;
} sys;

/* Set by the build: the image's name. */
extern const char app_name[];

/* The log's first line; ready-made, since the way to it is as short as it gets.
 */
static const char first_line[] = "Xenolith " XENOLITH_VERSION "\n";

static void write_log(void *arg, const char *line, size_t len)
{
    console_write(arg, line, len);
}

static void last_words(void)
{
    console_drain(&sys.console, hv_now_ns() + LAST_WORDS_NS);
}

/* ---- Command line */

static void set_log_level(struct options *options)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const char *text;

    if (options_text(options, "log", &text) != 1)
        return;
    for (unsigned i = 0; i < array_size(levels); i++) {
        if (strcmp(text, levels[i]) == 0) {
            log_set_level((enum log_level)i);
            return;
        }
    }
    log_warn("main", "log=%s is not one of error, warn, info, debug", text);
}

/* ---- Requests of the toolstack */

static void on_shutdown(struct control *control, unsigned reason)
{
    struct system *system = container_of(control, struct system, control);
    struct app *app = &system->app;

    log_info("main", "the toolstack asks for a %s",
             reason == SHUTDOWN_reboot ? "reboot" : "shutdown");
    app->end = reason == SHUTDOWN_reboot ? APP_REBOOT : APP_POWEROFF;
    if (app->stopping)
        app->stopping(app);
    app_stop(app);
}

static void on_sysrq(struct control *control, char key)
{
    struct system *system = container_of(control, struct system, control);

    if (system->app.sysrq)
        system->app.sysrq(&system->app, key);
    else
        log_info("main", "sysrq '%c': this app does not use it", key);
}

/* ---- From the first line to the last */

static const struct {
    unsigned reason; /* sched.h */
    const char *text;
} ends[] = {
    [APP_POWEROFF] = {SHUTDOWN_poweroff, "powering off"},
    [APP_REBOOT] = {SHUTDOWN_reboot, "rebooting"},
    [APP_CRASH] = {SHUTDOWN_crash, "ending as crashed: on_crash= acts"},
};

/* Where exit() ends, however it was reached. */
static void finish(int status)
{
    enum app_end end = sys.app.end;

    if (status)
        log_error("main", "%s failed with status %d", app_name, status);
    log_info("main", "%s", ends[end].text);
    last_words();
    hv_shutdown(ends[end].reason);
}

static void start(struct system *system)
{
    system->app.started_ns = hv_now_ns();
    log_set_epoch(system->app.started_ns);
    console_init(&system->console);
    log_set_sink(write_log, &system->console);
    console_write(&system->console, first_line, sizeof(first_line) - 1);
    panic_set_last_words(last_words);

    options_parse(&system->options, hv_info()->cmdline);
    set_log_level(&system->options);

    loop_init(&system->loop);
    pages_init(&system->pages);
    libc_init(&system->pages, &system->console, finish);
    console_start(&system->console, &system->loop);
    random_init(&system->random);
    if (!system->random.seeded)
        log_warn("main", "this CPU has no random numbers: TCP and DNS can be "
                         "guessed by who knows when the guest started");
    gnttab_init(&system->gnttab, &system->loop, &system->pages);
    xs_init(&system->xs, &system->loop);
    control_start(&system->control, &system->xs, on_shutdown, on_sysrq);
}

static int run_app(struct system *system)
{
    system->app = (struct app){
        .name = app_name,
        .loop = &system->loop,
        .options = &system->options,
        .pages = &system->pages,
        .random = &system->random,
        .console = &system->console,
        .gnttab = &system->gnttab,
        .xs = &system->xs,
        .started_ns = system->app.started_ns,
    };
    return app_main(&system->app);
}

_Noreturn void kernel_main(void)
{
    start(&sys);
    exit(run_app(&sys));
}
