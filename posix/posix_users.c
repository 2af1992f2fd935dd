/* SPDX-License-Identifier: MIT */
/*
 * Users and groups: there is one of each, root with number 0, and the program
 * is that. So who gives up rights finds the user to become only if that is
 * root. Modes and owners of files are not kept (posix_files.c): to set them
 * is done at once.
 */
#define _GNU_SOURCE /* getpwnam_r */
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc/errors.h"

#define ROOT "root"

static struct passwd root = {
    .pw_name = ROOT,
    .pw_passwd = "",
    .pw_comment = "",
    .pw_gecos = "",
    .pw_dir = "/",
    .pw_shell = "",
};

static char *no_members[] = {NULL};
static struct group roots = {
    .gr_name = ROOT,
    .gr_passwd = "",
    .gr_mem = no_members,
};

struct passwd *getpwnam(const char *name)
{
    return strcmp(name, ROOT) ? NULL : &root;
}

struct passwd *getpwuid(uid_t user)
{
    return user ? NULL : &root;
}

/* What it points to is constant: `buffer` is not used. */
static int give(const struct passwd *found, struct passwd *entry,
                struct passwd **result)
{
    if (found)
        *entry = *found;
    *result = found ? entry : NULL;
    return 0;
}

int getpwnam_r(const char *name, struct passwd *entry, char *buffer,
               size_t bytes, struct passwd **result)
{
    (void)buffer, (void)bytes;
    return give(getpwnam(name), entry, result);
}

int getpwuid_r(uid_t user, struct passwd *entry, char *buffer, size_t bytes,
               struct passwd **result)
{
    (void)buffer, (void)bytes;
    return give(getpwuid(user), entry, result);
}

struct group *getgrnam(const char *name)
{
    return strcmp(name, ROOT) ? NULL : &roots;
}

struct group *getgrgid(gid_t group)
{
    return group ? NULL : &roots;
}

/* ---- Who the program is */

uid_t getuid(void)
{
    return 0;
}

uid_t geteuid(void)
{
    return 0;
}

gid_t getgid(void)
{
    return 0;
}

gid_t getegid(void)
{
    return 0;
}

/* Nobody has logged in. */
char *getlogin(void)
{
    return NULL;
}

int issetugid(void)
{
    return 0;
}

static int become(unsigned id)
{
    return (int)error_result(id ? -XEN_EINVAL : 0);
}

int setuid(uid_t user)
{
    return become(user);
}

int seteuid(uid_t user)
{
    return become(user);
}

int setgid(gid_t group)
{
    return become(group);
}

int setegid(gid_t group)
{
    return become(group);
}

int setgroups(int nr, const gid_t *groups)
{
    for (int i = 0; i < nr; i++)
        if (groups[i])
            return become(groups[i]);
    return 0;
}

int initgroups(const char *user, gid_t group)
{
    (void)user;
    return become(group);
}

/* ---- What files would belong to it */

mode_t umask(mode_t mask)
{
    static mode_t now = 022;
    mode_t before = now;

    now = mask & 0777;
    return before;
}

/* 0 if there is such a file. */
static int of_file(const char *path)
{
    struct stat found;

    return stat(path, &found);
}

static int of_open(int fd)
{
    struct stat found;

    return fstat(fd, &found);
}

int chmod(const char *path, mode_t mode)
{
    (void)mode;
    return of_file(path);
}

int fchmod(int fd, mode_t mode)
{
    (void)mode;
    return of_open(fd);
}

int chown(const char *path, uid_t user, gid_t group)
{
    return become(user | group) ? -1 : of_file(path);
}

int fchown(int fd, uid_t user, gid_t group)
{
    return become(user | group) ? -1 : of_open(fd);
}
