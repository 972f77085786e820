/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_FORMAT_BUNDLE_H
#define PND_FORMAT_BUNDLE_H

#include "format/config.h"
#include "format/gguf_write.h"

/* The keys of bundles beyond those of llama-architecture GGUF files:
 * docs/file-format.md. */

#define PND_BUNDLE_ARCHITECTURE "pandagpt"
#define PND_BUNDLE_VERSION 1

#define PND_BUNDLE_VERSION_KEY "pandagpt.format_version"
#define PND_BUNDLE_STRIDE_KEY "pandagpt.audio.stride"
#define PND_BUNDLE_MERGES_KEY "pandagpt.clip.merges"
#define PND_BUNDLE_RANK_KEY "pandagpt.lora.rank"
#define PND_BUNDLE_ALPHA_KEY "pandagpt.lora.alpha"
#define PND_BUNDLE_MERGED_KEY "pandagpt.lora.merged"
#define PND_BUNDLE_EOS_KEY "pandagpt.decoder.eos_token_ids"
#define PND_BUNDLE_SHAPE_PREFIX "pandagpt.shape."

/** Whether it says that it is a bundle. */
bool pnd_bundle_is(const struct pnd_gguf *gguf);

/** Refuse a newer version, and preprocessing constants that are not those that
 *  this library computes with: PANDA_E_UNSUPPORTED naming key, value found and
 *  value expected. */
panda_status pnd_bundle_check(const struct pnd_gguf *gguf);

/** Head counts and stride; what is not there stays 0. */
panda_status pnd_bundle_read_config(struct pnd_imagebind_config *out,
                                    const struct pnd_gguf *gguf);
panda_status pnd_bundle_put_heads(struct pnd_gguf_writer *w,
                                  enum pnd_tower_id id, uint32_t heads);

/** The constants of these towers (bits 1 << PND_TOWER_*). */
panda_status pnd_bundle_put_constants(struct pnd_gguf_writer *w,
                                      uint32_t towers);

/** CLIP's merges, as the text of the published file: zero-terminated, release
 *  with pnd_free; NULL when the bundle has none. */
panda_status pnd_bundle_read_merges(char **text, size_t *size,
                                    const struct pnd_allocator *alloc,
                                    const struct pnd_gguf *gguf);
panda_status pnd_bundle_put_merges(struct pnd_gguf_writer *w, const char *text,
                                   size_t size);

/* What was done with the LoRA of a decoder. */
struct pnd_bundle_lora {
    uint32_t rank; /* 0: there was none */
    float alpha;   /* 0: not said */
    bool merged;   /* it is part of the matrices */
};
panda_status pnd_bundle_read_lora(struct pnd_bundle_lora *out,
                                  const struct pnd_gguf *gguf);

#endif
