/* SPDX-License-Identifier: MIT */
/* Complaints, on stderr: "NAME: text: what errno means" (4.4BSD, err.h). Those
 * with an x leave errno out; those that begin with err end the program. */
#ifndef _ERR_H
#define _ERR_H

#include <stdarg.h>

#define _ERR_FORMAT(at) __attribute__((format(printf, at, at + 1)))
#define _ERR_LIST(at)   __attribute__((format(printf, at, 0)))

void warn(const char *format, ...) _ERR_FORMAT(1);
void warnx(const char *format, ...) _ERR_FORMAT(1);
void vwarn(const char *format, va_list args) _ERR_LIST(1);
void vwarnx(const char *format, va_list args) _ERR_LIST(1);
_Noreturn void err(int status, const char *format, ...) _ERR_FORMAT(2);
_Noreturn void errx(int status, const char *format, ...) _ERR_FORMAT(2);
_Noreturn void verr(int status, const char *format, va_list args) _ERR_LIST(2);
_Noreturn void verrx(int status, const char *format, va_list args) _ERR_LIST(2);

#endif
