/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_CLI_COMMON_H
#define PANDA_CLI_COMMON_H

#include <getopt.h>
#include <stdbool.h>

#include <pandagpt/pandagpt.h>

/* What the commands of the panda program share. Exit codes: 0 done, 1 something
 * failed (one line each on stderr), 2 wrong usage. */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define MAX_MODEL_FILES 8

/** Options that every command with a model takes. */
struct model_args {
    const char *files[MAX_MODEL_FILES]; /* of --model, not yet told apart */
    size_t file_count;
    const char *bundle;
    const char *imagebind, *imagebind_config, *clip_vocab;
    const char *decoder, *tokenizer, *adapter;
    float lora_alpha;
    uint32_t modalities; /* to load; 0: all */
    uint32_t parts;      /* of the bundle; 0: all */
    uint32_t threads;
    uint64_t cpu_mask;
    panda_precision precision;
    int verbose;
    bool shows_warnings; /* without --verbose, too */
};

/* Codes of long options, above any character. */
enum {
    OPT_MODEL = 256,
    OPT_IMAGEBIND,
    OPT_IMAGEBIND_CONFIG,
    OPT_CLIP_VOCAB,
    OPT_DECODER,
    OPT_TOKENIZER,
    OPT_ADAPTER,
    OPT_LORA_ALPHA,
    OPT_THREADS,
    OPT_CPU_MASK,
    OPT_PRECISION,
    OPT_MEDIA, /* + panda_modality */
    OPT_DEPTH_UNIT = OPT_MEDIA + 32,
    OPT_DEPTH_SENSOR,
    OPT_DEPTH_BASELINE,
    OPT_DEPTH_FOCAL,
    OPT_DEPTH_SUN,
    OPT_OWN /* first of a command's own */
};

/* Rows for the option tables of the commands. */
#define MODEL_OPTIONS                                                          \
  {"decoder", required_argument, NULL, OPT_DECODER}, MODEL_OPTIONS_BUT_DECODER

#define MODEL_OPTIONS_BUT_DECODER                                              \
  {"model", required_argument, NULL, OPT_MODEL},                               \
      {"imagebind", required_argument, NULL, OPT_IMAGEBIND},                   \
      {"imagebind-config", required_argument, NULL, OPT_IMAGEBIND_CONFIG},     \
      {"clip-vocab", required_argument, NULL, OPT_CLIP_VOCAB},                 \
      {"tokenizer", required_argument, NULL, OPT_TOKENIZER},                   \
      {"adapter", required_argument, NULL, OPT_ADAPTER},                       \
      {"lora-alpha", required_argument, NULL, OPT_LORA_ALPHA},                 \
      {"threads", required_argument, NULL, OPT_THREADS},                       \
      {"cpu-mask", required_argument, NULL, OPT_CPU_MASK},                     \
      {"precision", required_argument, NULL, OPT_PRECISION},                   \
      {"verbose", no_argument, NULL, 'v'},                                     \
  {                                                                            \
    "help", no_argument, NULL, 'h'                                             \
  }

#define MEDIA_OPTIONS                                                          \
  {"image", required_argument, NULL, OPT_MEDIA + PANDA_MODALITY_IMAGE},        \
      {"video", required_argument, NULL, OPT_MEDIA + PANDA_MODALITY_VIDEO},    \
      {"audio", required_argument, NULL, OPT_MEDIA + PANDA_MODALITY_AUDIO},    \
      {"depth", required_argument, NULL, OPT_MEDIA + PANDA_MODALITY_DEPTH},    \
      {"thermal", required_argument, NULL,                                     \
       OPT_MEDIA + PANDA_MODALITY_THERMAL},                                    \
      {"imu", required_argument, NULL, OPT_MEDIA + PANDA_MODALITY_IMU},        \
      {"text", required_argument, NULL, OPT_MEDIA + PANDA_MODALITY_TEXT},      \
      {"depth-unit", required_argument, NULL, OPT_DEPTH_UNIT},                 \
      {"depth-sensor", required_argument, NULL, OPT_DEPTH_SENSOR},             \
      {"depth-baseline", required_argument, NULL, OPT_DEPTH_BASELINE},         \
      {"depth-focal", required_argument, NULL, OPT_DEPTH_FOCAL},               \
  {                                                                            \
    "depth-sun-rotated", no_argument, NULL, OPT_DEPTH_SUN                      \
  }

extern const char model_help[]; /* of MODEL_OPTIONS */
extern const char media_help[]; /* of MEDIA_OPTIONS */

/** One media flag of the command line. */
struct media_item {
    panda_modality modality;
    const char *value; /* path, or the text of --text */
};

#define MAX_MEDIA 4096

struct media_args {
    struct media_item items[MAX_MEDIA];
    size_t count;
    panda_depth_options depth; /* for all depth items */
};

extern const char *const precision_words[]; /* by panda_precision, then NULL */

/** Take an option of MODEL_OPTIONS or MEDIA_OPTIONS. False: not one of them, or
 *  its value is wrong (said on stderr). */
bool take_model_option(struct model_args *args, int option, const char *value);
bool take_media_option(struct media_args *args, int option, const char *value);

/** Take what is no option as --model. False: too many (said on stderr). */
bool take_model_files(struct model_args *args, int argc, char **argv);

/** Whether any part of a model was given. */
bool has_model_files(const struct model_args *args);

/** Make each --model the part that its content says. False (said on stderr):
 *  it cannot be read, is no part of a model, or its part was given already. */
bool find_model_parts(struct model_args *args);

/** Describe an item of the command line; `input` borrows from `args`. */
panda_status describe_media(panda_input *input, const struct media_args *args,
                            const struct media_item *item);

/** The value of one of `words`, which end with NULL and count from `first`;
 *  false (said on stderr) for another word. */
bool take_word(int32_t *out, int32_t first, const char *option,
               const char *value, const char *const *words);

/** Numbers of the command line; false (said on stderr) when out of range. */
bool parse_number(double *out, const char *option, const char *value, double lo,
                  double hi);
bool parse_count(uint64_t *out, const char *option, const char *value,
                 uint64_t lo, uint64_t hi);

/** The options that open those files; borrows from `args`. */
void set_model_options(panda_model_options *options,
                       const struct model_args *args);

/** Take the name of a format, such as q4_0; false (said on stderr) for none. */
bool take_format(panda_format *out, const char *option, const char *value);

/** Create the runtime and open the model; says on stderr why not. */
bool open_model(panda_runtime **runtime, panda_model **model,
                const struct model_args *args);
bool create_runtime(panda_runtime **runtime, const struct model_args *args);

/** "panda: " and the library's message on stderr; returns EXIT_FAILED. */
int fail_with_message(void);

/** One line on stderr; returns EXIT_USAGE. */
int fail_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* sees one file at a time: what it returns */
#  define fail_usage(...) (fail_usage(__VA_ARGS__), EXIT_USAGE)
#endif

/** What was printed has gone out: `code`; otherwise (said on stderr)
 *  EXIT_FAILED. */
int finish_output(int code);

/** JSON on stdout: a string with quotes, in which bytes that are not UTF-8
 *  become U+FFFD; a number that reads back equal. */
void print_json_string(const char *text, size_t length);
void print_json_float(float value);

/** Whole content of a file on the heap; NULL (said on stderr) on failure. */
char *read_whole_file(const char *path, size_t *size);

/** Run the conversion with a progress bar, "converting"; `options` has all but
 *  the sources, which are `args` with this LoRA mode. Returns the exit code. */
int write_model(const struct model_args *args, panda_lora_mode lora_mode,
                panda_convert_options *options, const char *doing);

int command_embed(int argc, char **argv);
int command_chat(int argc, char **argv);
int command_tokenize(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_info(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_quantize(int argc, char **argv);

#endif
