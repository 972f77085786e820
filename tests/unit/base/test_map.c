/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

START_TEST(content_is_mapped)
{
    struct pnd_map map;
    const char *path = test_write_temp(".bin", "panda\0gpt", 9);
    ck_assert_ok(pnd_map_open(&map, NULL, path));
    ck_assert_uint_eq(map.size, 9);
    ck_assert(memcmp(map.data, "panda\0gpt", 9) == 0);
    ck_assert_int_eq(pnd_path_get_kind(NULL, path), PND_PATH_FILE);
    pnd_map_close(&map);
    ck_assert(!map.data && map.size == 0);
    pnd_map_close(&map); /* once more is harmless */
}
END_TEST

static void check_refused(const char *path, panda_status status,
                          const char *part)
{
    struct pnd_map map = {.data = (const uint8_t *)path, .size = 1};
    ck_assert_fails(pnd_map_open(&map, NULL, path), status, part);
    ck_assert_msg(strstr(pnd_error_get(), path) != NULL,
                  "\"%s\" does not name the path", pnd_error_get());
    ck_assert(!map.data && map.size == 0);
}

START_TEST(missing_file)
{
    check_refused("/nonexistent/file.pth", PANDA_E_IO, "No such file");
    ck_assert_int_eq(pnd_path_get_kind(NULL, "/nonexistent/file.pth"),
                     PND_PATH_MISSING);
}
END_TEST

START_TEST(directory)
{
    check_refused("/", PANDA_E_IO, "directory");
    ck_assert_int_eq(pnd_path_get_kind(NULL, "/"), PND_PATH_DIRECTORY);
}
END_TEST

START_TEST(empty_file)
{
    check_refused(test_write_temp(".bin", "", 0), PANDA_E_FORMAT, "empty");
}
END_TEST

/* A pipe without a writer must not make the call wait for one. */
START_TEST(fifo)
{
    char folder[] = "/tmp/pandagpt-test-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int kind = (int)pnd_path_get_kind(NULL, path);
    alarm(20);
    check_refused(path, PANDA_E_IO, "regular");
    alarm(0);
    unlink(path);
    rmdir(folder);
    ck_assert_int_eq(kind, PND_PATH_OTHER);
}
END_TEST

START_TEST(device)
{
    check_refused("/dev/null", PANDA_E_IO, "regular");
}
END_TEST

static void check_path(char *got, const char *expected)
{
    ck_assert_str_eq(got, expected);
    pnd_free(&pnd_allocator_heap, got);
}

START_TEST(joined_paths)
{
    const struct pnd_allocator *a = &pnd_allocator_heap;
    check_path(pnd_path_join(a, "folder", "name"), "folder/name");
    check_path(pnd_path_join(a, "folder/", "name"), "folder/name");
    check_path(pnd_path_join(a, "/", "name"), "/name");
    check_path(pnd_path_join(a, "", "name"), "name");
    check_path(pnd_path_sibling(a, "/a/b.bin", "c.json"), "/a/c.json");
    check_path(pnd_path_sibling(a, "b.bin", "c.json"), "c.json");
    check_path(pnd_path_sibling(a, "/b.bin", "c.json"), "/c.json");
    struct test_alloc t;
    test_alloc_init(&t);
    t.fail_at = 1;
    ck_assert_ptr_null(pnd_path_join(&t.alloc, "a", "b"));
    ck_assert_ptr_null(pnd_path_sibling(&t.alloc, "a", "b"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("map");
    TCase *tc = tcase_create("map");
    tcase_add_test(tc, content_is_mapped);
    tcase_add_test(tc, missing_file);
    tcase_add_test(tc, directory);
    tcase_add_test(tc, empty_file);
    tcase_add_test(tc, fifo);
    tcase_add_test(tc, device);
    tcase_add_test(tc, joined_paths);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
