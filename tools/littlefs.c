/* SPDX-License-Identifier: MIT */
/*
 * littlefs images and disks, from outside: made, listed, read, taken apart and
 * checked. It works on a file or a block device, and only when no guest has
 * that mounted to write. Built for the build machine by the Makefile, as one
 * static program that runs in any dom0.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lfs2.h"

#define SECTOR_BYTES      512
#define BLOCK_MIN         128
#define BLOCK_MAX         (1u << 20)
#define BLOCK_BYTES       4096
/* As the guest has it (fs/littlefs_disk.c), so that small files lie in the
 * metadata for both. */
#define CACHE_MAX         4096
#define METADATA_MAX      16384
#define LOOKAHEAD_BYTES   32768
/* What other file systems leave empty is not longer. */
#define EMPTY_BYTES       131072
/* The time of the last change, as in fs/littlefs.c. */
#define ATTRIBUTE_CHANGED 1

static const char usage[] =
    "usage: littlefs make IMAGE [DIR] [--size SIZE] [--block-size BYTES] "
    "[--force]\n"
    "       littlefs ls IMAGE [PATH]\n"
    "       littlefs cat IMAGE PATH\n"
    "       littlefs extract IMAGE DIR\n"
    "       littlefs check IMAGE\n"
    "\n"
    "IMAGE is a file or a block device that no guest has mounted to write.\n"
    "  make     a new file system, with what is in DIR; IMAGE must be empty\n"
    "  ls       what there is, or what is below PATH\n"
    "  cat      write a file to standard output\n"
    "  extract  copy everything into DIR, which is made\n"
    "  check    read everything; the exit status is 1 when something is wrong\n"
    "  --size SIZE         of a new image: 64M, 1G; needed if there is none\n"
    "  --block-size BYTES  a power of two, 4096 if not given; larger ones\n"
    "                      suit large files\n"
    "  --force             overwrite what is on IMAGE\n";

static struct {
    const char *name;
    int fd;
    uint64_t bytes;
    struct lfs2_config config;
    lfs2_t lfs;
} image;

__attribute__((format(printf, 1, 2))) static _Noreturn void
die(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "littlefs: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(1);
}

static const char *reason(int err)
{
    switch (err) {
    case LFS2_ERR_CORRUPT:
        return "what is on it makes no sense";
    case LFS2_ERR_NOSPC:
        return "it is full: make a larger one (--size, --force)";
    case LFS2_ERR_NOENT:
        return "there is no such file or directory";
    case LFS2_ERR_FBIG:
        return "the file is too large: littlefs' limit is 2 GiB";
    default:
        return strerror(-err);
    }
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        die("no memory");
    return memory;
}

/* ---- The image as a disk */

static int read_block(const struct lfs2_config *config, lfs2_block_t block,
                      lfs2_off_t skip, void *to, lfs2_size_t bytes)
{
    off_t at = (off_t)block * config->block_size + skip;

    if ((uint64_t)at + bytes > image.bytes)
        return LFS2_ERR_CORRUPT;
    return pread(image.fd, to, bytes, at) == (ssize_t)bytes ? 0 : LFS2_ERR_IO;
}

static int write_block(const struct lfs2_config *config, lfs2_block_t block,
                       lfs2_off_t skip, const void *from, lfs2_size_t bytes)
{
    off_t at = (off_t)block * config->block_size + skip;

    return pwrite(image.fd, from, bytes, at) == (ssize_t)bytes ? 0
                                                               : LFS2_ERR_IO;
}

static int erase_block(const struct lfs2_config *config, lfs2_block_t block)
{
    (void)config;
    (void)block;
    return 0;
}

static int flush(const struct lfs2_config *config)
{
    (void)config;
    return 0; /* once, at the end */
}

static void set_sizes(uint32_t block_bytes)
{
    uint32_t unit = block_bytes < SECTOR_BYTES ? block_bytes : SECTOR_BYTES;

    image.config = (struct lfs2_config){
        .read = read_block,
        .prog = write_block,
        .erase = erase_block,
        .sync = flush,
        .read_size = unit,
        .prog_size = unit,
        .block_size = block_bytes,
        .block_cycles = -1,
        .cache_size = block_bytes < CACHE_MAX ? block_bytes : CACHE_MAX,
        .lookahead_size = LOOKAHEAD_BYTES,
        .metadata_max = block_bytes < METADATA_MAX ? block_bytes : METADATA_MAX,
    };
}

static void open_image(const char *name, int flags)
{
    off_t end;

    image.name = name;
    image.fd = open(name, flags | O_CLOEXEC, 0666);
    if (image.fd < 0)
        die("%s: %s", name, strerror(errno));
    end = lseek(image.fd, 0, SEEK_END);
    if (end < 0)
        die("%s: %s", name, strerror(errno));
    image.bytes = (uint64_t)end;
}

/* How a superblock begins (littlefs' SPEC.md). */
struct superblock {
    uint32_t revision, name_tag;
    char magic[8];
    uint32_t struct_tag, version, block_bytes, nr_blocks;
};

static void check_length(uint32_t nr_blocks, uint32_t block_bytes)
{
    if ((uint64_t)nr_blocks * block_bytes > image.bytes)
        die("%s: the file system is larger than that: was it cut off?",
            image.name);
}

static bool try_block_size(uint64_t at, uint32_t wanted)
{
    struct superblock super;
    uint32_t bytes;

    if (pread(image.fd, &super, sizeof(super), (off_t)at) != sizeof(super) ||
        memcmp(super.magic, "littlefs", sizeof(super.magic)))
        return false;
    bytes = super.block_bytes;
    if (bytes < BLOCK_MIN || bytes > BLOCK_MAX || bytes & (bytes - 1) ||
        (wanted && wanted != bytes))
        return false;
    check_length(super.nr_blocks, bytes);
    set_sizes(bytes);
    if (lfs2_mount(&image.lfs, &image.config))
        return false;
    check_length(image.lfs.block_count, bytes);
    return true;
}

static void mount_image(const char *name)
{
    open_image(name, O_RDONLY);
    if (try_block_size(0, 0))
        return;
    for (uint32_t bytes = BLOCK_MIN; bytes <= BLOCK_MAX; bytes *= 2)
        if (try_block_size(bytes, bytes))
            return;
    die("%s: there is no littlefs on it, or not much of one", name);
}

/* ---- make */

static void copy_file(const char *from, const char *to, const struct stat *stat)
{
    static char piece[65536];
    uint64_t changed_ns = (uint64_t)stat->st_mtim.tv_sec * 1000000000 +
                          (uint64_t)stat->st_mtim.tv_nsec;
    lfs2_file_t file;
    ssize_t n;
    int fd = open(from, O_RDONLY | O_CLOEXEC), err;

    if (fd < 0)
        die("%s: %s", from, strerror(errno));
    err = lfs2_file_open(&image.lfs, &file, to,
                         LFS2_O_WRONLY | LFS2_O_CREAT | LFS2_O_EXCL);
    if (err == LFS2_ERR_NAMETOOLONG)
        err = LFS2_ERR_NOSPC; /* no room for the name, which is not long */
    while (!err && (n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0)
            die("%s: %s", from, strerror(errno));
        n = lfs2_file_write(&image.lfs, &file, piece, (lfs2_size_t)n);
        err = n < 0 ? (int)n : 0;
    }
    if (!err)
        err = lfs2_file_close(&image.lfs, &file);
    if (!err)
        err = lfs2_setattr(&image.lfs, to, ATTRIBUTE_CHANGED, &changed_ns,
                           sizeof(changed_ns));
    if (err)
        die("%s: %s: %s", image.name, to, reason(err));
    close(fd);
}

static char *join(const char *directory, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        die("no memory");
    return path;
}

static void copy_tree(const char *from, const char *to);

static void copy_entry(const char *from, const char *to)
{
    struct stat stat;
    int err;

    if (lstat(from, &stat))
        die("%s: %s", from, strerror(errno));
    if (S_ISREG(stat.st_mode)) {
        copy_file(from, to, &stat);
    } else if (S_ISDIR(stat.st_mode)) {
        err = lfs2_mkdir(&image.lfs, to);
        if (err)
            die("%s: %s: %s", image.name, to, reason(err));
        copy_tree(from, to);
    } else {
        fprintf(stderr,
                "littlefs: %s is left out: neither file nor directory\n", from);
    }
}

static void copy_tree(const char *from, const char *to)
{
    struct dirent **entries;
    int nr = scandir(from, &entries, NULL, alphasort);

    if (nr < 0)
        die("%s: %s", from, strerror(errno));
    for (int i = 0; i < nr; i++) {
        if (strcmp(entries[i]->d_name, ".") &&
            strcmp(entries[i]->d_name, "..")) {
            char *source = join(from, entries[i]->d_name);
            char *target = join(to, entries[i]->d_name);

            copy_entry(source, target);
            free(source);
            free(target);
        }
        free(entries[i]);
    }
    free(entries);
}

static uint64_t parse_size(const char *text)
{
    char *end;
    uint64_t size = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;

    if (end == text || end[shift != 0] || !size)
        die("--size %s: not a size: 512K, 64M, 1G", text);
    return size << shift;
}

static bool is_empty(void)
{
    static char piece[EMPTY_BYTES];
    ssize_t n = pread(image.fd, piece, sizeof(piece), 0);

    for (ssize_t i = 0; i < n; i++)
        if (piece[i])
            return false;
    return n >= 0;
}

static void make(const char *name, const char *directory, const char *size,
                 uint32_t block_bytes, bool force)
{
    int err;

    if (!size && access(name, F_OK))
        die("%s: there is none: say how large: --size 64M", name);
    open_image(name, O_RDWR | O_CREAT);
    if (!force && !is_empty())
        die("%s: there is something on it: --force overwrites it", name);
    if (size) {
        image.bytes = parse_size(size);
        if (ftruncate(image.fd, (off_t)image.bytes))
            die("%s: --size %s: %s", name, size, strerror(errno));
    }
    set_sizes(block_bytes);
    image.config.block_count = (lfs2_size_t)(image.bytes / block_bytes);
    if (image.config.block_count < 2)
        die("%s: at least two blocks of %u bytes: --size", name, block_bytes);
    err = lfs2_format(&image.lfs, &image.config);
    if (!err)
        err = lfs2_mount(&image.lfs, &image.config);
    if (err)
        die("%s: %s", name, reason(err));
    if (directory)
        copy_tree(directory, "");
    if (fsync(image.fd))
        die("%s: %s", name, strerror(errno));
}

/* ---- Walking */

struct visitor {
    void (*file)(struct visitor *visitor, const char *path,
                 const struct lfs2_info *info);
    /* Before what is in it. */
    void (*directory)(struct visitor *visitor, const char *path);
    /* For each metadata pair of a directory. */
    void (*pair)(struct visitor *visitor, const char *path,
                 const lfs2_block_t pair[2]);
    const char *to;
    uint64_t nr_files, nr_directories, nr_bytes;
    unsigned depth, nr_faults;
    unsigned char *used; /* a byte for each block */
    uint64_t nr_used;
};

/* A directory may be its own grandchild on a broken disk. */
#define DEPTH_MAX 100

static void walk(struct visitor *visitor, const char *path);

static void visit(struct visitor *visitor, const char *path,
                  const struct lfs2_info *info)
{
    if (info->type == LFS2_TYPE_DIR) {
        visitor->nr_directories++;
        if (visitor->directory)
            visitor->directory(visitor, path);
        walk(visitor, path);
        return;
    }
    visitor->nr_files++;
    visitor->nr_bytes += info->size;
    visitor->file(visitor, path, info);
}

static bool is_bad_name(const struct lfs2_info *info)
{
    return !info->name[0] || strchr(info->name, '/') ||
           !memchr(info->name, '\0', sizeof(info->name));
}

static void walk(struct visitor *visitor, const char *path)
{
    lfs2_block_t seen = (lfs2_block_t)-1;
    struct lfs2_info info;
    lfs2_dir_t dir;
    int n = lfs2_dir_open(&image.lfs, &dir, path);

    if (visitor->depth++ == DEPTH_MAX)
        die("%s: %s: more than %d directories in each other", image.name, path,
            DEPTH_MAX);
    while (n >= 0) {
        if (visitor->pair && dir.m.pair[0] != seen)
            visitor->pair(visitor, path, dir.m.pair);
        seen = dir.m.pair[0];
        n = lfs2_dir_read(&image.lfs, &dir, &info);
        if (n == 0)
            break;
        if (n > 0 && is_bad_name(&info))
            n = LFS2_ERR_CORRUPT;
        if (n > 0 && strcmp(info.name, ".") && strcmp(info.name, "..")) {
            char *below = join(path, info.name);

            visit(visitor, below, &info);
            free(below);
        }
    }
    if (n < 0)
        die("%s: %s: %s", image.name, *path ? path : "/", reason(n));
    lfs2_dir_close(&image.lfs, &dir);
    visitor->depth--;
}

/* ---- ls */

static uint64_t changed_of(const char *path)
{
    uint64_t changed_ns = 0;

    lfs2_getattr(&image.lfs, path, ATTRIBUTE_CHANGED, &changed_ns,
                 sizeof(changed_ns));
    return changed_ns;
}

static void print_file(struct visitor *visitor, const char *path,
                       const struct lfs2_info *info)
{
    time_t changed_s = (time_t)(changed_of(path) / 1000000000);
    char when[40];

    (void)visitor;
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", gmtime(&changed_s));
    printf("%10u  %s  %s\n", info->size, when, path);
}

static void print_directory(struct visitor *visitor, const char *path)
{
    (void)visitor;
    printf("%10s  %19s  %s/\n", "", "", path);
}

static void list(const char *name, const char *path)
{
    struct visitor visitor = {.file = print_file, .directory = print_directory};
    struct lfs2_info info = {.type = LFS2_TYPE_DIR};
    int err;

    mount_image(name);
    err = *path ? lfs2_stat(&image.lfs, path, &info) : 0;
    if (err)
        die("%s: %s: %s", name, path, reason(err));
    if (info.type == LFS2_TYPE_DIR)
        walk(&visitor, path);
    else
        print_file(&visitor, path, &info);
}

/* ---- cat, extract. Paths in the image begin with a slash. */

static void write_out(const char *path, FILE *to)
{
    static char piece[65536];
    lfs2_file_t file;
    lfs2_ssize_t n = lfs2_file_open(&image.lfs, &file, path, LFS2_O_RDONLY);

    while (n >= 0) {
        n = lfs2_file_read(&image.lfs, &file, piece, sizeof(piece));
        if (n == 0)
            break;
        if (n > 0 && fwrite(piece, 1, (size_t)n, to) != (size_t)n)
            die("cannot write: %s", strerror(errno));
    }
    if (n < 0)
        die("%s: %s: %s", image.name, path, reason(n));
    lfs2_file_close(&image.lfs, &file);
}

static void cat(const char *name, const char *path)
{
    mount_image(name);
    write_out(path, stdout);
}

static void extract_file(struct visitor *visitor, const char *path,
                         const struct lfs2_info *info)
{
    uint64_t changed_ns = changed_of(path);
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)(changed_ns / 1000000000),
         .tv_nsec = (long)(changed_ns % 1000000000)},
    };
    char *name;
    FILE *to;

    (void)info;
    name = join(visitor->to, path + 1);
    to = fopen(name, "wbx");
    if (!to)
        die("%s: %s", name, strerror(errno));
    write_out(path, to);
    if (fclose(to))
        die("%s: %s", name, strerror(errno));
    utimensat(AT_FDCWD, name, times, 0);
    free(name);
}

static void extract_directory(struct visitor *visitor, const char *path)
{
    char *name = join(visitor->to, path + 1);

    if (mkdir(name, 0777))
        die("%s: %s", name, strerror(errno));
    free(name);
}

static void extract(const char *name, const char *to)
{
    struct visitor visitor = {
        .file = extract_file,
        .directory = extract_directory,
        .to = to,
    };

    mount_image(name);
    if (mkdir(to, 0777))
        die("%s: %s", to, strerror(errno));
    walk(&visitor, "");
}

/* ---- check: everything is read, and no block serves twice. */

__attribute__((format(printf, 2, 3))) static void fault(struct visitor *visitor,
                                                        const char *format, ...)
{
    va_list args;

    visitor->nr_faults++;
    printf("%s: ", image.name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static bool use(struct visitor *visitor, const char *path, lfs2_block_t block)
{
    if (block >= image.lfs.block_count) {
        fault(visitor, "%s: block %u: there are only %u", path, block,
              image.lfs.block_count);
        return false;
    }
    if (visitor->used[block]++) {
        fault(visitor, "%s: block %u is used twice", path, block);
        return false;
    }
    visitor->nr_used++;
    return true;
}

static void use_pair(struct visitor *visitor, const char *path,
                     const lfs2_block_t pair[2])
{
    for (unsigned i = 0; i < 2; i++)
        (void)use(visitor, *path ? path : "/", pair[i]);
}

/* The blocks of a file: each but the first begins with the address of the one
 * before it (littlefs' SPEC.md, CTZ skip-lists). */
static void use_blocks(struct visitor *visitor, const char *path,
                       const lfs2_file_t *file)
{
    lfs2_block_t block = file->ctz.head;
    uint64_t left = 0, nr = 0;

    if (file->flags & LFS2_F_INLINE || !file->ctz.size)
        return;
    while (left < file->ctz.size) {
        left += image.config.block_size;
        left -= nr ? 4u * ((unsigned)__builtin_ctzll(nr) + 1) : 0;
        nr++;
    }
    while (use(visitor, path, block) && --nr)
        if (read_block(&image.config, block, 0, &block, sizeof(block))) {
            fault(visitor, "%s: block %u cannot be read", path, block);
            return;
        }
}

static void check_file(struct visitor *visitor, const char *path,
                       const struct lfs2_info *info)
{
    static char piece[65536];
    lfs2_file_t file;
    uint64_t bytes = 0;
    lfs2_ssize_t n = lfs2_file_open(&image.lfs, &file, path, LFS2_O_RDONLY);

    if (n < 0) {
        fault(visitor, "%s: %s", path, reason(n));
        return;
    }
    use_blocks(visitor, path, &file);
    while ((n = lfs2_file_read(&image.lfs, &file, piece, sizeof(piece))) > 0)
        bytes += (uint64_t)n;
    if (n < 0)
        fault(visitor, "%s: %s", path, reason(n));
    else if (bytes != info->size)
        fault(visitor, "%s: %lu bytes of %u", path, (unsigned long)bytes,
              info->size);
    lfs2_file_close(&image.lfs, &file);
}

/* The superblock's own pair is not the root's when there are many writes. */
static void use_superblock(struct visitor *visitor)
{
    for (lfs2_block_t block = 0; block < 2; block++)
        if (!visitor->used[block])
            (void)use(visitor, "superblock", block);
}

static int check(const char *name)
{
    struct visitor visitor = {.file = check_file, .pair = use_pair};
    lfs2_ssize_t used;

    mount_image(name);
    visitor.used = allocate(image.lfs.block_count);
    walk(&visitor, "");
    use_superblock(&visitor);
    used = lfs2_fs_size(&image.lfs);
    if (used < 0)
        fault(&visitor, "%s", reason(used));
    printf("%s: %lu files, %lu directories, %lu bytes; %lu of %u blocks of %u "
           "bytes used%s\n",
           name, (unsigned long)visitor.nr_files,
           (unsigned long)visitor.nr_directories,
           (unsigned long)visitor.nr_bytes, (unsigned long)visitor.nr_used,
           image.lfs.block_count, image.config.block_size,
           visitor.nr_faults ? "" : "; nothing is wrong");
    if (used > 0 && (uint64_t)used > visitor.nr_used)
        printf("%s: %lu blocks are of an unfinished change: they are free once "
               "a guest has mounted it to write\n",
               name, (unsigned long)used - (unsigned long)visitor.nr_used);
    return visitor.nr_faults ? 1 : 0;
}

/* ---- The command line */

static _Noreturn void misused(void)
{
    fputs(usage, stderr);
    exit(2);
}

static struct {
    const char *size;
    uint32_t block_bytes;
    bool force;
} options = {.block_bytes = BLOCK_BYTES};

static void set_block_bytes(const char *text)
{
    char *end;
    unsigned long bytes = strtoul(text, &end, 10);

    if (*end || bytes < BLOCK_MIN || bytes > BLOCK_MAX || bytes & (bytes - 1))
        die("--block-size %s: not a power of two from %d to %u", text,
            BLOCK_MIN, BLOCK_MAX);
    options.block_bytes = (uint32_t)bytes;
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"size", required_argument, NULL, 's'},
        {"block-size", required_argument, NULL, 'b'},
        {"force", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options.size = optarg;
            break;
        case 'b':
            set_block_bytes(optarg);
            break;
        case 'f':
            options.force = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            misused();
        }
    }
}

int main(int argc, char **argv)
{
    const char *command, *name, *path;

    parse_options(argc, argv);
    argc -= optind;
    argv += optind;
    if (argc < 2 || argc > 3)
        misused();
    command = argv[0];
    name = argv[1];
    path = argv[2]; /* NULL: there is none */
    if (!strcmp(command, "make"))
        make(name, path, options.size, options.block_bytes, options.force);
    else if (!strcmp(command, "ls"))
        list(name, path ? path : "");
    else if (!strcmp(command, "cat") && path)
        cat(name, path);
    else if (!strcmp(command, "extract") && path)
        extract(name, path);
    else if (!strcmp(command, "check") && !path)
        return check(name);
    else
        misused();
    return 0;
}
