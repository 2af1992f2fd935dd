/* SPDX-License-Identifier: MIT */
/* Included by lwip_check.h, which needs nothing of it. */
