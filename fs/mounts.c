/* SPDX-License-Identifier: MIT */
/*
 * Which volume is mounted where: mount=DISK:TYPE:PLACE[:ro|:rw|:new],...
 *
 * fs_plan parses the option at once. Disks take a while to connect, and only
 * then is it known whether they can be written: fs_mount opens them, in the
 * mount's fiber, and gives each a cache.
 * To add a file system, add it to `types`.
 */
#include "kernel/app.h"
#include "fs/fs.h"
#include "fs/type.h"
#include "kernel/log.h"
#include "xen/hv.h"

#include <string.h>

#define DEFAULT "ramdisk:erofs:/:ro"

static const struct fs_type *const types[] = {&fs_erofs, &fs_littlefs};

/* A piece of the option's value; not terminated. */
struct word {
    const char *at;
    size_t len;
};

/* Remove the part of *text up to and including `end`; returns it without. */
static struct word cut(struct word *text, char end)
{
    const char *found = memchr(text->at, end, text->len);
    struct word word = {text->at,
                        found ? (size_t)(found - text->at) : text->len};

    text->at += word.len + (found != NULL);
    text->len -= word.len + (found != NULL);
    return word;
}

static bool is(struct word word, const char *text)
{
    return word.len == strlen(text) && !memcmp(word.at, text, word.len);
}

static bool set_disk(struct fs_mount *mount, struct word name)
{
    if (name.len >= sizeof(mount->disk))
        return false;
    memcpy(mount->disk, name.at, name.len);
    mount->disk[name.len] = '\0';
    return disks_is_name(mount->disk);
}

static const struct fs_type *find_type(struct word name)
{
    for (unsigned i = 0; i < array_size(types); i++)
        if (is(name, types[i]->name))
            return types[i];
    return NULL;
}

/* Accepts "/", "/data", "/a/b"; a slash at the end is removed. */
static bool set_place(struct fs_mount *mount, struct word place)
{
    if (place.len == 0 || place.len >= FS_PLACE_MAX || place.at[0] != '/')
        return false;
    if (place.at[place.len - 1] == '/')
        place.len--;
    memcpy(mount->place, place.at, place.len);
    return place.len == 0 || mount->place[place.len - 1] != '/';
}

static bool is_taken(const struct fs *fs, const char *place)
{
    for (unsigned i = 0; i < fs->nr_mounts; i++)
        if (!strcmp(fs->mounts[i].place, place))
            return true;
    return false;
}

/* Parse one mount. Returns what is wrong with it, or NULL. */
static const char *plan_one(struct fs *fs, struct word text)
{
    struct fs_mount *mount = &fs->mounts[fs->nr_mounts];
    struct word disk = cut(&text, ':'), type = cut(&text, ':'),
                place = cut(&text, ':');

    if (fs->nr_mounts == FS_MOUNTS_MAX)
        return "there are too many mounts";
    *mount = (struct fs_mount){.read_only = is(text, "ro")};
    if (!set_disk(mount, disk))
        return "that is no disk's name";
    mount->type = find_type(type);
    if (!mount->type)
        return "there is no such type of file system";
    if (!set_place(mount, place))
        return "a place begins with a slash and is not long";
    if (is_taken(fs, mount->place))
        return "something is mounted there already";
    mount->make = is(text, "new");
    mount->must_write = is(text, "rw") || mount->make;
    if (mount->must_write && !mount->type->pwrite)
        return "that type can only be read: ro";
    if (text.len && !mount->must_write && !mount->read_only)
        return "it ends with rw, ro, new or the place";
    fs->nr_mounts++;
    return NULL;
}

/* The size of caches: from cache=, or a share of the available memory. */
static int plan_caches(struct fs *fs)
{
    uint64_t kib = pages_available(fs->app->pages) * (XEN_PAGE_SIZE / 1024) /
                   FS_CACHE_SHARE;

    if (kib < FS_CACHE_KIB_MIN)
        kib = FS_CACHE_KIB_MIN;
    fs->cache_kib = kib < FS_CACHE_KIB_MAX ? kib : FS_CACHE_KIB_MAX;
    return options_number(fs->app->options, "cache", 0, UINT32_MAX,
                          &fs->cache_kib) < 0
               ? -XEN_EINVAL
               : 0;
}

int fs_plan(struct fs *fs)
{
    const char *value = hv_info()->module ? DEFAULT : "";
    struct word text;

    if (options_text(fs->app->options, "mount", &value) < 0 || plan_caches(fs))
        return -XEN_EINVAL;
    text = (struct word){value, strlen(value)};
    while (text.len) {
        struct word one = cut(&text, ',');
        const char *wrong = plan_one(fs, one);

        if (wrong) {
            log_error("fs", "mount=%s: \"%.*s\": %s", value, (int)one.len,
                      one.at, wrong);
            return -XEN_EINVAL;
        }
    }
    return 0;
}

/* ---- In the mount's fiber */

/* A writer needs a volume to itself: file systems do not know of each other.
 */
static bool is_in_use(const struct fs_mount *mount)
{
    const struct fs *fs = mount->fs;

    for (unsigned i = 0; i < fs->nr_mounts; i++) {
        const struct fs_mount *other = &fs->mounts[i];

        if (other != mount && other->volume &&
            volume_overlaps(other->volume, mount->volume) &&
            (!other->read_only || !mount->read_only))
            return true;
    }
    return false;
}

/* Without a cache the mount is slow, but works. */
static void give_cache(struct fs_mount *mount)
{
    struct fs *fs = mount->fs;
    uint64_t kib = mount->volume->in_memory ? 0 : fs->cache_kib;

    if (cache_init(&mount->cache, mount->volume, fs->app->pages, kib * 1024))
        log_warn("fs", "%s: no memory for a cache of %u KiB: it has none",
                 mount->disk, (unsigned)kib);
}

int fs_mount(struct fs_mount *mount)
{
    struct volume *volume;
    int err = disks_open(&mount->fs->disks, mount->disk, &volume);

    if (err)
        return err;
    if (volume->read_only && mount->must_write) {
        log_error("fs", "%s: it is read-only, and %s/ is to be rw", mount->disk,
                  mount->place);
        return -XEN_EROFS;
    }
    mount->read_only |= volume->read_only || !mount->type->pwrite;
    mount->volume = volume;
    if (is_in_use(mount)) {
        log_error("fs", "%s: mounted already, and one of both would write",
                  mount->disk);
        mount->volume = NULL;
        return -XEN_EBUSY;
    }
    give_cache(mount);
    err = mount->type->mount(mount);
    if (err)
        cache_destroy(&mount->cache);
    return err;
}

void fs_unmount(struct fs_mount *mount)
{
    mount->type->unmount(mount);
    cache_destroy(&mount->cache);
}
