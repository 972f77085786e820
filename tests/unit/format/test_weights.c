/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/weights.h"

#include <stdio.h>
#include <string.h>

#include "builder.h"

static panda_status open_text(struct pnd_weights **w, const char *text,
                              size_t size)
{
    struct pnd_buffer b = build_buffer();
    put_bytes(&b, text, size);
    panda_status status = open_bytes(w, &b);
    pnd_buffer_free(&b);
    return status;
}

static const struct {
    const char *bytes;
    size_t size;
    panda_status status;
    const char *message;
} others[] = {
#define CASE(bytes, status, message)                                           \
  {                                                                            \
    bytes, sizeof bytes - 1, status, message                                   \
  }
    CASE("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
         PANDA_E_UNSUPPORTED, "torch.save it again"),
    CASE("\x80\x02}q\x01.", PANDA_E_FORMAT, "is a bare pickle"),
    CASE("GGUF\3\0\0\0", PANDA_E_FORMAT, "GGUF: expected"),
    CASE("version https://git-lfs.github.com/spec/v1\noid sha256:12",
         PANDA_E_FORMAT, "is a Git LFS pointer"),
    CASE("<!DOCTYPE html>", PANDA_E_FORMAT, "is text, expected weights"),
    CASE("hello", PANDA_E_FORMAT, "is text, expected weights"),
    CASE(" \n ", PANDA_E_FORMAT, "is text, expected weights"),
    CASE("{\"weight_map\":{}}", PANDA_E_FORMAT, "is JSON, expected weights"),
    CASE("\x7f"
         "ELF\2\1\1\0",
         PANDA_E_FORMAT, "is neither PyTorch's"),
    CASE("PK\5\6", PANDA_E_FORMAT, "no end record"),
    CASE("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", PANDA_E_FORMAT,
         "does not fit its count"),
    CASE("PK\3\4", PANDA_E_FORMAT, "no end record in its 4 bytes"),
#undef CASE
};

START_TEST(other_files_are_named)
{
    struct pnd_weights *w;
    ck_assert_fails(open_text(&w, others[_i].bytes, others[_i].size),
                    others[_i].status, others[_i].message);
    ck_assert_ptr_null(w);
}
END_TEST

static struct pnd_weights *open_small(struct pnd_buffer *file)
{
    static const uint16_t ones[] = {0x3c00, 0x3c00, 0x3f80, 0x3f80, 1, 1, 1, 1};
    struct pnd_weights *w;
    *file = build_safetensors(
        "{\"layers.0.a\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":"
        "[0,4]},\"layers.10.a\":{\"dtype\":\"BF16\",\"shape\":[2],"
        "\"data_offsets\":[4,8]},\"ids\":{\"dtype\":\"I64\",\"shape\":[1],"
        "\"data_offsets\":[8,16]}}",
        ones, sizeof ones);
    ck_assert_ok(open_bytes(&w, file));
    return w;
}

START_TEST(required_tensors_are_checked)
{
    struct pnd_buffer file;
    struct pnd_weights *w = open_small(&file);
    const struct pnd_tensor *t;
    ck_assert_ok(
        pnd_weights_require(&t, w, 2, (int64_t[]){2, 1}, "layers.0.a"));
    ck_assert_float_eq(pnd_tensor_get_f32(t, 1), 1.0f);
    ck_assert_ok(
        pnd_weights_require(&t, w, 2, (int64_t[]){-1, 1}, "layers.0.a"));
    ck_assert_ok(pnd_weights_require_named(&t, w, 1, (int64_t[]){-1},
                                           "layers.%d.%s", 10, "a"));
    ck_assert_str_eq(t->name, "layers.10.a");
    ck_assert_fails(
        pnd_weights_require(&t, w, 2, (int64_t[]){2, 3}, "layers.0.a"),
        PANDA_E_FORMAT,
        "tiny.pth: tensor layers.0.a has shape [2, 1], expected "
        "[2, 3]");
    ck_assert_ptr_null(t);
    ck_assert_fails(pnd_weights_require(&t, w, 1, (int64_t[]){2}, "layers.0.a"),
                    PANDA_E_FORMAT, "has shape [2, 1], expected [2]");
    ck_assert_fails(pnd_weights_require(&t, w, 1, (int64_t[]){-1}, "ids"),
                    PANDA_E_FORMAT, "tensor ids has element type i64");
    ck_assert_fails(
        pnd_weights_require_named(&t, w, 1, (int64_t[]){-1}, "layers.%d.a", 1),
        PANDA_E_FORMAT,
        "tensor layers.1.a is missing, expected one of shape "
        "[any]");
    char name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_fails(
        pnd_weights_require_named(&t, w, 1, (int64_t[]){-1}, "%s", name),
        PANDA_E_INTERNAL, "is too long");
    ck_assert_ptr_null(pnd_weights_find(w, "layers.0"));
    ck_assert_ptr_null(pnd_weights_find(w, ""));
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(unused_tensors_are_found)
{
    struct pnd_buffer file;
    struct pnd_weights *w = open_small(&file);
    ck_assert_str_eq(pnd_weights_find_unused(w, "")->name, "layers.0.a");
    ck_assert_ptr_nonnull(pnd_weights_find(w, "layers.0.a"));
    ck_assert_str_eq(pnd_weights_find_unused(w, "")->name, "layers.10.a");
    ck_assert_str_eq(pnd_weights_find_unused(w, "layers.")->name,
                     "layers.10.a");
    ck_assert_ptr_nonnull(pnd_weights_find(w, "layers.10.a"));
    ck_assert_ptr_null(pnd_weights_find_unused(w, "layers."));
    ck_assert_str_eq(pnd_weights_find_unused(w, "")->name, "ids");
    pnd_weights_close(w);
    pnd_buffer_free(&file);
}
END_TEST

START_TEST(many_names_are_found)
{
    struct pnd_buffer header = build_buffer();
    struct pnd_weights *w;
    char text[128];
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text,
                 "%c\"n%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":"
                 "[%d,%d]}",
                 i ? ',' : '{', i * 7, i, i + 1);
        put_text(&header, text);
    }
    put_text(&header, "}");
    ck_assert_ok(pnd_buffer_terminate(&header));
    uint8_t data[500] = {0};
    struct pnd_buffer file =
        build_safetensors((char *)header.data, data, sizeof data);
    ck_assert_ok(open_bytes(&w, &file));
    for (int i = 0; i < 3600; i++) {
        snprintf(text, sizeof text, "n%d", i);
        const struct pnd_tensor *t = pnd_weights_find(w, text);
        ck_assert_int_eq(t != NULL, i % 7 == 0 && i < 3500);
        if (t)
            ck_assert_str_eq(t->name, text);
    }
    ck_assert_ptr_null(pnd_weights_find_unused(w, ""));
    pnd_weights_close(w);
    pnd_buffer_free(&file);
    pnd_buffer_free(&header);
}
END_TEST

static panda_status open_path(struct pnd_weights **w, const char *path)
{
    static struct pnd_context context;
    context.alloc = pnd_allocator_heap;
    return pnd_weights_open(w, &context, path);
}

START_TEST(paths_are_opened)
{
    struct pnd_weights *w;
    struct test_folder folder = folder_make();
    struct pnd_buffer torch = build_small_torch();
    ck_assert_fails(open_path(&w, folder.path), PANDA_E_IO,
                    "the folder has no model.safetensors");
    folder_add(&folder, "pytorch_model.bin", torch.data, torch.size);
    ck_assert_ok(open_path(&w, folder.path));
    ck_assert_str_eq(pnd_weights_get_path(w), folder.path);
    ck_assert_uint_eq(pnd_weights_get_count(w), 2);
    pnd_weights_close(w);
    /* safetensors come first, and what is broken is not passed over. */
    folder_add_text(&folder, "model.safetensors", "broken");
    ck_assert_fails(open_path(&w, folder.path), PANDA_E_FORMAT,
                    "model.safetensors: is text");
    folder_add_text(&folder, "model.safetensors", "");
    ck_assert_fails(open_path(&w, folder.path), PANDA_E_FORMAT,
                    "model.safetensors: the file is empty");
    ck_assert_fails(open_path(&w, "/no/such.pth"), PANDA_E_IO, "/no/such.pth");
    ck_assert_fails(open_path(&w, "/dev/null"), PANDA_E_IO,
                    "not a regular file");
    folder_remove(&folder);
    pnd_buffer_free(&torch);
}
END_TEST

START_TEST(closing_nothing)
{
    pnd_weights_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tc = tcase_create("weights");
    tcase_add_loop_test(tc, other_files_are_named, 0,
                        sizeof others / sizeof *others);
    tcase_add_test(tc, required_tensors_are_checked);
    tcase_add_test(tc, unused_tensors_are_found);
    tcase_add_test(tc, many_names_are_found);
    tcase_add_test(tc, paths_are_opened);
    tcase_add_test(tc, closing_nothing);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
