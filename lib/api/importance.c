/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/convert.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"
#include "convert/importance.h"

#define USUAL_CONTEXT 512

panda_status panda_importance_options_init(panda_importance_options *options,
                                           uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_importance_options");
}

/* That texts begin with; -1: none. */
static int32_t get_bos(const struct pnd_tokenizer *t)
{
    return pnd_tokenizer_get_ends(t) & PANDA_TOKENIZE_BOS
        ? pnd_tokenizer_get_bos(t)
        : -1;
}

static panda_status measure(const panda_model *model, const char *text,
                            size_t length, const char *output,
                            const panda_importance_options *o)
{
    const struct pnd_context *ctx = &model->runtime->context;
    const uint32_t most =
        pnd_llama_get_dims(model->llama)->config.context_length;
    const struct pnd_watch watch = {NULL, o->progress, o->progress_user};
    uint32_t context = o->context ? o->context : USUAL_CONTEXT;
    struct pnd_buffer ids;
    panda_status status;
    if (context > most && !o->context)
        context = most;
    pnd_buffer_init(&ids, &ctx->alloc);
    PND_TRY(pnd_tokenizer_encode(model->tokenizer, text, length, 0, &ids));
    PND_TRY(pnd_importance_measure(
        ctx, model->llama, (const int32_t *)(const void *)ids.data,
        ids.size / sizeof(int32_t), get_bos(model->tokenizer), context, output,
        &watch));
out:
    pnd_buffer_free(&ids);
    return status;
}

panda_status panda_importance_measure(const panda_model *model,
                                      const char *text, size_t length,
                                      const char *output,
                                      const panda_importance_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(output);
    PANDA_CHECK_ARG(text && length > 0, "importance: there is no text");
    panda_importance_options o;
    panda_status status = pnd_options_read(&o, sizeof o, options,
                                           "panda_importance_options");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(o.context != 1, "panda_importance_options: context is 1, "
                                    "expected at least 2");
    if (!model->llama || !model->tokenizer)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "importance: the model has no %s",
                        model->llama ? "vocabulary" : "decoder");
    return measure(model, text, length, output, &o);
}
