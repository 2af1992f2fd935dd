/* SPDX-License-Identifier: MIT */
/*
 * Bytes are kept as they come, in memory that doubles up to the limit. A
 * command that cannot be kept is still read to its end: otherwise its rest
 * would be taken for commands.
 */
#include "apps/sqlite/shell_input.h"

#include <ctype.h>
#include <stdlib.h>

#define ROOM_MIN 256 /* most statements that people write */

static void drop(struct shell_input *input)
{
    free(input->text);
    input->text = NULL;
    input->bytes = input->room = 0;
}

static void spoil(struct shell_input *input, const char *why)
{
    if (!input->wrong)
        input->wrong = why;
    drop(input);
}

static bool grow(struct shell_input *input)
{
    size_t room = input->room ? 2 * input->room : ROOM_MIN;
    char *text = realloc(input->text, room);

    if (!text)
        return false;
    input->text = text;
    input->room = room;
    return true;
}

static void keep(struct shell_input *input, char byte)
{
    if (!byte)
        spoil(input, "a command has a NUL in it");
    if (input->wrong)
        return;
    if (input->bytes == input->bytes_max) {
        spoil(input, "a command is longer than is allowed");
    } else if (input->bytes + 1 >= input->room && !grow(input)) {
        spoil(input, "there is no memory for a command of that length");
    } else {
        input->text[input->bytes++] = byte;
        input->text[input->bytes] = '\0';
    }
}

/* The line's end and blanks before it are not part of a dot command. */
static void trim(struct shell_input *input)
{
    while (input->bytes &&
           isspace((unsigned char)input->text[input->bytes - 1]))
        input->text[--input->bytes] = '\0';
}

static void complete(struct shell_input *input)
{
    if (input->wrong)
        input->command = SHELL_WRONG;
    else
        input->command = input->is_dot ? SHELL_DOT : SHELL_SQL;
    if (input->command == SHELL_DOT)
        trim(input);
}

static void take(struct shell_input *input, char byte)
{
    bool is_blank = shell_scan_is_blank(&input->scan) && !input->is_dot;

    if (byte == '.' && is_blank && !input->is_mid_line) {
        drop(input);
        input->is_dot = true;
    }
    input->is_mid_line = byte != '\n';
    keep(input, byte);
    if (input->is_dot ? byte == '\n' : shell_scan_byte(&input->scan, byte))
        complete(input);
    else if (shell_scan_is_blank(&input->scan) && !input->is_dot &&
             !input->wrong)
        drop(input);
}

size_t shell_input_take(struct shell_input *input, const char *bytes,
                        size_t len)
{
    size_t taken = 0;

    while (taken < len && input->command == SHELL_NONE)
        take(input, bytes[taken++]);
    return taken;
}

void shell_input_finish(struct shell_input *input)
{
    if (!shell_input_is_open(input))
        return;
    if (!input->is_dot)
        spoil(input, "the last statement does not end in ; and was not run");
    complete(input);
}

bool shell_input_is_open(const struct shell_input *input)
{
    return input->command == SHELL_NONE && (input->is_dot || input->wrong ||
                                            !shell_scan_is_blank(&input->scan));
}

void shell_input_next(struct shell_input *input)
{
    drop(input);
    input->command = SHELL_NONE;
    input->wrong = NULL;
    input->is_dot = false;
    input->scan = (struct shell_scan){.sentence = 0};
}
