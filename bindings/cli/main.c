/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "common.h"

/* panda: six senses and words from the command line. */

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"embed", command_embed, "turn media or text into embeddings"},
    {"chat", command_chat, "ask questions about media"},
    {"tokenize", command_tokenize, "turn text into the decoder's tokens"},
    {"convert", command_convert, "make one file of a model, or a smaller one"},
    {"info", command_info, "say what model files hold"},
    {"bench", command_bench, "measure this machine"},
    {"quantize", command_quantize, "write a model in fewer bits"},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(FILE *to)
{
    fprintf(to, "usage: panda COMMAND [OPTION]...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\npanda COMMAND --help tells more. panda --version prints the "
                "version.\n");
}

int main(int argc, char **argv)
{
    static char name[] = "panda";
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0) {
        print_help(stdout);
        return finish_output(EXIT_DONE);
    }
    if (strcmp(word, "--version") == 0) {
        printf("panda %s\n", panda_version_get_string());
        return finish_output(EXIT_DONE);
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            argv[1] = argv[0] = name; /* getopt's messages begin with it */
            return finish_output(commands[i].run(argc - 1, argv + 1));
        }
    }
    if (*word)
        fprintf(stderr, "panda: there is no command %s\n", word);
    print_help(stderr);
    return EXIT_USAGE;
}
