/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

static struct pnd_buffer bytes;
static struct pnd_sentencepiece model;

static void begin(void)
{
    pnd_buffer_init(&bytes, &pnd_allocator_heap);
}

static void end(void)
{
    pnd_buffer_free(&bytes);
}

static panda_status parse(void)
{
    /* A block of its own, so that reading beyond it is seen. */
    uint8_t *copy = malloc(bytes.size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes.data, bytes.size);
    panda_status status = pnd_sentencepiece_parse(&model, &pnd_allocator_heap,
                                                  copy, bytes.size);
    free(copy);
    return status;
}

START_TEST(settings_are_read)
{
    put_head(&bytes);
    put_piece(&bytes, "a", -1.5f, PND_PIECE_NORMAL);
    put_piece(&bytes, "ab", 2, PND_PIECE_USER_DEFINED);
    put_piece(&bytes, "\xe2\x96\x81", -3, PND_PIECE_UNUSED);
    put_bpe(&bytes);
    put_setting(&bytes, 3, 3, 0);
    put_setting(&bytes, 3, 4, 0);
    put_setting(&bytes, 3, 5, 0);
    put_number(&bytes, 77, 5); /* unknown fields are passed over */
    ck_assert_ok(parse());
    const struct pnd_vocabulary *v = &model.vocabulary;
    ck_assert_uint_eq(v->count, 6);
    ck_assert_uint_eq(v->unused, 1);
    ck_assert_uint_eq(v->longest, 5);
    ck_assert_int_eq(model.vocabulary.unk, 0);
    ck_assert_int_eq(model.vocabulary.bos, 1);
    ck_assert_int_eq(model.vocabulary.eos, 2);
    ck_assert(!model.byte_fallback && !model.add_dummy_prefix &&
              !model.remove_extra_whitespaces && !model.escape_whitespaces);
    ck_assert_int_eq(pnd_vocabulary_find(v, "ab", 2), 4);
    ck_assert_float_eq(pnd_vocabulary_get(v, 3)->score, -1.5f);
    ck_assert_int_eq(pnd_vocabulary_get(v, 4)->kind, PND_PIECE_USER_DEFINED);
    ck_assert_int_eq(pnd_vocabulary_get(v, 5)->kind, PND_PIECE_UNUSED);
    ck_assert_mem_eq(model.unk_surface.data, " \xe2\x81\x87 ", 5);
    pnd_sentencepiece_free(&model);
}
END_TEST

START_TEST(defaults_are_the_formats)
{
    put_piece(&bytes, "<u>", 0, PND_PIECE_UNKNOWN);
    put_bytes(&bytes, 1, "\x0a\x01q", 3); /* a piece without score and type */
    put_bpe(&bytes);
    ck_assert_ok(parse());
    ck_assert(!model.byte_fallback && model.add_dummy_prefix &&
              model.remove_extra_whitespaces && model.escape_whitespaces);
    ck_assert_int_eq(model.vocabulary.bos, -1);
    ck_assert_int_eq(model.vocabulary.eos, -1);
    ck_assert_int_eq(pnd_vocabulary_get(&model.vocabulary, 1)->kind,
                     PND_PIECE_NORMAL);
    ck_assert_float_eq(pnd_vocabulary_get(&model.vocabulary, 1)->score, 0);
    pnd_sentencepiece_free(&model);
}
END_TEST

START_TEST(names_of_bos_and_eos_are_read)
{
    put_head(&bytes);
    put_piece(&bytes, "[B]", 0, PND_PIECE_CONTROL);
    put_piece(&bytes, "[E]", 0, PND_PIECE_NORMAL);
    put_bpe(&bytes);
    put_bytes(&bytes, 2, "\xf2\x02\x03[B]\xfa\x02\x03[E]", 12);
    ck_assert_ok(parse());
    ck_assert_int_eq(model.vocabulary.bos, 3);
    ck_assert_int_eq(model.vocabulary.eos, -1); /* is no control piece */
    pnd_sentencepiece_free(&model);
}
END_TEST

START_TEST(other_kinds_of_vocabulary_are_named)
{
    put_head(&bytes);
    size_t size = bytes.size;
    ck_assert_fails(parse(), PANDA_E_UNSUPPORTED, "UNIGRAM"); /* default */
    put_setting(&bytes, 2, 3, 4);
    ck_assert_fails(parse(), PANDA_E_UNSUPPORTED, "CHAR");
    bytes.size = size;
    put_setting(&bytes, 2, 3, UINT64_MAX);
    ck_assert_fails(parse(), PANDA_E_UNSUPPORTED, "unknown");
    bytes.size = size;
    put_bpe(&bytes);
    put_setting(&bytes, 2, 24, 1);
    ck_assert_fails(parse(), PANDA_E_UNSUPPORTED, "suffix");
    bytes.size = size;
    put_bpe(&bytes);
    put_bytes(&bytes, 3, "\x12\x03" "abc", 5);
    ck_assert_fails(parse(), PANDA_E_UNSUPPORTED, "precompiled_charsmap");
    bytes.size = size;
    put_bpe(&bytes);
    put_bytes(&bytes, 5, "\x12\x03" "abc", 5);
    ck_assert_fails(parse(), PANDA_E_UNSUPPORTED, "precompiled_charsmap");
}
END_TEST

/* Each entry is put behind a good model's pieces. */
static void damage(int i)
{
    static char text[PND_PIECE_MAX + 2];
    memset(text, 'x', PND_PIECE_MAX + 1);
    switch (i) {
    case 0: put_piece(&bytes, "<s>", 0, PND_PIECE_CONTROL); break;
    case 1: put_piece(&bytes, "<s>", 0, PND_PIECE_NORMAL); break;
    case 2: put_piece(&bytes, "?", 0, PND_PIECE_UNKNOWN); break;
    case 3: put_piece(&bytes, "", 0, PND_PIECE_NORMAL); break;
    case 4: put_piece(&bytes, text, 0, PND_PIECE_NORMAL); break;
    case 5: put_piece(&bytes, "\xc3", 0, PND_PIECE_NORMAL); break;
    case 6: put_piece(&bytes, "a", NAN, PND_PIECE_NORMAL); break;
    case 7: put_piece(&bytes, "a", INFINITY, PND_PIECE_NORMAL); break;
    case 8: put_piece(&bytes, "a", 0, 0); break;
    case 9: put_piece(&bytes, "a", 0, 7); break;
    case 10: put_piece(&bytes, "<0x00>", 0, PND_PIECE_BYTE); break;
    case 11:
        put_setting(&bytes, 2, 35, 1);
        put_piece(&bytes, "<0x0a>", 0, PND_PIECE_BYTE);
        break;
    case 12: put_setting(&bytes, 2, 35, 1); break;
    case 13: put(&bytes, "\x0a\x05" "abc", 5); break;
    case 14: put(&bytes, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
        break;
    case 15: put(&bytes, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
        break;
    case 16: put(&bytes, "\x0b", 1); break;
    case 17: put(&bytes, "\x0f", 1); break;
    case 18: put(&bytes, "\x00\x00", 2); break;
    case 19: put(&bytes, "\x08\x01", 2); break;
    case 20: put_bytes(&bytes, 1, "\x08\x01", 2); break;
    case 21: put_bytes(&bytes, 1, "\x10\x01", 2); break;
    case 22: put_bytes(&bytes, 1, "\x1a\x00", 2); break;
    case 23: put_bytes(&bytes, 1, "\x0a\x05x", 3); break;
    case 24: put_bytes(&bytes, 2, "\x1d\0\0\0\0", 5); break;
    case 25: put_bytes(&bytes, 2, "\xe2\x02\x01\xff", 4); break;
    case 26: put_bytes(&bytes, 3, "\x1a\x00", 2); break;
    case 27: put(&bytes, "\x12", 1); break;
    case 28: put(&bytes, "\x80", 1); break;
    default: put(&bytes, "\xfd\xff\xff\xff\x7f", 5); break;
    }
}

static const char *const complaints[] = {
    "two pieces are \"<s>\"", "two pieces are \"<s>\"", "both of type UNKNOWN",
    "piece 3 has 0 bytes", "piece 3 has 1025 bytes", "piece 3 is not UTF-8",
    "not finite", "not finite", "type 0", "type 7", "without byte_fallback",
    "not <0x00>", "<0x00> missing", "3 are left", "0 are left", "64 bits",
    "wire type 3", "wire type 7", "field number 0", "expected 2", "expected 2",
    "expected 5", "expected 0", "1 are left", "expected 0", "not UTF-8",
    "expected 0", "cut off", "cut off", "field number",
};

START_TEST(damage_is_named)
{
    put_head(&bytes);
    put_bpe(&bytes);
    damage(_i);
    ck_assert_fails(parse(), PANDA_E_FORMAT, complaints[_i]);
}
END_TEST

START_TEST(missing_pieces_are_named)
{
    put_bpe(&bytes);
    ck_assert_fails(parse(), PANDA_E_FORMAT, "no pieces");
    put_piece(&bytes, "a", 0, PND_PIECE_NORMAL);
    ck_assert_fails(parse(), PANDA_E_FORMAT, "UNKNOWN");
}
END_TEST

/* The golden vocabulary cut off anywhere, and with any byte wrong, is read or
 * refused; sanitizers see the rest. */
START_TEST(damaged_files_do_no_harm)
{
    struct pnd_map map;
    ck_assert_ok(pnd_map_open(&map, NULL, test_golden("tokenizer.model")));
    uint8_t *copy = malloc(map.size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, map.data, map.size);
    size_t refused = 0, tried = 0;
    for (size_t i = 0; i < map.size; i += 1 + i / 8, tried++) {
        panda_status status = pnd_sentencepiece_parse(
            &model, &pnd_allocator_heap, copy, map.size - 1 - i);
        ck_assert_int_lt(status, 0); /* the settings come last */
        copy[i] = (uint8_t)(copy[i] + 1 + i % 255);
        status = pnd_sentencepiece_parse(&model, &pnd_allocator_heap, copy,
                                         map.size);
        if (status >= 0)
            pnd_sentencepiece_free(&model);
        else
            refused++;
        copy[i] = map.data[i];
    }
    ck_assert_uint_gt(refused, tried / 4);
    free(copy);
    pnd_map_close(&map);
}
END_TEST

START_TEST(such_files_are_recognised)
{
    put_head(&bytes);
    ck_assert(pnd_sentencepiece_probe(bytes.data, bytes.size));
    ck_assert(!pnd_sentencepiece_probe(bytes.data, 0));
    ck_assert(!pnd_sentencepiece_probe(bytes.data, 1));
    ck_assert(!pnd_sentencepiece_probe((const uint8_t *)"\n\n\n\n\n\n", 6));
    ck_assert(!pnd_sentencepiece_probe((const uint8_t *)"{\"a\": 1}", 8));
    ck_assert(!pnd_sentencepiece_probe((const uint8_t *)"PK\3\4", 4));
}
END_TEST

START_TEST(byte_pieces_are_recognised)
{
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        ck_assert_int_eq(
            pnd_sentencepiece_get_byte((const uint8_t *)text, 6), i);
    }
    static const char *const others[] = {"<0x0a>", "<0x1>", "<0x123>",
                                         "<0xGG>", "(0x00>", "<0x00 "};
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(
            pnd_sentencepiece_get_byte((const uint8_t *)others[i],
                                       strlen(others[i])), -1);
}
END_TEST

START_TEST(memory_may_run_out)
{
    put_head(&bytes);
    put_piece(&bytes, "a", 0, PND_PIECE_NORMAL);
    put_bpe(&bytes);
    panda_status status;
    long n = 1;
    do {
        struct test_alloc t;
        test_alloc_init(&t);
        t.fail_at = n++;
        status = pnd_sentencepiece_parse(&model, &t.alloc, bytes.data,
                                         bytes.size);
        if (status == PANDA_OK)
            pnd_sentencepiece_free(&model);
        else
            ck_assert_int_eq(status, PANDA_E_MEMORY);
        ck_assert_int_eq(t.live, 0);
    } while (status != PANDA_OK);
    ck_assert_int_gt(n, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sentencepiece_model");
    TCase *tc = tcase_create("sentencepiece_model");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, settings_are_read);
    tcase_add_test(tc, defaults_are_the_formats);
    tcase_add_test(tc, names_of_bos_and_eos_are_read);
    tcase_add_test(tc, other_kinds_of_vocabulary_are_named);
    tcase_add_loop_test(tc, damage_is_named, 0,
                        sizeof complaints / sizeof *complaints);
    tcase_add_test(tc, missing_pieces_are_named);
    tcase_add_test(tc, damaged_files_do_no_harm);
    tcase_add_test(tc, such_files_are_recognised);
    tcase_add_test(tc, byte_pieces_are_recognised);
    tcase_add_test(tc, memory_may_run_out);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
