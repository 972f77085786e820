/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/delta.h"

#define LLAMA_ROWS 32000 /* of LLaMA, and of the deltas of Vicuna v1.1 on */

static panda_status check_file(const struct pnd_weights *w)
{
    if (pnd_weights_get_gguf(w))
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: is a GGUF file; a delta is added to the files of "
                        "Hugging Face",
                        pnd_weights_get_path(w));
    return PANDA_OK;
}

static panda_status check_rows(const struct pnd_weights *base, uint32_t rows,
                               const struct pnd_weights *delta,
                               uint32_t delta_rows)
{
    if (rows == LLAMA_ROWS && delta_rows == rows)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: is a delta of Vicuna v1.1 or later, with %u "
                        "tokens as %s; expected v0's, with %u, which PandaGPT "
                        "was trained on",
                        pnd_weights_get_path(delta), delta_rows,
                        pnd_weights_get_path(base), rows + 1);
    if (delta_rows == rows || delta_rows == rows + 1)
        return PANDA_OK;
    return pnd_fail(PANDA_E_SHAPE,
                    "%s: the delta has %u tokens, %s has %u; expected as many "
                    "or, as Vicuna v0 has, one more",
                    pnd_weights_get_path(delta), delta_rows,
                    pnd_weights_get_path(base), rows);
}

panda_status pnd_delta_check(const struct pnd_weights *base,
                             const struct pnd_llama_config *b,
                             const struct pnd_weights *delta,
                             const struct pnd_llama_config *d)
{
    const struct {
        const char *what;
        uint32_t base, delta;
    } sizes[] = {
        {"width", b->hidden, d->hidden},
        {"number of layers", b->layers, d->layers},
        {"number of heads", b->heads, d->heads},
        {"number of key/value heads", b->kv_heads, d->kv_heads},
        {"size of a head", b->head_dim, d->head_dim},
        {"width of the MLP", b->intermediate, d->intermediate},
    };
    panda_status status;
    PND_TRY(check_file(base));
    PND_TRY(check_file(delta));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].base != sizes[i].delta)
            return pnd_fail(PANDA_E_SHAPE,
                            "%s: the delta's %s is %u, that of %s is %u; "
                            "expected a delta made for this model",
                            pnd_weights_get_path(delta), sizes[i].what,
                            sizes[i].delta, pnd_weights_get_path(base),
                            sizes[i].base);
    }
    if (b->tied != d->tied)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: only one of the delta and %s has an output "
                        "matrix of its own",
                        pnd_weights_get_path(delta),
                        pnd_weights_get_path(base));
    PND_TRY(check_rows(base, b->vocab_size, delta, d->vocab_size));
out:
    return status;
}
