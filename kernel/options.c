/* SPDX-License-Identifier: MIT */
/*
 * The command line is copied once and cut into words in place: NULs replace
 * the blanks, the '=' and the quotes, and the table points into the copy.
 */
#include "kernel/options.h"

#include <string.h>

#include "kernel/log.h"
#include "xen/hv.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

/* Log one line about a mistake in the command line. */
__attribute__((format(printf, 2, 3))) static void
complain(struct options *options, const char *format, ...)
{
    va_list args;

    options->errors++;
    va_start(args, format);
    log_line_v(LOG_ERROR, "options", format, args);
    va_end(args);
}

/* ---- Parsing */

/* Cut the next word off *rest; NULL when there is none. Blanks between quotes
 * belong to the word. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    char *end = word;
    bool quoted = false;

    for (; *end && (quoted || !is_blank(*end)); end++) {
        if (*end == '"')
            quoted = !quoted;
    }
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return *word ? word : NULL;
}

/* Quotes may only enclose a whole value. */
static bool quotes_are_good(const char *word)
{
    const char *open = strchr(word, '"');
    const char *equals = strchr(word, '=');

    if (!open)
        return true;
    const char *close = strchr(open + 1, '"');
    return equals && open == equals + 1 && close && close[1] == '\0';
}

/* NULL, or what is wrong with the word. */
static const char *fault(const char *word)
{
    for (const char *c = word; *c; c++) {
        if (is_control(*c))
            return "control character";
    }
    if (word[0] == '=')
        return "no key before the =";
    if (!quotes_are_good(word))
        return "quotes must enclose the whole value: key=\"value\"";
    return NULL;
}

static struct option *find(struct options *options, const char *key)
{
    for (unsigned i = 0; i < options->nr; i++) {
        if (strcmp(options->words[i].key, key) == 0)
            return &options->words[i];
    }
    return NULL;
}

static const char *value_text(const struct option *option)
{
    return option->value ? option->value : "";
}

static void drop(struct options *options, struct option *option)
{
    struct option *end = &options->words[--options->nr];

    memmove(option, option + 1, (size_t)(end - option) * sizeof(*option));
}

/* Later words win: over equal keys, and when the table is full. A command line
 * often consists of the toolstack's defaults followed by what its user has
 * added. */
static void add(struct options *options, const char *key, const char *value)
{
    struct option *same = find(options, key), *oldest = options->words;

    if (same) {
        log_warn("options", "%s=%s is overruled by a later %s", key,
                 value_text(same), key);
        drop(options, same);
    } else if (options->nr == OPTIONS_MAX) {
        complain(options, "more than %d options: %s is ignored", OPTIONS_MAX,
                 oldest->key);
        drop(options, oldest);
    }
    options->words[options->nr++] = (struct option){key, value, false};
}

static void add_word(struct options *options, char *word)
{
    const char *wrong = fault(word);
    char *value = strchr(word, '=');

    if (wrong) {
        complain(options, "\"%s\" is ignored: %s", word, wrong);
        return;
    }
    if (value)
        *value++ = '\0';
    if (value && *value == '"') {
        value++;
        value[strlen(value) - 1] = '\0';
    }
    add(options, word, value);
}

/* Drop a word that does not fit, rather than keep half of it. */
static void copy_text(struct options *options, const char *cmdline)
{
    size_t len = strnlen(cmdline, OPTIONS_TEXT_MAX);

    memcpy(options->text, cmdline, len);
    if (len == OPTIONS_TEXT_MAX) {
        complain(options, "over %d bytes: the end is ignored",
                 OPTIONS_TEXT_MAX - 1);
        do
            len--;
        while (len > 0 && !is_blank(options->text[len]));
    }
    options->text[len] = '\0';
}

void options_parse(struct options *options, const char *cmdline)
{
    char *rest = options->text;
    char *word;

    options->nr = 0;
    options->errors = 0;
    copy_text(options, cmdline);
    while ((word = next_word(&rest)) != NULL)
        add_word(options, word);
}

/* ---- Getters */

static struct option *ask(struct options *options, const char *key)
{
    struct option *option = find(options, key);

    if (option)
        option->known = true;
    return option;
}

int options_text(struct options *options, const char *key, const char **out)
{
    struct option *option = ask(options, key);

    if (!option)
        return 0;
    if (!option->value) {
        complain(options, "%s needs a value: %s=...", key, key);
        return -XEN_EINVAL;
    }
    *out = option->value;
    return 1;
}

/* Decimal digits, at least one. */
static bool parse_number(const char *text, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    uint64_t number = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0'); /* huge when below '0' */
        if (digit > 9 || digit > max || number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (number < min)
        return false;
    *out = number;
    return true;
}

int options_number(struct options *options, const char *key, uint64_t min,
                   uint64_t max, uint64_t *out)
{
    struct option *option = ask(options, key);

    if (!option)
        return 0;
    if (!parse_number(value_text(option), min, max, out)) {
        complain(options, "%s=%s is not a number from %lu to %lu", key,
                 value_text(option), (unsigned long)min, (unsigned long)max);
        return -XEN_EINVAL;
    }
    return 1;
}

static bool is_one_of(const char *text, const char *const words[4])
{
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

int options_bool(struct options *options, const char *key, bool *out)
{
    static const char *const yes[] = {"yes", "on", "true", "1"};
    static const char *const no[] = {"no", "off", "false", "0"};
    struct option *option = ask(options, key);

    if (!option)
        return 0;
    bool is_yes = !option->value || is_one_of(option->value, yes);
    if (!is_yes && !is_one_of(option->value, no)) {
        complain(options, "%s=%s is neither yes nor no", key, option->value);
        return -XEN_EINVAL;
    }
    *out = is_yes;
    return 1;
}

const char *options_next(struct options *options, const char *prefix,
                         unsigned *at, const char **value)
{
    size_t len = strlen(prefix);

    while (*at < options->nr) {
        struct option *option = &options->words[(*at)++];

        if (strncmp(option->key, prefix, len) != 0)
            continue;
        option->known = true;
        *value = value_text(option);
        return option->key + len;
    }
    return NULL;
}

unsigned options_report_unknown(const struct options *options)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < options->nr; i++) {
        const struct option *option = &options->words[i];
        if (option->known)
            continue;
        nr++;
        log_warn("options", "nobody knows %s%s%s: a typing error?", option->key,
                 option->value ? "=" : "", value_text(option));
    }
    return nr;
}
