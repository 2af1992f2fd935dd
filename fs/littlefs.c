/* SPDX-License-Identifier: MIT */
/*
 * littlefs: files that can be written and survive a power cut.
 *
 * littlefs keeps data written to an open file in that file's own cache, and
 * does not support two handles of one file. So an open file has one struct
 * littlefs_node, found by its path, however often it is opened; rename changes
 * the paths, unlink marks the node. The blocks of an unlinked file stay
 * allocated while its node is DIRTY (littlefs: "file does not match storage");
 * they are free after the last close, and after a power cut.
 *
 * Errors. littlefs gives up a file after an error; here the file is restored to
 * its state before the failed call (save, restore), so data of an earlier call
 * is not lost because the disk became full. If a change of directories fails
 * half-way, the disk's state is unknown: littlefs is then remounted under
 * the open files (recover).
 */
#include "fs/littlefs.h"
#include "kernel/log.h"
#include "xen/hv.h"

#include <stdlib.h>
#include <string.h>

/* The time of the last change: nanoseconds since 1970, 64 bits, little-endian.
 * Number and form are MicroPython's. */
#define ATTRIBUTE_CHANGED 1

/* There are no permissions; programs expect to see these. */
#define FILE_MODE      0644
#define DIRECTORY_MODE 0755

/* An open file. */
struct littlefs_node {
    struct littlefs_node *next;
    unsigned opens;
    bool removed;
    uint64_t id;
    uint64_t changed_ns;
    struct lfs2_attr attribute;
    struct lfs2_file_config config;
    lfs2_file_t file;
    char path[FS_PATH_MAX]; /* as clean_path makes it */
    char cache[];
};

/* An open directory: each has its own position. */
struct littlefs_directory {
    struct littlefs_directory *next;
    bool removed;
    lfs2_dir_t dir;
    uint64_t at; /* entries read from dir so far, or LOST */
    char path[FS_PATH_MAX];
};

#define LOST UINT64_MAX

/* littlefs' errors are Linux' numbers, except the one for corruption. */
static int error_of(struct littlefs *fs, int err)
{
    if (err != LFS2_ERR_CORRUPT)
        return err;
    if (!fs->complained)
        log_error("fs",
                  "%s: littlefs is corrupt: check the disk's image with "
                  "tools/littlefs check",
                  fs->volume->name);
    fs->complained = true;
    return -XEN_EIO;
}

/* ---- Paths */

/* FNV-1a, 64 bits: littlefs has no numbers for files. */
#define HASH_START 0xcbf29ce484222325
#define HASH_PRIME 0x100000001b3

static uint64_t add_to_id(uint64_t id, const char *name)
{
    if (!*name)
        return id; /* the root has no name */
    for (id = (id ^ '/') * HASH_PRIME; *name; name++)
        id = (id ^ (unsigned char)*name) * HASH_PRIME;
    return id;
}

static uint64_t id_of(const char *path)
{
    return add_to_id(HASH_START, path);
}

static int lookup_clean(struct littlefs *fs, const char *path,
                        struct lfs2_info *info)
{
    *info = (struct lfs2_info){.type = LFS2_TYPE_DIR};
    return *path ? lfs2_stat(&fs->lfs, path, info) : 0;
}

static int check_directory(struct littlefs *fs, const char *path)
{
    struct lfs2_info info;
    int err = lookup_clean(fs, path, &info);

    if (err)
        return err;
    return info.type == LFS2_TYPE_DIR ? 0 : LFS2_ERR_NOTDIR;
}

static void cut_name(char *path)
{
    char *slash = strrchr(path, '/');

    *(slash ? slash : path) = '\0';
}

/* Add a name to a clean path, or follow it: "." and "..". */
static int step(struct littlefs *fs, char *path, const char *name, size_t len)
{
    size_t at = strlen(path);

    if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) {
        int err = check_directory(fs, path);

        if (!err && len == 2)
            cut_name(path);
        return err;
    }
    if (len > fs->lfs.name_max)
        return LFS2_ERR_NAMETOOLONG;
    if (at)
        path[at++] = '/';
    memcpy(path + at, name, len);
    path[at + len] = '\0';
    return 0;
}

/* "//a/./b/../c/" becomes "a/c", the root "": each file has one clean path. */
static int clean_path(struct littlefs *fs, const char *path,
                      char clean[FS_PATH_MAX])
{
    int err = 0;

    clean[0] = '\0';
    while (!err && *path) {
        size_t len = strcspn(path, "/");

        if (len)
            err = step(fs, clean, path, len);
        path += len + (path[len] == '/');
    }
    return err;
}

/* Is `path` that place, or below it? */
static bool is_within(const char *path, const char *place)
{
    size_t len = strlen(place);

    return !strncmp(path, place, len) &&
           (path[len] == '\0' || path[len] == '/');
}

static struct littlefs_node *find_node(struct littlefs *fs, const char *path)
{
    for (struct littlefs_node *node = fs->nodes; node; node = node->next)
        if (!node->removed && !strcmp(node->path, path))
            return node;
    return NULL;
}

static uint64_t size_of(const lfs2_file_t *file)
{
    bool is_longer = file->flags & LFS2_F_WRITING && file->pos > file->ctz.size;

    return is_longer ? file->pos : file->ctz.size;
}

/* ---- Undoing a failed call */

struct saved {
    lfs2_file_t file;
    uint64_t changed_ns;
};

/* Does the cache hold data that is not on the disk? */
static bool cache_counts(const lfs2_file_t *file)
{
    return file->flags & (LFS2_F_WRITING | LFS2_F_INLINE);
}

static void save(struct littlefs *fs, const struct littlefs_node *node,
                 struct saved *saved)
{
    *saved = (struct saved){node->file, node->changed_ns};
    if (cache_counts(&node->file))
        memcpy(fs->scratch, node->cache, fs->config.cache_size);
}

static void restore(struct littlefs *fs, struct littlefs_node *node,
                    const struct saved *saved)
{
    lfs2_file_t *next = node->file.next;

    node->file = saved->file;
    node->file.next = next;
    node->changed_ns = saved->changed_ns;
    if (cache_counts(&node->file)) {
        memcpy(node->cache, fs->scratch, fs->config.cache_size);
    } else {
        node->file.cache.block = LITTLEFS_NO_BLOCK;
        node->file.flags &= ~LFS2_F_READING;
    }
    littlefs_drop_caches(fs);
}

/* ---- Remounting under open files */

/* littlefs keeps a list of open files and directories, both of which begin with
 * the list's entry. */
static void push(struct littlefs *fs, void *open)
{
    struct lfs2_mlist *entry = open;

    entry->next = fs->lfs.mlist;
    fs->lfs.mlist = entry;
}

static void pull(struct littlefs *fs, const void *open)
{
    struct lfs2_mlist **at = &fs->lfs.mlist;

    while (*at && *at != open)
        at = &(*at)->next;
    if (*at)
        *at = (*at)->next;
}

/* The file's entry has moved, or is gone: find it again. */
static int find_entry(struct littlefs *fs, struct littlefs_node *node)
{
    struct lfs2_file_config config = {.buffer = fs->scratch};
    lfs2_file_t probe;
    int err =
        lfs2_file_opencfg(&fs->lfs, &probe, node->path, LFS2_O_RDONLY, &config);

    if (err)
        return err;
    node->file.m = probe.m;
    node->file.id = probe.id;
    return lfs2_file_close(&fs->lfs, &probe);
}

static void forget_entry(struct littlefs_node *node)
{
    node->removed = true;
    node->file.m.pair[0] = LITTLEFS_NO_BLOCK;
    node->file.m.pair[1] = LITTLEFS_NO_BLOCK;
    node->file.flags |= LFS2_F_DIRTY;
}

static int recover_node(struct littlefs *fs, struct littlefs_node *node)
{
    int err = node->removed ? 0 : find_entry(fs, node);

    if (err == LFS2_ERR_NOENT || err == LFS2_ERR_ISDIR) {
        forget_entry(node);
        err = 0;
    }
    return err;
}

static int recover_directory(struct littlefs *fs,
                             struct littlefs_directory *directory)
{
    int err;

    if (directory->removed)
        return 0;
    err = lfs2_dir_open(&fs->lfs, &directory->dir, directory->path);
    if (err == LFS2_ERR_NOENT || err == LFS2_ERR_NOTDIR) {
        directory->removed = true;
        return 0;
    }
    directory->at = LOST;
    return err;
}

/* All open files must be back in littlefs' list before anything is written, or
 * their blocks would be reused. */
static int reopen(struct littlefs *fs)
{
    int err = 0;

    for (struct littlefs_node *node = fs->nodes; node && !err;
         node = node->next)
        err = recover_node(fs, node);
    for (struct littlefs_node *node = fs->nodes; node; node = node->next)
        push(fs, &node->file);
    for (struct littlefs_directory *directory = fs->directories;
         directory && !err; directory = directory->next)
        err = recover_directory(fs, directory);
    return err ? err : lfs2_fs_mkconsistent(&fs->lfs);
}

static int recover(struct littlefs *fs)
{
    int err;

    lfs2_unmount(&fs->lfs);
    err = lfs2_mount(&fs->lfs, &fs->config);
    if (!err)
        err = reopen(fs);
    fs->stale = err != 0;
    return err;
}

/* Every call begins with this: 0, or a negative error. */
static int begin(struct littlefs *fs)
{
    return fs->stale ? error_of(fs, recover(fs)) : 0;
}

/* Every change of directories ends with this. Some errors are found before
 * anything is changed. */
static int end_change(struct littlefs *fs, int err)
{
    if (err && err != LFS2_ERR_NOENT && err != LFS2_ERR_NOTDIR &&
        err != LFS2_ERR_NOTEMPTY)
        fs->stale = true;
    return error_of(fs, err);
}

/* ---- Looking up a path */

static uint64_t changed_of(struct littlefs *fs, const char *path)
{
    uint64_t changed_ns;

    if (lfs2_getattr(&fs->lfs, path, ATTRIBUTE_CHANGED, &changed_ns,
                     sizeof(changed_ns)) != sizeof(changed_ns))
        return 0;
    return changed_ns;
}

static enum fs_kind kind_of(const struct lfs2_info *info)
{
    switch (info->type) {
    case LFS2_TYPE_REG:
        return FS_FILE;
    case LFS2_TYPE_DIR:
        return FS_DIRECTORY;
    default:
        return FS_OTHER;
    }
}

static void fill_directory(struct fs_stat *stat, const char *path)
{
    *stat = (struct fs_stat){
        .kind = FS_DIRECTORY,
        .id = id_of(path),
        .mode = DIRECTORY_MODE,
    };
}

static void fill_node(const struct littlefs_node *node, struct fs_stat *stat)
{
    *stat = (struct fs_stat){
        .kind = FS_FILE,
        .id = node->id,
        .bytes = size_of(&node->file),
        .changed_s = node->changed_ns / NS_PER_S,
        .mode = FILE_MODE,
    };
}

static int stat_clean(struct littlefs *fs, const char *path,
                      struct fs_stat *stat)
{
    struct littlefs_node *node = find_node(fs, path);
    struct lfs2_info info;
    int err;

    if (node) {
        fill_node(node, stat);
        return 0;
    }
    err = lookup_clean(fs, path, &info);
    if (err)
        return err;
    fill_directory(stat, path);
    if (info.type == LFS2_TYPE_DIR)
        return 0;
    stat->kind = kind_of(&info);
    stat->bytes = info.size;
    stat->mode = FILE_MODE;
    stat->changed_s = changed_of(fs, path) / NS_PER_S;
    return 0;
}

static int littlefs_lookup(struct fs_mount *mount, const char *path,
                           struct fs_stat *stat)
{
    struct littlefs *fs = mount->state;
    char clean[FS_PATH_MAX];
    int err = begin(fs);

    if (err)
        return err;
    err = clean_path(fs, path, clean);
    if (!err)
        err = stat_clean(fs, clean, stat);
    return error_of(fs, err);
}

/* ---- Files: opening and closing */

/* Reject sizes that no file can have: reading one would take hours. */
static int check_size(struct littlefs *fs, const lfs2_file_t *file)
{
    uint64_t room = (uint64_t)fs->lfs.block_count * fs->config.block_size;

    return file->ctz.size > room || file->ctz.size > LFS2_FILE_MAX
               ? LFS2_ERR_CORRUPT
               : 0;
}

static void free_node(struct littlefs *fs, struct littlefs_node *node)
{
    struct littlefs_node **at = &fs->nodes;

    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    free(node);
}

/* Free the node without writing the file. */
static void drop_node(struct littlefs *fs, struct littlefs_node *node)
{
    pull(fs, &node->file);
    free_node(fs, node);
}

static struct littlefs_node *new_node(struct littlefs *fs, const char *path)
{
    struct littlefs_node *node =
        calloc(1, sizeof(*node) + fs->config.cache_size);

    if (!node)
        return NULL;
    node->id = id_of(path);
    strcpy(node->path, path);
    node->attribute = (struct lfs2_attr){
        .type = ATTRIBUTE_CHANGED,
        .buffer = &node->changed_ns,
        .size = sizeof(node->changed_ns),
    };
    node->config = (struct lfs2_file_config){
        .buffer = node->cache,
        .attrs = &node->attribute,
        .attr_count = fs->lfs.attr_max >= sizeof(node->changed_ns),
    };
    node->next = fs->nodes;
    fs->nodes = node;
    return node;
}

/* One handle serves all readers and writers. It is opened for reading first, or
 * littlefs would take the time for changed. */
static int open_node(struct littlefs *fs, const char *path, int flags,
                     struct littlefs_node **result)
{
    struct littlefs_node *node = new_node(fs, path);
    int err;

    if (!node)
        return LFS2_ERR_NOMEM;
    err = lfs2_file_opencfg(&fs->lfs, &node->file, path, flags, &node->config);
    if (err) {
        free_node(fs, node);
        return err;
    }
    err = check_size(fs, &node->file);
    if (err) {
        drop_node(fs, node);
        return err;
    }
    node->file.flags |= LFS2_O_RDWR;
    *result = node;
    return 0;
}

static uint64_t now_ns(void)
{
    return hv_wall_base_ns() + hv_now_ns();
}

static int create_node(struct littlefs *fs, const char *path,
                       struct littlefs_node **result)
{
    int err =
        open_node(fs, path, LFS2_O_RDWR | LFS2_O_CREAT | LFS2_O_EXCL, result);

    if (!err)
        (*result)->changed_ns = now_ns();
    /* A name that does not fit into a block is NOSPC, not NAMETOOLONG. */
    return end_change(fs, err == LFS2_ERR_NAMETOOLONG ? LFS2_ERR_NOSPC : err);
}

static int truncate_node(struct littlefs *fs, struct littlefs_node *node,
                         uint32_t bytes)
{
    struct saved saved;
    int err;

    save(fs, node, &saved);
    err = lfs2_file_truncate(&fs->lfs, &node->file, bytes);
    if (err)
        restore(fs, node, &saved);
    else
        node->changed_ns = now_ns();
    return error_of(fs, err);
}

static int sync_node(struct littlefs *fs, struct littlefs_node *node)
{
    struct saved saved;
    int err;

    if (node->removed)
        return 0;
    save(fs, node, &saved);
    err = lfs2_file_sync(&fs->lfs, &node->file);
    if (!err)
        return fs->config.sync(&fs->config);
    restore(fs, node, &saved);
    return end_change(fs, err);
}

static int open_directory(struct fs_file *file, const char *path)
{
    struct littlefs *fs = file->mount->state;
    struct littlefs_directory *directory;
    int err;

    if (file->flags & FS_CREATE && file->flags & FS_EXCLUSIVE)
        return -XEN_EEXIST;
    if (file->flags & FS_WRITE)
        return -XEN_EISDIR;
    directory = calloc(1, sizeof(*directory));
    if (!directory)
        return -XEN_ENOMEM;
    err = lfs2_dir_open(&fs->lfs, &directory->dir, path);
    if (err) {
        free(directory);
        return error_of(fs, err);
    }
    strcpy(directory->path, path);
    directory->next = fs->directories;
    fs->directories = directory;
    file->state = directory;
    fill_directory(&file->stat, path);
    return 0;
}

/* The node of a path that is not a directory. */
static int get_node(struct fs_file *file, const char *path,
                    struct littlefs_node **result)
{
    struct littlefs *fs = file->mount->state;
    struct lfs2_info info;
    int err;

    *result = find_node(fs, path);
    if (!*result) {
        err = lookup_clean(fs, path, &info);
        if (err == LFS2_ERR_NOENT && file->flags & FS_CREATE)
            return create_node(fs, path, result);
        if (!err && info.type != LFS2_TYPE_REG)
            err = -XEN_EOPNOTSUPP;
        if (err)
            return error_of(fs, err);
    }
    if (file->flags & FS_CREATE && file->flags & FS_EXCLUSIVE)
        return -XEN_EEXIST;
    return *result ? 0
                   : error_of(fs, open_node(fs, path, LFS2_O_RDONLY, result));
}

static int open_file(struct fs_file *file, const char *path)
{
    struct littlefs *fs = file->mount->state;
    struct littlefs_node *node;
    int err = get_node(file, path, &node);

    if (err)
        return err;
    if (file->flags & FS_TRUNCATE && file->flags & FS_WRITE)
        err = truncate_node(fs, node, 0);
    if (err) {
        if (!node->opens)
            drop_node(fs, node);
        return err;
    }
    node->opens++;
    file->state = node;
    fill_node(node, &file->stat);
    return 0;
}

static int littlefs_open(struct fs_file *file, const char *path)
{
    struct littlefs *fs = file->mount->state;
    char clean[FS_PATH_MAX];
    int err = begin(fs);

    if (err)
        return err;
    err = clean_path(fs, path, clean);
    if (err)
        return error_of(fs, err);
    err = find_node(fs, clean) ? LFS2_ERR_NOTDIR : check_directory(fs, clean);
    if (!err)
        return open_directory(file, clean);
    if (err == LFS2_ERR_NOTDIR || err == LFS2_ERR_NOENT)
        return open_file(file, clean);
    return error_of(fs, err);
}

static void close_directory(struct littlefs *fs,
                            struct littlefs_directory *directory)
{
    struct littlefs_directory **at = &fs->directories;

    if (!directory->removed)
        pull(fs, &directory->dir);
    while (*at != directory)
        at = &(*at)->next;
    *at = directory->next;
    free(directory);
}

/* Close the node after its last user. */
static int release_node(struct fs_mount *mount, struct littlefs_node *node)
{
    struct littlefs *fs = mount->state;
    int err = begin(fs);

    if (!err && !mount->read_only)
        err = sync_node(fs, node);
    drop_node(fs, node);
    return err;
}

static int littlefs_close(struct fs_file *file)
{
    struct littlefs_node *node = file->state;

    if (file->stat.kind == FS_DIRECTORY) {
        close_directory(file->mount->state, file->state);
        return 0;
    }
    return --node->opens ? 0 : release_node(file->mount, node);
}

/* ---- Files: contents */

static int littlefs_fstat(struct fs_file *file)
{
    if (file->stat.kind == FS_FILE)
        fill_node(file->state, &file->stat);
    return 0;
}

static int read_node(struct littlefs *fs, struct littlefs_node *node, void *to,
                     uint32_t bytes, uint32_t offset)
{
    lfs2_soff_t at = lfs2_file_seek(&fs->lfs, &node->file, (lfs2_soff_t)offset,
                                    LFS2_SEEK_SET);

    return at < 0 ? at : lfs2_file_read(&fs->lfs, &node->file, to, bytes);
}

static int littlefs_pread(struct fs_file *file, void *to, size_t bytes,
                          uint64_t offset)
{
    struct littlefs *fs = file->mount->state;
    struct littlefs_node *node = file->state;
    struct saved saved;
    int result = begin(fs);

    if (result)
        return result;
    if (offset >= size_of(&node->file))
        return 0;
    save(fs, node, &saved);
    result = read_node(fs, node, to, (uint32_t)bytes, (uint32_t)offset);
    if (result < 0)
        restore(fs, node, &saved);
    return result < 0 ? error_of(fs, result) : result;
}

/* Write zeros from the file's end on. */
static int fill_up(struct littlefs *fs, lfs2_file_t *file, uint32_t bytes)
{
    static const char zeros[512];
    lfs2_soff_t at = lfs2_file_seek(&fs->lfs, file, 0, LFS2_SEEK_END);

    while (at >= 0 && (uint32_t)at < bytes) {
        uint32_t piece = bytes - (uint32_t)at;
        lfs2_ssize_t n =
            lfs2_file_write(&fs->lfs, file, zeros,
                            piece < sizeof(zeros) ? piece : sizeof(zeros));

        at = n < 0 ? n : at + n;
    }
    return at < 0 ? at : 0;
}

static int write_node(struct littlefs *fs, lfs2_file_t *file, const void *from,
                      uint32_t bytes, uint32_t offset)
{
    lfs2_ssize_t n = fill_up(fs, file, offset);

    if (n >= 0)
        n = lfs2_file_seek(&fs->lfs, file, (lfs2_soff_t)offset, LFS2_SEEK_SET);
    return n < 0 ? n : lfs2_file_write(&fs->lfs, file, from, bytes);
}

static int littlefs_pwrite(struct fs_file *file, const void *from, size_t bytes,
                           uint64_t offset)
{
    struct littlefs *fs = file->mount->state;
    struct littlefs_node *node = file->state;
    struct saved saved;
    int result = begin(fs);

    if (result)
        return result;
    if (offset == FS_END)
        offset = size_of(&node->file);
    if (bytes > fs->lfs.file_max || offset > fs->lfs.file_max - bytes)
        return -XEN_EFBIG;
    save(fs, node, &saved);
    result =
        write_node(fs, &node->file, from, (uint32_t)bytes, (uint32_t)offset);
    if (result < 0)
        restore(fs, node, &saved);
    else
        node->changed_ns = now_ns();
    return result < 0 ? error_of(fs, result) : result;
}

static int littlefs_fsync(struct fs_file *file)
{
    struct littlefs *fs = file->mount->state;
    int err = begin(fs);

    return err ? err : sync_node(fs, file->state);
}

static int extend_node(struct littlefs *fs, struct littlefs_node *node,
                       uint32_t bytes)
{
    struct saved saved;
    int err;

    save(fs, node, &saved);
    err = fill_up(fs, &node->file, bytes);
    if (err)
        restore(fs, node, &saved);
    else
        node->changed_ns = now_ns();
    return error_of(fs, err);
}

static int littlefs_ftruncate(struct fs_file *file, uint64_t bytes)
{
    struct littlefs *fs = file->mount->state;
    struct littlefs_node *node = file->state;
    int err = begin(fs);

    if (err)
        return err;
    if (bytes > fs->lfs.file_max)
        return -XEN_EFBIG;
    if (bytes > size_of(&node->file))
        return extend_node(fs, node, (uint32_t)bytes);
    return truncate_node(fs, node, (uint32_t)bytes);
}

/* ---- Directories */

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* 1, 0 at the end, or a negative error. */
static int next_entry(struct littlefs *fs, struct littlefs_directory *directory,
                      struct lfs2_info *info)
{
    int result;

    do {
        result = lfs2_dir_read(&fs->lfs, &directory->dir, info);
        if (result > 0 && (!info->name[0] || strchr(info->name, '/') ||
                           !memchr(info->name, '\0', sizeof(info->name))))
            return LFS2_ERR_CORRUPT;
    } while (result > 0 && is_dots(info->name));
    directory->at = result < 0 ? LOST : directory->at + (result > 0);
    return result;
}

/* Usually it is there already. */
static int go_to_entry(struct littlefs *fs,
                       struct littlefs_directory *directory, uint64_t first)
{
    struct lfs2_info info;
    int result = 1;

    if (directory->at > first) {
        result = lfs2_dir_rewind(&fs->lfs, &directory->dir);
        directory->at = result < 0 ? LOST : 0;
        result = result < 0 ? result : 1;
    }
    while (result > 0 && directory->at < first)
        result = next_entry(fs, directory, &info);
    return result;
}

static int list(struct littlefs *fs, struct littlefs_directory *directory,
                struct fs_entry *entries, unsigned nr, uint64_t first)
{
    uint64_t id = id_of(directory->path);
    int result = go_to_entry(fs, directory, first);
    struct lfs2_info info;
    unsigned n = 0;

    while (result > 0 && n < nr) {
        result = next_entry(fs, directory, &info);
        if (result > 0) {
            entries[n].id = add_to_id(id, info.name);
            entries[n].kind = kind_of(&info);
            strcpy(entries[n++].name, info.name);
        }
    }
    return result < 0 ? result : (int)n;
}

static int littlefs_readdir(struct fs_file *file, struct fs_entry *entries,
                            unsigned nr, uint64_t first)
{
    struct littlefs *fs = file->mount->state;
    struct littlefs_directory *directory = file->state;
    int result = begin(fs);

    if (result || directory->removed)
        return result;
    result = list(fs, directory, entries, nr, first);
    return result < 0 ? error_of(fs, result) : result;
}

static int littlefs_mkdir(struct fs_mount *mount, const char *path)
{
    struct littlefs *fs = mount->state;
    char clean[FS_PATH_MAX];
    struct lfs2_info info;
    int err = begin(fs);

    if (err)
        return err;
    err = clean_path(fs, path, clean);
    if (!err)
        err = lookup_clean(fs, clean, &info);
    if (!err)
        return -XEN_EEXIST;
    if (err != LFS2_ERR_NOENT)
        return error_of(fs, err);
    return end_change(fs, lfs2_mkdir(&fs->lfs, clean));
}

/* Close the directories that are open there. */
static void remove_directories(struct littlefs *fs, const char *path)
{
    for (struct littlefs_directory *directory = fs->directories; directory;
         directory = directory->next) {
        if (directory->removed || strcmp(directory->path, path))
            continue;
        pull(fs, &directory->dir);
        directory->removed = true;
    }
}

static int littlefs_rmdir(struct fs_mount *mount, const char *path)
{
    struct littlefs *fs = mount->state;
    char clean[FS_PATH_MAX];
    int err = begin(fs);

    if (err)
        return err;
    err = clean_path(fs, path, clean);
    if (!err)
        err = check_directory(fs, clean);
    if (err)
        return error_of(fs, err);
    if (!*clean)
        return -XEN_EBUSY;
    err = lfs2_remove(&fs->lfs, clean);
    if (!err)
        remove_directories(fs, clean);
    return end_change(fs, err);
}

/* ---- Removing and renaming */

/* From when its name is gone, its blocks must not be reused. */
static struct littlefs_node *hold_blocks(struct littlefs *fs, const char *path)
{
    struct littlefs_node *node = find_node(fs, path);

    if (node)
        node->file.flags |= LFS2_F_DIRTY;
    return node;
}

static int littlefs_unlink(struct fs_mount *mount, const char *path)
{
    struct littlefs *fs = mount->state;
    struct littlefs_node *node;
    char clean[FS_PATH_MAX];
    struct lfs2_info info;
    int err = begin(fs);

    if (err)
        return err;
    err = clean_path(fs, path, clean);
    if (!err)
        err = lookup_clean(fs, clean, &info);
    if (!err && info.type == LFS2_TYPE_DIR)
        err = LFS2_ERR_ISDIR;
    if (err)
        return error_of(fs, err);
    node = hold_blocks(fs, clean);
    err = lfs2_remove(&fs->lfs, clean);
    if (!err && node)
        forget_entry(node);
    return end_change(fs, err);
}

/* Move `path`, which is at or below `from`, to the same place under `to`. */
static void move_path(char *path, const char *from, const char *to)
{
    size_t old_len = strlen(from), len = strlen(to);

    memmove(path + len, path + old_len, strlen(path + old_len) + 1);
    memcpy(path, to, len);
}

/* Would the paths of all open files below `from` still fit? */
static bool paths_fit(struct littlefs *fs, const char *from, const char *to)
{
    size_t old_len = strlen(from), len = strlen(to);

    for (struct littlefs_node *node = fs->nodes; node; node = node->next)
        if (is_within(node->path, from) &&
            strlen(node->path) - old_len + len >= FS_PATH_MAX)
            return false;
    for (struct littlefs_directory *directory = fs->directories; directory;
         directory = directory->next)
        if (is_within(directory->path, from) &&
            strlen(directory->path) - old_len + len >= FS_PATH_MAX)
            return false;
    return true;
}

static void move_paths(struct littlefs *fs, const char *from, const char *to)
{
    for (struct littlefs_node *node = fs->nodes; node; node = node->next)
        if (!node->removed && is_within(node->path, from))
            move_path(node->path, from, to);
    for (struct littlefs_directory *directory = fs->directories; directory;
         directory = directory->next)
        if (!directory->removed && is_within(directory->path, from))
            move_path(directory->path, from, to);
}

/* The error that prevents a rename; 0: none. */
static int check_rename(struct littlefs *fs, const char *from, const char *to)
{
    struct lfs2_info old, new;
    int err = lookup_clean(fs, from, &old);

    if (err)
        return err;
    if (!*from || !*to)
        return -XEN_EBUSY;
    if (is_within(to, from) && strcmp(to, from))
        return LFS2_ERR_INVAL;
    if (!paths_fit(fs, from, to))
        return LFS2_ERR_NAMETOOLONG;
    err = lookup_clean(fs, to, &new);
    if (err)
        return err == LFS2_ERR_NOENT ? 0 : err;
    if (new.type == old.type)
        return 0;
    return new.type == LFS2_TYPE_DIR ? LFS2_ERR_ISDIR : LFS2_ERR_NOTDIR;
}

static int rename_clean(struct littlefs *fs, const char *from, const char *to)
{
    struct littlefs_node *replaced = hold_blocks(fs, to), *moved;
    int err = lfs2_rename(&fs->lfs, from, to);

    if (err)
        return err;
    if (replaced)
        forget_entry(replaced);
    remove_directories(fs, to);
    move_paths(fs, from, to);
    moved = find_node(fs, to);
    /* If this fails, recover finds the entry before it is needed. */
    if (moved && find_entry(fs, moved))
        fs->stale = true;
    return 0;
}

static int littlefs_rename(struct fs_mount *mount, const char *path,
                           const char *new_path)
{
    struct littlefs *fs = mount->state;
    char from[FS_PATH_MAX], to[FS_PATH_MAX];
    int err = begin(fs);

    if (err)
        return err;
    err = clean_path(fs, path, from);
    if (!err)
        err = clean_path(fs, new_path, to);
    if (!err)
        err = check_rename(fs, from, to);
    if (err)
        return error_of(fs, err);
    if (!strcmp(from, to))
        return 0;
    return end_change(fs, rename_clean(fs, from, to));
}

/* ---- Space, mounting */

/* Counted by reading all of the metadata. Files without a name that are still
 * open count as free; the number of files is not counted. */
static void littlefs_space(struct fs_mount *mount, struct fs_space *space)
{
    struct littlefs *fs = mount->state;
    lfs2_ssize_t used = begin(fs) ? -1 : lfs2_fs_size(&fs->lfs);
    uint64_t nr = fs->lfs.block_count;

    *space = (struct fs_space){
        .bytes = nr * fs->config.block_size,
        .block_bytes = fs->config.block_size,
    };
    if (used >= 0 && (uint64_t)used < nr)
        space->free_bytes = (nr - (uint64_t)used) * fs->config.block_size;
}

/* Files that are still open are written, as closing them would do. */
static void littlefs_unmount(struct fs_mount *mount)
{
    struct littlefs *fs = mount->state;

    while (fs->nodes)
        (void)release_node(mount, fs->nodes);
    while (fs->directories)
        close_directory(fs, fs->directories);
    littlefs_detach(fs);
    free(fs);
}

static int attach_or_make(struct fs_mount *mount)
{
    struct littlefs *fs = mount->state;
    int err = littlefs_attach(fs);

    if (err != LFS2_ERR_INVAL || !mount->make || mount->read_only)
        return err;
    err = littlefs_make(fs);
    if (err == LFS2_ERR_EXIST) {
        log_error("fs",
                  "%s: there is something on it, so no littlefs is made: "
                  "dom0 can fill it with zeros",
                  mount->volume->name);
        return LFS2_ERR_INVAL;
    }
    if (!err)
        log_info("fs", "%s: a new littlefs", mount->volume->name);
    return err ? err : littlefs_attach(fs);
}

static int make_ready(struct fs_mount *mount)
{
    struct littlefs *fs = mount->state;
    int err;

    if (mount->read_only)
        return 0;
    err = lfs2_fs_mkconsistent(&fs->lfs);
    if (!err)
        err = littlefs_grow(fs);
    if (err)
        littlefs_detach(fs);
    return err;
}

static int littlefs_mount(struct fs_mount *mount)
{
    struct littlefs *fs = calloc(1, sizeof(*fs));
    int err;

    if (!fs)
        return -XEN_ENOMEM;
    mount->state = fs;
    fs->volume = mount->volume;
    fs->cache = &mount->cache;
    err = attach_or_make(mount);
    if (err == LFS2_ERR_INVAL)
        log_error("fs",
                  "%s: there is no littlefs on it: in dom0, "
                  "tools/littlefs make IMAGE makes one",
                  mount->volume->name);
    if (!err)
        err = make_ready(mount);
    err = error_of(fs, err);
    if (err)
        free(fs);
    return err;
}

const struct fs_type fs_littlefs = {
    .name = "littlefs",
    .stack_pages = 8,
    .mount = littlefs_mount,
    .unmount = littlefs_unmount,
    .lookup = littlefs_lookup,
    .space = littlefs_space,
    .open = littlefs_open,
    .close = littlefs_close,
    .fstat = littlefs_fstat,
    .pread = littlefs_pread,
    .readdir = littlefs_readdir,
    .pwrite = littlefs_pwrite,
    .fsync = littlefs_fsync,
    .ftruncate = littlefs_ftruncate,
    .rename = littlefs_rename,
    .unlink = littlefs_unlink,
    .mkdir = littlefs_mkdir,
    .rmdir = littlefs_rmdir,
};
