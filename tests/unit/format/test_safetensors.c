/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"

START_TEST(tensors_of_every_type)
{
    static const struct {
        const char *name;
        enum pnd_dtype dtype;
        size_t size;
    } types[] = {
        {"F64", PND_F64, 8},   {"F32", PND_F32, 4}, {"F16", PND_F16, 2},
        {"BF16", PND_BF16, 2}, {"I64", PND_I64, 8}, {"I32", PND_I32, 4},
        {"I16", PND_I16, 2},   {"I8", PND_I8, 1},   {"U8", PND_U8, 1},
        {"BOOL", PND_BOOL, 1},
    };
    static const uint8_t data[48];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[128];
        struct pnd_weights *w;
        snprintf(header, sizeof header,
                 "{\"x\":{\"dtype\":\"%s\",\"shape\":[3,2],"
                 "\"data_offsets\":[0,%zu]}}",
                 types[i].name, 6 * types[i].size);
        struct pnd_buffer file =
            build_safetensors(header, data, 6 * types[i].size);
        ck_assert_ok(open_bytes(&w, &file));
        const struct pnd_tensor *t = pnd_weights_find(w, "x");
        ck_assert_int_eq(t->dtype, types[i].dtype);
        ck_assert_uint_eq(t->bytes, 6 * types[i].size);
        ck_assert(t->rank == 2 && t->shape[0] == 3 && t->shape[1] == 2);
        pnd_weights_close(w);
        pnd_buffer_free(&file);
    }
}
END_TEST

START_TEST(values_are_where_the_header_says)
{
    static const float expected[] = {0, 3, 1, 4, 2, 5};
    struct pnd_weights *w;
    struct pnd_buffer file = build_small_safetensors();
    ck_assert_ok(open_bytes(&w, &file));
    ck_assert_uint_eq(pnd_weights_get_count(w), 2);
    ck_assert_ptr_null(pnd_weights_find(w, "__metadata__"));
    const struct pnd_tensor *t = pnd_weights_find(w, "t");
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq(pnd_tensor_get_f32(t, i), expected[i]);
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 0);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

/* An odd header length, as some writers leave it, or an odd place. */
START_TEST(misaligned_tensors_are_copied)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[1,5]},"
        "\"c\":{\"dtype\":\"I8\",\"shape\":[0,5],\"data_offsets\":[5,5]}}";
    const float value = 2.5f;
    uint8_t data[5] = {7};
    struct pnd_weights *w;
    memcpy(data + 1, &value, sizeof value);
    struct pnd_buffer file = build_safetensors(header, data, sizeof data);
    ck_assert_ok(open_bytes(&w, &file));
    const struct pnd_tensor *t = pnd_weights_find(w, "b");
    ck_assert_uint_eq((uintptr_t)t->data % 4, 0);
    ck_assert_float_eq(pnd_tensor_get_f32(t, 0), 2.5f);
    ck_assert_uint_eq(pnd_weights_get_heap_bytes(w), 4);
    ck_assert_uint_eq(pnd_weights_find(w, "c")->bytes, 0);
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

#define X(dtype, shape, offsets)                                               \
  "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets  \
  "}}"
#define TWO(a, b)                                                              \
  "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" a "},"            \
  "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" b "}}"

static const struct {
    const char *header, *message;
} wrong[] = {
    {X("\"F8_E4M3\"", "[8]", "[0,8]"),
     "tensor x has element type F8_E4M3, which is not known"},
    {X("7", "[8]", "[0,8]"), "\"dtype\" is missing"},
    {X("\"U8\"", "8", "[0,8]"), "\"shape\" is not an array"},
    {X("\"U8\"", "[-8]", "[0,8]"), "\"shape\" is not an array"},
    {X("\"U8\"", "[8.0]", "[0,8]"), "\"shape\" is not an array"},
    {X("\"U8\"", "[8,1,1,1,1,1,1,1,1]", "[0,8]"), "\"shape\" is not an array"},
    {X("\"U8\"", "[8]", "[0]"), "\"data_offsets\" is not"},
    {X("\"U8\"", "[8]", "[0,8,8]"), "\"data_offsets\" is not"},
    {X("\"U8\"", "[8]", "[8,0]"), "\"data_offsets\" is not"},
    {X("\"U8\"", "[8]", "{}"), "\"data_offsets\" is not"},
    {X("\"U8\"", "[9]", "[0,9]"), "ends at byte 9 of the data"},
    {X("\"U8\"", "[8]", "[9223372036854775799,9223372036854775807]"),
     "of the data, which has only 8"},
    {X("\"U8\"", "[7]", "[0,8]"), "does not fit shape and type"},
    {X("\"F16\"", "[8]", "[0,8]"), "does not fit shape and type"},
    {X("\"U8\"", "[4294967296,4294967296]", "[0,8]"), "does not fit shape"},
    {X("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"), "does not fit shape"},
    {X("\"U8\"", "[0,4294967296,4294967296]", "[0,0]"), "too many elements"},
    {X("\"U8\"", "[7]", "[0,7]"), "end at byte 7 of the data, which has 8"},
    {X("\"U8\"", "[7]", "[1,8]"), "bytes in front of it belong to no tensor"},
    {TWO("[0,4]", "[3,7]"), "overlaps with another"},
    {TWO("[0,4]", "[0,4]"), "overlaps with another"},
    {"{\"x\":7}", "\"dtype\" is missing"},
    {"{\"\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
     "a tensor's name has 0 bytes"},
    {"{\"a\\n\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
     "is not printable"},
    {"{\"x\":", "the JSON text ends"},
    {"{\"x\":1,\"x\":2}", "key \"x\" is twice"},
    {"{}", "end at byte 0 of the data, which has 8"},
};

START_TEST(wrong_headers_are_refused)
{
    struct pnd_weights *w;
    struct pnd_buffer file = build_safetensors(wrong[_i].header, "12345678", 8);
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT, wrong[_i].message);
    ck_assert_ptr_null(w);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(header_lengths_are_checked)
{
    struct pnd_weights *w;
    struct pnd_buffer file = build_safetensors("{}", "", 0);
    ck_assert_ok(open_bytes(&w, &file));
    ck_assert_uint_eq(pnd_weights_get_count(w), 0);
    pnd_weights_close(w);
    file.data[0] = 9;
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "the safetensors header has 9 bytes");
    file.data[3] = 8;
    ck_assert_fails(open_bytes(&w, &file), PANDA_E_FORMAT,
                    "expected at most 104857600");
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(damaged_files_give_a_message)
{
    struct pnd_buffer file = build_small_safetensors();
    damage_everywhere(&file);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    struct pnd_buffer file = build_small_safetensors();
    sweep_allocations(&file);
    pnd_buffer_free(&file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_add_test(tc, tensors_of_every_type);
    tcase_add_test(tc, values_are_where_the_header_says);
    tcase_add_test(tc, misaligned_tensors_are_copied);
    tcase_add_loop_test(tc, wrong_headers_are_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, header_lengths_are_checked);
    tcase_add_test(tc, damaged_files_give_a_message);
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
