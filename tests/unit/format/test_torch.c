/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"

static const float six[] = {0, 1, 2, 3, 4, 5};

/* A file whose pickle is one tensor "x" over the storage of six floats. */
static struct pnd_buffer build_one(const struct pickle_tensor *t)
{
    struct pnd_buffer p = build_buffer();
    pickle_begin(&p);
    pickle_item(&p, "x", t);
    put_text(&p, ".");
    struct pnd_buffer file = build_torch(&p, six, sizeof six);
    pnd_buffer_free(&p);
    return file;
}

/* A file of this pickle over the same storage; frees the pickle. */
static struct pnd_buffer build_from(struct pnd_buffer *p)
{
    struct pnd_buffer file = build_torch(p, six, sizeof six);
    pnd_buffer_free(p);
    return file;
}

static void check_values(const struct pnd_tensor *t, size_t count,
                         const float *values)
{
    ck_assert_uint_eq((size_t)pnd_tensor_get_count(t), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_float_eq(pnd_tensor_get_f32(t, i), values[i]);
}

START_TEST(views_stay_in_the_file)
{
    struct pnd_weights *w;
    struct pnd_buffer file = build_one(
        &(struct pickle_tensor){"Float", "0", 6, 2, 2, {2, 2}, {2, 1}});
    ck_assert_ok(open_bytes(&w, &file));
    ck_assert_uint_eq(pnd_weights_get_count(w), 1);
    const struct pnd_tensor *t = pnd_weights_find(w, "x");
    ck_assert_int_eq(t->dtype, PND_F32);
    check_values(t, 4, six + 2);
    ck_assert((const uint8_t *)t->data > file.data &&
              (const uint8_t *)t->data < file.data + file.size);
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 0);
    ck_assert_uint_eq(pnd_weights_get_mapped_bytes(w), file.size);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(strided_views_are_copied)
{
    struct pnd_weights *w;
    struct pnd_buffer file = build_small_torch();
    ck_assert_ok(open_bytes(&w, &file));
    check_values(pnd_weights_find(w, "w"), 6, six);
    check_values(pnd_weights_find(w, "t"), 6, (float[]){0, 3, 1, 4, 2, 5});
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 24);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
    file = build_one(
        &(struct pickle_tensor){"Float", "0", 6, 1, 3, {2, 1, 2}, {3, 77, 1}});
    ck_assert_ok(open_bytes(&w, &file));
    check_values(pnd_weights_find(w, "x"), 4, (float[]){1, 2, 4, 5});
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

/* Sizes of 1 may have any stride, and scalars and empty tensors are tensors. */
START_TEST(odd_shapes)
{
    static const struct pickle_tensor tensors[] = {
        {"Float", "0", 6, 0, 3, {1, 6, 1}, {1000, 1, -5}},
        {"Float", "0", 6, 5, 0, {0}, {0}},
        {"Float", "0", 6, 6, 2, {0, 4}, {4, 1}},
        {"Byte", "0", 24, 23, 1, {1}, {1}},
        {"Double", "0", 3, 0, 1, {3}, {1}},
    };
    static const size_t counts[] = {6, 1, 0, 1, 3};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        struct pnd_weights *w;
        struct pnd_buffer file = build_one(&tensors[i]);
        ck_assert_ok(open_bytes(&w, &file));
        const struct pnd_tensor *t = pnd_weights_find(w, "x");
        ck_assert_uint_eq((size_t)pnd_tensor_get_count(t), counts[i]);
        ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 0);
        pnd_weights_close(w);
        pnd_buffer_free(&file);
    }
}
END_TEST

static const struct {
    struct pickle_tensor tensor;
    const char *message;
} wrong[] = {
    {{"Float", "0", 6, 0, 2, {2, 4}, {3, 1}}, "reaches outside its storage"},
    {{"Float", "0", 6, 0, 2, {3, 3}, {1, 1}}, "has more elements than its"},
    {{"Float", "0", 6, 1, 2, {2, 3}, {3, 1}}, "reaches outside its storage"},
    {{"Float", "0", 6, 0, 2, {2, 3}, {4, 1}}, "reaches outside its storage"},
    {{"Float", "0", 6, 7, 1, {1}, {1}}, "begins outside its storage"},
    {{"Float", "0", 6, 6, 1, {1}, {1}}, "reaches outside its storage"},
    {{"Float", "0", 6, 6, 0, {0}, {0}}, "reaches outside its storage"},
    {{"Float", "0", 6, -1, 1, {1}, {1}}, "begins outside its storage"},
    {{"Float", "0", 6, 0, 1, {-1}, {1}}, "has a negative size"},
    {{"Float", "0", 6, 5, 1, {2}, {-1}}, "has a negative stride"},
    {{"Float", "0", 6, 0, 2, {1 << 30, 1}, {0, 1}}, "more elements than"},
    {{"Float", "0", 6, 0, 3, {0, 1 << 30, 1 << 30}, {0, 1, 1}}, NULL},
    {{"Float", "0", 6, 0, 4, {0, 1 << 30, 1 << 30, 1 << 30}, {0}},
     "has too many elements"},
    {{"Float", "0", 6, 0, 3, {2, 2, 2}, {1 << 30, 1 << 30, 1 << 30}},
     "reaches outside its storage"},
    {{"Float", "0", 7, 0, 1, {1}, {1}},
     "is in storage 0 of 7 f32 values, but its entry has only 24 bytes"},
    {{"Double", "0", 6, 0, 1, {1}, {1}}, "its entry has only 24 bytes"},
    {{"Float", "1", 6, 0, 1, {1}, {1}}, "storage 1, which is missing"},
    {{"Float", "", 6, 0, 1, {1}, {1}}, "which is missing"},
    {{"Float", "../version", 0, 0, 1, {0}, {1}}, "which is missing"},
    {{"Float", "0", 6, 0, 9, {1}, {1}}, "has more than 8 dimensions"},
    {{"Complex", "0", 6, 0, 1, {1}, {1}}, "asks for torch.ComplexStorage"},
};

START_TEST(wrong_tensors_are_refused)
{
    struct pnd_weights *w;
    struct pnd_buffer file = build_one(&wrong[_i].tensor);
    if (wrong[_i].message)
        ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                        wrong[_i].message);
    else
        ck_assert_ok(open_bytes(&w, &file));
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(shapes_are_checked)
{
    struct pickle_tensor t = {"Float", "0", 6, 0, 1, {1}, {1}};
    struct pnd_weights *w;
    struct pnd_buffer p = build_buffer();
    pickle_begin(&p);
    pickle_item(&p, "x", &t);
    put_text(&p, ".");
    /* The stride's tuple is the last one in front of requires_grad. */
    uint8_t *stride = NULL;
    for (size_t i = 0; i + 8 < p.size; i++) {
        if (memcmp(p.data + i, "(J\1\0\0\0t\x89", 8) == 0)
            stride = p.data + i;
    }
    ck_assert_ptr_nonnull(stride);
    stride[1] = 'G'; /* swallows what follows: no longer well-formed */
    struct pnd_buffer file = build_torch(&p, six, sizeof six);
    ck_assert_int_eq(open_bytes(&w, &file), PANDA_E_FORMAT);
    pnd_buffer_free(&file);
    memcpy(stride, "(NNNN0t\x89", 8);
    file = build_torch(&p, six, sizeof six);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "tensor x has not as many strides as sizes");
    pnd_buffer_free(&file);
    memcpy(stride, "(NNN00t\x89", 8);
    file = build_from(&p);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "tensor x has a size or stride that is no integer");
    pnd_buffer_free(&file);

    t.rank = 8;
    for (int i = 0; i < 8; i++)
        t.shape[i] = t.strides[i] = 1;
    p = build_buffer();
    pickle_begin(&p);
    pickle_item(&p, "x", &t);
    put_text(&p, ".");
    file = build_from(&p);
    ck_assert_ok(open_bytes(&w, &file));
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

static const struct pickle_tensor whole = {"Float", "0", 6, 0, 1, {6}, {1}};

START_TEST(nested_and_mixed_dictionaries)
{
    static const char *const keys[] = {"state_dict", "model"};
    for (size_t k = 0; k < 2; k++) {
        struct pnd_weights *w;
        struct pnd_buffer p = build_buffer();
        pickle_begin(&p);
        pickle_string(&p, "epoch");
        put_text(&p, "K\x03s");
        put_text(&p, "K\x01K\x02s"); /* a key that is no string */
        pickle_string(&p, keys[k]);
        put_text(&p, "}");
        pickle_item(&p, "a", &whole);
        pickle_string(&p, "rate");
        put_text(&p, "G12345678s");
        pickle_item(&p, "b", &whole);
        put_text(&p, "s.");
        struct pnd_buffer file = build_from(&p);
        ck_assert_ok(open_bytes(&w, &file));
        ck_assert_uint_eq(pnd_weights_get_count(w), 2);
        ck_assert_str_eq(pnd_weights_at(w, 0)->name, "a");
        ck_assert_str_eq(pnd_weights_at(w, 1)->name, "b");
        pnd_weights_close(w);
        pnd_buffer_free(&file);
    }
}
END_TEST

static struct pnd_buffer build_pickle(const char *text)
{
    struct pnd_buffer p = build_buffer();
    put_text(&p, text);
    return build_from(&p);
}

START_TEST(files_without_tensors_are_refused)
{
    struct pnd_weights *w;
    struct pnd_buffer file = build_pickle("}.");
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "holds a dictionary without tensors");
    pnd_buffer_free(&file);
    file = build_pickle("].");
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "holds a list without tensors");
    pnd_buffer_free(&file);
    file = build_pickle("}q\1U\5modelh\1s."); /* in itself */
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "holds a dictionary without tensors");
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(names_are_checked)
{
    struct pnd_weights *w;
    struct pnd_buffer p = build_buffer();
    pickle_begin(&p);
    pickle_item(&p, "a", &whole);
    pickle_item(&p, "b", &whole);
    pickle_item(&p, "a", &whole);
    put_text(&p, ".");
    struct pnd_buffer file = build_from(&p);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "tensor a is there twice");
    pnd_buffer_free(&file);

    static const char *const names[] = {"", "a\nb", "\x1b[0m", "\xff"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        p = build_buffer();
        pickle_begin(&p);
        pickle_item(&p, names[i], &whole);
        put_text(&p, ".");
        file = build_from(&p);
        ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT, "name");
        pnd_buffer_free(&file);
    }

    p = build_buffer();
    put_text(&p, "}K\1");
    pickle_tensor(&p, &whole);
    put_text(&p, "s.");
    file = build_from(&p);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "a tensor's name is an integer, expected a string");
    pnd_buffer_free(&file);
}
END_TEST

/* A thousand copying views of one storage. */
START_TEST(copies_are_bounded_by_the_files)
{
    struct pnd_weights *w;
    struct pnd_buffer p = build_buffer();
    static float values[4096];
    pickle_begin(&p);
    pickle_string(&p, "a");
    pickle_tensor(&p, &(struct pickle_tensor){
                          "Float", "0", 4096, 0, 2, {64, 64}, {1, 64}});
    put_text(&p, "q\001s");
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "b%d", i);
        pickle_string(&p, name);
        put_text(&p, "h\001s");
    }
    put_text(&p, ".");
    struct pnd_buffer file = build_torch(&p, values, sizeof values);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "the copies would take more memory than the files");
    pnd_buffer_free(&p);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(archives_of_other_things)
{
    struct pnd_weights *w;
    struct zip_builder z = zip_begin();
    zip_add(&z, "word/document.xml", "x", 1);
    struct pnd_buffer file = zip_end(&z);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "is a zip archive without data.pkl");
    pnd_buffer_free(&file);

    z = zip_begin();
    zip_add(&z, "a/data.pkl", "}.", 2);
    zip_add(&z, "b/data.pkl", "}.", 2);
    file = zip_end(&z);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "more than one data.pkl");
    pnd_buffer_free(&file);

    char root[600] = {0};
    struct pnd_buffer p = build_buffer();
    pickle_begin(&p);
    pickle_item(&p, "x", &whole);
    put_text(&p, ".");
    memset(root, 'r', 550);
    strcpy(root + 550, "/data.pkl");
    z = zip_begin();
    zip_add(&z, root, p.data, p.size);
    file = zip_end(&z);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "tensor x lies in a folder with too long a name");
    pnd_buffer_free(&p);
    pnd_buffer_free(&file);

    z = zip_begin();
    zip_add(&z, "a/data.pkl", "}.", 2);
    zip_add(&z, "a/byteorder", "big", 3);
    file = zip_end(&z);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_UNSUPPORTED,
                    "the byte order is \"big\", expected \"little\"");
    pnd_buffer_free(&file);
}
END_TEST

/* Files that Python's own pickler wrote, one for each way of writing. */
static const char *const seeds[] = {
    "torch_plain.pt",     "torch_module.pth", "torch_protocol4.pt",
    "torch_protocol5.pt", "torch_zip64.pt",   "torch_no_descriptors.pt",
    "torch_nested.pt",
};

START_TEST(seeds_of_the_fuzzer_are_read)
{
    struct pnd_context context = {.alloc = pnd_allocator_heap};
    struct pnd_weights *w;
    const struct pnd_tensor *t;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", TEST_CORPUS, seeds[_i]);
    ck_assert_ok(pnd_weights_open(&w, &context, path));
    ck_assert_uint_eq(pnd_weights_get_count(w), 4);
    ck_assert_ok(pnd_weights_require(&t, w, 2, (int64_t[]){3, 4}, "weight"));
    for (size_t i = 0; i < 12; i++)
        ck_assert_float_eq(pnd_tensor_get_f32(t, i), (float)i);
    ck_assert_ok(
        pnd_weights_require(&t, w, 2, (int64_t[]){4, 3}, "transposed"));
    for (size_t i = 0; i < 12; i++)
        ck_assert_float_eq(pnd_tensor_get_f32(t, i),
                           (float)(i % 3 * 4 + i / 3));
    ck_assert_ok(pnd_weights_require(&t, w, 1, (int64_t[]){4}, "bias"));
    ck_assert_float_eq(pnd_tensor_get_f32(t, 3), 11);
    ck_assert_ok(pnd_weights_require(&t, w, 0, NULL, "scale"));
    ck_assert_float_eq(pnd_tensor_get_f32(t, 0), 3);
    pnd_weights_close(w);
}
END_TEST

START_TEST(damaged_files_give_a_message)
{
    struct pnd_buffer file = build_small_torch();
    damage_everywhere(&file);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    struct pnd_buffer file = build_small_torch();
    sweep_allocations(&file);
    pnd_buffer_free(&file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torch");
    TCase *tc = tcase_create("torch");
    tcase_add_test(tc, views_stay_in_the_file);
    tcase_add_test(tc, strided_views_are_copied);
    tcase_add_test(tc, odd_shapes);
    tcase_add_loop_test(tc, wrong_tensors_are_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, shapes_are_checked);
    tcase_add_test(tc, nested_and_mixed_dictionaries);
    tcase_add_test(tc, files_without_tensors_are_refused);
    tcase_add_test(tc, names_are_checked);
    tcase_add_test(tc, copies_are_bounded_by_the_files);
    tcase_add_test(tc, archives_of_other_things);
    tcase_add_loop_test(tc, seeds_of_the_fuzzer_are_read, 0,
                        sizeof seeds / sizeof *seeds);
    tcase_add_test(tc, damaged_files_give_a_message);
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
