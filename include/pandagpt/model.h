/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDAGPT_MODEL_H
#define PANDAGPT_MODEL_H

#include <pandagpt/input.h>
#include <pandagpt/runtime.h>

/** @file model.h
 *  Weights: any subset of encoders, projector, LoRA, decoder, vocabularies,
 *  read straight from the published files.
 *
 *      panda_model_options options;
 *      panda_model_options_init(&options, sizeof options);
 *      options.imagebind = "imagebind_huge.pth";
 *      options.clip_vocab = "bpe_simple_vocab_16e6.txt.gz";
 *      options.decoder = "vicuna-7b-v0";
 *      options.adapter = "pandagpt_7b/pytorch_model.pt";
 *      panda_status status = panda_model_open(&model, runtime, &options);
 *      ...
 *      panda_model_close(model);
 *
 *  Weight files are mapped into memory and must not change while the model is
 *  open. They may also come from the host's own memory, or by its callback
 *  (panda_model_source). Every tensor is checked for presence and shape; the
 *  message of an error names the file and the tensor. */

PANDA_BEGIN_DECLS

/** Immutable weights. Thread safety: shareable. */
typedef struct panda_model panda_model;

/** Id of a piece of the decoder's vocabulary. */
typedef int32_t panda_token;

typedef int32_t panda_lora_mode;

enum {
    /** Merged where the base weights are f32; a side path (exact, and the
     *  base stays mapped) where they are f16 or bf16. */
    PANDA_LORA_DEFAULT = 0,
    PANDA_LORA_MERGE = 1, /**< always merged at load, into f32 copies */
    PANDA_LORA_SIDE = 2,  /**< never merged: y = W x + (alpha / r) B A x */
    PANDA_LORA_OFF = 3    /**< LoRA matrices of the adapter are ignored */
};

typedef int32_t panda_precision;

/** What products of matrices may round. Sums are floats in every case. */
enum {
    /** By the weights: float weights (f32, f16, bf16) are multiplied in f32;
     *  a decoder's block formats with activations rounded to 8 bits. */
    PANDA_PRECISION_AUTO = 0,
    PANDA_PRECISION_EXACT = 1, /**< f32 activations whatever is stored */
    /** As AUTO, and encoders' float weights may be multiplied in bf16 where
     *  the machine has such products. */
    PANDA_PRECISION_FAST = 2,
    /** As AUTO, and encoders' float matrices are rounded to 8 bits when they
     *  are loaded. */
    PANDA_PRECISION_SMALL = 3
};

/** Reads `size` bytes at `offset` of a source into `buffer`; both lie within
 *  the source's size. Return 0 when all are there, anything else to fail the
 *  call with PANDA_E_CALLBACK. Called on the thread of the call that was given
 *  the source (panda_model_open, panda_model_find_kind, panda_convert), and
 *  only before it returns; must not call into the same model. */
typedef int32_t (*panda_read_fn)(uint64_t offset, void *buffer, size_t size,
                                 void *user);

/** A file that the host brings itself: `data`, or `read`, not both.
 *
 *  Memory is used where it lies, at any address (matrices that are aligned to
 *  their elements are not copied), and must stay as it is until the model and
 *  all that was made from it are closed. By a callback no more is read than the
 *  wanted parts need, in steps of 64 KiB, each at most once for each file that
 *  is opened; the bytes are kept in pages of the operating system, as those of
 *  mapped files are, not in memory of the runtime's allocator. */
typedef struct panda_model_source {
    uint32_t struct_size;
    uint32_t reserved;  /**< 0 */
    const char *name;   /**< stands for a path, such as "vicuna/config.json";
                             needed until that call returns */
    uint64_t size;      /**< bytes */
    const void *data;   /**< the bytes */
    panda_read_fn read; /**< or who reads them */
    void *read_user;
} panda_model_source;

typedef struct panda_model_options {
    uint32_t struct_size;
    uint32_t modalities;   /**< PANDA_MODALITY_BIT()s to load; default all that
                              the encoder file has (text only with CLIP
                              merges) */
    const char *imagebind; /**< encoders: .pth or safetensors */
    const char *imagebind_config; /**< JSON with head counts; default: by width
                                       as ImageBind-huge, or `imagebind` with
                                       its ending replaced by .json */
    const char *clip_vocab;       /**< CLIP merges: .txt.gz or .txt */
    const char *decoder;          /**< LLaMA-family HF folder, a weight file in
                                       one, or a .gguf (the first of several) */
    const char *tokenizer;        /**< tokenizer.model or .json, folder, GGUF;
                                       default: in `decoder` */
    const char *adapter;          /**< PandaGPT delta: projection and LoRA */
    panda_lora_mode lora_mode;
    float lora_alpha; /**< > 0; default: "lora_alpha" of `adapter` with its
                           ending replaced by .json, or equal to the rank, as
                           published */
    panda_progress_fn progress; /**< default none */
    void *progress_user;
    panda_precision precision; /**< speed against rounding */
    uint32_t source_count;     /**< of `sources`; at most 4096 */
    /** Files that are not in the file system. A path above that is the name of
     *  one means it, and so does what the library looks for by itself
     *  (config.json, tokenizer.model, shards...): "vicuna/config.json" lies in
     *  the folder "vicuna". Paths that name no source are files; names that
     *  lead nowhere, such as "memory:/a.gguf", have no files beside them. */
    const panda_model_source *sources;
    const char *bundle; /**< a file of panda_convert: any of the parts above,
                             each of which may come only once */
    uint32_t parts;     /**< PANDA_PART_* bits to open of `bundle`; default
                             all that it has */
    uint32_t reserved;  /**< 0 */
} panda_model_options;

/** Fill `options` with defaults and `struct_size`.
 *  @param struct_size sizeof(panda_model_options) of the caller
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_options_init(panda_model_options *options,
                                                uint32_t struct_size);

/** Open weights.
 *  @param out gives the model; release with panda_model_close
 *  @param runtime borrows; kept alive by the model
 *  @param options borrows; names at least one file
 *  @return PANDA_OK; PANDA_E_ARGUMENT; PANDA_E_IO (missing, unreadable, a
 *          directory);
 *          PANDA_E_FORMAT (damaged file, tensor missing or of wrong type);
 *          PANDA_E_SHAPE (parts that do not fit together);
 *          PANDA_E_UNSUPPORTED; PANDA_E_MEMORY; PANDA_E_CALLBACK
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_open(panda_model **out,
                                        panda_runtime *runtime,
                                        const panda_model_options *options);

/** Drop the caller's reference. Sessions keep the model alive. NULL is
 *  allowed.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API void panda_model_close(panda_model *model);

/** Parts, as bits of panda_model_info.parts. */
enum {
    PANDA_PART_ENCODERS = 1 << 0,
    PANDA_PART_PROJECTOR = 1 << 1,
    PANDA_PART_LORA = 1 << 2,
    PANDA_PART_DECODER = 1 << 3,
    PANDA_PART_TOKENIZER = 1 << 4,
    PANDA_PART_CLIP_VOCAB = 1 << 5
};

typedef struct panda_model_info {
    uint32_t struct_size;    /**< set by the caller */
    uint32_t parts;          /**< PANDA_PART_* bits */
    uint32_t modalities;     /**< PANDA_MODALITY_BIT()s that can be encoded */
    uint32_t embedding_dim;  /**< length of an embedding; 0 without encoders */
    uint32_t hidden_dim;     /**< decoder width; also the projector's output */
    uint32_t layers;         /**< decoder blocks */
    uint32_t heads;          /**< decoder attention heads */
    uint32_t kv_heads;       /**< decoder key/value heads */
    uint32_t vocab_size;     /**< rows of the token embedding */
    uint32_t context_length; /**< positions the decoder was trained for */
    uint32_t lora_rank;      /**< 0 without LoRA */
    uint32_t lora_merged;    /**< 1 merged, 0 side path or none */
    float lora_alpha;        /**< in use; 0 without a decoder */
    float rope_base;         /**< rotary embedding base */
    uint64_t mapped_bytes;   /**< bytes of weight files mapped */
    uint64_t heap_bytes;     /**< bytes of weights copied to the heap */
    const char *encoder_format; /**< such as "f32"; NULL without; borrowed */
    const char *decoder_format; /**< such as "f16"; NULL without; borrowed */
    panda_precision precision;  /**< as asked for when it was opened */
    uint32_t tokenize_flags;    /**< PANDA_TOKENIZE_BOS and _EOS, as the
                                     vocabulary's files want them at the ends
                                     of a text; for panda_model_tokenize */
    const char *encoder_math; /**< what its products multiply: "f32", "bf16" or
                                   "int8"; NULL without; borrowed */
    const char *decoder_math; /**< likewise */
    panda_token bos_token;    /**< begins a text; -1 for none */
    panda_token eos_token;    /**< ends one; -1 for none */
} panda_model_info;

/** What is in the model.
 *  @param out borrows; `struct_size` set by the caller, the rest is filled
 *  @return PANDA_OK, PANDA_E_ARGUMENT, PANDA_E_VERSION
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_get_info(const panda_model *model,
                                            panda_model_info *out);

/** One part of a model. What is on the heap was copied from the file (or read
 *  by a callback), or made anew: norms as floats, merged LoRA, 8-bit copies. */
typedef struct panda_part_info {
    uint32_t struct_size;    /**< set by the caller */
    uint32_t part;           /**< one PANDA_PART_* bit */
    panda_modality modality; /**< of an encoder (IMAGE: of videos, too), or 0 */
    uint32_t tensors;        /**< that are used; 0 for a vocabulary */
    const char *name;    /**< such as "audio encoder", "token embedding" */
    const char *format;  /**< type of most bytes, such as "q4_0" */
    const char *formats; /**< all types of matrices: "q4_0 + q6_k" */
    const char *path;    /**< the file, or the first of them */
    uint64_t file_bytes;   /**< of its tensors in the file */
    uint64_t mapped_bytes; /**< of these, used where they lie in mapped files or
                                in the host's memory */
    uint64_t heap_bytes;   /**< copied, read by a callback, or made anew */
} panda_part_info;

/** Tell about one part after the other: each encoder, the projection, LoRA,
 *  the decoder, its token embedding, its output matrix, the vocabularies.
 *  @param index from 0
 *  @param out borrows; `struct_size` set by the caller, the rest is filled; the
 *         strings are borrowed from the model
 *  @return PANDA_OK; PANDA_END behind the last part; PANDA_E_ARGUMENT,
 *          PANDA_E_VERSION
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_get_part_info(const panda_model *model,
                                                 uint32_t index,
                                                 panda_part_info *out);

/** The value of a key of the bundle, or of the decoder's GGUF, as text: items
 *  of a list with a line break between them. docs/file-format.md has the keys,
 *  such as "pandagpt.source.name".
 *  @param text filled with at most `capacity` bytes, no zero at the end; may be
 *         NULL when 0
 *  @param length gives the bytes of the text, whatever the capacity
 *  @return PANDA_OK; PANDA_E_ARGUMENT when `capacity` is below `*length` (call
 *          again with room); PANDA_E_UNSUPPORTED when there is no such key
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_get_metadata(const panda_model *model,
                                                const char *key, char *text,
                                                size_t capacity,
                                                size_t *length);

typedef struct panda_tower_info {
    uint32_t struct_size; /**< set by the caller */
    uint32_t width;       /**< channels of the trunk */
    uint32_t blocks;
    uint32_t heads;
    uint32_t tokens;        /**< sequence length, class token included */
    uint32_t embedding_dim; /**< length of its embeddings */
    uint64_t parameters;    /**< learned numbers, head included */
    float scale;            /**< factor of PANDA_OUTPUT_SCALED; 1 for none */
    uint32_t reserved;      /**< 0 */
} panda_tower_info;

/** Dimensions of the encoder of one modality.
 *  @return PANDA_OK; PANDA_E_UNSUPPORTED when the model lacks it
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_get_tower_info(const panda_model *model,
                                                  panda_modality modality,
                                                  panda_tower_info *out);

/** Whether the model can encode `modality`: 1 or 0.
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API int32_t panda_model_has_modality(const panda_model *model,
                                           panda_modality modality);

typedef int32_t panda_file_kind;

enum {
    PANDA_FILE_UNKNOWN = 0,
    PANDA_FILE_IMAGEBIND = 1, /**< encoder weights */
    PANDA_FILE_DECODER = 2,   /**< LLaMA-family folder, weight file, GGUF */
    PANDA_FILE_ADAPTER = 3,   /**< PandaGPT delta */
    PANDA_FILE_TOKENIZER = 4, /**< tokenizer.model, tokenizer.json, GGUF
                                   without tensors */
    PANDA_FILE_CLIP_VOCAB = 5, /**< CLIP merges */
    PANDA_FILE_BUNDLE = 6      /**< what panda_convert wrote */
};

/** Tell what a file or folder is by its content (not by its name).
 *  @param out gives one of PANDA_FILE_*; UNKNOWN for a readable file of
 *         another kind
 *  @param path of a file, a folder, or one of the sources
 *  @param options borrows; only its `sources` are used; NULL for none
 *  @return PANDA_OK; PANDA_E_IO; PANDA_E_FORMAT for a damaged weight file;
 *          PANDA_E_ARGUMENT, PANDA_E_VERSION for the options;
 *          PANDA_E_CALLBACK
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_find_kind(
    panda_file_kind *out, panda_runtime *runtime, const char *path,
    const panda_model_options *options);

/** Flags of panda_model_tokenize and panda_decoder_push_text. */
enum {
    PANDA_TOKENIZE_BOS = 1 << 0,           /**< begin with the BOS token */
    PANDA_TOKENIZE_PARSE_SPECIAL = 1 << 1, /**< "</s>" and the like in the text
                                                become special tokens; without
                                                it they stay text */
    PANDA_TOKENIZE_EOS = 1 << 2            /**< end with the EOS token */
};

/** Turn text into ids of the decoder's vocabulary. Nothing is added that
 *  `flags` do not ask for: panda_model_info.tokenize_flags are those with which
 *  other programs make a whole text of it (add_bos_token, add_eos_token).
 *  @param tokens filled with at most `capacity` ids; may be NULL when 0
 *  @param count gives the number of ids of the text, whatever the capacity
 *  @param text borrows UTF-8, `length` bytes; bytes that are not UTF-8 become
 *         U+FFFD: as many as begin a character one together (each its own with
 *         a SentencePiece vocabulary)
 *  @return PANDA_OK; PANDA_E_ARGUMENT when `capacity` is below `*count` (call
 *          again with room); PANDA_E_UNSUPPORTED without a vocabulary, or
 *          without the token that a flag asks for
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_tokenize(const panda_model *model,
                                            panda_token *tokens,
                                            size_t capacity, size_t *count,
                                            const char *text, size_t length,
                                            uint32_t flags);

/** Turn ids back into text. Special tokens give nothing; the space that
 *  tokenising put in front is dropped.
 *  @param text filled with at most `capacity` bytes, no zero at the end
 *  @param length gives the bytes of the text, whatever the capacity
 *  @return as panda_model_tokenize; PANDA_E_ARGUMENT for an id out of range
 *  Thread safety: any thread.
 *  @since 0.1 */
PANDA_API panda_status panda_model_detokenize(const panda_model *model,
                                              char *text, size_t capacity,
                                              size_t *length,
                                              const panda_token *tokens,
                                              size_t count);

PANDA_END_DECLS

#endif
