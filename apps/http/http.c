/* SPDX-License-Identifier: MIT */
/*
 * The web server app: the files of www/, a status page, and metrics.
 *
 *     http.port=80         where to listen
 *     http.idle_s=60       how long a connection may wait for its next request
 *     http.connections=N   how many at once; default by available memory
 *     http.policy=TEXT     HTML's Content-Security-Policy; empty: none
 *
 * Layers, each usable without those above it in this list:
 *
 *     http_field      words of a request; http_date reads and writes dates
 *     http_wants      conditions, ranges, codings
 *     http_request    bytes to a request; http_chunk skips chunked bodies
 *     http_reply      the head of an answer; http_text puts texts together
 *     http_site       what is served, and the shared limits
 *     http_files      made from www/ by tools/embed
 *     http_stream     files from elsewhere: for apps/web
 *     http_conn       the protocol: bytes in, bytes out
 *     http_tcp        lwIP on one side, http_conn on the other
 *     http_pages      /status and /metrics
 *     http_server     options, what is counted, which addresses serve
 */
// serves: tcp 80
#include "kernel/app.h"
#include "http/http_server.h"

int app_main(struct app *app)
{
    static struct http_server server;

    return http_server_run(&server, app);
}
