/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/text/fix.h"

#include <string.h>

#include "modalities/text/html.h"
#include "modalities/text/unicode.h"

/* A segment is looked at so many times before the repair gives up. Real text
 * needs less than ten; "&amp;amp;amp;..." would go on for ever. */
#define MOST_PASSES 48
#define LEAST_WORK 65536

void pnd_fixer_init(struct pnd_fixer *f, const panda_frontend_host *host)
{
    *f = (struct pnd_fixer){.host = host};
    pnd_ustring_init(&f->before, host);
    pnd_ustring_init(&f->other, host);
}

void pnd_fixer_free(struct pnd_fixer *f)
{
    pnd_ustring_free(&f->before);
    pnd_ustring_free(&f->other);
}

static bool contains(const struct pnd_ustring *text, uint32_t c)
{
    for (size_t i = 0; i < text->size; i++) {
        if (text->data[i] == c)
            return true;
    }
    return false;
}

/* Whether no step would change anything: most captions. */
static bool is_plain(const struct pnd_ustring *text)
{
    for (size_t i = 0; i < text->size; i++) {
        uint32_t c = text->data[i];
        if ((c < ' ' && c != '\t' && c != '\n') || c > '~' || c == '&')
            return false;
    }
    return true;
}

static panda_status fix_once(struct pnd_fixer *f, struct pnd_ustring *text)
{
    panda_status status = PANDA_OK;
    if (!f->keep_references && contains(text, '&')) {
        status = pnd_html_unescape_strict(&f->other, text);
        if (status < 0)
            return status;
        pnd_ustring_swap(&f->other, text);
    }
    PND_HOST_TRY(pnd_fix_encoding(f, text));
    PND_HOST_TRY(pnd_fix_replace_chars(&f->other, text));
    pnd_ustring_swap(&f->other, text);
    pnd_fix_remove_controls(text);
    PND_HOST_TRY(pnd_unicode_compose(text, &f->other));
out:
    return status;
}

panda_status pnd_fixer_fix(struct pnd_fixer *f, struct pnd_ustring *segment)
{
    if (!f->keep_references && contains(segment, '<'))
        f->keep_references = true;
    f->work = 0;
    f->most_work = LEAST_WORK + (uint64_t)segment->size * MOST_PASSES;
    while (!is_plain(segment) && f->work < f->most_work) {
        f->work += segment->size;
        panda_status status = pnd_host_check_cancel(f->host);
        if (status == PANDA_OK)
            status = pnd_ustring_assign(&f->before, segment);
        if (status == PANDA_OK)
            status = fix_once(f, segment);
        if (status < 0)
            return status;
        if (segment->size == f->before.size &&
            memcmp(segment->data, f->before.data,
                   segment->size * sizeof *segment->data) == 0)
            return PANDA_OK;
    }
    return PANDA_OK;
}
