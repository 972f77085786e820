/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/output.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "support/support.h"

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/panda-output-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int count_files(void)
{
    DIR *d = opendir(folder);
    int count = -2; /* "." and ".." */
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static const char *get_path(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void demand_content(const char *path, const char *text)
{
    struct pnd_map map;
    ck_assert_ok(pnd_map_open(&map, NULL, path));
    ck_assert_uint_eq(map.size, strlen(text));
    ck_assert_mem_eq(map.data, text, map.size);
    pnd_map_close(&map);
}

static void write_file(const char *path, const char *text, bool commit)
{
    struct pnd_output out;
    ck_assert_ok(pnd_output_open(&out, &pnd_allocator_heap, path, 100));
    ck_assert_ok(pnd_output_write(&out, text, strlen(text)));
    if (commit)
        ck_assert_ok(pnd_output_commit(&out));
    pnd_output_close(&out);
}

START_TEST(a_file_appears_when_it_is_whole)
{
    struct pnd_output out;
    make_folder();
    const char *path = get_path("f");
    ck_assert_ok(pnd_output_open(&out, &pnd_allocator_heap, path, 100));
    ck_assert_ok(pnd_output_write(&out, "abc", 3));
    ck_assert_int_eq(pnd_path_get_kind(NULL, path), PND_PATH_MISSING);
    ck_assert_ok(pnd_output_write(&out, "def", 3));
    ck_assert_ok(pnd_output_commit(&out));
    pnd_output_close(&out);
    demand_content(path, "abcdef");
    ck_assert_int_eq(count_files(), 1);
    write_file(path, "new", true);
    demand_content(path, "new");
    ck_assert_int_eq(count_files(), 1);
    unlink(path);
    rmdir(folder);
}
END_TEST

START_TEST(what_is_not_committed_leaves_nothing)
{
    make_folder();
    const char *path = get_path("f");
    write_file(path, "old", true);
    write_file(path, "half of a n", false);
    demand_content(path, "old");
    ck_assert_int_eq(count_files(), 1);
    unlink(path);
    write_file(path, "half", false);
    ck_assert_int_eq(count_files(), 0);
    rmdir(folder);
}
END_TEST

START_TEST(wrong_places)
{
    struct pnd_output out;
    const struct pnd_allocator *heap = &pnd_allocator_heap;
    make_folder();
    ck_assert_fails(pnd_output_open(&out, heap, folder, 1), PANDA_E_IO,
                    "is a directory");
    ck_assert_fails(pnd_output_open(&out, heap, "/no/such/folder/f", 1),
                    PANDA_E_IO, "/no/such/folder/f");
    ck_assert_fails(pnd_output_open(&out, heap, get_path("f"), UINT64_MAX),
                    PANDA_E_IO, "needs 18446744073709551615 bytes");
    ck_assert_int_eq(count_files(), 0);
    rmdir(folder);
    pnd_output_close(&(struct pnd_output){0});
}
END_TEST

/* A full disk shows when it is written to. */
START_TEST(a_failing_write)
{
    struct pnd_output out;
    make_folder();
    ck_assert_ok(
        pnd_output_open(&out, &pnd_allocator_heap, get_path("f"), 1));
    close(out.file);
    out.file = open("/dev/full", O_WRONLY);
    if (out.file >= 0)
        ck_assert_fails(pnd_output_write(&out, "abc", 3), PANDA_E_IO,
                        "cannot be written");
    pnd_output_close(&out);
    ck_assert_int_eq(count_files(), 0);
    rmdir(folder);
}
END_TEST

START_TEST(lack_of_memory)
{
    struct pnd_output out;
    panda_status status = PANDA_E_MEMORY;
    make_folder();
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        struct test_alloc t;
        test_alloc_init(&t);
        t.fail_at = n;
        status = pnd_output_open(&out, &t.alloc, get_path("f"), 1);
        pnd_output_close(&out);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_eq(status, PANDA_OK);
    ck_assert_int_eq(count_files(), 0);
    rmdir(folder);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("output");
    TCase *t = tcase_create("output");
    tcase_add_test(t, a_file_appears_when_it_is_whole);
    tcase_add_test(t, what_is_not_committed_leaves_nothing);
    tcase_add_test(t, wrong_places);
    tcase_add_test(t, a_failing_write);
    tcase_add_test(t, lack_of_memory);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
