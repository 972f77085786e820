/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/zip.h"

#include <string.h>

#include "builder.h"

static panda_status open_zip(struct pnd_zip *zip, const struct pnd_buffer *b)
{
    const struct pnd_map map = {.data = b->data, .size = b->size};
    return pnd_zip_open(zip, &pnd_allocator_heap, &map, "a.zip");
}

/* Two entries; `change` may spoil the builder in between. */
static struct pnd_buffer make(void (*change)(struct zip_builder *z))
{
    struct zip_builder z = zip_begin();
    zip_add(&z, "r/data.pkl", "pickle", 6);
    if (change)
        change(&z);
    zip_add(&z, "r/data/0", "storage", 7);
    return zip_end(&z);
}

static void check_good(struct pnd_buffer *file)
{
    struct pnd_zip zip;
    ck_assert_ok(open_zip(&zip, file));
    const struct pnd_zip_entry *e = pnd_zip_find(&zip, "r/", 2, "data/0", 6);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->size, 7);
    ck_assert_mem_eq(e->data, "storage", 7);
    ck_assert_uint_eq((size_t)(e->data - file->data) % 64, 0);
    e = pnd_zip_find(&zip, "", 0, "r/data.pkl", 10);
    ck_assert_ptr_nonnull(e);
    ck_assert_mem_eq(e->data, "pickle", 6);
    ck_assert_ptr_null(pnd_zip_find(&zip, "r/", 2, "data/", 5));
    ck_assert_ptr_null(pnd_zip_find(&zip, "r/", 2, "data/00", 7));
    ck_assert_ptr_null(pnd_zip_find(&zip, "r/data.pklx", 11, "", 0));
    ck_assert_ptr_null(pnd_zip_find(&zip, "", 0, "", 0));
    pnd_zip_close(&zip);
    pnd_zip_close(&zip);
    pnd_buffer_free(file);
}

static void without_descriptors(struct zip_builder *z)
{
    z->flags = 0;
}

static void with_zip64(struct zip_builder *z)
{
    z->zip64 = true;
}

START_TEST(entries_are_found)
{
    struct pnd_buffer file = make(NULL);
    check_good(&file);
    file = make(without_descriptors);
    check_good(&file);
    file = make(with_zip64);
    check_good(&file);
}
END_TEST

START_TEST(a_comment_may_follow)
{
    struct pnd_buffer file = make(NULL);
    file.data[file.size - 2] = 5;
    put_text(&file, "hello");
    check_good(&file);
}
END_TEST

static void compressed(struct zip_builder *z)
{
    z->method = 8;
}

static void encrypted(struct zip_builder *z)
{
    z->flags |= 1;
}

static void twice(struct zip_builder *z)
{
    zip_add(z, "r/data.pkl", "again!", 6);
}

/* A second record for the same bytes under another name fails on the name in
 * the local header; the same record again is a duplicate and an overlap. */
static void overlapping(struct zip_builder *z)
{
    struct pnd_buffer copy = build_buffer();
    put_bytes(&copy, z->directory.data, z->directory.size);
    put_bytes(&z->directory, copy.data, copy.size);
    pnd_buffer_free(&copy);
    z->count++;
}

static void too_many(struct zip_builder *z)
{
    z->count += 1000;
}

static void none(struct zip_builder *z)
{
    z->directory.size = 0;
    z->count = (unsigned)-1;
}

static const struct {
    void (*change)(struct zip_builder *z);
    const char *message;
} wrong[] = {
    {compressed, "compressed entries cannot be read"},
    {encrypted, "encrypted entries cannot be read"},
    {twice, "entry r/data.pkl is there twice"},
    {overlapping, "two entries overlap"},
    {too_many, "does not fit its count of entries"},
    {none, "does not fit its count of entries"},
};

START_TEST(wrong_archives_are_refused)
{
    struct pnd_zip zip;
    struct pnd_buffer file = make(wrong[_i].change);
    if (wrong[_i].change == none)
        memset(file.data + file.size - 14, 0, 4);
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT, wrong[_i].message);
    ck_assert_ptr_null(zip.entries);
    pnd_buffer_free(&file);
}
END_TEST

/* Field of the last central record, of the first local header, or of the end
 * record: offset in it, new value, message. */
static const struct {
    char record;
    size_t at, bytes;
    uint64_t value;
    const char *message;
} fields[] = {
    {'l', 0, 4, 0, "byte 0: expected the header of an entry"},
    {'l', 26, 2, 9, "header and the directory disagree"},
    {'l', 30, 1, 'x', "header and the directory disagree"},
    {'l', 8, 2, 8, "header and the directory disagree"},
    {'l', 28, 2, 0xffff, "reaches into the directory"},
    {'c', 0, 4, 0, "expected a record of the directory"},
    {'c', 20, 4, 1 << 20, "compressed entries"},
    {'c', 24, 4, 1 << 20, "compressed entries"},
    {'c', 28, 2, 0xffff, "a record reaches outside the directory"},
    {'c', 30, 2, 1, "a record reaches outside the directory"},
    {'c', 42, 4, 0xfffffff0, "an entry lies outside the file"},
    {'c', 42, 4, 0, "header and the directory disagree"},
    {'e', 10, 2, 1, NULL}, /* fewer entries than there are: the rest is free */
    {'e', 10, 2, 0, "does not fit its count"},
    {'e', 12, 4, 0xffffff, "the directory lies outside the file"},
    {'e', 16, 4, 0xffffff, "the directory lies outside the file"},
    {'e', 4, 2, 1, "in several parts"},
    {'e', 20, 2, 1, "has no end record"},
};

START_TEST(wrong_fields_are_refused)
{
    struct pnd_zip zip;
    struct pnd_buffer file = make(NULL);
    const size_t end = file.size - 22;
    const size_t record = fields[_i].record == 'l'   ? 0
                          : fields[_i].record == 'c' ? end - 46 - 8
                                                     : end;
    for (size_t i = 0; i < fields[_i].bytes; i++)
        file.data[record + fields[_i].at + i] =
            (uint8_t)(fields[_i].value >> 8 * i);
    if (fields[_i].message)
        ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                        fields[_i].message);
    else
        ck_assert_ok(open_zip(&zip, &file));
    pnd_zip_close(&zip);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(local_sizes_must_agree)
{
    struct pnd_zip zip;
    struct zip_builder z = zip_begin();
    z.flags = 0;
    zip_add(&z, "a", "xyz", 3);
    struct pnd_buffer file = zip_end(&z);
    file.data[22] = 4;
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "size and the directory disagree");
    memset(file.data + 22, 0xff, 4);
    ck_assert_ok(open_zip(&zip, &file));
    pnd_zip_close(&zip);
    pnd_buffer_free(&file);
}
END_TEST

/* Content that would end in the directory, by both records. */
START_TEST(content_stays_in_front_of_the_directory)
{
    struct pnd_zip zip;
    struct pnd_buffer file = make(NULL);
    uint8_t *central = file.data + file.size - 22 - 46 - 8;
    central[20] = central[24] = 200;
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "content reaches into the directory");
    memset(central + 20, 0xff, 8);
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "content reaches into the directory");
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(wrong_zip64_records_are_refused)
{
    struct pnd_zip zip;
    struct pnd_buffer file = make(with_zip64);
    uint8_t *locator = file.data + file.size - 42, *record = locator - 56;
    uint8_t *extra = record - 28;
    ck_assert_int_eq(record[0], 'P');
    record[0] = 'Q';
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "the zip64 record is not where it says");
    record[0] = 'P';
    memset(locator + 8, 0xff, 8);
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "the zip64 record is not where it says");
    pnd_buffer_free(&file);

    file = make(with_zip64);
    extra = file.data + file.size - 42 - 56 - 28;
    ck_assert_int_eq(extra[0], 1);
    extra[2] = 16;
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT, "is too short");
    extra[2] = 25;
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "longer than its record");
    extra[2] = 24;
    memset(extra + 4, 0xff, 16);
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "content reaches into the directory");
    extra[0] = 2;
    ck_assert_fails(open_zip(&zip, &file), PANDA_E_FORMAT,
                    "an entry lies outside the file");
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    struct pnd_buffer file = make(NULL);
    for (long n = 1; n <= 2; n++) {
        struct test_alloc t;
        struct pnd_zip zip;
        const struct pnd_map map = {.data = file.data, .size = file.size};
        test_alloc_init(&t);
        t.fail_at = n;
        ck_assert_int_eq(
            pnd_zip_open(&zip, &t.alloc, &map, "a.zip"),
            PANDA_E_MEMORY);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    pnd_buffer_free(&file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zip");
    TCase *tc = tcase_create("zip");
    tcase_add_test(tc, entries_are_found);
    tcase_add_test(tc, a_comment_may_follow);
    tcase_add_loop_test(tc, wrong_archives_are_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_loop_test(tc, wrong_fields_are_refused, 0,
                        sizeof fields / sizeof *fields);
    tcase_add_test(tc, local_sizes_must_agree);
    tcase_add_test(tc, content_stays_in_front_of_the_directory);
    tcase_add_test(tc, wrong_zip64_records_are_refused);
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
