/* SPDX-License-Identifier: MIT */
/*
 * Xen rewrites the time record when the vCPU is scheduled or the frequency
 * changes. The version is odd during the update and different afterwards, so a
 * reader that sees the same even version before and after has a whole record.
 *
 *     ns = system_time + ((tsc - tsc_timestamp) << tsc_shift) * mul / 2^32
 *
 * The reader runs on the vCPU that the record belongs to (there is only one),
 * so time never runs backwards.
 */
#include "xen/pv/clock.h"

static uint64_t scale(uint64_t delta, int8_t shift, uint32_t mul)
{
    if (shift < 0)
        delta >>= -shift;
    else
        delta <<= shift;
    return (uint64_t)(((unsigned __int128)delta * mul) >> 32);
}

uint64_t clock_system_ns(const vcpu_time_info_t *time, uint64_t (*tsc)(void))
{
    uint32_t version;
    uint64_t ns;

    do {
        version = __atomic_load_n(&time->version, __ATOMIC_ACQUIRE);
        ns =
            time->system_time + scale(tsc() - time->tsc_timestamp,
                                      time->tsc_shift, time->tsc_to_system_mul);
        /* The record is read before the version is read again. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1) ||
             version != __atomic_load_n(&time->version, __ATOMIC_RELAXED));
    return ns;
}

uint64_t clock_wall_base_ns(const shared_info_t *shared)
{
    uint32_t version;
    uint64_t ns;

    do {
        version = __atomic_load_n(&shared->wc_version, __ATOMIC_ACQUIRE);
        ns = (((uint64_t)shared->wc_sec_hi << 32) | shared->wc_sec) *
                 UINT64_C(1000000000) +
             shared->wc_nsec;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1) ||
             version != __atomic_load_n(&shared->wc_version, __ATOMIC_RELAXED));
    return ns;
}
