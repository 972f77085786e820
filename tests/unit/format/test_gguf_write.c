/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_write.h"

#include <string.h>

#include "format/bundle.h"
#include "unit/format/builder.h"

/* What is written is what the reader reads. */

static struct pnd_gguf_writer begin(void)
{
    struct pnd_gguf_writer w;
    ck_assert_ok(pnd_gguf_writer_init(&w, &pnd_allocator_heap, "pandagpt"));
    return w;
}

/* The finished file with `data` behind it; the writer is freed. */
static struct pnd_buffer finish(struct pnd_gguf_writer *w, const void *data,
                                size_t size)
{
    struct pnd_buffer file = build_buffer();
    ck_assert_ok(pnd_gguf_writer_finish(w, &file));
    ck_assert_uint_eq(file.size % PND_GGUF_ALIGNMENT, 0);
    put_bytes(&file, data, size);
    pnd_gguf_writer_free(w);
    return file;
}

START_TEST(keys_of_all_types)
{
    static const uint64_t wide[] = {1, UINT64_MAX};
    static const int32_t narrow[] = {-1, 2, 3};
    struct pnd_gguf_writer w = begin(), again = begin();
    struct pnd_gguf *gguf;
    struct pnd_gguf_string text;
    int64_t integer = 0;
    double number = 0;
    ck_assert_ok(pnd_gguf_put_u32(&w, "a", 4000000000u));
    ck_assert_ok(pnd_gguf_put_f32(&w, "b", -0.25f));
    ck_assert_ok(pnd_gguf_put_bool(&w, "c", true));
    ck_assert_ok(pnd_gguf_put_string(&w, "d", "x\0y", 3));
    ck_assert_ok(pnd_gguf_put_list(&w, "e", PND_GGUF_U64, wide, 2));
    ck_assert_ok(pnd_gguf_put_list(&w, "f", PND_GGUF_I32, narrow, 3));
    ck_assert_ok(pnd_gguf_put_list(&w, "g", PND_GGUF_I64, NULL, 0));
    ck_assert_ok(pnd_gguf_put_strings(&w, "h", 2));
    ck_assert_ok(pnd_gguf_put_item(&w, "one", 3));
    ck_assert_ok(pnd_gguf_put_item(&w, "", 0));
    struct pnd_buffer file = finish(&w, NULL, 0);
    const struct pnd_map map = {.data = file.data, .size = file.size};
    ck_assert_ok(pnd_gguf_open(&gguf, &pnd_allocator_heap, &map, "f"));
    ck_assert_uint_eq(pnd_gguf_get_count(gguf), 10);
    ck_assert_ok(pnd_gguf_read_integer(&integer, gguf, "a", 0, UINT32_MAX));
    ck_assert_int_eq(integer, 4000000000);
    ck_assert_ok(pnd_gguf_read_number(&number, gguf, "b"));
    ck_assert_double_eq(number, -0.25);
    ck_assert_ok(pnd_gguf_read_integer(&integer, gguf, "c", 1, 1));
    ck_assert(pnd_gguf_get_string(pnd_gguf_find(gguf, "d"), 0, &text));
    ck_assert_uint_eq(text.length, 3);
    ck_assert_mem_eq(text.bytes, "x\0y", 3);
    ck_assert_uint_eq(pnd_gguf_find(gguf, "e")->count, 2);
    ck_assert(pnd_gguf_get_integer(pnd_gguf_find(gguf, "f"), 0, &integer));
    ck_assert_int_eq(integer, -1);
    ck_assert_uint_eq(pnd_gguf_find(gguf, "g")->count, 0);
    ck_assert(pnd_gguf_get_string(pnd_gguf_find(gguf, "h"), 1, &text));
    ck_assert_uint_eq(text.length, 0);

    /* Copied key by key, the file is the same, byte by byte. */
    for (size_t i = 2; i < pnd_gguf_get_count(gguf); i++)
        ck_assert_ok(pnd_gguf_put_value(&again, pnd_gguf_at(gguf, i)));
    ck_assert(pnd_gguf_writer_has(&again, 10, &pnd_gguf_at(gguf, 9)->key));
    ck_assert(!pnd_gguf_writer_has(&again, 9, &pnd_gguf_at(gguf, 9)->key));
    struct pnd_buffer copy = finish(&again, NULL, 0);
    ck_assert_uint_eq(copy.size, file.size);
    ck_assert_mem_eq(copy.data, file.data, file.size);
    pnd_gguf_close(gguf);
    pnd_buffer_free(&copy);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(tensors)
{
    struct pnd_gguf_writer w = begin();
    struct pnd_weights *weights;
    float data[64] = {1, 2, 3, 4, 5, 6};
    data[16] = 7; /* behind the padding of the first */
    ck_assert_ok(
        pnd_gguf_put_tensor(&w, "m", PND_F32, 2, (int64_t[]){3, 2}));
    ck_assert_ok(pnd_gguf_put_tensor(&w, "v", PND_I8, 1, (int64_t[]){4}));
    ck_assert_uint_eq(w.data_size, 128);
    struct pnd_buffer file = finish(&w, data, 128);
    ck_assert_ok(open_bytes(&weights, &file));
    const struct pnd_tensor *m = pnd_weights_find(weights, "m");
    ck_assert(pnd_tensor_has_shape(m, 2, (int64_t[]){3, 2}));
    ck_assert_mem_eq(m->data, data, 24);
    ck_assert_int_eq(pnd_weights_find(weights, "v")->dtype, PND_I8);
    ck_assert_mem_eq(pnd_weights_find(weights, "v")->data, &data[16], 4);
    pnd_weights_close(weights);
    pnd_buffer_free(&file);
}
END_TEST

/* A tensor folded to `folded`, said to be of `shape`. */
static panda_status open_shape(struct pnd_weights **out, uint32_t folded,
                               const int64_t *shape, size_t rank)
{
    struct pnd_gguf_writer w = begin();
    const float data[16] = {5};
    ck_assert_ok(pnd_gguf_put_list(&w, PND_BUNDLE_SHAPE_PREFIX "t",
                                   PND_GGUF_I64, shape, rank));
    ck_assert_ok(
        pnd_gguf_put_tensor(&w, "t", PND_F32, 1, (int64_t[]){folded}));
    struct pnd_buffer file = finish(&w, data, sizeof data);
    static uint8_t kept[4096]; /* the weights borrow it */
    memcpy(kept, file.data, file.size);
    size_t size = file.size;
    pnd_buffer_free(&file);
    return pnd_weights_open_memory(out, test_context(), kept, size, "f");
}

START_TEST(shapes_that_gguf_does_not_have)
{
    struct pnd_weights *w;
    static const int64_t deep[] = {1, 2, 1, 3, 2};
    ck_assert_ok(open_shape(&w, 12, deep, 5));
    ck_assert(pnd_tensor_has_shape(pnd_weights_find(w, "t"), 5, deep));
    pnd_weights_close(w);
    ck_assert_ok(open_shape(&w, 1, NULL, 0));
    ck_assert(pnd_tensor_has_shape(pnd_weights_find(w, "t"), 0, NULL));
    pnd_weights_close(w);
    static const int64_t wrong[][2] = {
        {3, 3}, {-3, -4}, {0, 12}, {INT64_MAX, 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_fails(open_shape(&w, 12, wrong[i], 2), PANDA_E_FORMAT,
                        "another number of elements");
    static const int64_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 12};
    ck_assert_fails(open_shape(&w, 12, many, 9), PANDA_E_FORMAT, "elements");
}
END_TEST

START_TEST(names_and_ranks_that_do_not_fit)
{
    struct pnd_gguf_writer w = begin();
    char name[PND_GGUF_NAME_MAX + 2];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const int64_t one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    ck_assert_fails(pnd_gguf_put_tensor(&w, name, PND_F32, 1, one),
                    PANDA_E_INTERNAL, "xxx");
    ck_assert_ok(pnd_gguf_put_tensor(&w, name + 1, PND_F32, 4, one));
    ck_assert_fails(pnd_gguf_put_tensor(&w, "a", PND_F32, 5, one),
                    PANDA_E_INTERNAL, "rank 5");
    ck_assert_fails(pnd_gguf_put_tensor(&w, "a", PND_BOOL, 1, one),
                    PANDA_E_INTERNAL, "bool");
    pnd_gguf_writer_free(&w);
}
END_TEST

static panda_status write_some(const struct pnd_allocator *alloc)
{
    struct pnd_gguf_writer w;
    struct pnd_buffer file;
    panda_status status;
    pnd_buffer_init(&file, alloc);
    PND_TRY(pnd_gguf_writer_init(&w, alloc, "llama"));
    for (int i = 0; i < 100; i++)
        PND_TRY(pnd_gguf_put_text(&w, "a.key.of.some.length", "and text"));
    PND_TRY(pnd_gguf_put_tensor(&w, "t", PND_F16, 1, (int64_t[]){4}));
    PND_TRY(pnd_gguf_writer_finish(&w, &file));
out:
    pnd_gguf_writer_free(&w);
    pnd_buffer_free(&file);
    return status;
}

START_TEST(lack_of_memory)
{
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        struct test_alloc t;
        test_alloc_init(&t);
        t.fail_at = n;
        status = write_some(&t.alloc);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_eq(status, PANDA_OK);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("gguf_write");
    TCase *t = tcase_create("gguf_write");
    tcase_add_test(t, keys_of_all_types);
    tcase_add_test(t, tensors);
    tcase_add_test(t, shapes_that_gguf_does_not_have);
    tcase_add_test(t, names_and_ranks_that_do_not_fit);
    tcase_add_test(t, lack_of_memory);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return test_run(make_suite());
}
