/* SPDX-License-Identifier: MIT */
/*
 * Two views of one list of numbers.
 *
 * The numbers are collected first, so that those which belong together can be
 * shown together in whatever order they came: rows of a section on the status
 * page, samples of a metric in /metrics, where the format demands it
 * (Prometheus, text format 0.0.4). Each group is printed when its first member
 * is reached, and its members are marked as shown. This is quadratic, for some
 * 150 numbers.
 */
#include "http/http_pages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LIST_FIRST 128 /* numbers of two vifs; then doubled */
#define LIST_MAX   1024

struct list {
    struct entry {
        struct http_number number;
        bool shown;
    } * entries;
    unsigned nr, size;
    bool failed;
};

static bool list_grow(struct list *list)
{
    unsigned size = list->size ? 2 * list->size : LIST_FIRST;
    void *entries;

    if (size > LIST_MAX)
        return false;
    entries = realloc(list->entries, size * sizeof(list->entries[0]));
    if (!entries)
        return false;
    list->entries = entries;
    list->size = size;
    return true;
}

static void list_add(void *arg, const struct http_number *number)
{
    struct list *list = arg;

    if (list->nr == list->size && !list_grow(list)) {
        list->failed = true;
        return;
    }
    list->entries[list->nr++] = (struct entry){.number = *number};
}

static bool list_take(struct list *list, const struct http_source *source)
{
    *list = (struct list){0};
    source->numbers(source->arg, list_add, list);
    return !list->failed;
}

/* How the first word of a name is displayed; NULL: unchanged. */
static const char *read_word(const char *name, size_t *bytes)
{
    static const struct {
        char name[9], text[14];
    } words[] = {
        {"rx_pages", "receive pages"}, {"rx", "received"}, {"tx", "sent"}};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        *bytes = strlen(words[i].name);
        if (!strncmp(name, words[i].name, *bytes) &&
            (name[*bytes] == '_' || name[*bytes] == '\0'))
            return words[i].text;
    }
    return NULL;
}

/* A name as words: "rx_frames" as "Received frames". */
static void add_words(struct http_text *text, const char *name)
{
    size_t bytes, start = text->used;

    while (*name) {
        const char *word = read_word(name, &bytes);

        if (word)
            http_text_add(text, word);
        else
            http_text_add_bytes(text, name, bytes = strcspn(name, "_"));
        name += bytes;
        if (*name == '_') {
            http_text_add(text, " ");
            name++;
        }
    }
    if (start < text->used)
        text->bytes[start] = (char)toupper((unsigned char)text->bytes[start]);
}

/* ---- /metrics */

/* Part of the name of a metric or a label. */
static void add_name(struct http_text *text, const char *name)
{
    for (; *name; name++) {
        bool is_alpha = (*name | 0x20) >= 'a' && (*name | 0x20) <= 'z';
        bool is_digit = *name >= '0' && *name <= '9';

        http_text_add_char(text, is_alpha || is_digit ? *name : '_');
    }
}

/* Free text: backslash and newline are escaped, in a label also the quote. */
static void add_escaped(struct http_text *text, const char *string,
                        bool is_quoted)
{
    for (; *string; string++) {
        bool is_special =
            *string == '\\' || *string == '\n' || (*string == '"' && is_quoted);

        if (is_special)
            http_text_add_char(text, '\\');
        http_text_add_char(text, *string == '\n' ? 'n' : *string);
    }
}

static void add_metric_name(struct http_text *text,
                            const struct http_number *number)
{
    http_text_add(text, "xenolith_");
    add_name(text, number->group);
    http_text_add(text, "_");
    add_name(text, number->name);
    if (number->is_counter)
        http_text_add(text, "_total");
}

static void add_metric_head(struct http_text *text,
                            const struct http_number *number)
{
    http_text_add(text, "# HELP ");
    add_metric_name(text, number);
    http_text_add(text, " ");
    if (number->title)
        add_escaped(text, number->title, false);
    else
        add_words(text, number->name);
    http_text_add(text, ".\n# TYPE ");
    add_metric_name(text, number);
    http_text_add(text, number->is_counter ? " counter\n" : " gauge\n");
}

static void add_seconds(struct http_text *text, uint64_t ns)
{
    http_text_add_number(text, ns / 1000000000, 1);
    http_text_add(text, ".");
    http_text_add_number(text, ns % 1000000000, 9);
}

static void add_sample(struct http_text *text, const struct http_number *number)
{
    add_metric_name(text, number);
    if (number->label) {
        http_text_add(text, "{");
        add_name(text, number->label);
        http_text_add(text, "=\"");
        add_escaped(text, number->label_value, true);
        http_text_add(text, "\"}");
    }
    http_text_add(text, " ");
    if (number->unit == HTTP_NS)
        add_seconds(text, number->value);
    else
        http_text_add_number(text, number->value, 1);
    http_text_add(text, "\n");
}

static bool is_same_metric(const struct http_number *a,
                           const struct http_number *b)
{
    return !strcmp(a->name, b->name) && !strcmp(a->group, b->group);
}

static void add_metric(struct http_text *text, struct list *list,
                       unsigned first)
{
    const struct http_number *number = &list->entries[first].number;
    unsigned i;

    add_metric_head(text, number);
    for (i = first; i < list->nr; i++) {
        struct entry *entry = &list->entries[i];

        if (!entry->shown && is_same_metric(&entry->number, number)) {
            add_sample(text, &entry->number);
            entry->shown = true;
        }
    }
}

void http_pages_metrics(struct http_text *text, void *source)
{
    struct list list;
    unsigned i;

    text->failed |= !list_take(&list, source);
    for (i = 0; i < list.nr; i++)
        if (!list.entries[i].shown)
            add_metric(text, &list, i);
    free(list.entries);
}

/* ---- /status */

static const char status_head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"icon\" href=\"/favicon.svg\">\n";

static const char status_style[] =
    "<style>\n"
    ":root{--bg:#f6f4f1;--card:#fff;--ink:#221f1c;--dim:#6b645c;"
    "--line:#e6e1da;--mark:#a3410f}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#161412;--card:#201d1a;"
    "--ink:#efeae3;--dim:#a39a8f;--line:#35302b;--mark:#f0965a}}\n"
    "body{margin:0 auto;max-width:70rem;padding:2rem 1.25rem;"
    "background:var(--bg);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{margin:0;font-size:1.75rem}p{margin:.25rem 0 1.5rem;"
    "color:var(--dim)}a{color:var(--mark)}\n"
    "main{columns:20rem;column-gap:1rem}\n"
    "section{break-inside:avoid;margin:0 0 1rem;padding:.9rem 1.1rem;"
    "background:var(--card);border:1px solid var(--line);"
    "border-radius:12px}\n"
    "h2{margin:0 0 .4rem;font-size:1rem}\n"
    "table{width:100%;border-collapse:collapse;font-size:.9rem}\n"
    "th{padding:.2rem 0;text-align:left;font-weight:400;"
    "color:var(--dim)}\n"
    "td{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}\n"
    "tr+tr>*{border-top:1px solid var(--line)}\n"
    "svg{width:100%;height:3rem;fill:none;stroke:var(--mark)}"
    "polyline{stroke-width:2;vector-effect:non-scaling-stroke}\n"
    "</style>\n";

/* 1234567 as 1,234,567. */
static void add_count(struct http_text *text, uint64_t count)
{
    uint64_t unit = 1;

    while (count / unit >= 1000)
        unit *= 1000;
    http_text_add_number(text, count / unit, 1);
    while (unit > 1) {
        count %= unit;
        unit /= 1000;
        http_text_add(text, ",");
        http_text_add_number(text, count / unit, 3);
    }
}

/* With one digit after the point: 1.5 MiB. */
static void add_bytes(struct http_text *text, uint64_t bytes)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB"};
    uint64_t tenths = bytes * 10 / 1024;
    unsigned unit = 0;

    if (bytes < 1024) {
        http_text_add_number(text, bytes, 1);
        http_text_add(text, " bytes");
        return;
    }
    while (tenths >= 10240 && unit < 3) {
        tenths /= 1024;
        unit++;
    }
    http_text_add_number(text, tenths / 10, 1);
    http_text_add(text, ".");
    http_text_add_number(text, tenths % 10, 1);
    http_text_add(text, units[unit]);
}

static void add_two(struct http_text *text, uint64_t large,
                    const char *large_unit, uint64_t small,
                    const char *small_unit)
{
    http_text_add_number(text, large, 1);
    http_text_add(text, large_unit);
    http_text_add_number(text, small, 1);
    http_text_add(text, small_unit);
}

/* The two largest units that matter: "3 h 12 min", "12 min 5 s", "0.412 s". */
static void add_duration(struct http_text *text, uint64_t ns)
{
    uint64_t ms = ns / 1000000, s = ms / 1000;

    if (s < 60) {
        http_text_add_number(text, s, 1);
        http_text_add(text, ".");
        http_text_add_number(text, ms % 1000, 3);
        http_text_add(text, " s");
    } else if (s < 3600) {
        add_two(text, s / 60, " min ", s % 60, " s");
    } else if (s < 86400) {
        add_two(text, s / 3600, " h ", s / 60 % 60, " min");
    } else {
        add_two(text, s / 86400, " d ", s / 3600 % 24, " h");
    }
}

static void add_row(struct http_text *text, const struct http_number *number)
{
    static void (*const add_value[])(struct http_text *, uint64_t) = {
        [HTTP_COUNT] = add_count,
        [HTTP_BYTES] = add_bytes,
        [HTTP_NS] = add_duration,
    };

    http_text_add(text, "<tr><th scope=\"row\">");
    if (number->row || number->title)
        http_text_add_html(text, number->row ? number->row : number->title);
    else
        add_words(text, number->name);
    http_text_add(text, "<td>");
    add_value[number->unit](text, number->value);
    http_text_add(text, "\n");
}

static void add_section(struct http_text *text, struct list *list,
                        unsigned first)
{
    const char *section = list->entries[first].number.section;
    unsigned i;

    http_text_add(text, "<section>\n<h2>");
    http_text_add_html(text, section);
    http_text_add(text, "</h2>\n<table>\n");
    for (i = first; i < list->nr; i++) {
        struct entry *entry = &list->entries[i];

        if (!entry->shown && !strcmp(entry->number.section, section)) {
            add_row(text, &entry->number);
            entry->shown = true;
        }
    }
    http_text_add(text, "</table>\n</section>\n");
}

/* ---- The last minutes */

void http_history_add(struct http_history *history,
                      const uint64_t now[HTTP_LINES])
{
    for (unsigned i = 0; i < HTTP_LINES; i++) {
        uint64_t *line = history->samples[i];

        memmove(line, line + 1, (HTTP_SAMPLES - 1) * sizeof(*line));
        line[HTTP_SAMPLES - 1] = now[i] - history->last[i];
        if (i != HTTP_LINE_MEMORY)
            history->last[i] = now[i];
    }
}

/* The largest sample, or 1, reaches the top. */
static void add_line(struct http_text *text, const char *title,
                     void (*add)(struct http_text *text, uint64_t value),
                     const uint64_t *line)
{
    uint64_t most = 1;

    for (unsigned i = 0; i < HTTP_SAMPLES; i++)
        most = line[i] > most ? line[i] : most;
    http_text_add(text, "<table><tr><th>", title, "<td>");
    add(text, line[HTTP_SAMPLES - 1]);
    http_text_add(text, ", most ");
    add(text, most);
    http_text_add(text, "</table><svg viewBox=\"0 -2 29 104\""
                        " preserveAspectRatio=\"none\"><polyline points=\"");
    for (unsigned i = 0; i < HTTP_SAMPLES; i++) {
        http_text_add_number(text, i, 1);
        http_text_add(text, ",");
        http_text_add_number(text, 100 - line[i] * 100 / most, 1);
        http_text_add(text, " ");
    }
    http_text_add(text, "\"/></svg>\n");
}

static void add_history(struct http_text *text,
                        const uint64_t samples[HTTP_LINES][HTTP_SAMPLES])
{
    http_text_add(text, "<section>\n<h2>The last 5 minutes</h2>\n");
    add_line(text, "Requests in 10 s", add_count, samples[HTTP_LINE_REQUESTS]);
    add_line(text, "Sent in 10 s", add_bytes, samples[HTTP_LINE_BYTES]);
    add_line(text, "Memory in use", add_bytes, samples[HTTP_LINE_MEMORY]);
    http_text_add(text, "</section>\n");
}

static void add_status(struct http_text *text, const struct http_source *source,
                       bool is_live)
{
    struct list list;
    unsigned i;

    text->failed |= !list_take(&list, source);
    http_text_add(text, status_head);
    if (is_live)
        http_text_add(text, "<meta http-equiv=\"refresh\" content=\"2\">\n");
    http_text_add(text, "<title>Status of ");
    http_text_add_html(text, source->name);
    http_text_add(text, "</title>\n", status_style, "<header>\n<h1>Status of ");
    http_text_add_html(text, source->name);
    http_text_add(text, "</h1>\n<p><a href=\"/\">Home</a> · ",
                  is_live ? "<a href=\"/status\">Stop refreshing</a>"
                          : "<a href=\"/status/live\">Refresh by itself</a>",
                  " · <a href=\"/metrics\">Metrics</a></p>\n"
                  "</header>\n<main>\n");
    if (source->history)
        add_history(text, source->history->samples);
    for (i = 0; i < list.nr; i++)
        if (!list.entries[i].shown)
            add_section(text, &list, i);
    http_text_add(text, "</main>\n</html>\n");
    free(list.entries);
}

void http_pages_status(struct http_text *text, void *source)
{
    add_status(text, source, false);
}

void http_pages_status_live(struct http_text *text, void *source)
{
    add_status(text, source, true);
}
