/* SPDX-License-Identifier: MIT */
/*
 * The generated pages: /status for people, /metrics for Prometheus. Both show
 * the same numbers, which the app provides one by one, so an added number shows
 * up in both.
 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include "http/http_text.h"

#include <stdint.h>

enum http_unit {
    HTTP_COUNT,
    HTTP_BYTES,
    HTTP_NS /* shown in seconds, whose metric name ends in "_seconds" */
};

/* The texts must stay until the page is written. They may contain anything; in
 * group, name and label, which make up a metric's name, anything but letters,
 * digits and '_' becomes '_'. */
struct http_number {
    const char *section; /* heading on the status page: "Memory", "vif0" */
    const char *title;   /* "In use"; also the metric's HELP. NULL: the name,
                          * with '_' as blanks */
    const char *row;     /* on the status page instead of the title, or NULL */
    const char *group;   /* metric: xenolith_GROUP_NAME, "_total" added to a */
    const char *name;    /* counter; equal ones differ by their label */
    const char *label, *label_value; /* "code", "200"; NULL: no label */
    enum http_unit unit;
    bool is_counter; /* only ever grows; otherwise a gauge */
    uint64_t value;
};

typedef void http_number_fn(void *arg, const struct http_number *number);

/* What the status page draws of the last minutes: a sample every 10 s, either
 * the increase since the last one or the current value. */
enum http_line {
    HTTP_LINE_REQUESTS,
    HTTP_LINE_BYTES,
    HTTP_LINE_MEMORY,
    HTTP_LINES
};
#define HTTP_SAMPLES   30 /* 5 minutes, 240 bytes a line */
#define HTTP_SAMPLE_NS UINT64_C(10000000000)
struct http_history {
    uint64_t samples[HTTP_LINES][HTTP_SAMPLES]; /* the newest is the last */
    uint64_t last[HTTP_LINES];
};
/* Totals of requests and bytes so far, and the memory now. */
void http_history_add(struct http_history *history,
                      const uint64_t now[HTTP_LINES]);

/* Where the numbers come from. */
struct http_source {
    const char *name; /* the guest's, for the title */
    /* Call fn for every number there is; numbers of one section or metric need
     * not come together. */
    void (*numbers)(void *arg, http_number_fn *fn, void *fn_arg);
    void *arg;
    const struct http_history *history; /* NULL: none is drawn */
};

/* For http_page.write, with a struct http_source as its argument. */
void http_pages_status(struct http_text *text, void *source);
/* The same page, refreshing itself. */
void http_pages_status_live(struct http_text *text, void *source);
void http_pages_metrics(struct http_text *text, void *source);
#define HTTP_PAGES_STATUS_TYPE  "text/html; charset=utf-8"
#define HTTP_PAGES_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
