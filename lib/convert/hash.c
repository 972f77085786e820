/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/hash.h"

#include <stdio.h>

#include "pandagpt_config.h"

#if HAVE_NETTLE
#  include <nettle/sha2.h>

struct pnd_hash {
    struct sha256_ctx state;
};

bool pnd_hash_is_there(void)
{
    return true;
}

struct pnd_hash *pnd_hash_create(const struct pnd_allocator *alloc)
{
    struct pnd_hash *hash = pnd_alloc(alloc, sizeof *hash);
    if (hash)
        sha256_init(&hash->state);
    return hash;
}

void pnd_hash_add(struct pnd_hash *hash, const void *data, size_t size)
{
    sha256_update(&hash->state, size, data);
}

void pnd_hash_finish(struct pnd_hash *hash, const struct pnd_allocator *alloc,
                     char text[65])
{
    unsigned char digest[SHA256_DIGEST_SIZE];
    sha256_digest(&hash->state, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    pnd_free(alloc, hash);
}

#else

bool pnd_hash_is_there(void)
{
    return false;
}

struct pnd_hash *pnd_hash_create(const struct pnd_allocator *alloc)
{
    (void)alloc;
    return NULL;
}

void pnd_hash_add(struct pnd_hash *hash, const void *data, size_t size)
{
    (void)hash;
    (void)data;
    (void)size;
}

void pnd_hash_finish(struct pnd_hash *hash, const struct pnd_allocator *alloc,
                     char text[65])
{
    pnd_free(alloc, hash);
    snprintf(text, 65, "%s", "");
}

#endif
