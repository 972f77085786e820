/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* What a program of somebody else does first; C and C++ alike. Prints the
 * embedding's length for the weights and the IMU recording of the command line.
 */
#include <stdio.h>

#include <pandagpt/pandagpt.h>
#include <pandagpt/sys/frontend.h>

static int embed(panda_encoder *encoder, const char *path)
{
    panda_input input;
    panda_embedding *embedding;
    if (panda_input_init_path(&input, sizeof input, PANDA_MODALITY_IMU, path) <
            0 ||
        panda_encoder_encode(&embedding, encoder, &input, NULL) < 0)
        return -1;
    printf("%s %u\n", panda_version_get_string(),
           (unsigned)panda_embedding_get_dim(embedding));
    panda_embedding_unref(embedding);
    return 0;
}

int main(int argc, char **argv)
{
    panda_runtime *runtime = NULL;
    panda_model *model = NULL;
    panda_encoder *encoder = NULL;
    panda_model_options options;
    int failed = 1;
    if (argc != 3)
        return 2;
    panda_model_options_init(&options, sizeof options);
    options.imagebind = argv[1];
    options.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_IMU);
    if (panda_runtime_create(&runtime, NULL) == PANDA_OK &&
        panda_model_open(&model, runtime, &options) == PANDA_OK &&
        panda_encoder_create(&encoder, model, NULL) == PANDA_OK)
        failed = embed(encoder, argv[2]) != 0;
    if (failed)
        fprintf(stderr, "%s\n", panda_error_get_message());
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return failed;
}
