/* SPDX-License-Identifier: MIT */
/*
 * Names. The media types are those of tools/embed; any other file is bytes to
 * download: guessing a type could turn a text into a script.
 */
#include "apps/web/web_path.h"

#include <string.h>
#include <strings.h>

bool web_path_is_hidden(const char *name, size_t bytes)
{
    static const char known[] = ".well-known";

    return bytes && name[0] == '.' &&
           (bytes != strlen(known) || memcmp(name, known, bytes) != 0);
}

bool web_path_add(char *to, const char *path)
{
    size_t bytes;

    to += strlen(to);
    while (*path) {
        path += strspn(path, "/");
        bytes = strcspn(path, "/");
        if (web_path_is_hidden(path, bytes))
            return false;
        *to++ = '/';
        memcpy(to, path, bytes);
        to += bytes;
        path += bytes;
    }
    *to = '\0';
    return true;
}

const char *web_path_type(const char *path, bool *is_packable)
{
    static const struct {
        char extension[12];
        bool is_packable;
        const char *type;
    } types[] = {
        {"html", true, "text/html; charset=utf-8"},
        {"htm", true, "text/html; charset=utf-8"},
        {"css", true, "text/css; charset=utf-8"},
        {"js", true, "text/javascript; charset=utf-8"},
        {"mjs", true, "text/javascript; charset=utf-8"},
        {"json", true, "application/json"},
        {"map", true, "application/json"},
        {"webmanifest", true, "application/manifest+json"},
        {"xml", true, "application/xml"},
        {"txt", true, "text/plain; charset=utf-8"},
        {"md", true, "text/markdown; charset=utf-8"},
        {"csv", true, "text/csv; charset=utf-8"},
        {"svg", true, "image/svg+xml"},
        {"png", false, "image/png"},
        {"jpg", false, "image/jpeg"},
        {"jpeg", false, "image/jpeg"},
        {"gif", false, "image/gif"},
        {"webp", false, "image/webp"},
        {"avif", false, "image/avif"},
        {"ico", true, "image/x-icon"},
        {"woff", false, "font/woff"},
        {"woff2", false, "font/woff2"},
        {"ttf", true, "font/ttf"},
        {"otf", true, "font/otf"},
        {"wasm", true, "application/wasm"},
        {"pdf", false, "application/pdf"},
        {"zip", false, "application/zip"},
        {"gz", false, "application/gzip"},
        {"mp3", false, "audio/mpeg"},
        {"ogg", false, "audio/ogg"},
        {"mp4", false, "video/mp4"},
        {"webm", false, "video/webm"},
    };
    const char *name = strrchr(path, '/'), *dot = strrchr(path, '.');

    *is_packable = false;
    if (!dot || dot < name)
        return "application/octet-stream";
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(dot + 1, types[i].extension) != 0)
            continue;
        *is_packable = types[i].is_packable;
        return types[i].type;
    }
    return "application/octet-stream";
}
