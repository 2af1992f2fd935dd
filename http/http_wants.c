/* SPDX-License-Identifier: MIT */
/*
 * Conditions, ranges and codings (RFC 9110, 12 to 14).
 *
 * A field that makes no sense, or none here, is ignored: the answer is then the
 * whole content, which is never wrong.
 *
 * The same goes for several ranges at once. RFC 9110 allows that (14.2), no
 * client of files needs them, and many overlapping ranges would make a server
 * send more than the whole content.
 */
#include "http/http_wants.h"

#include <string.h>

#define IDENTITY HTTP_CODINGS
#define ANY      (HTTP_CODINGS + 1)

void http_wants_init(struct http_wants *wants)
{
    *wants = (struct http_wants){
        .if_modified_s = HTTP_NO_DATE,
        .if_unmodified_s = HTTP_NO_DATE,
    };
    memset(wants->quality, 0xff, sizeof(wants->quality)); /* HTTP_UNSAID */
}

/* ---- Fields */

static void take_if_match(struct http_wants *wants, struct http_field value)
{
    wants->if_match = value;
}

static void take_if_none_match(struct http_wants *wants,
                               struct http_field value)
{
    wants->if_none_match = value;
}

/* Two such fields never match. */
static void take_if_range(struct http_wants *wants, struct http_field value)
{
    wants->if_range = wants->if_range.at ? (struct http_field){"", 0} : value;
}

static void take_if_modified(struct http_wants *wants, struct http_field value)
{
    wants->if_modified_s = http_date_read(value);
}

static void take_if_unmodified(struct http_wants *wants,
                               struct http_field value)
{
    wants->if_unmodified_s = http_date_read(value);
}

/* A position in a file: digits alone. Positions too large for 64 bits are
 * beyond any end. */
static bool read_position(struct http_field text, uint64_t *position)
{
    *position = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned digit = (unsigned char)text.at[i] - '0';

        if (digit > 9)
            return false;
        if (__builtin_mul_overflow(*position, 10, position) ||
            __builtin_add_overflow(*position, digit, position))
            *position = UINT64_MAX;
    }
    return text.bytes > 0;
}

/* "0-499", "500-" or "-500". */
static bool read_range(struct http_wants *wants, struct http_field text)
{
    struct http_field first;

    if (!memchr(text.at, '-', text.bytes))
        return false;
    http_field_next(&text, '-', &first);
    wants->is_suffix = first.bytes == 0;
    if (wants->is_suffix)
        return read_position(text, &wants->range_last);
    wants->range_last = UINT64_MAX;
    return read_position(first, &wants->range_first) &&
           (!text.bytes || read_position(text, &wants->range_last)) &&
           wants->range_first <= wants->range_last;
}

/* "bytes=" and one range. Two such fields contradict each other. */
static void take_range(struct http_wants *wants, struct http_field value)
{
    struct http_field unit;

    wants->has_range = !wants->saw_range && value.bytes &&
                       memchr(value.at, '=', value.bytes) &&
                       http_field_next(&value, '=', &unit) &&
                       http_field_is(unit, "bytes") && value.bytes &&
                       read_range(wants, http_field_trim(value));
    wants->saw_range = true;
}

/* "q=0.5" in thousandths; 1000 when it is missing. */
static int16_t read_quality(struct http_field text)
{
    struct http_field word;
    int quality = 0, unit = 1000;

    while (http_field_next(&text, ';', &word)) {
        if (word.bytes < 3 || (word.at[0] | 0x20) != 'q' || word.at[1] != '=')
            continue;
        for (size_t i = 2; i < word.bytes && unit; i++) {
            if (word.at[i] >= '0' && word.at[i] <= '9') {
                quality += (word.at[i] - '0') * unit;
                unit /= 10;
            }
        }
        return (int16_t)(quality < 1000 ? quality : 1000);
    }
    return 1000;
}

static void take_accept_encoding(struct http_wants *wants,
                                 struct http_field value)
{
    static const char names[][9] = {"br", "zstd", "gzip", "identity", "*"};
    struct http_field element, name;

    while (http_field_next(&value, ',', &element)) {
        if (!http_field_next(&element, ';', &name))
            continue;
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (http_field_is(name, names[i]))
                wants->quality[i] = read_quality(element);
    }
}

void http_wants_take(struct http_wants *wants, struct http_field name,
                     struct http_field value)
{
    static const struct {
        const char *name;
        void (*take)(struct http_wants *wants, struct http_field value);
    } fields[] = {
        {"accept-encoding", take_accept_encoding},
        {"if-match", take_if_match},
        {"if-modified-since", take_if_modified},
        {"if-none-match", take_if_none_match},
        {"if-range", take_if_range},
        {"if-unmodified-since", take_if_unmodified},
        {"range", take_range},
    };

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (http_field_is(name, fields[i].name))
            fields[i].take(wants, value);
}

/* ---- Judging */

static bool is_weak(struct http_field tag)
{
    return tag.bytes >= 2 && !memcmp(tag.at, "W/", 2);
}

/* Are the tags equal? Weak tags match only if `weakly`. */
static bool is_same_tag(struct http_field a, struct http_field b, bool weakly)
{
    if (!weakly && (is_weak(a) || is_weak(b)))
        return false;
    if (is_weak(a))
        a = (struct http_field){a.at + 2, a.bytes - 2};
    if (is_weak(b))
        b = (struct http_field){b.at + 2, b.bytes - 2};
    return a.bytes == b.bytes && !memcmp(a.at, b.at, a.bytes);
}

/* Is the tag in the list? (A foreign tag with a comma is split in two; neither
 * half has both quotes, so neither equals one of ours.) */
static bool has_tag(struct http_field list, const char *etag, bool weakly)
{
    struct http_field tag = {etag, strlen(etag)}, element;

    while (http_field_next(&list, ',', &element))
        if (http_field_is(element, "*") || is_same_tag(element, tag, weakly))
            return true;
    return false;
}

/* RFC 9110, 13.2.2, except If-Range: 200, 304 or 412. */
static int judge_conditions(const struct http_wants *wants,
                            const struct http_content *content)
{
    int64_t changed_s = content->changed_s;
    bool is_dated = changed_s != HTTP_NO_DATE;

    if (wants->if_match.at) {
        if (!has_tag(wants->if_match, content->etag, false))
            return 412;
    } else if (is_dated && wants->if_unmodified_s != HTTP_NO_DATE &&
               changed_s > wants->if_unmodified_s) {
        return 412;
    }
    if (wants->if_none_match.at)
        return has_tag(wants->if_none_match, content->etag, true) ? 304 : 200;
    if (is_dated && wants->if_modified_s != HTTP_NO_DATE &&
        changed_s <= wants->if_modified_s)
        return 304;
    return 200;
}

/* Is this still the content that the client has a part of (RFC 9110, 13.1.5)?
 */
static bool is_same(struct http_field if_range,
                    const struct http_content *content)
{
    struct http_field tag = {content->etag, strlen(content->etag)};
    int64_t date_s;

    if (!if_range.at)
        return true;
    if (if_range.bytes && (if_range.at[0] == '"' || is_weak(if_range)))
        return is_same_tag(if_range, tag, false);
    date_s = http_date_read(if_range);
    return date_s != HTTP_NO_DATE && date_s == content->changed_s &&
           content->has_strong_date;
}

static int judge_range(const struct http_wants *wants, uint64_t bytes,
                       struct http_part *part)
{
    uint64_t first = wants->range_first, last = wants->range_last;

    if (wants->is_suffix) {
        if (!last)
            return 416;
        if (!bytes) /* an empty file, which no Content-Range can express */
            return 200;
        first = last < bytes ? bytes - last : 0;
        last = bytes - 1;
    }
    if (first >= bytes)
        return 416;
    part->first = first;
    part->end = last < bytes ? last + 1 : bytes;
    return 206;
}

int http_wants_judge(const struct http_wants *wants,
                     const struct http_content *content, bool is_head,
                     struct http_part *part)
{
    int status = 200;

    *part = (struct http_part){0, content->bytes};
    if (!content->etag)
        return 200;
    status = judge_conditions(wants, content);
    if (status != 200 || is_head || !wants->has_range ||
        !is_same(wants->if_range, content))
        return status;
    return judge_range(wants, content->bytes, part);
}

/* ---- Codings */

unsigned http_wants_codings(const struct http_wants *wants,
                            enum http_coding codings[HTTP_CODINGS])
{
    int identity = wants->quality[IDENTITY], quality[HTTP_CODINGS];
    unsigned nr = 0, at;

    for (unsigned i = 0; i < HTTP_CODINGS; i++) {
        quality[i] = wants->quality[i];
        if (quality[i] == HTTP_UNSAID)
            quality[i] = wants->quality[ANY];
        if (quality[i] <= 0 || quality[i] < identity)
            continue;
        for (at = nr++; at && quality[codings[at - 1]] < quality[i]; at--)
            codings[at] = codings[at - 1];
        codings[at] = (enum http_coding)i;
    }
    return nr;
}
