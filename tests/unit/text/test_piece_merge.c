/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_bytes.h"

#include <stdlib.h>

#include "base/map.h"
#include "text/normalize.h"
#include "text/piece_merge.h"

static struct pnd_sentencepiece model;
static struct pnd_prefixes user_defined;

static void open_golden(void)
{
    struct pnd_map map;
    ck_assert_ok(pnd_map_open(&map, NULL, test_golden("tokenizer.model")));
    ck_assert_ok(pnd_sentencepiece_parse(&model, &pnd_allocator_heap, map.data,
                                         map.size));
    pnd_map_close(&map);
    ck_assert_ok(pnd_prefixes_build(&user_defined, &model.vocabulary,
                                    PND_PIECE_USER_DEFINED, 0));
}

static void close_golden(void)
{
    pnd_prefixes_free(&user_defined, &pnd_allocator_heap);
    pnd_sentencepiece_free(&model);
}

/* Steps to encode the text again and again, `count` bytes in all; its ids must
 * spell as many. */
static uint64_t count_steps(const char *text, size_t count)
{
    size_t length = strlen(text);
    uint8_t *bytes = malloc(count);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)text[i % length];
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    uint64_t steps = 0;
    ck_assert_ok(pnd_merge_encode(&model, &user_defined, bytes, count, &ids,
                                  &steps));
    free(bytes);
    size_t spelled = 0;
    const int32_t *list = (const int32_t *)(const void *)ids.data;
    for (size_t i = 0; i < ids.size / sizeof *list; i++) {
        const struct pnd_piece *piece =
            pnd_vocabulary_get(&model.vocabulary, (uint32_t)list[i]);
        spelled += piece->kind == PND_PIECE_BYTE ? 1 : piece->length;
    }
    ck_assert_uint_eq(spelled, count);
    pnd_buffer_free(&ids);
    return steps;
}

/* Eight times the text takes n log n steps, which is 8 * 14 / 11 times as many;
 * the square would be 64. */
START_TEST(time_is_almost_linear)
{
    static const char *const texts[] = {
        "a", "in", "#", "\xe2\x96\x81", "thing", "aninon", "q",
        ("the\xe2\x96\x81quick\xe2\x96\x81" "fox"), "<sep><sep>er",
        "\xe6\xbc\xa2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(texts[i]);
        uint64_t small = count_steps(texts[i], length * 2000);
        uint64_t large = count_steps(texts[i], length * 16000);
        ck_assert_msg(large <= 11 * small, "\"%s\": %llu steps, then %llu",
                      texts[i], (unsigned long long)small,
                      (unsigned long long)large);
        ck_assert_uint_le(large, length * 16000 * 40);
    }
}
END_TEST

/* A vocabulary of all runs of one letter joins them in every order there is. */
START_TEST(time_is_almost_linear_for_long_pieces)
{
    close_golden();
    struct pnd_buffer bytes;
    pnd_buffer_init(&bytes, &pnd_allocator_heap);
    put_head(&bytes);
    char run[257] = {0};
    for (int i = 0; i < 256; i++) {
        run[i] = 'a';
        put_piece(&bytes, run, (float)(i % 7), PND_PIECE_NORMAL);
    }
    put_bpe(&bytes);
    ck_assert_ok(pnd_sentencepiece_parse(&model, &pnd_allocator_heap,
                                         bytes.data, bytes.size));
    pnd_buffer_free(&bytes);
    ck_assert_ok(pnd_prefixes_build(&user_defined, &model.vocabulary,
                                    PND_PIECE_USER_DEFINED, 0));
    uint64_t small = count_steps("a", 4000);
    uint64_t large = count_steps("a", 32000);
    ck_assert_uint_le(large, 11 * small);
}
END_TEST

START_TEST(text_has_to_be_utf8)
{
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    ck_assert_fails(pnd_merge_encode(&model, &user_defined,
                                     (const uint8_t *)"a\xff", 2, &ids, NULL),
                    PANDA_E_INTERNAL, "UTF-8");
    ck_assert_ok(pnd_merge_encode(&model, &user_defined, NULL, 0, &ids, NULL));
    ck_assert_uint_eq(ids.size, 0);
    pnd_buffer_free(&ids);
}
END_TEST

/* UNUSED pieces, each made of the one before, come apart to any depth. */
START_TEST(unused_pieces_come_apart_to_any_depth)
{
    close_golden();
    struct pnd_buffer bytes, ids;
    pnd_buffer_init(&bytes, &pnd_allocator_heap);
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    put_head(&bytes);
    put_piece(&bytes, "a", 0, PND_PIECE_NORMAL);
    put_piece(&bytes, "b", 0, PND_PIECE_NORMAL);
    char run[PND_PIECE_MAX + 1] = "a";
    for (int i = 1; i < PND_PIECE_MAX; i++) {
        run[i] = 'b';
        put_piece(&bytes, run, 1, PND_PIECE_UNUSED);
    }
    put_bpe(&bytes);
    ck_assert_ok(pnd_sentencepiece_parse(&model, &pnd_allocator_heap,
                                         bytes.data, bytes.size));
    ck_assert_ok(pnd_prefixes_build(&user_defined, &model.vocabulary,
                                    PND_PIECE_USER_DEFINED, 0));
    ck_assert_ok(pnd_merge_encode(&model, &user_defined, (uint8_t *)run,
                                  PND_PIECE_MAX, &ids, NULL));
    const int32_t *list = (const int32_t *)(const void *)ids.data;
    ck_assert_uint_eq(ids.size, PND_PIECE_MAX * sizeof *list);
    for (int i = 0; i < PND_PIECE_MAX; i++)
        ck_assert_int_eq(list[i], i == 0 ? 3 : 4);
    pnd_buffer_free(&bytes);
    pnd_buffer_free(&ids);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("piece_merge");
    TCase *tc = tcase_create("piece_merge");
    tcase_add_checked_fixture(tc, open_golden, close_golden);
    tcase_add_test(tc, time_is_almost_linear);
    tcase_add_test(tc, time_is_almost_linear_for_long_pieces);
    tcase_add_test(tc, text_has_to_be_utf8);
    tcase_add_test(tc, unused_pieces_come_apart_to_any_depth);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
