/* SPDX-License-Identifier: MIT */
/* Reading and writing the manifest. Names are Redis' own: renamed files must be
 * renamed back. */
#include "apps/kv/kv_manifest.h"
#include "apps/kv/kv_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void kv_manifest_name(char name[KV_MANIFEST_NAME_MAX], uint64_t number,
                      bool is_base)
{
    snprintf(name, KV_MANIFEST_NAME_MAX, "appendonly.aof.%" PRIu64 ".%s.aof",
             number, is_base ? "base" : "incr");
}

/* The word up to the next blank or the line's end; empty at the end. */
static struct kv_text take_word(const char **at, const char *end)
{
    struct kv_text word;

    while (*at < end && **at == ' ')
        ++*at;
    word.at = *at;
    while (*at < end && **at != ' ')
        ++*at;
    word.len = (size_t)(*at - word.at);
    return word;
}

static bool add(struct kv_manifest *manifest, struct kv_text name,
                uint64_t number, bool is_base)
{
    char expected[KV_MANIFEST_NAME_MAX];

    kv_manifest_name(expected, number, is_base);
    if (name.len != strlen(expected) || memcmp(name.at, expected, name.len))
        return false;
    if (is_base) {
        if (manifest->base)
            return false;
        manifest->base = number;
        return true;
    }
    if (manifest->nr_incr == KV_MANIFEST_INCR_MAX)
        return false;
    manifest->incr[manifest->nr_incr++] = number;
    return true;
}

/* file NAME seq NUMBER type b|i|h; h: no longer needed. */
static const char *read_line(struct kv_manifest *manifest, const char *at,
                             const char *end)
{
    struct kv_text file = take_word(&at, end), name = take_word(&at, end),
                   seq = take_word(&at, end), digits = take_word(&at, end),
                   type = take_word(&at, end), letter = take_word(&at, end);
    int64_t number;

    if (!file.len || file.at[0] == '#')
        return NULL;
    if (!kv_text_is(file, "file") || !kv_text_is(seq, "seq") ||
        !kv_text_number(digits, &number) || number < 1 ||
        !kv_text_is(type, "type") || letter.len != 1)
        return "a line is not \"file NAME seq NUMBER type LETTER\"";
    if (letter.at[0] == 'h')
        return NULL;
    if (letter.at[0] != 'b' && letter.at[0] != 'i')
        return "a file is of an unknown type";
    if (name.len > 4 && !memcmp(name.at + name.len - 4, ".rdb", 4))
        return "the base is an RDB file: let Redis rewrite it with "
               "aof-use-rdb-preamble no";
    if (!add(manifest, name, (uint64_t)number, letter.at[0] == 'b'))
        return "a file's name is not as Redis names them, or there are too "
               "many";
    return NULL;
}

const char *kv_manifest_read(struct kv_manifest *manifest, const char *text)
{
    const char *wrong = NULL;

    *manifest = (struct kv_manifest){0};
    while (*text && !wrong) {
        const char *end = strchr(text, '\n');

        if (!end)
            return "its last line has no end";
        wrong = read_line(manifest, text, end);
        text = end + 1;
    }
    if (!wrong && !manifest->base && !manifest->nr_incr)
        return "it names no file";
    return wrong;
}

static size_t write_line(char *to, uint64_t number, bool is_base)
{
    char name[KV_MANIFEST_NAME_MAX];

    kv_manifest_name(name, number, is_base);
    return (size_t)sprintf(to, "file %s seq %" PRIu64 " type %c\n", name,
                           number, is_base ? 'b' : 'i');
}

size_t kv_manifest_write(const struct kv_manifest *manifest,
                         char text[KV_MANIFEST_BYTES])
{
    size_t len = 0;

    if (manifest->base)
        len += write_line(text, manifest->base, true);
    for (unsigned i = 0; i < manifest->nr_incr; i++)
        len += write_line(text + len, manifest->incr[i], false);
    return len;
}

bool kv_manifest_has(const struct kv_manifest *manifest, const char *name)
{
    char own[KV_MANIFEST_NAME_MAX];

    if (!strcmp(name, KV_MANIFEST_NAME))
        return true;
    if (manifest->base) {
        kv_manifest_name(own, manifest->base, true);
        if (!strcmp(name, own))
            return true;
    }
    for (unsigned i = 0; i < manifest->nr_incr; i++) {
        kv_manifest_name(own, manifest->incr[i], false);
        if (!strcmp(name, own))
            return true;
    }
    return false;
}

uint64_t kv_manifest_next(const struct kv_manifest *manifest)
{
    uint64_t next = manifest->base + 1;

    for (unsigned i = 0; i < manifest->nr_incr; i++)
        if (manifest->incr[i] >= next)
            next = manifest->incr[i] + 1;
    return next;
}
