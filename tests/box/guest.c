/* SPDX-License-Identifier: MIT */
/*
 * The smallest PV guest that proves a box works: it says hello on its console
 * and then echoes what is typed, line by line, until it reads "quit". It looks
 * for input all the time, yielding the CPU: it lives for seconds only. With
 * the command line "work" it counts to ten million instead of listening.
 *
 * It stands alone on purpose (no header of Xen's or ours): the box's test
 * must not fail because the system under construction does. Offsets are those
 * of xen/include/public: start_info in xen.h, the ring in io/console.h.
 */
#include <stdint.h>

#define MACH2PHYS        ((const uint64_t *)0xffff800000000000ul)
#define VIRT_BASE        0x200000ul
#define PAGE             4096
#define SCHED_OP         29
#define EVENT_CHANNEL_OP 32
#define SCHEDOP_YIELD    0
#define SCHEDOP_SHUTDOWN 2
#define EVTCHNOP_SEND    4
#define IN_SIZE          1024
#define OUT_SIZE         2048

struct start_info {
    uint8_t magic[32];
    uint64_t nr_pages, shared_info;
    uint32_t flags;
    uint64_t store_mfn;
    uint32_t store_port;
    uint64_t console_mfn;
    uint32_t console_port;
    uint64_t pt_base, nr_pt_frames, mfn_list, mod_start, mod_len;
    char cmd_line[1024];
};

struct console_ring {
    char in[IN_SIZE], out[OUT_SIZE];
    volatile uint32_t in_cons, in_prod, out_cons, out_prod;
};

extern char hypercall_page[];

static long hypercall(unsigned int number, long command, void *argument)
{
    long result;

    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(command), "+S"(argument)
                     : [entry] "r"(hypercall_page + number * 32)
                     : "rcx", "r11", "memory");
    return result;
}

static void notify(uint32_t port)
{
    hypercall(EVENT_CHANNEL_OP, EVTCHNOP_SEND, &port);
}

static void put(struct console_ring *ring, uint32_t port, const char *text,
                uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        ring->out[(ring->out_prod + i) % OUT_SIZE] = text[i];
    __atomic_thread_fence(__ATOMIC_RELEASE);
    ring->out_prod += length;
    notify(port);
}

static char get(struct console_ring *ring)
{
    char byte;

    while (ring->in_cons == ring->in_prod)
        hypercall(SCHED_OP, SCHEDOP_YIELD, 0);
    byte = ring->in[ring->in_cons % IN_SIZE];
    ring->in_cons++;
    return byte;
}

static uint32_t get_line(struct console_ring *ring, char *line, uint32_t size)
{
    uint32_t length = 0;

    while (length < size - 1) {
        line[length] = get(ring);
        if (line[length] == '\n' || line[length] == '\r')
            break;
        length++;
    }
    line[length] = '\n';
    return length + 1;
}

static void echo(struct console_ring *ring, uint32_t port)
{
    char line[128];

    for (;;) {
        uint32_t length = get_line(ring, line, sizeof(line));

        if (length == 5 && line[0] == 'q' && line[1] == 'u')
            return;
        put(ring, port, line, length);
    }
}

static void work(void)
{
    for (uint32_t i = 0; i < 10000000; i++)
        __asm__ volatile("");
}

__attribute__((noreturn, used)) void guest_main(struct start_info *start)
{
    static const char hello[] = "box guest: hello\n";
    static uint32_t power_off;
    uint64_t frame = MACH2PHYS[start->console_mfn];
    struct console_ring *ring = (void *)(VIRT_BASE + frame * PAGE);

    put(ring, start->console_port, hello, sizeof(hello) - 1);
    if (start->cmd_line[0] == 'w')
        work();
    else
        echo(ring, start->console_port);
    for (;;)
        hypercall(SCHED_OP, SCHEDOP_SHUTDOWN, &power_off);
}

__asm__(".section .text.start, \"ax\"\n"
        ".global _start\n"
        "_start: leaq stack_top(%rip), %rsp\n"
        "        movq %rsi, %rdi\n"
        "        call guest_main\n"
        ".balign 4096\n"
        ".global hypercall_page\n"
        "hypercall_page: .fill 4096\n"
        ".section .bss\n"
        ".balign 16\n"
        ".fill 8192\n"
        "stack_top:\n"
        /* Notes for the domain builder: xen/include/public/elfnote.h */
        ".macro note type, size, value:vararg\n"
        "    .long 4, \\size, \\type\n"
        "    .asciz \"Xen\"\n"
        "    \\value\n"
        "    .balign 4\n"
        ".endm\n"
        ".section .note.xen, \"a\", @note\n"
        "note 5, 8, .asciz \"xen-3.0\"\n"   /* XEN_VERSION */
        "note 8, 8, .asciz \"generic\"\n"   /* LOADER */
        "note 1, 8, .quad _start\n"         /* ENTRY */
        "note 2, 8, .quad hypercall_page\n" /* HYPERCALL_PAGE */
        "note 3, 8, .quad 0x200000\n"       /* VIRT_BASE */
        "note 4, 8, .quad 0x200000\n"       /* PADDR_OFFSET */
        ".text\n");
