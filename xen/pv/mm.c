/* SPDX-License-Identifier: MIT */
/*
 * Page tables under Xen PV: the guest reads them, Xen writes them (xen.h,
 * mmu_update). A frame is either a page table, mapped read-only everywhere, or
 * writable, never both: Xen counts references of each type.
 *
 * The builder maps the image and the pages behind it readable, writable and
 * executable. Changing that entry by entry would cost a hypercall's work per
 * page, and releasing its L1 tables as much again. So these tables are kept and
 * moved:
 *
 *   - to LAYOUT_LINEAR above the image, with no-execute set in the one L2 entry
 *     that leads to each. All memory of the domain is mapped there, page by
 *     page in order, except text and rodata.
 *   - at the image's own addresses a fresh L1 replaces them. It maps only the
 *     image, each segment with its own rights, and the window.
 *
 * Xen then checks a few dozen entries instead of changing a few hundred.
 *
 * Later, mm_map_pages maps what kernel/page.c asks for. A new table is written
 * through the scratch window before Xen sees it as a table, so Xen validates it
 * once, instead of an update per entry.
 *
 * The pages for these later tables are set aside at the start. L1 tables come
 * from the end of memory, one per slot; nothing reads them, so they stay
 * unmapped. L2 tables, one per further gigabyte, lie right behind the image and
 * are mapped read-only from the start, because walk() reads them.
 */
#include "xen/pv/mm.h"
#include "kernel/log.h"
#include "xen/pv/hypercall.h"
#include "xen/pv/layout.h"

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
    char *base;          /* page 0: where the builder put it, then linear */
    const uint64_t *p2m; /* the builder's; frame numbers by page */
    const uint64_t *top; /* L4 */
    unsigned long mapped_end;           /* the builder mapped up to here */
    unsigned long l2_next;              /* [l2_next, free_first): reserved */
    unsigned long free_first, free_end; /* for L2 tables, and */
    unsigned long l1_next;              /* [free_end, l1_next) for L1 */
    unsigned long p2m_first, p2m_end;   /* within the free pages */
} mm;

void *mm_address(unsigned long page)
{
    return mm.base + page * XEN_PAGE_SIZE;
}

unsigned long mm_page(const void *address)
{
    return (unsigned long)((const char *)address - mm.base) >> XEN_PAGE_SHIFT;
}

/* The page of an address in the image, as linked. */
static unsigned long image_page(const char *mark)
{
    return (unsigned long)(mark - layout_virt_base) >> XEN_PAGE_SHIFT;
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

static uintptr_t slot_of(const void *address)
{
    return (uintptr_t)address & ~(uintptr_t)(LAYOUT_SLOT_BYTES - 1);
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

/* ---- Updates, handed to Xen in batches */

struct updates {
    mmu_update_t list[BATCH];
    unsigned nr;
    bool failed;
};

static void updates_flush(struct updates *updates)
{
    if (updates->nr && hypercall_mmu_update(updates->list, updates->nr))
        updates->failed = true;
    updates->nr = 0;
}

static void updates_add(struct updates *updates, uint64_t table_mfn,
                        unsigned index, uint64_t entry)
{
    mmu_update_t *update;

    if (updates->nr == BATCH)
        updates_flush(updates);
    update = &updates->list[updates->nr++];
    update->ptr = entry_address(table_mfn, index);
    update->val = entry;
}

/* ---- Taking over from the builder */

/* Enter those of pages [first, end) that are in this slot into its L1;
 * page 0 is at `base`. */
static void fill(uint64_t *table, uintptr_t slot, const char *base,
                 unsigned long first, unsigned long end, uint64_t flags)
{
    for (unsigned long page = first; page < end; page++) {
        uintptr_t address = (uintptr_t)base + page * XEN_PAGE_SIZE;

        if (address >= slot && address - slot < LAYOUT_SLOT_BYTES)
            table[index_at(address, 1)] = entry_for(mm_frame(page), flags);
    }
}

/* The part of the image between two of the linker's marks. */
static void fill_image(uint64_t *table, uintptr_t slot, const char *from,
                       const char *to, uint64_t flags)
{
    fill(table, slot, layout_virt_base, image_page(from),
         image_page(to + XEN_PAGE_SIZE - 1), flags);
}

static void fill_slot(uint64_t *table, uintptr_t slot, uint64_t shared_info)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        table[i] = 0;
    fill_image(table, slot, layout_text, layout_text_end, PTE_X);
    fill_image(table, slot, layout_rodata, layout_rodata_end, PTE_R);
    fill_image(table, slot, layout_data, layout_stack_guard, PTE_RW);
    fill_image(table, slot, layout_stack, layout_end, PTE_RW);
    if (slot == slot_of(layout_virt_base))
        table[LAYOUT_SHARED_INFO] = shared_info | PTE_RW;
}

/* A page becomes a table only when no writable mapping of it is left. */
static void make_readonly(unsigned long page)
{
    if (hypercall_update_va_mapping(
            mm_address(page), entry_for(mm_frame(page), PTE_R), UVMF_INVLPG))
        panic("mm: Xen will not make page %lu read-only", page);
}

/* Give every slot that the builder mapped its linear place, and move there. */
static void make_linear(void)
{
    struct updates updates = {.nr = 0};
    uintptr_t slot = slot_of(layout_virt_base);
    uint64_t l1, l2;

    for (; walk(slot, 1, &l1) == 1; slot += LAYOUT_SLOT_BYTES) {
        uintptr_t linear = slot + LAYOUT_LINEAR;

        if (walk(linear, 2, &l2) != 2)
            panic("mm: image and modules are larger than their gigabyte");
        updates_add(&updates, l2, index_at(linear, 2),
                    entry_for(l1, PTE_TABLE | PTE_NX));
    }
    updates_flush(&updates);
    if (updates.failed)
        panic("mm: Xen refuses the linear map");
    mm.mapped_end = mm_page((void *)slot);
    mm.base += LAYOUT_LINEAR;
    mm.top = (const uint64_t *)((const char *)mm.top + LAYOUT_LINEAR);
}

/* Put a fresh L1 for the image, or nothing, where the builder's L1s were. The
 * pages for them start at `table`. */
static void renew_image(struct updates *updates, unsigned long table,
                        uint64_t shared_info)
{
    uintptr_t slot = slot_of(layout_virt_base);
    uintptr_t mapped_end =
        (uintptr_t)layout_virt_base + mm.mapped_end * XEN_PAGE_SIZE;
    uint64_t l2;

    for (; slot < mapped_end; slot += LAYOUT_SLOT_BYTES) {
        uint64_t entry = 0;

        if (slot < (uintptr_t)layout_end) {
            fill_slot(mm_address(table), slot, shared_info);
            make_readonly(table);
            entry = entry_for(mm_frame(table++), PTE_TABLE);
        }
        walk(slot, 2, &l2);
        updates_add(updates, l2, index_at(slot, 2), entry);
    }
}

/* Text and rodata have no second, writable mapping. */
static void hide_readonly(struct updates *updates)
{
    unsigned long page = image_page(layout_text);
    uint64_t l1;

    for (; page < image_page(layout_rodata_end); page++) {
        uintptr_t address = (uintptr_t)mm_address(page);

        walk(address, 1, &l1);
        updates_add(updates, l1, index_at(address, 1), 0);
    }
}

/* The p2m list is mapped by tables of its own: no-execute for all of it is one
 * bit in the entry that leads to them. */
static void protect_p2m(struct updates *updates)
{
    unsigned index = index_at(LAYOUT_P2M, 3);
    const uint64_t *table;
    uint64_t l3;

    if (walk(LAYOUT_P2M, 3, &l3) != 3)
        panic("mm: the builder left no p2m list at 0x%x", LAYOUT_P2M);
    table = mm_address(mm_page_of_frame(l3));
    updates_add(updates, l3, index, table[index] | PTE_NX);
}

/* How many boundaries of `bytes` lie between two linear pages: mapping from the
 * first up to the second takes that many more tables. */
static unsigned long borders(unsigned long first, unsigned long last,
                             uintptr_t bytes)
{
    return (uintptr_t)mm_address(last) / bytes -
           (uintptr_t)mm_address(first) / bytes;
}

/* Divide up the free pages: the image's new L1 tables (from `first`), later L2
 * tables, the free pages proper, and at the end later L1 tables. */
static void divide(unsigned long first, unsigned long nr_pages)
{
    unsigned long last = nr_pages - 1;

    mm.l2_next =
        first + 1 + borders(0, image_page(layout_end) - 1, LAYOUT_SLOT_BYTES);
    mm.free_first =
        mm.l2_next + borders(mm.mapped_end - 1, last,
                             (uintptr_t)LAYOUT_SLOT_BYTES * ENTRIES);
    mm.l1_next = nr_pages;
    mm.free_end = nr_pages;
    if (last >= mm.mapped_end)
        mm.free_end -= borders(mm.mapped_end - 1, last, LAYOUT_SLOT_BYTES);
    if (mm.free_first > mm.p2m_first || mm.free_end < mm.p2m_end)
        panic("mm: %lu pages are not enough for the page tables", nr_pages);
    for (unsigned long page = mm.l2_next; page < mm.free_first; page++)
        make_readonly(page);
}

void mm_init(const start_info_t *si)
{
    struct updates updates = {.nr = 0};
    mmuext_op_t flush = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    unsigned long first;

    mm.base = layout_virt_base;
    mm.p2m = (const uint64_t *)si->mfn_list;
    mm.top = (const uint64_t *)si->pt_base;
    mm.p2m_first = si->first_p2m_pfn;
    mm.p2m_end = si->first_p2m_pfn + si->nr_p2m_frames;
    /* xc_dom's order: image, module, start_info, store, console, page tables,
     * and the builder's stack page, which is free: boot.S brought its own. */
    first = mm_page(mm.top) + si->nr_pt_frames;
    make_linear();
    divide(first, si->nr_pages);
    renew_image(&updates, first, si->shared_info);
    hide_readonly(&updates);
    protect_p2m(&updates);
    updates_flush(&updates);
    if (updates.failed || hypercall_mmuext_op(&flush, 1))
        panic("mm: Xen refuses the image's page tables");
}

const void *mm_linear(const void *address)
{
    return (const char *)address + LAYOUT_LINEAR;
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

/* Begin a new table in page `page`, which is not mapped: zero it and map it
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
    fill(table, slot_of(mm_address(first)), mm.base, first, end, PTE_RW);
    return scratch_close();
}

/* Build an L2 with a single entry. */
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
    struct updates updates = {.nr = 0};

    for (; first < end; first++)
        updates_add(&updates, l1, index_at((uintptr_t)mm_address(first), 1),
                    entry_for(mm_frame(first), PTE_RW));
    updates_flush(&updates);
    return updates.failed ? -XEN_ENOMEM : 0;
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
    if (first < mm.mapped_end)
        first = mm.mapped_end; /* the builder did that */
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

int mm_set_access(const void *page, bool access)
{
    uint64_t entry = access ? entry_for(mm_frame(mm_page(page)), PTE_RW) : 0;

    if (hypercall_update_va_mapping(page, entry, UVMF_INVLPG))
        return -XEN_ENOMEM;
    return 0;
}
