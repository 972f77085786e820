/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"

static const char help[] =
    "usage: panda tokenize (--model F | --decoder D) (--text S | --file F)\n"
    "                      [OPTION]...\n"
    "\n"
    "Turn text into ids of the decoder's vocabulary.\n"
    "\n"
    "  --model F                 bundle or other GGUF, tokenizer.model or\n"
    "                            tokenizer.json\n"
    "  --decoder DIR_OR_FILE     folder with a tokenizer.model or\n"
    "                            tokenizer.json, that file, or a GGUF\n"
    "  --text S | --file F       the text; F holds UTF-8\n"
    "  --bos, --eos              begin with the BOS, end with the EOS token\n"
    "  --ends                    both as far as the vocabulary's files say\n"
    "  --parse-special           \"</s>\" and the like become special tokens\n"
    "  --json                    {\"tokens\": [...]}\n"
    "\n"
    "Example:\n"
    "  panda tokenize --decoder vicuna-7b-v0 --text 'Hello world' --json\n";

struct tokenize_args {
    struct model_args model;
    const char *text, *file;
    uint32_t flags;
    bool ends; /* more flags, from the model */
    bool json;
};

static int parse(struct tokenize_args *args, int argc, char **argv)
{
    enum { OPT_TEXT = OPT_OWN, OPT_FILE, OPT_BOS, OPT_EOS, OPT_ENDS,
           OPT_SPECIAL, OPT_JSON };
    static const struct option options[] = {
        {"model", required_argument, NULL, OPT_TOKENIZER},
        {"decoder", required_argument, NULL, OPT_DECODER},
        {"tokenizer", required_argument, NULL, OPT_TOKENIZER},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"text", required_argument, NULL, OPT_TEXT},
        {"file", required_argument, NULL, OPT_FILE},
        {"bos", no_argument, NULL, OPT_BOS},
        {"eos", no_argument, NULL, OPT_EOS},
        {"ends", no_argument, NULL, OPT_ENDS},
        {"parse-special", no_argument, NULL, OPT_SPECIAL},
        {"json", no_argument, NULL, OPT_JSON},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "hv", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            printf("%s", help);
            return EXIT_DONE;
        case OPT_TEXT:
            args->text = optarg;
            break;
        case OPT_FILE:
            args->file = optarg;
            break;
        case OPT_BOS:
            args->flags |= PANDA_TOKENIZE_BOS;
            break;
        case OPT_EOS:
            args->flags |= PANDA_TOKENIZE_EOS;
            break;
        case OPT_ENDS:
            args->ends = true;
            break;
        case OPT_SPECIAL:
            args->flags |= PANDA_TOKENIZE_PARSE_SPECIAL;
            break;
        case OPT_JSON:
            args->json = true;
            break;
        default:
            if (!take_model_option(&args->model, option, optarg))
                return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return fail_usage("tokenize", "%s is not an option", argv[optind]);
    if (!args->model.decoder && !args->model.tokenizer)
        return fail_usage("tokenize", "--model or --decoder is missing");
    if (!args->text == !args->file)
        return fail_usage("tokenize", "expected one of --text and --file");
    return -1;
}

static bool has_end(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);
    return length >= size && strcmp(text + length - size, end) == 0;
}

/* The vocabulary alone is opened: no weights are needed to tokenise. It lies in
 * the decoder's folder, unless the decoder is a vocabulary itself. */
static char *find_tokenizer(const struct tokenize_args *args)
{
    const char *given =
        args->model.tokenizer ? args->model.tokenizer : args->model.decoder;
    struct stat info;
    bool is_there = stat(given, &info) == 0;
    if (args->model.tokenizer || !is_there || S_ISDIR(info.st_mode) ||
        has_end(given, ".model") || has_end(given, "tokenizer.json") ||
        has_end(given, ".gguf"))
        return strdup(given);
    const char *slash = strrchr(given, '/');
    return slash ? strndup(given, (size_t)(slash - given) + 1) : strdup(".");
}

static void print_tokens(const panda_token *tokens, size_t count, bool json)
{
    if (json)
        printf("{\"tokens\": [");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            printf(json ? ", " : " ");
        printf("%d", tokens[i]);
    }
    printf(json ? "]}\n" : "\n");
}

static int tokenize(const struct tokenize_args *args, const panda_model *model,
                    const char *text, size_t length)
{
    size_t count = 0;
    panda_model_info info = {.struct_size = sizeof info};
    panda_status status = panda_model_get_info(model, &info);
    uint32_t flags = args->flags | (args->ends ? info.tokenize_flags : 0);
    if (status == PANDA_OK)
        status = panda_model_tokenize(model, NULL, 0, &count, text, length,
                                      flags);
    if (status < 0 && count == 0)
        return fail_with_message();
    panda_token *tokens = malloc((count + 1) * sizeof *tokens);
    int code = EXIT_FAILED;
    if (!tokens) {
        fprintf(stderr, "panda: out of memory\n");
    } else if (panda_model_tokenize(model, tokens, count, &count, text, length,
                                    flags) < 0) {
        fail_with_message();
    } else {
        print_tokens(tokens, count, args->json);
        code = EXIT_DONE;
    }
    free(tokens);
    return code;
}

int command_tokenize(int argc, char **argv)
{
    struct tokenize_args args = {0};
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    char *content = NULL, *path = find_tokenizer(&args);
    size_t length = args.text ? strlen(args.text) : 0;
    if (args.file && !(content = read_whole_file(args.file, &length))) {
        free(path);
        return EXIT_FAILED;
    }
    panda_runtime *runtime;
    panda_model *model;
    args.model.tokenizer = path;
    args.model.decoder = NULL;
    args.model.threads = 1;
    code = EXIT_FAILED;
    if (path && open_model(&runtime, &model, &args.model)) {
        code = tokenize(&args, model, content ? content : args.text, length);
        panda_model_close(model);
        panda_runtime_destroy(runtime);
    }
    free(content);
    free(path);
    return code;
}
