/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/encode.h"

#include "modalities/text/bpe.h"
#include "modalities/text/clean.h"

/* Add the words of the text until there is no room. */
static panda_status push_words(struct pnd_clip_encoder *encoder,
                               struct pnd_cleaner *cleaner,
                               struct pnd_ustring *piece)
{
    while (encoder->count < encoder->limit) {
        panda_status status = pnd_cleaner_next(cleaner, piece);
        if (status != PANDA_OK)
            return status == PANDA_END ? PANDA_OK : status;
        struct pnd_word word;
        size_t at = 0;
        while (encoder->count < encoder->limit &&
               pnd_word_next(&word, piece->data, piece->size, &at)) {
            status = pnd_clip_encoder_push_word(encoder, &word);
            if (status < 0)
                return status;
        }
    }
    return PANDA_OK;
}

panda_status pnd_clip_encode(int32_t *ids, uint32_t context,
                             const struct pnd_clip_vocab *vocab,
                             const panda_frontend_host *host,
                             const uint8_t *text, size_t size, bool repair,
                             bool keep_end)
{
    struct pnd_clip_encoder encoder;
    struct pnd_cleaner cleaner;
    struct pnd_ustring piece;
    panda_status status;
    pnd_clip_encoder_init(&encoder, host, vocab, ids,
                          keep_end ? context - 1 : context);
    pnd_ustring_init(&piece, host);
    PND_HOST_TRY(pnd_cleaner_init(&cleaner, host, text, size, repair));
    pnd_clip_encoder_push(&encoder, PND_CLIP_START);
    PND_HOST_TRY(push_words(&encoder, &cleaner, &piece));
    encoder.limit = context;
    pnd_clip_encoder_push(&encoder, PND_CLIP_END);
    while (encoder.count < context)
        pnd_clip_encoder_push(&encoder, 0);
out:
    pnd_ustring_free(&piece);
    pnd_cleaner_free(&cleaner);
    pnd_clip_encoder_free(&encoder);
    return status;
}
