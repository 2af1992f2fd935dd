/* SPDX-License-Identifier: MIT */
/*
 * The app_main of an image that has a main, and the end of such a program.
 *
 *   app_main    options, descriptors, the parts that are linked; then the loop
 *   run         in the fiber: main, and exit with what it returns
 *   _exit       in the fiber: close and stop everything, then the guest's end
 *
 * The loop never returns from here: the guest ends in _exit. When the toolstack
 * asks it to end, main gets SIGTERM in the next call that waits; without a
 * handler that is exit(0).
 */
#include "posix/program.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/app.h"
#include "posix/fd.h"
#include "libc/libc.h"
#include "posix/signal.h"
#include "posix/wait.h"

/* Use the full printf (musl/stream_print.c), not newlib's small one: programs
 * may print floating-point numbers. */
__asm__(".globl stream_vprintf");

/* What replaces newlib's signals and libc/'s kill (posix_signal.c). */
__asm__(".globl posix_signal_names");

/* Use the malloc of programs (posix_malloc.c). */
__asm__(".globl posix_malloc_guards");

int main(int argc, char **argv);

const unsigned program_stack_kib __attribute__((weak)) = PROGRAM_STACK_KIB;

static struct {
    struct app *app;
    struct fiber fiber;
    uint64_t stack_kib;
    char *text;  /* the arguments, cut into words */
    char **argv; /* and the start of each; NULL at the end */
    int argc;
} program;

struct app *program_app(void)
{
    return program.app;
}

unsigned long program_stack_bytes(void)
{
    return program.stack_kib * 1024;
}

/* ---- Arguments and environment */

/* The next word of *text, terminated: up to a blank, or between single quotes.
 * NULL: no more. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t"), *end;

    if (!*word)
        return NULL;
    end = *word == '\'' ? strchr(++word, '\'') : word + strcspn(word, " \t");
    if (!end)
        end = word + strlen(word);
    *text = end + (*end != '\0');
    *end = '\0';
    return word;
}

static int set_arguments(const char *name, const char *text)
{
    char *rest, *word;

    program.text = strdup(text);
    /* A word has at least a byte, and another one separates two. */
    program.argv = calloc(strlen(text) / 2 + 3, sizeof(char *));
    if (!program.text || !program.argv)
        return -XEN_ENOMEM;
    rest = program.text;
    program.argv[program.argc++] = (char *)name;
    while ((word = next_word(&rest)))
        program.argv[program.argc++] = word;
    return 0;
}

static int set_environment(struct options *options)
{
    const char *name, *value;
    unsigned at = 0;

    while ((name = options_next(options, "env.", &at, &value)))
        if (setenv(name, value, 1))
            return -XEN_ENOMEM;
    return 0;
}

static int read_options(struct app *app)
{
    const char *args = "";

    /* Volatile: otherwise the compiler would use the constant defined here. */
    program.stack_kib = *(const volatile unsigned *)&program_stack_kib;
    if (options_text(app->options, "args", &args) < 0 ||
        options_number(app->options, "stack", 16, PROGRAM_STACK_KIB_MAX,
                       &program.stack_kib) < 0)
        return -XEN_EINVAL;
    if (set_arguments(app->name, args) || set_environment(app->options)) {
        log_error("program", "the arguments or the environment make no sense");
        return -XEN_EINVAL;
    }
    return 0;
}

/* ---- In the fiber */

static void run(struct fiber *fiber)
{
    (void)fiber;
    if (files_ready && files_ready())
        _exit(EXIT_FAILURE);
    exit(main(program.argc, program.argv));
}

/* To the toolstack a program that failed has crashed: on_crash= applies. If the
 * toolstack asked for the end, that is the reason. */
static void set_reason(int status)
{
    if (status && !program.app->stop)
        program.app->end = APP_CRASH;
}

void _exit(int status)
{
    wait_no_signals();
    set_reason(status);
    if (wait_may()) {
        fd_close_all();
        if (sockets_stop)
            sockets_stop();
        if (files_stop)
            files_stop();
    }
    libc_end(status);
}

/* ---- On the loop */

static void stopping(struct app *app)
{
    (void)app;
    wait_signal(SIGTERM);
}

static int start_parts(struct app *app)
{
    int err = sockets_start ? sockets_start(app) : 0;

    if (!err && files_start)
        err = files_start(app);
    if (!err && program_start)
        err = program_start(app);
    return err;
}

int app_main(struct app *app)
{
    program.app = app;
    if (read_options(app))
        return EXIT_FAILURE;
    posix_fd_init(app->console);
    signal_init();
    wait_init(app->loop, &program.fiber, signal_arrive);
    if (start_parts(app))
        return EXIT_FAILURE;
    if (fiber_start(&program.fiber, app->loop, app->pages,
                    (unsigned)(program.stack_kib * 1024 / XEN_PAGE_SIZE),
                    run)) {
        log_error("program", "no memory for a stack of %u KiB",
                  (unsigned)program.stack_kib);
        return EXIT_FAILURE;
    }
    app->stopping = stopping;
    app_run(app);
    for (;;) /* the toolstack asked for the end, and main was told */
        loop_turn(app->loop);
}
