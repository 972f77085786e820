/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <pandagpt/chat.h>

#include <string.h>

#include "api/chat_session.h"
#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"

panda_status panda_chat_options_init(panda_chat_options *options,
                                     uint32_t struct_size)
{
    PND_ENTER();
    return pnd_options_init(options, struct_size, "panda_chat_options");
}

static panda_status create_sessions(panda_chat *chat,
                                    const panda_chat_options *o)
{
    panda_model_info info = {.struct_size = sizeof info};
    panda_status status;
    PND_TRY(panda_model_get_info(chat->model, &info));
    if (!(info.parts & PANDA_PART_DECODER))
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "a chat needs a decoder, the model has none");
    if (!(info.parts & PANDA_PART_TOKENIZER))
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "a chat needs the decoder's vocabulary "
                        "(tokenizer.model), the model has none");
    PND_TRY(panda_decoder_create(&chat->decoder, chat->model, o->decoder));
    if (info.parts & PANDA_PART_ENCODERS)
        PND_TRY(panda_encoder_create(&chat->encoder, chat->model, o->encoder));
    if (info.parts & PANDA_PART_PROJECTOR)
        PND_TRY(panda_projector_create(&chat->projector, chat->model));
out:
    return status;
}

panda_status panda_chat_create(panda_chat **out, panda_model *model,
                               const panda_chat_options *options)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(out);
    *out = NULL;
    PANDA_CHECK_POINTER(model);
    panda_chat_options o;
    panda_status status =
        pnd_options_read(&o, sizeof o, options, "panda_chat_options");
    if (status < 0)
        return status;
    PANDA_CHECK_ARG(o.compat >= PANDA_COMPAT_DEFAULT &&
                        o.compat <= PANDA_COMPAT_REFERENCE,
                    "panda_chat_options: compat is %d, expected 0..%d",
                    o.compat, PANDA_COMPAT_REFERENCE);
    panda_chat *chat =
        pnd_alloc_zero(&model->runtime->context.alloc, sizeof *chat);
    if (!chat)
        return pnd_fail_memory();
    chat->alloc = model->runtime->context.alloc;
    chat->model = pnd_model_ref(model);
    chat->compat = o.compat;
    struct pnd_buffer *buffers[] = {&chat->media, &chat->history, &chat->answer,
                                    &chat->tokens, &chat->positions};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        pnd_buffer_init(buffers[i], &chat->alloc);
    status = create_sessions(chat, &o);
    if (status < 0) {
        panda_chat_destroy(chat);
        return status;
    }
    *out = chat;
    return PANDA_OK;
}

static panda_embedding **get_media(const panda_chat *chat, size_t *count)
{
    *count = chat->media.size / sizeof(panda_embedding *);
    return (panda_embedding **)(void *)chat->media.data;
}

/* Forget attached media and what was made of them. */
static void drop_media(panda_chat *chat)
{
    size_t count;
    panda_embedding **media = get_media(chat, &count);
    for (size_t i = 0; i < count; i++)
        panda_embedding_unref(media[i]);
    chat->media.size = 0;
    panda_prefix_unref(chat->prefix);
    chat->prefix = NULL;
}

void panda_chat_destroy(panda_chat *chat)
{
    if (!chat)
        return;
    struct pnd_allocator alloc = chat->alloc;
    panda_model *model = chat->model;
    drop_media(chat);
    panda_prefix_unref(chat->cached_prefix);
    panda_encoder_destroy(chat->encoder);
    panda_projector_destroy(chat->projector);
    panda_decoder_destroy(chat->decoder);
    pnd_buffer_free(&chat->media);
    pnd_buffer_free(&chat->history);
    pnd_buffer_free(&chat->answer);
    pnd_buffer_free(&chat->tokens);
    pnd_buffer_free(&chat->positions);
    pnd_free(&alloc, chat);
    panda_model_close(model);
}

void panda_chat_cancel(panda_chat *chat)
{
    if (!chat)
        return;
    atomic_store(&chat->cancelled, 1);
    panda_encoder_cancel(chat->encoder);
    panda_decoder_cancel(chat->decoder);
}

/* Encode, and take the new sum of projections. */
static panda_status attach(panda_chat *chat, const panda_input *input)
{
    panda_embedding *embedding = NULL;
    panda_prefix *prefix = NULL;
    panda_encode_options options = {.struct_size = sizeof options,
                                    .output = PANDA_OUTPUT_PANDAGPT};
    size_t count;
    panda_embedding **media;
    panda_status status;
    PND_TRY(panda_encoder_encode(&embedding, chat->encoder, input, &options));
    PND_TRY(pnd_chat_check_cancelled(chat));
    PND_TRY(pnd_buffer_append(&chat->media, &embedding, sizeof embedding));
    media = get_media(chat, &count);
    status = panda_projector_project(
        &prefix, chat->projector, (const panda_embedding *const *)media, count);
    if (status < 0) {
        chat->media.size -= sizeof embedding;
        goto out;
    }
    embedding = NULL; /* the list's now */
    panda_prefix_unref(chat->prefix);
    chat->prefix = prefix;
out:
    panda_embedding_unref(embedding);
    return status;
}

panda_status panda_chat_attach(panda_chat *chat, const panda_input *input)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(chat);
    PANDA_CHECK_POINTER(input);
    if (!chat->encoder)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "media need encoders (imagebind), the model has none");
    if (!chat->projector)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "media need a projection (adapter), the model has "
                        "none");
    atomic_store(&chat->cancelled, 0);
    return attach(chat, input);
}

panda_status panda_chat_attach_path(panda_chat *chat, panda_modality modality,
                                    const char *path)
{
    PND_ENTER();
    panda_input input;
    panda_status status =
        panda_input_init_path(&input, sizeof input, modality, path);
    return status < 0 ? status : panda_chat_attach(chat, &input);
}

panda_status panda_chat_ask(panda_chat *chat, const char *question,
                            const panda_generate_options *options,
                            panda_text_fn on_text, void *user)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(chat);
    PANDA_CHECK_POINTER(question);
    panda_generate_options o;
    panda_status status =
        pnd_options_read(&o, sizeof o, options, "panda_generate_options");
    if (status < 0)
        return status;
    o.struct_size = sizeof o;
    bool has_stops = (o.stop && *o.stop) || o.stop_token_count > 0;
    if (chat->compat == PANDA_COMPAT_REFERENCE && has_stops)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "the reference knows no stop but its own; leave stop "
                        "and stop_tokens empty, or compat at its default");
    if (chat->compat == PANDA_COMPAT_REFERENCE && !chat->prefix)
        return pnd_fail(PANDA_E_STATE,
                        "the reference cannot answer without media; attach "
                        "something, or leave compat at its default");
    atomic_store(&chat->cancelled, 0);
    chat->has_turn = false; /* of the question before */
    status = pnd_chat_push_prompt(chat, question);
    if (status < 0)
        return status;
    status = pnd_chat_answer(chat, &o, on_text, user);
    bool is_kept = status == PANDA_OK || status == PANDA_E_CANCELLED ||
                   status == PANDA_E_CALLBACK;
    if (is_kept) {
        panda_status kept = pnd_chat_keep_turn(chat, question);
        if (kept == PANDA_OK)
            kept = pnd_buffer_terminate(&chat->answer);
        if (kept < 0)
            return kept;
        chat->has_turn = true;
    }
    return status;
}

const char *panda_chat_get_answer(const panda_chat *chat)
{
    return chat && chat->has_turn && chat->answer.data
               ? (const char *)chat->answer.data
               : "";
}

panda_status panda_chat_get_turn(const panda_chat *chat, panda_chat_turn *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(chat);
    PANDA_CHECK_POINTER(out);
    if (!chat->has_turn)
        return pnd_fail(PANDA_E_STATE,
                        "there is no answered question to tell about");
    panda_chat_turn turn = chat->turn;
    turn.tokens = (const panda_token *)(const void *)chat->tokens.data;
    turn.token_count = (uint32_t)(chat->tokens.size / sizeof(panda_token));
    return pnd_info_write(out, &turn, sizeof turn, "panda_chat_turn");
}

panda_status panda_chat_reset(panda_chat *chat)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(chat);
    drop_media(chat);
    chat->history.size = 0;
    chat->answer.size = 0;
    chat->tokens.size = 0;
    chat->positions.size = 0;
    chat->has_turn = false;
    panda_prefix_unref(chat->cached_prefix);
    chat->cached_prefix = NULL;
    return panda_decoder_reset(chat->decoder, 0);
}
