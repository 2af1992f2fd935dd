/* SPDX-License-Identifier: MIT */
/*
 * The raw hypercalls this guest makes, typed (xen.h; arch-x86/xen-x86_64.h for
 * the registers). For files of xen/ only; all other code uses xen/hv.h.
 *
 * Each is a call into the hypercall page, 32 bytes per entry. Xen may overwrite
 * the argument registers, so they are outputs too. The call pushes onto the
 * stack, so files that include this are compiled without a red zone.
 */
#ifndef XEN_PV_HYPERCALL_H
#define XEN_PV_HYPERCALL_H

#include "xen/abi.h"

#define HYPERCALL_1(nr, a)                                  \
    ({                                                      \
        long res_;                                          \
        unsigned long a_ = (unsigned long)(a);              \
        __asm__ volatile("call hypercall_page + %c[offset]" \
                         : "=a"(res_), "+D"(a_)             \
                         : [offset] "i"((nr)*32)            \
                         : "memory");                       \
        res_;                                               \
    })

#define HYPERCALL_2(nr, a, b)                                           \
    ({                                                                  \
        long res_;                                                      \
        unsigned long a_ = (unsigned long)(a), b_ = (unsigned long)(b); \
        __asm__ volatile("call hypercall_page + %c[offset]"             \
                         : "=a"(res_), "+D"(a_), "+S"(b_)               \
                         : [offset] "i"((nr)*32)                        \
                         : "memory");                                   \
        res_;                                                           \
    })

#define HYPERCALL_3(nr, a, b, c)                                        \
    ({                                                                  \
        long res_;                                                      \
        unsigned long a_ = (unsigned long)(a), b_ = (unsigned long)(b), \
                      c_ = (unsigned long)(c);                          \
        __asm__ volatile("call hypercall_page + %c[offset]"             \
                         : "=a"(res_), "+D"(a_), "+S"(b_), "+d"(c_)     \
                         : [offset] "i"((nr)*32)                        \
                         : "memory");                                   \
        res_;                                                           \
    })

#define HYPERCALL_4(nr, a, b, c, d)                                           \
    ({                                                                        \
        long res_;                                                            \
        unsigned long a_ = (unsigned long)(a), b_ = (unsigned long)(b),       \
                      c_ = (unsigned long)(c);                                \
        register unsigned long d_ __asm__("r10") = (unsigned long)(d);        \
        __asm__ volatile("call hypercall_page + %c[offset]"                   \
                         : "=a"(res_), "+D"(a_), "+S"(b_), "+d"(c_), "+r"(d_) \
                         : [offset] "i"((nr)*32)                              \
                         : "memory");                                         \
        res_;                                                                 \
    })

static inline long hypercall_set_trap_table(const trap_info_t *table)
{
    return HYPERCALL_1(__HYPERVISOR_set_trap_table, table);
}

static inline long hypercall_mmu_update(const mmu_update_t *updates,
                                        unsigned nr)
{
    return HYPERCALL_4(__HYPERVISOR_mmu_update, updates, nr, NULL, DOMID_SELF);
}

static inline long hypercall_update_va_mapping(const void *address,
                                               uint64_t entry, unsigned flags)
{
    return HYPERCALL_3(__HYPERVISOR_update_va_mapping, address, entry, flags);
}

static inline long hypercall_mmuext_op(mmuext_op_t *ops, unsigned nr)
{
    return HYPERCALL_4(__HYPERVISOR_mmuext_op, ops, nr, NULL, DOMID_SELF);
}

static inline long hypercall_event_channel_op(int op, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_event_channel_op, op, arg);
}

static inline long hypercall_sched_op(int op, void *arg)
{
    return HYPERCALL_2(__HYPERVISOR_sched_op, op, arg);
}

static inline long hypercall_grant_table_op(int op, void *arg, unsigned nr)
{
    return HYPERCALL_3(__HYPERVISOR_grant_table_op, op, arg, nr);
}

static inline long hypercall_vcpu_op(int op, unsigned vcpu, void *arg)
{
    return HYPERCALL_3(__HYPERVISOR_vcpu_op, op, vcpu, arg);
}

#endif
