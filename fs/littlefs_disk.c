/* SPDX-License-Identifier: MIT */
/*
 * littlefs' disk: its block functions on a volume, the sizes it works with, and
 * the finding, making and growing of a file system.
 *
 * A disk needs no erasing, and any sector can be written any number of times:
 * erase does nothing, and there is no wear levelling. But a write must never
 * change earlier data next to it, so nothing smaller than the disk's own block
 * is programmed.
 *
 * littlefs flushes at the end of each commit of metadata (and by our patch
 * before it, for a file's blocks), and a commit has a checksum. So between two
 * flushes the disk may reorder writes as it likes: a commit is either there as
 * a whole, after all that it refers to, or not at all.
 */
#include "fs/littlefs.h"
#include "kernel/log.h"

#include <stdlib.h>
#include <string.h>

/* Block sizes of an image: littlefs' minimum, and the largest sensible one. */
#define BLOCK_MIN     128
#define BLOCK_MAX     (1 << 20)
/* The two superblocks: the smallest file system. */
#define BLOCKS_MIN    2
/* Block size of file systems that we make: also how much a file grows by. */
#define BLOCK_BYTES   4096
/* Size of one read or write of a file's data; each open file has a cache. */
#define CACHE_MAX     4096
/* A longer metadata block would take too long to compact: each entry is
 * compared with all others. */
#define METADATA_MAX  4096
/* The map of free blocks, one bit each, is made by reading all of the metadata.
 * This covers 1 GiB in blocks of 4 KiB at once. */
#define LOOKAHEAD_MAX 32768
/* Other file systems leave no more than this empty: btrfs begins at 64 KiB. */
#define EMPTY_BYTES   (128u * 1024)

/* ---- Block functions */

static struct littlefs *of(const struct lfs2_config *config)
{
    return config->context;
}

static uint64_t volume_bytes(const struct volume *volume)
{
    return volume->nr_sectors * VOLUME_SECTOR_BYTES;
}

/* An address past the end comes from a broken image, not from a faulty disk.
 * After an error littlefs would take what is in its cache for the block. */
static int read_block(const struct lfs2_config *config, lfs2_block_t block,
                      lfs2_off_t skip, void *to, lfs2_size_t bytes)
{
    uint64_t offset = (uint64_t)block * config->block_size + skip;

    if (offset + bytes > volume_bytes(of(config)->volume))
        return LFS2_ERR_CORRUPT;
    if (!cache_pread(of(config)->cache, to, bytes, offset))
        return 0;
    of(config)->lfs.rcache.block = LITTLEFS_NO_BLOCK;
    return LFS2_ERR_IO;
}

static int write_block(const struct lfs2_config *config, lfs2_block_t block,
                       lfs2_off_t skip, const void *from, lfs2_size_t bytes)
{
    uint64_t offset = (uint64_t)block * config->block_size + skip;

    of(config)->unflushed = true;
    return cache_pwrite(of(config)->cache, from, bytes, offset) ? LFS2_ERR_IO
                                                                : 0;
}

static int erase_block(const struct lfs2_config *config, lfs2_block_t block)
{
    (void)config;
    (void)block;
    return 0;
}

static int flush(const struct lfs2_config *config)
{
    struct littlefs *fs = of(config);

    if (!fs->unflushed)
        return 0;
    if (volume_flush(fs->volume))
        return LFS2_ERR_IO;
    fs->unflushed = false;
    return 0;
}

void littlefs_drop_caches(struct littlefs *fs)
{
    fs->lfs.pcache.block = LITTLEFS_NO_BLOCK;
    fs->lfs.rcache.block = LITTLEFS_NO_BLOCK;
}

/* ---- Sizes */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t lookahead_bytes(uint64_t nr_blocks)
{
    uint64_t bytes = (nr_blocks + 63) / 64 * 8; /* littlefs wants whole words */

    return bytes < LOOKAHEAD_MAX ? (uint32_t)bytes : LOOKAHEAD_MAX;
}

/* Everything that depends on the block's size, and the memory for it: read
 * cache, program cache, scratch, lookahead, one after the other. */
static int set_sizes(struct littlefs *fs, uint32_t block_bytes)
{
    uint32_t cache = least(block_bytes, CACHE_MAX),
             unit = least(block_bytes,
                          fs->volume->block_sectors * VOLUME_SECTOR_BYTES),
             lookahead =
                 lookahead_bytes(volume_bytes(fs->volume) / block_bytes);
    char *buffers = malloc(3 * cache + lookahead);

    if (!buffers)
        return LFS2_ERR_NOMEM;
    fs->scratch = buffers + 2 * cache;
    fs->config = (struct lfs2_config){
        .context = fs,
        .read = read_block,
        .prog = write_block,
        .erase = erase_block,
        .sync = flush,
        .read_size = cache, /* metadata is read a word at a time, backwards */
        .prog_size = unit,
        .block_size = block_bytes,
        .block_cycles = -1,
        .cache_size = cache,
        .lookahead_size = lookahead,
        .metadata_max = least(block_bytes, METADATA_MAX),
        .read_buffer = buffers,
        .prog_buffer = buffers + cache,
        .lookahead_buffer = buffers + 3 * cache,
    };
    return 0;
}

void littlefs_detach(struct littlefs *fs)
{
    lfs2_unmount(&fs->lfs);
    free(fs->config.read_buffer);
}

/* ---- Finding */

/* How a superblock begins: the first entry of blocks 0 and 1 (littlefs'
 * SPEC.md, "0x0ff LFS_TYPE_SUPERBLOCK"). */
struct superblock {
    uint32_t revision, name_tag;
    char magic[8];
    uint32_t struct_tag, version, block_bytes, nr_blocks;
};

static int check_length(struct littlefs *fs, uint32_t nr_blocks,
                        uint32_t block_bytes)
{
    if ((uint64_t)nr_blocks * block_bytes <= volume_bytes(fs->volume))
        return 0;
    log_error("fs", "%s: littlefs is larger than the disk: was it cut off?",
              fs->volume->name);
    return LFS2_ERR_CORRUPT;
}

/* The block size according to a superblock at `offset`; 0: there is none. */
static int block_size_at(struct littlefs *fs, uint64_t offset)
{
    struct superblock super;

    if (offset + sizeof(super) > volume_bytes(fs->volume))
        return 0;
    if (cache_pread(fs->cache, &super, sizeof(super), offset))
        return LFS2_ERR_IO;
    if (memcmp(super.magic, "littlefs", sizeof(super.magic)) ||
        super.block_bytes < BLOCK_MIN || super.block_bytes > BLOCK_MAX ||
        super.block_bytes & (super.block_bytes - 1) ||
        super.block_bytes > volume_bytes(fs->volume) / BLOCKS_MIN)
        return 0;
    if (check_length(fs, super.nr_blocks, super.block_bytes))
        return LFS2_ERR_IO;
    return (int)super.block_bytes;
}

static int attach_with(struct littlefs *fs, uint32_t block_bytes)
{
    int err = set_sizes(fs, block_bytes);

    if (err)
        return err;
    err = lfs2_mount(&fs->lfs, &fs->config);
    if (err) {
        free(fs->config.read_buffer);
        return err;
    }
    err = check_length(fs, fs->lfs.block_count, block_bytes);
    if (err)
        littlefs_detach(fs);
    return err;
}

/* Either superblock may be incomplete, if its write was cut off. Where block 1
 * begins is known only from that block itself. */
int littlefs_attach(struct littlefs *fs)
{
    int first = block_size_at(fs, 0), bytes;
    int err = first > 0 ? attach_with(fs, (uint32_t)first) : LFS2_ERR_INVAL;

    for (int at = BLOCK_MIN; at <= BLOCK_MAX && first >= 0; at *= 2) {
        if (err != LFS2_ERR_INVAL && err != LFS2_ERR_CORRUPT)
            return err;
        bytes = block_size_at(fs, (uint64_t)at);
        if (bytes < 0)
            return bytes;
        if (bytes == at && bytes != first)
            err = attach_with(fs, (uint32_t)bytes);
    }
    return first < 0 ? first : err;
}

/* ---- Making and growing */

static int check_empty(struct littlefs *fs)
{
    char piece[VOLUME_SECTOR_BYTES];

    for (uint64_t at = 0; at < EMPTY_BYTES; at += sizeof(piece)) {
        if (at + sizeof(piece) > volume_bytes(fs->volume))
            break;
        if (cache_pread(fs->cache, piece, sizeof(piece), at))
            return LFS2_ERR_IO;
        for (size_t i = 0; i < sizeof(piece); i++)
            if (piece[i])
                return LFS2_ERR_EXIST;
    }
    return 0;
}

/* Blocks of the volume; littlefs counts them in 32 bits. */
static uint32_t nr_blocks(const struct littlefs *fs)
{
    uint64_t nr = volume_bytes(fs->volume) / fs->config.block_size;

    return nr < LITTLEFS_NO_BLOCK - 1 ? (uint32_t)nr : LITTLEFS_NO_BLOCK - 2;
}

int littlefs_make(struct littlefs *fs)
{
    int err = check_empty(fs);

    if (!err)
        err = set_sizes(fs, BLOCK_BYTES);
    if (err)
        return err;
    fs->config.block_count = nr_blocks(fs);
    err = fs->config.block_count < BLOCKS_MIN
              ? LFS2_ERR_NOSPC
              : lfs2_format(&fs->lfs, &fs->config);
    free(fs->config.read_buffer);
    return err;
}

int littlefs_grow(struct littlefs *fs)
{
    uint32_t before = fs->lfs.block_count, nr = nr_blocks(fs);
    int err;

    if (nr <= before)
        return 0;
    err = lfs2_fs_grow(&fs->lfs, nr);
    if (!err)
        log_info("fs", "%s: littlefs grew from %u to %u blocks of %u bytes",
                 fs->volume->name, (unsigned)before, (unsigned)nr,
                 (unsigned)fs->config.block_size);
    return err;
}
