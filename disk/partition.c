/* SPDX-License-Identifier: MIT */
/*
 * Partition tables. All sectors in them are of the disk's own size ("blocks"
 * here), be it 512 bytes or 4 KiB.
 *
 *   MBR   block 0 has four entries. One of them may be an extended partition,
 *         which begins with a block that has an entry for a logical partition
 *         and one for the next such block, and so on.
 *   GPT   block 0 is an MBR with an entry of type 0xee; block 1, and the disk's
 *         last, are headers, each of which tells where its array of entries is.
 *
 * The table is always read to its end, and each partition is checked against
 * the disk and all partitions before it; how much is read has a bound.
 * Functions return 0 or an error; if the table is at fault, `wrong` says why.
 */
#include "disk/partition.h"
#include "kernel/log.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX 4096u /* no disk has larger ones */

/* ---- On the disk; all numbers are little-endian. */

#define MBR_MAGIC_AT   510
#define MBR_ENTRIES_AT 446
#define MBR_ENTRIES    4

struct mbr_entry {
    uint8_t status; /* 0x80: boot from it */
    uint8_t first_chs[3];
    uint8_t type;
    uint8_t last_chs[3];
    uint8_t first[4]; /* not aligned */
    uint8_t nr[4];
};

#define TYPE_NONE       0x00
#define TYPE_EXTENDED   0x05
#define TYPE_EXTENDED_L 0x0f /* with LBA */
#define TYPE_EXTENDED_X 0x85 /* Linux's */
#define TYPE_GPT        0xee

#define LOGICAL_FIRST 5

struct gpt_header {
    char magic[8];
    uint32_t revision, header_bytes, header_crc, reserved;
    uint64_t here, other, first_usable, last_usable;
    uint8_t disk_id[16];
    uint64_t entries_at;
    uint32_t nr_entries, entry_bytes, entries_crc;
} __attribute__((packed));

struct gpt_entry {
    uint8_t type[16]; /* all zero: not in use */
    uint8_t id[16];
    uint64_t first, last; /* both inclusive */
};

#define GPT_MAGIC       "EFI PART"
/* An entry has 128 bytes; the standard allows for larger ones some day. */
#define GPT_ENTRY_MIN   128u
#define GPT_ENTRY_MAX   BLOCK_MAX
/* Far more than the usual 128. It bounds what is read. */
#define GPT_ENTRIES_MAX 1024u

_Static_assert(sizeof(struct mbr_entry) == 16, "as on the disk");
_Static_assert(sizeof(struct gpt_header) == 92, "as on the disk");

/* ---- The table in memory */

struct range {
    uint64_t first, nr; /* blocks */
    unsigned number;
};

struct table {
    struct volume *disk;
    size_t block_bytes;
    uint64_t nr_blocks;
    struct range ranges[PARTITION_MAX];
    unsigned nr;
    const char *wrong;
    char block[BLOCK_MAX]; /* what was read last */
};

static int refuse(struct table *table, const char *wrong)
{
    table->wrong = wrong;
    return -XEN_EINVAL;
}

static int read_block(struct table *table, uint64_t block)
{
    if (block >= table->nr_blocks)
        return refuse(table, "it goes on past the end of the disk");
    return volume_pread(table->disk, table->block, table->block_bytes,
                        block * table->block_bytes);
}

static bool is_inside(uint64_t first, uint64_t nr, uint64_t end)
{
    return nr && nr <= end && first <= end - nr;
}

static int add(struct table *table, unsigned number, uint64_t first,
               uint64_t nr)
{
    if (!first || !is_inside(first, nr, table->nr_blocks))
        return refuse(table, "a partition ends past the end of the disk");
    for (unsigned i = 0; i < table->nr; i++) {
        const struct range *other = &table->ranges[i];

        if (first < other->first + other->nr && other->first < first + nr)
            return refuse(table, "two partitions overlap");
    }
    if (table->nr == PARTITION_MAX)
        return refuse(table, "there are too many partitions");
    table->ranges[table->nr++] = (struct range){first, nr, number};
    return 0;
}

/* ---- MBR */

static uint32_t number_of(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool is_extended(const struct mbr_entry *entry)
{
    return entry->type == TYPE_EXTENDED || entry->type == TYPE_EXTENDED_L ||
           entry->type == TYPE_EXTENDED_X;
}

/* Copy the entries from the block. False: it is no table. (A file system may
 * begin with a block that looks nearly the same.) */
static bool take_entries(const struct table *table,
                         struct mbr_entry entries[MBR_ENTRIES])
{
    const uint8_t *magic = (const uint8_t *)table->block + MBR_MAGIC_AT;

    memcpy(entries, table->block + MBR_ENTRIES_AT,
           MBR_ENTRIES * sizeof(*entries));
    for (unsigned i = 0; i < MBR_ENTRIES; i++)
        if (entries[i].status & 0x7f)
            return false;
    return magic[0] == 0x55 && magic[1] == 0xaa;
}

/* The chain of logical partitions. The next block is counted from the extended
 * partition's beginning, a partition from its own block. */
static int read_logical(struct table *table, uint64_t base, uint64_t nr)
{
    uint64_t at = 0;

    for (unsigned number = LOGICAL_FIRST; number <= PARTITION_MAX; number++) {
        struct mbr_entry entries[MBR_ENTRIES];
        uint64_t first;
        int err = read_block(table, base + at);

        if (err)
            return err;
        if (!take_entries(table, entries))
            return refuse(table, "an extended partition has no table");
        first = at + number_of(entries[0].first);
        if (entries[0].type != TYPE_NONE) {
            if (!is_inside(first, number_of(entries[0].nr), nr))
                return refuse(table, "a logical partition is not inside");
            err = add(table, number, base + first, number_of(entries[0].nr));
        }
        if (err || !is_extended(&entries[1]))
            return err;
        at = number_of(entries[1].first);
        if (at >= nr)
            return refuse(table, "an extended partition leads out of itself");
    }
    return refuse(table, "its extended partition does not end");
}

static int read_mbr(struct table *table,
                    const struct mbr_entry entries[MBR_ENTRIES])
{
    const struct mbr_entry *extended = NULL;
    int err = 0;

    for (unsigned i = 0; i < MBR_ENTRIES && !err; i++) {
        const struct mbr_entry *entry = &entries[i];
        uint64_t first = number_of(entry->first), nr = number_of(entry->nr);

        if (is_extended(entry) && extended)
            err = refuse(table, "it has two extended partitions");
        else if (is_extended(entry))
            extended = entry;
        else if (entry->type != TYPE_NONE && nr)
            err = add(table, i + 1, first, nr);
    }
    if (err || !extended)
        return err;
    if (!is_inside(number_of(extended->first), number_of(extended->nr),
                   table->nr_blocks))
        return refuse(table, "an extended partition ends past the disk's end");
    return read_logical(table, number_of(extended->first),
                        number_of(extended->nr));
}

/* ---- GPT */

static uint32_t crc32(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    crc = ~crc;
    while (bytes--) {
        crc ^= *at++;
        for (unsigned i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* Check that the block is a header that belongs where it was read. */
static int check_header(struct table *table, struct gpt_header *header,
                        uint64_t here)
{
    uint32_t zero = 0, crc;

    memcpy(header, table->block, sizeof(*header));
    if (memcmp(header->magic, GPT_MAGIC, sizeof(header->magic)))
        return refuse(table, "there is no GPT header");
    if (header->header_bytes < sizeof(*header) ||
        header->header_bytes > table->block_bytes)
        return refuse(table, "the GPT header has a wrong size");
    memcpy(table->block + offsetof(struct gpt_header, header_crc), &zero,
           sizeof(zero));
    crc = crc32(0, table->block, header->header_bytes);
    if (crc != header->header_crc || header->here != here)
        return refuse(table, "the GPT header is damaged");
    if (header->nr_entries > GPT_ENTRIES_MAX ||
        header->entry_bytes < GPT_ENTRY_MIN ||
        header->entry_bytes > GPT_ENTRY_MAX ||
        header->entry_bytes & (header->entry_bytes - 1))
        return refuse(table, "the GPT has a wrong number or size of entries");
    return 0;
}

static int take_entry(struct table *table, const struct gpt_header *header,
                      unsigned number, const void *from)
{
    static const uint8_t unused[16];
    struct gpt_entry entry;

    memcpy(&entry, from, sizeof(entry));
    if (!memcmp(entry.type, unused, sizeof(unused)))
        return 0;
    if (entry.first < header->first_usable || entry.last < entry.first ||
        entry.last > header->last_usable || entry.last >= table->nr_blocks)
        return refuse(table, "a partition is where none may be");
    return add(table, number, entry.first, entry.last - entry.first + 1);
}

static int read_entries(struct table *table, const struct gpt_header *header)
{
    uint64_t at = header->entries_at * table->block_bytes,
             end = table->nr_blocks * table->block_bytes;
    uint32_t per_read = BLOCK_MAX / header->entry_bytes, crc = 0;
    int err = 0;

    if (header->entries_at >= table->nr_blocks ||
        (uint64_t)header->nr_entries * header->entry_bytes > end - at)
        return refuse(table, "the GPT's entries are past the disk's end");
    for (uint32_t i = 0; i < header->nr_entries && !err; i += per_read) {
        uint32_t nr = header->nr_entries - i;

        if (nr > per_read)
            nr = per_read;
        err = volume_pread(table->disk, table->block, nr * header->entry_bytes,
                           at + (uint64_t)i * header->entry_bytes);
        crc = crc32(crc, table->block, nr * header->entry_bytes);
        for (uint32_t j = 0; j < nr && !err; j++)
            err = take_entry(table, header, i + j + 1,
                             table->block + j * header->entry_bytes);
    }
    if (!err && crc != header->entries_crc)
        err = refuse(table, "the GPT's entries are damaged");
    return err;
}

static int read_gpt_at(struct table *table, uint64_t block)
{
    struct gpt_header header;
    int err = read_block(table, block);

    table->nr = 0;
    if (!err)
        err = check_header(table, &header, block);
    return err ? err : read_entries(table, &header);
}

/* If both the header and its copy are bad, only the first fault is reported. */
static int read_gpt(struct table *table)
{
    int err = read_gpt_at(table, 1);
    const char *wrong = table->wrong;

    if (!err)
        return 0;
    if (!read_gpt_at(table, table->nr_blocks - 1)) {
        log_warn("fs", "%s: its GPT is damaged (%s): using the copy at its end",
                 table->disk->name, wrong ? wrong : "it cannot be read");
        return 0;
    }
    table->wrong = wrong;
    return err;
}

/* ---- Either */

static int read_table(struct table *table)
{
    struct mbr_entry entries[MBR_ENTRIES];
    int err = read_block(table, 0);

    if (err)
        return err;
    if (!take_entries(table, entries))
        return refuse(table, "it has no partition table");
    for (unsigned i = 0; i < MBR_ENTRIES; i++)
        if (entries[i].type == TYPE_GPT)
            return read_gpt(table);
    return read_mbr(table, entries);
}

static int find(struct table *table, struct volume *part, unsigned number)
{
    uint32_t sectors = table->disk->block_sectors;

    for (unsigned i = 0; i < table->nr; i++) {
        const struct range *range = &table->ranges[i];

        if (range->number != number)
            continue;
        part->first = range->first * sectors;
        part->nr_sectors = range->nr * sectors;
        return 0;
    }
    table->wrong = "its table has no such partition";
    return -XEN_ENOENT;
}

static void start(struct volume *part, struct volume_request *request)
{
    part->whole->start(part->whole, request);
}

int partition_open(struct volume *part, struct volume *disk, unsigned number)
{
    struct table *table = calloc(1, sizeof(*table));
    int err;

    if (!table) {
        log_error("fs", "%s: no memory for its partition table", disk->name);
        return -XEN_ENOMEM;
    }
    table->disk = disk;
    table->block_bytes = disk->block_sectors * VOLUME_SECTOR_BYTES;
    table->nr_blocks = disk->nr_sectors / disk->block_sectors;
    err = read_table(table);
    if (!err)
        err = find(table, part, number);
    if (err)
        log_error("fs", "%s: partition %u: %s", disk->name, number,
                  table->wrong ? table->wrong : "the disk cannot be read");
    free(table);
    part->block_sectors = disk->block_sectors;
    part->read_only = disk->read_only;
    part->whole = disk;
    part->start = start;
    return err;
}
