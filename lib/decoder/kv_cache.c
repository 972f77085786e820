/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/kv_cache.h"

#include <string.h>

#define STEP 64 /* capacities are multiples of this, except the limit */

static size_t count_blocks(const struct pnd_kv_cache *cache)
{
    return 2 * (size_t)cache->layers + 1;
}

panda_status pnd_kv_cache_init(struct pnd_kv_cache *cache,
                               const struct pnd_allocator *alloc,
                               uint32_t layers, enum pnd_dtype kv_dtype,
                               uint32_t kv_dim, uint32_t hidden,
                               uint32_t limit)
{
    *cache = (struct pnd_kv_cache){.alloc = alloc, .layers = layers,
                                   .kv_dtype = kv_dtype, .limit = limit};
    const size_t count = count_blocks(cache);
    cache->blocks = pnd_alloc_zero(alloc, count * sizeof *cache->blocks);
    if (!cache->blocks)
        return pnd_fail_memory();
    for (size_t i = 0; i < count; i++)
        cache->blocks[i].row_bytes =
            i + 1 < count ? kv_dim * pnd_dtype_get_size(kv_dtype)
                          : hidden * sizeof(float);
    return PANDA_OK;
}

void pnd_kv_cache_free(struct pnd_kv_cache *cache)
{
    if (!cache->blocks)
        return;
    for (size_t i = 0; i < count_blocks(cache); i++)
        pnd_free(cache->alloc, cache->blocks[i].rows);
    pnd_free(cache->alloc, cache->blocks);
    *cache = (struct pnd_kv_cache){0};
}

static panda_status grow(const struct pnd_kv_cache *cache,
                         struct pnd_kv_block *block, uint32_t used,
                         uint32_t capacity)
{
    const size_t row_bytes = block->row_bytes;
    unsigned char *rows = pnd_alloc_array(cache->alloc, capacity, row_bytes);
    if (!rows)
        return pnd_fail_memory();
    if (used > 0)
        memcpy(rows, block->rows, used * row_bytes);
    pnd_free(cache->alloc, block->rows);
    block->rows = rows;
    block->capacity = capacity;
    return PANDA_OK;
}

panda_status pnd_kv_cache_reserve(struct pnd_kv_cache *cache, uint32_t used,
                                  uint32_t needed)
{
    for (size_t i = 0; i < count_blocks(cache); i++) {
        struct pnd_kv_block *block = &cache->blocks[i];
        if (needed <= block->capacity)
            continue;
        uint64_t capacity = (uint64_t)block->capacity + block->capacity / 2;
        if (capacity < needed)
            capacity = needed;
        capacity = (capacity + STEP - 1) / STEP * STEP;
        if (capacity > cache->limit)
            capacity = cache->limit;
        panda_status status = grow(cache, block, used, (uint32_t)capacity);
        if (status < 0)
            return status;
    }
    return PANDA_OK;
}

panda_status pnd_kv_cache_copy(struct pnd_kv_cache *cache,
                               const struct pnd_kv_cache *from, uint32_t used)
{
    panda_status status = pnd_kv_cache_reserve(cache, 0, used);
    for (size_t i = 0; status == PANDA_OK && i < count_blocks(cache); i++) {
        if (used > 0)
            memcpy(cache->blocks[i].rows, from->blocks[i].rows,
                   used * from->blocks[i].row_bytes);
    }
    return status;
}

uint64_t pnd_kv_cache_get_bytes(const struct pnd_kv_cache *cache)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count_blocks(cache); i++)
        bytes += (uint64_t)cache->blocks[i].capacity *
                 cache->blocks[i].row_bytes;
    return bytes;
}
