/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "encoder/tower.h"
#include "support/support.h"
#include "support/tiny_imagebind.h"

#define DIM 40 /* of the tiny models */

static struct pnd_tower *load(struct pnd_weights **weights,
                              enum pnd_tower_id id)
{
    struct tiny_imagebind m;
    struct pnd_tower *tower;
    tiny_imagebind_init(&m);
    m.towers = 1u << id;
    m.image_size = id == PND_TOWER_VISION ? 42 : 48;
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    ck_assert_ok(pnd_weights_open(weights, test_context(),
                                  tiny_imagebind_write(&m)));
    ck_assert_ok(
        pnd_tower_load(&tower, test_context(), *weights, &config, id,
                       PANDA_PRECISION_EXACT));
    return tower;
}

START_TEST(test_finish)
{
    struct pnd_weights *weights;
    struct pnd_tower *tower = load(&weights, PND_TOWER_DEPTH);
    float raw[3 * DIM] = {0}, unit[3 * DIM], scaled[3 * DIM];
    raw[0] = 3;
    raw[1] = -4;
    raw[2 * DIM + 5] = 1e-20f; /* shorter than the epsilon of 1e-12 */
    pnd_tower_finish(tower, 3, raw, unit, scaled);
    float scale = pnd_tower_get_dims(tower)->scale;
    ck_assert_float_eq_tol(scale, expf(1.609375f), 1e-6f);
    ck_assert_float_eq_tol(unit[0], 0.6f, 1e-7f);
    ck_assert_float_eq_tol(unit[1], -0.8f, 1e-7f);
    ck_assert_float_eq_tol(scaled[1], -0.8f * scale, 1e-6f);
    for (size_t i = 2; i < 2 * DIM; i++) {
        ck_assert_float_eq(unit[i], 0);
        ck_assert_float_eq(scaled[i], 0);
    }
    ck_assert_float_eq_tol(unit[2 * DIM + 5], 1e-8f, 1e-14f);
    float again[3 * DIM];
    pnd_tower_finish(tower, 3, raw, NULL, again);
    ck_assert_mem_eq(again, scaled, sizeof scaled);
    pnd_tower_finish(tower, 3, raw, again, NULL);
    ck_assert_mem_eq(again, unit, sizeof unit);
    pnd_tower_free(tower);
    pnd_weights_close(weights);
}
END_TEST

START_TEST(test_unscaled)
{
    struct pnd_weights *weights;
    struct pnd_tower *tower = load(&weights, PND_TOWER_VISION);
    float raw[DIM], unit[DIM], scaled[DIM];
    for (int i = 0; i < DIM; i++)
        raw[i] = (float)(i - 10);
    pnd_tower_finish(tower, 1, raw, unit, scaled);
    ck_assert_mem_eq(unit, scaled, sizeof unit);
    pnd_tower_free(tower);
    pnd_weights_close(weights);
}
END_TEST

START_TEST(test_free_nothing)
{
    struct pnd_workspace ws = {.ctx = test_context()};
    pnd_tower_free(NULL);
    pnd_workspace_free(&ws);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("tower");
    TCase *tc = tcase_create("finish");
    tcase_add_test(tc, test_finish);
    tcase_add_test(tc, test_unscaled);
    tcase_add_test(tc, test_free_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return test_run(make_suite());
}
