/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_BASE_QUOTA_H
#define PND_BASE_QUOTA_H

#include <stdint.h>

/** Whole processors, rounded up, that the quotas of Linux's control groups
 *  allow a process: the smallest of its group and those around it, in either
 *  version of the interface. 0 where there is none.
 *  @param groups the list of its groups: /proc/self/cgroup
 *  @param mount where they are mounted: /sys/fs/cgroup */
uint32_t pnd_quota_find(const char *groups, const char *mount);

#endif
