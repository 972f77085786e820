/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/quota.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 512 /* path of a group; groups deeper down have no say */

/* Version 2 has "QUOTA PERIOD" in one file, where QUOTA may be "max"; version 1
 * a file for each, and -1 for none. Microseconds both. */
static bool read_numbers(const char *path, long long *to, int count)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    int found = 0;
    while (found < count && fscanf(file, "%lld", &to[found]) == 1)
        found++;
    fclose(file);
    return found == count;
}

static bool read_v2(const char *folder, long long numbers[2])
{
    char path[2 * LONGEST];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    return read_numbers(path, numbers, 2);
}

static bool read_v1(const char *folder, long long numbers[2])
{
    char path[2 * LONGEST];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_numbers(path, &numbers[0], 1))
        return false;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    return read_numbers(path, &numbers[1], 1);
}

static uint32_t choose_less(uint32_t least, const long long numbers[2])
{
    if (numbers[0] <= 0 || numbers[1] <= 0)
        return least;
    const long long processors =
        numbers[0] / numbers[1] + (numbers[0] % numbers[1] != 0);
    if (processors > UINT32_MAX || (least > 0 && processors >= least))
        return least;
    return (uint32_t)processors;
}

/* The least of `least`, the group's quota and those around it. */
static uint32_t walk_up(uint32_t least, const char *mount, const char *group,
                        bool (*read)(const char *, long long[2]))
{
    char folder[2 * LONGEST - 32];
    const size_t root = strlen(mount);
    const int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length < 0 || (size_t)length >= sizeof folder)
        return least;
    for (;;) {
        long long numbers[2];
        if (read(folder, numbers))
            least = choose_less(least, numbers);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root)
            return least;
        *slash = '\0';
    }
}

/* Whether the list "a,b,c" has "cpu". */
static bool has_cpu(const char *controllers)
{
    for (;;) {
        const size_t length = strcspn(controllers, ",");
        if (length == 3 && memcmp(controllers, "cpu", 3) == 0)
            return true;
        if (controllers[length] == '\0')
            return false;
        controllers += length + 1;
    }
}

/* A line "ID:CONTROLLERS:PATH"; version 2 has no controllers. */
static uint32_t read_group(uint32_t least, char *line, const char *mount)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return least;
    *controllers++ = *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (*controllers == '\0')
        return walk_up(least, mount, path, read_v2);
    if (!has_cpu(controllers))
        return least;
    /* mounted under the names of its controllers, or with a link to them */
    char own[LONGEST];
    snprintf(own, sizeof own, "%s/cpu", mount);
    least = walk_up(least, own, path, read_v1);
    snprintf(own, sizeof own, "%s/%s", mount, controllers);
    return walk_up(least, own, path, read_v1);
}

uint32_t pnd_quota_find(const char *groups, const char *mount)
{
    char line[LONGEST];
    uint32_t least = 0;
    FILE *file = fopen(groups, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        least = read_group(least, line, mount);
    fclose(file);
    return least;
}
