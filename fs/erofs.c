/* SPDX-License-Identifier: MIT */
/*
 * EROFS, by liberofs (erofs-utils): read-only images that mkfs.erofs makes,
 * plain or compressed with lz4.
 *
 * liberofs reads inodes, directories and data, and gets bytes of the volume by
 * erofs_dev_read, which here waits in the mount's fiber. We walk paths
 * ourselves, because liberofs' own walk does not follow symbolic links. Nothing
 * in an image is trusted; checks that liberofs lacks are added in
 * third_party/patches/erofs.
 *
 * The inode used last is kept: reading a file in pieces looks it up once.
 */
#include "fs/type.h"
#include "kernel/log.h"

#include <stdlib.h>
#include <string.h>

/* Included last because of its macros. */
#include "erofs/internal.h"
#include "erofs/dir.h"
#include "erofs/fragments.h"
#include "erofs/xattr.h"

#define LINKS_MAX                                              \
    8 /* symbolic links in one path, as many as Linux once had \
       */

struct state {
    struct erofs_sb_info sbi;
    struct cache *cache;
    struct erofs_inode inode; /* used last */
    bool inode_valid;
    bool in_packed; /* reading the packed inode */
};

/* liberofs' errors are the C library's; those up to ERANGE have the same
 * number everywhere. Others (a corrupt image among them) become EIO. */
static int error_of(int err)
{
    if (err >= -XEN_ERANGE || err == -EOPNOTSUPP)
        return err == -EOPNOTSUPP ? -XEN_EOPNOTSUPP : err;
    return -XEN_EIO;
}

static struct state *state_of(struct erofs_sb_info *sbi)
{
    return container_of(sbi, struct state, sbi);
}

/* ---- Functions that liberofs calls */

ssize_t erofs_dev_read(struct erofs_sb_info *sbi, int device_id, void *buf,
                       u64 offset, size_t len)
{
    if (device_id)
        return -ENODEV;
    return cache_pread(state_of(sbi)->cache, buf, len, offset);
}

/* liberofs adds to a size without checking for overflow, so reject sizes that
 * no file can have here. */
static int read_inode(struct erofs_inode *inode)
{
    int err = erofs_read_inode_from_disk(inode);

    return !err && inode->i_size > INT64_MAX ? -EFSCORRUPTED : err;
}

/* The tails of files, packed into one inode. That inode must not have such a
 * tail itself, or an image could cause endless recursion. */
int erofs_packedfile_read(struct erofs_sb_info *sbi, void *buf, erofs_off_t len,
                          erofs_off_t pos)
{
    struct state *state = state_of(sbi);
    struct erofs_inode packed = {.sbi = sbi, .nid = sbi->packed_nid};
    int err;

    if (state->in_packed || !sbi->packed_nid)
        return -EFSCORRUPTED;
    err = read_inode(&packed);
    if (!err && (pos > packed.i_size || len > packed.i_size - pos))
        err = -EFSCORRUPTED;
    if (err)
        return err;
    state->in_packed = true;
    err = erofs_pread(&packed, buf, len, pos);
    state->in_packed = false;
    return err;
}

/* Extended attributes are not used. */
int erofs_xattr_prefixes_init(struct erofs_sb_info *sbi)
{
    (void)sbi;
    return 0;
}

/* ---- Inodes */

static int get_inode(struct state *state, erofs_nid_t nid)
{
    int err;

    if (state->inode_valid && state->inode.nid == nid)
        return 0;
    state->inode = (struct erofs_inode){.sbi = &state->sbi, .nid = nid};
    err = read_inode(&state->inode);
    state->inode_valid = !err;
    return err;
}

static enum fs_kind kind_of_mode(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return FS_FILE;
    case S_IFDIR:
        return FS_DIRECTORY;
    case S_IFLNK:
        return FS_LINK;
    default:
        return FS_OTHER;
    }
}

static enum fs_kind kind_of_type(unsigned type)
{
    switch (type) {
    case EROFS_FT_REG_FILE:
        return FS_FILE;
    case EROFS_FT_DIR:
        return FS_DIRECTORY;
    case EROFS_FT_SYMLINK:
        return FS_LINK;
    default:
        return FS_OTHER;
    }
}

static void fill_stat(const struct erofs_inode *inode, struct fs_stat *stat)
{
    *stat = (struct fs_stat){
        .kind = kind_of_mode(inode->i_mode),
        .id = inode->nid,
        .bytes = inode->i_size,
        .changed_s = inode->i_mtime,
        .mode = inode->i_mode & 07777,
    };
}

/* ---- Directories */

static bool is_name(const char *name, size_t len)
{
    return !memchr(name, '/', len) && !memchr(name, '\0', len);
}

struct search {
    struct erofs_dir_context context;
    const char *name;
    size_t len;
};

/* Any value but 0 ends the iteration, and erofs_iterate_dir returns it. */
#define FOUND 1

static int compare(struct erofs_dir_context *context)
{
    struct search *search = container_of(context, struct search, context);

    if (context->de_namelen == search->len &&
        !memcmp(context->dname, search->name, search->len))
        return FOUND;
    return 0;
}

/* Replace state->inode, a directory, by the inode of its entry `name`. */
static int step(struct state *state, const char *name, size_t len)
{
    struct search search = {
        .context = {.dir = &state->inode, .cb = compare},
        .name = name,
        .len = len,
    };
    int result = erofs_iterate_dir(&search.context, false);

    if (result == FOUND)
        return get_inode(state, search.context.de_nid);
    return result ? result : -ENOENT;
}

struct listing {
    struct erofs_dir_context context;
    struct fs_entry *entries;
    unsigned nr, room;
    uint64_t skip;
};

static int list(struct erofs_dir_context *context)
{
    struct listing *listing = container_of(context, struct listing, context);
    struct fs_entry *entry = &listing->entries[listing->nr];

    if (!is_name(context->dname, context->de_namelen))
        return -EFSCORRUPTED;
    if (context->dot_dotdot)
        return 0;
    if (listing->skip) {
        listing->skip--;
        return 0;
    }
    if (listing->nr == listing->room)
        return FOUND;
    entry->id = context->de_nid;
    entry->kind = kind_of_type(context->de_ftype);
    memcpy(entry->name, context->dname, context->de_namelen);
    entry->name[context->de_namelen] = '\0';
    listing->nr++;
    return 0;
}

static int erofs_readdir(struct fs_file *file, struct fs_entry *entries,
                         unsigned nr, uint64_t first)
{
    struct state *state = file->mount->state;
    struct listing listing = {
        .context = {.dir = &state->inode, .cb = list},
        .entries = entries,
        .room = nr,
        .skip = first,
    };
    int err = get_inode(state, file->stat.id);

    if (!err)
        err = erofs_iterate_dir(&listing.context, false);
    return err < 0 ? error_of(err) : (int)listing.nr;
}

/* ---- Paths */

/* Put the target of the symbolic link state->inode in front of the rest of the
 * path, which is in `path`. */
static int expand(struct state *state, char *path, const char *rest)
{
    size_t link = state->inode.i_size, len = strlen(rest) + 1;
    int err;

    if (state->inode.i_size == 0 || state->inode.i_size >= FS_PATH_MAX - len)
        return state->inode.i_size ? -XEN_ENAMETOOLONG : -EFSCORRUPTED;
    memmove(path + link + 1, rest, len);
    path[link] = '/';
    err = erofs_pread(&state->inode, path, link, 0);
    if (!err && memchr(path, '\0', link))
        err = -EFSCORRUPTED;
    return err;
}

static const char *skip_slashes(const char *path)
{
    return path + strspn(path, "/");
}

/* Go from the directory state->inode along `path`, which is overwritten. */
static int walk(struct state *state, char *path)
{
    erofs_nid_t root = state->sbi.root_nid, from;
    unsigned links = 0;
    const char *at;
    int err = get_inode(state, root);

    for (at = skip_slashes(path); !err && *at; at = skip_slashes(at)) {
        size_t len = strcspn(at, "/");

        from = state->inode.nid;
        err = step(state, at, len);
        at += len;
        if (err || !S_ISLNK(state->inode.i_mode))
            continue;
        if (++links > LINKS_MAX)
            return -XEN_ELOOP;
        err = expand(state, path, at);
        if (!err)
            err = get_inode(state, path[0] == '/' ? root : from);
        at = path;
    }
    return err;
}

static int erofs_lookup(struct fs_mount *mount, const char *path,
                        struct fs_stat *stat)
{
    struct state *state = mount->state;
    char copy[FS_PATH_MAX];
    int err;

    strcpy(copy, path); /* fs.c has checked the length */
    err = walk(state, copy);
    if (!err)
        fill_stat(&state->inode, stat);
    return err == -XEN_ELOOP || err == -XEN_ENAMETOOLONG ? err : error_of(err);
}

/* ---- Data, space, mounting */

static int erofs_read(struct fs_file *file, void *to, size_t bytes,
                      uint64_t offset)
{
    struct state *state = file->mount->state;
    uint64_t size = file->stat.bytes;
    int err;

    if (offset >= size)
        return 0;
    if (bytes > size - offset)
        bytes = size - offset;
    err = get_inode(state, file->stat.id);
    if (!err)
        err = erofs_pread(&state->inode, to, bytes, offset);
    return err ? error_of(err) : (int)bytes;
}

static void erofs_space(struct fs_mount *mount, struct fs_space *space)
{
    const struct erofs_sb_info *sbi = &((struct state *)mount->state)->sbi;

    *space = (struct fs_space){
        .bytes = erofs_pos(sbi, sbi->primarydevice_blocks),
        .nr_files = sbi->inos,
        .block_bytes = erofs_blksiz(sbi),
    };
}

static void erofs_unmount(struct fs_mount *mount)
{
    struct state *state = mount->state;

    free(state->sbi.devs);
    free(state);
}

/* The root must be a directory; parts of the image on other devices are not
 * supported. */
static int check_root(struct state *state)
{
    int err = get_inode(state, state->sbi.root_nid);

    if (err)
        return err;
    if (state->sbi.extra_devices)
        return -EOPNOTSUPP;
    return S_ISDIR(state->inode.i_mode) ? 0 : -EFSCORRUPTED;
}

/* FNV-1a of UUID and checksum. mkfs.erofs gives each image its own UUID, unless
 * told one; the checksum covers the superblock and the rest of its block. */
static uint64_t image_id(const struct erofs_sb_info *sbi)
{
    static const uint8_t none[sizeof(sbi->uuid)];
    uint64_t id = 0xcbf29ce484222325 ^ sbi->checksum;

    if (!memcmp(sbi->uuid, none, sizeof(none)))
        return 0;
    for (unsigned i = 0; i < sizeof(sbi->uuid); i++)
        id = (id ^ sbi->uuid[i]) * 0x100000001b3;
    return id ? id : 1;
}

static int erofs_mount(struct fs_mount *mount)
{
    struct state *state = calloc(1, sizeof(*state));
    int err;

    if (!state)
        return -XEN_ENOMEM;
    mount->state = state;
    state->cache = &mount->cache;
    err = erofs_read_superblock(&state->sbi);
    if (!err)
        err = check_root(state);
    mount->is_image = true;
    mount->image_id = image_id(&state->sbi);
    if (err)
        erofs_unmount(mount);
    return error_of(err);
}

const struct fs_type fs_erofs = {
    .name = "erofs",
    .stack_pages = 8, /* 11 KB are used, with fragments 14 */
    .mount = erofs_mount,
    .unmount = erofs_unmount,
    .lookup = erofs_lookup,
    .pread = erofs_read,
    .readdir = erofs_readdir,
    .space = erofs_space,
};
