/* SPDX-License-Identifier: MIT */
/*
 * Ways to end. Each of the faults must crash the domain, and tools/symbolize
 * must find the name of its function in the dump; none of them returns when the
 * guest is sound.
 */
#include "tests/images/selftest/selftest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RETURN_INSTRUCTION 0xc3

/* Addresses that the compiler does not know. */
static volatile uintptr_t nowhere;
static unsigned char data_code[] = {RETURN_INSTRUCTION};
static const char constant[] = "must stay as it is";

static const char *fault_null(struct app *app)
{
    (void)app;
    *(volatile int *)nowhere = 1;
    return "NULL was written";
}

static const char *fault_null_read(struct app *app)
{
    (void)app;
    (void)*(volatile int *)(nowhere + 16);
    return "NULL was read";
}

static const char *fault_null_call(struct app *app)
{
    (void)app;
    ((void (*)(void))nowhere)();
    return "NULL was called";
}

static const char *fault_text(struct app *app)
{
    (void)app;
    *(volatile unsigned char *)((uintptr_t)fault_text + nowhere) =
        RETURN_INSTRUCTION;
    return "text was written";
}

static const char *fault_rodata(struct app *app)
{
    (void)app;
    *(volatile char *)((uintptr_t)constant + nowhere) = 'M';
    return "rodata was written";
}

static void execute(uintptr_t code)
{
    ((void (*)(void))(code + nowhere))();
}

static const char *fault_exec(struct app *app)
{
    (void)app;
    execute((uintptr_t)data_code);
    return "data was executed";
}

static const char *fault_exec_stack(struct app *app)
{
    volatile unsigned char code[] = {RETURN_INSTRUCTION};

    (void)app;
    execute((uintptr_t)code);
    return "the stack was executed";
}

static const char *fault_exec_heap(struct app *app)
{
    unsigned char *code = malloc(1);

    (void)app;
    must(code);
    *code = RETURN_INSTRUCTION;
    execute((uintptr_t)code);
    free(code);
    return "the heap was executed";
}

static unsigned dig(unsigned depth)
{
    volatile unsigned char frame[512];

    memset((unsigned char *)frame, (int)depth, sizeof(frame));
    return nowhere ? depth : dig(depth + 1) + frame[depth % sizeof(frame)];
}

static const char *fault_stack(struct app *app)
{
    (void)app;
    return dig(0) ? "the stack has no end" : "the stack has no end.";
}

static const char *fault_opcode(struct app *app)
{
    (void)app;
    __asm__ volatile("ud2");
    return "ud2 did nothing";
}

static const char *fault_assert(struct app *app)
{
    (void)app;
    assert(nowhere == 1);
    return "an assertion did nothing";
}

static const char *fault_abort(struct app *app)
{
    (void)app;
    abort();
}

static const char *fault_double_free(struct app *app)
{
    char *volatile block = malloc(100);

    (void)app;
    free(block);
    free(block);
    return "a block was freed twice";
}

static const char *fault_wild_free(struct app *app)
{
    char *volatile block = malloc(100);

    (void)app;
    free(block + 16 + nowhere);
    return "half a block was freed";
}

/* ---- Ends that are not faults */

static const char *end_return(struct app *app)
{
    (void)app;
    return NULL;
}

static const char *end_exit3(struct app *app)
{
    (void)app;
    exit(3);
}

/* Run until the toolstack ends it. */
static const char *end_run(struct app *app)
{
    app_run(app);
    return NULL;
}

const struct selftest_check selftest_fault[] = {
    {"fault-null", fault_null, true},
    {"fault-null-read", fault_null_read, true},
    {"fault-null-call", fault_null_call, true},
    {"fault-text", fault_text, true},
    {"fault-rodata", fault_rodata, true},
    {"fault-exec", fault_exec, true},
    {"fault-exec-stack", fault_exec_stack, true},
    {"fault-exec-heap", fault_exec_heap, true},
    {"fault-stack", fault_stack, true},
    {"fault-opcode", fault_opcode, true},
    {"fault-assert", fault_assert, true},
    {"fault-abort", fault_abort, true},
    {"fault-double-free", fault_double_free, true},
    {"fault-wild-free", fault_wild_free, true},
    {"return", end_return, true},
    {"exit3", end_exit3, true},
    {"run", end_run, true},
    {NULL, NULL, false},
};
