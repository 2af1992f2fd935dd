/* SPDX-License-Identifier: MIT */
/*
 * A program's files: paths, positions, errors, waiting. What lies below, fs/,
 * is played by this test: one file, answers that take their time, and errors
 * on command.
 */
// sources: libc/errors.c posix/fd.c posix/files.c posix/wait.c
// sources: kernel/fiber.c kernel/fiber_switch.c kernel/log.c
// sources: kernel/loop.c kernel/page.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c tests/unit/posix_world.c
#include "tests/unit/posix_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "posix/fd.h"
#include "posix/files.h"
#include "posix/program.h"

#define FILE_BYTES_MAX 64
#define ANSWER_NS      NS_PER_MS

static struct loop loop;
static struct pages pages;

/* ---- What there is: /dir, and one file under all other names */

static struct {
    char bytes[FILE_BYTES_MAX];
    size_t len;
    unsigned opened, closed, synced;
    char path[FS_PATH_MAX], new_path[FS_PATH_MAX]; /* last asked for */
    unsigned flags;
    const char *call; /* the last one, of those that take only a path */
    int error;        /* that the next calls give; 0: none */
    bool read_only;
    struct timer timer;
    struct fs_request *request;
} disk;

static void answer(struct timer *timer)
{
    struct fs_request *request = disk.request;

    (void)timer;
    disk.request = NULL;
    request->done(request);
}

static void answer_later(struct fs_request *request, int status, fs_done *done)
{
    assert_null(disk.request); /* one program, one request */
    disk.request = request;
    request->status = disk.error ? disk.error : status;
    request->done = done;
    timer_start(&loop, &disk.timer, hv_now_ns() + ANSWER_NS, answer);
}

static void look_up(struct fs_stat *stat, const char *path)
{
    strcpy(disk.path, path);
    *stat = (struct fs_stat){
        .kind =
            strcmp(path, "/dir") && strcmp(path, "/") ? FS_FILE : FS_DIRECTORY,
        .id = 7,
        .bytes = disk.len,
        .changed_s = 1000,
        .mode = 0644,
    };
}

void fs_open(struct fs *fs, struct fs_request *request, struct fs_file *file,
             const char *path, unsigned flags, fs_done *done)
{
    (void)fs;
    look_up(&file->stat, path);
    disk.flags = flags;
    disk.opened += !disk.error;
    answer_later(request, 0, done);
}

void fs_close(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    (void)file;
    disk.closed++;
    answer_later(request, 0, done);
}

void fs_pread(struct fs_request *request, struct fs_file *file, void *to,
              size_t bytes, uint64_t offset, fs_done *done)
{
    (void)file;
    if (offset > disk.len)
        offset = disk.len;
    if (bytes > disk.len - offset)
        bytes = disk.len - offset;
    memcpy(to, disk.bytes + offset, bytes);
    answer_later(request, (int)bytes, done);
}

void fs_pwrite(struct fs_request *request, struct fs_file *file,
               const void *from, size_t bytes, uint64_t offset, fs_done *done)
{
    (void)file;
    if (offset == FS_END)
        offset = disk.len;
    memcpy(disk.bytes + offset, from, bytes);
    if (offset + bytes > disk.len)
        disk.len = offset + bytes;
    answer_later(request, (int)bytes, done);
}

void fs_fsync(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    (void)file;
    disk.synced++;
    answer_later(request, 0, done);
}

void fs_ftruncate(struct fs_request *request, struct fs_file *file,
                  uint64_t bytes, fs_done *done)
{
    (void)file;
    disk.len = bytes;
    answer_later(request, 0, done);
}

void fs_fstat(struct fs_request *request, struct fs_file *file, fs_done *done)
{
    file->stat.bytes = disk.len;
    answer_later(request, 0, done);
}

void fs_readdir(struct fs_request *request, struct fs_file *file,
                struct fs_entry *entries, unsigned nr, uint64_t first,
                fs_done *done)
{
    (void)entries, (void)nr, (void)first;
    answer_later(request, file->stat.kind == FS_DIRECTORY ? 0 : -XEN_ENOTDIR,
                 done);
}

void fs_stat(struct fs *fs, struct fs_request *request, struct fs_stat *stat,
             const char *path, fs_done *done)
{
    (void)fs;
    look_up(stat, path);
    answer_later(request, 0, done);
}

void fs_statvfs(struct fs *fs, struct fs_request *request,
                struct fs_space *space, const char *path, fs_done *done)
{
    (void)fs;
    strcpy(disk.path, path);
    *space = (struct fs_space){.bytes = 40960,
                               .free_bytes = 8192,
                               .block_bytes = 4096,
                               .read_only = disk.read_only};
    answer_later(request, 0, done);
}

void fs_rename(struct fs *fs, struct fs_request *request, const char *path,
               const char *new_path, fs_done *done)
{
    (void)fs;
    strcpy(disk.path, path);
    strcpy(disk.new_path, new_path);
    answer_later(request, 0, done);
}

static void path_call(const char *call, struct fs_request *request,
                      const char *path, fs_done *done)
{
    disk.call = call;
    strcpy(disk.path, path);
    answer_later(request, 0, done);
}

void fs_unlink(struct fs *fs, struct fs_request *request, const char *path,
               fs_done *done)
{
    (void)fs;
    path_call("unlink", request, path, done);
}

void fs_mkdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done)
{
    (void)fs;
    path_call("mkdir", request, path, done);
}

void fs_rmdir(struct fs *fs, struct fs_request *request, const char *path,
              fs_done *done)
{
    (void)fs;
    path_call("rmdir", request, path, done);
}

static struct timer mounting;
static struct fs *the_fs;

static void mounted(struct timer *timer)
{
    (void)timer;
    the_fs->ready(the_fs, disk.error);
}

static void unmounted(struct timer *timer)
{
    (void)timer;
    the_fs->stopped(the_fs);
}

int fs_start(struct fs *fs, struct app *app,
             void (*ready)(struct fs *fs, int status))
{
    (void)app;
    fs->ready = ready;
    the_fs = fs;
    timer_start(&loop, &mounting, hv_now_ns() + ANSWER_NS, mounted);
    return 0;
}

void fs_stop(struct fs *fs, void (*stopped)(struct fs *fs))
{
    fs->stopped = stopped;
    timer_start(&loop, &mounting, hv_now_ns() + ANSWER_NS, unmounted);
}

/* ---- A test runs in the program's fiber */

static int setup(void **state)
{
    int error = fake_setup(state);

    loop_init(&loop);
    pages_init(&pages);
    memset(&disk, 0, sizeof(disk));
    program_init(&loop, &pages);
    return error;
}

static void back_to_root(void)
{
    disk.error = 0;
    fd_close_all();
    assert_int_equal(file_chdir("/"), 0);
}

static int teardown(void **state)
{
    program_run(back_to_root);
    assert_int_equal(disk.opened, disk.closed);
    assert_int_equal(pages.nr_used, 0);
    return fake_teardown(state);
}

#define IN_PROGRAM(name)           \
    static void name##_body(void); \
    static void name(void **state) \
    {                              \
        (void)state;               \
        program_run(name##_body);  \
    }                              \
    static void name##_body(void)

static void fill(const char *text)
{
    disk.len = strlen(text);
    memcpy(disk.bytes, text, disk.len);
}

#define assert_contents(text)                            \
    do {                                                 \
        assert_int_equal(disk.len, strlen(text));        \
        assert_memory_equal(disk.bytes, text, disk.len); \
    } while (0)

/* ---- Open files */

IN_PROGRAM(reads_follow_each_other)
{
    char to[10];
    int nr;

    fill("0123456789ab");
    nr = file_open("/file", O_RDONLY);
    assert_int_equal(nr, 0);
    assert_int_equal(disk.flags, FS_READ);
    assert_int_equal(fd_read(nr, to, 10), 10);
    assert_memory_equal(to, "0123456789", 10);
    assert_int_equal(fd_read(nr, to, 10), 2);
    assert_memory_equal(to, "ab", 2);
    assert_int_equal(fd_read(nr, to, 10), 0);
    assert_int_equal(fd_pread(nr, to, 2, 3), 2);
    assert_memory_equal(to, "34", 2);
    assert_int_equal(fd_seek(nr, 0, SEEK_CUR), 12);
    assert_int_equal(fd_write(nr, "x", 1), -EBADF);
}

IN_PROGRAM(writes_follow_each_other)
{
    int nr = file_open("/file", O_WRONLY | O_CREAT | O_TRUNC);
    char to;

    assert_int_equal(disk.flags, FS_WRITE | FS_CREATE | FS_TRUNCATE);
    assert_int_equal(fd_write(nr, "abc", 3), 3);
    assert_int_equal(fd_write(nr, "def", 3), 3);
    assert_int_equal(fd_pwrite(nr, "X", 1, 1), 1);
    assert_contents("aXcdef");
    assert_int_equal(fd_read(nr, &to, 1), -EBADF);
    assert_int_equal(fd_truncate(nr, 2), 0);
    assert_contents("aX");
    assert_int_equal(fd_sync(nr), 0);
    assert_int_equal(disk.synced, 1);
}

IN_PROGRAM(appending_goes_to_the_end)
{
    int nr;
    char to[4];

    fill("one");
    nr = file_open("/file", O_RDWR | O_APPEND);
    assert_int_equal(fd_seek(nr, 1, SEEK_SET), 1);
    assert_int_equal(fd_write(nr, "two", 3), 3);
    assert_contents("onetwo");
    assert_int_equal(fd_seek(nr, 0, SEEK_CUR), 6);
    fill("shrt"); /* somebody else */
    assert_int_equal(fd_write(nr, "!", 1), 1);
    assert_contents("shrt!");
    assert_int_equal(fd_read(nr, to, 4), 0);
    assert_int_equal(fd_seek(nr, 0, SEEK_SET), 0);
    assert_int_equal(fd_read(nr, to, 4), 4);
    assert_memory_equal(to, "shrt", 4);
}

IN_PROGRAM(seeking)
{
    int nr;

    fill("0123456789");
    nr = file_open("/file", O_RDWR);
    assert_int_equal(fd_seek(nr, -3, SEEK_END), 7);
    assert_int_equal(fd_seek(nr, 1, SEEK_CUR), 8);
    assert_int_equal(fd_seek(nr, -9, SEEK_CUR), -EINVAL);
    assert_int_equal(fd_seek(nr, 0, SEEK_CUR), 8);
    assert_int_equal(fd_seek(nr, 100, SEEK_SET), 100);
    assert_int_equal(fd_seek(nr, INT64_MAX, SEEK_CUR), -EINVAL);
    assert_int_equal(fd_seek(nr, 0, 99), -EINVAL);
    disk.error = -XEN_EIO;
    assert_int_equal(fd_seek(nr, 0, SEEK_END), -EIO);
    disk.error = 0;
}

IN_PROGRAM(two_numbers_share_a_position)
{
    char to;
    int nr, other;

    fill("abc");
    nr = file_open("/file", O_RDONLY);
    other = fd_dup(nr, 0);
    assert_int_equal(fd_read(nr, &to, 1), 1);
    assert_int_equal(fd_close(nr), 0);
    assert_int_equal(fd_read(other, &to, 1), 1);
    assert_int_equal(to, 'b');
}

IN_PROGRAM(a_call_takes_its_time_and_no_signal_ends_it)
{
    uint64_t from = hv_now_ns();
    char to[3];
    int nr;

    fill("abc");
    nr = file_open("/file", O_RDONLY);
    assert_int_equal(hv_now_ns() - from, ANSWER_NS);
    wait_signal(15);
    assert_int_equal(fd_read(nr, to, 3), 3);
    assert_int_equal(hv_now_ns() - from, 2 * ANSWER_NS);
    /* A program that only reads and writes hears of it, too. */
    assert_int_equal(program_signals, 1u << 15);
    assert_int_equal(wait_until(0), -ETIMEDOUT);
}

IN_PROGRAM(a_program_that_ends_has_no_signals)
{
    wait_signal(15);
    wait_no_signals();
    wait_signal(15);
    assert_int_equal(wait_until(0), -ETIMEDOUT);
    assert_int_equal(program_signals, 0);
}

IN_PROGRAM(errors_are_those_of_the_c_library)
{
    char to;
    int nr = file_open("/file", O_RDWR);

    disk.error = -XEN_ENOTEMPTY;
    assert_int_equal(file_rmdir("/dir"), -ENOTEMPTY);
    disk.error = -XEN_ELOOP;
    assert_int_equal(file_open("/file", O_RDONLY), -ELOOP);
    disk.error = -XEN_EIO;
    assert_int_equal(fd_read(nr, &to, 1), -EIO);
    assert_int_equal(fd_write(nr, "x", 1), -EIO);
    assert_int_equal(fd_sync(nr), -EIO);
    assert_int_equal(fd_close(nr), -EIO);
    assert_null(fd_get(nr));
}

IN_PROGRAM(bad_ways_to_open)
{
    assert_int_equal(file_open("/file", O_ACCMODE), -EINVAL);
    assert_int_equal(file_open("", O_RDONLY), -ENOENT);
    assert_int_equal(file_open("/file", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    assert_int_equal(disk.opened, disk.closed);
    assert_int_equal(file_open("/file", O_RDONLY | O_TRUNC | O_EXCL), 0);
    assert_int_equal(disk.flags, FS_READ | FS_EXCLUSIVE);
}

IN_PROGRAM(as_many_as_there_are_numbers)
{
    while (file_open("/file", O_RDONLY) >= 0)
        ;
    assert_int_equal(disk.opened, FD_MAX + 1);
    assert_int_equal(disk.closed, 1);
    assert_int_equal(file_open("/file", O_RDONLY), -EMFILE);
}

IN_PROGRAM(directories)
{
    struct fs_entry entry;
    int dir = file_open("/dir", O_RDONLY | O_DIRECTORY),
        file = file_open("/file", O_RDONLY);

    assert_int_equal(file_readdir(dir, &entry, 1, 0), 0);
    assert_int_equal(file_readdir(file, &entry, 1, 0), -ENOTDIR);
    assert_int_equal(file_readdir(99, &entry, 1, 0), -EBADF);
}

/* ---- Paths */

static void expect_path(const char *given, const char *asked)
{
    struct stat st;

    assert_int_equal(file_stat(given, &st), 0);
    assert_string_equal(disk.path, asked);
}

IN_PROGRAM(paths_are_made_absolute)
{
    expect_path("/file", "/file");
    expect_path("file", "/file");
    expect_path("/a//b/./c/", "/a/b/c");
    expect_path("/a/b/../c", "/a/c");
    expect_path("/../../a", "/a");
    expect_path("/..", "/");
    expect_path(".", "/");
    expect_path("/..a/b./.c", "/..a/b./.c");
    assert_int_equal(file_chdir("dir"), 0);
    assert_string_equal(file_cwd(), "/dir");
    expect_path("x", "/dir/x");
    expect_path("../y", "/y");
    expect_path("/z", "/z");
    assert_int_equal(file_chdir("/file"), -ENOTDIR);
    assert_int_equal(file_chdir(""), -ENOENT);
    assert_string_equal(file_cwd(), "/dir");
}

IN_PROGRAM(paths_have_an_end)
{
    char path[FS_PATH_MAX + 1];
    struct stat st;

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[FS_PATH_MAX] = '\0';
    assert_int_equal(file_stat(path, &st), -ENAMETOOLONG);
    path[FS_PATH_MAX - 1] = '\0';
    assert_int_equal(file_stat(path, &st), 0);
    assert_int_equal(file_chdir("/dir"), 0);
    assert_int_equal(file_stat(path + 1, &st), -ENAMETOOLONG);
}

IN_PROGRAM(what_a_file_is)
{
    struct statvfs space;
    struct stat st;

    fill("abc");
    assert_int_equal(file_stat("/file", &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(st.st_mtime, 1000);
    assert_int_equal(file_stat("/dir", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(file_statvfs("/", &space), 0);
    assert_int_equal(space.f_blocks, 10);
    assert_int_equal(space.f_bavail, 2);
    assert_int_equal(file_access("/file", true), 0);
    disk.read_only = true;
    assert_int_equal(file_access("/file", true), -EROFS);
    assert_int_equal(file_access("/file", false), 0);
}

IN_PROGRAM(changes_by_path)
{
    assert_int_equal(file_rename("file", "/dir/../other"), 0);
    assert_string_equal(disk.path, "/file");
    assert_string_equal(disk.new_path, "/other");
    assert_int_equal(file_unlink("file"), 0);
    assert_string_equal(disk.call, "unlink");
    assert_int_equal(file_mkdir("new"), 0);
    assert_string_equal(disk.call, "mkdir");
    assert_int_equal(file_rmdir("new/"), 0);
    assert_string_equal(disk.call, "rmdir");
    assert_string_equal(disk.path, "/new");
    fill("12345");
    assert_int_equal(file_truncate("file", 2), 0);
    assert_contents("12");
}

/* Elsewhere there is nobody who could wait. */
static void only_programs_have_files(void **state)
{
    (void)state;
    assert_int_equal(file_open("/file", O_RDONLY), -ENOSYS);
    assert_int_equal(file_unlink("/file"), -ENOSYS);
    assert_int_equal(disk.opened, 0);
}

/* ---- Start and end */

IN_PROGRAM(mounting_is_waited_for)
{
    uint64_t from = hv_now_ns();

    assert_int_equal(files_start(NULL), 0);
    assert_int_equal(files_ready(), 0);
    assert_int_equal(hv_now_ns() - from, ANSWER_NS);
    files_stop();
    assert_int_equal(hv_now_ns() - from, 2 * ANSWER_NS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_follow_each_other),
        TEST(writes_follow_each_other),
        TEST(appending_goes_to_the_end),
        TEST(seeking),
        TEST(two_numbers_share_a_position),
        TEST(a_call_takes_its_time_and_no_signal_ends_it),
        TEST(a_program_that_ends_has_no_signals),
        TEST(errors_are_those_of_the_c_library),
        TEST(bad_ways_to_open),
        TEST(as_many_as_there_are_numbers),
        TEST(directories),
        TEST(paths_are_made_absolute),
        TEST(paths_have_an_end),
        TEST(what_a_file_is),
        TEST(changes_by_path),
        TEST(only_programs_have_files),
        TEST(mounting_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
