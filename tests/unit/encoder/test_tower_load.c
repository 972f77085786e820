/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "encoder/tower.h"
#include "support/support.h"
#include "support/tiny_imagebind.h"

static const char *const names[PND_TOWER_COUNT] = {
    "vision", "text", "audio", "depth", "thermal", "imu"};

/* One tower only, small, so that a test is a matter of milliseconds. */
static struct tiny_imagebind make_model(enum pnd_tower_id id)
{
    struct tiny_imagebind m;
    tiny_imagebind_init(&m);
    m.towers = 1u << id;
    m.vocabulary = 100;
    m.image_size = id == PND_TOWER_VISION ? 42 : 48;
    return m;
}

static panda_status load(struct pnd_tower **tower,
                         const struct tiny_imagebind *m,
                         const struct pnd_imagebind_config *config,
                         enum pnd_tower_id id)
{
    struct pnd_weights *weights;
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  tiny_imagebind_write(m)));
    panda_status status =
        pnd_tower_load(tower, test_context(), weights, config, id,
                       PANDA_PRECISION_EXACT);
    /* Dimensions stay; the tests of this file do not run the tower. */
    pnd_weights_close(weights);
    return status;
}

static void check_fails(const struct tiny_imagebind *m, enum pnd_tower_id id,
                        const char *part)
{
    struct pnd_imagebind_config config = tiny_imagebind_get_config(m);
    struct pnd_tower *tower = NULL;
    ck_assert_fails(load(&tower, m, &config, id), PANDA_E_FORMAT, part);
    ck_assert_ptr_null(tower);
}

START_TEST(test_dims)
{
    static const uint32_t tokens[] = {10, 77, 229, 10, 10, 251};
    static const float scales[] = {1, 100, 20.085537f, 4.9999f, 9.943f,
                                   4.48169f};
    static const uint32_t shapes[][4] = {{3, 2, 42, 42}, {77}, {1, 128, 204},
                                         {1, 48, 48}, {1, 48, 48}, {6, 2000}};
    static const uint32_t ranks[] = {4, 1, 3, 3, 3, 2};
    const enum pnd_tower_id id = (enum pnd_tower_id)_i;
    struct tiny_imagebind m = make_model(id);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_tower *tower;
    m.dtype = PND_BF16;
    ck_assert_ok(load(&tower, &m, &config, id));
    const struct pnd_tower_dims *dims = pnd_tower_get_dims(tower);
    ck_assert_uint_eq(dims->width, m.tower[id].width);
    ck_assert_uint_eq(dims->blocks, m.tower[id].blocks);
    ck_assert_uint_eq(dims->heads, m.tower[id].heads);
    ck_assert_uint_eq(dims->tokens, tokens[id]);
    ck_assert_uint_eq(dims->embedding_dim, 40);
    ck_assert_int_eq(dims->dtype, PND_BF16);
    ck_assert_int_eq(dims->token_ids, id == PND_TOWER_TEXT);
    ck_assert_uint_eq(dims->rank, ranks[id]);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(dims->shape[i], shapes[id][i]);
    ck_assert_float_eq_tol(dims->scale, scales[id], 1e-3f);
    pnd_tower_free(tower);
}
END_TEST

START_TEST(test_parameters)
{
    struct tiny_imagebind m = make_model(PND_TOWER_AUDIO);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_tower *tower;
    const uint64_t d = 48, block = 12 * d * d + 15 * d;
    ck_assert_ok(load(&tower, &m, &config, PND_TOWER_AUDIO));
    /* positions and class token, stem, trunk, head */
    ck_assert_uint_eq(pnd_tower_get_dims(tower)->parameters,
                      230 * d + 256 * d + 2 * d + 2 * block + 2 * d + 40 * d);
    ck_assert_uint_eq(pnd_tower_get_dims(tower)->heap_bytes, 0);
    pnd_tower_free(tower);
}
END_TEST

START_TEST(test_missing)
{
    static const struct {
        enum pnd_tower_id id;
        const char *tensor;
    } cases[] = {
        {0, "modality_preprocessors.vision.cls_token"},
        {0, "modality_preprocessors.vision.rgbt_stem.proj.1.weight"},
        {0, "modality_trunks.vision.pre_transformer_layer.0.bias"},
        {1, "modality_preprocessors.text.token_embedding.weight"},
        {1, "modality_preprocessors.text.pos_embed"},
        {1, "modality_heads.text.proj.1.weight"},
        {1, "modality_postprocessors.text.1.log_logit_scale"},
        {2, "modality_trunks.audio.blocks.1.attn.bias_v"},
        {2, "modality_preprocessors.audio.rgbt_stem.norm_layer.weight"},
        {3, "modality_preprocessors.depth.depth_stem.proj.weight"},
        {3, "modality_trunks.depth.blocks.0.norm_1.weight"},
        {4, "modality_trunks.thermal.blocks.0.attn.in_proj_bias"},
        {4, "modality_heads.thermal.0.bias"},
        {5, "modality_preprocessors.imu.imu_stem.proj.weight"},
        {5, "modality_trunks.imu.blocks.1.mlp.fc2.bias"},
        {5, "modality_heads.imu.3.weight"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny_imagebind m = make_model(cases[i].id);
        m.without = cases[i].tensor;
        check_fails(&m, cases[i].id, cases[i].tensor);
    }
}
END_TEST

START_TEST(test_optional)
{
    /* The causal mask is a constant that newer files do not have. */
    struct tiny_imagebind m = make_model(PND_TOWER_TEXT);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_tower *tower;
    m.without = "modality_preprocessors.text.mask";
    ck_assert_ok(load(&tower, &m, &config, PND_TOWER_TEXT));
    pnd_tower_free(tower);
}
END_TEST

START_TEST(test_extra)
{
    static const struct {
        enum pnd_tower_id id;
        const char *tensor;
    } cases[] = {
        {0, "modality_trunks.vision.blocks.0.attn.bias_k"},
        {0, "modality_preprocessors.vision.rgbt_stem.proj.1.bias"},
        {0, "modality_postprocessors.vision.1.log_logit_scale"},
        {1, "modality_trunks.text.pre_transformer_layer.0.weight"},
        {2, "modality_heads.audio.2.bias"},
        {5, "modality_heads.imu.2.weight"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny_imagebind m = make_model(cases[i].id);
        m.extra = cases[i].tensor;
        check_fails(&m, cases[i].id, cases[i].tensor);
    }
}
END_TEST

START_TEST(test_other_tower)
{
    /* What belongs to another tower is no business of this one. */
    struct tiny_imagebind m = make_model(PND_TOWER_IMU);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_tower *tower;
    m.extra = "modality_heads.smell.2.weight";
    ck_assert_ok(load(&tower, &m, &config, PND_TOWER_IMU));
    pnd_tower_free(tower);
    check_fails(&m, PND_TOWER_AUDIO, "modality_preprocessors.audio");
}
END_TEST

START_TEST(test_misshapen)
{
    static const struct {
        enum pnd_tower_id id;
        const char *tensor;
    } cases[] = {
        {0, "modality_preprocessors.vision.rgbt_stem.proj.1.weight"},
        {0, "modality_preprocessors.vision.cls_token"},
        {0, "modality_trunks.vision.blocks.2.attn.in_proj_weight"},
        {1, "modality_trunks.text.blocks.0.mlp.fc1.weight"},
        {2, "modality_trunks.audio.blocks.0.attn.bias_k"},
        {3, "modality_preprocessors.depth.depth_stem.norm_layer.bias"},
        {4, "modality_preprocessors.thermal.pos_embedding_helper.pos_embed"},
        {5, "modality_trunks.imu.blocks.0.attn.out_proj.bias"},
        {5, "modality_heads.imu.0.weight"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny_imagebind m = make_model(cases[i].id);
        m.misshapen = cases[i].tensor;
        check_fails(&m, cases[i].id, cases[i].tensor);
    }
}
END_TEST

START_TEST(test_heads)
{
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        struct tiny_imagebind m = make_model((enum pnd_tower_id)id);
        char key[32];
        snprintf(key, sizeof key, "\"%s_num_heads\"", names[id]);
        m.tower[id].heads = 5; /* no divisor */
        check_fails(&m, (enum pnd_tower_id)id, key);
        m.tower[id].heads = 0; /* not given, and the width is nobody's */
        check_fails(&m, (enum pnd_tower_id)id, key);
        m.tower[id].heads = 2 * m.tower[id].width;
        check_fails(&m, (enum pnd_tower_id)id, key);
    }
}
END_TEST

START_TEST(test_usual_heads)
{
    /* Heads of ImageBind-huge by width, without a JSON file. */
    const struct pnd_imagebind_config none = {{0}};
    struct tiny_imagebind m = make_model(PND_TOWER_DEPTH);
    struct pnd_tower *tower;
    m.tower[PND_TOWER_DEPTH] = (struct tiny_tower){384, 0, 1};
    ck_assert_ok(load(&tower, &m, &none, PND_TOWER_DEPTH));
    ck_assert_uint_eq(pnd_tower_get_dims(tower)->heads, 8);
    pnd_tower_free(tower);
    m = make_model(PND_TOWER_THERMAL); /* 384 tells nothing about thermal */
    m.tower[PND_TOWER_THERMAL] = (struct tiny_tower){384, 0, 1};
    check_fails(&m, PND_TOWER_THERMAL, "\"thermal_num_heads\"");
}
END_TEST

START_TEST(test_blocks)
{
    struct tiny_imagebind m = make_model(PND_TOWER_IMU);
    m.extra = "modality_trunks.imu.blocks.3.norm_1.bias";
    check_fails(&m, PND_TOWER_IMU, "modality_trunks.imu.blocks.2.");
    m.extra = "modality_trunks.imu.blocks.99999999999999999999.norm_1.bias";
    check_fails(&m, PND_TOWER_IMU, "beyond");
    m.extra = NULL;
    m.tower[PND_TOWER_IMU].blocks = 0;
    check_fails(&m, PND_TOWER_IMU, "at least one block");
}
END_TEST

START_TEST(test_grid)
{
    struct tiny_imagebind m = make_model(PND_TOWER_AUDIO);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_tower *tower;
    config.audio_stride = 16; /* the positions are of stride 10 */
    ck_assert_fails(load(&tower, &m, &config, PND_TOWER_AUDIO),
                    PANDA_E_FORMAT, "229 positions");
    config.audio_stride = 0;
    ck_assert_ok(load(&tower, &m, &config, PND_TOWER_AUDIO));
    pnd_tower_free(tower);
}
END_TEST

START_TEST(test_is_in)
{
    struct tiny_imagebind m = make_model(PND_TOWER_IMU);
    struct pnd_weights *weights;
    m.towers |= 1u << PND_TOWER_DEPTH;
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  tiny_imagebind_write(&m)));
    for (int id = 0; id < PND_TOWER_COUNT; id++)
        ck_assert_int_eq(pnd_tower_is_in(weights, (enum pnd_tower_id)id),
                         m.towers >> id & 1);
    pnd_weights_close(weights);
}
END_TEST

START_TEST(test_memory)
{
    const enum pnd_tower_id id = (enum pnd_tower_id)_i;
    struct tiny_imagebind m = make_model(id);
    struct pnd_imagebind_config config = tiny_imagebind_get_config(&m);
    struct pnd_context ctx = *test_context();
    struct pnd_weights *weights;
    struct test_alloc alloc;
    m.dtype = PND_F16; /* small vectors are copied */
    ck_assert_ok(pnd_weights_open(&weights, test_context(),
                                  tiny_imagebind_write(&m)));
    for (long n = 1;; n++) {
        struct pnd_tower *tower;
        test_alloc_init(&alloc);
        alloc.fail_at = n;
        ctx.alloc = alloc.alloc;
        panda_status status =
            pnd_tower_load(&tower, &ctx, weights, &config, id,
                           PANDA_PRECISION_EXACT);
        if (status == PANDA_OK) {
            ck_assert_int_gt(n, 2);
            pnd_tower_free(tower);
            ck_assert_int_eq(atomic_load(&alloc.live), 0);
            break;
        }
        ck_assert_int_eq(status, PANDA_E_MEMORY);
        ck_assert_ptr_null(tower);
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
    }
    pnd_weights_close(weights);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("tower_load");
    TCase *tc = tcase_create("load");
    tcase_add_loop_test(tc, test_dims, 0, PND_TOWER_COUNT);
    tcase_add_test(tc, test_parameters);
    tcase_add_test(tc, test_missing);
    tcase_add_test(tc, test_optional);
    tcase_add_test(tc, test_extra);
    tcase_add_test(tc, test_other_tower);
    tcase_add_test(tc, test_misshapen);
    tcase_add_test(tc, test_heads);
    tcase_add_test(tc, test_usual_heads);
    tcase_add_test(tc, test_blocks);
    tcase_add_test(tc, test_grid);
    tcase_add_test(tc, test_is_in);
    tcase_add_loop_test(tc, test_memory, 0, PND_TOWER_COUNT);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return test_run(make_suite());
}
