/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/added_tokens.h"

#include "text/char_class.h"

static uint32_t get_kind(const uint8_t *text, size_t *length)
{
    return pnd_char_classify(pnd_char_decode(text, length));
}

/* Start of the last character of text[0..end), end > 0. */
static size_t step_back(const uint8_t *text, size_t end)
{
    do
        end--;
    while (end > 0 && (text[end] & 0xc0) == 0x80);
    return end;
}

static bool is_word(uint32_t kind, const uint8_t *text)
{
    return kind & (PND_CHAR_LETTERS | PND_CHAR_MARK | PND_CHAR_NUMBER) ||
           *text == '_';
}

/* Whether no letter or number touches text[start..end). */
static bool stands_alone(const uint8_t *text, size_t size, size_t start,
                         size_t end)
{
    size_t length;
    if (start > 0) {
        const uint8_t *before = text + step_back(text, start);
        if (is_word(get_kind(before, &length), before))
            return false;
    }
    return end == size || !is_word(get_kind(text + end, &length), text + end);
}

static size_t strip_left(const uint8_t *text, size_t low, size_t end)
{
    while (end > low) {
        size_t length, at = step_back(text, end);
        if (!(get_kind(text + at, &length) & PND_CHAR_SPACE))
            break;
        end = at;
    }
    return end;
}

static size_t strip_right(const uint8_t *text, size_t start, size_t size)
{
    size_t length;
    while (start < size && get_kind(text + start, &length) & PND_CHAR_SPACE)
        start += length;
    return start;
}

panda_status pnd_added_split(const struct pnd_prefixes *tokens,
                             bool parse_special, const uint8_t *text,
                             size_t size, bool first, pnd_stretch_fn take,
                             void *user)
{
    panda_status status = PANDA_OK;
    size_t done = 0;
    for (size_t at = 0; at < size && tokens->count > 0;) {
        const struct pnd_piece *token =
            pnd_prefixes_match(tokens, text + at, size - at);
        if (!token) {
            at++;
            continue;
        }
        size_t start = at, end = at + token->length;
        at = end;
        if (token->flags & PND_PIECE_SPECIAL && !parse_special)
            continue;
        if (token->flags & PND_PIECE_SINGLE_WORD &&
            !stands_alone(text, size, start, end))
            continue;
        if (token->flags & PND_PIECE_STRIP_LEFT && start > done)
            start = strip_left(text, done, start);
        if (token->flags & PND_PIECE_STRIP_RIGHT)
            end = strip_right(text, end, size);
        if (start > done)
            status = take(user, text + done, start - done, first && done == 0,
                          NULL);
        if (status >= 0)
            status = take(user, NULL, 0, false, token);
        if (status < 0)
            return status;
        done = end;
    }
    if (done < size)
        status = take(user, text + done, size - done, first && done == 0,
                      NULL);
    return status;
}
