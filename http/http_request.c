/* SPDX-License-Identifier: MIT */
/*
 * From bytes to a request (RFC 9112; field meanings from RFC 9110).
 *
 * picohttpparser splits the head; this file judges it. Anything that two
 * parties could read in two ways is refused with 400, and the connection ends,
 * since request smuggling depends on it: a bare LF, a folded line, a length
 * beside a transfer coding, two lengths, two Hosts. The method is checked after
 * that, so that an unknown method in a valid request does not end the
 * connection.
 *
 * A path is decoded first and normalised afterwards, in one buffer, so that no
 * second decoding can bring back a "..".
 */
#include "http/http_request.h"

#include <string.h>
#include <strings.h>

#include "picohttpparser.h"

/* An error after which the start of the next request is unknown. */
static int broken(struct http_request *request, int status)
{
    request->close = true;
    return status;
}

/* ---- Fields. Each returns 0 or the status to answer with. */

static bool is_host_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (c && strchr("-._~!$&'()*+,;=:[]%", c));
}

static bool is_host(struct http_field value)
{
    size_t i;

    for (i = 0; i < value.bytes; i++)
        if (!is_host_char(value.at[i]))
            return false;
    return true;
}

static int take_host(struct http_request *request, struct http_field value)
{
    if (request->has_host || !is_host(value))
        return broken(request, 400);
    request->has_host = true;
    return 0;
}

static int take_connection(struct http_request *request,
                           struct http_field value)
{
    struct http_field option;

    while (http_field_next(&value, ',', &option)) {
        if (http_field_is(option, "close"))
            request->close = true;
        else if (http_field_is(option, "keep-alive"))
            request->keep_alive = true;
    }
    return 0;
}

static int take_content_length(struct http_request *request,
                               struct http_field value)
{
    uint32_t bytes = 0;
    size_t i;

    if (!value.bytes)
        return broken(request, 400);
    for (i = 0; i < value.bytes; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return broken(request, 400);
        if (bytes <= HTTP_BODY_MAX) /* any larger value means the same */
            bytes = bytes * 10 + (uint32_t)(value.at[i] - '0');
    }
    if (request->has_length && request->body_bytes != bytes)
        return broken(request, 400);
    request->has_length = true;
    request->body_bytes = bytes;
    return 0;
}

static int take_transfer_encoding(struct http_request *request,
                                  struct http_field value)
{
    struct http_field coding;

    if (request->is_http10)
        return broken(request, 400);
    request->has_coding = true;
    while (http_field_next(&value, ',', &coding)) {
        if (!coding.bytes)
            continue;
        if (request->is_chunked)
            return broken(request, 400);
        request->is_chunked = http_field_is(coding, "chunked");
        request->is_coded |= !request->is_chunked;
    }
    return 0;
}

/* The end of the body is only known if the last coding is chunked, once,
 * without parameters (RFC 9112, 6.3). No other coding is supported. */
static int judge_codings(struct http_request *request)
{
    if (!request->has_coding)
        return 0;
    if (!request->is_chunked || request->has_length)
        return broken(request, 400);
    return request->is_coded ? broken(request, 501) : 0;
}

static int take_expect(struct http_request *request, struct http_field value)
{
    if (request->is_http10) /* RFC 9110, 10.1.1: to be ignored */
        return 0;
    if (!http_field_is(value, "100-continue"))
        return broken(request, 417);
    request->expects_continue = true;
    return 0;
}

static const struct {
    const char *name;
    int (*take)(struct http_request *request, struct http_field value);
} fields[] = {
    {"host", take_host},
    {"connection", take_connection},
    {"content-length", take_content_length},
    {"transfer-encoding", take_transfer_encoding},
    {"expect", take_expect},
};

static int take_field(struct http_request *request,
                      const struct phr_header *field)
{
    struct http_field name = {field->name, field->name_len};
    struct http_field value = {field->value, field->value_len};
    size_t i;

    if (!name.at) /* obs-fold */
        return broken(request, 400);
    value = http_field_trim(value);
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (http_field_is(name, fields[i].name))
            return fields[i].take(request, value);
    http_wants_take(&request->wants, name, value);
    return 0;
}

static int take_fields(struct http_request *request,
                       const struct phr_header *list, size_t nr)
{
    int status = 0;
    size_t i;

    for (i = 0; i < nr && !status; i++)
        status = take_field(request, &list[i]);
    if (status)
        return status;
    status = judge_codings(request);
    if (status)
        return status;
    if (!request->has_host && !request->is_http10)
        return broken(request, 400);
    if (request->body_bytes > HTTP_BODY_MAX)
        return broken(request, 413);
    request->close |= request->is_http10 && !request->keep_alive;
    return 0;
}

/* ---- The request line. */

static bool is_token(struct http_field text)
{
    size_t i;

    for (i = 0; i < text.bytes; i++)
        if (!http_field_is_token((unsigned char)text.at[i]))
            return false;
    return text.bytes > 0;
}

/* Methods are case-sensitive. Those that HTTP defines are known but not allowed
 * here; others are unknown. */
static int take_method(struct http_request *request, struct http_field method)
{
    static const char known[][8] = {"POST",    "PUT",   "DELETE", "CONNECT",
                                    "OPTIONS", "TRACE", "PATCH"};
    size_t i;

    if (!is_token(method))
        return broken(request, 400);
    request->is_head = method.bytes == 4 && !memcmp(method.at, "HEAD", 4);
    if (request->is_head || (method.bytes == 3 && !memcmp(method.at, "GET", 3)))
        return 0;
    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (method.bytes == strlen(known[i]) &&
            !memcmp(method.at, known[i], method.bytes))
            return 405;
    return 501;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decode into path[] (which is large enough), up to the query. Returns
 * the length, or -1. */
static int path_decode(char *path, struct http_field from)
{
    int used = 0, high, low;
    size_t i;

    for (i = 0; i < from.bytes && from.at[i] != '?'; i++) {
        char c = from.at[i];

        if (c == '%') {
            if (from.bytes - i < 3)
                return -1;
            high = hex_digit(from.at[i + 1]);
            low = hex_digit(from.at[i + 2]);
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return -1;
        path[used++] = c;
    }
    path[used] = '\0';
    return used;
}

/* Take "." and ".." segments out of a path that begins with '/'. False: the
 * path would leave the tree. */
static bool path_normalise(char *path)
{
    const char *from = path;
    char *to = path;

    while (*from) {
        size_t segment = strcspn(from + 1, "/") + 1;
        bool is_last = from[segment] == '\0';

        if (segment == 3 && from[1] == '.' && from[2] == '.') {
            if (to == path)
                return false;
            while (*--to != '/')
                ;
        } else if (segment != 2 || from[1] != '.') {
            memmove(to, from, segment);
            to += segment;
            is_last = false;
        }
        from += segment;
        if (is_last) /* "/a/.." and "/." name a folder */
            *to++ = '/';
    }
    *to = '\0';
    return true;
}

/* RFC 3986 allows fewer characters than this, but browsers send some of the
 * others unencoded (https://url.spec.whatwg.org). */
static bool is_target(struct http_field target)
{
    for (size_t i = 0; i < target.bytes; i++) {
        char c = target.at[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"#<>", c))
            return false;
    }
    return true;
}

/* Take "http://authority" off an absolute-form target. */
static bool target_strip(struct http_field *target)
{
    static const char scheme[] = "http://";
    const size_t scheme_bytes = sizeof(scheme) - 1;
    size_t end = scheme_bytes;

    if (target->bytes <= scheme_bytes ||
        strncasecmp(target->at, scheme, scheme_bytes) != 0)
        return false;
    while (end < target->bytes && is_host_char(target->at[end]))
        end++;
    if (end == scheme_bytes)
        return false;
    target->at += end;
    target->bytes -= end;
    return true;
}

static int take_target(struct http_request *request, struct http_field target)
{
    char *path = request->path;

    if (target.bytes > HTTP_TARGET_MAX)
        return 414;
    if (!target.bytes || (target.at[0] != '/' && !target_strip(&target)))
        return 400;
    if (!is_target(target) || path_decode(path, target) < 0)
        return 400;
    request->query.at = memchr(target.at, '?', target.bytes);
    if (request->query.at)
        request->query.bytes =
            (size_t)(target.at + target.bytes - request->query.at);
    if (path[0] == '\0')
        strcpy(path, "/"); /* "http://host" and "http://host?query" */
    return path[0] == '/' && path_normalise(path) ? 0 : 400;
}

/* ---- The whole head. */

/* Does a line end without CR? picohttpparser accepts a bare LF as well. */
static bool has_bare_lf(const char *bytes, size_t len)
{
    const char *lf, *end = bytes + len;

    for (lf = bytes; (lf = memchr(lf, '\n', (size_t)(end - lf))); lf++)
        if (lf == bytes || lf[-1] != '\r')
            return true;
    return false;
}

/* Is there an empty line at or after `from`? */
static bool has_empty_line(const char *bytes, size_t len, size_t from)
{
    const char *lf, *end = bytes + len;

    for (lf = bytes + from; (lf = memchr(lf, '\n', (size_t)(end - lf))); lf++)
        if (end - lf > 2 && lf[1] == '\r' && lf[2] == '\n')
            return true;
    return false;
}

/* Did the parser fail on a request line with another version? */
static bool has_other_version(const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\r', len);
    const char *at = end ? end : bytes + len;

    len = 0;
    while (at > bytes && at[-1] != ' ') {
        at--;
        len++;
    }
    return len > 5 && !memcmp(at, "HTTP/", 5) && at[5] >= '0' && at[5] <= '9' &&
           at[5] != '1';
}

static int unparsed(const char *bytes, size_t len, size_t nr_fields)
{
    if (has_other_version(bytes, len))
        return 505;
    return nr_fields == HTTP_FIELDS_MAX ? 431 : 400;
}

static int judge(struct http_request *request, struct phr_header *list,
                 size_t nr, const char *bytes, size_t head_bytes)
{
    struct http_field method = {request->method, request->method_bytes};
    struct http_field target = {request->target, request->target_bytes};
    int status;

    if (has_bare_lf(bytes, head_bytes))
        return broken(request, 400);
    status = take_fields(request, list, nr);
    if (status)
        return status;
    status = take_method(request, method);
    return status ? status : take_target(request, target);
}

size_t http_request_parse(struct http_request *request, const char *bytes,
                          size_t len, size_t seen)
{
    struct phr_header list[HTTP_FIELDS_MAX];
    size_t nr = HTTP_FIELDS_MAX,
           max = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
    int head, minor;

    memset(request, 0, offsetof(struct http_request, path));
    http_wants_init(&request->wants);
    head = phr_parse_request(bytes, max, &request->method,
                             &request->method_bytes, &request->target,
                             &request->target_bytes, &minor, list, &nr, seen);
    if (head > 0) {
        request->is_http10 = minor == 0;
        request->status = judge(request, list, nr, bytes, (size_t)head);
        return (size_t)head;
    }
    /* On a line too short for a version the parser would wait for ever. */
    if (head == -2 && has_empty_line(bytes, max, seen < 3 ? 0 : seen - 3))
        head = -1;
    if (head == -2 && max < HTTP_HEAD_MAX)
        return 0;
    if (head == -2)
        request->status = memchr(bytes, '\n', max) ? 431 : 414;
    else
        request->status = unparsed(bytes, max, nr);
    request->close = true;
    return len;
}

struct http_field http_request_line(const struct http_request *request)
{
    if (!request->target)
        return (struct http_field){0};
    return (struct http_field){request->method,
                               (size_t)(request->target - request->method) +
                                   request->target_bytes};
}
