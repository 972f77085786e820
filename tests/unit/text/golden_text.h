/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_GOLDEN_TEXT_H
#define PANDA_TESTS_GOLDEN_TEXT_H

#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pandagpt/model.h>

#include "format/json.h"
#include "text/tokenizer.h"

/* What the tests of the tokenizer share: tests/golden/tokenizer.json and its
 * like, and folders with the files that lie beside a vocabulary. */

static inline struct pnd_json *golden_open(void)
{
    struct pnd_json *json;
    ck_assert_ok(pnd_json_open(&json, test_context(),
                               test_golden("tokenizer.json")));
    return json;
}

/* Member that must be there. */
static inline const struct pnd_json_value *golden_get(
    const struct pnd_json_value *object, const char *key)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    ck_assert_msg(value != NULL, "no \"%s\"", key);
    return value;
}

/* Integers of a list into `ids`; returns how many. */
static inline size_t golden_ids(const struct pnd_json_value *list,
                                int32_t ids[1024])
{
    size_t count = 0;
    ck_assert_uint_le(list->length, 1024);
    const struct pnd_json_value *id;
    for (id = list->child; id; id = id->next)
        ids[count++] = (int32_t)id->integer;
    return count;
}

static inline void assert_ids(const struct pnd_tokenizer *t, const char *text,
                              size_t length, uint32_t flags,
                              const struct pnd_json_value *want)
{
    int32_t ids[1024];
    size_t count = golden_ids(want, ids);
    struct pnd_buffer got;
    pnd_buffer_init(&got, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_encode(t, text, length, flags, &got));
    const int32_t *list = (const int32_t *)(const void *)got.data;
    ck_assert_msg(got.size == count * sizeof *ids,
                  "\"%s\": %zu ids, expected %zu", text,
                  got.size / sizeof *ids, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(list[i] == ids[i], "\"%s\": id %zu is %d, not %d", text,
                      i, (int)list[i], (int)ids[i]);
    pnd_buffer_free(&got);
}

static inline void assert_buffer(const struct pnd_buffer *got,
                                 const struct pnd_json_value *want)
{
    ck_assert_msg(got->size == want->length &&
                      (got->size == 0 ||
                       memcmp(got->data, want->string, got->size) == 0),
                  "\"%.*s\", expected \"%s\"", (int)got->size,
                  (const char *)got->data, want->string);
}

static inline void assert_text(const struct pnd_tokenizer *t,
                               const struct pnd_json_value *list,
                               bool keep_special,
                               const struct pnd_json_value *want)
{
    int32_t ids[1024];
    size_t count = golden_ids(list, ids);
    struct pnd_buffer got;
    pnd_buffer_init(&got, &pnd_allocator_heap);
    ck_assert_ok(pnd_tokenizer_decode(t, ids, count, keep_special, &got));
    assert_buffer(&got, want);
    pnd_buffer_free(&got);
}

/* A folder for files of fixed names. */
struct folder {
    char path[256];
};

static inline struct folder folder_make(void)
{
    struct folder folder;
    const char *parent = getenv("TMPDIR");
    snprintf(folder.path, sizeof folder.path, "%s/pandagpt-test-XXXXXX",
             parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder.path));
    return folder;
}

static inline void folder_write(const struct folder *folder, const char *name,
                                const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void folder_remove(const struct folder *folder)
{
    static const char *const names[] = {
        "added_tokens.json", "special_tokens_map.json",
        "tokenizer_config.json"};
    char path[512];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(folder->path), 0);
}

/* The golden vocabulary with the files of one entry of "parsed". */
static inline struct pnd_tokenizer *golden_tokenizer(
    const struct pnd_json_value *entry)
{
    struct pnd_tokenizer *t;
    struct folder folder = folder_make();
    const struct pnd_json_value *file =
        entry ? golden_get(entry, "files")->child : NULL;
    for (; file; file = file->next)
        folder_write(&folder, file->key, file->string);
    ck_assert_ok(pnd_tokenizer_open(&t, test_context(),
                                    test_golden("tokenizer.model"),
                                    folder.path));
    folder_remove(&folder);
    return t;
}

#endif
