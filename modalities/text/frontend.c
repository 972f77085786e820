/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "modalities/shared/source.h"
#include "modalities/text/encode.h"
#include "pandagpt_config.h"

/* Text becomes the token ids that ImageBind's tokenizer gives. Ids that were
 * made elsewhere are taken as they are. */

#define MOST_BYTES (UINT64_C(16) << 20) /* of a text */

struct text_state {
    struct pnd_clip_vocab vocab; /* not open: the model has no merges table */
};

#if HAVE_UTF8PROC

static panda_status text_init(void *state, const panda_frontend_host *host)
{
    struct text_state *s = state;
    const void *data = NULL;
    size_t size = 0;
    panda_status status = host->get_resource(host, "clip.merges", &data, &size);
    /* Token ids need no merges; a text will say what is missing. */
    if (status == PANDA_E_UNSUPPORTED)
        return PANDA_OK;
    if (status < 0)
        return status;
    return pnd_clip_vocab_open(&s->vocab, host, data, size);
}

static void text_fini(void *state, const panda_frontend_host *host)
{
    struct text_state *s = state;
    pnd_clip_vocab_close(&s->vocab, host);
}

static panda_status check_text(const struct text_state *s,
                               const panda_frontend_host *host,
                               const panda_input *input)
{
    const panda_text_options *options = input->text_options;
    if (!s->vocab.pairs)
        return pnd_host_fail(host, PANDA_E_UNSUPPORTED,
                             "the model has no CLIP merges table "
                             "(bpe_simple_vocab_16e6.txt.gz), which text "
                             "needs; token ids work without");
    if (options && (options->cut < PANDA_TEXT_CUT_KEEP_END ||
                    options->cut > PANDA_TEXT_CUT_REFERENCE))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "text_options.cut is %d, expected 0 or 1",
                             (int)options->cut);
    if (options && (options->repair < PANDA_SWITCH_DEFAULT ||
                    options->repair > PANDA_SWITCH_OFF))
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "text_options.repair is %d, expected 0, 1 or 2",
                             (int)options->repair);
    return PANDA_OK;
}

static panda_status check_length(const panda_frontend_host *host,
                                 uint64_t bytes)
{
    uint64_t most = host->limits->max_file_bytes;
    if (most > MOST_BYTES)
        most = MOST_BYTES;
    if (bytes <= most)
        return PANDA_OK;
    return pnd_host_fail(host, PANDA_E_FORMAT,
                         "the text has %llu bytes, expected at most %llu",
                         (unsigned long long)bytes, (unsigned long long)most);
}

static panda_status encode(const struct text_state *s,
                           const panda_frontend_host *host,
                           const panda_input *input, uint32_t context,
                           const void *text, uint64_t size, int32_t *ids)
{
    panda_status status = check_length(host, size);
    if (status < 0)
        return status;
    const panda_text_options *options = input->text_options;
    return pnd_clip_encode(ids, context, &s->vocab, host, text, (size_t)size,
                           !options || options->repair != PANDA_SWITCH_OFF,
                           !options ||
                               options->cut != PANDA_TEXT_CUT_REFERENCE);
}

static panda_status preprocess_text(const struct text_state *s,
                                    const panda_frontend_host *host,
                                    const panda_input *input, uint32_t context,
                                    int32_t *ids)
{
    /* Without the reader of files, which calls an empty one a mistake: an empty
     * text is a text. */
    if (input->source == PANDA_SOURCE_BYTES)
        return encode(s, host, input, context, input->data, input->size, ids);
    struct pnd_source source;
    panda_status status = pnd_source_open_stream(&source, host, input);
    if (status < 0)
        return status;
    status = check_length(host, source.size);
    pnd_source_close(&source);
    if (status < 0)
        return status;
    status = pnd_source_open(&source, host, input);
    if (status < 0)
        return status;
    status = encode(s, host, input, context, source.data, source.size, ids);
    pnd_source_close(&source);
    return status;
}

#else

static panda_status text_init(void *state, const panda_frontend_host *host)
{
    (void)state;
    (void)host;
    return PANDA_OK;
}

static void text_fini(void *state, const panda_frontend_host *host)
{
    (void)state;
    (void)host;
}

static panda_status check_text(const struct text_state *s,
                               const panda_frontend_host *host,
                               const panda_input *input)
{
    (void)s;
    (void)input;
    return pnd_host_fail(host, PANDA_E_UNSUPPORTED,
                         "this build has no utf8proc, which text needs; give "
                         "token ids");
}

static panda_status preprocess_text(const struct text_state *s,
                                    const panda_frontend_host *host,
                                    const panda_input *input, uint32_t context,
                                    int32_t *ids)
{
    (void)context;
    (void)ids;
    return check_text(s, host, input);
}

#endif

static panda_status check_ids(const panda_frontend_host *host,
                              const panda_input *input, uint32_t context)
{
    if (input->element != PANDA_ELEMENT_I32)
        return pnd_host_fail(host, PANDA_E_ARGUMENT,
                             "token ids are of element type %d, expected %d "
                             "(PANDA_ELEMENT_I32)",
                             (int)input->element, PANDA_ELEMENT_I32);
    if (input->count < 1 || input->count > context)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "the text has %llu token ids, expected 1..%u",
                             (unsigned long long)input->count, context);
    if (input->size / sizeof(int32_t) < input->count)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "%llu bytes hold the token ids, expected %llu",
                             (unsigned long long)input->size,
                             (unsigned long long)(input->count *
                                                  sizeof(int32_t)));
    return PANDA_OK;
}

static panda_status copy_ids(const panda_frontend_host *host,
                             const panda_input *input, uint32_t context,
                             int32_t *ids)
{
    uint32_t count = (uint32_t)input->count;
    memcpy(ids, input->data, count * sizeof *ids);
    memset(ids + count, 0, (context - count) * sizeof *ids);
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= PND_CLIP_TOKENS)
            return pnd_host_fail(host, PANDA_E_ARGUMENT,
                                 "token id %u is %d, expected 0..%d", i,
                                 (int)ids[i], PND_CLIP_TOKENS - 1);
    }
    return PANDA_OK;
}

static panda_status text_describe(const void *state,
                                  const panda_frontend_host *host,
                                  const panda_input *input,
                                  panda_frontend_tensor *tensor)
{
    if (tensor->element != PANDA_ELEMENT_I32 || tensor->rank != 1 ||
        tensor->shape[0] < 2)
        return pnd_host_fail(host, PANDA_E_SHAPE,
                             "the encoder wants element type %d of rank %u and "
                             "%u positions, expected i32 of rank 1 and at "
                             "least 2",
                             (int)tensor->element, tensor->rank,
                             tensor->shape[0]);
    tensor->items = 1;
    return input->source == PANDA_SOURCE_RAW
               ? check_ids(host, input, tensor->shape[0])
               : check_text(state, host, input);
}

static panda_status text_preprocess(const void *state,
                                    const panda_frontend_host *host,
                                    const panda_input *input,
                                    const panda_frontend_tensor *tensor,
                                    void *out)
{
    panda_frontend_tensor described = *tensor;
    panda_status status = text_describe(state, host, input, &described);
    if (status < 0)
        return status;
    uint32_t context = tensor->shape[0];
    return input->source == PANDA_SOURCE_RAW
               ? copy_ids(host, input, context, out)
               : preprocess_text(state, host, input, context, out);
}

extern const panda_frontend_ops pnd_frontend_text;
const panda_frontend_ops pnd_frontend_text = {
    .struct_size = sizeof(panda_frontend_ops),
    .abi_version = PANDA_FRONTEND_ABI_VERSION,
    .name = "text",
    .modality = PANDA_MODALITY_TEXT,
    .state_size = sizeof(struct text_state),
    .init = text_init,
    .fini = text_fini,
    .describe = text_describe,
    .preprocess = text_preprocess,
};
