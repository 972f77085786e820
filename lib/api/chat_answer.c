/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/chat_session.h"
#include "base/clock.h"
#include "base/error.h"

/* The reference's stop piece "##" and the top_k that its library applies
 * unseen. */
#define REFERENCE_STOP 2277
#define REFERENCE_TOP_K 50

/* Ends an answer by default: the next speaker's line. */
static const char line_stop[] = "\n###";

/* What the callbacks of one answer work on. */
struct listener {
    panda_chat *chat;
    const panda_generate_options *options; /* the caller's */
    panda_text_fn on_text;
    void *user;
    bool out_of_memory; /* a callback can only ask to stop, not say why */
};

static int32_t hear_text(const char *text, size_t length, void *user)
{
    struct listener *l = user;
    if (pnd_buffer_append(&l->chat->answer, text, length) < 0) {
        l->out_of_memory = true;
        return 1;
    }
    return l->on_text ? l->on_text(text, length, l->user) : 0;
}

static int32_t hear_token(panda_token token, void *user)
{
    struct listener *l = user;
    panda_chat *chat = l->chat;
    if (pnd_buffer_append(&chat->tokens, &token, sizeof token) < 0) {
        l->out_of_memory = true;
        return 1;
    }
    /* A cancel that came between two calls of the decoder. */
    if (atomic_load(&chat->cancelled))
        panda_decoder_cancel(chat->decoder);
    return l->options->on_token
               ? l->options->on_token(token, l->options->token_user)
               : 0;
}

/* The template's stop string in front of the caller's. */
static panda_status list_stops(struct pnd_buffer *list,
                               const char *const *others)
{
    const char *stop = line_stop;
    panda_status status = pnd_buffer_append(list, &stop, sizeof stop);
    for (size_t i = 0; status == PANDA_OK && others && others[i]; i++)
        status = pnd_buffer_append(list, &others[i], sizeof others[i]);
    stop = NULL;
    return status < 0 ? status : pnd_buffer_append(list, &stop, sizeof stop);
}

static panda_status answer_by_line(struct listener *l)
{
    panda_chat *chat = l->chat;
    panda_generate_options o = *l->options;
    struct pnd_buffer stops;
    pnd_buffer_init(&stops, &chat->alloc);
    panda_status status = list_stops(&stops, o.stop);
    if (status == PANDA_OK) {
        o.stop = (const char *const *)(void *)stops.data;
        o.on_token = hear_token;
        o.token_user = l;
        status = panda_decoder_generate(chat->decoder, &o, hear_text, l);
    }
    pnd_buffer_free(&stops);
    return status;
}

/* Bytes of `text` that later tokens cannot change: not the U+FFFD at its end,
 * which stands for a character that is not whole yet. */
static size_t count_settled(const struct pnd_buffer *text)
{
    size_t size = text->size;
    while (size >= 3 && memcmp(text->data + size - 3, "\xef\xbf\xbd", 3) == 0)
        size -= 3;
    return size;
}

/* Text of the first `count` tokens of the answer. */
static panda_status decode(panda_chat *chat, size_t count,
                           struct pnd_buffer *text)
{
    const panda_token *tokens =
        (const panda_token *)(const void *)chat->tokens.data;
    size_t length;
    text->size = 0;
    for (;;) {
        panda_status status =
            panda_model_detokenize(chat->model, (char *)text->data,
                                   text->capacity, &length, tokens, count);
        if (status == PANDA_OK)
            text->size = length;
        if (status != PANDA_E_ARGUMENT || length <= text->capacity)
            return status;
        status = pnd_buffer_reserve(text, length);
        if (status < 0)
            return status;
    }
}

/* Give out what became certain when `count` tokens count as answer. */
static panda_status tell(struct listener *l, size_t count, bool is_last,
                         struct pnd_buffer *text)
{
    panda_status status = decode(l->chat, count, text);
    if (status < 0)
        return status;
    size_t size = is_last ? text->size : count_settled(text);
    size_t told = l->chat->answer.size;
    if (size > told &&
        hear_text((const char *)text->data + told, size - told, l) != 0)
        return pnd_fail(PANDA_E_CALLBACK, "the text callback asked to stop");
    return PANDA_OK;
}

/* As the reference: until its stop piece, the end token or the limit; then the
 * last two ids are dropped, whatever they are. */
static panda_status answer_as_reference(struct listener *l)
{
    panda_chat *chat = l->chat;
    panda_generate_options o = *l->options;
    const panda_token stop = REFERENCE_STOP;
    o.stop_tokens = &stop;
    o.stop_token_count = 1;
    if (o.top_k == 0)
        o.top_k = REFERENCE_TOP_K;
    uint32_t limit = o.max_tokens ? o.max_tokens : 512;
    struct pnd_buffer text;
    pnd_buffer_init(&text, &chat->alloc);
    panda_status status = PANDA_OK;
    size_t count = 0;
    while (count < limit && status == PANDA_OK) {
        panda_token token = 0;
        /* Room first: what the decoder has taken in must be noted. */
        status = pnd_buffer_reserve(&chat->tokens, sizeof token);
        if (status == PANDA_OK)
            status = panda_decoder_next_token(chat->decoder, &token, &o);
        if (status < 0)
            break;
        count++;
        if (hear_token(token, l) != 0)
            status =
                pnd_fail(PANDA_E_CALLBACK, "the token callback asked to stop");
        else if (status == PANDA_OK)
            status = pnd_chat_check_cancelled(chat);
        if (status == PANDA_OK && count > 2)
            status = tell(l, count - 2, false, &text);
    }
    if (status >= 0)
        status = tell(l, count > 2 ? count - 2 : 0, true, &text);
    pnd_buffer_free(&text);
    return status;
}

/* Which of the generated tokens the decoder took in. */
static panda_status note_positions(panda_chat *chat)
{
    size_t known = chat->positions.size / sizeof(panda_token);
    size_t added = panda_decoder_get_positions(chat->decoder) - known;
    return pnd_buffer_append(&chat->positions, chat->tokens.data,
                             added * sizeof(panda_token));
}

panda_status pnd_chat_answer(panda_chat *chat,
                             const panda_generate_options *options,
                             panda_text_fn on_text, void *user)
{
    struct listener l = {
        .chat = chat, .options = options, .on_text = on_text, .user = user};
    double start = pnd_clock_now();
    chat->answer.size = 0;
    chat->tokens.size = 0;
    panda_status status = chat->compat == PANDA_COMPAT_REFERENCE
                              ? answer_as_reference(&l)
                              : answer_by_line(&l);
    chat->turn.generate_seconds = pnd_clock_now() - start;
    if (l.out_of_memory)
        status = pnd_fail_memory();
    else if (status == PANDA_E_CALLBACK && atomic_load(&chat->cancelled))
        status = pnd_chat_check_cancelled(chat);
    if (note_positions(chat) < 0) {
        /* Without knowing what the decoder holds, hold nothing. */
        chat->positions.size = 0;
        panda_decoder_reset(chat->decoder, 0);
        return pnd_fail_memory();
    }
    return status;
}
