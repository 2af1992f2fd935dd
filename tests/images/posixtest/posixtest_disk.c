/* SPDX-License-Identifier: MIT */
/*
 * Files on a writable disk: the operations, a full disk, and a journal whose
 * writer is killed at any moment, and which is then checked.
 */
#include "tests/images/posixtest/posixtest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The byte of a file at an offset; tests/guest/test_littlefs.py computes the
 * same. */
static char byte_of(unsigned seed, unsigned long at)
{
    return (char)(at * 7 + at / 251 + seed);
}

/* ---- A tree */

static void make_file(const char *path, unsigned seed, unsigned long bytes,
                      unsigned long piece)
{
    char buffer[5000];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    bool ok = fd >= 0;

    for (unsigned long at = 0; ok && at < bytes; at += piece) {
        unsigned long n = bytes - at < piece ? bytes - at : piece;

        for (unsigned long i = 0; i < n; i++)
            buffer[i] = byte_of(seed, at + i);
        ok = write(fd, buffer, n) == (ssize_t)n;
    }
    check(ok && !close(fd), path);
}

static void test_names(void)
{
    struct stat stat_of;

    check(mkdir("sub", 0755) == 0, "mkdir");
    check(mkdir("sub", 0755) == -1 && errno == EEXIST, "mkdir again");
    check(rename("small", "sub/moved") == 0, "rename");
    check(stat("small", &stat_of) == -1 && errno == ENOENT, "the old name");
    check(stat("sub/moved", &stat_of) == 0 && stat_of.st_size == 10,
          "the new name");
    check(rmdir("sub") == -1 && errno == ENOTEMPTY, "rmdir of what is used");
    check(unlink("none") == -1 && errno == ENOENT, "unlink of nothing");
    check(mkdir("none", 0755) == 0 && rmdir("none") == 0, "rmdir");
}

static void test_stdio(void)
{
    FILE *file = fopen("text", "w+");
    char line[40] = "";

    check(file != NULL, "fopen");
    if (!file)
        return;
    for (int i = 0; i < 1000; i++)
        fprintf(file, "line %d\n", i);
    check(fseek(file, 0, SEEK_SET) == 0, "fseek");
    for (int i = 0; i < 500 && fgets(line, sizeof(line), file); i++)
        ;
    check(!strcmp(line, "line 499\n"), "the line that was written");
    check(fclose(file) == 0, "fclose");
    file = fopen("text", "a");
    check(file && fprintf(file, "the end\n") > 0 && !fclose(file), "append");
}

int run_write_tree(int argc, char **argv)
{
    check(chdir(argc > 1 ? argv[1] : "/") == 0, "chdir");
    make_file("empty", 0, 0, 1);
    make_file("small", 1, 10, 3);
    make_file("block", 2, 4096, 4096);
    make_file("large", 3, 300000, 4999);
    test_names();
    test_stdio();
    check(truncate("block", 1000) == 0, "truncate");
    return 0;
}

/* ---- A full disk */

/* Write until the disk is full; returns how much was written. */
static unsigned long fill(int fd)
{
    static char piece[4096];
    unsigned long bytes = 0;
    ssize_t n;

    while ((n = write(fd, piece, sizeof(piece))) > 0)
        bytes += (unsigned long)n;
    check(n == -1 && errno == ENOSPC, "ENOSPC");
    return bytes;
}

int run_fill(int argc, char **argv)
{
    struct stat stat_of;
    struct statvfs space;
    unsigned long bytes, again;
    int fd;

    check(chdir(argc > 1 ? argv[1] : "/") == 0, "chdir");
    make_file("before", 5, 5000, 5000);
    fd = open("filler", O_WRONLY | O_CREAT, 0644);
    bytes = fill(fd);
    check(fsync(fd) == 0 && close(fd) == 0, "what was written is kept");
    check(stat("filler", &stat_of) == 0 && stat_of.st_size == (off_t)bytes,
          "its size");
    check(unlink("filler") == 0, "unlink on a full disk");
    check(statvfs(".", &space) == 0 && space.f_bfree * space.f_frsize >= bytes,
          "its space is free again");
    fd = open("filler", O_WRONLY | O_CREAT, 0644);
    again = fill(fd);
    check(again == bytes && close(fd) == 0, "as much once more");
    printf("filled: %lu bytes\n", bytes);
    return 0;
}

/* ---- A journal */

#define RECORD_BYTES 64
#define RECORDS      20 /* between two fsyncs */

static void fill_record(char record[RECORD_BYTES], unsigned long nr)
{
    memset(record, 'a' + (int)(nr % 26), RECORD_BYTES);
    snprintf(record, RECORD_BYTES, "record %lu", nr);
    record[RECORD_BYTES - 1] = '\n';
}

static bool put_records(int fd, unsigned long first)
{
    char record[RECORD_BYTES];
    bool ok = true;

    for (unsigned long nr = first; nr < first + RECORDS; nr++) {
        fill_record(record, nr);
        ok &= write(fd, record, sizeof(record)) == sizeof(record);
    }
    return ok && fsync(fd) == 0;
}

/* Replace a file by another, as programs do it. */
static bool put_table(unsigned long generation)
{
    FILE *file = fopen("table.new", "w");
    bool ok;

    if (!file)
        return false;
    for (int i = 0; i < 300; i++)
        fprintf(file, "generation %lu\n", generation);
    ok = !fflush(file) && !fsync(fileno(file));
    return !fclose(file) && ok && !rename("table.new", "table");
}

static unsigned long count_records(void)
{
    char record[RECORD_BYTES], right[RECORD_BYTES];
    FILE *file = fopen("journal", "r");
    unsigned long nr = 0;
    bool ok = true;

    if (!file)
        return 0;
    while (ok && fread(record, sizeof(record), 1, file) == 1) {
        fill_record(right, nr);
        ok = !memcmp(record, right, sizeof(record));
        nr += ok;
    }
    check(ok && !ferror(file), "each record is as it was written");
    fclose(file);
    return nr;
}

static unsigned long read_table(void)
{
    FILE *file = fopen("table", "r");
    unsigned long generation = 0, other, lines = 0;

    if (!file)
        return 0;
    while (fscanf(file, "generation %lu\n", &other) == 1) {
        if (lines++ == 0)
            generation = other;
        if (other != generation)
            check(false, "the table is of one generation");
    }
    fclose(file);
    check(lines == 300, "the table is whole");
    return generation;
}

/* Write without end, and print what is safe. Failed writes are retried: what
 * was not acknowledged was not promised. */
int run_journal(int argc, char **argv)
{
    unsigned long nr, generation;
    int fd;

    check(chdir(argc > 1 ? argv[1] : "/") == 0, "chdir");
    nr = count_records();
    generation = read_table();
    printf("found: %lu records, generation %lu\n", nr, generation);
    fd = open("journal", O_WRONLY | O_CREAT, 0644);
    check(fd >= 0, "open");
    check(ftruncate(fd, (off_t)(nr * RECORD_BYTES)) == 0, "ftruncate");
    while (lseek(fd, (off_t)(nr * RECORD_BYTES), SEEK_SET) >= 0) {
        if (!put_records(fd, nr)) {
            printf("failed: errno %d\n", errno);
            sleep(1);
            continue;
        }
        nr += RECORDS;
        printf("safe: %lu records\n", nr);
        if (nr % (5 * RECORDS) == 0 && put_table(generation + 1))
            printf("safe: generation %lu\n", ++generation);
    }
    return EXIT_FAILURE;
}

/* Check that there are at least so many records, and that generation of the
 * table. */
int run_recover(int argc, char **argv)
{
    unsigned long records = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long least = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

    check(chdir(argc > 1 ? argv[1] : "/") == 0, "chdir");
    check(count_records() >= records, "the records that were safe");
    check(read_table() >= least, "the generation that was safe");
    return 0;
}
