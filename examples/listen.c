/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/pandagpt.h>

#include <stdio.h>
#include <string.h>

/* Say what a microphone hears, with the sessions that a chat is made of:
 *
 *   arecord -f S16_LE -r 16000 -d 4 -t raw |
 *     listen IMAGEBIND DECODER ADAPTER */

enum { RATE = 16000, MAX_SAMPLES = 30 * RATE };

static int32_t print_piece(const char *text, size_t length, void *user)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    return fflush(stdout); /* not 0: stop answering */
}

int main(int argc, char **argv)
{
    static int16_t samples[MAX_SAMPLES];
    const char *before = "### Human: <Img>";
    const char *after = "</Img> What do you hear?\n### Assistant:";
    const char *const stop[] = {"\n###", NULL};
    panda_runtime *runtime = NULL;
    panda_model *model = NULL;
    panda_encoder *encoder = NULL;
    panda_projector *projector = NULL;
    panda_decoder *decoder = NULL;
    panda_input input;
    panda_embedding *embedding = NULL;
    panda_prefix *prefix = NULL;
    int code = 1;
    if (argc != 4) {
        fprintf(stderr, "usage: %s IMAGEBIND DECODER ADAPTER <PCM\n", argv[0]);
        return 2;
    }
    size_t count = fread(samples, sizeof *samples, MAX_SAMPLES, stdin);
    panda_model_options files = {.struct_size = sizeof files,
                                 .imagebind = argv[1],
                                 .decoder = argv[2],
                                 .adapter = argv[3]};
    /* The vector as PandaGPT's projection was trained on it. */
    panda_encode_options encode = {.struct_size = sizeof encode,
                                   .output = PANDA_OUTPUT_PANDAGPT};
    panda_generate_options how = {.struct_size = sizeof how, .stop = stop};
    /* The first call that fails ends the row. */
    if (panda_runtime_create(&runtime, NULL) < 0 ||
        panda_model_open(&model, runtime, &files) < 0 ||
        panda_encoder_create(&encoder, model, NULL) < 0 ||
        panda_projector_create(&projector, model) < 0 ||
        panda_decoder_create(&decoder, model, NULL) < 0 ||
        panda_input_init_audio(&input, sizeof input, samples, count, 1, RATE,
                               PANDA_ELEMENT_I16) < 0 ||
        panda_encoder_encode(&embedding, encoder, &input, &encode) < 0 ||
        panda_projector_project(&prefix, projector,
                                (const panda_embedding *[]){embedding},
                                1) < 0 ||
        panda_decoder_push_text(decoder, before, strlen(before),
                                PANDA_TOKENIZE_BOS) < 0 ||
        panda_decoder_push_prefix(decoder, prefix) < 0 ||
        panda_decoder_push_text(decoder, after, strlen(after), 0) < 0 ||
        panda_decoder_generate(decoder, &how, print_piece, NULL) < 0)
        fprintf(stderr, "%s\n", panda_error_get_message());
    else
        code = printf("\n") < 0;
    panda_prefix_unref(prefix);
    panda_embedding_unref(embedding);
    panda_decoder_destroy(decoder);
    panda_projector_destroy(projector);
    panda_encoder_destroy(encoder);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return code;
}
