/* SPDX-License-Identifier: MIT */
/*
 * Any command line: it is parsed, then each of its words is asked for, in
 * every way. What is logged meanwhile must be harmless to a terminal.
 */
// sources: kernel/options.c kernel/log.c tests/fake/hv.c

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/options.h"
#include "tests/fake/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sink(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (len < 1 || len > LOG_LINE_MAX + 1 || line[len - 1] != '\n')
        fake_fail("a line of %zu bytes", len);
    for (size_t i = 0; i < len - 1; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < ' ' || c == 0x7f)
            fake_fail("a control character in the log");
    }
}

static void ask(struct options *options, unsigned i)
{
    const char *key = options->words[i].key;
    const char *value = options->words[i].value;
    const char *text;
    uint64_t number;
    bool flag;

    if (options_text(options, key, &text) == 1 && text != value)
        fake_fail("\"%s\" has another value than it says", key);
    if (options_number(options, key, 5, 500, &number) == 1 &&
        (number < 5 || number > 500))
        fake_fail("\"%s\" is %lu", value, (unsigned long)number);
    (void)options_number(options, key, 0, UINT64_MAX, &number);
    (void)options_bool(options, key, &flag);
}

static void check(const struct options *options)
{
    if (options->nr > OPTIONS_MAX)
        fake_fail("%u words", options->nr);
    for (unsigned i = 0; i < options->nr; i++) {
        const struct option *word = &options->words[i];
        if (word->key[0] == '\0' || strpbrk(word->key, "=\" \t"))
            fake_fail("a key \"%s\"", word->key);
        if (word->value && strchr(word->value, '"'))
            fake_fail("a value \"%s\"", word->value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options;
    char *line = malloc(size + 1);

    if (!line)
        abort();
    memcpy(line, data, size);
    line[size] = '\0';
    fake_start(NULL);
    log_set_sink(sink, NULL);
    options_parse(&options, line);
    free(line); /* the words must not point into it */
    check(&options);
    (void)options_report_unknown(&options);
    for (unsigned i = 0; i < options.nr; i++)
        ask(&options, i);
    if (options_report_unknown(&options) != 0)
        fake_fail("a word that was asked for is unknown");
    fake_stop();
    return 0;
}
