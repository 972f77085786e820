/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf.h"

#include <stdio.h>
#include <string.h>

#include "builder.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { F32 = 0, F16 = 1, Q8_0 = 8, Q6_K = 14, IQ1_S = 19 }; /* in files */

static const uint8_t zeros[1024];

/* One of everything. */
static struct gguf_builder begin_sample(void)
{
    struct gguf_builder g = gguf_begin();
    gguf_string(&g, "general.architecture", "llama");
    gguf_u32(&g, "llama.block_count", 7);
    gguf_f32(&g, "number", 0.5f);
    put_le(gguf_key(&g, "negative", PND_GGUF_I8), 0xfe, 1);
    put_le(gguf_key(&g, "small", PND_GGUF_I16), 0x8000, 2);
    put_le(gguf_key(&g, "large", PND_GGUF_U64), UINT64_MAX, 8);
    put_le(gguf_key(&g, "true", PND_GGUF_BOOL), 1, 1);
    put_le(gguf_key(&g, "wide", PND_GGUF_F64), 0x4000000000000000, 8);
    struct pnd_buffer *b = gguf_key(&g, "words", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_STRING, 4);
    put_le(b, 3, 8);
    put_gguf_string(b, "one");
    put_gguf_string(b, "");
    put_gguf_string(b, "three");
    b = gguf_key(&g, "ids", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_I32, 4);
    put_le(b, 2, 8);
    put_le(b, 5, 4);
    put_le(b, 0xffffffff, 4);
    b = gguf_key(&g, "nested", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_ARRAY, 4);
    put_le(b, 2, 8);
    put_le(b, PND_GGUF_U8, 4);
    put_le(b, 1, 8);
    put_le(b, 9, 1);
    put_le(b, PND_GGUF_STRING, 4);
    put_le(b, 0, 8);
    return g;
}

static struct pnd_buffer build_sample(void)
{
    static const float values[] = {0, 1, 2, 3, 4, 5};
    struct gguf_builder g = begin_sample();
    gguf_tensor(&g, "floats", F32, 2, 3, values, sizeof values);
    gguf_tensor(&g, "blocks", Q8_0, 2, 32, zeros, 68);
    gguf_tensor(&g, "row", F16, 0, 4, values, 8);
    return gguf_end(&g);
}

START_TEST(values_are_found)
{
    struct pnd_buffer file = build_sample();
    const struct pnd_map map = {.data = file.data, .size = file.size};
    struct pnd_gguf *g;
    struct pnd_gguf_string s;
    int64_t i = -1;
    double d = 0;
    ck_assert_ok(pnd_gguf_open(&g, &pnd_allocator_heap, &map, "sample"));
    ck_assert_uint_eq(pnd_gguf_get_count(g), 11);
    ck_assert_uint_eq(pnd_gguf_get_tensor_count(g), 3);
    ck_assert_str_eq(pnd_gguf_get_path(g), "sample");
    ck_assert(pnd_gguf_is_string(g, "general.architecture", "llama"));
    ck_assert(!pnd_gguf_is_string(g, "general.architecture", "llam"));
    ck_assert(!pnd_gguf_is_string(g, "words", "one"));
    ck_assert_ok(pnd_gguf_read_integer(&i, g, "llama.block_count", 1, 9));
    ck_assert_int_eq(i, 7);
    ck_assert_ok(pnd_gguf_read_integer(&i, g, "negative", -9, 9));
    ck_assert_int_eq(i, -2);
    ck_assert_ok(pnd_gguf_read_integer(&i, g, "small", -32768, 0));
    ck_assert_int_eq(i, -32768);
    ck_assert_ok(pnd_gguf_read_integer(&i, g, "true", 0, 1));
    ck_assert_int_eq(i, 1);
    ck_assert_ok(pnd_gguf_read_integer(&i, g, "missing", 0, 0));
    ck_assert_int_eq(i, 1);
    ck_assert_ok(pnd_gguf_read_number(&d, g, "number"));
    ck_assert_double_eq(d, 0.5);
    ck_assert_ok(pnd_gguf_read_number(&d, g, "wide"));
    ck_assert_double_eq(d, 2);
    ck_assert_ok(pnd_gguf_read_number(&d, g, "negative"));
    ck_assert_double_eq(d, -2);
    ck_assert_fails(pnd_gguf_read_integer(&i, g, "large", 0, INT64_MAX),
                    PANDA_E_FORMAT, "large is not an integer");
    ck_assert_fails(pnd_gguf_read_integer(&i, g, "llama.block_count", 0, 6),
                    PANDA_E_FORMAT, "is 7, expected 0..6");
    ck_assert_fails(pnd_gguf_read_integer(&i, g, "number", 0, 6),
                    PANDA_E_FORMAT, "number is not an integer");
    ck_assert_fails(pnd_gguf_read_number(&d, g, "ids"), PANDA_E_FORMAT,
                    "ids is not a number");
    const struct pnd_gguf_value *v = pnd_gguf_find(g, "words");
    ck_assert(v && v->is_array && v->count == 3);
    ck_assert(pnd_gguf_get_string(v, 2, &s) && s.length == 5);
    ck_assert_mem_eq(s.bytes, "three", 5);
    ck_assert(pnd_gguf_get_string(v, 1, &s) && s.length == 0);
    ck_assert(!pnd_gguf_get_integer(v, 0, &i));
    v = pnd_gguf_find(g, "ids");
    ck_assert(v && v->count == 2 && pnd_gguf_get_integer(v, 1, &i) && i == -1);
    v = pnd_gguf_find(g, "nested");
    ck_assert(v && v->type == PND_GGUF_ARRAY && v->count == 2);
    ck_assert(!pnd_gguf_get_string(v, 0, &s) && !pnd_gguf_get_number(v, 0, &d));
    ck_assert_ptr_null(pnd_gguf_find(g, "word"));
    ck_assert_mem_eq(pnd_gguf_at(g, 10)->key.bytes, "nested", 6);
    pnd_gguf_close(g);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(tensors_are_views)
{
    struct pnd_buffer file = build_sample();
    struct pnd_weights *w;
    const struct pnd_tensor *t;
    file.data[4] = (uint8_t)_i; /* version */
    ck_assert_ok(open_bytes(&w, &file));
    ck_assert_ptr_nonnull(pnd_weights_get_gguf(w));
    ck_assert_uint_eq(pnd_weights_get_count(w), 3);
    ck_assert_ok(pnd_weights_require(&t, w, 2, (int64_t[]){2, 3}, "floats"));
    ck_assert_float_eq(pnd_tensor_get_f32(t, 4), 4);
    ck_assert((const uint8_t *)t->data > file.data &&
              (const uint8_t *)t->data < file.data + file.size);
    ck_assert_ok(pnd_weights_require_matrix(&t, w, 2, 32, "blocks"));
    ck_assert(t->dtype == PND_Q8_0 && t->bytes == 68);
    ck_assert_fails(pnd_weights_require(&t, w, 2, (int64_t[]){2, 32}, "blocks"),
                    PANDA_E_FORMAT, "has element type q8_0");
    ck_assert_fails(pnd_weights_require_matrix(&t, w, 2, 64, "blocks"),
                    PANDA_E_FORMAT, "has shape [2, 32], expected [2, 64]");
    ck_assert_ok(pnd_weights_require(&t, w, 1, (int64_t[]){4}, "row"));
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 0);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

/* A vocabulary alone, at an alignment of its own. */
START_TEST(files_without_tensors)
{
    struct gguf_builder g = begin_sample();
    struct pnd_weights *w;
    gguf_u32(&g, "general.alignment", 8);
    struct pnd_buffer file = gguf_end(&g);
    ck_assert_ok(open_bytes(&w, &file));
    ck_assert_uint_eq(pnd_weights_get_count(w), 0);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

/* Each takes the sample's builder and makes one thing wrong. */
static void two_keys(struct gguf_builder *g)
{
    gguf_u32(g, "number", 1);
}

static void empty_key(struct gguf_builder *g)
{
    gguf_u32(g, "", 1);
}

static void unknown_value(struct gguf_builder *g)
{
    gguf_key(g, "x", 13);
}

static void bad_bool(struct gguf_builder *g)
{
    put_le(gguf_key(g, "x", PND_GGUF_BOOL), 2, 1);
}

static void huge_string(struct gguf_builder *g)
{
    put_le(gguf_key(g, "x", PND_GGUF_STRING), UINT64_MAX - 7, 8);
}

static void huge_array(struct gguf_builder *g)
{
    struct pnd_buffer *b = gguf_key(g, "x", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_F64, 4);
    put_le(b, UINT64_C(1) << 61, 8);
}

static void huge_words(struct gguf_builder *g)
{
    struct pnd_buffer *b = gguf_key(g, "x", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_STRING, 4);
    put_le(b, UINT64_C(1) << 60, 8);
}

static void deep_arrays(struct gguf_builder *g)
{
    struct pnd_buffer *b = gguf_key(g, "x", PND_GGUF_ARRAY);
    for (int i = 0; i < 100; i++) {
        put_le(b, PND_GGUF_ARRAY, 4);
        put_le(b, 1, 8);
    }
}

static void odd_alignment(struct gguf_builder *g)
{
    gguf_u32(g, "general.alignment", 24);
}

static void no_alignment(struct gguf_builder *g)
{
    gguf_u32(g, "general.alignment", 0);
}

static void text_alignment(struct gguf_builder *g)
{
    gguf_string(g, "general.alignment", "32");
}

static void two_tensors(struct gguf_builder *g)
{
    gguf_tensor(g, "twice", F32, 0, 1, zeros, 4);
    gguf_tensor(g, "twice", F32, 0, 1, zeros, 4);
}

static void unknown_tensor(struct gguf_builder *g)
{
    gguf_tensor(g, "t", 77, 0, 1, zeros, 4);
}

static void unread_tensor(struct gguf_builder *g)
{
    gguf_tensor(g, "t", IQ1_S, 0, 256, zeros, 50);
}

static void old_tensor(struct gguf_builder *g)
{
    gguf_tensor(g, "t", 4, 0, 32, zeros, 20);
}

static void part_of_block(struct gguf_builder *g)
{
    gguf_tensor(g, "t", Q6_K, 2, 128, zeros, 210);
}

static void past_the_end(struct gguf_builder *g)
{
    gguf_tensor(g, "t", F32, 0, 2, zeros, 4);
}

static void too_large(struct gguf_builder *g)
{
    gguf_tensor(g, "t", F32, UINT64_C(1) << 32, UINT64_C(1) << 32, zeros, 4);
}

static void negative_size(struct gguf_builder *g)
{
    gguf_tensor(g, "t", F32, 0, UINT64_C(1) << 63, zeros, 4);
}

static void nothing(struct gguf_builder *g)
{
    gguf_tensor(g, "t", F32, 0, 0, zeros, 0);
}

static void overlap(struct gguf_builder *g)
{
    gguf_tensor(g, "a", F32, 0, 16, zeros, 64);
    g->data.size = 32;
    gguf_tensor(g, "b", F32, 0, 8, zeros, 32);
}

static void no_name(struct gguf_builder *g)
{
    gguf_tensor(g, "", F32, 0, 1, zeros, 4);
}

static void later_part(struct gguf_builder *g)
{
    gguf_u32(g, "split.count", 3);
    gguf_u32(g, "split.no", 1);
}

static void first_part(struct gguf_builder *g)
{
    gguf_u32(g, "split.count", 3);
    gguf_u32(g, "split.no", 0);
}

static void old_version(struct gguf_builder *g)
{
    g->version = 1;
}

static void big_endian(struct gguf_builder *g)
{
    g->version = 0x03000000;
}

static void too_many_keys(struct gguf_builder *g)
{
    g->key_count = 1 << 30;
}

static void too_many_tensors(struct gguf_builder *g)
{
    g->tensor_count = 1 << 30;
}

static const struct {
    void (*change)(struct gguf_builder *g);
    panda_status status;
    const char *message;
} wrong[] = {
    {two_keys, PANDA_E_FORMAT, "the key number is there twice"},
    {empty_key, PANDA_E_FORMAT, "a key's name has not 1 to 65535 bytes"},
    {unknown_value, PANDA_E_FORMAT, "this type of value is not known"},
    {bad_bool, PANDA_E_FORMAT, "a boolean is neither 0 nor 1"},
    {huge_string, PANDA_E_FORMAT, "a string reaches past the end"},
    {huge_array, PANDA_E_FORMAT, "an array has more items than"},
    {huge_words, PANDA_E_FORMAT, "an array has more items than"},
    {deep_arrays, PANDA_E_FORMAT, "arrays are nested more than 4 deep"},
    {odd_alignment, PANDA_E_FORMAT, "general.alignment is 24, expected a"},
    {no_alignment, PANDA_E_FORMAT, "general.alignment is 0, expected 1.."},
    {text_alignment, PANDA_E_FORMAT, "general.alignment is not an integer"},
    {two_tensors, PANDA_E_FORMAT, "tensor twice is there twice"},
    {unknown_tensor, PANDA_E_FORMAT, "tensor t has element type 77, expected"},
    {unread_tensor, PANDA_E_UNSUPPORTED, "has element type 19 (IQ1_S), exp"},
    {old_tensor, PANDA_E_FORMAT, "tensor t has element type 4, expected"},
    {part_of_block, PANDA_E_FORMAT, "has rows of 128 elements, expected a mul"},
    {past_the_end, PANDA_E_FORMAT, "tensor t needs 8 bytes at offset 0 of"},
    {too_large, PANDA_E_FORMAT, "tensor t has too many elements"},
    {negative_size, PANDA_E_FORMAT, "tensor t has a size that is not 1"},
    {nothing, PANDA_E_FORMAT, "tensor t has a size that is not 1"},
    {overlap, PANDA_E_FORMAT, "tensor b overlaps with another"},
    {no_name, PANDA_E_FORMAT, "a tensor's name has 0 bytes"},
    {later_part, PANDA_E_FORMAT, "is part 2 of 3, expected part 1; open that"},
    {first_part, PANDA_E_UNSUPPORTED, "is one of 3 parts, which can only be"},
    {old_version, PANDA_E_UNSUPPORTED, "is of version 1, expected 2 or 3"},
    {big_endian, PANDA_E_UNSUPPORTED, "is big-endian"},
    {too_many_keys, PANDA_E_FORMAT, "has 1073741824 keys, expected at most"},
    {too_many_tensors, PANDA_E_FORMAT, "has 1073741824 tensors, expected at"},
};

/* A sentence, and not even memory that the file would not justify. */
START_TEST(wrong_files_are_named)
{
    struct gguf_builder g = begin_sample();
    struct pnd_weights *w;
    wrong[_i].change(&g);
    struct pnd_buffer file = gguf_end(&g);
    ck_assert_fails(open_bytes(&w, &file), wrong[_i].status, wrong[_i].message);
    ck_assert_ptr_null(w);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(offsets_are_checked)
{
    struct pnd_buffer file = build_sample();
    struct pnd_weights *w;
    uint8_t *info = file.data + 24;
    while (memcmp(info, "floats", 6) != 0)
        info++;
    uint8_t *offset = info + 6 + 4 + 16 + 4;
    offset[0] = 8;
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "tensor floats has offset 8, expected a multiple of 32");
    offset[0] = 0xe0;
    memset(offset + 1, 0xff, 7);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "tensor floats needs 24 bytes at offset 18446744073709551");
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(damaged_files)
{
    struct pnd_buffer file = build_sample();
    damage_everywhere(&file);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(lack_of_memory)
{
    struct pnd_buffer file = build_sample();
    sweep_allocations(&file);
    pnd_buffer_free(&file);
}
END_TEST

static struct pnd_buffer build_part(unsigned number, unsigned count,
                                    unsigned tensors, const char *name)
{
    struct gguf_builder g = gguf_begin();
    if (number == 0)
        gguf_string(&g, "general.architecture", "llama");
    put_le(gguf_key(&g, "split.no", PND_GGUF_U16), number, 2);
    put_le(gguf_key(&g, "split.count", PND_GGUF_U16), count, 2);
    put_le(gguf_key(&g, "split.tensors.count", PND_GGUF_I32), tensors, 4);
    const float value = (float)number;
    gguf_tensor(&g, name, F32, 0, 1, &value, sizeof value);
    return gguf_end(&g);
}

/* `which`: the part to be read wrongly, or none */
static panda_status open_parts(struct pnd_weights **w, const char *first,
                               unsigned last_number, unsigned last_count,
                               unsigned tensors, const char *last_name)
{
    struct test_folder folder = folder_make();
    struct pnd_buffer a = build_part(0, 2, tensors, "a"),
                      b = build_part(last_number, last_count, 2, last_name);
    char path[640];
    snprintf(path, sizeof path, "%s",
             folder_add(&folder, first, a.data, a.size));
    folder_add(&folder, "m-00002-of-00002.gguf", b.data, b.size);
    panda_status status = pnd_weights_open(w, test_context(), path);
    folder_remove(&folder);
    pnd_buffer_free(&a);
    pnd_buffer_free(&b);
    return status;
}

START_TEST(split_models)
{
    const char *first = "m-00001-of-00002.gguf";
    struct pnd_weights *w;
    ck_assert_ok(open_parts(&w, first, 1, 2, 2, "b"));
    ck_assert_uint_eq(pnd_weights_get_count(w), 2);
    ck_assert_float_eq(pnd_tensor_get_f32(pnd_weights_find(w, "b"), 0), 1);
    ck_assert(pnd_gguf_is_string(pnd_weights_get_gguf(w),
                                 "general.architecture", "llama"));
    pnd_weights_close(w);
    ck_assert_fails(open_parts(&w, first, 0, 2, 2, "b"), PANDA_E_FORMAT,
                    "is part 1 of 2, expected part 2");
    ck_assert_fails(open_parts(&w, first, 1, 3, 2, "b"), PANDA_E_FORMAT,
                    "is one of 3 parts, expected 2");
    ck_assert_fails(open_parts(&w, first, 1, 2, 3, "b"), PANDA_E_FORMAT,
                    "the parts have 2 tensors, split.tensors.count is 3");
    ck_assert_fails(open_parts(&w, first, 1, 2, 2, "a"), PANDA_E_FORMAT,
                    "tensor a is there twice");
    ck_assert_fails(open_parts(&w, "n-00001-of-00002.gguf", 1, 2, 2, "b"),
                    PANDA_E_IO, "n-00002-of-00002.gguf");
    ck_assert_fails(open_parts(&w, "m.gguf", 1, 2, 2, "b"), PANDA_E_FORMAT,
                    "a name that ends in -00001-of-00002.gguf");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf");
    TCase *tc = tcase_create("gguf");
    tcase_add_test(tc, values_are_found);
    tcase_add_loop_test(tc, tensors_are_views, 2, 4);
    tcase_add_test(tc, files_without_tensors);
    tcase_add_loop_test(tc, wrong_files_are_named, 0, (int)COUNT(wrong));
    tcase_add_test(tc, offsets_are_checked);
    tcase_add_test(tc, damaged_files);
    tcase_add_test(tc, lack_of_memory);
    tcase_add_test(tc, split_models);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
