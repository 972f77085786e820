/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/format/builder.h"

#include <stdio.h>
#include <string.h>

#include <pandagpt/model.h>

#include "text/tokenizer.h"

#define SPACE "\xe2\x96\x81"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct token {
    const char *text;
    float score;
    uint32_t type;
};

static void put_strings(struct gguf_builder *g, const char *key,
                        const char *const *texts, size_t count)
{
    struct pnd_buffer *b = gguf_key(g, key, PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_STRING, 4);
    put_le(b, count, 8);
    for (size_t i = 0; i < count; i++)
        put_gguf_string(b, texts[i]);
}

static void put_tokens(struct gguf_builder *g, const struct token *tokens,
                       size_t count)
{
    const char *texts[300];
    for (size_t i = 0; i < count; i++)
        texts[i] = tokens[i].text;
    put_strings(g, "tokenizer.ggml.tokens", texts, count);
    struct pnd_buffer *b =
        gguf_key(g, "tokenizer.ggml.scores", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_F32, 4);
    put_le(b, count, 8);
    for (size_t i = 0; i < count; i++)
        put_bytes(b, &tokens[i].score, 4);
    b = gguf_key(g, "tokenizer.ggml.token_type", PND_GGUF_ARRAY);
    put_le(b, PND_GGUF_I32, 4);
    put_le(b, count, 8);
    for (size_t i = 0; i < count; i++)
        put_le(b, tokens[i].type, 4);
}

static const char *write_gguf(struct gguf_builder *g)
{
    struct pnd_buffer file = gguf_end(g);
    const char *path = test_write_temp(".gguf", file.data, file.size);
    pnd_buffer_free(&file);
    return path;
}

static const struct token letters[] = {
    {"<s>", 0, CONTROL}, {"a", 0, NORMAL}, {"b", 0, NORMAL},
    {"ab", 0, NORMAL}, {"1", 0, NORMAL}, {"\xc4\xa0", 0, NORMAL},
    {"\xc4\xa0" "ab", 0, NORMAL}, {"<t>", 0, USER_DEFINED},
    {"", 0, UNUSED}, {"11", 0, NORMAL}};
static const char *const letter_merges[] = {"a b", "\xc4\xa0 ab", "1 1"};

/* A byte-level vocabulary. */
static struct gguf_builder begin_bytes(const char *pre)
{
    struct gguf_builder g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "gpt2");
    gguf_string(&g, "tokenizer.ggml.pre", pre);
    put_tokens(&g, letters, sizeof letters / sizeof *letters);
    gguf_u32(&g, "tokenizer.ggml.bos_token_id", 0);
    return g;
}

static struct gguf_builder begin_merged(const char *pre)
{
    struct gguf_builder g = begin_bytes(pre);
    put_strings(&g, "tokenizer.ggml.merges", letter_merges, 3);
    return g;
}

static const char *encode(const struct pnd_tokenizer *t, const char *text,
                          uint32_t flags)
{
    static char written[512];
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(t, text, strlen(text), flags, &ids));
    written[0] = '\0';
    for (size_t i = 0, used = 0; i < ids.size / 4; i++)
        used += (size_t)snprintf(written + used, sizeof written - used, " %d",
                                 (int)((int32_t *)(void *)ids.data)[i]);
    pnd_buffer_free(&ids);
    return written;
}

START_TEST(byte_level_vocabularies_are_read)
{
    static const struct {
        const char *pre, *ids;
    } ways[] = {{"gpt-2", " 6 9"}, {"smollm", " 6 4 4"}, {"qwen2", " 6 4 4"},
                {"llama-bpe", " 6 9"}, {"tekken", " 6 4 4"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct pnd_tokenizer *t;
        struct gguf_builder g = begin_merged(ways[i].pre);
        ck_assert_ok(pnd_tokenizer_open(&t, test_context(), write_gguf(&g),
                                        NULL));
        ck_assert_uint_eq(pnd_tokenizer_get_size(t), 10);
        ck_assert_int_eq(pnd_tokenizer_get_bos(t), 0);
        ck_assert_int_eq(pnd_tokenizer_get_eos(t), -1);
        ck_assert_str_eq(encode(t, " ab11", 0), ways[i].ids);
        /* Control tokens only where they are parsed, added ones always. */
        ck_assert_str_eq(encode(t, "<s>a<t>b", 0), " 1 7 2");
        ck_assert_str_eq(encode(t, "<s>a<t>b", PANDA_TOKENIZE_PARSE_SPECIAL),
                         " 0 1 7 2");
        ck_assert_int_eq(pnd_tokenizer_find(t, "[EMPTY_8]", 9), 8);
        pnd_tokenizer_close(t);
    }
}
END_TEST

static uint32_t get_ends(struct gguf_builder *g)
{
    struct pnd_tokenizer *t;
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(), write_gguf(g), NULL));
    uint32_t ends = pnd_tokenizer_get_ends(t);
    pnd_tokenizer_close(t);
    return ends;
}

/* Where the file does not say, as llama.cpp has it. */
START_TEST(ways_to_split_decide_on_bos)
{
    static const char *const with[] = {"llama-bpe", "llama3", "llama-v3",
                                       "falcon3", "pixtral", "lfm2", "tekken"};
    static const char *const without[] = {
        "default", "gpt-2", "smollm", "qwen2", "deepseek-llm",
        "deepseek-coder", "starcoder", "refact", "dbrx", "smaug-bpe"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        struct gguf_builder g = begin_merged(with[i]);
        ck_assert_msg(get_ends(&g) == PANDA_TOKENIZE_BOS, "%s", with[i]);
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        struct gguf_builder g = begin_merged(without[i]);
        ck_assert_msg(get_ends(&g) == 0, "%s", without[i]);
    }
}
END_TEST

/* What the file says counts; a token that it does not have is not added. */
START_TEST(files_decide_on_the_ends_of_texts)
{
    static const char *const pres[] = {"gpt-2", "llama-bpe"};
    for (int i = 0; i < 8; i++) {
        const uint64_t bos = i & 1, eos = i >> 1 & 1;
        struct gguf_builder g = begin_merged(pres[i >> 2]);
        put_le(gguf_key(&g, "tokenizer.ggml.add_bos_token", PND_GGUF_BOOL),
               bos, 1);
        put_le(gguf_key(&g, "tokenizer.ggml.add_eos_token", PND_GGUF_BOOL),
               eos, 1);
        gguf_u32(&g, "tokenizer.ggml.eos_token_id", 7);
        ck_assert_uint_eq(get_ends(&g), (bos ? PANDA_TOKENIZE_BOS : 0u) |
                                            (eos ? PANDA_TOKENIZE_EOS : 0u));
    }
    struct gguf_builder g = begin_merged("gpt-2");
    put_le(gguf_key(&g, "tokenizer.ggml.add_eos_token", PND_GGUF_BOOL), 1, 1);
    ck_assert_uint_eq(get_ends(&g), 0);
}
END_TEST

static struct gguf_builder begin_llama(void)
{
    static const struct token some[] = {
        {"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {"</s>", 0, CONTROL},
        {SPACE, -3, NORMAL}, {"a", -3, NORMAL}, {SPACE "a", -1, NORMAL},
        {"user", 0, USER_DEFINED}};
    static char spellings[256][8];
    struct token tokens[263];
    struct gguf_builder g = gguf_begin();
    memcpy(tokens, some, sizeof some);
    for (int i = 0; i < 256; i++) {
        snprintf(spellings[i], sizeof spellings[i], "<0x%02X>", (unsigned)i);
        tokens[7 + i] = (struct token){spellings[i], 0, BYTE};
    }
    gguf_string(&g, "tokenizer.ggml.model", "llama");
    put_tokens(&g, tokens, 263);
    gguf_u32(&g, "tokenizer.ggml.bos_token_id", 1);
    gguf_u32(&g, "tokenizer.ggml.eos_token_id", 2);
    return g;
}

START_TEST(sentencepiece_vocabularies_are_read)
{
    struct pnd_tokenizer *t;
    struct gguf_builder g = begin_llama();
    ck_assert_ok(
        pnd_tokenizer_open(&t, test_context(), write_gguf(&g), NULL));
    ck_assert_int_eq(pnd_tokenizer_get_eos(t), 2);
    ck_assert_str_eq(encode(t, "a  a", 0), " 5 3 5");
    ck_assert_str_eq(encode(t, "b", PANDA_TOKENIZE_BOS), " 1 3 105");
    ck_assert_str_eq(encode(t, "auser", 0), " 5 6");
    ck_assert_str_eq(encode(t, "a</s>", PANDA_TOKENIZE_PARSE_SPECIAL),
                     " 5 2");
    pnd_tokenizer_close(t);

    /* Without the space in front. */
    g = begin_llama();
    put_le(gguf_key(&g, "tokenizer.ggml.add_space_prefix", PND_GGUF_BOOL), 0,
           1);
    ck_assert_ok(
        pnd_tokenizer_open(&t, test_context(), write_gguf(&g), NULL));
    ck_assert_str_eq(encode(t, "a a", 0), " 4 5");
    pnd_tokenizer_close(t);
}
END_TEST

static void expect_failure(struct gguf_builder *g, panda_status status,
                           const char *says)
{
    struct pnd_tokenizer *t;
    const char *path = write_gguf(g);
    ck_assert_fails(pnd_tokenizer_open(&t, test_context(), path, NULL), status,
                    says);
    ck_assert_ptr_null(t);
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), path));
}

START_TEST(wrong_vocabularies_are_refused)
{
    static const char *const unknown[] = {"a x"}, *const joined[] = {"ab"};
    struct gguf_builder g = gguf_begin();
    expect_failure(&g, PANDA_E_FORMAT, "no vocabulary");
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "bert");
    put_tokens(&g, letters, 2);
    expect_failure(&g, PANDA_E_UNSUPPORTED, "\"bert\"");
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "gpt2");
    expect_failure(&g, PANDA_E_FORMAT, "tokens is not a list");
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "gpt2");
    put_tokens(&g, letters, 0);
    expect_failure(&g, PANDA_E_FORMAT, "0 tokens");
    g = begin_merged("mystery");
    expect_failure(&g, PANDA_E_UNSUPPORTED, "\"mystery\"");
    g = begin_bytes("gpt-2");
    expect_failure(&g, PANDA_E_FORMAT, "merges is not a list");
    g = begin_bytes("gpt-2");
    put_strings(&g, "tokenizer.ggml.merges", unknown, 1);
    expect_failure(&g, PANDA_E_FORMAT, "merge 0: \"x\"");
    g = begin_bytes("gpt-2");
    put_strings(&g, "tokenizer.ggml.merges", joined, 1);
    expect_failure(&g, PANDA_E_FORMAT, "not two pieces");
    g = begin_merged("gpt-2");
    gguf_string(&g, "tokenizer.ggml.eos_token_id", "1");
    expect_failure(&g, PANDA_E_FORMAT, "eos_token_id");

    const struct token odd[] = {{"a", 0, 7}}, twice[] = {{"a", 0, NORMAL},
                                                         {"a", 0, NORMAL}};
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "llama");
    put_tokens(&g, odd, 1);
    expect_failure(&g, PANDA_E_FORMAT, "type of token 0");
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "llama");
    put_tokens(&g, twice, 2);
    expect_failure(&g, PANDA_E_FORMAT, "two pieces are \"a\"");
    const struct token byte[] = {{"<unk>", 0, UNKNOWN}, {"<0x00>", 0, BYTE}};
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "llama");
    put_tokens(&g, byte, 2);
    expect_failure(&g, PANDA_E_FORMAT, "<0x01> missing");
    const struct token not_text[] = {{"\xff", 0, NORMAL}};
    g = gguf_begin();
    gguf_string(&g, "tokenizer.ggml.model", "llama");
    put_tokens(&g, not_text, 1);
    expect_failure(&g, PANDA_E_FORMAT, "piece 0 is not UTF-8");
}
END_TEST

static panda_status open_without_memory(const char *path, long fail_at)
{
    struct test_alloc heap;
    struct pnd_context ctx = *test_context();
    struct pnd_tokenizer *t;
    test_alloc_init(&heap);
    ctx.alloc = heap.alloc;
    heap.fail_at = fail_at;
    panda_status status = pnd_tokenizer_open(&t, &ctx, path, NULL);
    pnd_tokenizer_close(t);
    ck_assert_int_eq(atomic_load(&heap.live), 0);
    return status;
}

START_TEST(lack_of_memory_is_reported)
{
    for (int kind = 0; kind < 2; kind++) {
        struct gguf_builder g = kind ? begin_llama() : begin_merged("smollm");
        const char *path = write_gguf(&g);
        panda_status status = PANDA_E_MEMORY;
        for (long n = 1; status == PANDA_E_MEMORY; n++) {
            ck_assert_int_lt(n, 1000);
            status = open_without_memory(path, n);
        }
        ck_assert_ok(status);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer_gguf");
    TCase *tests = tcase_create("tokenizer_gguf");
    tcase_add_test(tests, ways_to_split_decide_on_bos);
    tcase_add_test(tests, files_decide_on_the_ends_of_texts);
    tcase_add_test(tests, byte_level_vocabularies_are_read);
    tcase_add_test(tests, sentencepiece_vocabularies_are_read);
    tcase_add_test(tests, wrong_vocabularies_are_refused);
    tcase_add_test(tests, lack_of_memory_is_reported);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
