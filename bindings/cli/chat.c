/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "interactive.h"

static const char help[] =
    "usage: panda chat (--model BUNDLE | --decoder D --adapter F --imagebind "
    "F)\n"
    "                  [OPTION]...\n"
    "\n"
    "Ask questions about media. Without --prompt, questions come from "
    "standard\n"
    "input; on a terminal that is a session (/help lists its commands).\n"
    "\n"
    "  --prompt S                a question; several are turns of one\n"
    "                            conversation\n"
    "  --greedy                  always the most likely token\n"
    "  --temperature T           default 1\n"
    "  --top-p P                 default 0.01, as PandaGPT's demo\n"
    "  --top-k K                 default: all\n"
    "  --seed N                  default 0\n"
    "  --max-tokens N            of an answer, default 512\n"
    "  --context N               positions, default: the model's, at most "
    "4096\n"
    "  --compat reference        stop and cut answers as the reference "
    "program\n"
    "  --json                    {\"turns\": [{\"prompt\", \"text\", "
    "\"tokens\",\n"
    "                            \"prompt_tokens\", \"seconds\"}]}\n"
    "\n";

static const char example[] =
    "\nExample:\n"
    "  panda chat --imagebind imagebind_huge.pth --decoder vicuna-7b-v0 \\\n"
    "    --adapter pandagpt_7b.pt --image cat.jpg --prompt 'What is this?'\n";

#define MAX_PROMPTS 1024

struct chat_args {
    struct model_args model;
    struct media_args media;
    const char *prompts[MAX_PROMPTS];
    size_t prompt_count;
    panda_generate_options generate;
    panda_decoder_options decoder;
    panda_compat compat;
    bool json;
};

enum {
    OPT_PROMPT = OPT_OWN,
    OPT_GREEDY,
    OPT_TEMPERATURE,
    OPT_TOP_P,
    OPT_TOP_K,
    OPT_SEED,
    OPT_MAX_TOKENS,
    OPT_CONTEXT,
    OPT_COMPAT,
    OPT_JSON
};

static const struct option chat_options[] = {
    MODEL_OPTIONS,
    MEDIA_OPTIONS,
    {"prompt", required_argument, NULL, OPT_PROMPT},
    {"greedy", no_argument, NULL, OPT_GREEDY},
    {"temperature", required_argument, NULL, OPT_TEMPERATURE},
    {"top-p", required_argument, NULL, OPT_TOP_P},
    {"top-k", required_argument, NULL, OPT_TOP_K},
    {"seed", required_argument, NULL, OPT_SEED},
    {"max-tokens", required_argument, NULL, OPT_MAX_TOKENS},
    {"context", required_argument, NULL, OPT_CONTEXT},
    {"compat", required_argument, NULL, OPT_COMPAT},
    {"json", no_argument, NULL, OPT_JSON},
    {0},
};

static bool take_float(float *to, const char *option, const char *value,
                       double lo, double hi)
{
    double number;
    if (!parse_number(&number, option, value, lo, hi))
        return false;
    *to = (float)number;
    return true;
}

static bool take_u32(uint32_t *to, const char *option, const char *value,
                     uint32_t hi)
{
    uint64_t number;
    if (!parse_count(&number, option, value, 1, hi))
        return false;
    *to = (uint32_t)number;
    return true;
}

static bool take_own_option(struct chat_args *args, int option,
                            const char *value)
{
    panda_generate_options *g = &args->generate;
    switch (option) {
    case OPT_PROMPT:
        if (args->prompt_count == MAX_PROMPTS) {
            fprintf(stderr, "panda: more than %d prompts\n", MAX_PROMPTS);
            return false;
        }
        args->prompts[args->prompt_count++] = value;
        return true;
    case OPT_GREEDY:
        g->sampling = PANDA_SAMPLING_GREEDY;
        return true;
    case OPT_TEMPERATURE:
        return take_float(&g->temperature, "temperature", value, 1e-4, 100);
    case OPT_TOP_P:
        return take_float(&g->top_p, "top-p", value, 1e-6, 1);
    case OPT_TOP_K:
        return take_u32(&g->top_k, "top-k", value, INT32_MAX);
    case OPT_SEED:
        return parse_count(&g->seed, "seed", value, 0, UINT64_MAX);
    case OPT_MAX_TOKENS:
        return take_u32(&g->max_tokens, "max-tokens", value, INT32_MAX);
    case OPT_CONTEXT:
        return take_u32(&args->decoder.context_length, "context", value,
                        1u << 20);
    case OPT_COMPAT:
        args->compat = PANDA_COMPAT_REFERENCE;
        if (strcmp(value, "reference") == 0)
            return true;
        fprintf(stderr, "panda: --compat %s: expected reference\n", value);
        return false;
    case OPT_JSON:
        args->json = true;
        return true;
    default:
        return take_media_option(&args->media, option, value) ||
               take_model_option(&args->model, option, value);
    }
}

static int parse(struct chat_args *args, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "hv", chat_options, NULL)) != -1) {
        if (option == 'h') {
            printf("%s%s\n%s%s", help, media_help, model_help, example);
            return EXIT_DONE;
        }
        if (!take_own_option(args, option, optarg))
            return EXIT_USAGE;
    }
    if (optind < argc)
        return fail_usage("chat", "%s is not an option", argv[optind]);
    if (!find_model_parts(&args->model))
        return EXIT_FAILED;
    if (!args->model.decoder && !args->model.bundle)
        return fail_usage("chat", "--model or --decoder is missing");
    if (args->json && args->prompt_count == 0)
        return fail_usage("chat", "--json needs a --prompt");
    return -1;
}

static bool attach_all(panda_chat *chat, const struct media_args *media)
{
    for (size_t i = 0; i < media->count; i++) {
        panda_input input;
        if (describe_media(&input, media, &media->items[i]) < 0 ||
            panda_chat_attach(chat, &input) < 0) {
            fail_with_message();
            return false;
        }
    }
    return true;
}

static void print_turn(const panda_chat *chat, const char *prompt, bool first)
{
    panda_chat_turn turn = {.struct_size = sizeof turn};
    if (panda_chat_get_turn(chat, &turn) < 0)
        return;
    const char *answer = panda_chat_get_answer(chat);
    printf("%s{\"prompt\": ", first ? "" : ", ");
    print_json_string(prompt, strlen(prompt));
    printf(", \"text\": ");
    print_json_string(answer, strlen(answer));
    printf(", \"tokens\": [");
    for (uint32_t i = 0; i < turn.token_count; i++)
        printf("%s%d", i ? ", " : "", turn.tokens[i]);
    printf("], \"prompt_tokens\": %u, \"seconds\": %.6f}", turn.prompt_tokens,
           turn.prompt_seconds + turn.generate_seconds);
}

/* The turns of the command line. A failing one ends the conversation. */
static int ask_all(panda_chat *chat, const struct chat_args *args)
{
    int code = EXIT_DONE;
    if (args->json)
        printf("{\"turns\": [");
    for (size_t i = 0; i < args->prompt_count && code == EXIT_DONE; i++) {
        cancel_on_interrupt(chat);
        panda_status status =
            panda_chat_ask(chat, args->prompts[i], &args->generate,
                           args->json ? NULL : print_piece, NULL);
        cancel_on_interrupt(NULL);
        if (status < 0)
            code = fail_with_answer(status);
        else if (args->json)
            print_turn(chat, args->prompts[i], i == 0);
        if (!args->json && (status >= 0 || *panda_chat_get_answer(chat)))
            printf("\n");
    }
    if (args->json)
        printf("]}\n");
    return code;
}

static int run_chat(const struct chat_args *args, panda_model *model)
{
    panda_chat *chat;
    panda_chat_options options;
    panda_chat_options_init(&options, sizeof options);
    options.compat = args->compat;
    options.decoder = &args->decoder;
    if (panda_chat_create(&chat, model, &options) < 0)
        return fail_with_message();
    int code = EXIT_FAILED;
    if (attach_all(chat, &args->media))
        code = args->prompt_count > 0
                   ? ask_all(chat, args)
                   : run_interactive(chat, &args->media, &args->generate);
    panda_chat_destroy(chat);
    return code;
}

int command_chat(int argc, char **argv)
{
    static struct chat_args args; /* too large for the stack */
    panda_runtime *runtime;
    panda_model *model;
    panda_generate_options_init(&args.generate, sizeof args.generate);
    panda_decoder_options_init(&args.decoder, sizeof args.decoder);
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    /* With all questions known, only the towers of the media are needed. */
    for (size_t i = 0; args.prompt_count > 0 && i < args.media.count; i++)
        args.model.modalities |=
            PANDA_MODALITY_BIT(args.media.items[i].modality);
    if (!open_model(&runtime, &model, &args.model))
        return EXIT_FAILED;
    code = run_chat(&args, model);
    panda_model_close(model);
    panda_runtime_destroy(runtime);
    return code;
}
