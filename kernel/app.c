/* SPDX-License-Identifier: MIT */
/*
 * The functions an app calls to run and to end. init/main.c makes the struct
 * app and calls app_main.
 */
#include "kernel/app.h"

#include "xen/hv.h"

int app_run(struct app *app)
{
    options_report_unknown(app->options);
    if (!app->stop)
        loop_run(app->loop);
    return 0;
}

void app_stop(struct app *app)
{
    app->stop = true;
    loop_stop(app->loop);
}

uint64_t app_now_ns(void)
{
    return hv_now_ns();
}

uint64_t app_wall_ns(const struct app *app)
{
    return hv_wall_base_ns() + loop_now(app->loop);
}

uint64_t app_uptime_ns(const struct app *app)
{
    return hv_now_ns() - app->started_ns;
}

uint64_t app_cpu_ns(const struct app *app)
{
    (void)app;
    return hv_cpu_ns();
}
