/* SPDX-License-Identifier: MIT */
/*
 * Dates as HTTP writes them (RFC 9110, 5.6.7).
 */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "http/http_field.h"

#include <stdint.h>

/* "Sat, 21 Nov 2026 05:01:55 GMT" from seconds since 1970, up to the year 9999.
 */
#define HTTP_DATE_MAX   INT64_C(253402300799)
#define HTTP_DATE_BYTES 30
void http_date_write(char date[HTTP_DATE_BYTES], int64_t wall_s);

/* Seconds since 1970 of a date in any of the three formats that a server must
 * understand, or HTTP_NO_DATE. */
#define HTTP_NO_DATE INT64_MIN
int64_t http_date_read(struct http_field text);

#endif
