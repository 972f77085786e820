/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/clean.h"

#include "modalities/text/html.h"
#include "modalities/text/unicode.h"

#define CHECK_EVERY ((size_t)1 << 20) /* bytes between questions for cancel */

static panda_status check_utf8(const struct pnd_cleaner *c)
{
    size_t asked = 0;
    for (size_t at = 0; at < c->size;) {
        uint32_t code;
        size_t length = pnd_ustring_get_utf8(&code, c->text + at, c->size - at);
        if (length == 0)
            return pnd_host_fail(c->host, PANDA_E_FORMAT,
                                 "byte %zu of the text is 0x%02x, expected "
                                 "UTF-8", at, c->text[at]);
        at += length;
        if (at - asked >= CHECK_EVERY) {
            panda_status status = pnd_host_check_cancel(c->host);
            if (status < 0)
                return status;
            asked = at;
        }
    }
    return PANDA_OK;
}

panda_status pnd_cleaner_init(struct pnd_cleaner *c,
                              const panda_frontend_host *host,
                              const uint8_t *text, size_t size, bool repair)
{
    *c = (struct pnd_cleaner){
        .host = host, .text = text, .size = size, .repair = repair};
    pnd_fixer_init(&c->fixer, host);
    pnd_ustring_init(&c->segment, host);
    pnd_ustring_init(&c->other, host);
    return check_utf8(c);
}

void pnd_cleaner_free(struct pnd_cleaner *c)
{
    pnd_fixer_free(&c->fixer);
    pnd_ustring_free(&c->segment);
    pnd_ustring_free(&c->other);
}

/* Read up to a line's end, and with it. */
static panda_status read_segment(struct pnd_cleaner *c)
{
    c->segment.size = 0;
    while (c->at < c->size && c->segment.size < PND_FIX_SEGMENT) {
        uint32_t code;
        c->at += pnd_ustring_get_utf8(&code, c->text + c->at, c->size - c->at);
        panda_status status = pnd_ustring_push(&c->segment, code);
        if (status < 0)
            return status;
        if (code == '\n')
            break;
    }
    return PANDA_OK;
}

panda_status pnd_cleaner_next(struct pnd_cleaner *c, struct pnd_ustring *out)
{
    panda_status status = PANDA_OK;
    if (c->at == c->size)
        return PANDA_END;
    out->size = 0;
    /* A line is in one piece, although it may be repaired in several; and the
     * repair may eat a line's end. */
    do {
        PND_HOST_TRY(pnd_host_check_cancel(c->host));
        PND_HOST_TRY(read_segment(c));
        if (c->repair)
            PND_HOST_TRY(pnd_fixer_fix(&c->fixer, &c->segment));
        PND_HOST_TRY(
            pnd_ustring_append(out, c->segment.data, c->segment.size));
    } while (c->at < c->size &&
             (out->size == 0 || out->data[out->size - 1] != '\n'));
    for (int i = 0; i < 2; i++) {
        PND_HOST_TRY(pnd_html_unescape(&c->other, out));
        pnd_ustring_swap(&c->other, out);
    }
    PND_HOST_TRY(pnd_unicode_lower(&c->other, out));
    pnd_ustring_swap(&c->other, out);
out:
    return status;
}
