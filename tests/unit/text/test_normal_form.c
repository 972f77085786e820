/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_text.h"

#include "text/char_class.h"
#include "text/normal_form.h"

static const enum pnd_normal_form forms[] = {PND_NORMAL_C, PND_NORMAL_D};

static struct pnd_buffer bring(enum pnd_normal_form form, const void *text,
                               size_t size)
{
    struct pnd_buffer out;
    pnd_buffer_init(&out, &pnd_allocator_heap);
    ck_assert_ok(pnd_normal_append(form, text, size, &out));
    ck_assert_uint_le(out.size, 3 * size);
    return out;
}

/* tests/golden/normal.json, made by HF's normalisers. */
START_TEST(texts_become_the_references)
{
    static const char *const keys[] = {"nfc", "nfd"};
    struct pnd_json *json;
    ck_assert_ok(pnd_json_open(&json, test_context(),
                               test_golden("normal.json")));
    const struct pnd_json_value *row = pnd_json_get_root(json)->child;
    ck_assert_ptr_nonnull(row);
    for (; row; row = row->next) {
        const struct pnd_json_value *text = golden_get(row, "text");
        for (int i = 0; i < 2; i++) {
            const struct pnd_json_value *want = golden_get(row, keys[i]);
            struct pnd_buffer got =
                bring(forms[i], text->string, text->length);
            assert_buffer(&got, want);
            pnd_buffer_free(&got);
            got = bring(forms[i], want->string, want->length);
            assert_buffer(&got, want);
            pnd_buffer_free(&got);
            if (pnd_normal_is_plain(forms[i], (const uint8_t *)text->string,
                                    text->length))
                ck_assert_str_eq(text->string, want->string);
        }
    }
    pnd_json_free(json);
}
END_TEST

static void assert_form(enum pnd_normal_form form,
                        const struct pnd_buffer *text,
                        const struct pnd_buffer *want)
{
    struct pnd_buffer got = bring(form, text->data, text->size);
    ck_assert_uint_eq(got.size, want->size);
    ck_assert_mem_eq(got.data, want->data, want->size);
    pnd_buffer_free(&got);
}

/* C of D is C, and D of C is D; a page of characters at a time. */
START_TEST(forms_agree_for_every_character)
{
    for (uint32_t page = 0; page < 0x110000; page += 256) {
        uint8_t text[5 * 256];
        size_t size = 0, length;
        for (uint32_t code = page; code < page + 256; code++) {
            if (code >= 0xd800 && code < 0xe000)
                continue;
            size += pnd_char_encode(code, text + size);
            text[size++] = '\n';
        }
        if (size == 0)
            continue;
        bool same = true;
        for (size_t at = 0; at < size; at += length) {
            uint8_t again[4];
            uint32_t code = pnd_char_decode(text + at, &length);
            same = same && pnd_char_encode(code, again) == length &&
                   memcmp(again, text + at, length) == 0;
        }
        ck_assert(same);
        struct pnd_buffer c = bring(PND_NORMAL_C, text, size);
        struct pnd_buffer d = bring(PND_NORMAL_D, text, size);
        assert_form(PND_NORMAL_C, &d, &c);
        assert_form(PND_NORMAL_D, &c, &d);
        pnd_buffer_free(&c);
        pnd_buffer_free(&d);
    }
}
END_TEST

/* A text may be one run of marks out of order. */
START_TEST(long_runs_of_marks_are_sorted)
{
    enum { PAIRS = 1 << 15 };
    uint8_t *text = malloc(4 * PAIRS + 1);
    ck_assert_ptr_nonnull(text);
    text[0] = 'e';
    for (size_t i = 0; i < PAIRS; i++)
        memcpy(text + 1 + 4 * i, "\xcc\x81\xcc\xa3", 4);
    struct pnd_buffer out = bring(PND_NORMAL_C, text, 4 * PAIRS + 1);
    /* One dot below is taken into the letter. */
    ck_assert_uint_eq(out.size, 3 + 2 * (2 * PAIRS - 1));
    ck_assert_mem_eq(out.data, "\xe1\xba\xb9\xcc\xa3", 5);
    ck_assert_mem_eq(out.data + out.size - 2, "\xcc\x81", 2);
    pnd_buffer_free(&out);
    free(text);
}
END_TEST

START_TEST(forms_have_names)
{
    ck_assert_int_eq(pnd_normal_find_name("NFC", 3), PND_NORMAL_C);
    ck_assert_int_eq(pnd_normal_find_name("NFD", 3), PND_NORMAL_D);
    ck_assert_int_eq(pnd_normal_find_name("NFKC", 4), PND_NORMAL_NONE);
    ck_assert_int_eq(pnd_normal_find_name("", 0), PND_NORMAL_NONE);
    ck_assert_str_eq(pnd_normal_get_name(PND_NORMAL_C), "NFC");
    ck_assert_str_eq(pnd_normal_get_name(PND_NORMAL_D), "NFD");
    ck_assert_ptr_null(pnd_normal_get_name(PND_NORMAL_NONE));
}
END_TEST

START_TEST(lack_of_memory_is_reported)
{
    static const char text[] = "a\xcc\x81\xcc\xa3\xea\xb0\x80x";
    panda_status status = PANDA_E_MEMORY;
    struct test_alloc heap;
    test_alloc_init(&heap);
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        struct pnd_buffer out;
        heap.fail_at = n;
        atomic_store(&heap.count, 0);
        pnd_buffer_init(&out, &heap.alloc);
        status = pnd_normal_append(PND_NORMAL_D, (const uint8_t *)text,
                                   sizeof text - 1, &out);
        pnd_buffer_free(&out);
        ck_assert_int_eq(atomic_load(&heap.live), 0);
        ck_assert_int_lt(n, 100);
    }
    ck_assert_ok(status);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("normal_form");
    TCase *tests = tcase_create("normal_form");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, texts_become_the_references);
    tcase_add_test(tests, forms_agree_for_every_character);
    tcase_add_test(tests, long_runs_of_marks_are_sorted);
    tcase_add_test(tests, forms_have_names);
    tcase_add_test(tests, lack_of_memory_is_reported);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return test_run(make_suite());
}
