/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_DECODER_KV_CACHE_H
#define PND_DECODER_KV_CACHE_H

#include "base/context.h"
#include "tensor/tensor.h"

/* What a session remembers of each position. A row is a position; every block
 * is memory of its own:
 *
 *   block 0            keys of layer 0, rotated   [capacity, kv_dim]
 *   block 1            values of layer 0          [capacity, kv_dim]
 *   block 2            keys of layer 1, rotated   [capacity, kv_dim]
 *   ...
 *   block 2 * layers   last layer's output        [capacity, hidden]
 *
 * The last block is what the logits are computed from, kept for all positions
 * so that a truncated session still has logits; it is 1 / (2 * layers) of the
 * rest without grouped heads.
 *
 * Rows are appended by writing them; which ones count is the session's
 * business. Blocks grow by half when they are full, one at a time, so that
 * memory follows the positions in use and growing needs at most one block
 * twice.
 *
 * Keys and values are f32, or f16 where the session asks for it: half the
 * memory to read for a token. Rounding them moves the logits of the reference
 * fixtures by up to 3.5e-2 and those of its end-to-end prompts past their
 * neighbours; floats stay within 2.5e-5, and exact mode allows 1e-3. */

struct pnd_kv_block {
    unsigned char *rows; /* (capacity) of row_bytes each */
    size_t row_bytes;
    uint32_t capacity;
};

struct pnd_kv_cache {
    const struct pnd_allocator *alloc;
    uint32_t layers;
    enum pnd_dtype kv_dtype;     /* PND_F32 or PND_F16 */
    uint32_t limit;              /* positions at most */
    struct pnd_kv_block *blocks; /* (2 * layers + 1) */
};

/** Empty; takes memory for rows only in pnd_kv_cache_reserve. */
panda_status pnd_kv_cache_init(struct pnd_kv_cache *cache,
                               const struct pnd_allocator *alloc,
                               uint32_t layers, enum pnd_dtype kv_dtype,
                               uint32_t kv_dim, uint32_t hidden,
                               uint32_t limit);
void pnd_kv_cache_free(struct pnd_kv_cache *cache); /* zeroed is allowed */

/** Room for `needed` rows (at most `limit`), keeping the first `used`. After
 *  PANDA_E_MEMORY the cache still holds them. */
panda_status pnd_kv_cache_reserve(struct pnd_kv_cache *cache, uint32_t used,
                                  uint32_t needed);

/** Row `position` of a block; room for it must have been reserved. */
static inline void *pnd_kv_cache_get_key(const struct pnd_kv_cache *cache,
                                         uint32_t layer, uint32_t position)
{
    const struct pnd_kv_block *b = &cache->blocks[2 * (size_t)layer];
    return b->rows + (size_t)position * b->row_bytes;
}

static inline void *pnd_kv_cache_get_value(const struct pnd_kv_cache *cache,
                                           uint32_t layer, uint32_t position)
{
    const struct pnd_kv_block *b = &cache->blocks[2 * (size_t)layer + 1];
    return b->rows + (size_t)position * b->row_bytes;
}

static inline float *pnd_kv_cache_get_final(const struct pnd_kv_cache *cache,
                                            uint32_t position)
{
    const struct pnd_kv_block *b = &cache->blocks[2 * (size_t)cache->layers];
    return (void *)(b->rows + (size_t)position * b->row_bytes);
}

/** The first `used` rows of `from` into an empty cache of the same shape. */
panda_status pnd_kv_cache_copy(struct pnd_kv_cache *cache,
                               const struct pnd_kv_cache *from, uint32_t used);

uint64_t pnd_kv_cache_get_bytes(const struct pnd_kv_cache *cache);

#endif
