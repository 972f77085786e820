/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/pandagpt.h>

#include <stdio.h>
#include <stdlib.h>

/* Ask one question about one picture: the simple API, from open to close. */

/* Every call returns a status; below zero it failed, and the library has one
 * sentence about it. */
static void check(panda_status status)
{
    if (status < 0) {
        fprintf(stderr, "%s\n", panda_error_get_message());
        exit(1);
    }
}

int main(int argc, char **argv)
{
    panda_runtime *runtime;
    panda_model *model;
    panda_model_options options;
    panda_chat *chat;

    if (argc < 5 || argc > 6) {
        fprintf(stderr,
                "usage: %s IMAGEBIND DECODER ADAPTER PICTURE [QUESTION]\n"
                "  such as: %s imagebind_huge.pth vicuna-7b-v0 "
                "pytorch_model.pt cat.jpg\n",
                argv[0], argv[0]);
        return 2;
    }

    /* A runtime holds threads, memory and the like; NULL means defaults. */
    check(panda_runtime_create(&runtime, NULL));

    /* Only the encoder for pictures is loaded. */
    check(panda_model_options_init(&options, sizeof options));
    options.imagebind = argv[1];
    options.decoder = argv[2];
    options.adapter = argv[3];
    options.modalities = PANDA_MODALITY_BIT(PANDA_MODALITY_IMAGE);
    check(panda_model_open(&model, runtime, &options));

    check(panda_chat_create(&chat, model, NULL));
    check(panda_chat_attach_path(chat, PANDA_MODALITY_IMAGE, argv[4]));
    check(panda_chat_ask(chat, argc > 5 ? argv[5] : "What is in this picture?",
                         NULL, NULL, NULL));
    printf("%s\n", panda_chat_get_answer(chat));

    panda_chat_destroy(chat);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return 0;
}
