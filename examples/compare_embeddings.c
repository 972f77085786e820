/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/pandagpt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How near are a picture, a sound, a caption...? All become vectors in one
 * space; this prints the cosine of each pair. No decoder is needed. */

enum { MAX_ITEMS = 16 };

static void check(panda_status status)
{
    if (status < 0) {
        fprintf(stderr, "%s\n", panda_error_get_message());
        exit(1);
    }
}

static panda_embedding *encode(panda_encoder *encoder, const char *name,
                               const char *value)
{
    panda_modality modality;
    panda_input input;
    panda_embedding *embedding;
    check(panda_modality_find(&modality, name));
    if (modality == PANDA_MODALITY_TEXT)
        check(
            panda_input_init_text(&input, sizeof input, value, strlen(value)));
    else
        check(panda_input_init_path(&input, sizeof input, modality, value));
    check(panda_encoder_encode(&embedding, encoder, &input, NULL));
    return embedding;
}

int main(int argc, char **argv)
{
    panda_runtime *runtime;
    panda_model *model;
    panda_model_options options = {.struct_size = sizeof options};
    panda_encoder *encoder;
    panda_embedding *items[MAX_ITEMS];
    int count = (argc - 3) / 2;
    if (count < 2 || count > MAX_ITEMS || argc % 2 == 0) {
        fprintf(stderr,
                "usage: %s IMAGEBIND MERGES image cat.jpg text \"a cat\"...\n"
                "  MERGES is CLIP's vocabulary, for text; - for none\n",
                argv[0]);
        return 2;
    }
    options.imagebind = argv[1];
    options.clip_vocab = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
    check(panda_runtime_create(&runtime, NULL));
    check(panda_model_open(&model, runtime, &options));
    check(panda_encoder_create(&encoder, model, NULL));
    for (int i = 0; i < count; i++)
        items[i] = encode(encoder, argv[3 + 2 * i], argv[4 + 2 * i]);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            float cosine;
            check(panda_embedding_get_similarity(items[i], items[j], &cosine));
            printf("%7.3f", (double)cosine);
        }
        printf("  %s %s\n", argv[3 + 2 * i], argv[4 + 2 * i]);
    }
    for (int i = 0; i < count; i++)
        panda_embedding_unref(items[i]);
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return 0;
}
