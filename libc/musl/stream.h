/* SPDX-License-Identifier: MIT */
/*
 * The FILE of musl's printf and scanf. They know the inside of musl's, which is
 * not ours: so they get this one, on one of newlib's, a string or nothing, and
 * the names of the calls they make mean those below.
 *
 * Reading is musl's way (src/internal/shgetc.h): the bytes from `rpos` to
 * `rend`, and `read` when they have been read, for more of them and the next.
 */
#ifndef LIBC_MUSL_STREAM_H
#define LIBC_MUSL_STREAM_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <wchar.h>

struct stream {
    /* Reading. */
    unsigned char *buf, *rpos, *rend, *shend;
    off_t shlim, shcnt;
    size_t (*read)(struct stream *, unsigned char *byte, size_t one);
    void *cookie;
    int lock;

    /* Writing: each puts characters, and is true when it could. */
    bool (*write)(struct stream *, const char *, size_t);
    bool (*write_wide)(struct stream *, wchar_t);
    unsigned char *wpos, *wbase, *wend; /* musl's; wend is not NULL */

    unsigned flags;
    size_t buf_size;
    FILE *file;      /* newlib's, or */
    wchar_t *wide;   /* where wide characters go, or come from, and */
    size_t wide_len; /* how many may go there */
};

#define F_ERR 32

int stream_vprintf(struct stream *stream, const char *format, va_list args);
int stream_vwprintf(struct stream *stream, const wchar_t *format, va_list args);
int stream_vscanf(struct stream *stream, const char *format, va_list args);
int stream_vwscanf(struct stream *stream, const wchar_t *format, va_list args);

/* Wide characters of a stream that has a file, or `wide`. */
wint_t stream_getwc(struct stream *stream);
wint_t stream_ungetwc(wint_t wc, struct stream *stream);

/* The numbers of the wide ones are printed and read by the narrow ones. */
int stream_printf(struct stream *stream, const char *format, ...);
int stream_scanf(struct stream *stream, const char *format, ...);

/* A stream that reads newlib's FILE, and what it has read taken from there. */
struct stream stream_of(FILE *file);
void stream_done(struct stream *stream);

#ifdef STREAM_AS_FILE

/* src/internal/stdio_impl.h */
#define _STDIO_IMPL_H
#define FLOCK(f)
#define FUNLOCK(f)
#define __toread(f)  0
#define __towrite(f) 0
#define __uflow      stream_next

static inline int stream_next(struct stream *stream)
{
    unsigned char byte;

    return stream->read(stream, &byte, 1) ? byte : EOF;
}

#define FILE struct stream
#undef ferror
#define ferror(f) ((f)->flags & F_ERR)
#undef fwide
#define fwide(f, mode)
#define fprintf stream_printf
#define fscanf  stream_scanf
#undef getwc
#define getwc         stream_getwc
#define ungetwc       stream_ungetwc
#define fputwc(wc, f) ((f)->write_wide(f, wc) ? 0 : ((f)->flags |= F_ERR))
#define __fwritex(text, len, f) \
    ((f)->write(f, (const char *)(text), len) ? 0 : ((f)->flags |= F_ERR))

#undef NL_ARGMAX
#define NL_ARGMAX 9 /* which is one digit, as they read it */

#endif
#endif
