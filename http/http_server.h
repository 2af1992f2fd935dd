/* SPDX-License-Identifier: MIT */
/*
 * A complete web server: for the image with embedded files (http.c), and for
 * the one with files on a disk or ramdisk (apps/web).
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/http_pages.h"
#include "http/http_tcp.h"
#include "lwip/ip_addr.h"
#include "net/net.h"

#define HTTP_ADDRESSES_MAX (NET_VIFS_MAX * (1 + LWIP_IPV6_NUM_ADDRESSES))

struct http_server {
    /* Set by the app before http_server_run: */
    struct http_tree *tree; /* the files; NULL: the embedded ones */
    /* Further numbers for the pages, or NULL. */
    void (*numbers)(http_number_fn *fn, void *fn_arg);
    /* Private to the server: */
    struct app *app;
    struct http_site site;
    struct http_source source;
    struct http_tcp tcp;
    struct http_history history;
    struct timer sampling;
    uint64_t port;
    ip_addr_t addresses[HTTP_ADDRESSES_MAX]; /* logged, and still in use */
    unsigned nr_addresses;
};

/* Start the network, serve until the guest is told to stop, then end the
 * connections. Returns what app_main should return. */
int http_server_run(struct http_server *server, struct app *app);

#endif
