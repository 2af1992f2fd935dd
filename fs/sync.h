/* SPDX-License-Identifier: MIT */
/*
 * fs/fs.h for code on a fiber (kernel/fiber.h): each call is the one of the
 * same name there, and returns its status when it is done. Meanwhile the fiber
 * is parked and the loop turns, at least once, whatever the call has to do.
 *
 *     static void run(struct fiber *fiber)
 *     {
 *         struct fs_file file;
 *         char text[100];
 *         int len = fs_sync_open(&fs, &file, "/etc/motd", FS_READ);
 *
 *         if (!len) {
 *             len = fs_sync_pread(&file, text, sizeof(text), 0);
 *             fs_sync_close(&file);
 *         }
 *         ...
 *
 * Nothing ends such a call early: its request lies on the fiber's stack, so the
 * stack stays until the file system has answered. Waking the fiber for another
 * reason is harmless. Of the stack a call takes some 300 bytes: the work is
 * done on the mount's fiber. Programs with a main have posix/files.h instead,
 * whose waiting knows signals.
 */
#ifndef FS_SYNC_H
#define FS_SYNC_H

#include "fs/fs.h"

must_check int fs_sync_open(struct fs *fs, struct fs_file *file,
                            const char *path, unsigned flags);
/* Of a file that was only read the status says nothing. */
int fs_sync_close(struct fs_file *file);
must_check int fs_sync_pread(struct fs_file *file, void *to, size_t bytes,
                             uint64_t offset);
must_check int fs_sync_pwrite(struct fs_file *file, const void *from,
                              size_t bytes, uint64_t offset);
must_check int fs_sync_fsync(struct fs_file *file);
must_check int fs_sync_ftruncate(struct fs_file *file, uint64_t bytes);
must_check int fs_sync_readdir(struct fs_file *file, struct fs_entry *entries,
                               unsigned nr, uint64_t first);
must_check int fs_sync_unlink(struct fs *fs, const char *path);
must_check int fs_sync_mkdir(struct fs *fs, const char *path);

#endif
