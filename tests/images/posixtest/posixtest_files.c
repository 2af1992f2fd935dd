/* SPDX-License-Identifier: MIT */
/* Files: reading a tree. */
#include "tests/images/posixtest/posixtest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- A tree, counted */

static unsigned long nr_files, nr_dirs, nr_bytes;

static void count_bytes(const char *path)
{
    static char piece[4096];
    FILE *file = fopen(path, "r");
    size_t n;

    if (!file) {
        check(false, path);
        return;
    }
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        nr_bytes += n;
    if (ferror(file))
        check(false, path);
    fclose(file);
    nr_files++;
}

static void count_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char name[512];

    if (!dir) {
        check(false, path);
        return;
    }
    nr_dirs++;
    while ((entry = readdir(dir))) {
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            count_tree(name);
        else if (entry->d_type == DT_REG)
            count_bytes(name);
    }
    if (closedir(dir))
        check(false, "closedir");
}

static void test_read_only(const char *path)
{
    struct statvfs space;

    check(statvfs(path, &space) == 0 && space.f_flag & ST_RDONLY, "statvfs");
    check(access(path, R_OK) == 0, "access to read");
    check(access(path, W_OK) == -1 && errno == EROFS, "access to write");
    check(open("new", O_CREAT | O_WRONLY, 0644) == -1 && errno == EROFS,
          "no new file");
    check(mkdir("new", 0755) == -1 && errno == EROFS, "no new directory");
    check(fopen("absent", "r") == NULL && errno == ENOENT, "no such file");
    check(opendir("absent") == NULL && errno == ENOENT, "no such directory");
}

static void test_cwd(const char *path)
{
    char cwd[256];

    check(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/"), "the first cwd");
    check(chdir(path) == 0, "chdir");
    check(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, path), "getcwd");
    check(!getcwd(cwd, 1) && errno == ERANGE, "getcwd into too little");
}

int run_read_tree(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/";

    test_cwd(path);
    test_read_only(path);
    count_tree(".");
    printf("tree: %lu directories, %lu files, %lu bytes\n", nr_dirs, nr_files,
           nr_bytes);
    return 0;
}
