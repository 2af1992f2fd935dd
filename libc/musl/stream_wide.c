/* SPDX-License-Identifier: MIT */
/*
 * printf and scanf in wide characters, to and from files and strings: musl's.
 * They print and read numbers by the narrow ones. What is read or written of a
 * file wide character by wide character is newlib's (fgetwc, fputwc).
 */
#define STREAM_AS_FILE
#include "libc/musl/stream.h"

#define vfwprintf stream_vwprintf
#define vfwscanf  stream_vwscanf
#include <stdio/vfwprintf.c>
#undef ALT_FORM
#undef S
#define arg_n     scan_arg_n
#define store_int scan_store_int
#include <stdio/vfwscanf.c>
#undef vfwprintf
#undef vfwscanf
#undef FILE
#undef getwc
#undef ungetwc
#undef fputwc
#undef fprintf
#undef fscanf

/* Wide characters of a string that are looked at as bytes at a time. */
#define BYTES 64

/* ---- Printing */

static bool write_file(struct stream *stream, wchar_t wc)
{
    return fputwc(wc, stream->file) != WEOF;
}

/* What does not fit is only counted. */
static bool write_string(struct stream *stream, wchar_t wc)
{
    if (stream->wide_len) {
        *stream->wide++ = wc;
        stream->wide_len--;
    }
    return true;
}

int stream_printf(struct stream *stream, const char *format, ...)
{
    char *text;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        stream->flags |= F_ERR;
        return len;
    }
    for (int i = 0; i < len && !(stream->flags & F_ERR); i++)
        if (!stream->write_wide(stream, btowc((unsigned char)text[i])))
            stream->flags |= F_ERR;
    free(text);
    return len;
}

int vfwprintf(FILE *file, const wchar_t *format, va_list args)
{
    struct stream stream = {.write_wide = write_file, .file = file};

    return stream_vwprintf(&stream, format, args);
}

int vswprintf(wchar_t *to, size_t len, const wchar_t *format, va_list args)
{
    struct stream stream = {
        .write_wide = write_string, .wide = to, .wide_len = len};
    int count;

    if (!len)
        return -1;
    stream.wide_len--;
    count = stream_vwprintf(&stream, format, args);
    *stream.wide = L'\0';
    return count < 0 || (size_t)count >= len ? -1 : count;
}

int vwprintf(const wchar_t *format, va_list args)
{
    return vfwprintf(stdout, format, args);
}

int fwprintf(FILE *file, const wchar_t *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = vfwprintf(file, format, args);
    va_end(args);
    return count;
}

int wprintf(const wchar_t *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = vfwprintf(stdout, format, args);
    va_end(args);
    return count;
}

int swprintf(wchar_t *to, size_t len, const wchar_t *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = vswprintf(to, len, format, args);
    va_end(args);
    return count;
}

/* ---- Scanning */

wint_t stream_getwc(struct stream *stream)
{
    if (stream->file)
        return fgetwc(stream->file);
    return *stream->wide ? (wint_t)*stream->wide++ : WEOF;
}

/* It is the one that was got last. */
wint_t stream_ungetwc(wint_t wc, struct stream *stream)
{
    if (stream->file)
        return ungetwc(wc, stream->file);
    if (wc != WEOF)
        stream->wide--;
    return wc;
}

/* Some characters of the string as bytes; no number has others. */
static size_t read_string(struct stream *bytes, unsigned char *byte, size_t one)
{
    struct stream *from = bytes->cookie;
    size_t n = 0;

    for (; n < BYTES && *from->wide; n++, from->wide++)
        bytes->buf[n] = *from->wide < 128 ? (unsigned char)*from->wide : '@';
    bytes->rpos = bytes->buf;
    bytes->rend = bytes->buf + n;
    if (!n)
        return 0;
    *byte = *bytes->rpos++;
    return one;
}

static int scan_string(struct stream *stream, const char *format, va_list args)
{
    /* The byte before is there for one that is put back. */
    unsigned char space[1 + BYTES];
    struct stream bytes = {.buf = space + 1,
                           .rpos = space + 1,
                           .rend = space + 1,
                           .read = read_string,
                           .cookie = stream};
    int count = stream_vscanf(&bytes, format, args);

    stream->wide -= bytes.rend - bytes.rpos;
    return count;
}

int stream_scanf(struct stream *stream, const char *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = stream->file ? vfscanf(stream->file, format, args)
                         : scan_string(stream, format, args);
    va_end(args);
    return count;
}

int vfwscanf(FILE *file, const wchar_t *format, va_list args)
{
    struct stream stream = {.file = file};

    return stream_vwscanf(&stream, format, args);
}

int vswscanf(const wchar_t *from, const wchar_t *format, va_list args)
{
    struct stream stream = {.wide = (wchar_t *)from};

    return stream_vwscanf(&stream, format, args);
}

int vwscanf(const wchar_t *format, va_list args)
{
    return vfwscanf(stdin, format, args);
}

int fwscanf(FILE *file, const wchar_t *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = vfwscanf(file, format, args);
    va_end(args);
    return count;
}

int wscanf(const wchar_t *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = vfwscanf(stdin, format, args);
    va_end(args);
    return count;
}

int swscanf(const wchar_t *from, const wchar_t *format, ...)
{
    va_list args;
    int count;

    va_start(args, format);
    count = vswscanf(from, format, args);
    va_end(args);
    return count;
}
