/* SPDX-License-Identifier: MIT */
/*
 * A web server, whole: for the image that has its files within (http.c), and
 * for the one that has them elsewhere (apps/web).
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/http_pages.h"
#include "http/http_tcp.h"
#include "lwip/ip_addr.h"
#include "net/net.h"

#define HTTP_ADDRESSES_MAX (NET_VIFS_MAX * (1 + LWIP_IPV6_NUM_ADDRESSES))

struct http_server {
    /* The app's, before http_server_run: */
    struct http_tree *tree; /* the files; NULL: those that are embedded */
    /* More numbers for the pages, or NULL. */
    void (*numbers)(http_number_fn *fn, void *fn_arg);
    /* The server's: */
    struct app *app;
    struct http_site site;
    struct http_source source;
    struct http_tcp tcp;
    struct http_history history;
    struct timer sampling;
    uint64_t port;
    ip_addr_t addresses[HTTP_ADDRESSES_MAX]; /* told, and still in use */
    unsigned nr_addresses;
};

/* Start the network, serve until the guest is told to stop, and give the
 * clients an end. What app_main is to return. */
int http_server_run(struct http_server *server, struct app *app);

#endif
