/* SPDX-License-Identifier: MIT */
/*
 * newlib's system layer: what the C library asks of this system.
 *
 * stdout and stderr are the console. There is no stdin to wait on, no file and
 * no process: such calls return -1 with errno ENOSYS, and say so once in the
 * log. malloc is our own (malloc.c).
 */
#ifndef LIBC_LIBC_H
#define LIBC_LIBC_H

struct console;
struct pages;

/* Before the first use of malloc or stdio. `finish` ends the guest: it is
 * where exit() arrives after stdio was flushed. */
void libc_init(struct pages *pages, struct console *console,
               void (*finish)(int status));

/* Memory that malloc holds, bytes: in use by callers, and taken from the page
 * allocator for it. */
struct libc_heap {
    unsigned long used_bytes, held_bytes;
    unsigned long failures; /* requests answered with NULL */
};
void libc_heap(struct libc_heap *heap);

/* Between the files of this folder: */
void malloc_init(struct pages *pages);

#endif
