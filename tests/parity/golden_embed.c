/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/json.h"
#include "parity/model.h"

/* From files to embeddings through the public API, with what every clone has:
 * the inputs of tests/golden and what the reference made of them. */

#define DIM 64

static panda_runtime *runtime;
static panda_model *model;
static panda_encoder *encoder;
static struct pnd_json *golden;

static void open_model(void)
{
    runtime = parity_runtime();
    model = parity_golden_model(runtime, PANDA_LORA_DEFAULT);
    ck_assert_ok(panda_encoder_create(&encoder, model, NULL));
}

static void close_model(void)
{
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
}

static const struct pnd_json_value *get_rows(void)
{
    return pnd_json_find(pnd_json_get_root(golden), "embeddings");
}

/* As in parity_embed. Video: the decoder's last bits are not the reference's.
 */
static double get_tolerance(panda_modality modality, panda_output output)
{
    switch (modality) {
    case PANDA_MODALITY_IMAGE:
        return 2e-5;
    case PANDA_MODALITY_VIDEO:
        return 2e-3;
    case PANDA_MODALITY_AUDIO:
        return output == PANDA_OUTPUT_SCALED ? 4e-4 : 2e-5;
    default:
        return 1e-4;
    }
}

static void check_output(const panda_input *input, panda_output output,
                         const struct pnd_json_value *want, const char *name)
{
    float expected[DIM], values[DIM];
    panda_encode_options options = {.struct_size = sizeof options,
                                    .output = output};
    panda_embedding *embedding;
    ck_assert_uint_eq(want->length, DIM);
    const struct pnd_json_value *number = want->child;
    for (int i = 0; i < DIM; i++, number = number->next)
        expected[i] = (float)number->number;
    ck_assert_ok(panda_encoder_encode(&embedding, encoder, input, &options));
    ck_assert_ok(panda_embedding_read_f32(embedding, values, DIM));
    panda_embedding_unref(embedding);
    test_assert_close(name, values, expected, DIM,
                      get_tolerance(input->modality, output));
}

START_TEST(file_gives_reference_embedding)
{
    const struct pnd_json_value *row = get_rows()->child;
    for (int i = 0; i < _i; i++)
        row = row->next;
    const char *file = pnd_json_find(row, "file")->string;
    panda_modality modality;
    ck_assert_ok(panda_modality_find(
        &modality, pnd_json_find(row, "modality")->string));
    if (!parity_can_read(model, modality, file))
        return;
    char path[64];
    panda_input input;
    snprintf(path, sizeof path, "inputs/%s", file);
    ck_assert_ok(panda_input_init_path(&input, sizeof input, modality,
                                       test_golden(path)));
    check_output(&input, PANDA_OUTPUT_SCALED, pnd_json_find(row, "scaled"),
                 file);
    check_output(&input, PANDA_OUTPUT_PANDAGPT, pnd_json_find(row, "pandagpt"),
                 file);
}
END_TEST

int main(void)
{
    const struct pnd_context heap = {.alloc = pnd_allocator_heap};
    if (pnd_json_open(&golden, &heap,
                      test_golden("expected.json")) < 0) {
        printf("%s\n", pnd_error_get());
        return 1;
    }
    Suite *suite = suite_create("golden embeddings");
    TCase *tc = tcase_create("golden embeddings");
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_loop_test(tc, file_gives_reference_embedding, 0,
                        (int)get_rows()->length);
    suite_add_tcase(suite, tc);
    int result = test_run(suite);
    pnd_json_free(golden);
    return result;
}
