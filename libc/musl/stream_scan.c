/* SPDX-License-Identifier: MIT */
/*
 * scanf, musl's, which newlib's fscanf, sscanf and so on come to.
 */
#define STREAM_AS_FILE
#include "libc/musl/stream.h"

#define vfscanf stream_vscanf
#include <stdio/vfscanf.c>
#undef vfscanf
#undef FILE

/* newlib's: more bytes for a FILE whose bytes have been read. */
int __srefill_r(struct _reent *reent, FILE *file);

static void load(struct stream *stream)
{
    stream->buf = stream->rpos = stream->file->_p;
    stream->rend = stream->rpos + stream->file->_r;
}

/* What has been read is no longer the FILE's. */
void stream_done(struct stream *stream)
{
    stream->file->_p = stream->rpos;
    stream->file->_r = (int)(stream->rend - stream->rpos);
}

static size_t read_file(struct stream *stream, unsigned char *byte, size_t one)
{
    bool ended;

    stream_done(stream);
    if (stream->file->_flags & __SSTR) /* sscanf's, which has no more */
        return 0;
    ended = __srefill_r(_REENT, stream->file);
    load(stream);
    if (ended)
        return 0;
    *byte = *stream->rpos++;
    return one;
}

struct stream stream_of(FILE *file)
{
    static unsigned char none;
    struct stream stream = {.file = file, .read = read_file};

    if (!file->_p) /* never used */
        file->_p = &none;
    load(&stream);
    return stream;
}

int __svfscanf_r(struct _reent *reent, FILE *file, const char *format,
                 va_list args)
{
    struct stream stream = stream_of(file);
    int count = stream_vscanf(&stream, format, args);

    (void)reent;
    stream_done(&stream);
    return count;
}

int _vfscanf_r(struct _reent *, FILE *, const char *, va_list)
    __attribute__((alias("__svfscanf_r")));
int __ssvfscanf_r(struct _reent *, FILE *, const char *, va_list)
    __attribute__((alias("__svfscanf_r")));

int vfscanf(FILE *file, const char *format, va_list args)
{
    return __svfscanf_r(_REENT, file, format, args);
}
