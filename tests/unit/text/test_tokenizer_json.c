/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_text.h"

#include "text/bpe.h"
#include "text/char_class.h"
#include "text/pre_split.h"

/* tests/golden/bpe.json has this in place of a way to split text. */
#define HOLE "\"pre_tokenizer\":null"

static char *model_text; /* bpe.json */
static struct pnd_json *golden_json;
static const struct pnd_json_value *golden;

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, file), 0);
    fclose(file);
    return text;
}

static void open_golden(void)
{
    model_text = read_text(test_golden("bpe.json"));
    ck_assert_ok(pnd_json_open(&golden_json, test_context(),
                               test_golden("bpe_ids.json")));
    golden = pnd_json_get_root(golden_json);
}

static void close_golden(void)
{
    free(model_text);
    pnd_json_free(golden_json);
}

/* A copy of `text` with `to` in place of its first `from`; the path of a file
 * that holds it. */
static const char *write_changed(const char *text, const char *from,
                                 const char *to)
{
    const char *at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    size_t size = strlen(text) + strlen(to) - strlen(from);
    char *changed = malloc(size + 1);
    ck_assert_ptr_nonnull(changed);
    snprintf(changed, size + 1, "%.*s%s%s", (int)(at - text), text, to,
             at + strlen(from));
    const char *path = test_write_temp(".json", changed, size);
    free(changed);
    return path;
}

static struct pnd_tokenizer *open_way(const struct pnd_json_value *way)
{
    char step[8192];
    struct pnd_tokenizer *t;
    snprintf(step, sizeof step, "\"pre_tokenizer\":%s",
             golden_get(way, "pre_tokenizer")->string);
    ck_assert_ok(pnd_tokenizer_open(
        &t, test_context(), write_changed(model_text, HOLE, step), NULL));
    return t;
}

static void check_rows(const struct pnd_tokenizer *t,
                       const struct pnd_json_value *rows, uint32_t flags)
{
    const struct pnd_json_value *text = golden_get(golden, "texts")->child;
    const struct pnd_json_value *row = rows->child;
    for (; row; row = row->next, text = text->next)
        assert_ids(t, text->string, text->length, flags, row);
    ck_assert_ptr_null(text);
}

START_TEST(each_way_to_split_gives_the_references_ids)
{
    const struct pnd_json_value *way = golden_get(golden, "ways")->child;
    for (; way; way = way->next) {
        struct pnd_tokenizer *t = open_way(way);
        ck_assert_uint_eq(pnd_tokenizer_get_size(t),
                          golden_get(golden, "size")->integer);
        check_rows(t, golden_get(way, "plain"), 0);
        check_rows(t, golden_get(way, "parsed"), PANDA_TOKENIZE_PARSE_SPECIAL);
        pnd_tokenizer_close(t);
    }
}
END_TEST

static bool find_name(struct pnd_splitter *s, const char *name)
{
    bool ignore_merges, adds_bos;
    return pnd_split_find_name(s, &ignore_merges, &adds_bos, name,
                               strlen(name));
}

/* A GGUF names what a tokenizer.json spells out. */
START_TEST(names_stand_for_rules)
{
    const struct pnd_json_value *way = golden_get(golden, "ways")->child;
    struct pnd_splitter s;
    for (; way; way = way->next) {
        ck_assert(find_name(&s, golden_get(way, "name")->string));
        ck_assert_uint_gt(s.count, 0);
    }
    ck_assert(find_name(&s, "refact"));
    ck_assert_uint_eq(s.count, 2);
    ck_assert_uint_eq(s.rules[0], PND_SPLIT_DIGIT);
    ck_assert(!find_name(&s, "gpt"));
    ck_assert(!find_name(&s, ""));
    ck_assert(!find_name(&s, "llama-bpe llama3"));
    ck_assert(!find_name(&s, " "));
}
END_TEST

START_TEST(ids_become_the_references_text)
{
    struct pnd_tokenizer *t = open_way(golden_get(golden, "ways")->child);
    const struct pnd_json_value *row = golden_get(golden, "decoded")->child;
    for (; row; row = row->next) {
        assert_text(t, golden_get(row, "ids"), false, golden_get(row, "text"));
        assert_text(t, golden_get(row, "ids"), true, golden_get(row, "kept"));
        int32_t ids[1024];
        size_t count = golden_ids(golden_get(row, "ids"), ids);
        struct pnd_buffer text;
        struct pnd_stream s;
        pnd_buffer_init(&text, &pnd_allocator_heap);
        pnd_stream_init(&s, t);
        for (size_t i = 0; i < count; i++) {
            ck_assert_ok(pnd_stream_push(&s, ids[i], &text));
            ck_assert(pnd_text_is_utf8(text.data, text.size));
        }
        ck_assert_ok(pnd_stream_flush(&s, &text));
        assert_buffer(&text, golden_get(row, "text"));
        pnd_buffer_free(&text);
    }
    pnd_tokenizer_close(t);
}
END_TEST

/* One word of many letters: merging it is not quadratic, and nothing that
 * splits text is either. */
START_TEST(long_runs_take_no_more_than_their_share)
{
    enum { SIZE = 1 << 16 };
    static const char *const units[] = {"a", " ", "\n", "aA", "1", ".", "<|"};
    static char text[SIZE + 1];
    const struct pnd_json_value *way = golden_get(golden, "ways")->child;
    for (; way; way = way->next) {
        struct pnd_tokenizer *t = open_way(way);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            size_t length = strlen(units[i]);
            for (size_t at = 0; at < SIZE; at++)
                text[at] = units[i][at % length];
            text[SIZE] = 'x';
            struct pnd_buffer ids, back;
            pnd_buffer_init(&ids, &pnd_allocator_heap);
            pnd_buffer_init(&back, &pnd_allocator_heap);
            ck_assert_ok(pnd_tokenizer_encode(t, text, sizeof text, 0, &ids));
            ck_assert_ok(pnd_tokenizer_decode(
                t, (const int32_t *)(const void *)ids.data,
                ids.size / sizeof(int32_t), false, &back));
            ck_assert_uint_eq(back.size, sizeof text);
            ck_assert_int_eq(memcmp(back.data, text, sizeof text), 0);
            pnd_buffer_free(&ids);
            pnd_buffer_free(&back);
        }
        pnd_tokenizer_close(t);
    }
}
END_TEST

/* As Python's bytes.decode("utf-8", "replace"), whose strings HF's tokenizers
 * get. */
START_TEST(bytes_that_are_not_utf8_become_replacements)
{
    struct pnd_tokenizer *t = open_way(golden_get(golden, "ways")->child);
    struct pnd_buffer ids, text;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    pnd_buffer_init(&text, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(t, "a\xff\xe2\x82" "b", 5, 0, &ids));
    ck_assert_ok(pnd_tokenizer_decode(t,
                                      (const int32_t *)(const void *)ids.data,
                                      ids.size / 4, false, &text));
    ck_assert_uint_eq(text.size, 8);
    ck_assert_mem_eq(text.data, "a\xef\xbf\xbd\xef\xbf\xbd" "b", 8);
    pnd_buffer_free(&ids);
    pnd_buffer_free(&text);
    pnd_tokenizer_close(t);
}
END_TEST

/* What the smallest file with these pieces and steps makes of a text. */
static const char *encode_small(const char *model, const char *text,
                                uint32_t flags)
{
    static char written[512];
    struct pnd_tokenizer *t;
    ck_assert_ok(pnd_tokenizer_open(
        &t, test_context(), test_write_temp(".json", model, strlen(model)),
        NULL));
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(t, text, strlen(text), flags, &ids));
    written[0] = '\0';
    for (size_t i = 0, used = 0; i < ids.size / 4; i++)
        used += (size_t)snprintf(written + used, sizeof written - used, " %d",
                                 (int)((int32_t *)(void *)ids.data)[i]);
    pnd_buffer_free(&ids);
    pnd_tokenizer_close(t);
    return written;
}

#define SMALL(added, model)                                                    \
    "{\"added_tokens\":[" added "],\"pre_tokenizer\":{\"type\":\"ByteLevel\"," \
    "\"add_prefix_space\":false},\"model\":{" model "}}"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3,\"abc\":4,\"bc\":5}"
#define SPECIAL(id, text)                                                      \
    "{\"id\":" id ",\"content\":\"" text "\",\"special\":true}"

START_TEST(merges_go_by_rank)
{
    ck_assert_str_eq(
        encode_small(SMALL("", VOCAB ",\"merges\":[\"b c\",\"a b\"]"), "abc",
                     0), " 0 5");
    ck_assert_str_eq(
        encode_small(SMALL("", VOCAB ",\"merges\":[[\"a\",\"b\"],[\"b\",\"c\"],"
                           "[\"ab\",\"c\"]]"), "abcbcab", 0), " 4 5 2");
    /* The last of two counts. */
    ck_assert_str_eq(
        encode_small(SMALL("", VOCAB ",\"merges\":[\"b c\",\"a b\",\"b c\"]"),
                     "abc", 0), " 2 3");
    /* Bytes without a piece vanish, or become the unknown token. */
    ck_assert_str_eq(
        encode_small(SMALL("", VOCAB ",\"merges\":[]"), "axc", 0), " 0 3");
    ck_assert_str_eq(
        encode_small(SMALL("", VOCAB ",\"unk_token\":\"b\""), "axc", 0),
        " 0 1 3");
    ck_assert_str_eq(
        encode_small(SMALL("", VOCAB ",\"ignore_merges\":true"), "abc", 0),
        " 4");
}
END_TEST

/* Whatever the file: plain text makes no special token. */
START_TEST(special_tokens_are_not_made_of_plain_text)
{
    static const char merged[] = SMALL(
        SPECIAL("4", "abc") "," SPECIAL("3", "c") "," SPECIAL("6", "<x>"),
        VOCAB ",\"merges\":[\"a b\",\"ab c\"],\"ignore_merges\":true");
    ck_assert_str_eq(encode_small(merged, "abc", 0), " 2");
    ck_assert_str_eq(encode_small(merged, "abc<x>",
                                  PANDA_TOKENIZE_PARSE_SPECIAL), " 4 6");
}
END_TEST

#define SPACES(step, model)                                                    \
    "{" step ",\"model\":{\"vocab\":{\"\xe2\x96\x81\":0,\"a\":1,"              \
    "\"\xe2\x96\x81" "a\":2,\"<unk>\":3,\"<0xC3>\":4,\"<0xA9>\":5},"          \
    "\"merges\":[\"\xe2\x96\x81 a\"]," model "}}"
#define REPLACE                                                                \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"                    \
    "\"content\":\"\xe2\x96\x81\"}"

START_TEST(pieces_may_spell_text_with_visible_spaces)
{
    static const char llama[] = SPACES(
        "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
        "{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"}," REPLACE "]}",
        "\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":\"<unk>\"");
    ck_assert_str_eq(encode_small(llama, "a a", 0), " 2 2");
    ck_assert_str_eq(encode_small(llama, "\xc3\xa9 a", 0), " 0 4 5 2");
    ck_assert_str_eq(encode_small(llama, "bcd<0xA9>", 0), " 0 3");
    static const char first[] = SPACES(
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
        "\"\xe2\x96\x81\",\"prepend_scheme\":\"first\",\"split\":false}",
        "\"byte_fallback\":true");
    ck_assert_str_eq(encode_small(first, " a", 0), " 2");
    ck_assert_str_eq(encode_small(first, "a", 0), " 2");
    static const char never[] = SPACES("\"normalizer\":" REPLACE,
                                       "\"unk_token\":\"<unk>\"");
    ck_assert_str_eq(encode_small(never, "a a", 0), " 1 2");
    ck_assert_str_eq(encode_small(never, "bc", 0), " 3 3");
}
END_TEST

#define FORMED(normalizer, added)                                             \
    "{\"added_tokens\":[" added "],\"normalizer\":" normalizer                 \
    ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"  \
    "\"model\":{\"vocab\":{\"e\":0,\"\xc3\x83\":1,\"\xc2\xa9\":2,"             \
    "\"\xc3\x8c\":3,\"\xc4\xa3\":4}}}"
#define FORM(name) "{\"type\":\"" name "\"}"
#define FORMS(first, second)                                                  \
    "{\"type\":\"Sequence\",\"normalizers\":[" FORM(first) "," FORM(second)    \
    "]}"
#define DECOMPOSED "e\xcc\x81"
#define COMPOSED "\xc3\xa9"

/* Between added tokens; those that are looked for before see the text as it
 * is. */
START_TEST(text_is_brought_into_a_normal_form)
{
    static const char nfc[] = FORMED(FORM("NFC"), ""),
                      nfd[] = FORMED(FORM("NFD"), ""),
                      both[] = FORMED(FORMS("NFD", "NFC"), "");
    static const char early[] =
        FORMED(FORM("NFC"), SPECIAL("5", DECOMPOSED));
    static const char late[] = FORMED(
        FORM("NFC"), "{\"id\":5,\"content\":\"" COMPOSED
        "\",\"normalized\":true}");
    static const char never[] = FORMED(
        FORM("NFC"), "{\"id\":5,\"content\":\"" DECOMPOSED
        "\",\"normalized\":true}");
    ck_assert_str_eq(encode_small(nfc, DECOMPOSED "e", 0), " 1 2 0");
    ck_assert_str_eq(encode_small(nfc, COMPOSED, 0), " 1 2");
    ck_assert_str_eq(encode_small(both, DECOMPOSED, 0), " 1 2");
    ck_assert_str_eq(encode_small(nfd, COMPOSED, 0), " 0 3 4");
    ck_assert_str_eq(encode_small(early, DECOMPOSED COMPOSED,
                                  PANDA_TOKENIZE_PARSE_SPECIAL), " 5 1 2");
    ck_assert_str_eq(encode_small(late, DECOMPOSED COMPOSED, 0), " 5 5");
    struct pnd_tokenizer *t;
    ck_assert_fails(pnd_tokenizer_open(
                        &t, test_context(),
                        test_write_temp(".json", never, sizeof never - 1),
                        NULL), PANDA_E_UNSUPPORTED,
                    "added token 5 is to be found in text that is NFC");
}
END_TEST

START_TEST(names_come_from_the_files_beside)
{
    struct folder folder = folder_make();
    char path[512];
    struct pnd_tokenizer *t;
    folder_write(&folder, "tokenizer_config.json",
                 "{\"bos_token\":\"<|special|>\",\"eos_token\":null}");
    folder_write(&folder, "special_tokens_map.json",
                 "{\"eos_token\":{\"content\":\"<|endoftext|>\"},"
                 "\"pad_token\":\"not there\"}");
    const char *model = write_changed(model_text, HOLE,
                                      "\"pre_tokenizer\":"
                                      "{\"type\":\"ByteLevel\"}");
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(), model, folder.path));
    ck_assert_int_eq(pnd_tokenizer_get_bos(t),
                     pnd_tokenizer_find(t, "<|special|>", 11));
    ck_assert_int_eq(pnd_tokenizer_get_eos(t), 0);
    pnd_tokenizer_close(t);
    folder_remove(&folder);

    folder = folder_make();
    folder_write(&folder, "generation_config.json",
                 "{\"bos_token_id\":5,\"eos_token_id\":[7,8]}");
    folder_write(&folder, "config.json",
                 "{\"bos_token_id\":4,\"eos_token_id\":99999999}");
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(), model, folder.path));
    ck_assert_int_eq(pnd_tokenizer_get_bos(t), 5);
    ck_assert_int_eq(pnd_tokenizer_get_eos(t), 7);
    pnd_tokenizer_close(t);
    snprintf(path, sizeof path, "%s/generation_config.json", folder.path);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder.path);
    unlink(path);
    folder_remove(&folder);
}
END_TEST

#define TEMPLATE(single)                                                       \
    "{\"type\":\"TemplateProcessing\",\"single\":[" single "]}"
#define ITEM(name) "{\"SpecialToken\":{\"id\":\"" name "\",\"type_id\":0}}"
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"

/* By the template, unless the configuration says otherwise, or has LLaMA's
 * class. */
START_TEST(ends_of_texts_come_from_the_template)
{
    static const char model[] = "{\"post_processor\":%s,\"pre_tokenizer\":"
                                "{\"type\":\"ByteLevel\"},\"model\":{" VOCAB
                                "}}";
    static const uint32_t bos = PANDA_TOKENIZE_BOS, eos = PANDA_TOKENIZE_EOS;
    const struct {
        const char *step, *config;
        uint32_t ends;
    } cases[] = {
        {"null", "{\"bos_token\":\"a\"}", 0},
        {TEMPLATE(TEXT), "{\"bos_token\":\"a\"}", 0},
        {TEMPLATE(ITEM("a") "," TEXT), NULL, bos},
        {TEMPLATE(ITEM("a") "," TEXT), "{\"bos_token\":\"a\"}", bos},
        {TEMPLATE(ITEM("a") "," TEXT), "{\"bos_token\":\"b\"}", 0},
        {TEMPLATE(ITEM("a") "," TEXT "," ITEM("b")), "{}", bos | eos},
        {TEMPLATE(ITEM("a") "," TEXT), "{\"add_bos_token\":false}", 0},
        {TEMPLATE(ITEM("?") "," TEXT), NULL, 0},
        {"{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
         TEMPLATE(TEXT "," ITEM("c")) "]}", NULL, eos},
        {"{\"type\":\"Sequence\"}", NULL, 0},
        {"{\"type\":\"TemplateProcessing\",\"single\":{}}", NULL, 0},
        {"[]", "{\"bos_token\":\"a\",\"add_bos_token\":true}", bos},
        {"null", "{\"bos_token\":\"a\",\"tokenizer_class\":"
                 "\"LlamaTokenizerFast\"}", bos},
        {"null", "{\"bos_token\":\"a\",\"add_bos_token\":false,"
                 "\"tokenizer_class\":\"LlamaTokenizer\"}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        struct pnd_tokenizer *t;
        struct folder folder = folder_make();
        int size = snprintf(text, sizeof text, model, cases[i].step);
        if (cases[i].config)
            folder_write(&folder, "tokenizer_config.json", cases[i].config);
        ck_assert_ok(pnd_tokenizer_open(
            &t, test_context(), test_write_temp(".json", text, (size_t)size),
            folder.path));
        ck_assert_msg(pnd_tokenizer_get_ends(t) == cases[i].ends,
                      "%zu: ends %u", i, pnd_tokenizer_get_ends(t));
        pnd_tokenizer_close(t);
        folder_remove(&folder);
    }
}
END_TEST

static const struct {
    const char *json;
    panda_status status;
    const char *says;
} wrong[] = {
    {"{", PANDA_E_FORMAT, "ends at byte 1"},
    {"{}", PANDA_E_FORMAT, "\"model\""},
    {"{\"model\":[]}", PANDA_E_FORMAT, "\"model\""},
    {SMALL("", "\"type\":\"Unigram\""), PANDA_E_UNSUPPORTED, "Unigram"},
    {SMALL("", "\"merges\":[]"), PANDA_E_FORMAT, "no \"vocab\""},
    {SMALL("", "\"vocab\":{}"), PANDA_E_FORMAT, "no \"vocab\""},
    {SMALL("", "\"vocab\":[1]"), PANDA_E_FORMAT, "not an object"},
    {SMALL("", "\"vocab\":{\"a\":0,\"b\":2}"), PANDA_E_FORMAT,
     "expected ids without a gap"},
    {SMALL(SPECIAL("2", "x"), "\"vocab\":{\"a\":0}"), PANDA_E_FORMAT,
     "without a gap"},
    {SMALL(SPECIAL("0", "x") "," SPECIAL("3", "y"), "\"vocab\":{\"a\":1}"),
     PANDA_E_FORMAT, "id 3"},
    {SMALL("", "\"vocab\":{\"a\":1}"), PANDA_E_FORMAT, "id 1"},
    {SMALL("", "\"vocab\":{\"a\":0,\"b\":0}"), PANDA_E_FORMAT,
     "id 0 was given before"},
    {SMALL("", "\"vocab\":{\"a\":\"0\"}"), PANDA_E_FORMAT, "not an id"},
    {SMALL("", "\"vocab\":{\"a\":-1}"), PANDA_E_FORMAT, "not an id"},
    {SMALL("", "\"vocab\":{\"a\":1e9}"), PANDA_E_FORMAT, "id"},
    {SMALL("", "\"vocab\":{\"\":0}"), PANDA_E_FORMAT, "0 bytes"},
    {SMALL("{\"id\":1}", "\"vocab\":{\"a\":0}"), PANDA_E_FORMAT,
     "\"content\""},
    {SMALL("3", "\"vocab\":{\"a\":0}"), PANDA_E_FORMAT, "\"content\""},
    {SMALL(SPECIAL("1", "a"), "\"vocab\":{\"a\":0}"), PANDA_E_FORMAT,
     "two pieces are \"a\""},
    {SMALL("", VOCAB ",\"merges\":{}"), PANDA_E_FORMAT, "not a list"},
    {SMALL("", VOCAB ",\"merges\":[\"ab\"]"), PANDA_E_FORMAT,
     "not two pieces"},
    {SMALL("", VOCAB ",\"merges\":[\"a x\"]"), PANDA_E_FORMAT,
     "merge 0: \"x\" is not in the vocabulary"},
    {SMALL("", VOCAB ",\"merges\":[\"x a\"]"), PANDA_E_FORMAT, "\"x\""},
    {SMALL("", VOCAB ",\"merges\":[\"a a\"]"), PANDA_E_FORMAT, "\"aa\""},
    {SMALL("", VOCAB ",\"merges\":[[\"a\"]]"), PANDA_E_FORMAT, "a pair"},
    {SMALL("", VOCAB ",\"merges\":[[\"a\",1]]"), PANDA_E_FORMAT, "a pair"},
    {SMALL("", VOCAB ",\"unk_token\":\"x\""), PANDA_E_FORMAT, "unk_token"},
    {SMALL("", VOCAB ",\"dropout\":0.1"), PANDA_E_UNSUPPORTED, "dropout"},
    {SMALL("", VOCAB ",\"end_of_word_suffix\":\"</w>\""),
     PANDA_E_UNSUPPORTED, "end_of_word_suffix"},
    {"{\"model\":{" VOCAB "}}", PANDA_E_UNSUPPORTED, "ByteLevel"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{" VOCAB "}}",
     PANDA_E_UNSUPPORTED, "Lowercase"},
    {"{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{" VOCAB "}}",
     PANDA_E_UNSUPPORTED, "Whitespace"},
    {"{\"pre_tokenizer\":{\"type\":\"Sequence\"},\"model\":{" VOCAB "}}",
     PANDA_E_FORMAT, "pretokenizers"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":"
     "{\"Regex\":\"[aeiou]\"}},\"model\":{" VOCAB "}}",
     PANDA_E_UNSUPPORTED, "[aeiou]"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":"
     "{\"Regex\":\"\\\\p{N}\"},\"behavior\":\"Removed\"},"
     "\"model\":{" VOCAB "}}", PANDA_E_UNSUPPORTED, "Removed"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\"},"
     "\"model\":{" VOCAB "}}", PANDA_E_UNSUPPORTED, "replacement _"},
};

START_TEST(wrong_files_are_refused)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pnd_tokenizer *t;
        const char *path = test_write_temp(".json", wrong[i].json,
                                           strlen(wrong[i].json));
        panda_status status =
            pnd_tokenizer_open(&t, test_context(), path, NULL);
        ck_assert_msg(status == wrong[i].status, "%s: %d, %s", wrong[i].json,
                      status, pnd_error_get());
        ck_assert_ptr_null(t);
        ck_assert_msg(strstr(pnd_error_get(), wrong[i].says) != NULL,
                      "%s: \"%s\"", wrong[i].json, pnd_error_get());
        ck_assert_msg(strstr(pnd_error_get(), path) != NULL, "no path in %s",
                      pnd_error_get());
    }
}
END_TEST

START_TEST(lack_of_memory_is_reported)
{
    static const char model[] = SMALL(
        SPECIAL("6", "<x>") ",{\"id\":7,\"content\":\"y\",\"normalized\":true}",
        VOCAB ",\"merges\":[\"a b\",\"ab c\"]");
    const char *path = test_write_temp(".json", model, sizeof model - 1);
    struct test_alloc heap;
    struct pnd_context ctx = *test_context();
    test_alloc_init(&heap);
    ctx.alloc = heap.alloc;
    panda_status status = PANDA_E_MEMORY;
    for (int n = 1; status == PANDA_E_MEMORY; n++) {
        heap.fail_at = n;
        atomic_store(&heap.count, 0);
        struct pnd_tokenizer *t;
        struct pnd_buffer ids, text;
        pnd_buffer_init(&ids, &ctx.alloc);
        pnd_buffer_init(&text, &ctx.alloc);
        status = pnd_tokenizer_open(&t, &ctx, path, NULL);
        if (status == PANDA_OK)
            status = pnd_tokenizer_encode(t, "abc\xff<x>y ab", 11,
                                          PANDA_TOKENIZE_PARSE_SPECIAL, &ids);
        if (status == PANDA_OK)
            status = pnd_tokenizer_decode(
                t, (const int32_t *)(const void *)ids.data, ids.size / 4, true,
                &text);
        pnd_tokenizer_close(t);
        pnd_buffer_free(&ids);
        pnd_buffer_free(&text);
        ck_assert_int_eq(atomic_load(&heap.live), 0);
        ck_assert_int_lt(n, 1000);
    }
    ck_assert_ok(status);
}
END_TEST

START_TEST(characters_have_kinds)
{
    static const struct {
        uint32_t code, kind;
    } rows[] = {{'a', PND_CHAR_LOWER}, {'Z', PND_CHAR_UPPER},
                {'0', PND_CHAR_NUMBER}, {'\n', PND_CHAR_SPACE},
                {0, PND_CHAR_OTHER}, {'_', PND_CHAR_PUNCTUATION},
                {'$', PND_CHAR_SYMBOL}, {0x100, PND_CHAR_UPPER},
                {0x101, PND_CHAR_LOWER}, {0x1c5, PND_CHAR_TITLE},
                {0x2b0, PND_CHAR_MODIFIER}, {0x301, PND_CHAR_MARK},
                {0x4e2d, PND_CHAR_LETTER}, {0x3000, PND_CHAR_SPACE},
                {0x200b, PND_CHAR_OTHER}, {0x1c89, PND_CHAR_UPPER},
                {0xd800, PND_CHAR_OTHER}, {0x10ffff, PND_CHAR_OTHER}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(pnd_char_classify(rows[i].code) == rows[i].kind,
                      "U+%04X is %#x", rows[i].code,
                      pnd_char_classify(rows[i].code));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer.json");
    TCase *tests = tcase_create("tokenizer.json");
    tcase_set_timeout(tests, 60);
    tcase_add_unchecked_fixture(tests, open_golden, close_golden);
    tcase_add_test(tests, each_way_to_split_gives_the_references_ids);
    tcase_add_test(tests, names_stand_for_rules);
    tcase_add_test(tests, ids_become_the_references_text);
    tcase_add_test(tests, long_runs_take_no_more_than_their_share);
    tcase_add_test(tests, bytes_that_are_not_utf8_become_replacements);
    tcase_add_test(tests, merges_go_by_rank);
    tcase_add_test(tests, special_tokens_are_not_made_of_plain_text);
    tcase_add_test(tests, pieces_may_spell_text_with_visible_spaces);
    tcase_add_test(tests, text_is_brought_into_a_normal_form);
    tcase_add_test(tests, names_come_from_the_files_beside);
    tcase_add_test(tests, ends_of_texts_come_from_the_template);
    tcase_add_test(tests, wrong_files_are_refused);
    tcase_add_test(tests, lack_of_memory_is_reported);
    tcase_add_test(tests, characters_have_kinds);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
