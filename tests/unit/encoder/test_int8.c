/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "encoder/int8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "support/tiny_imagebind.h"

#define VOCABULARY 100

/* The contract. */
#define LEAST_COSINE 0.999
#define LEAST_COSINE_BF16 0.9995

START_TEST(outliers_are_chosen)
{
    float sizes[200];
    int32_t columns[PND_OUTLIERS_MOST];
    for (uint32_t i = 0; i < 200; i++)
        sizes[i] = 1 + (float)(i % 10) / 10;
    ck_assert_uint_eq(pnd_outliers_choose(200, sizes, columns), 0);
    sizes[7] = 20;
    sizes[199] = INFINITY;
    ck_assert_uint_eq(pnd_outliers_choose(200, sizes, columns), 2);
    ck_assert_int_eq(columns[0], 7);
    ck_assert_int_eq(columns[1], 199);
    for (uint32_t i = 0; i < 90; i++) /* the largest of too many */
        sizes[2 * i] = 100 + (float)i;
    sizes[199] = 1;
    ck_assert_uint_eq(pnd_outliers_choose(200, sizes, columns),
                      PND_OUTLIERS_MOST);
    for (int32_t i = 0; i < PND_OUTLIERS_MOST; i++)
        ck_assert_int_eq(columns[i], 2 * (i + 90 - PND_OUTLIERS_MOST));
    memset(sizes, 0, sizeof sizes);
    ck_assert_uint_eq(pnd_outliers_choose(200, sizes, columns), 0);
    ck_assert_uint_eq(pnd_outliers_choose(1, sizes, columns), 0);
}
END_TEST

START_TEST(sizes_follow_from_weights)
{
    const float weight[] = {3, -1, 0}, bias[] = {4, 0, 2};
    const float matrix[] = {1, 0, 0, 0, 2, -2};
    const float shift[] = {12, 0};
    const struct pnd_linear layer = {.dtype = PND_F32, .in = 3, .out = 2,
                                     .weight = matrix, .bias = shift};
    float sizes[3], out[2];
    pnd_outliers_measure_norm(3, weight, bias, sizes);
    ck_assert(sizes[0] == 5 && sizes[1] == 1 && sizes[2] == 2);
    pnd_outliers_measure_layer(test_context(), &layer, sizes, out);
    ck_assert(out[0] == 13); /* 5, 12 */
    ck_assert_double_eq_tol((double)out[1], sqrt(4 + 16), 1e-6);
}
END_TEST

START_TEST(outliers_keep_their_values)
{
    const int32_t columns[] = {1, 69};
    float weight[3 * 70];
    for (int i = 0; i < 3 * 70; i++)
        weight[i] = sinf((float)i) * (i % 70 == 1 || i % 70 == 69 ? 50 : 1);
    struct pnd_linear layer = {.dtype = PND_F32, .in = 70, .out = 3,
                               .weight = weight};
    void *memory =
        pnd_alloc(&pnd_allocator_heap, pnd_int8_get_bytes(&layer, 2));
    ck_assert_ok(pnd_int8_round(test_context(), &layer, 2, columns, memory));
    ck_assert(layer.dtype == PND_I8 && layer.outliers.count == 2);
    const int8_t *codes = layer.weight;
    for (int i = 0; i < 3 * 70; i++) {
        const int row = i / 70, column = i % 70;
        float value = layer.row_scale[row] * codes[i];
        if (column == 1 || column == 69) {
            ck_assert_int_eq(codes[i], 0);
            value = layer.outliers.weight[row * 2 + (column == 69)];
            ck_assert(value == weight[i]);
        }
        ck_assert_double_le(fabs((double)value - (double)weight[i]), 0.004);
    }
    layer = (struct pnd_linear){.dtype = PND_F32, .in = 70, .out = 3,
                                .weight = weight};
    weight[100] = NAN;
    ck_assert_fails(pnd_int8_round(test_context(), &layer, 0, NULL, memory),
                    PANDA_E_FORMAT, "not finite");
    ck_assert(layer.dtype == PND_F32);
    pnd_free(&pnd_allocator_heap, memory);
}
END_TEST

static struct tiny_imagebind make_model(enum pnd_tower_id id)
{
    struct tiny_imagebind m;
    tiny_imagebind_init(&m);
    m.towers = 1u << id;
    m.vocabulary = VOCABULARY;
    m.image_size = id == PND_TOWER_VISION ? 42 : 48;
    m.calm = true;
    m.tower[id] = (struct tiny_tower){288, 4, 2};
    return m;
}

static void *make_input(const struct pnd_tower_dims *dims, uint32_t items)
{
    size_t size = 1;
    for (uint32_t i = 0; i < dims->rank; i++)
        size *= dims->rank == 4 && i == 1 ? 1 : dims->shape[i];
    float *values = malloc(items * size * sizeof *values);
    int32_t *ids = (int32_t *)(void *)values;
    uint32_t state = 7;
    for (size_t i = 0; i < items * size; i++) {
        state = state * 1664525 + 1013904223;
        if (dims->token_ids)
            ids[i] = i % size > 9 ? 0 : (int32_t)(state >> 8) % VOCABULARY;
        else
            values[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
    return values;
}

/* Head outputs of a few items by a tower of `m`. */
static float *encode(const struct tiny_imagebind *m, enum pnd_tower_id id,
                     panda_precision precision, size_t *dim)
{
    const uint32_t items = 3;
    struct pnd_imagebind_config config = tiny_imagebind_get_config(m);
    struct pnd_workspace ws = {.ctx = test_context()};
    struct pnd_weights *weights;
    struct pnd_tower *tower;
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  tiny_imagebind_write(m)));
    ck_assert_ok(pnd_tower_load(&tower, test_context(), weights, &config, id,
                                precision));
    const struct pnd_tower_dims *dims = pnd_tower_get_dims(tower);
    const bool is_int8 = precision == PANDA_PRECISION_SMALL || m->int8;
    ck_assert_int_eq(dims->dtype, is_int8 ? PND_I8 : m->dtype);
    ck_assert(dims->rounds == (precision == PANDA_PRECISION_FAST &&
                               pnd_linear_can_round(test_context(),
                                                    dims->dtype)));
    *dim = dims->embedding_dim;
    void *input = make_input(dims, items);
    float *raw = malloc(items * *dim * sizeof *raw);
    ck_assert_ok(
        pnd_tower_run(tower, &ws, items, 1, input, raw, NULL, NULL));
    free(input);
    pnd_workspace_free(&ws);
    pnd_tower_free(tower);
    pnd_weights_close(weights);
    return raw;
}

static void check_near(const float *a, const float *b, size_t dim,
                       double least)
{
    for (size_t item = 0; item < 3; item++, a += dim, b += dim) {
        double cosine = test_cosine(a, b, dim);
        ck_assert_msg(cosine >= least, "item %zu: cosine %.6f", item,
                      cosine);
    }
}

START_TEST(towers_keep_their_outputs)
{
    const enum pnd_tower_id id = (enum pnd_tower_id)(_i / 2);
    struct tiny_imagebind m = make_model(id);
    size_t dim;
    m.outliers = _i % 2;
    float *exact = encode(&m, id, PANDA_PRECISION_EXACT, &dim);
    float *small = encode(&m, id, PANDA_PRECISION_SMALL, &dim);
    check_near(small, exact, dim, LEAST_COSINE);
    ck_assert_double_gt(test_max_difference(small, exact, 3 * dim), 0);
    free(exact);
    free(small);
}
END_TEST

/* Products of bf16 where the machine has them; elsewhere the same bits. */
START_TEST(fast_towers_keep_their_outputs)
{
    static const enum pnd_dtype types[] = {PND_F32, PND_F16, PND_BF16};
    const enum pnd_tower_id id = (enum pnd_tower_id)(_i / 3);
    struct tiny_imagebind m = make_model(id);
    size_t dim;
    m.dtype = types[_i % 3];
    const bool can = pnd_linear_can_round(test_context(), m.dtype);
    float *exact = encode(&m, id, PANDA_PRECISION_EXACT, &dim);
    float *fast = encode(&m, id, PANDA_PRECISION_FAST, &dim);
    check_near(fast, exact, dim, LEAST_COSINE_BF16);
    ck_assert((test_max_difference(fast, exact, 3 * dim) > 0) == can);
    free(exact);
    free(fast);
}
END_TEST

START_TEST(int8_files)
{
    const enum pnd_tower_id id = (enum pnd_tower_id)_i;
    struct tiny_imagebind m = make_model(id);
    size_t dim;
    float *exact = encode(&m, id, PANDA_PRECISION_EXACT, &dim);
    m.int8 = true;
    float *small = encode(&m, id, PANDA_PRECISION_AUTO, &dim);
    float *again = encode(&m, id, PANDA_PRECISION_SMALL, &dim);
    check_near(small, exact, dim, LEAST_COSINE);
    ck_assert_mem_eq(small, again, 3 * dim * sizeof *small);
    free(exact);
    free(small);
    free(again);
}
END_TEST

static void check_refused(const struct tiny_imagebind *m, const char *message)
{
    struct pnd_imagebind_config config = tiny_imagebind_get_config(m);
    struct pnd_weights *weights;
    struct pnd_tower *tower;
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  tiny_imagebind_write(m)));
    ck_assert_fails(pnd_tower_load(&tower, test_context(), weights, &config,
                                   PND_TOWER_IMU, PANDA_PRECISION_AUTO),
                    PANDA_E_FORMAT, message);
    pnd_weights_close(weights);
}

START_TEST(wrong_files_are_refused)
{
#define BLOCK "modality_trunks.imu.blocks.1."
    struct tiny_imagebind m = make_model(PND_TOWER_IMU);
    m.int8 = true;
    m.without = BLOCK "mlp.fc1.weight.scale";
    check_refused(&m, "mlp.fc1.weight.scale");
    m.without = NULL;
    m.misshapen = BLOCK "attn.in_proj_weight";
    check_refused(&m, "has shape [865, 288], expected [864, 288]");
    m.misshapen = NULL;
    m.extra = BLOCK "attn.in_proj_weight.columns";
    check_refused(&m, "expected a vector of at most 288 i32");
#undef BLOCK
}
END_TEST

START_TEST(test_memory)
{
    const struct tiny_imagebind m = make_model(PND_TOWER_DEPTH);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_context ctx = *test_context();
    struct pnd_weights *weights;
    struct test_alloc alloc;
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  tiny_imagebind_write(&m)));
    for (long n = 1;; n++) {
        struct pnd_tower *tower;
        test_alloc_init(&alloc);
        alloc.fail_at = n;
        ctx.alloc = alloc.alloc;
        panda_status status =
            pnd_tower_load(&tower, &ctx, weights, &config, PND_TOWER_DEPTH,
                           PANDA_PRECISION_SMALL);
        if (status == PANDA_OK)
            pnd_tower_free(tower);
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
        if (status == PANDA_OK)
            break;
        ck_assert_int_eq(status, PANDA_E_MEMORY);
    }
    pnd_weights_close(weights);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("int8");
    TCase *tc = tcase_create("int8");
    tcase_add_test(tc, outliers_are_chosen);
    tcase_add_test(tc, sizes_follow_from_weights);
    tcase_add_test(tc, outliers_keep_their_values);
    tcase_add_loop_test(tc, towers_keep_their_outputs, 0, 2 * PND_TOWER_COUNT);
    tcase_add_loop_test(tc, fast_towers_keep_their_outputs, 0,
                        3 * PND_TOWER_COUNT);
    tcase_add_loop_test(tc, int8_files, 0, PND_TOWER_COUNT);
    tcase_add_test(tc, wrong_files_are_refused);
    tcase_add_test(tc, test_memory);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
