/* SPDX-License-Identifier: MIT */
/*
 * SQLite's compile-time options, each with its reason; what is not named here
 * has SQLite's own default (sqlite.org/compile.html).
 */
#ifndef DATABASE_SQLITE_OPTIONS_H
#define DATABASE_SQLITE_OPTIONS_H

/* ---- The system */

#define SQLITE_OS_OTHER            1 /* the only VFS: database/sqlite.c */
#define SQLITE_THREADSAFE          0 /* one thread: no mutexes */
#define SQLITE_MAX_MMAP_SIZE       0 /* a volume is not memory */
/* There is nowhere to spill to: transient tables, sorting and statement
 * journals are in memory, under the heap's limit. */
#define SQLITE_TEMP_STORE          3
#define SQLITE_MAX_WORKER_THREADS  0
#define SQLITE_OMIT_LOAD_EXTENSION 1 /* an image is whole when it is linked */
#define SQLITE_OMIT_LOCALTIME      1 /* the guest's clock is UTC */
/* SQLITE_DEFAULT_MEMSTATUS stays on: sqlite3_hard_heap_limit64, which keeps a
 * statement from taking the memory of everything else, counts by it. */

/* ---- Durability: what is acknowledged is on stable storage, in WAL mode too
 * (FULL is the default for rollback journals only by chance of history). */
#define SQLITE_DEFAULT_SYNCHRONOUS     2
#define SQLITE_DEFAULT_WAL_SYNCHRONOUS 2

/* ---- As SQLite recommends for new programs */

#define SQLITE_DQS                     0 /* "name" is a name, never a text */
#define SQLITE_LIKE_DOESNT_MATCH_BLOBS 1
#define SQLITE_OMIT_DECLTYPE           1
#define SQLITE_OMIT_DEPRECATED         1
#define SQLITE_OMIT_SHARED_CACHE       1
/* SQL comes from strangers, and so may a database. */
#define SQLITE_TRUSTED_SCHEMA          0
#define SQLITE_UNTESTABLE              1 /* no sqlite3_test_control */

/* ---- What the stock shell has as well, and what it adds to the image: a
 * database that uses one of these cannot be opened in full without it. */

#define SQLITE_ENABLE_FTS5           1 /* full-text search: 107 KB */
#define SQLITE_ENABLE_RTREE          1 /* boxes in space: 18 KB */
#define SQLITE_ENABLE_MATH_FUNCTIONS 1 /* sin() and so on: 30 KB, newlib's */

/* ---- Limits. A statement is compiled and run on a fiber's stack; what nests
 * in it recurses there. */

/* The parser's and the code generator's recursion: each level has up to 500
 * bytes of stack. People write three. */
#define SQLITE_MAX_EXPR_DEPTH      200
#define SQLITE_MAX_COMPOUND_SELECT 100

/* What has no limit of its own, views on views and triggers that set off
 * triggers, asks database/sqlite.c (patches/sqlite/0004-stack.patch). */
int sqlite_stack_is_low(void);
#define SQLITE_STACK_IS_LOW sqlite_stack_is_low()

/* What may run for long without its instructions being counted counts its work
 * (patches/sqlite/0005-work.patch). Not 0: the statement has to end. */
int sqlite_is_late(unsigned long work);
#define SQLITE_IS_LATE(work) sqlite_is_late((unsigned long)(work))

/* A connection's small objects: 48 KB, not 120. */
#define SQLITE_DEFAULT_LOOKASIDE 1200, 40

#endif
