/* SPDX-License-Identifier: MIT */
/*
 * Page tables under Xen PV: the guest reads them, Xen writes them (xen.h,
 * mmu_update). A frame is either a page table, mapped read-only everywhere, or
 * writable, never both: Xen counts.
 *
 * The builder maps the first megabytes readable, writable and executable.
 * Changing that entry by entry would cost a hypercall's work per page, so
 * mm_init writes a fresh L1 table per 2 MiB slot of the image, with just the
 * entries that are needed, and swaps it in: Xen checks some dozens of entries
 * instead of changing some hundreds. Memory that nobody uses yet is not mapped.
 *
 * Later, mm_map_pages maps what kernel/page.c asks for. A new table is written
 * through the scratch window before Xen sees it as a table, so it arrives
 * filled: one validation instead of an update per entry.
 *
 * The pages for these later tables are set aside at the start. L1 tables come
 * from the end of memory, one per slot; nobody reads them, so they are mapped
 * nowhere. L2 tables, one per further gigabyte, lie right behind the image and
 * are mapped read-only from the start, because the walk reads them.
 */
#include "xen/mm.h"
#include "kernel/log.h"
#include "xen/hypercall.h"
#include "xen/layout.h"

#include <assert.h>

#define ENTRIES 512 /* per table, every level (AMD64 paging) */
#define LEVELS  4

#define PTE_PRESENT  UINT64_C(0x001)
#define PTE_WRITABLE UINT64_C(0x002)
#define PTE_USER     UINT64_C(0x004) /* PV kernels run in ring 3 */
#define PTE_ACCESSED UINT64_C(0x020)
#define PTE_DIRTY    UINT64_C(0x040)
#define PTE_NX       (UINT64_C(1) << 63)
#define PTE_FRAME    UINT64_C(0x000ffffffffff000)

/* Accessed and dirty are set beforehand: the CPU then never writes back. */
#define PTE_X     (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define PTE_R     (PTE_X | PTE_NX)
#define PTE_RW    (PTE_R | PTE_WRITABLE | PTE_DIRTY)
#define PTE_TABLE (PTE_X | PTE_WRITABLE | PTE_DIRTY)

/* Updates handed to Xen at once: a stack buffer of half a kilobyte. */
#define BATCH 32

static struct {
    const uint64_t *p2m;      /* the builder's; frame numbers by page */
    const uint64_t *top;      /* L4 */
    unsigned long l2_next;              /* [l2_next, free_first) are set */
    unsigned long free_first, free_end; /* aside for L2 tables, and */
    unsigned long l1_next;              /* [free_end, l1_next) for L1 */
    unsigned long p2m_first, p2m_end;   /* amid the free ones */
} mm;

void *mm_address(unsigned long page)
{
    return layout_virt_base + page * XEN_PAGE_SIZE;
}

unsigned long mm_page(const void *address)
{
    return (unsigned long)((const char *)address - layout_virt_base) >>
           XEN_PAGE_SHIFT;
}

uint64_t mm_frame(unsigned long page)
{
    return mm.p2m[page];
}

unsigned long mm_page_of_frame(uint64_t mfn)
{
    return machine_to_phys_mapping[mfn];
}

static unsigned index_at(uintptr_t address, unsigned level)
{
    return (address >> (XEN_PAGE_SHIFT + 9 * (level - 1))) % ENTRIES;
}

static uint64_t frame_of(uint64_t entry)
{
    return (entry & PTE_FRAME) >> XEN_PAGE_SHIFT;
}

static uint64_t entry_for(uint64_t mfn, uint64_t flags)
{
    return (mfn << XEN_PAGE_SHIFT) | flags;
}

/* The machine address of an entry, which is how mmu_update names it. */
static uint64_t entry_address(uint64_t table_mfn, unsigned index)
{
    return (table_mfn << XEN_PAGE_SHIFT) | (index * sizeof(uint64_t)) |
           MMU_NORMAL_PT_UPDATE;
}

/* Walk down to the table of `level` that maps an address. Returns the lowest
 * level that exists (>= level) and that table's frame. */
static unsigned walk(uintptr_t address, unsigned level, uint64_t *mfn)
{
    const uint64_t *table = mm.top;
    unsigned at = LEVELS;

    *mfn = mm_frame(mm_page(table));
    while (at > level) {
        uint64_t entry = table[index_at(address, at)];

        if (!(entry & PTE_PRESENT))
            break;
        *mfn = frame_of(entry);
        table = mm_address(mm_page_of_frame(*mfn));
        at--;
    }
    return at;
}

/* ---- Taking over from the builder */

/* Pages [first, first + nr) of the domain and the access they get. */
static void fill(uint64_t *table, uintptr_t slot, unsigned long first,
                 unsigned long end, uint64_t flags)
{
    for (unsigned long page = first; page < end; page++) {
        uintptr_t address = (uintptr_t)mm_address(page);

        if (address >= slot && address - slot < LAYOUT_SLOT_BYTES)
            table[index_at(address, 1)] = entry_for(mm_frame(page), flags);
    }
}

/* The part of the image between two of the linker's marks. */
static void fill_image(uint64_t *table, uintptr_t slot, const char *from,
                       const char *to, uint64_t flags)
{
    fill(table, slot, mm_page(from), mm_page(to + XEN_PAGE_SIZE - 1), flags);
}

/* The first free page: above the image, the module, start_info, store, console
 * and page tables (xc_dom's order). The builder's stack page is free: boot.S
 * brought its own. */
static unsigned long first_free(const start_info_t *si)
{
    return mm_page((void *)si->pt_base) + si->nr_pt_frames;
}

static void fill_slot(uint64_t *table, uintptr_t slot, const start_info_t *si)
{
    unsigned long tables = mm_page((void *)si->pt_base);
    unsigned long store = mm_page_of_frame(si->store_mfn);
    unsigned long console = mm_page_of_frame(si->console.domU.mfn);

    for (unsigned i = 0; i < ENTRIES; i++)
        table[i] = 0;
    fill_image(table, slot, layout_text, layout_text_end, PTE_X);
    fill_image(table, slot, layout_rodata, layout_rodata_end, PTE_R);
    fill_image(table, slot, layout_data, layout_stack_guard, PTE_RW);
    fill_image(table, slot, layout_stack, layout_end, PTE_RW);
    fill(table, slot, mm_page(si), mm_page(si) + 1, PTE_R);
    if (si->store_mfn)
        fill(table, slot, store, store + 1, PTE_RW);
    if (si->console.domU.mfn)
        fill(table, slot, console, console + 1, PTE_RW);
    fill(table, slot, tables, tables + si->nr_pt_frames, PTE_R);
    /* The new L1 tables themselves, and the L2 tables to come. */
    fill(table, slot, first_free(si), mm.free_first, PTE_R);
}

static uintptr_t slot_of(const void *address)
{
    return (uintptr_t)address & ~(uintptr_t)(LAYOUT_SLOT_BYTES - 1);
}

/* Frames of the builder's new-made memory become page tables only when no
 * writable mapping of them is left. */
static void make_readonly(const void *page)
{
    if (hypercall_update_va_mapping(
            page, entry_for(mm_frame(mm_page(page)), PTE_R), UVMF_INVLPG))
        panic("mm: Xen will not make page %lu read-only", mm_page(page));
}

/* An update that swaps in a fresh L1 for one slot. */
static void renew_slot(uintptr_t slot, uint64_t *table, const start_info_t *si,
                       mmu_update_t *update)
{
    uint64_t l2;

    fill_slot(table, slot, si);
    if (slot == slot_of(layout_virt_base))
        table[LAYOUT_SHARED_INFO] = si->shared_info | PTE_RW;
    make_readonly(table);
    if (walk(slot, 2, &l2) != 2)
        panic("mm: the builder left no L2 table");
    update->ptr = entry_address(l2, index_at(slot, 2));
    update->val = entry_for(mm_frame(mm_page(table)), PTE_TABLE);
}

/* The builder rounds its mapping up to 4 MiB: at most two slots that hold
 * nothing but free memory. Returns how many updates it takes to unmap them. */
static unsigned drop_slots(uintptr_t slot, mmu_update_t *updates)
{
    unsigned nr = 0;
    uint64_t mfn;

    for (; nr < 2 && walk(slot, 1, &mfn) == 1; slot += LAYOUT_SLOT_BYTES) {
        walk(slot, 2, &mfn);
        updates[nr].ptr = entry_address(mfn, index_at(slot, 2));
        updates[nr++].val = 0;
    }
    return nr;
}

/* The p2m list is mapped by tables of its own: no-execute for all of it is one
 * bit in the entry that leads to them. */
static void protect_p2m(mmu_update_t *update)
{
    uint64_t l3;
    const uint64_t *table;

    if (walk(LAYOUT_P2M, 3, &l3) != 3)
        panic("mm: the builder left no p2m list at 0x%x", LAYOUT_P2M);
    table = mm_address(mm_page_of_frame(l3));
    update->ptr = entry_address(l3, index_at(LAYOUT_P2M, 3));
    update->val = table[index_at(LAYOUT_P2M, 3)] | PTE_NX;
}

/* How many L1 tables the memory from page `first` on can still need, and how
 * many L2 tables above them. */
static unsigned long tables_between(unsigned long first, unsigned long end,
                                    uintptr_t bytes)
{
    uintptr_t from = (uintptr_t)mm_address(first) / bytes;
    uintptr_t to = ((uintptr_t)mm_address(end) - 1) / bytes;

    return to - from;
}

/* Divide what the builder left: pages for the image's new L1 tables (from
 * `first`), for later tables, and the rest, which is free. Returns the end of
 * the slots to renew. */
static uintptr_t divide(unsigned long first, unsigned long nr_pages)
{
    unsigned long l2 =
        tables_between(first, nr_pages, LAYOUT_SLOT_BYTES * (uintptr_t)ENTRIES);
    unsigned long nr_slots =
        tables_between(0, first + l2, LAYOUT_SLOT_BYTES) + 1;
    uintptr_t end;

    /* The tables' own pages may reach into one slot more. */
    nr_slots += tables_between(first + l2 - 1, first + l2 + nr_slots + 1,
                               LAYOUT_SLOT_BYTES);
    mm.l2_next = first + nr_slots;
    mm.free_first = mm.l2_next + l2;
    end = slot_of(layout_virt_base) + nr_slots * LAYOUT_SLOT_BYTES;
    mm.l1_next = nr_pages;
    mm.free_end = nr_pages;
    if ((uintptr_t)mm_address(nr_pages) > end)
        mm.free_end -= tables_between(mm_page((void *)end) - 1, nr_pages,
                                      LAYOUT_SLOT_BYTES);
    if (mm.free_first > mm.p2m_first || mm.free_end < mm.p2m_end)
        panic("mm: %lu pages are not enough for the page tables", nr_pages);
    return end;
}

void mm_init(const start_info_t *si)
{
    mmu_update_t updates[BATCH];
    mmuext_op_t flush = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    unsigned long table = first_free(si);
    uintptr_t slot = slot_of(layout_virt_base), end;
    unsigned nr = 0;

    mm.p2m = (const uint64_t *)si->mfn_list;
    mm.top = (const uint64_t *)si->pt_base;
    mm.p2m_first = si->first_p2m_pfn;
    mm.p2m_end = si->first_p2m_pfn + si->nr_p2m_frames;
    end = divide(table, si->nr_pages);
    for (; slot < end; slot += LAYOUT_SLOT_BYTES) {
        if (nr >= BATCH - 3)
            panic("mm: the image is larger than %u slots", nr);
        renew_slot(slot, mm_address(table++), si, &updates[nr++]);
    }
    nr += drop_slots(end, &updates[nr]);
    protect_p2m(&updates[nr++]);
    if (hypercall_mmu_update(updates, nr))
        panic("mm: Xen refuses the image's page tables");
    if (hypercall_mmuext_op(&flush, 1))
        panic("mm: no TLB flush");
}

bool mm_free_range(unsigned i, unsigned long *first, unsigned long *end)
{
    *first = i == 0 ? mm.free_first : mm.p2m_end;
    *end = i == 0 ? mm.p2m_first : mm.free_end;
    return i < 2;
}

/* ---- The window: pages below the image that hold frames of other owners */

void *mm_window(unsigned window_page)
{
    return (char *)slot_of(layout_virt_base) + window_page * XEN_PAGE_SIZE;
}

int mm_map_window(unsigned window_page, uint64_t mfn)
{
    if (hypercall_update_va_mapping(mm_window(window_page),
                                    entry_for(mfn, PTE_RW), UVMF_INVLPG))
        return -XEN_ENOMEM;
    return 0;
}

/* ---- Mapping free memory */

/* A table under construction: page `page`, which is not mapped, zeroed and
 * writable in the scratch window. */
static int scratch_open(unsigned long page, uint64_t **table)
{
    *table = mm_window(LAYOUT_SCRATCH);
    if (mm_map_window(LAYOUT_SCRATCH, mm_frame(page)))
        return -XEN_ENOMEM;
    for (unsigned i = 0; i < ENTRIES; i++)
        (*table)[i] = 0;
    return 0;
}

static int scratch_close(void)
{
    return hypercall_update_va_mapping(mm_window(LAYOUT_SCRATCH), 0,
                                       UVMF_INVLPG)
               ? -XEN_ENOMEM
               : 0;
}

static int build_l1(unsigned long page, unsigned long first, unsigned long end)
{
    uint64_t *table;
    int err = scratch_open(page, &table);

    if (err)
        return err;
    fill(table, slot_of(mm_address(first)), first, end, PTE_RW);
    return scratch_close();
}

/* An L2 with a single entry so far. */
static int build_l2(unsigned long page, uintptr_t address, unsigned long l1)
{
    uint64_t *table;
    int err = scratch_open(page, &table);

    if (err)
        return err;
    table[index_at(address, 2)] = entry_for(mm_frame(l1), PTE_TABLE);
    return scratch_close();
}

/* Enter table `page` into the table of level `level` that covers an address. */
static int hook(uintptr_t address, unsigned level, uint64_t mfn,
                unsigned long page)
{
    mmu_update_t update = {
        .ptr = entry_address(mfn, index_at(address, level)),
        .val = entry_for(mm_frame(page), PTE_TABLE),
    };

    return hypercall_mmu_update(&update, 1) ? -XEN_ENOMEM : 0;
}

/* The slot has no L1 yet: make it, and its L2 where that is missing too. The
 * reserved pages are counted as used only when the tables are in place. */
static int map_new_slot(unsigned long first, unsigned long end, unsigned have,
                        uint64_t mfn)
{
    uintptr_t address = (uintptr_t)mm_address(first);
    unsigned long l1 = mm.l1_next - 1, l2 = mm.l2_next;
    int err = build_l1(l1, first, end);

    if (err)
        return err;
    if (have == 2) {
        err = hook(address, 2, mfn, l1);
    } else {
        if (have != 3 || l2 == mm.free_first)
            return -XEN_ENOMEM;
        err = build_l2(l2, address, l1);
        if (!err)
            err = hook(address, 3, mfn, l2);
        if (!err)
            mm.l2_next++;
    }
    if (!err)
        mm.l1_next--;
    return err;
}

/* Add pages to an L1 that exists. */
static int add_entries(uint64_t l1, unsigned long first, unsigned long end)
{
    mmu_update_t updates[BATCH];

    while (first < end) {
        unsigned nr = 0;

        for (; nr < BATCH && first < end; nr++, first++) {
            uintptr_t address = (uintptr_t)mm_address(first);

            updates[nr].ptr = entry_address(l1, index_at(address, 1));
            updates[nr].val = entry_for(mm_frame(first), PTE_RW);
        }
        if (hypercall_mmu_update(updates, nr))
            return -XEN_ENOMEM;
    }
    return 0;
}

static int map_in_slot(unsigned long first, unsigned long end)
{
    uint64_t mfn;
    unsigned have = walk((uintptr_t)mm_address(first), 1, &mfn);

    if (have == 1)
        return add_entries(mfn, first, end);
    return map_new_slot(first, end, have, mfn);
}

int mm_map_pages(unsigned long first, unsigned long nr)
{
    unsigned long end = first + nr;

    assert(first >= mm.free_first && end <= mm.free_end);
    assert(end <= mm.p2m_first || first >= mm.p2m_end);
    while (first < end) {
        uintptr_t slot = slot_of(mm_address(first));
        unsigned long slot_end = mm_page((char *)slot + LAYOUT_SLOT_BYTES);
        unsigned long cut = slot_end < end ? slot_end : end;
        int err = map_in_slot(first, cut);

        if (err)
            return err;
        first = cut;
    }
    return 0;
}
