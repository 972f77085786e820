/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/importance_file.h"

#include <math.h>
#include <string.h>

#include "format/gguf_write.h"
#include "unit/format/builder.h"

enum { F32 = 0 }; /* GGUF's number of the type */

static struct pnd_arena arena;

static void set_up(void)
{
    pnd_arena_init(&arena, &test_context()->alloc);
}

static void tear_down(void)
{
    pnd_arena_free(&arena);
}

/* A file with one pair of tensors. */
static const char *write_data(const char *type, float sum, float count,
                              size_t counts)
{
    struct pnd_gguf_writer w;
    struct pnd_buffer head;
    static const char zeros[PND_GGUF_ALIGNMENT];
    const float pair[2] = {1, sum}, number[2] = {count, count};
    pnd_buffer_init(&head, &test_context()->alloc);
    ck_assert_ok(pnd_gguf_writer_init(&w, &test_context()->alloc, "x"));
    ck_assert_ok(pnd_gguf_put_text(&w, "general.type", type));
    ck_assert_ok(pnd_gguf_put_tensor(&w, "a.in_sum2", PND_F32, 2,
                                     (int64_t[]){1, 2}));
    ck_assert_ok(pnd_gguf_put_tensor(&w, "a.counts", PND_F32, 2,
                                     (int64_t[]){1, (int64_t)counts}));
    ck_assert_ok(pnd_gguf_writer_finish(&w, &head));
    ck_assert_ok(pnd_buffer_append(&head, pair, 8));
    ck_assert_ok(pnd_buffer_append(&head, zeros, 56));
    ck_assert_ok(pnd_buffer_append(&head, number, 4 * counts));
    ck_assert_ok(pnd_buffer_append(&head, zeros, 64 - 4 * counts));
    const char *temp = test_write_temp(".gguf", head.data, head.size);
    pnd_buffer_free(&head);
    pnd_gguf_writer_free(&w);
    return temp;
}

START_TEST(wrong_data_is_refused)
{
    const struct {
        float sum, count;
        size_t counts;
        const char *part;
    } cases[] = {
        {NAN, 1, 1, "has nan at 1"},    {-1, 1, 1, "has -1 at 1"},
        {INFINITY, 1, 1, "has inf at"}, {1, 0, 1, "no positive f32 number"},
        {1, NAN, 1, "no positive"},     {1, 1, 2, "no positive f32 number"},
        {1, -3, 1, "no positive"},      {1, INFINITY, 1, "no positive"},
    };
    struct pnd_importance *w;
    const float *out;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_ok(pnd_importance_open(
            &w, test_context(),
            write_data("imatrix", cases[i].sum, cases[i].count,
                       cases[i].counts)));
        ck_assert_fails(pnd_importance_read(&out, w, &arena, "a", 2),
                        PANDA_E_FORMAT, cases[i].part);
        ck_assert_ptr_null(out);
        pnd_importance_close(w);
    }
    ck_assert_ok(pnd_importance_open(&w, test_context(),
                                     write_data("imatrix", 6, 4, 1)));
    ck_assert_ok(pnd_importance_read(&out, w, &arena, "a", 2));
    ck_assert_float_eq(out[0], 0.25f);
    ck_assert_float_eq(out[1], 1.5f);
    pnd_importance_close(w);
    ck_assert_fails(pnd_importance_open(&w, test_context(),
                                        write_data("model", 6, 4, 1)),
                    PANDA_E_FORMAT, "no importance data");
}
END_TEST

static const char *write_file(struct pnd_buffer *b)
{
    const char *path = test_write_temp(".imatrix", b->data, b->size);
    pnd_buffer_free(b);
    return path;
}

static void put_f32(struct pnd_buffer *b, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_le(b, bits, 4);
}

static void put_entry(struct pnd_buffer *b, const char *name, uint32_t calls,
                      uint32_t columns, float first)
{
    put_le(b, strlen(name), 4);
    put_text(b, name);
    put_le(b, calls, 4);
    put_le(b, columns, 4);
    for (uint32_t i = 0; i < columns; i++)
        put_f32(b, first + (float)i);
}

/* The layout of llama-imatrix --output-format dat: the sums of as many means as
 * there were chunks, then the chunks and the name of the text. */
static struct pnd_buffer make_older(void)
{
    struct pnd_buffer b = build_buffer();
    put_le(&b, 3, 4);
    put_entry(&b, "blk.0.attn_k.weight", 4, 3, 8);
    put_entry(&b, "blk.0.ffn_down.weight", 0, 2, 5);
    put_entry(&b, "blk.10.attn_q.weight", 2, 3, 1);
    put_le(&b, 4, 4);
    put_le(&b, 8, 4);
    put_text(&b, "wiki.txt");
    return b;
}

static void demand(const struct pnd_importance *file, const char *name,
                   const float *expected, size_t columns)
{
    const float *out;
    ck_assert_ok(pnd_importance_read(&out, file, &arena, name, columns));
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < columns; i++)
        ck_assert_float_eq(out[i], expected[i]);
}

START_TEST(older_files_are_read)
{
    struct pnd_importance *file;
    struct pnd_buffer b = make_older();
    const size_t whole = b.size;
    const float *out;
    /* The oldest have no text's name, or nothing behind the entries. */
    const size_t ends[] = {whole, whole - 12, whole - 16};
    for (int i = 0; i < 3; i++) {
        b.size = ends[i];
        const char *path = test_write_temp(".dat", b.data, b.size);
        ck_assert_ok(pnd_importance_open(&file, test_context(), path));
        ck_assert_str_eq(pnd_importance_get_path(file), path);
        demand(file, "blk.0.attn_k.weight", (float[]){2, 2.25f, 2.5f}, 3);
        demand(file, "blk.0.ffn_down.weight", (float[]){5, 6}, 2);
        demand(file, "blk.10.attn_q.weight", (float[]){0.5f, 1, 1.5f}, 3);
        ck_assert_ok(pnd_importance_read(&out, file, &arena,
                                         "blk.1.attn_q.weight", 3));
        ck_assert_ptr_null(out);
        ck_assert_fails(pnd_importance_read(&out, file, &arena,
                                            "blk.0.attn_k.weight", 4),
                        PANDA_E_FORMAT, "has 3 columns, expected 4");
        pnd_importance_close(file);
    }
    pnd_buffer_free(&b);
}
END_TEST

/* Every shorter file, and counts that there is no room for. */
START_TEST(damaged_older_files_are_refused)
{
    struct pnd_importance *file;
    struct pnd_buffer b = make_older();
    const size_t whole = b.size;
    for (size_t size = 1; size < whole; size++) {
        if (size == whole - 12 || size == whole - 16)
            continue;
        ck_assert_fails(
            pnd_importance_open(&file, test_context(),
                                test_write_temp(".dat", b.data, size)),
            PANDA_E_FORMAT, "no importance data");
        ck_assert_ptr_null(file);
    }
    static const uint32_t counts[] = {0, 2, 4, 1 << 17, INT32_MAX, UINT32_MAX};
    static const size_t places[] = {0, 4, 4 + 4 + 19, 4 + 4 + 19 + 4};
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            uint8_t before[4];
            memcpy(before, b.data + places[p], 4);
            for (int i = 0; i < 4; i++)
                b.data[places[p] + (size_t)i] = (uint8_t)(counts[c] >> 8 * i);
            panda_status status = pnd_importance_open(
                &file, test_context(),
                test_write_temp(".dat", b.data, b.size));
            /* Any number of calls that is not negative may be. */
            bool is_calls = p == 2 && counts[c] <= INT32_MAX;
            ck_assert_int_eq(status, is_calls ? PANDA_OK : PANDA_E_FORMAT);
            pnd_importance_close(file);
            memcpy(b.data + places[p], before, 4);
        }
    }
    pnd_buffer_free(&b);
}
END_TEST

START_TEST(wrong_numbers_of_older_files_are_refused)
{
    static const float wrong[] = {NAN, -1, INFINITY};
    struct pnd_importance *file;
    const float *out;
    for (int i = 0; i < 3; i++) {
        struct pnd_buffer b = build_buffer();
        put_le(&b, 1, 4);
        put_entry(&b, "a", 1, 1, wrong[i]);
        ck_assert_ok(
            pnd_importance_open(&file, test_context(), write_file(&b)));
        ck_assert_fails(pnd_importance_read(&out, file, &arena, "a", 1),
                        PANDA_E_FORMAT, "the data of a has");
        ck_assert_ptr_null(out);
        pnd_importance_close(file);
    }
}
END_TEST

/* As llama-imatrix lays it out: no architecture, alignment 32, tensors of rank
 * 2 in the order of names, sums of the inputs themselves in some versions. */
START_TEST(files_of_llama_imatrix_are_read)
{
    const float k[] = {8, 9, 10}, in[] = {-1, 0, 1}, counts[] = {4};
    struct gguf_builder g = gguf_begin();
    struct pnd_importance *file;
    gguf_string(&g, "general.type", "imatrix");
    struct pnd_buffer *list =
        gguf_key(&g, "imatrix.datasets", PND_GGUF_ARRAY);
    put_le(list, PND_GGUF_STRING, 4);
    put_le(list, 1, 8);
    put_gguf_string(list, "wiki.txt");
    gguf_u32(&g, "imatrix.chunk_count", 4);
    gguf_u32(&g, "imatrix.chunk_size", 512);
    gguf_tensor(&g, "blk.0.attn_k.weight.in_sum2", F32, 1, 3, k, sizeof k);
    gguf_tensor(&g, "blk.0.attn_k.weight.counts", F32, 1, 1, counts,
                sizeof counts);
    gguf_tensor(&g, "blk.0.attn_k.weight.in_sum", F32, 1, 3, in, sizeof in);
    struct pnd_buffer b = gguf_end(&g);
    ck_assert_ok(pnd_importance_open(&file, test_context(), write_file(&b)));
    demand(file, "blk.0.attn_k.weight", (float[]){2, 2.25f, 2.5f}, 3);
    pnd_importance_close(file);
}
END_TEST

static panda_status open_and_read(const struct pnd_context *ctx,
                                  const char *path)
{
    struct pnd_importance *file;
    struct pnd_arena own;
    const float *out;
    pnd_arena_init(&own, &ctx->alloc);
    panda_status status = pnd_importance_open(&file, ctx, path);
    if (status == PANDA_OK)
        status = pnd_importance_read(&out, file, &own, "blk.0.attn_k.weight",
                                     3);
    pnd_importance_close(file);
    pnd_arena_free(&own);
    return status;
}

START_TEST(lack_of_memory)
{
    struct test_alloc heap;
    struct pnd_context ctx = *test_context();
    struct pnd_buffer b = make_older();
    const char *path = write_file(&b);
    panda_status status = PANDA_E_MEMORY;
    test_alloc_init(&heap);
    ctx.alloc = heap.alloc;
    for (long n = 1; status == PANDA_E_MEMORY; n++) {
        atomic_store(&heap.count, 0);
        heap.fail_at = n;
        status = open_and_read(&ctx, path);
        ck_assert_int_eq(atomic_load(&heap.live), 0);
        ck_assert_int_lt(n, 100);
    }
    ck_assert_ok(status);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("importance_file");
    TCase *tests = tcase_create("importance_file");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, wrong_data_is_refused);
    tcase_add_test(tests, older_files_are_read);
    tcase_add_test(tests, damaged_older_files_are_refused);
    tcase_add_test(tests, wrong_numbers_of_older_files_are_refused);
    tcase_add_test(tests, files_of_llama_imatrix_are_read);
    tcase_add_test(tests, lack_of_memory);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
