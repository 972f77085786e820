/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modalities/fake_host.h"
#include "modalities/shared/source.h"
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

static panda_input from_path(const char *path)
{
    return (panda_input){.struct_size = sizeof(panda_input),
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_PATH,
                         .path = path};
}

static panda_input from_bytes(const void *data, uint64_t size)
{
    return (panda_input){.struct_size = sizeof(panda_input),
                         .modality = PANDA_MODALITY_IMAGE,
                         .source = PANDA_SOURCE_BYTES,
                         .data = data,
                         .size = size};
}

static void expect_failure(const panda_input *input, panda_status expected,
                           const char *part)
{
    struct pnd_source source;
    for (int stream = 0; stream < 2; stream++) {
        fake_host_clear(&f);
        panda_status status =
            stream ? pnd_source_open_stream(&source, &f.host, input)
                   : pnd_source_open(&source, &f.host, input);
        ck_assert_int_eq(status, expected);
        ck_assert_msg(strstr(f.message, part) != NULL, "\"%s\" lacks \"%s\"",
                      f.message, part);
    }
}

START_TEST(path_and_bytes_give_the_same)
{
    panda_input file = from_path(test_write_temp(".bin", "abcdef", 6));
    panda_input bytes = from_bytes("abcdef", 6);
    const panda_input *inputs[] = {&file, &bytes};
    for (int i = 0; i < 2; i++) {
        struct pnd_source source;
        ck_assert_int_eq(pnd_source_open(&source, &f.host, inputs[i]), 0);
        ck_assert_uint_eq(source.size, 6);
        ck_assert_mem_eq(source.data, "abcdef", 6);
        pnd_source_close(&source);
        char part[8] = "";
        ck_assert_int_eq(pnd_source_open_stream(&source, &f.host, inputs[i]),
                         0);
        ck_assert_int_eq(pnd_source_read(&source, 2, part, 3), 3);
        ck_assert_str_eq(part, "cde");
        ck_assert_int_eq(pnd_source_read(&source, 4, part, 8), 2);
        ck_assert_int_eq(pnd_source_read(&source, 6, part, 8), 0);
        ck_assert_int_eq(pnd_source_read(&source, UINT64_MAX, part, 8), 0);
        pnd_source_close(&source);
        pnd_source_close(&source);
    }
}
END_TEST

START_TEST(each_failure_has_its_sentence)
{
    panda_input input = from_path("/no/such/file.png");
    expect_failure(&input, PANDA_E_IO, "cannot be opened: No such file");
    input = from_path("/");
    expect_failure(&input, PANDA_E_IO, "is a directory, expected a file");
    input = from_path("/dev/null");
    expect_failure(&input, PANDA_E_IO, "is not a regular file");
    input = from_path(test_write_temp(".png", "", 0));
    expect_failure(&input, PANDA_E_FORMAT, "the file is empty");
    input = from_bytes("x", 0);
    expect_failure(&input, PANDA_E_FORMAT, "the file is empty");
    input.source = PANDA_SOURCE_RAW;
    expect_failure(&input, PANDA_E_ARGUMENT, "source is 3, expected a path");
    f.limits.max_file_bytes = 5;
    input = from_path(test_write_temp(".bin", "abcdef", 6));
    expect_failure(&input, PANDA_E_FORMAT, "has 6 bytes, expected at most 5");
    input = from_bytes("abcdef", 6);
    expect_failure(&input, PANDA_E_FORMAT, "has 6 bytes, expected at most 5");
}
END_TEST

START_TEST(a_pipe_does_not_block)
{
    const char *path = test_write_temp(".fifo", "x", 1);
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    panda_input input = from_path(path);
    struct pnd_source source;
    ck_assert_int_eq(pnd_source_open(&source, &f.host, &input), PANDA_E_IO);
}
END_TEST

START_TEST(memory_and_cancel)
{
    panda_input input = from_path(test_write_temp(".bin", "abcdef", 6));
    struct pnd_source source;
    f.fail_at = 1;
    ck_assert_int_eq(pnd_source_open(&source, &f.host, &input),
                     PANDA_E_MEMORY);
    fake_host_clear(&f);
    f.cancel_at = 1;
    ck_assert_int_eq(pnd_source_open(&source, &f.host, &input),
                     PANDA_E_CANCELLED);
}
END_TEST

START_TEST(content_is_described)
{
    static const struct { const char *bytes; size_t size; const char *name; }
    cases[] = {
        {"\xff\xd8\xff\xe0", 4, "a JPEG image"},
        {"\x89PNG\r\n\x1a\n", 8, "a PNG image"},
        {"\x89PNG", 4, "the bytes 89 50 4e 47"},
        {"RIFF1234WEBP", 12, "a WebP image"},
        {"hello", 5, "text"},
        {"caf\xc3\xa9 \xe2\x82", 8, "text"},
        {"caf\xe9 ", 5, "the bytes 63 61 66 e9 20"},
        {"BMW", 3, "text"},
        {"BM\0\1", 4, "a BMP image"},
        {"\0\1\2\3\4\5\6\7\x08\x09", 10, "the bytes 00 01 02 03 04 05 06 07"},
        {"", 0, "nothing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[PND_CONTENT_SIZE];
        pnd_source_describe(text, (const uint8_t *)cases[i].bytes,
                            cases[i].size);
        ck_assert_str_eq(text, cases[i].name);
    }
}
END_TEST

START_TEST(long_messages_are_cut)
{
    char word[1000];
    memset(word, 'x', sizeof word);
    word[999] = '\0';
    ck_assert_int_eq(pnd_host_fail(&f.host, PANDA_E_FORMAT, "<%s>", word),
                     PANDA_E_FORMAT);
    ck_assert_uint_eq(strlen(f.message), 400);
    ck_assert_ptr_null(pnd_host_alloc(&f.host, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(pnd_host_alloc(&f.host, 0, 3));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source");
    TCase *tc = tcase_create("source");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, path_and_bytes_give_the_same);
    tcase_add_test(tc, each_failure_has_its_sentence);
    tcase_add_test(tc, a_pipe_does_not_block);
    tcase_add_test(tc, memory_and_cancel);
    tcase_add_test(tc, content_is_described);
    tcase_add_test(tc, long_messages_are_cut);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
