/* SPDX-License-Identifier: MIT */
/*
 * The fake Xen. See fake.h for what it promises.
 *
 * One static machine, wiped by fake_start(). The guest's memory is an arena
 * whose pages are poisoned (ASan) until they are mapped, and again while
 * kernel/page.c has them back. A page's frame number has nothing to do with
 * its page number, so that mixing them up shows.
 *
 * Grants follow Xen's __acquire_grant_for_copy and map_grant_ref: the entry is
 * read once, checked, and its GTF_reading/GTF_writing bits are set while there
 * is a mapping; a mapping is of the frame the entry named when it was made.
 *
 * The page allocator's calls are wrapped by the linker (tests.mk), which is
 * how its pages are poisoned without a hook in it.
 */
#include "tests/fake/fake.h"

#include "kernel/page.h"

#include <inttypes.h>
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NR_PORTS       EVTCHN_2L_NR_CHANNELS
#define WORD_BITS      (8 * sizeof(xen_ulong_t))
#define EVENTS_MAX     64
#define REFS_MAX       (HV_GRANT_FRAMES_MAX * REFS_PER_FRAME)
#define REFS_PER_FRAME (XEN_PAGE_SIZE / sizeof(grant_entry_v1_t))
/* A round of steps that did something takes this long, so that a storm of
 * events does not stop time. */
#define ROUND_NS       1000
/* More rounds in one sleep, or clock reads without one, are a dead end. */
#define PATIENCE       1000000
#define FRAME_BASE     0x40000000u

enum port_state { PORT_CLOSED, PORT_UNBOUND, PORT_BOUND };

struct port {
    enum port_state state;
    bool notified; /* the guest sent, the other side has not looked */
    domid_t remote;
};

enum page_state {
    PAGE_UNMAPPED,
    PAGE_MAPPED,
    PAGE_OUT,
    PAGE_GUARD, /* out, and not to be touched */
    PAGE_BACK
};

struct scheduled {
    uint64_t due_ns;
    void (*fn)(void *arg);
    void *arg;
};

struct backend {
    fake_step_fn *fn;
    void *arg;
};

struct mapping {
    unsigned readers, writers;
    unsigned long page;
};

struct fault {
    bool armed;
    unsigned nth;
    int error;
};

struct fake {
    bool running;
    struct fake_config config;
    struct hv_info info;
    uint64_t now_ns, limit_ns, random, entropy;
    unsigned long clock_reads;
    struct backend backends[FAKE_BACKENDS_MAX];
    unsigned nr_backends;
    struct scheduled events[EVENTS_MAX];
    unsigned nr_events;
    void (*scribble)(void *arg);
    void *scribble_arg;
    void (*around_sleep)(bool sleeps);
    struct port ports[NR_PORTS];
    unsigned marked_ports;
    unsigned nr_frames;
    unsigned nr_maps;
    unsigned long calls[FAKE_NR_CALLS];
    struct fault faults[FAKE_NR_CALLS];
    unsigned char pages[FAKE_PAGES_MAX];
    unsigned long pages_out;
    int caught;
    bool catch_shutdown, catch_assert, catch_fail;
    jmp_buf jump;
};

static struct fake fake;
static char *arena;
static union {
    shared_info_t info;
    char page[XEN_PAGE_SIZE];
} shared __attribute__((aligned(4096)));
static char console_page[XEN_PAGE_SIZE] __attribute__((aligned(4096)));
static char store_page[XEN_PAGE_SIZE] __attribute__((aligned(4096)));
static grant_entry_v1_t table[REFS_MAX] __attribute__((aligned(4096)));
static struct mapping maps[REFS_MAX]; /* by reference, like the table */

/* ---- Failing. */

/* Of cmocka, when the program has it: ends the test. */
extern void _fail(const char *file, int line) __attribute__((weak));

_Noreturn static void jump_out(bool *armed, int value)
{
    *armed = false;
    fake.caught = value;
    longjmp(fake.jump, 1);
}

_Noreturn void fake_fail(const char *format, ...)
{
    va_list args;

    if (fake.around_sleep)
        fake.around_sleep(true);
    fake.around_sleep = NULL;
    if (fake.catch_fail)
        jump_out(&fake.catch_fail, 0);
    fflush(stdout);
    fprintf(stderr, "fake: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (seed %" PRIu64 ")\n", fake.config.seed);
    if (_fail)
        _fail("tests/fake/hv.c", __LINE__);
    abort();
}

/* <assert.h>'s, so that a test can expect one and cmocka survives one. */
_Noreturn void __assert_fail(const char *condition, const char *file,
                             unsigned line, const char *function)
{
    if (fake.catch_assert)
        jump_out(&fake.catch_assert, 0);
    fake_fail("%s:%u: %s: assertion %s failed", file, line, function,
              condition);
}

static jmp_buf *catch (bool *armed)
{
    fake.catch_shutdown = fake.catch_assert = fake.catch_fail = false;
    *armed = true;
    return &fake.jump;
}

jmp_buf *fake_catch_shutdown(void)
{
    return catch (&fake.catch_shutdown);
}

jmp_buf *fake_catch_assert(void)
{
    return catch (&fake.catch_assert);
}

jmp_buf *fake_catch_fail(void)
{
    return catch (&fake.catch_fail);
}

int fake_caught(void)
{
    return fake.caught;
}

int fake_caught_none(void)
{
    fake.catch_shutdown = fake.catch_assert = fake.catch_fail = false;
    return -1;
}

/* ---- Chance: splitmix64, two streams so that a guest that asks for entropy
 * does not change what the backends do. */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t fake_random(void)
{
    return splitmix(&fake.random);
}

unsigned fake_random_below(unsigned n)
{
    return (unsigned)(fake_random() % n);
}

bool fake_chance(unsigned percent)
{
    return fake_random_below(100) < percent;
}

void fake_random_fill(void *to, size_t bytes)
{
    unsigned char *at = to;

    while (bytes--)
        *at++ = (unsigned char)fake_random();
}

/* ---- Entering the hypervisor. */

static void enter(enum fake_call call)
{
    if (!fake.running)
        fake_fail("a hypercall without a machine: fake_start() is missing");
    fake.calls[call]++;
    if (fake.scribble)
        fake.scribble(fake.scribble_arg);
}

void fake_scribble(void (*fn)(void *arg), void *arg)
{
    fake.scribble = fn;
    fake.scribble_arg = arg;
}

static int injected(enum fake_call call)
{
    struct fault *fault = &fake.faults[call];

    if (!fault->armed)
        return 0;
    if (fault->nth > 1) {
        fault->nth--;
        return 0;
    }
    fault->armed = fault->nth == 0;
    return fault->error;
}

void fake_fail_call(enum fake_call call, unsigned nth, int error)
{
    fake.faults[call] = (struct fault){true, nth, error};
}

void fake_fail_none(void)
{
    memset(fake.faults, 0, sizeof(fake.faults));
}

unsigned long fake_calls(enum fake_call call)
{
    return fake.calls[call];
}

unsigned long fake_hypercalls(void)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < FAKE_NR_CALLS; i++)
        if (i != FAKE_NOW && i != FAKE_RANDOM)
            sum += fake.calls[i];
    return sum;
}

/* ---- Time. */

const struct hv_info *hv_info(void)
{
    return &fake.info;
}

uint64_t hv_now_ns(void)
{
    enter(FAKE_NOW);
    if (++fake.clock_reads > PATIENCE)
        fake_fail("%d clock reads without a sleep: a busy wait", PATIENCE);
    fake.now_ns += fake.config.tick_ns;
    return fake.now_ns;
}

uint64_t hv_wall_base_ns(void)
{
    return fake.config.wall_base_ns;
}

uint64_t hv_cpu_ns(void)
{
    return fake_hypercalls() * 1000; /* any figure that grows */
}

uint64_t fake_now(void)
{
    return fake.now_ns;
}

void fake_advance(uint64_t ns)
{
    fake.now_ns += ns;
}

void fake_set_limit(uint64_t until_ns)
{
    fake.limit_ns = until_ns;
}

void fake_at(uint64_t due_ns, void (*fn)(void *arg), void *arg)
{
    if (fake.nr_events == EVENTS_MAX)
        fake_fail("more than %d scheduled events", EVENTS_MAX);
    fake.events[fake.nr_events++] = (struct scheduled){due_ns, fn, arg};
}

static uint64_t earliest_event(void)
{
    uint64_t due_ns = UINT64_MAX;

    for (unsigned i = 0; i < fake.nr_events; i++)
        if (fake.events[i].due_ns < due_ns)
            due_ns = fake.events[i].due_ns;
    return due_ns;
}

/* Run the events that are due, those of equal time in order of scheduling. */
static bool run_events(void)
{
    bool ran = false;

    for (uint64_t due; (due = earliest_event()) <= fake.now_ns; ran = true) {
        unsigned i = 0;
        struct scheduled event;

        while (fake.events[i].due_ns != due)
            i++;
        event = fake.events[i];
        fake.nr_events--;
        memmove(&fake.events[i], &fake.events[i + 1],
                (fake.nr_events - i) * sizeof(event));
        event.fn(event.arg);
    }
    return ran;
}

void fake_add_backend(fake_step_fn *fn, void *arg)
{
    if (fake.nr_backends == FAKE_BACKENDS_MAX)
        fake_fail("more than %d backends", FAKE_BACKENDS_MAX);
    fake.backends[fake.nr_backends++] = (struct backend){fn, arg};
}

void fake_remove_backend(fake_step_fn *fn, void *arg)
{
    unsigned i = 0;

    while (i < fake.nr_backends &&
           (fake.backends[i].fn != fn || fake.backends[i].arg != arg))
        i++;
    if (i == fake.nr_backends)
        fake_fail("fake_remove_backend: no such backend");
    fake.nr_backends--;
    memmove(&fake.backends[i], &fake.backends[i + 1],
            (fake.nr_backends - i) * sizeof(fake.backends[0]));
}

static bool run_round(void)
{
    bool busy = run_events();

    for (unsigned i = 0; i < fake.nr_backends; i++)
        busy |= fake.backends[i].fn(fake.backends[i].arg);
    return busy;
}

void fake_run_backends(void)
{
    for (unsigned rounds = 0; run_round(); rounds++)
        if (rounds == PATIENCE)
            fake_fail("backend steps never come to rest");
}

/* ---- Sleeping. */

static bool bit_is_set(const xen_ulong_t *bits, evtchn_port_t port)
{
    return __atomic_load_n(&bits[port / WORD_BITS], __ATOMIC_ACQUIRE) >>
               (port % WORD_BITS) &
           1;
}

static bool any_pending(const evtchn_port_t *ports, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        if (bit_is_set(shared.info.evtchn_pending, ports[i]))
            return true;
    return false;
}

static void check_polled(const evtchn_port_t *ports, unsigned nr)
{
    if (nr > HV_POLL_PORTS_MAX)
        fake_fail("hv_poll of %u ports", nr);
    for (unsigned i = 0; i < nr; i++)
        if (!fake_evtchn_is_open(ports[i]))
            fake_fail("hv_poll of port %u, which is closed", ports[i]);
}

_Noreturn static void fail_asleep(const evtchn_port_t *ports, unsigned nr)
{
    char list[HV_POLL_PORTS_MAX * 5 + 1] = "";

    for (unsigned i = 0; i < nr; i++)
        sprintf(list + strlen(list), " %u", ports[i]);
    fake_fail("the guest sleeps for ever; it polls%s", nr ? list : " no port");
}

/* When to look again: soon if a step was busy, else when something is due. */
static uint64_t next_round(bool busy, uint64_t until_ns)
{
    uint64_t next = earliest_event();

    if (next > until_ns)
        next = until_ns;
    if (busy && next > fake.now_ns + ROUND_NS)
        next = fake.now_ns + ROUND_NS;
    return next > fake.now_ns ? next : fake.now_ns;
}

static void sleep_until(evtchn_port_t *ports, unsigned nr, uint64_t until_ns)
{
    unsigned rounds = 0;

    if (until_ns > fake.limit_ns)
        until_ns = fake.limit_ns;
    if (fake_chance(fake.config.spurious_percent))
        return;
    while (!any_pending(ports, nr)) {
        bool busy = run_round();
        uint64_t next = next_round(busy, until_ns);

        if (fake.now_ns >= until_ns || (!busy && any_pending(ports, nr)))
            return;
        if (next == UINT64_MAX)
            fail_asleep(ports, nr);
        if (++rounds == PATIENCE)
            fake_fail("backend steps never come to rest");
        fake.now_ns = next;
    }
}

void hv_poll(evtchn_port_t *ports, unsigned nr, uint64_t until_ns)
{
    enter(FAKE_POLL);
    check_polled(ports, nr);
    fake.clock_reads = 0;
    if (fake.around_sleep)
        fake.around_sleep(true);
    sleep_until(ports, nr, until_ns);
    if (fake.around_sleep)
        fake.around_sleep(false);
}

void fake_around_sleep(void (*fn)(bool sleeps))
{
    fake.around_sleep = fn;
}

/* ---- Event channels. */

static struct port *open_port(evtchn_port_t port, const char *who)
{
    if (!fake_evtchn_is_open(port))
        fake_fail("%s of port %u, which is closed", who, port);
    return &fake.ports[port];
}

bool fake_evtchn_is_open(evtchn_port_t port)
{
    return port < NR_PORTS && fake.ports[port].state != PORT_CLOSED;
}

unsigned fake_open_ports(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < NR_PORTS; i++)
        nr += fake_evtchn_is_open(i);
    return nr;
}

int hv_evtchn_alloc_unbound(domid_t remote, evtchn_port_t *port)
{
    int error;

    enter(FAKE_ALLOC_UNBOUND);
    error = injected(FAKE_ALLOC_UNBOUND);
    if (error)
        return error;
    /* The lowest free one, as Xen does: a closed port's number comes back at
     * once, and who still uses the old one is found out. Port 0 is never
     * used. */
    for (unsigned i = 1; i < NR_PORTS; i++) {
        if (fake.ports[i].state == PORT_CLOSED) {
            fake.ports[i] = (struct port){PORT_UNBOUND, false, remote};
            *port = i;
            return 0;
        }
    }
    return -XEN_ENOSPC;
}

void hv_evtchn_close(evtchn_port_t port)
{
    enter(FAKE_CLOSE);
    open_port(port, "hv_evtchn_close")->state = PORT_CLOSED;
    __atomic_and_fetch(&shared.info.evtchn_pending[port / WORD_BITS],
                       ~((xen_ulong_t)1 << (port % WORD_BITS)),
                       __ATOMIC_RELAXED);
}

void hv_evtchn_notify(evtchn_port_t port)
{
    struct port *p;

    enter(FAKE_NOTIFY);
    p = open_port(port, "hv_evtchn_notify");
    if (p->state == PORT_BOUND)
        p->notified = true;
}

int fake_evtchn_bind(domid_t dom, evtchn_port_t port)
{
    if (port >= NR_PORTS || fake.ports[port].state != PORT_UNBOUND ||
        fake.ports[port].remote != dom)
        return -XEN_EINVAL;
    fake.ports[port].state = PORT_BOUND;
    /* Xen does this too: the guest's notifications until now went nowhere. */
    fake_evtchn_notify(port);
    return 0;
}

void fake_evtchn_unbind(evtchn_port_t port)
{
    if (port >= NR_PORTS || fake.ports[port].state != PORT_BOUND)
        return;
    fake.ports[port].state = PORT_UNBOUND;
    fake.ports[port].notified = false;
}

bool fake_evtchn_notify(evtchn_port_t port)
{
    if (port >= NR_PORTS || fake.ports[port].state != PORT_BOUND)
        return false;
    /* Pairs with the acquire in evtchn_take(). */
    __atomic_or_fetch(&shared.info.evtchn_pending[port / WORD_BITS],
                      (xen_ulong_t)1 << (port % WORD_BITS), __ATOMIC_RELEASE);
    return true;
}

bool fake_evtchn_take(evtchn_port_t port)
{
    bool notified = port < NR_PORTS && fake.ports[port].notified;

    if (notified)
        fake.ports[port].notified = false;
    return notified;
}

/* ---- Pages. */

static bool is_mapped(unsigned long page)
{
    return page < fake.config.pages && fake.pages[page] != PAGE_UNMAPPED;
}

bool fake_page_is_mapped(unsigned long page)
{
    return is_mapped(page);
}

unsigned long fake_pages_out(void)
{
    return fake.pages_out;
}

bool hv_free_range(unsigned i, unsigned long *first, unsigned long *end)
{
    const struct fake_config *config = &fake.config;
    unsigned long hole = config->hole ? config->hole : config->pages;

    *first = i == 0 ? config->first_free : hole + config->hole_pages;
    *end = i == 0 ? hole : config->pages;
    return i == 0 || (i == 1 && config->hole);
}

void *hv_page_address(unsigned long page)
{
    if (page >= fake.config.pages)
        fake_fail("page %#lx of %#lx", page, fake.config.pages);
    return arena + page * XEN_PAGE_SIZE;
}

unsigned long hv_page_number(const void *address)
{
    unsigned long offset = (unsigned long)((const char *)address - arena);

    if (offset / XEN_PAGE_SIZE >= fake.config.pages)
        fake_fail("%p is not in the guest's memory", address);
    return offset / XEN_PAGE_SIZE;
}

int hv_map_pages(unsigned long first, unsigned long nr)
{
    int error;

    enter(FAKE_MAP_PAGES);
    if (nr == 0 || first < fake.config.first_free || nr > fake.config.pages ||
        first > fake.config.pages - nr)
        fake_fail("hv_map_pages(%#lx, %#lx): not ours", first, nr);
    for (unsigned long page = first; page < first + nr; page++) {
        if (is_mapped(page))
            fake_fail("hv_map_pages: page %#lx is mapped already", page);
        if (page - fake.config.hole < fake.config.hole_pages)
            fake_fail("hv_map_pages: page %#lx is not free", page);
    }
    error = injected(FAKE_MAP_PAGES);
    if (error)
        return error;
    memset(&fake.pages[first], PAGE_MAPPED, nr);
    ASAN_UNPOISON_MEMORY_REGION(hv_page_address(first), nr * XEN_PAGE_SIZE);
    memset(hv_page_address(first), 0xa5, nr * XEN_PAGE_SIZE);
    return 0;
}

/* The page must be in state `from`. */
static void change_state(void *page, enum page_state from, enum page_state to)
{
    unsigned long number = hv_page_number(page);

    if ((uintptr_t)page % XEN_PAGE_SIZE || fake.pages[number] != from)
        fake_fail("a guard at %p: page %#lx is in state %d", page, number,
                  fake.pages[number]);
    fake.pages[number] = (unsigned char)to;
}

int hv_guard_page(void *page)
{
    int error;

    enter(FAKE_GUARD_PAGE);
    error = injected(FAKE_GUARD_PAGE);
    if (error)
        return error;
    change_state(page, PAGE_OUT, PAGE_GUARD);
    ASAN_POISON_MEMORY_REGION(page, XEN_PAGE_SIZE);
    return 0;
}

void hv_unguard_page(void *page)
{
    enter(FAKE_UNGUARD_PAGE);
    change_state(page, PAGE_GUARD, PAGE_OUT);
    ASAN_UNPOISON_MEMORY_REGION(page, XEN_PAGE_SIZE);
    memset(page, 0xa5, XEN_PAGE_SIZE);
}

bool fake_page_is_guarded(const void *page)
{
    return fake.pages[hv_page_number(page)] == PAGE_GUARD;
}

static uint32_t frame_of(unsigned long page)
{
    return (uint32_t)(FRAME_BASE + fake.config.pages - page);
}

uint32_t hv_page_frame(const void *page)
{
    unsigned long number = hv_page_number(page);

    if ((uintptr_t)page % XEN_PAGE_SIZE || !is_mapped(number) ||
        fake.pages[number] == PAGE_GUARD)
        fake_fail("hv_page_frame(%p): not a page of ours", page);
    return frame_of(number);
}

/* ---- What kernel/page.c hands out, watched (linker option --wrap). */

void *__real_page_alloc(struct pages *pages, unsigned long nr)
    __attribute__((weak));
void *__real_page_alloc_zeroed(struct pages *pages, unsigned long nr)
    __attribute__((weak));
bool __real_page_extend(struct pages *pages, void *run, unsigned long nr,
                        unsigned long more) __attribute__((weak));
void __real_page_free(struct pages *pages, void *run, unsigned long nr)
    __attribute__((weak));
void *__wrap_page_alloc(struct pages *pages, unsigned long nr);
void *__wrap_page_alloc_zeroed(struct pages *pages, unsigned long nr);
bool __wrap_page_extend(struct pages *pages, void *run, unsigned long nr,
                        unsigned long more);
void __wrap_page_free(struct pages *pages, void *run, unsigned long nr);

static void *hand_out(void *run, unsigned long nr)
{
    unsigned long page;

    if (run == NULL)
        return NULL;
    page = hv_page_number(run);
    fake.pages_out += nr;
    memset(&fake.pages[page], PAGE_OUT, nr);
    ASAN_UNPOISON_MEMORY_REGION(run, nr * XEN_PAGE_SIZE);
    return run;
}

void *__wrap_page_alloc(struct pages *pages, unsigned long nr)
{
    return hand_out(__real_page_alloc(pages, nr), nr);
}

/* It zeroes before we know which pages it chose. */
void *__wrap_page_alloc_zeroed(struct pages *pages, unsigned long nr)
{
    void *run;

    for (unsigned long i = 0; i < fake.config.pages; i++)
        if (fake.pages[i] == PAGE_BACK)
            ASAN_UNPOISON_MEMORY_REGION(hv_page_address(i), XEN_PAGE_SIZE);
    run = hand_out(__real_page_alloc_zeroed(pages, nr), nr);
    for (unsigned long i = 0; i < fake.config.pages; i++)
        if (fake.pages[i] == PAGE_BACK)
            ASAN_POISON_MEMORY_REGION(hv_page_address(i), XEN_PAGE_SIZE);
    return run;
}

bool __wrap_page_extend(struct pages *pages, void *run, unsigned long nr,
                        unsigned long more)
{
    if (!__real_page_extend(pages, run, nr, more))
        return false;
    hand_out((char *)run + nr * XEN_PAGE_SIZE, more);
    return true;
}

static void check_not_shared(unsigned long page)
{
    for (unsigned i = 0; i < fake.nr_frames * REFS_PER_FRAME; i++) {
        struct mapping *map = &maps[i];

        if (table[i].flags != GTF_invalid && table[i].frame == frame_of(page))
            fake_fail("page %#lx is freed but grant %u permits it", page, i);
        if (map->readers + map->writers && map->page == page)
            fake_fail("page %#lx is freed but grant %u maps it", page, i);
    }
    if (fake.pages[page] == PAGE_GUARD)
        fake_fail("page %#lx is freed but guarded", page);
}

void __wrap_page_free(struct pages *pages, void *run, unsigned long nr)
{
    unsigned long page = hv_page_number(run);

    __real_page_free(pages, run, nr);
    fake.pages_out -= nr;
    for (unsigned long i = page; i < page + nr; i++)
        check_not_shared(i);
    memset(&fake.pages[page], PAGE_BACK, nr);
    ASAN_POISON_MEMORY_REGION(run, nr * XEN_PAGE_SIZE);
}

/* ---- The grant table. */

int hv_grant_frames(unsigned nr_frames, grant_entry_v1_t **result)
{
    int error;

    enter(FAKE_GRANT_FRAMES);
    error = injected(FAKE_GRANT_FRAMES);
    if (error)
        return error;
    if (nr_frames > fake.config.grant_frames)
        return -XEN_ENOMEM;
    if (nr_frames > fake.nr_frames)
        fake.nr_frames = nr_frames;
    ASAN_UNPOISON_MEMORY_REGION(table, fake.nr_frames * XEN_PAGE_SIZE);
    *result = table;
    return 0;
}

/* Check the entry as Xen does, for a domain that wants to read or write.
 * A page number by *page. */
static int check_entry(domid_t dom, grant_ref_t ref, bool write,
                       unsigned long *page)
{
    grant_entry_v1_t entry;
    unsigned long number;

    if (ref >= fake.nr_frames * REFS_PER_FRAME)
        return GNTST_bad_gntref;
    /* Pairs with the release in gnttab_give(). */
    entry.flags = __atomic_load_n(&table[ref].flags, __ATOMIC_ACQUIRE);
    entry.domid = table[ref].domid;
    entry.frame = table[ref].frame;
    if ((entry.flags & GTF_type_mask) != GTF_permit_access ||
        entry.flags & GTF_sub_page || entry.domid != dom)
        return GNTST_general_error;
    if (write && entry.flags & GTF_readonly)
        return GNTST_general_error;
    number = FRAME_BASE + fake.config.pages - entry.frame;
    if (!is_mapped(number))
        return GNTST_bad_page;
    *page = number;
    return GNTST_okay;
}

void *fake_map_grant(domid_t dom, grant_ref_t ref, bool write)
{
    struct mapping *map;
    unsigned long page;

    if (check_entry(dom, ref, write, &page) != GNTST_okay)
        return NULL;
    map = &maps[ref];
    if (map->readers + map->writers && map->page != page)
        fake_fail("grant %u was changed while it was mapped", ref);
    map->page = page;
    map->readers += !write;
    map->writers += write;
    fake.nr_maps++;
    __atomic_or_fetch(&table[ref].flags,
                      write ? GTF_reading | GTF_writing : GTF_reading,
                      __ATOMIC_RELAXED);
    return hv_page_address(page);
}

void fake_unmap_grant(grant_ref_t ref, bool write)
{
    struct mapping *map = &maps[ref];
    unsigned *count = write ? &map->writers : &map->readers;
    uint16_t clear = 0;

    if (*count == 0)
        fake_fail("fake_unmap_grant(%u): not mapped", ref);
    --*count;
    fake.nr_maps--;
    if (map->writers == 0)
        clear |= GTF_writing;
    if (map->writers + map->readers == 0)
        clear |= GTF_reading;
    /* What was written to the page comes before: pairs with the acquire in
     * gnttab_withdraw(). */
    __atomic_and_fetch(&table[ref].flags, (uint16_t)~clear, __ATOMIC_RELEASE);
}

static int check_copy(domid_t dom, grant_ref_t ref, unsigned offset,
                      size_t bytes, bool write, char **at)
{
    unsigned long page;
    int status;

    if (offset > XEN_PAGE_SIZE || bytes > XEN_PAGE_SIZE - offset)
        return GNTST_bad_copy_arg;
    status = check_entry(dom, ref, write, &page);
    if (status == GNTST_okay)
        *at = (char *)hv_page_address(page) + offset;
    return status;
}

int fake_copy_from_grant(domid_t dom, grant_ref_t ref, unsigned offset,
                         void *to, size_t bytes)
{
    char *at;
    int status = check_copy(dom, ref, offset, bytes, false, &at);

    if (status == GNTST_okay)
        memcpy(to, at, bytes);
    return status;
}

int fake_copy_to_grant(domid_t dom, grant_ref_t ref, unsigned offset,
                       const void *from, size_t bytes)
{
    char *at;
    int status = check_copy(dom, ref, offset, bytes, true, &at);

    if (status == GNTST_okay)
        memcpy(at, from, bytes);
    return status;
}

unsigned fake_maps(void)
{
    return fake.nr_maps;
}

unsigned fake_live_grants(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < fake.nr_frames * REFS_PER_FRAME; i++)
        nr += i >= GNTTAB_NR_RESERVED_ENTRIES && table[i].flags != GTF_invalid;
    return nr;
}

/* ---- Entropy, and the end. */

bool hv_random(uint64_t *bits)
{
    enter(FAKE_RANDOM);
    if (injected(FAKE_RANDOM))
        return false;
    *bits = splitmix(&fake.entropy);
    return true;
}

_Noreturn void hv_shutdown(unsigned reason)
{
    enter(FAKE_SHUTDOWN);
    if (fake.catch_shutdown)
        jump_out(&fake.catch_shutdown, (int)reason);
    fake_fail("the guest shut down with reason %u", reason);
}

/* ---- Starting and stopping the machine. */

static uint64_t default_seed(void)
{
    static bool printed;
    const char *text = getenv("SEED");
    uint64_t seed = text && *text ? strtoull(text, NULL, 0) : 1;

    if (!printed)
        fprintf(stderr, "seed %" PRIu64 "\n", seed);
    printed = true;
    return seed;
}

static void fill_defaults(struct fake_config *c)
{
    c->pages = c->pages ? c->pages : 1024;
    c->first_free = c->first_free ? c->first_free : 37;
    c->grant_frames = c->grant_frames ? c->grant_frames : 4;
    c->start_ns = c->start_ns ? c->start_ns : UINT64_C(1000000000);
    c->wall_base_ns =
        c->wall_base_ns ? c->wall_base_ns : UINT64_C(1767225600000000000);
    c->cmdline = c->cmdline ? c->cmdline : "";
    c->seed = c->seed ? c->seed : default_seed();
    if (c->pages > FAKE_PAGES_MAX || c->first_free > c->pages ||
        c->grant_frames > HV_GRANT_FRAMES_MAX)
        fake_fail("impossible fake_config");
}

static void fill_info(const struct fake_config *config)
{
    struct hv_info *info = &fake.info;

    info->shared = &shared.info;
    info->cmdline = config->cmdline;
    info->nr_pages = config->pages;
    info->module = config->module;
    info->module_bytes = config->module_bytes;
    if (!config->no_store) {
        info->store_page = store_page;
        info->store_port = FAKE_STORE_PORT;
        fake.ports[FAKE_STORE_PORT].state = PORT_BOUND;
    }
    if (!config->no_console) {
        info->console_page = console_page;
        info->console_port = FAKE_CONSOLE_PORT;
        fake.ports[FAKE_CONSOLE_PORT].state = PORT_BOUND;
    }
}

static void wipe_memory(void)
{
    if (arena == NULL)
        arena = mmap(NULL, (FAKE_PAGES_MAX + 1) * (size_t)XEN_PAGE_SIZE,
                     PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED)
        fake_fail("no memory for the arena");
    /* One page more stands guard behind the last. */
    ASAN_POISON_MEMORY_REGION(arena, (fake.config.pages + 1) * XEN_PAGE_SIZE);
    ASAN_UNPOISON_MEMORY_REGION(table, sizeof(table));
    memset(table, 0, fake.config.grant_frames * XEN_PAGE_SIZE);
    memset(maps, 0,
           fake.config.grant_frames * REFS_PER_FRAME * sizeof(maps[0]));
    ASAN_POISON_MEMORY_REGION(table, sizeof(table));
    memset(&shared, 0, sizeof(shared));
    memset(shared.info.evtchn_mask, 0xff, sizeof(shared.info.evtchn_mask));
    shared.info.vcpu_info[0].evtchn_upcall_mask = 1;
    memset(console_page, 0, sizeof(console_page));
    memset(store_page, 0, sizeof(store_page));
}

void fake_start(const struct fake_config *config)
{
    static const struct fake_config defaults;

    memset(&fake, 0, sizeof(fake));
    fake.config = config ? *config : defaults;
    fill_defaults(&fake.config);
    fake.running = true;
    fake.now_ns = fake.config.start_ns;
    fake.limit_ns = UINT64_MAX;
    fake.random = fake.config.seed;
    fake.entropy = ~fake.config.seed;
    wipe_memory();
    fill_info(&fake.config);
    fake_mark_ports();
}

void fake_stop(void)
{
    fake.running = false;
}

void fake_mark_ports(void)
{
    fake.marked_ports = fake_open_ports();
}

void fake_check_clean(void)
{
    if (fake_open_ports() != fake.marked_ports)
        fake_fail("%u ports are open, %u were", fake_open_ports(),
                  fake.marked_ports);
    if (fake.nr_maps)
        fake_fail("%u grants are still mapped", fake.nr_maps);
    if (fake_live_grants())
        fake_fail("%u grants still permit something", fake_live_grants());
}

int fake_setup(void **state)
{
    (void)state;
    fake_start(NULL);
    return 0;
}

int fake_teardown(void **state)
{
    (void)state;
    fake_stop();
    fake_check_clean();
    return 0;
}
