/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

/* Control groups in a folder of our own. */

static char mount[] = "/tmp/panda-quota-XXXXXX";

static const char *const folders[] = {"/a", "/a/b", "/a/b/c", "/cpu", "/cpu/a",
                                      "/cpu,cpuacct", "/cpu,cpuacct/a"};
static const char *const files[] = {
    "/cpu.max", "/cpu.cfs_quota_us", "/cpu.cfs_period_us", "/groups"};

static const char *join(const char *folder, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s%s", mount, folder, name);
    return path;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    FILE *file = fopen(join(folder, name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_v1(const char *folder, const char *quota, const char *period)
{
    write_file(folder, "/cpu.cfs_quota_us", quota);
    write_file(folder, "/cpu.cfs_period_us", period);
}

static void make_mount(void)
{
    strcpy(strrchr(mount, '-') + 1, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(mount));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_int_eq(mkdir(join(folders[i], ""), 0700), 0);
}

static void remove_mount(void)
{
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0;) {
        for (size_t j = 0; j < sizeof files / sizeof *files; j++)
            unlink(join(folders[i], files[j]));
        rmdir(join(folders[i], ""));
    }
    for (size_t j = 0; j < sizeof files / sizeof *files; j++)
        unlink(join("", files[j]));
    rmdir(mount);
}

static uint32_t find(const char *groups)
{
    char path[256];
    write_file("", "/groups", groups);
    snprintf(path, sizeof path, "%s/groups", mount);
    return pnd_quota_find(path, mount);
}

START_TEST(the_smallest_quota_on_the_way_up)
{
    const char *groups = "0::/a/b/c\n";
    ck_assert_uint_eq(find(groups), 0);
    write_file("/a", "/cpu.max", "max 100000\n");
    ck_assert_uint_eq(find(groups), 0);
    write_file("/a/b/c", "/cpu.max", "550000 100000\n");
    ck_assert_uint_eq(find(groups), 6);
    write_file("/a", "/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(find(groups), 2);
    write_file("/a/b", "/cpu.max", "10000 100000\n");
    ck_assert_uint_eq(find(groups), 1);
    ck_assert_uint_eq(find("0::/a\n"), 2);
    ck_assert_uint_eq(find("0::/\n"), 0);
    write_file("", "/cpu.max", "700000 100000\n");
    ck_assert_uint_eq(find("0::/\n"), 7);
    ck_assert_uint_eq(find("0::/not/there\n"), 7);
}
END_TEST

START_TEST(the_first_version_of_groups)
{
    const char *alone = "5:devices:/x\n3:cpuset:/a\n1:cpu:/a\n0::/\n";
    write_v1("/cpu", "-1", "100000");
    ck_assert_uint_eq(find(alone), 0);
    write_v1("/cpu/a", "300000", "100000");
    ck_assert_uint_eq(find(alone), 3);
    write_v1("/cpu", "150000", "100000");
    ck_assert_uint_eq(find(alone), 2);
    write_v1("/cpu,cpuacct/a", "50000", "100000");
    ck_assert_uint_eq(find(alone), 2);
    ck_assert_uint_eq(find("4:cpu,cpuacct:/a\n"), 1);
    ck_assert_uint_eq(find("4:cpuacct,cpuset:/a\n"), 0);
}
END_TEST

START_TEST(what_makes_no_sense_is_no_quota)
{
    static const char *const numbers[] = {
        "", "-5 100000", "100000", "100000 0", "100000 -1", "x y", "0 100000"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        write_file("/a", "/cpu.max", numbers[i]);
        ck_assert_uint_eq(find("0::/a\n"), 0);
    }
    write_file("/a", "/cpu.max", "9000000000000000000 1");
    ck_assert_uint_eq(find("0::/a\n"), 0);
    ck_assert_uint_eq(find("0:/a\nnonsense\n\n::\n"), 0);
    char line[2000];
    memset(line, 'a', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    memcpy(line, "0::/", 4);
    ck_assert_uint_eq(find(line), 0);
    ck_assert_uint_eq(pnd_quota_find("/not/there", mount), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota");
    TCase *tc = tcase_create("quota");
    tcase_add_checked_fixture(tc, make_mount, remove_mount);
    tcase_add_test(tc, the_smallest_quota_on_the_way_up);
    tcase_add_test(tc, the_first_version_of_groups);
    tcase_add_test(tc, what_makes_no_sense_is_no_quota);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
