/* SPDX-License-Identifier: MIT */
/*
 * newlib's system layer: what the C library asks of this system.
 *
 * An image with an app_main has stdout and stderr, which are the console, and
 * nothing else: no stdin to wait on, no file (syscalls.c). An image with a main
 * has descriptors: the console, files and sockets, as far as it uses them
 * (program.c). malloc is our own (malloc.c).
 *
 * What is not provided does not link, or returns -1 with errno ENOSYS and says
 * so once in the log.
 */
#ifndef LIBC_LIBC_H
#define LIBC_LIBC_H

struct console;
struct heap;
struct pages;

/* Before the first use of malloc or stdio. `finish` ends the guest: it is
 * where exit() arrives after stdio was flushed. */
void libc_init(struct pages *pages, struct console *console,
               void (*finish)(int status));

/* The guest's end, whatever program it runs. */
_Noreturn void libc_end(int status);

/* Memory that malloc holds, bytes: in use by callers, and taken from the page
 * allocator for it. */
struct libc_heap {
    unsigned long used_bytes, held_bytes;
    unsigned long failures; /* requests answered with NULL */
};
void libc_heap(struct libc_heap *heap);

/* Between the files of this folder: */
void malloc_init(struct pages *pages);
struct heap *malloc_heap(void);

#endif
