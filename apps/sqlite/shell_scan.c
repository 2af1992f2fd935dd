/* SPDX-License-Identifier: MIT */
/*
 * The tokens and the grammar are those of sqlite3_complete(): every statement
 * ends at the first `;`, except CREATE TRIGGER, which contains statements and
 * ends in `; END ;`. A word is classified when the byte after it comes.
 */
#include "apps/sqlite/shell_scan.h"

#include <ctype.h>
#include <string.h>

enum sentence { BLANK, NORMAL, EXPLAIN, CREATE, TRIGGER, SEMI, END, SENTENCES };

enum token {
    T_SEMI,
    T_OTHER,
    T_EXPLAIN,
    T_CREATE,
    T_TEMP,
    T_TRIGGER,
    T_END,
    TOKENS
};

enum place { PLAIN, WORD, SLASH, DASH, LINE, BLOCK, STAR, QUOTED };

static const uint8_t next[SENTENCES][TOKENS] = {
    /*           ;      other    EXPLAIN  CREATE   TEMP     TRIGGER  END */
    [BLANK] = {BLANK, NORMAL, EXPLAIN, CREATE, NORMAL, NORMAL, NORMAL},
    [NORMAL] = {BLANK, NORMAL, NORMAL, NORMAL, NORMAL, NORMAL, NORMAL},
    [EXPLAIN] = {BLANK, EXPLAIN, NORMAL, CREATE, NORMAL, NORMAL, NORMAL},
    [CREATE] = {BLANK, NORMAL, NORMAL, NORMAL, CREATE, TRIGGER, NORMAL},
    [TRIGGER] = {SEMI, TRIGGER, TRIGGER, TRIGGER, TRIGGER, TRIGGER, TRIGGER},
    [SEMI] = {SEMI, TRIGGER, TRIGGER, TRIGGER, TRIGGER, TRIGGER, END},
    [END] = {BLANK, TRIGGER, TRIGGER, TRIGGER, TRIGGER, TRIGGER, TRIGGER},
};

static void add(struct shell_scan *scan, enum token token)
{
    scan->sentence = next[scan->sentence][token];
}

/* ---- Words */

static bool is_of_word(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || byte == '$' ||
           byte & 0x80;
}

static void word_add(struct shell_scan *scan, char byte)
{
    if (scan->word_bytes < SHELL_WORD_MAX)
        scan->word[scan->word_bytes++] = (char)tolower((unsigned char)byte);
}

static enum token word_token(const struct shell_scan *scan)
{
    static const struct {
        char word[SHELL_WORD_MAX];
        enum token token;
    } words[] = {
        {"explain", T_EXPLAIN}, {"create", T_CREATE},   {"temp", T_TEMP},
        {"temporary", T_TEMP},  {"trigger", T_TRIGGER}, {"end", T_END},
    };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].word) == scan->word_bytes &&
            !memcmp(words[i].word, scan->word, scan->word_bytes))
            return words[i].token;
    return T_OTHER;
}

/* ---- Bytes */

/* A byte that starts a new token. */
static bool begin(struct shell_scan *scan, char byte)
{
    scan->place = PLAIN;
    if (byte == ';') {
        add(scan, T_SEMI);
        return scan->sentence == BLANK;
    }
    if (is_of_word(byte)) {
        scan->place = WORD;
        scan->word_bytes = 0;
        word_add(scan, byte);
    } else if (byte == '/') {
        scan->place = SLASH;
    } else if (byte == '-') {
        scan->place = DASH;
    } else if (byte && strchr("'\"`[", byte)) {
        scan->place = QUOTED;
        scan->quote = byte == '[' ? ']' : byte;
    } else if (!byte || !strchr(" \t\r\n\f", byte)) {
        add(scan, T_OTHER);
    }
    return false;
}

/* True: the byte continues the current token. */
static bool goes_on(struct shell_scan *scan, char byte)
{
    switch ((enum place)scan->place) {
    case PLAIN:
        return false;
    case WORD:
        if (!is_of_word(byte))
            return false;
        word_add(scan, byte);
        return true;
    case SLASH:
        scan->place = BLOCK;
        return byte == '*';
    case DASH:
        scan->place = LINE;
        return byte == '-';
    case LINE:
        scan->place = byte == '\n' ? PLAIN : LINE;
        return true;
    case BLOCK:
    case STAR:
        if (scan->place == STAR && byte == '/')
            scan->place = PLAIN;
        else
            scan->place = byte == '*' ? STAR : BLOCK;
        return true;
    case QUOTED:
        if (byte == scan->quote) {
            scan->place = PLAIN;
            add(scan, T_OTHER);
        }
        return true;
    }
    return false;
}

bool shell_scan_byte(struct shell_scan *scan, char byte)
{
    enum place before = scan->place;

    if (goes_on(scan, byte))
        return false;
    if (before == WORD)
        add(scan, word_token(scan));
    else if (before == SLASH || before == DASH)
        add(scan, T_OTHER);
    return begin(scan, byte);
}

bool shell_scan_is_blank(const struct shell_scan *scan)
{
    return scan->sentence == BLANK &&
           (scan->place == PLAIN || scan->place == LINE);
}
