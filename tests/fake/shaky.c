/* SPDX-License-Identifier: MIT */
/*
 * Memory that changes between two reads. See shaky.h.
 *
 * The pages may not be touched. An instruction that does so faults; it is let
 * through, with the processor's trap flag set, and right behind it the word is
 * changed and the pages are closed again. So nothing has to be built in a
 * special way, and no compiler can hide a read from us.
 */
#define _GNU_SOURCE
#include "tests/fake/shaky.h"

#include "tests/fake/fake.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define TRAP_FLAG   0x100 /* of EFLAGS */
#define FAULT_WRITE 2     /* of a page fault's error code */

struct place {
    char *memory;
    size_t bytes;
    uint32_t step;
};

static struct {
    struct place places[SHAKY_MAX];
    unsigned nr;
    unsigned long reads;
    char *at; /* what the instruction that is let through reads; or NULL */
    bool stepping;
    struct sigaction old_fault, old_trap;
} shaky;

static void protect(int protection)
{
    for (unsigned i = 0; i < shaky.nr; i++) {
        struct place *place = &shaky.places[i];
        size_t before = (uintptr_t)place->memory % XEN_PAGE_SIZE;
        size_t bytes = before + place->bytes + XEN_PAGE_SIZE - 1;

        mprotect(place->memory - before, bytes - bytes % XEN_PAGE_SIZE,
                 protection);
    }
}

static void close_pages(void)
{
    protect(PROT_NONE);
}

static void open_pages(void)
{
    protect(PROT_READ | PROT_WRITE);
}

static void asleep(bool sleeps)
{
    if (sleeps)
        open_pages();
    else
        close_pages();
}

static struct place *place_at(const char *at)
{
    for (unsigned i = 0; i < shaky.nr; i++)
        if (at >= shaky.places[i].memory &&
            at < shaky.places[i].memory + shaky.places[i].bytes)
            return &shaky.places[i];
    return NULL;
}

static bool is_page_of_ours(const char *at)
{
    for (unsigned i = 0; i < shaky.nr; i++) {
        const struct place *place = &shaky.places[i];
        uintptr_t first = (uintptr_t)place->memory / XEN_PAGE_SIZE;
        uintptr_t last =
            ((uintptr_t)place->memory + place->bytes - 1) / XEN_PAGE_SIZE;
        uintptr_t page = (uintptr_t)at / XEN_PAGE_SIZE;

        if (page >= first && page <= last)
            return true;
    }
    return false;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    char *at = info->si_addr;

    (void)number;
    if (shaky.stepping || !is_page_of_ours(at)) {
        sigaction(SIGSEGV, &shaky.old_fault, NULL); /* it faults again */
        return;
    }
    shaky.stepping = true;
    shaky.at = registers[REG_ERR] & FAULT_WRITE ? NULL : at;
    registers[REG_EFL] |= TRAP_FLAG;
    open_pages();
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct place *place = shaky.at ? place_at(shaky.at) : NULL;

    (void)number;
    (void)info;
    registers[REG_EFL] &= ~TRAP_FLAG;
    if (place) {
        char *word = shaky.at - (uintptr_t)shaky.at % sizeof(uint32_t);
        uint32_t value;

        memcpy(&value, word, sizeof(value));
        value += place->step;
        memcpy(word, &value, sizeof(value));
        shaky.reads++;
    }
    shaky.stepping = false;
    close_pages();
}

static void catch_signals(void)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &fault, &shaky.old_fault);
    sigaction(SIGTRAP, &trap, &shaky.old_trap);
}

void shaky_start(void *memory, size_t bytes, uint32_t step)
{
    if (shaky.nr == SHAKY_MAX)
        fake_fail("more than %d shaky places", SHAKY_MAX);
    if (!shaky.nr) {
        shaky.reads = 0;
        catch_signals();
        fake_around_sleep(asleep);
    }
    shaky.places[shaky.nr++] = (struct place){memory, bytes, step};
    close_pages();
}

unsigned long shaky_stop(void)
{
    if (!shaky.nr)
        return 0;
    open_pages();
    fake_around_sleep(NULL);
    sigaction(SIGSEGV, &shaky.old_fault, NULL);
    sigaction(SIGTRAP, &shaky.old_trap, NULL);
    shaky.nr = 0;
    return shaky.reads;
}
