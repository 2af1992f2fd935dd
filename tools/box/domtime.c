/* SPDX-License-Identifier: MIT */
/*
 * domtime [ID...]: the CPU time of domains in nanoseconds, as Xen counts it.
 *
 * xl shows tenths of seconds; this asks the hypervisor the same question
 * (XEN_DOMCTL_getdomaininfo) and prints the whole answer: the domain's id,
 * its time, and its state as one word. A domain kept after it shut down
 * (on_poweroff="preserve") still has its time.
 *
 * It calls Xen through privcmd and without libxenctrl, to be one static
 * program for every suite's Xen: the call's layout has been the same since
 * 4.13, only the interface version counts up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* xen/include/public: xen.h, domctl.h; linux: xen/privcmd.h */
#define HYPERVISOR_DOMCTL    36
#define DOMCTL_GETDOMAININFO 5
#define DOMCTL_VERSION_FIRST 0x12 /* Xen 4.13 */
#define DOMCTL_VERSION_LAST  0x30 /* years ahead: Xen adds one a release */
#define DOMINF_DYING         (1u << 0)
#define DOMINF_SHUTDOWN      (1u << 2)
#define DOMINF_PAUSED        (1u << 3)
#define DOMINF_BLOCKED       (1u << 4)
#define DOMINF_RUNNING       (1u << 5)
#define DOMAINS_MAX          0x7ff0 /* DOMID_FIRST_RESERVED */

struct privcmd_hypercall {
    uint64_t op;
    uint64_t arg[5];
};
#define PRIVCMD_HYPERCALL \
    _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

struct domctl {
    uint32_t cmd;
    uint32_t interface_version;
    uint16_t domain;
    uint16_t pad[3];
    uint16_t info_domain;
    uint16_t info_pad;
    uint32_t flags;
    uint64_t pages[6]; /* total, max, outstanding, shared, paged, ... */
    uint64_t cpu_time_ns;
    uint8_t rest[128];
};

/* Asks for the first domain whose id is `id` or more. */
static int domain_ask(int privcmd, uint16_t id, struct domctl *call)
{
    static uint32_t version = DOMCTL_VERSION_FIRST;
    struct privcmd_hypercall hypercall = {
        .op = HYPERVISOR_DOMCTL,
        .arg = {(uintptr_t)call},
    };

    for (; version <= DOMCTL_VERSION_LAST; version++) {
        memset(call, 0, sizeof(*call));
        call->cmd = DOMCTL_GETDOMAININFO;
        call->interface_version = version;
        call->domain = id;
        if (ioctl(privcmd, PRIVCMD_HYPERCALL, &hypercall) == 0)
            return 0;
        if (errno != EACCES) /* Xen's word for "another version" */
            return -1;
    }
    return -1;
}

static const char *state_name(uint32_t flags)
{
    if (flags & DOMINF_DYING)
        return "dying";
    if (flags & DOMINF_SHUTDOWN)
        return "shutdown";
    if (flags & DOMINF_PAUSED)
        return "paused";
    if (flags & DOMINF_RUNNING)
        return "running";
    return flags & DOMINF_BLOCKED ? "blocked" : "ready";
}

static void domain_print(const struct domctl *call)
{
    printf("%u %llu %s\n", call->info_domain,
           (unsigned long long)call->cpu_time_ns, state_name(call->flags));
}

static void print_all(int privcmd, struct domctl *call)
{
    for (unsigned int id = 0; id < DOMAINS_MAX; id = call->info_domain + 1) {
        if (domain_ask(privcmd, id, call) < 0)
            return;
        domain_print(call);
    }
}

static int print_one(int privcmd, struct domctl *call, const char *text)
{
    unsigned long id = strtoul(text, NULL, 10);

    if (domain_ask(privcmd, id, call) < 0 || call->info_domain != id) {
        fprintf(stderr, "domtime: no domain %s\n", text);
        return 1;
    }
    domain_print(call);
    return 0;
}

int main(int argc, char **argv)
{
    int privcmd = open("/dev/xen/privcmd", O_RDWR);
    struct domctl *call;
    int status = 0;

    if (privcmd < 0)
        privcmd = open("/proc/xen/privcmd", O_RDWR);
    if (privcmd < 0) {
        perror("domtime: /dev/xen/privcmd");
        return 1;
    }
    /* Xen copies from and to it while the kernel cannot fault it in. */
    call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
    if (call == MAP_FAILED) {
        perror("domtime");
        return 1;
    }
    if (argc == 1)
        print_all(privcmd, call);
    for (int i = 1; i < argc; i++)
        status |= print_one(privcmd, call, argv[i]);
    return status;
}
