/* SPDX-License-Identifier: MIT */
/*
 * The whole printf: floating point and long double, wide characters, arguments
 * by number. It is musl's, for images that ask for it (program.c does, with the
 * name of stream_vprintf); all others have newlib's small one, which gives way.
 *
 * newlib's printf, snprintf and so on remain, and come here. This costs an
 * image 6 KB, less than newlib's own printf with floating point.
 */
#define STREAM_AS_FILE
#include "libc/musl/stream.h"

#define vfprintf stream_vprintf
#include <stdio/vfprintf.c>
#undef vfprintf
#undef FILE

/* newlib's: characters for a string, which grows if it is asprintf's. */
int __ssputs_r(struct _reent *reent, FILE *file, const char *text, size_t len);

/* Room that asprintf begins with, and newlib's nano printf too. */
#define STRING_BYTES 64

static bool write_file(struct stream *stream, const char *text, size_t len)
{
    return fwrite(text, 1, len, stream->file) == len;
}

static bool write_string(struct stream *stream, const char *text, size_t len)
{
    return !__ssputs_r(_REENT, stream->file, text, len);
}

static int print(FILE *file,
                 bool (*write)(struct stream *, const char *, size_t),
                 const char *format, va_list args)
{
    struct stream stream = {
        .write = write, .wend = (void *)file, .buf_size = 1, .file = file};

    return stream_vprintf(&stream, format, args);
}

int _vfprintf_r(struct _reent *reent, FILE *file, const char *format,
                va_list args)
{
    (void)reent;
    return print(file, write_file, format, args);
}

int _svfprintf_r(struct _reent *reent, FILE *file, const char *format,
                 va_list args)
{
    if (file->_flags & __SMBF && !file->_bf._base) {
        file->_bf._base = file->_p = malloc(STRING_BYTES);
        if (!file->_p) {
            _REENT_ERRNO(reent) = ENOMEM;
            return EOF;
        }
        file->_bf._size = STRING_BYTES;
    }
    return print(file, write_string, format, args);
}
