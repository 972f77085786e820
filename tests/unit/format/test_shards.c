/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "builder.h"

static struct test_folder folder;

/* One tensor of eight bytes. */
static void add_shard(const char *file, const char *tensor)
{
    char header[256];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[8],"
             "\"data_offsets\":[0,8]}}",
             tensor);
    struct pnd_buffer b = build_safetensors(header, "12345678", 8);
    folder_add(&folder, file, b.data, b.size);
    pnd_buffer_free(&b);
}

static void setup(void)
{
    folder = folder_make();
    add_shard("one.safetensors", "a");
    struct pnd_buffer torch = build_small_torch();
    folder_add(&folder, "two.bin", torch.data, torch.size);
    pnd_buffer_free(&torch);
}

static void teardown(void)
{
    folder_remove(&folder);
}

static panda_status open_index(struct pnd_weights **w, const char *map)
{
    static struct pnd_context context;
    char text[512];
    context.alloc = pnd_allocator_heap;
    snprintf(text, sizeof text,
             "{\"metadata\":{\"total_size\":1},\"weight_map\":%s}", map);
    return pnd_weights_open(w, &context,
                            folder_add_text(&folder, "x.index.json", text));
}

#define GOOD "{\"a\":\"one.safetensors\",\"t\":\"two.bin\",\"w\":\"two.bin\"}"

START_TEST(shards_become_one_set)
{
    struct pnd_weights *w;
    ck_assert_ok(open_index(&w, GOOD));
    ck_assert_uint_eq(pnd_weights_get_count(w), 3);
    ck_assert_ptr_nonnull(pnd_weights_find(w, "a"));
    ck_assert_ptr_nonnull(pnd_weights_find(w, "t"));
    ck_assert_ptr_nonnull(strstr(pnd_weights_get_path(w), "x.index.json"));
    const struct pnd_tensor *t;
    ck_assert_fails(pnd_weights_require(&t, w, 1, (int64_t[]){8}, "a"),
                    PANDA_E_FORMAT, "one.safetensors: tensor a has element");
    pnd_weights_close(w);
}
END_TEST

/* Asks a shard on its own for a tensor of another one. */
static void check_missing(const char *file, const char *part)
{
    static struct pnd_context context;
    struct pnd_weights *w;
    const struct pnd_tensor *t;
    char path[1024];
    context.alloc = pnd_allocator_heap;
    add_shard(file, "a");
    snprintf(path, sizeof path, "%s/%s", folder.path, file);
    ck_assert_ok(pnd_weights_open(&w, &context, path));
    ck_assert_fails(pnd_weights_require(&t, w, 1, (int64_t[]){8}, "b"),
                    PANDA_E_FORMAT, part);
    pnd_weights_close(w);
}

START_TEST(a_shard_alone_names_its_index)
{
    check_missing("x-00001-of-00002.bin", "expected x.bin.index.json or");
    check_missing("my-model-00002-of-00010.safetensors",
                  "expected my-model.safetensors.index.json or");
    check_missing("x-00001-of-00001.bin", "expected one of shape");
    check_missing("one-of-2.bin", "expected one of shape");
    check_missing("-1-of-2.bin", "expected one of shape");
    check_missing("1-of-2.bin", "expected one of shape");
    check_missing("x-1-of-2", "expected one of shape");
    check_missing("-of-2.bin", "expected one of shape");
    check_missing("x--of-2.bin", "expected one of shape");
}
END_TEST

static const struct {
    const char *map, *message;
} wrong[] = {
    {"{}", "is JSON without a \"weight_map\""},
    {"[]", "is JSON without a \"weight_map\""},
    {"{\"a\":\"../one.safetensors\"}",
     "the shard of tensor a is not the plain name of a file, at byte "},
    {"{\"a\":\"/etc/passwd\"}", "is not the plain name"},
    {"{\"a\":\"..\"}", "is not the plain name"},
    {"{\"a\":\".\"}", "is not the plain name"},
    {"{\"a\":\"\"}", "is not the plain name"},
    {"{\"a\":\"x\\\\y\"}", "is not the plain name"},
    {"{\"a\":\"one.safetensors\\u0000\"}", "is not the plain name"},
    {"{\"a\":7}", "is not the plain name"},
    {"{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}",
     "tensor b is not in one.safetensors"},
    {"{\"a\":\"two.bin\",\"t\":\"one.safetensors\",\"w\":\"two.bin\"}",
     "tensor a is not in two.bin"},
    {"{\"a\":\"one.safetensors\",\"t\":\"two.bin\"}",
     "lists 2 tensors, but its shards hold 3"},
};

START_TEST(wrong_indexes_are_refused)
{
    struct pnd_weights *w;
    ck_assert_fails(open_index(&w, wrong[_i].map), PANDA_E_FORMAT,
                    wrong[_i].message);
    ck_assert_ptr_null(w);
}
END_TEST

START_TEST(missing_and_doubled_shards)
{
    struct pnd_weights *w;
    ck_assert_fails(open_index(&w, "{\"a\":\"three.bin\"}"), PANDA_E_IO,
                    "three.bin: cannot be opened");
    add_shard("also.safetensors", "a");
    ck_assert_fails(open_index(&w, "{\"a\":\"one.safetensors\","
                                   "\"b\":\"also.safetensors\"}"),
                    PANDA_E_FORMAT, "tensor a is there twice");
    ck_assert_fails(open_index(&w, "{\"a\":\"x.index.json\"}"), PANDA_E_FORMAT,
                    "x.index.json: is JSON, expected weights");
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    struct pnd_weights *w;
    ck_assert_ok(open_index(&w, GOOD));
    char path[600];
    snprintf(path, sizeof path, "%s", pnd_weights_get_path(w));
    pnd_weights_close(w);
    panda_status status = PANDA_E_MEMORY;
    long n = 0;
    while (status < 0) {
        struct test_alloc t;
        test_alloc_init(&t);
        t.fail_at = ++n;
        struct pnd_context context = {.alloc = t.alloc};
        status = pnd_weights_open(&w, &context, path);
        if (status < 0)
            ck_assert_int_eq(status, PANDA_E_MEMORY);
        pnd_weights_close(w);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_gt(n, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shards");
    TCase *tc = tcase_create("shards");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, shards_become_one_set);
    tcase_add_test(tc, a_shard_alone_names_its_index);
    tcase_add_loop_test(tc, wrong_indexes_are_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, missing_and_doubled_shards);
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
