/* SPDX-License-Identifier: MIT */
/*
 * The console with a xenconsoled that does anything. The input is a script:
 * an operation in the low bits of a byte, its operands in the bytes after it.
 */
// sources: console/console.c kernel/loop.c xen/evtchn.c tests/fake/hv.c

#include <stdlib.h>
#include <string.h>

#include "console/console.h"
#include "tests/fake/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct console console;
static const uint8_t *script;
static size_t left;

static uint8_t next_byte(void)
{
    if (left == 0)
        return 0;
    left--;
    return *script++;
}

static uint32_t next_word(void)
{
    uint32_t word = 0;

    for (unsigned i = 0; i < 4; i++)
        word = word << 8 | next_byte();
    return word;
}

static struct xencons_interface *ring(void)
{
    return hv_info()->console_page;
}

static void read_some(struct console *c)
{
    char bytes[100];

    console_read(c, bytes, next_byte() % sizeof(bytes));
}

static void write_some(void)
{
    char bytes[1024];
    size_t len = next_byte() * 4u;
    uint8_t width = next_byte();

    for (size_t i = 0; i < len; i++)
        bytes[i] = i % (width + 1u) == width ? '\n' : 'x';
    console_write(&console, bytes, len);
}

static void turn(void)
{
    fake_evtchn_notify(FAKE_CONSOLE_PORT);
    fake_set_limit(fake_now());
    loop_turn(&loop);
    loop_turn(&loop);
}

static void step(void)
{
    uint8_t byte = next_byte();

    switch (byte % 10) {
    case 0:
        write_some();
        break;
    case 1:
        read_some(&console);
        break;
    case 2:
        ring()->out_cons = next_word();
        break;
    case 3:
        ring()->in_prod = next_word();
        break;
    case 4: /* honest, as long as there is so much */
        ring()->out_cons += next_byte() * 8u;
        break;
    case 5:
        ring()->in_prod += next_byte() * 4u;
        break;
    case 6:
        ring()->out_prod = next_word();
        ring()->in_cons = next_word();
        break;
    case 7:
        console_listen(&console, byte & 0x80 ? read_some : NULL);
        break;
    case 8:
        console_drain(&console, fake_now());
        break;
    default:
        turn();
    }
}

static void check(const struct xencons_interface *before, bool was_broken)
{
    static const char nothing[XEN_PAGE_SIZE];
    const char *after_ring = (const char *)(ring() + 1);

    if (was_broken && (memcmp(before->out, ring()->out, sizeof(before->out)) ||
                       !console.broken))
        fake_fail("a console that was given up was used");
    if (memcmp(after_ring, nothing, XEN_PAGE_SIZE - sizeof(*before)))
        fake_fail("the page was written past the rings");
    if (memcmp(before->in, ring()->in, sizeof(before->in)))
        fake_fail("the input ring was written");
    if (console.backlog_used > CONSOLE_BACKLOG_BYTES)
        fake_fail("the backlog holds %u bytes", console.backlog_used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script = data;
    left = size;
    fake_start(NULL);
    memset(&console, 0, sizeof(console));
    loop_init(&loop);
    memset(ring()->in, 'a', sizeof(ring()->in));
    console_init(&console);
    if (next_byte() % 4 > 0)
        write_some();
    console_start(&console, &loop);
    while (left > 0) {
        struct xencons_interface before = *ring();
        bool was_broken = console.broken;
        step();
        check(&before, was_broken);
    }
    fake_check_clean();
    fake_stop();
    return 0;
}
