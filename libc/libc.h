/* SPDX-License-Identifier: MIT */
/*
 * newlib's system layer: what the C library needs from this system.
 *
 * An image with an app_main has only stdout and stderr, which are the console:
 * no stdin to wait for, no files (syscalls.c). An image with a main has
 * descriptors: the console, files and sockets, as far as it uses them
 * (program.c). malloc is our own (malloc.c).
 *
 * Calls that are not provided do not link, or return -1 with errno ENOSYS and
 * log that once.
 */
#ifndef LIBC_LIBC_H
#define LIBC_LIBC_H

struct console;
struct heap;
struct pages;

/* Call before the first use of malloc or stdio. `finish` ends the guest: exit()
 * calls it after stdio was flushed. */
void libc_init(struct pages *pages, struct console *console,
               void (*finish)(int status));

/* End the guest, whatever program it runs. */
_Noreturn void libc_end(int status);

/* Bytes of memory that malloc has: in use by callers, and taken from the page
 * allocator in all. */
struct libc_heap {
    unsigned long used_bytes, held_bytes;
    unsigned long failures; /* requests answered with NULL */
};
void libc_heap(struct libc_heap *heap);

/* Between the files of this folder: */
void malloc_init(struct pages *pages);
struct heap *malloc_heap(void);

#endif
