/* SPDX-License-Identifier: MIT */
/*
 * Dates, out and in:
 *
 *     Sun, 06 Nov 1994 08:49:37 GMT      the current format, the only one that
 *                                        we write
 *     Sunday, 06-Nov-94 08:49:37 GMT     RFC 850's
 *     Sun Nov  6 08:49:37 1994           C's asctime
 *
 * On reading, each field must be a number with the right digits and range. The
 * day's name is ignored.
 */
#include "http/http_date.h"

#include <string.h>
#include <time.h>

#include "http/http_text.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed",
                                "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http_date_write(char date[HTTP_DATE_BYTES], int64_t wall_s)
{
    time_t when = (time_t)wall_s;
    struct http_text text;
    struct tm tm;

    gmtime_r(&when, &tm);
    http_text_fixed(&text, date, HTTP_DATE_BYTES);
    http_text_add(&text, days[tm.tm_wday], ", ");
    http_text_add_number(&text, (unsigned)tm.tm_mday, 2);
    http_text_add(&text, " ", months[tm.tm_mon], " ");
    http_text_add_number(&text, (unsigned)tm.tm_year + 1900, 4);
    http_text_add(&text, " ");
    http_text_add_number(&text, (unsigned)tm.tm_hour, 2);
    http_text_add(&text, ":");
    http_text_add_number(&text, (unsigned)tm.tm_min, 2);
    http_text_add(&text, ":");
    http_text_add_number(&text, (unsigned)tm.tm_sec, 2);
    http_text_add(&text, " GMT");
    http_text_add_char(&text, '\0');
}

/* ---- Reading. Each takes its part off the text; false: it is missing. */

static bool take_char(struct http_field *text, char c)
{
    if (!text->bytes || text->at[0] != c)
        return false;
    text->at++;
    text->bytes--;
    return true;
}

static bool take_number(struct http_field *text, unsigned digits, int most,
                        int *number)
{
    *number = 0;
    while (digits--) {
        if (!text->bytes || text->at[0] < '0' || text->at[0] > '9')
            return false;
        *number = *number * 10 + (text->at[0] - '0');
        text->at++;
        text->bytes--;
    }
    return *number <= most;
}

static bool take_month(struct http_field *text, int *month)
{
    for (*month = 0; *month < 12; ++*month) {
        if (text->bytes >= 3 && !memcmp(text->at, months[*month], 3)) {
            text->at += 3;
            text->bytes -= 3;
            return true;
        }
    }
    return false;
}

static bool take_time(struct http_field *text, struct tm *tm)
{
    return take_number(text, 2, 23, &tm->tm_hour) && take_char(text, ':') &&
           take_number(text, 2, 59, &tm->tm_min) && take_char(text, ':') &&
           take_number(text, 2, 60, &tm->tm_sec);
}

/* "06 Nov 1994" or "06-Nov-94". Two-digit years from 70 on are in the last
 * century: nothing that is served is older than that, or dated in the 2070s. */
static bool take_day(struct http_field *text, struct tm *tm)
{
    char gap;

    if (!take_number(text, 2, 31, &tm->tm_mday) || !text->bytes)
        return false;
    gap = text->at[0] == '-' ? '-' : ' ';
    if (!take_char(text, gap) || !take_month(text, &tm->tm_mon) ||
        !take_char(text, gap))
        return false;
    if (gap == ' ')
        return take_number(text, 4, 9999, &tm->tm_year);
    if (!take_number(text, 2, 99, &tm->tm_year))
        return false;
    tm->tm_year += tm->tm_year < 70 ? 2000 : 1900;
    return true;
}

/* "Nov  6 08:49:37 1994" */
static bool take_asctime(struct http_field *text, struct tm *tm)
{
    if (!take_month(text, &tm->tm_mon) || !take_char(text, ' '))
        return false;
    return take_number(text, take_char(text, ' ') ? 1 : 2, 31, &tm->tm_mday) &&
           take_char(text, ' ') && take_time(text, tm) &&
           take_char(text, ' ') && take_number(text, 4, 9999, &tm->tm_year);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar: years start in
 * March, so that a leap day is a year's last day. */
static int64_t count_days(int year, int month, int day)
{
    int y = month < 2 ? year - 1 : year, m = (month + 10) % 12;

    return INT64_C(365) * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 +
           day - 1 - 719468;
}

int64_t http_date_read(struct http_field text)
{
    struct http_field name, rest = text;
    struct tm tm = {0};
    bool is_good;

    if (text.bytes && memchr(text.at, ',', text.bytes))
        is_good = http_field_next(&rest, ',', &name) && take_char(&rest, ' ') &&
                  take_day(&rest, &tm) && take_char(&rest, ' ') &&
                  take_time(&rest, &tm) && http_field_is(rest, " GMT");
    else
        is_good = http_field_next(&rest, ' ', &name) &&
                  take_asctime(&rest, &tm) && !rest.bytes;
    if (!is_good || tm.tm_mday == 0)
        return HTTP_NO_DATE;
    return count_days(tm.tm_year, tm.tm_mon, tm.tm_mday) * 86400 +
           tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
}
