/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_CONVERT_H
#define PANDAGPT_CONVERT_H

#include <pandagpt/model.h>

/** @file convert.h
 *  Writing models: one file of the published ones, a part of it, or the same
 *  in fewer bits.
 *
 *      panda_model_options files = {.struct_size = sizeof files,
 *                                   .imagebind = "imagebind_huge.pth",
 *                                   .decoder = "vicuna-7b-v0",
 *                                   .adapter = "pytorch_model.pt"};
 *      panda_convert_options options;
 *      panda_convert_options_init(&options, sizeof options);
 *      options.model = &files;
 *      options.output = "pandagpt-7b.gguf";
 *      options.decoder_format = PANDA_FORMAT_Q8_0;
 *      panda_status status = panda_convert(runtime, &options);
 *
 *  The file is a GGUF, specified in docs/file-format.md: a bundle, opened by
 *  panda_model_options.bundle; or, where nothing but a decoder is written, one
 *  that every program for llama-architecture GGUF files opens. */

PANDA_BEGIN_DECLS

typedef int32_t panda_format;

/** How numbers are stored. Vectors (norms, biases) are never quantised, and
 *  some matrices take a finer format where the coarse one costs too much or
 *  does not fit their width. */
enum {
    PANDA_FORMAT_KEEP = 0, /**< as the source has them */
    PANDA_FORMAT_F32 = 1,
    PANDA_FORMAT_F16 = 2,
    PANDA_FORMAT_BF16 = 3,
    PANDA_FORMAT_INT8 = 4, /**< a scale for each row; encoders only */
    PANDA_FORMAT_Q8_0 = 5, /**< from here on: decoders only */
    PANDA_FORMAT_Q4_0 = 6,
    PANDA_FORMAT_Q4_1 = 7,
    PANDA_FORMAT_Q5_0 = 8,
    PANDA_FORMAT_Q5_1 = 9,
    PANDA_FORMAT_Q4_K_M = 10,
    PANDA_FORMAT_Q5_K_M = 11,
    PANDA_FORMAT_Q6_K = 12,
    PANDA_FORMAT_Q2_K = 13,
    PANDA_FORMAT_Q3_K_M = 14,
    PANDA_FORMAT_Q4_K_S = 15,
    PANDA_FORMAT_Q5_K_S = 16,
    PANDA_FORMAT_IQ4_NL = 17,
    PANDA_FORMAT_IQ4_XS = 18
};

/** Reports progress of a conversion: `done` of `total` bytes have been read or
 *  written, `what` is at hand (borrowed). Called on the thread that made the
 *  call, at least once for every 64 MiB. Return 0 to go on, anything else to
 *  stop with PANDA_E_CALLBACK; then nothing is left behind. */
typedef int32_t (*panda_convert_fn)(uint64_t done, uint64_t total,
                                    const char *what, void *user);

typedef struct panda_convert_options {
    uint32_t struct_size;
    uint32_t parts; /**< PANDA_PART_* bits to write; default all that the
                         sources have. PANDA_PART_DECODER alone or with
                         PANDA_PART_TOKENIZER and PANDA_PART_LORA gives a GGUF
                         of architecture llama, anything else a bundle */
    /** The sources. `modalities` chooses encoders. `lora_mode` DEFAULT merges
     *  LoRA into the decoder where that loses nothing more: into f32 matrices
     *  and those that get another format; it stays beside matrices that are
     *  kept in 16 bits or in blocks. MERGE, SIDE, OFF: always, never, left
     *  out. */
    const panda_model_options *model;
    const char *output; /**< path; a file there is replaced at the end */
    const char *decoder_delta;   /**< Vicuna v0 delta (HF folder), added to
                                      `model->decoder`; default none */
    panda_format encoder_format; /**< KEEP, F32, F16, BF16 or INT8 */
    panda_format decoder_format; /**< any but INT8 */
    const char *importance;      /**< importance data for the decoder's block
                                      formats: what panda_importance_measure or
                                      llama.cpp's llama-imatrix wrote (a GGUF,
                                      or its older form); default none */
    panda_convert_fn progress;   /**< default none */
    void *progress_user;
} panda_convert_options;

/** Fill `options` with defaults and `struct_size`.
 *  @param struct_size sizeof(panda_convert_options) of the caller
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_convert_options_init(
    panda_convert_options *options, uint32_t struct_size);

/** Write a model. Streams: memory is a few tensors, never the model. The file
 *  appears under its name when it is whole and on the disk; after any failure
 *  nothing is left of it, and a file that was there stays as it was.
 *  @param options borrows
 *  @return PANDA_OK; what panda_model_open gives for the sources;
 *          PANDA_E_ARGUMENT (nothing to write, `output` is one of the
 *          sources, a format that does not go with the part);
 *          PANDA_E_SHAPE (a delta that does not fit);
 *          PANDA_E_UNSUPPORTED (LoRA that cannot be merged);
 *          PANDA_E_IO (`output` is a directory, cannot be written, the disk is
 *          too small); PANDA_E_MEMORY; PANDA_E_CALLBACK
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_convert(panda_runtime *runtime,
                                     const panda_convert_options *options);

typedef struct panda_importance_options {
    uint32_t struct_size;
    uint32_t context; /**< positions that are computed together, >= 2; default
                           512, or what the decoder has if that is less */
    panda_progress_fn progress; /**< default none */
    void *progress_user;
} panda_importance_options;

/** Fill `options` with defaults and `struct_size`.
 *  @param struct_size sizeof(panda_importance_options) of the caller
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_importance_options_init(
    panda_importance_options *options, uint32_t struct_size);

/** Measure importance data for panda_convert_options.importance: run the
 *  decoder over a text and write the mean square of what each column of its
 *  matrices is multiplied with. The text should be like what the model will
 *  read; some ten thousand tokens are enough. Memory does not grow with it.
 *  @param model borrows; has a decoder and its vocabulary
 *  @param text borrows UTF-8, `length` bytes
 *  @param output path of the file, a GGUF as llama.cpp's llama-imatrix writes;
 *         appears when it is whole, as with panda_convert
 *  @param options borrows; NULL for defaults
 *  @return PANDA_OK; PANDA_E_ARGUMENT (no text); PANDA_E_UNSUPPORTED without a
 *          decoder or a vocabulary; PANDA_E_IO; PANDA_E_MEMORY;
 *          PANDA_E_CALLBACK
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status
panda_importance_measure(const panda_model *model, const char *text,
                         size_t length, const char *output,
                         const panda_importance_options *options);

PANDA_END_DECLS

#endif
