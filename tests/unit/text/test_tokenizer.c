/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_text.h"

static struct pnd_json *json;
static const struct pnd_json_value *golden;

static void open_golden(void)
{
    json = golden_open();
    golden = pnd_json_get_root(json);
}

static void close_golden(void)
{
    pnd_json_free(json);
}

/* Ids of a text, as a string of numbers. */
static const char *encode(const struct pnd_tokenizer *t, const char *text,
                          uint32_t flags)
{
    static char written[1024];
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(t, text, strlen(text), flags, &ids));
    size_t used = 0;
    written[0] = '\0';
    for (size_t i = 0; i < ids.size / sizeof(int32_t); i++)
        used += (size_t)snprintf(written + used, sizeof written - used, " %d",
                                 (int)((int32_t *)(void *)ids.data)[i]);
    pnd_buffer_free(&ids);
    return written;
}

START_TEST(vocabulary_is_described)
{
    struct pnd_tokenizer *t = golden_tokenizer(NULL);
    ck_assert_uint_eq(pnd_tokenizer_get_size(t),
                      golden_get(golden, "size")->integer);
    ck_assert_int_eq(pnd_tokenizer_get_bos(t), 1);
    ck_assert_int_eq(pnd_tokenizer_get_eos(t), 2);
    const struct pnd_json_value *piece;
    for (piece = golden_get(golden, "pieces")->child; piece;
         piece = piece->next)
        ck_assert_int_eq(
            pnd_tokenizer_find(t, piece->key, strlen(piece->key)),
            piece->integer);
    ck_assert_int_eq(pnd_tokenizer_find(t, "</s", 3), -1);
    ck_assert_int_eq(pnd_tokenizer_find(t, "", 0), -1);
    ck_assert_uint_gt(pnd_tokenizer_get_heap_bytes(t), 10000);
    pnd_tokenizer_close(t);
    pnd_tokenizer_close(NULL);
}
END_TEST

/* Without parsing: SentencePiece's own ids. */
START_TEST(plain_texts_become_sentencepieces_ids)
{
    struct pnd_tokenizer *t = golden_tokenizer(NULL);
    const struct pnd_json_value *row;
    for (row = golden_get(golden, "plain")->child; row; row = row->next) {
        const struct pnd_json_value *text = golden_get(row, "text");
        assert_ids(t, text->string, text->length, 0, golden_get(row, "ids"));
    }
    for (row = golden_get(golden, "bytes")->child; row; row = row->next) {
        const struct pnd_json_value *hex = golden_get(row, "hex");
        char bytes[64];
        for (size_t i = 0; i < hex->length / 2; i++) {
            char digits[3] = {hex->string[2 * i], hex->string[2 * i + 1], 0};
            bytes[i] = (char)strtoul(digits, NULL, 16);
        }
        assert_ids(t, bytes, hex->length / 2, 0, golden_get(row, "ids"));
    }
    pnd_tokenizer_close(t);
}
END_TEST

/* With the files beside it: what transformers makes of texts and ids. */
START_TEST(parsed_texts_become_the_references_ids)
{
    const struct pnd_json_value *entry = golden_get(golden, "parsed")->child;
    for (; entry; entry = entry->next) {
        struct pnd_tokenizer *t = golden_tokenizer(entry);
        ck_assert_int_eq(pnd_tokenizer_get_bos(t),
                         golden_get(entry, "bos")->integer);
        ck_assert_int_eq(pnd_tokenizer_get_eos(t),
                         golden_get(entry, "eos")->integer);
        const struct pnd_json_value *row = golden_get(entry, "rows")->child;
        for (; row; row = row->next) {
            const struct pnd_json_value *text = pnd_json_find(row, "text");
            const struct pnd_json_value *ids = golden_get(row, "ids");
            if (text)
                assert_ids(t, text->string, text->length,
                           PANDA_TOKENIZE_PARSE_SPECIAL, ids);
            assert_text(t, ids, false, golden_get(row, "decoded"));
            assert_text(t, ids, true, golden_get(row, "kept"));
        }
        pnd_tokenizer_close(t);
    }
}
END_TEST

/* Vocabularies with what LLaMA's does not have. */
START_TEST(other_models_become_sentencepieces_ids)
{
    const struct pnd_json_value *entry = golden_get(golden, "models")->child;
    for (; entry; entry = entry->next) {
        const struct pnd_json_value *hex = golden_get(entry, "hex");
        size_t size = hex->length / 2;
        char *bytes = malloc(size);
        ck_assert_ptr_nonnull(bytes);
        for (size_t i = 0; i < size; i++) {
            char digits[3] = {hex->string[2 * i], hex->string[2 * i + 1], 0};
            bytes[i] = (char)strtoul(digits, NULL, 16);
        }
        struct pnd_tokenizer *t;
        ck_assert_ok(pnd_tokenizer_open(
            &t, test_context(), test_write_temp(".model", bytes, size), NULL));
        free(bytes);
        const struct pnd_json_value *row = golden_get(entry, "rows")->child;
        for (; row; row = row->next) {
            const struct pnd_json_value *text = golden_get(row, "text");
            const struct pnd_json_value *ids = golden_get(row, "ids");
            assert_ids(t, text->string, text->length, 0, ids);
            assert_text(t, ids, false, golden_get(row, "decoded"));
        }
        pnd_tokenizer_close(t);
    }
}
END_TEST

/* Text that a user types cannot end an answer or forge a turn. */
START_TEST(special_tokens_stay_text_unless_parsed)
{
    static const char *const texts[] = {"</s>", "<s>", "<unk>", "a </s> b",
                                        "</s></s>", "<s></s>", "[PAD]",
                                        "<0x0A>"};
    struct pnd_tokenizer *t =
        golden_tokenizer(golden_get(golden, "parsed")->child);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct pnd_buffer ids, text;
        pnd_buffer_init(&ids, &pnd_allocator_heap);
        pnd_buffer_init(&text, &pnd_allocator_heap);
        ck_assert_ok(pnd_tokenizer_encode(t, texts[i], strlen(texts[i]), 0,
                                          &ids));
        const int32_t *list = (const int32_t *)(const void *)ids.data;
        size_t count = ids.size / sizeof *list;
        ck_assert_uint_gt(count, 2);
        for (size_t k = 0; k < count; k++)
            ck_assert(list[k] > 2 && list[k] < 1000);
        ck_assert_ok(pnd_tokenizer_decode(t, list, count, false, &text));
        ck_assert_uint_eq(text.size, strlen(texts[i]));
        ck_assert_mem_eq(text.data, texts[i], text.size);
        pnd_buffer_free(&ids);
        pnd_buffer_free(&text);
    }
    ck_assert_str_eq(encode(t, "</s>", PANDA_TOKENIZE_PARSE_SPECIAL), " 2");
    ck_assert_str_eq(encode(t, "<s>[PAD]", PANDA_TOKENIZE_PARSE_SPECIAL),
                     " 1 1000");
    pnd_tokenizer_close(t);
}
END_TEST

START_TEST(bos_comes_first_when_asked_for)
{
    struct pnd_tokenizer *t = golden_tokenizer(NULL);
    ck_assert_str_eq(encode(t, "", PANDA_TOKENIZE_BOS), " 1");
    ck_assert_str_eq(encode(t, "", 0), "");
    ck_assert_str_eq(encode(t, "</s>", PANDA_TOKENIZE_BOS |
                                           PANDA_TOKENIZE_PARSE_SPECIAL),
                     " 1 2");
    pnd_tokenizer_close(t);
}
END_TEST

START_TEST(ids_are_appended)
{
    struct pnd_tokenizer *t = golden_tokenizer(NULL);
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(t, "a", 1, PANDA_TOKENIZE_BOS, &ids));
    size_t size = ids.size;
    ck_assert_ok(pnd_tokenizer_encode(t, "a", 1, PANDA_TOKENIZE_BOS, &ids));
    ck_assert_uint_eq(ids.size, 2 * size);
    ck_assert_mem_eq(ids.data, ids.data + size, size);
    pnd_buffer_free(&ids);
    pnd_tokenizer_close(t);
}
END_TEST

START_TEST(what_cannot_be_done_is_said)
{
    struct pnd_tokenizer *t;
    ck_assert_fails(pnd_tokenizer_open(&t, test_context(), "/nonexistent",
                                       NULL),
                    PANDA_E_IO, "/nonexistent");
    ck_assert_ptr_null(t);
    const char *path = test_write_temp(".model", "\x0a\x7f", 2);
    ck_assert_fails(pnd_tokenizer_open(&t, test_context(), path, NULL),
                    PANDA_E_FORMAT, path);
    t = golden_tokenizer(NULL);
    struct pnd_buffer out;
    pnd_buffer_init(&out, &pnd_allocator_heap);
    const int32_t above = 1000, below = -1;
    ck_assert_fails(pnd_tokenizer_decode(t, &above, 1, false, &out),
                    PANDA_E_ARGUMENT, "1000");
    ck_assert_fails(pnd_tokenizer_decode(t, &below, 1, true, &out),
                    PANDA_E_ARGUMENT, "-1");
    static const char text[] = "";
    ck_assert_fails(pnd_tokenizer_encode(t, text, SIZE_MAX / 2, 0, &out),
                    PANDA_E_ARGUMENT, "at most");
    ck_assert_uint_eq(out.size, 0);
    pnd_buffer_free(&out);
    pnd_tokenizer_close(t);
}
END_TEST

/* Open, encode and decode with the nth allocation failing, for every n. */
START_TEST(memory_may_run_out)
{
    const struct pnd_json_value *entry = golden_get(golden, "parsed")->child;
    struct folder folder = folder_make();
    const struct pnd_json_value *file = golden_get(entry, "files")->child;
    for (; file; file = file->next)
        folder_write(&folder, file->key, file->string);
    static const char text[] = "Hello \xf0\x9f\x98\x8a</s> world [PAD]";
    panda_status status;
    long n = 1;
    do {
        struct test_alloc alloc;
        test_alloc_init(&alloc);
        alloc.fail_at = n++;
        struct pnd_context context = *test_context();
        context.alloc = alloc.alloc;
        struct pnd_tokenizer *t;
        struct pnd_buffer ids, out;
        pnd_buffer_init(&ids, &alloc.alloc);
        pnd_buffer_init(&out, &alloc.alloc);
        status = pnd_tokenizer_open(&t, &context,
                                    test_golden("tokenizer.model"),
                                    folder.path);
        if (status == PANDA_OK) {
            status = pnd_tokenizer_encode(
                t, text, strlen(text),
                PANDA_TOKENIZE_BOS | PANDA_TOKENIZE_PARSE_SPECIAL, &ids);
            if (status < 0)
                ck_assert_uint_eq(ids.size, 0);
        }
        if (status == PANDA_OK)
            status = pnd_tokenizer_decode(
                t, (const int32_t *)(const void *)ids.data,
                ids.size / sizeof(int32_t), true, &out);
        pnd_buffer_free(&ids);
        pnd_buffer_free(&out);
        pnd_tokenizer_close(t);
        ck_assert_int_eq(alloc.live, 0);
        ck_assert(status == PANDA_OK || status == PANDA_E_MEMORY);
    } while (status != PANDA_OK);
    ck_assert_int_gt(n, 20);
    folder_remove(&folder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tc = tcase_create("tokenizer");
    tcase_add_checked_fixture(tc, open_golden, close_golden);
    tcase_add_test(tc, vocabulary_is_described);
    tcase_add_test(tc, plain_texts_become_sentencepieces_ids);
    tcase_add_test(tc, parsed_texts_become_the_references_ids);
    tcase_add_test(tc, other_models_become_sentencepieces_ids);
    tcase_add_test(tc, special_tokens_stay_text_unless_parsed);
    tcase_add_test(tc, bos_comes_first_when_asked_for);
    tcase_add_test(tc, ids_are_appended);
    tcase_add_test(tc, what_cannot_be_done_is_said);
    tcase_add_test(tc, memory_may_run_out);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
