/* SPDX-License-Identifier: MIT */
/* Regular expressions (POSIX 2008, regex.h), which are musl's. */
#ifndef _REGEX_H
#define _REGEX_H

#include <sys/types.h>

typedef ptrdiff_t regoff_t;

typedef struct {
    size_t re_nsub;
    /* The rest is the functions' own. */
    void *__opaque, *__padding[4];
    size_t __nsub2;
    char __padding2;
} regex_t;

typedef struct {
    regoff_t rm_so, rm_eo;
} regmatch_t;

/* For regcomp. */
#define REG_EXTENDED 1
#define REG_ICASE    2
#define REG_NEWLINE  4
#define REG_NOSUB    8

/* For regexec. */
#define REG_NOTBOL 1
#define REG_NOTEOL 2

/* What they return, if not 0. */
#define REG_NOMATCH  1
#define REG_BADPAT   2
#define REG_ECOLLATE 3
#define REG_ECTYPE   4
#define REG_EESCAPE  5
#define REG_ESUBREG  6
#define REG_EBRACK   7
#define REG_EPAREN   8
#define REG_EBRACE   9
#define REG_BADBR    10
#define REG_ERANGE   11
#define REG_ESPACE   12
#define REG_BADRPT   13

/* musl's names in its own sources. */
#define REG_OK     0
#define REG_ENOSYS -1

int regcomp(regex_t *regex, const char *pattern, int flags);
int regexec(const regex_t *regex, const char *text, size_t match_count,
            regmatch_t *matches, int flags);
size_t regerror(int error, const regex_t *regex, char *text, size_t size);
void regfree(regex_t *regex);

#endif
