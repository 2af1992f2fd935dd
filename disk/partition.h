/* SPDX-License-Identifier: MIT */
/*
 * Partitions: the tables that sfdisk, parted and similar tools write, MBR with
 * its extended partitions, and GPT (UEFI 2.10, chapter 5).
 *
 * An inconsistent table is rejected as a whole: partitions that overlap or end
 * past the disk, a chain of extended partitions that is circular.
 * If a GPT is damaged, its copy at the disk's end is used.
 */
#ifndef DISK_PARTITION_H
#define DISK_PARTITION_H

#include "disk/volume.h"

/* More than any disk has: GPTs are made for 128. */
#define PARTITION_MAX 128

/* In a fiber: make `part` the disk's partition `number`, counted from 1
 * (logical ones from 5, as usual). The caller sets part->name. Reads the table
 * anew.
 *   -XEN_ENOENT  there is no such partition
 *   -XEN_EINVAL  there is no table, or it makes no sense
 *   -XEN_ENOMEM, -XEN_EIO
 * Errors are logged. */
must_check int partition_open(struct volume *part, struct volume *disk,
                              unsigned number);

#endif
