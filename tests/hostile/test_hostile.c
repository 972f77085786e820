/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "hostile/hostile.h"
#include "support/support.h"

/* Damaged files of every format, through the public interface; hostile.h says
 * what is demanded. The quick run takes bytes in strides, the slow one
 * (PANDA_TEST_THOROUGH) all of them, or every seventh where a file takes long,
 * with each of their bits. */

typedef struct hostile_model (*gguf_maker)(const struct spoil *spoil,
                                           int counts[2]);

static void sweep(struct hostile_model m, uint32_t index, size_t stride)
{
    /* Files that take milliseconds each would take hours. */
    const size_t thorough = stride > 120 ? 7 : 1;
    hostile_sweep(&m, index, hostile_is_thorough() ? thorough : stride);
    hostile_free(&m);
}

/* Each key and each tensor, spoiled in each way. */
static void spoil_all(gguf_maker make)
{
    int counts[2], refused = 0;
    struct hostile_model whole = make(NULL, counts);
    hostile_free(&whole);
    const int ways[2] = {KEY_WAYS, TENSOR_WAYS};
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < counts[kind] * ways[kind]; i++) {
            const int place = i / ways[kind];
            const struct spoil spoil = {kind == 0 ? place : -1,
                                        kind == 1 ? place : -1,
                                        i % ways[kind]};
            struct hostile_model m = make(&spoil, NULL);
            char what[96];
            snprintf(what, sizeof what, "%s %d spoiled in way %d",
                     kind ? "tensor" : "key", place, spoil.way);
            const bool opened =
                hostile_try(&m, 0, m.files[0].bytes.data,
                            m.files[0].bytes.size, what) == PANDA_OK;
            refused += !opened;
            /* Only a missing output matrix has a meaning. */
            const bool tied = place == counts[1] - 1 && spoil.way == 0;
            ck_assert_msg(kind == 0 || !opened || tied, "%s was accepted",
                          what);
            hostile_free(&m);
        }
    }
    ck_assert_int_gt(refused, counts[0]);
}

START_TEST(spoiled_gguf_decoders)
{
    spoil_all(make_gguf_decoder);
}
END_TEST

START_TEST(spoiled_gguf_vocabularies)
{
    spoil_all(make_gguf_vocabulary);
}
END_TEST

START_TEST(damaged_gguf_decoders)
{
    sweep(make_gguf_decoder(NULL, NULL), 0, 5);
}
END_TEST

START_TEST(damaged_gguf_vocabularies)
{
    sweep(make_gguf_vocabulary(NULL, NULL), 0, 1);
}
END_TEST

/* Weights, configuration, vocabulary, index, names of tokens. */
START_TEST(damaged_folders)
{
    static const size_t strides[] = {101, 3, 151, 11, 5};
    sweep(make_folder(), (uint32_t)_i, strides[_i]);
}
END_TEST

START_TEST(damaged_tokenizer_json)
{
    sweep(make_tokenizer_json(), 0, 1);
}
END_TEST

START_TEST(damaged_adapters)
{
    static const size_t strides[] = {29, 1};
    sweep(make_adapter(), (uint32_t)_i, strides[_i]);
}
END_TEST

START_TEST(damaged_encoders)
{
    static const size_t strides[] = {499, 7};
    sweep(make_encoders(), (uint32_t)_i, strides[_i]);
}
END_TEST

START_TEST(damaged_bundles)
{
    sweep(make_bundle(), 0, 131);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tc = tcase_create("hostile");
    tcase_add_test(tc, spoiled_gguf_decoders);
    tcase_add_test(tc, spoiled_gguf_vocabularies);
    tcase_add_test(tc, damaged_gguf_decoders);
    tcase_add_test(tc, damaged_gguf_vocabularies);
    tcase_add_loop_test(tc, damaged_folders, 0, 5);
    tcase_add_test(tc, damaged_tokenizer_json);
    tcase_add_loop_test(tc, damaged_adapters, 0, 2);
    tcase_add_loop_test(tc, damaged_encoders, 0, 2);
    tcase_add_test(tc, damaged_bundles);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
