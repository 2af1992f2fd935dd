/* SPDX-License-Identifier: MIT */
/*
 * A machine with files on tests/fake/volume.h's disk, and the calls of fs/fs.h
 * as functions that wait. For unit tests and fuzzers: what must not be is
 * fake_fail.
 */
#ifndef TESTS_UNIT_FILES_WORLD_H
#define TESTS_UNIT_FILES_WORLD_H

#include "kernel/app.h"
#include "fs/fs.h"
#include "tests/fake/fake.h"
#include "tests/fake/volume.h"

extern struct files_world {
    struct loop loop;
    struct pages pages;
    struct options options;
    struct app *app;
    struct fs fs;
    int mounted;       /* fs_start's answer, or ready's status */
    char log[4096];    /* the lines of this machine */
    size_t stack_used; /* the most of the mount's fiber, when it stopped */
} files;

/* A machine starts, and mounts what the command line says; returns the status.
 */
int files_start(const char *cmdline);
/* It stops; nothing is lost but what was not synced. */
void files_stop(void);
bool files_logged(const char *text);

int files_open(struct fs_file *file, const char *path, unsigned flags);
int files_close(struct fs_file *file);
int files_pread(struct fs_file *file, void *to, size_t bytes, uint64_t offset);
int files_pwrite(struct fs_file *file, const void *from, size_t bytes,
                 uint64_t offset);
int files_fsync(struct fs_file *file);
int files_ftruncate(struct fs_file *file, uint64_t bytes);
int files_fstat(struct fs_file *file);
int files_readdir(struct fs_file *file, struct fs_entry *entries, unsigned nr,
                  uint64_t first);
int files_stat(struct fs_stat *stat, const char *path);
int files_statvfs(struct fs_space *space, const char *path);
int files_rename(const char *path, const char *new_path);
int files_unlink(const char *path);
int files_mkdir(const char *path);
int files_rmdir(const char *path);

#endif
