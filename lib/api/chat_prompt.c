/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/chat_session.h"
#include "api/model_parts.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* PandaGPT's prompt. With media there are two texts around the soft tokens,
 * each tokenised on its own; without, one text. */
static const char before_media[] = "### Human: <Img>";
static const char after_media[] = "</Img> ";
static const char human[] = "### Human: ";
static const char assistant[] = "\n### Assistant:";

panda_status pnd_chat_check_cancelled(const panda_chat *chat)
{
    if (atomic_load(&chat->cancelled))
        return pnd_fail(PANDA_E_CANCELLED, "the call was cancelled");
    return PANDA_OK;
}

static panda_status append_tokens(panda_chat *chat, struct pnd_buffer *to,
                                  const char *text, size_t length,
                                  uint32_t flags)
{
    if (chat->compat == PANDA_COMPAT_REFERENCE)
        flags |= PANDA_TOKENIZE_PARSE_SPECIAL;
    /* A byte gives at most one token; dummy space and BOS come on top. */
    size_t capacity = length + 2, count;
    panda_status status;
    do {
        status = pnd_buffer_reserve(to, capacity * sizeof(panda_token));
        if (status < 0)
            return status;
        panda_token *tokens = (panda_token *)(void *)(to->data + to->size);
        status = panda_model_tokenize(chat->model, tokens, capacity, &count,
                                      text, length, flags);
        /* The dummy space after each special token may need still more. */
    } while (status == PANDA_E_ARGUMENT && count > capacity &&
             (capacity = count));
    if (status == PANDA_OK)
        to->size += count * sizeof(panda_token);
    return status;
}

static panda_status append_soft(panda_chat *chat, struct pnd_buffer *to)
{
    const panda_token soft = PND_CHAT_SOFT;
    panda_status status = PANDA_OK;
    uint32_t length = panda_prefix_get_length(chat->prefix);
    for (uint32_t i = 0; i < length && status == PANDA_OK; i++)
        status = pnd_buffer_append(to, &soft, sizeof soft);
    return status;
}

/* The positions of the whole prompt. */
static panda_status build(panda_chat *chat, const char *question,
                          struct pnd_buffer *to)
{
    struct pnd_buffer text;
    pnd_buffer_init(&text, &chat->alloc);
    const struct pnd_tokenizer *t = chat->model->tokenizer;
    /* An answer follows: whatever the files say, no EOS. */
    uint32_t bos = t ? pnd_tokenizer_get_ends(t) & PANDA_TOKENIZE_BOS
                     : PANDA_TOKENIZE_BOS;
    panda_status status;
    if (chat->prefix) {
        PND_TRY(
            append_tokens(chat, to, before_media, strlen(before_media), bos));
        PND_TRY(append_soft(chat, to));
        PND_TRY(pnd_buffer_append_string(&text, after_media));
        bos = 0;
    } else {
        PND_TRY(pnd_buffer_append_string(&text, human));
    }
    PND_TRY(pnd_buffer_append(&text, chat->history.data, chat->history.size));
    PND_TRY(pnd_buffer_append_string(&text, question));
    PND_TRY(pnd_buffer_append_string(&text, assistant));
    PND_TRY(append_tokens(chat, to, (const char *)text.data, text.size, bos));
out:
    pnd_buffer_free(&text);
    return status;
}

static size_t count_tokens(const struct pnd_buffer *b)
{
    return b->size / sizeof(panda_token);
}

static const panda_token *get_tokens(const struct pnd_buffer *b)
{
    return (const panda_token *)(const void *)b->data;
}

/* Positions of the prompt that the decoder has already. Never all of them: the
 * last one must be computed for its logits. Soft tokens count only whole. */
static size_t count_reusable(const panda_chat *chat,
                             const struct pnd_buffer *prompt)
{
    const panda_token *a = get_tokens(prompt),
                      *b = get_tokens(&chat->positions);
    size_t limit = count_tokens(prompt) - 1, same = 0;
    if (count_tokens(&chat->positions) < limit)
        limit = count_tokens(&chat->positions);
    while (same < limit && a[same] == b[same]) {
        if (a[same] == PND_CHAT_SOFT && chat->prefix != chat->cached_prefix)
            break;
        same++;
    }
    while (same > 0 && a[same] == PND_CHAT_SOFT && a[same - 1] == PND_CHAT_SOFT)
        same--;
    return same;
}

/* Push positions from `at` on: runs of tokens, and the soft tokens. */
static panda_status push_from(panda_chat *chat, const struct pnd_buffer *prompt,
                              size_t at)
{
    const panda_token *tokens = get_tokens(prompt);
    size_t count = count_tokens(prompt);
    panda_status status = PANDA_OK;
    while (at < count && status == PANDA_OK) {
        size_t end = at;
        if (tokens[at] == PND_CHAT_SOFT) {
            end += panda_prefix_get_length(chat->prefix);
            status = panda_decoder_push_prefix(chat->decoder, chat->prefix);
            panda_prefix_unref(chat->cached_prefix);
            chat->cached_prefix = panda_prefix_ref(chat->prefix);
        } else {
            while (end < count && tokens[end] != PND_CHAT_SOFT)
                end++;
            status =
                panda_decoder_push_tokens(chat->decoder, tokens + at, end - at);
        }
        if (status == PANDA_OK)
            status = pnd_buffer_append(&chat->positions, tokens + at,
                                       (end - at) * sizeof *tokens);
        if (status == PANDA_OK)
            status = pnd_chat_check_cancelled(chat);
        at = end;
    }
    return status;
}

static panda_status check_room(const panda_chat *chat, size_t prompt)
{
    panda_decoder_stats stats = {.struct_size = sizeof stats};
    panda_status status = panda_decoder_get_stats(chat->decoder, &stats);
    if (status == PANDA_OK && prompt >= stats.context_length)
        status = pnd_fail(PANDA_E_CONTEXT_FULL,
                          "the conversation takes %zu positions, the context "
                          "has %u; expected a shorter question or a new "
                          "conversation",
                          prompt, stats.context_length);
    return status;
}

panda_status pnd_chat_push_prompt(panda_chat *chat, const char *question)
{
    struct pnd_buffer prompt;
    pnd_buffer_init(&prompt, &chat->alloc);
    double start = pnd_clock_now();
    size_t reused;
    panda_status status;
    PND_TRY(build(chat, question, &prompt));
    PND_TRY(check_room(chat, count_tokens(&prompt)));
    reused = count_reusable(chat, &prompt);
    chat->positions.size = reused * sizeof(panda_token);
    PND_TRY(panda_decoder_reset(chat->decoder, (uint32_t)reused));
    PND_TRY(push_from(chat, &prompt, reused));
    chat->turn.prompt_tokens = (uint32_t)count_tokens(&prompt);
    chat->turn.reused_positions = (uint32_t)reused;
    chat->turn.prompt_seconds = pnd_clock_now() - start;
out:
    pnd_buffer_free(&prompt);
    return status;
}

panda_status pnd_chat_keep_turn(panda_chat *chat, const char *question)
{
    struct pnd_buffer *history = &chat->history;
    size_t before = history->size;
    panda_status status;
    PND_TRY(pnd_buffer_append_string(history, question));
    PND_TRY(pnd_buffer_append_string(history, assistant));
    PND_TRY(pnd_buffer_append_string(history, " "));
    PND_TRY(pnd_buffer_append(history, chat->answer.data, chat->answer.size));
    PND_TRY(pnd_buffer_append_string(history, "\n"));
    PND_TRY(pnd_buffer_append_string(history, human));
out:
    if (status < 0)
        history->size = before;
    return status;
}
