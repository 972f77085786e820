/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modalities/clip_merges.h"
#include "modalities/fake_host.h"
#include "modalities/text/bpe.h"
#include "support/support.h"

static struct fake_host f;

static void setup(void)
{
    fake_host_init(&f, 1);
}

static void teardown(void)
{
    ck_assert_int_eq(fake_host_check(&f), 0);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void open_vocab(struct pnd_clip_vocab *v, const char *const *own,
                       size_t count)
{
    size_t size;
    char *table = clip_merges_make(own, count, &size);
    ck_assert_msg(pnd_clip_vocab_open(v, &f.host, table, size) == PANDA_OK,
                  "%s", f.message);
    free(table);
}

/* The tokens of an ASCII word; returns their number. */
static uint32_t encode(const struct pnd_clip_vocab *v, const char *word,
                       int32_t *ids, uint32_t limit)
{
    struct pnd_clip_encoder e;
    size_t size = strlen(word);
    uint32_t *text = malloc((size + 1) * sizeof *text);
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t)word[i];
    pnd_clip_encoder_init(&e, &f.host, v, ids, limit);
    ck_assert_int_eq(pnd_clip_encoder_push_word(
                         &e, &(struct pnd_word){.text = text, .size = size}),
                     PANDA_OK);
    pnd_clip_encoder_free(&e);
    free(text);
    return e.count;
}

/* The same by the book: find the lowest pair, merge it everywhere, again. */
static uint32_t encode_slowly(const struct pnd_clip_vocab *v, const char *word,
                              int32_t *ids)
{
    uint32_t n = (uint32_t)strlen(word);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = v->bytes[(uint8_t)word[i]] +
                 (i == n - 1 ? PND_CLIP_BYTES : 0);
    for (;;) {
        uint32_t best = 0;
        for (uint32_t i = 0; i + 1 < n; i++) {
            uint32_t made = pnd_clip_vocab_find(v, (uint32_t)ids[i],
                                                (uint32_t)ids[i + 1]);
            if (made && (!best || made < best))
                best = made;
        }
        if (!best)
            return n;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t id = (uint32_t)ids[i];
            if (i + 1 < n &&
                pnd_clip_vocab_find(v, id, (uint32_t)ids[i + 1]) == best) {
                ids[kept++] = (int32_t)best;
                i++;
            } else {
                ids[kept++] = ids[i];
            }
        }
        n = kept;
    }
}

START_TEST(merges_go_by_rank)
{
    static const char *const own[] = {"l l", "h e", "he ll", "a a",
                                      "o o</w>", "hell o</w>", "e l"};
    struct pnd_clip_vocab v;
    int32_t ids[8];
    open_vocab(&v, own, 7);
    ck_assert_uint_eq(encode(&v, "hello", ids, 8), 1);
    ck_assert_int_eq(ids[0], 512 + 5);
    ck_assert_uint_eq(encode(&v, "hel", ids, 8), 2);
    ck_assert_int_eq(ids[0], 512 + 1);
    ck_assert_int_eq(ids[1], 'l' - '!' + 256);
    /* Equal pairs merge from the left: aa aa a. */
    ck_assert_uint_eq(encode(&v, "aaaaa", ids, 8), 3);
    ck_assert_int_eq(ids[0], 512 + 3);
    ck_assert_int_eq(ids[2], 'a' - '!' + 256);
    ck_assert_uint_eq(encode(&v, "oo", ids, 8), 1);
    ck_assert_int_eq(ids[0], 512 + 4);
    ck_assert_uint_eq(encode(&v, "ooo", ids, 8), 2);
    /* No room: the first tokens stay. */
    ck_assert_uint_eq(encode(&v, "zyxzyx", ids, 4), 4);
    ck_assert_int_eq(ids[3], 'z' - '!');
    pnd_clip_vocab_close(&v, &f.host);
}
END_TEST

START_TEST(bytes_have_their_tokens)
{
    struct pnd_clip_vocab v;
    open_vocab(&v, NULL, 0);
    ck_assert_uint_eq(v.bytes['!'], 0);
    ck_assert_uint_eq(v.bytes['~'], 93);
    ck_assert_uint_eq(v.bytes[0xa1], 94);
    ck_assert_uint_eq(v.bytes[0xac], 105);
    ck_assert_uint_eq(v.bytes[0xae], 106);
    ck_assert_uint_eq(v.bytes[0xff], 187);
    ck_assert_uint_eq(v.bytes[0], 188);
    ck_assert_uint_eq(v.bytes[' '], 220);
    ck_assert_uint_eq(v.bytes[0x7f], 221);
    ck_assert_uint_eq(v.bytes[0xa0], 254);
    ck_assert_uint_eq(v.bytes[0xad], 255);
    pnd_clip_vocab_close(&v, &f.host);
}
END_TEST

#define OWN 300
#define TOKEN_MAX 16

struct merge_text {
    char token[TOKEN_MAX + 1]; /* what it makes */
    char line[TOKEN_MAX + 2];
};

static bool is_known(const struct merge_text *all, size_t count,
                     const char *token)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].token, token) == 0)
            return true;
    }
    return false;
}

/* Merges of random tokens over three letters, some at a word's end. The first
 * six entries are the letters themselves. */
static size_t make_random_merges(struct merge_text all[OWN + 6], uint32_t seed)
{
    static const char *const letters[] = {"a",     "b",     "c",
                                          "a</w>", "b</w>", "c</w>"};
    size_t count = 0;
    for (; count < 6; count++)
        strcpy(all[count].token, letters[count]);
    for (int tries = 0; tries < 20000 && count < OWN + 6; tries++) {
        const char *left = all[next_random(&seed) % count].token;
        const char *right = all[next_random(&seed) % count].token;
        struct merge_text *new = &all[count];
        if (strchr(left, '<') || strlen(left) + strlen(right) > TOKEN_MAX)
            continue;
        strcat(strcpy(new->token, left), right);
        strcat(strcat(strcpy(new->line, left), " "), right);
        count += !is_known(all, count, new->token);
    }
    return count;
}

START_TEST(fast_is_as_slow)
{
    static struct merge_text all[OWN + 6];
    const char *own[OWN];
    uint32_t seed = 17 + (uint32_t)_i;
    size_t count = make_random_merges(all, seed);
    ck_assert_uint_gt(count, 100);
    for (size_t i = 6; i < count; i++)
        own[i - 6] = all[i].line;
    struct pnd_clip_vocab v;
    open_vocab(&v, own, count - 6);
    for (int round = 0; round < 300; round++) {
        char word[64];
        int32_t fast[64], slow[64];
        size_t size = 1 + next_random(&seed) % 60;
        for (size_t i = 0; i < size; i++)
            word[i] = "abc"[next_random(&seed) % 3];
        word[size] = '\0';
        uint32_t n = encode(&v, word, fast, 64);
        ck_assert_uint_eq(n, encode_slowly(&v, word, slow));
        ck_assert_mem_eq(fast, slow, n * sizeof *fast);
    }
    pnd_clip_vocab_close(&v, &f.host);
}
END_TEST

/* Would take hours if time were quadratic. */
START_TEST(long_words_are_quick)
{
    static const char *const own[] = {"a a", "aa aa", "aaaa aaaa", "aa a"};
    struct pnd_clip_vocab v;
    int32_t ids[77];
    open_vocab(&v, own, 4);
    char *word = malloc(1000001);
    memset(word, 'a', 1000000);
    word[1000000] = '\0';
    ck_assert_uint_eq(encode(&v, word, ids, 77), 77);
    for (int i = 0; i < 77; i++)
        ck_assert_int_eq(ids[i], 512 + 2);
    free(word);
    pnd_clip_vocab_close(&v, &f.host);
}
END_TEST

static void check_refused(const char *table, size_t size, const char *part)
{
    struct pnd_clip_vocab v;
    fake_host_clear(&f);
    ck_assert_int_eq(pnd_clip_vocab_open(&v, &f.host, table, size),
                     PANDA_E_FORMAT);
    ck_assert_msg(strstr(f.message, part) != NULL,
                  "\"%s\" does not contain \"%s\"", f.message, part);
    pnd_clip_vocab_close(&v, &f.host);
}

START_TEST(wrong_tables_are_refused)
{
    static const struct {
        const char *table, *part;
    } cases[] = {
        {"", "0 merges, expected 48894"},
        {"#version\n", "0 merges, expected 48894"},
        {"#version\na b\nab c\n", "2 merges, expected 48894"},
        {"#version\na b\nab c", "2 merges, expected 48894"},
        {"#version\na b\n\nab c\n", "line 3 is not two parts"},
        {"#version\nab\n", "line 2 is not two parts"},
        {"#version\n ab\n", "line 2 is not two parts"},
        {"#version\nab \n", "line 2 is not two parts"},
        {"#version\na b c\n", "line 2 is not two parts"},
        {"#version\na bc\n", "line 2 ends with a part that no"},
        {"#version\na b\nxy b\n", "line 3 begins with a part that no"},
        {"#version\na b\nb c\nab c\na bc\n", "line 5 makes a token that"},
        {"#version\na b\na b\n", "line 3 makes a token that"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].table, strlen(cases[i].table), cases[i].part);
    check_refused("#version\na\0 b\n", 14, "line 2 begins with a part");
    size_t size;
    char *table = clip_merges_make(NULL, 0, &size);
    size -= 2; /* into the last line */
    while (table[size - 1] != '\n')
        size--;
    check_refused(table, size, "48893 merges, expected 48894");
    free(table);
}
END_TEST

/* As the published file, which has five times as many lines, and as a copy
 * that went through another system's editor. */
START_TEST(other_forms_are_read)
{
    size_t size;
    char *table = clip_merges_make(NULL, 0, &size);
    char *longer = malloc(2 * size + 32);
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        if (table[i] == '\n')
            longer[at++] = '\r';
        longer[at++] = table[i];
    }
    memcpy(longer + at, "no merge at all\n", 16);
    struct pnd_clip_vocab v;
    ck_assert_msg(pnd_clip_vocab_open(&v, &f.host, longer, at + 16) == PANDA_OK,
                  "%s", f.message);
    pnd_clip_vocab_close(&v, &f.host);
    free(longer);
    free(table);
}
END_TEST

START_TEST(memory_may_end_anywhere)
{
    size_t size;
    char *table = clip_merges_make(NULL, 0, &size);
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status != PANDA_OK; n++) {
        struct pnd_clip_vocab v;
        fake_host_clear(&f);
        f.fail_at = n;
        status = pnd_clip_vocab_open(&v, &f.host, table, size);
        ck_assert(status == PANDA_OK || status == PANDA_E_MEMORY);
        pnd_clip_vocab_close(&v, &f.host);
        ck_assert_int_eq(fake_host_check(&f), 0);
    }
    free(table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text_bpe");
    TCase *tc = tcase_create("text_bpe");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, merges_go_by_rank);
    tcase_add_test(tc, bytes_have_their_tokens);
    tcase_add_loop_test(tc, fast_is_as_slow, 0, 5);
    tcase_add_test(tc, long_words_are_quick);
    tcase_add_test(tc, wrong_tables_are_refused);
    tcase_add_test(tc, other_forms_are_read);
    tcase_add_test(tc, memory_may_end_anywhere);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
