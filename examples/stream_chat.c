/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/pandagpt.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A conversation: questions from standard input, a line each; answers appear
 * as they are made. Ctrl-C stops one, Ctrl-D leaves. */

static panda_chat *chat;

static void check(panda_status status)
{
    if (status < 0) {
        fprintf(stderr, "%s\n", panda_error_get_message());
        exit(1);
    }
}

static void interrupt(int number)
{
    panda_chat_cancel(chat); /* allowed in a signal handler */
    signal(number, interrupt);
}

static int32_t print_piece(const char *text, size_t length, void *user)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    return fflush(stdout); /* not 0: stop answering */
}

int main(int argc, char **argv)
{
    panda_runtime *runtime;
    panda_model *model;
    char question[4096];
    if (argc < 4 || argc % 2 != 0) {
        fprintf(stderr,
                "usage: %s IMAGEBIND DECODER ADAPTER [MODALITY FILE]...\n"
                "  such as: ... image cat.jpg audio cat.wav\n",
                argv[0]);
        return 2;
    }
    panda_model_options options = {.struct_size = sizeof options,
                                   .imagebind = argv[1],
                                   .decoder = argv[2],
                                   .adapter = argv[3]};
    check(panda_runtime_create(&runtime, NULL));
    check(panda_model_open(&model, runtime, &options));
    check(panda_chat_create(&chat, model, NULL));
    for (int i = 4; i + 1 < argc; i += 2) {
        panda_modality modality;
        check(panda_modality_find(&modality, argv[i]));
        check(panda_chat_attach_path(chat, modality, argv[i + 1]));
    }
    signal(SIGINT, interrupt);

    while (fgets(question, sizeof question, stdin)) {
        question[strcspn(question, "\n")] = '\0';
        panda_status status =
            panda_chat_ask(chat, question, NULL, print_piece, NULL);
        /* An answer that was stopped stays part of the conversation. */
        if (status == PANDA_E_CANCELLED)
            printf("...");
        else
            check(status);
        printf("\n");
    }

    signal(SIGINT, SIG_DFL);
    panda_chat_destroy(chat);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return 0;
}
