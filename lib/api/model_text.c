/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/model.h>

#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"

panda_status panda_model_tokenize(const panda_model *model, panda_token *tokens,
                                  size_t capacity, size_t *count,
                                  const char *text, size_t length,
                                  uint32_t flags)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(count);
    *count = 0;
    PANDA_CHECK_ARG(tokens || capacity == 0, "tokenize: tokens is NULL");
    PANDA_CHECK_ARG(text || length == 0, "tokenize: text is NULL");
    PANDA_CHECK_TOKENIZE(flags);
    if (!model->tokenizer)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the model has no vocabulary (tokenizer.model or "
                        "tokenizer.json)");
    struct pnd_buffer ids;
    pnd_buffer_init(&ids, &model->runtime->context.alloc);
    panda_status status =
        pnd_tokenizer_encode(model->tokenizer, text, length, flags, &ids);
    if (status == PANDA_OK) {
        *count = ids.size / sizeof(panda_token);
        size_t copied = *count < capacity ? *count : capacity;
        if (copied)
            memcpy(tokens, ids.data, copied * sizeof(panda_token));
        if (*count > capacity)
            status = pnd_fail(PANDA_E_ARGUMENT,
                              "tokenize: the text has %zu tokens, there is "
                              "room for %zu",
                              *count, capacity);
    }
    pnd_buffer_free(&ids);
    return status;
}

panda_status panda_model_detokenize(const panda_model *model, char *text,
                                    size_t capacity, size_t *length,
                                    const panda_token *tokens, size_t count)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(length);
    *length = 0;
    PANDA_CHECK_ARG(text || capacity == 0, "detokenize: text is NULL");
    PANDA_CHECK_ARG(tokens || count == 0, "detokenize: tokens is NULL");
    if (!model->tokenizer)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the model has no vocabulary (tokenizer.model or "
                        "tokenizer.json)");
    uint32_t size = pnd_tokenizer_get_size(model->tokenizer);
    for (size_t i = 0; i < count; i++)
        PANDA_CHECK_ARG(tokens[i] >= 0 && (uint32_t)tokens[i] < size,
                        "detokenize: token %zu is %d, expected 0..%u", i,
                        tokens[i], size - 1);
    struct pnd_buffer out;
    pnd_buffer_init(&out, &model->runtime->context.alloc);
    panda_status status =
        pnd_tokenizer_decode(model->tokenizer, tokens, count, false, &out);
    if (status == PANDA_OK) {
        *length = out.size;
        if (out.size && capacity)
            memcpy(text, out.data, out.size < capacity ? out.size : capacity);
        if (out.size > capacity)
            status = pnd_fail(PANDA_E_ARGUMENT,
                              "detokenize: the text has %zu bytes, there is "
                              "room for %zu",
                              out.size, capacity);
    }
    pnd_buffer_free(&out);
    return status;
}
