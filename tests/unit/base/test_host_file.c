/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/host_file.h"

#include <string.h>

#include "base/map.h"
#include "support/support.h"

#define STEP 65536

static const struct pnd_host_file named[] = {
    {.name = "vicuna/config.json"},
    {.name = "memory://a.gguf"},
    {.name = "plain"},
    {.name = "/models/x"},
};

static int find(const char *path)
{
    const struct pnd_host_file *found = pnd_host_file_find(named, 4, path);
    return found ? (int)(found - named) : -1;
}

START_TEST(names_stand_for_paths)
{
    ck_assert_int_eq(find("vicuna/config.json"), 0);
    ck_assert_int_eq(find("./vicuna//./config.json"), 0);
    ck_assert_int_eq(find("vicuna/config.jso"), -1);
    ck_assert_int_eq(find("vicuna"), -1);
    ck_assert_int_eq(find("/vicuna/config.json"), -1);
    ck_assert_int_eq(find("memory:/a.gguf"), 1);
    ck_assert_int_eq(find("plain"), 2);
    ck_assert_int_eq(find("./plain"), 2);
    ck_assert_int_eq(find("../plain"), -1);
    ck_assert_int_eq(find("/models/./x"), 3);
    ck_assert_int_eq(find(""), -1);
    ck_assert(pnd_host_file_has_folder(named, 4, "vicuna"));
    ck_assert(pnd_host_file_has_folder(named, 4, "vicuna/."));
    ck_assert(pnd_host_file_has_folder(named, 4, "."));
    ck_assert(pnd_host_file_has_folder(named, 4, "/"));
    ck_assert(!pnd_host_file_has_folder(named, 4, "vic"));
    ck_assert(!pnd_host_file_has_folder(named, 4, "plain"));
    ck_assert(!pnd_host_file_has_folder(named, 4, "/vicuna"));
}
END_TEST

/* A file of 5 steps and a bit whose bytes follow from their places. */
struct reader {
    unsigned calls, fail_at;
    uint64_t bytes;
};

static uint8_t get_byte(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 251);
}

static int32_t read_bytes(uint64_t offset, void *buffer, size_t size,
                          void *user)
{
    struct reader *r = user;
    ck_assert_uint_le(offset + size, 5 * STEP + 10);
    if (++r->calls == r->fail_at)
        return 77;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = get_byte(offset + i);
    r->bytes += size;
    return 0;
}

START_TEST(only_what_is_needed_is_read)
{
    struct reader r = {.fail_at = 3};
    struct test_alloc t;
    test_alloc_init(&t);
    const struct pnd_host_file file = {
        .name = "f", .size = 5 * STEP + 10, .read = read_bytes, .user = &r};
    const struct pnd_context ctx = {
        .alloc = t.alloc, .host_files = &file, .host_file_count = 1};
    struct pnd_map map;
    ck_assert_int_eq(pnd_path_get_kind(&ctx, "f"), PND_PATH_FILE);
    ck_assert_ok(pnd_map_open(&map, &ctx, "./f"));
    ck_assert_uint_eq(map.size, 5 * STEP + 10);
    ck_assert_ok(pnd_map_need(&map, 3, 0));
    ck_assert_uint_eq(r.calls, 0);
    ck_assert_ok(pnd_map_need(&map, STEP + 5, 3));
    ck_assert_ok(pnd_map_need(&map, STEP, STEP));
    ck_assert_uint_eq(r.calls, 1);
    ck_assert_uint_eq(map.data[STEP + 6], get_byte(STEP + 6));
    /* Around what is there, and up to the end. */
    ck_assert_fails(pnd_map_need_all(&map), PANDA_E_CALLBACK,
                    "f: the source's callback returned 77 for 196618 bytes at "
                    "offset 131072");
    ck_assert_ok(pnd_map_need_all(&map));
    ck_assert_uint_eq(r.calls, 4);
    ck_assert_uint_eq(r.bytes, map.size);
    ck_assert_uint_eq(pnd_fill_get_bytes(map.fill), map.size);
    size_t right = 0;
    while (right < map.size && map.data[right] == get_byte(right))
        right++;
    ck_assert_uint_eq(right, map.size);
    pnd_map_close(&map);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

START_TEST(memory_is_used_where_it_is)
{
    const struct pnd_host_file file = {
        .name = "m", .size = 5, .data = (const uint8_t *)"panda"};
    const struct pnd_host_file empty = {.name = "m", .read = read_bytes};
    struct pnd_context ctx = {.alloc = pnd_allocator_heap,
                              .host_files = &file, .host_file_count = 1};
    struct pnd_map map;
    ck_assert_ok(pnd_map_open(&map, &ctx, "m"));
    ck_assert_ok(pnd_map_need_all(&map));
    ck_assert(map.data == file.data);
    pnd_map_close(&map);
    ctx.host_files = &empty;
    ck_assert_fails(pnd_map_open(&map, &ctx, "m"), PANDA_E_FORMAT,
                    "m: the source is empty");
    ck_assert_fails(pnd_map_open(&map, &ctx, "/no/file"), PANDA_E_IO,
                    "/no/file");
}
END_TEST

START_TEST(absurd_sizes_and_lack_of_memory)
{
    struct reader r = {0};
    struct test_alloc t;
    struct pnd_fill *fill;
    const uint8_t *data;
    test_alloc_init(&t);
    struct pnd_host_file file = {
        .name = "f", .size = UINT64_MAX, .read = read_bytes, .user = &r};
    ck_assert_fails(pnd_fill_open(&fill, &data, &t.alloc, &file),
                    PANDA_E_MEMORY, "18446744073709551615");
    file.size = 10;
    t.fail_at = atomic_load(&t.count) + 1;
    ck_assert_int_eq(pnd_fill_open(&fill, &data, &t.alloc, &file),
                     PANDA_E_MEMORY);
    ck_assert_ptr_null(fill);
    ck_assert_int_eq(atomic_load(&t.live), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_file");
    TCase *tc = tcase_create("host_file");
    tcase_add_test(tc, names_stand_for_paths);
    tcase_add_test(tc, only_what_is_needed_is_read);
    tcase_add_test(tc, memory_is_used_where_it_is);
    tcase_add_test(tc, absurd_sizes_and_lack_of_memory);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
