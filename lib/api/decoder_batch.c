/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/decoder.h>

#include "api/check.h"
#include "api/decoder_session.h"
#include "base/clock.h"

#define MAX_BATCH 64

static panda_status check_batch(panda_decoder *const *decoders,
                                const panda_token *tokens, size_t count)
{
    PANDA_CHECK_ARG(count <= MAX_BATCH,
                    "push_batch: %zu sessions, expected at most %d", count,
                    MAX_BATCH);
    for (size_t i = 0; i < count; i++) {
        PANDA_CHECK_POINTER(decoders[i]);
        PANDA_CHECK_ARG(decoders[i]->model == decoders[0]->model,
                        "push_batch: session %zu is of another model", i);
        for (size_t j = 0; j < i; j++)
            PANDA_CHECK_ARG(decoders[i] != decoders[j],
                            "push_batch: session %zu is also session %zu", i,
                            j);
        const uint32_t size =
            pnd_llama_get_dims(decoders[i]->model->llama)->config.vocab_size;
        const panda_token token = tokens ? tokens[i] : decoders[i]->pending;
        PANDA_CHECK_ARG(tokens || token >= 0,
                        "push_batch: session %zu has no token that "
                        "panda_decoder_next_token chose and nothing followed",
                        i);
        PANDA_CHECK_ARG(token >= 0 && (uint32_t)token < size,
                        "push_batch: token %zu is %d, expected 0..%u", i, token,
                        size - 1);
    }
    return PANDA_OK;
}

panda_status panda_decoder_push_batch(panda_decoder *const *decoders,
                                      const panda_token *tokens, size_t count)
{
    PND_ENTER();
    struct pnd_session_token list[MAX_BATCH];
    PANDA_CHECK_ARG(decoders || count == 0, "push_batch: decoders is NULL");
    panda_status status = check_batch(decoders, tokens, count);
    if (status < 0)
        return status;
    const double start = pnd_clock_now();
    for (size_t i = 0; i < count; i++) {
        panda_decoder *d = decoders[i];
        atomic_store(&d->cancelled, 0);
        if (tokens)
            status = pnd_decoder_settle(d);
        if (status < 0)
            return status;
        list[i] = (struct pnd_session_token){d->session,
                                             tokens ? tokens[i] : d->pending,
                                             {.cancelled = &d->cancelled}};
    }
    status = pnd_session_push_batch(list, count);
    if (status < 0)
        return status;
    const double each = (pnd_clock_now() - start) / (double)(count + !count);
    for (size_t i = 0; i < count; i++) {
        panda_decoder *d = decoders[i];
        if (tokens) {
            d->prompt_positions++;
            d->prompt_seconds += each;
        } else {
            d->pending = -1;
            d->generate_seconds += each;
        }
    }
    return PANDA_OK;
}
