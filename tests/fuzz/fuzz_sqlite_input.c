/* SPDX-License-Identifier: MIT */
/*
 * Any input of a SQLite shell: statements end where sqlite3_complete() says,
 * and commands are whole, within their limit, and the same however the bytes
 * arrive.
 *
 * Input: a byte for the limit, one for how many bytes arrive at once, the rest
 * is what the client sends.
 */
// sources: apps/sqlite/shell_scan.c apps/sqlite/shell_input.c sqlite

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/sqlite/shell_input.h"

#define LENGTH_MAX 2000 /* each prefix is looked at */

#define check(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of SQLite only sqlite3_complete is used. */
int sqlite3_os_init(void);
int sqlite3_os_end(void);
int sqlite_stack_is_low(void);
int sqlite_is_late(unsigned long work);

int sqlite3_os_init(void)
{
    return SQLITE_ERROR;
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

int sqlite_stack_is_low(void)
{
    return 0;
}

int sqlite_is_late(unsigned long work)
{
    (void)work;
    return 0;
}

/* Text without a NUL. */
static void compare(const char *text, size_t len)
{
    struct shell_scan scan = {.sentence = 0};
    char *prefix = calloc(1, len + 1);
    bool has_ended = false;

    for (size_t i = 0; i < len; i++) {
        prefix[i] = text[i];
        has_ended |= shell_scan_byte(&scan, text[i]);
        check((has_ended && shell_scan_is_blank(&scan)) ==
              (sqlite3_complete(prefix) != 0));
    }
    free(prefix);
}

/* A sum of all commands. */
static uint64_t run(const uint8_t *bytes, size_t len, size_t limit, size_t step)
{
    struct shell_input input = {.bytes_max = limit};
    uint64_t sum = 0;

    for (size_t at = 0; at < len;) {
        size_t n = len - at < step ? len - at : step;

        at += shell_input_take(&input, (const char *)bytes + at, n);
        check(input.bytes <= limit);
        if (at == len)
            shell_input_finish(&input);
        if (input.command == SHELL_NONE)
            continue;
        check((input.command == SHELL_WRONG) == !!input.wrong);
        check(input.wrong || strlen(input.text) == input.bytes);
        check(input.command != SHELL_SQL || sqlite3_complete(input.text));
        check(input.command != SHELL_DOT || input.text[0] == '.');
        for (size_t i = 0; i < input.bytes; i++)
            sum = sum * 31 + (unsigned char)input.text[i];
        sum = sum * 31 + input.command;
        shell_input_next(&input);
        check(!input.text);
    }
    shell_input_next(&input);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > LENGTH_MAX)
        return 0;
    compare((const char *)data + 2, strnlen((const char *)data + 2, size - 2));
    check(run(data + 2, size - 2, 1 + data[0], 1 + data[1]) ==
          run(data + 2, size - 2, 1 + data[0], SIZE_MAX));
    return 0;
}
