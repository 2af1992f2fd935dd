/* SPDX-License-Identifier: MIT */
/* /metrics against a strict reader of Prometheus' text format 0.0.4, and
 * /status against hostile texts. */
// sources: http/http_pages.c http/http_text.c

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/http_pages.h"

/* ---- Sources of numbers */

static const struct http_number *numbers;
static unsigned nr_numbers;

static void tell(void *arg, http_number_fn *fn, void *fn_arg)
{
    assert_ptr_equal(arg, &numbers);
    for (unsigned i = 0; i < nr_numbers; i++)
        fn(fn_arg, &numbers[i]);
}

static struct http_source source = {"guest", tell, &numbers, NULL};

typedef void page_fn(struct http_text *text, void *source);

/* The page of these numbers, as a string to be freed. */
static char *page(page_fn *write, const struct http_number *list, unsigned nr)
{
    struct http_text text;
    char *string;

    numbers = list;
    nr_numbers = nr;
    http_text_growing(&text, 65536);
    write(&text, &source);
    assert_false(text.failed);
    string = calloc(1, text.used + 1);
    memcpy(string, text.bytes, text.used);
    assert_int_equal(strlen(string), text.used);
    http_text_free(&text);
    return string;
}

static const struct http_number usual[] = {
    {.section = "Guest",
     .title = "Time since the guest started",
     .group = "guest",
     .name = "uptime_seconds",
     .unit = HTTP_NS,
     .value = UINT64_C(11530000000012)},
    {.section = "Answers",
     .title = "Requests",
     .row = "OK",
     .group = "http",
     .name = "requests",
     .label = "code",
     .label_value = "200",
     .is_counter = true,
     .value = 1234567},
    {.section = "vif0",
     .group = "vif",
     .name = "rx_frames",
     .label = "vif",
     .label_value = "0",
     .is_counter = true,
     .value = UINT64_MAX},
    {.section = "Answers",
     .title = "Requests",
     .row = "Not Found",
     .group = "http",
     .name = "requests",
     .label = "code",
     .label_value = "404",
     .is_counter = true},
    {.section = "vif1",
     .group = "vif",
     .name = "rx_frames",
     .label = "vif",
     .label_value = "1",
     .is_counter = true,
     .value = 7},
    {.section = "Memory",
     .title = "In use",
     .group = "memory",
     .name = "used_bytes",
     .unit = HTTP_BYTES,
     .value = 1610612},
};

/* Everything that could end a string, a line, a tag or an attribute. */
#define EVIL "a\"b\\c\nd<script>&'"

static const struct http_number hostile[] = {
    {.section = EVIL,
     .title = EVIL,
     .group = "gr oup\n#",
     .name = "na{me}\xff",
     .label = "la=b\"el",
     .label_value = EVIL,
     .value = 1},
    {.section = EVIL, .group = "", .name = "", .row = EVIL, .value = 2},
};

/* ---- The format, line by line (exposition_formats.md of Prometheus) */

struct metrics {
    char names[64][64]; /* metrics whose samples have begun */
    unsigned nr;
    char help[64], type[64], kind[16]; /* of the comments before a sample */
    unsigned nr_samples;
};

static size_t name_span(const char *at, bool is_label)
{
    size_t n = 0;

    if (isdigit((unsigned char)at[0]))
        return 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_' ||
           (at[n] == ':' && !is_label))
        n++;
    return n;
}

/* Copy the name at *at and step over it and one blank. */
static void read_name(const char **at, char *name)
{
    size_t n = name_span(*at, false);

    assert_in_range(n, 1, 63);
    memcpy(name, *at, n);
    name[n] = '\0';
    assert_int_equal((*at)[n], ' ');
    *at += n + 1;
}

static bool has_begun(const struct metrics *metrics, const char *name)
{
    for (unsigned i = 0; i < metrics->nr; i++)
        if (!strcmp(metrics->names[i], name))
            return true;
    return false;
}

static void read_comment(struct metrics *metrics, const char *line)
{
    bool is_help = !strncmp(line, "# HELP ", 7);
    const char *at = line + 7;

    assert_true(is_help || !strncmp(line, "# TYPE ", 7));
    read_name(&at, is_help ? metrics->help : metrics->type);
    assert_false(has_begun(metrics, is_help ? metrics->help : metrics->type));
    if (!is_help) {
        assert_true(!strcmp(at, "counter") || !strcmp(at, "gauge"));
        strcpy(metrics->kind, at);
        return;
    }
    for (; *at; at++)
        if (*at == '\\')
            assert_true(*++at == '\\' || *at == 'n');
}

/* Step over {name="value"}. */
static const char *read_label(const char *at)
{
    size_t n = name_span(++at, true);

    assert_in_range(n, 1, 63);
    at += n;
    assert_memory_equal(at, "=\"", 2);
    for (at += 2; *at != '"'; at++) {
        assert_true(*at);
        if (*at == '\\')
            assert_true(*++at == '\\' || *at == 'n' || *at == '"');
    }
    assert_memory_equal(at, "\"}", 2);
    return at + 2;
}

/* A sample belongs to the comments right before its metric. */
static void read_sample(struct metrics *metrics, const char *line)
{
    size_t n = name_span(line, false), len;
    char name[64] = "";
    char *end;

    assert_in_range(n, 1, 63);
    memcpy(name, line, n);
    line += n;
    assert_string_equal(name, metrics->help);
    assert_string_equal(name, metrics->type);
    if (!has_begun(metrics, name))
        strcpy(metrics->names[metrics->nr++], name);
    assert_string_equal(metrics->names[metrics->nr - 1], name);
    len = strlen(name);
    assert_int_equal(len > 6 && !strcmp(name + len - 6, "_total"),
                     !strcmp(metrics->kind, "counter"));
    if (*line == '{')
        line = read_label(line);
    assert_int_equal(*line, ' ');
    strtod(line + 1, &end);
    assert_true(end > line + 1 && *end == '\0');
    metrics->nr_samples++;
}

static struct metrics read_metrics(char *text)
{
    struct metrics metrics = {0};
    char *line, *lf;

    for (line = text; *line; line = lf + 1) {
        lf = strchr(line, '\n');
        assert_non_null(lf); /* the last line ends as well */
        *lf = '\0';
        if (*line == '#')
            read_comment(&metrics, line);
        else
            read_sample(&metrics, line);
    }
    return metrics;
}

/* ---- /metrics */

static void test_metrics(void **state)
{
    static const char expected[] =
        "# HELP xenolith_guest_uptime_seconds Time since the guest started.\n"
        "# TYPE xenolith_guest_uptime_seconds gauge\n"
        "xenolith_guest_uptime_seconds 11530.000000012\n"
        "# HELP xenolith_http_requests_total Requests.\n"
        "# TYPE xenolith_http_requests_total counter\n"
        "xenolith_http_requests_total{code=\"200\"} 1234567\n"
        "xenolith_http_requests_total{code=\"404\"} 0\n"
        "# HELP xenolith_vif_rx_frames_total Received frames.\n"
        "# TYPE xenolith_vif_rx_frames_total counter\n"
        "xenolith_vif_rx_frames_total{vif=\"0\"} 18446744073709551615\n"
        "xenolith_vif_rx_frames_total{vif=\"1\"} 7\n"
        "# HELP xenolith_memory_used_bytes In use.\n"
        "# TYPE xenolith_memory_used_bytes gauge\n"
        "xenolith_memory_used_bytes 1610612\n";
    char *text = page(http_pages_metrics, usual, 6);
    struct metrics metrics;

    (void)state;
    assert_string_equal(text, expected);
    metrics = read_metrics(text);
    assert_int_equal(metrics.nr, 4);
    assert_int_equal(metrics.nr_samples, 6);
    free(text);
}

static void test_metrics_of_hostile_texts(void **state)
{
    char *text = page(http_pages_metrics, hostile, 2);
    struct metrics metrics;

    (void)state;
    assert_non_null(strstr(text, "xenolith_gr_oup___na_me__{la_b_el=\""
                                 "a\\\"b\\\\c\\nd<script>&'\"} 1\n"));
    metrics = read_metrics(text);
    assert_int_equal(metrics.nr_samples, 2);
    free(text);
}

static void test_metrics_of_many_numbers(void **state)
{
    static struct http_number many[600];
    static char names[600][8];
    struct metrics metrics;
    char *text;

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        snprintf(names[i], sizeof(names[i]), "n%u", i % 50);
        many[i] = (struct http_number){.section = "s",
                                       .group = "g",
                                       .name = names[i],
                                       .label = "l",
                                       .label_value = names[i],
                                       .value = i};
    }
    text = page(http_pages_metrics, many, 600);
    metrics = read_metrics(text);
    assert_int_equal(metrics.nr, 50);
    assert_int_equal(metrics.nr_samples, 600);
    free(text);
}

/* ---- /status */

static void assert_shows(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("no \"%s\" in:\n%s", what, text);
}

static void test_status(void **state)
{
    char *text = page(http_pages_status, usual, 6);

    (void)state;
    assert_shows(text, "<title>Status of guest</title>");
    assert_shows(text, "Time since the guest started<td>3 h 12 min\n");
    assert_shows(text, "OK<td>1,234,567\n");
    assert_shows(text, "Not Found<td>0\n");
    assert_shows(text, "Received frames<td>18,446,744,073,709,551,615\n");
    assert_shows(text, "In use<td>1.5 MiB\n");
    assert_null(strstr(text, "http-equiv"));
    free(text);
    text = page(http_pages_status_live, usual, 6);
    assert_shows(text, "http-equiv=\"refresh\"");
    free(text);
}

/* Names of numbers that have no title. */
static void test_status_words(void **state)
{
    static const char *const names[][2] = {
        {"rx_frames", "Received frames"},
        {"tx_bytes", "Sent bytes"},
        {"rx_pages_held", "Receive pages held"},
        {"tcp_rx_segments", "Tcp received segments"},
        {"arx", "Arx"},
        {"rx_pagesx", "Received pagesx"},
        {"rxx", "Rxx"},
        {"a__tx", "A  sent"},
        {"tx", "Sent"},
        {"_", " "},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct http_number number = {
            .section = "s", .group = "g", .name = names[i][0], .value = 5};
        char *text = page(http_pages_status, &number, 1), want[60];

        snprintf(want, sizeof(want), "\"row\">%s<td>5\n", names[i][1]);
        assert_shows(text, want);
        free(text);
    }
}

static unsigned count(const char *text, const char *what)
{
    unsigned nr = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        nr++;
    }
    return nr;
}

/* The last minutes: differences of counters, memory as it is; the ring keeps
 * the last, and the largest is the top. */
static void test_status_lines(void **state)
{
    struct http_history history = {.last = {0}};
    uint64_t now[HTTP_LINES] = {0};
    char *text;

    (void)state;
    source.history = &history;
    now[HTTP_LINE_MEMORY] = 1 << 20;
    http_history_add(&history, now);
    now[HTTP_LINE_REQUESTS] = 4000;
    now[HTTP_LINE_BYTES] = UINT64_C(40) << 30;
    now[HTTP_LINE_MEMORY] = 3 << 19;
    http_history_add(&history, now);
    now[HTTP_LINE_REQUESTS] += 1000;
    now[HTTP_LINE_BYTES] += UINT64_C(10) << 30;
    http_history_add(&history, now);
    text = page(http_pages_status, usual, 6);
    assert_int_equal(count(text, "<svg"), HTTP_LINES);
    assert_shows(text, "Requests in 10 s<td>1,000, most 4,000<");
    assert_shows(text, " 26,100 27,100 28,0 29,75 \"");
    assert_shows(text, "Sent in 10 s<td>10.0 GiB, most 40.0 GiB<");
    assert_shows(text, "Memory in use<td>1.5 MiB, most 1.5 MiB<");
    assert_shows(text, " 26,100 27,34 28,0 29,0 \"");
    free(text);
    for (unsigned i = 0; i < 2 * HTTP_SAMPLES; i++) {
        now[HTTP_LINE_REQUESTS] += i < HTTP_SAMPLES ? 5 : i;
        http_history_add(&history, now);
    }
    text = page(http_pages_status_live, usual, 6);
    assert_shows(text, "Requests in 10 s<td>59, most 59<");
    assert_shows(text, "points=\"0,50 1,");
    assert_shows(text, "Sent in 10 s<td>0 bytes, most ");
    assert_null(strstr(text, "<script"));
    source.history = NULL;
    free(text);
}

static void test_status_groups_sections(void **state)
{
    char *text = page(http_pages_status, usual, 6);
    unsigned sections = 0;

    (void)state;
    for (char *at = text; (at = strstr(at, "<section>")); at++)
        sections++;
    assert_int_equal(sections, 5);
    free(text);
}

static void test_status_of_hostile_texts(void **state)
{
    char *text;

    (void)state;
    source.name = EVIL;
    text = page(http_pages_status, hostile, 2);
    source.name = "guest";
    assert_null(strstr(text, "<script"));
    assert_shows(text, "<h2>a&quot;b\\c\nd&lt;script&gt;&amp;&#39;</h2>");
    assert_shows(text, "<h1>Status of a&quot;b");
    free(text);
}

static void test_units(void **state)
{
    static const struct {
        enum http_unit unit;
        uint64_t value;
        const char *shown;
    } cases[] = {
        {HTTP_COUNT, 0, "0"},
        {HTTP_COUNT, 999, "999"},
        {HTTP_COUNT, 1000, "1,000"},
        {HTTP_COUNT, 1000001, "1,000,001"},
        {HTTP_BYTES, 0, "0 bytes"},
        {HTTP_BYTES, 1023, "1023 bytes"},
        {HTTP_BYTES, 1024, "1.0 KiB"},
        {HTTP_BYTES, 1048575, "1023.9 KiB"},
        {HTTP_BYTES, 1048576, "1.0 MiB"},
        {HTTP_BYTES, UINT64_C(5) << 40, "5.0 TiB"},
        {HTTP_NS, 0, "0.000 s"},
        {HTTP_NS, 412000000, "0.412 s"},
        {HTTP_NS, UINT64_C(59999999999), "59.999 s"},
        {HTTP_NS, UINT64_C(60000000000), "1 min 0 s"},
        {HTTP_NS, UINT64_C(3600000000000), "1 h 0 min"},
        {HTTP_NS, UINT64_C(90000000000000), "1 d 1 h"},
    };
    char shown[64], *text;

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_number number = {.section = "s",
                                     .group = "g",
                                     .name = "n",
                                     .unit = cases[i].unit,
                                     .value = cases[i].value};

        text = page(http_pages_status, &number, 1);
        snprintf(shown, sizeof(shown), "<td>%s\n", cases[i].shown);
        assert_shows(text, shown);
        free(text);
    }
}

/* ---- Texts */

static void test_page_larger_than_its_limit(void **state)
{
    char *whole = page(http_pages_metrics, usual, 6);
    struct http_text text;

    (void)state;
    for (size_t limit = 0; limit < 1000; limit += 7) {
        http_text_growing(&text, limit);
        http_pages_metrics(&text, &source);
        assert_true(text.size <= limit);
        assert_int_equal(text.failed, limit < strlen(whole));
        http_text_free(&text);
    }
    free(whole);
}

static void test_text_fixed(void **state)
{
    char buffer[9];
    struct http_text text;

    (void)state;
    http_text_fixed(&text, buffer, 8);
    buffer[8] = '!';
    http_text_add(&text, "123", "", "4567");
    http_text_add_char(&text, '8');
    assert_false(text.failed);
    assert_memory_equal(buffer, "12345678!", 9);
    http_text_add(&text, "");
    assert_false(text.failed);
    http_text_add(&text, "9");
    assert_true(text.failed);
    http_text_add(&text, "");
    assert_true(text.failed);
    assert_int_equal(text.used, 8);
    assert_int_equal(buffer[8], '!');
}

static void test_text_numbers(void **state)
{
    static const char expected[] = "0 007 1000 18446744073709551615";
    char buffer[64];
    struct http_text text;

    (void)state;
    http_text_fixed(&text, buffer, sizeof(buffer));
    http_text_add_number(&text, 0, 1);
    http_text_add(&text, " ");
    http_text_add_number(&text, 7, 3);
    http_text_add(&text, " ");
    http_text_add_number(&text, 1000, 2);
    http_text_add(&text, " ");
    http_text_add_number(&text, UINT64_MAX, 1);
    assert_int_equal(text.used, strlen(expected));
    assert_memory_equal(buffer, expected, strlen(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_metrics_of_hostile_texts),
        cmocka_unit_test(test_metrics_of_many_numbers),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_words),
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_status_groups_sections),
        cmocka_unit_test(test_status_of_hostile_texts),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_page_larger_than_its_limit),
        cmocka_unit_test(test_text_fixed),
        cmocka_unit_test(test_text_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
